//! The run's hooks: asked on the conductor's behalf, told of what was recorded, their failures and findings brought back.
//!
//! ```text
//!  Effect::Ask ──► desk ──► verdict ──► Input::Decided
//!  record ──► one bounded queue a hook ──► desk ──► told ──► failures and notes for the ledger
//! ```
//!
//! Observers take their events one after the other, in the order in which things happened, each hook for itself: a slow one holds
//! up neither the run nor the others. One that lets its time run out again and again is left alone, so that the end of a run is
//! never far.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::task::JoinSet;

use super::shell::Message;
use super::{Clock, Run};
use crate::conductor::{Conductor, Found, Input};
use crate::event::{Event, Part, Record, TrackNote};
use crate::hold::{Holding, Missing, is_expired};
use crate::hooks::{
    Desk, Facts, HookError, HookEvent, HookPoint, PlanSaid, RunSaid, Seat, Surroundings, Trouble,
    Verdict, Way, Word, point_of,
};
use crate::machine::Phase;
use crate::plan::{JobKey, Plan, Settings};
use crate::store::{KnownJob, RunHeader};
use crate::summary::Totals;

/// Events that wait for one observer; what comes on top is dropped, and said to be.
const BACKLOG: usize = 10_000;

/// Time-outs in a row after which an observer is left alone.
const PATIENCE: u32 = 3;

/// What an observer made of an event.
pub(super) struct Told {
    /// The job that the event was about.
    pub(super) about: Option<JobKey>,
    pub(super) result: Result<Option<Noted>, Trouble>,
}

/// What was found out about a kept file.
pub(super) struct Noted {
    pub(super) key: JobKey,
    pub(super) index: u32,
    pub(super) part: Part,
    pub(super) note: TrackNote,
}

/// An event on its way to an observer.
struct Errand {
    event: HookEvent,
    /// The key that the job is bought under.
    key: Option<JobKey>,
}

/// The hooks of one run.
pub(super) struct HookDesk {
    desk: Arc<Desk>,
    facts: Facts,
    clock: Clock,
    project_dir: PathBuf,
    account: String,
    /// The ledger as the run found it.
    found: Arc<HashMap<JobKey, KnownJob>>,
    queues: Vec<(Arc<Seat>, mpsc::Sender<Errand>)>,
    workers: JoinSet<()>,
    told: mpsc::Receiver<Told>,
}

impl HookDesk {
    pub(super) fn new(
        run: &Run,
        header: &RunHeader,
        known: HashMap<JobKey, KnownJob>,
        clock: Clock,
    ) -> Self {
        let plan = run.plan.clone();
        let surroundings = Surroundings {
            folder: folder_of(&plan),
            environment: Arc::new(|name| std::env::var(name).ok()),
            key: Some(run.key.expose().to_owned()),
            listener: None,
        };
        let desk = Arc::new(Desk::new(&plan.hooks, &surroundings));
        let (results, told) = mpsc::channel(BACKLOG);
        let mut workers = JoinSet::new();
        let queues = desk
            .observers()
            .filter(|seat| !at_the_edge(seat))
            .map(|seat| {
                let (queue, errands) = mpsc::channel(BACKLOG);
                workers.spawn(serve(seat.clone(), errands, results.clone()));
                (seat.clone(), queue)
            })
            .collect();
        Self {
            facts: Facts {
                run: RunSaid {
                    id: header.id.to_string(),
                    name: header.name.clone(),
                    manifest: header.manifest.clone(),
                    provider: header.provider.clone(),
                },
                plan,
            },
            desk,
            clock,
            project_dir: run.project_dir.clone(),
            account: header.account.clone(),
            found: Arc::new(known),
            queues,
            workers,
            told,
        }
    }

