//! What the parts write over inversions, rests, section starts and half time, and how far the weights reach, measured on the
//! score; and hats that choke, measured on the sound.

#![allow(
    clippy::unwrap_used,
    reason = "a test that meets the unexpected should stop"
)]

mod song;

use backline_band::{
    ArrangeSettings, Articulation, Brief, Instrument, Role, Score, ScoreNote, ScorePart,
    SoundSource, StyleId,
    analysis::{Analysis, Chord, ChordSpan, Metre, Quality, Section, SectionKind, TimeSpan},
    arrange, play, read_tags,
};
use song::{BARS, SETTINGS, song};

fn styled(style: StyleId) -> Brief {
    let mut brief = Brief::default();
    brief.styles = vec![style];
    brief
}

fn parts(score: &Score, role: Role) -> impl Iterator<Item = &ScorePart> {
    score.parts.iter().filter(move |part| part.role == role)
}

/// Chords that change at the given beats of every bar of 4/4, in turn.
fn changing(analysis: &Analysis, at: &[usize], chords: &[Chord]) -> Vec<ChordSpan> {
    let starts: Vec<usize> = (2..BARS)
        .flat_map(|bar| at.iter().map(move |beat| bar * 4 + beat))
        .collect();
    starts
        .iter()
        .enumerate()
        .map(|(index, &first)| {
            let end = starts.get(index + 1).copied().unwrap_or(BARS * 4);
            ChordSpan {
                span: TimeSpan {
                    start_s: analysis.beats[first].time_s,
                    end_s: analysis
                        .beats
                        .get(end)
                        .map_or(analysis.duration_s, |beat| beat.time_s),
                },
                first_beat: first,
                beats: end - first,
                chord: chords[index % chords.len()],
            }
        })
        .collect()
}

fn chord(root: u8, quality: Quality, bass: u8) -> Chord {
    Chord {
        root,
        quality,
        bass,
    }
}

fn chord_at(score: &Score, time_s: f64) -> &Chord {
    let found = score
        .chords
        .iter()
        .find(|(span, _)| span.start_s - 0.04 <= time_s && time_s < span.end_s - 0.04);
    &found.unwrap_or(score.chords.last().unwrap()).1
}

#[test]
fn the_bass_plays_chord_tones_under_inversions() {
    let tempo = 96.0;
    let (analysis, _) = song(Metre::FourFour, tempo);
    let inverted = [
        chord(7, Quality::Major, 11),
        chord(0, Quality::Major, 7),
        chord(5, Quality::Major, 9),
        chord(9, Quality::Minor, 0),
    ];
    let chords = changing(&analysis, &[0], &inverted);
    let (mut off, mut all) = (0, 0);
    for style in StyleId::all() {
        for seed in 0..4 {
            let score = arrange(&analysis, &chords, &styled(style), &SETTINGS, seed);
            for note in parts(&score, Role::Bass).flat_map(|part| &part.notes) {
                let beat = note.start_s * tempo / 60.0;
                // A walking bass passes through the second beat and leads into the next chord on the fourth.
                let strong =
                    (beat - beat.round()).abs() < 0.1 && (beat.round() as u64).is_multiple_of(2);
                if !strong || note.start_s > score.final_chord_s - 0.1 {
                    continue;
                }
                all += 1;
                off += usize::from(!chord_at(&score, note.start_s).holds(note.midi % 12));
            }
        }
    }
    assert!(
        off * 100 < all,
        "{off} of {all} bass notes on beats lie off the inverted chord"
    );
}

