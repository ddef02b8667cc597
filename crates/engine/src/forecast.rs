//! What a run would do with each job of a plan, by what the ledger has of it, and what that would cost.

use std::collections::HashMap;
use std::sync::Arc;

use backline_api::Source;

use crate::event::{HookPoint, KeptFile, Part};
use crate::gate::Gate;
use crate::job::{Cause, Job, Phase, StepInput, Task};
use crate::kept_files::OnDisk;
use crate::plan::{HookRefusal, Plan, PlannedJob};
use crate::settings::JobKey;
use crate::status::{JobStatus, Sign};
use crate::store::KnownJob;

/// Why a step has nothing to process: its parent is not selected.
pub(crate) const NOT_SELECTED: &str = "what it processes is not bought: select that job too";

/// Why a task can't be processed.
pub(crate) const BOUGHT_ELSEWHERE: &str = "was bought under another key or address; if that key was replaced, \
                                           `backline run --adopt-account` takes it over";

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// A warning is shown if the provider deletes unkept tracks within this many days.
pub const EXPIRY_WARNING_DAYS: i64 = 3;

/// What a run would do with one job.
#[derive(Debug, Clone, PartialEq)]
pub struct JobForecast {
    /// Its sign.
    pub sign: Sign,
    /// Whether it is selected; otherwise it is there for its steps.
    pub selected: bool,
    /// Whether a run would submit it.
    pub submits: bool,
    /// Details beside the sign; empty where the sign is enough.
    pub note: String,
    /// Its state in the ledger.
    pub job: Arc<Job>,
    /// Kept files that are no longer there, or no longer as they were kept.
    pub missing: Vec<Missing>,
    /// Unix time in milliseconds at which the vendor throws away what is bought and not kept, where that is near.
    pub expires_ms: Option<i64>,
}

/// A kept file that is no longer there, or no longer as it was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missing {
    /// Which track, from 1.
    pub index: u32,
    /// Which of its files.
    pub part: Part,
    /// Whether a file is there that is not the one that was kept.
    pub changed: bool,
}

/// What a run would do with a plan.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Forecast {
    /// One row for each job, in plan order.
    pub rows: Vec<JobForecast>,
    /// Jobs that a run would submit.
    pub to_submit: u64,
    /// What those cost.
    pub credits: f64,
    /// Minimum time to submit them under the rate limit, in milliseconds.
    pub least_ms: u64,
}

impl Forecast {
    /// Jobs that are bought, not kept, and soon thrown away by the vendor.
    pub fn expiring(&self) -> usize {
        self.rows
            .iter()
            .filter(|row| row.expires_ms.is_some())
            .count()
    }

    /// How many of the selected jobs have this sign.
    pub fn count(&self, sign: Sign) -> usize {
        let selected = self.rows.iter().filter(|row| row.selected);
        selected.filter(|row| row.sign == sign).count()
    }
}

