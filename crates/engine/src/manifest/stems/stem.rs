//! One recording as the manifest names it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value as Json;
use url::Url;

use crate::manifest::source::files::Span;

/// A recording as the manifest names it.
#[derive(Debug, Clone)]
pub(crate) struct StemDecl {
    pub(crate) id: String,
    pub(crate) source: RecordingSource,
    pub(crate) vars: Arc<Json>,
    /// The position that names it.
    pub(crate) span: Span,
    /// The row of a catalogue.
    pub(crate) row: Option<u64>,
}

/// Where a recording comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RecordingSource {
    File(PathBuf),
    Url(Url),
}

pub(crate) fn file_stem(path: &Path) -> String {
    path.file_stem()
        .map(|stem| stem.to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// Why a text is not a recording's public address; the message follows the name of what has it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AddressProblem {
    #[error("is not an address: {0}")]
    Malformed(#[from] url::ParseError),
    #[error("has the scheme `{0}`, which a provider can't fetch")]
    Scheme(String),
    #[error("contains a user name or a password, which would be sent to the provider")]
    Credentials,
}

/// A public address of a recording.
pub(crate) fn remote(text: &str) -> Result<Url, AddressProblem> {
    let url = Url::parse(text)?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(AddressProblem::Scheme(url.scheme().to_owned()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(AddressProblem::Credentials);
    }
    Ok(url)
}
