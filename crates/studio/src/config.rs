//! The settings of a studio that the caller chooses, and the fixed limits.
//!
//! [`StudioConfig`] has the caller's settings. The constants below it are fixed limits, each with the reason for its value.

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
    /// The folder of all the studio's files. It is created if it is missing. Only one studio at a time may use it.
    pub data_dir: PathBuf,
    /// The only API key that is accepted. `None` accepts any bearer key that is not empty.
    pub key: Option<String>,
    /// All credits that the account was ever given. The balance is this number less everything charged in `data_dir` so far.
    /// `None` means unlimited credits: the balance starts at [`UNLIMITED_CREDITS`] and may fall below zero.
    pub credits: Option<f64>,
    /// The prices of accepted requests.
    pub prices: Prices,
    /// How many generations one key may start within a sliding window. `None` means no limit.
    pub rate: Option<(u32, Duration)>,
    /// Finish every task at once with a short stored recording, without analysis and rendering. For load tests.
    pub instant: bool,
    /// Part of every take's seed: another number gives other takes for the same requests.
    pub seed: u64,
    /// The format of the finished tracks.
    pub encoding: Encoding,
    /// The SoundFont that the band plays with. `None` means the band's own synthesis.
    pub soundfont: Option<SoundFont>,
    /// The base address of links, if it is not the listener's own (behind a proxy, for example).
    pub public_url: Option<Url>,
    /// Let `uploadUrl` and `fileUrl` name private and loopback addresses other than the studio's own.
    pub allow_private_sources: bool,
    /// Most unfinished tasks; a request beyond it gets code 430.
    pub queue_limit: usize,
    /// Most recordings that are rendered at the same time in this process.
    pub render_limit: usize,
    /// Let workers on other machines render instead of this process: [`Studio::farm`](crate::Studio::farm).
    pub uses_farm: bool,
    /// How long a finished task and its files are kept.
    pub task_retention: Duration,
    /// How long an uploaded file is kept.
    pub upload_retention: Duration,
    /// The waits before the repeats of a callback that got no 2xx response. One repeat for each wait.
    pub callback_backoff: Vec<Duration>,
    /// The faults to show on purpose. `None` means no faults.
    pub misbehaviour: Option<Misbehaviour>,
}

impl StudioConfig {
    /// The vendors' usual values: 20 generations per 10 s, their prices, results for 14 days, uploads for 3 days. Credits are
    /// unlimited.
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
            uses_farm: false,
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

/// The prices of accepted requests, in credits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prices {
    /// A song.
    pub song: f64,
    /// A WAV file.
    pub wav: f64,
    /// Stems: vocal and instrumental.
    pub separate_vocal: f64,
    /// Stems: all.
    pub split_stem: f64,
    /// Stems: one by name.
    pub split_stem_advanced: f64,
    /// The notes of stems.
    pub midi: f64,
    /// A recovery, for which no vendor states a price.
    pub recovery: f64,
}

impl Prices {
    /// All prices are 0.
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
    /// The vendors' prices.
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

// Written by hand, so that the key can't appear in a log.
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

/// The granted credits of an unlimited account: enough for any plan, and small enough for the integers of every client.
pub const UNLIMITED_CREDITS: f64 = 1_000_000.0;

/// Largest JSON body: a submission has a few texts of at most some thousand characters.
pub(crate) const JSON_BODY_BYTES: usize = 1024 * 1024;
/// Largest body with base64: 100 MB of audio in base64, with some margin.
pub(crate) const BASE64_BODY_BYTES: usize = 140 * 1024 * 1024;
/// Largest multipart body: an hour of 16-bit stereo WAV has about 600 MB; a stem of ten minutes fits well.
pub(crate) const STREAM_BODY_BYTES: usize = 200 * 1024 * 1024;
/// Largest source that is fetched from an address: the vendors' own limit.
pub(crate) const SOURCE_BYTES: u64 = 100 * 1024 * 1024;
/// Time limit of such a fetch: the vendors' own limit.
pub(crate) const SOURCE_TIMEOUT: Duration = Duration::from_secs(30);
/// Most redirects that are followed to a source; each one is checked again.
pub(crate) const SOURCE_REDIRECTS: usize = 5;
/// Most sources that are fetched at the same time, by tasks and by `file-url-upload` together.
pub(crate) const FETCH_LIMIT: usize = 8;
/// Most renders that are offered to workers on other machines at the same time: more than the cores of a large farm. A waiting
/// render takes a few kilobytes; its source stays on disk.
pub(crate) const FARM_LIMIT: usize = 512;
/// How many workers may begin a render. One that ends every worker, for want of memory for example, must not go round for ever.
pub(crate) const FARM_ATTEMPTS: u32 = 8;
/// Largest file of a worker: 15 minutes of 16-bit stereo WAV at 48 kHz have 173 MB.
pub(crate) const FARM_FILE_BYTES: u64 = 256 * 1024 * 1024;
/// Largest head of a worker's part: the notes of 15 minutes have a few megabytes.
pub(crate) const FARM_HEAD_BYTES: u32 = 16 * 1024 * 1024;
/// Most base64 bodies in memory at the same time; each takes up to 245 MB with its decoded bytes.
pub(crate) const BASE64_LIMIT: usize = 2;
/// Most multipart uploads at the same time; each has one file handle and one buffer.
pub(crate) const STREAM_LIMIT: usize = 32;
/// Longest time for a request, its body included: 200 MB at about 3 Mbit/s.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(10 * 60);
/// Limits of the server's connections. The number is higher than any run's concurrency needs and, with one file for each
/// connection, below 1,024, the limit of file descriptors on many systems. A request head must arrive within a time that the
/// slowest link can meet.
pub(crate) const CONNECTIONS: Limits = Limits {
    connections: 400,
    head: Duration::from_secs(15),
    body: REQUEST_TIMEOUT,
    stall: Duration::from_secs(30),
};
/// The contract's timeout of one callback.
pub(crate) const CALLBACK_TIMEOUT: Duration = Duration::from_secs(15);
/// Most tasks whose callbacks are sent at the same time.
pub(crate) const CALLBACK_LIMIT: usize = 32;
/// The interval at which expired files and rows are removed.
pub(crate) const SWEEP_INTERVAL: Duration = Duration::from_secs(10 * 60);
/// How long a stopping studio waits for running responses before it closes connections.
pub(crate) const STOP_PATIENCE: Duration = Duration::from_secs(5);
/// Most keys whose windows are stored. Above this, empty windows are dropped.
pub(crate) const KEYS_REMEMBERED: usize = 4096;
