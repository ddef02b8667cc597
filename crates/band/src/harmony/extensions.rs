//! Makes chords of chord classes: sevenths, ninths, suspensions and basses of the style, where they fit the melody.

use super::{habits::Habits, melody::Melody, model::model, vocabulary::Vocabulary};
use crate::{
    analysis::{Chord, Quality},
    chance::Chance,
    scale::is_in_signature,
};

/// A class that sounds from one beat to another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Stretch {
    /// First beat.
    pub(super) from: usize,
    /// Beat after the last.
    pub(super) to: usize,
    /// Root above the signature's tonic, times quality.
    pub(super) class: usize,
    /// Whether it gets a minor seventh.
    pub(super) seventh: MinorSeventh,
}

/// Whether a major chord gets a minor seventh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MinorSeventh {
    /// The melody and the style decide.
    Free,
    /// In any style, as dominants that stand for other chords.
    Always,
    /// In no style but those of dominant sevenths: chords that are borrowed would lead where no chord follows.
    Never,
}

/// From this doubt on, styles of triads leave their extensions out.
const PLAIN_DOUBT: f32 = 0.8;

/// The chords of some stretches.
pub(super) fn extend(
    melody: &Melody,
    stretches: &[Stretch],
    habits: &Habits,
    style_weight: f32,
    doubt: f32,
    seed: u64,
) -> Vec<Chord> {
    let mut chords: Vec<Chord> = stretches
        .iter()
        .enumerate()
        .map(|(index, stretch)| {
            let next = stretches.get(index + 1);
            one(melody, stretch, next, habits, style_weight, doubt, seed)
        })
        .collect();
    basses(melody, stretches, &mut chords, habits.vocabulary);
    chords
}

/// The quality for one stretch: the first in the style's order that fits the melody.
fn one(
    melody: &Melody,
    stretch: &Stretch,
    next: Option<&Stretch>,
    habits: &Habits,
    style_weight: f32,
    doubt: f32,
    seed: u64,
) -> Chord {
    let vocabulary = habits.vocabulary;
    let above = stretch.class % 12;
    let root = ((above + usize::from(melody.tonic)) % 12) as u8;
    let resolves = next.is_some_and(|next| next.class % 12 == (above + 5) % 12);
    // The same melody over the same chord has the same extension.
    let mut chance = Chance::new(
        seed,
        &[
            93,
            melody.signature(stretch.from, stretch.to - stretch.from),
            stretch.class as u64,
        ],
    );
    // In jazz and related styles a major chord whose major seventh is not in the scale is a dominant, whatever follows.
    let foreign = !is_in_signature(above + 11);
    let free = (vocabulary.is_rich() && foreign)
        || model().dominant[above * 2 + usize::from(resolves)] * (0.75 + 0.5 * style_weight)
            > chance.between(0.35, 0.75);
    // With doubt about the pitches only the key's own dominant has a seventh: a wrong semitone could cause the others.
    let own_dominant = if melody.minor { 4 } else { 7 };
    let seventh = match stretch.seventh {
        MinorSeventh::Always => true,
        MinorSeventh::Free => free && (doubt < 0.5 || above == own_dominant),
        MinorSeventh::Never => false,
    };
    let last = next.is_none();
    let degree = if melody.minor {
        (above + 3) % 12
    } else {
        above
    };
    let wanted = qualities(
        vocabulary,
        Function {
            triad: stretch.class / 12,
            degree,
            seventh,
            last,
            resolves,
            before_minor: next.is_some_and(|next| next.class / 12 == 1),
            coloured: chance.happens(habits.colour),
        },
    );
    // The more the style weighs, the more dissonance its extensions may have.
    let tolerance = 0.12 + 0.15 * style_weight;
    let plain = *wanted.last().unwrap_or(&Quality::Major);
    let chord = |quality| Chord {
        root,
        quality,
        bass: root,
    };
    let (from, to) = (stretch.from as f32, stretch.to as f32);
    let floor = melody.fit(&chord(plain), from, to) - tolerance;
    let colours = !matches!(
        vocabulary,
        Vocabulary::Open | Vocabulary::Triads | Vocabulary::Classical | Vocabulary::Film
    ) || doubt < PLAIN_DOUBT;
    let chosen = wanted
        .iter()
        .filter(|_| colours)
        .copied()
        .find(|&quality| melody.fit(&chord(quality), from, to) >= floor)
        .unwrap_or(plain);
    chord(chosen)
}

/// What a chord does where it is.
#[derive(Debug, Clone, Copy)]
struct Function {
    /// Major, minor, diminished.
    triad: usize,
    /// Semitones above the song's tonic.
    degree: usize,
    /// Whether it is a dominant.
    seventh: bool,
    /// Whether it is the song's last.
    last: bool,
    /// Whether the next root lies a fourth above.
    resolves: bool,
    /// Whether the next chord is minor.
    before_minor: bool,
    /// Whether it gets the tones that the style adds now and then.
    coloured: bool,
}

