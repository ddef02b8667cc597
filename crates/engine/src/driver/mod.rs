//! The shell around the [`conductor`](crate::conductor): the only place with a clock, sockets and files.
//!
//! ```text
//!   select! ──► inputs ──► conductor ──► ledger.append (one fsync for all of it) ──► effects as tasks ──► inputs …
//! ```
//!
//! One task owns the run. Whatever became ready while the last commit was under way is decided together and committed together,
//! so the ledger's fsync is shared by as many jobs as are busy. Effects begin only after the records that announce them are
//! durable, and a callback is answered only after it is.

mod callbacks;
mod effects;
mod keep;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use backline_api::{ApiKey, Client, ClientOptions, TaskId};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::conductor::{Conductor, Decision, Effect, Input, Pace, Terms, Wanted};
use crate::event::{Event, KeptFile, Moment, Outcome, Record, RunId, Token};
use crate::hold::{Holding, hold, is_expired};
use crate::machine::Phase;
use crate::plan::{JobKey, Plan};
use crate::store::{Batch, KnownJob, NewRecord, PlannedRow, RunHeader, Store, StoreError, Upload};

use callbacks::Receiver;
use effects::Effects;

pub use keep::is_kept_file_there;

/// Callbacks that wait to be decided on; the vendor tries again when there is no room.
const CALLBACK_BACKLOG: usize = 256;

/// How long answers to submissions are waited for when the ledger can't be written any more.
const LAST_ANSWERS: Duration = Duration::from_secs(60);

/// Who calls; some vendors refuse a request without it.
const USER_AGENT: &str = concat!("backline/", env!("CARGO_PKG_VERSION"));

/// What a run is given.
#[derive(Debug)]
pub struct Run {
    /// The plan; its provider has its final address.
    pub plan: Arc<Plan>,
    /// The provider's key.
    pub key: ApiKey,
    /// The folder that kept files are named relative to.
    pub project_dir: PathBuf,
    /// The name of the manifest's file in the ledger.
    pub manifest: String,
    /// The key that callbacks are signed with, where they are.
    pub callback_key: Option<Vec<u8>>,
    /// Listen for callbacks on a free loopback port: for a provider on this machine.
    pub local_callbacks: bool,
    /// How a user stops it.
    pub signals: Signals,
}

/// How a user stops a run.
#[derive(Debug, Clone, Default)]
pub struct Signals {
    /// Begin nothing more, end what is under way.
    pub drain: CancellationToken,
    /// Stop at once.
    pub stop: CancellationToken,
}

/// What a run came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Ended {
    /// The run.
    pub run: RunHeader,
    /// How it ended.
    pub outcome: Outcome,
}

/// Why a run could not go on. Whatever the ledger says by then holds.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The ledger could not be read or written.
    #[error("{source}{}", unsaved_text(unsaved))]
    Ledger {
        /// What went wrong.
        #[source]
        source: StoreError,
        /// Tasks that were bought and could not be recorded any more.
        unsaved: Vec<(JobKey, TaskId)>,
    },
    /// Jobs are in flight under another account.
    #[error(
        "{} in flight under another account ({account}): run with the key and address that they were bought with, or \
         use another ledger",
        jobs_are(*jobs)
    )]
    OtherAccount {
        /// How many.
        jobs: usize,
        /// The other account's fingerprint.
        account: String,
    },
    /// The callback receiver could not listen.
    #[error("callbacks can't be received on {address}")]
    Listen {
        /// The address.
        address: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The HTTP client could not be set up.
    #[error("the HTTP client could not be set up: {0}")]
    Client(String),
    /// The user stopped it at once.
    #[error(
        "stopped at once; the ledger holds everything up to here: run the same command again to go on"
    )]
    Interrupted,
}

impl From<StoreError> for RunError {
    fn from(source: StoreError) -> Self {
        Self::Ledger {
            source,
            unsaved: Vec::new(),
        }
    }
}

fn unsaved_text(unsaved: &[(JobKey, TaskId)]) -> String {
    let line = |(key, task): &(JobKey, TaskId)| {
        format!("\nbought and not recorded: task {task}; run: backline resolve {key} --task {task}")
    };
    unsaved.iter().map(line).collect()
}

