//! Decodes a whole file into memory.

use std::io::Cursor;

use crate::audio::Audio;
use crate::error::DecodeError;
use crate::walk::{MAX_DURATION_S, walk};

/// Most samples, over all channels, that are kept in memory (1.6 GB): an hour in stereo at 48 kHz and some more. An hour of
/// 7.1 at 192 kHz can be probed, not decoded.
pub const MAX_SAMPLES: usize = 400_000_000;

/// Decodes a file. Every sample is finite: NaN and infinities become silence.
///
/// # Errors
/// When the bytes are no audio, are cut off or damaged, have an unknown codec (Opus among them), or exceed a limit
/// ([`MAX_DURATION_S`](crate::MAX_DURATION_S), [`MAX_CHANNELS`](crate::MAX_CHANNELS), the range of rates, [`MAX_SAMPLES`]).
pub fn decode(bytes: &[u8]) -> Result<Audio, DecodeError> {
    decode_within(bytes, MAX_DURATION_S)
}

/// The same of a file that may last no longer than `max_duration_s`.
///
/// # Errors
/// As [`decode`], and when the file is longer, by its header or by its packets.
pub fn decode_within(bytes: &[u8], max_duration_s: f64) -> Result<Audio, DecodeError> {
    let mut channels: Vec<Vec<f32>> = Vec::new();
    let source = Cursor::new(bytes);
    let walked = walk(
        source,
        max_duration_s,
        &mut |_| true,
        |format, _, planes| {
            if channels.is_empty() {
                channels.resize_with(planes.len(), Vec::new);
            }
            let samples = planes.iter().chain(&channels).map(Vec::len).sum::<usize>();
            if samples > MAX_SAMPLES {
                let limit = format!("{MAX_SAMPLES} samples over all channels");
                return Err(DecodeError::OverLimit {
                    format,
                    subject: "the size in memory",
                    found: "larger".to_owned(),
                    limit,
                });
            }
            for (channel, plane) in channels.iter_mut().zip(planes) {
                channel.extend_from_slice(plane);
            }
            Ok(())
        },
    )?;
    Ok(Audio {
        rate_hz: walked.rate_hz,
        channels,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::{Encoding, encode};
    use crate::format::Format;
    use crate::probe::probe;

    /// A file of the given sample type, written by hand: hound writes none of 8 kHz unsigned, 64-bit float and NaN alike.
    fn wav(rate_hz: u32, channels: u16, bits: u16, float: bool, data: &[u8]) -> Vec<u8> {
        let block = channels * bits / 8;
        let mut bytes = b"RIFF".to_vec();
        bytes.extend((36 + data.len() as u32).to_le_bytes());
        bytes.extend(b"WAVEfmt \x10\0\0\0");
        bytes.extend((if float { 3u16 } else { 1 }).to_le_bytes());
        bytes.extend(channels.to_le_bytes());
        bytes.extend(rate_hz.to_le_bytes());
        bytes.extend((rate_hz * u32::from(block)).to_le_bytes());
        bytes.extend(block.to_le_bytes());
        bytes.extend(bits.to_le_bytes());
        bytes.extend(b"data");
        bytes.extend((data.len() as u32).to_le_bytes());
        bytes.extend(data);
        bytes
    }

    fn tone(rate_hz: u32, channels: usize, frames: usize) -> Audio {
        let plane = |channel: usize| {
            let hz = 220.0 * (channel + 1) as f32;
            (0..frames)
                .map(|frame| {
                    0.5 * (frame as f32 * hz * std::f32::consts::TAU / rate_hz as f32).sin()
                })
                .collect()
        };
        Audio {
            rate_hz,
            channels: (0..channels).map(plane).collect(),
        }
    }

    /// Largest difference between two sounds of one shape.
    fn difference(one: &Audio, other: &Audio) -> f32 {
        assert_eq!(
            (one.rate_hz, one.channels.len(), one.frames()),
            (other.rate_hz, other.channels.len(), other.frames())
        );
        let pairs = one
            .channels
            .iter()
            .zip(&other.channels)
            .flat_map(|(one, other)| one.iter().zip(other));
        pairs
            .map(|(one, other)| (one - other).abs())
            .fold(0.0, f32::max)
    }

    #[test]
    fn every_sample_type_of_wav_is_read() {
        let values = [0.0f32, 0.5, -0.5, 0.25];
        let check = |bits: u16, float: bool, data: Vec<u8>, tolerance: f32| {
            let audio = decode(&wav(16_000, 1, bits, float, &data))
                .unwrap_or_else(|error| panic!("{bits} bits, float {float}: {error}"));
            assert!(
                difference(
                    &audio,
                    &Audio {
                        rate_hz: 16_000,
                        channels: vec![values.to_vec()]
                    }
                ) <= tolerance,
                "{bits} bits, float {float}: {audio:?}"
            );
        };
        check(
            8,
            false,
            values.map(|value| (value * 128.0 + 128.0) as u8).to_vec(),
            0.0,
        );
        check(
            16,
            false,
            values
                .iter()
                .flat_map(|value| ((value * 32_768.0) as i16).to_le_bytes())
                .collect(),
            0.0,
        );
        check(
            24,
            false,
            values
                .iter()
                .flat_map(|value| ((value * 8_388_608.0) as i32).to_le_bytes()[..3].to_vec())
                .collect(),
            0.0,
        );
        check(
            32,
            false,
            values
                .iter()
                .flat_map(|value| ((f64::from(*value) * 2_147_483_648.0) as i32).to_le_bytes())
                .collect(),
            1e-6,
        );
        check(
            32,
            true,
            values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect(),
            0.0,
        );
        check(
            64,
            true,
            values
                .iter()
                .flat_map(|value| f64::from(*value).to_le_bytes())
                .collect(),
            0.0,
        );
    }

    #[test]
    fn what_is_no_number_becomes_silence() {
        let values = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e30, 0.5];
        let data: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        let audio = decode(&wav(44_100, 1, 32, true, &data)).expect("a float file");
        assert_eq!(audio.channels[0], [0.0, 0.0, 0.0, 32.0, 0.5]);
    }

    #[test]
    fn rates_and_channels_within_the_limits_are_read_and_beyond_are_refused() {
        let check = |rate_hz: u32, channels: u16, fine: bool| {
            let bytes = wav(
                rate_hz,
                channels,
                16,
                false,
                &vec![1; usize::from(channels) * 2 * 100],
            );
            match decode(&bytes) {
                Ok(audio) => assert!(
                    fine && audio.frames() == 100 && audio.rate_hz == rate_hz,
                    "{rate_hz} Hz, {channels} channels"
                ),
                Err(DecodeError::OverLimit { .. }) => {
                    assert!(!fine, "{rate_hz} Hz, {channels} channels")
                }
                Err(error) => panic!("{rate_hz} Hz, {channels} channels: {error}"),
            }
        };
        for rate_hz in [8_000, 11_025, 22_050, 44_100, 48_000, 96_000, 192_000] {
            check(rate_hz, 1, true);
        }
        for channels in [2, 3, 6, 8] {
            check(44_100, channels, true);
        }
        check(7_999, 1, false);
        check(192_001, 1, false);
        check(44_100, 9, false);
    }

    #[test]
    fn more_than_an_hour_is_refused() {
        let bytes = wav(8_000, 1, 8, false, &vec![128; 8_000 * 3_601]);
        let error = probe(&bytes).expect_err("over the limit");
        assert_eq!(
            error.to_string(),
            "decode WAV: the duration is over 3601 s, the limit is 3600 s"
        );
        assert!(probe(&wav(8_000, 1, 8, false, &vec![128; 8_000 * 3_600])).is_ok());
    }

    #[test]
    fn lossless_round_trips_change_nothing() {
        for encoding in [Encoding::Wav16, Encoding::Flac] {
            for (rate_hz, channels, frames) in [
                (44_100, 1, 30_000),
                (48_000, 2, 12_345),
                (8_000, 1, 16),
                (96_000, 6, 5_000),
                (44_100, 2, 4_096),
            ] {
                let exact = decode(
                    &encode(&tone(rate_hz, channels, frames), Encoding::Wav16).expect("writable"),
                )
                .expect("readable");
                let bytes = encode(&exact, encoding).expect("writable");
                assert_eq!(
                    difference(&decode(&bytes).expect("readable"), &exact),
                    0.0,
                    "{encoding:?} {rate_hz} {channels} {frames}"
                );
                assert_eq!(bytes, encode(&exact, encoding).expect("writable"));
                let found = probe(&bytes).expect("readable");
                assert_eq!(
                    (found.format, found.rate_hz, found.channels, found.frames),
                    (encoding.format(), rate_hz, channels, frames as u64)
                );
            }
        }
    }

    #[test]
    fn mp3_keeps_length_and_place() {
        for (rate_hz, channels, frames) in [
            (44_100, 2, 100_000),
            (48_000, 1, 50_001),
            (44_100, 1, 700),
            (32_000, 2, 20_000),
        ] {
            let mut audio = tone(rate_hz, channels, frames);
            // A click to find again: the offset between what goes in and what comes out.
            let click = frames / 2;
            for channel in &mut audio.channels {
                channel.iter_mut().for_each(|sample| *sample *= 0.05);
                channel[click] = 0.9;
            }
            let bytes = encode(&audio, Encoding::Mp3 { kbps: 192 }).expect("writable");
            let back = decode(&bytes).expect("readable");
            assert_eq!(back.frames(), frames, "{rate_hz} {channels}");
            let loudest = (0..frames)
                .max_by(|&one, &other| {
                    back.channels[0][one]
                        .abs()
                        .total_cmp(&back.channels[0][other].abs())
                })
                .expect("frames");
            assert!(
                loudest.abs_diff(click) <= 1,
                "the click moved from {click} to {loudest}"
            );
            assert_eq!(
                bytes,
                encode(&audio, Encoding::Mp3 { kbps: 192 }).expect("writable")
            );
        }
    }

    #[test]
    fn what_is_no_audio_is_named() {
        let check = |bytes: &[u8], expected: &str| {
            let message = decode(bytes).expect_err("no audio").to_string();
            assert!(message.contains(expected), "{message}");
        };
        check(b"", "the file is empty");
        check(b"<!DOCTYPE html><title>404</title>", "web page");
        check(b"{\"code\":404}", "JSON");
        check(b"la la la", "text");
        check(&[0xff; 64], "of no known kind");
        check(b"MThd\0\0\0\x06", "MIDI");
        check(b"RIFF\x04\0\0\0WAVE", "WAV");
        check(b"fLaC", "FLAC");
        check(b"\0\0\0\x20ftypM4A \0\0\0\0", "M4A");
    }

    #[test]
    fn opus_is_refused_by_name() {
        let head = b"OpusHead\x01\x01\x38\x01\x80\xbb\0\0\0\0\0";
        let mut bytes = b"OggS\0\x02".to_vec();
        bytes.extend([0; 20]);
        bytes.extend([1, head.len() as u8]);
        bytes.extend(head);
        let error = decode(&bytes).expect_err("Opus");
        assert!(
            matches!(
                error,
                DecodeError::Unsupported {
                    format: Format::Ogg,
                    ..
                }
            ) && error.to_string().contains("Opus"),
            "{error}"
        );
    }

    #[test]
    fn files_that_end_early_are_refused() {
        let audio = tone(44_100, 2, 50_000);
        for encoding in [Encoding::Wav16, Encoding::Flac, Encoding::Mp3 { kbps: 128 }] {
            let whole = encode(&audio, encoding).expect("writable");
            for kept in [whole.len() / 10, whole.len() / 2, whole.len() - 100] {
                match decode(&whole[..kept]) {
                    Err(
                        DecodeError::Truncated { .. }
                        | DecodeError::NotAudio { .. }
                        | DecodeError::Damaged { .. },
                    ) => {}
                    other => panic!(
                        "{encoding:?} cut to {kept} of {}: {:?}",
                        whole.len(),
                        other.map(|audio| audio.frames())
                    ),
                }
            }
        }
    }

    #[test]
    fn a_cut_mp3_without_a_tag_is_refused_and_a_whole_one_is_fine() {
        let bytes =
            encode(&tone(44_100, 1, 50_000), Encoding::Mp3 { kbps: 128 }).expect("writable");
        let tag = crate::format::mpeg_frame_size(&bytes).expect("a frame");
        assert!(decode(&bytes[tag..]).is_ok());
        assert!(matches!(
            decode(&bytes[tag..bytes.len() - 10]),
            Err(DecodeError::Truncated { .. })
        ));
    }

    #[test]
    fn a_wav_from_a_pipe_has_no_length_and_is_read_to_its_end() {
        let audio = tone(44_100, 1, 5_000);
        let mut bytes = encode(&audio, Encoding::Wav16).expect("writable");
        bytes[4..8].fill(0xff);
        bytes[40..44].fill(0xff);
        assert_eq!(decode(&bytes).expect("readable").frames(), 5_000);
    }

    #[test]
    fn an_intact_file_without_frames_is_refused() {
        assert!(matches!(
            decode(&wav(44_100, 1, 16, false, &[])),
            Err(DecodeError::NoFrames { .. })
        ));
    }

    #[test]
    fn what_cannot_be_written_is_refused() {
        let check = |audio: Audio, encoding: Encoding, expected: &str| {
            let message = encode(&audio, encoding)
                .expect_err("not writable")
                .to_string();
            assert!(message.contains(expected), "{message}");
        };
        check(Audio::default(), Encoding::Flac, "no frames");
        check(tone(44_100, 9, 10), Encoding::Wav16, "number of channels");
        check(
            tone(44_100, 3, 10),
            Encoding::Mp3 { kbps: 128 },
            "number of channels",
        );
        check(
            tone(16_000, 1, 10),
            Encoding::Mp3 { kbps: 128 },
            "sample rate",
        );
        check(tone(44_100, 1, 10), Encoding::Mp3 { kbps: 100 }, "bit rate");
        check(tone(1_000, 1, 10), Encoding::Flac, "sample rate");
        check(tone(44_100, 1, 15), Encoding::Flac, "number of frames");
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

        /// Damage never panics, whatever it does to the result.
        #[test]
        fn damage_is_survived(which in 0usize..3, flips in proptest::collection::vec((0.0f64..1.0, 0u8..), 1..20), kept in 0.0f64..1.0) {
            let encoding = [Encoding::Wav16, Encoding::Flac, Encoding::Mp3 { kbps: 64 }][which];
            let mut bytes = encode(&tone(32_000, 1, 4_000), encoding).expect("writable");
            bytes.truncate((bytes.len() as f64 * kept) as usize);
            for (place, value) in flips {
                let at = (bytes.len() as f64 * place) as usize;
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = value;
                }
            }
            if let Ok(audio) = decode(&bytes) {
                proptest::prop_assert!(audio.channels.iter().flatten().all(|sample| sample.is_finite()));
            }
        }
    }
}
