//! The input of every part: bars, chords, the strokes of patterns in time, human timing.

use super::{
    bars::{Bar, BarKind, slots_in_beat},
    line::Line,
    lineup::Assignment,
    pattern::Pattern,
    score::Role,
    style::{Ending, LeadIn, Style},
    voicing::Range,
};
use crate::{
    analysis::{Analysis, Beat, Chord, Metre, TimeSpan},
    catalogue::Singer,
    chance::{Chance, Noise},
    harmony::final_chord,
    tags::Brief,
};

/// The input of every part.
pub(super) struct Sheet<'a> {
    pub(super) analysis: &'a Analysis,
    pub(super) brief: &'a Brief,
    pub(super) style: &'static Style,
    pub(super) bars: Vec<Bar>,
    /// The chord at each beat of the analysis.
    pub(super) harmony: Vec<Chord>,
    pub(super) sung: Range,
    pub(super) singer: Option<Singer>,
    pub(super) slots_in_bar: usize,
    pub(super) length_s: f64,
    pub(super) seed: u64,
}

/// Share of the variance of timing and force that all players have in common.
const TOGETHER: f32 = 0.7;

/// One stroke of a pattern, in time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stroke {
    /// Number of the slot among the bar's.
    pub(super) slot: usize,
    /// Its character in the pattern.
    pub(super) mark: char,
    /// Where it ends, in seconds.
    pub(super) end_s: f64,
    /// Where it starts, in seconds.
    pub(super) start_s: f64,
    /// The chord under it.
    pub(super) chord: Chord,
}