/// Compares a plan with what the ledger has. `look` gives what became of a kept file.
pub fn forecast(
    plan: &Plan,
    known: &HashMap<JobKey, KnownJob>,
    now_ms: i64,
    look: &dyn Fn(&KeptFile) -> OnDisk,
) -> Forecast {
    let retention_ms = i64::from(plan.provider.profile.retention_days) * DAY_MS;
    let unknown = Arc::new(Job::default());
    let forecast_one = |planned: &PlannedJob, parent: Option<(&PlannedJob, &JobForecast)>| {
        let job = known.get(&planned.key).map(|known| &known.job);
        let job = job.unwrap_or(&unknown).clone();
        let missing = match (job.task(), parent) {
            (Some(task), Some((_, song))) if planned.is_recovery() => gone(task, song),
            (Some(task), _) => missing(task, look),
            (None, _) => Vec::new(),
        };
        let refusal = planned.refusal.as_ref().filter(|_| job.is_undecided());
        // A step without hooks was vetoed for want of what it processes.
        let is_open =
            planned.step.is_some() && is_vetoed(&job) && !plan.hooks.has(HookPoint::BeforeSubmit);
        let may_be_bought = planned.selected
            && plan.purchases.include(planned)
            && refusal.is_none()
            && (is_open || job.may_be_bought(plan.retries.task_failed));
        let input = input(plan, planned, parent, (now_ms, retention_ms));
        let submits = may_be_bought && input.is_ok();
        let (sign, mut note) = match (refusal, input) {
            (Some(HookRefusal::Veto(why)), _) => (Sign::Vetoed, format!("vetoed: {why}")),
            (Some(HookRefusal::Failure(message)), _) => (Sign::Failed, message.clone()),
            (None, Err(NoInput::Missing(why))) if is_unbought(&job) || is_vetoed(&job) => {
                (Sign::Vetoed, why)
            }
            (None, Err(NoInput::Waits(why))) if may_be_bought => (Sign::Buy, why),
            (None, _) if planned.step.is_some() && is_vetoed(&job) && !is_open => {
                let Phase::Vetoed { why } = &job.phase else {
                    unreachable!("it is vetoed")
                };
                (Sign::Vetoed, format!("vetoed: {why}"))
            }
            // What it processes is there again.
            (None, Ok(())) if is_open => (Sign::Buy, String::new()),
            (None, _) => sign(&job, &missing, submits, now_ms, retention_ms),
        };
        if !planned.selected {
            note = match note.is_empty() {
                true => "not selected".to_owned(),
                false => format!("not selected; {note}"),
            };
        }
        let expires_ms = match (sign, job.task()) {
            (Sign::InProgress | Sign::Fetch, Some(task)) => {
                Some(made_ms(task, retention_ms).saturating_add(retention_ms))
            }
            _ => None,
        };
        let left_ms = |expires: i64| expires.saturating_sub(now_ms);
        let expires_ms =
            expires_ms.filter(|expires| left_ms(*expires) <= EXPIRY_WARNING_DAYS * DAY_MS);
        if let Some(expires) = expires_ms {
            let hours = left_ms(expires) / (60 * 60 * 1000);
            note.push_str(&format!("; the provider keeps it {} more", span(hours)));
        }
        JobForecast {
            sign,
            selected: planned.selected,
            submits,
            note,
            job,
            missing,
            expires_ms,
        }
    };
    let mut rows: Vec<JobForecast> = Vec::with_capacity(plan.jobs.len());
    let mut song = 0;
    for (slot, planned) in plan.jobs.iter().enumerate() {
        let parent = match &planned.step {
            None => {
                song = slot;
                None
            }
            // It is one of those since the song.
            Some(step) => (song..slot).find(|at| plan.jobs[*at].key == step.parent),
        };
        let row = forecast_one(planned, parent.map(|at| (&plan.jobs[at], &rows[at])));
        rows.push(row);
    }
    let bought = || plan.jobs.iter().zip(&rows).filter(|(_, row)| row.submits);
    let to_submit = bought().count() as u64;
    Forecast {
        to_submit,
        credits: bought().fold(0.0, |sum, (job, _)| sum + plan.price_credits(job)),
        least_ms: Gate::least_ms(plan.limits.rate, to_submit),
        rows,
    }
}

/// Why a step has nothing to process.
enum NoInput {
    /// It will not come by itself.
    Missing(String),
    /// The parent is not finished, and this run will not buy it.
    Waits(String),
}

