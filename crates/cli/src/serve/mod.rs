//! `--serve`: serves the run's live page and its metrics over HTTP.
//!
//! ```text
//!  records ─► Server::record ─► metrics ───────────────────────────► /metrics
//!                  │
//!                  └─ news ─► publisher ─ reads the ledger ─► edition ─► / (the page), /events (what changed since), /audio/…
//! ```
//!
//! The server accepts GET alone, changes nothing and needs no key: it shows the contents of the output directory. By default it
//! therefore listens on this machine only. It refuses requests that name another host, because an attacker can make its own
//! host name resolve to this machine. It never delays the run, which only signals that there is news.

mod edition;
mod files;
mod guard;
mod publisher;
mod routes;

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use backline_engine::event::{Record, RunId};
use backline_reporter::{Level, LivePage, Metrics};
use backline_serve::Limits;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::args::WatchArgs;
use crate::console::Console;
use crate::failure::{Failure, Kind};
use crate::log::Notices;
use crate::project::{Project, sound_cache};
use crate::signals;
use crate::watch::RunBasis;

use edition::Edition;
use publisher::Publisher;

/// The longest time that the server waits at its end for listeners to receive the last edition.
const FAREWELL: Duration = Duration::from_secs(2);

/// The limits on connections. The maximum allows for all listeners, each with as many connections as a browser opens to one host,
/// and for a scraper. A listener gets data at least every 15 s, and is dropped if it accepts none for 30 s.
const LIMITS: Limits = Limits {
    connections: 256,
    head: Duration::from_secs(15),
    body: Duration::from_secs(15),
    stall: Duration::from_secs(30),
};

/// The server of one run.
pub(crate) struct Server {
    address: SocketAddr,
    metrics: Arc<Mutex<Metrics>>,
    news: watch::Sender<Option<RunId>>,
    publishing: JoinHandle<()>,
    serving: JoinHandle<()>,
    stop: CancellationToken,
}

impl Server {
    /// Starts the server if the arguments request one. Must be called within a runtime.
    pub(crate) async fn start(
        args: &WatchArgs,
        planned: &RunBasis,
        project: &Project,
    ) -> Result<Option<Self>, Failure> {
        let Some(address) = args.serve else {
            return Ok(None);
        };
        guard::allow(address, args.expose)?;
        let listener = TcpListener::bind(address)
            .await
            .and_then(|listener| Ok((listener.local_addr()?, listener)));
        let (address, listener) = listener.map_err(|error| {
            let context = format!("can't serve on {address}");
            Failure::new(Kind::Usage, anyhow::Error::new(error).context(context))
                .hint("--serve 127.0.0.1:0 takes a free port; nothing was bought")
        })?;

        let metrics = Metrics::new(&planned.facts(), env!("CARGO_PKG_VERSION"));
        let metrics = Arc::new(Mutex::new(metrics));
        let (news, heard) = watch::channel(None);
        let (editions, edition) = watch::channel(None::<Arc<Edition>>);
        let sound_cache = sound_cache(&project.ledger);
        let page = LivePage::new(&project.plan.project_dir, sound_cache.as_deref());
        let page = Arc::new(Mutex::new(page));
        let publisher = Publisher::new(&project.ledger, page.clone(), editions);
        let publishing = tokio::spawn(publisher.follow(heard));

        let stop = CancellationToken::new();
        let router = routes::router(
            routes::Shown::new(edition, page, metrics.clone(), project.plan.output.place()),
            args.expose,
        );
        let serving = tokio::spawn(backline_serve::serve(
            listener,
            router,
            LIMITS,
            stop.clone(),
            |stream, peer| (stream, peer),
        ));
        Ok(Some(Self {
            address,
            metrics,
            news,
            publishing,
            serving,
            stop,
        }))
    }

    /// Prints the page's address.
    pub(crate) fn tell(&self, console: &Console, notices: &Notices) {
        if console.level > Level::Quiet {
            notices.print(&format!("Page: http://{}/\n", self.address));
        }
    }

    /// Records an event. Never blocks.
    pub(crate) fn record(&self, record: &Record) {
        // A panic while counting leaves at most one figure too low, so a poisoned lock is usable.
        let mut metrics = self.metrics.lock().unwrap_or_else(PoisonError::into_inner);
        metrics.record(record);
        drop(metrics);
        self.news.send_replace(Some(record.run.clone()));
    }

    /// Ends the server after the run. If standard error is a terminal and `lasts` is set, the page stays until Ctrl-C. Otherwise
    /// all listeners get the result of the run, and the server ends.
    pub(crate) async fn close(self, lasts: bool, console: &Console) {
        if lasts && std::io::stderr().is_terminal() {
            let (stop, at_once) = (CancellationToken::new(), CancellationToken::new());
            let signals = signals::follow(stop.clone(), at_once, Notices::stderr(), "");
            let words = "\nThe run has ended; its page is served until Ctrl-C: http://";
            console.note(&format!("{words}{}/\n", self.address));
            stop.cancelled().await;
            signals.abort();
        }
        self.end().await;
    }

    async fn end(self) {
        // The publisher makes a last edition from the complete ledger. The listeners then receive the end of the stream.
        drop(self.news);
        let farewell = async {
            let _ = self.publishing.await;
            self.stop.cancel();
            let _ = self.serving.await;
        };
        let _ = tokio::time::timeout(FAREWELL, farewell).await;
    }
}
