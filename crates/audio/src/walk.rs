//! Decodes the packets of a file in one pass, for decoding and for probing.
//!
//! This is the only module that knows symphonia. It enforces the limits while it reads, never returns a sample that is not
//! finite, and refuses a file that is not whole. It keeps no samples.

use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::sync::Arc;

use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::AudioDecoderOptions;
use symphonia::core::codecs::audio::well_known::CODEC_ID_OPUS;
use symphonia::core::errors::Error as SymphoniaError;
use symphonia::core::formats::probe::{Hint, Probe};
use symphonia::core::formats::{FormatOptions, TrackType};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;
use symphonia::default::formats::{
    AdtsReader, AiffReader, FlacReader, IsoMp4Reader, MpaReader, OggReader, WavReader,
};
use symphonia::default::get_codecs;

use crate::boxes::check_boxes;
use crate::edits::{Trim, first_edit};
use crate::ending::{contains, has_mpeg_length, mpeg_tail_missing, ogg_tail_missing};
use crate::error::{DecodeError, looks_like};
use crate::format::{Format, leading_tags_end, sniff_body};
use crate::quiet::quietly;
use crate::source::{Allowance, PatchedSource};
use crate::strip::{strip_aiff, strip_flac, strip_wav};

/// Longest audio that is read, in seconds: the longest track that the vendors make is a few minutes; an hour allows
/// whole recordings of a session and limits the work.
pub const MAX_DURATION_S: f64 = 3600.0;
/// Most channels that are read: 7.1.
pub const MAX_CHANNELS: usize = 8;
/// Lowest sample rate that is read: telephone speech.
pub const MIN_RATE_HZ: u32 = 8_000;
/// Highest sample rate that is read.
pub const MAX_RATE_HZ: u32 = 192_000;

/// Samples over all channels that any file may have (64 MB), and how many more for each of its bytes: a file of a few kilobytes
/// that unfolds to gigabytes is no recording. Real recordings are far below: 8 kbit/s make some fifty samples of a byte.
const LEAST_SAMPLES: u64 = 16_000_000;
const SAMPLES_PER_BYTE: u64 = 2_000;

/// What a packet costs at least, in samples: finding and reading one takes time even where it is nearly empty.
const PACKET_COST: u64 = 64;

/// Entries of an M4A's tables that are passed in the time of one sample.
const STEPS_PER_SAMPLE: u64 = 8;

/// Packets in a row that may be without sound.
const MAX_EMPTY_PACKETS: u64 = 10_000;

/// Bytes of an Ogg that are read until its first packet of sound, and for each packet: a page has 64 KiB at most, and nearly all
/// before the sound are comments, which can't be hidden because each page has a checksum.
const MAX_OGG_BYTES: u64 = 1 << 20;

/// Bytes of a file after its tags that are enough to recognise its format.
const HEAD_BYTES: usize = 16 * 1024;

/// Float files may exceed full scale; beyond this (+30 dB) a sample is damage and would dominate every measurement.
const LOUDEST_SAMPLE: f32 = 32.0;

/// The result of a pass.
pub(crate) struct Walked {
    pub(crate) format: Format,
    pub(crate) rate_hz: u32,
    pub(crate) channels: usize,
    pub(crate) frames: u64,
    /// Number of samples that were not finite or far too loud, and were replaced.
    pub(crate) replaced_samples: u64,
}

/// Decodes every packet and passes its rate and planes to `keep`, which may end the pass. A file that is, or declares to be, longer
/// than `max_duration_s` is refused as soon as that is known. `charge` receives the work as it is done, in samples; the pass ends where
/// it returns false.
///
/// Damaged packets become silence of their length, so that what follows stays in time; more than one packet in a hundred, or
/// any that breaks the checksum of a FLAC, is an error.
pub(crate) fn walk<S: Read + Seek + Send + Sync>(
    bytes: S,
    max_duration_s: f64,
    charge: &mut dyn FnMut(u64) -> bool,
    keep: impl FnMut(Format, u32, &[Vec<f32>]) -> Result<(), DecodeError>,
) -> Result<Walked, DecodeError> {
    let mut source = PatchedSource::new(bytes)?;
    if source.length() == 0 {
        return Err(DecodeError::EmptyFile);
    }
    let body_at = leading_tags_end(&mut source)?;
    let body = source.bytes_at(body_at, HEAD_BYTES)?;
    let head = source.bytes_at(0, 512)?;
    let format = sniff_body(&body).ok_or_else(|| {
        let (looks_like, may_be_sound) = looks_like(&head);
        DecodeError::NotAudio {
            looks_like,
            may_be_sound,
        }
    })?;
    // Files come from strangers, and symphonia's arithmetic on absurd headers can panic; nothing outlives the pass that a
    // panic could leave half done.
    quietly(|| walk_packets(format, source, body_at, &head, max_duration_s, charge, keep))
        .unwrap_or_else(|_| {
            Err(DecodeError::Damaged {
                format,
                reason: "its header makes no sense".to_owned(),
            })
        })
}

