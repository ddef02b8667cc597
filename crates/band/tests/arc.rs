//! The arc of a song: how much fuller the chorus is than the verse under an even singer, measured on the finished sound, and how songs
//! begin and end.

#![allow(
    clippy::unwrap_used,
    reason = "a test that meets the unexpected should stop"
)]

mod song;

use backline_audio::{Audio, integrated_lufs};
use backline_band::{
    Brief, RATE_HZ, Role, Score, SoundSource, StyleId,
    analysis::{Metre, Section, SectionKind, TimeSpan},
    arrange, master, play,
};
use song::{BARS, SETTINGS, song};

const TEMPO_BPM: f64 = 100.0;
const BAR_S: f64 = 240.0 / TEMPO_BPM;

/// A score under a singer as even as people are: section energies of .46 to .58.
fn score(style: StyleId, sections: &[(usize, usize, SectionKind, f32)]) -> Score {
    let (mut analysis, chords) = song(Metre::FourFour, TEMPO_BPM);
    for note in &mut analysis.notes {
        note.level_db = -20.0;
    }
    analysis.sections = sections
        .iter()
        .map(|&(from, to, kind, energy)| Section {
            span: TimeSpan {
                start_s: from as f64 * BAR_S,
                end_s: to as f64 * BAR_S,
            },
            kind,
            energy,
        })
        .collect();
    let mut brief = Brief::default();
    brief.styles = vec![style];
    arrange(&analysis, &chords, &brief, &SETTINGS, 5)
}

fn lufs(score: &Score, stretches: &[(f64, f64)]) -> Vec<f64> {
    let finished = master(play(score, &SoundSource::Own, 5, 1), &score.finish);
    stretches
        .iter()
        .map(|&(from, to)| {
            let frame = |bar: f64| (bar * BAR_S * f64::from(RATE_HZ)) as usize;
            let cut = |channel: &Vec<f32>| channel[frame(from)..frame(to)].to_vec();
            integrated_lufs(&Audio {
                rate_hz: RATE_HZ,
                channels: finished.audio.channels.iter().map(cut).collect(),
            })
            .unwrap()
        })
        .collect()
}

#[test]
fn a_chorus_is_two_decibels_above_the_verse() {
    use SectionKind::{Chorus, Intro, Verse};
    let form = [
        (0, 2, Intro, 0.3),
        (2, 10, Verse, 0.46),
        (10, BARS, Chorus, 0.58),
    ];
    for style in StyleId::all() {
        let [verse, chorus] = lufs(&score(style, &form), &[(2.0, 10.0), (10.0, 22.0)])[..] else {
            unreachable!("two stretches have two loudnesses");
        };
        assert!(
            chorus - verse >= 2.0,
            "{style:?}: chorus {chorus:.1} LUFS, verse {verse:.1}"
        );
    }
}

#[test]
fn a_song_of_one_section_grows() {
    let form = [
        (0, 2, SectionKind::Intro, 0.3),
        (2, BARS, SectionKind::Verse, 0.5),
    ];
    for style in [StyleId::IndieFolk, StyleId::PopRock, StyleId::Cinematic] {
        let score = score(style, &form);
        let [first, last] = lufs(&score, &[(2.0, 6.0), (18.0, 22.0)])[..] else {
            unreachable!("two stretches have two loudnesses");
        };
        assert!(
            last - first >= 2.0,
            "{style:?}: from {first:.1} to {last:.1} LUFS"
        );
    }
    // What a cinematic style keeps for its height is reached.
    let names: Vec<&str> = score(StyleId::Cinematic, &form)
        .instruments()
        .into_iter()
        .map(|instrument| instrument.name())
        .collect();
    assert!(
        names.contains(&"brass") && names.iter().any(|name| name.contains("drum")),
        "{names:?}"
    );
}

/// The song with two bars of lead-in.
fn in_style(style: StyleId, tempo_bpm: f64) -> Score {
    let (analysis, chords) = song(Metre::FourFour, tempo_bpm);
    let mut brief = Brief::default();
    brief.styles = vec![style];
    arrange(&analysis, &chords, &brief, &SETTINGS, 7)
}

