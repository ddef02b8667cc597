//! One pass over a file's packets: what decoding and probing share.
//!
//! This is the only module that knows symphonia. It says what is wrong with a file in words for its owner, enforces the
//! limits while it goes, and never hands out a sample that is not finite.

use std::borrow::Cow;
use std::io::{Cursor, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind};

use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::AudioDecoderOptions;
use symphonia::core::codecs::audio::well_known::CODEC_ID_OPUS;
use symphonia::core::errors::Error as SymphoniaError;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, TrackType};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;
use symphonia::default::{get_codecs, get_probe};
use thiserror::Error;

use crate::format::{Format, first_mpeg_frame, leading_tags_length, mpeg_frame_size, sniff};

/// Longest audio that is read, in seconds: the longest track that the vendors make is a few minutes; an hour leaves room for
/// whole recordings of a session and bounds the work.
pub const MAX_DURATION_S: f64 = 3600.0;
/// Most channels that are read: 7.1.
pub const MAX_CHANNELS: usize = 8;
/// Lowest sample rate that is read: telephone speech.
pub const MIN_RATE_HZ: u32 = 8_000;
/// Highest sample rate that is read.
pub const MAX_RATE_HZ: u32 = 192_000;

/// Float files may exceed full scale; beyond this (+30 dB) a sample is damage and would drown every measurement.
const LOUDEST_SAMPLE: f32 = 32.0;

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
    },
    /// It is audio, in a codec that is not decoded here.
    #[error("decode {format}: {what} is not supported; convert the file to WAV, FLAC or MP3")]
    Unsupported {
        /// The container.
        format: Format,
        /// The codec or feature.
        what: String,
    },
    /// The file ends before the audio that it declares.
    #[error("decode {format}: the file is cut off or damaged: {found_frames} of {declared} frames can be decoded", declared = declared_text(*.declared_frames))]
    Truncated {
        /// The container.
        format: Format,
        /// Frames that could be decoded.
        found_frames: u64,
        /// Frames that the file says it holds; `None` when it only shows that its end is missing.
        declared_frames: Option<u64>,
    },
    /// The file is damaged.
    #[error("decode {format}: the file is damaged: {reason}")]
    Damaged {
        /// The container.
        format: Format,
        /// What the decoder met.
        reason: String,
    },
    /// The file is intact and holds no frame.
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

fn declared_text(declared: Option<u64>) -> String {
    declared.map_or_else(
        || "an unknown number of".to_owned(),
        |frames| frames.to_string(),
    )
}

/// What a pass found.
pub(crate) struct Walked {
    pub(crate) format: Format,
    pub(crate) rate_hz: u32,
    pub(crate) channels: usize,
    pub(crate) frames: u64,
}

/// Decodes every packet and hands the planes to `keep`, which may refuse to go on.
///
/// Damaged packets become silence of their length, so that what follows stays in time; more than one packet in a hundred is an
/// error.
pub(crate) fn walk(
    bytes: &[u8],
    keep: impl FnMut(Format, &[Vec<f32>]) -> Result<(), DecodeError>,
) -> Result<Walked, DecodeError> {
    if bytes.is_empty() {
        return Err(DecodeError::EmptyFile);
    }
    let format = sniff(bytes).ok_or_else(|| DecodeError::NotAudio {
        looks_like: looks_like(bytes),
    })?;
    // Files come from strangers, and symphonia's arithmetic on absurd headers can panic; nothing outlives the pass that a
    // panic could leave half done.
    catch_unwind(AssertUnwindSafe(|| walk_packets(format, bytes, keep))).unwrap_or_else(|_| {
        Err(DecodeError::Damaged {
            format,
            reason: "its header makes no sense".to_owned(),
        })
    })
}

