//! The habits of styles: preferred chords, preferred transitions, how often chords change.
//!
//! The figures are logarithms of odds, set by hand from how the styles are commonly described; how much they count is the
//! request's `style_weight`.

use super::model::CLASSES;
use crate::analysis::Vocabulary;

/// A vocabulary's habits.
pub(super) struct Habits {
    vocabulary: Vocabulary,
}

impl Habits {
    pub(super) fn of(vocabulary: Vocabulary) -> Self {
        Self { vocabulary }
    }

    /// Preference for a class, relative to the mode's tonic.
    pub(super) fn worth(&self, class: usize, minor: bool) -> f32 {
        // Degrees are counted from the song's own tonic.
        let degree = if minor {
            (class % 12 + 3) % 12
        } else {
            class % 12
        };
        let quality = class / 12;
        let likes: &[(usize, usize, f32)] = match (self.vocabulary, minor) {
            (Vocabulary::Triads, false) => &[(5, 0, 0.3), (9, 1, 0.3), (2, 1, 0.2)],
            (Vocabulary::Open, false) => &[
                (9, 1, 0.5),
                (5, 0, 0.6),
                (7, 0, 0.15),
                (2, 1, 0.2),
                (4, 1, 0.2),
                (2, 0, -0.2),
                (9, 0, -0.2),
                (4, 0, -0.1),
            ],
            (Vocabulary::Film, false) => &[
                (0, 0, 0.2),
                (9, 1, 0.4),
                (8, 0, 0.7),
                (10, 0, 0.5),
                (5, 1, 0.6),
                (4, 1, 0.3),
                (7, 0, -0.4),
                (2, 0, -0.4),
            ],
            (Vocabulary::Bossa, false) => &[
                (2, 1, 0.5),
                (5, 1, 0.5),
                (9, 1, 0.2),
                (4, 1, 0.2),
                (2, 0, 0.4),
                (7, 0, 0.1),
            ],
            (Vocabulary::Mellow, false) => &[
                (5, 0, 0.9),
                (4, 1, 0.6),
                (9, 1, 0.6),
                (2, 1, 0.4),
                (7, 0, -0.5),
            ],
            (Vocabulary::Gospel, false) => &[
                (5, 0, 0.5),
                (2, 1, 0.3),
                (9, 1, 0.3),
                (4, 0, 0.5),
                (9, 0, 0.4),
                (6, 2, 0.4),
            ],
            // In minor the tonic of the blues is minor.
            (Vocabulary::Blues, true) => &[
                (0, 1, 0.6),
                (5, 1, 0.6),
                (8, 0, 0.2),
                (7, 0, 0.2),
                (0, 0, -0.6),
            ],
            (Vocabulary::Blues, false) => &[
                (0, 0, 0.35),
                (5, 0, 0.7),
                (7, 0, 0.2),
                (2, 1, -0.4),
                (4, 1, -0.5),
                (9, 1, -0.3),
            ],
            (Vocabulary::Jazz, false) => &[
                (2, 1, 0.5),
                (7, 0, 0.1),
                (9, 1, 0.3),
                (4, 1, 0.3),
                (9, 0, 0.2),
                (6, 2, 0.2),
            ],
            (Vocabulary::Power, false) => &[
                (0, 0, 0.1),
                (5, 0, 0.4),
                (10, 0, 0.6),
                (8, 0, 0.4),
                (3, 0, 0.3),
                (9, 1, 0.3),
                (2, 0, -0.5),
            ],
            (Vocabulary::Modal, false) => &[
                (0, 0, 0.6),
                (5, 0, 0.3),
                (10, 0, 0.3),
                (2, 1, 0.1),
                (9, 1, 0.2),
                (2, 0, -0.6),
                (9, 0, -0.6),
                (4, 0, -0.6),
            ],
            (Vocabulary::Mellow, true) => &[(0, 1, 0.3), (8, 0, 0.7), (5, 1, 0.5), (10, 0, 0.3)],
            (Vocabulary::Film, true) => &[(0, 1, 0.4), (8, 0, 0.8), (3, 0, 0.3), (10, 0, 0.6)],
            (Vocabulary::Jazz | Vocabulary::Bossa | Vocabulary::Gospel, true) => {
                &[(0, 1, 0.2), (2, 2, 0.6), (5, 1, 0.3), (7, 0, 0.3)]
            }
            (_, true) => &[
                (0, 1, 0.4),
                (8, 0, 0.5),
                (3, 0, 0.3),
                (10, 0, 0.4),
                (5, 1, 0.3),
                (7, 0, 0.1),
            ],
        };
        let liked = likes
            .iter()
            .find(|&&(at, kind, _)| at == degree && kind == quality)
            .map_or(0.0, |&(_, _, worth)| worth);
        // Only jazz and related styles prefer diminished chords.
        let diminished = quality == 2 && !self.vocabulary.is_rich();
        liked - if diminished { 0.8 } else { 0.0 }
    }

    /// Preference for a transition from one class to another.
    pub(super) fn step(&self, before: usize, after: usize) -> f32 {
        debug_assert!(before < CLASSES && after < CLASSES);
        let up = (after % 12 + 12 - before % 12) % 12;
        match self.vocabulary {
            // Down a fifth.
            Vocabulary::Jazz if up == 5 => 1.0,
            Vocabulary::Bossa if up == 5 => 0.8,
            // Down the scale, chord by chord.
            Vocabulary::Bossa if matches!(up, 10 | 11) => 0.3,
            Vocabulary::Gospel if matches!(up, 5 | 1 | 2) => 0.5,
            // Loops that avoid the tonic.
            Vocabulary::Mellow if matches!(up, 11 | 10 | 9 | 5) => 0.4,
            // By thirds.
            Vocabulary::Film if matches!(up, 3 | 4 | 8 | 9) => 0.5,
            Vocabulary::Triads | Vocabulary::Blues if matches!(up, 5 | 7) => 0.25,
            Vocabulary::Open if matches!(up, 5 | 7 | 9) => 0.2,
            Vocabulary::Power | Vocabulary::Modal if matches!(up, 2 | 10) => 0.3,
            _ => 0.0,
        }
    }

    /// Log odds of a chord change, relative to lead sheets.
    pub(super) fn pace(&self, downbeat: bool) -> f32 {
        match (self.vocabulary, downbeat) {
            (Vocabulary::Modal, _) => -0.4,
            (Vocabulary::Blues | Vocabulary::Power, false) => -0.6,
            (Vocabulary::Jazz | Vocabulary::Gospel, false) => 0.3,
            (Vocabulary::Bossa, _) => -0.3,
            (Vocabulary::Mellow, false) => -0.9,
            (Vocabulary::Film, _) => -0.6,
            _ => 0.0,
        }
    }
}