    /// Has hooks decide on a job.
    pub(super) fn ask(
        &self,
        slot: usize,
        point: HookPoint,
        changed: Option<Arc<Settings>>,
    ) -> impl Future<Output = Message> + Send + use<> {
        let (desk, found, account) = (self.desk.clone(), self.found.clone(), self.account.clone());
        let now_ms = self.clock.now_ms();
        let event = self.facts.of_job(point, now_ms, slot, changed.as_deref());
        let plan = self.facts.plan.clone();
        async move {
            let (word, troubles) = desk.ask(event, false).await;
            let (verdict, key) = verdict(&plan, slot, changed.as_deref(), word);
            let known = (key != plan.jobs[slot].key)
                .then(|| found.get(&key))
                .flatten();
            let verdict = match known {
                Some(known) if is_elsewhere(known, &account) => Verdict::Fail {
                    message: "hooks changed it into a job that is in flight under another account"
                        .to_owned(),
                },
                _ => verdict,
            };
            let retention_days = plan.provider.profile.retention_days;
            let known = known.map(|known| {
                Box::new(Found {
                    job: known.job.clone(),
                    expired: is_expired(&known.job, now_ms, retention_days),
                })
            });
            Message::Hooked {
                about: plan.jobs[slot].key,
                troubles,
                input: Input::Decided {
                    slot,
                    point,
                    verdict,
                    known,
                },
            }
        }
    }

    /// Tells observers what was recorded. Gives the failures of those that have no room.
    pub(super) fn tell(&self, record: &Record, conductor: &Conductor) -> Vec<Told> {
        let (Some(point), Some(key)) = (point_of(&record.event), record.job) else {
            return Vec::new();
        };
        if !self.queues.iter().any(|(seat, _)| seat.spec.point == point) {
            return Vec::new();
        }
        let Some(slot) = conductor.slot_of(&key) else {
            return Vec::new();
        };
        let settings = conductor.changed(slot);
        let event = self.facts.of_record(
            point,
            record.at_ms,
            slot,
            settings.as_deref(),
            &record.event,
            &self.project_dir,
        );
        self.send(&event, Some(key), |_| true)
    }

    /// Has what is built in catch up with tracks that were kept by a run that ended before it.
    pub(super) fn catch_up(&self, holding: &Holding) -> Vec<Told> {
        let mut refused = Vec::new();
        for (slot, row) in holding.rows.iter().enumerate() {
            let Some(task) = row.job.task() else { continue };
            let settings = row.changed.as_ref().map(|it| &it.settings);
            let planned = self.facts.plan.jobs[slot].key;
            let key = row.changed.as_ref().map_or(planned, |it| it.key);
            for (index, track) in (1..).zip(&task.tracks) {
                let files = [
                    (Part::Track, &track.kept, track.loudness),
                    (Part::Mix, &track.mix, track.mix_loudness),
                ];
                for (part, file, loudness) in files {
                    let Some(file) = file.clone() else { continue };
                    let is_it = |it: &Missing| (it.index, it.part) == (index, part);
                    if row.missing.iter().any(is_it) {
                        continue;
                    }
                    let happened = Event::TrackKept { index, part, file };
                    let lacks = |seat: &Seat| match &seat.spec.way {
                        Way::Loudness => loudness.is_none(),
                        Way::Store { .. } => track.copies.is_empty(),
                        _ => false,
                    };
                    let event = self.facts.of_record(
                        HookPoint::TrackKept,
                        self.clock.now_ms(),
                        slot,
                        settings,
                        &happened,
                        &self.project_dir,
                    );
                    refused.extend(self.send(&event, Some(key), lacks));
                }
            }
        }
        refused
    }

    fn send(
        &self,
        event: &HookEvent,
        key: Option<JobKey>,
        wants: impl Fn(&Seat) -> bool,
    ) -> Vec<Told> {
        let mut refused = Vec::new();
        let at_point = |seat: &Seat| seat.spec.point == event.point && wants(seat);
        for (seat, queue) in self.queues.iter().filter(|(seat, _)| at_point(seat)) {
            let errand = Errand {
                event: event.clone(),
                key,
            };
            match queue.try_send(errand) {
                Ok(()) => {}
                Err(TrySendError::Full(errand) | TrySendError::Closed(errand)) => {
                    refused.push(Told {
                        about: errand.event.job.map(|job| job.key),
                        result: Err(seat.trouble(&HookError::Backlog(BACKLOG))),
                    });
                }
            }
        }
        refused
    }

    /// Tells those who want to know it what the run is about to do, and waits for them.
    pub(super) async fn plan_expanded(&self, holding: PlanSaid) -> Vec<Told> {
        let mut event = self
            .facts
            .of_run(HookPoint::PlanExpanded, self.clock.now_ms());
        event.plan = Some(holding);
        self.tell_now(&event).await
    }

