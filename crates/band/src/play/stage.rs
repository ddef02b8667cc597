//! Plays a score: every part by itself, brought to its level, placed, and summed with its share of the room.

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use super::{
    bowed, drums, keys,
    meter::k_loudness,
    plucked, room, sung,
    wave::{Filter, Scratch, Strike},
};
use crate::{
    arrange::{Articulation, Instrument, Part, Role, Score, ScoreNote},
    chance::Chance,
};

/// The rate at which the band plays, in frames per second.
pub const RATE_HZ: u32 = 44_100;

/// Two channels of equal length.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Stereo {
    /// Left.
    pub left: Vec<f32>,
    /// Right.
    pub right: Vec<f32>,
}

impl Stereo {
    /// Silence of `frames` frames.
    pub fn silent(frames: usize) -> Self {
        Self {
            left: vec![0.0; frames],
            right: vec![0.0; frames],
        }
    }

    /// Adds `other` times `gain`.
    fn add(&mut self, other: &Stereo, gain: f32) {
        for (sum, sample) in self
            .left
            .iter_mut()
            .zip(&other.left)
            .chain(self.right.iter_mut().zip(&other.right))
        {
            *sum += sample * gain;
        }
    }
}

/// Where the instruments' sounds come from.
#[derive(Debug, Clone, Default)]
pub enum Sound {
    /// Own synthesis.
    #[default]
    Own,
    /// A SoundFont that the caller has read.
    #[cfg(feature = "soundfont")]
    Font(super::Font),
}

/// What a room's share comes to in the sum.
const ROOM: f32 = 1.35;

/// Loudness at which a part of level 0 dB plays, on the K-weighted scale, where it plays.
const PART_LUFS: f64 = -18.0;

/// Plays `score` on at most `threads` threads; the samples do not depend on how many.
///
/// The sum is not mastered: its level is the style's balance, not a target.
pub fn play(score: &Score, sound: &Sound, seed: u64, threads: usize) -> Stereo {
    let frames = (score.length_s * f64::from(RATE_HZ)).ceil() as usize;
    let voice = voice_envelope(score, frames);
    let mut dry = Stereo::silent(frames);
    let mut send = Stereo::silent(frames);
    let mut echo_send = Stereo::silent(if score.room.delay > 0.0 { frames } else { 0 });
    // A few parts at a time: a stem of a long song is large, and their order in the sum is the score's.
    let group = threads.clamp(1, 8);
    for (round, parts) in score.parts.chunks(group).enumerate() {
        let stems = stems(score, sound, parts, round * group, seed, frames, threads);
        for (part, mut stem) in parts.iter().zip(stems) {
            if steps_back(part.role) {
                duck(&mut stem, &voice, score.finish.duck_db);
            }
            dry.add(&stem, 1.0);
            send.add(&stem, room_share(part));
            if score.room.delay > 0.0 && echoes(part.role) {
                echo_send.add(&stem, 1.0);
            }
        }
    }
    let rate = RATE_HZ as f32;
    if score.room.delay > 0.0 {
        room::echo(
            &echo_send,
            score.room.delay_s,
            score.room.delay * 0.7,
            rate,
            &mut dry,
        );
    }
    room::reverb(
        &send,
        score.room.decay_s,
        score.room.wet * ROOM,
        rate,
        &mut dry,
    );
    dry
}

/// The stems of some parts, in order.
fn stems(
    score: &Score,
    source: &Sound,
    parts: &[Part],
    first: usize,
    seed: u64,
    frames: usize,
    threads: usize,
) -> Vec<Stereo> {
    let one = |number: usize| stem(score, source, &parts[number], first + number, seed, frames);
    if threads <= 1 || parts.len() == 1 {
        return (0..parts.len()).map(one).collect();
    }
    let next = AtomicUsize::new(0);
    let done: Vec<Mutex<Option<Stereo>>> = parts.iter().map(|_| Mutex::new(None)).collect();
    std::thread::scope(|scope| {
        for _ in 0..threads.min(parts.len()) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(place) = done.get(number) else { break };
                    let played = one(number);
                    *place.lock().expect("no thread stops while it holds a stem") = Some(played);
                }
            });
        }
    });
    done.into_iter()
        .map(|stem| {
            stem.into_inner()
                .expect("no thread stops while it holds a stem")
                .unwrap_or_default()
        })
        .collect()
}

