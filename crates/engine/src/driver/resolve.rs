//! The user's decision on a job in doubt, and its reversal.
//!
//! Only three things take a job out of doubt: a callback, the provider's promise about tokens, and this. A task id that the
//! user gives is checked with the provider; one that the ledger knows already, and one whose request was another job's, are
//! refused: a slip of the finger must neither lose a purchase nor buy one twice.

use std::sync::Arc;

use backline_api::{ApiKey, CallError, Client, Operation, ResponseClass, Stage, StepView, TaskId};
use serde_json::Value;

use super::client::client;
use super::clock::Clock;
use super::superseded::set_aside;
use super::{RunError, account};
use crate::event::{Event, Record, RunId, Via};
use crate::job::{Phase, Step};
use crate::plan::{JobStep, Plan};
use crate::settings::{JobKey, Settings};
use crate::store::{Batch, KnownJob, NewRecord, Store, StoreError};

/// Fewest digits by which a job may be named.
const SHORTEST_PREFIX: usize = 4;

/// The user's decision on a job in doubt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// This is the task that was bought. The provider's details must show the job's title and tags, unless that is forced.
    Task {
        /// The task.
        id: TaskId,
        /// Whether details of another request are accepted.
        force: bool,
    },
    /// There is no task to follow.
    Settled(Settlement),
    /// What was said of the job's last attempt before is taken back: it is in doubt again.
    Undo,
}

/// How jobs in doubt are settled without a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settlement {
    /// Nothing was bought: submit it as if it had never been.
    NeverBought,
    /// Buy it once more, even if it was bought: the first attempt counts as paid.
    BuyAgain,
}

impl Settlement {
    fn event(self, attempt: u32) -> Event {
        match self {
            Self::NeverBought => Event::NeverBought { attempt },
            Self::BuyAgain => Event::BuyAgain { attempt },
        }
    }
}

/// Why a decision was refused; nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// No job is named so.
    #[error("the ledger has no job whose key begins with `{text}`")]
    UnknownJob {
        /// What was given.
        text: String,
    },
    /// Too short, or more than one job is named so.
    #[error("`{text}` is the beginning of {}: give at least {SHORTEST_PREFIX} digits of the key, and enough for one job", keys_are(*jobs))]
    Ambiguous {
        /// What was given.
        text: String,
        /// How many begin with it.
        jobs: usize,
    },
    /// The job is not in doubt.
    #[error("job {key} is not in doubt: {state}")]
    NotInDoubt {
        /// The job.
        key: JobKey,
        /// Its state.
        state: String,
    },
    /// The user said nothing of the job's last attempt, or the job was submitted again since.
    #[error("job {key} has nothing to undo: {state}, and no `resolve` since its last submission")]
    NothingToUndo {
        /// The job.
        key: JobKey,
        /// Its state.
        state: String,
    },
    /// The task is known already.
    #[error("task {task} belongs to job {owner} already")]
    TaskIsKnown {
        /// The task.
        task: TaskId,
        /// Whose it is.
        owner: JobKey,
    },
    /// The provider knows no such task.
    #[error(
        "the provider knows no task {task} under this key; a task can take a minute to become known"
    )]
    NoSuchTask {
        /// The task.
        task: TaskId,
    },
    /// The task was made by another request.
    #[error(
        "task {task} was made by another request than that of job {key}: its {name} is {theirs:?}, the job's is {ours:?}"
    )]
    OtherRequest {
        /// The task.
        task: TaskId,
        /// The job.
        key: JobKey,
        /// The setting that differs.
        name: &'static str,
        /// Its value in the task's request.
        theirs: String,
        /// Its value in the job.
        ours: String,
    },
    /// The job was sent under another account.
    #[error(
        "job {key} was sent under another account ({account}): use the key and address of then, or, if that key was replaced, \
         adopt the account with `backline run --adopt-account` first"
    )]
    OtherAccount {
        /// The job.
        key: JobKey,
        /// The other account's fingerprint.
        account: String,
    },
    /// The provider could not be reached.
    #[error("task {task} could not be looked up: {source}")]
    Lookup {
        /// The task.
        task: TaskId,
        /// Why.
        #[source]
        source: Box<CallError>,
    },
    /// The ledger or the client failed.
    #[error(transparent)]
    Run(#[from] RunError),
}

