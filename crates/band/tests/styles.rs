//! What makes each style itself: its own groove, register, density and players, measured on the notes of eight to twenty-two bars.
//!
//! Over 500 lines: it has a section for each style.

#![allow(
    clippy::unwrap_used,
    reason = "a test that meets the unexpected should stop"
)]

mod song;

use backline_band::{
    Brief, Instrument, Role, Score, ScoreNote, ScorePart, StyleId, analysis::Metre, arrange,
};
use song::{SETTINGS, song};

/// A score and its bars.
struct Heard {
    score: Score,
    bar_s: f64,
    /// Sixteenths (of 4/4) in a bar.
    slots: f64,
}

/// Bars that are looked at.
const BARS: std::ops::Range<f64> = 8.0..22.0;

impl Heard {
    fn of(style: StyleId, metre: Metre, bpm: f64) -> Self {
        let (analysis, chords) = song(metre, bpm);
        let mut brief = Brief::default();
        brief.styles = vec![style];
        let beats = if metre == Metre::ThreeFour { 3.0 } else { 4.0 };
        Self {
            score: arrange(&analysis, &chords, &brief, &SETTINGS, 7),
            bar_s: 60.0 / bpm * beats,
            slots: beats * 4.0,
        }
    }

    fn plays(&self, instrument: Instrument) -> bool {
        self.score.instruments().contains(&instrument)
    }

    fn electric(&self) -> bool {
        use Instrument as I;
        self.score.instruments().iter().any(|instrument| {
            matches!(
                instrument,
                I::ElectronicKit
                    | I::FingerBass
                    | I::SynthBass
                    | I::SubBass
                    | I::ElectricPiano
                    | I::Organ
                    | I::CleanGuitar
                    | I::DistortedGuitar
                    | I::SynthPad
                    | I::SynthPluck
                    | I::SynthLead
            )
        })
    }

    fn notes(&self, of: impl Fn(&ScorePart, &ScoreNote) -> bool) -> Vec<ScoreNote> {
        let inside = BARS.start * self.bar_s..BARS.end * self.bar_s;
        let parts = self.score.parts.iter();
        parts
            .flat_map(|part| part.notes.iter().map(move |note| (part, note)))
            .filter(|(part, note)| inside.contains(&note.start_s) && of(part, note))
            .map(|(_, note)| *note)
            .collect()
    }

    fn struck(&self, pieces: &[u8]) -> Vec<ScoreNote> {
        self.notes(|part, note| {
            matches!(part.role, Role::Drums | Role::Percussion) && pieces.contains(&note.midi)
        })
    }

    /// Strokes that are no ghost notes: those vary from bar to bar.
    fn accented(&self, pieces: &[u8]) -> Vec<ScoreNote> {
        let mut strokes = self.struck(pieces);
        strokes.retain(|note| note.velocity > 0.54);
        strokes
    }

    fn played(&self, role: Role, instrument: Instrument) -> Vec<ScoreNote> {
        self.notes(|part, _| part.role == role && part.instrument == instrument)
    }

    /// How many of the bass's notes begin a bar.
    fn bass_on_one(&self) -> usize {
        let bass = self.bass();
        bass.iter()
            .filter(|note| self.at(&[**note], &[0.0]) > 0.5)
            .count()
    }

    fn bass(&self) -> Vec<ScoreNote> {
        self.notes(|part, _| part.role == Role::Bass)
    }

    fn per_bar(notes: &[ScoreNote]) -> f64 {
        notes.len() as f64 / (BARS.end - BARS.start)
    }

    /// The share of `notes` that fall at one of the sixteenths `at`.
    fn at(&self, notes: &[ScoreNote], at: &[f64]) -> f64 {
        let near = notes
            .iter()
            .filter(|note| {
                let place = (note.start_s / self.bar_s).fract() * self.slots;
                at.iter().any(|slot| {
                    let off = (place - slot).abs();
                    off.min(self.slots - off) < 0.45
                })
            })
            .count();
        near as f64 / notes.len().max(1) as f64
    }

    /// Where the second eighth of a beat falls, as the first one's share of the beat.
    fn swing(&self, notes: &[ScoreNote]) -> f64 {
        let mut offs: Vec<f64> = notes
            .iter()
            .map(|note| (note.start_s / self.bar_s * self.slots / 4.0).fract())
            .filter(|place| (0.35..0.8).contains(place))
            .collect();
        offs.sort_by(f64::total_cmp);
        offs.get(offs.len() / 2).copied().unwrap_or(0.0)
    }

