//! Measures of what a listener hears, on the score and on the finished sound of a style.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "the test and the example take what each needs"
)]

use backline_audio::{Audio, loudness};
use backline_band::{
    Brief, RATE_HZ, Role, Score, ScorePart, SoundSource, Stereo, StyleId, Voice, Voicing,
    analysis::{Chord, HarmonySettings, Note, Quality},
    arrange, harmonise, layers, master, play,
};
use ebur128::{EbuR128, Mode};
use rustfft::{FftPlanner, num_complex::Complex};

use crate::song::{SETTINGS, song, tunes::TUNES, voice_of};
use backline_band::analysis::Metre;

pub const SEED: u64 = 5;

/// The style's score of the song with known truth, at a tempo.
pub fn score(style: StyleId, tempo_bpm: f64) -> Score {
    let (analysis, chords) = song(Metre::FourFour, tempo_bpm);
    let mut brief = Brief::default();
    brief.styles = vec![style];
    arrange(&analysis, &chords, &brief, &SETTINGS, SEED)
}

/// What is measured on the finished sound.
#[derive(Debug, Clone, Copy)]
pub struct SoundMeasures {
    /// True peak above the integrated loudness, in loudness units.
    pub plr_lu: f64,
    /// Loudness range of the instrumental (EBU Tech 3342), in loudness units.
    pub lra_lu: f64,
    /// Correlation of left and right below 120 Hz.
    pub low_correlation: f64,
    /// Share of the sung frames in which the voice is at most 3 dB below the band at 1 to 4 kHz.
    pub unmasked: f64,
    /// How far the octave bands from 125 Hz to 4 kHz are from a fall of 5 dB an octave (Pestana and others, "Spectral
    /// characteristics of popular commercial recordings 1950–2010", AES 135, 2013), RMS in decibels.
    pub spectrum_off_db: f64,
    /// Loudness of the voice above the band, in loudness units.
    pub voice_above_lu: f64,
}

impl SoundMeasures {
    pub fn of(style: StyleId, sound: &SoundSource) -> Self {
        let score = score(style, 100.0);
        let (analysis, _) = song(Metre::FourFour, 100.0);
        let finished = master(play(&score, sound, SEED, 1), &score.finish);
        let sung = Voice::new(voice_of(&analysis, RATE_HZ).channels.remove(0));
        let (voice, band) = layers(&sung, &finished.audio, &Voicing::of(&score));
        let measured = loudness(&finished.audio);
        let lufs = |audio: &Audio| loudness(audio).integrated_lufs.unwrap_or(f64::NAN);
        let alone = Audio {
            rate_hz: RATE_HZ,
            channels: vec![voice.clone(), voice.clone()],
        };
        Self {
            plr_lu: measured.true_peak_dbtp - measured.integrated_lufs.unwrap_or(f64::NAN),
            lra_lu: range_lu(&finished.audio),
            low_correlation: low_correlation(&finished.audio),
            unmasked: unmasked(&voice, &band, &analysis.notes),
            spectrum_off_db: spectrum_off_db(&finished.audio),
            voice_above_lu: lufs(&alone) - lufs(&finished.audio),
        }
    }
}

fn range_lu(audio: &Audio) -> f64 {
    let mut meter = EbuR128::new(2, audio.rate_hz, Mode::LRA).unwrap();
    let planes: Vec<&[f32]> = audio.channels.iter().map(Vec::as_slice).collect();
    meter.add_frames_planar_f32(&planes).unwrap();
    meter.loudness_range().unwrap()
}

/// Power in bands of frequencies, a row a band, frame by frame (Hann, half overlapping).
fn band_powers<const N: usize>(
    samples: &[f32],
    size: usize,
    bands_hz: [(f32, f32); N],
) -> [Vec<f64>; N] {
    let fft = FftPlanner::new().plan_fft_forward(size);
    let bin = |hz: f32| (hz * size as f32 / RATE_HZ as f32).round() as usize;
    let mut powers = bands_hz.map(|_| Vec::new());
    for start in (0..samples.len().saturating_sub(size)).step_by(size / 2) {
        let mut frame: Vec<Complex<f32>> = (0..size)
            .map(|at| {
                let angle = std::f32::consts::TAU * at as f32 / size as f32;
                Complex::new(samples[start + at] * (0.5 - 0.5 * angle.cos()), 0.0)
            })
            .collect();
        fft.process(&mut frame);
        for (powers, (from_hz, to_hz)) in powers.iter_mut().zip(bands_hz) {
            let band = &frame[bin(from_hz)..bin(to_hz)];
            powers.push(band.iter().map(|at| f64::from(at.norm_sqr())).sum());
        }
    }
    powers
}

