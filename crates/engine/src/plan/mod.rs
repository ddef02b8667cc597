//! What a manifest means: the ordered jobs, each with the identity that it has in every run and on every machine.
//!
//! A [`Plan`] is built by [`manifest::load`](crate::manifest::load) and never changes afterwards. It knows nothing of time,
//! network or ledger; [`forecast`](crate::forecast) compares it with the ledger, the driver carries it out.

mod file_name;
mod hooks;
mod output;
mod provider;
mod step;

use std::path::PathBuf;
use std::sync::Arc;

use backline_api::Operation;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use url::Url;

pub use self::file_name::path_part;
pub(crate) use self::file_name::{one_name, portable};
pub use self::hooks::{
    DEFAULT_START_TIMEOUT_MS, DEFAULT_TIMEOUT_MS, HookKind, HookSpec, Hooks, Order, Target,
};
pub(crate) use self::output::Namer;
pub use self::output::{Output, OutputError, TrackName};
pub(crate) use self::provider::fingerprint;
pub use self::provider::{Embedded, Provider, StudioAudio, StudioFont};
pub use self::step::JobStep;
use crate::event::Verdict;
use crate::settings::{
    JobIdentity, JobKey, RecordingIdentity, Setting, Settings, TitleIdentity, default_title,
    former_keys, job_key, unsigned,
};

/// The ordered jobs that a manifest means, and how to carry them out.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The manifest's `name`.
    pub name: String,
    /// The manifest's file.
    pub manifest: PathBuf,
    /// Where the ledger lies by default: the nearest folder upwards with a `backline.yaml`, else the manifest's own.
    pub project_dir: PathBuf,
    /// The ledger that the project file names: a path relative to `project_dir`, or the address of a server.
    pub ledger: Option<String>,
    /// The provider of the tracks.
    pub provider: Provider,
    /// What bounds a run.
    pub limits: Limits,
    /// How often a failed task is bought again.
    pub retries: Retries,
    /// The user's own code at points of a job's life.
    pub hooks: Hooks,
    /// Where callbacks are received, if they are.
    pub callbacks: Option<Callbacks>,
    /// Whether callbacks are off: then a provider on this machine is not given an address either.
    pub polls_only: bool,
    /// Where tracks are kept and how their files are named.
    pub output: Output,
    /// Whether songs that are lost at the provider's are recovered.
    pub recovers: bool,
    /// What a run may buy.
    pub purchases: Purchases,
    /// The reports to write after a run.
    pub reports: Vec<ReportKind>,
    /// The stems that at least one job uses, in the manifest's order.
    pub stems: Vec<Stem>,
    /// The jobs, in plan order.
    pub jobs: Vec<PlannedJob>,
}

/// What a run may buy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Purchases {
    /// Every job.
    #[default]
    All,
    /// Recoveries of songs that are lost, and nothing else.
    Recoveries,
    /// Nothing: the run follows and fetches what is bought.
    None,
}

impl Purchases {
    /// Whether they have a job.
    pub fn include(self, job: &PlannedJob) -> bool {
        match self {
            Self::All => true,
            Self::Recoveries => job.is_recovery(),
            Self::None => false,
        }
    }
}

/// One request to buy: stem × preset × sweep point × take, or a step behind one.
#[derive(Debug, Clone)]
pub struct PlannedJob {
    /// Its identity.
    pub key: JobKey,
    /// Index into [`Plan::stems`].
    pub stem: usize,
    /// The preset's name.
    pub preset: Arc<str>,
    /// The sweep point: setting → value as written, in the manifest's order. Shared between jobs.
    pub sweep: Arc<IndexMap<String, String>>,
    /// Which replicate of the same settings, from 1.
    pub take: u32,
    /// What its title has to do with its identity.
    pub title: TitleIdentity,
    /// What will be sent, templates rendered and `plan_job` hooks applied. A step has its song's, of which nothing is sent.
    pub settings: Settings,
    /// Why it is not bought, where hooks decided that.
    pub refusal: Option<HookRefusal>,
    /// What it does to the result of an earlier job of the plan, where it is a step.
    pub step: Option<Box<JobStep>>,
    /// Whether the selection has it. Otherwise it is here because a selected step processes its result, and is not bought.
    pub selected: bool,
}

/// What a manifest calls a job, whatever is sent for it: stem, preset, sweep point and take; of a step also the track and the step's name.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Coordinates {
    stem: String,
    preset: String,
    sweep: Vec<(String, String)>,
    take: u32,
    step: Option<(u32, Arc<str>)>,
}

impl Coordinates {
    /// The coordinates of a job.
    pub fn new(
        stem: &str,
        preset: &str,
        sweep: &IndexMap<String, String>,
        take: u32,
        step: Option<&JobStep>,
    ) -> Self {
        let (stem, preset) = (stem.to_owned(), preset.to_owned());
        let sweep = sweep.clone().into_iter().collect();
        Self {
            stem,
            preset,
            sweep,
            take,
            step: step.map(|step| (step.track, step.name.clone())),
        }
    }
}

