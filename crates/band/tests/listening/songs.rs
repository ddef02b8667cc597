//! What listening finds, against what was sung.
//!
//! Over 500 lines: it is a list of songs with what is expected of each.

use crate::singer::{Manner, Tune, beat_times, check_invariants, f_measure, note_f, sing};
use backline_audio::{Audio, decode};
use backline_band::{
    Request, Session, SoundSource,
    analysis::{Analysis, Hints, Key, Metre, Mode},
    listen,
};

fn heard(audio: &Audio) -> Analysis {
    let analysis = listen(audio, &Hints::default());
    check_invariants(&analysis);
    analysis
}

fn key(tonic: u8, mode: Mode) -> Key {
    Key { tonic, mode }
}

fn twinkle() -> Tune {
    let a = [
        (60, 1.0),
        (60, 1.0),
        (67, 1.0),
        (67, 1.0),
        (69, 1.0),
        (69, 1.0),
        (67, 2.0),
    ];
    let b = [
        (65, 1.0),
        (65, 1.0),
        (64, 1.0),
        (64, 1.0),
        (62, 1.0),
        (62, 1.0),
        (60, 2.0),
    ];
    let c = [
        (67, 1.0),
        (67, 1.0),
        (65, 1.0),
        (65, 1.0),
        (64, 1.0),
        (64, 1.0),
        (62, 2.0),
    ];
    [a, b, c, c, a, b].concat()
}

/// "Clementine": a waltz with a pickup of one beat.
fn clementine() -> Tune {
    let line = [
        (65, 0.75),
        (65, 0.25),
        (65, 1.0),
        (60, 1.0),
        (69, 0.75),
        (69, 0.25),
        (69, 1.0),
        (65, 1.0),
        (65, 0.75),
        (69, 0.25),
        (72, 1.5),
        (72, 0.5),
        (70, 0.75),
        (69, 0.25),
        (67, 2.0),
        (67, 0.75),
        (69, 0.25),
        (70, 1.0),
        (70, 1.0),
        (69, 0.75),
        (67, 0.25),
        (69, 1.0),
        (65, 1.0),
        (65, 0.75),
        (69, 0.25),
        (67, 1.5),
        (60, 0.5),
        (64, 0.75),
        (67, 0.25),
        (65, 2.0),
    ];
    line.repeat(2)
}

/// "Row, row, row your boat": 6/8.
fn row() -> Tune {
    let line = [
        (60, 1.5),
        (60, 1.5),
        (60, 1.0),
        (62, 0.5),
        (64, 1.5),
        (64, 1.0),
        (62, 0.5),
        (64, 1.0),
        (65, 0.5),
        (67, 3.0),
        (72, 0.5),
        (72, 0.5),
        (72, 0.5),
        (67, 0.5),
        (67, 0.5),
        (67, 0.5),
        (64, 0.5),
        (64, 0.5),
        (64, 0.5),
        (60, 0.5),
        (60, 0.5),
        (60, 0.5),
        (67, 1.0),
        (65, 0.5),
        (64, 1.0),
        (62, 0.5),
        (60, 3.0),
    ];
    line.repeat(2)
}

/// A shipped vocal and its truth.
fn shipped(name: &str) -> (Analysis, serde_json::Value) {
    let here = env!("CARGO_MANIFEST_DIR");
    let bytes = std::fs::read(format!("{here}/../../workflows/vocals/{name}.flac"))
        .expect("the shipped vocals and their truth are as they were made");
    let truth = std::fs::read_to_string(format!("{here}/tests/truth/{name}.json"))
        .expect("the shipped vocals and their truth are as they were made");
    (
        heard(&decode(&bytes).expect("the shipped vocals and their truth are as they were made")),
        serde_json::from_str(&truth)
            .expect("the shipped vocals and their truth are as they were made"),
    )
}

fn times(value: &serde_json::Value) -> Vec<f64> {
    value
        .as_array()
        .expect("the shipped vocals and their truth are as they were made")
        .iter()
        .map(|time| {
            time.as_f64()
                .expect("the shipped vocals and their truth are as they were made")
        })
        .collect()
}