/// Correlation of left and right below 120 Hz: of the spectra's bins, over all frames.
fn low_correlation(audio: &Audio) -> f64 {
    let middle: Vec<f32> = mixed(audio, 1.0);
    let side: Vec<f32> = mixed(audio, -1.0);
    let power = |samples: &[f32]| {
        let [low] = band_powers(samples, 8192, [(20.0, 120.0)]);
        low.iter().sum::<f64>()
    };
    let (middle, side) = (power(&middle), power(&side));
    // With equal power on both sides the correlation is (m - s) / (m + s).
    (middle - side) / (middle + side).max(1e-12)
}

fn mixed(audio: &Audio, sign: f32) -> Vec<f32> {
    let (left, right) = (&audio.channels[0], &audio.channels[1]);
    let pairs = left.iter().zip(right);
    pairs.map(|(l, r)| 0.5 * (l + sign * r)).collect()
}

/// The share of the frames within sung notes, at most 30 dB below the loudest, in which the voice is at most 3 dB below the band
/// between 1 and 4 kHz.
pub fn unmasked(voice: &[f32], band: &Stereo, notes: &[Note]) -> f64 {
    const SIZE: usize = 2048;
    let clarity = |samples: &[f32]| {
        let [middle] = band_powers(samples, SIZE, [(1000.0, 4000.0)]);
        middle
    };
    let voice = clarity(voice);
    let (left, right) = (clarity(&band.left), clarity(&band.right));
    let loudest = voice.iter().copied().fold(0.0, f64::max);
    let is_sung = |frame: usize| {
        let middle_s = ((frame + 1) * SIZE / 2) as f64 / f64::from(RATE_HZ);
        let mut notes = notes.iter();
        notes.any(|note| (note.onset_s..note.offset_s).contains(&middle_s))
    };
    let sung: Vec<usize> = (0..voice.len())
        .filter(|&frame| voice[frame] >= loudest * 1e-3 && is_sung(frame))
        .collect();
    let clear = |frame: &&usize| 2.0 * voice[**frame] >= (left[**frame] + right[**frame]) * 0.5;
    sung.iter().filter(clear).count() as f64 / sung.len().max(1) as f64
}

pub fn spectrum_off_db(audio: &Audio) -> f64 {
    let middle = mixed(audio, 1.0);
    let half = std::f32::consts::SQRT_2;
    let octaves_hz =
        [125.0f32, 250.0, 500.0, 1000.0, 2000.0, 4000.0].map(|hz| (hz / half, hz * half));
    let powers = band_powers(&middle, 8192, octaves_hz);
    let levels: Vec<f64> = (0..octaves_hz.len())
        .map(|octave| {
            let (from_hz, to_hz) = octaves_hz[octave];
            let power: f64 = powers[octave].iter().sum();
            // Power for each hertz, against the fall.
            10.0 * (power / f64::from(to_hz - from_hz)).max(1e-20).log10() + 5.0 * octave as f64
        })
        .collect();
    let mean = levels.iter().sum::<f64>() / levels.len() as f64;
    (levels
        .iter()
        .map(|level| (level - mean).powi(2))
        .sum::<f64>()
        / levels.len() as f64)
        .sqrt()
}

/// How far from the beats players are.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// Standard deviation of each stroke of kit, bass and broken chords, in milliseconds.
    pub sd_ms: f64,
    /// Exponent of detrended fluctuation analysis of the beats as they are played: .5 for white noise, 1 for 1/f noise (Hennig and
    /// others, "The nature and perception of fluctuations in human musical rhythms", 2011). NaN for machines.
    pub alpha: f64,
}

