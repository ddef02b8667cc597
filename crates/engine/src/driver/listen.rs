//! The callback receiver alone: for hours in which no run is under way and the vendor still calls.
//!
//! A callback that carries an attempt's secret proves that the attempt was bought, and brings its task id. That is written to
//! the ledger, and nothing else is done: the next run follows the task.

use std::collections::HashMap;
use std::net::SocketAddr;

use tokio::sync::mpsc;
use url::Url;

use super::callbacks::{Call, Post, Receiver};
use super::clock::Clock;
use super::{CALLBACK_BACKLOG, RunError, Signals};
use crate::event::{Event, Record, RefusedCallbacks, RunId, Token, Via};
use crate::machine::Step;
use crate::plan::JobKey;
use crate::store::{Batch, KnownJob, NewRecord, Store};

/// What a receiver has heard until it was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Heard {
    /// Callbacks with a secret that the ledger knows.
    pub callbacks: u64,
    /// Purchases that were not known before.
    pub proved: u64,
    /// Callbacks that were refused.
    pub refused: RefusedCallbacks,
}

/// Receives callbacks on `address` for every job of the ledger until `signals` say stop. `ready` is told the bound address'
/// URL; `observe` is told every record after it has become durable.
pub async fn listen(
    address: SocketAddr,
    key: Option<Vec<u8>>,
    signals: &Signals,
    store: &mut dyn Store,
    ready: &mut (dyn FnMut(&Url) + Send),
    observe: &mut (dyn FnMut(&Record) + Send),
) -> Result<Heard, RunError> {
    let clock = Clock::new();
    let mut desk = Ears::new(store)?;
    let (calls_in, mut calls) = mpsc::channel(CALLBACK_BACKLOG);
    let post = Post {
        address,
        public_url: None,
        key,
    };
    let receiver = Receiver::start(post, calls_in).await?;
    ready(&receiver.public_url());
    let mut heard = Heard::default();
    let ended = loop {
        let call = tokio::select! {
            biased;
            () = signals.stop.cancelled() => break Ok(()),
            () = signals.drain.cancelled() => break Ok(()),
            call = calls.recv() => call,
        };
        let Some(call) = call else { break Ok(()) };
        match tokio::task::block_in_place(|| desk.hear(&call, clock.now_ms(), store)) {
            Ok(told) => {
                let known = told.is_some();
                heard.callbacks += u64::from(known);
                for record in told.into_iter().flatten() {
                    heard.proved += 1;
                    observe(&record);
                }
                // The vendor may have hung up; what it said is durable all the same.
                let _ = call.done.send(known);
            }
            Err(error) => break Err(error),
        }
    };
    heard.refused = receiver.refused();
    receiver.stop().await;
    ended.map(|()| heard)
}

/// The ledger's jobs by the secrets of their attempts.
struct Ears {
    jobs: HashMap<JobKey, KnownJob>,
    by_token: HashMap<Token, (JobKey, u32)>,
    run: RunId,
}

impl Ears {
    fn new(store: &dyn Store) -> Result<Self, RunError> {
        let jobs = store.jobs()?;
        let mut by_token = HashMap::new();
        for (key, known) in &jobs {
            let tokens = known.job.tokens();
            by_token.extend(tokens.map(|(attempt, token)| (token.clone(), (*key, attempt))));
        }
        let run = store.runs()?.into_iter().next().map(|run| run.id);
        Ok(Self {
            jobs,
            by_token,
            run: run.unwrap_or_default(),
        })
    }

    /// What a callback made durable: nothing where it said what was known; none where its secret is not.
    fn hear(
        &mut self,
        call: &Call,
        now_ms: i64,
        store: &mut dyn Store,
    ) -> Result<Option<Vec<Record>>, RunError> {
        let Some((key, attempt)) = self.by_token.get(&call.token).copied() else {
            return Ok(None);
        };
        let Some(known) = self.jobs.get_mut(&key) else {
            return Ok(None);
        };
        let event = Event::Accepted {
            attempt,
            task_id: call.task.clone(),
            via: Via::Callback,
        };
        let Step::Changed(job) = known.job.step(now_ms, &event) else {
            return Ok(Some(Vec::new()));
        };
        known.job = job;
        let record = NewRecord {
            at_ms: now_ms,
            run: self.run.clone(),
            account: known.account.clone(),
            job: Some(key),
            event,
        };
        let batch = Batch {
            events: vec![record],
            jobs: vec![(key, known.clone())],
        };
        Ok(Some(store.append(&batch)?))
    }
}
