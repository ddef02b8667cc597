//! What the arranger writes, measured on the score.
//!
//! Over 500 lines: it is a list of properties, each measured on the same scores.

#![allow(
    clippy::unwrap_used,
    reason = "a test that meets the unexpected should stop"
)]

mod song;

use backline_band::{
    ArrangeSettings, Brief, Instrument, Role, Score, ScoreNote, ScorePart, StyleId,
    analysis::{Chord, Metre, Quality},
    arrange, read_tags,
};
use song::{SETTINGS, song};

fn styled(mut brief: Brief, style: StyleId) -> Brief {
    brief.styles = vec![style];
    brief
}

fn score(style: StyleId, metre: Metre, tempo_bpm: f64, brief: &Brief, take: usize) -> Score {
    let (analysis, chords) = song(metre, tempo_bpm);
    let brief = styled(brief.clone(), style);
    arrange(
        &analysis,
        &chords,
        &brief,
        &ArrangeSettings { take, ..SETTINGS },
        7 + take as u64,
    )
}

fn plain(style: StyleId, tempo_bpm: f64) -> Score {
    score(style, Metre::FourFour, tempo_bpm, &Brief::default(), 0)
}

fn parts(score: &Score, role: Role) -> impl Iterator<Item = &ScorePart> {
    score.parts.iter().filter(move |part| part.role == role)
}

#[test]
fn no_style_plays_what_the_negative_tags_forbid() {
    let families = [
        (
            "drums",
            "drum kit, brushed drum kit, drum machine, hand percussion",
        ),
        (
            "no percussion",
            "drum kit, brushed drum kit, drum machine, hand percussion",
        ),
        ("bass", "bass guitar, upright bass, synth bass, sub bass"),
        (
            "guitars",
            "acoustic guitar, nylon guitar, electric guitar, distorted guitar",
        ),
        ("electric guitar", "electric guitar, distorted guitar"),
        ("piano", "piano, electric piano"),
        (
            "keyboards",
            "piano, electric piano, organ, synth pad, synth pluck, synth lead",
        ),
        (
            "synths",
            "synth bass, sub bass, synth pad, synth pluck, synth lead",
        ),
        ("strings", "strings"),
        ("brass, flute", "brass, flute"),
        ("distortion", "distorted guitar"),
        (
            "electronic",
            "drum machine, synth bass, sub bass, synth pad, synth pluck, synth lead",
        ),
        (
            "acoustic",
            "drum kit, brushed drum kit, hand percussion, upright bass, piano, acoustic guitar, nylon guitar, ukulele, banjo, harp, strings, brass, flute, saxophone, vibraphone, glockenspiel",
        ),
        ("organ, bells, harp", "organ, glockenspiel, harp"),
    ];
    for style in StyleId::all() {
        for (negative, names) in families {
            for metre in [Metre::FourFour, Metre::ThreeFour] {
                // Asking for everything must not bring it back.
                for tags in [
                    "",
                    "drums, bass, guitar, piano, synth, strings, brass, organ, flute, distorted guitar",
                ] {
                    let brief = styled(read_tags(tags, negative), style);
                    let (analysis, chords) = song(metre, 100.0);
                    let score = arrange(&analysis, &chords, &brief, &SETTINGS, 3);
                    assert_eq!(score.forbidden_instrument(&brief), None);
                    for part in &score.parts {
                        let name = part.instrument.name();
                        assert!(
                            !names.split(", ").any(|forbidden| forbidden == name),
                            "{style:?} with {tags:?} against {negative:?} plays {name}"
                        );
                    }
                    assert!(
                        !score.parts.is_empty(),
                        "{style:?} against {negative:?} plays nothing"
                    );
                }
            }
        }
    }
}

#[test]
fn forbidden_pieces_of_the_kit_are_silent() {
    for style in StyleId::all() {
        for (negative, pieces) in [
            ("hi-hats", &[42u8, 44, 46][..]),
            ("cymbals", &[49, 51]),
            ("snare", &[38, 37]),
            ("kick drum", &[36]),
            ("claps", &[39]),
        ] {
            let score = score(style, Metre::FourFour, 100.0, &read_tags("", negative), 0);
            let heard = score
                .parts
                .iter()
                .filter(|part| matches!(part.role, Role::Drums | Role::Percussion))
                .flat_map(|part| &part.notes)
                .any(|note| pieces.contains(&note.midi));
            assert!(!heard, "{style:?} plays {negative}");
        }
    }
}