impl Timing {
    pub fn of(style: StyleId) -> Self {
        const SEEDS: u64 = 8;
        /// Further strokes are between the beats.
        const NEAR_MS: f64 = 50.0;
        let (analysis, chords) = song(Metre::FourFour, 100.0);
        let mut brief = Brief::default();
        brief.styles = vec![style];
        let (mut strokes, mut exponents) = (Vec::new(), Vec::new());
        for seed in 1..=SEEDS {
            let score = arrange(&analysis, &chords, &brief, &SETTINGS, seed);
            let steady =
                |part: &&ScorePart| matches!(part.role, Role::Drums | Role::Bass | Role::Figure);
            let notes = score
                .parts
                .iter()
                .filter(steady)
                .flat_map(|part| &part.notes);
            let mut by_beat = vec![(0.0, 0usize); score.beats.len()];
            for note in notes.filter(|note| note.start_s < score.final_chord_s - 0.1) {
                for (beat, (sum, count)) in score.beats.iter().zip(&mut by_beat) {
                    let off_ms = 1000.0 * (note.start_s - beat.time_s);
                    if off_ms.abs() < NEAR_MS {
                        strokes.push(off_ms);
                        *sum += off_ms;
                        *count += 1;
                    }
                }
            }
            let beats = by_beat.iter().filter(|(_, count)| *count > 0);
            let series: Vec<f64> = beats.map(|&(sum, count)| sum / count as f64).collect();
            exponents.push(alpha(&series));
        }
        let mean = strokes.iter().sum::<f64>() / strokes.len() as f64;
        let squares = strokes.iter().map(|off| (off - mean).powi(2)).sum::<f64>();
        Self {
            sd_ms: (squares / strokes.len() as f64).sqrt(),
            alpha: exponents.iter().sum::<f64>() / SEEDS as f64,
        }
    }
}

/// The exponent of detrended fluctuation analysis.
fn alpha(series: &[f64]) -> f64 {
    let mean = series.iter().sum::<f64>() / series.len() as f64;
    let walk: Vec<f64> = series
        .iter()
        .scan(0.0f64, |sum, value| {
            *sum += value - mean;
            Some(*sum)
        })
        .collect();
    let squared_error = |values: &[f64]| {
        let rise = slope(
            values
                .iter()
                .enumerate()
                .map(|(at, value)| (at as f64, *value)),
        );
        let middle = (values.len() - 1) as f64 / 2.0;
        let average = values.iter().sum::<f64>() / values.len() as f64;
        let off =
            |(at, value): (usize, &f64)| (value - average - rise * (at as f64 - middle)).powi(2);
        values.iter().enumerate().map(off).sum::<f64>() / values.len() as f64
    };
    slope([4usize, 6, 8, 12, 16, 24].iter().map(|&size| {
        let windows = walk.chunks_exact(size);
        let count = windows.len() as f64;
        let error = (windows.map(squared_error).sum::<f64>() / count).sqrt();
        ((size as f64).ln(), error.ln())
    }))
}

/// The slope of the straight line through points (least squares).
fn slope(points: impl Iterator<Item = (f64, f64)> + Clone) -> f64 {
    let count = points.clone().count() as f64;
    let (x, y) = points
        .clone()
        .fold((0.0, 0.0), |sum, point| (sum.0 + point.0, sum.1 + point.1));
    let (x, y) = (x / count, y / count);
    let rise: f64 = points
        .clone()
        .map(|point| (point.0 - x) * (point.1 - y))
        .sum();
    rise / points.map(|point| (point.0 - x).powi(2)).sum::<f64>()
}

