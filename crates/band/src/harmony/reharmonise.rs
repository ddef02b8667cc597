//! Reharmonises: substitutions, borrowed chords and secondary dominants where they fit the melody.
//!
//! A number is drawn for each stretch once for a seed and compared with the weirdness: more weirdness changes the same places and
//! more. A repeated melody is changed in the same way.

use super::{
    extensions::{MinorSeventh, Stretch},
    habits::Habits,
    melody::Melody,
};
use crate::{
    analysis::{Chord, Quality},
    chance::Chance,
};

/// Greatest loss of fit with the melody by a change, at no weirdness and at full.
const COST: (f32, f32) = (0.1, 0.3);
/// Share of the stretches that change at full weirdness, where a change fits the melody; a third of it at half.
const MOST: f32 = 0.75;

/// Outside jazz, tritone substitutions are made only from this weirdness on.
const TRITONES_FROM: f32 = 0.7;

/// How far the changes may go.
#[derive(Debug, Clone, Copy)]
struct Daring {
    weirdness: f32,
    /// Whether tritone substitutions are allowed.
    tritones: bool,
}

/// The stretches, reharmonised by `weirdness` (0..1). The first and the last keep their class.
pub(super) fn reharmonise(
    melody: &Melody,
    stretches: &[Stretch],
    habits: &Habits,
    weirdness: f32,
    seed: u64,
) -> Vec<Stretch> {
    let weirdness = weirdness * habits.reharmonise;
    let daring = Daring {
        weirdness,
        tritones: habits.tritones || weirdness >= TRITONES_FROM,
    };
    let last = stretches.len().saturating_sub(1);
    // From the end back: whether a dominant resolves depends on the chord that is played next.
    let mut out: Vec<Stretch> = Vec::with_capacity(stretches.len() * 2);
    for (index, &stretch) in stretches.iter().enumerate().rev() {
        let mut chance = Chance::new(
            seed,
            &[
                94,
                melody.signature(stretch.from, stretch.to - stretch.from),
                stretch.class as u64,
            ],
        );
        let draw = chance.unit();
        let next = out.last();
        if index == last || draw >= MOST * weirdness * weirdness.sqrt() {
            out.push(stretch);
            continue;
        }
        let split = chance.happens(0.5);
        let found = if split || index == 0 {
            approach(melody, stretch, next, daring, &mut chance)
        } else {
            None
        };
        match found {
            Some([first, second]) => out.extend([second, first]),
            None if index == 0 => out.push(stretch),
            None => {
                let found = replaced(melody, stretch, next, daring, &mut chance);
                out.push(found);
            }
        }
    }
    out.reverse();
    out
}

/// A chord in place of another: (root, quality) above the song's signature, and whether it is a dominant seventh.
fn replaced(
    melody: &Melody,
    stretch: Stretch,
    next: Option<&Stretch>,
    daring: Daring,
    chance: &mut Chance,
) -> Stretch {
    // Chords of the parallel minor, relatives, the tritone substitution and the backdoor dominant.
    let options: &[(usize, bool)] = match stretch.class {
        0 => &[(12 + 9, false), (12 + 4, false), (9, true), (8, false)],
        5 => &[
            (12 + 5, false),
            (10, true),
            (12 + 2, false),
            (24 + 6, false),
        ],
        7 => &[(1, true), (10, true), (12 + 5, false), (12 + 2, false)],
        14 => &[(12 + 5, false), (24 + 2, false), (2, true), (8, false)],
        21 => &[(8, false), (9, true), (5, false), (24 + 6, false)],
        16 => &[(3, false), (4, true), (24 + 10, false), (12 + 9, false)],
        2 => &[(8, true), (12 + 2, false), (24 + 6, false)],
        9 => &[(3, true), (12 + 4, false), (24 + 1, false)],
        4 => &[(10, true), (12 + 11, false)],
        _ => return stretch,
    };
    let tritone = |class: usize| (class + 6) % 12 == stretch.class % 12;
    let options: Vec<(usize, bool)> = options
        .iter()
        .copied()
        .filter(|&(class, dominant)| daring.tritones || !(dominant && tritone(class)))
        .filter(|&(class, dominant)| !dominant || next.is_some_and(|next| resolves(class, next)))
        .collect();
    if options.is_empty() {
        return stretch;
    }
    let start = chance.below(options.len().min(2 + (daring.weirdness * 2.0) as usize));
    let floor = fit(melody, &stretch) - cost(daring.weirdness);
    options
        .iter()
        .cycle()
        .skip(start)
        .take(options.len())
        .map(|&(class, dominant)| Stretch {
            class,
            seventh: if dominant {
                MinorSeventh::Always
            } else {
                MinorSeventh::Never
            },
            ..stretch
        })
        .find(|option| fit(melody, option) >= floor)
        .unwrap_or(stretch)
}

/// Whether a dominant resolves: down a fifth, down a semitone (tritone substitution) or up a tone (backdoor dominant).
fn resolves(class: usize, next: &Stretch) -> bool {
    matches!((next.class % 12 + 12 - class % 12) % 12, 5 | 11 | 2)
}

/// The second half of a stretch as the dominant of the next chord, or as its tritone substitution.
fn approach(
    melody: &Melody,
    stretch: Stretch,
    next: Option<&Stretch>,
    daring: Daring,
    chance: &mut Chance,
) -> Option<[Stretch; 2]> {
    let next = next.filter(|next| next.class < 24)?;
    let beats = stretch.to - stretch.from;
    if beats < 2 {
        return None;
    }
    let middle = stretch.to - (beats / 2).clamp(1, 2);
    let fifth = (next.class % 12 + 7) % 12;
    let tritone = (next.class % 12 + 1) % 12;
    let mut roots = vec![fifth];
    if daring.tritones {
        roots.push(tritone);
        if chance.happens(0.4 * daring.weirdness) {
            roots.reverse();
        }
    }
    let first = Stretch {
        to: middle,
        ..stretch
    };
    roots.into_iter().find_map(|root| {
        let second = Stretch {
            from: middle,
            to: stretch.to,
            class: root,
            seventh: MinorSeventh::Always,
        };
        let before = Stretch {
            from: middle,
            ..stretch
        };
        let stands = fit(melody, &second) >= fit(melody, &before) - cost(daring.weirdness);
        (stands && root != stretch.class).then_some([first, second])
    })
}

fn cost(weirdness: f32) -> f32 {
    COST.0 + (COST.1 - COST.0) * weirdness
}

fn fit(melody: &Melody, stretch: &Stretch) -> f32 {
    let root = ((stretch.class % 12 + usize::from(melody.tonic)) % 12) as u8;
    let quality = match (stretch.class / 12, stretch.seventh) {
        (0, MinorSeventh::Always) => Quality::Seventh,
        (0, _) => Quality::Major,
        (1, _) => Quality::Minor,
        _ => Quality::Diminished,
    };
    let chord = Chord {
        root,
        quality,
        bass: root,
    };
    melody.fit(&chord, stretch.from as f32, stretch.to as f32)
}