fn jobs_are(jobs: usize) -> String {
    if jobs == 1 {
        "1 job is".to_owned()
    } else {
        format!("{jobs} jobs are")
    }
}

/// A fingerprint of provider, address and key. An embedded studio has no address of its own: its port changes with each run.
pub fn account(plan: &Plan, key: &ApiKey) -> String {
    let address = if plan.provider.embedded {
        "embedded"
    } else {
        plan.provider.profile.base_url.as_str()
    };
    format!(
        "{}:{}",
        plan.provider.profile.name,
        &blake3::hash(format!("{address}\n{}", key.fingerprint()).as_bytes()).to_hex()[..12]
    )
}

/// Carries a plan out: submits what is not bought, follows what is, keeps every track. `observe` is told every record after it
/// has become durable.
pub async fn run(
    run: Run,
    store: &mut dyn Store,
    observe: &mut (dyn FnMut(&Record) + Send),
) -> Result<Ended, RunError> {
    let clock = Clock::new();
    let now_ms = clock.now_ms();
    let account = account(&run.plan, &run.key);
    let known = store.jobs()?;
    refuse_other_account(&run.plan, &known, &account)?;
    let project_dir = run.project_dir.clone();
    let holding = hold(&run.plan, &known, now_ms, &|file: &KeptFile| {
        is_kept_file_there(&project_dir, file)
    });
    let header = RunHeader {
        id: RunId::new(),
        started_ms: now_ms,
        name: run.plan.name.clone(),
        manifest: run.manifest.clone(),
        provider: run.plan.provider.profile.name.clone(),
        account: account.clone(),
        retention_days: run.plan.provider.profile.retention_days,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let client = Client::new(
        run.plan.provider.profile.clone(),
        run.key.clone(),
        ClientOptions::new(USER_AGENT),
    )
    .map_err(|error| RunError::Client(error.to_string()))?;

    let (calls_in, calls) = mpsc::channel(CALLBACK_BACKLOG);
    let receiver = Receiver::start(&run, calls_in).await?;
    store.begin_run(&header, &planned_rows(&run.plan))?;

    let spent_before = spent_before(&run.plan, &known);
    let terms = terms(&run, &header, spent_before, now_ms, receiver.is_some());
    let window_ms = i64::try_from(run.plan.limits.rate.window_ms).unwrap_or(i64::MAX / 4);
    let earlier =
        store.intents_since(&account, now_ms.saturating_sub(window_ms.saturating_mul(2)))?;
    let stems = run.plan.stems.iter().map(|stem| stem.id.clone()).collect();
    let (conductor, mut decision) = Conductor::new(
        terms,
        stems,
        wanted(&run.plan, &holding, now_ms),
        earlier,
        now_ms,
    );
    let started = Event::RunStarted {
        name: header.name.clone(),
        provider: header.provider.clone(),
        jobs: run.plan.jobs.len() as u64,
        to_submit: holding.to_submit,
    };
    let opening = NewRecord {
        at_ms: now_ms,
        run: header.id.clone(),
        account,
        job: None,
        event: started,
    };
    decision.batch.events.insert(0, opening);

    let effects = Effects::new(
        &run,
        client,
        receiver.as_ref().map(Receiver::public_url),
        clock.clone(),
    );
    let signals = run.signals.clone();
    let mut shell = Shell {
        store,
        observe,
        conductor,
        effects,
        clock,
        tasks: JoinSet::new(),
        calls,
        uploads: Vec::new(),
        header: &header,
    };
    let outcome = shell.go(decision, &signals, holding.to_submit > 0).await;
    shell.tasks.shutdown().await;
    if let Some(receiver) = receiver {
        receiver.stop().await;
    }
    Ok(Ended {
        outcome: outcome?,
        run: header,
    })
}

/// What comes back from a task.
enum Message {
    Input(Input),
    /// Nothing to decide on.
    Nothing,
}

/// A callback on its way to the ledger.
pub(crate) struct Call {
    token: Token,
    task: TaskId,
    /// Told whether the token was known, once that is durable.
    done: tokio::sync::oneshot::Sender<bool>,
}

struct Shell<'a> {
    store: &'a mut dyn Store,
    observe: &'a mut (dyn FnMut(&Record) + Send),
    conductor: Conductor,
    effects: Effects,
    clock: Clock,
    tasks: JoinSet<Message>,
    calls: mpsc::Receiver<Call>,
    /// Uploads to remember with the next commit.
    uploads: Vec<Upload>,
    header: &'a RunHeader,
}

