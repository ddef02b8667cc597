//! Measures each instrument of the band by itself, and beside a SoundFont's recording of the same notes, one JSON object a line.
//!
//! ```text
//! cargo run --release -p backline-band --features soundfont --example instruments -- [FONT.sf2] [FOLDER]
//! ```
//!
//! With a folder, the notes are written to it as WAV files.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measuring program prints, and one that unwraps says where it failed"
)]

#[path = "../tests/song/mod.rs"]
mod song;

use std::{fs, path::Path};

use backline_audio::{Audio, Encoding, encode};
use backline_band::{
    Articulation, Font, Instrument, RATE_HZ, Role, Score, ScoreNote, ScorePart, SoundSource,
    Stereo, play,
};
use rustfft::{FftPlanner, num_complex::Complex};
use serde_json::{Value, json};
use song::dry;

/// Seconds from note to note, and how long each is held.
const EVERY_S: f64 = 3.0;
const HELD_S: f64 = 1.2;
/// How hard the notes are struck: softly at each pitch, then loudly.
const VELOCITIES: [f32; 2] = [0.35, 0.9];

fn main() {
    let mut args = std::env::args().skip(1);
    let font = args
        .next()
        .map(|path| Font::read(&fs::read(path).unwrap()).unwrap());
    let folder = args.next();
    for instrument in Instrument::ALL {
        let pitches = pitches(instrument);
        let score = score(instrument, pitches);
        let own = play(&score, &SoundSource::Own, 1, 1);
        let mut row = json!({ "instrument": instrument.name(), "own": measured(&own, pitches) });
        let mut made = vec![("own", own)];
        if let Some(font) = &font {
            let lent = play(&score, &SoundSource::Font(font.clone()), 1, 1);
            if lent != made[0].1 {
                row["font"] = measured(&lent, pitches);
                row["spectrum_apart_db"] = json!(apart_db(&made[0].1, &lent, pitches.len()));
                made.push(("font", lent));
            }
        }
        println!("{row}");
        for (source, sound) in made.iter().filter(|_| folder.is_some()) {
            let folder = Path::new(folder.as_deref().unwrap_or_default());
            fs::create_dir_all(folder).unwrap();
            let audio = Audio {
                rate_hz: RATE_HZ,
                channels: vec![sound.left.clone(), sound.right.clone()],
            };
            let name = format!("{}-{source}.wav", instrument.name().replace(' ', "-"));
            fs::write(folder.join(name), encode(&audio, Encoding::Wav16).unwrap()).unwrap();
        }
    }
}

/// A few notes within the usual range; of kits, General MIDI's numbers of their pieces.
fn pitches(instrument: Instrument) -> &'static [u8] {
    use Instrument as I;
    match instrument {
        I::AcousticKit | I::BrushKit | I::ElectronicKit => {
            &[36, 38, 37, 42, 46, 49, 51, 45, 47, 50]
        }
        I::HandPercussion => &[54, 56, 63, 64, 70, 75],
        I::FingerBass | I::UprightBass | I::SynthBass | I::SubBass => &[31, 38, 45],
        I::Glockenspiel => &[79, 84, 91],
        I::Flute => &[67, 74, 81],
        I::DistortedGuitar => &[43, 50, 57],
        _ => &[50, 60, 69],
    }
}

fn score(instrument: Instrument, pitches: &[u8]) -> Score {
    let strokes = VELOCITIES
        .iter()
        .flat_map(|velocity| pitches.iter().map(|midi| (*midi, *velocity)));
    let notes: Vec<ScoreNote> = strokes
        .enumerate()
        .map(|(at, (midi, velocity))| ScoreNote {
            start_s: 0.5 + at as f64 * EVERY_S,
            length_s: HELD_S,
            midi,
            velocity,
            articulation: Articulation::Normal,
        })
        .collect();
    let length_s = 0.5 + notes.len() as f64 * EVERY_S;
    let part = ScorePart {
        instrument,
        role: Role::Comp,
        pan: 0.0,
        level_db: 0.0,
        notes,
    };
    dry(part, length_s)
}

/// The middle of both sides from the note number `at` on, `length_s` long.
fn note(sound: &Stereo, at: usize, from_s: f64, length_s: f64) -> Vec<f32> {
    let frame = |time_s: f64| (time_s * f64::from(RATE_HZ)) as usize;
    let from = frame(0.5 + at as f64 * EVERY_S + from_s);
    let range = from..(from + frame(length_s)).min(sound.left.len());
    let pairs = sound.left[range.clone()].iter().zip(&sound.right[range]);
    pairs.map(|(left, right)| 0.5 * (left + right)).collect()
}