/// Whether a job has what it processes, or will have it in this run: that of a song is its recording.
fn input(
    plan: &Plan,
    planned: &PlannedJob,
    parent: Option<(&PlannedJob, &JobForecast)>,
    (now_ms, retention_ms): (i64, i64),
) -> Result<(), NoInput> {
    let (Some(step), Some((source, parent))) = (&planned.step, parent) else {
        return Ok(());
    };
    match parent
        .job
        .input_for(plan.operation(planned).input, step.track)
    {
        StepInput::Missing(why) => Err(NoInput::Missing(why)),
        StepInput::Ready(Source::Song { .. }) => Ok(()),
        StepInput::Ready(_) => match parent.job.task() {
            Some(task) if now_ms.saturating_sub(made_ms(task, retention_ms)) >= retention_ms => {
                let task = &task.id;
                Err(NoInput::Missing(format!(
                    "task {task} is past the provider's retention"
                )))
            }
            _ => Ok(()),
        },
        StepInput::Pending if parent.submits || parent.sign == Sign::InProgress => Ok(()),
        StepInput::Pending if !source.selected && is_unbought(&parent.job) => {
            Err(NoInput::Missing(NOT_SELECTED.to_owned()))
        }
        // The parent was vetoed, so this step is too.
        StepInput::Pending if source.step.is_some() && parent.sign == Sign::Vetoed => {
            Err(NoInput::Missing(parent.note.clone()))
        }
        StepInput::Pending => {
            let (key, state) = (step.parent.short(), parent.sign.meaning());
            Err(NoInput::Waits(format!("waits for job {key}: {state}")))
        }
    }
}

fn is_unbought(job: &Job) -> bool {
    matches!(job.phase, Phase::Planned | Phase::Failed(_))
}

fn is_vetoed(job: &Job) -> bool {
    matches!(job.phase, Phase::Vetoed { .. })
}

fn sign(
    job: &Job,
    missing: &[Missing],
    submits: bool,
    now_ms: i64,
    retention_ms: i64,
) -> (Sign, String) {
    let recorded = Sign::from(JobStatus::from(&job.phase));
    match &job.phase {
        Phase::Planned => (recorded, String::new()),
        Phase::Vetoed { why } => (
            recorded,
            format!("vetoed: {why}; the next run calls the hooks again"),
        ),
        // Without a run the response will not come; during another process's run, this is what its last commit shows.
        Phase::Submitting { .. } => (
            Sign::InDoubt,
            "the program ended before the response came".to_owned(),
        ),
        Phase::InDoubt { message, .. } => {
            let claim = job.claims.first().map_or_else(String::new, |claim| {
                let task = &claim.task_id;
                format!(
                    "; a callback named task {task}, which the next run checks with the provider"
                )
            });
            (recorded, format!("{message}{claim}"))
        }
        Phase::Failed(failure) => {
            let code = failure
                .code
                .map_or_else(String::new, |code| format!("{code} "));
            let next = match (failure.cause, submits) {
                (Cause::Task, true) => "; will be bought again",
                (Cause::Task, false) => "; bought again only with a higher `retries.task_failed`",
                (Cause::Refunded, true) => "; its credits were given back, will be bought again",
                (Cause::Refunded, false) => "; its credits were given back",
                (_, true) => "; nothing was bought, will be tried again",
                (_, false) => "; nothing was bought",
            };
            (recorded, format!("{code}{}{next}", failure.message))
        }
        Phase::Running(task) | Phase::Finished(task) | Phase::Kept(task) | Phase::Partial(task) => {
            let is_expired = now_ms.saturating_sub(made_ms(task, retention_ms)) >= retention_ms;
            match recorded {
                Sign::Kept if missing.is_empty() => (recorded, String::new()),
                Sign::Partial if missing.is_empty() => (recorded, partial_note(task)),
                _ if is_expired => (
                    Sign::Expired,
                    format!("task {} is past the provider's retention", task.id),
                ),
                Sign::InProgress => (recorded, running_note(task)),
                _ => (Sign::Fetch, unkept_note(task, missing)),
            }
        }
    }
}

fn running_note(task: &Task) -> String {
    match &task.unavailable {
        Some(unavailable) => format!(
            "task {}: details unavailable: {}",
            task.id, unavailable.message
        ),
        None => format!("task {}", task.id),
    }
}

fn partial_note(task: &Task) -> String {
    let kept = task.tracks.iter().filter(|track| track.kept.is_some());
    let why = task
        .shortfall
        .as_ref()
        .map_or_else(String::new, |shortfall| {
            let code = shortfall
                .code
                .map_or_else(String::new, |code| format!("{code} "));
            format!(": {code}{}", shortfall.message)
        });
    format!(
        "{} of {} tracks of task {}{why}",
        kept.count(),
        task.tracks.len(),
        task.id
    )
}

