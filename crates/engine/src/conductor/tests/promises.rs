//! What is promised, checked against the vendor's bill and the ledger after every step of a simulated life.

use super::vendor::{Addresses, Ids, ModelTask, Short};
use super::*;
use crate::event::TaskStage;

/// Longest time that a run may take under any combination of faults: an hour of refusals, half an hour for a task, and what a
/// few jobs need one after the other.
const LONGEST_RUN_MS: i64 = 6 * 60 * 60_000;

impl World {
    pub(super) fn check(&self, conductor: &Conductor) {
        assert_eq!(conductor.illegal_step(), None, "seed {}", self.seed);
        let mut failed: HashMap<JobKey, usize> = HashMap::new();
        for task in self.vendor.tasks.values().filter(|it| it.fails.is_some()) {
            *failed.entry(task.job).or_default() += 1;
        }
        for (job, tokens) in &self.vendor.bill {
            let refunded_or_failed = failed.get(job).unwrap_or(&0);
            assert!(
                tokens.len() <= 1 + refunded_or_failed + self.said_again.get(job).unwrap_or(&0),
                "seed {}: {job:?} was bought {} times: {:?}",
                self.seed,
                tokens.len(),
                self.records
                    .iter()
                    .filter(|it| it.job == Some(*job))
                    .map(|it| (it.at_ms % 10_000_000, &it.run, &it.event))
                    .collect::<Vec<_>>()
            );
        }
        // What was given back may be spent again.
        let bought = self
            .vendor
            .tasks
            .values()
            .filter(|task| task.fails != Some(true));
        let cost: Credits = bought.map(|task| task.price).sum();
        let config = &conductor.config;
        // Where the user was wrong to say that nothing was bought, the sum is the user's.
        let misled = times(self.said_again.values().sum());
        if let Some(limit) = config.ledger_credits {
            assert!(
                cost <= limit + misled,
                "seed {}: over the ledger's budget",
                self.seed
            );
        }
        if let Some(limit) = config.credits {
            assert!(
                self.runs > 1 || cost <= limit,
                "seed {}: over the run's budget",
                self.seed
            );
            // What a callback names for an attempt that had ended is reserved beside the limit: the vendor bought it, if anybody did.
            let named: Credits = conductor
                .slots
                .iter()
                .filter(|slot| self.claimed.contains(&slot.key))
                .map(|slot| slot.job.reserved)
                .sum();
            let committed = conductor.spent + conductor.reserved - named;
            assert!(
                self.runs > 1 || committed <= limit,
                "seed {}: {committed} committed",
                self.seed
            );
        }
        let mut keys = BTreeSet::new();
        let own = conductor.slots.iter().filter(|slot| !slot.is_taken);
        for (key, job) in own.map(|slot| (&slot.key, &*slot.job)) {
            assert!(
                keys.insert(*key),
                "seed {}: two slots have {key:?}",
                self.seed
            );
            let durable = self
                .jobs
                .get(key)
                .map(|known| known.job.clone())
                .unwrap_or_default();
            assert_eq!(
                *job, *durable,
                "seed {}: the ledger differs from the live job",
                self.seed
            );
        }
    }

    /// Replaying the events gives the jobs.
    pub(super) fn replay(&self) {
        let mut jobs: HashMap<JobKey, Job> = HashMap::new();
        let mut decided: BTreeSet<(&RunId, JobKey)> = BTreeSet::new();
        let mut refunds: HashMap<(&RunId, JobKey), u32> = HashMap::new();
        for record in &self.records {
            let Some(job) = record.job else { continue };
            let state = jobs.entry(job).or_default();
            match &record.event {
                // Each may be a charge: a run requests a job at most once more.
                Event::Refused {
                    class: ResponseClass::Refunded,
                    ..
                } => {
                    let count = refunds.entry((&record.run, job)).or_default();
                    *count += 1;
                    assert!(
                        *count <= 2,
                        "seed {}: {job:?} was refunded {count} times",
                        self.seed
                    );
                }
                Event::Decided { point, verdict } => {
                    let last = *point == HookPoint::BeforeSubmit || !self.hooks.1;
                    match verdict {
                        Verdict::Pass if !last => {}
                        Verdict::Pass => {
                            decided.insert((&record.run, job));
                        }
                        _ => {
                            decided.remove(&(&record.run, job));
                        }
                    }
                }
                // Nothing is uploaded for a step.
                Event::Intent { attempt: 1, .. }
                    if self.hooks.1 || (self.hooks.0 && Kind::of(&job) == Kind::Song) =>
                {
                    assert!(
                        decided.contains(&(&record.run, job)),
                        "seed {}: {job:?} was submitted without a decision: {:?}",
                        self.seed,
                        self.records
                            .iter()
                            .filter(|it| it.job == Some(job))
                            .map(|it| (&it.run, &it.event))
                            .collect::<Vec<_>>()
                    )
                }
                _ => {}
            }
            match state.step(record.at_ms, &record.event) {
                Step::Changed(next) => *state = next,
                Step::Unchanged
                    if matches!(
                        record.event,
                        Event::Decided { .. } | Event::ClaimRejected { .. }
                    ) => {}
                step => panic!(
                    "seed {}: {step:?} recorded for {:?}",
                    self.seed, record.event
                ),
            }
        }
        for (key, known) in &self.jobs {
            let untouched = Job::default();
            assert_eq!(
                *jobs.get(key).unwrap_or(&untouched),
                *known.job,
                "seed {}",
                self.seed
            );
        }
    }