#[test]
fn what_is_asked_for_plays() {
    for style in StyleId::all() {
        for (tags, instrument) in [
            ("piano", Instrument::Piano),
            ("acoustic guitar", Instrument::SteelGuitar),
            ("strings", Instrument::Strings),
            ("organ", Instrument::Organ),
            ("synth pad", Instrument::SynthPad),
            ("flute", Instrument::Flute),
            ("saxophone", Instrument::Saxophone),
            ("banjo", Instrument::Banjo),
            ("synth lead", Instrument::SynthLead),
        ] {
            let score = score(style, Metre::FourFour, 96.0, &read_tags(tags, ""), 0);
            assert!(
                score.instruments().contains(&instrument),
                "{style:?} with {tags:?} plays {:?}",
                score.instruments()
            );
        }
        let solo = score(
            style,
            Metre::FourFour,
            96.0,
            &read_tags("solo piano", ""),
            0,
        );
        assert_eq!(solo.instruments(), vec![Instrument::Piano], "{style:?}");
        // Not in the gaps of the singing alone: a song may have none.
        let solo = score(
            style,
            Metre::FourFour,
            96.0,
            &read_tags("flute solo", ""),
            0,
        );
        assert_eq!(solo.instruments(), vec![Instrument::Flute], "{style:?}");
    }
}

#[test]
fn every_style_has_rhythm_harmony_and_an_ending_in_every_metre() {
    for style in StyleId::all() {
        for metre in [
            Metre::TwoFour,
            Metre::ThreeFour,
            Metre::FourFour,
            Metre::SixEight,
        ] {
            let score = score(
                style,
                metre,
                if metre == Metre::SixEight { 60.0 } else { 92.0 },
                &Brief::default(),
                0,
            );
            let chordal = score
                .parts
                .iter()
                .any(|part| matches!(part.role, Role::Comp | Role::Pad | Role::Figure));
            let bass = parts(&score, Role::Bass).next().is_some();
            assert!(
                chordal && bass,
                "{style:?} in {metre:?}: {:?}",
                score.instruments()
            );
            if !matches!(style, StyleId::Ambient | StyleId::ChamberStrings) {
                assert!(
                    parts(&score, Role::Drums).next().is_some(),
                    "{style:?} in {metre:?} has no drums"
                );
            }
            let last = score
                .parts
                .iter()
                .flat_map(|part| &part.notes)
                .map(|note| note.start_s)
                .fold(0.0, f64::max);
            assert!(
                (last - score.final_chord_s).abs() < 0.25,
                "{style:?} in {metre:?}: last note at {last}, final chord at {}",
                score.final_chord_s
            );
            let (_, rest) = score.chords.last().unwrap();
            assert_eq!(rest.root, 0, "{style:?} ends on the tonic");
            for note in score.parts.iter().flat_map(|part| &part.notes) {
                assert!(
                    note.start_s >= 0.0
                        && note.length_s > 0.0
                        && note.start_s + note.length_s <= score.length_s + 1e-9
                );
                assert!((0.0..=1.0).contains(&note.velocity));
            }
        }
    }
}

fn is_chord_tone(chord: &Chord, midi: u8) -> bool {
    let above = (midi + 12 - chord.root) % 12;
    let tones: &[u8] = match chord.quality {
        Quality::Minor => &[0, 3, 7],
        Quality::Seventh => &[0, 4, 7, 10],
        Quality::MajorSeventh => &[0, 4, 7, 11],
        Quality::MinorSeventh => &[0, 3, 7, 10],
        Quality::AddNinth => &[0, 2, 4, 7],
        Quality::Power => &[0, 7],
        _ => &[0, 4, 7],
    };
    tones.contains(&above)
}

