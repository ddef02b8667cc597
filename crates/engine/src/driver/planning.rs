//! Runs the hooks of `plan_job`: each job of a manifest becomes the job that is planned, before the plan is compared with the
//! ledger and recorded.
//!
//! ```text
//!  job ──► hook 1 ──► hook 2 ──► … ──► settings, key         many jobs at a time, results in the order of the plan
//!            │ recorded before? then not called again
//! ```
//!
//! A response is used again while the hook (its command, the project's files that it names, its script) and the job are the same, so
//! a hook whose responses vary does not buy a job anew by itself. `plan` and `validate` call only hooks that are `pure`, and use what
//! a run has recorded of the others.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;

use super::hooks::folder_of;
use crate::hooks::{
    BoundHook, EventBuilder, HookContext, HookDecision, HookError, HookEvent, HookFailure,
    HookKind, HookPoint, HookResponse, HookRunner, HookSpec, RunInfo, Target, changed,
};
use crate::plan::{HookRefusal, Plan, PlannedJob};
use crate::settings::{JobKey, Settings};
use crate::store::{HookResult, Store, StoreError};

/// Jobs whose hooks are called at the same time.
const AT_ONCE: usize = 16;

/// Responses that are recorded together: a run that is stopped while it plans loses at most so many.
const RECORDED_TOGETHER: usize = 200;

/// Most time of all scripts together while a plan is only shown, and of a call: planning a stranger's manifest runs them.
const PREVIEW: PreviewBounds = PreviewBounds {
    scripts: Duration::from_secs(5 * 60),
    call_ms: 60_000,
};

/// Bounds of the scripts that run while a plan is only shown.
#[derive(Debug, Clone, Copy)]
struct PreviewBounds {
    /// Most time of all calls together.
    scripts: Duration,
    /// Most time of one call, where the hook's own timeout is longer.
    call_ms: u64,
}

/// Longest file of a hook that is read to tell whether the hook has changed.
const MAX_FILE_BYTES: u64 = 64 * 1024 * 1024;

/// Which hooks are called, and where their responses are recorded.
pub enum PlanHooks<'a> {
    /// Those that are pure; nothing recorded is used. The same manifest gives the same plan everywhere.
    Pure,
    /// Those that are pure; of the others what a run has recorded.
    Recorded(Option<&'a dyn Store>),
    /// All; what is not recorded yet is called, and recorded.
    All(&'a mut dyn Store),
}

/// What came of planning beside the plan itself.
#[derive(Debug, Default)]
pub struct PlanningReport {
    /// Failures of hooks, each with the job that it was about.
    pub failures: Vec<(JobKey, HookFailure)>,
    /// Hooks that were not called because they are not pure, by name, where a job has no recorded response of theirs.
    pub left: BTreeSet<String>,
}

/// Why jobs could not be planned.
#[derive(Debug, thiserror::Error)]
pub enum PlanningError {
    /// The ledger could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Scripts took too long, all jobs together.
    #[error(
        "the scripts that are `pure` took more than {} s for {planned} of {all} jobs", limit.as_secs()
    )]
    ScriptsTooSlow {
        /// The most time that they may take.
        limit: Duration,
        /// Jobs that were planned by then.
        planned: usize,
        /// All jobs.
        all: usize,
    },
    /// Hooks make two jobs one request, which would be bought once.
    #[error("hooks of `plan_job` make `{one}` and `{two}` one and the same request")]
    SameRequest {
        /// A job.
        one: String,
        /// A later job.
        two: String,
    },
}

/// What the hooks of one job came to.
struct HookResults {
    settings: Option<Settings>,
    refusal: Option<HookRefusal>,
    failures: Vec<HookFailure>,
    left: Vec<String>,
    results: Vec<HookResult>,
}

/// A hook of `plan_job`, and what identifies its responses.
struct PlanHook {
    bound: Arc<BoundHook>,
    identity: blake3::Hash,
}

