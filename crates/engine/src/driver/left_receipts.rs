//! What processes that have ended left in their receipts: task ids that the ledger may lack.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use crate::event::{Event, Via};
use crate::job::Step;
use crate::receipts::{LeftReceipts, Receipt};
use crate::settings::JobKey;
use crate::store::KnownJob;

/// The receipts that processes which have ended left in `folder`, and the events of those that the ledger does not have. Jobs are changed
/// by these. A file of receipts for another ledger is left alone.
pub(super) fn left_receipts(
    folder: &Path,
    now_ms: i64,
    known: &mut HashMap<JobKey, KnownJob>,
) -> (Vec<LeftReceipts>, Vec<(JobKey, Event)>) {
    let mut left = LeftReceipts::find(folder).unwrap_or_else(|error| {
        tracing::warn!(%error, folder = %folder.display(), "receipts of earlier runs can't be read");
        Vec::new()
    });
    let is_known = |receipt: &Receipt| {
        known.get(&receipt.job).is_some_and(|known| {
            let mut tokens = known.job.tokens();
            tokens.any(|(attempt, token)| attempt == receipt.attempt && receipt.is_of(token))
        })
    };
    left.retain(|left| left.receipts.iter().all(is_known));
    let mut events = Vec::new();
    for receipt in left.iter().flat_map(|left| &left.receipts) {
        let event = Event::Accepted {
            attempt: receipt.attempt,
            task_id: receipt.task.clone(),
            via: Via::Response,
        };
        if let Some(known) = known.get_mut(&receipt.job)
            && let Step::Changed(next) = known.job.step(now_ms, &event)
        {
            known.job = Arc::new(next);
            events.push((receipt.job, event));
        }
    }
    (left, events)
}