    /// Tells those who want to know it how the run ended, and waits for them.
    pub(super) async fn run_finished(&self, happened: Event, totals: Totals) -> Vec<Told> {
        let mut event = self
            .facts
            .of_run(HookPoint::RunFinished, self.clock.now_ms());
        event.happened = Some(happened);
        event.totals = Some(totals);
        self.tell_now(&event).await
    }

    async fn tell_now(&self, event: &HookEvent) -> Vec<Told> {
        let mut told = Vec::new();
        for seat in self.desk.at(event.point) {
            if let Err(error) = seat.put(event).await {
                told.push(Told {
                    about: None,
                    result: Err(seat.trouble(&error)),
                });
            }
        }
        told
    }

    /// Whether a point has hooks.
    pub(super) fn has(&self, point: HookPoint) -> bool {
        self.desk.at(point).next().is_some()
    }

    /// The next word of an observer; for ever where there are none.
    pub(super) async fn next_told(&mut self) -> Told {
        match self.told.recv().await {
            Some(told) => told,
            None => std::future::pending().await,
        }
    }

    /// Waits for the observers' last words.
    pub(super) async fn last_told(&mut self) -> Vec<Told> {
        self.queues.clear();
        let mut last = Vec::new();
        while let Some(told) = self.told.recv().await {
            last.push(told);
        }
        self.workers.shutdown().await;
        last
    }
}

/// Whether a hook is called at the run's beginning or end, where everybody waits for it.
fn at_the_edge(seat: &Seat) -> bool {
    matches!(
        seat.spec.point,
        HookPoint::PlanExpanded | HookPoint::RunFinished
    )
}

/// The folder in which a plan's programs run: the manifest's.
pub(super) fn folder_of(plan: &Plan) -> PathBuf {
    let folder = plan
        .manifest
        .parent()
        .map(PathBuf::from)
        .unwrap_or_default();
    std::path::absolute(if folder.as_os_str().is_empty() {
        PathBuf::from(".")
    } else {
        folder
    })
    .unwrap_or_default()
}

/// Takes one observer's events to it, one after the other.
async fn serve(seat: Arc<Seat>, mut errands: mpsc::Receiver<Errand>, results: mpsc::Sender<Told>) {
    let mut timed_out = 0;
    while let Some(Errand { event, key }) = errands.recv().await {
        let about = event.job.as_ref().map(|job| job.key);
        let said = if timed_out < PATIENCE {
            seat.put(&event).await
        } else {
            let why = format!("it did not answer {PATIENCE} times in a row and is left alone");
            Err(HookError::Gone(why))
        };
        match &said {
            Err(HookError::TimedOut(_)) => timed_out += 1,
            Err(_) if timed_out >= PATIENCE => {}
            _ => timed_out = 0,
        }
        let result = match said {
            Ok(said) => Ok(note_of(&event, key, said.note)),
            Err(error) => Err(seat.trouble(&error)),
        };
        if matches!(result, Ok(None)) {
            continue;
        }
        if results.send(Told { about, result }).await.is_err() {
            return;
        }
    }
}

fn note_of(event: &HookEvent, key: Option<JobKey>, note: Option<TrackNote>) -> Option<Noted> {
    match &event.happened {
        Some(Event::TrackKept { index, part, .. }) => Some(Noted {
            key: key?,
            index: *index,
            part: *part,
            note: note?,
        }),
        _ => None,
    }
}

/// What a word of hooks makes of a job, and the key that the job has then.
pub(super) fn verdict(
    plan: &Plan,
    slot: usize,
    changed: Option<&Settings>,
    word: Word,
) -> (Verdict, JobKey) {
    let planned = &plan.jobs[slot];
    let now = changed.unwrap_or(&planned.settings);
    let key_of = |settings: &Settings| plan.key_of(planned, settings);
    match word {
        Word::Go(settings) if *settings == *now => (Verdict::Pass, key_of(now)),
        Word::Go(settings) => {
            let key = key_of(&settings);
            (Verdict::Change { key, settings }, key)
        }
        Word::Veto(why) => (Verdict::Veto { why }, planned.key),
        Word::Fail(message) => (Verdict::Fail { message }, planned.key),
    }
}

/// Whether a job is in flight under another account: it can't be followed from here.
fn is_elsewhere(known: &KnownJob, account: &str) -> bool {
    known.account != account
        && matches!(
            known.job.phase,
            Phase::Submitting { .. }
                | Phase::InDoubt { .. }
                | Phase::Running(_)
                | Phase::Finished(_)
        )
}