/// One part: its sound, its colour, its level, its place.
fn stem(
    score: &Score,
    source: &Sound,
    part: &Part,
    number: usize,
    seed: u64,
    frames: usize,
) -> Stereo {
    let rate = RATE_HZ as f32;
    let mut stem = match source {
        Sound::Own => own(score, part, number, seed, frames),
        #[cfg(feature = "soundfont")]
        Sound::Font(font) => placed(font.part(part, score.tuning_cents, frames), part.pan),
    };
    colour(part.instrument, &mut stem, rate);
    // The balance is set by ear's measure, so that it holds for any density of notes.
    if let Some(loudness) = k_loudness(&stem.left, &stem.right, RATE_HZ) {
        let target = PART_LUFS + f64::from(part.level_db) + f64::from(trim_db(part));
        let gain = 10f64.powf((target - loudness) / 20.0) as f32;
        for sample in stem.left.iter_mut().chain(&mut stem.right) {
            *sample *= gain;
        }
    }
    stem
}

/// A part in the middle, moved to its place.
#[cfg(feature = "soundfont")]
fn placed(mut stem: Stereo, pan: f32) -> Stereo {
    let (left, right) = pan_gains(pan);
    stem.left.iter_mut().for_each(|sample| *sample *= left);
    stem.right.iter_mut().for_each(|sample| *sample *= right);
    stem
}

/// One part alone with its own share of the room and of the echo: all parts' solos together are what [`play`] gives.
pub(crate) fn solo(score: &Score, sound: &Sound, number: usize, seed: u64) -> Stereo {
    let Some(part) = score.parts.get(number) else {
        return Stereo::default();
    };
    let frames = (score.length_s * f64::from(RATE_HZ)).ceil() as usize;
    let mut dry = stem(score, sound, part, number, seed, frames);
    if steps_back(part.role) {
        duck(
            &mut dry,
            &voice_envelope(score, frames),
            score.finish.duck_db,
        );
    }
    let mut send = Stereo::silent(frames);
    send.add(&dry, room_share(part));
    let mut out = dry.clone();
    let rate = RATE_HZ as f32;
    if score.room.delay > 0.0 && echoes(part.role) {
        let level = score.room.delay * 0.7;
        room::echo(&dry, score.room.delay_s, level, rate, &mut out);
    }
    let wet = score.room.wet * ROOM;
    room::reverb(&send, score.room.decay_s, wet, rate, &mut out);
    out
}

/// Whether a part is heard again as an echo.
fn echoes(role: Role) -> bool {
    matches!(role, Role::Fills | Role::Figure)
}

/// One part by our own synthesis.
fn own(score: &Score, part: &Part, number: usize, seed: u64, frames: usize) -> Stereo {
    let rate = RATE_HZ as f32;
    let mut stem = Stereo::silent(frames);
    let kit_seed = Chance::new(seed, &[71, number as u64]).seed();
    let mut kit = drums::Kit::new(part.instrument, kit_seed, rate);
    let mut scratch = Scratch::default();
    for (index, note) in part.notes.iter().enumerate() {
        let start = (note.start_s * f64::from(RATE_HZ)).round() as usize;
        if start >= frames {
            continue;
        }
        let mut chance = Chance::new(seed, &[72, number as u64, index as u64]);
        if part.instrument.is_percussion() {
            let variant = chance.below(4) as u8;
            let (samples, gain) = kit.stroke(note.midi, note.velocity, variant);
            let (left, right) =
                pan_gains((drums::Kit::place(note.midi) * 0.9 + part.pan * 0.5).clamp(-1.0, 1.0));
            lay(&mut stem.left, start, samples, gain * left);
            lay(&mut stem.right, start, samples, gain * right);
            continue;
        }
        sound(
            part.instrument,
            note,
            score.tuning_cents,
            &mut chance,
            rate,
            &mut scratch,
        );
        let (left, right) = pan_gains(place(part, note));
        lay(&mut stem.left, start, &scratch.left, left);
        lay(&mut stem.right, start, &scratch.right, right);
    }
    stem
}

/// Adds `samples` times `gain` from frame `start` on; what goes past the end is cut by the length that the arranger left for it.
fn lay(channel: &mut [f32], start: usize, samples: &[f32], gain: f32) {
    for (sum, sample) in channel[start..].iter_mut().zip(samples) {
        *sum += sample * gain;
    }
}

