//! From analysis, chords and brief to a score: the one function that calls all the players.

use super::{
    Instrument,
    bars::{Bar, Place, bars, slots_in_bar},
    bass, chords, drums, fills,
    lineup::{Seat, seats},
    score::{Finish, Part, Role, Room, Score, ScoreNote, Settings},
    style::{Figure, Pattern, Style, StyleId, Swing},
    styles,
    voicing::{Range, sung_range},
};
use crate::{
    accompany::Singer,
    analysis::{Analysis, Beat, Chord, ChordSpan, Key, Metre, Mode, Quality, Span, Vocabulary},
    chance::{Chance, Noise},
    tags::Brief,
};

/// How long the final chord may ring beyond the vocal's end, in seconds.
const TAIL_S: f64 = 4.0;

/// The swing of a style that has none, where the tags ask for it.
const ASKED_SWING: Swing = Swing::Eighths(0.64);

/// The least echo where the tags ask for it.
const ASKED_DELAY: f32 = 0.2;

/// Range of level over which colouring parts move between style weights 0 and 1, in decibels.
const COLOUR_DB: f32 = 8.0;

/// What the players read from.
pub(super) struct Sheet<'a> {
    pub(super) analysis: &'a Analysis,
    pub(super) brief: &'a Brief,
    pub(super) style: &'a Style,
    pub(super) bars: Vec<Bar>,
    /// The chord at each beat of the analysis.
    harmony: Vec<Chord>,
    pub(super) sung: Range,
    pub(super) singer: Option<Singer>,
    pub(super) slots_in_bar: usize,
    pub(super) length_s: f64,
    pub(super) seed: u64,
}

/// Whether the band plays without drums, which would only show that the beat was not found: the singer's beat is less sure than
/// this, and the tags ask for no drums.
pub(crate) fn leaves_out_drums(analysis: &Analysis, brief: &Brief) -> bool {
    const SURE_ENOUGH: f32 = 0.3;
    const FEWEST_NOTES: usize = 4;
    // Where nobody sings, the beat is the band's own.
    analysis.notes.len() >= FEWEST_NOTES
        && analysis.confidence.beats < SURE_ENOUGH
        && !brief
            .wanted
            .iter()
            .any(|instrument| instrument.is_percussion())
}

/// The style of a take: the one the tags name (the second take leans on the second name), or one that suits what was heard.
pub(crate) fn style_of(brief: &Brief, analysis: &Analysis, take: usize) -> StyleId {
    if !brief.styles.is_empty() {
        return brief.styles[take.min(brief.styles.len() - 1)];
    }
    let triple = matches!(analysis.metre, Metre::ThreeFour | Metre::SixEight);
    let wish = match (triple, analysis.tempo_bpm) {
        (true, _) => StyleId::IndieFolk,
        (false, tempo) if tempo + 40.0 * f64::from(brief.nudge.energy) < 98.0 => StyleId::PopBallad,
        _ => StyleId::PopRock,
    };
    let refused = |style: &StyleId| brief.refused_styles.contains(style);
    [
        wish,
        StyleId::PopBallad,
        StyleId::PopRock,
        StyleId::IndieFolk,
    ]
    .into_iter()
    .chain(styles::ALL.iter().map(|style| style.id))
    .find(|style| !refused(style))
    .unwrap_or(wish)
}

impl StyleId {
    /// Every style.
    pub fn all() -> impl Iterator<Item = StyleId> {
        styles::ALL.iter().map(|style| style.id)
    }

    /// Its name for people.
    pub fn name(self) -> &'static str {
        styles::table(self).name
    }

    /// How far the voice stands above the band in its mixes, in loudness units: singers' and dancers' music, as it is commonly mixed.
    pub(crate) fn voice_above_lu(self) -> f32 {
        match self {
            Self::Country | Self::SingerSongwriter | Self::JazzSwing | Self::BossaNova => 3.0,
            Self::PopBallad | Self::IndieFolk | Self::HipHop => 2.5,
            Self::Soul
            | Self::Gospel
            | Self::Blues
            | Self::Latin
            | Self::Waltz
            | Self::Trap
            | Self::ChamberStrings => 2.0,
            Self::Reggae | Self::LoFi => 1.5,
            Self::Funk | Self::Disco | Self::Ambient | Self::Cinematic => 1.0,
            Self::House | Self::Synthwave => 0.5,
            Self::PopRock | Self::DrumAndBass => 0.0,
            Self::Metal => -1.5,
        }
    }

    /// The kinds of chord it speaks in.
    pub fn vocabulary(self) -> Vocabulary {
        styles::table(self).vocabulary
    }
}

