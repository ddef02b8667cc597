//! The hooks of a run: called for the conductor's decisions, sent what was recorded; their failures and findings come back.
//!
//! ```text
//!  Effect::CallHooks ──► runner ──► decision ──► Input::Decided
//!  record ──► one bounded queue a hook ──► runner ──► reports ──► failures and notes for the ledger
//! ```
//!
//! Observers take their events one after the other, in the order in which things happened, each hook for itself: a slow one holds
//! up neither the run nor the others. One that lets its time run out again and again is left alone, so that the end of a run is
//! never far.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::message::{HookReport, Message, Noted};
use super::plan_index::PlanIndex;
use super::{Clock, Run};
use crate::conductor::Input;
use crate::event::{Event, KeptFile, Part, Record, TrackNote};
use crate::hooks::{
    BoundHook, EventBuilder, HookContext, HookError, HookEvent, HookKind, HookPoint, HookRunner,
    PlanInfo, RunInfo, point_of,
};
use crate::job::{Job, Phase};
use crate::plan::Plan;
use crate::settings::JobKey;
use crate::store::{KnownJob, RunHeader};
use crate::summary::Totals;

/// Events of this run that wait for one observer; what comes on top is dropped, and said to be.
const BACKLOG: usize = 10_000;

/// Time-outs in a row after which an observer is left alone.
const PATIENCE: u32 = 3;

/// An event on its way to an observer.
struct QueuedEvent {
    event: HookEvent,
    /// The key that the job is bought under.
    key: Option<JobKey>,
}

/// An event of an earlier run, made when its turn has come: any number of them may wait.
type Late = Box<dyn FnOnce() -> QueuedEvent + Send>;

/// One observer, and the events that it has still to get.
struct Lane {
    hook: Arc<BoundHook>,
    now: mpsc::Sender<QueuedEvent>,
    late: mpsc::UnboundedSender<Late>,
}

/// The hooks of one run.
pub(super) struct RunHooks {
    runner: Arc<HookRunner>,
    facts: Arc<EventBuilder>,
    index: Arc<PlanIndex>,
    clock: Clock,
    project_dir: PathBuf,
    lanes: Vec<Lane>,
    /// Cancelled when what an earlier run left is left to the next one.
    leaves_late: CancellationToken,
    workers: JoinSet<()>,
    reports: mpsc::Receiver<HookReport>,
}

impl RunHooks {
    pub(super) fn new(run: &Run, index: Arc<PlanIndex>, header: &RunHeader, clock: Clock) -> Self {
        let plan = run.plan.clone();
        let context = HookContext {
            folder: folder_of(&plan),
            output: plan.output.dir().to_owned(),
            environment: Arc::new(|name| std::env::var(name).ok()),
            key: Some(run.key.expose().to_owned()),
            listener: None,
        };
        let runner = Arc::new(HookRunner::new(&plan.hooks, &context));
        let (results, reports) = mpsc::channel(BACKLOG);
        let mut workers = JoinSet::new();
        let leaves_late = CancellationToken::new();
        let lanes = runner
            .observers()
            .filter(|hook| !at_the_edge(hook))
            .map(|hook| {
                let (now, queue) = mpsc::channel(BACKLOG);
                let (late, lates) = mpsc::unbounded_channel();
                let queue = EventQueue {
                    now: queue,
                    late: lates,
                    leaves_late: leaves_late.clone(),
                };
                workers.spawn(serve(hook.clone(), queue, results.clone()));
                let hook = hook.clone();
                Lane { hook, now, late }
            })
            .collect();
        Self {
            facts: Arc::new(EventBuilder {
                run: RunInfo {
                    id: header.id.to_string(),
                    name: header.name.clone(),
                    manifest: header.manifest.clone(),
                    provider: header.provider.clone(),
                },
                plan,
            }),
            runner,
            index,
            clock,
            project_dir: run.project_dir.clone(),
            lanes,
            leaves_late,
            workers,
            reports,
        }
    }