fn walk_packets(
    format: Format,
    bytes: &[u8],
    mut keep: impl FnMut(Format, &[Vec<f32>]) -> Result<(), DecodeError>,
) -> Result<Walked, DecodeError> {
    let bytes = if format == Format::Wav {
        with_known_length(bytes)
    } else {
        Cow::Borrowed(bytes)
    };
    let tail_missing = match format {
        Format::Mp3 => mpeg_tail_missing(&bytes),
        Format::Ogg => ogg_tail_missing(&bytes),
        _ => false,
    };

    let stream = MediaSourceStream::new(
        Box::new(Cursor::new(bytes.as_ref())),
        MediaSourceStreamOptions::default(),
    );
    let mut hint = Hint::new();
    hint.with_extension(format.extension());
    let mut reader = get_probe()
        .probe(
            &hint,
            stream,
            FormatOptions::default(),
            MetadataOptions::default(),
        )
        .map_err(|error| opening_failed(format, &bytes, error))?;
    let track = reader
        .default_track(TrackType::Audio)
        .ok_or_else(|| DecodeError::Unsupported {
            format,
            what: "a file without an audio track".to_owned(),
        })?;
    let track_id = track.id;
    let declared_frames = if format == Format::Mp3 && !has_mpeg_length(&bytes) {
        None
    } else {
        track.num_frames.filter(|&frames| frames > 0)
    };
    let Some(CodecParameters::Audio(parameters)) = track.codec_params.clone() else {
        return Err(DecodeError::Unsupported {
            format,
            what: "an unknown codec".to_owned(),
        });
    };
    if parameters.codec == CODEC_ID_OPUS {
        return Err(DecodeError::Unsupported {
            format,
            what: "Opus".to_owned(),
        });
    }
    if let (Some(rate_hz), Some(channels)) = (parameters.sample_rate, &parameters.channels) {
        check_shape(format, rate_hz, channels.count())?;
        check_duration(format, rate_hz, declared_frames.unwrap_or(0))?;
    }
    let mut decoder = get_codecs()
        .make_audio_decoder(&parameters, &AudioDecoderOptions::default())
        .map_err(|error| DecodeError::Unsupported {
            format,
            what: format!("its codec ({error})"),
        })?;

    let mut shape: Option<(u32, usize)> = None;
    let (mut frames, mut packets, mut bad_packets) = (0u64, 0u64, 0u64);
    let mut planes: Vec<Vec<f32>> = Vec::new();
    loop {
        let packet = match reader.next_packet() {
            Ok(Some(packet)) => packet,
            Ok(None) => break,
            // The end came early; whether that matters is decided below, against what was declared.
            Err(SymphoniaError::IoError(error)) if error.kind() == ErrorKind::UnexpectedEof => {
                break;
            }
            Err(SymphoniaError::ResetRequired) => {
                return Err(DecodeError::Unsupported {
                    format,
                    what: "a stream whose properties change midway".to_owned(),
                });
            }
            Err(error) => {
                return Err(DecodeError::Damaged {
                    format,
                    reason: error.to_string(),
                });
            }
        };
        if packet.track_id != track_id {
            continue;
        }
        packets += 1;
        match decoder.decode(&packet) {
            Ok(decoded) => {
                let found = (decoded.spec().rate(), decoded.spec().channels().count());
                if *shape.get_or_insert(found) != found {
                    return Err(DecodeError::Unsupported {
                        format,
                        what: "a stream whose properties change midway".to_owned(),
                    });
                }
                check_shape(format, found.0, found.1)?;
                decoded.copy_to_vecs_planar(&mut planes);
            }
            Err(SymphoniaError::DecodeError(_) | SymphoniaError::IoError(_)) => {
                bad_packets += 1;
                let Some((_, channels)) = shape else { continue };
                // A packet never lasts longer than a few thousand frames; a damaged header may claim otherwise.
                let length = usize::try_from(packet.dur.get()).unwrap_or(0).min(65_536);
                planes.clear();
                planes.resize_with(channels, || vec![0.0; length]);
            }
            Err(error) => {
                return Err(DecodeError::Damaged {
                    format,
                    reason: error.to_string(),
                });
            }
        }
        for plane in &mut planes {
            clean(plane);
        }
        frames += planes.first().map_or(0, |plane| plane.len() as u64);
        check_duration(
            format,
            shape.map_or(MIN_RATE_HZ, |(rate_hz, _)| rate_hz),
            frames,
        )?;
        keep(format, &planes)?;
    }

    if bad_packets * 100 > packets && bad_packets > 1 {
        return Err(DecodeError::Damaged {
            format,
            reason: format!("{bad_packets} of {packets} packets cannot be decoded"),
        });
    }
    if tail_missing
        || declared_frames.is_some_and(|declared| frames + slack_frames(format) < declared)
    {
        return Err(DecodeError::Truncated {
            format,
            found_frames: frames,
            declared_frames,
        });
    }
    match shape {
        Some((rate_hz, channels)) if frames > 0 => Ok(Walked {
            format,
            rate_hz,
            channels,
            frames,
        }),
        _ => Err(DecodeError::NoFrames { format }),
    }
}

