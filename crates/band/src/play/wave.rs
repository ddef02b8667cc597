//! The building blocks of synthesis: sine, sawtooth, envelopes, filters.

use std::f32::consts::PI;

/// One note that is to be sounded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Strike {
    /// Fundamental in hertz.
    pub(super) hz: f32,
    /// MIDI note number, for parameters that depend on the register.
    pub(super) midi: u8,
    /// Frames until the key is released.
    pub(super) held: usize,
    /// How hard, 0..1.
    pub(super) velocity: f32,
    /// Damped with the palm.
    pub(super) muted: bool,
    /// Left ringing.
    pub(super) ringing: bool,
    /// Start in seconds, for modulation that is independent of the notes (tremolo, rotor).
    pub(super) start_s: f64,
    /// Seed of the note's own random numbers.
    pub(super) seed: u64,
    /// Frames per second.
    pub(super) rate: f32,
}

/// A buffer for one note: two channels of equal length, or the left one alone for both.
#[derive(Default)]
pub(super) struct NoteBuffer {
    pub(super) left: Vec<f32>,
    pub(super) right: Vec<f32>,
    /// Whether the left channel is for both sides.
    pub(super) mono: bool,
}

impl NoteBuffer {
    /// Clears it to `frames` frames of silence on both sides.
    pub(super) fn reset(&mut self, frames: usize) {
        self.mono = false;
        for channel in [&mut self.left, &mut self.right] {
            channel.clear();
            channel.resize(frames, 0.0);
        }
    }

    /// Clears it to `frames` frames of silence on the left channel, for both sides.
    pub(super) fn reset_mono(&mut self, frames: usize) {
        self.mono = true;
        self.left.clear();
        self.left.resize(frames, 0.0);
        self.right.clear();
    }
}

/// The distance to the nearest whole number, −.5..=.5, for turns of any moderate number: a sum that large keeps no fraction.
pub(super) fn turn(turns: f32) -> f32 {
    const WHOLE: f32 = 12_582_912.0;
    turns - ((turns + WHOLE) - WHOLE)
}

/// sin(2πx), by a polynomial of degree 9 on the folded quarter wave (error below 4e-6): the same on every machine.
pub(super) fn sine(turns: f32) -> f32 {
    let turned = turn(turns);
    let folded = 0.25 - (turned.abs() - 0.25).abs();
    let x = folded * 2.0 * PI;
    let square = x * x;
    let value = x
        * (1.0
            - square
                * (1.0 / 6.0)
                * (1.0
                    - square
                        * (1.0 / 20.0)
                        * (1.0 - square * (1.0 / 42.0) * (1.0 - square * (1.0 / 72.0)))));
    value.copysign(turned)
}

/// A phase that counts turns, kept in 0..1.
pub(super) fn advance(phase: &mut f32, step: f32) -> f32 {
    *phase += step;
    if *phase >= 1.0 {
        *phase -= 1.0;
    }
    *phase
}

/// A band-limited sawtooth after `turns` turns, `frames` to a turn: the step is rounded by a two-sample polynomial (polyBLEP;
/// Välimäki and Huovilainen 2007).
pub(super) fn saw(turns: f32, frames: f32) -> f32 {
    let turned = turn(turns);
    // Frames from the middle of the rise. Up to `edge` the step before is rounded, from `-edge` on the next one.
    let (at, edge) = (turned * frames, 1.0 - 0.5 * frames);
    let (after, before) = ((edge - at).max(0.0), (edge + at).max(0.0));
    2.0 * turned + (after * after - before * before)
}

/// The soft clipper x / √(1 + x²) without aliasing of the first order: the mean of the curve between two samples, which is the
/// difference of its antiderivative √(1 + x²) over theirs (Parker, Zavalishin and Le Bivic, DAFx 2016). Half a frame late.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct SoftClipper {
    before: f32,
}

impl SoftClipper {
    /// The next sample.
    pub(super) fn next(&mut self, input: f32) -> f32 {
        let root = |x: f32| (1.0 + x * x).sqrt();
        let clipped = (input + self.before) / (root(input) + root(self.before));
        self.before = input;
        clipped
    }
}

/// The factor per frame with which something falls by 60 dB in `seconds`.
pub(super) fn decay_per_frame(seconds: f32, rate: f32) -> f32 {
    (-6.907_755 / (seconds.max(0.001) * rate)).exp()
}

