//! Strings, brass and the synthesisers: detuned band-limited saws through a moving low-pass.

use super::wave::{Envelope, Filter, Scratch, Strike, advance, decay_per_frame, saw, sine};
use crate::chance::Noise;

/// What makes one of them sound unlike another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bank {
    /// Saws a side.
    pub(super) saws: usize,
    /// Greatest detuning in cents.
    pub(super) spread_cents: f32,
    /// Attack and release in seconds.
    pub(super) attack_s: f32,
    pub(super) release_s: f32,
    /// Cut-off in hertz at rest, and what force and the opening add to it.
    pub(super) rest_hz: f32,
    pub(super) open_hz: f32,
    /// Time in which the opening comes (positive) or goes (negative), in seconds.
    pub(super) opening_s: f32,
    /// Quality of the filter.
    pub(super) q: f32,
    /// Depth of the vibrato in cents.
    pub(super) vibrato_cents: f32,
    /// Time in which a held note falls by 60 dB; infinite when it is sustained.
    pub(super) ring_s: f32,
}

pub(super) const STRINGS: Bank = Bank {
    saws: 3,
    spread_cents: 9.0,
    attack_s: 0.16,
    release_s: 0.35,
    rest_hz: 900.0,
    open_hz: 1500.0,
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
    rest_hz: 420.0,
    open_hz: 1900.0,
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
    rest_hz: 550.0,
    open_hz: 800.0,
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
    open_hz: 2600.0,
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
    open_hz: 1500.0,
    opening_s: -0.6,
    q: 0.9,
    vibrato_cents: 9.0,
    ring_s: f32::INFINITY,
};

/// Frames between two looks at filter and pitch: moves are slow, the tangent is not.
const CONTROL_FRAMES: usize = 32;

/// Sounds one note.
pub(super) fn bank(kind: &Bank, strike: &Strike, out: &mut Scratch) {
    let rate = strike.rate;
    let envelope = Envelope::new(kind.attack_s, kind.release_s, strike.held, rate);
    out.reset(envelope.frames());
    let mut noise = Noise::new(strike.seed);
    let fall = if kind.ring_s.is_finite() {
        decay_per_frame(kind.ring_s, rate)
    } else {
        1.0
    };
    let total = kind.saws * 2;
    for side in 0..2 {
        // Each player has a pitch of his own, evenly spread so that no two notes beat alike.
        let mut players: Vec<(f32, f32)> = (0..kind.saws)
            .map(|player| {
                let place = (player * 2 + side) as f32 / (total - 1).max(1) as f32 * 2.0 - 1.0;
                let cents = kind.spread_cents * (place + 0.25 * noise.next());
                (
                    (cents / 1200.0).exp2() * strike.hz / rate,
                    noise.next() * 0.5 + 0.5,
                )
            })
            .collect();
        let mut filter = Filter::new(kind.rest_hz, kind.q, rate);
        let mut gentle = Filter::new(7000.0, 0.6, rate);
        let mut vibrato = noise.next() * 0.5 + 0.5;
        let vibrato_hz = 5.0 + 0.5 * noise.next();
        let mut level = 0.22 * strike.velocity / (kind.saws as f32).sqrt();
        let mut bend = 1.0;
        let channel = if side == 0 {
            &mut out.left
        } else {
            &mut out.right
        };
        for (frame, sample) in channel.iter_mut().enumerate() {
            if frame.is_multiple_of(CONTROL_FRAMES) {
                let seconds = frame as f32 / rate;
                let share = if kind.opening_s > 0.0 {
                    (seconds / kind.opening_s).min(1.0)
                } else {
                    (seconds / kind.opening_s * 2.0).exp()
                };
                filter.tune(
                    (kind.rest_hz + kind.open_hz * share * strike.velocity + strike.hz * 0.8)
                        .min(6500.0),
                    kind.q,
                    rate,
                );
                let wave = sine(advance(
                    &mut vibrato,
                    vibrato_hz * CONTROL_FRAMES as f32 / rate,
                ));
                let depth = kind.vibrato_cents * ((seconds - 0.2) * 2.0).clamp(0.0, 1.0);
                bend = 1.0 + wave * depth * 0.000_578;
            }
            let mut sum = 0.0;
            for (step, phase) in &mut players {
                let step = *step * bend;
                sum += saw(advance(phase, step), step);
            }
            *sample = gentle.low(filter.low(sum)) * level * envelope.at(frame);
            level *= fall;
        }
    }
}

/// A saw and a square an octave apart, the filter closing after the attack.
pub(super) fn synth_bass(strike: &Strike, out: &mut Scratch) {
    let rate = strike.rate;
    let envelope = Envelope::new(0.004, 0.06, strike.held, rate);
    out.reset(envelope.frames());
    let step = strike.hz / rate;
    let (mut one, mut other) = (0.0f32, 0.5f32);
    let mut filter = Filter::new(400.0, 1.0, rate);
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
        let first = saw(advance(&mut one, step), step);
        let second = saw(advance(&mut other, step), step);
        let body = filter.low(0.55 * first - 0.25 * second);
        *sample = (body + 0.5 * sine(advance(&mut pure, step)))
            * 0.4
            * strike.velocity
            * envelope.at(frame);
    }
    out.copy_to_right();
}

/// A deep sine that starts a little higher, with the second and third harmonic that small loudspeakers need.
pub(super) fn sub_bass(strike: &Strike, out: &mut Scratch) {
    let rate = strike.rate;
    let envelope = Envelope::new(0.006, 0.09, strike.held, rate);
    out.reset(envelope.frames());
    let mut phase = 0.0f32;
    let fall = decay_per_frame(5.0, rate);
    let mut level = 0.5 * strike.velocity;
    for (frame, sample) in out.left.iter_mut().enumerate() {
        let drop = 1.0 + 0.35 * (-(frame as f32) / (0.012 * rate)).exp();
        let here = advance(&mut phase, strike.hz * drop / rate);
        let tone =
            sine(here) + 0.3 * sine((here * 2.0).fract()) + 0.16 * sine((here * 3.0).fract());
        *sample = tone * level * envelope.at(frame);
        level *= fall;
    }
    out.copy_to_right();
}