fn walk_packets<S: Read + Seek + Send + Sync>(
    format: Format,
    mut source: PatchedSource<S>,
    body_at: u64,
    head: &[u8],
    max_duration_s: f64,
    charge: &mut dyn FnMut(u64) -> bool,
    mut keep: impl FnMut(Format, u32, &[Vec<f32>]) -> Result<(), DecodeError>,
) -> Result<Walked, DecodeError> {
    let mut charge = |samples| match charge(samples) {
        true => Ok(()),
        false => Err(DecodeError::Stopped),
    };
    match format {
        Format::Wav => strip_wav(&mut source)?,
        Format::Aiff => strip_aiff(&mut source)?,
        Format::Flac => strip_flac(&mut source, body_at)?,
        Format::M4a => charge(check_boxes(&mut source)? / STEPS_PER_SAMPLE)?,
        Format::Mp3 | Format::Aac | Format::Ogg => {}
    }
    let tail_missing = match format {
        Format::Mp3 => mpeg_tail_missing(&mut source)?,
        Format::Ogg => ogg_tail_missing(&mut source)?,
        _ => false,
    };
    let edit = match format {
        Format::M4a => first_edit(&mut source)?,
        _ => None,
    };
    let has_length = format != Format::Mp3 || has_mpeg_length(&mut source)?;

    let length = source.length();
    let most_samples = LEAST_SAMPLES.saturating_add(SAMPLES_PER_BYTE.saturating_mul(length));
    let allowance = Arc::new(Allowance::default());
    let most_bytes = match format {
        Format::Ogg => MAX_OGG_BYTES,
        _ => u64::MAX,
    };
    allowance.set(most_bytes);
    source.limit(allowance.clone());
    let mut stream = MediaSourceStream::new(Box::new(source), MediaSourceStreamOptions::default());
    // Behind the leading tags, which nobody reads.
    stream.seek(SeekFrom::Start(body_at))?;
    let mut reader = probe_for(format)
        .probe(
            &Hint::new(),
            stream,
            FormatOptions::default(),
            MetadataOptions::default(),
        )
        .map_err(|error| match allowance.is_spent() {
            true => long_header(format),
            false => opening_failed(format, head, error),
        })?;
    let track = reader
        .default_track(TrackType::Audio)
        .ok_or_else(|| DecodeError::Unsupported {
            format,
            what: "a file without an audio track".to_owned(),
        })?;
    let track_id = track.id;
    let declared_frames = track.num_frames.filter(|&frames| has_length && frames > 0);
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
        check_duration(
            format,
            rate_hz,
            declared_frames.unwrap_or(0),
            max_duration_s,
        )?;
        let declared = declared_frames.unwrap_or(0);
        check_samples(format, declared, channels.count(), most_samples, length)?;
    }
    let mut decoder = get_codecs()
        .make_audio_decoder(&parameters, &AudioDecoderOptions::default().verify(true))
        .map_err(|error| DecodeError::Unsupported {
            format,
            what: format!("its codec ({error})"),
        })?;

    let mut shape: Option<(u32, usize)> = None;
    let (mut frames, mut packets, mut bad_packets, mut replaced_samples) = (0u64, 0u64, 0u64, 0u64);
    let mut planes: Vec<Vec<f32>> = Vec::new();
    let (mut kept, mut empty_packets) = (0u64, 0u64);
    loop {
        allowance.set(most_bytes);
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
            Err(_) if allowance.is_spent() => return Err(long_header(format)),
            Err(error) => {
                return Err(DecodeError::Damaged {
                    format,
                    reason: error.to_string(),
                });
            }
        };
        charge(PACKET_COST)?;
        if packet.track_id != track_id {
            continue;
        }
        packets += 1;
        empty_packets += 1;
        if empty_packets > MAX_EMPTY_PACKETS {
            return Err(DecodeError::Damaged {
                format,
                reason: format!("{MAX_EMPTY_PACKETS} packets in a row hold no sound"),
            });
        }
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
        let samples: usize = planes.iter().map(Vec::len).sum();
        charge((samples as u64).saturating_sub(PACKET_COST))?;
        for plane in &mut planes {
            replaced_samples += clean(plane);
        }
        let before = frames;
        let found = planes.first().map_or(0, |plane| plane.len() as u64);
        if found > 0 {
            empty_packets = 0;
        }
        frames += found;
        let rate_hz = shape.map_or(MIN_RATE_HZ, |(rate_hz, _)| rate_hz);
        if let Some(edit) = &edit {
            within(&edit.trim(rate_hz), before, &mut planes);
        }
        kept += planes.first().map_or(0, |plane| plane.len() as u64);
        check_duration(format, rate_hz, kept, max_duration_s)?;
        keep(format, rate_hz, &planes)?;
    }

    let rate_hz = shape.map_or(MIN_RATE_HZ, |(rate_hz, _)| rate_hz);
    if tail_missing
        || declared_frames.is_some_and(|declared| frames + slack_frames(format) < declared)
    {
        let seconds = |frames: u64| frames as f64 / f64::from(rate_hz);
        return Err(DecodeError::Truncated {
            format,
            found_s: seconds(frames),
            declared_s: declared_frames.map(seconds),
        });
    }
    if bad_packets * 100 > packets && bad_packets > 1 {
        return Err(DecodeError::Damaged {
            format,
            reason: format!("{bad_packets} of {packets} packets cannot be decoded"),
        });
    }
    if decoder.finalize().verify_ok == Some(false) {
        return Err(DecodeError::Damaged {
            format,
            reason: "its samples do not match the checksum that it carries".to_owned(),
        });
    }
    match shape {
        Some((rate_hz, channels)) if kept > 0 => Ok(Walked {
            format,
            rate_hz,
            channels,
            frames: kept,
            replaced_samples,
        }),
        _ => Err(DecodeError::NoFrames { format }),
    }
}

