//! The files that a manifest is made of, and positions in them.
//!
//! Every node, setting and template remembers a [`Span`]; only a diagnostic turns it into a line, a column and an excerpt.
//! This module reads files and refuses what can't be text; it knows nothing of YAML.
//!
//! A manifest may come from a stranger, as in a pull request, and its mistakes are printed with lines of the files that it names.
//! So what is read as text lies in the project's folder, links followed, unless the user's command line allows more; folders are
//! listed only there; and whatever is opened is a regular file: a device or a pipe would never end.

use std::cell::{Cell, OnceCell};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Longest manifest that is read. The largest sensible one, a catalogue of 100,000 stems written out, is about 10 MB.
pub(crate) const MAX_FILE_BYTES: u64 = 16 << 20;

/// Most bytes that are read as text for one manifest, a file that is named twice counting twice.
pub(crate) const MAX_ALL_BYTES: u64 = 64 << 20;

/// A position in one of the [`Sources`]: byte offsets, end exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Span {
    pub(crate) source: u32,
    pub(crate) start: u32,
    pub(crate) end: u32,
}

/// One file that was read.
#[derive(Debug)]
pub(crate) struct SourceFile {
    /// Its path as diagnostics show it.
    pub(crate) shown: String,
    /// All of it.
    pub(crate) text: Arc<str>,
    /// Where its lines begin; found when the first position in it is needed.
    lines: OnceCell<Vec<u32>>,
}

impl SourceFile {
    /// The line that an offset lies in, from 1, and the offset at which that line begins.
    pub(crate) fn line_of(&self, offset: usize) -> (usize, usize) {
        let lines = self.lines.get_or_init(|| {
            let breaks = self.text.bytes().enumerate().filter(|(_, it)| *it == b'\n');
            std::iter::once(0)
                .chain(breaks.map(|(at, _)| at as u32 + 1))
                .collect()
        });
        let line = lines.partition_point(|start| *start as usize <= offset);
        (line, lines[line - 1] as usize)
    }
}

/// The files that were read, in the order in which they were.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    files: Vec<SourceFile>,
    shown_from: Option<PathBuf>,
    /// The folder that texts must lie in, without links; none where they may lie anywhere.
    boundary: Option<PathBuf>,
    /// What was read so far.
    read_bytes: Cell<u64>,
}

/// Why a file could not be read as text.
#[derive(Debug)]
pub enum ReadProblem {
    /// The system says no.
    Io(std::io::Error),
    /// A device, a pipe, a socket, or a file that the system makes up.
    NotRegular(&'static str),
    /// Outside of the project's folder, which is shown.
    Outside(String),
    /// Longer than so many bytes.
    TooLong(u64),
    /// All texts together are longer than [`MAX_ALL_BYTES`].
    TooMuch,
    /// UTF-16, as some spreadsheets save it.
    Utf16,
    /// Not UTF-8.
    NotUtf8 {
        /// The line of the first byte that is not.
        line: usize,
        /// That byte.
        byte: u8,
    },
}

impl Sources {
    /// No files yet; their paths will be shown relative to `shown_from`.
    pub(crate) fn new(shown_from: Option<PathBuf>) -> Self {
        Self {
            files: Vec::new(),
            shown_from,
            boundary: None,
            read_bytes: Cell::new(0),
        }
    }

    /// From now on reads texts only in this folder. A folder that does not exist is no boundary: nothing can be read in it.
    pub(crate) fn confine_to(&mut self, folder: &Path) {
        let folder = if folder.as_os_str().is_empty() {
            Path::new(".")
        } else {
            folder
        };
        self.boundary = Some(std::fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned()));
    }

    /// A path without links, if it lies inside the boundary.
    pub(crate) fn inside(&self, path: &Path) -> Result<PathBuf, ReadProblem> {
        let real = std::fs::canonicalize(path).map_err(ReadProblem::Io)?;
        match &self.boundary {
            Some(boundary) if !real.starts_with(boundary) => {
                Err(ReadProblem::Outside(self.shown(boundary)))
            }
            _ => Ok(real),
        }
    }

