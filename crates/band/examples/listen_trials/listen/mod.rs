//! Listening's own modules, and the trials that are made with them.

#[path = "../../../src/listen/bars.rs"]
mod bars;
#[path = "../../../src/listen/chord_fit.rs"]
mod chord_fit;
#[path = "../../../src/listen/classifier.rs"]
mod classifier;
#[path = "../../../src/listen/features.rs"]
mod features;
#[path = "../../../src/listen/intonation.rs"]
mod intonation;
#[path = "../../../src/listen/key.rs"]
mod key;
#[path = "../../../src/listen/key_profile.rs"]
mod key_profile;
#[path = "../../../src/listen/metre.rs"]
mod metre;
#[path = "../../../src/listen/pauses.rs"]
mod pauses;
#[path = "../../../src/listen/pointer.rs"]
mod pointer;
#[path = "../../../src/listen/tables.rs"]
mod tables;

use serde_json::{Value, json};

use crate::analysis::{Hints, Note};

use intonation::Intonation;

/// One line of trials for one line of notes.
pub(crate) fn trials(line: &str) -> Result<Value, serde_json::Error> {
    let given: Value = serde_json::from_str(line)?;
    let notes: Vec<(f64, f64, f32)> = serde_json::from_value(given["notes"].clone())?;
    let mut notes: Vec<Note> = notes
        .into_iter()
        .map(|(onset_s, offset_s, pitch)| Note {
            cents: 100.0 * (pitch - pitch.round()),
            ..Note::new(onset_s, offset_s, pitch.round() as u8, -20.0)
        })
        .collect();
    let sung = intonation::sung(&notes, 0.0);
    let intonation = Intonation::of(&sung);
    let classes = intonation.classes(&sung);
    let key = key::key(&notes, &classes, None).map_or(key_profile::key_of(0), |(key, _)| key);
    intonation.set_meant(&mut notes, &sung, |_| key);
    let tonic = key::signature(key);
    let mut found = Vec::new();
    let mut chords = None;
    if let Some((paths, hypotheses)) = metre::hypotheses(&notes, tonic, &Hints::default()) {
        chords = hypotheses
            .iter()
            .min_by(|a, b| a.cost().total_cmp(&b.cost()))
            .map(|best| {
                let bar = bars::BarModel::new(bars::METRES[best.metre]);
                metre::chord_evidence(&paths[best.path], &bar, best, &notes)
            });
        for one in &hypotheses {
            let bar = bars::BarModel::new(bars::METRES[one.metre]);
            let ticks: Vec<i64> = paths[one.path]
                .ticks
                .iter()
                .map(|tick| tick.map_or(-1, |tick| tick + one.shift))
                .collect();
            found.push(json!({
                "metre": one.metre, "beat_s": one.beat_s, "costs": one.costs, "features": one.features.as_slice(),
                "cost": one.cost(), "ticks": ticks,
                "bar": bar.ticks, "beat": bar.beat,
            }));
        }
    }
    let evidence = key::Evidence::of(&notes, &classes);
    Ok(json!({
        "roles": evidence.roles, "steps": evidence.steps, "chords": chords,
        "hypotheses": found,
    }))
}
