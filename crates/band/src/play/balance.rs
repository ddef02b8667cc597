//! The channel strip of a part: resonances of the instrument's body, a high-pass that leaves the low range to the bass, less harshness,
//! distortion for distorted instruments, and the gain to its level.

use super::{
    body::Body,
    half,
    lanes::{Cascade, peak},
    meter::{StepMeter, gated},
    stereo::{RATE_HZ, Stereo},
    wave::{SoftClipper, TwoPoleFilter},
};
use crate::arrange::{Instrument, Role, ScorePart};

/// K-weighted loudness of a part of level 0 dB, measured where it plays.
const PART_LUFS: f64 = -18.0;

/// Upper limit of the band of a recorded instrument, in hertz.
const RECORDED_HZ: f32 = 16_000.0;

/// Tenths of a second of silence after which the output of a filter is silent too.
const TAIL_STEPS: usize = 3;

/// Applies the channel strip to a part, and returns the gain for the mix. A `recorded` part already has its body and its amplifier.
///
/// The gain follows from measured loudness, so it is right for any density of notes.
pub(super) fn channel_strip(part: &ScorePart, stem: &mut Stereo, recorded: bool) -> f32 {
    let rate = RATE_HZ as f32;
    if part.instrument == Instrument::DistortedGuitar && !recorded {
        drive_oversampled(stem);
    }
    let (low_hz, mut high_hz) = band(part.instrument);
    if recorded {
        high_hz = RECORDED_HZ;
    }
    let still = Cascade::high_low(
        TwoPoleFilter::new(low_hz, 0.7, rate),
        TwoPoleFilter::new(high_hz, 0.65, rate),
    );
    let mut filters = still;
    let body_of = || Body::new(part.instrument, rate).filter(|_| !recorded);
    let mut body = body_of();
    // Both sides together. Silent stretches are skipped: a part is silent for much of a song.
    let mut meter = StepMeter::new(f64::from(rate));
    let step = meter.step();
    let mut powers = Vec::with_capacity(stem.left.len() / step + 1);
    let mut silent_for = TAIL_STEPS;
    let steps = stem.left.chunks_mut(step).zip(stem.right.chunks_mut(step));
    for (left, right) in steps {
        let silent = left.iter().chain(right.iter()).all(|&sample| sample == 0.0);
        silent_for = if silent { silent_for + 1 } else { 0 };
        if silent_for > TAIL_STEPS {
            powers.push(0.0);
            continue;
        }
        if let Some(body) = &mut body {
            body.resound(left, right);
        }
        filters.pass(left, right);
        powers.push(meter.power(left, right));
        if silent_for == TAIL_STEPS {
            filters = still;
            body = body_of();
            meter.rest();
        }
    }
    let Some(loudness) = gated(&powers) else {
        return 1.0;
    };
    let target = PART_LUFS + f64::from(part.level_db) + f64::from(trim_db(part));
    10f64.powf((target - loudness) / 20.0) as f32
}

/// The frequency band of an instrument, in hertz.
fn band(instrument: Instrument) -> (f32, f32) {
    match instrument {
        Instrument::AcousticKit | Instrument::BrushKit | Instrument::ElectronicKit => {
            (30.0, 15_000.0)
        }
        Instrument::HandPercussion => (120.0, 12_000.0),
        Instrument::FingerBass | Instrument::UprightBass => (34.0, 4200.0),
        Instrument::SynthBass | Instrument::SubBass => (30.0, 3000.0),
        Instrument::Piano | Instrument::ElectricPiano => (85.0, 11_000.0),
        Instrument::DistortedGuitar => (95.0, 6000.0),
        Instrument::CleanGuitar => (100.0, 7000.0),
        Instrument::Brass | Instrument::Saxophone => (110.0, 10_000.0),
        Instrument::Strings => (120.0, 9500.0),
        Instrument::SynthPad | Instrument::Organ | Instrument::Voices => (120.0, 7500.0),
        _ => (110.0, 10_500.0),
    }
}