/// Raw pitch accuracy and raw chroma accuracy within half a semitone.
fn pitch_accuracy(analysis: &Analysis, truth: &serde_json::Value) -> (f64, f64) {
    let (mut right, mut chroma, mut all) = (0.0, 0.0, 0.0);
    for (frame, hz) in times(&truth["f0"]["hz"]).iter().enumerate() {
        let Some(found) = analysis.pitch.get(frame).filter(|_| *hz > 0.0) else {
            continue;
        };
        all += 1.0;
        if found.hz > 0.0 {
            let off = 12.0 * (f64::from(found.hz) / hz).log2();
            right += f64::from(u8::from(off.abs() < 0.5));
            chroma += f64::from(u8::from((off - 12.0 * (off / 12.0).round()).abs() < 0.5));
        }
    }
    (right / all, chroma / all)
}

#[test]
fn the_shipped_vocals_are_heard_as_they_were_sung() {
    let mut means = [0.0; 5];
    for (name, metre, bpm, home) in [
        ("twinkle", Metre::FourFour, 104.0, key(0, Mode::Major)),
        ("amazing-grace", Metre::ThreeFour, 84.0, key(7, Mode::Major)),
    ] {
        let (analysis, truth) = shipped(name);
        let (right, chroma) = pitch_accuracy(&analysis, &truth);
        assert!(right >= 0.91, "{name}: raw pitch accuracy {right}");
        assert!(
            chroma - right <= 0.03,
            "{name}: octave gap {}",
            chroma - right
        );
        let notes: Vec<(f64, f64, u8)> = truth["notes"]
            .as_array()
            .expect("the shipped vocals and their truth are as they were made")
            .iter()
            .map(|note| {
                let number = |at: usize| {
                    note[at]
                        .as_f64()
                        .expect("the shipped vocals and their truth are as they were made")
                };
                (number(0), number(1), number(2) as u8)
            })
            .collect();
        let f = note_f(&notes, &analysis.notes);
        assert!(f >= 0.75, "{name}: note F {f}");
        let note = f;
        assert_eq!(analysis.metre, metre, "{name}");
        assert_eq!(analysis.key, home, "{name}");
        assert!(
            (analysis.tempo_bpm / bpm - 1.0).abs() < 0.04,
            "{name}: {}",
            analysis.tempo_bpm
        );
        let (beats, downbeats) = (times(&truth["beats"]), times(&truth["downbeats"]));
        let (from, to) = (beats[0], beats[beats.len() - 1]);
        let f = f_measure(&beats, &beat_times(&analysis, false, from, to), 0.07);
        assert!(f >= 0.75, "{name}: beat F {f}");
        let beat = f;
        let f = f_measure(&downbeats, &beat_times(&analysis, true, from, to), 0.07);
        assert!(f >= 0.75, "{name}: downbeat F {f}");
        for (mean, value) in means.iter_mut().zip([right, chroma - right, note, beat, f]) {
            *mean += value / 2.0;
        }
        assert!(
            analysis
                .loudness_lufs
                .is_some_and(|lufs| (-40.0..-5.0).contains(&lufs))
        );
    }
    let [right, gap, note, beat, down] = means;
    assert!(
        right >= 0.95 && gap <= 0.02,
        "raw pitch accuracy {right}, octave gap {gap}"
    );
    assert!(note >= 0.82, "note F {note}");
    assert!(
        beat >= 0.88 && down >= 0.88,
        "beat F {beat}, downbeat F {down}"
    );
}

/// Listens to a tune sung in some manner and holds everything against the truth.
#[track_caller]
fn check(tune: &[(u8, f64)], manner: Manner, metre: Metre, home: Key, first_downbeat: f64) {
    let sung = sing(tune, manner);
    let analysis = heard(&sung.audio);
    let f = note_f(&sung.notes, &analysis.notes);
    assert!(f >= 0.85, "note F {f}");
    assert_eq!(analysis.metre, metre);
    assert_eq!(analysis.key, home);
    let (beat, bar) = match metre {
        Metre::TwoFour => (1.0, 2.0),
        Metre::ThreeFour => (1.0, 3.0),
        Metre::FourFour => (1.0, 4.0),
        Metre::SixEight => (1.5, 3.0),
    };
    assert!(
        (analysis.tempo_bpm * beat / manner.bpm - 1.0).abs() < 0.05,
        "{}",
        analysis.tempo_bpm
    );
    let to = sung.notes[sung.notes.len() - 1].0;
    let beats = sung.times(first_downbeat % beat, beat);
    let f = f_measure(&beats, &beat_times(&analysis, false, beats[0], to), 0.07);
    assert!(f >= 0.9, "beat F {f}");
    let downbeats = sung.times(first_downbeat, bar);
    let f = f_measure(&downbeats, &beat_times(&analysis, true, beats[0], to), 0.07);
    assert!(f >= 0.9, "downbeat F {f}");
}

