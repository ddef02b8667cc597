//! What a fetched file is: a whole recording, or one that can't be verified.
//!
//! It is read in pieces, by its handle, so that neither a large file nor a small one that claims hours takes memory.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use backline_audio::{DecodeError, Format};
use sha2::{Digest, Sha256};

use crate::conductor::EffectError;
use crate::event::KeptFile;
use crate::event::length_tolerance_s;

/// Bytes that are read at once.
const PIECE_BYTES: usize = 64 * 1024;

/// As much of a file as tells what kind it is.
const HEAD_BYTES: usize = 16 * 1024;

/// What a fetched file is.
#[derive(Debug)]
pub(super) struct Checked {
    /// Its facts, and why it could not be verified if it could not; without a path.
    pub(super) file: KeptFile,
    /// What its name ends with.
    pub(super) extension: &'static str,
}

/// What a file is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Sound in any format.
    Sound,
    /// A WAV file.
    Wav,
    /// A Standard MIDI File.
    Midi,
}

/// Whether this is the whole file that it is to be, and what it is. Fails where it is nothing of the kind.
pub(super) fn check(
    mut file: &File,
    kind: Kind,
    promised_s: Option<f64>,
) -> Result<Checked, EffectError> {
    let unread =
        |error: &dyn std::fmt::Display| format!("could not read what was fetched: {error}");
    let (sha256, length_bytes, head) =
        digest(&mut file).map_err(|error| EffectError::ours(unread(&error), false))?;
    if length_bytes == 0 {
        let message = "the provider sent an empty file".to_owned();
        return Err(EffectError::ours(message, true));
    }
    if kind == Kind::Midi {
        let mut bytes = Vec::new();
        let read = file.read_to_end(&mut bytes);
        read.map_err(|error| EffectError::ours(unread(&error), false))?;
        let length_s = backline_audio::midi_length_s(&bytes);
        let length_s = length_s.map_err(|error| EffectError::ours(unread(&error), true))?;
        return Ok(Checked::new((sha256, length_bytes), length_s, "mid", None));
    }
    let (duration_s, extension, unverified) = match backline_audio::probe_from(file) {
        Ok(probe) => {
            let other = (kind == Kind::Wav && probe.format != Format::Wav)
                .then(|| format!("it is no WAV file but {}", probe.format.extension()));
            let length =
                || promised_s.and_then(|promised_s| length_doubt(probe.duration_s, promised_s));
            let doubt = other.or_else(length);
            (probe.duration_s, probe.format.extension(), doubt)
        }
        Err(DecodeError::Io(error)) => return Err(EffectError::ours(unread(&error), false)),
        Err(
            error @ (DecodeError::EmptyFile
            | DecodeError::NotAudio {
                may_be_sound: false,
                ..
            }),
        ) => {
            let message = format!("what the provider sent is no sound that can be played: {error}");
            return Err(EffectError::ours(message, true));
        }
        Err(error) => (0.0, extension_of(&head), Some(error.to_string())),
    };
    let content = (sha256, length_bytes);
    Ok(Checked::new(content, duration_s, extension, unverified))
}

impl Checked {
    fn new(
        (sha256, length_bytes): (String, u64),
        duration_s: f64,
        extension: &'static str,
        unverified: Option<String>,
    ) -> Self {
        Self {
            file: KeptFile {
                path: String::new(),
                sha256,
                length_bytes,
                duration_s: (duration_s * 1000.0).round() / 1000.0,
                unverified,
            },
            extension,
        }
    }
}

/// Why a recording's length speaks against it.
fn length_doubt(found_s: f64, promised_s: f64) -> Option<String> {
    ((found_s - promised_s).abs() > length_tolerance_s(promised_s))
        .then(|| format!("the file lasts {found_s:.1} s where the provider says {promised_s:.1} s"))
}

/// SHA-256 in hexadecimal, length and first bytes; the file is at its beginning after it.
fn digest(file: &mut (impl Read + Seek)) -> io::Result<(String, u64, Vec<u8>)> {
    file.seek(SeekFrom::Start(0))?;
    let (mut hasher, mut length, mut head) = (Sha256::new(), 0, Vec::new());
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let count = match file.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hasher.update(&piece[..count]);
        if head.is_empty() {
            head.extend_from_slice(&piece[..count.min(HEAD_BYTES)]);
        }
        length += count as u64;
    }
    file.seek(SeekFrom::Start(0))?;
    Ok((backline_api::hex(&hasher.finalize()), length, head))
}

/// The hash of a file's bytes, as a kept file has it.
pub(in crate::driver) fn content_hash(mut file: &File) -> io::Result<String> {
    Ok(digest(&mut file)?.0)
}

/// Whether two files have the same bytes.
pub(super) fn same_content(one: &File, other: &File) -> io::Result<bool> {
    if one.metadata()?.len() != other.metadata()?.len() {
        return Ok(false);
    }
    Ok(content_hash(one)? == content_hash(other)?)
}

