//! The world of one seed: the process in its lives, its hooks and its user, between the model's vendor and the ledger.
//!
//! Over 500 lines: it is one simulation, whose parts share all of its state.

use super::seen::Seen;
use super::*;
use crate::event::Via;
use crate::forecast::{JobForecast, gone};
use crate::plan::HookRefusal;
use crate::status::Sign;

pub(super) struct World {
    pub(super) seed: u64,
    pub(super) dice: Dice,
    pub(super) now: i64,
    pub(super) idempotent: bool,
    pub(super) callbacks: bool,
    /// Whether hooks decide before the upload, and before the submission.
    pub(super) hooks: (bool, bool),
    /// Whether hooks of `plan_job` plan other jobs in each life.
    pub(super) hooks_change: bool,
    /// Whether the songs have steps.
    pub(super) steps: bool,
    /// Whether songs whose files are gone are recovered.
    pub(super) recovers: bool,
    /// The recoveries of the plan of this life, with their songs and the songs' tasks.
    pub(super) recoveries: Vec<(JobKey, usize, String)>,
    pub(super) faults: u64,
    /// What disturbs the life that is being led.
    pub(super) troubles: Troubles,
    pub(super) vendor: Vendor,
    /// What other processes do; see [`rivals`](super::rivals).
    pub(super) rivals: Rivals,
    /// How late requests leave; of its own, so that a seed has the same vendor with and without delays.
    pub(super) delays: Dice,
    /// The real store beside the model's, for some seeds.
    pub(super) store: Option<Box<dyn SimulatedStore>>,
    /// The model's durable ledger.
    pub(super) jobs: HashMap<JobKey, KnownJob>,
    /// The jobs of the plan of this life, in its order: hooks of `plan_job` choose among more jobs than a plan has.
    pub(super) planned: Vec<usize>,
    pub(super) records: Vec<NewRecord>,
    /// The jobs for which a callback named a task.
    pub(super) claimed: HashSet<JobKey>,
    /// What the process received and has not made durable yet: a task, and the secret where it came in a callback.
    pub(super) hearing: Vec<(TaskId, Option<Token>)>,
    /// How often the user said that a job may be bought once more.
    pub(super) said_again: HashMap<JobKey, usize>,
    pub(super) queue: BinaryHeap<Reverse<(i64, u64)>>,
    pub(super) pending: HashMap<u64, Coming>,
    pub(super) serial: u64,
    pub(super) runs: u32,
    pub(super) seen: Seen,
}

/// What disturbs one life beside the vendor.
#[derive(Debug, Default)]
pub(super) struct Troubles {
    /// Stems that can't be prepared, however often it is tried.
    pub(super) dead_stems: [bool; 2],
    /// `limits.deadline`.
    pub(super) deadline_ms: Option<i64>,
    /// `limits.failures_in_a_row`.
    pub(super) failures_in_a_row: u32,
    /// Every response is lost, though not every request.
    pub(super) loses_all: bool,
    /// Every task fails.
    pub(super) fails_all: bool,
    /// Nothing goes wrong in this life.
    pub(super) none: bool,
}

/// What is on its way to the process.
#[derive(Debug)]
pub(super) enum Coming {
    /// What only the process that waits for it hears.
    Input(Input),
    /// What the vendor says again until it is acknowledged.
    Callback { token: Token, task: TaskId },
}

impl From<Input> for Coming {
    fn from(input: Input) -> Self {
        Self::Input(input)
    }
}