#[test]
fn long_notes_on_the_third_beat_do_not_turn_the_bar_round() {
    check(
        &twinkle(),
        Manner::default(),
        Metre::FourFour,
        key(0, Mode::Major),
        0.0,
    );
}

#[test]
fn a_waltz_with_a_pickup_keeps_its_bar_lines() {
    check(
        &clementine(),
        Manner {
            bpm: 104.0,
            ..Manner::default()
        },
        Metre::ThreeFour,
        key(5, Mode::Major),
        1.0,
    );
}

#[test]
fn six_eight_is_not_three_four() {
    check(
        &row(),
        Manner {
            bpm: 126.0,
            ..Manner::default()
        },
        Metre::SixEight,
        key(0, Mode::Major),
        0.0,
    );
}

#[test]
fn the_grid_breathes_with_the_singer() {
    let manner = Manner {
        rubato: 0.05,
        bpm: 92.0,
        ..Manner::default()
    };
    check(
        &twinkle(),
        manner,
        Metre::FourFour,
        key(0, Mode::Major),
        0.0,
    );
}

#[test]
fn a_singer_off_the_tuning_fork_sings_the_same_notes() {
    for cents in [-38.0, 30.0] {
        let manner = Manner {
            tuning_cents: cents,
            ..Manner::default()
        };
        check(
            &twinkle(),
            manner,
            Metre::FourFour,
            key(0, Mode::Major),
            0.0,
        );
        let found = heard(&sing(&twinkle(), manner).audio).tuning_cents;
        assert!(
            (f64::from(found) - cents).abs() < 8.0,
            "{found} for {cents}"
        );
    }
}

#[test]
fn wide_vibrato_and_long_slides_make_no_notes() {
    let manner = Manner {
        vibrato_cents: 70.0,
        slide_s: 0.11,
        ..Manner::default()
    };
    check(
        &twinkle(),
        manner,
        Metre::FourFour,
        key(0, Mode::Major),
        0.0,
    );
}

#[test]
fn silence_before_the_song_is_covered_by_beats_and_an_intro() {
    let manner = Manner {
        lead_s: 9.0,
        ..Manner::default()
    };
    check(
        &twinkle(),
        manner,
        Metre::FourFour,
        key(0, Mode::Major),
        0.0,
    );
    let analysis = heard(&sing(&twinkle(), manner).audio);
    let first = analysis.sections[0];
    assert_eq!(first.kind, backline_band::analysis::SectionKind::Intro);
    assert!((first.span.end_s - 9.0).abs() < 0.1, "{first:?}");
    assert!((analysis.phrases[0].start_s - 9.0).abs() < 0.1);
}

#[test]
fn a_whistled_song_is_heard_in_its_octave() {
    let manner = Manner {
        harmonics: 1,
        ..Manner::default()
    };
    // From F#5, among the voices' pitches, over their end up to A6 and to C7.
    for up in [18, 24, 27] {
        let tune: Tune = twinkle()
            .iter()
            .map(|&(midi, length)| (midi + up, length))
            .collect();
        let sung = sing(&tune, manner);
        let analysis = heard(&sung.audio);
        let found = note_f(&sung.notes, &analysis.notes);
        assert!(found > 0.95, "{up} up: {found}");
    }
}

#[test]
fn every_rate_and_a_clipped_recording_give_the_same_song() {
    let tune: Tune = twinkle()[..21].to_vec();
    for (rate_hz, drive) in [(8_000, 1.0), (22_050, 1.0), (48_000, 6.0), (192_000, 1.0)] {
        let manner = Manner {
            rate_hz,
            drive,
            ..Manner::default()
        };
        let sung = sing(&tune, manner);
        let f = note_f(&sung.notes, &heard(&sung.audio).notes);
        assert!(f >= 0.9, "{rate_hz} Hz, drive {drive}: note F {f}");
    }
}

