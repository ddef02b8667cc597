//! Building a summary from a ledger.

use std::collections::{HashMap, HashSet};

use backline_api::{Credits, Excerpt};

use super::{
    HookFailureSummary, JobSummary, RunFacts, SUMMARY_VERSION, Summary, ThisRun, Totals,
    TrackSummary,
};
use crate::event::{Event, Moment, Outcome, Part, Record, RefusedCallbacks, RunId, StopReason};
use crate::evidence::evidence;
use crate::job::{Job, Phase};
use crate::plan::Coordinates;
use crate::settings::JobKey;
use crate::status::JobStatus;
use crate::store::{
    COMPARED_RUNS, KnownJob, PlannedRow, RunHeader, Store, StoreError, bought_in_place_of,
};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Failures of hooks that a summary names; the rest is counted.
const SHOWN_FAILURES: usize = 20;

/// Builds the summary of the manifest that a run was started with, with the newest bought version of each job that was changed and has
/// no track yet.
///
/// # Errors
/// When the store can't be read.
pub fn summarise(store: &dyn Store, run: &RunHeader) -> Result<Summary, StoreError> {
    build(store, run, Former::Needed)
}

/// The same, with all jobs that earlier runs of the manifest bought and that it does not have any more.
///
/// # Errors
/// When the store can't be read.
pub fn summarise_with_former(store: &dyn Store, run: &RunHeader) -> Result<Summary, StoreError> {
    build(store, run, Former::All)
}

/// Which jobs that the manifest does not have any more a summary has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Former {
    /// Those that were replaced by a job that has no track yet.
    Needed,
    /// All of them.
    All,
}

/// The jobs that earlier runs of the manifest bought and that it does not have any more, the newest first.
/// Beside them, by coordinates, the newest version of each job that has no track yet.
fn former_jobs(
    store: &dyn Store,
    run: &RunHeader,
    known: &HashMap<JobKey, KnownJob>,
    (album, which): (&[PlannedRow], Former),
) -> Result<(Vec<PlannedRow>, HashMap<Coordinates, JobKey>), StoreError> {
    let bought_as = |key: JobKey| bought_in_place_of(known, key).map_or(key, |(link, _)| link.key);
    let has_tracks = |key: JobKey| {
        let task = known.get(&key).and_then(|known| known.job.task());
        task.is_some_and(|task| task.tracks.iter().any(|track| track.kept.is_some()))
    };
    let mut seen: HashSet<JobKey> = album.iter().map(|row| row.key).collect();
    seen.extend(album.iter().map(|row| bought_as(row.key)));
    let mut open: HashSet<Coordinates> = album
        .iter()
        .filter(|row| !has_tracks(bought_as(row.key)))
        .map(PlannedRow::coordinates)
        .collect();
    let (mut former, mut replaced) = (Vec::new(), HashMap::new());
    let same = |other: &RunHeader| other.manifest == run.manifest && other.id != run.id;
    let runs = store.runs()?.into_iter().filter(same);
    let most = match which {
        Former::Needed => COMPARED_RUNS,
        Former::All => usize::MAX,
    };
    for other in runs.take(most) {
        if which == Former::Needed && open.is_empty() {
            break;
        }
        for row in store.plan_of(&other.id)? {
            let key = bought_as(row.key);
            let was_bought = known.get(&key).is_some_and(|known| known.job.attempts > 0);
            if !was_bought || seen.contains(&key) || seen.contains(&row.key) {
                continue;
            }
            let is_needed = has_tracks(key) && open.remove(&row.coordinates());
            if is_needed {
                replaced.insert(row.coordinates(), key);
            }
            if is_needed || which == Former::All {
                seen.extend([row.key, key]);
                former.push(row);
            }
        }
    }
    Ok((former, replaced))
}