impl From<StoreError> for ResolveError {
    fn from(error: StoreError) -> Self {
        Self::Run(error.into())
    }
}

fn keys_are(jobs: usize) -> String {
    match jobs {
        1 => "1 key of the ledger".to_owned(),
        many => format!("{many} keys of the ledger"),
    }
}

/// The job whose key begins with `text`.
pub fn find_job(store: &dyn Store, text: &str) -> Result<JobKey, ResolveError> {
    let prefix = text.trim().to_ascii_lowercase();
    let named: Vec<JobKey> = store
        .jobs()?
        .into_keys()
        .filter(|key| key.to_string().starts_with(&prefix))
        .collect();
    match named.as_slice() {
        [] => Err(ResolveError::UnknownJob {
            text: text.to_owned(),
        }),
        [one] if prefix.len() >= SHORTEST_PREFIX => Ok(*one),
        many => Err(ResolveError::Ambiguous {
            text: text.to_owned(),
            jobs: many.len(),
        }),
    }
}

/// Records the user's decision on a job in doubt, durably.
pub async fn resolve(
    plan: &Plan,
    api_key: &ApiKey,
    store: &mut dyn Store,
    key: JobKey,
    resolution: Resolution,
) -> Result<Record, ResolveError> {
    let jobs = store.jobs()?;
    let known = jobs.get(&key).ok_or_else(|| ResolveError::UnknownJob {
        text: key.to_string(),
    })?;
    let attempt = || {
        let state = || state(&known.job.phase);
        open_attempt(&known.job.phase).ok_or_else(|| ResolveError::NotInDoubt {
            key,
            state: state(),
        })
    };
    let event = match resolution {
        Resolution::Undo => Event::Reopened {
            attempt: settled_attempt(store, key)?.ok_or_else(|| ResolveError::NothingToUndo {
                key,
                state: state(&known.job.phase),
            })?,
        },
        Resolution::Settled(settlement) => settlement.event(attempt()?),
        Resolution::Task { id: task, force } => {
            let attempt = attempt()?;
            if known.account != account(plan, api_key, store)? {
                let account = known.account.clone();
                return Err(ResolveError::OtherAccount { key, account });
            }
            if let Some(owner) = store.job_of_task(task.as_str())? {
                return Err(ResolveError::TaskIsKnown { task, owner });
            }
            let client = client(plan, api_key, &jobs, None)?;
            match requested(plan, store, key)? {
                Some((_, Some((operation, step)))) => {
                    let viewed = client.step_details(&operation, &task).await;
                    let made_of = viewed.as_ref().ok().and_then(made_of);
                    known_to_provider(&task, viewed.map(|view| view.stage))?;
                    let ours = jobs.get(&step.parent).and_then(|it| it.job.task());
                    let ours = ours.map_or(&[][..], |task| step.tracks_of(&task.tracks));
                    let ours = ours.iter().map(|track| track.facts.id.as_str());
                    let ours: Vec<&str> = ours.filter(|id| !id.is_empty()).collect();
                    if let (false, Some(theirs)) = (force, made_of)
                        && !ours.is_empty()
                        && !ours.contains(&theirs.as_str())
                    {
                        return Err(ResolveError::OtherRequest {
                            task,
                            key,
                            name: "track",
                            theirs,
                            ours: ours.join(" or "),
                        });
                    }
                }
                song => {
                    let viewed = client.record_info(&task).await;
                    known_to_provider(&task, viewed.map(|view| view.stage))?;
                    if let Some((settings, _)) = song.filter(|_| !force) {
                        compare(&client, &task, key, &settings).await?;
                    }
                }
            }
            Event::Accepted {
                attempt,
                task_id: task,
                via: Via::User,
            }
        }
    };
    let at_ms = Clock::new().now_ms();
    let mut known = known.clone();
    let Step::Changed(job) = known.job.step(at_ms, &event) else {
        let state = state(&known.job.phase);
        return Err(ResolveError::NotInDoubt { key, state });
    };
    if matches!(event, Event::Reopened { .. }) {
        set_aside(plan, key, &known.job);
    }
    known.job = Arc::new(job);
    let run = store.runs()?.into_iter().next().map(|run| run.id);
    let record = NewRecord {
        at_ms,
        run: run.unwrap_or_default(),
        account: known.account.clone(),
        job: Some(key),
        event,
    };
    let mut records = store.append(&Batch::of_job(record, key, known))?;
    Ok(records.remove(0))
}