/// Sounds a pitched note.
fn sound(
    instrument: Instrument,
    note: &ScoreNote,
    tuning_cents: f32,
    chance: &mut Chance,
    rate: f32,
    out: &mut Scratch,
) {
    let cents = tuning_cents + chance.between(-1.5, 1.5);
    let strike = Strike {
        hz: 440.0 * ((f32::from(note.midi) - 69.0) / 12.0 + cents / 1200.0).exp2(),
        midi: note.midi,
        held: (note.length_s * f64::from(rate)) as usize,
        velocity: note.velocity,
        muted: note.articulation == Articulation::Muted,
        ringing: note.articulation == Articulation::Ringing,
        start_s: note.start_s,
        seed: chance.seed(),
        rate,
    };
    match instrument {
        Instrument::Piano => keys::piano(&strike, out),
        Instrument::ElectricPiano => keys::electric_piano(&strike, out),
        Instrument::Organ => keys::organ(&strike, out),
        Instrument::Vibraphone => keys::vibraphone(&strike, out),
        Instrument::Glockenspiel => keys::glockenspiel(&strike, out),
        Instrument::Flute => keys::flute(&strike, out),
        Instrument::SteelGuitar => plucked::pluck(&plucked::STEEL, &strike, out),
        Instrument::NylonGuitar => plucked::pluck(&plucked::NYLON, &strike, out),
        Instrument::Ukulele => plucked::pluck(&plucked::UKULELE, &strike, out),
        Instrument::Harp => plucked::pluck(&plucked::HARP, &strike, out),
        Instrument::CleanGuitar => plucked::pluck(&plucked::CLEAN, &strike, out),
        Instrument::DistortedGuitar => doubled(&strike, out),
        Instrument::FingerBass => plucked::pluck(&plucked::FINGER_BASS, &strike, out),
        Instrument::UprightBass => plucked::pluck(&plucked::UPRIGHT, &strike, out),
        Instrument::SynthBass => bowed::synth_bass(&strike, out),
        Instrument::SubBass => bowed::sub_bass(&strike, out),
        Instrument::Strings => bowed::bank(&bowed::STRINGS, &strike, out),
        Instrument::Brass => bowed::bank(&bowed::BRASS, &strike, out),
        Instrument::SynthPad => bowed::bank(&bowed::PAD, &strike, out),
        Instrument::SynthPluck => bowed::bank(&bowed::PLUCK, &strike, out),
        Instrument::SynthLead => bowed::bank(&bowed::LEAD, &strike, out),
        Instrument::Voices => sung::voices(&strike, out),
        Instrument::AcousticKit
        | Instrument::BrushKit
        | Instrument::ElectronicKit
        | Instrument::HandPercussion => out.reset(0),
    }
}

/// A guitar played twice, a side each, a hair apart.
fn doubled(strike: &Strike, out: &mut Scratch) {
    plucked::pluck(
        &plucked::DRIVEN,
        &Strike {
            hz: strike.hz * 1.0017,
            seed: strike.seed ^ 0x5555,
            ..*strike
        },
        out,
    );
    let late = (0.009 * strike.rate) as usize;
    let mut other = std::mem::take(&mut out.right);
    let late = late.min(other.len());
    other.rotate_right(late);
    other[..late].fill(0.0);
    plucked::pluck(&plucked::DRIVEN, strike, out);
    out.right = other;
}

/// Where a note stands: keyboards and harps spread low to high, the rest keep their place.
fn place(part: &Part, note: &ScoreNote) -> f32 {
    let spread = match part.instrument {
        Instrument::Piano
        | Instrument::Harp
        | Instrument::Vibraphone
        | Instrument::Glockenspiel => (f32::from(note.midi) - 60.0) / 40.0,
        _ => 0.0,
    };
    let width = if part.role == Role::Bass { 0.0 } else { 1.5 };
    (part.pan * width + spread).clamp(-0.9, 0.9)
}

/// Equal power, 1 in the middle.
fn pan_gains(pan: f32) -> (f32, f32) {
    let angle = (pan + 1.0) * std::f32::consts::FRAC_PI_4;
    (
        angle.cos() * std::f32::consts::SQRT_2,
        angle.sin() * std::f32::consts::SQRT_2,
    )
}

