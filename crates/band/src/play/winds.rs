//! Flute and saxophone: one player, who breathes, leans into a note and lets it sway.
//!
//! A wind instrument is brighter when it is louder: its upper harmonics rise faster than the level (Fletcher and Rossing, The Physics
//! of Musical Instruments, 14.6). So brightness follows the breath, not the key that is pressed.

use super::wave::{NoteBuffer, NoteEnvelope, Strike, TwoPoleFilter, advance, saw, sine};
use crate::chance::Noise;

/// Frames between two updates of breath, pitch and filters.
const CONTROL_FRAMES: usize = 32;

/// What a player does over a note.
struct Breath {
    strike: Strike,
    vibrato: f32,
    vibrato_hz: f32,
    /// Greatest depth of the vibrato in cents, and how far below its pitch a note starts.
    depth_cents: f32,
    scoop_cents: f32,
}

/// The breath at one moment.
struct Moment {
    /// Pitch, relative to the note's.
    bend: f32,
    /// Pressure, about 1 in the middle of a note.
    pressure: f32,
}

impl Breath {
    fn new(strike: &Strike, noise: &mut Noise, depth_cents: f32, scoop_cents: f32) -> Self {
        Self {
            strike: *strike,
            vibrato: noise.next() * 0.5 + 0.5,
            vibrato_hz: 5.0 + 0.4 * noise.next(),
            depth_cents: depth_cents * (1.0 + 0.3 * noise.next()),
            scoop_cents: scoop_cents * (1.0 + 0.5 * noise.next()),
        }
    }

    /// The breath `seconds` after the start of the note: the vibrato comes late, long notes swell and fade a little.
    fn at(&mut self, seconds: f32) -> Moment {
        let turn = self.vibrato_hz * CONTROL_FRAMES as f32 / self.strike.rate;
        let wave = sine(advance(&mut self.vibrato, turn));
        let sway = ((seconds - 0.28) * 2.5).clamp(0.0, 1.0);
        let cents = wave * sway * self.depth_cents - self.scoop_cents * (-seconds * 28.0).exp();
        let held_s = (self.strike.held as f32 / self.strike.rate).max(0.05);
        let share = (seconds / held_s).min(1.0);
        let swell = 0.88 + 0.2 * share * (2.0 - 2.0 * share);
        let accent = 0.12 * (-seconds * 16.0).exp();
        Moment {
            bend: (cents / 1200.0).exp2(),
            pressure: swell + accent + 0.05 * wave * sway,
        }
    }
}

/// A breathy tone whose octave and twelfth grow with the breath.
pub(super) fn flute(strike: &Strike, out: &mut NoteBuffer) {
    let rate = strike.rate;
    let envelope = NoteEnvelope::new(0.055, 0.12, strike.held, rate);
    out.reset_mono(envelope.frames());
    let mut noise = Noise::new(strike.seed);
    let mut breath = Breath::new(strike, &mut noise, 9.0, 12.0);
    let mut air = TwoPoleFilter::new((strike.hz * 2.0).min(6000.0), 1.2, rate);
    let mut hiss = TwoPoleFilter::new(4500.0, 0.7, rate);
    let mut phase = 0.0f32;
    for (number, block) in out.left.chunks_mut(CONTROL_FRAMES).enumerate() {
        let moment = breath.at((number * CONTROL_FRAMES) as f32 / rate);
        let force = strike.velocity * moment.pressure;
        let step = strike.hz * moment.bend / rate;
        let (second, third, fourth) = (0.2 + 0.45 * force, 0.45 * force, 0.2 * force * force);
        for sample in block {
            let here = advance(&mut phase, step);
            let tone = sine(here)
                + second * sine(here * 2.0)
                + third * sine(here * 3.0)
                + fourth * (sine(here * 4.0) + 0.5 * sine(here * 5.0));
            let white = noise.next();
            let blown = air.band(white) * 0.12 + hiss.band(white) * 0.03;
            *sample = (tone * moment.pressure + blown) * strike.velocity * 0.26;
        }
    }
    envelope.shape(&mut out.left);
}

/// The resonances of a tenor saxophone's bore and mouthpiece in hertz, with quality and share.
const SAX_FORMANTS: [(f32, f32, f32); 3] =
    [(560.0, 1.3, 1.0), (1350.0, 1.6, 0.8), (2900.0, 1.4, 0.45)];

/// A reed on a cone: all harmonics, through a low-pass that opens with the breath and the resonances of bore and mouthpiece.
pub(super) fn saxophone(strike: &Strike, out: &mut NoteBuffer) {
    let rate = strike.rate;
    let envelope = NoteEnvelope::new(0.03, 0.08, strike.held, rate);
    out.reset_mono(envelope.frames());
    let mut noise = Noise::new(strike.seed);
    let mut breath = Breath::new(strike, &mut noise, 16.0, 35.0);
    let mut reed = TwoPoleFilter::new(1000.0, 0.7, rate);
    let mut formants = SAX_FORMANTS.map(|(hz, q, share)| (TwoPoleFilter::new(hz, q, rate), share));
    let mut hiss = TwoPoleFilter::new(3200.0, 0.6, rate);
    let mut phase = 0.0f32;
    for (number, block) in out.left.chunks_mut(CONTROL_FRAMES).enumerate() {
        let seconds = (number * CONTROL_FRAMES) as f32 / rate;
        let moment = breath.at(seconds);
        let rise = (seconds / 0.05).min(1.0);
        let force = strike.velocity * moment.pressure * (0.4 + 0.6 * rise);
        reed.tune(strike.hz + 700.0 + 4800.0 * force * force, 0.7, rate);
        let step = strike.hz * moment.bend / rate;
        for sample in block {
            // A saw less half of its octave: a pulse, as wide as the reed is open.
            let here = advance(&mut phase, step);
            let pulse = saw(here, 1.0 / step) - 0.4 * saw(here * 2.0, 0.5 / step);
            let blown = hiss.band(noise.next()) * 0.05;
            let driven = reed.low(pulse + blown);
            let mut heard = 0.3 * driven;
            for (formant, share) in &mut formants {
                heard += formant.band(driven) * *share;
            }
            *sample = heard * moment.pressure * strike.velocity * 0.3;
        }
    }
    envelope.shape(&mut out.left);
}