/// Why hooks let a job not be bought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HookRefusal {
    /// A hook vetoed it.
    Veto(String),
    /// A hook failed.
    Failure(String),
}

impl PlannedJob {
    /// What is sent for it as a song; nothing of a step.
    pub fn sent_settings(&self) -> Settings {
        match self.step {
            None => self.settings.clone(),
            Some(_) => Settings::default(),
        }
    }

    /// The track of the song that a file of the job belongs to, from 1; `index` is the file's place among those of the job's task.
    pub(crate) fn song_track(&self, index: u32) -> u32 {
        let step = self.step.as_ref().filter(|_| !self.is_recovery());
        step.map_or(index, |step| step.track)
    }

    /// Whether it brings a song's tracks back.
    pub fn is_recovery(&self) -> bool {
        self.step.as_ref().is_some_and(|step| step.is_recovery())
    }
}

impl From<HookRefusal> for Verdict {
    fn from(refusal: HookRefusal) -> Self {
        match refusal {
            HookRefusal::Veto(why) => Self::Veto { why },
            HookRefusal::Failure(message) => Self::Fail { message },
        }
    }
}

impl Plan {
    /// Gives a job other settings, and the key that it has with them.
    pub(crate) fn change(&mut self, slot: usize, settings: Settings) {
        let job = &mut self.jobs[slot];
        if settings.text(Setting::TITLE) != job.settings.text(Setting::TITLE) {
            // A title that a hook gives is chosen.
            job.title = TitleIdentity::Chosen;
        }
        job.settings = settings.clone();
        for step in self.jobs[slot + 1..]
            .iter_mut()
            .take_while(|job| job.step.is_some())
        {
            step.settings = settings.clone();
        }
        let job = &self.jobs[slot];
        let key = job_key(&self.request(job, &self.provider.identity()));
        self.set_key(slot, key);
    }

    /// Gives a job another key, and its steps, which are behind it, the keys that they have with that.
    pub(crate) fn set_key(&mut self, slot: usize, key: JobKey) {
        let mut changed = vec![(std::mem::replace(&mut self.jobs[slot].key, key), key)];
        for job in &mut self.jobs[slot + 1..] {
            let Some(step) = &mut job.step else { break };
            let parent = changed.iter().find(|(before, _)| *before == step.parent);
            if let Some((_, parent)) = parent {
                step.parent = *parent;
                changed.push((std::mem::replace(&mut job.key, step.key()), step.key()));
            }
        }
    }

    /// The song that a job is, or is a step of: steps are behind their song.
    pub(crate) fn song_of(&self, slot: usize) -> &PlannedJob {
        let before = self.jobs[..=slot].iter().rev();
        let mut songs = before.filter(|job| job.step.is_none());
        songs.next().unwrap_or(&self.jobs[slot])
    }

    /// What is bought for a job.
    ///
    /// # Panics
    /// For a step that the provider does not sell: a manifest with one is no plan.
    pub fn operation(&self, job: &PlannedJob) -> &Operation {
        let profile = &self.provider.profile;
        match &job.step {
            None => &profile.operation,
            Some(step) => profile
                .step(&step.operation)
                .expect("a plan has only steps of its provider"),
        }
    }

    /// The credits that a job costs; 0 where they are not known.
    pub fn price_credits(&self, job: &PlannedJob) -> f64 {
        self.known_price(job).unwrap_or_default()
    }

    /// The same, and nothing where they are not known.
    pub fn known_price(&self, job: &PlannedJob) -> Option<f64> {
        match &job.step {
            None => Some(self.provider.profile.song_price_credits()),
            Some(step) => {
                let price = &self.operation(job).price;
                price.of_text(|name| step.setting(name))
            }
        }
    }

    /// The name by which a person knows a job: `verse / lofi / style_weight=0.2 / take 2`.
    pub fn job_name(&self, job: &PlannedJob) -> String {
        let mut name = format!("{} / {}", self.stems[job.stem].id, job.preset);
        for (setting, value) in job.sweep.iter() {
            name.push_str(&format!(" / {setting}={value}"));
        }
        if job.take > 1 {
            name.push_str(&format!(" / take {}", job.take));
        }
        if let Some(step) = &job.step {
            name.push_str(&format!(" / {step}"));
        }
        name
    }

    /// What the manifest calls one of its jobs.
    pub(crate) fn coordinates(&self, job: &PlannedJob) -> Coordinates {
        let stem = &self.stems[job.stem].id;
        Coordinates::new(stem, &job.preset, &job.sweep, job.take, job.step.as_deref())
    }

    /// Keys that earlier programs may have bought one of its jobs under, the likeliest first. They knew no steps.
    pub(crate) fn former_keys(&self, job: &PlannedJob) -> Vec<JobKey> {
        if job.step.is_some() {
            return Vec::new();
        }
        let default = default_title(&self.stems[job.stem].id, &job.preset);
        former_keys(&self.request(job, &self.provider.identity()), &default)
    }