/// Share of the bass's notes on the first and the third beat that are no tone of their chord. Every fourth chord of the song has
/// another tone in the bass.
pub fn bass_off_chord(style: StyleId) -> f64 {
    let (analysis, mut chords) = song(Metre::FourFour, 100.0);
    for span in chords.iter_mut().step_by(4) {
        span.chord.bass = (span.chord.root + 7) % 12;
    }
    let mut brief = Brief::default();
    brief.styles = vec![style];
    let (mut off, mut all) = (0usize, 0usize);
    for seed in 1..4 {
        let score = arrange(&analysis, &chords, &brief, &SETTINGS, seed);
        for part in score.parts.iter().filter(|part| part.role == Role::Bass) {
            for note in &part.notes {
                let strong = score.beats.iter().any(|beat| {
                    beat.position % 2 == 0 && (note.start_s - beat.time_s).abs() < 0.05
                });
                if strong {
                    all += 1;
                    off += usize::from(!is_tone(chord_at(&score, note.start_s), note.midi));
                }
            }
        }
    }
    // Too few notes say nothing.
    if all < 20 {
        f64::NAN
    } else {
        off as f64 / all as f64
    }
}

fn chord_at(score: &Score, time_s: f64) -> &Chord {
    let sounds = |span: &backline_band::analysis::TimeSpan| span.start_s - 0.05 <= time_s;
    let mut before = score.chords.iter().rev();
    &before
        .find(|(span, _)| sounds(span))
        .unwrap_or(&score.chords[0])
        .1
}

fn is_tone(chord: &Chord, midi: u8) -> bool {
    let class = midi % 12;
    let above = (class + 12 - chord.root) % 12;
    let tones: &[u8] = match chord.quality {
        Quality::Minor => &[0, 3, 7],
        Quality::Seventh => &[0, 4, 7, 10],
        _ => &[0, 4, 7],
    };
    class == chord.bass || tones.contains(&above)
}

/// The metres in which the feels of styles are compared, with tempi.
pub const METRES: [(Metre, f64); 3] = [
    (Metre::FourFour, 100.0),
    (Metre::ThreeFour, 100.0),
    (Metre::SixEight, 60.0),
];

/// Share of the notes of each role at each sixteenth of a bar.
fn feel(style: StyleId, metre: Metre, bpm: f64) -> Vec<f64> {
    let (analysis, chords) = song(metre, bpm);
    let mut brief = Brief::default();
    brief.styles = vec![style];
    let score = arrange(&analysis, &chords, &brief, &SETTINGS, SEED);
    let slots = if metre == Metre::FourFour { 16 } else { 12 };
    let bar_s = 60.0 / bpm * f64::from(metre.beats());
    let mut feel = vec![0.0; 4 * slots];
    for part in &score.parts {
        let row = match part.role {
            Role::Drums | Role::Percussion => 0,
            Role::Bass => 1,
            Role::Comp | Role::Pad => 2,
            Role::Figure | Role::Fills => 3,
        };
        for note in &part.notes {
            let slot = (note.start_s / bar_s * slots as f64).round() as usize % slots;
            feel[row * slots + slot] += 1.0;
        }
    }
    for row in feel.chunks_mut(slots) {
        let all = row.iter().sum::<f64>().max(1.0);
        row.iter_mut().for_each(|share| *share /= all);
    }
    feel
}

/// What sets styles apart.
pub struct Character {
    pub style: StyleId,
    /// The chords of each tune, by sixteenths of a second.
    chords: Vec<Option<Chord>>,
    /// The feel in each of [`METRES`].
    feels: [Vec<f64>; METRES.len()],
    players: Vec<&'static str>,
}

impl Character {
    pub fn of(style: StyleId) -> Self {
        let settings = HarmonySettings {
            style: Some(style),
            weirdness: 0.3,
            style_weight: 0.5,
            variety: 0.0,
        };
        let chords = TUNES
            .iter()
            .flat_map(|tune| {
                let heard = tune.heard(96.0, 0);
                let found = harmonise(&heard, &settings, 1);
                let at = move |time_s: f64| {
                    let here = found
                        .iter()
                        .find(|it| it.span.start_s <= time_s && time_s < it.span.end_s);
                    here.map(|it| it.chord)
                };
                let steps = (heard.duration_s * 4.0) as usize;
                (0..steps)
                    .map(|step| at(step as f64 / 4.0))
                    .collect::<Vec<_>>()
            })
            .collect();
        let score = score(style, 100.0);
        let mut players: Vec<&'static str> =
            score.instruments().iter().map(|it| it.name()).collect();
        players.sort_unstable();
        players.dedup();
        Self {
            style,
            chords,
            feels: METRES.map(|(metre, bpm)| feel(style, metre, bpm)),
            players,
        }
    }

