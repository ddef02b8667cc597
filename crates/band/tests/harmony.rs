//! The chords that are chosen, measured against the melodies that they stand under.
//!
//! Over 500 lines: it is a list of melodies with the chords expected of them.

#![allow(
    clippy::unwrap_used,
    reason = "a test that meets the unexpected should stop"
)]

#[path = "harmony/inexact.rs"]
mod inexact;
mod song;

use backline_band::{
    StyleId,
    analysis::{
        Analysis, Beat, Chord, ChordSpan, HarmonySettings, Key, LocalKey, Metre, Mode, Note,
        Quality, TimeSpan,
    },
    harmonise,
};
use proptest::prelude::*;
use song::tunes::TUNES;

const PLAIN: HarmonySettings = HarmonySettings {
    style: None,
    weirdness: 0.0,
    style_weight: 0.5,
    variety: 0.0,
};

/// Share of the sung time that stands on a chord tone.
fn fit(analysis: &Analysis, chords: &[ChordSpan]) -> f64 {
    let (mut inside, mut all) = (0.0, 0.0);
    for note in &analysis.notes {
        for span in chords {
            let both = note.offset_s.min(span.span.end_s) - note.onset_s.max(span.span.start_s);
            if both > 0.0 {
                all += both;
                inside += if span.chord.holds(note.midi) {
                    both
                } else {
                    0.0
                };
            }
        }
    }
    inside / f64::max(all, 1e-9)
}

/// Share of the time in which `wanted` holds of the chord.
fn share(chords: &[ChordSpan], wanted: impl Fn(&Chord) -> bool) -> f64 {
    let length = |span: &ChordSpan| span.span.end_s - span.span.start_s;
    let all: f64 = chords.iter().map(length).sum();
    let some: f64 = chords
        .iter()
        .filter(|span| wanted(&span.chord))
        .map(length)
        .sum();
    some / all
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0), |(sum, count), value| (sum + value, count + 1));
    sum / f64::from(count)
}

/// Mean over the tunes of a measure of their chords.
fn over_tunes(settings: &HarmonySettings, measure: impl Fn(&Analysis, &[ChordSpan]) -> f64) -> f64 {
    mean(TUNES.iter().flat_map(|tune| {
        [1, 2, 3].map(|seed| {
            let heard = tune.heard(96.0, 0);
            measure(&heard, &harmonise(&heard, settings, seed))
        })
    }))
}

fn off_scale(heard: &Analysis, chords: &[ChordSpan]) -> f64 {
    let natural = match heard.key.mode {
        backline_band::analysis::Mode::Major => heard.key.tonic,
        backline_band::analysis::Mode::Minor => heard.key.tonic + 3,
    };
    share(chords, |chord| {
        chord.quality.intervals().iter().any(|tone| {
            ![0, 2, 4, 5, 7, 9, 11].contains(&((chord.root + tone + 24 - natural) % 12))
        })
    })
}

#[test]
fn chords_stand_under_the_melody_and_come_to_rest() {
    for tune in &TUNES {
        for style in StyleId::all().map(Some) {
            let heard = tune.heard(96.0, 0);
            let settings = HarmonySettings { style, ..PLAIN };
            let chords = harmonise(&heard, &settings, 1);
            let name = tune.name;
            let fits = fit(&heard, &chords);
            // Power chords have two tones, and a loop is kept to where the melody bears it.
            let least = match style {
                Some(StyleId::Metal) => 0.4,
                Some(StyleId::Reggae | StyleId::Trap | StyleId::Latin | StyleId::Synthwave) => 0.45,
                _ => 0.65,
            };
            assert!(fits >= least, "{name} {style:?}: {fits:.2} on chord tones");
            let last = chords.last().unwrap().chord;
            assert_eq!(
                last.root, heard.key.tonic,
                "{name} {style:?} ends on {last:?}"
            );
            let mut different: Vec<_> = chords.iter().map(|span| span.chord.root).collect();
            different.sort_unstable();
            different.dedup();
            // Some styles stay on a chord, or go to and fro between two.
            let few = match style {
                Some(StyleId::Ambient) => 1,
                Some(
                    StyleId::Funk
                    | StyleId::Reggae
                    | StyleId::Trap
                    | StyleId::DrumAndBass
                    | StyleId::Latin,
                ) => 2,
                _ => 3,
            };
            assert!(
                different.len() >= few,
                "{name} {style:?}: roots {different:?} of {chords:?}"
            );
        }
    }
}

