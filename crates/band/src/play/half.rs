//! Converts to half the rate and back: sounds without content above 9 kHz are computed at 22.05 kHz, with half the work and memory.
//!
//! One half-band filter is used both ways. It is symmetric about its centre, so nothing is delayed.

use super::stereo::Stereo;

/// Taps on each side of the middle.
const REACH: usize = 14;
/// Frames that are computed at once.
const BLOCK: usize = 1024;
/// A block and the frames around it that the filter needs.
const WINDOW: usize = BLOCK + 2 * REACH;

/// Frames at half the rate that cover `frames`.
pub(super) fn half_of(frames: usize) -> usize {
    frames.div_ceil(2)
}

/// Adds `half` to `full`, which runs at twice its rate.
pub(super) fn raise(half: &Stereo, full: &mut Stereo) {
    let taps = taps();
    for (from, to) in [(&half.left, &mut full.left), (&half.right, &mut full.right)] {
        for (number, block) in to.chunks_mut(BLOCK * 2).enumerate() {
            let start = number * BLOCK;
            // Between frame n and n + 1 the filter reaches from n + 1 − REACH to n + REACH.
            let mut window = [0.0f32; WINDOW];
            if !fill(&mut window, |at| {
                (at + start + 1)
                    .checked_sub(REACH)
                    .and_then(|at| from.get(at))
            }) {
                continue;
            }
            let between = between(&window, &taps);
            for (index, pair) in block.chunks_mut(2).enumerate() {
                pair[0] += window[index + REACH - 1];
                if let Some(odd) = pair.get_mut(1) {
                    *odd += between[index];
                }
            }
        }
    }
}

/// Adds `gain` times `full` to `half`, which runs at half its rate.
pub(super) fn lower(full: &[f32], gain: f32, half: &mut [f32]) {
    let taps = taps();
    for (number, block) in half.chunks_mut(BLOCK).enumerate() {
        let start = number * BLOCK;
        // The odd frames around the even one n: from n − REACH to n + REACH − 1.
        let mut window = [0.0f32; WINDOW];
        let sounds = fill(&mut window, |at| {
            (at + start)
                .checked_sub(REACH)
                .and_then(|at| full.get(2 * at + 1))
        });
        if !sounds {
            continue;
        }
        let between = between(&window, &taps);
        for (index, sum) in block.iter_mut().enumerate() {
            let even = full.get(2 * (start + index)).copied().unwrap_or(0.0);
            *sum += gain * 0.5 * (even + between[index]);
        }
    }
}

/// Fills a window; whether anything in it sounds.
fn fill<'a>(window: &mut [f32; WINDOW], sample: impl Fn(usize) -> Option<&'a f32>) -> bool {
    let mut sounds = false;
    for (at, place) in window.iter_mut().enumerate() {
        *place = sample(at).copied().unwrap_or(0.0);
        sounds |= *place != 0.0;
    }
    sounds
}

/// The values half-way between the window's frames `n + REACH − 1` and `n + REACH`.
fn between(window: &[f32; WINDOW], taps: &[f32; REACH]) -> [f32; BLOCK] {
    let mut out = [0.0f32; BLOCK];
    for (start, lanes) in (0..BLOCK).step_by(8).zip(out.as_chunks_mut::<8>().0) {
        let seen = &window[start..start + 7 + 2 * REACH];
        for (number, tap) in taps.iter().enumerate() {
            let before = &seen[REACH - 1 - number..][..8];
            let after = &seen[REACH + number..][..8];
            for lane in 0..8 {
                lanes[lane] += tap * (before[lane] + after[lane]);
            }
        }
    }
    out
}

/// Windowed-sinc taps for the point half-way between two frames, by distance.
fn taps() -> [f32; REACH] {
    let mut taps = [0.0f64; REACH];
    for (number, tap) in taps.iter_mut().enumerate() {
        let x = number as f64 + 0.5;
        let sign = if number % 2 == 0 { 1.0 } else { -1.0 };
        let window = 0.5 + 0.5 * (std::f64::consts::PI * x / REACH as f64).cos();
        *tap = sign * window / (std::f64::consts::PI * x);
    }
    let whole: f64 = 2.0 * taps.iter().sum::<f64>();
    taps.map(|tap| (tap / whole) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hz: f32, rate: f32, frames: usize) -> Vec<f32> {
        (0..frames)
            .map(|frame| (std::f32::consts::TAU * hz * frame as f32 / rate).sin())
            .collect()
    }

    #[test]
    fn a_tone_goes_up_and_down_unchanged() {
        for hz in [60.0, 1000.0, 7000.0] {
            let half = tone(hz, 22_050.0, 5001);
            let mut up = Stereo::silent(10_002);
            raise(
                &Stereo {
                    left: half.clone(),
                    right: half.clone(),
                },
                &mut up,
            );
            let full = tone(hz, 44_100.0, 10_002);
            let mut down = vec![0.0; 5001];
            lower(&full, 1.0, &mut down);
            let off = |one: &[f32], other: &[f32]| {
                let inner = 100..one.len() - 100;
                one[inner.clone()]
                    .iter()
                    .zip(&other[inner])
                    .map(|(one, other)| (one - other).abs())
                    .fold(0.0, f32::max)
            };
            assert!(off(&up.left, &full) < 0.004, "{hz} Hz, up");
            assert!(off(&up.right, &full) < 0.004, "{hz} Hz, up");
            assert!(off(&down, &half) < 0.004, "{hz} Hz, down");
        }
    }

    #[test]
    fn what_half_the_rate_cannot_hold_is_left_out() {
        let mut down = vec![0.0; 4000];
        lower(&tone(16_000.0, 44_100.0, 8000), 1.0, &mut down);
        let loudest = down[100..3900]
            .iter()
            .fold(0.0f32, |most, sample| most.max(sample.abs()));
        assert!(loudest < 0.002, "{loudest}");
    }
}