impl World {
    pub(super) fn new(seed: u64, store: Option<Box<dyn SimulatedStore>>) -> Self {
        let mut dice = Dice(seed);
        Self {
            seed,
            idempotent: dice.chance(40),
            callbacks: dice.chance(50),
            faults: dice.below(35),
            troubles: Troubles::default(),
            hooks: (dice.chance(30), dice.chance(50)),
            hooks_change: dice.chance(50),
            steps: dice.chance(60),
            recovers: dice.chance(40),
            recoveries: Vec::new(),
            rivals: Rivals::new(seed),
            delays: Dice(seed.rotate_left(32)),
            dice,
            now: 1_800_000_000_000,
            vendor: Vendor::default(),
            store,
            jobs: HashMap::new(),
            planned: Vec::new(),
            records: Vec::new(),
            claimed: HashSet::new(),
            hearing: Vec::new(),
            said_again: HashMap::new(),
            queue: BinaryHeap::new(),
            pending: HashMap::new(),
            serial: 0,
            runs: 0,
            seen: Seen::default(),
        }
    }

    /// `all` are the jobs of the largest plan.
    pub(super) fn config(&self, all: usize) -> RunConfig {
        RunConfig {
            run: RunId::from_text(format!("run-{}", self.runs)),
            account: "model".to_owned(),
            rate: Rate {
                count: 4,
                window_ms: 10_000,
            },
            concurrency: 3,
            credits: self.seed.is_multiple_of(3).then(|| times(all - 1)),
            hooks_before_upload: self.hooks.0,
            hooks_before_submit: self.hooks.1,
            ledger_credits: (self.seed % 5 == 1).then(|| times(all)),
            spent_before: self.spent_before(),
            offers: Kind::ALL
                .map(|kind| kind.offer(self.tracks(), self.idempotent))
                .to_vec(),
            deadline_ms: self.troubles.deadline_ms,
            failures_in_a_row: self.troubles.failures_in_a_row,
            retries: u32::from(self.seed.is_multiple_of(4)),
            hears_callbacks: self.callbacks,
            upload_ttl_ms: 60_000,
            polls_at_once: 64,
            downloads_at_once: 3,
            records_at_once: 1 + (self.seed % 3) as usize,
            source_gone: vec![451],
            timing: Timing::remote(5_000),
            is_shared: false,
        }
    }

    /// Tracks that the manifest expects of a task; some tasks make fewer.
    pub(super) fn tracks(&self) -> usize {
        1 + usize::from(self.seed.is_multiple_of(3))
    }

    /// What the ledger's jobs cost, and what is reserved for those that this plan does not follow.
    pub(super) fn spent_before(&self) -> Credits {
        let bought = self.followed();
        let cost = |(key, known): (&JobKey, &KnownJob)| {
            let reserved = if bought.contains(key) {
                Credits::ZERO
            } else {
                known.job.reserved
            };
            known.job.credits + reserved
        };
        self.jobs.iter().map(cost).sum()
    }

    /// The jobs of the plan of this life: its songs and their steps.
    pub(super) fn followed(&self) -> BTreeSet<JobKey> {
        let tracks = if self.steps { self.tracks() } else { 0 };
        let of = |song: &usize| {
            let steps = steps_of(*song, tracks).map(|(step, ..)| step);
            std::iter::once(key(*song)).chain(steps).collect::<Vec<_>>()
        };
        let recoveries = self.recoveries.iter().map(|(key, ..)| *key);
        let followed = self.planned.iter().flat_map(of);
        followed.chain(recoveries).collect()
    }

    /// The recovery of a song's task that a plan would have: of one whose files are gone, and one that was bought and is not over.
    fn recovery(&self, song: usize, job: &Job, missing: &[Missing]) -> Option<(JobKey, String)> {
        let task = job.task().map(|task| task.id.to_string())?;
        let number = task.strip_prefix("task").and_then(|it| it.parse().ok())?;
        let recovery = step_of(song, number, Kind::Recovery);
        let known = self.jobs.get(&recovery).map(|known| &known.job);
        let is_unkept =
            matches!(job.phase, Phase::Running(_) | Phase::Finished(_)) || !missing.is_empty();
        let is_wanted = match known.filter(|known| known.attempts > 0) {
            Some(known) => is_unkept || !matches!(known.phase, Phase::Kept(_) | Phase::Failed(_)),
            None => is_unkept && self.vendor.gone.contains(&task),
        };
        is_wanted.then_some((recovery, task))
    }