/// What is done to a whole part: room made for the bass, harshness taken off, distortion where it belongs.
fn colour(instrument: Instrument, stem: &mut Stereo, rate: f32) {
    let (low_hz, high_hz) = match instrument {
        Instrument::AcousticKit | Instrument::BrushKit | Instrument::ElectronicKit => {
            (30.0, 15_000.0)
        }
        Instrument::HandPercussion => (120.0, 12_000.0),
        Instrument::FingerBass | Instrument::UprightBass => (34.0, 4200.0),
        Instrument::SynthBass | Instrument::SubBass => (30.0, 3000.0),
        Instrument::Piano | Instrument::ElectricPiano => (85.0, 11_000.0),
        Instrument::DistortedGuitar => (95.0, 3900.0),
        Instrument::CleanGuitar => (110.0, 6500.0),
        Instrument::Strings
        | Instrument::Brass
        | Instrument::SynthPad
        | Instrument::Organ
        | Instrument::Voices => (120.0, 7500.0),
        _ => (110.0, 10_500.0),
    };
    let drive = instrument == Instrument::DistortedGuitar;
    let loud = if drive {
        stem.left
            .iter()
            .fold(0.0f32, |peak, sample| peak.max(sample.abs()))
            .max(1e-6)
    } else {
        1.0
    };
    let filter = |hz: f32, q: f32| [Filter::new(hz, q, rate); 2];
    let (mut high, mut low, mut cabinet) = (
        filter(low_hz, 0.7),
        filter(high_hz, 0.65),
        filter(high_hz * 1.1, 0.6),
    );
    // Both sides together, and nothing where nothing sounds: a part is silent for much of a song.
    let mut left = stem.left.chunks_mut(QUIET_FRAMES);
    let mut right = stem.right.chunks_mut(QUIET_FRAMES);
    let mut ringing = false;
    while let (Some(left), Some(right)) = (left.next(), right.next()) {
        let silent = left.iter().chain(right.iter()).all(|&sample| sample == 0.0);
        if silent && !ringing {
            continue;
        }
        ringing = !silent;
        for (left, right) in left.iter_mut().zip(right) {
            for (side, sample) in [left, right].into_iter().enumerate() {
                let mut value = high[side].high(*sample);
                if drive {
                    // Soft, with a little more of one side: even harmonics are the warm ones.
                    let pushed = value / loud * 5.0 + 0.12;
                    value = pushed / (1.0 + pushed * pushed).sqrt() - 0.119;
                    value = cabinet[side].low(value);
                }
                *sample = low[side].low(value);
            }
        }
        if silent {
            for side in 0..2 {
                (high[side], low[side], cabinet[side]) = (
                    Filter::new(low_hz, 0.7, rate),
                    Filter::new(high_hz, 0.65, rate),
                    Filter::new(high_hz * 1.1, 0.6, rate),
                );
            }
        }
    }
}

/// Frames after which a filter that got nothing has nothing more to say: a fifth of a second.
const QUIET_FRAMES: usize = 8820;

/// What a role's level is relative to the style's figures, in decibels.
fn trim_db(part: &Part) -> f32 {
    let role = match part.role {
        Role::Drums => 0.5,
        Role::Percussion => -1.0,
        Role::Bass => -1.0,
        Role::Comp => 0.0,
        Role::Pad => -1.0,
        Role::Figure => -0.5,
        Role::Fills => 0.5,
    };
    // Low notes weigh little on the K scale and much on the ear's.
    let instrument = match part.instrument {
        Instrument::SubBass => -6.5,
        Instrument::UprightBass => -1.0,
        Instrument::BrushKit => -1.5,
        _ => 0.0,
    };
    role + instrument
}

/// How much of a part goes into the room.
fn room_share(part: &Part) -> f32 {
    match part.role {
        Role::Bass => 0.04,
        Role::Drums => 0.22,
        Role::Percussion => 0.5,
        Role::Comp => 0.6,
        Role::Figure => 0.8,
        Role::Pad | Role::Fills => 0.9,
    }
}

/// Whether a part steps back under the voice.
fn steps_back(role: Role) -> bool {
    matches!(role, Role::Comp | Role::Pad | Role::Figure)
}

/// 1 where the voice sounds, 0 where it does not, eased over a tenth of a second before and half a second after.
fn voice_envelope(score: &Score, frames: usize) -> Vec<f32> {
    let rate = f64::from(RATE_HZ);
    let mut sung = vec![false; frames];
    for span in &score.voice {
        let from = ((span.start_s - 0.08).max(0.0) * rate) as usize;
        let to = ((span.end_s.max(0.0) * rate) as usize).min(frames);
        if from < to {
            sung[from..to].fill(true);
        }
    }
    let (rise, fall) = (
        1.0 - (-1.0 / (0.06 * rate as f32)).exp(),
        1.0 - (-1.0 / (0.35 * rate as f32)).exp(),
    );
    let mut level = 0.0f32;
    sung.into_iter()
        .map(|sounds| {
            let target = f32::from(u8::from(sounds));
            level += (target - level) * if sounds { rise } else { fall };
            level
        })
        .collect()
}

/// Takes a stem back by `depth_db` where the voice sounds.
fn duck(stem: &mut Stereo, voice: &[f32], depth_db: f32) {
    let depth = 1.0 - 10f32.powf(-depth_db / 20.0);
    for ((left, right), sounds) in stem.left.iter_mut().zip(&mut stem.right).zip(voice) {
        let gain = 1.0 - depth * sounds;
        *left *= gain;
        *right *= gain;
    }
}
