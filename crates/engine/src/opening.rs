//! A plan as a run begins with it: under the keys that its jobs were bought under, compared with the ledger.
//!
//! Computed once, by the command that shows a plan or starts a run, and handed on: see [`Run`](crate::driver::Run).

use std::collections::{HashMap, HashSet};

use crate::event::KeptFile;
use crate::forecast::{Forecast, forecast};
use crate::kept_files::OnDisk;
use crate::manifest::lock::{INPUT, changed_settings, changed_step};
use crate::plan::{Coordinates, Plan};
use crate::recognize::{Recognized, recognize};
use crate::recovery;
use crate::settings::JobKey;
use crate::status::Sign;
use crate::store::{COMPARED_RUNS, KnownJob, Store, StoreError};

/// What is known of a plan before its run.
#[derive(Debug, Clone, Default)]
pub struct Opening {
    /// Every job of the ledger.
    pub known: HashMap<JobKey, KnownJob>,
    /// Jobs that were found under former keys, for the run to record.
    pub recognized: Vec<Recognized>,
    /// What a run would do with each job.
    pub forecast: Forecast,
}

/// Compares a plan with the ledger, if there is one, and adds the [recoveries](crate::recovery) of songs that are lost. `manifest` is the
/// manifest's name there; `look` gives what became of a kept file.
///
/// # Errors
/// When the ledger can't be read.
pub fn open(
    plan: &mut Plan,
    store: Option<&dyn Store>,
    manifest: &str,
    now_ms: i64,
    look: &dyn Fn(&KeptFile) -> OnDisk,
) -> Result<Opening, StoreError> {
    let mut opening = compare(plan, store, manifest, now_ms, look)?;
    if recovery::insert(plan, &opening.known, &opening.forecast, now_ms) {
        opening.forecast = forecast(plan, &opening.known, now_ms, look);
        if let Some(store) = store {
            mark_changed(plan, &mut opening, store, manifest)?;
        }
    }
    Ok(opening)
}

/// Compares a plan with the ledger, if there is one; its jobs stay the manifest's.
///
/// # Errors
/// When the ledger can't be read.
pub fn compare(
    plan: &mut Plan,
    store: Option<&dyn Store>,
    manifest: &str,
    now_ms: i64,
    look: &dyn Fn(&KeptFile) -> OnDisk,
) -> Result<Opening, StoreError> {
    let mut opening = Opening::default();
    if let Some(store) = store {
        opening.known = store.jobs()?;
        opening.recognized = recognize(plan, &mut opening.known, store)?;
    }
    opening.forecast = forecast(plan, &opening.known, now_ms, look);
    if let Some(store) = store {
        mark_changed(plan, &mut opening, store, manifest)?;
    }
    Ok(opening)
}

/// Marks the jobs to buy with whose coordinates an earlier run of the manifest bought another job: an edited manifest, or a hook that was
/// edited or removed, would buy them anew.
fn mark_changed(
    plan: &Plan,
    opening: &mut Opening,
    store: &dyn Store,
    manifest: &str,
) -> Result<(), StoreError> {
    let Opening {
        known, forecast, ..
    } = opening;
    let mut open: HashMap<Coordinates, usize> = HashMap::new();
    for (slot, job) in plan.jobs.iter().enumerate() {
        if forecast.rows[slot].sign == Sign::Buy && !job.is_recovery() {
            open.insert(plan.coordinates(job), slot);
        }
    }
    let own: HashSet<JobKey> = plan.jobs.iter().map(|job| job.key).collect();
    let runs = store.runs()?.into_iter();
    let runs = runs.filter(|run| run.manifest == manifest);
    for run in runs.take(COMPARED_RUNS) {
        if open.is_empty() {
            break;
        }
        for mut row in store.plan_of(&run.id)? {
            if !run.changes_in_plan
                && let Some((link, _)) = crate::store::bought_in_place_of(known, row.key)
            {
                (row.key, row.settings) = (link.key, link.settings.clone());
            }
            let bought = known.get(&row.key).is_some_and(|it| it.job.attempts > 0);
            if !bought || own.contains(&row.key) {
                continue;
            }
            if let Some(slot) = open.remove(&row.coordinates()) {
                let job = &plan.jobs[slot];
                let differing = match (&row.step, &job.step) {
                    (Some(old), Some(new)) => changed_step(old, new),
                    _ => changed_settings(&row.settings, &job.settings),
                };
                let forecast = &mut forecast.rows[slot];
                forecast.sign = Sign::Changed;
                forecast.note = match differing.as_slice() {
                    [] => "an earlier run bought it for another recording".to_owned(),
                    [name] if name == INPUT => {
                        "an earlier run bought it of another result".to_owned()
                    }
                    names => format!("an earlier run bought it with other {}", names.join(", ")),
                };
            }
        }
    }
    Ok(())
}

#[cfg(all(test, feature = "lua"))]
mod tests {
    use std::path::{Path, PathBuf};
    use std::sync::Arc;

    use super::*;
    use crate::driver::{PlanHooks, plan_jobs, planned_rows};
    use crate::event::{Event, RunId, Token, Via};
    use crate::hooks::{HookPoint, Verdict};
    use crate::job::Job;
    use crate::ledger::Ledger;
    use crate::manifest::{LoadOptions, load};
    use crate::status::JobStatus;
    use crate::store::{Batch, NewRecord, RunHeader};
    use crate::summary::summarise;