/// How far the declared length may lie beyond the decoded one in an intact file: MP3 writers disagree on whether the tag's own
/// frame counts, and MP4 tables round to whole AAC blocks.
fn slack_frames(format: Format) -> u64 {
    match format {
        Format::Mp3 => 2 * 1152,
        Format::M4a | Format::Aac => 2 * 1024,
        Format::Wav | Format::Aiff | Format::Flac | Format::Ogg => 0,
    }
}

fn check_shape(format: Format, rate_hz: u32, channels: usize) -> Result<(), DecodeError> {
    if !(MIN_RATE_HZ..=MAX_RATE_HZ).contains(&rate_hz) {
        let limit = format!("{MIN_RATE_HZ} to {MAX_RATE_HZ} Hz");
        return Err(DecodeError::OverLimit {
            format,
            subject: "the sample rate",
            found: format!("{rate_hz} Hz"),
            limit,
        });
    }
    if channels == 0 || channels > MAX_CHANNELS {
        let limit = format!("1 to {MAX_CHANNELS}");
        return Err(DecodeError::OverLimit {
            format,
            subject: "the number of channels",
            found: channels.to_string(),
            limit,
        });
    }
    Ok(())
}

fn check_duration(format: Format, rate_hz: u32, frames: u64) -> Result<(), DecodeError> {
    let duration_s = frames as f64 / f64::from(rate_hz);
    if duration_s > MAX_DURATION_S {
        let limit = format!("{MAX_DURATION_S:.0} s");
        return Err(DecodeError::OverLimit {
            format,
            subject: "the duration",
            found: format!("over {duration_s:.0} s"),
            limit,
        });
    }
    Ok(())
}

/// Replaces what is no number by silence and bounds the rest.
fn clean(plane: &mut [f32]) {
    for sample in plane {
        *sample = if sample.is_finite() {
            sample.clamp(-LOUDEST_SAMPLE, LOUDEST_SAMPLE)
        } else {
            0.0
        };
    }
}

fn opening_failed(format: Format, bytes: &[u8], error: SymphoniaError) -> DecodeError {
    match error {
        // The Ogg reader gives up on streams that it cannot map; look at the first page for their names.
        _ if format == Format::Ogg && contains(&bytes[..bytes.len().min(512)], b"OpusHead") => {
            DecodeError::Unsupported {
                format,
                what: "Opus".to_owned(),
            }
        }
        SymphoniaError::IoError(error) if error.kind() == ErrorKind::UnexpectedEof => {
            DecodeError::Truncated {
                format,
                found_frames: 0,
                declared_frames: None,
            }
        }
        SymphoniaError::Unsupported(what) => DecodeError::Unsupported {
            format,
            what: what.to_owned(),
        },
        error => DecodeError::Damaged {
            format,
            reason: error.to_string(),
        },
    }
}

