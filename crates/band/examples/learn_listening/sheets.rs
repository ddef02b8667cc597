//! Lead sheets as the learning takes them.

use std::{fs::File, io::BufReader};

use flate2::read::GzDecoder;
use serde_json::Value;

/// Ticks of a quarter note: divides into sixteenths and triplets.
pub(crate) const TICKS: i64 = 12;

/// One song.
pub(crate) struct Sheet {
    /// Beats in a bar and the note that one is.
    pub(crate) signature: (i64, i64),
    /// Pitch class of the major key with this key signature.
    pub(crate) tonic: i64,
    /// Onset, length (ticks) and pitch.
    pub(crate) notes: Vec<(i64, i64, i64)>,
    /// Onset (ticks), root and whether it is minor.
    pub(crate) chords: Vec<(i64, i64, bool)>,
    /// Length of a bar in ticks.
    pub(crate) bar: i64,
}

/// Reads the sheets that are learned from.
pub(crate) fn read(path: &str) -> Result<Vec<Sheet>, Box<dyn std::error::Error>> {
    let values: Vec<Value> =
        serde_json::from_reader(GzDecoder::new(BufReader::new(File::open(path)?)))?;
    let kept = values
        .iter()
        .enumerate()
        .filter(|(number, _)| number % 5 != 4);
    Ok(kept.filter_map(|(_, value)| sheet(value)).collect())
}

fn sheet(value: &Value) -> Option<Sheet> {
    let signature = value["time_signature"].as_array()?;
    let signature = (signature.first()?.as_i64()?, signature.get(1)?.as_i64()?);
    let fifths = value["fifths"].as_i64()?;
    let ticks = |value: &Value| Some((value.as_f64()? * TICKS as f64).round() as i64);
    let mut notes: Vec<(i64, i64, i64)> = value["notes"]
        .as_array()?
        .iter()
        .filter_map(|note| Some((ticks(&note[0])?, ticks(&note[1])?, note[2].as_i64()?)))
        .collect();
    notes.sort_unstable();
    notes.dedup_by_key(|note| note.0);
    let mut chords: Vec<(i64, i64, bool)> = value["chords"]
        .as_array()?
        .iter()
        .filter_map(|chord| {
            let kind = chord[2].as_str()?;
            let minor = kind.starts_with("minor") || kind.contains("diminished");
            Some((ticks(&chord[0])?, chord[1].as_i64()?, minor))
        })
        .collect();
    let bar = signature.0 * TICKS * 4 / signature.1;
    let bars: Vec<i64> = value["bars"]
        .as_array()?
        .iter()
        .filter_map(|one| ticks(&one[0]))
        .collect();
    // The first bar may be a pickup: shorter than it says, the second one's start tells. Sheets whose other bars are uneven
    // change metre, and teach nothing about one.
    let even = bars
        .iter()
        .skip(1)
        .zip(bars.iter().skip(2))
        .all(|(a, b)| b - a == bar);
    let late = bars.get(1)?.rem_euclid(bar);
    for note in &mut notes {
        note.0 += bar - late;
    }
    for chord in &mut chords {
        chord.0 += bar - late;
    }
    (even && !notes.is_empty()).then_some(Sheet {
        signature,
        tonic: (fifths * 7).rem_euclid(12),
        notes,
        chords,
        bar,
    })
}
