//! Lead sheets as the model learns them: rows of features and a chord for each beat.

use std::{error::Error, io::Read};

use serde::Deserialize;

use crate::windows::{FEATURES, Grid, Sung, rows};

#[derive(Deserialize)]
struct Written {
    time_signature: Option<(u32, u32)>,
    fifths: Option<i32>,
    notes: Vec<(f64, f64, u8)>,
    chords: Vec<(f64, u8, String, Vec<u8>)>,
    bars: Vec<(f64, f64)>,
}

/// A chord of a lead sheet, its root above the signature's tonic.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Label {
    /// Class of the model: root + 12 × (0 major, 1 minor, 2 diminished).
    pub(crate) class: usize,
    /// Whether it has a minor seventh over a major third.
    pub(crate) dominant: bool,
}

/// One song.
pub(crate) struct Sheet {
    /// A row for each beat.
    pub(crate) rows: Vec<[f32; FEATURES]>,
    /// The chord at each beat, where there is one.
    pub(crate) labels: Vec<Option<Label>>,
    /// Position of each beat in its bar.
    pub(crate) positions: Vec<u8>,
    /// Beats in a bar.
    pub(crate) in_bar: usize,
}

/// Reads the compressed list, with the place of every song in it; songs with a metre or a key that is not written are left out.
pub(crate) fn read_sheets(bytes: &[u8]) -> Result<Vec<(usize, Sheet)>, Box<dyn Error>> {
    let mut text = String::new();
    flate2::read::GzDecoder::new(bytes).read_to_string(&mut text)?;
    let written: Vec<Written> = serde_json::from_str(&text)?;
    Ok(written
        .iter()
        .enumerate()
        .filter_map(|(place, song)| Some((place, sheet(song)?)))
        .collect())
}

fn sheet(song: &Written) -> Option<Sheet> {
    let (upper, lower) = song.time_signature?;
    let fifths = song.fifths?;
    // Quarters in a beat, beats in a bar.
    let (beat, in_bar) = match (upper, lower) {
        (4, 4) | (2, 2) => (1.0, 4),
        (3, 4) => (1.0, 3),
        (2, 4) => (1.0, 2),
        (6, 8) => (1.5, 2),
        (12, 8) => (1.5, 4),
        _ => return None,
    };
    let tonic = (fifths * 7).rem_euclid(12) as u8;
    let mut positions = Vec::new();
    let mut starts = Vec::new();
    for (number, &(onset, stated)) in song.bars.iter().enumerate() {
        // A pickup states the length of a whole bar: where the next bar starts tells how long it is. Its beats are a bar's
        // last ones.
        let length = song
            .bars
            .get(number + 1)
            .map_or(stated, |next| next.0 - onset);
        let beats = ((length / beat).round().max(1.0) as usize).min(in_bar);
        let shift = if number == 0 { in_bar - beats } else { 0 };
        for index in 0..beats {
            positions.push((index + shift) as u8);
            starts.push(onset + index as f64 * beat);
        }
    }
    let place = |quarters: f64| -> f32 {
        let after = starts.partition_point(|&start| start <= quarters + 1e-6);
        let before = after.max(1) - 1;
        (before as f64 + (quarters - starts[before]) / beat) as f32
    };
    let notes: Vec<Sung> = song
        .notes
        .iter()
        .map(|&(onset, length, midi)| Sung {
            from: place(onset),
            to: place(onset) + (length / beat) as f32,
            class: (midi + 12 - tonic) % 12,
        })
        .collect();
    let minor = song.chords.last().is_some_and(|(_, root, _, classes)| {
        (root + 12 - tonic) % 12 == 9 && classes.contains(&((root + 3) % 12))
    });
    let labels = starts
        .iter()
        .map(|&start| {
            let middle = start + beat * 0.45;
            let at = song.chords.partition_point(|chord| chord.0 <= middle);
            let (_, root, kind, classes) = song.chords.get(at.checked_sub(1)?)?;
            Some(label((root + 12 - tonic) % 12, *root, kind, classes))
        })
        .collect();
    Some(Sheet {
        rows: rows(
            &notes,
            Grid {
                positions: &positions,
                in_bar,
            },
            minor,
        ),
        labels,
        positions,
        in_bar,
    })
}

fn label(degree: u8, root: u8, kind: &str, classes: &[u8]) -> Label {
    let has = |above: u8| classes.contains(&((root + above) % 12));
    let quality = if has(4) {
        0
    } else if has(3) && has(6) && !has(7) {
        2
    } else {
        usize::from(has(3))
    };
    Label {
        class: usize::from(degree) + 12 * quality,
        dominant: quality == 0 && (has(10) || kind.starts_with("dominant")),
    }
}