#[test]
fn spans_follow_each_other_from_the_singers_first_bar() {
    for tune in &TUNES {
        let heard = tune.heard(96.0, 0);
        let chords = harmonise(&heard, &PLAIN, 1);
        let first = &chords[0];
        assert_eq!(heard.beats[first.first_beat].position, 0, "{}", tune.name);
        let bar_s = 60.0 / 96.0
            * if tune.metre == Metre::ThreeFour {
                3.0
            } else {
                4.0
            };
        assert!(
            first.span.start_s > 0.5 * bar_s,
            "{}: a chord at {:.2} s lies in the lead-in",
            tune.name,
            first.span.start_s
        );
        for pair in chords.windows(2) {
            assert_eq!(pair[0].first_beat + pair[0].beats, pair[1].first_beat);
            assert_eq!(pair[0].span.end_s, pair[1].span.start_s);
            assert_ne!(pair[0].chord, pair[1].chord);
        }
        let end = chords.last().unwrap();
        assert_eq!(end.first_beat + end.beats, heard.beats.len());
    }
}

#[test]
fn the_same_chords_elsewhere_fit_worse() {
    let (mut better, mut all) = (0, 0);
    for tune in &TUNES {
        let heard = tune.heard(96.0, 0);
        let chords = harmonise(&heard, &PLAIN, 1);
        let right = fit(&heard, &chords);
        for moved in [1, 2, 5, 6, 10, 11] {
            let mut wrong = chords.clone();
            for span in &mut wrong {
                span.chord.root = (span.chord.root + moved) % 12;
            }
            all += 1;
            better += usize::from(right > fit(&heard, &wrong));
        }
        let mut late = chords.clone();
        for span in &mut late {
            span.span.start_s += 0.5 * 60.0 / 96.0;
            span.span.end_s += 0.5 * 60.0 / 96.0;
        }
        all += 1;
        better += usize::from(right > fit(&heard, &late));
        for other in TUNES.iter().filter(|other| other.name != tune.name) {
            // In this singer's key, so that only the tune itself speaks for the right chords.
            let steps = (tune.key.tonic + 12 - other.key.tonic) % 12;
            let wrong = harmonise(&other.heard(96.0, steps), &PLAIN, 1);
            all += 1;
            better += usize::from(right > fit(&heard, &wrong));
        }
    }
    assert!(
        better as f64 >= 0.95 * all as f64,
        "the right chords fit better in {better} of {all} pairs"
    );
}

#[test]
fn a_song_in_another_key_has_the_same_chords_there() {
    for tune in &TUNES {
        for style in StyleId::all().map(Some) {
            let settings = HarmonySettings {
                style,
                weirdness: 0.6,
                variety: 0.5,
                ..PLAIN
            };
            let here = harmonise(&tune.heard(96.0, 0), &settings, 4);
            let there = harmonise(&tune.heard(96.0, 5), &settings, 4);
            let lowered: Vec<Chord> = there
                .iter()
                .map(|span| Chord {
                    root: (span.chord.root + 7) % 12,
                    bass: (span.chord.bass + 7) % 12,
                    ..span.chord
                })
                .collect();
            let chords: Vec<Chord> = here.iter().map(|span| span.chord).collect();
            assert_eq!(chords, lowered, "{} {style:?}", tune.name);
        }
    }
}