    /// No submission leaves while as many tasks are in flight as may be: by the run's own count and by the vendor's. A job in
    /// doubt holds no place, nor does one that the user gave up on.
    pub(super) fn check_places(&self, conductor: &Conductor) {
        let most = conductor.config.concurrency;
        assert!(
            conductor.in_flight <= most,
            "seed {}: {} in flight",
            self.seed,
            conductor.in_flight
        );
        let counted = |slot: &&JobSlot| {
            !slot.given_up
                && !matches!(slot.job.phase, Phase::InDoubt { .. })
                && !self.said_again.contains_key(&slot.key)
        };
        let followed: BTreeSet<JobKey> = conductor
            .slots
            .iter()
            .filter(counted)
            .map(|slot| slot.key)
            .collect();
        let at_work = self.vendor.tasks.values().filter(|task| {
            self.now < task.made_at && task.fails.is_none() && followed.contains(&task.job)
        });
        let at_work: BTreeSet<JobKey> = at_work.map(|task| task.job).collect();
        assert!(
            at_work.len() <= most,
            "seed {}: the vendor works on {} jobs",
            self.seed,
            at_work.len()
        );
    }

    /// A provider that loses every response is sent no more than the limit and the tries after it; one whose every task fails is
    /// paid for no more than that and what was in flight.
    fn check_brake(&self, conductor: &Conductor) {
        let config = &conductor.config;
        let limit = (config.failures_in_a_row + brake::PROBES) as usize;
        let of_this_run = || {
            let records = self.records.iter();
            records.filter(|record| record.run == config.run)
        };
        let count = |test: fn(&Event) -> bool| of_this_run().filter(|it| test(&it.event)).count();
        let intents = count(|event| matches!(event, Event::Intent { .. }));
        if self.troubles.loses_all {
            let unsent =
                count(|event| matches!(event, Event::Refused { .. } | Event::NotSent { .. }));
            assert!(
                intents <= limit + unsent,
                "seed {}: {intents} jobs were sent to a vendor that loses every response",
                self.seed
            );
        }
        if self.troubles.fails_all {
            let accepted = count(|event| matches!(event, Event::Accepted { .. }));
            let failed = count(|event| matches!(event, Event::TaskFailed { .. }));
            let succeeded = count(|event| {
                matches!(
                    event,
                    Event::TaskPartial { .. }
                        | Event::Stage {
                            stage: TaskStage::Complete,
                            ..
                        }
                )
            });
            assert!(
                succeeded > 0 || failed <= limit + config.concurrency,
                "seed {}: {failed} tasks of {accepted} failed one after the other",
                self.seed
            );
        }
    }

    /// A run ends in bounded time, and leaves nothing behind that it could have bought.
    pub(super) fn check_end(&self, conductor: &Conductor, begun_ms: i64) {
        let lasted_ms = self.now - begun_ms;
        assert!(
            lasted_ms <= LONGEST_RUN_MS,
            "seed {}: the run lasted {lasted_ms} ms",
            self.seed
        );
        self.check_brake(conductor);
        let stopped = !matches!(conductor.mode, Mode::Running);
        assert!(
            stopped || conductor.has_nothing_to_buy() || conductor.limit_in_the_way().is_some(),
            "seed {}: jobs are left that could be bought: {:?}",
            self.seed,
            conductor.left_to_buy()
        );
    }

    /// A followed task that is over has each of its files once, and nothing else.
    pub(super) fn check_files(seed: u64, (id, task): (&str, &ModelTask), job: &Job) {
        let Some(known) = job.task().filter(|known| known.id.as_str() == id) else {
            return; // failed, or bought beside the one that is followed
        };
        let kept: Vec<&str> = known
            .tracks
            .iter()
            .filter_map(|track| track.kept.as_ref())
            .map(|file| file.sha256.as_str())
            .collect();
        let once: BTreeSet<&str> = kept.iter().copied().collect();
        assert_eq!(once.len(), kept.len(), "seed {seed}: {id} has {kept:?}");
        assert!(
            known.tracks.len() <= task.shows,
            "seed {seed}: {id} has {} tracks of {}",
            known.tracks.len(),
            task.shows
        );
        if task.fails.is_some() {
            return;
        }
        let expected: Vec<String> = (0..task.makes).map(|n| format!("{id}-{n}.mp3")).collect();
        assert!(
            expected.iter().all(|name| once.contains(name.as_str())),
            "seed {seed}: {id} has {kept:?} of {expected:?}: {:?}",
            job.phase
        );
    }

    /// The same, and its phase says whether it has all of its tracks.
    pub(super) fn check_tracks(
        seed: u64,
        usual: usize,
        (id, task): (&str, &ModelTask),
        job: &Job,
        seen: &mut Seen,
    ) {
        Self::check_files(seed, (id, task), job);
        let known = job.task().filter(|known| known.id.as_str() == id);
        let Some(known) = known.filter(|_| task.fails.is_none()) else {
            return;
        };
        let is_kept = matches!(job.phase, Phase::Kept(_));
        let is_partial = matches!(job.phase, Phase::Partial(_));
        seen.partial += u64::from(is_partial);
        seen.early += u64::from(is_kept && task.early_end_until > task.made_at);
        seen.nameless += u64::from(is_kept && task.ids != Ids::Stable);
        seen.sources += u64::from(is_kept && task.addresses == Addresses::SourceIsGood);
        // A list that was never shown in full ends complete with what it shows.
        let whole = task.makes == known.tracks.len();
        let phase = matches!(
            (&job.phase, whole),
            (Phase::Kept(_), true) | (Phase::Partial(_), _)
        );
        assert!(phase, "seed {seed}: {id}: {:?}", job.phase);
        let short =
            (task.makes < task.shows && task.short != Short::Gone) || known.tracks.len() < usual;
        assert!(
            short == matches!(job.phase, Phase::Partial(_)) || task.short == Short::Gone,
            "seed {seed}: {id}: {:?}",
            job.phase
        );
    }
}
