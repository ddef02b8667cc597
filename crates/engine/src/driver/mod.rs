//! The shell around the [`conductor`](crate::conductor): the only place with a clock, sockets and files.
//!
//! ```text
//!   select! ──► inputs ──► conductor ──► ledger.append (one fsync for all of it) ──► effects as tasks ──► inputs …
//! ```
//!
//! One task owns the run. Whatever became ready while the last commit was under way is decided together and committed together,
//! so the ledger's fsync is shared by as many jobs as are busy. Effects begin only after the records that announce them are
//! durable, and a callback gets its response only after it is.

mod adopt;
mod callbacks;
mod client;
mod clock;
mod config;
mod effects;
mod error;
mod file_names;
mod hooks;
mod keep;
mod left_callbacks;
mod left_receipts;
mod listen;
mod message;
mod other_tasks;
mod plan_index;
mod planning;
mod relocate;
mod resolve;
mod share;
mod shell;
mod superseded;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use backline_api::{ApiKey, Tape};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::conductor::{Conductor, Decision, response_lost};
use crate::event::{Event, Outcome, Record, RunId};
use crate::forecast::Missing;
use crate::hooks::PlanInfo;
use crate::index::Index;
use crate::job::Step;
use crate::opening::Opening;
use crate::plan::{Plan, Purchases, StemSource};
use crate::receipts::Receipts;
use crate::reconnect::Reconnect;
use crate::settings::JobKey;
use crate::status::Sign;
use crate::store::{KnownJob, NewRecord, PlannedRow, RecordedStem, RunBounds, RunHeader, Store};

use callbacks::{ListenConfig, Receiver};
use client::{client, refuse_private_provider, upload_host};
use clock::Clock;
use config::{config, offers, resumed, spent_before};
use effects::EffectRunner;
use hooks::RunHooks;
use left_callbacks::LeftCallbacks;
use left_receipts::left_receipts;
use plan_index::PlanIndex;
use relocate::relocate;
use share::Share;
use shell::Shell;
use superseded::{Renamed, make_way};

pub use crate::conductor::IllegalStep;
pub use crate::hooks::HookFailure;
pub use config::account;
pub use error::RunError;
pub use listen::{ListenSummary, listen, record_left_callbacks};
pub use other_tasks::{OtherFile, OtherTask, OtherTaskError, OtherTrack, fetch_other_tasks};
pub use planning::{PlanHooks, PlanningError, PlanningReport, plan_jobs};
pub use resolve::{Doubt, Resolution, ResolveError, Settlement, doubts, find_job, resolve, settle};
pub use share::{GivenSong, SharedRun};

/// Callbacks that wait to be decided on; the vendor tries again when the queue is full.
const CALLBACK_BACKLOG: usize = 256;

/// Who calls; some vendors refuse a request without it.
const USER_AGENT: &str = concat!("backline/", env!("CARGO_PKG_VERSION"));

/// What a run is given.
#[derive(Debug)]
pub struct Run {
    /// The plan, its jobs [planned](plan_jobs) and [compared with the ledger](crate::opening::open); its provider has its final
    /// address.
    pub plan: Arc<Plan>,
    /// What is known of it.
    pub opening: Opening,
    /// How hooks failed while its jobs were planned.
    pub hook_failures: Vec<(JobKey, HookFailure)>,
    /// The provider's key.
    pub key: ApiKey,
    /// The folder that kept files are named relative to.
    pub project_dir: PathBuf,
    /// The name of the manifest's file in the ledger.
    pub manifest: String,
    /// The rest of the manifest, where the plan has only a part of its jobs.
    pub part_of: Option<Album>,
    /// The key that callbacks are signed with, where they are.
    pub callback_key: Option<Vec<u8>>,
    /// Listen for callbacks on a free loopback port: for a provider on this machine.
    pub local_callbacks: bool,
    /// Whether jobs in flight under a key that was replaced become this account's, where the provider proves that they are.
    pub adopts_account: bool,
    /// Records the provider's responses, or replays recorded ones instead of calling the provider.
    pub tape: Option<Tape>,
    /// The folder for [receipts](crate::receipts), on this machine.
    pub receipts: PathBuf,
    /// The songs that this process is given, where others carry out the run as well.
    pub shared: Option<SharedRun>,
    /// How a user stops it.
    pub signals: Signals,
}

/// The manifest of which a run carries out a part.
#[derive(Debug, Clone)]
pub struct Album {
    /// The options that selected the part, as `--filter preset=lofi`.
    pub selection: String,
    /// Every job of the manifest, in plan order.
    pub rows: Vec<PlannedRow>,
}