#[test]
fn weirdness_leaves_the_scale_step_by_step_but_not_the_melody() {
    for style in [None, Some(StyleId::PopRock), Some(StyleId::JazzSwing)] {
        let at = |weirdness| HarmonySettings {
            style,
            weirdness,
            ..PLAIN
        };
        let steps = [0.0, 0.25, 0.5, 0.75, 1.0];
        let off: Vec<f64> = steps
            .iter()
            .map(|&weirdness| over_tunes(&at(weirdness), off_scale))
            .collect();
        assert!(
            off.windows(2).all(|pair| pair[1] >= pair[0] - 0.005),
            "{style:?}: outside the scale {off:.3?}"
        );
        assert!(
            off[4] > off[0] + 0.08,
            "{style:?}: outside the scale {off:.3?}"
        );
        let plain = over_tunes(&at(0.0), fit);
        let weird = over_tunes(&at(1.0), fit);
        assert!(
            weird > plain - 0.15 && weird > 0.6,
            "{style:?}: {plain:.2} of the time on chord tones, {weird:.2} at full weirdness"
        );
        let styled = HarmonySettings {
            style_weight: 1.0,
            ..at(1.0)
        };
        let styled = over_tunes(&styled, fit);
        assert!(
            styled > 0.6,
            "{style:?}: {styled:.2} on chord tones where style and weirdness weigh most"
        );
    }
}

/// Share of the time on the dominant a semitone above the tonic, which stands for the fifth's.
fn tritone_dominants(heard: &Analysis, chords: &[ChordSpan]) -> f64 {
    share(chords, |chord| {
        matches!(chord.quality, Quality::Seventh | Quality::Ninth)
            && (chord.root + 12 - heard.key.tonic) % 12 == 1
    })
}

#[test]
fn only_jazz_and_the_weird_put_a_tritones_dominant_for_another() {
    let at = |style, weirdness| {
        let settings = HarmonySettings {
            style,
            weirdness,
            ..PLAIN
        };
        over_tunes(&settings, tritone_dominants)
    };
    for style in [None, Some(StyleId::PopRock), Some(StyleId::Blues)] {
        assert_eq!(at(style, 0.6), 0.0, "{style:?}");
    }
    assert!(at(Some(StyleId::JazzSwing), 0.6) > 0.0);
    assert!(at(Some(StyleId::PopRock), 1.0) > 0.0);
}

#[test]
fn a_major_seventh_in_jazz_is_a_tone_of_the_scale() {
    let jazz = HarmonySettings {
        style: Some(StyleId::JazzSwing),
        weirdness: 0.5,
        variety: 1.0,
        ..PLAIN
    };
    let major_sevenths =
        |chord: &Chord| matches!(chord.quality, Quality::MajorSeventh | Quality::MajorNinth);
    let foreign = over_tunes(&jazz, |heard, chords| {
        let natural = match heard.key.mode {
            backline_band::analysis::Mode::Major => heard.key.tonic,
            backline_band::analysis::Mode::Minor => heard.key.tonic + 3,
        };
        share(chords, |chord| {
            let seventh = (chord.root + 11 + 24 - natural) % 12;
            major_sevenths(chord) && ![0, 2, 4, 5, 7, 9, 11].contains(&seventh)
        })
    });
    assert_eq!(foreign, 0.0);
    assert!(over_tunes(&jazz, |_, chords| share(chords, major_sevenths)) > 0.1);
}

