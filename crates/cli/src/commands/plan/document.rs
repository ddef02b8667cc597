//! A plan as one JSON document, for programs. The document is written job by job: 100,000 jobs need no second copy in memory.
//!
//! ```json
//! {"version": 1, "name": "songs", "provider": "studio", "ledger": "…", "totals": {"jobs": 2, "to_submit": 1, …},
//!  "jobs": [{"sign": "buy", "key": "5b1c…", "stem": "verse", "preset": "lofi", "sweep": {}, "take": 1, …}]}
//! ```

use backline_engine::event::Part;
use backline_engine::forecast::{Forecast, JobForecast};
use backline_engine::plan::{JobStep, Plan, PlannedJob};
use backline_engine::settings::{JobKey, Settings};
use backline_engine::status::Sign;
use indexmap::IndexMap;
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use crate::project::Project;

/// The document's version.
const VERSION: u32 = 1;

/// A plan, and the action of a run for each job.
pub(crate) struct Document<'a> {
    pub(crate) project: &'a Project,
    pub(crate) forecast: &'a Forecast,
}

impl Serialize for Document<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (plan, forecast) = (&self.project.plan, self.forecast);
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("version", &VERSION)?;
        map.serialize_entry("name", &plan.name)?;
        map.serialize_entry("manifest", &self.project.shown)?;
        map.serialize_entry("provider", &plan.provider.profile.name)?;
        map.serialize_entry("ledger", &self.project.ledger.display().to_string())?;
        map.serialize_entry("totals", &Totals::of(forecast))?;
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
    to_fetch: usize,
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
    fn of(forecast: &Forecast) -> Self {
        Self {
            jobs: forecast.rows.len(),
            to_buy: forecast.count(Sign::Buy) + forecast.count(Sign::Changed),
            changed: forecast.count(Sign::Changed),
            in_progress: forecast.count(Sign::InProgress),
            to_fetch: forecast.count(Sign::Fetch),
            kept: forecast.count(Sign::Kept),
            in_doubt: forecast.count(Sign::InDoubt),
            failed: forecast.count(Sign::Failed),
            vetoed: forecast.count(Sign::Vetoed),
            partial: forecast.count(Sign::Partial),
            expired: forecast.count(Sign::Expired),
            to_submit: forecast.to_submit,
            credits: forecast.credits,
            least_ms: forecast.least_ms,
        }
    }
}

struct Rows<'a>(&'a Document<'a>);

impl Serialize for Rows<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Document { project, forecast } = self.0;
        let mut rows = serializer.serialize_seq(Some(project.plan.jobs.len()))?;
        for (job, forecast) in project.plan.jobs.iter().zip(&forecast.rows) {
            rows.serialize_element(&Row::of(job, forecast, &project.plan))?;
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
    /// The operation that is bought, and its cost in credits.
    operation: &'a str,
    credits: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<&'a JobStep>,
    missing: Vec<Missing>,
    #[serde(skip_serializing_if = "Option::is_none")]
    settings: Option<&'a Settings>,
}

/// A kept file that is missing or was changed.
#[derive(serde::Serialize)]
struct Missing {
    track: u32,
    part: Part,
    changed: bool,
}

impl<'a> Row<'a> {
    fn of(job: &'a PlannedJob, forecast: &'a JobForecast, plan: &'a Plan) -> Self {
        Self {
            sign: forecast.sign,
            key: &job.key,
            stem: &plan.stems[job.stem].id,
            preset: &job.preset,
            sweep: &job.sweep,
            take: job.take,
            submits: forecast.submits,
            note: &forecast.note,
            operation: plan.operation(job).name,
            credits: plan.price_credits(job),
            step: job.step.as_deref(),
            missing: forecast
                .missing
                .iter()
                .map(|it| Missing {
                    track: it.index,
                    part: it.part,
                    changed: it.changed,
                })
                .collect(),
            settings: job.step.is_none().then_some(&job.settings),
        }
    }
}