/// How a user stops a run.
#[derive(Debug, Clone, Default)]
pub struct Signals {
    /// Begin nothing more, end what is under way.
    pub drain: CancellationToken,
    /// Stop at once.
    pub stop: CancellationToken,
}

/// What a run came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Ended {
    /// The run.
    pub run: RunHeader,
    /// How it ended.
    pub outcome: Outcome,
}

/// Runs a plan: submits what is not bought, follows what is, keeps every track. `observe` gets every record after it
/// has become durable.
pub async fn run(
    mut run: Run,
    store: &mut dyn Store,
    observe: &mut (dyn FnMut(&Record) + Send),
) -> Result<Ended, RunError> {
    let clock = Clock::new();
    let now_ms = clock.now_ms();
    let account = account(&run.plan, &run.key, store)?;
    let Opening {
        mut known,
        recognized,
        mut forecast,
    } = std::mem::take(&mut run.opening);
    let bought: HashSet<JobKey> = run.plan.jobs.iter().map(|job| job.key).collect();
    let (left_receipts, found) = left_receipts(&run.receipts, now_ms, &mut known);
    let others = adopt::other_accounts(&bought, &known, &account, run.adopts_account);
    if let Some((other, jobs)) = others.first_key_value()
        && !run.adopts_account
    {
        return Err(RunError::OtherAccount {
            jobs: *jobs,
            account: other.clone(),
        });
    }
    let joined = run.shared.as_ref().and_then(|run| run.joins.clone());
    let joins = joined.is_some();
    let mut header = match joined {
        Some(header) if header.account != account => {
            return Err(RunError::OtherAccount {
                jobs: run.plan.jobs.len(),
                account: header.account,
            });
        }
        Some(header) => header,
        None => RunHeader {
            id: run
                .shared
                .as_ref()
                .map_or_else(RunId::new, |run| run.id.clone()),
            started_ms: now_ms,
            name: run.plan.name.clone(),
            manifest: run.manifest.clone(),
            provider: run.plan.provider.profile.name.clone(),
            address: Some(run.plan.provider.address_fingerprint()),
            account: account.clone(),
            retention_days: run.plan.provider.profile.retention_days,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            price_credits: Some(run.plan.provider.profile.song_price_credits()),
            bounds: Some(RunBounds::from(&run.plan.limits)),
            selection: run.part_of.as_ref().map(|album| album.selection.clone()),
            album: None,
            knows_titles: true,
            changes_in_plan: true,
            is_shared: run.shared.is_some(),
        },
    };
    let client = client(&run.plan, &run.key, &known, run.tape.clone())?;
    let buys = run.plan.purchases != Purchases::None;
    if buys {
        refuse_private_provider(&client).await?;
    }

    let mut adopted = Vec::new();
    for from in others.into_keys() {
        let task_id = adopt::prove(&client, &known, &from).await?;
        adopted.push(Event::AccountAdopted { from, task_id });
    }

    let (calls_in, calls) = mpsc::channel(CALLBACK_BACKLOG);
    let listen_config = ListenConfig::of(&run.plan, run.callback_key.clone(), run.local_callbacks);
    let receiver = match listen_config {
        Some(listen_config) => {
            let client = Some(client.clone());
            Some(Receiver::start(listen_config, client, calls_in).await?)
        }
        None => None,
    };
    let renamed = match joins {
        true => Vec::new(),
        false => begin(&run, &mut header, now_ms, &mut known, store)?,
    };
    if !renamed.is_empty() || !found.is_empty() {
        for (job, row) in run.plan.jobs.iter().zip(&mut forecast.rows) {
            if let Some(known) = known.get(&job.key) {
                row.job.clone_from(&known.job);
            }
            // Moved by a run that died before it could record that: it is not missing.
            let is_found =
                |missing: &Missing| renamed.iter().any(|it| it.key == job.key && it.is(missing));
            if !row.missing.is_empty() {
                row.missing.retain(|missing| !is_found(missing));
            }
        }
    }

    for event in &adopted {
        if let Event::AccountAdopted { from, .. } = event {
            store.join_account(from, &account)?;
            let theirs = known.values_mut().filter(|known| known.account == *from);
            theirs.for_each(|known| known.account.clone_from(&account));
        }
    }

    // Nobody waits for the responses of a run that died, also of jobs that this run is not about.
    let mut lost = found;
    let is_dead = |key: &JobKey| run.shared.is_none() && !bought.contains(key);
    for (key, known) in known.iter_mut().filter(|(key, _)| is_dead(key)) {
        if let Some(event) = response_lost(&known.job.phase)
            && let Step::Changed(next) = known.job.step(now_ms, &event)
        {
            known.job = Arc::new(next);
            lost.push((*key, event));
        }
    }

    let spent_before = spent_before(&bought, &known);
    let (offers, offer_of_job) = offers(&run.plan);
    let config = config(
        &run,
        &header,
        offers,
        spent_before,
        now_ms,
        receiver.is_some(),
    );
    let window_ms = i64::try_from(run.plan.limits.rate.window_ms).unwrap_or(i64::MAX / 4);
    let mut earlier =
        store.places_since(&account, now_ms.saturating_sub(window_ms.saturating_mul(2)))?;
    // A clock was ahead: none of them was made later than now.
    for place in &mut earlier {
        place.taken_ms = place.taken_ms.min(now_ms);
        place.left_ms = place.left_ms.map(|left_ms| left_ms.min(now_ms));
    }
    let index = Index::new(&known);
    let keys = recognized.iter().map(|it| it.key);
    let linked: Vec<(JobKey, KnownJob)> = keys
        .chain(renamed.iter().map(|it| it.key))
        .chain(lost.iter().map(|(key, _)| *key))
        .filter_map(|key| Some((key, known.get(&key)?.clone())))
        .collect();
    for (key, written) in &linked {
        if let Some(known) = known.get_mut(key) {
            known.version = written.version + 1;
        }
    }
    let elsewhere = known.iter().filter(|(_, known)| known.account != account);
    let elsewhere = elsewhere.map(|(key, known)| (*key, known.account.clone()));
    let elsewhere: HashMap<JobKey, String> = elsewhere.collect();
    let versions = known.iter().map(|(key, known)| (*key, known.version));
    let versions: HashMap<JobKey, u64> = versions.filter(|(key, _)| bought.contains(key)).collect();
    // The conductor's jobs are the only ones that stay in memory.
    drop(known);
    let to_submit = forecast.to_submit;
    let about_to = PlanInfo {
        jobs: run.plan.jobs.len() as u64,
        to_submit,
        credits: forecast.credits,
        least_ms: forecast.least_ms,
    };
    // A vetoed job may be bought after all, and one in doubt is judged by the balance. A studio of this process has no account whose
    // balance would mean anything.
    let reads_balance = buys
        && !joins
        && run.plan.provider.embedded.is_none()
        && (to_submit > 0 || forecast.count(Sign::Vetoed) + forecast.count(Sign::InDoubt) > 0);
    let conductor = Conductor::new(
        config,
        resumed(
            &run.plan,
            forecast,
            offer_of_job,
            &elsewhere,
            &versions,
            now_ms,
        ),
        index,
        earlier,
        now_ms,
    );
    let started = Event::RunStarted {
        name: header.name.clone(),
        provider: header.provider.clone(),
        jobs: run.plan.jobs.len() as u64,
        to_submit,
        upload_host: upload_host(&run.plan),
    };
    let recorded = |job: Option<JobKey>, event: Event| NewRecord {
        at_ms: now_ms,
        run: header.id.clone(),
        account: account.clone(),
        job,
        event,
    };
    let opening = std::iter::once(started).filter(|_| !joins).chain(adopted);
    let opening = opening.map(|event| recorded(None, event));
    let mut decision = Decision::default();
    let songs = lost.iter().filter_map(|(job, _)| conductor.song_of(job));
    decision.batch.left.extend(songs.filter(|_| joins));
    decision.batch.jobs.extend(linked);
    let linked = recognized.into_iter().map(|it| (it.key, it.event));
    let renamed = renamed.into_iter().map(|it| (it.key, it.event));
    let changed = linked.chain(renamed).chain(lost);
    let changed = changed.map(|(key, event)| recorded(Some(key), event));
    let failed = std::mem::take(&mut run.hook_failures).into_iter();
    let failed = failed.map(|(about, failure)| recorded(None, failure.event(Some(about))));
    decision.batch.events = opening.chain(changed).chain(failed).collect();

    let plan_index = Arc::new(PlanIndex::new(run.plan.clone()));
    // Several processes of one run may share the folder.
    let receipts = Receipts::create(&run.receipts, RunId::new().as_str());
    let receipts = Arc::new(receipts.map_err(|source| RunError::Receipts {
        folder: run.receipts.display().to_string(),
        source,
    })?);
    let effects = EffectRunner::new(
        &run,
        &header.id,
        plan_index.clone(),
        client,
        receiver.as_ref().map(Receiver::public_url),
        clock.clone(),
        receipts.clone(),
    );
    let signals = run.signals.clone();
    let hooks = RunHooks::new(&run, plan_index, &header, clock.clone());
    let mut shell = Shell {
        store,
        observe,
        conductor,
        effects,
        clock,
        tasks: JoinSet::new(),
        calls,
        receiver,
        header: &header,
        hooks,
        receipts,
        left_receipts,
        accepted: Vec::new(),
        share: run.shared.take().map(Share::new),
        left_callbacks: LeftCallbacks::new(),
        reconnect: Reconnect::to("the ledger"),
        left_to_others: false,
        stop: signals.stop.clone(),
        over: CancellationToken::new(),
        over_at: None,
    };
    let begun = match joins {
        true => Ok(()),
        false => shell.begin_hooks(about_to, &signals, &mut decision).await,
    };
    let outcome = match begun {
        Ok(()) => shell.go(decision, &signals, reads_balance).await,
        Err(error) => Err(error),
    };
    shell.tasks.shutdown().await;
    if let Some(receiver) = shell.receiver.take() {
        receiver.stop().await;
    }
    Ok(Ended {
        outcome: outcome?,
        run: header,
    })
}