fn chord_at(score: &Score, time_s: f64) -> &Chord {
    let found = score
        .chords
        .iter()
        .find(|(span, _)| span.start_s - 0.04 <= time_s && time_s < span.end_s - 0.04);
    &found.unwrap_or(score.chords.last().unwrap()).1
}

#[test]
fn comping_plays_the_chords_and_the_bass_their_roots() {
    for style in StyleId::all() {
        let score = plain(style, 96.0);
        let (mut chord_tones, mut all) = (0, 0);
        for part in score
            .parts
            .iter()
            .filter(|part| matches!(part.role, Role::Comp | Role::Pad | Role::Figure))
        {
            for note in &part.notes {
                all += 1;
                // What is pushed comes an eighth before its chord.
                let eighth_s = 60.0 / 96.0 / 2.0;
                let fits = |time_s: f64| is_chord_tone(chord_at(&score, time_s), note.midi);
                chord_tones +=
                    usize::from(fits(note.start_s) || fits(note.start_s + eighth_s + 0.03));
            }
        }
        let share = f64::from(chord_tones as u32) / f64::from(all as u32);
        assert!(
            share >= 0.97,
            "{style:?}: {share:.3} of {all} comping notes are chord tones"
        );
        for part in parts(&score, Role::Bass) {
            // The first note under a chord is its root, if that has not come an eighth before.
            for (span, chord) in &score.chords {
                let first = part.notes.iter().find(|note| {
                    note.start_s >= span.start_s - 0.05 && note.start_s < span.end_s - 0.05
                });
                let early_s = span.start_s - 60.0 / 96.0 / 2.0;
                let came_early = part.notes.iter().any(|note| {
                    (note.start_s - early_s).abs() < 0.05 && note.midi % 12 == chord.bass
                });
                if let Some(note) = first.filter(|_| !came_early) {
                    assert_eq!(
                        note.midi % 12,
                        chord.bass,
                        "{style:?} at {:.2}",
                        note.start_s
                    );
                }
            }
            assert!(
                part.notes.iter().all(|note| (26..=60).contains(&note.midi)),
                "{style:?}"
            );
        }
    }
}

#[test]
fn chordal_parts_that_are_not_guitars_leave_the_voice_its_range() {
    let (analysis, chords) = song(Metre::FourFour, 96.0);
    for (shift, name) in [(0i16, "high"), (-15, "low")] {
        let mut analysis = analysis.clone();
        for note in &mut analysis.notes {
            note.midi = (i16::from(note.midi) + shift) as u8;
        }
        let brief = styled(Brief::default(), StyleId::PopBallad);
        let score = arrange(&analysis, &chords, &brief, &SETTINGS, 5);
        let (low, high) = if shift == 0 { (66, 72) } else { (51, 57) };
        let (mut inside, mut all) = (0.0, 0.0);
        for note in score
            .parts
            .iter()
            .filter(|part| {
                matches!(part.instrument, Instrument::Piano | Instrument::Strings)
                    && part.role != Role::Fills
            })
            .flat_map(|part| &part.notes)
        {
            all += note.length_s;
            inside += if (low..=high).contains(&note.midi) {
                note.length_s
            } else {
                0.0
            };
        }
        assert!(
            inside / all < 0.3,
            "{name} voice: {:.2} of the comping lies in its range",
            inside / all
        );
    }
}

