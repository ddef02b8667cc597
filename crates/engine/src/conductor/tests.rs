//! The conductor led through seeded disasters under virtual time, and a few lives told step by step.
//!
//! The world here is a model: a vendor that loses answers, refuses, stalls and calls back; a ledger that is a list; a process
//! that dies between any two decisions; hooks that veto, fail and delay, and that plan other jobs in each life. The promises are
//! checked after every step.

mod gone;
mod promises;
mod scale;
mod steps;
mod tracks;
mod vendor;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap};

use backline_api::Stage;

use super::*;
use crate::event::RunId;
use crate::index::{Heard, Index};
use crate::ledger::Ledger;
use crate::plan::Rate;
use crate::store::{Batch, KnownJob, Store};
use vendor::{Dice, Vendor};

const WINDOW_MS: i64 = 10_000;
const PRICE: f64 = 12.0;

/// Every so many seeds the real ledger is written beside the model's; it costs an fsync a step.
const LEDGER_EVERY: u64 = 250;

struct World {
    seed: u64,
    dice: Dice,
    now: i64,
    idempotent: bool,
    callbacks: bool,
    /// Whether hooks decide before the upload, and before the submission.
    hooks: (bool, bool),
    /// Whether hooks of `plan_job` plan other jobs in each life.
    hooks_change: bool,
    faults: u64,
    /// What disturbs the life that is being led.
    troubles: Troubles,
    vendor: Vendor,
    /// The real ledger beside the model's, for some seeds: what it reads back must be the same.
    ledger: Option<(tempfile::TempDir, Ledger)>,
    /// The model's durable ledger.
    jobs: HashMap<JobKey, KnownJob>,
    /// The jobs of the plan of this life, in its order: hooks of `plan_job` choose among more jobs than a plan has.
    planned: Vec<usize>,
    records: Vec<NewRecord>,
    /// What the process was told and has not made durable yet: a task, and the secret where it was told by a callback.
    hearing: Vec<(TaskId, Option<Token>)>,
    /// How often the user said that a job may be bought once more.
    said_again: HashMap<JobKey, usize>,
    queue: BinaryHeap<Reverse<(i64, u64)>>,
    pending: HashMap<u64, Coming>,
    serial: u64,
    runs: u32,
    seen: Seen,
}

/// What disturbs one life beside the vendor.
#[derive(Debug, Default)]
struct Troubles {
    /// Stems that can't be prepared, however often it is tried.
    dead_stems: [bool; 2],
    /// `limits.deadline`.
    deadline_ms: Option<i64>,
    /// `limits.failures_in_a_row`.
    failures_in_a_row: u32,
    /// Every response is lost, though not every request.
    loses_all: bool,
    /// Every task fails.
    fails_all: bool,
    /// Nothing goes wrong in this life.
    none: bool,
}

/// What is on its way to the process.
#[derive(Debug)]
enum Coming {
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

/// How often hooks did what the promises are about: a check that never sees it proves nothing.
#[derive(Debug, Default)]
struct Seen {
    vetoed: u64,
    /// Jobs that hooks delayed.
    delayed: u64,
    /// Jobs that an earlier run submitted, in another place of its plan.
    found: u64,
    /// Tasks that ended with fewer tracks than they showed.
    partial: u64,
    /// Tasks that were reported as over before their tracks came, and are complete.
    early: u64,
    /// Tasks without usable ids whose tracks are kept.
    nameless: u64,
    /// Tasks whose first addresses serve nothing, and whose tracks are kept.
    sources: u64,
    /// Claims that the provider's details confirmed, and such that were not believed.
    confirmed: u64,
    rejected: u64,
}

fn key(n: usize) -> JobKey {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&(n as u64).to_be_bytes());
    JobKey::from_bytes(bytes)
}

/// The id of a stem.
fn stem(n: usize) -> StemId {
    ["a", "b"][n].into()
}

/// A stem that was brought to the vendor's.
fn at_vendor(uploaded_ms: Option<i64>) -> Prepared {
    Prepared {
        url: "https://files.example.com/stem.wav".into(),
        uploaded_ms,
        hash: None,
    }
}