/// Records that a run begins, and puts files where its plan has them. Returns what became of files.
fn begin(
    run: &Run,
    header: &mut RunHeader,
    now_ms: i64,
    known: &mut HashMap<JobKey, KnownJob>,
    store: &mut dyn Store,
) -> Result<Vec<Renamed>, RunError> {
    if let Some(album) = &run.part_of {
        header.album = Some(store.store_album(&album.rows)?);
    }
    let mut rows = planned_rows(&run.plan, &run.project_dir);
    let mut selected = run.plan.jobs.iter().map(|job| job.selected);
    rows.retain(|_| selected.next().unwrap_or(true));
    store.begin_run(header, &rows)?;
    let album = match &run.part_of {
        Some(album) => album.rows.iter().map(|row| row.key).collect(),
        None => run.plan.jobs.iter().map(|job| job.key).collect(),
    };
    let mut renamed = make_way(&run.plan, &run.project_dir, header, &album, known, store)?;
    note_renamed(&renamed, now_ms, known);
    let moved = relocate(&run.plan, &run.project_dir, header, known, store)?;
    note_renamed(&moved, now_ms, known);
    renamed.extend(moved);
    Ok(renamed)
}

fn note_renamed(renamed: &[Renamed], now_ms: i64, known: &mut HashMap<JobKey, KnownJob>) {
    for Renamed { key, event } in renamed {
        if let Some(known) = known.get_mut(key)
            && let Step::Changed(next) = known.job.step(now_ms, event)
        {
            known.job = Arc::new(next);
        }
    }
}

