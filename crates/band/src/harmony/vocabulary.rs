//! The kinds of chord of a style.

use serde::Deserialize;

/// The kinds of chord that a style uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Vocabulary {
    /// Triads.
    Triads,
    /// Triads with sus and add9 colour.
    Open,
    /// Dominant sevenths everywhere, as in the blues.
    Blues,
    /// Sevenths and ninths round the fifths.
    Jazz,
    /// Sixths, ninths and thirteenths, the minor fourth degree: Brazilian.
    Bossa,
    /// Ninths in slow loops: lo-fi and hip hop.
    Mellow,
    /// Sevenths, suspended dominants, chords that lead to the next: gospel and soul.
    Gospel,
    /// Triads with added seconds, borrowed from the parallel minor: film.
    Film,
    /// Power chords.
    Power,
    /// Triads in smooth lines: inversions, suspended dominants, a seventh on the second degree.
    Classical,
    /// Few chords, held long over a pedal.
    Modal,
}

impl Vocabulary {
    /// Whether its chords usually have sevenths.
    pub(super) fn is_rich(self) -> bool {
        matches!(self, Self::Jazz | Self::Bossa | Self::Mellow | Self::Gospel)
    }
}