fn build(store: &dyn Store, run: &RunHeader, which: Former) -> Result<Summary, StoreError> {
    let album = store.album_of(run)?;
    let known = store.jobs()?;
    let (former, replaced) = former_jobs(store, run, &known, (&album, which))?;
    let records = store.records_of(&run.id)?;
    let own: Option<HashSet<JobKey>> = match run.album {
        Some(_) => Some(store.plan_of(&run.id)?.iter().map(|row| row.key).collect()),
        None => None,
    };
    let rows = Rows {
        run,
        known,
        buyers: store.buyers()?,
    };
    let facts = run_facts(run, &records);
    let price = run.price_credits.unwrap_or(0.0);
    let mut totals = Totals::default();
    let mut this_run = this_run(run, &records, facts.credits);
    let mut counted = HashSet::new();
    let mut jobs = Vec::with_capacity(album.len() + former.len());
    for row in album {
        let selected = own.as_ref().is_none_or(|own| own.contains(&row.key));
        let replaces = replaced.get(&row.coordinates()).map(ToString::to_string);
        let (mut job, is_first) = rows.job(row, &mut counted, true, selected);
        job.replaces = replaces;
        totals.add(&job, price, is_first);
        if selected {
            this_run.totals.add(&job, price, is_first);
        }
        jobs.push(job);
    }
    for row in former {
        jobs.push(rows.job(row, &mut counted, false, false).0);
    }
    Ok(Summary {
        version: SUMMARY_VERSION,
        run: facts,
        evidence: evidence(store, &rows.known, &counted, Some(&run.id))?,
        this_run,
        totals,
        jobs,
        comparisons: Vec::new(),
    })
}

/// What rows are built from.
struct Rows<'a> {
    run: &'a RunHeader,
    known: HashMap<JobKey, KnownJob>,
    buyers: HashMap<JobKey, RunId>,
}

impl Rows<'_> {
    /// A job, and whether no earlier one is bought as the same.
    fn job(
        &self,
        row: PlannedRow,
        counted: &mut HashSet<JobKey>,
        in_manifest: bool,
        selected: bool,
    ) -> (JobSummary, bool) {
        // A run of a program that changed jobs at submission recorded them as they were planned.
        let replaced = match self.run.changes_in_plan {
            true => None,
            false => bought_in_place_of(&self.known, row.key),
        };
        let untouched = Job::default();
        let (key, settings, job) = match replaced {
            Some((link, job)) => (link.key, link.settings.clone(), job),
            None => {
                let job = self.known.get(&row.key).map(|known| &*known.job);
                (row.key, row.settings, job.unwrap_or(&untouched))
            }
        };
        let is_first = counted.insert(key);
        let error = error(job);
        let summary = JobSummary {
            key: key.to_string(),
            run: self.buyers.get(&key).map(ToString::to_string),
            in_manifest,
            replaces: None,
            selected,
            stem: row.stem,
            preset: row.preset,
            vars: row.vars,
            sweep: row.sweep,
            take: row.take,
            state: JobStatus::from(&job.phase),
            task_id: task_id(job),
            attempts: job.attempts,
            credits: if is_first { job.credits.into() } else { 0.0 },
            error_code: error.as_ref().and_then(|(code, _)| *code),
            error: error.map(|(_, message)| message),
            response: response(job),
            settings,
            step: row.step,
            recording: row.recording,
            other_tasks: job.others.iter().map(|task| task.id.to_string()).collect(),
            tracks: tracks(job, self.run.retention_days),
        };
        (summary, is_first)
    }
}

fn run_facts(run: &RunHeader, records: &[Record]) -> RunFacts {
    let mut facts = RunFacts {
        id: run.id.to_string(),
        name: run.name.clone(),
        manifest: run.manifest.clone(),
        ledger: None,
        provider: run.provider.clone(),
        started_ms: run.started_ms,
        ended_ms: None,
        outcome: None,
        balance_before: None,
        balance_after: None,
        credits: None,
        price_credits: run.price_credits,
        callbacks_refused: RefusedCallbacks::default(),
        trouble: None,
        hooks_failed: 0,
        hook_failures: Vec::new(),
        backline: run.version.clone(),
    };
    for record in records.iter().filter(|record| record.job.is_none()) {
        match &record.event {
            Event::RunEnded { outcome, credits } => {
                (facts.ended_ms, facts.outcome) = (Some(record.at_ms), Some(outcome.clone()));
                facts.credits = Some((*credits).into());
            }
            Event::HookFailed {
                point,
                hook,
                about,
                message,
                effect,
            } => {
                facts.hooks_failed += 1;
                if facts.hook_failures.len() < SHOWN_FAILURES {
                    facts.hook_failures.push(HookFailureSummary {
                        point: *point,
                        hook: hook.clone(),
                        job: about.map(|key| key.to_string()),
                        message: message.clone(),
                        effect: *effect,
                    });
                }
            }
            Event::Paused { message, .. } => facts.trouble = Some(message.clone()),
            Event::CallbacksRefused(refused) => facts.callbacks_refused = *refused,
            Event::Credits { balance, moment } => match moment {
                Moment::Before => facts.balance_before = Some(*balance),
                Moment::After => facts.balance_after = Some(*balance),
            },
            _ => {}
        }
    }
    let unreachable = Outcome::Stopped {
        reason: StopReason::Unreachable,
    };
    if facts.outcome != Some(unreachable) {
        facts.trouble = None;
    }
    facts
}