#[test]
fn high_and_low_voices_keep_their_octave() {
    for up in [-19i16, 14] {
        let tune: Tune = twinkle()
            .iter()
            .map(|(midi, length)| ((i16::from(*midi) + up) as u8, *length))
            .collect();
        let sung = sing(&tune, Manner::default());
        let f = note_f(&sung.notes, &heard(&sung.audio).notes);
        assert!(f >= 0.9, "{up} semitones: note F {f}");
    }
}

#[test]
fn a_constant_and_a_channel_turned_round_hide_nothing() {
    let sung = sing(&twinkle()[..21], Manner::default());
    let samples = &sung.audio.channels[0];
    let lifted = samples.iter().map(|sample| sample * 0.5 + 0.4).collect();
    let turned = samples.iter().map(|sample| -sample).collect();
    for (title, channels) in [
        ("lifted", vec![lifted]),
        ("turned round", vec![samples.clone(), turned]),
    ] {
        let audio = Audio {
            rate_hz: sung.audio.rate_hz,
            channels,
        };
        let f = note_f(&sung.notes, &heard(&audio).notes);
        assert!(f >= 0.9, "{title}: note F {f}");
    }
}

#[test]
fn a_tempo_in_the_tags_chooses_an_octave_and_bends_no_beat() {
    let sung = sing(&twinkle(), Manner::default());
    let plain = heard(&sung.audio);
    for asked in [0.78, 0.97, 1.16, 1.3] {
        let hints = Hints {
            tempo_bpm: Some(plain.tempo_bpm * asked),
            ..Hints::default()
        };
        let found = listen(&sung.audio, &hints);
        let ratio = found.tempo_bpm / plain.tempo_bpm;
        assert!((ratio - 1.0).abs() < 0.01, "asked for {asked}: {ratio}");
        let refused = found
            .remarks
            .iter()
            .any(|remark| remark.contains("is refused"));
        // Within 4 % it is the singer's own.
        assert_eq!(
            refused,
            (asked - 1.0f64).abs() > 0.04,
            "{asked}: {:?}",
            found.remarks
        );
        // What differs is reported.
        let near = "is only near the singing: the band follows the singer at ";
        let differs = found.remarks.iter().any(|remark| remark.contains(near));
        assert_eq!(differs, !refused, "{asked}: {:?}", found.remarks);
        assert_eq!(found.metre, plain.metre, "asked for {asked}");
    }
    let quick = Manner {
        bpm: 126.0,
        ..Manner::default()
    };
    let sung = sing(&twinkle(), quick);
    let hints = Hints {
        tempo_bpm: Some(63.0),
        ..Hints::default()
    };
    let found = listen(&sung.audio, &hints).tempo_bpm;
    assert!((found / 63.0 - 1.0).abs() < 0.02, "half as fast: {found}");
    let plain = heard(&sung.audio).tempo_bpm;
    assert!((plain / 126.0 - 1.0).abs() < 0.02, "unasked: {plain}");
}

#[test]
fn a_key_in_the_tags_is_obeyed_or_refused_with_the_reason() {
    let sung = sing(&twinkle(), Manner::default());
    let plain = heard(&sung.audio);
    let asked = |steps: u8, mode| {
        let key = Key {
            tonic: (plain.key.tonic + steps) % 12,
            mode,
        };
        let hints = Hints {
            key: Some(key),
            ..Hints::default()
        };
        (key, listen(&sung.audio, &hints))
    };
    // The relative minor and the dominant have nearly all of the notes.
    for (steps, mode) in [(0, Mode::Major), (9, Mode::Minor), (7, Mode::Major)] {
        let (key, found) = asked(steps, mode);
        assert_eq!(found.key, key);
        assert!(found.confidence.key > 0.5, "{:?}", found.confidence);
        assert!(
            found
                .remarks
                .iter()
                .all(|remark| !remark.contains("refused"))
        );
    }
    for steps in [1, 3, 6, 8] {
        let (_, found) = asked(steps, Mode::Major);
        assert_eq!(found.key, plain.key);
        let said = found
            .remarks
            .iter()
            .find(|remark| remark.contains("is refused"));
        assert!(
            said.is_some_and(|said| said.contains("outside of it")),
            "{:?}",
            found.remarks
        );
    }
}