#[test]
fn the_band_begins_as_its_style_does() {
    // The song has two bars before the singer.
    let (bpm, bar_s) = (100.0, 2.4);
    let struck = |style: StyleId| -> Vec<f64> {
        let score = in_style(style, bpm);
        let kit = |part: &&backline_band::ScorePart| part.role == Role::Drums;
        let notes = score.parts.iter().filter(kit).flat_map(|part| &part.notes);
        notes
            .map(|note| note.start_s)
            .filter(|&start_s| start_s < 2.0 * bar_s - 0.05)
            .collect()
    };
    for style in [StyleId::PopBallad, StyleId::IndieFolk, StyleId::Cinematic] {
        assert!(
            struck(style).is_empty(),
            "{style:?} drums before the singer"
        );
    }
    for style in [StyleId::Country, StyleId::Soul, StyleId::PopRock] {
        let fill = struck(style);
        assert!(
            !fill.is_empty() && fill.iter().all(|&start_s| start_s > 1.4 * bar_s),
            "{style:?} leads to the singer at {fill:?}"
        );
    }
    for style in [StyleId::Funk, StyleId::House, StyleId::Reggae] {
        let groove = struck(style);
        assert!(
            groove.iter().any(|&start_s| start_s < bar_s),
            "{style:?} has its groove from the start: {groove:?}"
        );
    }
}

#[test]
fn disco_fades_out_over_four_bars() {
    let score = in_style(StyleId::Disco, 118.0);
    let bar_s = 240.0 / 118.0;
    let force = |back: f64| {
        let from_s = score.final_chord_s - back * bar_s;
        let kicks: Vec<f32> = score
            .parts
            .iter()
            .filter(|part| part.role == Role::Drums)
            .flat_map(|part| &part.notes)
            .filter(|note| {
                note.midi == 36 && (from_s - 0.05..from_s + bar_s - 0.05).contains(&note.start_s)
            })
            .map(|note| note.velocity)
            .collect();
        kicks.iter().sum::<f32>() / kicks.len() as f32
    };
    let forces = [5.0, 4.0, 3.0, 2.0, 1.0].map(force);
    assert!(
        forces.windows(2).all(|pair| pair[1] < pair[0]) && forces[4] < 0.4 * forces[0],
        "{forces:.2?}"
    );
    let (analysis, _) = song(Metre::FourFour, 118.0);
    assert!(score.final_chord_s > analysis.duration_s + 2.5 * bar_s);
}

#[test]
fn a_long_lead_in_is_an_instrumental() {
    // Forty bars before the singer, as in a stem of a song with a long introduction.
    let (mut analysis, mut chords) = song(Metre::FourFour, TEMPO_BPM);
    let bars = 40.0;
    let shift_s = bars * BAR_S;
    for note in &mut analysis.notes {
        note.onset_s += shift_s;
        note.offset_s += shift_s;
    }
    for section in &mut analysis.sections {
        section.span.end_s += shift_s;
        if section.kind != SectionKind::Intro {
            section.span.start_s += shift_s;
        }
    }
    for phrase in &mut analysis.phrases {
        phrase.start_s += shift_s;
        phrase.end_s += shift_s;
    }
    for span in &mut chords {
        span.span.start_s += shift_s;
        span.span.end_s += shift_s;
        span.first_beat += 160;
    }
    analysis.duration_s += shift_s;
    analysis.beats = (0..(BARS + 40) * 4)
        .map(|beat| backline_band::analysis::Beat {
            time_s: beat as f64 * BAR_S / 4.0,
            position: (beat % 4) as u8,
        })
        .collect();
    for style in [StyleId::PopRock, StyleId::Cinematic, StyleId::JazzSwing] {
        let mut brief = Brief::default();
        brief.styles = vec![style];
        let score = arrange(&analysis, &chords, &brief, &SETTINGS, 5);
        let playing = |bar: f64| {
            let (from_s, to_s) = (bar * BAR_S, (bar + 4.0) * BAR_S);
            let plays = |part: &&backline_band::ScorePart| {
                part.notes
                    .iter()
                    .any(|note| (from_s..to_s).contains(&note.start_s))
            };
            score.parts.iter().filter(plays).count()
        };
        assert!(
            playing(0.0) < playing(30.0) && playing(30.0) >= 5,
            "{style:?}: {} parts at first, {} in full",
            playing(0.0),
            playing(30.0)
        );
        let early = score.chords.iter().filter(|(span, _)| span.end_s < shift_s);
        let roots: std::collections::BTreeSet<u8> = early.map(|(_, chord)| chord.root).collect();
        assert!(roots.len() >= 3, "{style:?}: {roots:?}");
        let fills = score.parts.iter().filter(|part| part.role == Role::Fills);
        let before = fills
            .flat_map(|part| &part.notes)
            .filter(|note| note.start_s < shift_s);
        assert!(before.count() > 12, "{style:?} has hardly a melody");
    }
}
