//! Input that is no song: listening says so, invents nothing and never panics.

use crate::singer::{Manner, check_invariants, sing};
use backline_audio::Audio;
use backline_band::{
    analysis::{Analysis, Hints},
    listen,
};
use proptest::prelude::*;

fn heard(rate_hz: u32, samples: Vec<f32>) -> Analysis {
    let audio = Audio {
        rate_hz,
        channels: vec![samples],
    };
    let analysis = listen(&audio, &Hints::default());
    check_invariants(&analysis);
    analysis
}

fn noise(count: usize, gain: f32) -> Vec<f32> {
    let mut state = 7u32;
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state as f32 / u32::MAX as f32 - 0.5) * 2.0 * gain
        })
        .collect()
}

fn says(analysis: &Analysis, words: &str) -> bool {
    analysis.remarks.iter().any(|remark| remark.contains(words))
}

#[test]
fn silence_is_said_to_be_silent() {
    for seconds in [0.0, 0.5, 1.0, 20.0] {
        let analysis = heard(44_100, vec![0.0; (44_100.0 * seconds) as usize]);
        assert!(analysis.notes.is_empty() && analysis.phrases.is_empty());
        assert!(says(&analysis, "silent"), "{:?}", analysis.remarks);
        assert_eq!(analysis.loudness_lufs, None);
        assert_eq!(analysis.confidence.pitch, 0.0);
    }
}

#[test]
fn a_few_seconds_of_singing_in_minutes_of_silence_are_heard() {
    let tune = [(60, 1.0), (64, 1.0), (67, 1.0), (72, 1.0)].repeat(2);
    let sung = sing(&tune, Manner::default());
    let mut samples = noise(16_000 * 240, 0.0001);
    let at = 16_000 * 100;
    for (sum, sample) in samples[at..].iter_mut().zip(&sung.audio.channels[0]) {
        *sum += sample;
    }
    let analysis = heard(16_000, samples);
    assert!(!says(&analysis, "silent"), "{:?}", analysis.remarks);
    let notes = &analysis.notes;
    assert!((7..=10).contains(&notes.len()), "{} notes", notes.len());
    assert!(
        notes
            .iter()
            .all(|note| (100.0..110.0).contains(&note.onset_s))
    );
}

#[test]
fn a_loud_click_is_short_and_not_silent() {
    for seconds in [0.05, 0.2, 0.39] {
        let analysis = heard(
            44_100,
            vec![0.5; (44_100.0 * seconds) as usize]
                .iter()
                .enumerate()
                .map(|(at, level)| level * (at as f32 * 0.05).sin())
                .collect(),
        );
        assert!(
            !says(&analysis, "silent"),
            "{seconds} s: {:?}",
            analysis.remarks
        );
    }
}

#[test]
fn noise_holds_no_song() {
    let analysis = heard(16_000, noise(16_000 * 12, 0.3));
    assert!(
        analysis.notes.len() < 4,
        "{} notes in noise",
        analysis.notes.len()
    );
    assert!(says(&analysis, "found"), "{:?}", analysis.remarks);
    assert!(analysis.loudness_lufs.is_some());
}

#[test]
fn a_short_clip_gives_its_note_and_a_grid() {
    for seconds in [0.3, 0.5, 1.0] {
        let tune = [(64, seconds / 0.6)];
        let sung = sing(
            &tune,
            Manner {
                lead_s: 0.0,
                ..Manner::default()
            },
        );
        let analysis = heard(16_000, sung.audio.channels[0].clone());
        assert!(
            analysis.notes.iter().any(|note| note.midi == 64),
            "{:?}",
            analysis.notes
        );
        assert!(says(&analysis, "too few"), "{:?}", analysis.remarks);
    }
}

#[test]
fn five_seconds_of_a_song_are_enough_for_its_tempo() {
    let tune: Vec<(u8, f64)> = [60, 62, 64, 65, 67, 65, 64, 62, 60]
        .iter()
        .map(|midi| (*midi, 1.0))
        .collect();
    let sung = sing(
        &tune,
        Manner {
            bpm: 110.0,
            ..Manner::default()
        },
    );
    let analysis = heard(16_000, sung.audio.channels[0].clone());
    let ratio = analysis.tempo_bpm / 110.0;
    assert!(
        [0.5, 1.0, 2.0]
            .iter()
            .any(|octave| (ratio / octave - 1.0).abs() < 0.05),
        "{}",
        analysis.tempo_bpm
    );
}

