//! Plays a score: every part alone, then its level and position, then the sum with its reverb.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{
    balance, half,
    pump::Pump,
    room, sounding,
    stereo::{RATE_HZ, Stereo, silence},
};
use crate::arrange::{Instrument, Role, Score, ScorePart};

/// Where the instruments' sounds come from.
#[derive(Debug, Clone, Default)]
pub enum SoundSource {
    /// Own synthesis.
    #[default]
    Own,
    /// A SoundFont that the caller has read, for the instruments that are better from one; own synthesis for the others.
    #[cfg(feature = "soundfont")]
    Font(super::Font),
}

impl SoundSource {
    /// The instruments of a score that a SoundFont plays, in the order of the score.
    pub(crate) fn font_instruments(&self, score: &Score) -> Vec<Instrument> {
        let mut found: Vec<Instrument> = Vec::new();
        for part in score.parts.iter().filter(|part| self.uses_font(part)) {
            if !found.contains(&part.instrument) {
                found.push(part.instrument);
            }
        }
        found
    }

    #[cfg_attr(
        not(feature = "soundfont"),
        expect(unused_variables, reason = "no font can be given")
    )]
    fn uses_font(&self, part: &ScorePart) -> bool {
        match self {
            Self::Own => false,
            #[cfg(feature = "soundfont")]
            Self::Font(font) => font.plays(part),
        }
    }
}

/// Plays `score` on at most `threads` threads; the samples do not depend on how many.
///
/// The sum is not mastered: its level is the style's balance, not a target. Memory holds the sum, its reverb send at half the rate, and
/// one part for each thread.
pub fn play(score: &Score, sound: &SoundSource, seed: u64, threads: usize) -> Stereo {
    together(score, sound, 0..score.parts.len(), seed, threads)
}

/// One part alone with its own reverb and echo: the sum of all parts' solos is the result of [`play`].
pub(crate) fn solo(score: &Score, sound: &SoundSource, number: usize, seed: u64) -> Stereo {
    let parts = number.min(score.parts.len())..(number + 1).min(score.parts.len());
    together(score, sound, parts, seed, 1)
}

/// Some of the score's parts with their reverb.
fn together(
    score: &Score,
    sound: &SoundSource,
    parts: std::ops::Range<usize>,
    seed: u64,
    threads: usize,
) -> Stereo {
    let frames = frames_of(score);
    let mut buses = Buses::new(score, frames);
    let numbers: Vec<usize> = parts.collect();
    // A few parts at a time: a part of a long song is large. They are summed in the order of the score, and each is played where one
    // before it was.
    let used = Mutex::new(Vec::new());
    for group in numbers.chunks(threads.clamp(1, 8)) {
        let silence = || {
            let used = lock(&used).pop();
            used.unwrap_or_else(|| Stereo::silent(frames))
        };
        let stems = in_parallel(group, |number| stem(score, sound, number, seed, silence));
        for (&number, stem) in group.iter().zip(stems) {
            let mut stem = buses.take(stem, &score.parts[number]);
            stem.silence();
            lock(&used).push(stem);
        }
    }
    drop(used);
    buses.into_room(score)
}

/// The length of a score in frames.
fn frames_of(score: &Score) -> usize {
    (score.length_s * f64::from(RATE_HZ)).ceil() as usize
}

/// What parts were played in. No thread ends while it has the lock.
fn lock(used: &Mutex<Vec<Stereo>>) -> MutexGuard<'_, Vec<Stereo>> {
    used.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One part as it was played.
struct PlayedPart {
    sound: Stereo,
    /// What it is to be mixed with.
    gain: f32,
}

/// Where the parts come together.
struct Buses {
    /// The parts as they were played.
    dry: Stereo,
    /// The reverb send, at half the rate: reverb has no high frequencies.
    send: Stereo,
    /// The echo send, at half the rate; `None` without echo.
    echo: Vec<f32>,
    /// The sidechain compression by the kick of all parts but the drums; `None` where the style has none.
    pump: Option<Pump>,
}

