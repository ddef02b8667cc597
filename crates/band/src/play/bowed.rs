//! Strings, brass and the synthesisers: detuned band-limited saws through a moving low-pass.

use super::{
    lanes::Cascade,
    wave::{
        NoteBuffer, NoteEnvelope, Strike, TwoPoleFilter, advance, decay_per_frame, saw, sine, turn,
    },
};
use crate::chance::Noise;

/// The parameters of an instrument.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bank {
    /// Saws a side.
    pub(super) saws: usize,
    /// Greatest detuning in cents.
    pub(super) spread_cents: f32,
    /// Attack and release in seconds.
    pub(super) attack_s: f32,
    pub(super) release_s: f32,
    /// Cut-off in hertz at rest, and what the square of the force and the opening add to it.
    pub(super) rest_hz: f32,
    pub(super) open_hz: f32,
    /// Time in which the filter opens (positive) or closes (negative), in seconds.
    pub(super) opening_s: f32,
    /// Quality of the filter.
    pub(super) q: f32,
    /// Depth of the vibrato in cents.
    pub(super) vibrato_cents: f32,
    /// Time in which a held note falls by 60 dB; infinite when it is sustained.
    pub(super) ring_s: f32,
}

pub(super) const STRINGS: Bank = Bank {
    saws: 4,
    spread_cents: 9.0,
    attack_s: 0.16,
    release_s: 0.35,
    rest_hz: 1100.0,
    open_hz: 3200.0,
    opening_s: 0.4,
    q: 0.6,
    vibrato_cents: 7.0,
    ring_s: f32::INFINITY,
};
pub(super) const BRASS: Bank = Bank {
    saws: 2,
    spread_cents: 5.0,
    attack_s: 0.05,
    release_s: 0.12,
    rest_hz: 900.0,
    open_hz: 4800.0,
    opening_s: 0.12,
    q: 0.7,
    vibrato_cents: 3.0,
    ring_s: f32::INFINITY,
};
pub(super) const PAD: Bank = Bank {
    saws: 3,
    spread_cents: 13.0,
    attack_s: 0.3,
    release_s: 0.7,
    rest_hz: 600.0,
    open_hz: 1100.0,
    opening_s: 1.2,
    q: 0.7,
    vibrato_cents: 2.0,
    ring_s: f32::INFINITY,
};
pub(super) const PLUCK: Bank = Bank {
    saws: 2,
    spread_cents: 7.0,
    attack_s: 0.003,
    release_s: 0.15,
    rest_hz: 380.0,
    open_hz: 3600.0,
    opening_s: -0.25,
    q: 0.9,
    vibrato_cents: 0.0,
    ring_s: 0.9,
};
pub(super) const LEAD: Bank = Bank {
    saws: 2,
    spread_cents: 8.0,
    attack_s: 0.015,
    release_s: 0.15,
    rest_hz: 1000.0,
    open_hz: 2200.0,
    opening_s: -0.6,
    q: 0.9,
    vibrato_cents: 9.0,
    ring_s: f32::INFINITY,
};

/// Frames between two updates of filter and pitch: both change slowly, and the tangent is expensive.
const CONTROL_FRAMES: usize = 32;

