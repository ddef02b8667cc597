//! A plan as one JSON document, for programs. Written as it goes: 100,000 jobs take no second copy in memory.
//!
//! ```json
//! {"version": 1, "name": "songs", "provider": "studio", "ledger": "…", "totals": {"jobs": 2, "to_submit": 1, …},
//!  "jobs": [{"sign": "buy", "key": "5b1c…", "stem": "verse", "preset": "lofi", "sweep": {}, "take": 1, …}]}
//! ```

use backline_engine::event::Part;
use backline_engine::hold::{Held, Holding, Sign};
use backline_engine::plan::{JobKey, PlannedJob, Settings};
use indexmap::IndexMap;
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use crate::project::Project;

/// The document's version.
const VERSION: u32 = 1;

/// A plan held against its ledger.
pub(crate) struct Document<'a> {
    pub(crate) project: &'a Project,
    pub(crate) holding: &'a Holding,
}

impl Serialize for Document<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (plan, holding) = (&self.project.plan, self.holding);
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("version", &VERSION)?;
        map.serialize_entry("name", &plan.name)?;
        map.serialize_entry("manifest", &self.project.shown)?;
        map.serialize_entry("provider", &plan.provider.profile.name)?;
        map.serialize_entry("ledger", &self.project.ledger.display().to_string())?;
        map.serialize_entry("totals", &Totals::of(holding))?;
        map.serialize_entry("jobs", &Rows(self))?;
        map.end()
    }
}

#[derive(serde::Serialize)]
struct Totals {
    jobs: usize,
    to_buy: usize,
    changed: usize,
    in_progress: usize,
    kept: usize,
    in_doubt: usize,
    failed: usize,
    vetoed: usize,
    partial: usize,
    expired: usize,
    to_submit: u64,
    credits: f64,
    least_ms: u64,
}

impl Totals {
    fn of(holding: &Holding) -> Self {
        Self {
            jobs: holding.rows.len(),
            to_buy: holding.count(Sign::Buy) + holding.count(Sign::Changed),
            changed: holding.count(Sign::Changed),
            in_progress: holding.count(Sign::InProgress),
            kept: holding.count(Sign::Kept),
            in_doubt: holding.count(Sign::InDoubt),
            failed: holding.count(Sign::Failed),
            vetoed: holding.count(Sign::Vetoed),
            partial: holding.count(Sign::Partial),
            expired: holding.count(Sign::Expired),
            to_submit: holding.to_submit,
            credits: holding.credits,
            least_ms: holding.least_ms,
        }
    }
}

struct Rows<'a>(&'a Document<'a>);

impl Serialize for Rows<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Document { project, holding } = self.0;
        let mut rows = serializer.serialize_seq(Some(project.plan.jobs.len()))?;
        for (job, held) in project.plan.jobs.iter().zip(&holding.rows) {
            rows.serialize_element(&Row::of(job, held, &project.plan.stems[job.stem].id))?;
        }
        rows.end()
    }
}

#[derive(serde::Serialize)]
struct Row<'a> {
    sign: Sign,
    key: &'a JobKey,
    stem: &'a str,
    preset: &'a str,
    sweep: &'a IndexMap<String, String>,
    take: u32,
    submits: bool,
    note: &'a str,
    missing: Vec<Missing>,
    settings: &'a Settings,
}

/// A kept file that is gone, or was changed.
#[derive(serde::Serialize)]
struct Missing {
    track: u32,
    part: Part,
    changed: bool,
}

impl<'a> Row<'a> {
    fn of(job: &'a PlannedJob, held: &'a Held, stem: &'a str) -> Self {
        Self {
            sign: held.sign,
            key: &job.key,
            stem,
            preset: &job.preset,
            sweep: &job.sweep,
            take: job.take,
            submits: held.submits,
            note: &held.note,
            missing: held
                .missing
                .iter()
                .map(|it| Missing {
                    track: it.index,
                    part: it.part,
                    changed: it.changed,
                })
                .collect(),
            settings: &job.settings,
        }
    }
}
