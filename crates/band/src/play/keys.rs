//! Piano, electric piano, organ, vibraphone and bells.

use super::{
    partials::Partials,
    wave::{NoteBuffer, NoteEnvelope, Strike, TwoPoleFilter, decay_per_frame, sine, turn},
};
use crate::chance::Noise;

/// A struck string: inharmonic partials, the low ones in two polarisations that beat against each other and fade at two speeds.
///
/// Stretch after Fletcher's f·n·√(1 + B·n²); the hammer softens with force and strikes at an eighth of the string.
pub(super) fn piano(strike: &Strike, out: &mut NoteBuffer) {
    let register = f32::from(strike.midi) - 60.0;
    let stretch = 0.000_35 * (register / 16.0).exp2();
    let ring_s = 9.0 * (-register / 22.0).exp2();
    let dark_hz = (1300.0 + 4500.0 * strike.velocity * strike.velocity) * (register / 60.0).exp2();
    let mut partials = Partials::new();
    let count = (TOP_HZ / strike.hz).clamp(4.0, 40.0) as usize;
    let mut noise = Noise::new(strike.seed);
    for n in 1..=count {
        let number = n as f32;
        let hz = strike.hz * number * (1.0 + stretch * number * number).sqrt();
        let hammer = 0.5 + 0.5 * (std::f32::consts::PI * number / 8.0).sin().abs();
        // Recorded pianos fall by 12 dB an octave at first and are then nearly flat up to where the hammer's felt ends it.
        let amplitude = hammer * (number.powi(-2) + 0.13) * (-(hz - strike.hz) / dark_hz).exp();
        let decay_s = ring_s / (1.0 + 0.22 * (number - 1.0));
        if n <= 4 {
            let beat = 1.0 + 0.000_25 * noise.next();
            partials.add(hz, amplitude * 0.68, decay_s * 0.42, 0.0, strike.rate);
            partials.add(hz * beat, amplitude * 0.32, decay_s * 1.3, 0.0, strike.rate);
        } else {
            partials.add(hz, amplitude, decay_s * 0.6, 0.0, strike.rate);
        }
    }
    let release_s = if strike.ringing { 0.7 } else { 0.28 };
    let envelope = NoteEnvelope::new(0.003, release_s, strike.held, strike.rate);
    out.reset_mono(envelope.frames());
    partials.render(&mut out.left);
    let mut thump = TwoPoleFilter::new(380.0, 0.7, strike.rate);
    let mut thump_level = 1.3 * strike.velocity;
    let thump_decay = decay_per_frame(0.06, strike.rate);
    for sample in &mut out.left {
        thump_level *= thump_decay;
        if thump_level < 1e-4 {
            break;
        }
        *sample += thump.low(noise.next() * thump_level);
    }
    let loud = strike.velocity.powf(1.2) * 0.35;
    for sample in &mut out.left {
        *sample *= loud;
    }
    envelope.shape(&mut out.left);
}

/// Upper limit of a piano's partials, in hertz.
const TOP_HZ: f32 = 9000.0;

/// Two operators and a tine: the modulation fades as the reed swings out.
pub(super) fn electric_piano(strike: &Strike, out: &mut NoteBuffer) {
    let rate = strike.rate;
    let register = f32::from(strike.midi) - 60.0;
    let ring_s = 5.5 * (-register / 26.0).exp2();
    let envelope = NoteEnvelope::new(
        0.004,
        if strike.ringing { 0.5 } else { 0.16 },
        strike.held,
        rate,
    );
    out.reset(envelope.frames());
    let step = strike.hz / rate;
    let tine_step = (strike.hz * 7.02).min(8820.0) / rate;
    let tremolo_step = 4.6 / rate;
    let powers = |seconds: f32| {
        let fall = decay_per_frame(seconds, rate);
        let mut powers = [1.0f32; LANES];
        for lane in 1..LANES {
            powers[lane] = powers[lane - 1] * fall;
        }
        (powers, powers[LANES - 1] * fall)
    };
    let ((ring, ring_all), (bark, bark_all), (ping, ping_all)) =
        (powers(ring_s), powers(1.3), powers(0.35));
    let mut level = strike.velocity.powf(1.1) * 0.4;
    let mut index =
        (0.06 + 0.24 * strike.velocity * strike.velocity) * (-register / 40.0).exp2().min(1.4);
    let mut tinkle = 0.07 * strike.velocity;
    let (mut carrier, mut tine) = (0.0f32, 0.0f32);
    // The stereo tremolo of the cabinet.
    let mut tremolo = (strike.start_s * 4.6).fract() as f32;
    let (left, rest) = out.left.as_chunks_mut::<LANES>();
    let (right, rest_right) = out.right.as_chunks_mut::<LANES>();
    let mut last = ([0.0f32; LANES], [0.0f32; LANES]);
    let all = left
        .iter_mut()
        .zip(right.iter_mut())
        .chain(std::iter::once((&mut last.0, &mut last.1)));
    for (left, right) in all {
        let phases = |from: f32, step: f32| NEXT.map(|frame| from + frame * step);
        let mut body = phases(carrier, step);
        let bends = sines(body);
        for lane in 0..LANES {
            body[lane] += index * bark[lane] * bends[lane];
        }
        let body = sines(body);
        let pings = sines(phases(tine, tine_step));
        let sways = sines(phases(tremolo, tremolo_step));
        for lane in 0..LANES {
            let sample = (body[lane] + tinkle * ping[lane] * pings[lane]) * level * ring[lane];
            let sway = 0.16 * sways[lane];
            left[lane] = sample * (1.0 + sway);
            right[lane] = sample * (1.0 - sway);
        }
        carrier = turn(carrier + LANES as f32 * step);
        tine = turn(tine + LANES as f32 * tine_step);
        tremolo = turn(tremolo + LANES as f32 * tremolo_step);
        level *= ring_all;
        index *= bark_all;
        tinkle *= ping_all;
    }
    rest.copy_from_slice(&last.0[..rest.len()]);
    rest_right.copy_from_slice(&last.1[..rest_right.len()]);
    envelope.shape(&mut out.left);
    envelope.shape(&mut out.right);
}