    /// Chooses the jobs of a plan among those of the largest and four more.
    pub(super) fn plan(&mut self, jobs: usize, all: usize) {
        let mut choice: Vec<usize> = (0..all + 4).collect();
        // Most are planned in every life, as most hooks are.
        if self.hooks_change {
            for at in 0..jobs {
                if self.dice.chance(15) {
                    let other = at + self.dice.below((choice.len() - at) as u64) as usize;
                    choice.swap(at, other);
                }
            }
        }
        choice.truncate(jobs);
        self.seen.found += self.moved(&choice);
        self.planned = choice;
    }

    /// Jobs of a plan that are submitted already and had another place.
    pub(super) fn moved(&self, choice: &[usize]) -> u64 {
        let is_moved = |(at, n): &(usize, &usize)| {
            let submitted = self.jobs.get(&key(**n)).map(|it| it.job.attempts > 0);
            self.planned.get(*at) != Some(n) && submitted == Some(true)
        };
        choice.iter().enumerate().filter(is_moved).count() as u64
    }

    /// What hooks of `plan_job` decide on a job.
    pub(super) fn refusal(&mut self, mortal: bool) -> Option<Verdict> {
        match self.dice.below(40) {
            0 => Some(Verdict::Veto {
                why: "not planned".into(),
            }),
            1 if mortal => Some(Verdict::Fail {
                message: "the hook crashed".into(),
            }),
            _ => None,
        }
    }

    /// The kept files of a job that the user deleted or edited between two runs.
    fn lose_files(&mut self, job: &Job) -> Vec<Missing> {
        let tracks = job.task().map_or(&[][..], |task| &task.tracks);
        let mut missing = Vec::new();
        for (index, track) in (1..).zip(tracks) {
            if track.kept.is_some() && self.dice.chance(3) {
                self.seen.deleted += 1;
                missing.push(Missing {
                    index,
                    part: Part::Track,
                    changed: self.dice.chance(30),
                });
            }
        }
        missing
    }

    /// What the model's hooks decide on a job.
    pub(super) fn decide(&mut self) -> HookDecision {
        match self.dice.below(20) {
            0..=14 => HookDecision::Pass,
            15..=16 => HookDecision::Refuse(HookRefusal::Veto("not this one".into())),
            17 => HookDecision::Refuse(HookRefusal::Failure("the hook crashed".into())),
            _ => {
                self.seen.delayed += 1;
                HookDecision::Delay(1 + self.dice.below(120_000))
            }
        }
    }

    pub(super) fn later(&mut self, wait: u64, coming: impl Into<Coming>) {
        self.serial += 1;
        self.pending.insert(self.serial, coming.into());
        self.queue
            .push(Reverse((self.now + wait.cast_signed(), self.serial)));
    }

