//! Synthesises the kits: every piece is a few modes and filtered noise.
//!
//! A stroke is computed once for each of three forces and four variants, and copied wherever it is played.

use std::collections::BTreeMap;

use super::{
    partials::Partials,
    wave::{TwoPoleFilter, decay_per_frame, sine},
};
use crate::{
    arrange::Instrument,
    chance::{Chance, Noise},
};

/// A kit, with a cache of its strokes.
pub(super) struct Kit {
    instrument: Instrument,
    rate: f32,
    seed: u64,
    made: BTreeMap<(u8, u8, u8), Vec<f32>>,
}

impl Kit {
    /// A kit for `instrument`, with its own random numbers.
    pub(super) fn new(instrument: Instrument, seed: u64, rate: f32) -> Self {
        Self {
            instrument,
            rate,
            seed,
            made: BTreeMap::new(),
        }
    }

    /// The samples of a stroke, already at its force.
    pub(super) fn stroke(&mut self, midi: u8, velocity: f32, variant: u8) -> (&[f32], f32) {
        let layer = if velocity < 0.55 {
            0u8
        } else {
            u8::from(velocity >= 0.82) + 1
        };
        let (instrument, rate, seed) = (self.instrument, self.rate, self.seed);
        let made = self.made.entry((midi, layer, variant)).or_insert_with(|| {
            let mut chance = Chance::new(
                seed,
                &[61, u64::from(midi), u64::from(layer), u64::from(variant)],
            );
            let force = [0.42, 0.7, 0.95][usize::from(layer)];
            let mut samples = piece(instrument, midi, force, &mut chance, rate);
            ease_out(&mut samples, rate);
            samples
        });
        (made, velocity.powf(1.35))
    }

    /// The position of a piece, −1 left … 1 right, as the audience sees the kit.
    pub(super) fn place(midi: u8) -> f32 {
        match midi {
            42 | 44 | 46 => 0.3,
            51 => -0.35,
            49 => 0.4,
            50 => 0.3,
            47 => 0.0,
            45 => -0.35,
            70 => 0.35,
            54 => -0.4,
            63 => -0.25,
            64 => -0.4,
            56 => 0.25,
            75 => 0.15,
            39 => -0.05,
            37 => 0.08,
            _ => 0.0,
        }
    }
}

/// Fades out the last hundredth of a second.
fn ease_out(samples: &mut [f32], rate: f32) {
    let fade = ((0.012 * rate) as usize).min(samples.len());
    let from = samples.len() - fade;
    for (step, sample) in samples[from..].iter_mut().enumerate() {
        *sample *= 1.0 - (step + 1) as f32 / fade as f32;
    }
}

fn piece(instrument: Instrument, midi: u8, force: f32, chance: &mut Chance, rate: f32) -> Vec<f32> {
    let machine = instrument == Instrument::ElectronicKit;
    let brushes = instrument == Instrument::BrushKit;
    let tune = chance.between(0.985, 1.015);
    let mut noise = Noise::new(chance.seed());
    match midi {
        36 if machine => thump(rate, 0.42, 48.0, 140.0, 0.035, 0.25 * force, &mut noise),
        36 => thump(rate, 0.3, 54.0 * tune, 78.0, 0.022, 0.4 * force, &mut noise),
        38 if brushes => hiss(rate, 0.16, 0.006, 0.10, (900.0, 5200.0), 0.5, &mut noise),
        38 if machine => snare(
            rate,
            0.28,
            &[(190.0, 0.5, 0.11), (330.0, 0.25, 0.07)],
            (1100.0, 7500.0),
            0.17,
            0.55,
            &mut noise,
        ),
        38 => snare(
            rate,
            0.3,
            &[
                (186.0 * tune, 0.5, 0.16),
                (332.0 * tune, 0.3, 0.1),
                (520.0 * tune, 0.1, 0.06),
            ],
            (900.0, 6500.0 * (0.6 + 0.4 * force)),
            0.19,
            0.5,
            &mut noise,
        ),
        37 => snare(
            rate,
            0.12,
            &[(430.0 * tune, 0.45, 0.04), (1680.0 * tune, 0.3, 0.03)],
            (1500.0, 5000.0),
            0.02,
            0.2,
            &mut noise,
        ),
        39 => clap(rate, &mut noise),
        42 => hats(rate, 0.055, force, tune, machine, &mut noise),
        44 => hats(rate, 0.07, force, tune, machine, &mut noise)
            .into_iter()
            .map(|sample| sample * 0.7)
            .collect(),
        46 => hats(rate, 0.5, force, tune, machine, &mut noise),
        45 => thump(rate, 0.9, 82.0 * tune, 60.0, 0.05, 0.4 * force, &mut noise),
        47 => thump(
            rate,
            0.75,
            118.0 * tune,
            70.0,
            0.045,
            0.4 * force,
            &mut noise,
        ),
        50 => thump(rate, 0.6, 160.0 * tune, 80.0, 0.04, 0.4 * force, &mut noise),
        49 => crash(rate, force, &mut noise),
        51 => ride(rate, tune, force, &mut noise),
        27 => hiss(rate, 0.34, 0.12, 0.2, (1600.0, 5200.0), 0.35, &mut noise),
        54 => jingle(rate, tune, &mut noise),
        70 => hiss(rate, 0.09, 0.022, 0.05, (4200.0, 8200.0), 0.6, &mut noise),
        63 => snare(
            rate,
            0.3,
            &[(312.0 * tune, 0.8, 0.2), (705.0 * tune, 0.2, 0.05)],
            (900.0, 3000.0),
            0.015,
            0.25,
            &mut noise,
        ),
        64 => snare(
            rate,
            0.36,
            &[(196.0 * tune, 0.8, 0.26), (450.0 * tune, 0.2, 0.06)],
            (700.0, 2500.0),
            0.015,
            0.2,
            &mut noise,
        ),
        56 => snare(
            rate,
            0.3,
            &[(562.0, 0.5, 0.22), (845.0, 0.45, 0.2), (1690.0, 0.12, 0.1)],
            (1000.0, 3000.0),
            0.01,
            0.08,
            &mut noise,
        ),
        _ => snare(
            rate,
            0.12,
            &[(2480.0 * tune, 0.6, 0.07), (3710.0 * tune, 0.12, 0.03)],
            (2000.0, 5000.0),
            0.004,
            0.1,
            &mut noise,
        ),
    }
}

