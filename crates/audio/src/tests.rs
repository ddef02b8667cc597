//! What the crate's parts do together: on two recordings of a voice, on damage, and on bytes that are no audio at all.

use proptest::prelude::{ProptestConfig, any, prop_assert, proptest};

use crate::{
    Audio, DecodeError, Encoding, Format, decode, encode, loudness, peaks, probe, resample, sniff,
};

const TWINKLE: &[u8] = include_bytes!("../../../workflows/vocals/twinkle.flac");
const AMAZING_GRACE: &[u8] = include_bytes!("../../../workflows/vocals/amazing-grace.flac");

/// A steady stereo tone, one octave apart between the channels.
fn tone(rate_hz: u32, frames: usize) -> Audio {
    let plane = |hz: f64| {
        (0..frames)
            .map(|frame| {
                let turn = frame as f64 * hz / f64::from(rate_hz);
                ((turn * std::f64::consts::TAU).sin() * 0.4) as f32
            })
            .collect()
    };
    Audio {
        rate_hz,
        channels: vec![plane(220.0), plane(440.0)],
    }
}

/// Energy of a signal over the energy of its difference from another one, in dB.
fn signal_to_noise_db(signal: &[f32], other: &[f32]) -> f64 {
    let (signal_energy, noise_energy) =
        signal
            .iter()
            .zip(other)
            .fold((0.0f64, 1e-20f64), |(energy, noise), (&one, &other)| {
                let difference = f64::from(one - other);
                (
                    energy + f64::from(one) * f64::from(one),
                    noise + difference * difference,
                )
            });
    10.0 * (signal_energy / noise_energy).log10()
}

#[test]
fn the_recordings_are_what_they_are() {
    for (bytes, duration_s) in [(TWINKLE, 29.045), (AMAZING_GRACE, 69.925)] {
        let found = probe(bytes).expect("a recording");
        assert_eq!(
            (found.format, found.rate_hz, found.channels),
            (Format::Flac, 44_100, 1)
        );
        assert!(
            (found.duration_s - duration_s).abs() < 0.001,
            "{}",
            found.duration_s
        );
        assert_eq!(found.replaced_samples, 0);
        let audio = decode(bytes).expect("a recording");
        assert_eq!(audio.frames() as u64, found.frames);
        let level = loudness(&audio);
        let lufs = level.integrated_lufs.expect("somebody sings");
        assert!((-40.0..-8.0).contains(&lufs), "{lufs} LUFS");
        assert!(level.true_peak_dbtp < 1.0, "{level:?}");
        let outline = peaks(&audio, 200);
        assert_eq!(outline.len(), 200);
        assert!(outline.iter().all(|&(low, high)| low <= high));
    }
}

#[test]
fn a_recording_survives_each_lossless_encoding_bit_for_bit() {
    let audio = decode(TWINKLE).expect("a recording");
    for encoding in [Encoding::Wav16, Encoding::Flac] {
        let again = decode(&encode(&audio, encoding).expect("writable")).expect("readable");
        assert!(again == audio, "{encoding:?}");
    }
}

#[test]
fn a_recording_keeps_its_place_and_its_sound_in_mp3() {
    let audio = decode(TWINKLE).expect("a recording");
    for (kbps, least_db) in [(128, 20.0), (192, 24.0)] {
        let bytes = encode(&audio, Encoding::Mp3 { kbps }).expect("writable");
        let again = decode(&bytes).expect("readable");
        assert_eq!(again.frames(), audio.frames());
        // Taken at no delay: a shift by a single frame already costs more than this.
        let found_db = signal_to_noise_db(&audio.channels[0], &again.channels[0]);
        assert!(found_db > least_db, "{kbps} kbit/s: {found_db} dB");
        let (before, after) = (
            loudness(&audio).integrated_lufs,
            loudness(&again).integrated_lufs,
        );
        let (before, after) = (before.expect("loud"), after.expect("loud"));
        assert!((before - after).abs() < 0.2, "{before} to {after} LUFS");
    }
}

#[test]
fn a_download_that_broke_off_is_recognised_and_measured() {
    for (bytes, whole_s) in [(TWINKLE, 29.045), (AMAZING_GRACE, 69.925)] {
        for share in [0.1, 0.5, 0.99] {
            let kept = (bytes.len() as f64 * share) as usize;
            match probe(&bytes[..kept]) {
                Err(DecodeError::Truncated {
                    format: Format::Flac,
                    found_s,
                    declared_s: Some(declared_s),
                }) => {
                    assert!((declared_s - whole_s).abs() < 0.001, "{declared_s}");
                    assert!((found_s / whole_s - share).abs() < 0.15, "{found_s}");
                }
                other => panic!("{share}: {other:?}"),
            }
        }
    }
    let message = probe(&TWINKLE[..TWINKLE.len() / 2])
        .expect_err("half a file")
        .to_string();
    assert!(
        message.starts_with("decode FLAC: the file is cut off: ")
            && message.ends_with(" s of 29.04 s are there"),
        "{message}"
    );
}