    pub(super) fn begin(&mut self, effect: Effect) {
        let wait = 5 + self.dice.below(400);
        match effect {
            Effect::CallHooks { job, point } => {
                let decided = self.decide();
                self.later(
                    wait,
                    Input::Decided {
                        job,
                        point,
                        decided,
                    },
                );
            }
            Effect::ForgetUpload { .. } => {}
            Effect::Prepare { stem } => {
                let result = if self.troubles.dead_stems[usize::from(&*stem == "b")] {
                    let mut dead = effect_error(ResponseClass::RefusedJob);
                    dead.retryable = false;
                    Err(dead)
                } else if self.chance(2) {
                    Err(effect_error(ResponseClass::Wait))
                } else {
                    Ok(at_vendor(Some(self.now)))
                };
                self.later(wait, Input::Prepared { stem, result });
            }
            Effect::Submit {
                job,
                attempt,
                token,
                ..
            } => {
                let late_ms = self.lateness();
                let left_ms = self.now.saturating_add_unsigned(late_ms);
                let outcome = self.post(job, &token, left_ms);
                let written_ms = self.delays.chance(80).then_some(left_ms);
                self.later(
                    late_ms + wait,
                    Input::Responded {
                        job,
                        attempt,
                        outcome,
                        written_ms,
                    },
                );
            }
            Effect::Poll { job, task } => {
                let result = self.schedule_poll(&task);
                self.later(wait, Input::Polled { job, task, result });
            }
            Effect::Fetch(request) => {
                let FetchRequest {
                    job,
                    task,
                    index,
                    part,
                    content,
                    ..
                } = *request;
                let content = match content {
                    FileContent::Url(url) => vendor::content_at(&url),
                    FileContent::Notes(_) => Some(format!("{task}-0.mp3")),
                };
                let result = if content.is_none() || self.chance(2) {
                    Err(EffectError {
                        code: content.is_none().then_some(404),
                        ..effect_error(ResponseClass::InDoubt)
                    })
                } else {
                    let path = format!("{}-{index}.mp3", job.short());
                    Ok(KeptFile {
                        path,
                        sha256: content.unwrap_or_default(),
                        length_bytes: 1,
                        duration_s: 1.0,
                        unverified: None,
                    })
                };
                self.later(
                    wait,
                    Input::Fetched {
                        job,
                        index,
                        part,
                        result,
                    },
                );
            }
        }
    }

    /// One fault in so many that could be, at the rate of this seed.
    pub(super) fn chance(&mut self, share: u64) -> bool {
        !self.troubles.none && self.dice.chance(self.faults / share)
    }

    /// What goes wrong in the life that begins; nothing in a calm one.
    pub(super) fn disturb(&mut self, calm: bool) {
        self.pending
            .retain(|_, coming| matches!(coming, Coming::Callback { .. }));
        self.troubles = Troubles {
            none: calm,
            failures_in_a_row: if calm {
                1_000
            } else {
                1 + self.dice.below(6) as u32
            },
            ..Troubles::default()
        };
        if calm {
            return;
        }
        if self.recovers {
            self.delete_files();
        }
        self.troubles.loses_all = self.dice.chance(4);
        self.troubles.fails_all = self.dice.chance(4);
        self.troubles.dead_stems = [self.dice.chance(15), self.dice.chance(15)];
        if self.dice.chance(20) {
            let wait = self.dice.below(30 * 60_000).cast_signed();
            self.troubles.deadline_ms = Some(self.now + wait);
        }
        if self.dice.chance(10) {
            let wait = self.dice.below(10 * 60_000);
            self.later(wait, Input::Drain);
        }
    }

