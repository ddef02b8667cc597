//! Which notes are sung over which chord, which chord follows which, and where chords change.
//!
//! Chords are major or minor triads on the twelve degrees above the tonic of the major key with the song's signature (a
//! song in A minor counts from C), so that major and minor songs share one table: 0–11 major, 12–23 minor.

use crate::{
    constant, cost,
    sheets::{Sheet, TICKS},
};

const CHORDS: usize = 24;

/// The constants.
pub(crate) fn learn(sheets: &[Sheet]) -> String {
    // By chord and pitch class above the tonic, in quarters; and by quality and pitch class above the root to smooth it.
    let mut sung = vec![vec![0.0f64; 12]; CHORDS];
    let mut above = vec![vec![0.5f64; 12]; 2];
    let mut follows = vec![vec![0.0f64; CHORDS]; CHORDS];
    let mut occurs = vec![0.5f64; CHORDS];
    // Chances and changes by beat of 2/4, 3/4, 4/4, 6/8.
    let mut changes = vec![vec![(1.0f64, 2.0f64); 4]; 4];
    for sheet in sheets {
        let spans = spans(sheet);
        for &(from, to, chord) in &spans {
            for note in &sheet.notes {
                let held = (note.0 + note.1).min(to) - note.0.max(from);
                if held > 0 {
                    let class = (note.2 - sheet.tonic).rem_euclid(12) as usize;
                    let quarters = held as f64 / TICKS as f64;
                    sung[chord][class] += quarters;
                    above[chord / 12][(class + 12 - chord % 12) % 12] += quarters;
                }
            }
        }
        for pair in spans.windows(2) {
            follows[pair[0].2][pair[1].2] += 1.0;
            occurs[pair[1].2] += 1.0;
        }
        count_changes(sheet, &spans, &mut changes);
    }
    let profiles = profiles(sheets);
    let share = |row: &[f64]| -> Vec<f64> {
        let sum: f64 = row.iter().sum();
        row.iter().map(|value| value / sum).collect()
    };
    let above: Vec<Vec<f64>> = above.iter().map(|row| share(row)).collect();
    let occurs = share(&occurs);
    let sung = (0..CHORDS).map(|chord| {
        let row: Vec<f64> = (0..12)
            .map(|class| {
                sung[chord][class] + 40.0 * above[chord / 12][(class + 12 - chord % 12) % 12]
            })
            .collect();
        share(&row).into_iter().map(cost).collect()
    });
    let follows = (0..CHORDS).map(|chord| {
        let row: Vec<f64> = (0..CHORDS)
            .map(|next| {
                if next == chord {
                    0.0
                } else {
                    follows[chord][next] + 10.0 * occurs[next]
                }
            })
            .collect();
        share(&row).into_iter().map(cost).collect()
    });
    let changes = changes.iter().map(|row| {
        row.iter()
            .map(|(changed, of)| (changed / of * 255.0).round() as u8)
            .collect()
    });
    [
        constant(
            "Cost of each pitch class above the tonic, in major and in minor.",
            "KEY_PROFILES",
            &profiles,
        ),
        constant(
            "Cost of a quarter of a pitch class above the tonic, by chord.",
            "SUNG_OVER",
            &sung.collect::<Vec<_>>(),
        ),
        constant(
            "Cost of the next chord, by chord.",
            "CHORD_FOLLOWS",
            &follows.collect::<Vec<_>>(),
        ),
        constant(
            "Chance of a new chord in 255ths, by metre (2/4, 3/4, 4/4, 6/8) and beat.",
            "CHORD_CHANGES",
            &changes.collect::<Vec<_>>(),
        ),
    ]
    .join("\n")
}

/// How long each pitch class above the tonic is sung, in major and in minor, every song counting the same. A song whose last
/// chord is its signature's relative minor is in minor.
fn profiles(sheets: &[Sheet]) -> Vec<Vec<u8>> {
    let mut sung = vec![vec![0.5f64; 12]; 2];
    for sheet in sheets {
        let sixth = (sheet.tonic + 9) % 12;
        let minor = sheet
            .chords
            .last()
            .is_some_and(|last| last.2 && last.1 == sixth);
        let tonic = if minor { sixth } else { sheet.tonic };
        let whole: i64 = sheet.notes.iter().map(|note| note.1).sum();
        for note in &sheet.notes {
            let class = (note.2 - tonic).rem_euclid(12) as usize;
            sung[usize::from(minor)][class] += note.1 as f64 / whole as f64;
        }
    }
    let costs = |row: &Vec<f64>| {
        let sum: f64 = row.iter().sum();
        row.iter().map(|value| cost(value / sum)).collect()
    };
    sung.iter().map(costs).collect()
}

/// The chords with their ends, changes to the same triad joined.
fn spans(sheet: &Sheet) -> Vec<(i64, i64, usize)> {
    let end = sheet.notes.last().map_or(0, |note| note.0 + note.1);
    let mut spans: Vec<(i64, i64, usize)> = Vec::new();
    for (index, &(from, root, minor)) in sheet.chords.iter().enumerate() {
        let to = sheet.chords.get(index + 1).map_or(end, |next| next.0);
        let chord = (root - sheet.tonic).rem_euclid(12) as usize + if minor { 12 } else { 0 };
        match spans.last_mut() {
            Some(last) if last.2 == chord => last.1 = to,
            _ if to > from => spans.push((from, to, chord)),
            _ => {}
        }
    }
    spans
}

fn count_changes(sheet: &Sheet, spans: &[(i64, i64, usize)], changes: &mut [Vec<(f64, f64)>]) {
    let (metre, beat) = match sheet.signature {
        (2, 4) => (0, TICKS),
        (3, 4) => (1, TICKS),
        (4, 4) => (2, TICKS),
        (6, 8) => (3, TICKS * 3 / 2),
        _ => return,
    };
    let (Some(first), Some(last)) = (spans.first(), spans.last()) else {
        return;
    };
    let mut at = (first.0 + beat - 1).div_euclid(beat) * beat;
    while at < last.1 {
        let slot = &mut changes[metre][(at % sheet.bar / beat) as usize];
        slot.1 += 1.0;
        if spans
            .iter()
            .any(|span| span.0 > first.0 && (at - beat / 2..at + beat / 2).contains(&span.0))
        {
            slot.0 += 1.0;
        }
        at += beat;
    }
}
