//! The plan's jobs and stems by the names that effects have for them: a job's key, a stem's id.

use std::collections::HashMap;
use std::sync::Arc;

use crate::conductor::StemId;
use crate::plan::{Plan, PlannedJob, StemSource};
use crate::settings::JobKey;

/// A plan, and where its jobs and stems are in it.
#[derive(Debug)]
pub(super) struct PlanIndex {
    plan: Arc<Plan>,
    jobs: HashMap<JobKey, usize>,
    stems: HashMap<StemId, usize>,
}

impl PlanIndex {
    pub(super) fn new(plan: Arc<Plan>) -> Self {
        let jobs = plan.jobs.iter().enumerate();
        let stems = plan.stems.iter().enumerate();
        Self {
            jobs: jobs.map(|(at, job)| (job.key, at)).collect(),
            stems: stems
                .map(|(at, stem)| (StemId::from(stem.id.as_str()), at))
                .collect(),
            plan,
        }
    }

    pub(super) fn plan(&self) -> &Plan {
        &self.plan
    }

    /// A job, if it is the plan's: events may be about another plan's.
    pub(super) fn find(&self, key: &JobKey) -> Option<&PlannedJob> {
        self.jobs.get(key).map(|at| &self.plan.jobs[*at])
    }

    /// The job of an effect.
    ///
    /// # Panics
    /// For a key that is not of the plan: effects are about its jobs.
    pub(super) fn job(&self, key: &JobKey) -> &PlannedJob {
        &self.plan.jobs[self.jobs[key]]
    }

    /// Where the recording of a stem comes from.
    ///
    /// # Panics
    /// For an id that is not of the plan.
    pub(super) fn source(&self, stem: &StemId) -> &StemSource {
        &self.plan.stems[self.stems[stem]].source
    }
}