impl Conductor {
    fn job(&self, key: &JobKey) -> &Job {
        &self.slots[self.slot_of[key]].job
    }
}

impl World {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        Self {
            seed,
            idempotent: dice.chance(40),
            callbacks: dice.chance(50),
            faults: dice.below(35),
            troubles: Troubles::default(),
            hooks: (dice.chance(30), dice.chance(50)),
            hooks_change: dice.chance(50),
            dice,
            now: 1_800_000_000_000,
            vendor: Vendor::default(),
            ledger: seed.is_multiple_of(LEDGER_EVERY).then(|| {
                let folder = tempfile::tempdir().unwrap();
                let ledger = Ledger::own(&folder.path().join("ledger.sqlite3")).unwrap();
                (folder, ledger)
            }),
            jobs: HashMap::new(),
            planned: Vec::new(),
            records: Vec::new(),
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
    fn config(&self, all: usize) -> RunConfig {
        RunConfig {
            run: RunId::from_text(format!("run-{}", self.runs)),
            account: "model".to_owned(),
            rate: Rate {
                count: 4,
                window_ms: 10_000,
            },
            concurrency: 3,
            credits: self
                .seed
                .is_multiple_of(3)
                .then_some(PRICE * (all as f64 - 1.0)),
            buys: true,
            asks_before_upload: self.hooks.0,
            asks_before_submit: self.hooks.1,
            ledger_credits: (self.seed % 5 == 1).then_some(PRICE * all as f64),
            spent_before: self.spent_before(),
            price: PRICE,
            deadline_ms: self.troubles.deadline_ms,
            failures_in_a_row: self.troubles.failures_in_a_row,
            retries: u32::from(self.seed.is_multiple_of(4)),
            asks_again: self.idempotent,
            hears_callbacks: self.callbacks,
            upload_ttl_ms: 60_000,
            polls_at_once: 64,
            downloads_at_once: 3,
            source_gone: vec![451],
            timing: Timing::remote(5_000),
        }
    }

    /// What the ledger's jobs cost, and what is reserved for those that this plan does not follow.
    fn spent_before(&self) -> f64 {
        let bought: BTreeSet<JobKey> = self.planned.iter().map(|n| key(*n)).collect();
        let cost = |(key, known): (&JobKey, &KnownJob)| {
            let reserved = if bought.contains(key) {
                0.0
            } else {
                known.job.reserved
            };
            known.job.credits + reserved
        };
        self.jobs.iter().map(cost).sum()
    }