/// Applies the hooks of `plan_job` to a plan's jobs. `progress` is given the jobs done and all.
///
/// # Errors
/// When the ledger can't be read or written, when hooks make two jobs one request, and when scripts of a plan that is only shown take
/// too long.
pub async fn plan_jobs(
    plan: &mut Plan,
    hooks: PlanHooks<'_>,
    key: Option<&str>,
    now_ms: i64,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<PlanningReport, PlanningError> {
    plan_within(plan, hooks, key, now_ms, progress, PREVIEW).await
}

async fn plan_within(
    plan: &mut Plan,
    hooks: PlanHooks<'_>,
    key: Option<&str>,
    now_ms: i64,
    progress: &mut dyn FnMut(usize, usize),
    bounds: PreviewBounds,
) -> Result<PlanningReport, PlanningError> {
    let mut report = PlanningReport::default();
    let previews = !matches!(hooks, PlanHooks::All(_));
    let foresees = previews && plan.hooks.all.iter().any(|hook| hook.pure);
    if !plan.hooks.has(HookPoint::PlanJob) && !foresees {
        return Ok(report);
    }
    let context = HookContext {
        folder: folder_of(plan),
        output: plan.output.dir().to_owned(),
        environment: Arc::new(|name| std::env::var(name).ok()),
        key: key.map(str::to_owned),
        listener: None,
    };
    let mut specs = plan.hooks.clone();
    if previews {
        for spec in &mut specs.all {
            spec.timeout_ms = spec.timeout_ms.min(bounds.call_ms);
        }
    }
    let runner = HookRunner::new(&specs, &context);
    let facts = EventBuilder {
        plan: Arc::new(plan.clone()),
        run: RunInfo {
            id: String::new(),
            name: plan.name.clone(),
            manifest: plan.manifest.display().to_string(),
            provider: plan.provider.profile.name.clone(),
        },
    };
    let chain = runner.at(HookPoint::PlanJob).map(|bound| PlanHook {
        bound: bound.clone(),
        identity: identity(&bound.spec, &context.folder, &plan.project_dir),
    });
    let chain: Vec<PlanHook> = chain.collect();
    let store = RefCell::new(hooks);
    let (all, mut done) = (plan.jobs.len(), 0);
    let planner = Planner {
        chain: &chain,
        runner: &runner,
        facts: &facts,
        store: &store,
        previews,
        now_ms,
    };
    let planner = &planner;
    let mut planned = futures::stream::iter(&facts.plan.jobs)
        .map(|job| planner.job(job))
        .buffered(AT_ONCE);
    let mut results = Vec::new();
    while let Some(job) = planned.next().await {
        let job = job?;
        if previews && runner.scripts_took() > bounds.scripts {
            return Err(PlanningError::ScriptsTooSlow {
                limit: bounds.scripts,
                planned: done,
                all,
            });
        }
        let slot = done;
        done += 1;
        if let Some(settings) = job.settings {
            plan.change(slot, settings);
        }
        let key = plan.jobs[slot].key;
        plan.jobs[slot].refusal = job.refusal;
        let failures = job.failures.into_iter();
        report.failures.extend(failures.map(|it| (key, it)));
        report.left.extend(job.left);
        results.extend(job.results);
        if results.len() >= RECORDED_TOGETHER || done == all {
            keep(&store, &results)?;
            results.clear();
        }
        progress(done, all);
    }
    refuse_equals(plan)?;
    Ok(report)
}

fn keep(hooks: &RefCell<PlanHooks<'_>>, results: &[HookResult]) -> Result<(), StoreError> {
    match &mut *hooks.borrow_mut() {
        PlanHooks::All(store) if !results.is_empty() => store.keep_hook_results(results),
        _ => Ok(()),
    }
}

/// Refuses two jobs with one key, as a manifest's own are refused.
fn refuse_equals(plan: &Plan) -> Result<(), PlanningError> {
    let mut seen = HashMap::with_capacity(plan.jobs.len());
    for job in &plan.jobs {
        if let Some(first) = seen.insert(job.key, job) {
            return Err(PlanningError::SameRequest {
                one: plan.job_name(first),
                two: plan.job_name(job),
            });
        }
    }
    Ok(())
}

struct Planner<'a, 's> {
    chain: &'a [PlanHook],
    runner: &'a HookRunner,
    facts: &'a EventBuilder,
    store: &'a RefCell<PlanHooks<'s>>,
    previews: bool,
    now_ms: i64,
}

impl Planner<'_, '_> {
    /// Plans one job.
    async fn job(&self, job: &PlannedJob) -> Result<HookResults, StoreError> {
        let mut planned = HookResults {
            settings: None,
            refusal: None,
            failures: Vec::new(),
            left: Vec::new(),
            results: Vec::new(),
        };
        // A step is what its song is: hooks that may change a job are called for songs.
        if job.step.is_some() {
            return Ok(planned);
        }
        let mut event = self.facts.of_job(HookPoint::PlanJob, self.now_ms, job);
        for hook in self.chain {
            let input = hook_input(hook, &event);
            let recorded = self.recorded(&input)?;
            let response = match recorded {
                Some(response) => Ok(response),
                None if self.previews && !hook.bound.spec.pure => {
                    planned.left.push(hook.bound.spec.name());
                    continue;
                }
                None => hook.bound.put(&event).await.map(|output| output.response),
            };
            match self.apply(response, &mut event, &mut planned) {
                Ok(response) => planned.results.extend(response.map(|response| HookResult {
                    input,
                    response: response.to_json().to_string(),
                })),
                Err(error) => {
                    let (failure, refusal) = hook.bound.failed(&error);
                    planned.failures.push(failure);
                    planned.refusal = refusal;
                }
            }
            if planned.refusal.is_some() {
                return Ok(planned);
            }
        }
        if self.previews {
            self.foresee(job, &mut planned).await;
        }
        Ok(planned)
    }

    /// A response that an earlier run recorded.
    fn recorded(&self, input: &[u8; 32]) -> Result<Option<HookResponse>, StoreError> {
        let recorded = match &*self.store.borrow() {
            PlanHooks::Pure | PlanHooks::Recorded(None) => None,
            PlanHooks::Recorded(Some(store)) => store.hook_result(input)?,
            PlanHooks::All(store) => store.hook_result(input)?,
        };
        // What can't be read was not written by this program: the hook is called.
        Ok(recorded.and_then(|text| HookResponse::read(text.as_bytes()).ok()))
    }

    /// Applies a hook's response. Returns it where it is to be recorded: the next run calls the hook again for a vetoed job.
    fn apply(
        &self,
        response: Result<HookResponse, HookError>,
        event: &mut HookEvent,
        planned: &mut HookResults,
    ) -> Result<Option<HookResponse>, HookError> {
        let response = response?.allowed_at(HookPoint::PlanJob)?;
        match &response {
            HookResponse::Veto(why) => {
                planned.refusal = Some(HookRefusal::Veto(why.clone()));
                return Ok(None);
            }
            HookResponse::Change(change) => {
                if let Some(job) = &mut event.job {
                    job.settings = changed(&job.settings, change)?;
                    planned.settings = Some(job.settings.clone());
                }
            }
            HookResponse::Nothing | HookResponse::Unknown(_) | HookResponse::Delay(_) => {}
        }
        Ok(Some(response))
    }

    /// Adds what the pure hooks of later points will say to the job.
    async fn foresee(&self, job: &PlannedJob, planned: &mut HookResults) {
        for point in [HookPoint::BeforeUpload, HookPoint::BeforeSubmit] {
            let mut event = self.facts.of_job(point, self.now_ms, job);
            if let (Some(job), Some(settings)) = (&mut event.job, &planned.settings) {
                job.settings = settings.clone();
            }
            let (decision, _) = self.runner.decide(&event, true).await;
            if let HookDecision::Refuse(refusal) = decision {
                planned.refusal = Some(refusal);
                return;
            }
        }
    }
}

/// The hash of a hook and of the job that it gets, which the ledger has. When and where the manifest lies is no part of it: the same
/// job in another directory has the same hash.
fn hook_input(hook: &PlanHook, event: &HookEvent) -> [u8; 32] {
    let mut job = event.job.clone();
    if let Some(job) = &mut job {
        job.stem.file = None;
    }
    let job = serde_json::to_vec(&job).expect("a job has string keys and finite numbers");
    let mut hasher = blake3::Hasher::new();
    hasher.update(hook.identity.as_bytes());
    hasher.update(&job);
    *hasher.finalize().as_bytes()
}

/// What a hook is: how it is called, and the contents of the project's files that it names.
fn identity(spec: &HookSpec, folder: &Path, project_dir: &Path) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    let mut field = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    match &spec.kind {
        HookKind::Run { argv } | HookKind::Service { argv, .. } => {
            for word in argv {
                field(word.as_bytes());
                if let Some(content) = content(&folder.join(word), project_dir) {
                    field(content.as_bytes());
                }
            }
        }
        HookKind::Lua { source, .. } => field(source.as_bytes()),
        HookKind::Http { target, .. } => match target {
            Target::Address(url) => field(url.as_str().as_bytes()),
            Target::Env(name) => field(name.as_bytes()),
        },
        HookKind::Loudness | HookKind::Store { .. } => {}
    }
    for name in &spec.env {
        field(name.as_bytes());
    }
    hasher.finalize()
}