/// A skin: a sine that falls in pitch, and the beater.
fn thump(
    rate: f32,
    seconds: f32,
    hz: f32,
    drop_hz: f32,
    drop_s: f32,
    click: f32,
    noise: &mut Noise,
) -> Vec<f32> {
    let frames = (seconds * rate) as usize;
    let fall = decay_per_frame(seconds * 0.9, rate);
    let click_fall = decay_per_frame(0.012, rate);
    let (mut phase, mut level, mut beater) = (0.0f32, 0.9f32, click);
    let mut skin = TwoPoleFilter::new(2600.0, 0.7, rate);
    (0..frames)
        .map(|frame| {
            let now = frame as f32 / rate;
            phase += (hz + drop_hz * (-now / drop_s).exp()) / rate;
            phase -= phase.floor();
            let rise = (now / 0.0012).min(1.0);
            let sample = sine(phase) * level + skin.low(noise.next()) * beater;
            level *= fall;
            beater *= click_fall;
            sample * rise
        })
        .collect()
}

/// Modes (hertz, level, decay) and wires.
fn snare(
    rate: f32,
    seconds: f32,
    modes: &[(f32, f32, f32)],
    wires_hz: (f32, f32),
    wires_s: f32,
    wires: f32,
    noise: &mut Noise,
) -> Vec<f32> {
    let mut skin = Partials::new();
    for &(hz, level, decay_s) in modes {
        skin.add(hz, level, decay_s * 2.0, 0.0, rate);
    }
    let (mut high, mut low) = (
        TwoPoleFilter::new(wires_hz.0, 0.7, rate),
        TwoPoleFilter::new(wires_hz.1, 0.6, rate),
    );
    let fall = decay_per_frame(wires_s * 1.6, rate);
    let mut level = wires;
    skin.samples((seconds * rate) as usize)
        .into_iter()
        .enumerate()
        .map(|(frame, skin)| {
            let rise = (frame as f32 / rate / 0.0006).min(1.0);
            let rattle = low.low(high.high(noise.next())) * level;
            level *= fall;
            (skin + rattle) * rise
        })
        .collect()
}

/// Three claps, slightly apart, and their reverb.
fn clap(rate: f32, noise: &mut Noise) -> Vec<f32> {
    let mut band = TwoPoleFilter::new(1250.0, 1.1, rate);
    let mut low = TwoPoleFilter::new(5200.0, 0.6, rate);
    (0..(0.26 * rate) as usize)
        .map(|frame| {
            let now = frame as f32 / rate;
            let hands: f32 = [0.0, 0.011, 0.021]
                .iter()
                .map(|&start| {
                    if now >= start {
                        (-(now - start) * 260.0).exp()
                    } else {
                        0.0
                    }
                })
                .sum();
            let tail = if now >= 0.024 {
                0.55 * (-(now - 0.024) * 24.0).exp()
            } else {
                0.0
            };
            low.low(band.band(noise.next())) * (hands + tail) * 0.9
        })
        .collect()
}