#[test]
fn one_wrong_byte_in_a_flac_is_noticed() {
    let mut bytes = TWINKLE.to_vec();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x55;
    assert!(
        matches!(
            probe(&bytes),
            Err(DecodeError::Damaged { .. } | DecodeError::Truncated { .. })
        ),
        "{:?}",
        probe(&bytes)
    );
}

#[test]
fn replaced_samples_are_counted() {
    // A float file of one channel: NaN, an infinity, a value far beyond full scale, and one that is merely loud.
    let mut bytes = b"RIFF\x34\0\0\0WAVEfmt \x10\0\0\0\x03\0\x01\0".to_vec();
    bytes.extend(44_100u32.to_le_bytes());
    bytes.extend((44_100u32 * 4).to_le_bytes());
    bytes.extend(b"\x04\0\x20\0data\x10\0\0\0");
    for sample in [f32::NAN, f32::INFINITY, -1e9, 1.5] {
        bytes.extend(sample.to_le_bytes());
    }
    assert_eq!(probe(&bytes).expect("a float file").replaced_samples, 3);
    assert_eq!(
        decode(&bytes).expect("a float file").channels,
        [[0.0, 0.0, -32.0, 1.5]]
    );
}

#[test]
fn aiff_of_each_width_is_read() {
    for bits in [8u16, 16, 24, 32] {
        let width = usize::from(bits / 8);
        let mut sound = Vec::new();
        for value in [0i32, 1 << 30, -(1 << 30)] {
            sound.extend(&value.to_be_bytes()[..width]);
        }
        let mut common = 1u16.to_be_bytes().to_vec();
        common.extend(3u32.to_be_bytes());
        common.extend(bits.to_be_bytes());
        // 44,100 as an 80-bit float: exponent 15 above the bias of 16,383, mantissa with its leading one.
        common.extend([0x40, 0x0e, 0xac, 0x44, 0, 0, 0, 0, 0, 0]);
        let mut data = vec![0; 8];
        data.extend(&sound);
        data.resize(data.len().next_multiple_of(2), 0);
        let mut bytes = b"FORM".to_vec();
        bytes.extend((4 + 8 + 18 + 8 + data.len() as u32).to_be_bytes());
        bytes.extend(b"AIFFCOMM\0\0\0\x12");
        bytes.extend(common);
        bytes.extend(b"SSND");
        bytes.extend((8 + sound.len() as u32).to_be_bytes());
        bytes.extend(data);
        let audio = decode(&bytes).unwrap_or_else(|error| panic!("{bits} bits: {error}"));
        assert_eq!(audio.rate_hz, 44_100);
        assert_eq!(audio.channels, [[0.0, 0.5, -0.5]], "{bits} bits");
    }
}

#[test]
fn what_is_no_number_or_too_loud_can_still_be_written() {
    let mut audio = tone(44_100, 4_096);
    audio.channels[0][100] = f32::NAN;
    audio.channels[0][200] = f32::INFINITY;
    audio.channels[1][300] = -1e20;
    audio.channels[1][400] = 1.7;
    for encoding in [Encoding::Wav16, Encoding::Flac, Encoding::Mp3 { kbps: 128 }] {
        let bytes = encode(&audio, encoding).expect("writable");
        assert_eq!(
            bytes,
            encode(&audio, encoding).expect("writable"),
            "{encoding:?}"
        );
        let again = decode(&bytes).expect("readable");
        assert_eq!(again.frames(), 4_096, "{encoding:?}");
        assert!(
            again.channels.iter().flatten().all(|x| x.abs() < 2.0),
            "{encoding:?}"
        );
        if encoding.format() != Format::Mp3 {
            assert_eq!(again.channels[0][100], 0.0);
            assert_eq!(again.channels[1][300], -1.0);
            assert!(again.channels[1][400] > 0.999);
        }
    }
}

#[test]
fn a_click_stays_where_it_is_at_another_rate() {
    for (from_hz, to_hz) in [
        (44_100, 16_000),
        (44_100, 48_000),
        (48_000, 44_100),
        (8_000, 48_000),
        (192_000, 8_000),
        (22_050, 44_100),
        (11_025, 16_000),
    ] {
        let mut wave = vec![0.0; from_hz as usize];
        for tenth in [1, 5, 9] {
            let click = wave.len() * tenth / 10;
            wave.fill(0.0);
            wave[click] = 1.0;
            let there = resample(
                Audio {
                    rate_hz: from_hz,
                    channels: vec![wave.clone()],
                },
                to_hz,
            )
            .expect("rates are in range");
            let samples = &there.channels[0];
            let loudest = (0..samples.len())
                .max_by(|&one, &other| samples[one].abs().total_cmp(&samples[other].abs()))
                .expect("frames");
            let expected = click as f64 * f64::from(to_hz) / f64::from(from_hz);
            assert!(
                (loudest as f64 - expected).abs() <= 1.0,
                "{from_hz} to {to_hz}: {expected} became {loudest}"
            );
        }
    }
}

