//! The files that a manifest is made of, and places in them.
//!
//! Every node, setting and template remembers a [`Span`]; only a diagnostic turns it into a line, a column and an excerpt.
//! This module reads files and refuses what can't be text; it knows nothing of YAML.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Longest manifest that is read. The largest sensible one, a catalogue of 100,000 stems written out, is about 10 MB.
pub(crate) const MAX_FILE_BYTES: u64 = 16 << 20;

/// A place in one of the [`Sources`]: byte offsets, end exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Span {
    pub(crate) source: u32,
    pub(crate) start: u32,
    pub(crate) end: u32,
}

/// One file that was read.
#[derive(Debug)]
pub(crate) struct Source {
    /// Its path as diagnostics show it.
    pub(crate) shown: String,
    /// All of it.
    pub(crate) text: Arc<str>,
}

/// The files that were read, in the order in which they were.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    files: Vec<Source>,
    shown_from: Option<PathBuf>,
}

/// Why a file could not be read as text.
#[derive(Debug)]
pub(crate) enum ReadProblem {
    /// The system says no.
    Io(std::io::Error),
    /// Longer than the limit.
    TooLong,
    /// Not UTF-8: the offset of the first byte that is not.
    NotUtf8 { line: usize, byte: u8 },
}

impl Sources {
    /// No files yet; their paths will be shown relative to `shown_from`.
    pub(crate) fn new(shown_from: Option<PathBuf>) -> Self {
        Self {
            files: Vec::new(),
            shown_from,
        }
    }

    /// Takes in a file whose text is known.
    pub(crate) fn add(&mut self, path: &Path, text: Arc<str>) -> u32 {
        let shown = self.shown(path);
        self.files.push(Source { shown, text });
        (self.files.len() - 1) as u32
    }

    /// The file with this number.
    pub(crate) fn get(&self, id: u32) -> &Source {
        &self.files[id as usize]
    }

    /// How diagnostics show a path: relative where that is shorter, always with `/`.
    pub(crate) fn shown(&self, path: &Path) -> String {
        let relative = self
            .shown_from
            .as_deref()
            .and_then(|from| path.strip_prefix(from).ok());
        let shown = relative.unwrap_or(path).display().to_string();
        if cfg!(windows) {
            shown.replace('\\', "/")
        } else {
            shown
        }
    }

    /// The text at a span.
    pub(crate) fn slice(&self, span: Span) -> &str {
        self.get(span.source)
            .text
            .get(span.start as usize..span.end as usize)
            .unwrap_or("")
    }
}

/// Reads a file that must be UTF-8 text of at most `max_bytes`.
pub(crate) fn read_text(path: &Path, max_bytes: u64) -> Result<Arc<str>, ReadProblem> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(ReadProblem::Io)?;
    file.take(max_bytes + 1)
        .read_to_end(&mut bytes)
        .map_err(ReadProblem::Io)?;
    if bytes.len() as u64 > max_bytes {
        return Err(ReadProblem::TooLong);
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let bytes = error.as_bytes();
        let line = 1 + bytes[..good].iter().filter(|byte| **byte == b'\n').count();
        ReadProblem::NotUtf8 {
            line,
            byte: bytes[good],
        }
    })?;
    Ok(Arc::from(text.strip_prefix('\u{feff}').unwrap_or(&text)))
}

impl std::fmt::Display for ReadProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io(error) if error.kind() == std::io::ErrorKind::NotFound => {
                f.write_str("there is no such file")
            }
            Self::Io(error) if error.kind() == std::io::ErrorKind::IsADirectory => {
                f.write_str("it is a folder")
            }
            Self::Io(error) => write!(f, "{error}"),
            Self::TooLong => write!(
                f,
                "it is longer than {} MB, the limit",
                MAX_FILE_BYTES >> 20
            ),
            Self::NotUtf8 { line, byte } => write!(
                f,
                "it is not UTF-8 text: line {line} has the byte 0x{byte:02x}"
            ),
        }
    }
}