#[test]
fn under_a_high_voice_comping_pad_and_figure_have_places_of_their_own() {
    /// Lowest and highest of the middle nine tenths of a part's notes, by time.
    fn middle(part: &ScorePart) -> (u8, u8) {
        let mut keys: Vec<u8> = part.notes.iter().map(|note| note.midi).collect();
        keys.sort_unstable();
        let at = |twentieths: usize| keys[(keys.len() - 1) * twentieths / 20];
        (at(1), at(19))
    }
    let mut crowded = Vec::new();
    let mut pairs = 0;
    for style in StyleId::all() {
        let score = plain(style, 100.0);
        let chordal: Vec<&ScorePart> = score
            .parts
            .iter()
            .filter(|part| matches!(part.role, Role::Comp | Role::Pad | Role::Figure))
            .filter(|part| part.notes.len() > 8)
            .collect();
        for pad in parts(&score, Role::Pad).filter(|part| {
            matches!(part.instrument, Instrument::Strings | Instrument::SynthPad)
                && part.notes.len() > 8
        }) {
            for other in chordal.iter().filter(|part| part.role == Role::Comp) {
                pairs += 1;
                let ((low, high), (from, to)) = (middle(pad), middle(other));
                let shared = (i16::from(high.min(to)) - i16::from(low.max(from)) + 1).max(0);
                if shared > 4 {
                    crowded.push(format!(
                        "{style:?}: {:?} {low}-{high}, {:?} {from}-{to}",
                        pad.instrument, other.instrument
                    ));
                }
            }
        }
    }
    assert!(pairs >= 15, "{pairs}");
    assert!(crowded.is_empty(), "{crowded:#?}");
}

/// A stroke harder than this is no ghost note.
const ACCENT: f32 = 0.54;

/// Strokes of a piece as places in the bar (0..1), between bars 8 and 22.
fn places(score: &Score, midi: u8, bar_s: f64) -> Vec<f64> {
    parts(score, Role::Drums)
        .flat_map(|part| &part.notes)
        .filter(|note| {
            // Ghost notes vary from bar to bar.
            note.velocity > ACCENT
                && note.midi == midi
                && note.start_s > 8.0 * bar_s
                && note.start_s < 22.0 * bar_s
        })
        .map(|note| (note.start_s / bar_s + 0.01).fract() - 0.01)
        .collect()
}

fn share_near(places: &[f64], wanted: &[f64]) -> f64 {
    let near = places
        .iter()
        .filter(|&&place| wanted.iter().any(|&at| (place - at).abs() < 0.02))
        .count();
    near as f64 / places.len().max(1) as f64
}

#[test]
fn grooves_are_where_their_styles_put_them() {
    let bar_s = |bpm: f64| 240.0 / bpm;
    let backbeat = places(&plain(StyleId::PopRock, 116.0), 38, bar_s(116.0));
    assert!(
        share_near(&backbeat, &[0.25, 0.75]) > 0.75 && backbeat.len() >= 20,
        "back-beat {backbeat:?}"
    );
    let kick = places(&plain(StyleId::House, 122.0), 36, bar_s(122.0));
    assert!(
        share_near(&kick, &[0.0, 0.25, 0.5, 0.75]) > 0.95 && kick.len() >= 50,
        "four on the floor {kick:?}"
    );
    let open = places(&plain(StyleId::House, 122.0), 46, bar_s(122.0));
    assert!(
        share_near(&open, &[0.125, 0.375, 0.625, 0.875]) > 0.85,
        "off-beat hats {open:?}"
    );
    let drop = places(&plain(StyleId::Reggae, 76.0), 36, bar_s(76.0));
    assert!(share_near(&drop, &[0.5]) > 0.3, "one drop {drop:?}");
    let skank = plain(StyleId::Reggae, 76.0);
    let guitar: Vec<f64> = parts(&skank, Role::Comp)
        .filter(|part| part.instrument == Instrument::CleanGuitar)
        .flat_map(|part| &part.notes)
        .filter(|note| note.start_s < 68.0)
        .map(|note| (note.start_s / (240.0 / 76.0) * 4.0 + 0.06).fract() - 0.06)
        .collect();
    assert!(
        guitar
            .iter()
            .filter(|&&place| (place - 0.5).abs() < 0.1)
            .count() as f64
            > 0.6 * guitar.len() as f64,
        "skank on the off-beat"
    );
}