    /// One process: from the ledger to its end, or to its death.
    pub(super) fn live(&mut self, all: usize, mortal: bool) -> Option<Outcome> {
        // Plans grow and shrink: jobs of another one may be in the ledger, bought and on their way.
        let jobs = match mortal && self.dice.chance(60) {
            true => 1 + self.dice.below(all as u64) as usize,
            false => all,
        };
        self.runs += 1;
        self.plan(jobs, all);
        let mut wanted = Vec::with_capacity(jobs);
        self.recoveries.clear();
        for n in self.planned.clone() {
            let (job, version) = self.read(&key(n));
            let task = job.task().map(|task| task.id.as_str());
            let is_gone = task.is_some_and(|task| {
                self.vendor.gone.contains(task) && self.vendor.tasks[task].made_at <= self.now
            });
            let missing = self.lose_files(&job);
            let recovery = self.recovery(n, &job, &missing);
            let forecast = JobForecast {
                sign: Sign::Fetch,
                selected: true,
                submits: false,
                note: String::new(),
                job: job.clone(),
                missing: missing.clone(),
                expires_ms: None,
            };
            wanted.push(ResumedJob {
                refusal: self.refusal(mortal),
                // Others have files that are not served for another reason.
                expired: is_gone && self.dice.chance(50),
                missing,
                job,
                version,
                ..song(key(n), stem(n % 2))
            });
            if let Some((recovery, task)) = recovery.filter(|_| self.recovers) {
                self.vendor.recovers.insert(recovery, task.clone());
                self.recoveries.push((recovery, n, task));
                let (known, version) = self.read(&recovery);
                let task = known.task();
                let missing = task.map_or_else(Vec::new, |task| gone(task, &forecast));
                wanted.push(ResumedJob {
                    input: ResumedInput::Step {
                        parent: key(n),
                        track: 0,
                    },
                    offer: Kind::ALL
                        .iter()
                        .position(|it| *it == Kind::Recovery)
                        .unwrap(),
                    missing,
                    job: known,
                    version,
                    ..song(recovery, stem(0))
                });
            }
            let tracks = if self.steps { self.tracks() } else { 0 };
            for (step, parent, track) in steps_of(n, tracks) {
                let (job, version) = self.read(&step);
                let kind = Kind::of(&step);
                wanted.push(ResumedJob {
                    input: ResumedInput::Step {
                        parent,
                        track: track as u32,
                    },
                    offer: Kind::ALL.iter().position(|it| *it == kind).unwrap(),
                    missing: self.lose_files(&job),
                    job,
                    version,
                    ..song(step, stem(0))
                });
            }
        }
        let earlier = self.places();
        let mut conductor = Conductor::new(
            self.config(all),
            wanted,
            Index::new(&self.jobs),
            earlier,
            self.now,
        );
        assert_eq!(conductor.jobs().len(), self.followed().len());
        let mut decision = Decision::default();
        let begun_ms = self.now;
        let mut tokens = 0;
        let run = self.runs;
        let mut token = || {
            tokens += 1;
            Token::from_text(format!("run{run}-{tokens}"))
        };
        for _ in 0..20_000 {
            let resumes = conductor.is_resuming();
            conductor.advance(self.now, &mut token, &mut decision);
            let dies = mortal && self.dice.chance(2);
            if dies && self.dice.chance(50) {
                self.lose_responses();
                return None; // before the ledger had it: nothing of this decision ever was
            }
            let refused = self.commit(&decision.batch);
            if dies {
                self.lose_responses();
                return None; // after the ledger had it, before anything was done
            }
            let Decision { batch, effects } = std::mem::take(&mut decision);
            conductor.refuse(self.now, &refused, &batch);
            self.record_strays(&mut conductor);
            for effect in effects {
                let job = effect.job();
                if job.is_some_and(|job| refused.iter().any(|it| it.key == *job)) {
                    conductor.not_begun(&effect);
                    continue;
                }
                if matches!(effect, Effect::Submit { .. }) {
                    self.check_places(&conductor);
                }
                self.begin(effect);
            }
            self.check(&conductor);
            if resumes {
                continue;
            }
            if let Some(outcome) = conductor.outcome(self.now) {
                self.notice(&conductor);
                self.check_end(&conductor, begun_ms);
                return Some(outcome);
            }
            let wake = conductor.wake_at(self.now);
            let next = self.queue.peek().map(|Reverse((at, _))| *at);
            let next = match (wake, next) {
                (Some(wake), Some(next)) => wake.min(next),
                (Some(at), None) | (None, Some(at)) => at,
                (None, None) => panic!(
                    "seed {}: nothing is under way and nothing is to come",
                    self.seed
                ),
            };
            self.now = self.now.max(next);
            while let Some(Reverse((at, _))) = self.queue.peek()
                && *at <= self.now
            {
                let Some(Reverse((_, serial))) = self.queue.pop() else {
                    break;
                };
                match self.pending.remove(&serial) {
                    Some(Coming::Input(input)) => {
                        self.listen(&conductor, &input);
                        conductor.handle(self.now, input, &mut decision);
                    }
                    Some(Coming::Callback { token, task }) => {
                        self.call(&mut conductor, token, task, &mut decision);
                    }
                    None => {}
                }
            }
        }
        panic!("seed {}: the run does not end", self.seed);
    }