/// What the name of a file ends with that could not be decoded.
fn extension_of(head: &[u8]) -> &'static str {
    let holds = |mark: &[u8]| {
        head[..head.len().min(512)]
            .windows(mark.len())
            .any(|it| it == mark)
    };
    match backline_audio::sniff(head) {
        Some(Format::Ogg) if holds(b"OpusHead") => "opus",
        Some(format) => format.extension(),
        None if head.starts_with(b"\x1a\x45\xdf\xa3") => "webm",
        None if head.starts_with(b"PK\x03\x04") => "zip",
        None if head.starts_with(b"MThd") => "mid",
        None => "bin",
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use backline_audio::{Audio, Encoding, encode};

    use super::*;

    /// Ten seconds of a tone.
    fn recording() -> Vec<u8> {
        let tone = (0..80_000_u32).map(|n| ((n % 80) as f32 / 80.0 - 0.5) * 0.4);
        let audio = Audio {
            rate_hz: 8_000,
            channels: vec![tone.collect()],
        };
        encode(&audio, Encoding::Wav16).unwrap()
    }

    fn checked(bytes: &[u8], promised_s: Option<f64>) -> Result<Checked, EffectError> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        check(&file, Kind::Sound, promised_s)
    }

    #[test]
    fn only_a_whole_recording_of_the_promised_length_is_verified() {
        let whole = recording();
        // The vendor counts in its own way: two seconds, or a twentieth of a long track.
        for promised_s in [None, Some(10.0), Some(11.9), Some(8.1)] {
            let Checked { file, extension } = checked(&whole, promised_s).unwrap();
            assert_eq!(file.unverified, None, "{promised_s:?}");
            assert_eq!((file.duration_s, extension), (10.0, "wav"));
            assert_eq!(file.length_bytes, whole.len() as u64);
        }
        #[track_caller]
        fn doubtful(bytes: &[u8], promised_s: Option<f64>, why: &str, expected: &str) {
            let Checked { file, extension } = checked(bytes, promised_s).unwrap();
            let unverified = file.unverified.unwrap();
            assert!(unverified.contains(why), "{unverified}");
            assert_eq!((extension, file.sha256.len()), (expected, 64));
        }
        let lasts = "lasts 10.0 s where the provider says";
        for promised_s in [198.0, 12.1, 7.9] {
            doubtful(&whole, Some(promised_s), lasts, "wav");
        }
        doubtful(&whole[..whole.len() / 2], None, "cut off", "wav");
        doubtful(b"\0\0\0\x20ftypM4A \0\0\0\0", None, "M4A", "m4a");
        doubtful(b"\x1a\x45\xdf\xa3webm", None, "Matroska", "webm");
        doubtful(&[0xff; 64], None, "no known kind", "bin");
        let mut opus = b"OggS\0\x02".to_vec();
        opus.extend([0; 20]);
        opus.extend(b"\x01\x13OpusHead\x01\x01\x38\x01\x80\xbb\0\0\0\0\0");
        doubtful(&opus, None, "Opus", "opus");

        let refused = |bytes: &[u8], why: &str| {
            let EffectError {
                retryable, message, ..
            } = checked(bytes, None).unwrap_err();
            assert!(retryable && message.contains(why), "{retryable} {message}");
        };
        refused(b"", "an empty file");
        refused(b"<html>502 Bad Gateway</html>", "no sound");
        refused(b"{\"code\": 500}", "no sound");
        refused(b"try later", "no sound");
    }

    #[test]
    fn a_file_is_what_its_operation_makes() {
        let checked = |bytes: &[u8], kind| {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(bytes).unwrap();
            check(&file, kind, None)
        };
        let wav = recording();
        let mp3 = {
            let audio = backline_audio::decode(&wav).unwrap();
            encode(&audio, Encoding::Flac).unwrap()
        };
        assert_eq!(checked(&wav, Kind::Wav).unwrap().file.unverified, None);
        let other = checked(&mp3, Kind::Wav).unwrap();
        assert_eq!(
            other.file.unverified.as_deref(),
            Some("it is no WAV file but flac")
        );
        assert_eq!(checked(&mp3, Kind::Sound).unwrap().file.unverified, None);

        let note = backline_audio::MidiNote {
            key: 60,
            start_s: 0.5,
            end_s: 1.25,
            velocity: 0.8,
        };
        let track = backline_audio::MidiTrack {
            name: "Bass".to_owned(),
            notes: vec![note],
        };
        let midi = backline_audio::midi_file(&[track]);
        let Checked { file, extension } = checked(&midi, Kind::Midi).unwrap();
        assert_eq!(
            (extension, file.duration_s, file.unverified),
            ("mid", 1.25, None)
        );
        assert!(checked(&midi[..midi.len() - 3], Kind::Midi).is_err());
        assert!(checked(&wav, Kind::Midi).is_err());
    }
}
