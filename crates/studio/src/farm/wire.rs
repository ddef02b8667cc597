//! What studio and worker send each other. Both are the same version of the program, so the format has none of its own.
//!
//! The body of a part is the length of its head in four bytes, the head as JSON, and its files one after the other.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::playing::Playing;
use crate::render::{Order, RenderFailure};

/// Most files of one part: a track has its instrumental, its mix and its notes.
pub(crate) const MOST_FILES: usize = 3;

/// The body of a worker's first call.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Begin {
    /// The worker's process id, which names it in the studio's log, with its address.
    pub(crate) process: u32,
    pub(crate) playing: Playing,
}

/// The response to it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Begun {
    /// The number of the attempt, from 1.
    pub(crate) attempt: u32,
    pub(crate) order: Order,
    pub(crate) source: FileHead,
}

/// The size and the hash of a file.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct FileHead {
    pub(crate) bytes: u64,
    /// BLAKE3 in hexadecimal digits.
    pub(crate) blake3: String,
}

impl FileHead {
    pub(crate) fn of(content: &[u8]) -> Self {
        Self {
            bytes: content.len() as u64,
            blake3: blake3::hash(content).to_hex().to_string(),
        }
    }
}

/// The head of a part.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PartHead {
    pub(crate) part: PartOnWire,
    /// The files that follow it.
    pub(crate) files: Vec<FileHead>,
}

/// A part without the content of its files.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum PartOnWire {
    Heard,
    /// The files are the instrumental, the mix and the notes.
    Track {
        number: u8,
        duration_s: f64,
        facts: Value,
    },
    File {
        name: String,
        extension: String,
        duration_s: f64,
    },
    Notes(Value),
    Done,
    Failed(RenderFailure),
}
