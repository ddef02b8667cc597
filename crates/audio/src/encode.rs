//! Encodes samples as a file. The same samples give the same bytes on every machine: no dither, no date, no threads.

use std::io::Cursor;

use flacenc::component::BitRepr;
use flacenc::error::Verify;
use rusty_mp3::{Mp3Encoder, Mp3EncoderConfig};
use thiserror::Error;

use crate::audio::Audio;
use crate::format::Format;
use crate::walk::{MAX_CHANNELS, MAX_RATE_HZ, MIN_RATE_HZ};

/// What to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// WAV of 16 bits.
    Wav16,
    /// FLAC of 16 bits.
    Flac,
    /// MP3 of a constant bit rate, mono or stereo, gapless (players and [`decode`](crate::decode) give the exact length back).
    Mp3 {
        /// Kilobits per second, one of 64, 80, 96, 112, 128, 160, 192, 224 and 256.
        kbps: u32,
    },
}

impl Encoding {
    /// The format of what is written.
    pub fn format(self) -> Format {
        match self {
            Self::Wav16 => Format::Wav,
            Self::Flac => Format::Flac,
            Self::Mp3 { .. } => Format::Mp3,
        }
    }
}

/// The bit rates of MPEG-1 layer III that make sense for music.
const MP3_KBPS: [u32; 9] = [64, 80, 96, 112, 128, 160, 192, 224, 256];
/// The sample rates of MPEG-1 layer III.
const MP3_RATES_HZ: [u32; 3] = [32_000, 44_100, 48_000];

/// The shortest FLAC: the smallest block that every reader takes.
const LEAST_FLAC_FRAMES: usize = 16;

/// Why samples could not be written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// There is nothing to write.
    #[error("encode {format}: there are no frames to write")]
    NoFrames {
        /// The format to write.
        format: Format,
    },
    /// The samples' shape does not fit the format.
    #[error("encode {format}: {subject} is {found}, allowed is {allowed}")]
    Unsuitable {
        /// The format to write.
        format: Format,
        /// What does not fit.
        subject: &'static str,
        /// What was given.
        found: u32,
        /// What would be accepted.
        allowed: String,
    },
    /// The encoder failed, which is a bug.
    #[error("encode {format}: {reason}")]
    Failed {
        /// The format to write.
        format: Format,
        /// The message of the encoder.
        reason: String,
    },
}

/// Writes samples as a file. Samples beyond full scale are clipped; NaN becomes silence.
///
/// # Errors
/// When there are no frames, or rate, channels or bit rate do not fit the encoding.
pub fn encode(audio: &Audio, encoding: Encoding) -> Result<Vec<u8>, EncodeError> {
    let format = encoding.format();
    if audio.frames() == 0 {
        return Err(EncodeError::NoFrames { format });
    }
    let channels = audio.channels.len();
    let most_channels = if format == Format::Mp3 {
        2
    } else {
        MAX_CHANNELS
    };
    if channels > most_channels {
        let allowed = format!("1 to {most_channels}");
        return Err(EncodeError::Unsuitable {
            format,
            subject: "the number of channels",
            found: channels as u32,
            allowed,
        });
    }
    match encoding {
        Encoding::Wav16 => check_rate(audio, format).and_then(|()| wav16(audio)),
        Encoding::Flac => check_rate(audio, format).and_then(|()| flac(audio)),
        Encoding::Mp3 { kbps } => mp3(audio, kbps),
    }
}

fn check_rate(audio: &Audio, format: Format) -> Result<(), EncodeError> {
    if (MIN_RATE_HZ..=MAX_RATE_HZ).contains(&audio.rate_hz) {
        return Ok(());
    }
    let allowed = format!("{MIN_RATE_HZ} to {MAX_RATE_HZ} Hz");
    Err(EncodeError::Unsuitable {
        format,
        subject: "the sample rate",
        found: audio.rate_hz,
        allowed,
    })
}

/// The samples frame by frame.
fn interleaved<T>(audio: &Audio, convert: impl Fn(f32) -> T) -> Vec<T> {
    let frames = audio.frames();
    let mut samples = Vec::with_capacity(frames * audio.channels.len());
    for frame in 0..frames {
        samples.extend(audio.channels.iter().map(|channel| convert(channel[frame])));
    }
    samples
}

/// Scaled by 32768 as decoders scale back, so that a round trip changes nothing, and rounded: `as` cuts fractions off, turns NaN into 0
/// and clips. `round` is a call for every sample where the processor's baseline has no such instruction.
fn to_16_bit(sample: f32) -> i16 {
    let scaled = sample * 32768.0;
    (scaled + 0.5f32.copysign(scaled)) as i16
}

