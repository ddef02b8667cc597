//! The event loop of a run: inputs that are ready are decided on together, committed together, and their effects begin afterwards.
//!
//! Over 500 lines: it is one loop, whose arms share all of its state.

use backline_api::{SubmitOutcome, TaskId};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use std::sync::Arc;
use std::time::Duration;

use super::callbacks::{ReceivedCallback, Receiver};
use super::clock::{Clock, until};
use super::effects::{EffectRunner, upload_to_keep};
use super::hooks::RunHooks;
use super::left_callbacks::LeftCallbacks;
use super::message::{HookReport, Message, Wakeup};
use super::share::{GivenSong, Share};
use super::{RunError, Signals};
use crate::conductor::{Cancelled, Conductor, Decision, Effect, Input};
use crate::event::{Event, Moment, Outcome, Record, Token};
use crate::hooks::{HookFailure, HookPoint, OnError, PlanInfo};
use crate::index::ClaimOutcome;
use crate::job::Step;
use crate::receipts::{LeftReceipts, Receipts};
use crate::reconnect::Reconnect;
use crate::settings::JobKey;
use crate::store::{
    Batch, KnownJob, LeftCallback, NewRecord, Refusal, RefusedJob, RunHeader, Store, StoreError,
};
use crate::summary::summarise;

/// How long responses to submissions are awaited when the ledger can't be written any more.
const SUBMIT_DRAIN_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a run that ends waits for effects other than submissions: polls and the last megabytes of a track take seconds, and a
/// supervisor that sent SIGTERM kills after ten of them at the earliest.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// What one turn of the loop decides on together.
struct Turn {
    decision: Decision,
    /// The callbacks that came in, and whether their tokens are known. Each gets its response once the decision is durable.
    acknowledgements: Vec<(oneshot::Sender<bool>, bool)>,
}

/// What came of a batch that was written.
#[derive(Default)]
struct Written {
    /// The jobs of which not everything was written.
    refused: Vec<RefusedJob>,
    /// The events that full queues of observers dropped.
    dropped: Vec<HookReport>,
}

/// How long the first submission waits for the balance.
const BALANCE_WAIT: Duration = Duration::from_secs(10);

pub(super) struct Shell<'a> {
    pub(super) store: &'a mut dyn Store,
    pub(super) observe: &'a mut (dyn FnMut(&Record) + Send),
    pub(super) conductor: Conductor,
    pub(super) effects: EffectRunner,
    pub(super) clock: Clock,
    pub(super) tasks: JoinSet<Message>,
    pub(super) calls: mpsc::Receiver<ReceivedCallback>,
    pub(super) receiver: Option<Receiver>,
    pub(super) header: &'a RunHeader,
    pub(super) hooks: RunHooks,
    /// The task ids that the ledger does not have yet.
    pub(super) receipts: Arc<Receipts>,
    /// Those of processes that have ended, until the ledger has them.
    pub(super) left_receipts: Vec<LeftReceipts>,
    /// The tasks in the responses of this turn, with their jobs and attempts.
    pub(super) accepted: Vec<(JobKey, u32, TaskId)>,
    /// The songs that this process has of a shared run.
    pub(super) share: Option<Share>,
    /// The callbacks that came to other processes.
    pub(super) left_callbacks: LeftCallbacks,
    /// The tries to reach the ledger, where that is on a server.
    pub(super) reconnect: Reconnect,
    /// Whether jobs of the last batch were left out, because other processes have changed them.
    pub(super) left_to_others: bool,
    /// Cancelled when the user wants to stop at once.
    pub(super) stop: CancellationToken,
    /// Cancelled when effects are no longer awaited.
    pub(super) over: CancellationToken,
    /// When it is cancelled, once the run ends.
    pub(super) over_at: Option<tokio::time::Instant>,
}