/// Qualities for a chord in a style, the preferred one first, the plainest last.
fn qualities(vocabulary: Vocabulary, function: Function) -> Vec<Quality> {
    use Quality as Q;
    let Function {
        triad,
        degree,
        seventh,
        last,
        resolves,
        before_minor,
        coloured,
    } = function;
    match (vocabulary, triad) {
        (Vocabulary::Power, _) => vec![Q::Power],
        (Vocabulary::Jazz, 0) if last => vec![Q::MajorSeventh, Q::Sixth, Q::Major],
        (Vocabulary::Jazz | Vocabulary::Bossa | Vocabulary::Gospel, 0)
            if seventh && resolves && before_minor && coloured =>
        {
            vec![Q::Altered, Q::Seventh, Q::Major]
        }
        (Vocabulary::Jazz, 0) if seventh && resolves && coloured => {
            vec![Q::Thirteenth, Q::Ninth, Q::Seventh, Q::Major]
        }
        (Vocabulary::Jazz, 0) if seventh && coloured => vec![Q::Ninth, Q::Seventh, Q::Major],
        (Vocabulary::Jazz, 0) if seventh => vec![Q::Seventh, Q::Ninth, Q::Major],
        (Vocabulary::Jazz, 0) if coloured => {
            vec![Q::MajorNinth, Q::MajorSeventh, Q::Sixth, Q::Major]
        }
        (Vocabulary::Jazz, 0) => vec![Q::MajorSeventh, Q::Sixth, Q::Major],
        (Vocabulary::Jazz, 1) if degree == 0 && (coloured || last) => {
            vec![Q::MinorSixth, Q::MinorSeventh, Q::Minor]
        }
        (Vocabulary::Jazz, 1) if coloured => vec![Q::MinorNinth, Q::MinorSeventh, Q::Minor],
        (Vocabulary::Jazz, 1) => vec![Q::MinorSeventh, Q::Minor],
        (Vocabulary::Bossa, 0) if last => vec![Q::SixthNinth, Q::Sixth, Q::Major],
        (Vocabulary::Bossa, 0) if seventh && resolves && coloured => {
            vec![Q::Thirteenth, Q::Ninth, Q::Seventh, Q::Major]
        }
        (Vocabulary::Bossa, 0) if seventh => vec![Q::Ninth, Q::Seventh, Q::Major],
        (Vocabulary::Bossa, 0) if coloured => vec![Q::SixthNinth, Q::Sixth, Q::Major],
        (Vocabulary::Bossa, 0) => vec![Q::MajorNinth, Q::MajorSeventh, Q::Sixth, Q::Major],
        (Vocabulary::Bossa, 1) if degree == 5 || last => {
            vec![Q::MinorSixth, Q::MinorSeventh, Q::Minor]
        }
        (Vocabulary::Bossa, 1) if coloured => vec![Q::MinorNinth, Q::MinorSeventh, Q::Minor],
        (Vocabulary::Bossa, 1) => vec![Q::MinorSeventh, Q::Minor],
        (Vocabulary::Mellow, 0) if seventh && resolves && coloured => {
            vec![
                Q::SeventhSus4,
                Q::Thirteenth,
                Q::Ninth,
                Q::Seventh,
                Q::Major,
            ]
        }
        (Vocabulary::Mellow, 0) if seventh => vec![Q::Ninth, Q::Seventh, Q::Major],
        (Vocabulary::Mellow, 0) if !coloured => vec![Q::MajorSeventh, Q::AddNinth, Q::Major],
        (Vocabulary::Mellow, 0) => vec![Q::MajorNinth, Q::MajorSeventh, Q::AddNinth, Q::Major],
        (Vocabulary::Mellow, 1) if !coloured => vec![Q::MinorSeventh, Q::Minor],
        (Vocabulary::Mellow, 1) => vec![Q::MinorNinth, Q::MinorSeventh, Q::Minor],
        (Vocabulary::Gospel, 0) if seventh && resolves && coloured => {
            vec![
                Q::SeventhSus4,
                Q::Thirteenth,
                Q::Ninth,
                Q::Seventh,
                Q::Major,
            ]
        }
        (Vocabulary::Gospel, 0) if seventh => vec![Q::Thirteenth, Q::Ninth, Q::Seventh, Q::Major],
        (Vocabulary::Gospel, 0) if last || !coloured => vec![Q::AddNinth, Q::Major],
        (Vocabulary::Gospel, 0) => vec![Q::MajorSeventh, Q::Sixth, Q::Major],
        (Vocabulary::Gospel, 1) if coloured => vec![Q::MinorNinth, Q::MinorSeventh, Q::Minor],
        (Vocabulary::Gospel, 1) => vec![Q::MinorSeventh, Q::Minor],
        (_, 2) if vocabulary.is_rich() && matches!(degree, 2 | 11) => {
            vec![Q::HalfDiminished, Q::Diminished]
        }
        // Chromatic passing chords are diminished sevenths everywhere.
        (_, 2) if vocabulary.is_rich() || !matches!(degree, 2 | 11) => {
            vec![Q::DiminishedSeventh, Q::Diminished]
        }
        (Vocabulary::Film, 0) if last => vec![Q::Major],
        (Vocabulary::Film, 0) if coloured => vec![Q::Sus2, Q::AddNinth, Q::Major],
        (Vocabulary::Film, 0) => vec![Q::AddNinth, Q::Major],
        (Vocabulary::Blues, 0) if coloured && !last => vec![Q::Ninth, Q::Seventh, Q::Major],
        (Vocabulary::Blues, 0) => vec![Q::Seventh, Q::Sixth, Q::Major],
        (Vocabulary::Blues, 1) => vec![Q::MinorSeventh, Q::Minor],
        (_, 2) => vec![Q::Diminished],
        (Vocabulary::Classical, 0) if seventh && resolves && coloured => {
            vec![Q::Sus4, Q::Seventh, Q::Major]
        }
        (Vocabulary::Classical, 1) if degree == 2 => vec![Q::MinorSeventh, Q::Minor],
        (_, 0) if last => vec![Q::Major],
        (_, 1) if last => vec![Q::Minor],
        (Vocabulary::Open, 0) if seventh && coloured => vec![Q::Sus4, Q::Seventh, Q::Major],
        (Vocabulary::Open, 0) if seventh => vec![Q::Seventh, Q::Major],
        (Vocabulary::Open, 0) if coloured && matches!(degree, 0 | 5) => vec![Q::AddNinth, Q::Major],
        (Vocabulary::Open, 0) if coloured => vec![Q::Sus4, Q::Major],
        (Vocabulary::Open, 1) if coloured => vec![Q::MinorSeventh, Q::Minor],
        (Vocabulary::Modal, 0) if coloured => vec![Q::Sus2, Q::AddNinth, Q::Major],
        (Vocabulary::Modal, 0) => vec![Q::AddNinth, Q::Major],
        (Vocabulary::Modal, 1) if coloured => vec![Q::MinorNinth, Q::MinorSeventh, Q::Minor],
        (Vocabulary::Modal, 1) => vec![Q::MinorSeventh, Q::Minor],
        (_, 0) if seventh => vec![Q::Seventh, Q::Major],
        (_, 0) if coloured && degree == 5 => vec![Q::Sixth, Q::Major],
        (_, 0) => vec![Q::Major],
        (_, _) if coloured && matches!(degree, 2 | 9) => vec![Q::MinorSeventh, Q::Minor],
        (_, _) => vec![Q::Minor],
    }
}