impl Sheet<'_> {
    /// The chord at a slot of a bar; the final bar has the final chord.
    pub(super) fn chord(&self, bar: &Bar, slot: usize) -> Chord {
        if bar.kind == BarKind::Final {
            return final_chord(self.analysis, self.style.id);
        }
        let beat = bar
            .slots
            .get(slot)
            .or(bar.slots.last())
            .map_or(0, |slot| slot.beat);
        let count = self.harmony.len();
        // Bars that fade out have the song's last four bars again.
        let back = 4 * usize::from(self.analysis.metre.beats());
        let beat = match self.style.ending {
            Ending::Fade if beat >= count && back <= count => {
                beat - (beat - count) / back * back - back
            }
            _ => beat.min(count - 1),
        };
        self.harmony[beat]
    }

    /// The chord that follows the one at `slot` of bar `number`: the next different one within a bar, or the same.
    pub(super) fn next_chord(&self, number: usize, slot: usize) -> Chord {
        let bar = &self.bars[number];
        let here = self.chord(bar, slot);
        (slot + 1..bar.slots.len())
            .map(|later| self.chord(bar, later))
            .chain(self.bars.get(number + 1).map(|next| self.chord(next, 0)))
            .find(|chord| *chord != here)
            .unwrap_or(here)
    }

    /// Whether a player plays in a bar.
    pub(super) fn plays(&self, player: &Assignment, bar: &Bar) -> bool {
        match bar.kind {
            BarKind::LeadIn => {
                let chordal = matches!(player.role, Role::Comp | Role::Pad | Role::Figure);
                let rhythm = matches!(player.role, Role::Drums | Role::Bass);
                player.from <= bar.energy
                    && (chordal || rhythm && self.style.lead_in == LeadIn::Groove)
            }
            BarKind::Song => player.from <= bar.energy,
            BarKind::Final => true,
        }
    }

    /// The pattern that a player plays in bar `number`: the fullest that the intensity allows. Eight bars of a section have one variant.
    pub(super) fn figure(
        &self,
        player: &Assignment,
        part: usize,
        number: usize,
    ) -> Option<&'static Pattern> {
        /// The longest pattern.
        const PHRASE_BARS: usize = 8;
        let bar = &self.bars[number];
        let (level, variants) = player.figures.at(bar.level(), self.analysis.metre)?;
        let phrase = bar.in_section / PHRASE_BARS;
        let place = [
            11,
            part as u64,
            bar.section as u64,
            u64::from(level),
            phrase as u64,
        ];
        variants.get(Chance::new(self.seed, &place).below(variants.len()))
    }

    /// The strokes of `line` in bar `number`: held ones are struck again where the chord changes if `renew` is set.
    pub(super) fn events(&self, line: &Line, number: usize, renew: bool) -> Vec<Stroke> {
        let bar = &self.bars[number];
        let Some(first) = bar.slots.first() else {
            return Vec::new();
        };
        let marks = line.bar(bar.in_section);
        let steps = marks.len();
        // Steps before a pickup's first slot are not played.
        let from = first.index * steps / self.slots_in_bar;
        // What is held over the bar line is struck again, but for a bass note that came before its chord.
        let over = line.held_into(bar.in_section).filter(|mark| *mark != 'n');
        let mut events: Vec<Stroke> = Vec::new();
        let mut sounding = false;
        for (step, &mark) in marks.iter().enumerate().skip(from) {
            let slot = (step * self.slots_in_bar / steps).saturating_sub(first.index);
            if slot >= bar.slots.len() {
                break;
            }
            let mark = match (mark, over) {
                ('-', Some(over)) if step == from => over,
                (mark, _) => mark,
            };
            let chord = self.chord(bar, slot);
            let end_s = self.time_of(bar, step + 1, steps);
            let event = |mark| Stroke {
                slot,
                mark,
                start_s: self.time_of(bar, step, steps),
                end_s,
                chord,
            };
            match mark {
                '.' => sounding = false,
                '-' => {
                    if let (true, Some(last)) = (sounding, events.last_mut()) {
                        if renew && last.chord != chord {
                            let mark = last.mark;
                            events.push(event(mark));
                        } else {
                            last.end_s = end_s;
                        }
                    }
                }
                _ => {
                    sounding = true;
                    events.push(event(mark));
                }
            }
        }
        events
    }

    /// Where step `step` of a bar of `steps` starts. Triplets divide the beat evenly: swing moves sixteenths only.
    fn time_of(&self, bar: &Bar, step: usize, steps: usize) -> f64 {
        let first = bar.slots.first().map_or(0, |slot| slot.index);
        let at = |index: usize| bar.time(index.saturating_sub(first));
        if steps == self.slots_in_bar {
            return at(step);
        }
        let per_beat = slots_in_beat(self.analysis.metre);
        let steps_in_beat = per_beat * steps / self.slots_in_bar;
        let beat = step / steps_in_beat;
        let (start_s, end_s) = (at(beat * per_beat), at((beat + 1) * per_beat));
        start_s + (step % steps_in_beat) as f64 / steps_in_beat as f64 * (end_s - start_s)
    }

    /// The chord an eighth after slot `slot` of bar `number`, for notes that come before their chord.
    pub(super) fn chord_ahead(&self, number: usize, slot: usize) -> Chord {
        const EIGHTH: usize = 2;
        let bar = &self.bars[number];
        if slot + EIGHTH < bar.slots.len() {
            return self.chord(bar, slot + EIGHTH);
        }
        let next = self
            .bars
            .get(number + 1)
            .filter(|next| next.kind == bar.kind);
        next.map_or_else(|| self.chord(bar, slot), |next| self.chord(next, 0))
    }

    /// The chord of the next bar for a stroke on the last eighth of bar `number`, where the style pushes; the stroke before must be
    /// further away than an eighth, for a steady pulse pushes nothing.
    pub(super) fn pushed(
        &self,
        number: usize,
        before: Option<&Stroke>,
        event: &Stroke,
    ) -> Option<Chord> {
        const EIGHTH: usize = 2;
        let (bar, next) = (&self.bars[number], self.bars.get(number + 1)?);
        let simple = self.analysis.metre != Metre::SixEight;
        let pushes = simple
            && self.style.pushes
            && (bar.kind, next.kind) == (BarKind::Song, BarKind::Song)
            && event.slot + EIGHTH == bar.slots.len()
            && before.is_none_or(|before| before.slot + EIGHTH < event.slot);
        pushes.then(|| self.chord(next, 0))
    }

    /// Whether the second half of bar `number` is a drop: drum-machine styles are silent before a fuller section.
    pub(super) fn drops(&self, number: usize) -> bool {
        let bar = &self.bars[number];
        self.style.loose_ms == 0.0
            && bar.kind == BarKind::Song
            && bar.last
            && bar.slots.len() >= 12
            && self
                .bars
                .get(number + 1)
                .is_some_and(|next| next.kind == BarKind::Song && next.energy > bar.energy + 0.12)
    }

    /// Human timing for one stroke at `start_s`, in seconds: a drift that all players share, and a deviation of each.
    pub(super) fn looseness(&self, chance: &mut Chance, start_s: f64) -> f64 {
        let apart = chance.bell().clamp(-2.0, 2.0);
        let sway = TOGETHER.sqrt() * drift(self.seed, start_s) + (1.0 - TOGETHER).sqrt() * apart;
        f64::from(sway * self.style.loose_ms / 1000.0)
    }

    /// Factor on the velocity of one stroke at `start_s` of a player who is `spread` (a share) uneven: it wavers with the band, as timing
    /// does, and by itself.
    pub(super) fn touch(&self, chance: &mut Chance, spread: f32, start_s: f64) -> f32 {
        /// Sets the force apart from the timing.
        const FORCE: u64 = 0x5eed_f04c_e000_0001;
        let apart = chance.bell().clamp(-2.0, 2.0);
        let wave =
            TOGETHER.sqrt() * drift(self.seed ^ FORCE, start_s) + (1.0 - TOGETHER).sqrt() * apart;
        1.0 + spread * wave.clamp(-2.0, 2.0)
    }

    /// The singer's beats as they are played, where the band feels half or double time, too. Swing does not move them.
    pub(super) fn beats(&self) -> Vec<Beat> {
        let per_beat = slots_in_beat(self.analysis.metre);
        let mut beats = Vec::new();
        let mut before = None;
        for bar in &self.bars {
            for (at, slot) in bar.slots.iter().enumerate() {
                if before.replace(slot.beat) == Some(slot.beat) {
                    continue;
                }
                let within = slot.index % per_beat;
                let first = at.saturating_sub(within);
                let (from_s, to_s) = (bar.time(first), bar.time(first + per_beat));
                beats.push(Beat {
                    time_s: from_s + (to_s - from_s) * within as f64 / per_beat as f64,
                    position: match self.analysis.metre {
                        Metre::FourFour => self.position(slot.beat),
                        _ => (slot.index / per_beat) as u8,
                    },
                });
            }
        }
        beats
    }

    /// The position in its bar of a beat of the analysis; beyond its last one they go on.
    fn position(&self, beat: usize) -> u8 {
        let heard = &self.analysis.beats;
        let Some(last) = heard.len().checked_sub(1) else {
            return (beat % 4) as u8;
        };
        let known = &heard[beat.min(last)];
        ((usize::from(known.position) + beat.saturating_sub(last)) % 4) as u8
    }

    /// The chords as they are played, from bar to bar, neighbours that are equal joined.
    pub(super) fn chords_as_played(&self) -> Vec<(TimeSpan, Chord)> {
        let mut spans: Vec<(TimeSpan, Chord)> = Vec::new();
        for bar in &self.bars {
            for slot in 0..bar.slots.len() {
                let chord = self.chord(bar, slot);
                let end_s = if bar.kind == BarKind::Final {
                    self.length_s
                } else {
                    bar.time(slot + 1)
                };
                match spans.last_mut() {
                    Some((span, last)) if *last == chord => span.end_s = end_s,
                    _ => spans.push((
                        TimeSpan {
                            start_s: bar.time(slot),
                            end_s,
                        },
                        chord,
                    )),
                }
            }
        }
        spans
    }
}

/// The deviation from a steady beat of people who play together, at a time, with standard deviation 1. It is correlated on every time
/// scale (1/f noise; Hennig and others, "The nature and perception of fluctuations in human musical rhythms", 2011): a sum of
/// numbers, each drawn half as often as the one before.
fn drift(seed: u64, time_s: f64) -> f32 {
    const SCALES: u32 = 8;
    const SHORTEST_S: f64 = 0.2;
    let sum: f32 = (0..SCALES)
        .map(|scale| {
            let number = (time_s.max(0.0) / (SHORTEST_S * f64::from(1u32 << scale))) as u64;
            let place = seed ^ u64::from(scale + 1) << 56 ^ number.wrapping_mul(0x9e37_79b9);
            Noise::new(place).next()
        })
        .sum();
    // A uniform number within ±1 has a variance of a third.
    sum / (SCALES as f32 / 3.0).sqrt()
}

/// How hard a mark of a pattern is played, 0..1.
pub(super) fn force(mark: char) -> f32 {
    match mark {
        'X' | 'D' => 0.92,
        'U' => 0.76,
        'x' | '^' => 0.72,
        'd' => 0.62,
        'o' | 'u' => 0.46,
        _ => 0.7,
    }
}