/// Sounds one note.
pub(super) fn bank(kind: &Bank, strike: &Strike, out: &mut NoteBuffer) {
    let rate = strike.rate;
    let envelope = NoteEnvelope::new(kind.attack_s, kind.release_s, strike.held, rate);
    out.reset(envelope.frames());
    let mut noise = Noise::new(strike.seed);
    let fall = if kind.ring_s.is_finite() {
        decay_per_frame(kind.ring_s, rate)
    } else {
        1.0
    };
    let total = kind.saws * 2;
    // Each saw has a pitch of its own, evenly spread so that no two notes beat alike.
    let mut sides = [0, 1].map(|side| {
        let players: Vec<(f32, f32)> = (0..kind.saws)
            .map(|player| {
                let place = (player * 2 + side) as f32 / (total - 1).max(1) as f32 * 2.0 - 1.0;
                let cents = kind.spread_cents * (place + 0.25 * noise.next());
                (
                    (cents / 1200.0).exp2() * strike.hz / rate,
                    noise.next() * 0.5,
                )
            })
            .collect();
        let vibrato = noise.next() * 0.5 + 0.5;
        (players, vibrato, 5.0 + 0.5 * noise.next())
    });
    let control_s = CONTROL_FRAMES as f32 / rate;
    let cutoff = |seconds: f32| {
        let share = if kind.opening_s > 0.0 {
            (seconds / kind.opening_s).min(1.0)
        } else {
            (seconds / kind.opening_s * 2.0).exp()
        };
        let hz = kind.rest_hz
            + kind.open_hz * share * strike.velocity * strike.velocity
            + strike.hz * 0.8;
        TwoPoleFilter::new(hz.min(9000.0), kind.q, rate)
    };
    let gentle = TwoPoleFilter::new(10_000.0, 0.6, rate);
    let mut filters = Cascade::low_low(cutoff(0.0), gentle);
    let mut level = 0.22 * strike.velocity / (kind.saws as f32).sqrt();
    let blocks = out
        .left
        .chunks_mut(CONTROL_FRAMES)
        .zip(out.right.chunks_mut(CONTROL_FRAMES));
    for (number, (left, right)) in blocks.enumerate() {
        let seconds = number as f32 * control_s;
        filters.tune(&cutoff(seconds));
        let depth = kind.vibrato_cents * ((seconds - 0.2) * 2.0).clamp(0.0, 1.0);
        let mut sums = [[0.0f32; CONTROL_FRAMES]; 2];
        for ((players, vibrato, vibrato_hz), sum) in sides.iter_mut().zip(&mut sums) {
            let bend = 1.0 + sine(*vibrato) * depth * 0.000_578;
            *vibrato = turn(*vibrato + *vibrato_hz * control_s);
            for (step, phase) in players {
                let step = *step * bend;
                let frames = 1.0 / step;
                for (frame, sample) in sum.iter_mut().enumerate() {
                    *sample += saw(*phase + frame as f32 * step, frames);
                }
                *phase = turn(*phase + CONTROL_FRAMES as f32 * step);
            }
        }
        let [one, other] = &mut sums;
        filters.pass(one, other);
        for (frame, (left, right)) in left.iter_mut().zip(right).enumerate() {
            (*left, *right) = (one[frame] * level, other[frame] * level);
            level *= fall;
        }
    }
    envelope.shape(&mut out.left);
    envelope.shape(&mut out.right);
}

/// A saw and a square an octave apart, the filter closing after the attack.
pub(super) fn synth_bass(strike: &Strike, out: &mut NoteBuffer) {
    let rate = strike.rate;
    let envelope = NoteEnvelope::new(0.004, 0.06, strike.held, rate);
    out.reset_mono(envelope.frames());
    let step = strike.hz / rate;
    let (mut one, mut other) = (0.0f32, 0.5f32);
    let mut filter = TwoPoleFilter::new(400.0, 1.0, rate);
    let mut pure = 0.0f32;
    for (frame, sample) in out.left.iter_mut().enumerate() {
        if frame.is_multiple_of(CONTROL_FRAMES) {
            let seconds = frame as f32 / rate;
            filter.tune(
                180.0 + strike.hz * 1.5 + 1100.0 * strike.velocity * (-seconds * 7.0).exp(),
                1.0,
                rate,
            );
        }
        let first = saw(advance(&mut one, step), 1.0 / step);
        let second = saw(advance(&mut other, step), 1.0 / step);
        let body = filter.low(0.55 * first - 0.25 * second);
        *sample = (body + 0.5 * sine(advance(&mut pure, step))) * 0.4 * strike.velocity;
    }
    envelope.shape(&mut out.left);
}

/// A deep sine that starts a little higher, with the second and third harmonic that small loudspeakers need.
pub(super) fn sub_bass(strike: &Strike, out: &mut NoteBuffer) {
    let rate = strike.rate;
    let envelope = NoteEnvelope::new(0.006, 0.09, strike.held, rate);
    out.reset_mono(envelope.frames());
    let mut phase = 0.0f32;
    let fall = decay_per_frame(5.0, rate);
    let mut level = 0.5 * strike.velocity;
    let mut drop = 0.35f32;
    let drop_fall = (-1.0 / (0.012 * rate)).exp();
    for sample in &mut out.left {
        let here = advance(&mut phase, strike.hz * (1.0 + drop) / rate);
        let tone = sine(here) + 0.3 * sine(here * 2.0) + 0.16 * sine(here * 3.0);
        *sample = tone * level;
        level *= fall;
        drop *= drop_fall;
        if drop < 1e-9 {
            drop = 0.0;
        }
    }
    envelope.shape(&mut out.left);
}
