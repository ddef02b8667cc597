//! What is recorded of a task and its tracks.

use backline_api::Music;
use serde::{Deserialize, Serialize};

/// How a task id became known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// By the response to the submission. Ledgers and the JSON events keep the older name: readers of version 1 know no other.
    #[serde(rename = "answer")]
    Response,
    /// By a callback that carried the attempt's token and that the provider's details confirmed.
    Callback,
    /// By the user.
    User,
    /// By a refusal: the result exists already, and the response named the task that made it.
    Refusal,
}

/// How far a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskStage {
    /// Waiting at the vendor's.
    Pending,
    /// The text is made.
    Text,
    /// One track can be heard.
    First,
    /// Every track can be fetched.
    Complete,
}

/// Which of a track's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The track itself: the accompaniment alone.
    Track,
    /// The vocal and the accompaniment together, where the provider makes it.
    Mix,
}

/// What is known of a track; addresses are redacted.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TrackFacts {
    /// The vendor's id.
    pub id: String,
    /// What it is, where a step made it: `wav`, `vocal`, `midi`. Empty for a song's track.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub artefact: String,
    /// Whether it is notes, which the task's details contain, and no file of the vendor's.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub notes: bool,
    /// Where the track is, once it can be fetched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio_url: Option<String>,
    /// Where it can be streamed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream_url: Option<String>,
    /// Its cover.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_url: Option<String>,
    /// The mix with the vocal, where the provider makes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mix_url: Option<String>,
    /// The title the vendor gave it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// The length the vendor gives, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_s: Option<f64>,
    /// When the vendor made it, Unix time in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_ms: Option<i64>,
    /// What it sounds like, where the provider reports it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub music: Option<Box<Music>>,
}

/// A file that is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KeptFile {
    /// Where: relative to the ledger's project folder with `/`, or absolute when it lies outside.
    pub path: String,
    /// SHA-256 of its bytes, hexadecimal.
    pub sha256: String,
    /// Its length in bytes.
    pub length_bytes: u64,
    /// Its sounding length in seconds, as decoded; 0 where it could not be decoded.
    pub duration_s: f64,
    /// Why it could not be verified to be the whole recording that was bought; none where it was.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub unverified: Option<String>,
}

/// How far a file's length may be from what the vendor says: encoders pad, and vendors round to seconds.
const LENGTH_SHARE: f64 = 0.05;
const LENGTH_FLOOR_S: f64 = 2.0;

/// How far a length may be from one that the vendor says, in seconds.
pub(crate) fn length_tolerance_s(promised_s: f64) -> f64 {
    (promised_s * LENGTH_SHARE).max(LENGTH_FLOOR_S)
}

impl KeptFile {
    /// Whether it ends too early for a length that the vendor says.
    pub(crate) fn is_shorter_than(&self, promised_s: f64) -> bool {
        promised_s - self.duration_s > length_tolerance_s(promised_s)
    }
}

/// What was found out about a kept file, or done with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "note", rename_all = "snake_case")]
pub enum TrackNote {
    /// Its loudness after EBU R128.
    Loudness {
        /// Integrated loudness in LUFS; none for silence.
        integrated_lufs: Option<f64>,
        /// Highest level between the samples, in dBTP.
        true_peak_dbtp: f64,
    },
    /// It was renamed: a superseded track gave up its name, or one that is current again got it back.
    Renamed {
        /// Where it was, written as a [kept file's](KeptFile::path) place.
        from: String,
        /// Where it is now.
        to: String,
    },
    /// It was copied.
    Copied {
        /// Where to.
        to: String,
    },
}
