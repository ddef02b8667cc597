//! The features of the chord model: pitch classes in windows around a beat, and the position of the beat.
//!
//! Everything is relative to the key signature, so that songs in all keys teach one model: class 0 is the tonic of the major
//! key with the song's signature, also in minor. The learning program includes this file, so that both see the same.

/// A note of the melody on the grid of beats.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sung {
    /// Start in beats from the grid's first.
    pub(crate) from: f32,
    /// End in beats.
    pub(crate) to: f32,
    /// Pitch class above the signature's major tonic, 0..12.
    pub(crate) class: u8,
}

/// The grid: the position of each beat in its bar (0 is the downbeat), and the beats of a whole bar.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Grid<'a> {
    /// Position of each beat.
    pub(crate) positions: &'a [u8],
    /// Beats of a bar: 2, 3 or 4.
    pub(crate) in_bar: usize,
}

/// Histograms of pitch classes for a beat.
const WINDOWS: usize = 10;
/// Places a beat can have: two, three or four in a bar.
const PLACES: usize = 9;
/// Bars after the first sung bar, and before the last, that have a feature of their own.
const EDGES: usize = 3;

/// Numbers that describe one beat.
pub(crate) const FEATURES: usize = WINDOWS * 13 + 13 + PLACES + 2 * EDGES + 3;

/// One row of [`FEATURES`] numbers for each beat.
pub(crate) fn rows(notes: &[Sung], grid: Grid<'_>, minor: bool) -> Vec<[f32; FEATURES]> {
    let count = grid.positions.len();
    let by_beat = classes_by_beat(notes, count);
    // Sums over all beats before, so that any window is one subtraction.
    let mut sums = vec![[0.0f32; 12]; count + 1];
    for beat in 0..count {
        for class in 0..12 {
            sums[beat + 1][class] = sums[beat][class] + by_beat[beat][class];
        }
    }
    let window = |from: isize, to: isize| -> [f32; 12] {
        let from = from.clamp(0, count as isize) as usize;
        let to = to.clamp(from as isize, count as isize) as usize;
        std::array::from_fn(|class| (sums[to][class] - sums[from][class]).max(0.0))
    };
    let whole = window(0, count as isize);
    let sung_from = notes.first().map_or(0.0, |note| note.from);
    let sung_to = notes.iter().fold(0.0f32, |end, note| end.max(note.to));
    let pauses = pauses(notes);
    let in_bar = grid.in_bar as isize;
    (0..count)
        .map(|beat| {
            let mut row = Row::default();
            let at = beat as isize;
            let place = isize::from(grid.positions[beat]).min(in_bar - 1);
            let bar = at - place;
            let half = if in_bar == 4 {
                bar + place / 2 * 2
            } else {
                bar
            };
            for (from, to) in [
                (at, at + 1),
                (half, half + if in_bar == 4 { 2 } else { in_bar }),
                (bar, bar + in_bar),
                (bar - in_bar, bar),
                (bar + in_bar, bar + 2 * in_bar),
                (at - 1, at),
                (at + 1, at + 2),
                (bar - 2 * in_bar, bar - in_bar),
                (bar + 2 * in_bar, bar + 3 * in_bar),
            ] {
                row.histogram(&window(from, to), (to - from) as f32);
            }
            row.histogram(&whole, count as f32);
            row.sounding(notes, beat as f32);
            row.one_of(
                match in_bar {
                    2 => place,
                    3 => 2 + place,
                    _ => 5 + place,
                } as usize,
                PLACES,
            );
            let bars_in = (bar as f32 - sung_from) / in_bar as f32;
            let bars_left = (sung_to - 0.25 - bar as f32) / in_bar as f32;
            row.one_of(bars_in.max(0.0) as usize, EDGES);
            row.one_of((bars_left - 0.01).max(0.0) as usize, EDGES);
            let to_pause = pauses
                .iter()
                .find(|&&pause| pause > beat as f32 + 0.1)
                .map_or(16.0, |&pause| pause - beat as f32);
            row.push((to_pause / (4.0 * in_bar as f32)).min(1.0));
            row.push(f32::from(u8::from(to_pause <= in_bar as f32)));
            row.push(f32::from(u8::from(minor)));
            row.values
        })
        .collect()
}

/// The ends of notes before a pause, in beats: before rests, after held notes, and at the end. A feature that the chord model was
/// taught with; it does not say where phrases end (`listen::phrases` does), and the figures change only with the model.
fn pauses(notes: &[Sung]) -> Vec<f32> {
    let mut pauses: Vec<f32> = notes
        .windows(2)
        .filter(|pair| pair[1].from - pair[0].to > 0.7 || pair[1].from - pair[0].from > 2.6)
        .map(|pair| pair[0].to)
        .collect();
    pauses.extend(notes.last().map(|note| note.to));
    pauses
}

/// How long each class sounds in each beat.
fn classes_by_beat(notes: &[Sung], count: usize) -> Vec<[f32; 12]> {
    let mut beats = vec![[0.0f32; 12]; count];
    for note in notes {
        let first = note.from.max(0.0) as usize;
        let last = note.to.max(0.0).ceil() as usize;
        for (beat, classes) in beats
            .iter_mut()
            .enumerate()
            .take(last.min(count))
            .skip(first)
        {
            let inside = note.to.min(beat as f32 + 1.0) - note.from.max(beat as f32);
            classes[usize::from(note.class % 12)] += inside.max(0.0);
        }
    }
    beats
}

struct Row {
    values: [f32; FEATURES],
    at: usize,
}

impl Default for Row {
    fn default() -> Self {
        Self {
            values: [0.0; FEATURES],
            at: 0,
        }
    }
}

impl Row {
    fn push(&mut self, value: f32) {
        self.values[self.at] = value;
        self.at += 1;
    }

    /// Shares of the classes, and the share of the window that is sung.
    fn histogram(&mut self, classes: &[f32; 12], beats: f32) {
        let total: f32 = classes.iter().sum();
        for &class in classes {
            self.push(if total > 0.01 { class / total } else { 0.0 });
        }
        self.push((total / beats.max(0.5)).min(1.0));
    }

    /// The note that sounds at the beat, and whether it starts there.
    fn sounding(&mut self, notes: &[Sung], beat: f32) {
        let after = notes.partition_point(|note| note.from < beat + 0.2);
        let found = notes[..after].last().filter(|note| note.to > beat + 0.1);
        for class in 0..12 {
            let here = found.is_some_and(|note| note.class == class);
            self.push(f32::from(u8::from(here)));
        }
        let starts = found.is_some_and(|note| note.from > beat - 0.2);
        self.push(f32::from(u8::from(starts)));
    }

    fn one_of(&mut self, which: usize, count: usize) {
        for place in 0..count {
            self.push(f32::from(u8::from(place == which.min(count - 1))));
        }
    }
}