/// Names what people most often give instead of audio.
fn looks_like(bytes: &[u8]) -> &'static str {
    let start = bytes[..bytes.len().min(512)].trim_ascii_start();
    let lower = start[..start.len().min(16)].to_ascii_lowercase();
    if lower.starts_with(b"<!doctype html") || lower.starts_with(b"<html") {
        "it looks like a web page"
    } else if start.starts_with(b"{") || start.starts_with(b"[") {
        "it looks like JSON"
    } else if start.starts_with(b"<") {
        "it looks like XML"
    } else if start.starts_with(b"\x1a\x45\xdf\xa3") {
        "it looks like Matroska or WebM"
    } else if start.starts_with(b"PK\x03\x04") {
        "it looks like a ZIP archive"
    } else if start.starts_with(b"MThd") {
        "it is MIDI: notes, not sound"
    } else if std::str::from_utf8(&bytes[..bytes.len().min(256)]).is_ok() {
        "it looks like text"
    } else {
        "its first bytes are of no known kind"
    }
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack
        .windows(needle.len())
        .any(|window| window == needle)
}

/// Programs that write WAV into a pipe don't know the length in advance and leave a maximal one; it then means "to the end".
fn with_known_length(bytes: &[u8]) -> Cow<'_, [u8]> {
    /// sox writes 0x7ffff000 and up, ffmpeg 0xffffffff; no honest file that is within the limits comes near.
    const UNKNOWN: u32 = 0x7fff_f000;
    let length_at = |at: usize| {
        bytes
            .get(at..at + 4)
            .map(|field| u32::from_le_bytes([field[0], field[1], field[2], field[3]]))
    };
    let mut at = 12;
    while let (Some(id), Some(length)) = (bytes.get(at..at + 4), length_at(at + 4)) {
        if id == b"data" {
            if length < UNKNOWN {
                return Cow::Borrowed(bytes);
            }
            let mut known = bytes.to_vec();
            let rest = u32::try_from(bytes.len() - at - 8).unwrap_or(u32::MAX);
            known[at + 4..at + 8].copy_from_slice(&rest.to_le_bytes());
            let whole = u32::try_from(bytes.len() - 8).unwrap_or(u32::MAX);
            known[4..8].copy_from_slice(&whole.to_le_bytes());
            return Cow::Owned(known);
        }
        at += 8 + length as usize + (length as usize & 1);
    }
    Cow::Borrowed(bytes)
}

/// Whether the first MPEG frame is a tag that declares the number of frames; without one, symphonia only estimates.
fn has_mpeg_length(bytes: &[u8]) -> bool {
    let body = &bytes[leading_tags_length(bytes).min(bytes.len())..];
    let start = first_mpeg_frame(body).unwrap_or(0);
    let frame = &body[start..(start + 64).min(body.len())];
    [b"Xing", b"Info", b"VBRI"]
        .iter()
        .any(|mark| contains(frame, *mark))
}

/// Whether the last MPEG frame lacks its end. Stops at the first bytes that are no frame: a tag at the end is no damage.
fn mpeg_tail_missing(bytes: &[u8]) -> bool {
    let body = &bytes[leading_tags_length(bytes).min(bytes.len())..];
    let mut at = first_mpeg_frame(body).unwrap_or(0);
    while let Some(size) = body.get(at..).and_then(mpeg_frame_size) {
        at += size;
    }
    at > body.len()
}

/// Whether the last Ogg page is cut off or is not marked as the last.
fn ogg_tail_missing(bytes: &[u8]) -> bool {
    let Some(last) = bytes.windows(4).rposition(|window| window == b"OggS") else {
        return true;
    };
    let page = &bytes[last..];
    let (Some(flags), Some(&segments)) = (page.get(5), page.get(26)) else {
        return true;
    };
    let Some(table) = page.get(27..27 + usize::from(segments)) else {
        return true;
    };
    let length: usize = table.iter().map(|&size| usize::from(size)).sum();
    flags & 4 == 0 || page.len() < 27 + table.len() + length
}
