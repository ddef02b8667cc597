//! Measures of what a listener hears, on the score and on the finished sound of a style.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "the test and the example take what each needs"
)]

use backline_audio::{Audio, loudness};
use backline_band::{
    Brief, RATE_HZ, Role, Score, ScorePart, SoundSource, Stereo, StyleId, Voicing,
    analysis::{Chord, HarmonySettings, Quality},
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
        let sung = voice_of(&analysis, RATE_HZ).channels.remove(0);
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
            unmasked: unmasked(&voice, &band),
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

pub fn unmasked(voice: &[f32], band: &Stereo) -> f64 {
    const SIZE: usize = 2048;
    let clarity = |samples: &[f32]| {
        let [middle] = band_powers(samples, SIZE, [(1000.0, 4000.0)]);
        middle
    };
    let voice = clarity(voice);
    let (left, right) = (clarity(&band.left), clarity(&band.right));
    let loudest = voice.iter().copied().fold(0.0, f64::max);
    let mut sung = 0usize;
    let mut clear = 0usize;
    for ((voice, left), right) in voice.iter().zip(left).zip(right) {
        if *voice < loudest * 1e-3 {
            continue;
        }
        sung += 1;
        clear += usize::from(2.0 * voice >= (left + right) * 0.5);
    }
    clear as f64 / sung.max(1) as f64
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

/// Standard deviation in milliseconds of the strokes of the kit and of the bass from the beats near which they are.
pub fn timing_sd_ms(style: StyleId) -> f64 {
    let score = score(style, 100.0);
    let mut offs: Vec<f64> = Vec::new();
    let steady = |part: &&ScorePart| matches!(part.role, Role::Drums | Role::Bass);
    for part in score.parts.iter().filter(steady) {
        for note in &part.notes {
            let off = score
                .beats
                .iter()
                .map(|beat| note.start_s - beat.time_s)
                .min_by(|a, b| a.abs().total_cmp(&b.abs()))
                .unwrap_or(f64::NAN);
            if off.abs() < 0.05 {
                offs.push(1000.0 * off);
            }
        }
    }
    let mean = offs.iter().sum::<f64>() / offs.len() as f64;
    (offs.iter().map(|off| (off - mean).powi(2)).sum::<f64>() / offs.len() as f64).sqrt()
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

/// What sets styles apart.
pub struct Character {
    pub style: StyleId,
    /// The chords of each tune, by sixteenths of a second.
    chords: Vec<Option<Chord>>,
    /// Share of the notes of each role at each sixteenth of a bar.
    feel: Vec<f64>,
    players: Vec<&'static str>,
}

impl Character {
    pub fn of(style: StyleId) -> Self {
        let settings = HarmonySettings {
            vocabulary: style.vocabulary(),
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
        let bar_s = 2.4;
        let mut feel = vec![0.0; 4 * 16];
        for part in &score.parts {
            let row = match part.role {
                Role::Drums | Role::Percussion => 0,
                Role::Bass => 1,
                Role::Comp | Role::Pad => 2,
                Role::Figure | Role::Fills => 3,
            };
            for note in &part.notes {
                let slot = (note.start_s / bar_s * 16.0).round() as usize % 16;
                feel[row * 16 + slot] += 1.0;
            }
        }
        for row in feel.chunks_mut(16) {
            let all = row.iter().sum::<f64>().max(1.0);
            row.iter_mut().for_each(|share| *share /= all);
        }
        let mut players: Vec<&'static str> =
            score.instruments().iter().map(|it| it.name()).collect();
        players.sort_unstable();
        players.dedup();
        Self {
            style,
            chords,
            feel,
            players,
        }
    }

    /// How far two styles are apart in chords, feel and players, each 0..1.
    pub fn apart(&self, other: &Self) -> [f64; 3] {
        let pairs = self.chords.iter().zip(&other.chords);
        let same = pairs.filter(|(a, b)| a == b).count();
        let chords = 1.0 - same as f64 / self.chords.len() as f64;
        let feel = self
            .feel
            .iter()
            .zip(&other.feel)
            .map(|(a, b)| (a - b).abs())
            .sum::<f64>()
            / 8.0;
        let common = self
            .players
            .iter()
            .filter(|it| other.players.contains(it))
            .count();
        let all = self.players.len() + other.players.len() - common;
        [chords, feel, 1.0 - common as f64 / all as f64]
    }
}
