//! Why a tape can't be used, and why a request got no response.

use super::exchange::VERSION;

/// Why a tape can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TapeError {
    /// The folder is not empty; a tape never overwrites files.
    #[error("the folder {folder} is not empty: a tape is never written over")]
    NotEmpty {
        /// The folder.
        folder: String,
    },
    /// The folder or a file in it can't be read or written.
    #[error("could not {operation} the tape {path}")]
    Io {
        /// The operation that failed.
        operation: &'static str,
        /// The file or folder.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is not a tape, or a tape of another version.
    #[error("{path}:{line} is not a line of a tape of version {VERSION}: {reason}")]
    Unreadable {
        /// The file.
        path: String,
        /// The line, from 1.
        line: usize,
        /// Why.
        reason: String,
    },
}

/// Why a request got no response.
#[derive(Debug)]
pub(in crate::client) enum SendError {
    /// The HTTP library's reason.
    Http(reqwest::Error),
    /// The recorded request got no response either.
    Replayed { not_sent: bool, reason: String },
    /// The tape has no response to this request.
    NotOnTape,
}