#[test]
fn the_first_bass_note_after_a_rest_is_the_new_chords_bass() {
    let (analysis, _) = song(Metre::FourFour, 96.0);
    let roots = [
        chord(0, Quality::Major, 0),
        chord(5, Quality::Major, 5),
        chord(9, Quality::Minor, 9),
        chord(7, Quality::Major, 7),
    ];
    let chords = changing(&analysis, &[1, 3], &roots);
    for style in StyleId::all() {
        for seed in 0..4 {
            let score = arrange(&analysis, &chords, &styled(style), &SETTINGS, seed);
            for part in parts(&score, Role::Bass) {
                for (span, chord) in &score.chords {
                    let first = part.notes.iter().find(|note| {
                        note.start_s >= span.start_s - 0.05 && note.start_s < span.end_s - 0.05
                    });
                    if let Some(note) = first {
                        assert_eq!(
                            note.midi % 12,
                            chord.bass,
                            "{style:?} at {:.2}",
                            note.start_s
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn half_time_keeps_chords_that_change_on_every_beat() {
    let (analysis, _) = song(Metre::FourFour, 160.0);
    let roots = [0, 2, 4, 5, 7, 9, 11].map(|root| chord(root, Quality::Major, root));
    let chords = changing(&analysis, &[0, 1, 2, 3], &roots);
    let score = arrange(
        &analysis,
        &chords,
        &styled(StyleId::PopBallad),
        &SETTINGS,
        1,
    );
    let whole = chords
        .iter()
        .filter(|span| span.span.end_s < score.final_chord_s);
    let (mut lost, mut all) = (0, 0);
    for span in whole {
        let middle_s = (span.span.start_s + span.span.end_s) / 2.0;
        all += 1;
        lost += usize::from(*chord_at(&score, middle_s) != span.chord);
    }
    assert!(all > 60 && lost == 0, "{lost} of {all} chords are lost");
}

/// A long section from bar 3 on and a short one after it, both choruses.
fn from_the_third_bar(energy: f32) -> (Analysis, Vec<ChordSpan>) {
    let (mut analysis, chords) = song(Metre::FourFour, 116.0);
    let bar_s = 240.0 / 116.0;
    analysis.notes.retain(|note| note.onset_s > 2.9 * bar_s);
    let section = |from: f64, to: f64, kind, energy| Section {
        span: TimeSpan {
            start_s: from * bar_s,
            end_s: to * bar_s,
        },
        kind,
        energy,
    };
    analysis.sections = vec![
        section(0.0, 3.0, SectionKind::Intro, 0.3),
        section(3.0, 20.0, SectionKind::Chorus, energy),
        section(20.0, BARS as f64, SectionKind::Chorus, energy),
    ];
    (analysis, chords)
}

#[test]
fn fills_are_counted_from_the_section() {
    let (analysis, chords) = from_the_third_bar(0.9);
    let bar_s = 240.0 / 116.0;
    let mut bars = std::collections::BTreeMap::<usize, usize>::new();
    for seed in 0..24 {
        let score = arrange(
            &analysis,
            &chords,
            &styled(StyleId::PopRock),
            &SETTINGS,
            seed,
        );
        for note in parts(&score, Role::Drums).flat_map(|part| &part.notes) {
            if matches!(note.midi, 45 | 47 | 50) {
                *bars
                    .entry((note.start_s / bar_s + 0.02) as usize)
                    .or_default() += 1;
            }
        }
    }
    // The third bar opens the section: its eighth and sixteenth are 10 and 18, its last is 19.
    let ends = bars.keys().all(|bar| [10, 18, 19, BARS - 1].contains(bar));
    assert!(!bars.is_empty() && ends, "toms by bar: {bars:?}");
}

#[test]
fn six_decibels_of_singing_are_heard_in_the_band() {
    let velocity = |level_db: f32| {
        let (mut analysis, chords) = from_the_third_bar(0.6);
        let half_s = analysis.duration_s / 2.0;
        for note in &mut analysis.notes {
            note.level_db = if note.onset_s < half_s {
                -20.0
            } else {
                -20.0 + level_db
            };
        }
        let score = arrange(&analysis, &chords, &styled(StyleId::PopRock), &SETTINGS, 3);
        let notes: Vec<f32> = score
            .parts
            .iter()
            .filter(|part| part.role != Role::Fills)
            .flat_map(|part| &part.notes)
            .filter(|note| (half_s + 1.0..analysis.duration_s - 4.0).contains(&note.start_s))
            .map(|note| note.velocity)
            .collect();
        notes.iter().sum::<f32>() / notes.len() as f32
    };
    // The levels are relative to the song's mean, so 12 dB between the halves are ±6 dB.
    let ratio = velocity(12.0) / velocity(-12.0);
    assert!(ratio > 1.15, "±6 dB move the velocities by {ratio:.3}");
}

#[test]
fn the_style_weight_is_heard_in_the_arrangement() {
    let arranged = |style: StyleId, style_weight: f32| {
        let (analysis, chords) = song(Metre::FourFour, 124.0);
        let settings = ArrangeSettings {
            style_weight,
            ..SETTINGS
        };
        arrange(&analysis, &chords, &styled(style), &settings, 3)
    };
    let off_beat = |score: &Score| {
        let mut offs: Vec<f64> = parts(score, Role::Drums)
            .flat_map(|part| &part.notes)
            .filter(|note| note.start_s < score.final_chord_s - 0.1)
            .map(|note| (note.start_s * 124.0 / 60.0).fract())
            .filter(|place| (0.35..0.8).contains(place))
            .collect();
        offs.sort_by(f64::total_cmp);
        offs[offs.len() / 2]
    };
    let (loose, strict) = (
        off_beat(&arranged(StyleId::JazzSwing, 0.0)),
        off_beat(&arranged(StyleId::JazzSwing, 1.0)),
    );
    assert!(
        strict - loose > 0.05,
        "swing from {loose:.3} to {strict:.3}"
    );
    let colour_db = |score: &Score| {
        let pads: Vec<f32> = parts(score, Role::Pad).map(|part| part.level_db).collect();
        pads.iter().sum::<f32>() / pads.len() as f32
    };
    for style in [StyleId::PopBallad, StyleId::Soul, StyleId::Cinematic] {
        let by = colour_db(&arranged(style, 1.0)) - colour_db(&arranged(style, 0.0));
        assert!(by > 4.0, "{style:?}: the pads move by {by:.1} dB");
    }
}

#[test]
fn an_unsure_beat_is_not_drummed_unless_drums_are_asked_for() {
    let (mut analysis, chords) = song(Metre::FourFour, 100.0);
    let drums = |analysis: &Analysis, brief: &Brief| {
        let score = arrange(analysis, &chords, brief, &SETTINGS, 1);
        assert!(!score.parts.is_empty());
        score
            .parts
            .iter()
            .any(|part| matches!(part.role, Role::Drums | Role::Percussion))
    };
    for style in StyleId::all() {
        analysis.confidence.beats = 0.44;
        assert!(!drums(&analysis, &styled(style)), "{style:?}");
    }
    let mut asked = read_tags("drums", "");
    asked.styles = vec![StyleId::PopRock];
    assert!(drums(&analysis, &asked));
    analysis.confidence.beats = 0.46;
    assert!(drums(&analysis, &styled(StyleId::PopRock)));
}

#[test]
fn a_closed_hat_chokes_an_open_one() {
    let (analysis, chords) = song(Metre::FourFour, 120.0);
    let mut score = arrange(&analysis, &chords, &styled(StyleId::PopRock), &SETTINGS, 1);
    score.room.wet = 0.0;
    score.room.delay = 0.0;
    score.length_s = 1.0;
    let stroke = |start_s: f64, midi: u8| ScoreNote {
        start_s,
        length_s: 0.25,
        midi,
        velocity: 0.9,
        articulation: Articulation::Normal,
    };
    let mut power = |notes: Vec<ScoreNote>| {
        score.parts = vec![ScorePart {
            instrument: Instrument::AcousticKit,
            role: Role::Drums,
            pan: 0.0,
            level_db: 0.0,
            notes,
        }];
        let sound = play(&score, &SoundSource::Own, 5, 1);
        let of = |from_s: f64, to_s: f64| -> f32 {
            let inside = &sound.left[(from_s * 44_100.0) as usize..(to_s * 44_100.0) as usize];
            inside.iter().map(|sample| sample * sample).sum()
        };
        // What rings on, against the stroke itself: a part is brought to its level.
        of(0.19, 0.3) / of(0.0, 0.05)
    };
    let ringing = power(vec![stroke(0.0, 46)]);
    let choked = power(vec![stroke(0.0, 46), stroke(0.1, 42)]);
    assert!(
        choked < 0.01 * ringing,
        "the open hat rings on at {choked:e}, alone at {ringing:e}"
    );
}

#[test]
fn machines_keep_a_steady_tempo_where_the_singer_does() {
    let steps_ms = |style: StyleId, jitter_s: f64| -> f64 {
        let (mut analysis, chords) = song(Metre::FourFour, 122.0);
        for (at, beat) in analysis.beats.iter_mut().enumerate() {
            // Slow enough that smoothing over neighbours does not remove it.
            beat.time_s += jitter_s * (at as f64 / 5.0).sin();
        }
        let score = arrange(&analysis, &chords, &styled(style), &SETTINGS, 7);
        let steps: Vec<f64> = score
            .beats
            .windows(2)
            .map(|pair| pair[1].time_s - pair[0].time_s)
            .take(80)
            .collect();
        let (least, most) = steps
            .iter()
            .fold((f64::MAX, 0.0f64), |(least, most), &step| {
                (least.min(step), most.max(step))
            });
        1000.0 * (most - least)
    };
    assert!(steps_ms(StyleId::House, 0.03) < 0.1);
    assert!(steps_ms(StyleId::PopRock, 0.03) > 3.0);
    assert!(steps_ms(StyleId::House, 0.1) > 10.0);
}

#[test]
fn fills_take_up_the_singers_rhythm() {
    // Gaps of two bars after a rhythm of three eighths and a quarter, which no free fill has often.
    let bar_s = 240.0 / 100.0;
    let (mut same, mut all) = (0, 0);
    for seed in 0..12 {
        let (mut analysis, chords) = song(Metre::FourFour, 100.0);
        let sung = [0.0, 3.0, 5.0, 6.0, 10.0];
        let kept: Vec<_> = analysis.notes.clone();
        analysis.notes = kept
            .into_iter()
            .filter(|note| (note.onset_s / bar_s + 0.01) as usize % 4 == 1)
            .enumerate()
            .filter_map(|(at, note)| {
                let bar = (note.onset_s / bar_s + 0.01).floor();
                let place = *sung.get(at % 4)?;
                let onset_s = (bar + place / 16.0) * bar_s;
                Some(backline_band::analysis::Note {
                    onset_s,
                    offset_s: onset_s + 0.2,
                    ..note
                })
            })
            .collect();
        let score = arrange(
            &analysis,
            &chords,
            &styled(StyleId::PopRock),
            &SETTINGS,
            seed,
        );
        for part in parts(&score, Role::Fills) {
            for note in &part.notes {
                let place = (note.start_s / bar_s + 0.03).fract() * 16.0 - 0.48;
                all += 1;
                same += usize::from(
                    [0.0, 3.0, 5.0, 6.0]
                        .iter()
                        .any(|sung| (place - sung).abs() < 0.5),
                );
            }
        }
    }
    // By chance a quarter of the sixteenths are among the sung ones.
    assert!(all > 40 && same * 5 > 2 * all, "{same} of {all} notes");
}