/// Writes the score. The same arguments give the same score; every instrument in it is admitted by `brief`.
pub fn arrange(
    analysis: &Analysis,
    chords: &[ChordSpan],
    brief: &Brief,
    settings: &Settings,
    seed: u64,
) -> Score {
    let style = styles::table(style_of(brief, analysis, settings.take));
    let swing = match style.swing {
        _ if brief.refused_effects.swing => Swing::Straight,
        Swing::Straight if brief.wanted_effects.swing => ASKED_SWING,
        swing => swing,
    };
    let style_weight = settings.style_weight.clamp(0.0, 1.0);
    // .6 of the style's swing at weight 0, its own at .5, 1.2 of it at 1.
    let swing = swing.scaled((0.6 + 0.8 * style_weight).min(0.8 + 0.4 * style_weight));
    // A style that holds strongly keeps its own dynamics.
    let follow = settings.audio_weight * (1.5 - style_weight).min(1.0);
    let bars = bars(
        analysis,
        style,
        swing,
        settings.audio_weight,
        follow,
        // Every other take is a fuller one.
        brief.nudge.energy + if settings.take % 2 == 1 { 0.4 } else { 0.0 },
    );
    let last_start_s = bars.last().map_or(0.0, Bar::start_s);
    let length_s = analysis.duration_s.max(last_start_s) + TAIL_S;
    let sheet = Sheet {
        analysis,
        brief,
        style,
        harmony: harmony_by_beat(analysis, chords, style),
        bars,
        sung: sung_range(analysis, settings.singer),
        singer: settings.singer,
        slots_in_bar: slots_in_bar(analysis.metre),
        length_s,
        seed,
    };
    let without_drums = leaves_out_drums(analysis, brief);
    let mut parts = Vec::new();
    for (number, seat) in seats(style, brief, settings.take).iter().enumerate() {
        if without_drums && matches!(seat.role, Role::Drums | Role::Percussion) {
            continue;
        }
        let mut notes = match seat.role {
            Role::Drums | Role::Percussion => drums::write(&sheet, seat, number),
            Role::Bass => bass::write(&sheet, seat, number),
            Role::Comp | Role::Pad | Role::Figure => chords::write(&sheet, seat, number),
            Role::Fills => fills::write(&sheet, seat, number),
        };
        tidy(&mut notes, length_s);
        if !notes.is_empty() {
            parts.push(Part {
                instrument: seat.instrument,
                role: seat.role,
                pan: seat.pan,
                level_db: seat.level_db + colour_db(seat.role, style_weight),
                notes,
            });
        }
    }
    let (decay_s, wet) = style.room;
    let nudge = brief.nudge;
    Score {
        style: style.id,
        parts,
        length_s,
        tuning_cents: if analysis.tuning_cents.is_finite() {
            analysis.tuning_cents.clamp(-50.0, 50.0)
        } else {
            0.0
        },
        final_chord_s: last_start_s,
        chords: sheet.chords_as_played(),
        room: Room {
            decay_s: decay_s * (1.0 + 0.5 * nudge.space.max(0.0)),
            wet: if brief.refused_effects.reverb {
                0.0
            } else {
                (wet * (1.0 + 0.8 * nudge.space)).clamp(0.02, 0.65)
            },
            delay: if brief.refused_effects.delay {
                0.0
            } else {
                let least = if brief.wanted_effects.delay {
                    ASKED_DELAY
                } else {
                    0.0
                };
                (style.delay * (1.0 + nudge.space)).clamp(least, 0.5)
            },
            delay_s: (60.0 / analysis.tempo_bpm.clamp(30.0, 300.0) * 0.75).clamp(0.12, 0.9) as f32,
        },
        finish: Finish {
            brightness: (style.finish.0 + 0.6 * nudge.brightness).clamp(-1.0, 1.0),
            grit: if brief.refused_effects.grit {
                0.0
            } else {
                (style.finish.1 + 0.5 * nudge.grit).clamp(0.0, 0.8)
            },
            voice_above_lu: style.id.voice_above_lu(),
        },
        beats: sheet.beats(),
        metre: match analysis.metre {
            Metre::TwoFour => Metre::FourFour,
            metre => metre,
        },
        key: analysis.key,
    }
}

/// How much louder what colours a style plays at a style weight, in decibels: rhythm, bass and chords carry the song at any.
fn colour_db(role: Role, style_weight: f32) -> f32 {
    match role {
        Role::Percussion | Role::Pad | Role::Figure | Role::Fills => {
            COLOUR_DB * (style_weight - 0.5)
        }
        Role::Drums | Role::Bass | Role::Comp => 0.0,
    }
}

