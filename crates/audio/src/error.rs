//! Why some bytes are not usable audio, in messages for the file's owner.

use thiserror::Error;

use crate::format::Format;

/// Why some bytes are not usable audio.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// There are no bytes.
    #[error("decode audio: the file is empty")]
    EmptyFile,
    /// The bytes are not an audio file of a known kind.
    #[error(
        "decode audio: not an audio file ({looks_like}); WAV, AIFF, FLAC, MP3, AAC, M4A and Ogg Vorbis can be read"
    )]
    NotAudio {
        /// What the bytes look like instead.
        looks_like: &'static str,
        /// Whether they may be sound all the same, in a file of a kind that is not known here.
        may_be_sound: bool,
    },
    /// The file could not be read: an error of the disk, not of the recording.
    #[error("read the recording: {0}")]
    Io(#[from] std::io::Error),
    /// It is audio, in a codec that is not decoded here.
    #[error("decode {format}: {what} is not supported; convert the file to WAV, FLAC or MP3")]
    Unsupported {
        /// The container.
        format: Format,
        /// The codec or feature.
        what: String,
    },
    /// The file ends before the audio that it declares: most often a download or a copy that broke off.
    #[error("decode {format}: the file is cut off: {}", extent(*.found_s, *.declared_s))]
    Truncated {
        /// The container.
        format: Format,
        /// How much could be decoded, in seconds.
        found_s: f64,
        /// The length that the file declares, in seconds; `None` when it declares none.
        declared_s: Option<f64>,
    },
    /// The caller ended the pass before the end of the file.
    #[error("decoding was stopped")]
    Stopped,
    /// The file is damaged.
    #[error("decode {format}: the file is damaged: {reason}")]
    Damaged {
        /// The container.
        format: Format,
        /// The message of the decoder.
        reason: String,
    },
    /// The file is intact and has no frame.
    #[error("decode {format}: the file holds no audio frames")]
    NoFrames {
        /// The container.
        format: Format,
    },
    /// The file is beyond a limit.
    #[error("decode {format}: {subject} is {found}, the limit is {limit}")]
    OverLimit {
        /// The container.
        format: Format,
        /// What is limited.
        subject: &'static str,
        /// What the file has.
        found: String,
        /// What is allowed.
        limit: String,
    },
}

fn extent(found_s: f64, declared_s: Option<f64>) -> String {
    match declared_s {
        Some(declared_s) => format!("{found_s:.2} s of {declared_s:.2} s are there"),
        None => format!("{found_s:.2} s are there and the end is missing"),
    }
}

/// Names what people most often give instead of audio, and whether it may be sound of a kind that is not known here.
pub(crate) fn looks_like(bytes: &[u8]) -> (&'static str, bool) {
    let start = bytes[..bytes.len().min(512)].trim_ascii_start();
    let lower = start[..start.len().min(16)].to_ascii_lowercase();
    if lower.starts_with(b"<!doctype html") || lower.starts_with(b"<html") {
        ("it looks like a web page", false)
    } else if start.starts_with(b"{") || start.starts_with(b"[") {
        ("it looks like JSON", false)
    } else if start.starts_with(b"<") {
        ("it looks like XML", false)
    } else if start.starts_with(b"\x1a\x45\xdf\xa3") {
        ("it looks like Matroska or WebM", true)
    } else if start.starts_with(b"PK\x03\x04") {
        ("it looks like a ZIP archive", true)
    } else if start.starts_with(b"MThd") {
        ("it is MIDI: notes, not sound", true)
    } else if is_text(&bytes[..bytes.len().min(256)]) {
        ("it looks like text", false)
    } else {
        ("its first bytes are of no known kind", true)
    }
}

/// Whether bytes read as text; a character may be cut off at their end.
fn is_text(bytes: &[u8]) -> bool {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    !text.contains('\0')
}