/// A second of a low tone with a click at its middle, frame 22,050, as other programs write it.
#[test]
fn a_click_is_where_it_was_put_whoever_wrote_the_file() {
    for (name, bytes, frames) in [
        (
            "AAC in M4A",
            include_bytes!("../fixtures/click.m4a").as_slice(),
            44_100,
        ),
        (
            "ALAC in M4A",
            include_bytes!("../fixtures/click-alac.m4a"),
            44_100,
        ),
        (
            "MP3 by LAME",
            include_bytes!("../fixtures/click-lame.mp3"),
            44_100,
        ),
        ("Vorbis", include_bytes!("../fixtures/click.ogg"), 44_100),
    ] {
        let audio = decode(bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        let loudest = loudest(&audio.channels[0]);
        assert!(
            loudest.abs_diff(22_050) <= 1,
            "{name}: the click is at {loudest}"
        );
        assert!(
            audio.frames().abs_diff(frames) <= 128,
            "{name}: {} frames",
            audio.frames()
        );
        assert_eq!(
            probe(bytes).expect(name).frames,
            audio.frames() as u64,
            "{name}"
        );
    }
    // A bare AAC stream says nothing of its encoder's delay, a block of 1,024 here: it is heard as it comes, as elsewhere.
    let audio = decode(include_bytes!("../fixtures/click.aac")).expect("AAC");
    let loudest = loudest(&audio.channels[0]);
    assert!(
        loudest.abs_diff(22_050 + 1024) <= 1,
        "ADTS: the click is at {loudest}"
    );
}

fn loudest(samples: &[f32]) -> usize {
    (0..samples.len())
        .max_by(|&one, &other| samples[one].abs().total_cmp(&samples[other].abs()))
        .expect("frames")
}

#[test]
fn silence_is_audio_without_loudness() {
    let silence = Audio {
        rate_hz: 44_100,
        channels: vec![vec![0.0; 44_100]; 2],
    };
    let bytes = encode(&silence, Encoding::Flac).expect("writable");
    let again = decode(&bytes).expect("readable");
    assert!(again == silence);
    assert_eq!(loudness(&again).integrated_lufs, None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// No bytes make reading panic, and what is read is within the limits.
    #[test]
    fn any_bytes_are_survived(kind in 0usize..8, mut bytes in proptest::collection::vec(any::<u8>(), 0..3_000)) {
        let mark: &[u8] = [
            b"".as_slice(), b"RIFF\0\x10\0\0WAVEfmt \x10\0\0\0", b"FORM\0\0\x10\0AIFFCOMM\0\0\0\x12",
            b"fLaC\0\0\0\x22", b"OggS\0\x02", b"\0\0\0\x18ftypM4A \0\0\0\0M4A mp42\0\0\0\x08moov", b"\xff\xfb\x90\x00",
            b"\xff\xf1\x50\x80",
        ][kind];
        bytes.splice(0..0, mark.iter().copied());
        let _ = sniff(&bytes);
        if let Ok(found) = probe(&bytes) {
            prop_assert!(found.frames > 0 && found.duration_s <= crate::MAX_DURATION_S);
            prop_assert!((1..=crate::MAX_CHANNELS).contains(&found.channels));
        }
    }
}

proptest! {
    // Each case encodes and reads a whole file.
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Reading a cut recording neither panics nor passes it off as whole. An MP3 that lacks exactly its last frame or two is taken for
    /// whole: writers disagree on the count of frames by as many.
    #[test]
    fn no_cut_of_a_whole_file_passes(which in 0usize..3, share in 0.0f64..1.0) {
        let (encoding, most) = [
            (Encoding::Wav16, 0.98), (Encoding::Flac, 0.98), (Encoding::Mp3 { kbps: 96 }, 0.9),
        ][which];
        let bytes = encode(&tone(44_100, 30_000), encoding).expect("writable");
        let kept = (bytes.len() as f64 * share * most) as usize;
        prop_assert!(probe(&bytes[..kept]).is_err(), "{} of {} bytes", kept, bytes.len());
    }
}

#[test]
fn samples_are_rounded_to_the_nearest_step_of_16_bits() {
    let steps = [0.0, 0.4, 0.6, -0.4, -0.6, 100.4, 100.6, -100.4, -100.6];
    let audio = Audio {
        rate_hz: 44_100,
        channels: vec![steps.iter().map(|step| step / 32_768.0).collect(); 2],
    };
    let bytes = encode(&audio, Encoding::Wav16).expect("writable");
    let there = decode(&bytes).expect("readable");
    let read: Vec<f32> = there.channels[0]
        .iter()
        .map(|sample| sample * 32_768.0)
        .collect();
    assert_eq!(
        read,
        [0.0, 0.0, 1.0, 0.0, -1.0, 100.0, 101.0, -100.0, -101.0]
    );
    assert_eq!(there.channels[1], there.channels[0]);
}