/// The rows that a run of `plan` is recorded with; files are named relative to `project_dir`.
pub fn planned_rows(plan: &Plan, project_dir: &Path) -> Vec<PlannedRow> {
    let of_stem = |stem: &crate::plan::Stem| {
        let file = match &stem.source {
            StemSource::File(file) => Some(shown_path(project_dir, &file.path)),
            StemSource::Url(_) => None,
        };
        let recording = RecordedStem {
            fingerprint: stem.source.fingerprint(),
            file,
        };
        let vars = plan.output.stem_columns(&stem.id);
        (
            Arc::from(stem.id.as_str()),
            Arc::new(vars),
            Arc::new(recording),
        )
    };
    let stems: Vec<_> = plan.stems.iter().map(of_stem).collect();
    let row = |job: &crate::plan::PlannedJob| {
        let (stem, vars, recording) = stems[job.stem].clone();
        PlannedRow {
            key: job.key,
            stem,
            preset: job.preset.clone(),
            vars,
            sweep: job.sweep.clone(),
            take: job.take,
            settings: job.sent_settings(),
            step: job.step.clone(),
            recording: Some(recording),
        }
    };
    plan.jobs.iter().map(row).collect()
}

/// Where a path lies as the ledger writes it: relative to the project folder with `/`, or absolute when it lies outside.
pub(crate) fn shown_path(project_dir: &Path, path: &Path) -> String {
    match path.strip_prefix(project_dir) {
        Ok(inside) => {
            let parts: Vec<_> = inside
                .components()
                .map(|part| part.as_os_str().to_string_lossy())
                .collect();
            parts.join("/")
        }
        Err(_) => path.display().to_string(),
    }
}
