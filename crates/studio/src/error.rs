//! Why a studio could not start.

use std::path::PathBuf;

use crate::playing::PlayingError;
use crate::store::StudioStoreError;

/// Why [`Studio::start`](crate::Studio::start) failed. Nothing was served.
#[derive(Debug, thiserror::Error)]
pub enum StudioError {
    /// The folder or something in it could not be made or opened.
    #[error("could not {operation} {path}", path = path.display())]
    Folder {
        /// The operation that failed: "make", "open", "lock", "empty", "write".
        operation: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// Another studio has locked the folder.
    #[error("another studio is using {path}; stop it, or give this one a folder of its own", path = path.display())]
    InUse {
        /// The data folder.
        path: PathBuf,
    },
    /// The task database could not be opened or migrated.
    #[error("could not open the studio's tasks")]
    Store(#[from] StudioStoreError),
    /// The listener's address could not be read.
    #[error("could not read the listener's address")]
    Listener(#[source] std::io::Error),
    /// `public_url` can't be the base of links.
    #[error("`{0}` can't be the public address: it must be an http or https address with a host")]
    PublicUrl(String),
    /// The process has no rustls crypto provider; the program must install one first.
    #[error("no TLS crypto provider is installed in this process")]
    NoCryptoProvider,
    /// The client for sources and callbacks could not be built.
    #[error("could not build the HTTP client")]
    Client(#[source] reqwest::Error),
    /// What the studio plays with could not be determined.
    #[error(transparent)]
    Playing(#[from] PlayingError),
    /// The stored recording of instant mode could not be written.
    #[error("could not make the instant recording: {0}")]
    InstantRecording(String),
}
