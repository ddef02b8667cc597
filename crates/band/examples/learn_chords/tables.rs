//! What is counted rather than learned: how common chords are, what follows what, where changes fall, where sevenths stand.

use crate::{CLASSES, sheets::Sheet};

/// Added to every count, so that nothing is impossible.
const DOUBT: f32 = 0.5;

/// The counts, as shares.
pub(crate) struct Tables {
    prior: Vec<f32>,
    follows: Vec<f32>,
    changes: Vec<f32>,
    dominant: Vec<f32>,
}

impl Tables {
    /// Counts in `sheets`.
    pub(crate) fn count(sheets: &[Sheet]) -> Self {
        let mut prior = vec![DOUBT; CLASSES];
        let mut follows = vec![0.0f32; CLASSES * CLASSES];
        // By beats in a bar (2, 3, 4) and position: changes, beats.
        let mut changes = [[0.5f32, 1.0]; 12];
        // By root of a major chord and whether the next root lies a fourth above: dominant, all.
        let mut dominant = [[0.5f32, 2.0]; 24];
        for sheet in sheets {
            for index in 0..sheet.labels.len() {
                let Some(here) = sheet.labels[index] else {
                    continue;
                };
                prior[here.class] += 1.0;
                let before = index.checked_sub(1).and_then(|before| sheet.labels[before]);
                if let Some(before) = before {
                    let place = (sheet.in_bar - 2) * 4 + usize::from(sheet.positions[index]);
                    changes[place][1] += 1.0;
                    if before.class != here.class {
                        changes[place][0] += 1.0;
                        follows[before.class * CLASSES + here.class] += 1.0;
                    }
                }
                let starts = before.is_none_or(|before| before.class != here.class);
                if here.class < 12 && starts {
                    let next = sheet.labels[index..]
                        .iter()
                        .flatten()
                        .find(|next| next.class != here.class);
                    let resolves =
                        next.is_some_and(|next| next.class % 12 == (here.class + 5) % 12);
                    let slot = &mut dominant[here.class * 2 + usize::from(resolves)];
                    slot[0] += f32::from(u8::from(here.dominant));
                    slot[1] += 1.0;
                }
            }
        }
        let total: f32 = prior.iter().sum();
        prior.iter_mut().for_each(|count| *count /= total);
        for before in 0..CLASSES {
            // Rare chords borrow from what is common after any chord.
            let row = &mut follows[before * CLASSES..(before + 1) * CLASSES];
            for (after, count) in row.iter_mut().enumerate() {
                *count += if after == before {
                    0.0
                } else {
                    8.0 * prior[after]
                };
            }
            let total: f32 = row.iter().sum();
            row.iter_mut().for_each(|count| *count /= total);
        }
        Self {
            prior,
            follows,
            changes: changes.iter().map(|[changed, all]| changed / all).collect(),
            dominant: dominant
                .iter()
                .map(|[seventh, all]| seventh / all)
                .collect(),
        }
    }

    /// Appends everything as little-endian numbers of four bytes; what follows what as hundredths of a natural logarithm.
    pub(crate) fn write(&self, bytes: &mut Vec<u8>) {
        for table in [&self.prior, &self.changes, &self.dominant] {
            for value in table {
                bytes.extend(value.to_le_bytes());
            }
        }
        for value in &self.follows {
            let log = (value.max(1e-5).ln() * 100.0).round() as i16;
            bytes.extend(log.to_le_bytes());
        }
        println!("changes by place: {:.2?}", self.changes);
    }
}