#[test]
fn swing_has_its_ratio_and_can_be_refused() {
    for (style, bpm, low, high) in [
        (StyleId::JazzSwing, 124.0, 0.60, 0.68),
        (StyleId::Blues, 92.0, 0.62, 0.69),
        (StyleId::PopRock, 116.0, 0.48, 0.52),
    ] {
        let score = plain(style, bpm);
        // Where the second eighth of a beat falls, over all kits' strokes.
        let mut offs: Vec<f64> = parts(&score, Role::Drums)
            .flat_map(|part| &part.notes)
            .filter(|note| note.start_s < score.final_chord_s - 0.1)
            .map(|note| (note.start_s * bpm / 60.0).fract())
            .filter(|place| (0.35..0.8).contains(place))
            .collect();
        offs.sort_by(f64::total_cmp);
        let median = offs[offs.len() / 2];
        assert!(
            (low..high).contains(&median),
            "{style:?}: the off-beat falls at {median:.3}"
        );
    }
    let straight = score(
        StyleId::JazzSwing,
        Metre::FourFour,
        124.0,
        &read_tags("", "swing feel"),
        0,
    );
    let late = parts(&straight, Role::Drums)
        .flat_map(|part| &part.notes)
        .filter(|note| (0.58..0.72).contains(&(note.start_s * 124.0 / 60.0).fract()))
        .count();
    assert_eq!(late, 0);
}

#[test]
fn the_band_follows_a_rubato() {
    let (mut analysis, chords) = song(Metre::FourFour, 80.0);
    // The singer slows down by a third over the song.
    for beat in &mut analysis.beats {
        beat.time_s += beat.time_s * beat.time_s / 220.0;
    }
    for note in &mut analysis.notes {
        note.onset_s += note.onset_s * note.onset_s / 220.0;
        note.offset_s += note.offset_s * note.offset_s / 220.0;
    }
    analysis.duration_s += analysis.duration_s * analysis.duration_s / 220.0;
    analysis.sections.clear();
    let brief = styled(Brief::default(), StyleId::PopRock);
    let score = arrange(&analysis, &chords, &brief, &SETTINGS, 1);
    let kicks: Vec<f64> = parts(&score, Role::Drums)
        .flat_map(|part| &part.notes)
        .filter(|note| note.midi == 36 || note.midi == 38)
        .filter(|note| note.velocity > ACCENT)
        .map(|note| note.start_s)
        .collect();
    let beats: Vec<f64> = analysis.beats.iter().map(|beat| beat.time_s).collect();
    let between = beats.windows(2).map(|pair| (pair[0] + pair[1]) / 2.0);
    let eighths: Vec<f64> = beats.iter().copied().chain(between).collect();
    let near = kicks
        .iter()
        .filter(|&&kick| eighths.iter().any(|eighth| (eighth - kick).abs() < 0.05))
        .count();
    let off = kicks
        .iter()
        .filter(|&&kick| kick < analysis.duration_s - 2.0)
        .count();
    assert!(
        near as f64 > 0.85 * off as f64,
        "{near} of {off} strokes are on the singer's eighths"
    );
}

#[test]
fn the_beats_are_the_singers_at_half_and_double_time_too() {
    for (style, bpm) in [
        (StyleId::BossaNova, 126.0),
        (StyleId::Trap, 70.0),
        (StyleId::PopRock, 116.0),
    ] {
        let beats = plain(style, bpm).beats;
        for pair in beats.windows(2) {
            let step = (pair[1].time_s - pair[0].time_s) * bpm / 60.0;
            assert!((0.9..1.4).contains(&step), "{style:?}: {step:.2} beats");
            assert_eq!(pair[1].position, (pair[0].position + 1) % 4, "{style:?}");
        }
    }
}

#[test]
fn machines_hold_their_breath_before_a_fuller_section() {
    for (style, bpm) in [(StyleId::House, 122.0), (StyleId::Trap, 140.0)] {
        let score = plain(style, bpm);
        let bar_s = 240.0 / bpm;
        let (from_s, to_s) = (15.45 * bar_s, 15.98 * bar_s);
        let within = |wanted: &[u8]| -> Vec<f32> {
            parts(&score, Role::Drums)
                .flat_map(|part| &part.notes)
                .filter(|note| {
                    (from_s..to_s).contains(&note.start_s) && wanted.contains(&note.midi)
                })
                .map(|note| note.velocity)
                .collect()
        };
        assert!(within(&[36]).is_empty(), "{style:?} kicks through its drop");
        let roll = within(&[38, 39]);
        assert!(
            roll.len() >= 4 && roll.windows(2).all(|pair| pair[0] < pair[1]),
            "{style:?} rolls {roll:?}"
        );
        let crash = parts(&score, Role::Drums)
            .flat_map(|part| &part.notes)
            .any(|note| note.midi == 49 && (note.start_s - 16.0 * bar_s).abs() < 0.05);
        assert!(crash, "{style:?} has no crash after the drop");
    }
}