#[test]
fn the_style_weighs_as_much_as_is_asked() {
    let weighed = |style, wanted: fn(&Analysis, &[ChordSpan]) -> f64| -> Vec<f64> {
        [0.0, 0.5, 1.0]
            .iter()
            .map(|&style_weight| {
                let settings = HarmonySettings {
                    style,
                    style_weight,
                    ..PLAIN
                };
                over_tunes(&settings, wanted)
            })
            .collect()
    };
    let soft = weighed(Some(StyleId::PopRock), |heard, chords| {
        share(chords, |chord| {
            [5, 9].contains(&((chord.root + 12 - heard.key.tonic) % 12))
        })
    });
    assert!(
        soft[0] <= soft[1] + 0.01 && soft[1] <= soft[2] + 0.01 && soft[2] > soft[0],
        "pop on the fourth and the sixth degree: {soft:.3?}"
    );
    let fifths = weighed(Some(StyleId::JazzSwing), |_, chords| {
        let steps = chords
            .windows(2)
            .filter(|pair| (pair[1].chord.root + 12 - pair[0].chord.root) % 12 == 5)
            .count();
        steps as f64 / chords.len() as f64
    });
    assert!(
        fifths[0] <= fifths[1] + 0.02 && fifths[1] <= fifths[2] + 0.02 && fifths[2] > fifths[0],
        "jazz round the fifths: {fifths:.3?}"
    );
}

#[test]
fn styles_speak_in_their_own_chords() {
    let speaks = |style, wanted: fn(Quality) -> bool| {
        let settings = HarmonySettings { style, ..PLAIN };
        over_tunes(&settings, |_, chords| {
            share(chords, |chord| wanted(chord.quality))
        })
    };
    let rich = |quality: Quality| quality.intervals().len() > 3;
    assert!(speaks(Some(StyleId::JazzSwing), rich) > 0.85);
    assert!(speaks(None, rich) < 0.25);
    assert_eq!(
        speaks(Some(StyleId::Metal), |quality| quality == Quality::Power),
        1.0
    );
    let dominant = |quality| {
        matches!(
            quality,
            Quality::Seventh | Quality::Ninth | Quality::Sixth | Quality::MinorSeventh
        )
    };
    assert!(speaks(Some(StyleId::Blues), dominant) > 0.7);
    let pedal = over_tunes(
        &HarmonySettings {
            style: Some(StyleId::Ambient),
            ..PLAIN
        },
        |heard, chords| share(chords, |chord| chord.bass == heard.key.tonic),
    );
    assert!(pedal > 0.5, "the pedal holds for {pedal:.2} of the time");
}

#[test]
fn any_two_styles_have_other_chords() {
    let spoken: Vec<_> = StyleId::all()
        .map(|style| {
            let settings = HarmonySettings {
                style: Some(style),
                ..PLAIN
            };
            let chords = TUNES
                .each_ref()
                .map(|tune| harmonise(&tune.heard(96.0, 0), &settings, 1));
            (style, chords)
        })
        .collect();
    let mut nearest = (1.0f64, StyleId::PopRock, StyleId::PopRock);
    for (at, (one, first)) in spoken.iter().enumerate() {
        for (other, second) in &spoken[at + 1..] {
            let (mut same, mut all) = (0.0, 0.0);
            for (a, b) in first.iter().zip(second).flat_map(|(first, second)| {
                first
                    .iter()
                    .flat_map(move |a| second.iter().map(move |b| (a, b)))
            }) {
                let both = a.span.end_s.min(b.span.end_s) - a.span.start_s.max(b.span.start_s);
                if both > 0.0 {
                    all += both;
                    same += if a.chord == b.chord { both } else { 0.0 };
                }
            }
            if 1.0 - same / all < nearest.0 {
                nearest = (1.0 - same / all, *one, *other);
            }
        }
    }
    let (apart, one, other) = nearest;
    assert!(
        apart > 0.2,
        "{one:?} and {other:?} differ for {apart:.2} of the time"
    );
}

/// Each downbeat's root above the tonic, and whether its third is minor.
fn on_downbeats(heard: &Analysis, chords: &[ChordSpan]) -> Vec<(u8, bool)> {
    let downbeats = heard.beats.iter().filter(|beat| beat.position == 0);
    downbeats
        .filter_map(|beat| {
            let time_s = beat.time_s + 0.01;
            let sounds =
                |span: &&ChordSpan| span.span.start_s <= time_s && time_s < span.span.end_s;
            let chord = chords.iter().find(sounds)?.chord;
            let above = (chord.root + 12 - heard.key.tonic) % 12;
            Some((above, chord.holds(chord.root + 3)))
        })
        .collect()
}