#[test]
fn speech_is_not_taken_for_singing() {
    // Syllables whose pitch falls and rises all the time, as in talk.
    let rate = 16_000.0f32;
    let mut phase = 0.0f32;
    let samples: Vec<f32> = (0..16_000 * 15)
        .map(|at| {
            let now = at as f32 / rate;
            let syllable = (now * 4.3).fract();
            let hz = 150.0
                * (0.45 * (now * 2.9).sin() + 0.35 * (now * 7.7).sin() - 0.5 * syllable).exp2();
            phase += hz / rate;
            let loud = (syllable * 12.0).min(1.0) * ((1.0 - syllable) * 6.0).min(1.0);
            let voice: f32 = (1..=10u8)
                .map(|n| (std::f32::consts::TAU * phase * f32::from(n)).sin() / f32::from(n))
                .sum();
            0.2 * loud * voice
        })
        .collect();
    let talk = heard(16_000, samples);
    let song = sing(
        &[(60, 1.0), (62, 1.0), (64, 2.0)].repeat(6),
        Manner::default(),
    );
    let song = heard(16_000, song.audio.channels[0].clone());
    assert!(talk.confidence.pitch < 0.6, "{:?}", talk.confidence);
    assert!(song.confidence.pitch > 0.75, "{:?}", song.confidence);
    assert!(
        says(&talk, "speech") && !says(&song, "speech"),
        "{:?}",
        talk.remarks
    );
}

/// Every note lies up to half a semitone off, starts with a scoop and drifts, as untrained singers do.
#[test]
fn an_untrained_singer_is_not_taken_for_a_speaker() {
    let rate = 16_000.0f32;
    let tune = [60.0f32, 62.0, 64.0, 65.0, 67.0, 65.0, 64.0, 62.0];
    let off = [0.45f32, -0.4, 0.1, -0.5, 0.3, 0.5, -0.2];
    let mut phase = 0.0f32;
    let samples: Vec<f32> = (0..16_000 * 20)
        .map(|at| {
            let now = at as f32 / rate;
            let (note, into) = ((now / 0.5) as usize, now % 0.5);
            let scoop = -1.5 * (1.0 - into / 0.12).max(0.0);
            let drift = 2.0 * (into / 0.5 - 0.5) + 0.6 * (now * 7.0).sin();
            let midi = tune[note % tune.len()] + off[note % off.len()] + scoop + drift;
            phase += 440.0 * ((midi - 69.0) / 12.0).exp2() / rate;
            let loud = (into * 20.0).min(1.0) * ((0.5 - into) * 12.0).min(1.0);
            let voice: f32 = (1..=10u8)
                .map(|n| (std::f32::consts::TAU * phase * f32::from(n)).sin() / f32::from(n))
                .sum();
            0.2 * loud * voice
        })
        .collect();
    let song = heard(16_000, samples);
    assert!(!says(&song, "speech"), "{:?}", song.remarks);
}

#[test]
fn broken_samples_and_shapes_are_survived() {
    heard(16_000, vec![f32::NAN; 40_000]);
    heard(16_000, vec![f32::INFINITY; 40_000]);
    heard(16_000, vec![1.0; 40_000]);
    heard(16_000, [1.0, -1.0].repeat(30_000));
    heard(16_000, vec![f32::MIN_POSITIVE; 40_000]);
    heard(8_000, noise(1, 1.0));
    let mut click = vec![0.0; 40_000];
    click[20_000] = 1.0;
    heard(48_000, click);
    let analysis = heard(0, Vec::new());
    assert_eq!(analysis.duration_s, 0.0);
    let absurd = heard(1, vec![0.5; 100]);
    assert!(says(&absurd, "rate"), "{:?}", absurd.remarks);
    let uneven = Audio {
        rate_hz: 16_000,
        channels: vec![noise(9_000, 0.2), noise(4_000, 0.2), Vec::new()],
    };
    check_invariants(&listen(&uneven, &Hints::default()));
}

#[test]
fn absurd_hints_are_survived() {
    let sung = sing(
        &[(60, 1.0), (64, 1.0), (67, 2.0)].repeat(4),
        Manner::default(),
    );
    for bpm in [f64::NAN, 0.0, -5.0, 1e9, f64::INFINITY] {
        let hints = Hints {
            tempo_bpm: Some(bpm),
            ..Hints::default()
        };
        check_invariants(&listen(&sung.audio, &hints));
        check_invariants(&listen(&Audio::default(), &hints));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Any tune in any manner leads to an analysis that holds together.
    #[test]
    fn any_tune_gives_a_sound_analysis(
        tune in prop::collection::vec((40u8..80, 0.1f64..2.5), 1..30),
        bpm in 50.0f64..190.0,
        lead_s in 0.0f64..3.0,
        tuning_cents in -60.0f64..60.0,
        rubato in 0.0f64..0.2,
    ) {
        let sung = sing(&tune, Manner { bpm, lead_s, tuning_cents, rubato, ..Manner::default() });
        heard(16_000, sung.audio.channels[0].clone());
    }
}