    /// Reads a regular file inside the boundary that must be UTF-8 text of at most `max_bytes`.
    pub(crate) fn read_text(&self, path: &Path, max_bytes: u64) -> Result<Arc<str>, ReadProblem> {
        let real = self.inside(path)?;
        let text = read_text(&real, max_bytes)?;
        let all = self.read_bytes.get() + text.len() as u64;
        self.read_bytes.set(all);
        if all > MAX_ALL_BYTES {
            return Err(ReadProblem::TooMuch);
        }
        Ok(text)
    }

    /// Takes in a file whose text is known.
    pub(crate) fn add(&mut self, path: &Path, text: Arc<str>) -> u32 {
        let shown = self.shown(path);
        self.files.push(SourceFile {
            shown,
            text,
            lines: OnceCell::new(),
        });
        (self.files.len() - 1) as u32
    }

    /// The file with this number.
    pub(crate) fn get(&self, id: u32) -> &SourceFile {
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

/// Opens a file for reading if it is a regular one. A pipe without a writer does not block this.
pub(crate) fn open_regular(path: &Path) -> Result<File, ReadProblem> {
    let regular = |facts: &std::fs::Metadata| match kind_of(facts) {
        None => Ok(()),
        Some("a folder") => Err(ReadProblem::Io(std::io::ErrorKind::IsADirectory.into())),
        Some(kind) => Err(ReadProblem::NotRegular(kind)),
    };
    // Opening some devices has effects, so they are not even opened.
    regular(&std::fs::metadata(path).map_err(ReadProblem::Io)?)?;
    if cfg!(unix)
        && let Ok(real) = std::fs::canonicalize(path)
        && (real.starts_with("/proc") || real.starts_with("/sys"))
    {
        return Err(ReadProblem::NotRegular("a file that the system makes up"));
    }
    let mut options = File::options();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // It may have become a pipe meanwhile; a regular file knows no waiting.
        options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
    }
    let file = options.open(path).map_err(ReadProblem::Io)?;
    regular(&file.metadata().map_err(ReadProblem::Io)?)?;
    Ok(file)
}

/// What is no regular file.
fn kind_of(facts: &std::fs::Metadata) -> Option<&'static str> {
    let kind = facts.file_type();
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if kind.is_fifo() {
            return Some("a pipe");
        }
        if kind.is_socket() {
            return Some("a socket");
        }
        if kind.is_block_device() || kind.is_char_device() {
            return Some("a device");
        }
    }
    match kind {
        _ if kind.is_file() => None,
        _ if kind.is_dir() => Some("a folder"),
        _ => Some("something else"),
    }
}

/// Reads a regular file that must be UTF-8 text of at most `max_bytes`, wherever it lies.
pub(crate) fn read_text(path: &Path, max_bytes: u64) -> Result<Arc<str>, ReadProblem> {
    let mut bytes = Vec::new();
    open_regular(path)?
        .take(max_bytes + 1)
        .read_to_end(&mut bytes)
        .map_err(ReadProblem::Io)?;
    if bytes.len() as u64 > max_bytes {
        return Err(ReadProblem::TooLong(max_bytes));
    }
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(ReadProblem::Utf16);
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

impl ReadProblem {
    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Outside(_) => Some(
                "move it into the project, mark the project's root with a `backline.yaml`, or allow it with `--allow-outside`"
                    .to_owned(),
            ),
            Self::Utf16 | Self::NotUtf8 { .. } => Some("save it as UTF-8".to_owned()),
            Self::NotRegular(_) => Some("copy its content into a file".to_owned()),
            Self::Io(_) | Self::TooLong(_) | Self::TooMuch => None,
        }
    }
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
            Self::NotRegular(kind) => write!(f, "it is not a regular file but {kind}"),
            Self::Outside(project) => write!(f, "it lies outside of the project `{project}`"),
            Self::TooLong(most) if most >> 20 > 0 => {
                write!(f, "it is longer than {} MB, the limit", most >> 20)
            }
            Self::TooLong(most) => write!(f, "it is longer than {} KB, the limit", most >> 10),
            Self::TooMuch => write!(
                f,
                "with it the manifest's files have more than {} MB together, the limit",
                MAX_ALL_BYTES >> 20
            ),
            Self::Utf16 => f.write_str("it is not UTF-8 text but UTF-16"),
            Self::NotUtf8 { line, byte } => write!(
                f,
                "it is not UTF-8 text: line {line} has the byte 0x{byte:02x}"
            ),
        }
    }
}
