//! What a caller chooses about a studio, and the limits that nobody chooses.
//!
//! [`StudioConfig`] is the caller's part. The constants below it are the studio's own limits, each with the reason for its value.

use std::path::PathBuf;
use std::time::Duration;

use backline_audio::Encoding;
use backline_serve::Limits;
use url::Url;

use crate::misbehave::Misbehaviour;
use crate::soundfont::SoundFont;

/// How a studio behaves. Build it with [`StudioConfig::new`] and change the fields that should differ.
#[derive(Clone)]
pub struct StudioConfig {
    /// The folder of all the studio's files; created when it is missing. One studio at a time may use it.
    pub data_dir: PathBuf,
    /// The one API key that is let in. `None` lets any non-empty bearer key in.
    pub key: Option<String>,
    /// The credits that the account was ever given. What is left is this less everything charged in `data_dir` so far.
    /// `None` never runs out: the balance starts at [`UNLIMITED_CREDITS`] and may fall below zero.
    pub credits: Option<f64>,
    /// What accepted requests cost.
    pub prices: Prices,
    /// How many new generations one key may start within a sliding window. `None` turns the limit off.
    pub rate: Option<(u32, Duration)>,
    /// Finish every task at once with a short stored recording: no listening, no rendering. For load tests.
    pub instant: bool,
    /// Mixed into every take's seed: another number gives other takes for the same requests.
    pub seed: u64,
    /// The format of the finished tracks.
    pub encoding: Encoding,
    /// The SoundFont that the band plays with. `None` is the band's own synthesis.
    pub soundfont: Option<SoundFont>,
    /// The address that links are built from, when it is not the listener's own (behind a proxy, say).
    pub public_url: Option<Url>,
    /// Let `uploadUrl` and `fileUrl` name private and loopback addresses other than the studio's own.
    pub allow_private_sources: bool,
    /// Tasks that may be unfinished at once; one more request gets code 430.
    pub queue_limit: usize,
    /// Recordings rendered at the same time.
    pub render_limit: usize,
    /// How long a finished task and its files are kept.
    pub task_retention: Duration,
    /// How long an uploaded file is kept.
    pub upload_retention: Duration,
    /// The wait before each repeat of a callback without a 2xx response; its length is the number of repeats.
    pub callback_backoff: Vec<Duration>,
    /// What goes wrong on purpose. `None` behaves.
    pub misbehaviour: Option<Misbehaviour>,
}

impl StudioConfig {
    /// The vendors' own manners: 20 generations per 10 s, their prices, results for 14 days, uploads for 3, and
    /// credits that never run out.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        StudioConfig {
            data_dir: data_dir.into(),
            key: None,
            credits: None,
            prices: Prices::default(),
            rate: Some((20, Duration::from_secs(10))),
            instant: false,
            seed: 0,
            encoding: Encoding::Mp3 { kbps: 192 },
            soundfont: None,
            public_url: None,
            allow_private_sources: false,
            queue_limit: 10_000,
            render_limit: std::thread::available_parallelism().map_or(1, usize::from),
            task_retention: Duration::from_secs(14 * DAY_S),
            upload_retention: Duration::from_secs(3 * DAY_S),
            callback_backoff: vec![
                Duration::from_secs(1),
                Duration::from_secs(5),
                Duration::from_secs(25),
            ],
            misbehaviour: None,
        }
    }
}

/// What accepted requests cost, in credits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prices {
    /// A song.
    pub song: f64,
    /// A WAV file.
    pub wav: f64,
    /// Vocal and instrumental.
    pub separate_vocal: f64,
    /// All stems.
    pub split_stem: f64,
    /// A named stem.
    pub split_stem_advanced: f64,
    /// The notes of stems.
    pub midi: f64,
    /// A recovery, for which no vendor states a price.
    pub recovery: f64,
}

impl Prices {
    /// Nothing costs anything.
    pub const FREE: Prices = Prices {
        song: 0.0,
        wav: 0.0,
        separate_vocal: 0.0,
        split_stem: 0.0,
        split_stem_advanced: 0.0,
        midi: 0.0,
        recovery: 0.0,
    };
}

impl Default for Prices {
    /// Those of the vendors.
    fn default() -> Self {
        Prices {
            song: 12.0,
            wav: 0.4,
            separate_vocal: 10.0,
            split_stem: 50.0,
            split_stem_advanced: 20.0,
            midi: 0.0,
            recovery: 0.0,
        }
    }
}

// Written by hand so that the key can't reach a log.
impl std::fmt::Debug for StudioConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StudioConfig")
            .field("data_dir", &self.data_dir)
            .field("key", &self.key.as_ref().map(|_| "[key]"))
            .field("credits", &self.credits)
            .field("rate", &self.rate)
            .field("instant", &self.instant)
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}

const DAY_S: u64 = 24 * 60 * 60;

/// What is granted where credits never run out: enough for any plan, small enough for every client's integer.
pub const UNLIMITED_CREDITS: f64 = 1_000_000.0;

/// The body of a submission has a few texts of at most some thousand characters.
pub(crate) const JSON_BODY_BYTES: usize = 1024 * 1024;
/// 100 MB of audio in base64, and some air.
pub(crate) const BASE64_BODY_BYTES: usize = 140 * 1024 * 1024;
/// An hour of 16-bit stereo WAV has some 600 MB; a stem of ten minutes fits well.
pub(crate) const STREAM_BODY_BYTES: usize = 200 * 1024 * 1024;
/// The vendors' own cap on a file that is fetched from an address.
pub(crate) const SOURCE_BYTES: u64 = 100 * 1024 * 1024;
/// The vendors' own time limit on such a fetch.
pub(crate) const SOURCE_TIMEOUT: Duration = Duration::from_secs(30);
/// Redirects followed on the way to a source; each one is checked again.
pub(crate) const SOURCE_REDIRECTS: usize = 5;
/// Sources fetched at the same time, by tasks and by `file-url-upload` together.
pub(crate) const FETCH_LIMIT: usize = 8;
/// Base64 bodies in memory at the same time; with their decoded bytes each takes up to 245 MB.
pub(crate) const BASE64_LIMIT: usize = 2;
/// Uploads by multipart at the same time: each has one file handle and one buffer.
pub(crate) const STREAM_LIMIT: usize = 32;
/// Longest time for one request, its body included: 200 MB at some 3 Mbit/s.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(10 * 60);
/// What peers may take: more connections than any run's concurrency needs and, with a file for each, fewer than the 1,024 file
/// descriptors that systems commonly give; heads within the time of the slowest link.
pub(crate) const CONNECTIONS: Limits = Limits {
    connections: 400,
    head: Duration::from_secs(15),
    body: REQUEST_TIMEOUT,
    stall: Duration::from_secs(30),
};
/// The contract's time-out for one callback.
pub(crate) const CALLBACK_TIMEOUT: Duration = Duration::from_secs(15);
/// Tasks whose callbacks are on their way at the same time.
pub(crate) const CALLBACK_LIMIT: usize = 32;
/// How often expired files and rows are removed.
pub(crate) const SWEEP_INTERVAL: Duration = Duration::from_secs(10 * 60);
/// How long a stop waits for responses that are under way before it closes connections.
pub(crate) const STOP_PATIENCE: Duration = Duration::from_secs(5);
/// Distinct keys whose windows are remembered; past it, windows that have emptied are dropped.
pub(crate) const KEYS_REMEMBERED: usize = 4096;
