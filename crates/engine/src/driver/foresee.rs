//! What pure hooks would decide: for a plan that is only looked at. Nothing is recorded and nothing but they is run.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use futures::StreamExt;

use super::hooks::{folder_of, verdict};
use crate::hold::{Holding, Sign};
use crate::hooks::{Desk, Facts, HookPoint, RunSaid, Surroundings, Verdict, Word};
use crate::plan::{JobKey, Plan, Settings};
use crate::store::KnownJob;

/// Jobs that are asked about at the same time.
const AT_ONCE: usize = 16;

/// What pure hooks foresee for one job.
#[derive(Debug, Clone, PartialEq)]
pub struct Foreseen {
    /// The job's place in the plan.
    pub slot: usize,
    /// What they decide.
    pub verdict: Verdict,
}

/// Asks the pure hooks about every job that a run would submit and that was never submitted. Gives those that they don't simply
/// let pass, in plan order, and lays them over `holding`.
pub async fn foresee(
    plan: &Arc<Plan>,
    holding: &mut Holding,
    known: &HashMap<JobKey, KnownJob>,
    key: Option<&str>,
    now_ms: i64,
) -> Vec<Foreseen> {
    if !plan.hooks.foresees() {
        return Vec::new();
    }
    let surroundings = Surroundings {
        folder: folder_of(plan),
        output: plan.output.dir().to_owned(),
        environment: Arc::new(|name| std::env::var(name).ok()),
        key: key.map(str::to_owned),
        listener: None,
    };
    let desk = Desk::new(&plan.hooks, &surroundings);
    let facts = Facts {
        plan: plan.clone(),
        run: RunSaid {
            id: String::new(),
            name: plan.name.clone(),
            manifest: PathBuf::from(&plan.manifest).display().to_string(),
            provider: plan.provider.profile.name.clone(),
        },
    };
    let asked: Vec<usize> = (0..plan.jobs.len())
        .filter(|slot| {
            let row = &holding.rows[*slot];
            row.job.attempts == 0 && (row.submits || row.sign == Sign::Vetoed)
        })
        .collect();
    let (desk, facts) = (&desk, &facts);
    let mut taken: HashSet<JobKey> = plan.jobs.iter().map(|job| job.key).collect();
    taken.extend(
        known
            .iter()
            .filter(|(_, known)| known.job.attempts > 0)
            .map(|(key, _)| *key),
    );
    let all: Vec<(usize, Verdict)> = futures::stream::iter(asked)
        .map(|slot| async move { (slot, decide(desk, facts, slot, now_ms).await) })
        .buffered(AT_ONCE)
        .collect()
        .await;
    for (slot, verdict) in &all {
        holding.foresee(&mut taken, *slot, verdict);
    }
    holding.recount(plan);
    all.into_iter()
        .filter(|(_, verdict)| *verdict != Verdict::Pass)
        .map(|(slot, verdict)| Foreseen { slot, verdict })
        .collect()
}

/// What the pure hooks of both points come to on a job.
async fn decide(desk: &Desk, facts: &Facts, slot: usize, now_ms: i64) -> Verdict {
    let mut changed: Option<Settings> = None;
    for point in [HookPoint::BeforeUpload, HookPoint::BeforeSubmit] {
        let event = facts.of_job(point, now_ms, slot, changed.as_ref());
        match desk.ask(event, true).await.0 {
            Word::Go(settings) => changed = Some(*settings),
            word => return verdict(&facts.plan, slot, None, word).0,
        }
    }
    match changed {
        Some(settings) => verdict(&facts.plan, slot, None, Word::Go(Box::new(settings))).0,
        None => Verdict::Pass,
    }
}

impl Holding {
    /// Lays what hooks foresee for a job over its row.
    fn foresee(&mut self, taken: &mut HashSet<JobKey>, slot: usize, verdict: &Verdict) {
        let row = &mut self.rows[slot];
        match verdict {
            Verdict::Pass => {
                (row.submits, row.sign) = (
                    true,
                    if row.sign == Sign::Vetoed {
                        Sign::Buy
                    } else {
                        row.sign
                    },
                );
                if row.sign == Sign::Buy {
                    row.note.clear();
                }
            }
            Verdict::Veto { why } => {
                (row.submits, row.sign) = (false, Sign::Vetoed);
                row.note = format!("vetoed: {why}");
            }
            Verdict::Change { key, .. } => {
                (row.submits, row.sign) = (taken.insert(*key), Sign::Buy);
                row.note = if row.submits {
                    "hooks change it".to_owned()
                } else {
                    "hooks make it a job that is bought or planned already: buys nothing".to_owned()
                };
            }
            Verdict::Fail { message } => {
                (row.submits, row.sign) = (false, Sign::Failed);
                row.note = message.clone();
            }
        }
    }
}