/// Two cymbals: noise above, a cluster of inharmonic tones within.
fn hats(
    rate: f32,
    decay_s: f32,
    force: f32,
    tune: f32,
    machine: bool,
    noise: &mut Noise,
) -> Vec<f32> {
    let mut metal = Partials::new();
    for (number, hz) in [3140.0, 4233.0, 5107.0, 6021.0, 7389.0, 8473.0]
        .into_iter()
        .enumerate()
    {
        metal.add(
            hz * tune,
            if machine { 0.07 } else { 0.035 },
            decay_s * 2.2,
            number as f32 * 0.17,
            rate,
        );
    }
    let (mut high, mut low) = (
        TwoPoleFilter::new(if machine { 6200.0 } else { 4500.0 }, 0.7, rate),
        TwoPoleFilter::new(7500.0 + 6000.0 * force, 0.6, rate),
    );
    let fall = decay_per_frame(decay_s * 2.4, rate);
    let mut level = 0.42;
    metal
        .samples(((decay_s * 2.4 + 0.02) * rate) as usize)
        .into_iter()
        .enumerate()
        .map(|(frame, metal)| {
            let rise = (frame as f32 / rate / 0.0008).min(1.0);
            let sample = low.low(high.high(noise.next())) * level + metal;
            level *= fall;
            sample * rise
        })
        .collect()
}

fn crash(rate: f32, force: f32, noise: &mut Noise) -> Vec<f32> {
    let (mut high, mut low) = (
        TwoPoleFilter::new(1500.0, 0.5, rate),
        TwoPoleFilter::new(9500.0, 0.6, rate),
    );
    (0..(2.8 * rate) as usize)
        .map(|frame| {
            let now = frame as f32 / rate;
            if frame % 64 == 0 {
                low.tune(3200.0 + 9000.0 * force * (-now * 1.4).exp(), 0.6, rate);
            }
            let rise = (now / 0.003).min(1.0);
            low.low(high.high(noise.next())) * rise * 0.5 * (-now * 1.7).exp()
        })
        .collect()
}

fn ride(rate: f32, tune: f32, force: f32, noise: &mut Noise) -> Vec<f32> {
    let mut metal = Partials::new();
    for (number, (hz, level)) in [
        (1020.0, 0.05),
        (2137.0, 0.06),
        (3211.0, 0.07),
        (4373.0, 0.05),
        (5519.0, 0.04),
        (7043.0, 0.025),
    ]
    .into_iter()
    .enumerate()
    {
        metal.add(hz * tune, level, 1.5, number as f32 * 0.23, rate);
    }
    let (mut high, mut low) = (
        TwoPoleFilter::new(4200.0, 0.7, rate),
        TwoPoleFilter::new(9000.0, 0.6, rate),
    );
    metal
        .samples((1.3 * rate) as usize)
        .into_iter()
        .enumerate()
        .map(|(frame, metal)| {
            let now = frame as f32 / rate;
            let rise = (now / 0.0008).min(1.0);
            let stick = (-now * 90.0).exp() * 0.35 * force + (-now * 4.0).exp() * 0.07;
            (low.low(high.high(noise.next())) * stick + metal) * rise
        })
        .collect()
}

fn jingle(rate: f32, tune: f32, noise: &mut Noise) -> Vec<f32> {
    let mut metal = Partials::new();
    for (number, hz) in [5210.0, 6730.0, 7990.0, 9120.0].into_iter().enumerate() {
        metal.add(hz * tune, 0.06, 0.25, number as f32 * 0.31, rate);
    }
    let mut high = TwoPoleFilter::new(6000.0, 0.8, rate);
    metal
        .samples((0.22 * rate) as usize)
        .into_iter()
        .enumerate()
        .map(|(frame, metal)| {
            let now = frame as f32 / rate;
            let rise = (now / 0.004).min(1.0);
            (high.high(noise.next()) * 0.3 * (-now * 34.0).exp() + metal) * rise
        })
        .collect()
}

/// Shaped noise: a rise, a fall, a band.
fn hiss(
    rate: f32,
    seconds: f32,
    rise_s: f32,
    fall_s: f32,
    band_hz: (f32, f32),
    level: f32,
    noise: &mut Noise,
) -> Vec<f32> {
    let (mut high, mut low) = (
        TwoPoleFilter::new(band_hz.0, 0.7, rate),
        TwoPoleFilter::new(band_hz.1, 0.7, rate),
    );
    (0..(seconds * rate) as usize)
        .map(|frame| {
            let now = frame as f32 / rate;
            let shape = if now < rise_s {
                now / rise_s
            } else {
                (-(now - rise_s) / fall_s * 3.0).exp()
            };
            low.low(high.high(noise.next())) * shape * level
        })
        .collect()
}