/// A job in doubt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// The job.
    pub key: JobKey,
    /// The run that made the open attempt.
    pub run: Option<RunId>,
    /// Whether a callback named a task for it: then it was bought, and the next run checks which task that is.
    pub is_claimed: bool,
}

/// The jobs of a ledger that are in doubt, by key.
pub fn doubts(store: &dyn Store) -> Result<Vec<Doubt>, StoreError> {
    let mut doubts = Vec::new();
    for (key, known) in store.jobs()? {
        let Some(open) = open_attempt(&known.job.phase) else {
            continue;
        };
        let intent = |record: &Record| matches!(record.event, Event::Intent { attempt, .. } if attempt == open);
        let run = store.history_of(&key)?.into_iter().find(intent);
        doubts.push(Doubt {
            key,
            run: run.map(|record| record.run),
            is_claimed: !known.job.claims.is_empty(),
        });
    }
    doubts.sort_by_key(|doubt| doubt.key);
    Ok(doubts)
}

/// Settles all of these jobs or none.
pub fn settle(
    store: &mut dyn Store,
    keys: &[JobKey],
    settlement: Settlement,
) -> Result<Vec<Record>, ResolveError> {
    let at_ms = Clock::new().now_ms();
    let run = store.runs()?.into_iter().next().map(|run| run.id);
    let run = run.unwrap_or_default();
    let mut batch = Batch::default();
    for key in keys.iter().copied() {
        let known = store.job(&key)?.ok_or_else(|| ResolveError::UnknownJob {
            text: key.to_string(),
        })?;
        let event = open_attempt(&known.job.phase).map(|attempt| settlement.event(attempt));
        let step = event.map(|event| (known.job.step(at_ms, &event), event));
        let Some((Step::Changed(job), event)) = step else {
            let state = state(&known.job.phase);
            return Err(ResolveError::NotInDoubt { key, state });
        };
        let (job, account) = (Arc::new(job), known.account);
        batch.events.push(NewRecord {
            at_ms,
            run: run.clone(),
            account: account.clone(),
            job: Some(key),
            event,
        });
        batch.jobs.insert(key, KnownJob { job, account });
    }
    Ok(store.append(&batch)?)
}

/// The attempt of the user's last decision; none where the job was submitted again since, or the decision was undone.
fn settled_attempt(store: &dyn Store, key: JobKey) -> Result<Option<u32>, StoreError> {
    for record in store.history_of(&key)?.into_iter().rev() {
        match record.event {
            Event::NeverBought { attempt }
            | Event::BuyAgain { attempt }
            | Event::Accepted {
                attempt,
                via: Via::User,
                ..
            } => return Ok(Some(attempt)),
            Event::Intent { .. } | Event::Reopened { .. } => return Ok(None),
            _ => {}
        }
    }
    Ok(None)
}

fn open_attempt(phase: &Phase) -> Option<u32> {
    match phase {
        Phase::InDoubt { attempt, .. } | Phase::Submitting { attempt, .. } => Some(*attempt),
        _ => None,
    }
}

/// The settings that a job was submitted with, and its operation where it is a step.
type Requested = (Settings, Option<(Operation, Box<JobStep>)>);

/// The song's track that a step's task was made of, where its details name one.
fn made_of(view: &StepView) -> Option<String> {
    let mut made = view.artefacts.iter();
    made.find_map(|artefact| artefact.track_id.clone())
}

