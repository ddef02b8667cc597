//! The callback receiver alone: for hours in which no run is under way and the vendor still calls.
//!
//! A callback that carries an attempt's token names the task that the attempt bought. That is written to the ledger, and nothing
//! else is done: the next run looks at the task's details and follows it.

use std::net::SocketAddr;

use backline_api::TaskId;
use tokio::sync::mpsc;
use url::Url;

use super::callbacks::{ListenConfig, Receiver};
use super::clock::Clock;
use super::{CALLBACK_BACKLOG, RunError, Signals};
use crate::event::{Record, RefusedCallbacks, RunId, Token};
use crate::index::{ClaimOutcome, Index};
use crate::settings::JobKey;
use crate::store::{Batch, Contents, Store, StoreError};

/// What a receiver has heard until it was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ListenSummary {
    /// Callbacks with a secret that the ledger knows.
    pub callbacks: u64,
    /// Tasks that they named and that were not known before; the next run confirms them.
    pub claims: u64,
    /// Callbacks that were refused.
    pub refused: RefusedCallbacks,
}

/// Receives callbacks on `address` for every job of the ledger until `signals` say stop. `ready` gets the bound address'
/// URL; `observe` gets every record after it has become durable.
pub async fn listen(
    address: SocketAddr,
    key: Option<Vec<u8>>,
    signals: &Signals,
    store: &mut dyn Store,
    ready: &mut (dyn FnMut(&Url) + Send),
    observe: &mut (dyn FnMut(&Record) + Send),
) -> Result<ListenSummary, RunError> {
    let clock = Clock::new();
    let mut tokens = TokenIndex::new(store)?;
    let (calls_in, mut calls) = mpsc::channel(CALLBACK_BACKLOG);
    let post = ListenConfig {
        address,
        public_url: None,
        key,
    };
    let receiver = Receiver::start(post, None, calls_in).await?;
    ready(&receiver.public_url());
    let mut heard = ListenSummary::default();
    let ended = loop {
        let call = tokio::select! {
            biased;
            () = signals.stop.cancelled() => break Ok(()),
            () = signals.drain.cancelled() => break Ok(()),
            call = calls.recv() => call,
        };
        let Some(call) = call else { break Ok(()) };
        let noted = tokio::task::block_in_place(|| {
            let (known, batch) = tokens.hear(store, &call.token, &call.task, clock.now_ms())?;
            let records = if batch.is_empty() {
                Vec::new()
            } else {
                store.append(&batch)?.all()?
            };
            Ok::<_, StoreError>((known, records))
        });
        let (known, records) = match noted {
            Ok(noted) => noted,
            Err(error) => break Err(RunError::from(error)),
        };
        heard.callbacks += u64::from(known == ClaimOutcome::Known);
        for record in records {
            heard.claims += 1;
            observe(&record);
        }
        // The vendor may have hung up; what it said is durable all the same.
        match known {
            ClaimOutcome::Known => drop(call.done.send(true)),
            ClaimOutcome::Unknown => drop(call.done.send(false)),
            // The vendor gets no success and sends the callback again.
            ClaimOutcome::Full => {}
        }
    };
    heard.refused = receiver.refused();
    receiver.stop().await;
    ended.map(|()| heard)
}

/// Records the callbacks that were left in a store for other processes. None of these may be at work.
///
/// # Errors
/// When the store can't be read or written.
pub fn record_left_callbacks(store: &mut dyn Contents) -> Result<(), StoreError> {
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let page = store.page_of_jobs(after.as_ref())?;
        let keys: Vec<JobKey> = page.iter().map(|(key, _)| *key).collect();
        let Some(last) = keys.last() else { break };
        after = Some(*last);
        found.extend(store.left_callbacks(&keys)?);
    }
    if found.is_empty() {
        return Ok(());
    }
    let mut tokens = TokenIndex::new(store)?;
    let clock = Clock::new();
    for left in found {
        let (known, batch) = tokens.hear(store, &left.token, &left.task, clock.now_ms())?;
        if !batch.is_empty() {
            store.append(&batch)?.all()?;
        }
        if known == ClaimOutcome::Known {
            store.remove_callback(&left)?;
        }
    }
    Ok(())
}

/// Takes callbacks in for all jobs of a ledger.
struct TokenIndex {
    index: Index,
    run: RunId,
}

