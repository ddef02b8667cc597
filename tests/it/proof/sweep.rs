//! Strikes a fault at its first occurrence, its second, and so on, until a run comes to its end before the fault's turn.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::fault::Fault;

/// `all`: every occurrence; otherwise one in [`STRIDE`] of those that are many.
const VARIABLE: &str = "BACKLINE_PROOF";
/// A ledger's batch takes some twenty writes; each gets its turn in one batch or another.
const STRIDE: u32 = 7;

/// Every how many-th occurrence of a fault that strikes hundreds of times is tried.
pub(super) fn stride() -> u32 {
    match std::env::var(VARIABLE) {
        Ok(text) if text == "all" => 1,
        _ => STRIDE,
    }
}

/// Calls `at` with each of `faults` at its first occurrence and every `step`-th after it, `at_once` at a time; it answers whether the fault struck. Gives the number
/// of points that were struck.
pub(super) fn sweep(
    faults: &[Fault],
    step: u32,
    at_once: usize,
    at: impl Fn(&str, Fault) -> bool + Sync,
) -> u32 {
    let struck = AtomicU32::new(0);
    let lanes: Vec<(Fault, AtomicU32, AtomicBool)> = faults
        .iter()
        .map(|fault| (*fault, AtomicU32::new(0), AtomicBool::new(false)))
        .collect();
    let broken = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                for (lane, (fault, number, done)) in lanes.iter().enumerate() {
                    while !done.load(Ordering::SeqCst) && broken.lock().unwrap().is_none() {
                        let nth = 1 + step * number.fetch_add(1, Ordering::SeqCst);
                        let name = format!("{}-{}-{lane}-{nth}", fault.op, fault.act);
                        match catch_unwind(AssertUnwindSafe(|| at(&name, fault.nth(nth)))) {
                            Ok(true) => drop(struck.fetch_add(1, Ordering::SeqCst)),
                            Ok(false) => done.store(true, Ordering::SeqCst),
                            Err(panic) => *broken.lock().unwrap() = Some(panic),
                        }
                    }
                }
            });
        }
    });
    if let Some(panic) = broken.into_inner().unwrap() {
        resume_unwind(panic);
    }
    struck.into_inner()
}