    /// Has the hooks of a point decide on a job.
    pub(super) fn decide(
        &self,
        key: &JobKey,
        point: HookPoint,
    ) -> impl Future<Output = Message> + Send + use<> {
        let runner = self.runner.clone();
        let job = self.index.job(key);
        let event = self.facts.of_job(point, self.clock.now_ms(), job);
        let key = job.key;
        async move {
            let (decided, failures) = runner.decide(&event, false).await;
            Message::Hooked {
                about: key,
                failures,
                input: Input::Decided {
                    job: key,
                    point,
                    decided,
                },
            }
        }
    }

    /// Sends observers what was recorded, and made the job what it is now. Returns the failures of those whose queue is full.
    pub(super) fn send_record(&self, record: &Record, now: Option<&KnownJob>) -> Vec<HookReport> {
        let (Some(point), Some(key)) = (point_of(&record.event), record.job) else {
            return Vec::new();
        };
        if !self.lanes.iter().any(|lane| lane.hook.spec.point == point) {
            return Vec::new();
        }
        let Some(job) = self.index.find(&key) else {
            return Vec::new();
        };
        // The refusal of a repeat leaves its job in doubt, of which hooks know already.
        let in_doubt = now.is_some_and(|now| matches!(now.job.phase, Phase::InDoubt { .. }));
        if in_doubt && matches!(record.event, Event::Refused { .. }) {
            return Vec::new();
        }
        let artefact = match (&record.event, now.and_then(|now| now.job.task())) {
            (Event::TrackKept { index, .. }, Some(task)) => task.tracks.get(*index as usize - 1),
            _ => None,
        };
        let event = self.facts.of_record(
            point,
            record.at_ms,
            job,
            &record.event,
            artefact.map_or("", |track| &track.facts.artefact),
            &self.project_dir,
        );
        self.send(&event, Some(key))
    }

