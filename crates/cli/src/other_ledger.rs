//! The ledgers at and above a manifest's folder that a run does not use.
//!
//! The default ledger depends on the manifest's folder and on the nearest `backline.yaml`. If a manifest is moved, or a new
//! `backline.yaml` is written above it, the default becomes another ledger, which does not contain the earlier purchases. A run is
//! therefore refused if it would buy jobs that are already bought in such a ledger. A ledger that the user names is always used.
//! Ledgers of other users above the manifest are not read.

use std::path::Path;

use backline_engine::folder::is_own;
use backline_engine::forecast::Forecast;
use backline_engine::job::{Job, Phase};
use backline_engine::status::Sign;

use crate::args::GlobalArgs;
use crate::failure::{Failure, Kind};
use crate::ledger::Ledger;
use crate::project::{LEDGER, Project, seen_from_here};

/// The failure of a run that would buy jobs that are already bought in a ledger nearby; none if there is no such ledger.
pub(crate) fn conflict(
    project: &Project,
    forecast: &Forecast,
    global: &GlobalArgs,
) -> Option<Failure> {
    if global.ledger.is_some() || project.plan.provider.embedded.is_some() {
        return None;
    }
    let folder = project.plan.manifest.parent()?.canonicalize().ok()?;
    let used = project.ledger.canonicalize().ok();
    let places = folder.ancestors().map(|above| above.join(LEDGER));
    for place in places.filter(|place| place.canonicalize().ok() != used) {
        let is_read = place.is_file()
            && place.parent().is_some_and(|state| is_own(state, &folder))
            && is_own(&place, &folder);
        let bought = if is_read {
            bought(&place, project, forecast)
        } else {
            0
        };
        if bought > 0 {
            let shown = seen_from_here(&place).display().to_string();
            let jobs = if bought == 1 { "job" } else { "jobs" };
            let message = format!(
                "the ledger {shown} knows {bought} {jobs} of this manifest as bought, which a run would buy again"
            );
            let own = seen_from_here(&project.ledger).display().to_string();
            return Some(
                Failure::msg(Kind::Usage, message)
                    .hint(format!("use that ledger: --ledger {shown}"))
                    .hint(format!(
                        "to buy them again, name the new ledger: --ledger {own}"
                    )),
            );
        }
    }
    None
}

/// The number of jobs that a run would buy and that are already bought in a ledger. If that ledger can't be read, warns and returns 0.
fn bought(ledger: &Path, project: &Project, forecast: &Forecast) -> usize {
    let known = match Ledger::read(ledger).and_then(|ledger| ledger.jobs()) {
        Ok(known) => known,
        Err(error) => {
            let ledger = seen_from_here(ledger);
            tracing::warn!("the ledger {} is not compared: {error}", ledger.display());
            return 0;
        }
    };
    let rows = project.plan.jobs.iter().zip(&forecast.rows);
    let wanted = rows.filter(|(_, row)| matches!(row.sign, Sign::Buy | Sign::Changed));
    let is_bought = |job: &Job| {
        job.task().is_some()
            || matches!(job.phase, Phase::InDoubt { .. } | Phase::Submitting { .. })
    };
    let is_known = |key| known.get(key).is_some_and(|known| is_bought(&known.job));
    wanted.filter(|(job, _)| is_known(&job.key)).count()
}
