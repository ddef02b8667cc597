//! The state of a plan's jobs, updated with each record of a run by the engine's job machine. Bars count it, and lines take
//! names from it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use backline_engine::event::{Record, TrackFacts};
use backline_engine::job::Job;
use backline_engine::settings::JobKey;
use backline_engine::status::JobStatus;
use backline_engine::store::PlannedRow;

use crate::label::job_label;
use crate::music::remarks;
use crate::sink::PlanFacts;

/// The jobs of a plan, and the number of jobs in each state.
#[derive(Default)]
pub(crate) struct PlanState {
    rows: HashMap<JobKey, TrackedJob>,
    /// Labels of jobs that are no longer in the plan.
    former: HashMap<JobKey, String>,
    in_state: HashMap<JobStatus, u64>,
    /// Credits that this run has spent.
    pub(crate) spent: f64,
    /// The last problem that was printed in full. It is not printed again while it lasts.
    pub(crate) last_problem: Option<String>,
    /// The same for tracks that could not be downloaded. Unlike the other, a response to a submission does not end it.
    pub(crate) last_track_problem: Option<String>,
    /// The remarks on the music that were already printed, by preset.
    remarked: HashSet<(Arc<str>, String)>,
}

struct TrackedJob {
    label: String,
    preset: Arc<str>,
    job: Arc<Job>,
}

/// The change that a record made to its job.
pub(crate) struct Transition<'a> {
    pub(crate) from: JobStatus,
    pub(crate) to: JobStatus,
    /// The job after the change.
    pub(crate) job: &'a Job,
}

impl Transition<'_> {
    /// Whether the job has just entered this state.
    pub(crate) fn becomes(&self, state: JobStatus) -> bool {
        self.to == state && self.from != state
    }
}

impl PlanState {
    /// The jobs of `plan` in the state that the ledger had before the run.
    pub(crate) fn new(plan: &PlanFacts<'_>) -> Self {
        let mut plan_state = Self::default();
        let label = |row: &PlannedRow| {
            job_label(
                &row.stem,
                &row.preset,
                &*row.sweep,
                row.take,
                row.step.as_deref(),
            )
        };
        plan_state.former = plan
            .former
            .iter()
            .map(|row| (row.key, label(row)))
            .collect();
        let unknown = Arc::new(Job::default());
        for row in plan.rows {
            let known = plan.known.get(&row.key).map(|known| &known.job);
            let job = known.unwrap_or(&unknown).clone();
            *plan_state
                .in_state
                .entry(JobStatus::from(&job.phase))
                .or_default() += 1;
            let label = label(row);
            let preset = row.preset.clone();
            plan_state
                .rows
                .insert(row.key, TrackedJob { label, preset, job });
        }
        plan_state
    }

    /// The remarks on the tracks of a job that were not yet printed for its preset.
    pub(crate) fn new_remarks(
        &mut self,
        job: Option<&JobKey>,
        tracks: &[TrackFacts],
    ) -> Vec<String> {
        let row = job.and_then(|key| self.rows.get(key));
        let Some(preset) = row.map(|row| row.preset.clone()) else {
            return Vec::new();
        };
        let music = tracks.iter().filter_map(|track| track.music.as_deref());
        music
            .flat_map(remarks)
            .filter(|remark| self.remarked.insert((preset.clone(), remark.clone())))
            .collect()
    }

    /// Applies a record and returns the change of its job. `None` for a record of the run, for a job that is not in the plan,
    /// and for a record without an effect.
    pub(crate) fn apply(&mut self, record: &Record) -> Option<Transition<'_>> {
        let key = *record.job.as_ref()?;
        let row = self.rows.get_mut(&key)?;
        let backline_engine::job::Step::Changed(next) = row.job.step(record.at_ms, &record.event)
        else {
            return None;
        };
        let (from, to) = (
            JobStatus::from(&row.job.phase),
            JobStatus::from(&next.phase),
        );
        self.spent += f64::from(next.credits - row.job.credits);
        row.job = Arc::new(next);
        if from != to {
            self.in_state
                .entry(from)
                .and_modify(|number| *number = number.saturating_sub(1));
            *self.in_state.entry(to).or_default() += 1;
        }
        Some(Transition {
            from,
            to,
            job: &row.job,
        })
    }

    /// The status of a job; `None` if it is not in the plan.
    pub(crate) fn status(&self, key: &JobKey) -> Option<JobStatus> {
        let row = self.rows.get(key)?;
        Some(JobStatus::from(&row.job.phase))
    }

    /// The label of a job; its key if it is not in the plan.
    pub(crate) fn label(&self, key: &JobKey) -> String {
        let planned = self.rows.get(key).map(|row| &row.label);
        planned
            .or_else(|| self.former.get(key))
            .map_or_else(|| format!("job {}", key.short()), String::clone)
    }

    /// Number of jobs in any of these states.
    pub(crate) fn count(&self, states: &[JobStatus]) -> u64 {
        states
            .iter()
            .filter_map(|state| self.in_state.get(state))
            .sum()
    }

    /// Number of all jobs.
    pub(crate) fn jobs(&self) -> u64 {
        self.rows.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;

    #[test]
    fn a_tally_ends_where_the_machine_does() {
        let story = example::ExampleRun::new();
        let mut plan_state = PlanState::new(&story.plan());
        assert_eq!(
            (plan_state.jobs(), plan_state.count(&[JobStatus::Kept])),
            (5, 1)
        );
        let mut kept = Vec::new();
        for record in story.records() {
            if plan_state
                .apply(&record)
                .is_some_and(|change| change.becomes(JobStatus::Kept))
            {
                kept.push(plan_state.label(&record.job.unwrap()));
            }
        }
        assert_eq!(kept, ["chorus × lofi [model=V5] take 1"]);
        let counts = [
            JobStatus::Kept,
            JobStatus::Running,
            JobStatus::Failed,
            JobStatus::InDoubt,
            JobStatus::Planned,
        ]
        .map(|state| plan_state.count(&[state]));
        assert_eq!(counts, [2, 0, 2, 1, 0]);
        assert_eq!(plan_state.spent, 24.0);
    }

    #[test]
    fn records_of_other_jobs_and_repeated_ones_change_nothing() {
        let story = example::ExampleRun::new();
        let mut plan_state = PlanState::new(&story.plan());
        let accepted = story
            .records()
            .into_iter()
            .find(|record| matches!(record.event, backline_engine::event::Event::Accepted { .. }));
        let intent = story
            .records()
            .into_iter()
            .find(|record| matches!(record.event, backline_engine::event::Event::Intent { .. }));
        let (accepted, intent) = (accepted.unwrap(), intent.unwrap());
        assert!(plan_state.apply(&intent).is_some());
        assert!(plan_state.apply(&accepted).is_some());
        assert!(plan_state.apply(&accepted).is_none());
        let stranger = Record {
            job: Some(JobKey::from_bytes([0xee; 32])),
            ..accepted
        };
        assert!(plan_state.apply(&stranger).is_none());
        assert_eq!(plan_state.label(&stranger.job.unwrap()), "job eeeeeeeeeeee");
        // Unless an earlier run of the manifest had it.
        let mut former = story.plan().rows[..1].to_vec();
        former[0].key = stranger.job.unwrap();
        let plan = PlanFacts {
            former: &former,
            ..story.plan()
        };
        let label = PlanState::new(&plan).label(&former[0].key);
        assert_eq!(label, "chorus × lofi [model=V5] take 1");
        assert_eq!(plan_state.spent, 12.0);
    }
}