/// Attack, sustain and release, without corners: a corner would click.
pub(super) struct NoteEnvelope {
    attack: f32,
    held: f32,
    release: f32,
}

impl NoteEnvelope {
    /// An envelope with times in seconds over a note held for `held` frames.
    pub(super) fn new(attack_s: f32, release_s: f32, held: usize, rate: f32) -> Self {
        Self {
            attack: (attack_s * rate).max(1.0),
            held: held as f32,
            release: (release_s * rate).max(1.0),
        }
    }

    /// Frames until it is silent.
    pub(super) fn frames(&self) -> usize {
        (self.held + self.release) as usize + 1
    }

    /// Gain at `frame`, 0..1.
    pub(super) fn at(&self, frame: usize) -> f32 {
        let now = frame as f32;
        let rise = (now / self.attack).min(1.0);
        let rise = rise * rise * (3.0 - 2.0 * rise);
        if now < self.held {
            return rise;
        }
        let fall = (1.0 - (now - self.held) / self.release).max(0.0);
        rise * fall * fall
    }

    /// Applies the envelope to a whole note; the sustain has gain 1.
    pub(super) fn shape(&self, samples: &mut [f32]) {
        let rise = (self.attack as usize + 1).min(samples.len());
        let fall = (self.held as usize).clamp(rise, samples.len());
        for (frame, sample) in samples[..rise].iter_mut().enumerate() {
            *sample *= self.at(frame);
        }
        for (frame, sample) in samples[fall..].iter_mut().enumerate() {
            *sample *= self.at(fall + frame);
        }
    }
}

/// A two-pole filter in the trapezoidal state-variable form (Zavalishin, The Art of VA Filter Design).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct TwoPoleFilter {
    pub(super) a1: f32,
    pub(super) a2: f32,
    pub(super) a3: f32,
    pub(super) k: f32,
    first: f32,
    second: f32,
}

impl TwoPoleFilter {
    /// A filter at `hz` with quality `q`.
    pub(super) fn new(hz: f32, q: f32, rate: f32) -> Self {
        let mut filter = Self::default();
        filter.tune(hz, q, rate);
        filter
    }

    /// Changes frequency and quality, and keeps the state.
    pub(super) fn tune(&mut self, hz: f32, q: f32, rate: f32) {
        let g = (PI * hz.clamp(10.0, rate * 0.45) / rate).tan();
        self.k = 1.0 / q;
        self.a1 = 1.0 / (1.0 + g * (g + self.k));
        self.a2 = g * self.a1;
        self.a3 = g * self.a2;
    }

    fn step(&mut self, input: f32) -> (f32, f32) {
        let v3 = input - self.second;
        let v1 = self.a1 * self.first + self.a2 * v3;
        let v2 = self.second + self.a2 * self.first + self.a3 * v3;
        self.first = 2.0 * v1 - self.first;
        self.second = 2.0 * v2 - self.second;
        (v1, v2)
    }

    /// Flushes denormals, which cost a hundred times as much: a state far below hearing becomes 0. Call it regularly where silence may
    /// follow sound.
    pub(super) fn flush_denormals(&mut self) {
        for state in [&mut self.first, &mut self.second] {
            if state.abs() < 1e-20 {
                *state = 0.0;
            }
        }
    }

    /// Low-pass.
    pub(super) fn low(&mut self, input: f32) -> f32 {
        self.step(input).1
    }

    /// High-pass.
    pub(super) fn high(&mut self, input: f32) -> f32 {
        let (band, low) = self.step(input);
        input - self.k * band - low
    }

    /// Band-pass with a peak of 1.
    pub(super) fn band(&mut self, input: f32) -> f32 {
        self.step(input).0 * self.k
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sine_is_a_sine() {
        for step in -3000..3000 {
            let phase = step as f32 / 1000.0;
            assert!(
                (sine(phase) - (2.0 * PI * phase).sin()).abs() < 1e-5,
                "at {phase}"
            );
        }
    }

    #[test]
    fn an_envelope_has_no_corner() {
        let envelope = NoteEnvelope::new(0.005, 0.02, 4410, 44_100.0);
        let gains: Vec<f32> = (0..envelope.frames() + 10)
            .map(|frame| envelope.at(frame))
            .collect();
        assert!(
            gains
                .windows(2)
                .all(|pair| (pair[1] - pair[0]).abs() < 0.01)
        );
        assert_eq!(gains[0], 0.0);
        assert_eq!(*gains.last().unwrap(), 0.0);
    }
}
