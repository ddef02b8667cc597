//! Other processes that write to the same store: they change jobs, buy some, and take places in the window and credits.

use super::*;
use crate::store::SubmissionLimits;

/// Other processes of one seed.
pub(super) struct Rivals {
    /// Of their own, so that a seed has the same vendor with and without them.
    dice: Dice,
    /// How often, in per cent, one of them comes before a commit.
    often: u64,
    /// Whether one is at work in this life.
    pub(super) active: bool,
    tokens: u32,
    /// Refusals: jobs that rivals had changed, submissions that came too early, and such that the credits did not cover.
    pub(super) refused: [u64; 3],
    /// Tasks of jobs that a rival had changed meanwhile.
    pub(super) strays: u64,
}

impl Rivals {
    pub(super) fn new(seed: u64) -> Self {
        let mut dice = Dice(!seed);
        Self {
            often: [0, 2, 10][dice.below(3) as usize],
            dice,
            active: false,
            tokens: 0,
            refused: [0; 3],
            strays: 0,
        }
    }
}

impl World {
    /// A job as the store has it, and its version.
    pub(super) fn read(&self, key: &JobKey) -> (Arc<Job>, u64) {
        let known = self.jobs.get(key);
        known.map_or_else(Default::default, |known| (known.job.clone(), known.version))
    }

    /// Writes a batch as a store does that others write to as well.
    pub(super) fn commit(&mut self, batch: &Batch) -> Vec<RefusedJob> {
        if self.rivals.active {
            self.interfere(batch);
        }
        let mut refused = Vec::new();
        for (key, known) in &batch.jobs {
            let (_, version) = self.read(key);
            if known.version != version {
                refused.push(batch.refusal(*key, Refusal::Conflict, version));
                self.rivals.refused[0] += 1;
            }
        }
        if !refused.is_empty() {
            // Callbacks of this turn are not acknowledged, and come again. Tasks of responses are in receipts until their records.
            let is_in_receipt = |task: &TaskId| {
                batch.events.iter().any(|record| {
                    let is_refused = refused.iter().any(|it| Some(it.key) == record.job);
                    is_refused
                        && matches!(&record.event, Event::Accepted { task_id, .. } if task_id == task)
                })
            };
            let heard = std::mem::take(&mut self.hearing);
            for (task, token) in heard {
                match token {
                    Some(token) => self.later(60_000, Coming::Callback { token, task }),
                    None if is_in_receipt(&task) => {}
                    None => self.hearing.push((task, None)),
                }
            }
        }
        let mut admitted = Vec::new();
        for submission in &batch.submissions {
            let key = submission.key;
            if refused.iter().any(|it| it.key == key) {
                continue;
            }
            let (known, before) = (&batch.jobs[&key], &submission.before.job);
            let limits = batch.limits.unwrap();
            match self.admits(&admitted, before, &known.job, limits) {
                Ok(()) => admitted.push((self.now, committed(&known.job) - committed(before))),
                Err(why) => refused.push(batch.refusal(key, why, known.version)),
            }
        }
        let writable = batch.writable(&refused);
        let of_store = |(key, known, version): (JobKey, &KnownJob, u64)| {
            let known = known.clone();
            (key, KnownJob { version, ..known })
        };
        let written = Batch {
            events: writable.events.into_iter().cloned().collect(),
            jobs: writable.jobs.into_iter().map(of_store).collect(),
            uploads: batch.uploads.clone(),
            ..Batch::default()
        };
        self.append(&written);
        refused
    }