    fn mean_bars(&self, notes: &[ScoreNote]) -> f64 {
        notes.iter().map(|note| note.length_s).sum::<f64>() / notes.len().max(1) as f64 / self.bar_s
    }
}

fn range(notes: &[ScoreNote]) -> (u8, u8) {
    let keys = || notes.iter().map(|note| note.midi);
    (keys().min().unwrap_or(0), keys().max().unwrap_or(0))
}

const BACK: &[f64] = &[4.0, 12.0];
const BEATS: &[f64] = &[0.0, 4.0, 8.0, 12.0];
const OFFS: &[f64] = &[2.0, 6.0, 10.0, 14.0];
const SNARES: &[u8] = &[37, 38];
const HATS: &[u8] = &[42, 44, 46];

/// The traits of a style at its own tempo, and whether it has them.
fn traits(style: StyleId) -> Vec<(&'static str, bool)> {
    use Instrument as I;
    use StyleId as S;
    let four = |bpm| Heard::of(style, Metre::FourFour, bpm);
    match style {
        S::PopBallad => {
            let heard = four(72.0);
            let piano = heard.played(Role::Comp, I::Piano);
            vec![
                (
                    "the piano carries it",
                    (6.0..20.0).contains(&Heard::per_bar(&piano)),
                ),
                (
                    "the back-beat is on two and four",
                    heard.at(&heard.accented(SNARES), BACK) > 0.9,
                ),
                (
                    "strings are held",
                    heard.mean_bars(&heard.played(Role::Pad, I::Strings)) > 0.9,
                ),
            ]
        }
        S::PopRock => {
            let heard = four(116.0);
            let eighths = heard.struck(&[42, 46, 51]);
            vec![
                (
                    "the back-beat is on two and four",
                    heard.at(&heard.accented(&[38]), BACK) > 0.9,
                ),
                (
                    "hats or ride go in eighths",
                    (7.0..9.5).contains(&Heard::per_bar(&eighths)),
                ),
                (
                    "there are two guitars",
                    heard.plays(I::CleanGuitar) && heard.plays(I::DistortedGuitar),
                ),
            ]
        }
        S::IndieFolk => {
            let heard = four(96.0);
            let strum = heard.played(Role::Comp, I::SteelGuitar);
            vec![
                ("nothing is plugged in", !heard.electric()),
                ("the guitar is strummed", Heard::per_bar(&strum) > 20.0),
                ("brushes clap no hands", heard.struck(&[39]).is_empty()),
            ]
        }
        S::Country => {
            let heard = four(104.0);
            let strum = heard.played(Role::Comp, I::SteelGuitar);
            vec![
                (
                    "the bass goes in two",
                    heard.at(&heard.bass(), &[0.0, 8.0]) > 0.45,
                ),
                (
                    "the guitar leaves the bass its beats",
                    heard.at(&strum, &[0.0]) < 0.05,
                ),
                ("and answers on two and four", heard.at(&strum, BACK) > 0.35),
            ]
        }
        S::Blues => {
            let heard = four(92.0);
            let kit = heard.struck(&[36, 38, 42, 46, 51]);
            vec![
                ("it shuffles", (0.62..0.69).contains(&heard.swing(&kit))),
                (
                    "the back-beat is on two and four",
                    heard.at(&heard.accented(&[38]), BACK) > 0.8,
                ),
            ]
        }
        S::Soul => {
            let heard = four(84.0);
            let snares = heard.struck(&[38]);
            let force = |on: bool| {
                let some: Vec<f32> = snares
                    .iter()
                    .filter(|note| (heard.at(&[**note], BACK) > 0.5) == on)
                    .map(|note| note.velocity)
                    .collect();
                some.iter().sum::<f32>() / some.len().max(1) as f32
            };
            let chops = heard.played(Role::Comp, I::CleanGuitar);
            vec![
                (
                    "ghost notes lie under the back-beat",
                    force(false) > 0.0 && force(false) < 0.75 * force(true),
                ),
                (
                    "the guitar chops on two and four",
                    heard.at(&chops, BACK) > 0.5,
                ),
                ("there is an electric piano", heard.plays(I::ElectricPiano)),
            ]
        }
        S::Funk => {
            let heard = four(100.0);
            let guitar = heard.played(Role::Comp, I::CleanGuitar);
            let ones = heard.bass_on_one();
            vec![
                ("the bass is on the one of every bar", ones >= 13),
                (
                    "hats go in sixteenths",
                    Heard::per_bar(&heard.struck(HATS)) > 10.0,
                ),
                (
                    "the guitar scratches short",
                    Heard::per_bar(&guitar) > 30.0 && heard.mean_bars(&guitar) < 0.08,
                ),
            ]
        }
        S::Disco => {
            let heard = four(118.0);
            let (low, high) = range(&heard.bass());
            vec![
                (
                    "the kick is on all four",
                    heard.at(&heard.accented(&[36]), BEATS) > 0.95,
                ),
                (
                    "hats open off the beat",
                    heard.at(&heard.struck(&[46]), OFFS) > 0.95,
                ),
                ("the bass leaps octaves", high - low >= 12),
            ]
        }
        S::JazzSwing => {
            let heard = four(124.0);
            let bass = heard.bass();
            vec![
                (
                    "the bass walks in quarters",
                    (3.8..4.3).contains(&Heard::per_bar(&bass)) && heard.at(&bass, BEATS) > 0.95,
                ),
                (
                    "the ride swings",
                    (0.60..0.68).contains(&heard.swing(&heard.struck(&[51]))),
                ),
                (
                    "the pedal closes on two and four",
                    heard.at(&heard.struck(&[44]), BACK) > 0.95,
                ),
                ("brushes clap no hands", heard.struck(&[39]).is_empty()),
            ]
        }
        S::BossaNova => {
            let heard = four(126.0);
            vec![
                (
                    "the kick is a surdo's heart",
                    heard.at(&heard.struck(&[36]), &[0.0, 6.0, 8.0, 14.0]) > 0.95,
                ),
                (
                    "the rim goes against the bar",
                    heard.at(&heard.struck(&[37]), BACK) < 0.6,
                ),
                (
                    "it is straight",
                    (0.48..0.52).contains(&heard.swing(&heard.struck(&[42, 70]))),
                ),
                ("the guitar has nylon strings", heard.plays(I::NylonGuitar)),
            ]
        }
        S::Reggae => {
            let heard = four(76.0);
            let skank = heard.played(Role::Comp, I::CleanGuitar);
            let drops = heard
                .struck(&[36])
                .iter()
                .filter(|note| heard.at(&[**note], &[8.0]) > 0.5)
                .count();
            vec![
                (
                    "the guitar never plays on the beat",
                    heard.at(&skank, BEATS) < 0.05,
                ),
                ("the kick drops on three", drops >= 13),
                ("the skank is short", heard.mean_bars(&skank) < 0.08),
            ]
        }
        S::HipHop => {
            let heard = four(90.0);
            let kick = heard.struck(&[36]);
            vec![
                (
                    "the back-beat is on two and four",
                    heard.at(&heard.accented(&[38, 39]), BACK) > 0.75,
                ),
                (
                    "the kick is off the beat as often as on it",
                    heard.at(&kick, BEATS) < 0.5,
                ),
                (
                    "a machine drums",
                    heard.plays(I::ElectronicKit) && heard.plays(I::SubBass),
                ),
            ]
        }
        S::LoFi => {
            let heard = four(78.0);
            vec![
                (
                    "it is dark and worn",
                    heard.score.finish.brightness < -0.2 && heard.score.finish.grit > 0.2,
                ),
                (
                    "the kick is late",
                    heard.at(&heard.accented(&[36]), &[10.0]) > 0.3,
                ),
                ("there is an electric piano", heard.plays(I::ElectricPiano)),
            ]
        }
        S::Trap => {
            let heard = four(140.0);
            vec![
                (
                    "it is felt at half the tempo: one clap a bar, on three",
                    heard.at(&heard.struck(&[39]), &[8.0]) > 0.95,
                ),
                (
                    "the bass is an 808",
                    heard.plays(I::SubBass) && range(&heard.bass()).0 <= 33,
                ),
                ("hats are many", Heard::per_bar(&heard.struck(HATS)) > 6.0),
            ]
        }
        S::House => {
            let heard = four(122.0);
            vec![
                (
                    "the kick is on all four",
                    heard.at(&heard.accented(&[36]), BEATS) > 0.95,
                ),
                (
                    "hats open off the beat",
                    heard.at(&heard.struck(&[46]), OFFS) > 0.95,
                ),
                (
                    "the bass goes round the kick",
                    heard.at(&heard.bass(), BEATS) < 0.5,
                ),
            ]
        }
        S::DrumAndBass => {
            let heard = four(172.0);
            vec![
                (
                    "the break: kick on one and six",
                    heard.at(&heard.struck(&[36]), &[0.0, 10.0]) > 0.75,
                ),
                (
                    "snare on two and four",
                    heard.at(&heard.struck(&[38]), BACK) > 0.5,
                ),
                (
                    "the bass is slow under it",
                    Heard::per_bar(&heard.bass()) < 5.0,
                ),
            ]
        }
        S::Synthwave => {
            let heard = four(104.0);
            vec![
                ("the bass pulses", Heard::per_bar(&heard.bass()) > 10.0),
                (
                    "an arpeggio runs in sixteenths",
                    Heard::per_bar(&heard.played(Role::Figure, I::SynthPluck)) > 14.0,
                ),
                ("there is an echo", heard.score.room.delay > 0.1),
            ]
        }
        S::Ambient => {
            let heard = four(66.0);
            vec![
                (
                    "nobody drums",
                    heard.struck(&(0..=127).collect::<Vec<u8>>()).is_empty(),
                ),
                (
                    "few notes",
                    Heard::per_bar(&heard.notes(|_, _| true)) < 18.0,
                ),
                (
                    "a large room",
                    heard.score.room.wet > 0.35 && heard.score.room.decay_s > 3.0,
                ),
            ]
        }
        S::Cinematic => {
            let heard = four(80.0);
            let toms = heard.struck(&[45, 47, 50]);
            vec![
                (
                    "toms carry the beat",
                    Heard::per_bar(&toms) > 3.0 && Heard::per_bar(&heard.struck(HATS)) < 1.0,
                ),
                (
                    "strings and brass",
                    heard.plays(I::Strings) && heard.plays(I::Brass),
                ),
            ]
        }
        S::Waltz => {
            let heard = Heard::of(style, Metre::ThreeFour, 96.0);
            let chords = heard.played(Role::Comp, I::Piano);
            let ones = heard.bass_on_one();
            vec![
                ("the bass is on one", ones >= 13),
                (
                    "the chords are on two and three",
                    heard.at(&chords, &[0.0]) < 0.05 && heard.at(&chords, &[4.0, 8.0]) > 0.6,
                ),
            ]
        }
        S::Gospel => {
            let heard = four(84.0);
            vec![
                (
                    "piano and organ together",
                    heard.plays(I::Piano) && heard.plays(I::Organ),
                ),
                (
                    "claps on two and four",
                    heard.at(&heard.struck(&[39]), BACK) > 0.9 && !heard.struck(&[39]).is_empty(),
                ),
                ("a tambourine", !heard.struck(&[54]).is_empty()),
            ]
        }
        S::Latin => {
            let heard = four(100.0);
            let clave = heard.struck(&[75]);
            vec![
                (
                    "the clave is son, three and two",
                    heard.at(&clave, &[0.0, 3.0, 6.0, 10.0, 12.0]) > 0.95 && clave.len() >= 20,
                ),
                ("congas", Heard::per_bar(&heard.struck(&[63, 64])) > 4.0),
                (
                    "the bass comes early",
                    heard.at(&heard.bass(), &[6.0, 14.0]) > 0.3,
                ),
            ]
        }
        S::Metal => {
            let heard = four(140.0);
            let guitar = heard.played(Role::Comp, I::DistortedGuitar);
            vec![
                (
                    "two feet on the kick",
                    Heard::per_bar(&heard.struck(&[36])) > 6.0,
                ),
                (
                    "guitars are distorted and low",
                    heard.plays(I::DistortedGuitar) && range(&guitar).0 <= 45,
                ),
                (
                    "the bass runs with them",
                    Heard::per_bar(&heard.bass()) > 8.0,
                ),
            ]
        }
        S::ChamberStrings => {
            let heard = four(76.0);
            vec![
                (
                    "nobody drums",
                    heard.struck(&(0..=127).collect::<Vec<u8>>()).is_empty(),
                ),
                (
                    "strings, and nothing plugged in",
                    heard.plays(I::Strings) && !heard.electric(),
                ),
            ]
        }
        S::SingerSongwriter => {
            let heard = four(92.0);
            let struck = heard.notes(|part, _| part.role == Role::Drums);
            vec![
                (
                    "a guitar first",
                    heard.score.parts[0].instrument == I::SteelGuitar,
                ),
                ("nothing plugged in", !heard.electric()),
                ("drums are light", Heard::per_bar(&struck) < 9.0),
            ]
        }
    }
}

