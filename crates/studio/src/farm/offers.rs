//! The studio's side: the renders that wait for workers, and those that workers have.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, mpsc};
use uuid::Uuid;

use super::wire::{Begin, Begun, FileHead};
use crate::computing::Delivery;
use crate::config::FARM_ATTEMPTS;
use crate::playing::Playing;
use crate::render::{Order, RenderFailure};
use crate::source::LocalSource;

/// The renders of a studio that workers on other machines compute.
pub struct Farm {
    playing: Playing,
    scratch: PathBuf,
    /// By the hash of the secret, so that the time of a look-up says nothing about the secret.
    offers: Mutex<HashMap<blake3::Hash, Offer>>,
    /// When a worker last began or finished a render.
    contact: Mutex<Option<Instant>>,
    changed: Notify,
}

/// A render that a worker has or may take.
struct Offer {
    secret: String,
    order: Order,
    source: LocalSource,
    source_head: FileHead,
    offered: Instant,
    /// How often it was begun.
    attempts: u32,
    /// The number of the part that comes next.
    next: u32,
    deliver: mpsc::Sender<Delivery>,
}

/// An offered render. Dropping it withdraws the offer.
pub(crate) struct Offered {
    farm: Arc<Farm>,
    key: blake3::Hash,
}

/// The render is over, or another worker has it.
#[derive(Debug)]
pub(crate) struct Gone;

/// Why a worker does not get a render.
#[derive(Debug)]
pub(crate) enum Refused {
    /// It is over.
    Gone,
    /// The worker plays differently.
    PlaysDifferently,
}

impl Farm {
    /// A farm without renders. Files that workers send are received in `scratch`.
    pub(crate) fn new(playing: Playing, scratch: PathBuf) -> Self {
        Self {
            playing,
            scratch,
            offers: Mutex::default(),
            contact: Mutex::default(),
            changed: Notify::new(),
        }
    }

    /// The secrets of all renders that are not finished, each the key to one, in the order in which they were offered. They must not
    /// appear in a log.
    pub fn waiting(&self) -> Vec<String> {
        let offers = self.lock();
        let mut waiting: Vec<&Offer> = offers.values().collect();
        waiting.sort_by_key(|offer| offer.offered);
        waiting.iter().map(|offer| offer.secret.clone()).collect()
    }

    /// How many renders wait, if no worker has any, one of them was offered more than `age` ago and no worker has begun or finished one
    /// since; otherwise 0.
    pub fn without_worker(&self, age: Duration) -> usize {
        let is_quiet = self.contact().is_none_or(|at| at.elapsed() > age);
        let offers = self.lock();
        let is_idle = offers.values().all(|offer| offer.attempts == 0);
        let is_old = offers.values().any(|offer| offer.offered.elapsed() > age);
        match is_quiet && is_idle && is_old {
            true => offers.len(),
            false => 0,
        }
    }

    /// Waits until [`waiting`](Self::waiting) returns something else than when this was last called. For one caller.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// What the studio plays with.
    pub fn playing(&self) -> &Playing {
        &self.playing
    }

    pub(crate) fn scratch(&self) -> &Path {
        &self.scratch
    }

    /// Offers a render of `source`, whose content is `bytes`.
    pub(crate) fn offer(
        self: &Arc<Self>,
        order: Order,
        source: LocalSource,
        bytes: &[u8],
        deliver: mpsc::Sender<Delivery>,
    ) -> Offered {
        let secret = [Uuid::new_v4(), Uuid::new_v4()].map(|half| half.simple().to_string());
        let secret = secret.concat();
        let key = blake3::hash(secret.as_bytes());
        let offer = Offer {
            secret,
            order,
            source,
            source_head: FileHead::of(bytes),
            offered: Instant::now(),
            attempts: 0,
            next: 0,
            deliver,
        };
        self.lock().insert(key, offer);
        self.changed.notify_one();
        Offered {
            farm: Arc::clone(self),
            key,
        }
    }

    /// Gives a render to a worker. Earlier workers of it are refused from now on.
    pub(crate) fn begin(
        &self,
        secret: &str,
        worker: IpAddr,
        begin: &Begin,
    ) -> Result<Begun, Refused> {
        let key = blake3::hash(secret.as_bytes());
        let mut offers = self.lock();
        let offer = offers.get_mut(&key).ok_or(Refused::Gone)?;
        if begin.playing != self.playing {
            return Err(Refused::PlaysDifferently);
        }
        if offer.attempts >= FARM_ATTEMPTS {
            let message = format!("{FARM_ATTEMPTS} workers began the render, and none finished it");
            tracing::error!("{message}");
            // The receiver takes a waiting part first; one that is gone needs no failure.
            let (deliver, failure) = (offer.deliver.clone(), RenderFailure::own(message));
            tokio::spawn(async move { deliver.send(Delivery::Failed(failure)).await.ok() });
            offers.remove(&key);
            self.changed.notify_one();
            return Err(Refused::Gone);
        }
        offer.attempts += 1;
        *self.contact() = Some(Instant::now());
        tracing::info!(
            %worker,
            process = begin.process,
            attempt = offer.attempts,
            "a worker began a render"
        );
        Ok(Begun {
            attempt: offer.attempts,
            order: offer.order.clone(),
            source: FileHead {
                blake3: offer.source_head.blake3.clone(),
                ..offer.source_head
            },
        })
    }

    /// Where the source of a render is.
    pub(crate) fn source(&self, secret: &str) -> Result<PathBuf, Gone> {
        let offers = self.lock();
        let offer = offers.get(&blake3::hash(secret.as_bytes())).ok_or(Gone)?;
        Ok(offer.source.path().to_owned())
    }

    /// Whether a worker may send parts of this attempt.
    pub(crate) fn is_current(&self, secret: &str, attempt: u32) -> bool {
        let offers = self.lock();
        let offer = offers.get(&blake3::hash(secret.as_bytes()));
        offer.is_some_and(|offer| offer.attempts == attempt)
    }

    /// Passes the part with the number `index` on to its task, unless the task has it already.
    pub(crate) async fn deliver(
        &self,
        secret: &str,
        attempt: u32,
        index: u32,
        delivery: Delivery,
    ) -> Result<(), Gone> {
        let key = blake3::hash(secret.as_bytes());
        let sender = {
            let offers = self.lock();
            let offer = offers.get(&key).filter(|offer| offer.attempts == attempt);
            offer.ok_or(Gone)?.deliver.clone()
        };
        // The part counts as delivered when it is in the channel: this call may end at any wait.
        let place = sender.reserve().await.map_err(|_| Gone)?;
        let mut offers = self.lock();
        let offer = offers.get_mut(&key);
        let offer = offer
            .filter(|offer| offer.attempts == attempt && index <= offer.next)
            .ok_or(Gone)?;
        if index < offer.next {
            return Ok(());
        }
        offer.next += 1;
        if !matches!(delivery, Delivery::Part(_)) {
            offers.remove(&key);
            *self.contact() = Some(Instant::now());
            self.changed.notify_one();
        }
        place.send(delivery);
        Ok(())
    }

    fn contact(&self) -> MutexGuard<'_, Option<Instant>> {
        self.contact.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<blake3::Hash, Offer>> {
        self.offers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Offered {
    fn drop(&mut self) {
        if self.farm.lock().remove(&self.key).is_some() {
            self.farm.changed.notify_one();
        }
    }
}