fn measured(sound: &Stereo, pitches: &[u8]) -> Value {
    let rows: Vec<Value> = (0..pitches.len())
        .map(|at| {
            let (soft, loud) = (at, at + pitches.len());
            let envelope = envelope_db(&note(sound, loud, -0.2, 2.0));
            let top = envelope.iter().copied().fold(f64::MIN, f64::max);
            let risen = envelope.iter().position(|level| *level > top - 3.0);
            let peak = envelope.iter().position(|level| *level >= top).unwrap();
            let level = |sound: Vec<f32>| {
                10.0 * (sound.iter().map(|x| f64::from(x * x)).sum::<f64>() / sound.len() as f64)
                    .log10()
            };
            let centroids_hz =
                [soft, loud].map(|at| centroid_hz(&note(sound, at, 0.02, 0.6)).round());
            let louder_db = level(note(sound, loud, 0.0, 0.6)) - level(note(sound, soft, 0.0, 0.6));
            json!({
                "midi": pitches[at],
                "centroid_hz": centroids_hz,
                "louder_db": louder_db,
                "risen_ms": risen.map(|at| at as f64 * 5.0 - 200.0),
                "falls_db": top - envelope[(peak + 160).min(239)],
                "octaves_db": bands_db(&note(sound, loud, 0.02, 0.6)),
            })
        })
        .collect();
    json!(rows)
}

/// Level of each 5 ms.
fn envelope_db(sound: &[f32]) -> Vec<f64> {
    sound
        .chunks(RATE_HZ as usize / 200)
        .map(|part| {
            let power = part.iter().map(|x| f64::from(x * x)).sum::<f64>() / part.len() as f64;
            10.0 * power.max(1e-12).log10()
        })
        .collect()
}

fn spectrum(sound: &[f32]) -> Vec<f64> {
    const SIZE: usize = 32_768;
    let mut frame: Vec<Complex<f32>> = (0..SIZE)
        .map(|at| {
            let value = sound.get(at).copied().unwrap_or(0.0);
            let share = (at as f32 / sound.len() as f32).min(1.0);
            let window = 0.5 + 0.5 * (std::f32::consts::PI * share).cos();
            Complex::new(value * window, 0.0)
        })
        .collect();
    FftPlanner::new().plan_fft_forward(SIZE).process(&mut frame);
    frame[..SIZE / 2]
        .iter()
        .map(|at| f64::from(at.norm_sqr()))
        .collect()
}

fn hz_of(bin: usize) -> f64 {
    bin as f64 * f64::from(RATE_HZ) / 32_768.0
}

/// The mean frequency, weighted by amplitude.
fn centroid_hz(sound: &[f32]) -> f64 {
    let powers = spectrum(sound);
    let most = powers.iter().copied().fold(0.0, f64::max);
    let (mut sum, mut all) = (0.0, 0.0);
    for (bin, power) in powers.iter().enumerate() {
        if *power > most * 1e-6 {
            sum += hz_of(bin) * power.sqrt();
            all += power.sqrt();
        }
    }
    sum / all
}

/// Levels of the octaves from 62 Hz to 8 kHz, the loudest 0.
fn bands_db(sound: &[f32]) -> Vec<f64> {
    let powers = spectrum(sound);
    let levels: Vec<f64> = (0..8)
        .map(|octave| {
            let middle = 62.5 * f64::from(1 << octave);
            let half = std::f64::consts::SQRT_2;
            let power: f64 = powers
                .iter()
                .enumerate()
                .filter(|(bin, _)| (middle / half..middle * half).contains(&hz_of(*bin)))
                .map(|(_, power)| power)
                .sum();
            10.0 * power.max(1e-12).log10()
        })
        .collect();
    let most = levels.iter().copied().fold(f64::MIN, f64::max);
    levels
        .iter()
        .map(|level| (level - most).max(-60.0).round())
        .collect()
}

/// RMS difference of the octaves of all notes, where either is within 40 dB of its loudest.
fn apart_db(one: &Stereo, other: &Stereo, pitches: usize) -> f64 {
    let (mut sum, mut count) = (0.0, 0usize);
    for at in 0..2 * pitches {
        let pair = [one, other].map(|sound| bands_db(&note(sound, at, 0.02, 0.6)));
        for (a, b) in pair[0].iter().zip(&pair[1]) {
            if a.max(*b) > -40.0 {
                sum += (a.max(-50.0) - b.max(-50.0)).powi(2);
                count += 1;
            }
        }
    }
    (sum / count as f64).sqrt()
}
