//! Synthesises one part: every note at its time and position.

use super::{
    bowed, drums, keys, plucked,
    stereo::Stereo,
    sung,
    wave::{NoteBuffer, Strike},
    winds,
};
use crate::{
    arrange::{Articulation, Instrument, Role, Score, ScoreNote, ScorePart},
    chance::Chance,
};

/// One part by our own synthesis.
///
/// `rate` is the one that the part is played at, and `stem` the silence that it is played into, at that rate.
pub(super) fn own(
    score: &Score,
    part: &ScorePart,
    number: usize,
    seed: u64,
    rate: f32,
    mut stem: Stereo,
) -> Stereo {
    let frames = stem.left.len();
    let kit_seed = Chance::new(seed, &[71, number as u64]).seed();
    let mut kit = drums::Kit::new(part.instrument, kit_seed, rate);
    let mut scratch = NoteBuffer::default();
    for (index, note) in part.notes.iter().enumerate() {
        let start_s = (note.start_s - lead_s(part.instrument)).max(0.0);
        let start = (start_s * f64::from(rate)).round() as usize;
        if start >= frames {
            continue;
        }
        let mut chance = Chance::new(seed, &[72, number as u64, index as u64]);
        if part.instrument.is_percussion() {
            let variant = chance.below(4) as u8;
            let (samples, gain) = kit.stroke(note.midi, note.velocity, variant);
            let (left, right) =
                pan_gains((drums::Kit::place(note.midi) * 0.9 + part.pan * 0.5).clamp(-1.0, 1.0));
            let until = choked_after(part, index, rate).unwrap_or(samples.len());
            lay_until(&mut stem.left, start, samples, until, gain * left, rate);
            lay_until(&mut stem.right, start, samples, until, gain * right, rate);
            continue;
        }
        let early = ScoreNote {
            start_s,
            length_s: note.start_s + note.length_s - start_s,
            ..*note
        };
        sound(
            part.instrument,
            &early,
            score.tuning_cents,
            &mut chance,
            rate,
            &mut scratch,
        );
        let (left, right) = pan_gains(place(part, note));
        lay(&mut stem.left, start, &scratch.left, left);
        let other = if scratch.mono {
            &scratch.left
        } else {
            &scratch.right
        };
        lay(&mut stem.right, start, other, right);
    }
    stem
}

/// How long before its beat a note with a slow attack starts, in seconds: half of the attack lies before the beat.
pub(super) fn lead_s(instrument: Instrument) -> f64 {
    match instrument {
        Instrument::Strings => 0.08,
        Instrument::SynthPad => 0.15,
        Instrument::Voices => 0.07,
        Instrument::Brass => 0.025,
        Instrument::Flute | Instrument::Saxophone => 0.02,
        _ => 0.0,
    }
}

/// Adds `samples` times `gain` from frame `start` on; what goes past the end is cut by the length that the arranger left for it.
fn lay(channel: &mut [f32], start: usize, samples: &[f32], gain: f32) {
    for (sum, sample) in channel[start..].iter_mut().zip(samples) {
        *sum += sample * gain;
    }
}

/// Frames after which stroke number `index` is choked; `None` when it rings out. The hats are one pair of cymbals: a closed stroke
/// ends an open one.
pub(super) fn choked_after(part: &ScorePart, index: usize, rate: f32) -> Option<usize> {
    let note = part.notes.get(index).filter(|note| note.midi == OPEN_HAT)?;
    let next = part.notes[index + 1..]
        .iter()
        .find(|next| HATS.contains(&next.midi) && next.start_s > note.start_s)?;
    Some(((next.start_s - note.start_s) * f64::from(rate)).round() as usize)
}

/// General MIDI numbers of the open hat, and of all strokes on the hats.
pub(super) const OPEN_HAT: u8 = 46;
const HATS: [u8; 3] = [42, 44, 46];

/// How long a choked stroke takes to fall silent, in seconds.
pub(super) const CHOKE_S: f32 = 0.006;

/// [`lay`], faded out from frame `until` of the samples on.
fn lay_until(
    channel: &mut [f32],
    start: usize,
    samples: &[f32],
    until: usize,
    gain: f32,
    rate: f32,
) {
    let (kept, rest) = samples.split_at(until.min(samples.len()));
    lay(channel, start, kept, gain);
    let fade = (CHOKE_S * rate) as usize;
    let from = (start + kept.len()).min(channel.len());
    for (step, (sum, sample)) in channel[from..].iter_mut().zip(rest).take(fade).enumerate() {
        *sum += sample * gain * (1.0 - (step + 1) as f32 / fade as f32);
    }
}