#[test]
fn styles_of_loops_repeat_their_chords_after_two_or_four_bars() {
    // A melody that repeats nothing: the five notes that no chord of the key makes sharp, in an order of their own.
    let (mut heard, _) = song::song(Metre::FourFour, 100.0);
    let mut state = 7u32;
    heard.sections.clear();
    for note in &mut heard.notes {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        note.midi = 60 + [0, 2, 4, 7, 9][(state >> 24) as usize % 5];
        note.meant = note.midi;
    }
    // Share of the bars whose chord returns four bars later.
    let returns = |style| {
        let settings = HarmonySettings {
            style: Some(style),
            ..PLAIN
        };
        let bars = on_downbeats(&heard, &harmonise(&heard, &settings, 1));
        let pairs = bars.iter().zip(&bars[4..]);
        pairs.filter(|(now, later)| now == later).count() as f64 / (bars.len() - 4) as f64
    };
    let jazz = returns(StyleId::JazzSwing);
    for style in [
        StyleId::House,
        StyleId::Trap,
        StyleId::LoFi,
        StyleId::HipHop,
        StyleId::Synthwave,
        StyleId::Reggae,
        StyleId::Funk,
        StyleId::DrumAndBass,
    ] {
        let looped = returns(style);
        assert!(
            looped > jazz + 0.15,
            "{style:?}: {looped:.2} of the bars return, {jazz:.2} in jazz"
        );
    }
}

#[test]
fn blues_in_minor_keeps_its_tonic_minor() {
    let blues = HarmonySettings {
        style: Some(StyleId::Blues),
        ..PLAIN
    };
    let (mut minor, mut all) = (0, 0);
    for tune in &TUNES {
        let heard = tune.heard(96.0, 0);
        if heard.key.mode == Mode::Minor {
            for seed in 0..8 {
                let bars = on_downbeats(&heard, &harmonise(&heard, &blues, seed));
                let tonics = bars.iter().filter(|(above, _)| *above == 0);
                all += tonics.clone().count();
                minor += tonics.filter(|(_, minor)| *minor).count();
            }
        }
    }
    assert!(all > 0 && minor == all, "{minor} of {all} tonics");
}

#[test]
fn every_kind_of_chord_is_heard_somewhere() {
    use Quality as Q;
    let mut heard: Vec<Quality> = Vec::new();
    for style in StyleId::all() {
        for seed in 1..4 {
            let settings = HarmonySettings {
                style: Some(style),
                weirdness: 0.4,
                ..PLAIN
            };
            for tune in &TUNES {
                let chords = harmonise(&tune.heard(72.0, 0), &settings, seed);
                heard.extend(chords.iter().map(|span| span.chord.quality));
            }
        }
    }
    for quality in [
        Q::DiminishedSeventh,
        Q::HalfDiminished,
        Q::Thirteenth,
        Q::Altered,
        Q::SixthNinth,
        Q::MinorSixth,
        Q::SeventhSus4,
    ] {
        assert!(heard.contains(&quality), "{quality:?}");
    }
}