#[test]
fn the_second_half_a_tone_up_is_heard_in_its_own_key() {
    let verse = [twinkle(), twinkle()].concat();
    let moved = verse.iter().map(|(midi, length)| (midi + 2, *length));
    let tune: Tune = verse.iter().copied().chain(moved).collect();
    let sung = sing(
        &tune,
        Manner {
            bpm: 140.0,
            ..Manner::default()
        },
    );
    let analysis = heard(&sung.audio);
    let keys: Vec<Key> = analysis.keys().iter().map(|(_, key)| *key).collect();
    assert_eq!(keys, [key(0, Mode::Major), key(2, Mode::Major)]);
    let change_s = sung.notes[verse.len()].0;
    let bar_s = 4.0 * 60.0 / 140.0;
    let off_s = (analysis.keys()[1].0 - change_s).abs();
    assert!(off_s < 2.5 * bar_s, "{off_s}");
}

#[test]
fn tags_settle_what_the_voice_leaves_open() {
    // Even crotchets on one chord: nothing in them speaks for any metre.
    let tune: Tune = [60, 64, 67, 64]
        .iter()
        .map(|midi| (*midi, 1.0))
        .cycle()
        .take(48)
        .collect();
    let sung = sing(&tune, Manner::default());
    for metre in [Metre::ThreeFour, Metre::FourFour, Metre::TwoFour] {
        let hints = Hints {
            metre: Some(metre),
            ..Hints::default()
        };
        let analysis = listen(&sung.audio, &hints);
        check_invariants(&analysis);
        assert_eq!(analysis.metre, metre);
    }
    for bpm in [100.0, 50.0 * 4.0 / 2.0 * 1.9] {
        let hints = Hints {
            tempo_bpm: Some(bpm),
            ..Hints::default()
        };
        let found = listen(&sung.audio, &hints).tempo_bpm;
        let ratio = found / 100.0;
        assert!(
            [0.5, 1.0, 2.0]
                .iter()
                .any(|octave| (ratio / octave - 1.0).abs() < 0.04),
            "{found}"
        );
    }
    let silence = Audio {
        rate_hz: 16_000,
        channels: vec![vec![0.0; 32_000]],
    };
    let hints = Hints {
        metre: Some(Metre::ThreeFour),
        tempo_bpm: Some(140.0),
        ..Hints::default()
    };
    let analysis = listen(&silence, &hints);
    assert_eq!(
        (analysis.metre, analysis.tempo_bpm),
        (Metre::ThreeFour, 140.0)
    );
}

#[test]
fn the_same_recording_gives_the_same_analysis() {
    let sung = sing(&clementine(), Manner::default());
    assert_eq!(heard(&sung.audio), heard(&sung.audio));
}

#[test]
fn a_singer_without_a_beat_is_accompanied_without_drums() {
    // The lengths are spread evenly between a third and twice a quarter: no tempo explains them.
    let mut chance = 7u32;
    let mut draw = || {
        chance = chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(chance >> 8) / f64::from(1 << 24)
    };
    let scale = [60, 62, 64, 65, 67, 69, 71, 72];
    let aimless: Tune = (0..24)
        .map(|_| (scale[(draw() * 8.0) as usize], 0.33 + 1.67 * draw()))
        .collect();
    let request = Request {
        tags: "pop rock".to_owned(),
        negative_tags: String::new(),
        style_weight: 0.5,
        weirdness_constraint: 0.2,
        audio_weight: 0.5,
        singer: None,
        seed: 1,
        takes: 1,
    };
    let without_drums = |tune: &Tune| {
        let audio = sing(tune, Manner::default()).audio;
        let take = Session::new(&audio, &request, SoundSource::Own)
            .and_then(|session| session.take(0))
            .expect("a take");
        let remarks = take.facts.remarks.iter();
        remarks.filter(|one| one.contains("without drums")).count() == 1
    };
    assert!(without_drums(&aimless));
    assert!(!without_drums(&twinkle()));
}
