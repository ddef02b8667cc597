//! Plucked strings: guitars, ukulele, harp, bass guitar and double bass, by Karplus and Strong's loop.
//!
//! The loop is a delay of one period, a one-zero damping filter and an all-pass that sets the fraction of a frame, so that
//! every pitch is in tune (Jaffe and Smith 1983).

use super::{
    partials::Partials,
    wave::{NoteBuffer, NoteEnvelope, Strike, TwoPoleFilter, decay_per_frame},
};
use crate::{arrange::Instrument, chance::Noise};

/// The parameters of a plucked instrument.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pluck {
    /// Time in which a note at middle C falls by 60 dB, in seconds.
    pub(super) ring_s: f32,
    /// Share of the previous frame in the loop's damping filter, 0 (bright) to .5 (dull).
    pub(super) damping: f32,
    /// Cut-off of the excitation at full force in hertz.
    pub(super) pick_hz: f32,
    /// Where the string is plucked, as a share of its length.
    pub(super) position: f32,
    /// Share of a pure fundamental that is added, for basses.
    pub(super) weight: f32,
    /// Release time of a note, in seconds.
    pub(super) release_s: f32,
}

pub(super) const STEEL: Pluck = Pluck {
    ring_s: 3.2,
    damping: 0.2,
    pick_hz: 3600.0,
    position: 0.17,
    weight: 0.0,
    release_s: 0.16,
};
pub(super) const NYLON: Pluck = Pluck {
    ring_s: 2.4,
    damping: 0.32,
    pick_hz: 2600.0,
    position: 0.23,
    weight: 0.0,
    release_s: 0.18,
};
pub(super) const UKULELE: Pluck = Pluck {
    ring_s: 1.3,
    damping: 0.3,
    pick_hz: 3200.0,
    position: 0.25,
    weight: 0.0,
    release_s: 0.12,
};
pub(super) const HARP: Pluck = Pluck {
    ring_s: 3.6,
    damping: 0.3,
    pick_hz: 2800.0,
    position: 0.4,
    weight: 0.0,
    release_s: 0.7,
};
pub(super) const CLEAN: Pluck = Pluck {
    ring_s: 4.0,
    damping: 0.24,
    pick_hz: 3600.0,
    position: 0.12,
    weight: 0.0,
    release_s: 0.1,
};
pub(super) const DRIVEN: Pluck = Pluck {
    ring_s: 6.0,
    damping: 0.2,
    pick_hz: 3000.0,
    position: 0.1,
    weight: 0.0,
    release_s: 0.08,
};
pub(super) const FINGER_BASS: Pluck = Pluck {
    ring_s: 4.5,
    damping: 0.36,
    pick_hz: 1100.0,
    position: 0.2,
    weight: 0.35,
    release_s: 0.09,
};
pub(super) const UPRIGHT: Pluck = Pluck {
    ring_s: 1.9,
    damping: 0.42,
    pick_hz: 750.0,
    position: 0.3,
    weight: 0.35,
    release_s: 0.12,
};

/// The resonances of an instrument's body in hertz, with their share; `None` where there is none.
pub(super) fn body(instrument: Instrument) -> Option<[(f32, f32); 2]> {
    match instrument {
        Instrument::SteelGuitar => Some([(104.0, 0.35), (208.0, 0.3)]),
        Instrument::NylonGuitar => Some([(98.0, 0.4), (196.0, 0.35)]),
        Instrument::Ukulele => Some([(240.0, 0.4), (420.0, 0.25)]),
        Instrument::Harp => Some([(180.0, 0.25), (360.0, 0.0)]),
        Instrument::UprightBass => Some([(95.0, 0.5), (180.0, 0.2)]),
        _ => None,
    }
}

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

    let mut line = excitation(kind, strike, whole as usize, period);
    let (now, then) = (loss * (1.0 - damping), loss * damping);
    let level = 0.5 * strike.velocity.powf(1.1);
    let (mut before, mut ap_in, mut ap_out) = (0.0f32, 0.0f32, 0.0f32);
    // A period at a time: the output, then the filtered feedback.
    for heard in out.left.chunks_mut(line.len()) {
        let mut loudest = 0.0f32;
        for (sample, place) in heard.iter_mut().zip(&mut line) {
            *sample = *place * level;
            loudest = loudest.max(place.abs());
            let damped = now * *place + then * before;
            before = *place;
            ap_out = (allpass * damped + ap_in) - allpass * ap_out;
            ap_in = damped;
            *place = ap_out;
        }
        if loudest < 1e-6 {
            break;
        }
    }
    if kind.weight > 0.0 {
        // The pure fundamental starts at 0.
        let mut weight = Partials::new();
        weight.add(strike.hz, kind.weight * level, ring_s * 0.6, 0.0, rate);
        weight.render(&mut out.left);
    }
    envelope.shape(&mut out.left);
}

/// The damping that attenuates a given frequency at `rate` as much as `damping` does at 44.1 kHz.
fn damping_at(damping: f32, rate: f32) -> f32 {
    let share = damping * (1.0 - damping) * (rate / 44_100.0) * (rate / 44_100.0);
    0.5 * (1.0 - (1.0 - 4.0 * share).max(0.0).sqrt())
}

/// The excitation, one period of noise: darker when soft, with the notch of the place of plucking, its mean subtracted.
fn excitation(kind: &Pluck, strike: &Strike, frames: usize, period: f32) -> Vec<f32> {
    let mut noise = Noise::new(strike.seed);
    let cutoff = (kind.pick_hz * (0.35 + 0.65 * strike.velocity)).max(strike.hz * 1.5);
    let (mut first, mut second) = (
        TwoPoleFilter::new(cutoff, 0.6, strike.rate),
        TwoPoleFilter::new(cutoff * 1.6, 0.6, strike.rate),
    );
    // The filters settle on one period before the one that is kept, so that the loop has no seam.
    let raw: Vec<f32> = (0..frames).map(|_| noise.next()).collect();
    let mut shaped = Vec::with_capacity(frames);
    for pass in 0..2 {
        for &sample in &raw {
            let value = second.low(first.low(sample));
            if pass == 1 {
                shaped.push(value);
            }
        }
    }
    let shift = ((period * kind.position) as usize).clamp(1, frames.saturating_sub(1).max(1));
    let mut line: Vec<f32> = (0..frames)
        .map(|index| shaped[index] - 0.8 * shaped[(index + frames - shift) % frames])
        .collect();
    let mean = line.iter().sum::<f32>() / frames as f32;
    let mut power = 0.0;
    for sample in &mut line {
        *sample -= mean;
        power += *sample * *sample;
    }
    // Normalised: equal force gives equal level for any noise.
    let level = 0.35 / (power / frames as f32).sqrt().max(1e-6);
    for sample in &mut line {
        *sample *= level;
    }
    line
}
