//! Instant mode under load. The figure is printed, not judged: machines differ.

use std::sync::Arc;
use std::time::Instant;

use super::lab::{Lab, instant_request};

/// Requests of the test: enough for several groups of commits, few enough for every run.
const REQUESTS: usize = 2_000;
/// Requests at once.
const CLIENTS: usize = 64;

#[tokio::test(flavor = "multi_thread")]
async fn every_one_of_many_requests_at_once_is_accepted_and_charged_once() {
    let lab = Arc::new(Lab::open(|config| config.credits = Some(1_000_000.0)).await);
    let started = Instant::now();
    let per_client = REQUESTS / CLIENTS;
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..CLIENTS {
        let lab = Arc::clone(&lab);
        clients.spawn(async move {
            let mut ids = Vec::new();
            for _ in 0..per_client {
                ids.push(lab.submit(&instant_request()).await);
            }
            ids
        });
    }
    let ids: std::collections::HashSet<String> =
        clients.join_all().await.into_iter().flatten().collect();
    let rate = ids.len() as f64 / started.elapsed().as_secs_f64();
    eprintln_rate(rate);
    assert_eq!(ids.len(), per_client * CLIENTS);
    assert_eq!(lab.balance().await, 1_000_000.0 - 12.0 * ids.len() as f64);
}

#[expect(
    clippy::print_stderr,
    reason = "the figure is what one reads the test's output for"
)]
fn eprintln_rate(rate: f64) {
    eprintln!("instant mode: {rate:.0} tasks/s");
}