/// The hash of a file of the project; none for what is no such file.
fn content(path: &Path, project_dir: &Path) -> Option<blake3::Hash> {
    let path = path.canonicalize().ok()?;
    let inside = path.starts_with(project_dir.canonicalize().ok()?);
    let facts = path.metadata().ok()?;
    if !inside || !facts.is_file() || facts.len() > MAX_FILE_BYTES {
        return None;
    }
    std::fs::read(&path).ok().map(|bytes| blake3::hash(&bytes))
}

#[cfg(all(test, feature = "lua"))]
mod tests {
    use super::*;
    use crate::manifest::{LoadOptions, load};

    /// Plans ten jobs with a script that is pure.
    fn plan(hooks: PlanHooks<'_>, bounds: PreviewBounds) -> Result<PlanningReport, PlanningError> {
        let folder = tempfile::tempdir().unwrap();
        let manifest = folder.path().join("songs.yaml");
        let text = "version: 1\nname: songs\nstems: [{id: a, url: \"https://cdn.example.com/a.mp3\"}]\n\
            presets: {p: {tags: x}}\ntakes: 10\non: {plan_job: [{lua: \"change{title = stem.id .. take}\", pure: true}]}\n";
        std::fs::write(&manifest, text).unwrap();
        let mut plan = load(&manifest, &LoadOptions::default()).unwrap().plan;
        let mut no_progress = |_: usize, _: usize| {};
        let planning = plan_within(&mut plan, hooks, None, 0, &mut no_progress, bounds);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(planning)
    }

    #[test]
    fn scripts_of_a_plan_that_is_only_shown_have_a_bound_together() {
        assert!(plan(PlanHooks::Pure, PREVIEW).unwrap().failures.is_empty());
        let none = PreviewBounds {
            scripts: Duration::ZERO,
            ..PREVIEW
        };
        let error = plan(PlanHooks::Pure, none).unwrap_err();
        assert!(
            matches!(
                error,
                PlanningError::ScriptsTooSlow {
                    planned: 0,
                    all: 10,
                    ..
                }
            ),
            "{error}"
        );
    }
}
