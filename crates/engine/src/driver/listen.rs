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
use crate::store::{Batch, KnownJob, NewRecord, Store, StoreError};

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
        let told = match desk.evidence(&call, clock.now_ms()) {
            Some(batch) if !batch.events.is_empty() => {
                tokio::task::block_in_place(|| store.append(&batch)).map(Some)
            }
            known => Ok(known.map(|_| Vec::new())),
        };
        match told {
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
            Err(error) => break Err(error.into()),
        }
    };
    heard.refused = receiver.refused();
    receiver.stop().await;
    ended.map(|()| heard)
}

/// The ledger's jobs by the secrets of their attempts.
pub(super) struct Ears {
    jobs: HashMap<JobKey, KnownJob>,
    by_token: HashMap<Token, (JobKey, u32)>,
    run: RunId,
}

impl Ears {
    pub(super) fn new(store: &dyn Store) -> Result<Self, StoreError> {
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

    /// What a callback proves: an empty batch where it says what was known; none where its secret is not.
    pub(super) fn evidence(&mut self, call: &Call, now_ms: i64) -> Option<Batch> {
        let (key, attempt) = self.by_token.get(&call.token).copied()?;
        let known = self.jobs.get_mut(&key)?;
        let event = Event::Accepted {
            attempt,
            task_id: call.task.clone(),
            via: Via::Callback,
        };
        let Step::Changed(job) = known.job.step(now_ms, &event) else {
            return Some(Batch::default());
        };
        known.job = job;
        let record = NewRecord {
            at_ms: now_ms,
            run: self.run.clone(),
            account: known.account.clone(),
            job: Some(key),
            event,
        };
        Some(Batch {
            events: vec![record],
            jobs: vec![(key, known.clone())],
        })
    }
}

#[cfg(test)]
mod tests {
    use backline_api::TaskId;
    use tokio::sync::oneshot;

    use super::*;
    use crate::ledger::Ledger;
    use crate::machine::{Job, Phase};

    fn call(token: &str, task: &str) -> Call {
        Call {
            token: Token::from_text(token),
            task: TaskId(task.to_owned()),
            done: oneshot::channel().0,
        }
    }

    /// A ledger with one job whose answer was lost.
    fn ledger(folder: &std::path::Path) -> (Ledger, JobKey) {
        let mut ledger = Ledger::own(&folder.join("ledger.sqlite3")).unwrap();
        let key = JobKey::from_bytes([7; 32]);
        let mut known = KnownJob {
            job: Job::default(),
            account: "studio:1".to_owned(),
        };
        let events = [
            Event::Intent {
                attempt: 1,
                token: Token::from_text("secret"),
                credits: 12.0,
            },
            Event::Lost {
                attempt: 1,
                message: "reset".to_owned(),
                response: None,
            },
        ];
        let mut batch = Batch::default();
        for event in events {
            let Step::Changed(job) = known.job.step(5, &event) else {
                panic!("{event:?}")
            };
            known.job = job;
            batch.events.push(NewRecord {
                at_ms: 5,
                run: RunId::new(),
                account: known.account.clone(),
                job: Some(key),
                event,
            });
        }
        batch.jobs.push((key, known));
        ledger.append(&batch).unwrap();
        (ledger, key)
    }

    #[test]
    fn a_callback_proves_a_purchase_once_and_a_stranger_proves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (mut ledger, key) = ledger(folder.path());
        let mut ears = Ears::new(&ledger).unwrap();
        assert!(ears.evidence(&call("guess", "task1"), 9).is_none());

        let batch = ears.evidence(&call("secret", "task1"), 9).unwrap();
        ledger.append(&batch).unwrap();
        let job = &ledger.jobs().unwrap()[&key].job;
        assert!(matches!(&job.phase, Phase::Running(task) if task.id.as_str() == "task1"));
        assert_eq!((job.credits, job.reserved), (12.0, 0.0));

        let again = ears.evidence(&call("secret", "task1"), 10).unwrap();
        assert!(again.events.is_empty());
        let fresh = Ears::new(&ledger)
            .unwrap()
            .evidence(&call("secret", "task1"), 11);
        assert!(fresh.unwrap().events.is_empty());
        assert_eq!(ledger.check().unwrap(), []);
    }
}
