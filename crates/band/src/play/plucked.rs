//! Plucked strings: guitars, ukulele, banjo, harp, bass guitar and double bass, by Karplus and Strong's loop.
//!
//! The loop is a delay of one period, a one-zero damping filter and an all-pass that sets the fraction of a frame, so that
//! every pitch is in tune (Jaffe and Smith 1983). It starts with what a plucked string does to its bridge: a rectangular wave of
//! force, as wide as the distance of the plucking point from the bridge is a share of the string (Fletcher and Rossing, The Physics of
//! Musical Instruments, 2.8). So harmonics fall by 6 dB an octave, and those with a node at the plucking point are missing.

use super::wave::{NoteBuffer, NoteEnvelope, Strike, TwoPoleFilter, decay_per_frame};
use crate::chance::Noise;

/// The parameters of a plucked instrument.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pluck {
    /// Time in which a note at middle C falls by 60 dB, in seconds.
    ring_s: f32,
    /// Share of the previous frame in the loop's damping filter, 0 (bright) to .5 (dull).
    damping: f32,
    /// Cut-off of the excitation at full force in hertz: hard picks and nails have sharp corners.
    pick_hz: f32,
    /// Where the string is plucked, as a share of its length.
    position: f32,
    /// Level of the pick's own noise at full force, relative to the string.
    scrape: f32,
    /// Release time of a note, in seconds.
    release_s: f32,
}

pub(super) const STEEL: Pluck = Pluck {
    ring_s: 4.5,
    damping: 0.1,
    pick_hz: 9000.0,
    position: 0.17,
    scrape: 0.22,
    release_s: 0.16,
};
pub(super) const NYLON: Pluck = Pluck {
    ring_s: 3.2,
    damping: 0.2,
    pick_hz: 3000.0,
    position: 0.2,
    scrape: 0.05,
    release_s: 0.18,
};
pub(super) const UKULELE: Pluck = Pluck {
    ring_s: 1.3,
    damping: 0.22,
    pick_hz: 2800.0,
    position: 0.3,
    scrape: 0.08,
    release_s: 0.12,
};
pub(super) const BANJO: Pluck = Pluck {
    ring_s: 1.1,
    damping: 0.1,
    pick_hz: 6500.0,
    position: 0.09,
    scrape: 0.15,
    release_s: 0.1,
};
pub(super) const HARP: Pluck = Pluck {
    ring_s: 4.5,
    damping: 0.2,
    pick_hz: 900.0,
    position: 0.42,
    scrape: 0.02,
    release_s: 0.7,
};
pub(super) const CLEAN: Pluck = Pluck {
    ring_s: 6.0,
    damping: 0.14,
    pick_hz: 6000.0,
    position: 0.12,
    scrape: 0.08,
    release_s: 0.1,
};
pub(super) const DRIVEN: Pluck = Pluck {
    ring_s: 8.0,
    damping: 0.12,
    pick_hz: 6000.0,
    position: 0.1,
    scrape: 0.1,
    release_s: 0.08,
};
pub(super) const FINGER_BASS: Pluck = Pluck {
    ring_s: 5.0,
    damping: 0.3,
    pick_hz: 700.0,
    position: 0.2,
    scrape: 0.06,
    release_s: 0.09,
};
pub(super) const UPRIGHT: Pluck = Pluck {
    ring_s: 2.2,
    damping: 0.38,
    pick_hz: 420.0,
    position: 0.3,
    scrape: 0.08,
    release_s: 0.12,
};

/// Sounds one note.
pub(super) fn pluck(kind: &Pluck, strike: &Strike, out: &mut NoteBuffer) {
    let rate = strike.rate;
    let register = f32::from(strike.midi) - 60.0;
    let damping = damping_at(if strike.muted { 0.5 } else { kind.damping }, rate);
    let ring_s = if strike.muted {
        0.16
    } else {
        kind.ring_s * (-register / 24.0).exp2().clamp(0.3, 2.0)
    };
    let period = rate / strike.hz;
    let whole = (period - damping - 0.3).floor().max(2.0);
    let fraction = period - damping - whole;
    let allpass = (1.0 - fraction) / (1.0 + fraction);
    let loss = decay_per_frame(ring_s, rate).powf(period);
    let envelope = NoteEnvelope::new(
        0.0015,
        if strike.ringing {
            kind.release_s * 2.0
        } else {
            kind.release_s
        },
        strike.held,
        rate,
    );
    out.reset_mono(envelope.frames());

    let mut line = excitation(kind, strike, whole as usize);
    let (now, then) = (loss * (1.0 - damping), loss * damping);
    let level = 0.5 * strike.velocity.powf(1.1);
    let (mut before, mut ap_in, mut ap_out) = (0.0f32, 0.0f32, 0.0f32);
    let mut fed_back = |sample: f32| {
        let damped = now * sample + then * before;
        before = sample;
        ap_out = (allpass * damped + ap_in) - allpass * ap_out;
        ap_in = damped;
        ap_out
    };
    // The loop's filters settle on the excitation before it goes round: from rest they would leave a step in it.
    for &sample in &line {
        fed_back(sample);
    }
    // A period at a time: the output, then the filtered feedback.
    for heard in out.left.chunks_mut(line.len()) {
        let mut loudest = 0.0f32;
        for (sample, place) in heard.iter_mut().zip(&mut line) {
            *sample = *place * level;
            loudest = loudest.max(place.abs());
            *place = fed_back(*place);
        }
        if loudest < 1e-6 {
            break;
        }
    }
    envelope.shape(&mut out.left);
}

/// The damping that attenuates a given frequency at `rate` as much as `damping` does at 44.1 kHz.
fn damping_at(damping: f32, rate: f32) -> f32 {
    let share = damping * (1.0 - damping) * (rate / 44_100.0) * (rate / 44_100.0);
    0.5 * (1.0 - (1.0 - 4.0 * share).max(0.0).sqrt())
}

/// The excitation: one period of the force on the bridge and of the pick's noise, darker when soft, without its mean.
///
/// The player's hand moves: every note is plucked at another point, a soft one further from the bridge.
fn excitation(kind: &Pluck, strike: &Strike, frames: usize) -> Vec<f32> {
    let mut noise = Noise::new(strike.seed);
    let position = kind.position * (1.15 - 0.3 * strike.velocity) * (1.0 + 0.15 * noise.next());
    let width = (position * frames as f32).clamp(1.0, 0.5 * frames as f32);
    let cutoff = (kind.pick_hz * (0.25 + 0.75 * strike.velocity)).max(strike.hz);
    let scrape = kind.scrape * strike.velocity;
    let mut pick = TwoPoleFilter::new(cutoff, 0.5, strike.rate);
    let raw: Vec<f32> = (0..frames)
        .map(|frame| (width - frame as f32).clamp(0.0, 1.0) + scrape * noise.next())
        .collect();
    // The filter settles on one period before the one that is kept, so that the loop has no seam.
    for &sample in &raw {
        pick.low(sample);
    }
    let mut line: Vec<f32> = raw.iter().map(|&sample| pick.low(sample)).collect();
    let mean = line.iter().sum::<f32>() / frames as f32;
    let mut power = 0.0;
    for sample in &mut line {
        *sample -= mean;
        power += *sample * *sample;
    }
    // Normalised: equal force gives equal level at any plucking point.
    let level = 0.35 / (power / frames as f32).sqrt().max(1e-6);
    for sample in &mut line {
        *sample *= level;
    }
    line
}