    /// Keys that one of its jobs has where the provider has another name, the likeliest first.
    pub(crate) fn keys_as(&self, job: &PlannedJob, provider: &str) -> Vec<JobKey> {
        let default = default_title(&self.stems[job.stem].id, &job.preset);
        let profile = self.provider.identity_as(provider);
        let request = self.request(job, &profile);
        let own = std::iter::once(job_key(&request));
        own.chain(former_keys(&request, &default)).collect()
    }

    /// What a job's key is made of.
    pub(crate) fn request<'a>(&'a self, job: &'a PlannedJob, profile: &'a str) -> JobIdentity<'a> {
        JobIdentity {
            operation: self.provider.profile.operation.name,
            profile,
            recording: self.stems[job.stem].source.recording(),
            settings: &job.settings,
            title: job.title,
            take: job.take,
        }
    }
}

/// A source recording.
#[derive(Debug, Clone)]
pub struct Stem {
    /// Its id.
    pub id: String,
    /// Where it comes from.
    pub source: StemSource,
}

/// Where a stem comes from.
#[derive(Debug, Clone)]
pub enum StemSource {
    /// A file of this machine, uploaded before its first job.
    File(StemFile),
    /// A public address, sent as it is.
    Url(Url),
}

impl StemSource {
    /// The content's hash, or the address's without its signature: tells two recordings apart.
    pub fn fingerprint(&self) -> String {
        match self {
            Self::File(file) => blake3::Hash::from_bytes(file.hash).to_hex()[..16].to_owned(),
            Self::Url(url) => fingerprint_of(&unsigned(url)),
        }
    }

    /// The fingerprint that earlier programs recorded.
    pub(crate) fn former_fingerprint(&self) -> String {
        match self {
            Self::File(_) => self.fingerprint(),
            Self::Url(url) => fingerprint_of(url),
        }
    }

    /// What it is in a job's key.
    pub(crate) fn recording(&self) -> RecordingIdentity<'_> {
        match self {
            Self::File(file) => RecordingIdentity::Content(&file.hash),
            Self::Url(url) => RecordingIdentity::Address(url),
        }
    }
}

fn fingerprint_of(url: &Url) -> String {
    format!(
        "url:{}",
        &blake3::hash(url.as_str().as_bytes()).to_hex()[..16]
    )
}

/// A stem's file, as it was when the plan was made.
#[derive(Debug, Clone)]
pub struct StemFile {
    /// Where it lies.
    pub path: PathBuf,
    /// BLAKE3 hash of its bytes.
    pub hash: [u8; 32],
    /// Its length in bytes.
    pub length_bytes: u64,
    /// Its sounding length in seconds.
    pub duration_s: f64,
    /// What the content is, whatever the file is called.
    pub format: backline_audio::Format,
    /// Whether there is nothing to hear in it.
    pub silent: bool,
}

/// What bounds a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Most tasks in flight.
    pub concurrency: u32,
    /// Most submissions in a sliding window; never above the profile's.
    pub rate: Rate,
    /// Most credits that one run may spend.
    pub credits: Option<f64>,
    /// Most credits that all runs of a ledger may spend together.
    pub ledger_credits: Option<f64>,
    /// Lost responses, or failed tasks, in a row after which a run stops buying.
    pub failures_in_a_row: u32,
    /// Longest time that a run submits and follows, in milliseconds.
    pub deadline_ms: Option<u64>,
}

/// A number of submissions in a sliding window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// Most submissions …
    pub count: u32,
    /// … in any window of this length, in milliseconds.
    pub window_ms: u64,
}

/// How often a failed task is bought again; 0 unless the manifest says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retries {
    /// Purchases after the first whose task failed.
    pub task_failed: u32,
}

/// Where callbacks are received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callbacks {
    /// The address to listen on.
    pub listen: std::net::SocketAddr,
    /// The address that the vendor is given, under which `listen` is reached.
    pub public_url: Url,
    /// The environment variable that contains the signature's key, where the vendor signs.
    pub hmac_key_env: Option<String>,
}

/// A report that a run writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReportKind {
    /// `summary.csv`: a line a track.
    Csv,
    /// `summary.json`: everything.
    Json,
    /// `index.html`: a page to listen, compare and choose.
    Html,
    /// `junit.xml`: a job is a test case.
    Junit,
    /// `summary.md`: a CI step's summary.
    Markdown,
    /// `events.jsonl`: an event a line.
    Jsonl,
}

impl ReportKind {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Csv,
        Self::Json,
        Self::Html,
        Self::Junit,
        Self::Markdown,
        Self::Jsonl,
    ];

    /// Its name in manifests and arguments.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Html => "html",
            Self::Junit => "junit",
            Self::Markdown => "markdown",
            Self::Jsonl => "jsonl",
        }
    }

    /// The report of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}