/// Leaves of planes whose first frame is number `start` of the file what is meant to be heard.
fn within(trim: &Trim, start: u64, planes: &mut [Vec<f32>]) {
    let end = trim
        .frames
        .map_or(u64::MAX, |frames| trim.skip.saturating_add(frames));
    for plane in planes {
        let place = |frame: u64| {
            usize::try_from(frame.saturating_sub(start))
                .map_or(plane.len(), |at| at.min(plane.len()))
        };
        let (from, to) = (place(trim.skip), place(end));
        plane.truncate(to);
        plane.drain(..from.min(to));
    }
}

/// The reader of one format, and none of metadata.
fn probe_for(format: Format) -> Probe {
    let mut probe = Probe::default();
    match format {
        Format::Wav => probe.register_format::<WavReader<'_>>(),
        Format::Aiff => probe.register_format::<AiffReader<'_>>(),
        Format::Flac => probe.register_format::<FlacReader<'_>>(),
        Format::Mp3 => probe.register_format::<MpaReader<'_>>(),
        Format::Aac => probe.register_format::<AdtsReader<'_>>(),
        Format::M4a => probe.register_format::<IsoMp4Reader<'_>>(),
        Format::Ogg => probe.register_format::<OggReader<'_>>(),
    }
    probe
}

fn long_header(format: Format) -> DecodeError {
    DecodeError::OverLimit {
        format,
        subject: "what precedes its sound (comments, a cover)",
        found: "longer".to_owned(),
        limit: format!("{MAX_OGG_BYTES} bytes"),
    }
}

fn check_samples(
    format: Format,
    frames: u64,
    channels: usize,
    most: u64,
    length: u64,
) -> Result<(), DecodeError> {
    if frames.saturating_mul(channels as u64) > most {
        let limit = format!("{most} samples over all channels of a file of {length} bytes");
        return Err(DecodeError::OverLimit {
            format,
            subject: "the number of samples",
            found: "larger".to_owned(),
            limit,
        });
    }
    Ok(())
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

fn check_duration(
    format: Format,
    rate_hz: u32,
    frames: u64,
    max_duration_s: f64,
) -> Result<(), DecodeError> {
    let duration_s = frames as f64 / f64::from(rate_hz);
    if duration_s > max_duration_s {
        let limit = format!("{max_duration_s:.0} s");
        return Err(DecodeError::OverLimit {
            format,
            subject: "the duration",
            found: format!("over {duration_s:.0} s"),
            limit,
        });
    }
    Ok(())
}

/// Replaces what is no number by silence, bounds the rest, and counts both.
fn clean(plane: &mut [f32]) -> u64 {
    let mut replaced_samples = 0;
    for sample in plane {
        if !sample.is_finite() {
            *sample = 0.0;
            replaced_samples += 1;
        } else if sample.abs() > LOUDEST_SAMPLE {
            *sample = sample.clamp(-LOUDEST_SAMPLE, LOUDEST_SAMPLE);
            replaced_samples += 1;
        }
    }
    replaced_samples
}

fn opening_failed(format: Format, head: &[u8], error: SymphoniaError) -> DecodeError {
    match error {
        // The Ogg reader rejects streams that it cannot map; the first page has their names.
        _ if format == Format::Ogg && contains(head, b"OpusHead") => DecodeError::Unsupported {
            format,
            what: "Opus".to_owned(),
        },
        SymphoniaError::IoError(error) if error.kind() == ErrorKind::UnexpectedEof => {
            DecodeError::Truncated {
                format,
                found_s: 0.0,
                declared_s: None,
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