impl Shell<'_> {
    async fn go(
        &mut self,
        opening: Decision,
        signals: &Signals,
        buys: bool,
    ) -> Result<Outcome, RunError> {
        if buys {
            self.tasks.spawn(self.effects.balance(Moment::Before));
        }
        let mut decision = opening;
        let mut draining = false;
        let mut answered: Vec<(tokio::sync::oneshot::Sender<bool>, bool)> = Vec::new();
        loop {
            let now_ms = self.clock.now_ms();
            self.conductor
                .advance(now_ms, &mut new_token, &mut decision);
            self.commit(std::mem::take(&mut decision)).await?;
            for (done, known) in answered.drain(..) {
                // The vendor may have hung up; what it said is durable all the same.
                let _ = done.send(known);
            }
            if let Some(outcome) = self.conductor.outcome(now_ms)
                && self.tasks.is_empty()
            {
                return self.end(outcome, buys).await;
            }
            let wake = self
                .conductor
                .wake_at(now_ms)
                .map(|at_ms| self.clock.instant(at_ms));
            tokio::select! {
                biased;
                () = signals.stop.cancelled() => return Err(RunError::Interrupted),
                () = signals.drain.cancelled(), if !draining => {
                    draining = true;
                    self.conductor.handle(self.clock.now_ms(), Input::Drain, &mut decision);
                }
                Some(joined) = self.tasks.join_next() => self.take(joined, &mut decision),
                Some(call) = self.calls.recv() => answered.push(self.hear(call, &mut decision)),
                () = until(wake) => {}
            }
            while let Some(joined) = self.tasks.try_join_next() {
                self.take(joined, &mut decision);
            }
            while let Ok(call) = self.calls.try_recv() {
                answered.push(self.hear(call, &mut decision));
            }
        }
    }

    fn take(&mut self, joined: Result<Message, tokio::task::JoinError>, decision: &mut Decision) {
        match joined {
            Ok(Message::Input(input)) => {
                if let Input::Prepared {
                    stem,
                    result: Ok(prepared),
                } = &input
                {
                    self.uploads.extend(self.effects.upload_to_keep(
                        *stem,
                        prepared,
                        &self.header.account,
                    ));
                }
                self.conductor.handle(self.clock.now_ms(), input, decision);
            }
            Ok(Message::Nothing) => {}
            // An effect never panics by intent; if one does the program must not go on as if it had not been.
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => {}
        }
    }

    fn hear(
        &mut self,
        call: Call,
        decision: &mut Decision,
    ) -> (tokio::sync::oneshot::Sender<bool>, bool) {
        let known = self.conductor.knows(&call.token);
        if known {
            let input = Input::Called {
                token: call.token,
                task: call.task,
            };
            self.conductor.handle(self.clock.now_ms(), input, decision);
        }
        (call.done, known)
    }

    /// Makes a decision's records durable, tells them, then begins its effects.
    async fn commit(&mut self, decision: Decision) -> Result<(), RunError> {
        for upload in std::mem::take(&mut self.uploads) {
            tokio::task::block_in_place(|| self.store.keep_upload(&upload))?;
        }
        if !decision.batch.events.is_empty() {
            match tokio::task::block_in_place(|| self.store.append(&decision.batch)) {
                Ok(records) => records.iter().for_each(|record| (self.observe)(record)),
                Err(source) => {
                    return Err(self.save_what_can_be_saved(source, &decision.batch).await);
                }
            }
        }
        for effect in decision.effects {
            self.begin(effect);
        }
        Ok(())
    }

    fn begin(&mut self, effect: Effect) {
        match effect {
            Effect::Prepare { stem } => {
                let kept = self
                    .effects
                    .kept_upload(stem, self.store, &self.header.account);
                self.tasks.spawn(self.effects.prepare(stem, kept));
            }
            Effect::Submit {
                slot,
                stem,
                attempt,
                token,
            } => {
                self.tasks
                    .spawn(self.effects.submit(slot, stem, attempt, token));
            }
            Effect::View { slot, task } => {
                self.tasks.spawn(self.effects.view(slot, task));
            }
            Effect::Fetch {
                slot,
                index,
                part,
                url,
                duration_s,
            } => {
                let task = self.conductor.job(slot).task();
                let track = task.and_then(|task| task.tracks.get(index as usize - 1));
                let source = (
                    url,
                    duration_s,
                    track
                        .map(|track| track.facts.id.clone())
                        .unwrap_or_default(),
                );
                let task = task.map(|task| task.id.clone());
                self.tasks.spawn(self.effects.fetch(
                    slot,
                    &self.header.id,
                    task,
                    index,
                    part,
                    source,
                ));
            }
        }
    }

    /// The ledger can't be written: nothing more is begun, but answers that are on their way are waited for, so that no task id
    /// goes unsaid.
    async fn save_what_can_be_saved(&mut self, source: StoreError, batch: &Batch) -> RunError {
        let mut unsaved = accepted(batch);
        let mut last = Decision::default();
        let rest = async {
            while let Some(joined) = self.tasks.join_next().await {
                if let Ok(Message::Input(input @ Input::Answered { .. })) = joined {
                    self.conductor.handle(self.clock.now_ms(), input, &mut last);
                }
            }
        };
        if tokio::time::timeout(LAST_ANSWERS, rest).await.is_err() {
            tracing::warn!("answers were still outstanding when the run had to stop");
        }
        unsaved.extend(accepted(&last.batch));
        RunError::Ledger { source, unsaved }
    }

    async fn end(&mut self, outcome: Outcome, buys: bool) -> Result<Outcome, RunError> {
        let mut decision = Decision::default();
        if buys && let Message::Input(balance) = self.effects.balance(Moment::After).await {
            self.conductor
                .handle(self.clock.now_ms(), balance, &mut decision);
        }
        self.commit(decision).await?;
        let event = Event::RunEnded {
            outcome: outcome.clone(),
        };
        let (run, account) = (self.header.id.clone(), self.header.account.clone());
        let record = NewRecord {
            at_ms: self.clock.now_ms(),
            run,
            account,
            job: None,
            event,
        };
        let batch = Batch {
            events: vec![record],
            jobs: Vec::new(),
        };
        self.commit(Decision {
            batch,
            effects: Vec::new(),
        })
        .await?;
        Ok(outcome)
    }
}

