//! The effects of a task's faults on its polls, files and times. Pure.

use super::details::{self, Whose};
use super::fault::{Fault, FileFault};
use super::malformed::{MalformedKind, MalformedTarget};

/// Whether the `number`th poll of a task with `faults` shows the details of another task.
pub(crate) fn shows_another(faults: &[Fault], number: u32) -> bool {
    let script = faults.iter().find_map(|fault| match fault {
        Fault::Details(script) => Some(script),
        _ => None,
    });
    script
        .and_then(|script| details::step(script, number))
        .is_some_and(|step| step.of == Whose::Other)
}

/// The defect of the JSON at `place`, for the `number`th time there.
pub(crate) fn malformed(
    faults: &[Fault],
    place: MalformedTarget,
    number: u32,
) -> Option<MalformedKind> {
    faults.iter().find_map(|fault| match fault {
        Fault::MalformedJson(malformed)
            if malformed.places.contains(&place)
                && (place != MalformedTarget::Details || malformed.polls.covers(number)) =>
        {
            Some(malformed.kind)
        }
        _ => None,
    })
}

/// The error of the vendor's clock, in milliseconds.
pub(crate) fn clock_offset_ms(faults: &[Fault]) -> i64 {
    let offset_s = faults.iter().find_map(|fault| match fault {
        Fault::ClockOffsetS(offset_s) => Some(*offset_s),
        _ => None,
    });
    offset_s.unwrap_or(0).saturating_mul(1000)
}

/// The duration of every track that a plan sets, if it sets one.
pub(crate) fn duration_s(faults: &[Fault]) -> Option<f64> {
    faults.iter().find_map(|fault| match fault {
        Fault::DurationS(duration_s) => Some(*duration_s),
        _ => None,
    })
}

/// Whether a plan has a fault for the file of a task's track.
pub(crate) fn spoils_file(faults: &[Fault], number: u8) -> bool {
    file_faults(faults, number).next().is_some()
}

/// Whether `sourceAudioUrl` of a faulty track leads to its correct file.
pub(crate) fn has_good_source(faults: &[Fault], number: u8) -> bool {
    file_faults(faults, number).any(|file| file.source_is_good)
}

/// The fault of a track's file at its `fetch`th fetch, counted from 1: the first fault that still applies.
pub(crate) fn file_fault(faults: &[Fault], number: u8, fetch: u32) -> Option<&FileFault> {
    file_faults(faults, number).find(|file| file.fetches.covers(fetch))
}

fn file_faults(faults: &[Fault], number: u8) -> impl Iterator<Item = &FileFault> {
    faults.iter().filter_map(move |fault| match fault {
        Fault::File(file) if file.track.is_none_or(|track| track == number) => Some(file),
        _ => None,
    })
}