/// Frames that are written at a time.
const WAV_BLOCK: usize = 2048;

fn wav16(audio: &Audio) -> Result<Vec<u8>, EncodeError> {
    let failed = |error: hound::Error| EncodeError::Failed {
        format: Format::Wav,
        reason: error.to_string(),
    };
    let spec = hound::WavSpec {
        channels: audio.channels.len() as u16,
        sample_rate: audio.rate_hz,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut bytes = Cursor::new(Vec::with_capacity(
        audio.frames() * audio.channels.len() * 2 + 64,
    ));
    let mut writer = hound::WavWriter::new(&mut bytes, spec).map_err(failed)?;
    let frames = audio.frames();
    for start in (0..frames).step_by(WAV_BLOCK) {
        let until = (start + WAV_BLOCK).min(frames);
        let mut samples = writer.get_i16_writer(((until - start) * audio.channels.len()) as u32);
        for frame in start..until {
            for channel in &audio.channels {
                samples.write_sample(to_16_bit(channel[frame]));
            }
        }
        samples.flush().map_err(failed)?;
    }
    writer.finalize().map_err(failed)?;
    Ok(bytes.into_inner())
}

fn flac(audio: &Audio) -> Result<Vec<u8>, EncodeError> {
    if audio.frames() < LEAST_FLAC_FRAMES {
        return Err(EncodeError::Unsuitable {
            format: Format::Flac,
            subject: "the number of frames",
            found: audio.frames() as u32,
            allowed: format!("{LEAST_FLAC_FRAMES} or more"),
        });
    }
    let failed = |reason: String| EncodeError::Failed {
        format: Format::Flac,
        reason,
    };
    let config = flacenc::config::Encoder::default()
        .into_verified()
        .map_err(|(_, error)| failed(error.to_string()))?;
    let samples = interleaved(audio, |sample| i32::from(to_16_bit(sample)));
    let source = flacenc::source::MemSource::from_samples(
        &samples,
        audio.channels.len(),
        16,
        audio.rate_hz as usize,
    );
    let mut stream = flacenc::encode_with_fixed_block_size(&config, source, config.block_size)
        .map_err(|error| failed(error.to_string()))?;
    // RFC 9639 leaves the last, shorter block out of the declared sizes; flacenc counts it, and strict readers then take the
    // stream for one of varying blocks and find no frame in it.
    stream
        .stream_info_mut()
        .set_block_sizes(config.block_size, config.block_size)
        .map_err(|error| failed(error.to_string()))?;
    let mut sink = flacenc::bitsink::ByteSink::new();
    stream
        .write(&mut sink)
        .map_err(|error| failed(error.to_string()))?;
    Ok(sink.into_inner())
}

fn mp3(audio: &Audio, kbps: u32) -> Result<Vec<u8>, EncodeError> {
    let format = Format::Mp3;
    if !MP3_KBPS.contains(&kbps) {
        return Err(EncodeError::Unsuitable {
            format,
            subject: "the bit rate in kbit/s",
            found: kbps,
            allowed: format!("one of {MP3_KBPS:?}"),
        });
    }
    if !MP3_RATES_HZ.contains(&audio.rate_hz) {
        return Err(EncodeError::Unsuitable {
            format,
            subject: "the sample rate",
            found: audio.rate_hz,
            allowed: format!("one of {MP3_RATES_HZ:?} Hz"),
        });
    }
    let failed = |error: rusty_mp3::Error| EncodeError::Failed {
        format,
        reason: error.to_string(),
    };
    let mut encoder = Mp3Encoder::new(Mp3EncoderConfig {
        bitrate_kbps: kbps,
        vbr_quality: None,
    });
    let samples = interleaved(audio, |sample| {
        if sample.is_finite() {
            sample.clamp(-1.0, 1.0)
        } else {
            0.0
        }
    });
    encoder
        .push_pcm_f32(&samples, audio.channels.len() as u16, audio.rate_hz)
        .map_err(failed)?;
    encoder.finish();
    let mut bytes = Vec::with_capacity(audio.frames() / 40);
    // Drained only after `finish`: the first packet is the tag with the exact length, completed there.
    loop {
        match encoder.next_packet() {
            Ok(packet) => bytes.extend_from_slice(&packet),
            Err(rusty_mp3::Error::Eof) => return Ok(bytes),
            Err(error) => return Err(failed(error)),
        }
    }
}