    /// Chooses the jobs of a plan among those of the largest and four more.
    fn plan(&mut self, jobs: usize, all: usize) {
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
    fn moved(&self, choice: &[usize]) -> u64 {
        let is_moved = |(at, n): &(usize, &usize)| {
            let submitted = self.jobs.get(&key(**n)).map(|it| it.job.attempts > 0);
            self.planned.get(*at) != Some(n) && submitted == Some(true)
        };
        choice.iter().enumerate().filter(is_moved).count() as u64
    }

    /// What hooks of `plan_job` decide on a job.
    fn refusal(&mut self, mortal: bool) -> Option<Verdict> {
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

    /// What the model's hooks decide on a job.
    fn decide(&mut self) -> hooks::Decision {
        match self.dice.below(20) {
            0..=14 => hooks::Decision::Pass,
            15..=16 => hooks::Decision::Veto("not this one".into()),
            17 => hooks::Decision::Fail("the hook crashed".into()),
            _ => {
                self.seen.delayed += 1;
                hooks::Decision::Delay(1 + self.dice.below(120_000))
            }
        }
    }

    fn later(&mut self, wait: u64, coming: impl Into<Coming>) {
        self.serial += 1;
        self.pending.insert(self.serial, coming.into());
        self.queue
            .push(Reverse((self.now + wait.cast_signed(), self.serial)));
    }

    fn begin(&mut self, effect: Effect) {
        let wait = 5 + self.dice.below(400);
        match effect {
            Effect::Ask { job, point } => {
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
                    let mut dead = trouble(ResponseClass::RefusedJob);
                    dead.retryable = false;
                    Err(dead)
                } else if self.chance(2) {
                    Err(trouble(ResponseClass::Wait))
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
                let outcome = self.post(job, &token);
                self.later(
                    wait,
                    Input::Answered {
                        job,
                        attempt,
                        outcome,
                    },
                );
            }
            Effect::View { job, task } => {
                let result = self.look(&task);
                self.later(wait, Input::Viewed { job, task, result });
            }
            Effect::Fetch(request) => {
                let FetchRequest {
                    job,
                    index,
                    part,
                    url,
                    ..
                } = *request;
                let content = vendor::content_at(&url);
                let result = if content.is_none() || self.chance(2) {
                    Err(trouble(ResponseClass::InDoubt))
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
    fn chance(&mut self, share: u64) -> bool {
        !self.troubles.none && self.dice.chance(self.faults / share)
    }

    /// What goes wrong in the life that begins; nothing in a calm one.
    fn disturb(&mut self, calm: bool) {
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
    fn live(&mut self, all: usize, mortal: bool) -> Option<Outcome> {
        // Plans grow and shrink: jobs of another one may be in the ledger, bought and on their way.
        let jobs = match mortal && self.dice.chance(60) {
            true => 1 + self.dice.below(all as u64) as usize,
            false => all,
        };
        self.runs += 1;
        self.plan(jobs, all);
        let mut wanted = Vec::with_capacity(jobs);
        for n in self.planned.clone() {
            let known = self.jobs.get(&key(n)).map(|known| known.job.clone());
            wanted.push(ResumedJob {
                key: key(n),
                refusal: self.refusal(mortal),
                stem: stem(n % 2),
                job: known.unwrap_or_default(),
                missing: Vec::new(),
                expired: false,
            });
        }
        let earlier = self.records.iter().filter(|record| {
            matches!(
                record.event,
                Event::Intent { .. } | Event::AskedAgain { .. }
            )
        });
        let earlier = earlier.map(|record| record.at_ms).collect();
        let (mut conductor, mut decision) = Conductor::new(
            self.config(all),
            wanted,
            Index::new(&self.jobs),
            earlier,
            self.now,
        );
        let begun_ms = self.now;
        let mut tokens = 0;
        let run = self.runs;
        let mut token = || {
            tokens += 1;
            Token::from_text(format!("run{run}-{tokens}"))
        };
        for _ in 0..20_000 {
            conductor.advance(self.now, &mut token, &mut decision);
            let dies = mortal && self.dice.chance(2);
            if dies && self.dice.chance(50) {
                self.lose_answers();
                return None; // before the ledger had it: nothing of this decision ever was
            }
            self.append(&decision);
            if dies {
                self.lose_answers();
                return None; // after the ledger had it, before anything was done
            }
            for effect in std::mem::take(&mut decision).effects {
                if matches!(effect, Effect::Submit { .. }) {
                    self.check_places(&conductor);
                }
                self.begin(effect);
            }
            self.check(&conductor, all);
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
                        self.listen(&input);
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

    /// Counts the vetoes of a life that came to its end.
    fn notice(&mut self, conductor: &Conductor) {
        let vetoed = |slot: &&Slot| matches!(slot.job.phase, Phase::Vetoed { .. });
        self.seen.vetoed += conductor.slots.iter().filter(vetoed).count() as u64;
    }

    /// Notes which task the process is being told of; it knows it once the ledger does.
    fn listen(&mut self, input: &Input) {
        if let Input::Answered {
            outcome: SubmitOutcome::Accepted(task),
            ..
        } = input
        {
            self.hearing.push((task.clone(), None));
        }
    }

    /// The vendor calls back; it comes again unless it is acknowledged.
    fn call(
        &mut self,
        conductor: &mut Conductor,
        token: Token,
        task: TaskId,
        decision: &mut Decision,
    ) {
        let read = |key: &JobKey| Ok::<_, ()>(self.jobs.get(key).cloned());
        match conductor.hear(self.now, &token, &task, read, decision) {
            Ok(Heard::Known) => self.hearing.push((task, Some(token))),
            Ok(Heard::Unknown | Heard::Full) => {
                self.later(60_000, Coming::Callback { token, task });
            }
            Err(()) => unreachable!("the model's ledger can be read"),
        }
    }

    /// The user's word on jobs in doubt, between two runs: never bought (which may be wrong), buy again, or the task's id.
    fn resolve(&mut self) {
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
                    via: crate::event::Via::User,
                },
                _ => continue,
            };
            if !matches!(event, Event::Accepted { .. }) {
                *self.said_again.entry(key).or_default() += 1;
            }
            let known = self.jobs.get_mut(&key).unwrap();
            if let Step::Changed(job) = known.job.step(self.now, &event) {
                known.job = job;
                let record = NewRecord {
                    at_ms: self.now,
                    run: RunId::from_text("user"),
                    account: "model".to_owned(),
                    job: Some(key),
                    event,
                };
                let batch = Batch {
                    events: vec![record],
                    jobs: [(key, known.clone())].into(),
                    uploads: Vec::new(),
                };
                let effects = Vec::new();
                self.append(&Decision { batch, effects });
            }
        }
    }

    /// Whether the ledger has a row for a task.
    fn is_known(&self, id: &str) -> bool {
        self.records.iter().any(|record| match &record.event {
            Event::Accepted { task_id, .. } | Event::Claimed { task_id, .. } => {
                task_id.as_str() == id
            }
            _ => false,
        })
    }

    /// Whether the ledger knows a task as a job's, or knew it until it failed.
    fn is_accepted(&self, id: &str) -> bool {
        self.records.iter().any(|record| {
            matches!(&record.event, Event::Accepted { task_id, .. } if task_id.as_str() == id)
        })
    }

    /// What was on its way to a process that died: answers never come, callbacks do.
    fn lose_answers(&mut self) {
        self.pending
            .retain(|_, coming| matches!(coming, Coming::Callback { .. }));
        for (task, token) in std::mem::take(&mut self.hearing) {
            // A callback that was not answered is sent again; an answer is not.
            if let Some(token) = token {
                self.later(5_000, Coming::Callback { token, task });
            }
        }
    }

    fn append(&mut self, decision: &Decision) {
        let heard = std::mem::take(&mut self.hearing);
        let heard = heard.into_iter().map(|(task, _)| task.to_string());
        self.vendor.told.extend(heard);
        self.records.extend(decision.batch.events.iter().cloned());
        let jobs = decision.batch.jobs.iter();
        self.jobs
            .extend(jobs.map(|(key, known)| (*key, known.clone())));
        if let Some((_, ledger)) = &mut self.ledger {
            ledger.append(&decision.batch).unwrap();
        }
    }

    /// The process that owned the ledger is gone; the next one reads what it left.
    fn reopen(&mut self) {
        if let Some((folder, ledger)) = self.ledger.take() {
            let path = ledger.path().to_owned();
            drop(ledger);
            let ledger = Ledger::own(&path).unwrap();
            assert_eq!(ledger.jobs().unwrap(), self.jobs, "seed {}", self.seed);
            assert_eq!(ledger.check().unwrap(), [], "seed {}", self.seed);
            self.ledger = Some((folder, ledger));
        }
    }
}

fn task_id(text: &str) -> TaskId {
    TaskId(text.to_owned())
}

fn trouble(class: ResponseClass) -> EffectError {
    EffectError {
        class,
        code: None,
        message: "trouble".into(),
        retryable: true,
        retry_after_ms: None,
        no_descriptor: false,
    }
}

/// The seeds that the test command runs; `BACKLINE_SEEDS=from..to` chooses others.
fn seeds() -> std::ops::Range<u64> {
    let asked = std::env::var("BACKLINE_SEEDS").ok();
    let asked = asked.as_deref().and_then(|text| text.split_once(".."));
    asked.map_or(0..10_000, |(from, to)| {
        from.parse().unwrap()..to.parse().unwrap()
    })
}

#[test]
fn no_disaster_buys_twice_or_loses_what_was_bought() {
    let mut seen = Seen::default();
    for seed in seeds() {
        let mut world = World::new(seed);
        let jobs = 2 + world.dice.below(8) as usize;
        let mut outcome = None;
        for life in 0..12 {
            world.disturb(life == 11);
            outcome = world.live(jobs, life < 8);
            if life < 8 {
                world.resolve();
            }
            world.replay();
            world.reopen();
        }
        // After the last, immortal lives every task that was bought and told is known; one whose answer and callbacks were lost
        // is in doubt, and only where the vendor keeps no promise about tokens.
        let outcome = outcome.unwrap_or_else(|| panic!("seed {seed}: the last run was cut off"));
        let followed: BTreeSet<JobKey> = world.planned.iter().map(|n| key(*n)).collect();
        if outcome == Outcome::Vetoed {
            let is_vetoed = |key: &JobKey| {
                let job = world.jobs.get(key).map(|known| &known.job.phase);
                matches!(job, Some(Phase::Vetoed { .. }))
            };
            assert!(
                followed.iter().any(is_vetoed),
                "seed {seed}: none is vetoed"
            );
        }
        for (id, task) in &world.vendor.tasks {
            let job = &world.jobs[&task.job].job;
            // A job that no plan means any more is in the ledger as it was left, and nobody asks about it.
            let is_followed = followed.contains(&task.job);
            let settled = !matches!(job.phase, Phase::Submitting { .. });
            let doubt = matches!(job.phase, Phase::InDoubt { .. });
            assert!(
                settled || !is_followed,
                "seed {seed}: {outcome:?} left {:?} open",
                task.job
            );
            assert!(
                !doubt || !world.idempotent || !is_followed,
                "seed {seed}: in doubt although it could be asked"
            );
            assert!(
                world.is_known(id) || !world.vendor.told.contains(id),
                "seed {seed}: {id} was told and is in no row: {:?}",
                task.job
            );
            assert!(
                world.is_accepted(id) || !world.vendor.told.contains(id) || !is_followed,
                "seed {seed}: {id} was told and is not believed: {:?}",
                task.job
            );
            assert!(
                job.claims.is_empty() || !is_followed,
                "seed {seed}: claims are left: {:?}",
                job.claims
            );
            if is_followed {
                World::check_tracks(seed, id, task, job, &mut world.seen);
            }
            let forgotten = matches!(job.phase, Phase::Planned) && task.fails.is_none();
            assert!(
                !forgotten || world.said_again.contains_key(&task.job),
                "seed {seed}: {:?} was bought with {:?} and is forgotten",
                task.job,
                task.token
            );
        }
        seen.vetoed += world.seen.vetoed;
        seen.delayed += world.seen.delayed;
        seen.found += world.seen.found;
        seen.partial += world.seen.partial;
        seen.early += world.seen.early;
        seen.nameless += world.seen.nameless;
        seen.sources += world.seen.sources;
        for record in &world.records {
            match &record.event {
                Event::Accepted {
                    via: crate::event::Via::Callback,
                    ..
                } => seen.confirmed += 1,
                Event::ClaimRejected { .. } => seen.rejected += 1,
                _ => {}
            }
        }
        for key in &followed {
            let task = world.jobs.get(key).and_then(|known| known.job.task());
            let is_its_own = |task: &crate::job::Task| {
                let real = world.vendor.tasks.get(task.id.as_str());
                real.is_some_and(|real| real.job == *key)
            };
            assert!(
                task.is_none_or(is_its_own),
                "seed {seed}: {key:?} follows {task:?}"
            );
        }
    }
    let each = [
        seen.vetoed,
        seen.delayed,
        seen.found,
        seen.partial,
        seen.early,
        seen.nameless,
        seen.sources,
        seen.confirmed,
        seen.rejected,
    ];
    let least = seeds().count() as u64 / 500;
    assert!(each.iter().all(|number| *number >= least), "{seen:?}");
}
