//! The format of a tape: one exchange a line.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::hex::hex;

/// The format's version, in the head line.
pub(super) const VERSION: u32 = 1;

/// The file with the exchanges.
pub(super) const LINES: &str = "tape.jsonl";

/// The folder with the bodies that are not text.
pub(super) const BODIES: &str = "bodies";

/// The prefix of a submission's call.
pub(in crate::client) const SUBMISSION: &str = "submit ";

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Head {
    pub(super) tape: u32,
}

/// One call and its result, as stored in a line.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Exchange {
    pub(super) call: String,
    #[serde(flatten)]
    pub(super) end: End,
}

/// How a call ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "end", rename_all = "snake_case")]
pub(super) enum End {
    #[serde(rename = "answered")]
    Responded {
        status: u16,
        headers: Vec<(String, String)>,
        body: StoredBody,
        /// Why the body is incomplete, if it is.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        broken: Option<String>,
    },
    NotSent {
        reason: String,
    },
    Broken {
        reason: String,
    },
}

/// Where a body is stored: in the line, or in a file of [`BODIES`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum StoredBody {
    Text(String),
    File(String),
}

/// The first digits of a body's SHA-256.
pub(super) fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes)[..8])
}