    /// Has what is built in catch up with tracks that were kept by a run that ended before it; what is recorded now goes first.
    pub(super) fn catch_up<'a>(&self, jobs: impl Iterator<Item = (&'a JobKey, &'a Job)>) {
        for (key, job) in jobs {
            let Some(task) = job.task() else {
                continue;
            };
            let key = *key;
            for (index, track) in (1..).zip(&task.tracks) {
                let files = [
                    (Part::Track, &track.kept, track.loudness),
                    (Part::Mix, &track.mix, track.mix_loudness),
                ];
                for (part, file, loudness) in files {
                    let Some(file) = file else { continue };
                    let file = KeptFile::clone(file);
                    let happened = Event::TrackKept { index, part, file };
                    let lacks = |hook: &BoundHook| match &hook.spec.kind {
                        HookKind::Loudness => loudness.is_none() && !track.facts.notes,
                        HookKind::Store { .. } => !is_copied(&track.copies, &happened),
                        _ => false,
                    };
                    for lane in &self.lanes {
                        if lane.hook.spec.point != HookPoint::TrackKept || !lacks(&lane.hook) {
                            continue;
                        }
                        let (facts, clock) = (self.facts.clone(), self.clock.clone());
                        let index = self.index.clone();
                        let (happened, facts_of) = (happened.clone(), track.facts.clone());
                        let project_dir = self.project_dir.clone();
                        let late = move || QueuedEvent {
                            event: facts.of_record(
                                HookPoint::TrackKept,
                                clock.now_ms(),
                                index.job(&key),
                                &happened,
                                &facts_of.artefact,
                                &project_dir,
                            ),
                            key: Some(key),
                        };
                        // An observer that is gone has said why.
                        let _ = lane.late.send(Box::new(late));
                    }
                }
            }
        }
    }

    fn send(&self, event: &HookEvent, key: Option<JobKey>) -> Vec<HookReport> {
        let mut refused = Vec::new();
        // Notes have no loudness.
        let is_notes = event
            .file
            .as_deref()
            .is_some_and(|file| file.ends_with(".mid"));
        let wants = |lane: &&Lane| {
            let measures = matches!(lane.hook.spec.kind, HookKind::Loudness);
            lane.hook.spec.point == event.point && !(is_notes && measures)
        };
        for Lane { hook, now, .. } in self.lanes.iter().filter(wants) {
            let queued = QueuedEvent {
                event: event.clone(),
                key,
            };
            match now.try_send(queued) {
                Ok(()) => {}
                Err(TrySendError::Full(queued) | TrySendError::Closed(queued)) => {
                    refused.push(HookReport {
                        about: queued.event.job.map(|job| job.key),
                        result: Err(hook.failure(&HookError::Backlog(BACKLOG))),
                    });
                }
            }
        }
        refused
    }

    /// Sends what the run is about to do to the hooks of that point, and waits for them.
    pub(super) async fn plan_expanded(&self, forecast: PlanInfo) -> Vec<HookReport> {
        let mut event = self
            .facts
            .of_run(HookPoint::PlanExpanded, self.clock.now_ms());
        event.plan = Some(forecast);
        self.send_and_wait(&event).await
    }

    /// Sends how the run ended to the hooks of that point, and waits for them.
    pub(super) async fn run_finished(&self, happened: Event, totals: Totals) -> Vec<HookReport> {
        let mut event = self
            .facts
            .of_run(HookPoint::RunFinished, self.clock.now_ms());
        event.happened = Some(happened);
        event.totals = Some(totals);
        self.send_and_wait(&event).await
    }

    async fn send_and_wait(&self, event: &HookEvent) -> Vec<HookReport> {
        let mut reports = Vec::new();
        for hook in self.runner.at(event.point) {
            if let Err(error) = hook.put(event).await {
                reports.push(HookReport {
                    about: None,
                    result: Err(hook.failure(&error)),
                });
            }
        }
        reports
    }

    /// Whether a point has hooks.
    pub(super) fn has(&self, point: HookPoint) -> bool {
        self.runner.at(point).next().is_some()
    }

    /// The next report of an observer; pending for ever where there are none.
    pub(super) async fn next_report(&mut self) -> HookReport {
        match self.reports.recv().await {
            Some(report) => report,
            None => std::future::pending().await,
        }
    }

    /// Waits for the observers' last reports: on what was recorded and, where the run was not stopped, on what an earlier one left.
    pub(super) async fn last_reports(&mut self, is_stopped: bool) -> Vec<HookReport> {
        self.lanes.clear();
        if is_stopped {
            self.leaves_late.cancel();
        }
        let mut last = Vec::new();
        while let Some(report) = self.reports.recv().await {
            last.push(report);
        }
        self.workers.shutdown().await;
        last
    }
}