fn accepted(batch: &Batch) -> Vec<(JobKey, TaskId)> {
    let accepted = |record: &NewRecord| match (&record.job, &record.event) {
        (Some(key), Event::Accepted { task_id, .. }) => Some((*key, task_id.clone())),
        _ => None,
    };
    batch.events.iter().filter_map(accepted).collect()
}

fn refuse_other_account(
    plan: &Plan,
    known: &HashMap<JobKey, KnownJob>,
    account: &str,
) -> Result<(), RunError> {
    let in_flight = |phase: &Phase| {
        matches!(
            phase,
            Phase::Submitting { .. }
                | Phase::InDoubt { .. }
                | Phase::Running(_)
                | Phase::Finished(_)
        )
    };
    let others = plan.jobs.iter().filter_map(|job| known.get(&job.key));
    let others: Vec<_> = others
        .filter(|known| in_flight(&known.job.phase) && known.account != account)
        .collect();
    match others.first() {
        Some(other) => Err(RunError::OtherAccount {
            jobs: others.len(),
            account: other.account.clone(),
        }),
        None => Ok(()),
    }
}

/// What the ledger's jobs have cost so far, and what is reserved for those that are not of this plan; the plan's own
/// reservations are the conductor's.
fn spent_before(plan: &Plan, known: &HashMap<JobKey, KnownJob>) -> f64 {
    let own: HashSet<JobKey> = plan.jobs.iter().map(|job| job.key).collect();
    let cost = |(key, known): (&JobKey, &KnownJob)| {
        let reserved = if own.contains(key) {
            0.0
        } else {
            known.job.reserved
        };
        known.job.credits + reserved
    };
    known.iter().map(cost).sum()
}