    /// Counts the vetoes and the steps of a life that came to its end.
    pub(super) fn notice(&mut self, conductor: &Conductor) {
        let stepped =
            |slot: &&JobSlot| slot.offer != SONG && matches!(slot.job.phase, Phase::Kept(_));
        self.seen.stepped += conductor.slots.iter().filter(stepped).count() as u64;
        let vetoed = |slot: &&JobSlot| matches!(slot.job.phase, Phase::Vetoed { .. });
        self.seen.vetoed += conductor.slots.iter().filter(vetoed).count() as u64;
    }

    /// Notes which task is being reported to the process; it knows it once the ledger does.
    /// The task of a job that a rival has changed is in a receipt until its record.
    pub(super) fn listen(&mut self, conductor: &Conductor, input: &Input) {
        if let Input::Responded {
            job,
            outcome: SubmitOutcome::Accepted(task),
            ..
        } = input
            && !conductor.slots[conductor.slot_of[job]].is_taken
        {
            self.hearing.push((task.clone(), None));
        }
    }

    /// The vendor calls back; it comes again unless it is acknowledged.
    pub(super) fn call(
        &mut self,
        conductor: &mut Conductor,
        token: Token,
        task: TaskId,
        decision: &mut Decision,
    ) {
        let read = |key: &JobKey| Ok::<_, ()>(self.jobs.get(key).cloned());
        match conductor.handle_callback(self.now, &token, &task, read, decision) {
            Ok(ClaimOutcome::Known) => self.hearing.push((task, Some(token))),
            Ok(ClaimOutcome::Unknown | ClaimOutcome::Full) => {
                self.later(60_000, Coming::Callback { token, task });
            }
            Err(()) => unreachable!("the model's ledger can be read"),
        }
    }

    /// The user's decisions on jobs in doubt, between two runs: never bought (which may be wrong), buy again, or the task's id.
    pub(super) fn resolve(&mut self) {
        let mut open: Vec<(JobKey, u32)> = Vec::new();
        for (key, known) in &self.jobs {
            if let Phase::InDoubt { attempt, .. } = known.job.phase {
                open.push((*key, attempt));
            }
        }
        open.sort();
        for (key, attempt) in open {
            // A task that the ledger knows already is refused before it gets this far.
            let mut tasks = self.vendor.tasks.iter();
            let bought = tasks.find(|(id, task)| task.job == key && !self.is_accepted(id));
            let event = match (self.dice.below(8), bought) {
                (0, _) => Event::NeverBought { attempt },
                (1, _) => Event::BuyAgain { attempt },
                (2, Some((id, _))) => Event::Accepted {
                    attempt,
                    task_id: task_id(id),
                    via: Via::User,
                },
                _ => continue,
            };
            if !matches!(event, Event::Accepted { .. }) {
                *self.said_again.entry(key).or_default() += 1;
            }
            let given = match &event {
                Event::Accepted { task_id, .. } => Some(task_id.to_string()),
                _ => None,
            };
            self.settle(key, event);
            if self.dice.below(4) == 0 {
                self.settle(key, Event::Reopened { attempt });
                // The user's decision overrides an earlier claim.
                self.vendor.reported.retain(|id| given.as_ref() != Some(id));
            }
        }
    }

    fn settle(&mut self, key: JobKey, event: Event) {
        let known = self.jobs.get_mut(&key).unwrap();
        let Step::Changed(job) = known.job.step(self.now, &event) else {
            return;
        };
        known.job = job.into();
        let record = NewRecord {
            at_ms: self.now,
            run: RunId::from_text("user"),
            account: "model".to_owned(),
            job: Some(key),
            event,
        };
        let batch = Batch::of_job(record, key, known.clone());
        self.append(&batch);
    }