/// Frames that are computed together.
const LANES: usize = 8;
/// Their numbers.
const NEXT: [f32; LANES] = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0];

/// [`sine`] of each.
fn sines(mut turns: [f32; LANES]) -> [f32; LANES] {
    for turns in &mut turns {
        *turns = sine(*turns);
    }
    turns
}

/// Drawbars 8', 5⅓', 16', 4', 2⅔' and 2' through a slow rotor.
pub(super) fn organ(strike: &Strike, out: &mut NoteBuffer) {
    let mut partials = Partials::new();
    for (ratio, amplitude) in [
        (0.5, 0.45),
        (1.0, 1.0),
        (1.5, 0.35),
        (2.0, 0.5),
        (3.0, 0.22),
        (4.0, 0.14),
    ] {
        let phase = (strike.seed % 97) as f32 / 97.0 * ratio;
        partials.add(
            strike.hz * ratio,
            amplitude,
            f32::INFINITY,
            phase.fract(),
            strike.rate,
        );
    }
    let envelope = NoteEnvelope::new(0.012, 0.07, strike.held, strike.rate);
    out.reset(envelope.frames());
    partials.render(&mut out.left);
    let rotor = (strike.start_s * 0.9).fract() as f32;
    let tremble = (strike.start_s * 5.9).fract() as f32;
    let level = 0.16 * (0.6 + 0.4 * strike.velocity);
    for (frame, (left, right)) in out.left.iter_mut().zip(&mut out.right).enumerate() {
        let now = frame as f32 / strike.rate;
        let sample = *left * level;
        let slow = 0.2 * sine(rotor + now * 0.9);
        let fast = 0.05 * sine(tremble + now * 5.9);
        *left = sample * (1.0 + slow + fast);
        *right = sample * (1.0 - slow + fast);
    }
    envelope.shape(&mut out.left);
    envelope.shape(&mut out.right);
}

/// Tuned bars: modes as (ratio, amplitude, share of the decay).
fn bar(
    strike: &Strike,
    out: &mut NoteBuffer,
    modes: &[(f32, f32, f32)],
    ring_s: f32,
    tremolo: f32,
) {
    let mut partials = Partials::new();
    for &(ratio, amplitude, share) in modes {
        // A harder blow lasts shorter and excites the higher modes.
        let soft = if ratio > 1.0 {
            strike.velocity * strike.velocity
        } else {
            1.0
        };
        partials.add(
            strike.hz * ratio,
            amplitude * soft,
            ring_s * share,
            0.0,
            strike.rate,
        );
    }
    let envelope = NoteEnvelope::new(
        0.002,
        if strike.ringing { 0.9 } else { 0.35 },
        strike.held,
        strike.rate,
    );
    out.reset_mono(envelope.frames());
    partials.render(&mut out.left);
    let phase = (strike.start_s * 4.8).fract() as f32;
    let level = 0.3 * strike.velocity;
    for (frame, sample) in out.left.iter_mut().enumerate() {
        let sway = 1.0 + tremolo * sine(phase + frame as f32 / strike.rate * 4.8);
        *sample *= level * sway;
    }
    envelope.shape(&mut out.left);
}

/// Vibraphone: the fundamental, its double octave, a hint of the third mode, and the fans.
pub(super) fn vibraphone(strike: &Strike, out: &mut NoteBuffer) {
    bar(
        strike,
        out,
        &[(1.0, 1.0, 1.0), (3.98, 0.25, 0.3), (9.9, 0.4, 0.09)],
        4.5,
        0.18,
    );
}

/// Glockenspiel: the modes of a free bar (1 : 2.756 : 5.404 : 8.933).
pub(super) fn glockenspiel(strike: &Strike, out: &mut NoteBuffer) {
    bar(
        strike,
        out,
        &[
            (1.0, 0.7, 1.0),
            (2.756, 0.7, 0.45),
            (5.404, 0.8, 0.25),
            (8.933, 0.4, 0.12),
        ],
        1.8,
        0.0,
    );
}