/// What a job was submitted with.
fn requested(plan: &Plan, store: &dyn Store, key: JobKey) -> Result<Option<Requested>, StoreError> {
    let request = |settings: &Settings, step: &Option<Box<JobStep>>| {
        let profile = &plan.provider.profile;
        let step = step.as_ref().and_then(|step| {
            let operation = profile.step(&step.operation)?.clone();
            Some((operation, step.clone()))
        });
        Some((settings.clone(), step))
    };
    if let Some(job) = plan.jobs.iter().find(|job| job.key == key) {
        return Ok(request(&job.settings, &job.step));
    }
    for run in store.runs()? {
        if let Some(row) = store
            .plan_of(&run.id)?
            .into_iter()
            .find(|row| row.key == key)
        {
            return Ok(request(&row.settings, &row.step));
        }
    }
    Ok(None)
}

/// Compares the request that made a task with the job's settings, as far as the provider shows it.
async fn compare(
    client: &Client,
    task: &TaskId,
    key: JobKey,
    settings: &Settings,
) -> Result<(), ResolveError> {
    let request = match client.request_of(task).await {
        // The task is this account's, and failed: the provider sends that instead of its details.
        Err(error)
            if matches!(
                error.class(),
                ResponseClass::TaskFailed | ResponseClass::Refunded
            ) =>
        {
            return Ok(());
        }
        request => request.map_err(|source| lookup_failed(task, source))?,
    };
    let request: Option<Value> = request.and_then(|text| serde_json::from_str(&text).ok());
    let Some(request) = request else {
        return Ok(());
    };
    for (row, ours) in settings.iter() {
        let ours = ours.to_json();
        // What a provider does not repeat says nothing.
        if let Some(theirs) = request.get(row.field).filter(|theirs| !theirs.is_null())
            && !is_same_value(theirs, &ours)
        {
            return Err(ResolveError::OtherRequest {
                task: task.clone(),
                key,
                name: row.name,
                theirs: value_text(theirs),
                ours: value_text(&ours),
            });
        }
    }
    Ok(())
}

/// Whether a provider repeats a value as it was sent: numbers may have come back as text or rounded otherwise.
fn is_same_value(theirs: &Value, ours: &Value) -> bool {
    let number = |value: &Value| match value {
        Value::String(text) => text.trim().parse().ok(),
        value => value.as_f64(),
    };
    match (ours.as_f64(), number(theirs)) {
        (Some(ours), Some(theirs)) => (ours - theirs).abs() < 0.005,
        (Some(_), None) => false,
        (None, _) => value_text(theirs).trim() == value_text(ours).trim(),
    }
}

fn value_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

fn lookup_failed(task: &TaskId, source: CallError) -> ResolveError {
    ResolveError::Lookup {
        task: task.clone(),
        source: Box::new(source),
    }
}

/// Whether the provider knows a task, by the stage that its details show.
fn known_to_provider(task: &TaskId, viewed: Result<Stage, CallError>) -> Result<(), ResolveError> {
    match viewed {
        Ok(Stage::Unknown) => Err(ResolveError::NoSuchTask { task: task.clone() }),
        Ok(_) => Ok(()),
        Err(source) => Err(lookup_failed(task, source)),
    }
}

fn state(phase: &Phase) -> String {
    match phase {
        Phase::Planned => "nothing was bought".to_owned(),
        Phase::Submitting { .. } => "it is being submitted".to_owned(),
        Phase::InDoubt { .. } => "it is in doubt".to_owned(),
        Phase::Running(task) => format!("task {} is at work", task.id),
        Phase::Finished(task) => format!("task {} is made and to be fetched", task.id),
        Phase::Kept(task) => format!("the tracks of task {} are kept", task.id),
        Phase::Partial(task) => format!("what there is of task {} is kept", task.id),
        Phase::Vetoed { why } => format!("it was vetoed: {why}"),
        Phase::Failed(failure) => format!("it failed: {}", failure.message),
    }
}
