//! The arc of a song, measured on the finished sound: how much fuller the chorus is than the verse under an even singer.

#![allow(
    clippy::unwrap_used,
    reason = "a test that meets the unexpected should stop"
)]

mod song;

use backline_audio::{Audio, integrated_lufs};
use backline_band::{
    Brief, RATE_HZ, Score, SoundSource, StyleId,
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