/// Sounds a pitched note.
fn sound(
    instrument: Instrument,
    note: &ScoreNote,
    tuning_cents: f32,
    chance: &mut Chance,
    rate: f32,
    out: &mut NoteBuffer,
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
        Instrument::Flute => winds::flute(&strike, out),
        Instrument::Saxophone => winds::saxophone(&strike, out),
        Instrument::SteelGuitar => plucked::pluck(&plucked::STEEL, &strike, out),
        Instrument::NylonGuitar => plucked::pluck(&plucked::NYLON, &strike, out),
        Instrument::Ukulele => plucked::pluck(&plucked::UKULELE, &strike, out),
        Instrument::Banjo => plucked::pluck(&plucked::BANJO, &strike, out),
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

/// A guitar that is recorded twice, left and right, slightly apart in time.
fn doubled(strike: &Strike, out: &mut NoteBuffer) {
    plucked::pluck(
        &plucked::DRIVEN,
        &Strike {
            hz: strike.hz * 1.0017,
            seed: strike.seed ^ 0x5555,
            ..*strike
        },
        out,
    );
    let mut other = std::mem::take(&mut out.left);
    let late = ((0.009 * strike.rate) as usize).min(other.len());
    other.rotate_right(late);
    other[..late].fill(0.0);
    plucked::pluck(&plucked::DRIVEN, strike, out);
    out.right = other;
    out.right.resize(out.left.len(), 0.0);
    out.mono = false;
}

/// The position of a note: keyboards and harps spread from low to high, the others keep the position of the part.
fn place(part: &ScorePart, note: &ScoreNote) -> f32 {
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
pub(super) fn pan_gains(pan: f32) -> (f32, f32) {
    let angle = (pan + 1.0) * std::f32::consts::FRAC_PI_4;
    (
        angle.cos() * std::f32::consts::SQRT_2,
        angle.sin() * std::f32::consts::SQRT_2,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_needs_time_to_sound_is_there_on_the_beat() {
        const RATE: f32 = 44_100.0;
        for instrument in [
            Instrument::Strings,
            Instrument::SynthPad,
            Instrument::Voices,
            Instrument::Brass,
            Instrument::Piano,
        ] {
            let note = ScoreNote {
                start_s: 1.0,
                length_s: 2.0,
                midi: 60,
                velocity: 0.7,
                articulation: Articulation::Normal,
            };
            let mut out = NoteBuffer::default();
            let early = ScoreNote {
                length_s: note.length_s + lead_s(instrument),
                ..note
            };
            sound(
                instrument,
                &early,
                0.0,
                &mut Chance::new(1, &[1]),
                RATE,
                &mut out,
            );
            let level = |from_s: f64| {
                let from = (from_s * f64::from(RATE)) as usize;
                let window = &out.left[from..from + (0.03 * RATE) as usize];
                (window.iter().map(|x| x * x).sum::<f32>() / window.len() as f32).sqrt()
            };
            let loudest = (0..60)
                .map(|at| level(f64::from(at) * 0.02))
                .fold(0.0, f32::max);
            let on_beat_db = 20.0 * (level(lead_s(instrument)) / loudest).log10();
            assert!(
                on_beat_db > -10.0,
                "{instrument:?}: {on_beat_db} dB on the beat"
            );
        }
    }

    #[test]
    fn who_plays_louder_sounds_brighter() {
        const RATE: f32 = 44_100.0;
        use Instrument as I;
        for instrument in [
            I::FingerBass,
            I::UprightBass,
            I::SynthBass,
            I::Piano,
            I::ElectricPiano,
            I::Vibraphone,
            I::Glockenspiel,
            I::SteelGuitar,
            I::NylonGuitar,
            I::Ukulele,
            I::Banjo,
            I::Harp,
            I::CleanGuitar,
            I::Strings,
            I::Brass,
            I::Flute,
            I::Saxophone,
        ] {
            // Mean of squared frequencies: the power of the slope over that of the sound.
            let brightness = |midi: u8, velocity: f32| {
                let note = ScoreNote {
                    start_s: 0.0,
                    length_s: 0.8,
                    midi,
                    velocity,
                    articulation: Articulation::Normal,
                };
                let mut out = NoteBuffer::default();
                let mut chance = Chance::new(3, &[1]);
                sound(instrument, &note, 0.0, &mut chance, RATE, &mut out);
                let power =
                    |samples: &mut dyn Iterator<Item = f32>| samples.map(|x| x * x).sum::<f32>();
                let slope = power(&mut out.left.windows(2).map(|pair| pair[1] - pair[0]));
                (slope / power(&mut out.left.iter().copied())).sqrt()
            };
            let low = matches!(instrument, I::FingerBass | I::UprightBass | I::SynthBass);
            for midi in if low { [31, 43] } else { [55, 67] } {
                let (soft, loud) = (brightness(midi, 0.3), brightness(midi, 0.95));
                assert!(loud > 1.05 * soft, "{instrument:?} {midi}: {soft}, {loud}");
            }
        }
    }
}
