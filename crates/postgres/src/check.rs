//! Checks what only a ledger on a server has: the sums and the columns that limits are checked with.

use backline_engine::check::{Checked, Finding, check};
use backline_engine::job::Credits;
use backline_engine::store::{Contents, KnownJob, StoreError};
use sqlx::PgConnection;

use crate::admission::{committed, is_in_flight};
use crate::connection::Ledger;

/// What is stored of a job beside its state.
type Columns = (i64, bool, i64);

impl Ledger {
    /// Checks the jobs against their events, and the sums against the jobs. The server keeps its own files whole.
    ///
    /// What counts against a run's credits is not checked: it includes what was reserved when the run began, which no event records.
    ///
    /// # Errors
    /// When the server can't be reached.
    pub fn check(&self) -> Result<Checked, StoreError> {
        let mut checked = check(self)?;
        let mut sum = 0;
        let mut after = None;
        loop {
            let page = self.page_of_jobs(after.as_ref())?;
            let (Some((first, _)), Some((last, _))) = (page.first(), page.last()) else {
                break;
            };
            let columns: Vec<Columns> = self.reading(async |connection| {
                sqlx::query_as(
                    "SELECT committed, is_in_flight, version FROM jobs WHERE key BETWEEN $1 AND $2 ORDER BY key",
                )
                .bind(&first.to_bytes()[..])
                .bind(&last.to_bytes()[..])
                .fetch_all(connection)
                .await
            })?;
            for ((key, known), columns) in page.iter().zip(columns) {
                sum += columns.0;
                let wrong = wrong_column(known, columns);
                let finding = wrong.map(|what| format!("job {}: {what}", key.short()));
                checked.findings.extend(finding.map(Finding::Store));
            }
            after = Some(*last);
        }
        let (last_seq, stored, last) = self.reading(async |connection| sums(connection).await)?;
        if stored != sum {
            let (stored, sum) = (
                Credits::of_thousandths(stored),
                Credits::of_thousandths(sum),
            );
            let what = format!("the ledger counts {stored} credits, its jobs have {sum}");
            checked.findings.push(Finding::Store(what));
        }
        if last_seq < last {
            let what = format!(
                "the next event would have place {}, event {last} is there",
                last_seq + 1
            );
            checked.findings.push(Finding::Store(what));
        }
        Ok(checked)
    }
}

/// What is wrong with the columns of a job.
fn wrong_column(known: &KnownJob, (cost, in_flight, version): Columns) -> Option<String> {
    let job = &known.job;
    if cost != committed(job) {
        let (cost, own) = (
            Credits::of_thousandths(cost),
            Credits::of_thousandths(committed(job)),
        );
        return Some(format!(
            "{cost} credits are counted for it, its state has {own}"
        ));
    }
    if in_flight != is_in_flight(job) {
        let not = if in_flight { "" } else { "not " };
        return Some(format!(
            "it is {not}counted as a task in flight, unlike its state"
        ));
    }
    (version < 1).then(|| format!("it has version {version}; the first one is 1"))
}

/// The place of the last event as it is counted, the credits, and the place of the last event.
async fn sums(connection: &mut PgConnection) -> sqlx::Result<(i64, i64, i64)> {
    sqlx::query_as(
        "SELECT last_seq, committed, (SELECT coalesce(max(seq), 0) FROM events) FROM ledger",
    )
    .fetch_one(connection)
    .await
}