    /// Whether the ledger has a row for a task.
    pub(super) fn is_known(&self, id: &str) -> bool {
        self.records.iter().any(|record| match &record.event {
            Event::Accepted { task_id, .. } | Event::Claimed { task_id, .. } => {
                task_id.as_str() == id
            }
            _ => false,
        })
    }

    /// Whether the ledger knows a task as a job's, or knew it until it failed.
    pub(super) fn is_accepted(&self, id: &str) -> bool {
        let mut owner = None;
        for record in &self.records {
            match &record.event {
                Event::Accepted {
                    task_id,
                    attempt,
                    via,
                } if task_id.as_str() == id => owner = Some((record.job, *attempt, *via)),
                // The user can undo the last decision only.
                Event::NeverBought { attempt } | Event::BuyAgain { attempt } => {
                    if let Some((job, of, via)) = &mut owner
                        && (*job, *of) == (record.job, *attempt)
                    {
                        *via = Via::Response;
                    }
                }
                Event::Reopened { attempt } if owner == Some((record.job, *attempt, Via::User)) => {
                    owner = None;
                }
                _ => {}
            }
        }
        owner.is_some()
    }

    /// What was on its way to a process that died: responses never come, callbacks do.
    pub(super) fn lose_responses(&mut self) {
        // What a dead process has not written never arrives.
        let now_ms = self.now;
        self.vendor.arrivals.retain(|at_ms| *at_ms <= now_ms);
        self.pending
            .retain(|_, coming| matches!(coming, Coming::Callback { .. }));
        for (task, token) in std::mem::take(&mut self.hearing) {
            // A callback without a response is sent again; a response is not.
            if let Some(token) = token {
                self.later(5_000, Coming::Callback { token, task });
            }
        }
    }

    /// How late the next request leaves, in milliseconds. The model of a store with rivals knows no late requests.
    fn lateness(&mut self) -> u64 {
        match self.rivals.active {
            false if self.delays.chance(30) => self.delays.below(6_000),
            _ => 0,
        }
    }

    /// The places in the window that submissions have taken lately.
    pub(super) fn places(&self) -> Vec<Place> {
        let mut places = Vec::new();
        let mut next: HashMap<Option<JobKey>, i64> = HashMap::new();
        let lately = self
            .records
            .iter()
            .rev()
            .take_while(|it| self.now - it.at_ms <= 3 * WINDOW_MS);
        for record in lately {
            let left_ms = next.insert(record.job, record.at_ms);
            if matches!(record.event, Event::Intent { .. } | Event::Repeated { .. }) {
                let taken_ms = record.at_ms;
                places.push(Place { taken_ms, left_ms });
            }
        }
        places
    }

    /// Writes all of a batch.
    pub(super) fn append(&mut self, batch: &Batch) {
        let heard = std::mem::take(&mut self.hearing);
        let heard = heard.into_iter().map(|(task, _)| task.to_string());
        self.vendor.reported.extend(heard);
        let claims = batch.events.iter();
        let claims = claims.filter(|record| matches!(record.event, Event::Claimed { .. }));
        self.claimed.extend(claims.filter_map(|record| record.job));
        self.records.extend(batch.events.iter().cloned());
        for (key, known) in &batch.jobs {
            let version = known.version + 1;
            let known = known.clone();
            self.jobs.insert(*key, KnownJob { version, ..known });
        }
        if let Some(store) = &mut self.store {
            store.append(batch);
        }
    }

    /// The process that owned the store is gone; the next one reads what it left.
    pub(super) fn reopen(&mut self) {
        if let Some(store) = &mut self.store {
            store.reopen();
            assert_eq!(store.jobs(), self.jobs, "seed {}", self.seed);
            assert_eq!(store.findings(), [""; 0], "seed {}", self.seed);
        }
    }
}