impl TokenIndex {
    fn new(store: &dyn Store) -> Result<Self, StoreError> {
        let run = store.runs()?.into_iter().next().map(|run| run.id);
        Ok(Self {
            index: Index::new(&store.jobs()?),
            run: run.unwrap_or_default(),
        })
    }

    /// What a callback says, and what of it is to be recorded.
    fn hear(
        &mut self,
        store: &dyn Store,
        token: &Token,
        task: &TaskId,
        now_ms: i64,
    ) -> Result<(ClaimOutcome, Batch), StoreError> {
        let mut batch = Batch::default();
        let Some((key, attempt)) = self.index.attempt(token) else {
            return Ok((ClaimOutcome::Unknown, batch));
        };
        let Some(known) = store.job(&key)? else {
            return Ok((ClaimOutcome::Unknown, batch));
        };
        let heard = self
            .index
            .claim(now_ms, &self.run, (key, attempt), task, known, &mut batch);
        Ok((heard, batch))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Event;
    use crate::job::{Job, Phase, Step};
    use crate::ledger::Ledger;
    use crate::store::{KnownJob, LeftCallback, NewRecord};

    fn call(token: &str, task: &str) -> LeftCallback {
        LeftCallback::new(token, task)
    }

    /// A ledger with one job whose response was lost.
    fn ledger(folder: &std::path::Path) -> (Ledger, JobKey) {
        let mut ledger = Ledger::own(&folder.join("ledger.sqlite3")).unwrap();
        let key = JobKey::from_bytes([7; 32]);
        let mut known = KnownJob {
            job: Job::default().into(),
            account: "studio:1".to_owned(),
            version: 0,
        };
        let events = [
            Event::Intent {
                attempt: 1,
                token: Token::from_text("secret"),
                credits: 12.0.into(),
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
            known.job = job.into();
            batch.events.push(NewRecord {
                at_ms: 5,
                run: RunId::new(),
                account: known.account.clone(),
                job: Some(key),
                event,
            });
        }
        batch.jobs.insert(key, known);
        ledger.append(&batch).unwrap();
        (ledger, key)
    }

    fn hear(
        tokens: &mut TokenIndex,
        ledger: &mut Ledger,
        call: &LeftCallback,
    ) -> (ClaimOutcome, usize) {
        let (known, batch) = tokens.hear(ledger, &call.token, &call.task, 9).unwrap();
        ledger.append(&batch).unwrap();
        assert_eq!(ledger.check().unwrap().findings, []);
        (known, batch.events.len())
    }

    #[test]
    fn a_callback_is_recorded_once_and_a_stranger_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (mut ledger, key) = ledger(folder.path());
        let mut tokens = TokenIndex::new(&ledger).unwrap();
        let guess = call("guess", "task1");
        assert_eq!(
            hear(&mut tokens, &mut ledger, &guess),
            (ClaimOutcome::Unknown, 0)
        );

        let first = call("secret", "task1");
        assert_eq!(
            hear(&mut tokens, &mut ledger, &first),
            (ClaimOutcome::Known, 1)
        );
        let job = ledger.job(&key).unwrap().unwrap().job;
        assert!(matches!(job.phase, Phase::InDoubt { .. }));
        assert_eq!(job.claims[0].task_id.as_str(), "task1");

        assert_eq!(
            hear(&mut tokens, &mut ledger, &first),
            (ClaimOutcome::Known, 0)
        );
        let mut fresh = TokenIndex::new(&ledger).unwrap();
        assert_eq!(
            hear(&mut fresh, &mut ledger, &first),
            (ClaimOutcome::Known, 0)
        );
    }

    #[test]
    fn what_cannot_be_recorded_is_not_acknowledged() {
        let folder = tempfile::tempdir().unwrap();
        let (mut ledger, _) = ledger(folder.path());
        let mut tokens = TokenIndex::new(&ledger).unwrap();
        for n in 0..crate::job::CLAIMS {
            let named = call("secret", &format!("task{n}"));
            assert_eq!(
                hear(&mut tokens, &mut ledger, &named),
                (ClaimOutcome::Known, 1)
            );
        }
        let more = call("secret", "task9");
        assert_eq!(
            hear(&mut tokens, &mut ledger, &more),
            (ClaimOutcome::Full, 0)
        );
        let again = call("secret", "task0");
        assert_eq!(
            hear(&mut tokens, &mut ledger, &again),
            (ClaimOutcome::Known, 0)
        );
    }
}