#[test]
fn takes_differ_and_repeat() {
    for style in StyleId::all() {
        let one = score(style, Metre::FourFour, 96.0, &Brief::default(), 0);
        let same = score(style, Metre::FourFour, 96.0, &Brief::default(), 0);
        let other = score(style, Metre::FourFour, 96.0, &Brief::default(), 1);
        assert_eq!(one, same, "{style:?} is not the same twice");
        let notes = |score: &Score| {
            score
                .parts
                .iter()
                .flat_map(|part| {
                    part.notes
                        .iter()
                        .map(|note| ((note.start_s * 20.0).round() as i64, note.midi))
                })
                .collect::<std::collections::BTreeSet<_>>()
        };
        let (first, second) = (notes(&one), notes(&other));
        let shared =
            first.intersection(&second).count() as f64 / first.len().max(second.len()) as f64;
        assert!(
            shared < 0.93,
            "{style:?}: {shared:.2} of the notes are the same in both takes"
        );
    }
}

#[test]
fn anything_can_be_arranged() {
    let (analysis, chords) = song(Metre::FourFour, 96.0);
    let brief = Brief::default();
    let mut silent = analysis.clone();
    silent.notes.clear();
    silent.phrases.clear();
    silent.sections.clear();
    silent.beats.clear();
    silent.duration_s = 1.0;
    assert!(!arrange(&silent, &[], &brief, &SETTINGS, 1).parts.is_empty());
    let mut absurd = analysis.clone();
    absurd.tempo_bpm = f64::NAN;
    absurd.tuning_cents = f32::NAN;
    absurd
        .beats
        .iter_mut()
        .step_by(3)
        .for_each(|beat| beat.time_s = f64::NAN);
    absurd
        .notes
        .iter_mut()
        .for_each(|note| note.level_db = f32::NEG_INFINITY);
    let score = arrange(&absurd, &chords, &brief, &SETTINGS, 1);
    assert!(score.length_s.is_finite() && score.length_s < 200.0);
    let nothing = read_tags(
        "",
        "drums, bass, guitar, piano, organ, synth, strings, brass, flute, saxophone, harp, ukulele, banjo, bells, vibraphone, choir",
    );
    assert!(
        arrange(&analysis, &chords, &nothing, &SETTINGS, 1)
            .parts
            .is_empty()
    );
}

#[test]
fn chords_that_are_pushed_are_the_next_bars() {
    let bpm = 116.0;
    let beat_s = 60.0 / bpm;
    let bar_s = 4.0 * beat_s;
    let (analysis, chords) = song(Metre::FourFour, bpm);
    for (style, least) in [
        (StyleId::JazzSwing, 20),
        (StyleId::Latin, 0),
        (StyleId::Soul, 0),
        (StyleId::Gospel, 0),
    ] {
        let mut brief = Brief::default();
        brief.styles = vec![style];
        let (mut next, mut all) = (0, 0);
        for seed in 0..12 {
            let score = arrange(&analysis, &chords, &brief, &SETTINGS, seed);
            // Guitars may strum through the bar line.
            let keys = parts(&score, Role::Comp).filter(|part| {
                matches!(
                    part.instrument,
                    Instrument::Piano | Instrument::ElectricPiano
                )
            });
            for note in keys.flat_map(|part| &part.notes) {
                let place = (note.start_s / bar_s).fract() * 4.0;
                let (here, there) = (
                    chord_at(&score, note.start_s),
                    chord_at(&score, note.start_s + beat_s),
                );
                let song = 3.0 * bar_s..score.final_chord_s - 1.5 * bar_s;
                // Tones of one of the two chords alone say which was meant.
                let tells = is_chord_tone(here, note.midi) != is_chord_tone(there, note.midi);
                if (3.45..3.8).contains(&place) && song.contains(&note.start_s) && tells {
                    all += 1;
                    next += usize::from(is_chord_tone(there, note.midi));
                }
            }
        }
        assert!(
            all >= least && next * 2 >= all,
            "{style:?}: {next} of {all}"
        );
    }
}

