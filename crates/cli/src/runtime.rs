//! The async runtime of a command.

use crate::failure::{Failure, Kind};

/// Starts the runtime.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| {
            Failure::new(
                Kind::Usage,
                anyhow::Error::new(error).context("cannot start threads"),
            )
        })
}
