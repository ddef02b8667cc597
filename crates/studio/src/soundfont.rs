//! A SoundFont file, with the hash that identifies it in a task's result.

use std::path::{Path, PathBuf};

use backline_band::{Font, Instrument, SoundSource, Take};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The largest file that is read: the largest General MIDI banks are smaller, and a wrong file does not fill the memory.
pub const SOUNDFONT_BYTES: u64 = 1 << 31;

/// A SoundFont (`.sf2`) that the band can play.
#[derive(Debug, Clone)]
pub struct SoundFont {
    font: Font,
    sha256: String,
}

/// Why a file can't be played as a SoundFont.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SoundFontError {
    /// It can't be read.
    #[error("read SoundFont {}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// It is too large.
    #[error(
        "read SoundFont {}: it has {bytes} bytes, at most {SOUNDFONT_BYTES} are read",
        .path.display()
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// It has another format.
    #[error(
        "read SoundFont {}: {reason}; expected an uncompressed .sf2 (a compressed .sf3 is not read)",
        .path.display()
    )]
    NoFont {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl SoundFont {
    /// Reads the whole file. Blocks.
    ///
    /// # Errors
    /// When it can't be read, is too large, or is not a SoundFont.
    pub fn open(path: &Path) -> Result<Self, SoundFontError> {
        let unread = |source| SoundFontError::Read {
            path: path.to_owned(),
            source,
        };
        let facts = std::fs::metadata(path).map_err(unread)?;
        if !facts.is_file() {
            return Err(unread(std::io::Error::other("it is not a regular file")));
        }
        let bytes = facts.len();
        if bytes > SOUNDFONT_BYTES {
            return Err(SoundFontError::TooLarge {
                path: path.to_owned(),
                bytes,
            });
        }
        let bytes = std::fs::read(path).map_err(unread)?;
        let font = Font::read(&bytes).map_err(|error| SoundFontError::NoFont {
            path: path.to_owned(),
            reason: error.to_string(),
        })?;
        let sha256 = backline_api::hex(&Sha256::digest(&bytes));
        Ok(Self { font, sha256 })
    }

    /// The sound source for the band.
    pub fn sound(&self) -> SoundSource {
        SoundSource::Font(self.font.clone())
    }

    /// The name that the file contains.
    pub fn name(&self) -> &str {
        self.font.name()
    }

    /// SHA-256 of its bytes, in hexadecimal digits.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Its name and hash, and the instruments that it played in a take, in the format of a result.
    pub fn facts(&self, take: &Take) -> Value {
        let played: Vec<&str> = take
            .font_instruments()
            .into_iter()
            .map(Instrument::name)
            .collect();
        json!({ "name": self.font.name(), "sha256": self.sha256, "instruments": played })
    }
}
