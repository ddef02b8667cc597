//! Backing voices on "ooh": a few singers a side, each a soft pulse through the vowel's resonances.

use super::wave::{NoteBuffer, NoteEnvelope, Strike, TwoPoleFilter, advance, saw, sine};
use crate::chance::Noise;

/// Resonances of "ooh" for a man in hertz, with their quality and share (after Peterson and Barney 1952); a woman's lie a
/// sixth part higher.
const OOH: [(f32, f32, f32); 3] = [(310.0, 3.0, 1.0), (880.0, 5.0, 0.32), (2300.0, 6.0, 0.05)];
/// Singers a side.
const SINGERS: usize = 3;
/// Frames between two readings of the pitch.
const CONTROL_FRAMES: usize = 32;

/// Sounds one note.
pub(super) fn voices(strike: &Strike, out: &mut NoteBuffer) {
    let rate = strike.rate;
    let envelope = NoteEnvelope::new(0.14, 0.28, strike.held, rate);
    out.reset(envelope.frames());
    let mut noise = Noise::new(strike.seed);
    let size = if strike.midi >= 58 { 1.17 } else { 1.0 };
    for side in 0..2 {
        let mut singers: Vec<BackingVoice> = (0..SINGERS)
            .map(|_| BackingVoice::new(strike, &mut noise))
            .collect();
        // A high note raises its vowel's first resonance, as trained singers do.
        let mut throat: Vec<(TwoPoleFilter, f32)> = OOH
            .iter()
            .map(|&(hz, q, share)| {
                (
                    TwoPoleFilter::new((hz * size).max(strike.hz), q, rate),
                    share,
                )
            })
            .collect();
        let mut breath = TwoPoleFilter::new(1800.0, 0.8, rate);
        let mut soft = TwoPoleFilter::new(3200.0, 0.6, rate);
        let level = 0.3 * strike.velocity / (SINGERS as f32).sqrt();
        let channel = if side == 0 {
            &mut out.left
        } else {
            &mut out.right
        };
        for (frame, sample) in channel.iter_mut().enumerate() {
            let mut pulse = 0.0;
            for singer in &mut singers {
                pulse += singer.next(frame, rate);
            }
            let mut vowel = 0.0;
            for (filter, share) in &mut throat {
                vowel += filter.band(pulse) * *share;
            }
            let air = breath.band(noise.next()) * 0.012;
            *sample = soft.low(vowel + air) * level;
        }
        envelope.shape(channel);
    }
}

struct BackingVoice {
    step: f32,
    bend: f32,
    phase: f32,
    vibrato: f32,
    vibrato_hz: f32,
    scoop_cents: f32,
}

impl BackingVoice {
    fn new(strike: &Strike, noise: &mut Noise) -> Self {
        Self {
            step: strike.hz * (noise.next() * 7.0 / 1200.0).exp2() / strike.rate,
            bend: 1.0,
            phase: noise.next() * 0.5 + 0.5,
            vibrato: noise.next() * 0.5 + 0.5,
            vibrato_hz: 5.2 + 0.6 * noise.next(),
            scoop_cents: 18.0 + 12.0 * noise.next(),
        }
    }

    fn next(&mut self, frame: usize, rate: f32) -> f32 {
        if frame.is_multiple_of(CONTROL_FRAMES) {
            let seconds = frame as f32 / rate;
            let turn = self.vibrato_hz * CONTROL_FRAMES as f32 / rate;
            let wave = sine(advance(&mut self.vibrato, turn));
            let depth = 14.0 * ((seconds - 0.35) * 2.0).clamp(0.0, 1.0);
            let cents = wave * depth - self.scoop_cents * (-seconds * 18.0).exp();
            self.bend = (cents / 1200.0).exp2();
        }
        let step = self.step * self.bend;
        saw(advance(&mut self.phase, step), 1.0 / step)
    }
}
