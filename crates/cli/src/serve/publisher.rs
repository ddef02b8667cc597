//! Makes editions of the page from the ledger when there is news, at a limited rate.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use backline_engine::event::RunId;
use backline_engine::store::StoreError;
use backline_engine::summary::{JobSummary, Summary, summarise};
use backline_reporter::LivePage;
use tokio::sync::watch;

use super::edition::Edition;
use crate::ledger::Ledger;

/// The time between two editions. It limits the summaries of a run with thousands of jobs to four per second, which is fast enough
/// for a reader.
const BETWEEN: Duration = Duration::from_millis(250);

/// Makes the editions.
pub(super) struct Publisher {
    ledger: PathBuf,
    page: Arc<Mutex<LivePage>>,
    editions: watch::Sender<Option<Arc<Edition>>>,
}

impl Publisher {
    pub(super) fn new(
        ledger: &Path,
        page: Arc<Mutex<LivePage>>,
        editions: watch::Sender<Option<Arc<Edition>>>,
    ) -> Self {
        Self {
            ledger: ledger.to_owned(),
            page,
            editions,
        }
    }

    /// Makes an edition for each signal, or one for several signals, and a last edition after the channel is closed.
    pub(super) async fn follow(self, mut news: watch::Receiver<Option<RunId>>) {
        loop {
            let is_over = news.changed().await.is_err();
            let run = news.borrow_and_update().clone();
            if let Some(run) = run {
                self.publish(run).await;
            }
            if is_over {
                return;
            }
            tokio::time::sleep(BETWEEN).await;
        }
    }

    async fn publish(&self, run: RunId) {
        let before = self.editions.borrow().clone();
        let (ledger, page) = (self.ledger.clone(), self.page.clone());
        let made =
            tokio::task::spawn_blocking(move || edition(&ledger, &page, &run, before.as_deref()));
        match made.await {
            Ok(Ok(Some(edition))) => _ = self.editions.send_replace(Some(Arc::new(edition))),
            Ok(Ok(None)) => {}
            Ok(Err(error)) => tracing::warn!("the page stays as it is: {error}"),
            Err(error) => tracing::warn!("the page stays as it is: {error}"),
        }
    }
}

/// Keeps the earlier versions of jobs that the page shows, so that the position of a job never changes and playback is not
/// interrupted.
fn keep_former(summary: &mut Summary, before: &Summary) {
    let shown = before.jobs.iter().filter(|job| !job.in_manifest);
    let shown: Vec<JobSummary> = shown.cloned().collect();
    let is_new = |job: &JobSummary| job.in_manifest || shown.iter().all(|it| it.key != job.key);
    summary.jobs.retain(is_new);
    let first = summary.jobs.iter().position(|job| !job.in_manifest);
    let first = first.unwrap_or(summary.jobs.len());
    summary.jobs.splice(first..first, shown);
}

/// The run's current edition from the ledger; none if nothing has changed. Reading does not delay writers.
fn edition(
    ledger: &Path,
    page: &Mutex<LivePage>,
    run: &RunId,
    before: Option<&Edition>,
) -> Result<Option<Edition>, StoreError> {
    let ledger = Ledger::read(ledger)?;
    let Some(header) = ledger.runs()?.into_iter().find(|header| header.id == *run) else {
        return Ok(None);
    };
    let mut summary = summarise(&*ledger, &header)?;
    if let Some(before) = before {
        keep_former(&mut summary, &before.summary);
    }
    // Each measurement is stored as a whole, so a poisoned lock is usable.
    let mut page = page.lock().unwrap_or_else(PoisonError::into_inner);
    let jobs = page.jobs(&summary).map_err(|source| StoreError::Failed {
        operation: "lay out the page of",
        path: ledger.path().display().to_string(),
        source: Box::new(source),
    })?;
    let (files, head) = (page.files(&summary), LivePage::head(&summary));
    Ok(Edition::after(before, summary, jobs, head, files))
}
