//! The facts of a take, for reports.

use serde::Serialize;

use crate::{
    analysis::{Analysis, Confidence},
    arrange::{Role, Score, leaves_out_drums},
    catalogue::{Instrument, StyleId},
    chord_names::{chord_name, key_name, metre_name},
    play::Mastered,
    tags::Brief,
};

/// What was played, for reports.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Facts {
    /// Number of the take, from 1.
    pub take: usize,
    /// Seed of the take.
    pub seed: u64,
    /// Style, by name.
    pub style: &'static str,
    /// Key of the song ("G major").
    pub key: String,
    /// Median tempo in beats per minute.
    pub tempo_bpm: f64,
    /// Metre ("3/4").
    pub metre: &'static str,
    /// How sure listening is of pitches, beats, metre and key, each 0..1.
    pub confidence: Confidence,
    /// The chords as played.
    pub chords: Vec<ChordFact>,
    /// The instruments that play, by name.
    pub instruments: Vec<&'static str>,
    /// Length of the instrumental in seconds.
    pub length_s: f64,
    /// Where the final chord falls, in seconds.
    pub final_chord_s: f64,
    /// Integrated loudness of the instrumental in LUFS; `None` when nothing may play.
    pub loudness_lufs: Option<f64>,
    /// True peak of the instrumental in dBTP.
    pub true_peak_dbtp: f64,
    /// Integrated loudness of the mix in LUFS.
    pub mix_loudness_lufs: Option<f64>,
    /// True peak of the mix in dBTP.
    pub mix_true_peak_dbtp: f64,
    /// What of the tags was not understood.
    pub not_understood: Vec<String>,
    /// What the listener should know: what of the tags is not obeyed, and what was uncertain ("no singing was found …").
    pub remarks: Vec<String>,
}

/// A chord and when it sounds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChordFact {
    /// Start in seconds.
    pub start_s: f64,
    /// End in seconds.
    pub end_s: f64,
    /// Its symbol ("Am7/G").
    pub name: String,
}

#[expect(
    clippy::too_many_arguments,
    reason = "it gathers what all the steps found, in one place"
)]
pub(crate) fn facts(
    take: usize,
    seed: u64,
    style: StyleId,
    score: &Score,
    brief: &Brief,
    analysis: &Analysis,
    remarks: &[String],
    instrumental: &Mastered,
    mix: &Mastered,
) -> Facts {
    let mut remarks = remarks.to_vec();
    if leaves_out_drums(analysis, brief) {
        remarks.push(
            "the beat is uncertain, so the band plays without drums: \"drums\" in the tags would bring them back".to_owned(),
        );
    }
    let plays = score.instruments();
    for asked in brief
        .asked
        .iter()
        .filter(|asked| !asked.is_played_by(&plays))
    {
        remarks.push(format!(
            "`{}` does not play: the arrangement has no free part for it",
            asked.phrase
        ));
    }
    if score.parts.is_empty() {
        remarks.push(
            "the tags leave no instrument that may play: the instrumental is silent".to_owned(),
        );
    }
    Facts {
        take: take + 1,
        seed,
        style: style.name(),
        key: key_name(analysis.key),
        tempo_bpm: analysis.tempo_bpm,
        metre: metre_name(analysis.metre),
        confidence: analysis.confidence,
        chords: sounding_chords(score, analysis),
        instruments: plays.into_iter().map(Instrument::name).collect(),
        length_s: score.length_s,
        final_chord_s: score.final_chord_s,
        loudness_lufs: instrumental.loudness.integrated_lufs,
        true_peak_dbtp: instrumental.loudness.true_peak_dbtp,
        mix_loudness_lufs: mix.loudness.integrated_lufs,
        mix_true_peak_dbtp: mix.loudness.true_peak_dbtp,
        not_understood: brief.unknown.clone(),
        remarks,
    }
}

/// The chords of a score, from the first pitched note to the end of the last one. In the score the first bar may start before the
/// recording, and the final chord lasts to the recording's end.
fn sounding_chords(score: &Score, analysis: &Analysis) -> Vec<ChordFact> {
    let pitched = || {
        score
            .parts
            .iter()
            .filter(|part| !matches!(part.role, Role::Drums | Role::Percussion))
            .flat_map(|part| &part.notes)
    };
    let from_s = pitched().fold(f64::INFINITY, |first, note| first.min(note.start_s));
    let to_s = pitched().fold(0.0, |last: f64, note| {
        last.max(note.start_s + note.length_s)
    });
    score
        .chords
        .iter()
        .map(|(span, chord)| ChordFact {
            start_s: span.start_s.max(from_s).max(0.0),
            end_s: span.end_s.min(to_s).min(score.length_s),
            name: chord_name(chord, analysis.key),
        })
        .filter(|chord| chord.start_s < chord.end_s)
        .collect()
}