    /// How far two styles are apart in chords, players and the feel in each metre, each 0..1.
    pub fn apart(&self, other: &Self) -> Apart {
        let pairs = self.chords.iter().zip(&other.chords);
        let same = pairs.filter(|(a, b)| a == b).count();
        let feels = std::array::from_fn(|metre| {
            let pairs = self.feels[metre].iter().zip(&other.feels[metre]);
            pairs.map(|(a, b)| (a - b).abs()).sum::<f64>() / 8.0
        });
        let common = self
            .players
            .iter()
            .filter(|it| other.players.contains(it))
            .count();
        let all = self.players.len() + other.players.len() - common;
        Apart {
            chords: 1.0 - same as f64 / self.chords.len() as f64,
            feels,
            players: 1.0 - common as f64 / all as f64,
        }
    }
}

/// How far two styles are apart, each 0..1.
#[derive(Debug, Clone, Copy)]
pub struct Apart {
    /// Share of the time with other chords under the same tunes.
    pub chords: f64,
    /// Distance of the places of the notes in the bar, in each of [`METRES`].
    pub feels: [f64; METRES.len()],
    /// Share of the players that only one has.
    pub players: f64,
}

impl Apart {
    pub fn sum(&self) -> f64 {
        self.chords + self.feels[0] + self.players
    }
}

/// Sensory dissonance of two pure tones (Plomp and Levelt's curve as in Sethares, "Local consonance and the relationship between
/// timbre and scale", JASA 94, 1993).
fn dissonance(low_hz: f64, high_hz: f64, amplitude: f64) -> f64 {
    let apart = 0.24 / (0.021 * low_hz + 19.0) * (high_hz - low_hz);
    amplitude * ((-3.5 * apart).exp() - (-5.75 * apart).exp())
}

/// Roughness between a sung note and the band's notes, each of five partials, moved by `shift` semitones.
fn roughness(sung: u8, band: &[(u8, f64)], shift: f64) -> f64 {
    let partials = |midi: f64| {
        let hz = 440.0 * ((midi - 69.0) / 12.0).exp2();
        (1..=5).map(move |number| (hz * f64::from(number), 0.88f64.powi(number - 1)))
    };
    let mut sum = 0.0;
    for &(midi, force) in band {
        for (a, loud) in partials(f64::from(sung)) {
            for (b, soft) in partials(f64::from(midi) + shift) {
                sum += dissonance(a.min(b), a.max(b), force * loud.min(soft));
            }
        }
    }
    sum
}

/// Of the tunes with the style's band a semitone higher and lower, how many are rougher than the band as it plays.
pub fn rougher_a_semitone_off(style: StyleId) -> (usize, usize) {
    let settings = HarmonySettings {
        style: Some(style),
        weirdness: 0.3,
        style_weight: 0.5,
        variety: 0.0,
    };
    let mut brief = Brief::default();
    brief.styles = vec![style];
    let (mut rougher, mut all) = (0, 0);
    for tune in &TUNES {
        let heard = tune.heard(96.0, 0);
        let chords = harmonise(&heard, &settings, SEED);
        let score = arrange(&heard, &chords, &brief, &SETTINGS, SEED);
        let pitched = |part: &&ScorePart| !matches!(part.role, Role::Drums | Role::Percussion);
        let mut sums = [0.0f64; 3];
        for note in &heard.notes {
            let middle_s = (note.onset_s + note.offset_s) / 2.0;
            let sounding: Vec<(u8, f64)> = score
                .parts
                .iter()
                .filter(pitched)
                .flat_map(|part| &part.notes)
                .filter(|it| it.start_s <= middle_s && middle_s < it.start_s + it.length_s)
                .map(|it| (it.midi, f64::from(it.velocity)))
                .collect();
            for (sum, shift) in sums.iter_mut().zip([0.0, 1.0, -1.0]) {
                *sum += (note.offset_s - note.onset_s) * roughness(note.midi, &sounding, shift);
            }
        }
        all += 2;
        rougher += usize::from(sums[1] > sums[0]) + usize::from(sums[2] > sums[0]);
    }
    (rougher, all)
}