    const NOW_MS: i64 = 1_800_000_000_000;

    const HOOK: &str = "on: {plan_job: [{lua: \"change{tags = tags .. ', slow'}\", pure: true}]}\n";

    fn manifest(folder: &Path, on: &str) -> PathBuf {
        let path = folder.join("songs.yaml");
        let text = format!(
            "version: 1\nname: songs\nstems: [{{id: verse, url: \"https://cdn.example.com/verse.mp3\"}}]\n\
             presets: {{piano: {{tags: calm piano}}}}\n{on}"
        );
        std::fs::write(&path, text).unwrap();
        path
    }

    async fn planned(folder: &Path, on: &str) -> Plan {
        let path = manifest(folder, on);
        let mut plan = load(&path, &LoadOptions::default()).unwrap().plan;
        plan_jobs(&mut plan, PlanHooks::Pure, None, NOW_MS, &mut |_, _| {})
            .await
            .unwrap();
        plan
    }

    /// A ledger as an earlier version left it, whose hook changed the job at `before_submit`: the job of the plan is linked to the one
    /// that was bought.
    fn old_ledger(path: &Path, before: &Plan, after: &Plan) -> RunHeader {
        let (key, bought) = (before.jobs[0].key, after.jobs[0].key);
        let header: RunHeader = serde_json::from_value(serde_json::json!({
            "id": "old", "started_ms": NOW_MS, "name": "songs", "manifest": "songs.yaml", "provider": "studio",
            "account": "studio:1", "retention_days": 14, "version": "0.1.0", "knows_titles": true
        }))
        .unwrap();
        let settings = Box::new(after.jobs[0].settings.clone());
        let decided = Event::Decided {
            point: HookPoint::BeforeSubmit,
            verdict: Verdict::Change {
                key: bought,
                settings,
            },
        };
        let intent = Event::Intent {
            attempt: 1,
            token: Token::from_text("t"),
            credits: 12.0.into(),
        };
        let accepted = Event::Accepted {
            attempt: 1,
            task_id: "5c79be8e".into(),
            via: Via::Response,
        };
        let mut ledger = Ledger::own(path).unwrap();
        let rows = planned_rows(before, &before.project_dir);
        ledger.begin_run(&header, &rows).unwrap();
        let mut batch = Batch::default();
        for (job, event) in [(key, decided), (bought, intent), (bought, accepted)] {
            let account = "studio:1".to_owned();
            let known = batch.jobs.entry(job).or_insert_with(|| KnownJob {
                job: Arc::default(),
                account: account.clone(),
                version: 0,
            });
            Arc::make_mut(&mut known.job).replay(NOW_MS, &event);
            batch.events.push(NewRecord {
                at_ms: NOW_MS,
                run: RunId::from_text("old"),
                account,
                job: Some(job),
                event,
            });
        }
        ledger.append(&batch).unwrap();
        drop(ledger);
        let file = rusqlite::Connection::open(path).unwrap();
        file.execute_batch("DROP TABLE hook_results; ALTER TABLE jobs DROP COLUMN version; PRAGMA user_version = 3;")
            .unwrap();
        header
    }

    fn signs(plan: &mut Plan, ledger: &Ledger) -> Vec<(Sign, bool)> {
        let look = |_: &KeptFile| OnDisk::AsKept;
        let opening = open(plan, Some(ledger), "songs.yaml", NOW_MS, &look).unwrap();
        let rows = opening.forecast.rows.iter();
        rows.map(|row| (row.sign, row.submits)).collect()
    }

    #[tokio::test]
    async fn what_an_earlier_version_bought_for_a_changed_job_is_not_bought_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.sqlite3");
        let mut before = planned(folder.path(), "").await;
        let mut after = planned(folder.path(), HOOK).await;
        let header = old_ledger(&path, &before, &after);
        // As it is, and updated by a run.
        for ledger in [Ledger::read(&path).unwrap(), Ledger::own(&path).unwrap()] {
            assert_eq!(signs(&mut after, &ledger), [(Sign::InProgress, false)]);
            // Without the hook another job is meant, and the plan shows that.
            assert_eq!(signs(&mut before, &ledger), [(Sign::Changed, true)]);
            // The report of the earlier run shows what was bought.
            let job = summarise(&ledger, &header).unwrap().jobs.remove(0);
            assert_eq!(job.state, JobStatus::Running);
            assert_eq!(job.key, after.jobs[0].key.to_string());
            assert_eq!(job.settings, after.jobs[0].settings);
        }
        assert_eq!(Ledger::read(&path).unwrap().check().unwrap().findings, []);
    }

    #[test]
    fn events_of_earlier_versions_are_read() {
        let text = r#"{"event":"decided","point":"before_submit","verdict":{"is":"change","key":"5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a","settings":{"title":"a","tags":"b","negative_tags":"","model":"c"}}}"#;
        let event: Event = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&event).unwrap(), text);
        let mut job = Job::default();
        job.replay(NOW_MS, &event);
        assert!(job.linked.is_some_and(|link| !link.is_same));
    }
}
