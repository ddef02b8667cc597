//! Starts and stops a studio.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::{CancellationToken, DropGuard};
use url::Url;
use uuid::Uuid;

use crate::config::{BASE64_LIMIT, CONNECTIONS, STOP_PATIENCE, STREAM_LIMIT, StudioConfig};
use crate::error::StudioError;
use crate::farm::Farm;
use crate::fetch::Fetcher;
use crate::folder::DataFolder;
use crate::gate::RateWindow;
use crate::http::{self, CuttableConnection};
use crate::links::Links;
use crate::playing::Playing;
use crate::renderer::Renderer;
use crate::shared::{StudioState, Unfinished};
use crate::store::{StudioStore, StudioStoreError};
use crate::{cleanup, delivery, instant, worker};

/// A running studio. Dropping it stops it without waiting; [`stop`](Studio::stop) waits.
pub struct Studio {
    shared: Arc<StudioState>,
    serving: JoinHandle<()>,
    workers: JoinSet<()>,
    _stop_on_drop: DropGuard,
}

impl Studio {
    /// Serves the contract on `listener` with the data in `config.data_dir`, and resumes the tasks that an earlier studio left
    /// unfinished there. The caller decides who can reach the studio: bind the listener to a loopback address unless others
    /// should reach it.
    ///
    /// The process must have installed a rustls crypto provider, because the clients for sources and callbacks need one.
    ///
    /// # Errors
    /// When the folder can't be used (another studio uses it, for example), or a setting of `config` is invalid. Then nothing
    /// is served.
    pub async fn start(listener: TcpListener, config: StudioConfig) -> Result<Studio, StudioError> {
        // The HTTP library panics without a crypto provider.
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            return Err(StudioError::NoCryptoProvider);
        }
        let address = listener.local_addr().map_err(StudioError::Listener)?;
        let links = Links::new(base_url(&config, address)?, address.port());
        let opening = tokio::task::spawn_blocking(move || open(config, links));
        let shared = match opening.await {
            Ok(shared) => Arc::new(shared?),
            Err(broken) if broken.is_panic() => std::panic::resume_unwind(broken.into_panic()),
            Err(_) => return Err(StudioStoreError::Stopping.into()),
        };
        let callbacks = delivery::client().map_err(StudioError::Client)?;
        let mut workers = JoinSet::new();
        workers.spawn(worker::run(Arc::clone(&shared)));
        workers.spawn(delivery::run(Arc::clone(&shared), callbacks));
        workers.spawn(cleanup::run(Arc::clone(&shared)));
        let serving = tokio::spawn(backline_serve::serve(
            listener,
            http::router(Arc::clone(&shared)),
            CONNECTIONS,
            shared.stop.clone(),
            CuttableConnection::new,
        ));
        tracing::info!(base_url = %shared.links.base(), "the studio is open");
        Ok(Studio {
            _stop_on_drop: shared.stop.clone().drop_guard(),
            shared,
            serving,
            workers,
        })
    }

    /// The base address of all links; ends in a slash.
    pub fn base_url(&self) -> &Url {
        self.shared.links.base()
    }

    /// The renders for workers on other machines, if [`StudioConfig::uses_farm`] is set. The caller takes them to workers.
    pub fn farm(&self) -> Option<Arc<Farm>> {
        self.shared.renderer.farm().cloned()
    }

    /// Waits until a change of a task can't be stored (on a full disk, for example), and returns the reason. Such a task may
    /// stay unfinished until the next start, so a program that started the studio for its own tasks need not wait for them.
    pub async fn store_failed(&self) -> String {
        self.shared.store.failed_to_write().await
    }

    /// Completes running responses, then stops. Unfinished tasks and owed callbacks continue at the next start with the same
    /// folder. The folder is unlocked when this returns.
    pub async fn stop(mut self) {
        self.shared.stop.cancel();
        if tokio::time::timeout(STOP_PATIENCE, &mut self.serving)
            .await
            .is_err()
        {
            tracing::debug!("closed connections that did not end");
            self.serving.abort();
        }
        while let Some(ended) = self.workers.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a part of the studio failed");
            }
        }
        let shared = Arc::clone(&self.shared);
        let closing = tokio::task::spawn_blocking(move || {
            shared.store.close();
            shared.folder.release();
        });
        if let Err(error) = closing.await {
            tracing::error!(%error, "the studio's store did not close");
        }
    }

    /// Waits until `done` returns true; calls it again whenever a task has changed.
    #[cfg(test)]
    pub(crate) async fn wait_until<F: Future<Output = bool>>(&self, mut done: impl FnMut() -> F) {
        let mut progress = self.shared.progress.subscribe();
        while !done().await {
            progress
                .changed()
                .await
                .expect("the studio holds the sender");
        }
    }

    #[cfg(test)]
    pub(crate) fn shared(&self) -> &Arc<StudioState> {
        &self.shared
    }
}

/// Opens everything in the data folder. Blocks.
fn open(config: StudioConfig, links: Links) -> Result<StudioState, StudioError> {
    let folder = DataFolder::open(&config.data_dir)?;
    let store = StudioStore::open(&folder.database())?;
    let waiting = store.count_unfinished()?;
    if waiting > 0 {
        tracing::info!(tasks = waiting, "taking up unfinished tasks");
    }
    let instant = config
        .instant
        .then(|| instant::prepare(&folder, config.encoding))
        .transpose()?;
    let farm = config.uses_farm.then(|| {
        let playing = Playing::of(config.soundfont.as_ref())?;
        Ok::<_, StudioError>(Arc::new(Farm::new(playing, folder.scratch())))
    });
    let renderer = Renderer::new(&config, farm.transpose()?);
    let fetcher = Fetcher::new(folder.scratch(), config.allow_private_sources)
        .map_err(StudioError::Client)?;
    let bill_key = match &config.key {
        Some(key) => key.clone(),
        None => {
            let key = [Uuid::new_v4(), Uuid::new_v4()].map(|half| half.simple().to_string());
            let key = key.concat();
            folder.keep_bill_key(&key)?;
            key
        }
    };
    Ok(StudioState {
        bill_key,
        rate_window: config
            .rate
            .map(|(count, window)| Mutex::new(RateWindow::new(count, window))),
        unfinished: Unfinished::new(waiting, config.queue_limit),
        instant,
        fetcher,
        renderer,
        links,
        store: Arc::new(store),
        folder,
        config,
        work_waits: Notify::new(),
        callback_waits: Notify::new(),
        progress: watch::Sender::new(()),
        base64_slots: Semaphore::new(BASE64_LIMIT),
        stream_slots: Semaphore::new(STREAM_LIMIT),
        refusing: Mutex::new(None),
        gone_uploads: Mutex::default(),
        other_calls: Default::default(),
        stop: CancellationToken::new(),
    })
}

/// The base address of links; always ends in a slash.
fn base_url(config: &StudioConfig, address: SocketAddr) -> Result<Url, StudioError> {
    let Some(public) = &config.public_url else {
        let reachable = match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
            ip => ip,
        };
        let text = format!("http://{}/", SocketAddr::new(reachable, address.port()));
        return Url::parse(&text).map_err(|_| StudioError::PublicUrl(text));
    };
    let mut url = public.clone();
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(StudioError::PublicUrl(public.to_string()));
    }
    url.set_query(None);
    url.set_fragment(None);
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Ok(url)
}