/// Drops what lies outside the song, keeps every value in its range, and sorts.
fn tidy(notes: &mut Vec<ScoreNote>, length_s: f64) {
    notes.retain(|note| {
        note.start_s.is_finite()
            && note.length_s.is_finite()
            && note.start_s > -0.03
            && note.start_s < length_s
            && note.length_s > 0.0
    });
    for note in notes.iter_mut() {
        note.start_s = note.start_s.max(0.0);
        note.length_s = note
            .length_s
            .clamp(0.02, (length_s - note.start_s).max(0.02));
        note.velocity = note.velocity.clamp(0.05, 1.0);
        note.midi = note.midi.clamp(12, 108);
    }
    notes.sort_by(|a, b| a.start_s.total_cmp(&b.start_s).then(a.midi.cmp(&b.midi)));
}

/// The chord at each beat. The lead-in, which harmony leaves open, takes the tonic; a song without any chord takes a plain cadence.
fn harmony_by_beat(analysis: &Analysis, chords: &[ChordSpan], style: &Style) -> Vec<Chord> {
    let count = analysis.beats.len().max(1);
    let mut found: Vec<Option<Chord>> = vec![None; count];
    for span in chords {
        let end = (span.first_beat + span.beats).min(count);
        for slot in found
            .get_mut(span.first_beat.min(count)..end)
            .unwrap_or_default()
        {
            *slot = Some(span.chord);
        }
    }
    let tonic = tonic(analysis.keys()[0].1, style);
    if found.iter().all(Option::is_none) {
        return plain_cadence(analysis, &tonic, count);
    }
    let mut current = tonic;
    found
        .into_iter()
        .map(|chord| {
            current = chord.unwrap_or(current);
            current
        })
        .collect()
}

/// The chord of rest, in the style's words.
fn tonic(key: Key, style: &Style) -> Chord {
    let root = key.tonic % 12;
    let quality = match (key.mode, style.vocabulary) {
        (_, Vocabulary::Power) => Quality::Power,
        (Mode::Major, Vocabulary::Blues) => Quality::Seventh,
        (Mode::Major, Vocabulary::Jazz | Vocabulary::Mellow) => Quality::MajorSeventh,
        (Mode::Major, Vocabulary::Bossa) => Quality::SixthNinth,
        (Mode::Minor, Vocabulary::Bossa) => Quality::MinorSixth,
        (
            Mode::Minor,
            Vocabulary::Jazz | Vocabulary::Blues | Vocabulary::Mellow | Vocabulary::Gospel,
        ) => Quality::MinorSeventh,
        (
            Mode::Major,
            Vocabulary::Open | Vocabulary::Modal | Vocabulary::Film | Vocabulary::Gospel,
        ) => Quality::AddNinth,
        (Mode::Major, Vocabulary::Triads) => Quality::Major,
        (Mode::Minor, _) => Quality::Minor,
    };
    Chord {
        root,
        quality,
        bass: root,
    }
}

/// I V vi IV, or i VI III VII, a bar each, for a vocal in which no chord was found.
fn plain_cadence(analysis: &Analysis, tonic: &Chord, count: usize) -> Vec<Chord> {
    let steps: [(u8, Quality); 4] = match analysis.key.mode {
        Mode::Major => [
            (0, tonic.quality),
            (7, Quality::Major),
            (9, Quality::Minor),
            (5, Quality::Major),
        ],
        Mode::Minor => [
            (0, tonic.quality),
            (8, Quality::Major),
            (3, Quality::Major),
            (10, Quality::Major),
        ],
    };
    let mut bar = 0;
    (0..count)
        .map(|beat| {
            bar += usize::from(
                beat > 0
                    && analysis
                        .beats
                        .get(beat)
                        .is_some_and(|beat| beat.position == 0),
            );
            let (step, quality) = steps[bar % 4];
            let root = (tonic.root + step) % 12;
            Chord {
                root,
                quality,
                bass: root,
            }
        })
        .collect()
}

/// One stroke of a pattern that has found its time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Event {
    /// Number of the slot among the bar's.
    pub(super) slot: usize,
    /// What the pattern says.
    pub(super) mark: char,
    /// Where it ends, in seconds.
    pub(super) end_s: f64,
    /// Where it starts, in seconds.
    pub(super) start_s: f64,
    /// The chord under it.
    pub(super) chord: Chord,
}