#[test]
fn every_style_is_itself() {
    let mut missing = Vec::new();
    for style in StyleId::all() {
        let traits = traits(style);
        assert!(traits.len() >= 2, "{style:?} is not told from others");
        missing.extend(
            traits
                .into_iter()
                .filter(|(_, has)| !has)
                .map(|(name, _)| format!("{style:?}: {name}")),
        );
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

/// The strokes of a part in a bar: places, pieces of a kit, how strings are struck, and a bass's way from its first note.
fn strokes(part: &ScorePart, bar: usize, bar_s: f64, slots: f64) -> Vec<(u8, i64)> {
    let from_s = bar as f64 * bar_s;
    let inside = |note: &&ScoreNote| (from_s - 0.05..from_s + bar_s - 0.05).contains(&note.start_s);
    let first = part.notes.iter().find(inside).map_or(0, |note| note.midi);
    let mut strokes: Vec<(u8, i64)> = part
        .notes
        .iter()
        .filter(inside)
        .map(|note| {
            let slot = ((note.start_s - from_s) / bar_s * slots).round() as i64;
            let what = match part.role {
                Role::Drums => note.midi,
                Role::Bass => note.midi.wrapping_sub(first),
                // A pianist's left hand goes its own way.
                _ => 2 * note.articulation as u8 + u8::from(note.midi < 50),
            };
            (what, slot)
        })
        .collect();
    strokes.sort_unstable();
    strokes.dedup();
    strokes
}

/// How many different bars there are among eight of a part.
fn different_bars(part: &ScorePart, first: usize, bar_s: f64, slots: f64) -> usize {
    let mut bars: Vec<Vec<(u8, i64)>> = (first..first + 8)
        .map(|bar| strokes(part, bar, bar_s, slots))
        .collect();
    if bars.iter().filter(|bar| !bar.is_empty()).count() < 6 {
        // It does not play here.
        return usize::MAX;
    }
    bars.sort_unstable();
    bars.dedup();
    bars.len()
}

#[test]
fn a_groove_is_a_phrase_that_returns_and_leads_on_in_its_last_bar() {
    const FIRST: usize = 8;
    let bpm = 100.0;
    let (mut returning, mut leading, mut phrases) = (0, 0, 0);
    let mut loose = Vec::new();
    for style in StyleId::all().filter(|style| *style != StyleId::DrumAndBass) {
        let (mut analysis, chords) = song(Metre::FourFour, bpm);
        for section in &mut analysis.sections {
            section.energy = 0.6;
        }
        let mut brief = Brief::default();
        brief.styles = vec![style];
        for seed in 1..4 {
            let score = arrange(&analysis, &chords, &brief, &SETTINGS, seed);
            for part in &score.parts {
                // A drummer's fills differ.
                let bars: Vec<Vec<i64>> = (FIRST..FIRST + 8)
                    .map(|bar| strokes(part, bar, 60.0 / bpm * 4.0, 16.0))
                    .map(|bar| bar.into_iter().map(|(_, slot)| slot).collect())
                    .collect();
                let plays = bars.iter().all(|bar| !bar.is_empty());
                if !matches!(part.role, Role::Bass | Role::Comp) || !plays {
                    continue;
                }
                let returns = bars[..4] == bars[4..];
                let leads = !bars[..3].contains(&bars[3]);
                phrases += 1;
                returning += usize::from(returns);
                leading += usize::from(leads);
                if !returns || !leads {
                    loose.push(format!("{style:?} {:?}: {returns} {leads}", part.role));
                }
            }
        }
    }
    assert!(
        phrases > 100 && returning * 10 >= phrases * 7 && leading * 10 >= phrases * 7,
        "of {phrases} phrases {returning} return and {leading} lead on: {loose:#?}"
    );
}

#[test]
fn three_of_eight_bars_differ_in_every_style_and_metre() {
    let mut dull = Vec::new();
    for (metre, bpm, beats, slots) in [
        (Metre::FourFour, 100.0, 4.0, 16.0),
        (Metre::ThreeFour, 100.0, 3.0, 12.0),
        (Metre::SixEight, 60.0, 2.0, 12.0),
    ] {
        for style in StyleId::all() {
            // At half its tempo it plays twice as many bars.
            let bpm = if style == StyleId::DrumAndBass {
                1.7 * bpm
            } else {
                bpm
            };
            let bar_s = 60.0 / bpm * beats;
            let (mut analysis, chords) = song(metre, bpm);
            // Eight bars of one section that are sung throughout.
            for section in &mut analysis.sections {
                section.energy = 0.6;
            }
            let mut brief = Brief::default();
            brief.styles = vec![style];
            for seed in 1..4 {
                let score = arrange(&analysis, &chords, &brief, &SETTINGS, seed);
                for part in &score.parts {
                    if !matches!(part.role, Role::Drums | Role::Bass | Role::Comp) {
                        continue;
                    }
                    let different = different_bars(part, 8, bar_s, slots);
                    if different < 3 {
                        dull.push(format!(
                            "{style:?} {metre:?} seed {seed}: {:?} {:?}: {different}",
                            part.role, part.instrument
                        ));
                    }
                }
            }
        }
    }
    assert!(dull.is_empty(), "{} dull parts: {dull:#?}", dull.len());
}
