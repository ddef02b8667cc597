//! The slots for connections: their number, which connections are idle, and which one is closed when no slot is free.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// How often a full server checks for a connection that has become idle.
const CHECK_INTERVAL: Duration = Duration::from_millis(20);
/// A connection that is younger than this may have a request on its way, and is not evicted.
const GRACE: Duration = Duration::from_millis(100);

/// The slots of one server.
pub(crate) struct Slots {
    free: Arc<Semaphore>,
    open: Mutex<HashMap<u64, Arc<ConnectionState>>>,
    next: AtomicU64,
    /// Counts the moments at which a connection became idle: a smaller number has waited for longer.
    idled: AtomicU64,
}

/// The state of one connection.
pub(crate) struct ConnectionState {
    opened: Instant,
    at_work: AtomicUsize,
    has_served: AtomicBool,
    idle_since: AtomicU64,
    evicted: CancellationToken,
    slots: Arc<Slots>,
}

/// A connection's slot; freed when dropped.
pub(crate) struct ConnectionSlot {
    number: u64,
    state: Arc<ConnectionState>,
    _permit: OwnedSemaphorePermit,
}

/// A request under way.
pub(crate) struct Busy(Arc<ConnectionState>);

impl Slots {
    pub(crate) fn new(slots: usize) -> Self {
        Self {
            free: Arc::new(Semaphore::new(slots.max(1))),
            open: Mutex::default(),
            next: AtomicU64::new(0),
            idled: AtomicU64::new(0),
        }
    }

    /// Takes a slot; closes the connection that has been idle for longest if none is free.
    pub(crate) async fn enter(self: &Arc<Self>) -> ConnectionSlot {
        let permit = loop {
            let free = self.free.clone();
            if let Ok(permit) = free.clone().try_acquire_owned() {
                break permit;
            }
            self.evict_idle();
            tokio::select! {
                permit = free.acquire_owned() => match permit {
                    Ok(permit) => break permit,
                    Err(_) => std::future::pending().await,
                },
                () = tokio::time::sleep(CHECK_INTERVAL) => {}
            }
        };
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let state = Arc::new(ConnectionState {
            opened: Instant::now(),
            at_work: AtomicUsize::new(0),
            has_served: AtomicBool::new(false),
            idle_since: AtomicU64::new(self.idled.fetch_add(1, Ordering::Relaxed)),
            evicted: CancellationToken::new(),
            slots: self.clone(),
        });
        self.lock().insert(number, state.clone());
        ConnectionSlot {
            number,
            state,
            _permit: permit,
        }
    }

    /// Closes the connection that has been idle for longest, if any is idle; connections without a request are closed first.
    pub(crate) fn evict_idle(&self) {
        let open = self.lock();
        let idle = open
            .values()
            .filter(|state| state.is_idle() && !state.evicted.is_cancelled());
        let oldest = idle.min_by_key(|state| {
            (
                state.has_served.load(Ordering::Relaxed),
                state.idle_since.load(Ordering::Relaxed),
            )
        });
        // If this one is that young, so is every other connection without a request.
        let oldest = oldest.filter(|state| state.opened.elapsed() >= GRACE);
        if let Some(state) = oldest {
            state.evicted.cancel();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Arc<ConnectionState>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ConnectionState {
    fn is_idle(&self) -> bool {
        self.at_work.load(Ordering::Acquire) == 0
    }

    /// Marks the connection as at work until the result is dropped.
    pub(crate) fn begin(self: &Arc<Self>) -> Busy {
        self.at_work.fetch_add(1, Ordering::AcqRel);
        self.has_served.store(true, Ordering::Relaxed);
        Busy(self.clone())
    }
}

impl ConnectionSlot {
    pub(crate) fn state(&self) -> Arc<ConnectionState> {
        self.state.clone()
    }

    /// Whether no request is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.state.is_idle()
    }

    /// Waits until another connection needs the slot.
    pub(crate) async fn evicted(&self) {
        self.state.evicted.cancelled().await;
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.state.slots.lock().remove(&self.number);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let now = self.0.slots.idled.fetch_add(1, Ordering::Relaxed);
        self.0.idle_since.store(now, Ordering::Relaxed);
        self.0.at_work.fetch_sub(1, Ordering::AcqRel);
    }
}
