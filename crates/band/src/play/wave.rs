//! The small parts of every voice: sine, saw, envelopes, filters.

use std::f32::consts::PI;

/// One note that is to be sounded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Strike {
    /// Fundamental in hertz.
    pub(super) hz: f32,
    /// MIDI note number, for what depends on the register.
    pub(super) midi: u8,
    /// Frames until the key is let go.
    pub(super) held: usize,
    /// How hard, 0..1.
    pub(super) velocity: f32,
    /// Damped with the palm.
    pub(super) muted: bool,
    /// Left ringing.
    pub(super) ringing: bool,
    /// Start in seconds, for what moves independently of the notes (tremolo, rotor).
    pub(super) start_s: f64,
    /// Seed of the note's own chance.
    pub(super) seed: u64,
    /// Frames per second.
    pub(super) rate: f32,
}

/// Where a voice writes a note: two channels of equal length.
#[derive(Default)]
pub(super) struct Scratch {
    pub(super) left: Vec<f32>,
    pub(super) right: Vec<f32>,
}

impl Scratch {
    /// Empties it for `frames` frames of silence.
    pub(super) fn reset(&mut self, frames: usize) {
        for channel in [&mut self.left, &mut self.right] {
            channel.clear();
            channel.resize(frames, 0.0);
        }
    }

    /// Copies the left channel to the right.
    pub(super) fn copy_to_right(&mut self) {
        self.right.clone_from(&self.left);
    }
}

/// sin(2πx) for x in 0..1, by a polynomial of degree 9 on the folded quarter wave (error below 4e-6): the same on every machine.
pub(super) fn sine(phase: f32) -> f32 {
    let turned = phase - 0.5;
    let size = turned.abs();
    let folded = if size > 0.25 { 0.5 - size } else { size };
    let x = folded * 2.0 * PI;
    let square = x * x;
    let value = x
        * (1.0
            - square / 6.0 * (1.0 - square / 20.0 * (1.0 - square / 42.0 * (1.0 - square / 72.0))));
    if turned > 0.0 { -value } else { value }
}

/// A phase that counts turns, kept in 0..1.
pub(super) fn advance(phase: &mut f32, step: f32) -> f32 {
    *phase += step;
    if *phase >= 1.0 {
        *phase -= 1.0;
    }
    *phase
}

/// A band-limited sawtooth: the step is rounded by a two-sample polynomial (polyBLEP; Välimäki and Huovilainen 2007).
pub(super) fn saw(phase: f32, step: f32) -> f32 {
    let naive = 2.0 * phase - 1.0;
    if phase < step {
        let t = phase / step;
        naive - (t + t - t * t - 1.0)
    } else if phase > 1.0 - step {
        let t = (phase - 1.0) / step;
        naive - (t * t + t + t + 1.0)
    } else {
        naive
    }
}

/// The factor per frame with which something falls by 60 dB in `seconds`.
pub(super) fn decay_per_frame(seconds: f32, rate: f32) -> f32 {
    (-6.907_755 / (seconds.max(0.001) * rate)).exp()
}

/// Attack, sustain and release: a raised rise, a level, and a fall to nothing; never a corner that clicks.
pub(super) struct Envelope {
    attack: f32,
    held: f32,
    release: f32,
}

impl Envelope {
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
}

/// A two-pole filter in the trapezoidal state-variable form (Zavalishin, The Art of VA Filter Design).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Filter {
    a1: f32,
    a2: f32,
    a3: f32,
    k: f32,
    first: f32,
    second: f32,
}

impl Filter {
    /// A filter at `hz` with quality `q`.
    pub(super) fn new(hz: f32, q: f32, rate: f32) -> Self {
        let mut filter = Self::default();
        filter.tune(hz, q, rate);
        filter
    }

    /// Moves it, its state kept.
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
        // Denormal numbers cost a hundred times as much.
        if self.first.abs() < 1e-20 {
            self.first = 0.0;
        }
        if self.second.abs() < 1e-20 {
            self.second = 0.0;
        }
        (v1, v2)
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

/// Decaying partials, eight at a time: each is a point that turns and shrinks by one complex factor a frame.
pub(super) struct Partials {
    re: Vec<[f32; 8]>,
    im: Vec<[f32; 8]>,
    turn_re: Vec<[f32; 8]>,
    turn_im: Vec<[f32; 8]>,
    count: usize,
}

impl Partials {
    /// No partials.
    pub(super) fn new() -> Self {
        Self {
            re: Vec::new(),
            im: Vec::new(),
            turn_re: Vec::new(),
            turn_im: Vec::new(),
            count: 0,
        }
    }

    /// Adds one that falls by 60 dB in `decay_s` (never, when it is infinite); above .45 of the rate it is left out.
    pub(super) fn add(&mut self, hz: f32, amplitude: f32, decay_s: f32, phase: f32, rate: f32) {
        if hz > 0.45 * rate || hz <= 0.0 {
            return;
        }
        let lane = self.count % 8;
        if lane == 0 {
            for bank in [
                &mut self.re,
                &mut self.im,
                &mut self.turn_re,
                &mut self.turn_im,
            ] {
                bank.push([0.0; 8]);
            }
        }
        let group = self.count / 8;
        let shrink = if decay_s.is_finite() {
            decay_per_frame(decay_s, rate)
        } else {
            1.0
        };
        let angle = 2.0 * PI * hz / rate;
        self.re[group][lane] = amplitude * (2.0 * PI * phase).cos();
        self.im[group][lane] = amplitude * (2.0 * PI * phase).sin();
        self.turn_re[group][lane] = shrink * angle.cos();
        self.turn_im[group][lane] = shrink * angle.sin();
        self.count += 1;
    }

    /// The next sample.
    pub(super) fn next(&mut self) -> f32 {
        let mut sum = [0.0f32; 8];
        for (((re, im), turn_re), turn_im) in self
            .re
            .iter_mut()
            .zip(&mut self.im)
            .zip(&self.turn_re)
            .zip(&self.turn_im)
        {
            for lane in 0..8 {
                let turned = re[lane] * turn_re[lane] - im[lane] * turn_im[lane];
                im[lane] = re[lane] * turn_im[lane] + im[lane] * turn_re[lane];
                re[lane] = turned;
                sum[lane] += im[lane];
            }
        }
        ((sum[0] + sum[4]) + (sum[1] + sum[5])) + ((sum[2] + sum[6]) + (sum[3] + sum[7]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sine_is_a_sine() {
        for step in 0..1000 {
            let phase = step as f32 / 1000.0;
            assert!(
                (sine(phase) - (2.0 * PI * phase).sin()).abs() < 1e-5,
                "at {phase}"
            );
        }
    }

    #[test]
    fn an_envelope_has_no_corner() {
        let envelope = Envelope::new(0.005, 0.02, 4410, 44_100.0);
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

    #[test]
    fn partials_ring_at_their_pitch_and_fall_as_told() {
        let mut partials = Partials::new();
        partials.add(441.0, 1.0, 1.0, 0.0, 44_100.0);
        let samples: Vec<f32> = (0..44_100).map(|_| partials.next()).collect();
        let rises = samples[..22_050]
            .windows(2)
            .filter(|pair| pair[0] < 0.0 && pair[1] >= 0.0)
            .count();
        assert!(
            (219..=221).contains(&rises),
            "{rises} periods in half a second"
        );
        let peak = |from: usize| {
            samples[from..from + 200]
                .iter()
                .fold(0.0f32, |peak, sample| peak.max(sample.abs()))
        };
        assert!((peak(0) - 1.0).abs() < 0.02 && (peak(22_050) - 0.0316).abs() < 0.004);
    }
}
