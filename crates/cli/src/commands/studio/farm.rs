//! Takes the renders of a studio to the queue on a server, from which `backline worker --render` takes them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use backline_postgres::{RenderQueue, RenderQueueError};
use backline_studio::Farm;
use tokio_util::sync::CancellationToken;

use crate::failure::{Failure, Kind};
use crate::log::Notices;

/// The pause between two checks of the rows of waiting renders: a row that is lost or put off comes back after this time.
const CHECK_PAUSE: Duration = Duration::from_secs(5);

/// The pause before a server that can't be reached is tried again.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// How long renders wait before the notice that no worker takes them: longer than a worker needs to take one.
const NOTICE_AFTER: Duration = Duration::from_secs(5);

/// How long a studio that stops tries to remove its rows. Rows that stay do no harm: workers find that nothing is to be done.
const LAST_WAIT: Duration = Duration::from_secs(5);

/// The queue, for one studio.
pub(super) struct StudioQueue {
    queue: RenderQueue,
    ledger: String,
    notices: Notices,
}

impl StudioQueue {
    /// Opens the queue on a server whose address was checked.
    pub(super) async fn open(ledger: &Path, notices: Notices) -> Result<Self, Failure> {
        Ok(Self {
            queue: open(ledger).await?,
            ledger: ledger.display().to_string(),
            notices,
        })
    }

    /// Keeps the rows of the studio at `studio` equal to its renders, until `stop`. Then removes them.
    pub(super) async fn keep(self, farm: Arc<Farm>, studio: String, stop: CancellationToken) {
        let mut announced = false;
        loop {
            let kept = self.queue.keep(&studio, &farm.waiting()).await;
            let pause = match &kept {
                Ok(()) => CHECK_PAUSE,
                Err(error) => {
                    warn(error);
                    RETRY_PAUSE
                }
            };
            let waiting = farm.without_worker(NOTICE_AFTER);
            if waiting > 0 && !announced {
                self.notices.print(&format!(
                    "{waiting} renders wait for a worker: start `backline worker --render --ledger {}`\n",
                    self.ledger
                ));
            }
            announced = waiting > 0;
            tokio::select! {
                () = stop.cancelled() => break,
                // At once only where the server could be reached.
                () = farm.changed(), if kept.is_ok() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        let emptied = tokio::time::timeout(LAST_WAIT, self.queue.keep(&studio, &[])).await;
        if let Ok(Err(error)) = emptied {
            warn(&error);
        }
    }
}

/// Opens the queue of renders on a server.
pub(crate) async fn open(ledger: &Path) -> Result<RenderQueue, Failure> {
    let address = ledger.to_string_lossy().parse();
    let address = address
        .map_err(|error: backline_postgres::AddressError| Failure::new(Kind::Usage, error))?;
    let opened = RenderQueue::open(address).await;
    opened.map_err(|error| Failure::new(Kind::Ledger, error))
}

fn warn(error: &RenderQueueError) {
    tracing::error!(
        error = error as &dyn std::error::Error,
        "renders do not reach the queue; trying again"
    );
}
