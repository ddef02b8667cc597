//! The sidechain compression of dance music: each kick lowers everything but the drums until shortly before the next kick.

use super::stereo::{RATE_HZ, Stereo};
use crate::arrange::{Role, Score};

/// General MIDI number of the kick.
const KICK: u8 = 36;
/// Attack time, ahead of the kick, and hold time, in seconds.
const ATTACK_S: f64 = 0.006;
const HOLD_S: f64 = 0.03;
/// Longest release time, in seconds; with faster kicks it is shorter.
const RELEASE_S: f64 = 0.3;
/// The release time as a share of the time to the next kick.
const RELEASE_SHARE: f64 = 0.75;

/// The times of the kicks, and the depth.
pub(super) struct Pump {
    kicks_s: Vec<f64>,
    /// Greatest reduction, 0..1.
    depth: f32,
}

impl Pump {
    /// The sidechain compression of a score; `None` where its style has none or no kick is played.
    pub(super) fn of(score: &Score) -> Option<Self> {
        let kicks_s: Vec<f64> = score
            .parts
            .iter()
            .filter(|part| part.role == Role::Drums)
            .flat_map(|part| &part.notes)
            .filter(|note| note.midi == KICK)
            .map(|note| note.start_s)
            .collect();
        let depth = 1.0 - 10f32.powf(-score.finish.pump_db / 20.0);
        (score.finish.pump_db > 0.0 && !kicks_s.is_empty()).then_some(Self { kicks_s, depth })
    }

    /// Lowers a part at every kick.
    pub(super) fn press(&self, sound: &mut Stereo) {
        let rate = f64::from(RATE_HZ);
        let frames = sound.left.len();
        for (number, kick_s) in self.kicks_s.iter().enumerate() {
            let next_s = self.kicks_s.get(number + 1).copied();
            let back_s = next_s.map_or(RELEASE_S, |next| {
                (RELEASE_SHARE * (next - kick_s)).min(RELEASE_S)
            });
            let from = ((kick_s - ATTACK_S).max(0.0) * rate) as usize;
            let until = next_s.map_or(f64::INFINITY, |next| next - ATTACK_S);
            let to = ((kick_s + HOLD_S + back_s).min(until).max(0.0) * rate) as usize;
            for frame in from.min(frames)..to.min(frames) {
                let after_s = frame as f64 / rate - kick_s;
                let share = if after_s < 0.0 {
                    1.0 + after_s / ATTACK_S
                } else {
                    let back = ((after_s - HOLD_S) / back_s).clamp(0.0, 1.0);
                    1.0 - back * back * (3.0 - 2.0 * back)
                };
                let gain = 1.0 - self.depth * share as f32;
                sound.left[frame] *= gain;
                sound.right[frame] *= gain;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pressed_down_is_back_before_the_next_kick() {
        let pump = Pump {
            kicks_s: vec![0.5, 1.0, 1.5],
            depth: 0.5,
        };
        let ones = vec![1.0f32; 2 * RATE_HZ as usize];
        let mut sound = Stereo {
            left: ones.clone(),
            right: ones,
        };
        pump.press(&mut sound);
        let at = |time_s: f64| sound.left[(time_s * f64::from(RATE_HZ)) as usize];
        for kick_s in [0.5, 1.0, 1.5] {
            assert!((at(kick_s + 0.01) - 0.5).abs() < 0.01);
            assert!((0.5..0.9).contains(&at(kick_s + 0.15)));
            assert!(at(kick_s + 0.42) > 0.99);
            assert!(at(kick_s - 0.01) > 0.99);
        }
        let steepest = sound.left.windows(2).map(|pair| (pair[1] - pair[0]).abs());
        assert!(steepest.fold(0.0, f32::max) < 0.01, "it clicks");
    }
}