#[test]
fn a_walking_bass_plays_six_different_bars_in_eight() {
    let bpm = 124.0;
    let bar_s = 4.0 * 60.0 / bpm;
    let score = plain(StyleId::JazzSwing, bpm);
    let part = parts(&score, Role::Bass).next().unwrap();
    let bars: Vec<Vec<u8>> = (12..20)
        .map(|bar| {
            let from_s = f64::from(bar) * bar_s - 0.05;
            let inside = |note: &&ScoreNote| (from_s..from_s + bar_s).contains(&note.start_s);
            part.notes
                .iter()
                .filter(inside)
                .map(|note| note.midi)
                .collect()
        })
        .collect();
    assert!(
        bars.iter().filter(|bar| bar.len() == 4).count() >= 6,
        "{bars:?}"
    );
    let mut different = bars.clone();
    different.sort_unstable();
    different.dedup();
    assert!(different.len() >= 6, "{bars:?}");
    for pair in part.notes.windows(2) {
        let leap = pair[0].midi.abs_diff(pair[1].midi);
        assert!(leap <= 12, "a leap of {leap} at {:.2}", pair[1].start_s);
    }
}

#[test]
fn slow_songs_swing_more_than_quick_ones() {
    let off_beat = |bpm: f64| {
        let score = plain(StyleId::JazzSwing, bpm);
        let mut offs: Vec<f64> = parts(&score, Role::Drums)
            .flat_map(|part| &part.notes)
            .filter(|note| note.start_s < score.final_chord_s - 4.0)
            .map(|note| (note.start_s * bpm / 60.0).fract())
            .filter(|place| (0.4..0.8).contains(place))
            .collect();
        offs.sort_by(f64::total_cmp);
        offs[offs.len() / 2]
    };
    let (slow, quick) = (off_beat(100.0), off_beat(160.0));
    assert!(slow > quick + 0.015, "{slow:.3} at 100, {quick:.3} at 160");
}

#[test]
fn songs_end_as_their_styles_do() {
    let bpm = 100.0;
    let last_length_s = |score: &Score| {
        let last = score
            .parts
            .iter()
            .filter(|part| !matches!(part.role, Role::Drums | Role::Percussion))
            .flat_map(|part| &part.notes)
            .filter(|note| note.start_s >= score.final_chord_s - 0.05);
        last.map(|note| note.length_s).fold(0.0, f64::max)
    };
    // Cut off in time.
    let funk = plain(StyleId::Funk, bpm);
    assert!(last_length_s(&funk) < 0.5, "{}", last_length_s(&funk));
    // Held.
    for style in [StyleId::PopBallad, StyleId::Ambient] {
        let score = plain(style, bpm);
        assert!(last_length_s(&score) > 1.5, "{style:?}");
    }
    // After the singer's last word the band slows down where the style does so, and nowhere else.
    let (mut analysis, chords) = song(Metre::FourFour, bpm);
    let bar_s = 4.0 * 60.0 / bpm;
    // The last bar before the last chord is not sung to its end.
    analysis.notes.truncate(analysis.notes.len() - 2);
    let end_of = |style: StyleId| {
        let mut brief = Brief::default();
        brief.styles = vec![style];
        arrange(&analysis, &chords, &brief, &SETTINGS, 7)
    };
    let (ballad, funk) = (end_of(StyleId::PopBallad), end_of(StyleId::Funk));
    let later_s = ballad.final_chord_s - funk.final_chord_s;
    assert!((0.03..0.31 * bar_s).contains(&later_s), "{later_s}");
    let before = |score: &Score| -> Vec<f64> {
        let beats = score.beats.iter().map(|beat| beat.time_s);
        beats
            .filter(|time_s| *time_s < analysis.notes.last().unwrap().offset_s)
            .collect()
    };
    assert_eq!(before(&ballad), before(&funk));
}