impl Sheet<'_> {
    /// The chord at a slot of a bar; the final bar rests on the tonic.
    pub(super) fn chord(&self, bar: &Bar, slot: usize) -> Chord {
        if bar.kind == Place::Final {
            return tonic(self.analysis.last_key(), self.style);
        }
        let beat = bar
            .slots
            .get(slot)
            .or(bar.slots.last())
            .map_or(0, |slot| slot.beat);
        self.harmony[beat.min(self.harmony.len() - 1)]
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

    /// Whether a seat plays in a bar.
    pub(super) fn plays(&self, seat: &Seat, bar: &Bar) -> bool {
        match bar.kind {
            // Alone before the singer: the harmony, softly.
            Place::LeadIn => {
                matches!(seat.role, Role::Comp | Role::Pad | Role::Figure)
                    && seat.from <= bar.energy
            }
            Place::Song => seat.from <= bar.energy,
            Place::Final => true,
        }
    }

    /// The figure that a seat plays in bar `number`: the fullest that the intensity allows, one variant through a section, now and
    /// then another at the end of four bars.
    pub(super) fn figure(
        &self,
        seat: &Seat,
        part: usize,
        number: usize,
    ) -> Option<&'static Pattern> {
        let bar = &self.bars[number];
        let triple = matches!(self.analysis.metre, Metre::ThreeFour | Metre::SixEight);
        let strummed = matches!(
            seat.figures.last().map(|figure| &figure.pattern),
            Some(Pattern::Strum(_) | Pattern::Pick(_))
        ) && super::chords::is_strummed(seat.instrument);
        let figures: &'static [Figure] = if triple {
            // What can be struck decides, not what the style calls it.
            let role = match (seat.role, seat.instrument) {
                (Role::Drums, Instrument::HandPercussion) => Role::Percussion,
                (
                    Role::Percussion,
                    Instrument::AcousticKit | Instrument::BrushKit | Instrument::ElectronicKit,
                ) => Role::Drums,
                (role, _) => role,
            };
            styles::triple_figures(self.style.feel, role, self.analysis.metre, strummed)
        } else {
            seat.figures
        };
        let level = figures
            .iter()
            .map(|figure| figure.level)
            .filter(|&level| level <= bar.level())
            .max()
            .or_else(|| figures.iter().map(|figure| figure.level).min())?;
        let variants: Vec<&'static Figure> = figures
            .iter()
            .filter(|figure| figure.level == level)
            .collect();
        let mut chance = Chance::new(
            self.seed,
            &[11, part as u64, bar.section as u64, u64::from(level)],
        );
        let mut choice = chance.below(variants.len());
        let turns = bar.in_section % 4 == 3
            && Chance::new(self.seed, &[12, part as u64, number as u64]).happens(0.3);
        if turns && variants.len() > 1 {
            choice = (choice + 1) % variants.len();
        }
        variants.get(choice).map(|figure| &figure.pattern)
    }

    /// The strokes of `pattern` in bar `number`: held ones are struck again where the chord changes if `renew` is set.
    pub(super) fn events(&self, pattern: &str, number: usize, renew: bool) -> Vec<Event> {
        let bar = &self.bars[number];
        let marks: Vec<char> = pattern.chars().collect();
        if marks.is_empty() {
            return Vec::new();
        }
        let shift = if marks.len() > self.slots_in_bar {
            (bar.in_section % 2) * self.slots_in_bar
        } else {
            0
        };
        let mark_at = |slot: usize| marks[(bar.slots[slot].index + shift) % marks.len()];
        let mut events: Vec<Event> = Vec::new();
        let mut sounding = false;
        for slot in 0..bar.slots.len() {
            let mark = mark_at(slot);
            let chord = self.chord(bar, slot);
            let start_s = bar.time(slot);
            let end_s = bar.time(slot + 1);
            match mark {
                '.' => sounding = false,
                '-' => {
                    if let (true, Some(last)) = (sounding, events.last_mut()) {
                        if renew && last.chord != chord {
                            let mark = last.mark;
                            events.push(Event {
                                slot,
                                mark,
                                start_s,
                                end_s,
                                chord,
                            });
                        } else {
                            last.end_s = end_s;
                        }
                    }
                }
                _ => {
                    sounding = true;
                    events.push(Event {
                        slot,
                        mark,
                        start_s,
                        end_s,
                        chord,
                    });
                }
            }
        }
        events
    }

    /// Whether the second half of bar `number` is a drop: machines hold their breath before a fuller section.
    pub(super) fn drops(&self, number: usize) -> bool {
        let bar = &self.bars[number];
        self.style.loose_ms == 0.0
            && bar.kind == Place::Song
            && bar.last
            && bar.slots.len() >= 12
            && self
                .bars
                .get(number + 1)
                .is_some_and(|next| next.kind == Place::Song && next.energy > bar.energy + 0.12)
    }

    /// Human timing for one stroke at `start_s`, in seconds: the band pulls and drags together, each player a little apart.
    pub(super) fn looseness(&self, chance: &mut Chance, share: f32, start_s: f64) -> f64 {
        /// Of the variance the part that all players have together.
        const TOGETHER: f32 = 0.7;
        let apart = chance.bell().clamp(-2.0, 2.0);
        let sway = TOGETHER.sqrt() * drift(self.seed, start_s) + (1.0 - TOGETHER).sqrt() * apart;
        f64::from(sway * self.style.loose_ms * share / 1000.0)
    }

    /// The beats as they are played: swing bends what lies between them, not them.
    fn beats(&self) -> Vec<Beat> {
        let per_beat = if self.analysis.metre == Metre::SixEight {
            6
        } else {
            4
        };
        self.bars
            .iter()
            .flat_map(|bar| &bar.slots)
            .filter(|slot| slot.index % per_beat == 0)
            .map(|slot| Beat {
                time_s: slot.start_s,
                position: (slot.index / per_beat) as u8,
            })
            .collect()
    }

    /// The chords as they are played, from bar to bar, neighbours that are equal joined.
    fn chords_as_played(&self) -> Vec<(Span, Chord)> {
        let mut spans: Vec<(Span, Chord)> = Vec::new();
        for bar in &self.bars {
            for slot in 0..bar.slots.len() {
                let chord = self.chord(bar, slot);
                let end_s = if bar.kind == Place::Final {
                    self.length_s
                } else {
                    bar.time(slot + 1)
                };
                match spans.last_mut() {
                    Some((span, last)) if *last == chord => span.end_s = end_s,
                    _ => spans.push((
                        Span {
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

/// How far people who play together are off a steady beat at a time, with standard deviation 1: what they are off now they are
/// off in a while as well, on every scale (1/f noise; Hennig and others, "The nature and perception of fluctuations in human
/// musical rhythms", 2011). A sum of numbers that are each drawn anew half as often as the one before.
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
    // An even number within ±1 has a variance of a third.
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The exponent of detrended fluctuation analysis: .5 for white noise, 1 for 1/f.
    fn alpha(series: &[f32]) -> f64 {
        let mean = series.iter().sum::<f32>() / series.len() as f32;
        let walk: Vec<f64> = series
            .iter()
            .scan(0.0f64, |sum, value| {
                *sum += f64::from(value - mean);
                Some(*sum)
            })
            .collect();
        let fluctuation = |size: usize| {
            let squares: Vec<f64> = walk
                .chunks_exact(size)
                .map(|window| {
                    let middle = (size - 1) as f64 / 2.0;
                    let average = window.iter().sum::<f64>() / size as f64;
                    let (mut up, mut across) = (0.0, 0.0);
                    for (at, value) in window.iter().enumerate() {
                        up += (at as f64 - middle) * (value - average);
                        across += (at as f64 - middle).powi(2);
                    }
                    let off = |(at, value): (usize, &f64)| {
                        (value - average - up / across * (at as f64 - middle)).powi(2)
                    };
                    window.iter().enumerate().map(off).sum::<f64>() / size as f64
                })
                .collect();
            (squares.iter().sum::<f64>() / squares.len() as f64).sqrt()
        };
        let sizes = [8usize, 16, 32, 64, 128];
        let points: Vec<(f64, f64)> = sizes
            .iter()
            .map(|&size| ((size as f64).ln(), fluctuation(size).ln()))
            .collect();
        let mean = |side: fn(&(f64, f64)) -> f64| points.iter().map(side).sum::<f64>() / 5.0;
        let (x, y) = (mean(|point| point.0), mean(|point| point.1));
        let rise: f64 = points
            .iter()
            .map(|point| (point.0 - x) * (point.1 - y))
            .sum();
        rise / points
            .iter()
            .map(|point| (point.0 - x).powi(2))
            .sum::<f64>()
    }

    #[test]
    fn players_sway_as_people_do() {
        for seed in 0..6 {
            let mut chance = Chance::new(seed, &[1]);
            let series: Vec<f32> = (0..2048)
                .map(|beat| 0.837 * drift(seed, f64::from(beat) * 0.5) + 0.548 * chance.bell())
                .collect();
            let found = alpha(&series);
            assert!((0.6..=1.0).contains(&found), "seed {seed}: {found}");
            let power = series.iter().map(|value| value * value).sum::<f32>() / 2048.0;
            assert!((0.5..2.0).contains(&power), "seed {seed}: {power}");
        }
    }
}