impl Buses {
    fn new(score: &Score, frames: usize) -> Self {
        let half = half::half_of(frames);
        Self {
            dry: Stereo::silent(frames),
            send: Stereo::silent(half),
            echo: silence(if score.room.delay > 0.0 { half } else { 0 }),
            pump: Pump::of(score),
        }
    }

    /// Adds a part to the sum and to the sends, and returns what it was played in.
    fn take(&mut self, mut stem: PlayedPart, part: &ScorePart) -> Stereo {
        for channel in [&mut stem.sound.left, &mut stem.sound.right] {
            channel.iter_mut().for_each(|sample| *sample *= stem.gain);
        }
        if let Some(pump) = &self.pump
            && !matches!(part.role, Role::Drums | Role::Percussion)
        {
            pump.press(&mut stem.sound);
        }
        let share = balance::room_share(part);
        let echoes = !self.echo.is_empty() && echoes(part.role);
        let sides = [
            (&stem.sound.left, &mut self.dry.left, &mut self.send.left),
            (&stem.sound.right, &mut self.dry.right, &mut self.send.right),
        ];
        for (from, dry, send) in sides {
            for (sum, sample) in dry.iter_mut().zip(from) {
                *sum += sample;
            }
            if echoes {
                half::lower(from, [(share, send), (0.5, &mut self.echo)]);
            } else {
                half::lower(from, [(share, send)]);
            }
        }
        stem.sound
    }

    /// Adds reverb and echo, and returns the sum at the full rate.
    fn into_room(mut self, score: &Score) -> Stereo {
        let rate = RATE_HZ as f32 / 2.0;
        let room = &score.room;
        let mut answer = Stereo::silent(self.send.left.len());
        if room.delay > 0.0 {
            room::echo(
                &self.echo,
                room.delay_s,
                room.delay * 0.7,
                rate,
                &mut answer,
            );
        }
        room::reverb(
            [&self.send.left, &self.send.right],
            room.decay_s,
            room.wet * room::LEVEL,
            room_seed(score),
            rate,
            &mut answer,
        );
        half::raise(&answer, &mut self.dry);
        self.dry
    }
}

/// The seed of the reverb: the same for every song of a style.
pub(super) fn room_seed(score: &Score) -> u64 {
    score.style as u64 + 1
}

/// What `one` gives for each of `items`, in order, the first on this thread and each other on one of its own.
pub(crate) fn in_parallel<T: Send>(items: &[usize], one: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let [first, others @ ..] = items else {
        return Vec::new();
    };
    std::thread::scope(|scope| {
        let one = &one;
        let others: Vec<_> = others
            .iter()
            .map(|&item| scope.spawn(move || one(item)))
            .collect();
        let mut given = vec![one(*first)];
        for other in others {
            match other.join() {
                Ok(other) => given.push(other),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        given
    })
}

/// One part: its sound, channel strip, level and position. Own synthesis plays into what `silence` gives, as long as the song.
fn stem(
    score: &Score,
    source: &SoundSource,
    number: usize,
    seed: u64,
    silence: impl FnOnce() -> Stereo,
) -> PlayedPart {
    let part = &score.parts[number];
    let (mut sound, recorded) = match source {
        #[cfg(feature = "soundfont")]
        SoundSource::Font(font) if font.plays(part) => (
            placed(
                font.part(part, score.tuning_cents, frames_of(score)),
                part.pan,
            ),
            true,
        ),
        _ => (
            sounding::own(score, part, number, seed, RATE_HZ as f32, silence()),
            false,
        ),
    };
    let gain = balance::channel_strip(part, &mut sound, recorded);
    PlayedPart { sound, gain }
}

/// Moves a part from the middle to its position.
#[cfg(feature = "soundfont")]
fn placed(mut stem: Stereo, pan: f32) -> Stereo {
    let (left, right) = sounding::pan_gains(pan);
    stem.left.iter_mut().for_each(|sample| *sample *= left);
    stem.right.iter_mut().for_each(|sample| *sample *= right);
    stem
}

/// Whether a part has an echo.
fn echoes(role: Role) -> bool {
    matches!(role, Role::Fills | Role::Figure)
}