/// Whether a hook is called at the run's beginning or end, where everybody waits for it.
fn at_the_edge(hook: &BoundHook) -> bool {
    matches!(
        hook.spec.point,
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

/// Whether a file is among those that were copied, by its name: their paths end with it.
fn is_copied(copies: &[String], happened: &Event) -> bool {
    let Event::TrackKept { file, .. } = happened else {
        return false;
    };
    let name = file.path.rsplit('/').next().unwrap_or(&file.path);
    copies.iter().any(|to| to.rsplit('/').next() == Some(name))
}

/// The events that one observer is to get.
struct EventQueue {
    now: mpsc::Receiver<QueuedEvent>,
    late: mpsc::UnboundedReceiver<Late>,
    leaves_late: CancellationToken,
}

impl EventQueue {
    /// The next event: one of this run if there is one. None when there will be no more.
    async fn next(&mut self) -> Option<QueuedEvent> {
        let late = async {
            tokio::select! {
                biased;
                () = self.leaves_late.cancelled() => None,
                late = self.late.recv() => late,
            }
        };
        tokio::select! {
            biased;
            Some(queued) = self.now.recv() => Some(queued),
            late = late => match late {
                Some(late) => Some(late()),
                None => self.now.recv().await,
            },
        }
    }
}

/// Takes one observer's events to it, one after the other.
async fn serve(hook: Arc<BoundHook>, mut queue: EventQueue, results: mpsc::Sender<HookReport>) {
    let mut timed_out = 0;
    while let Some(QueuedEvent { event, key }) = queue.next().await {
        let about = event.job.as_ref().map(|job| job.key);
        let output = if timed_out < PATIENCE {
            hook.put(&event).await
        } else {
            let why =
                format!("it did not respond {PATIENCE} times in a row and is not called again");
            Err(HookError::Gone(why))
        };
        match &output {
            Err(HookError::TimedOut(_)) => timed_out += 1,
            Err(_) if timed_out >= PATIENCE => {}
            _ => timed_out = 0,
        }
        let result = match output {
            Ok(output) => Ok(note_of(&event, key, output.note)),
            Err(error) => Err(hook.failure(&error)),
        };
        if matches!(result, Ok(None)) {
            continue;
        }
        if results.send(HookReport { about, result }).await.is_err() {
            return;
        }
    }
}

fn note_of(event: &HookEvent, key: Option<JobKey>, note: Option<TrackNote>) -> Option<Noted> {
    match &event.happened {
        Some(Event::TrackKept { index, part, .. }) => Some(Noted {
            job: key?,
            index: *index,
            part: *part,
            note: note?,
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hooks::{HookSpec, sample};

    /// More than the queue of a run's own events takes.
    const MANY: usize = 10_500;

    /// An observer that fails at once, for its file is missing; and what came of `now` and `late` events, by their track's index.
    async fn received(now: u32, late: usize, is_stopped: bool) -> usize {
        let context = HookContext {
            folder: PathBuf::new(),
            output: PathBuf::new(),
            environment: Arc::new(|_| None),
            key: None,
            listener: None,
        };
        let spec = HookSpec::new(HookPoint::TrackKept, 1, HookKind::Loudness);
        let hook = BoundHook::alone(&spec, &context);
        let queued = || QueuedEvent {
            event: HookEvent {
                file: Some("/nothing/is/here.mp3".to_owned()),
                ..sample(HookPoint::TrackKept)
            },
            key: None,
        };
        let (now_in, now_out) = mpsc::channel(BACKLOG);
        let (late_in, late_out) = mpsc::unbounded_channel::<Late>();
        for _ in 0..late {
            assert!(late_in.send(Box::new(queued)).is_ok());
        }
        for _ in 0..now {
            assert!(now_in.try_send(queued()).is_ok());
        }
        drop((now_in, late_in));
        let leaves_late = CancellationToken::new();
        if is_stopped {
            leaves_late.cancel();
        }
        let queue = EventQueue {
            now: now_out,
            late: late_out,
            leaves_late,
        };
        let (results, mut received) = mpsc::channel(BACKLOG);
        let worker = tokio::spawn(serve(hook, queue, results));
        let mut count = 0;
        while received.recv().await.is_some() {
            count += 1;
        }
        worker.await.unwrap();
        count
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_observer_catches_up_with_any_number_of_tracks_unless_the_run_is_stopped() {
        assert_eq!(received(3, MANY, false).await, 3 + MANY);
        assert_eq!(received(3, MANY, true).await, 3);
        assert_eq!(received(0, 0, false).await, 0);
    }

    #[test]
    fn a_copy_is_known_by_its_name() {
        let Some(happened) = sample(HookPoint::TrackKept).happened else {
            panic!("a file is kept");
        };
        let copies = |to: &str| is_copied(&[to.to_owned()], &happened);
        assert!(copies("s3://music/kept/out/album/verse/lofi-1.mp3"));
        assert!(!copies("s3://music/kept/out/album/verse/lofi-1-mix.mp3"));
        assert!(!is_copied(&[], &happened));
    }
}