/// What a run did by its records. `spent` is what it says itself at its end.
fn this_run(run: &RunHeader, records: &[Record], spent: Option<f64>) -> ThisRun {
    let mut submitted = HashSet::new();
    let mut prices: HashMap<JobKey, Credits> = HashMap::new();
    let (mut downloaded, mut credits) = (0, Credits::ZERO);
    for record in records {
        let Some(key) = record.job else { continue };
        match &record.event {
            Event::Intent { credits, .. } => {
                submitted.insert(key);
                prices.insert(key, *credits);
            }
            Event::Accepted { .. } => credits += prices.get(&key).copied().unwrap_or_default(),
            Event::TaskFailed { refunded: true, .. }
            | Event::TaskPartial { refunded: true, .. } => {
                credits -= prices.remove(&key).unwrap_or_default();
            }
            Event::TrackKept {
                part: Part::Track, ..
            } => downloaded += 1,
            _ => {}
        }
    }
    ThisRun {
        selection: run.selection.clone(),
        totals: Totals::default(),
        submitted: submitted.len() as u64,
        downloaded,
        credits: spent.unwrap_or(credits.into()),
    }
}

fn task_id(job: &Job) -> Option<String> {
    match &job.phase {
        Phase::Failed(failure) => failure.task_id.as_ref().map(ToString::to_string),
        _ => job.task().map(|task| task.id.to_string()),
    }
}

fn error(job: &Job) -> Option<(Option<i64>, String)> {
    match &job.phase {
        Phase::Failed(failure) => Some((failure.code, failure.message.clone())),
        Phase::InDoubt { message, .. } => Some((None, message.clone())),
        Phase::Vetoed { why } => Some((None, why.clone())),
        _ => {
            let task = job.task()?;
            let unavailable = task.unavailable.as_ref();
            let unavailable = unavailable
                .filter(|_| !matches!(job.phase, Phase::Kept(_)))
                .map(|it| (None, format!("details unavailable: {}", it.message)));
            let shortfall = task.shortfall.as_ref();
            shortfall
                .map(|it| (it.code, it.message.clone()))
                .or(unavailable)
        }
    }
}

fn response(job: &Job) -> Option<Excerpt> {
    match &job.phase {
        Phase::InDoubt { response, .. } => response.clone(),
        _ => None,
    }
}

fn tracks(job: &Job, retention_days: u32) -> Vec<TrackSummary> {
    let Some(task) = job.task() else {
        return Vec::new();
    };
    let retention_ms = i64::from(retention_days) * DAY_MS;
    (1..)
        .zip(&task.tracks)
        .map(|(index, track)| TrackSummary {
            index,
            id: track.facts.id.clone(),
            artefact: track.facts.artefact.clone(),
            title: track.facts.title.clone(),
            audio_url: track.facts.audio_url.clone(),
            stream_url: track.facts.stream_url.clone(),
            image_url: track.facts.image_url.clone(),
            created_ms: track.facts.created_ms,
            expires_ms: Some(
                task.made_ms(&track.facts, retention_ms)
                    .saturating_add(retention_ms),
            ),
            file: track.kept.clone(),
            mix: track.mix.clone(),
            loudness: track.loudness,
            mix_loudness: track.mix_loudness,
            music: track.facts.music.clone(),
            copies: track.copies.clone(),
            problem: track.problem.clone(),
            rating: None,
        })
        .collect()
}
