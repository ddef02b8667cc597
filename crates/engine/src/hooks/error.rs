//! The errors of hooks. The hook's `on_error` decides their effect.

use super::{HookPoint, ResponseError};

impl From<ResponseError> for HookError {
    fn from(error: ResponseError) -> Self {
        match error {
            ResponseError::ChangesPlanned(point) => Self::ChangesPlanned(point),
            error => Self::Garbage(error.to_string()),
        }
    }
}

/// Why a hook has no response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HookError {
    /// The program could not be started.
    #[error("it could not be started: {0}")]
    Start(String),
    /// It took too long.
    #[error("no response within {0} ms")]
    TimedOut(u64),
    /// The program ended with a failure.
    #[error("it ended with {0}")]
    Exit(String),
    /// It wrote more than is read.
    #[error("it wrote more than {0} bytes")]
    Flood(usize),
    /// Its response can't be read.
    #[error("invalid response: {0}")]
    Garbage(String),
    /// It changes a job after it was planned. The job is not bought, whatever `on_error` is: its settings are not the ones that the
    /// hook names.
    #[error("invalid response: {}", ResponseError::ChangesPlanned(*.0))]
    ChangesPlanned(HookPoint),
    /// The service ended before it responded, or was ended.
    #[error("the service is gone: {0}")]
    Gone(String),
    /// The service speaks another protocol.
    #[error("the service speaks protocol {0}, this program {1}")]
    Protocol(String, u32),
    /// The script failed.
    #[error("the script failed: {0}")]
    Script(String),
    /// The address did not take it.
    #[error("the address did not take it: {0}")]
    Http(String),
    /// The file could not be worked on.
    #[error("{0}")]
    File(String),
    /// An environment variable that it needs is not set, or has a wrong value.
    #[error("{0}")]
    Environment(String),
    /// More events wait for it than are kept.
    #[error("more than {0} events were waiting for it: this one was dropped")]
    Backlog(usize),
    /// This build of the program can't do it.
    #[error("this build has no {0} hooks: build it with `--features {1}`")]
    NotBuilt(&'static str, &'static str),
}