/// Basses that are not roots: a step down between I and vi, a step up between I and IV, and the pedal of modal styles.
fn basses(melody: &Melody, stretches: &[Stretch], chords: &mut [Chord], vocabulary: Vocabulary) {
    match vocabulary {
        Vocabulary::Modal => {
            let pedal = (melody.tonic + if melody.minor { 9 } else { 0 }) % 12;
            let first = chords.len().saturating_sub(1);
            for (index, chord) in chords[..first].iter_mut().enumerate() {
                // The pedal stays under neighbouring chords; every fourth change leaves it.
                let near = matches!((chord.root + 12 - pedal) % 12, 0 | 5 | 10 | 2);
                if near && index % 4 != 3 {
                    chord.bass = pedal;
                }
            }
        }
        Vocabulary::Classical => {
            for index in 1..chords.len().saturating_sub(2) {
                let chord = chords[index];
                let third = (chord.root + if chord.holds(chord.root + 3) { 3 } else { 4 }) % 12;
                let way = |bass: u8| {
                    let step = |other: u8| {
                        let up = (bass + 12 - other % 12) % 12;
                        up.min(12 - up)
                    };
                    step(chords[index - 1].bass) + step(chords[index + 1].root)
                };
                // The third in the bass where that makes a line of small steps.
                if chord.holds(third) && way(third) + 3 <= way(chord.root) {
                    chords[index].bass = third;
                }
            }
        }
        Vocabulary::Open
        | Vocabulary::Triads
        | Vocabulary::Jazz
        | Vocabulary::Bossa
        | Vocabulary::Gospel
        | Vocabulary::Film => {
            for index in 1..stretches.len().saturating_sub(1) {
                let class = |at: usize| stretches[at].class;
                let short = stretches[index].to - stretches[index].from <= melody.in_bar;
                let third = match (class(index - 1), class(index), class(index + 1)) {
                    // I V vi, IV I ii: the third in the bass makes a line of steps.
                    (0, 7, 21) | (5, 0, 14) => 4,
                    // vi V IV stays on roots; i V i in minor has the leading note in the bass.
                    (21, 4, 21) => 4,
                    _ => continue,
                };
                if short {
                    chords[index].bass = (chords[index].root + third) % 12;
                }
            }
        }
        Vocabulary::Blues | Vocabulary::Power | Vocabulary::Mellow => {}
    }
}