    /// Whether the store admits a submission beside those that it has admitted in the same batch: their times and costs.
    fn admits(
        &mut self,
        admitted: &[(i64, Credits)],
        before: &Job,
        after: &Job,
        limits: SubmissionLimits,
    ) -> Result<(), Refusal> {
        let mut places = self.places();
        places.extend(admitted.iter().map(|(taken_ms, _)| Place {
            taken_ms: *taken_ms,
            left_ms: None,
        }));
        let opens_ms = Gate::new(limits.rate, places).opens_at(self.now);
        if opens_ms > self.now {
            self.rivals.refused[1] += 1;
            let wait_ms = opens_ms.abs_diff(self.now);
            return Err(Refusal::TooEarly { wait_ms });
        }
        if self.rivals.active && self.rivals.dice.chance(self.rivals.often) {
            self.rivals.refused[1] += 1;
            let wait_ms = self.rivals.dice.below(5_000);
            return Err(Refusal::TooEarly { wait_ms });
        }
        let spent: Credits = self.jobs.values().map(|known| committed(&known.job)).sum();
        let spent = spent + admitted.iter().map(|(_, cost)| *cost).sum();
        let cost = committed(after) - committed(before);
        if cost > Credits::ZERO
            && limits
                .ledger_credits
                .is_some_and(|limit| spent + cost > limit)
        {
            self.rivals.refused[2] += 1;
            return Err(Refusal::OverBudget {
                run_credits: spent,
                ledger_credits: spent,
            });
        }
        Ok(())
    }

    /// Another process may act on a job of a batch before it is written: it takes a submission under way for lost, or buys a job
    /// itself and dies before the response.
    fn interfere(&mut self, batch: &Batch) {
        let keys: Vec<JobKey> = batch.jobs.keys().copied().collect();
        for key in keys {
            if !self.rivals.dice.chance(self.rivals.often) {
                continue;
            }
            let (job, version) = self.read(&key);
            let limits = match (&job.phase, batch.limits) {
                (Phase::Planned, Some(limits)) if job.attempts == 0 => limits,
                (Phase::Submitting { attempt, .. }, _) => {
                    let event = Event::Lost {
                        attempt: *attempt,
                        message: "a rival took the process for dead".to_owned(),
                        response: None,
                    };
                    self.write_as_rival(key, &job, version, event);
                    continue;
                }
                _ => continue,
            };
            self.rivals.tokens += 1;
            let token = Token::from_text(format!("rival-{}", self.rivals.tokens));
            let event = Event::Intent {
                attempt: 1,
                token: token.clone(),
                credits: Kind::of(&key).price(),
            };
            let Step::Changed(after) = job.step(self.now, &event) else {
                continue;
            };
            if Kind::of(&key) == Kind::Song && self.admits(&[], &job, &after, limits).is_ok() {
                let verdict = Verdict::Pass;
                for point in [HookPoint::BeforeUpload, HookPoint::BeforeSubmit] {
                    self.records.push(self.of_rival(
                        key,
                        Event::Decided {
                            point,
                            verdict: verdict.clone(),
                        },
                    ));
                }
                self.write_as_rival(key, &job, version, event);
                self.post(key, &token, self.now);
            }
        }
    }

    fn of_rival(&self, key: JobKey, event: Event) -> NewRecord {
        NewRecord {
            at_ms: self.now,
            run: RunId::from_text("rival"),
            account: "model".to_owned(),
            job: Some(key),
            event,
        }
    }

    fn write_as_rival(&mut self, key: JobKey, job: &Job, version: u64, event: Event) {
        let Step::Changed(job) = job.step(self.now, &event) else {
            panic!("seed {}: a rival can't record {event:?}", self.seed);
        };
        let known = KnownJob {
            job: job.into(),
            account: "model".to_owned(),
            version,
        };
        let heard = std::mem::take(&mut self.hearing);
        self.append(&Batch::of_job(self.of_rival(key, event), key, known));
        self.hearing = heard;
    }

    /// Records the tasks of jobs that rivals have changed.
    pub(super) fn record_strays(&mut self, conductor: &mut Conductor) {
        for stray in conductor.take_stray() {
            self.rivals.strays += 1;
            let (job, version) = self.read(&stray.key);
            self.write_as_rival(stray.key, &job, version, stray.event());
            self.vendor.reported.insert(stray.task.to_string());
        }
    }
}

/// What a job has cost and reserved.
fn committed(job: &Job) -> Credits {
    job.credits + job.reserved
}
