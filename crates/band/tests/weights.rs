//! What the weights do to the score, each measured at several values: the effect goes one way.

#![allow(
    clippy::unwrap_used,
    reason = "a test that meets the unexpected should stop"
)]

mod song;

use backline_band::{
    ArrangeSettings, Role, Score, StyleId,
    analysis::{Analysis, Metre},
    arrange, read_tags,
};
use song::{SETTINGS, song};

fn score(analysis: &Analysis, tags: &str, style_weight: f32, audio_weight: f32) -> Score {
    let (_, chords) = song(Metre::FourFour, 96.0);
    let settings = ArrangeSettings {
        style_weight,
        audio_weight,
        singer: None,
        take: 0,
    };
    arrange(analysis, &chords, &read_tags(tags, ""), &settings, 3)
}

/// A singer who is now early and now late, by up to 40 ms a beat.
fn unsteady() -> Analysis {
    let (mut analysis, _) = song(Metre::FourFour, 96.0);
    for (index, beat) in analysis.beats.iter_mut().enumerate() {
        beat.time_s += 0.04 * f64::from(((index * 7) % 5) as u32) / 2.0 - 0.04;
    }
    analysis
}

#[test]
fn audio_weight_brings_the_beats_to_the_singers() {
    let analysis = unsteady();
    let away: Vec<f64> = [0.0, 0.25, 0.5, 0.75, 1.0]
        .iter()
        .map(|&weight| {
            let score = score(&analysis, "pop rock", 0.5, weight);
            let beats = &analysis.beats[8..80];
            let sum: f64 = beats
                .iter()
                .map(|sung| {
                    score
                        .beats
                        .iter()
                        .map(|played| (played.time_s - sung.time_s).abs())
                        .fold(f64::MAX, f64::min)
                })
                .sum();
            sum / beats.len() as f64
        })
        .collect();
    assert!(
        away.windows(2).all(|pair| pair[1] < pair[0]),
        "mean distance from the singer's beats {away:.4?}"
    );
    assert!(away[4] < 0.001 && away[0] > 0.01, "{away:.4?}");
}

#[test]
fn audio_weight_brings_the_force_to_the_singers() {
    let (mut analysis, _) = song(Metre::FourFour, 96.0);
    // Sixteen bars softly, then loudly; sections and their energy stay the same.
    analysis.sections.truncate(1);
    analysis.sections[0].span.end_s = analysis.duration_s;
    analysis.sections[0].energy = 0.6;
    let half_s = analysis.duration_s / 2.0;
    for note in &mut analysis.notes {
        note.level_db = if note.onset_s < half_s { -28.0 } else { -14.0 };
    }
    let gain: Vec<f32> = [0.0, 0.5, 1.0]
        .iter()
        .map(|&weight| {
            let score = score(&analysis, "pop rock", 0.5, weight);
            let mean = |late: bool| {
                let forces: Vec<f32> = score
                    .parts
                    .iter()
                    .filter(|part| part.role == Role::Bass)
                    .flat_map(|part| &part.notes)
                    .filter(|note| (note.start_s > half_s) == late)
                    .map(|note| note.velocity)
                    .collect();
                forces.iter().sum::<f32>() / forces.len() as f32
            };
            mean(true) / mean(false)
        })
        .collect();
    assert!(
        gain[0] < gain[1] && gain[1] < gain[2] && gain[2] > 1.1,
        "louder by {gain:.3?}"
    );
}

#[test]
fn style_weight_holds_the_styles_own_force() {
    let (mut analysis, _) = song(Metre::FourFour, 96.0);
    for (index, note) in analysis.notes.iter_mut().enumerate() {
        note.level_db = if index / 16 % 2 == 0 { -30.0 } else { -12.0 };
    }
    let spread: Vec<f32> = [0.0, 0.5, 1.0]
        .iter()
        .map(|&weight| {
            let score = score(&analysis, "pop rock", weight, 1.0);
            let forces: Vec<f32> = score
                .parts
                .iter()
                .filter(|part| part.role == Role::Bass)
                .flat_map(|part| &part.notes)
                .map(|note| note.velocity)
                .collect();
            let mean = forces.iter().sum::<f32>() / forces.len() as f32;
            let square = forces
                .iter()
                .map(|force| (force - mean).powi(2))
                .sum::<f32>();
            (square / forces.len() as f32).sqrt()
        })
        .collect();
    assert!(
        spread[0] >= spread[1] && spread[1] > spread[2],
        "spread of the force {spread:.4?}"
    );
}

#[test]
fn words_of_energy_and_room_move_the_score_their_way() {
    let (analysis, _) = song(Metre::FourFour, 96.0);
    let full = |tags: &str| {
        score(&analysis, tags, 0.5, 0.5)
            .parts
            .iter()
            .map(|part| part.notes.len())
            .sum::<usize>()
    };
    let (calm, plain, wild) = (
        full("pop rock, calm, sparse"),
        full("pop rock"),
        full("pop rock, energetic"),
    );
    assert!(
        calm < plain && plain < wild,
        "{calm}, {plain}, {wild} notes"
    );
    let room = |tags: &str| score(&analysis, tags, 0.5, 0.5).room.wet;
    assert!(
        room("pop rock, dry") < room("pop rock") && room("pop rock") < room("pop rock, dreamy")
    );
    let bright = |tags: &str| score(&analysis, tags, 0.5, 0.5).finish.brightness;
    assert!(
        bright("pop rock, dark") < bright("pop rock")
            && bright("pop rock") < bright("pop rock, crisp")
    );
}

#[test]
fn each_style_plays_near_the_tempo_it_is_made_for() {
    for style in StyleId::all() {
        for sung_bpm in [60.0, 90.0, 120.0, 150.0] {
            let (analysis, chords) = song(Metre::FourFour, sung_bpm);
            let brief = read_tags(style.name(), "");
            let score = arrange(&analysis, &chords, &brief, &SETTINGS, 1);
            let step_s = score.beats[20].time_s - score.beats[19].time_s;
            let rate = 60.0 / step_s / sung_bpm;
            assert!(
                [0.5, 1.0, 2.0]
                    .iter()
                    .any(|&whole| (rate / whole - 1.0f64).abs() < 0.03),
                "{style:?} sung at {sung_bpm} is played at {rate:.2} of it"
            );
        }
    }
}
