//! Why a recording can't be used, and why a request has no response.

use super::exchange::VERSION;

/// Why a recording can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TapeError {
    /// The folder has other files; a recording is never overwritten.
    #[error("the folder {folder} is not empty: a tape is never written over")]
    NotEmpty {
        /// The folder.
        folder: String,
    },
    /// The folder or a file in it can't be read or written.
    #[error("could not {operation} the tape {path}")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// With what.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is no recording, or one of another version.
    #[error("{path}:{line} is no line of a tape of version {VERSION}: {reason}")]
    Unreadable {
        /// The file.
        path: String,
        /// The line, from 1.
        line: usize,
        /// Why.
        reason: String,
    },
}

/// Why a request has no response.
#[derive(Debug)]
pub(in crate::client) enum SendError {
    /// The HTTP library's reason.
    Http(reqwest::Error),
    /// It had none when the recording was made.
    Replayed { not_sent: bool, reason: String },
    /// The recording has no response to it.
    NotOnTape,
}