#[test]
fn suspensions_are_resolved() {
    for style in StyleId::all().map(Some) {
        for weirdness in [0.0, 0.5, 1.0] {
            let settings = HarmonySettings {
                style,
                weirdness,
                ..PLAIN
            };
            for tune in &TUNES {
                for pair in harmonise(&tune.heard(96.0, 0), &settings, 4).windows(2) {
                    let (here, next) = (pair[0].chord, pair[1].chord);
                    if matches!(here.quality, Quality::Sus4 | Quality::SeventhSus4) {
                        assert_eq!(next.root, here.root, "{style:?}: {here:?} to {next:?}");
                        assert!(next.holds(here.root + 4), "{style:?}: {here:?} to {next:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn dominants_that_stand_for_other_chords_resolve() {
    // Up to a weirdness of .5 the chords differ from those at 0 by substitutions alone.
    let (mut unresolved, mut all) = (Vec::new(), 0);
    // In blues and funk every major chord has a minor seventh and leads nowhere.
    let sevenths = [StyleId::Blues, StyleId::Funk];
    for style in StyleId::all().filter(|style| !sevenths.contains(style)) {
        for seed in 0..6 {
            let at = |weirdness: f32| HarmonySettings {
                style: Some(style),
                weirdness,
                ..PLAIN
            };
            for tune in &TUNES {
                let heard = tune.heard(96.0, 0);
                let plain = harmonise(&heard, &at(0.0), seed);
                let chords = harmonise(&heard, &at(0.5), seed);
                for (number, span) in chords.iter().enumerate() {
                    let chord = span.chord;
                    let dominant = chord.holds(chord.root + 4) && chord.holds(chord.root + 10);
                    let stood_there = plain.iter().any(|other| {
                        other.chord.root == chord.root
                            && other.span.start_s < span.span.end_s - 0.01
                            && span.span.start_s < other.span.end_s - 0.01
                    });
                    if !dominant || stood_there {
                        continue;
                    }
                    all += 1;
                    let next = chords[number + 1..]
                        .iter()
                        .find(|next| next.chord.root != chord.root);
                    let up = next.map(|next| (next.chord.root + 12 - chord.root) % 12);
                    // Down a fifth, down a semitone, or up a tone.
                    if !matches!(up, Some(5 | 11 | 2)) {
                        unresolved.push((style, seed, chord, up));
                    }
                }
            }
        }
    }
    assert!(all > 100, "{all} substitutions");
    assert!(
        unresolved.is_empty(),
        "{} of {all}: {:?}",
        unresolved.len(),
        &unresolved[..unresolved.len().min(8)]
    );
}

#[test]
fn a_chorus_a_tone_up_is_harmonised_and_ended_in_its_own_key() {
    let (mut heard, _) = song::song(Metre::FourFour, 100.0);
    let bar_s = 2.4;
    let change_s = 12.0 * bar_s;
    let tune = [0u8, 4, 7, 4, 5, 9, 7, 5, 2, 5, 9, 7, 4, 2, 0, 0];
    for (at, note) in heard.notes.iter_mut().enumerate() {
        note.midi = 60 + tune[at % 16] + if note.onset_s >= change_s { 2 } else { 0 };
        note.meant = note.midi;
    }
    let key = |tonic| Key {
        tonic,
        mode: Mode::Major,
    };
    let local = |start_s, end_s, tonic| LocalKey {
        span: TimeSpan { start_s, end_s },
        key: key(tonic),
        confidence: 0.9,
    };
    let end_s = heard.duration_s;
    heard.local_keys = vec![local(0.0, change_s, 0), local(change_s, end_s, 2)];
    let chords = harmonise(&heard, &PLAIN, 1);
    for pair in chords.windows(2) {
        assert!((pair[0].span.end_s - pair[1].span.start_s).abs() < 1e-9);
        assert_eq!(pair[0].first_beat + pair[0].beats, pair[1].first_beat);
    }
    let foreign = |from_s: f64, to_s: f64, tonic: u8| {
        let inside: Vec<ChordSpan> = chords
            .iter()
            .filter(|span| span.span.start_s >= from_s - 0.01 && span.span.start_s < to_s - 0.01)
            .copied()
            .collect();
        share(&inside, |chord| {
            chord.quality.intervals().iter().any(|step| {
                ![0, 2, 4, 5, 7, 9, 11].contains(&((chord.root + step + 12 - tonic) % 12))
            })
        })
    };
    assert!(foreign(0.0, change_s, 0) < 0.15);
    assert!(foreign(change_s, end_s, 2) < 0.15);
    assert_eq!(chords.last().unwrap().chord.root, 2);
    let brief = backline_band::read_tags("pop", "");
    let settings = backline_band::ArrangeSettings {
        style_weight: 0.5,
        audio_weight: 0.5,
        singer: None,
        take: 0,
    };
    let score = backline_band::arrange(&heard, &chords, &brief, &settings, 1);
    assert_eq!(score.chords.last().unwrap().1.root, 2, "the last chord");
}

#[test]
fn another_take_has_other_chords_that_fit_nearly_as_well() {
    let varied = HarmonySettings {
        variety: 0.55,
        ..PLAIN
    };
    let (mut different, mut all) = (0.0, 0.0);
    for tune in &TUNES {
        let heard = tune.heard(96.0, 0);
        let first = harmonise(&heard, &PLAIN, 1);
        for seed in 2..6 {
            let second = harmonise(&heard, &varied, seed);
            assert_eq!(second, harmonise(&heard, &varied, seed));
            for one in &first {
                for other in &second {
                    let both = one.span.end_s.min(other.span.end_s)
                        - one.span.start_s.max(other.span.start_s);
                    if both > 0.0 {
                        all += both;
                        different += if one.chord == other.chord { 0.0 } else { both };
                    }
                }
            }
        }
    }
    let share = different / all;
    assert!(
        (0.12..0.7).contains(&share),
        "{share:.2} of the time is different"
    );
    let plain = over_tunes(&PLAIN, fit);
    let other = over_tunes(&varied, fit);
    assert!(
        other > plain - 0.1,
        "{plain:.2} on chord tones, {other:.2} in other takes"
    );
}

#[test]
fn chords_change_more_often_in_slow_songs() {
    let changes = |tempo_bpm: f64| {
        mean(TUNES.iter().map(|tune| {
            let heard = tune.heard(tempo_bpm, 0);
            let chords = harmonise(&heard, &PLAIN, 1);
            chords.len() as f64 / heard.beats.len() as f64
        }))
    };
    let (slow, fast) = (changes(56.0), changes(176.0));
    assert!(
        slow > fast,
        "{slow:.3} changes a beat when slow, {fast:.3} when fast"
    );
}

#[test]
fn nothing_sung_has_no_chords() {
    let mut heard = TUNES[0].heard(96.0, 0);
    heard.notes.clear();
    assert!(harmonise(&heard, &PLAIN, 1).is_empty());
    let mut heard = TUNES[0].heard(96.0, 0);
    heard.beats.truncate(1);
    assert!(harmonise(&heard, &PLAIN, 1).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_melody_on_any_grid_is_harmonised(
        notes in prop::collection::vec((0.0f64..20.0, 0.01f64..3.0, 0u8..=127), 0..60),
        steps in prop::collection::vec(0.06f64..1.5, 0..50),
        positions in prop::collection::vec(0u8..9, 50),
        which in 0usize..26,
        weirdness in 0.0f32..=1.0,
        seed in any::<u64>(),
    ) {
        let mut heard = TUNES[1].heard(96.0, 0);
        let mut notes: Vec<Note> = notes
            .into_iter()
            .map(|(onset_s, length_s, midi)| Note::new(onset_s, onset_s + length_s, midi, -20.0))
            .collect();
        notes.sort_by(|a, b| a.onset_s.total_cmp(&b.onset_s));
        heard.notes = notes;
        let mut time_s = -0.7;
        heard.beats = steps
            .iter()
            .zip(positions)
            .map(|(step, position)| {
                time_s += step;
                Beat { time_s, position }
            })
            .collect();
        let settings = HarmonySettings { style: StyleId::all().nth(which), weirdness, style_weight: 0.5, variety: 0.5 };
        let chords = harmonise(&heard, &settings, seed);
        for pair in chords.windows(2) {
            prop_assert_eq!(pair[0].first_beat + pair[0].beats, pair[1].first_beat);
        }
        prop_assert!(chords.iter().all(|span| span.beats > 0 && span.chord.root < 12 && span.chord.bass < 12));
    }
}