/// [`drive`] at twice the rate: without oversampling the distortion would alias.
fn drive_oversampled(stem: &mut Stereo) {
    let mut twice = Stereo::silent(2 * stem.left.len());
    half::raise(stem, &mut twice);
    drive(&mut twice, 2.0 * RATE_HZ as f32);
    stem.silence();
    half::lower(&twice.left, [(1.0, &mut stem.left)]);
    half::lower(&twice.right, [(1.0, &mut stem.right)]);
}

/// A distorting amplifier and its loudspeaker.
fn drive(stem: &mut Stereo, rate: f32) {
    let loud = peak(&stem.left).max(1e-6);
    for channel in [&mut stem.left, &mut stem.right] {
        let mut amplifier = Amplifier::new(rate);
        let mut silent_for = 0;
        for block in channel.chunks_mut(TAIL_FRAMES) {
            let silent = block.iter().all(|&sample| sample == 0.0);
            silent_for = if silent { silent_for + 1 } else { 0 };
            if silent_for > 1 {
                continue;
            }
            for sample in block.iter_mut() {
                *sample = amplifier.next(*sample / loud);
            }
            if silent {
                // What is left of the amplifier's own level goes without a step.
                let frames = block.len() as f32;
                for (frame, sample) in block.iter_mut().enumerate() {
                    *sample *= 1.0 - (frame as f32 + 1.0) / frames;
                }
                amplifier = Amplifier::new(rate);
            }
        }
    }
}

/// Two stages of distortion, then a loudspeaker, which has a peak at 2.6 kHz and hardly anything above 5 kHz.
struct Amplifier {
    tight: TwoPoleFilter,
    first: SoftClipper,
    between: TwoPoleFilter,
    second: SoftClipper,
    presence: TwoPoleFilter,
    cabinet: [TwoPoleFilter; 2],
}

impl Amplifier {
    fn new(rate: f32) -> Self {
        Self {
            tight: TwoPoleFilter::new(190.0, 0.7, rate),
            first: SoftClipper::default(),
            between: TwoPoleFilter::new(60.0, 0.7, rate),
            second: SoftClipper::default(),
            presence: TwoPoleFilter::new(2600.0, 1.2, rate),
            cabinet: [
                TwoPoleFilter::new(5000.0, 0.8, rate),
                TwoPoleFilter::new(5600.0, 0.8, rate),
            ],
        }
    }

    /// The next sample of an input of at most about 1.
    fn next(&mut self, input: f32) -> f32 {
        // A bias adds even harmonics; the high-pass between the stages removes what it leaves.
        let first = self.first.next(self.tight.high(input) * 6.0 + 0.3);
        let second = self.second.next(self.between.high(first) * 2.5);
        let lifted = second + 1.2 * self.presence.band(second);
        let [one, other] = &mut self.cabinet;
        other.low(one.low(lifted))
    }
}

/// Frames of silence after which the output of an amplifier is silent too: a fifth of a second at twice the rate.
const TAIL_FRAMES: usize = 17_640;

/// Level of a role relative to the style's table, in decibels.
fn trim_db(part: &ScorePart) -> f32 {
    let role = match part.role {
        Role::Drums => 0.5,
        Role::Percussion => -1.0,
        Role::Bass => -1.0,
        Role::Comp => 0.0,
        Role::Pad => -1.0,
        Role::Figure => -0.5,
        Role::Fills => 0.5,
    };
    // K weighting underrates low notes.
    let instrument = match part.instrument {
        Instrument::SubBass => -6.5,
        Instrument::UprightBass => -1.0,
        Instrument::BrushKit => -1.5,
        _ => 0.0,
    };
    role + instrument
}

/// The reverb send of a part.
pub(super) fn room_share(part: &ScorePart) -> f32 {
    match part.role {
        Role::Bass => 0.04,
        Role::Drums => 0.22,
        Role::Percussion => 0.5,
        Role::Comp => 0.6,
        Role::Figure => 0.8,
        Role::Pad | Role::Fills => 0.9,
    }
}