impl Shell<'_> {
    /// Sends hooks what the run is about to do. A hook that fails there may end the buying before it began.
    pub(super) async fn begin_hooks(
        &mut self,
        about_to: PlanInfo,
        signals: &Signals,
        decision: &mut Decision,
    ) -> Result<(), RunError> {
        if self.hooks.has(HookPoint::PlanExpanded) {
            let reports = tokio::select! {
                biased;
                () = signals.stop.cancelled() => return Err(RunError::Interrupted),
                reports = self.hooks.plan_expanded(about_to) => reports,
            };
            reports
                .into_iter()
                .for_each(|report| self.note(report, decision));
        }
        Ok(())
    }

    /// Runs until the conductor returns an outcome, or the user stops it. Reads the account's balance before and after, where
    /// there is one.
    pub(super) async fn go(
        &mut self,
        opening: Decision,
        signals: &Signals,
        reads_balance: bool,
    ) -> Result<Outcome, RunError> {
        let decision = self.resume(opening).await?;
        let joins = self.share.as_ref().is_some_and(|share| share.joins);
        if !joins {
            self.hooks.catch_up(self.conductor.jobs());
        }
        let mut turn = Turn {
            decision,
            acknowledgements: Vec::new(),
        };
        self.take_left_callbacks(&mut turn)?;
        if reads_balance {
            // Before the first submission, so that what is charged from now on shows.
            let balance = tokio::select! {
                biased;
                () = signals.stop.cancelled() => return Err(RunError::Interrupted),
                () = signals.drain.cancelled() => Message::Nothing,
                balance = self.effects.balance(Moment::Before) => balance,
                () = tokio::time::sleep(BALANCE_WAIT) => Message::Nothing,
            };
            self.take(Ok(balance), &mut turn.decision);
        }
        let mut draining = false;
        loop {
            let now_ms = self.clock.now_ms();
            let jump_ms = self.clock.take_jump_ms();
            if jump_ms > 0 {
                self.conductor.clock_jumped(now_ms, jump_ms);
            }
            self.conductor
                .advance(now_ms, &mut new_token, &mut turn.decision);
            turn.decision = self.commit(std::mem::take(&mut turn.decision)).await?;
            let recorded = !std::mem::take(&mut self.left_to_others);
            self.forget_recorded();
            for (done, known) in turn.acknowledgements.drain(..) {
                if !recorded {
                    // What it says may have been left out: the vendor is to call again.
                    continue;
                }
                // The vendor may have hung up; what it sent is durable all the same.
                let _ = done.send(known);
            }
            if !turn.decision.batch.is_empty() {
                continue;
            }
            if let Some(share) = &mut self.share {
                share.give_back(&mut self.conductor, now_ms);
            }
            if let Some(outcome) = self.conductor.outcome(now_ms)
                && self.tasks.is_empty()
            {
                if let Some(step) = self.conductor.illegal_step() {
                    return Err(step.clone().into());
                }
                return self.end(outcome, reads_balance, signals).await;
            }
            if self.conductor.is_draining() && self.over_at.is_none() {
                self.over_at = Some(tokio::time::Instant::now() + SHUTDOWN_TIMEOUT);
            }
            let over_at = self.over_at.filter(|_| !self.over.is_cancelled());
            let wake = self
                .conductor
                .wake_at(now_ms)
                .map(|at_ms| self.clock.instant(at_ms));
            let wakeup = tokio::select! {
                biased;
                () = signals.stop.cancelled() => return Err(RunError::Interrupted),
                () = signals.drain.cancelled(), if !draining => Wakeup::Drain,
                Some(joined) = self.tasks.join_next() => Wakeup::Ended(joined),
                Some(call) = self.calls.recv() => Wakeup::Called(call),
                given = Share::next(&mut self.share) => Wakeup::Given(given),
                report = self.hooks.next_report() => Wakeup::Reported(report),
                () = self.left_callbacks.due(), if self.share.is_some() => Wakeup::LeftCallbacks,
                () = until(over_at) => Wakeup::Over,
                () = until(wake) => Wakeup::Due,
            };
            draining |= matches!(wakeup, Wakeup::Drain);
            self.handle(wakeup, &mut turn)?;
            while let Some(wakeup) = self.ready() {
                self.handle(wakeup, &mut turn)?;
            }
        }
    }

    /// Removes receipts of tasks that a callback had named before their responses came: no event of the response records them.
    fn forget_recorded(&mut self) {
        for (job, attempt, task) in self.accepted.drain(..) {
            if self.conductor.knows_task(&job, &task) {
                self.receipts.forget(job, attempt);
            }
        }
    }

    /// Records the opening and has the conductor resume the jobs, some records a commit. Returns the rest, not committed yet.
    async fn resume(&mut self, opening: Decision) -> Result<Decision, RunError> {
        let mut decision = opening;
        while self.conductor.is_resuming() || !self.left_receipts.is_empty() {
            decision = self.commit(decision).await?;
            for left in self.left_receipts.drain(..) {
                // One that stays is recorded already: the next run finds nothing to do for it.
                if let Err(error) = left.remove() {
                    tracing::debug!(%error, "receipts could not be removed");
                }
            }
            self.conductor
                .advance(self.clock.now_ms(), &mut new_token, &mut decision);
        }
        Ok(decision)
    }

    /// The next input that is ready by now: it is decided on in the same turn.
    fn ready(&mut self) -> Option<Wakeup> {
        if let Some(joined) = self.tasks.try_join_next() {
            return Some(Wakeup::Ended(joined));
        }
        self.calls.try_recv().ok().map(Wakeup::Called)
    }

    /// Hands one input to the conductor.
    fn handle(&mut self, wakeup: Wakeup, turn: &mut Turn) -> Result<(), RunError> {
        let decision = &mut turn.decision;
        match wakeup {
            Wakeup::Drain => {
                let now_ms = self.clock.now_ms();
                self.conductor.handle(now_ms, Input::Drain, decision);
            }
            Wakeup::Ended(joined) => self.take(joined, decision),
            Wakeup::Called(call) => {
                let acknowledgement = self.handle_callback(call, decision);
                turn.acknowledgements.extend(acknowledgement);
            }
            Wakeup::Reported(report) => self.note(report, decision),
            Wakeup::Given(given) => self.take_given(given, decision)?,
            Wakeup::LeftCallbacks => self.take_left_callbacks(turn)?,
            Wakeup::Over => self.over.cancel(),
            Wakeup::Due => {}
        }
        Ok(())
    }

    fn take(&mut self, joined: Result<Message, tokio::task::JoinError>, decision: &mut Decision) {
        if let Ok(Message::Input(input) | Message::Hooked { input, .. }) = &joined
            && let Some(share) = &mut self.share
        {
            share.ends(&self.conductor, input);
        }
        match joined {
            Ok(Message::Input(input)) => {
                if let Input::Prepared {
                    result: Ok(prepared),
                    ..
                } = &input
                {
                    let upload = upload_to_keep(prepared, &self.header.account);
                    decision.batch.uploads.extend(upload);
                }
                if let Input::Responded {
                    job,
                    attempt,
                    outcome: SubmitOutcome::Accepted(task),
                    ..
                } = &input
                {
                    self.accepted.push((*job, *attempt, task.clone()));
                }
                self.conductor.handle(self.clock.now_ms(), input, decision);
            }
            Ok(Message::Hooked {
                about,
                failures,
                input,
            }) => {
                for failure in failures {
                    let stops = failure.effect == OnError::Fail && !failure.point.decides();
                    self.record_failure(Some(about), failure, decision);
                    if stops {
                        self.conductor
                            .handle(self.clock.now_ms(), Input::HookStops, decision);
                    }
                }
                self.conductor.handle(self.clock.now_ms(), input, decision);
            }
            Ok(Message::Nothing) => {}
            // A panic in an effect is a bug: the program ends.
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => {}
        }
    }

    /// Takes a song, or that none is left.
    fn take_given(
        &mut self,
        given: Option<GivenSong>,
        decision: &mut Decision,
    ) -> Result<(), StoreError> {
        let Some(share) = &mut self.share else {
            return Ok(());
        };
        let Some(GivenSong { key, done }) = given else {
            share.is_open = false;
            return self.end_sharing();
        };
        let members = self.conductor.family_of(&key);
        let read = || {
            let read = members.iter().map(|key| Ok((*key, self.store.job(key)?)));
            read.collect::<Result<Vec<_>, StoreError>>()
        };
        let jobs = match tokio::task::block_in_place(read) {
            Ok(jobs) if !jobs.is_empty() && !self.conductor.is_draining() => jobs,
            // It is given anew.
            Ok(_) => return Ok(()),
            Err(StoreError::Unreachable { .. }) => return Ok(()),
            Err(error) => return Err(error),
        };
        self.conductor.give(self.clock.now_ms(), jobs, decision);
        share.given.insert(key, done);
        Ok(())
    }

    /// Reads what all processes have made of the jobs.
    fn end_sharing(&mut self) -> Result<(), StoreError> {
        let jobs = self.read_patiently(|store| store.jobs())?;
        self.conductor.end_sharing(jobs);
        Ok(())
    }

    /// Handles an observer's report.
    fn note(&mut self, report: HookReport, decision: &mut Decision) {
        match report.result {
            Ok(None) => {}
            Ok(Some(noted)) => {
                let input = Input::Noted {
                    job: noted.job,
                    index: noted.index,
                    part: noted.part,
                    note: noted.note,
                };
                self.conductor.handle(self.clock.now_ms(), input, decision);
            }
            Err(failure) => {
                let stops = failure.effect == OnError::Fail;
                self.record_failure(report.about, failure, decision);
                if stops {
                    self.conductor
                        .handle(self.clock.now_ms(), Input::HookStops, decision);
                }
            }
        }
    }

    fn record_failure(&self, about: Option<JobKey>, failure: HookFailure, decision: &mut Decision) {
        decision
            .batch
            .events
            .push(self.of_the_run(failure.event(about)));
    }

    /// Handles a callback, for a job of this plan or another one in the ledger. Returns its acknowledgement and whether its token is
    /// known; none where the ledger can't be read or the job has too many claims, so that the provider retries.
    fn handle_callback(
        &mut self,
        call: ReceivedCallback,
        decision: &mut Decision,
    ) -> Option<(oneshot::Sender<bool>, bool)> {
        match self.claim(&call, decision)? {
            ClaimOutcome::Known => Some((call.done, true)),
            ClaimOutcome::Unknown => {
                let known = self.leave_callback(&call)?;
                Some((call.done, known))
            }
            ClaimOutcome::Full => None,
        }
    }

    /// What the conductor makes of a callback; none where the ledger can't be read.
    fn claim(&mut self, call: &ReceivedCallback, decision: &mut Decision) -> Option<ClaimOutcome> {
        let now_ms = self.clock.now_ms();
        let store = &*self.store;
        let read = |key: &JobKey| tokio::task::block_in_place(|| store.job(key));
        let claimed =
            self.conductor
                .handle_callback(now_ms, &call.token, &call.task, read, decision);
        claimed
            .inspect_err(|error| {
                tracing::warn!(%error, "cannot record a callback for a job of another plan");
            })
            .ok()
    }

    /// Leaves a callback of an attempt that this process does not know to the one that has the job. Returns whether the store knows the
    /// attempt; none where it can't be reached, so that the provider retries.
    fn leave_callback(&mut self, call: &ReceivedCallback) -> Option<bool> {
        if self.share.is_none() {
            return Some(false);
        }
        let left = LeftCallback {
            token: call.token.clone(),
            task: call.task.clone(),
        };
        tokio::task::block_in_place(|| self.store.leave_callback(&left))
            .inspect_err(
                |error| tracing::warn!(%error, "cannot leave a callback to another process"),
            )
            .ok()
    }

    /// Takes the callbacks that were left for the jobs of this process.
    fn take_left_callbacks(&mut self, turn: &mut Turn) -> Result<(), RunError> {
        let jobs: Vec<JobKey> = match &self.share {
            Some(share) => {
                let songs = share.given.keys();
                let jobs = songs.flat_map(|song| self.conductor.family_of(song));
                jobs.collect()
            }
            None => self.conductor.jobs().map(|(key, _)| *key).collect(),
        };
        let store = &mut *self.store;
        let found = match tokio::task::block_in_place(|| self.left_callbacks.look(store, &jobs)) {
            Ok(found) => found,
            // The next look finds the same.
            Err(StoreError::Unreachable { source, .. }) => {
                self.reconnect.failed(&source);
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        self.reconnect.succeeded();
        for left in found {
            let call = self.left_callbacks.take(left);
            // One that is dropped is taken again.
            if let Some(ClaimOutcome::Known) = self.claim(&call, &mut turn.decision) {
                turn.acknowledgements.push((call.done, true));
            }
        }
        Ok(())
    }

    /// Makes a decision's records durable in one write, sends them to observers, then begins its effects. Returns the events
    /// that full queues of observers dropped, to be recorded with the next decision.
    async fn commit(&mut self, decision: Decision) -> Result<Decision, RunError> {
        let Decision { batch, effects } = decision;
        let Written { refused, dropped } = loop {
            match tokio::task::block_in_place(|| self.write(&batch)) {
                Ok(written) => break written,
                // What is under way goes on meanwhile, and task ids are kept as receipts: a run waits for as long as the user does.
                Err(StoreError::Unreachable { source, .. }) if !self.stop.is_cancelled() => {
                    let pause = self.reconnect.failed(&source);
                    tokio::select! {
                        () = self.stop.cancelled() => {}
                        () = tokio::time::sleep(pause) => {}
                    }
                }
                Err(source) => return Err(self.save_what_can_be_saved(source, &batch).await),
            }
        };
        // An empty batch does not reach the store.
        if !batch.is_empty() {
            self.reconnect.succeeded();
        }
        self.left_to_others |= refused.iter().any(|job| job.why == Refusal::Conflict);
        self.conductor.refuse(self.clock.now_ms(), &refused, &batch);
        let is_refused = |effect: &Effect| {
            effect
                .job()
                .is_some_and(|job| refused.iter().any(|it| it.key == *job))
        };
        for effect in effects {
            match is_refused(&effect) {
                true => self.conductor.not_begun(&effect),
                false => self.begin(effect),
            }
        }
        let mut more = Decision::default();
        dropped
            .into_iter()
            .for_each(|report| self.note(report, &mut more));
        self.conductor.flush_dirty(&mut more);
        self.record_strays(&mut more)?;
        Ok(more)
    }

    /// Records the tasks of jobs that another process has changed on what that process made of them, and has their songs handed out anew.
    fn record_strays(&mut self, decision: &mut Decision) -> Result<(), RunError> {
        for stray in self.conductor.take_stray() {
            let at_ms = self.clock.now_ms();
            let known = self.read_patiently(|store| store.job(&stray.key))?;
            let event = stray.event();
            let is_known = |known: &KnownJob| known.job.task_ids().any(|task| *task == stray.task);
            if known.as_ref().is_some_and(is_known) {
                self.receipts.forget(stray.key, stray.attempt);
                continue;
            }
            let changed = known.map(|known| (known.job.step(at_ms, &event), known));
            let Some((Step::Changed(job), known)) = changed else {
                tracing::warn!(job = %stray.key, task = %stray.task, "the task of a job that another process has changed is not its task any more");
                continue;
            };
            let record = NewRecord {
                at_ms,
                account: known.account.clone(),
                job: Some(stray.key),
                ..self.of_the_run(event)
            };
            decision.batch.events.push(record);
            let song = self.conductor.song_of(&stray.key);
            decision
                .batch
                .left
                .extend(song.filter(|_| self.share.is_some()));
            let job = Arc::new(job);
            decision
                .batch
                .jobs
                .insert(stray.key, KnownJob { job, ..known });
        }
        Ok(())
    }

    /// Reads the ledger, and waits while it is out of reach: what is under way goes on meanwhile.
    fn read_patiently<T>(
        &mut self,
        read: impl Fn(&dyn Store) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        tokio::task::block_in_place(|| {
            loop {
                match read(self.store) {
                    Err(StoreError::Unreachable { source, .. }) if !self.stop.is_cancelled() => {
                        std::thread::park_timeout(self.reconnect.failed(&source));
                    }
                    read => {
                        self.reconnect.succeeded();
                        return read;
                    }
                }
            }
        })
    }

    /// Makes decisions durable until there is nothing more to record.
    async fn commit_all(&mut self, mut decision: Decision) -> Result<(), RunError> {
        while !decision.batch.is_empty() {
            decision = self.commit(decision).await?;
        }
        Ok(())
    }

    /// Makes a batch durable and sends it to observers.
    fn write(&mut self, batch: &Batch) -> Result<Written, StoreError> {
        let mut written = Written::default();
        if !batch.is_empty() {
            let committed = self.store.append(batch)?;
            for record in committed.records {
                if let (Some(job), Event::Accepted { attempt, .. }) = (record.job, &record.event) {
                    self.receipts.forget(job, *attempt);
                }
                (self.observe)(&record);
                let job = record.job.and_then(|key| batch.jobs.get(&key));
                written.dropped.extend(self.hooks.send_record(&record, job));
            }
            written.refused = committed.refused;
        }
        Ok(written)
    }

    /// Spawns work that the end of a run cancels; it then resolves to `cancelled`.
    fn spawn_cancellable(
        &mut self,
        cancelled: Message,
        work: impl Future<Output = Message> + Send + 'static,
    ) {
        let over = self.over.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                biased;
                message = work => message,
                () = over.cancelled() => cancelled,
            }
        });
    }

    fn begin(&mut self, effect: Effect) {
        if let (Some(share), Some(job)) = (&mut self.share, effect.job()) {
            share.begins(&self.conductor, job);
        }
        match effect {
            Effect::Prepare { stem } => {
                let kept = self
                    .effects
                    .kept_upload(&stem, self.store, &self.header.account);
                let prepared = self.effects.prepare(stem, kept);
                self.spawn_cancellable(
                    Message::Input(Input::Cancelled(Cancelled::Prepare)),
                    prepared,
                );
            }
            Effect::ForgetUpload { stem } => {
                let Some(hash) = self.effects.upload_hash(&stem) else {
                    return;
                };
                // A ledger that can't be written fails at the next append; here it only means a refusal more.
                if let Err(error) = self.store.forget_upload(&hash, &self.header.account) {
                    tracing::debug!(%error, "the upload could not be forgotten");
                }
            }
            Effect::CallHooks { job, point } => {
                let decided = self.hooks.decide(&job, point);
                self.spawn_cancellable(
                    Message::Input(Input::Cancelled(Cancelled::HookCalls)),
                    decided,
                );
            }
            Effect::Submit {
                job,
                attempt,
                token,
                source,
            } => {
                let submitted = self.effects.submit(job, attempt, token, source);
                self.tasks.spawn(submitted);
            }
            Effect::Poll { job, task } => {
                let viewed = self.effects.view(job, task);
                self.spawn_cancellable(Message::Input(Input::Cancelled(Cancelled::Poll)), viewed);
            }
            Effect::Fetch(request) => {
                let fetched = self.effects.fetch(*request);
                self.spawn_cancellable(Message::Input(Input::Cancelled(Cancelled::Fetch)), fetched);
            }
        }
    }

    /// The ledger can't be written: nothing begins any more, and responses under way are awaited, so that every task id is
    /// reported.
    async fn save_what_can_be_saved(&mut self, source: StoreError, batch: &Batch) -> RunError {
        let mut unsaved = accepted(batch);
        let mut last = Decision::default();
        let rest = async {
            while let Some(joined) = self.tasks.join_next().await {
                if let Ok(Message::Input(input @ Input::Responded { .. })) = joined {
                    self.conductor.handle(self.clock.now_ms(), input, &mut last);
                }
            }
        };
        if tokio::time::timeout(SUBMIT_DRAIN_TIMEOUT, rest)
            .await
            .is_err()
        {
            tracing::warn!("responses were still outstanding when the run had to stop");
        }
        unsaved.extend(accepted(&last.batch));
        RunError::Ledger { source, unsaved }
    }

    async fn end(
        &mut self,
        mut outcome: Outcome,
        reads_balance: bool,
        signals: &Signals,
    ) -> Result<Outcome, RunError> {
        let mut decision = Decision::default();
        let is_stopped = matches!(outcome, Outcome::Stopped { .. });
        let reports = tokio::select! {
            biased;
            () = signals.stop.cancelled() => return Err(RunError::Interrupted),
            reports = self.hooks.last_reports(is_stopped) => reports,
        };
        outcome = with_failures(outcome, &reports);
        reports
            .into_iter()
            .for_each(|report| self.note(report, &mut decision));
        // What was found out has changed jobs.
        self.conductor.flush_dirty(&mut decision);
        if reads_balance {
            let balance = tokio::select! {
                balance = self.effects.balance(Moment::After) => balance,
                () = signals.stop.cancelled() => Message::Nothing,
                () = until(self.over_at) => Message::Nothing,
            };
            if let Message::Input(balance) = balance {
                let now_ms = self.clock.now_ms();
                self.conductor.handle(now_ms, balance, &mut decision);
            }
        }
        let refused = self.receiver.as_ref().map(Receiver::refused);
        if let Some(refused) = refused.filter(|refused| refused.total() > 0) {
            let event = Event::CallbacksRefused(refused);
            decision.batch.events.push(self.of_the_run(event));
        }
        if let Some(share) = &self.share {
            if share.joins {
                self.commit_all(decision).await?;
                return Ok(outcome);
            }
            self.end_sharing()?;
        }
        let ended = Event::RunEnded {
            outcome: outcome.clone(),
            credits: self.conductor.spent(),
        };
        decision.batch.events.push(self.of_the_run(ended.clone()));
        self.commit_all(decision).await?;
        if !self.hooks.has(HookPoint::RunFinished) {
            return Ok(outcome);
        }
        let totals = tokio::task::block_in_place(|| summarise(self.store, self.header))?
            .this_run
            .totals;
        let reports = tokio::select! {
            biased;
            () = signals.stop.cancelled() => Vec::new(),
            reports = self.hooks.run_finished(ended, totals) => reports,
        };
        let last = with_failures(outcome.clone(), &reports);
        let mut decision = Decision::default();
        reports
            .into_iter()
            .for_each(|report| self.note(report, &mut decision));
        if last != outcome {
            let ended = Event::RunEnded {
                outcome: last.clone(),
                credits: self.conductor.spent(),
            };
            decision.batch.events.push(self.of_the_run(ended));
        }
        self.commit_all(decision).await?;
        Ok(last)
    }

    fn of_the_run(&self, event: Event) -> NewRecord {
        NewRecord {
            at_ms: self.clock.now_ms(),
            run: self.header.id.clone(),
            account: self.header.account.clone(),
            job: None,
            event,
        }
    }
}

/// The outcome of a run, failed if a hook with `on_error: fail` failed.
fn with_failures(outcome: Outcome, reports: &[HookReport]) -> Outcome {
    let fails = |report: &HookReport| matches!(&report.result, Err(failure) if failure.effect == OnError::Fail);
    match outcome {
        Outcome::Complete | Outcome::Vetoed | Outcome::Partial if reports.iter().any(fails) => {
            Outcome::Failed
        }
        outcome => outcome,
    }
}

fn accepted(batch: &Batch) -> Vec<(JobKey, TaskId)> {
    let accepted = |record: &NewRecord| match (&record.job, &record.event) {
        (Some(key), Event::Accepted { task_id, .. }) => Some((*key, task_id.clone())),
        _ => None,
    };
    batch.events.iter().filter_map(accepted).collect()
}

/// 128 bits that nobody can guess.
fn new_token() -> Token {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    Token::from_text(backline_api::hex(&bytes))
}