fn planned_rows(plan: &Plan) -> Vec<PlannedRow> {
    let row = |job: &crate::plan::PlannedJob| PlannedRow {
        key: job.key,
        stem: plan.stems[job.stem].id.clone(),
        preset: job.preset.to_string(),
        sweep: job.sweep.as_ref().clone(),
        take: job.take,
        settings: job.settings.clone(),
    };
    plan.jobs.iter().map(row).collect()
}

fn wanted(plan: &Plan, holding: &Holding, now_ms: i64) -> Vec<Wanted> {
    let retention_days = plan.provider.profile.retention_days;
    let wanted = |(job, held): (&crate::plan::PlannedJob, &crate::hold::Held)| Wanted {
        key: job.key,
        stem: job.stem,
        job: held.job.clone(),
        missing: held.missing.clone(),
        expired: is_expired(&held.job, now_ms, retention_days),
    };
    plan.jobs.iter().zip(&holding.rows).map(wanted).collect()
}

fn terms(
    run: &Run,
    header: &RunHeader,
    spent_before: f64,
    now_ms: i64,
    hears_callbacks: bool,
) -> Terms {
    let profile = &run.plan.provider.profile;
    let view_ms = i64::try_from(profile.polling.interval_ms).unwrap_or(30_000);
    let mut pace = if profile.loopback {
        Pace::local(view_ms)
    } else {
        Pace::remote(view_ms)
    };
    pace.first_view_ms = i64::try_from(profile.polling.first_ms).unwrap_or(view_ms);
    pace.follow_ms = i64::try_from(profile.polling.give_up_ms).unwrap_or(pace.follow_ms);
    let limits = &run.plan.limits;
    Terms {
        run: header.id.clone(),
        account: header.account.clone(),
        rate: limits.rate,
        concurrency: limits.concurrency as usize,
        credits: limits.credits,
        ledger_credits: limits.ledger_credits,
        spent_before,
        price: profile.price_credits,
        deadline_ms: limits
            .deadline_ms
            .map(|limit| now_ms.saturating_add_unsigned(limit)),
        retries: run.plan.retries.task_failed,
        asks_again: profile.idempotency_key,
        hears_callbacks,
        upload_ttl_ms: i64::try_from(profile.upload_ttl_ms).unwrap_or(i64::MAX),
        pace,
    }
}

/// 128 bits that nobody can guess.
fn new_token() -> Token {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    Token::from_text(
        bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>(),
    )
}

async fn until(wake: Option<tokio::time::Instant>) {
    match wake {
        Some(wake) => tokio::time::sleep_until(wake).await,
        None => std::future::pending().await,
    }
}

/// Unix time that never runs backwards while a run lasts.
#[derive(Debug, Clone)]
pub(crate) struct Clock {
    started: Instant,
    started_ms: i64,
}

impl Clock {
    fn new() -> Self {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            started: Instant::now(),
            started_ms: i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        }
    }

    /// Unix time in milliseconds.
    pub(crate) fn now_ms(&self) -> i64 {
        let passed = i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.started_ms.saturating_add(passed)
    }

    fn instant(&self, at_ms: i64) -> tokio::time::Instant {
        let wait = at_ms.saturating_sub(self.now_ms()).max(0).unsigned_abs();
        tokio::time::Instant::now() + Duration::from_millis(wait)
    }
}

/// Where a path lies as the ledger writes it: relative to the project folder with `/`, or absolute when it lies outside.
pub(crate) fn shown_path(project_dir: &Path, path: &Path) -> String {
    match path.strip_prefix(project_dir) {
        Ok(inside) => {
            let parts: Vec<_> = inside
                .components()
                .map(|part| part.as_os_str().to_string_lossy())
                .collect();
            parts.join("/")
        }
        Err(_) => path.display().to_string(),
    }
}