fn unkept_note(task: &Task, missing: &[Missing]) -> String {
    let of = |changed: bool, what: &str| {
        let these = missing.iter().filter(|it| it.changed == changed);
        let names: Vec<String> = these.map(|it| name(task, it.index, it.part)).collect();
        let verb = if names.len() == 1 { "was" } else { "were" };
        (!names.is_empty()).then(|| format!("{} {verb} {what}", names.join(", ")))
    };
    let said = [
        of(false, "deleted or moved"),
        of(
            true,
            "changed on disk or in the object store (the changed file is not overwritten)",
        ),
    ];
    let said: Vec<String> = said.into_iter().flatten().collect();
    if !said.is_empty() {
        return format!(
            "task {}: {}; will be fetched again",
            task.id,
            said.join("; ")
        );
    }
    match task.tracks.iter().find_map(|track| track.problem.as_ref()) {
        Some(problem) => format!("task {}: {problem}", task.id),
        None => format!("task {} is to be fetched", task.id),
    }
}

/// What a file of a task is called: what a step made by its name.
fn name(task: &Task, index: u32, part: Part) -> String {
    let track = task.tracks.get(index as usize - 1);
    match (part, track.map(|track| track.facts.artefact.as_str())) {
        (Part::Track, Some(artefact)) if !artefact.is_empty() => format!("`{artefact}`"),
        (Part::Track, _) => format!("track {index}"),
        (Part::Mix, _) => format!("the mix of track {index}"),
    }
}

/// `2 days`, `5 hours`.
fn span(hours: i64) -> String {
    let (count, unit) = if hours >= 48 {
        (hours / 24, "day")
    } else {
        (hours, "hour")
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// When the vendor made the first of a task's tracks, from which its retention runs.
fn made_ms(task: &Task, retention_ms: i64) -> i64 {
    task.tracks
        .iter()
        .map(|track| task.made_ms(&track.facts, retention_ms))
        .min()
        .unwrap_or(task.accepted_ms)
}

/// Whether a task's tracks are past the vendor's retention.
pub(crate) fn is_expired(job: &Job, now_ms: i64, retention_days: u32) -> bool {
    let retention_ms = i64::from(retention_days) * DAY_MS;
    job.task()
        .is_some_and(|task| now_ms.saturating_sub(made_ms(task, retention_ms)) >= retention_ms)
}

/// The files that a recovery has handed over and that its song has no more.
pub(crate) fn gone(recovery: &Task, song: &JobForecast) -> Vec<Missing> {
    let has = |place: usize, part: Part| {
        let task = song.job.task();
        let track = task.and_then(|task| task.tracks.get(place));
        let is_it = |it: &Missing| (it.index as usize, it.part) == (place + 1, part);
        track.is_some_and(|track| track.wanted().all(|wanted| wanted != part))
            && !song.missing.iter().any(is_it)
    };
    let files = (1..).zip(&recovery.tracks).flat_map(|(index, track)| {
        let parts = track.handed_over.iter();
        parts.map(move |part| (index, track, *part))
    });
    let gone = files.filter(|(index, track, part)| {
        let task = song.job.task();
        let place = task.and_then(|task| task.place_of(&track.facts, *index as usize - 1));
        !place.is_some_and(|place| has(place, *part))
    });
    let gone = gone.map(|(index, _, part)| Missing {
        index,
        part,
        changed: false,
    });
    gone.collect()
}

fn missing(task: &Task, look: &dyn Fn(&KeptFile) -> OnDisk) -> Vec<Missing> {
    let files = (1..).zip(&task.tracks).flat_map(|(index, track)| {
        let kept = track
            .kept
            .iter()
            .map(move |file| (index, Part::Track, file));
        kept.chain(track.mix.iter().map(move |file| (index, Part::Mix, file)))
    });
    let missing = files.map(|(index, part, file)| (index, part, look(file)));
    missing
        .filter(|(_, _, found)| *found != OnDisk::AsKept)
        .map(|(index, part, found)| Missing {
            index,
            part,
            changed: found == OnDisk::Changed,
        })
        .collect()
}
