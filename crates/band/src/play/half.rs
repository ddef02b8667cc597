//! Converts to half the rate and back: reverb, which has no high frequencies, is computed at 22.05 kHz, distortion at 88.2 kHz.
//!
//! One half-band filter is used both ways. It is symmetric about its centre, so nothing is delayed.

use super::stereo::Stereo;

/// Taps on each side of the middle.
const REACH: usize = 16;
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
            if !fill(
                &mut window,
                from,
                start as isize + 1 - REACH as isize,
                |at| *at,
            ) {
                continue;
            }
            let mut between = [0.0f32; BLOCK];
            interpolate(&window, &taps, &mut between);
            for (index, pair) in block.chunks_mut(2).enumerate() {
                pair[0] += window[index + REACH - 1];
                if let Some(odd) = pair.get_mut(1) {
                    *odd += between[index];
                }
            }
        }
    }
}

/// Adds `full` to each of some channels that run at half its rate, with a gain for each.
pub(super) fn lower<const N: usize>(full: &[f32], mut into: [(f32, &mut [f32]); N]) {
    let taps = taps();
    let (pairs, rest) = full.as_chunks::<2>();
    for start in (0..half_of(full.len()) + REACH).step_by(BLOCK) {
        // The odd frames around the even one n: from n − REACH to n + REACH − 1.
        let (mut odd, mut even) = ([0.0f32; WINDOW], [0.0f32; BLOCK]);
        let first = start as isize;
        let sounds = fill(&mut odd, pairs, first - REACH as isize, |pair| pair[1])
            | fill(&mut even, pairs, first, |pair| pair[0])
            | fill(&mut even, rest, first - pairs.len() as isize, |last| *last);
        if !sounds {
            continue;
        }
        let mut between = [0.0f32; BLOCK];
        interpolate(&odd, &taps, &mut between);
        for (gain, half) in &mut into {
            let block = half.get_mut(start..).unwrap_or_default();
            for ((sum, even), odd) in block.iter_mut().zip(&even).zip(&between) {
                *sum += *gain * 0.5 * (even + odd);
            }
        }
    }
}

/// Fills a window that starts at item `first` of a source, where there are items; whether one of them sounds.
fn fill<T>(window: &mut [f32], source: &[T], first: isize, value: impl Fn(&T) -> f32) -> bool {
    let from = usize::try_from(first).unwrap_or(0);
    let ahead = usize::try_from(-first).unwrap_or(0);
    let items = source.get(from..).unwrap_or_default();
    let places = window.get_mut(ahead..).unwrap_or_default();
    for (place, item) in places.iter_mut().zip(items) {
        *place = value(item);
    }
    // All bits but the signs.
    places.iter().fold(0, |bits, place| bits | place.to_bits()) << 1 != 0
}

/// The values half-way between the window's frames `n + REACH − 1` and `n + REACH`.
fn interpolate(window: &[f32], taps: &[f32; REACH], out: &mut [f32]) {
    for (number, lanes) in out.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        let seen = &window[number * 8..][..7 + 2 * REACH];
        *lanes = [0.0; 8];
        for (number, tap) in taps.iter().enumerate() {
            let before = &seen[REACH - 1 - number..][..8];
            let after = &seen[REACH + number..][..8];
            for lane in 0..8 {
                lanes[lane] += tap * (before[lane] + after[lane]);
            }
        }
    }
}

/// Applies `curve` to a channel at twice its rate, so that the harmonics that it adds do not alias. Where samples are smaller than
/// `linear` the curve must change nothing; there it costs nothing.
///
/// Only the change is filtered on the way back: what the curve leaves alone stays as it is.
pub(super) fn shape(channel: &mut [f32], linear: f32, curve: impl Fn(f32) -> f32) {
    /// Frames around a block that its changes depend on.
    const MARGIN: usize = 2 * REACH;
    /// Between two samples a wave may be higher than both.
    const HIGHER_BETWEEN: f32 = 0.7;
    let taps = taps();
    let change = |value: f32| curve(value) - value;
    let mut before = [0.0f32; MARGIN];
    for start in (0..channel.len()).step_by(BLOCK) {
        let mut window = [0.0f32; BLOCK + 2 * MARGIN];
        let seen = &channel[start..(start + BLOCK + MARGIN).min(channel.len())];
        window[..MARGIN].copy_from_slice(&before);
        window[MARGIN..MARGIN + seen.len()].copy_from_slice(seen);
        before.copy_from_slice(&window[BLOCK..BLOCK + MARGIN]);
        // Without a branch for each sample, so that it is computed in lanes.
        let least = HIGHER_BETWEEN * linear;
        if !window
            .iter()
            .fold(false, |any, value| any | (value.abs() >= least))
        {
            continue;
        }
        let mut odd = [0.0f32; BLOCK + 2 * REACH];
        interpolate(&window[1..], &taps, &mut odd);
        odd.iter_mut().for_each(|value| *value = change(*value));
        let mut changes = [0.0f32; BLOCK];
        interpolate(&odd, &taps, &mut changes);
        for (sample, odd) in channel[start..].iter_mut().zip(&changes) {
            *sample += 0.5 * (change(*sample) + odd);
        }
    }
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
            .map(|frame| {
                let turns = f64::from(hz) * frame as f64 / f64::from(rate);
                (std::f64::consts::TAU * turns).sin() as f32
            })
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
            lower(&full, [(1.0, &mut down)]);
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
    fn a_last_frame_without_a_partner_counts_in_every_output() {
        // The last frame opens a block of its own, and lies within one.
        for frames in [2 * BLOCK + 1, 2 * BLOCK + 701] {
            let mut odd = tone(440.0, 44_100.0, frames);
            odd[frames - 1] = 0.7;
            let mut even = odd.clone();
            even.push(0.0);
            let silent = vec![0.0; half_of(frames)];
            let (mut one, mut other) = (silent.clone(), silent.clone());
            lower(&odd, [(1.0, &mut one), (0.5, &mut other)]);
            let mut wanted = silent;
            lower(&even, [(1.0, &mut wanted)]);
            assert_eq!(one, wanted);
            let halved: Vec<f32> = wanted.iter().map(|sample| 0.5 * sample).collect();
            assert_eq!(other, halved);
            assert!(one[half_of(frames) - 1].abs() > 0.2);
        }
    }

    #[test]
    fn what_half_the_rate_cannot_hold_is_left_out() {
        let mut down = vec![0.0; 4000];
        lower(&tone(16_000.0, 44_100.0, 8000), [(1.0, &mut down)]);
        let loudest = down[100..3900]
            .iter()
            .fold(0.0f32, |most, sample| most.max(sample.abs()));
        assert!(loudest < 0.002, "{loudest}");
    }

    /// Power of everything but the harmonics of `hz`, relative to the whole.
    fn rest_db(samples: &[f32], hz: f32) -> f32 {
        let inner = &samples[2000..2000 + 22_050];
        let power = |samples: &[f64]| samples.iter().map(|x| x * x).sum::<f64>();
        let mut rest: Vec<f64> = inner.iter().map(|&x| f64::from(x)).collect();
        let whole = power(&rest);
        for number in (1..).take_while(|number| hz * *number as f32 <= 22_050.0) {
            let step = std::f64::consts::TAU * f64::from(hz) * f64::from(number) / 44_100.0;
            for shift in [0.0, 0.25] {
                let wave = |at: usize| (step * at as f64 + shift * std::f64::consts::TAU).cos();
                let share = 2.0 / inner.len() as f64
                    * rest
                        .iter()
                        .enumerate()
                        .map(|(at, x)| x * wave(at))
                        .sum::<f64>();
                rest.iter_mut()
                    .enumerate()
                    .for_each(|(at, x)| *x -= share * wave(at));
            }
        }
        (10.0 * (power(&rest) / whole).log10()) as f32
    }

    #[test]
    fn a_curve_adds_harmonics_and_nothing_else() {
        let curve = |x: f32| x / (1.0 + x * x).sqrt();
        for hz in [3000.0, 5000.0, 7000.0] {
            let clean = tone(hz, 44_100.0, 30_000);
            let mut plain = clean.clone();
            plain.iter_mut().for_each(|sample| *sample = curve(*sample));
            let mut shaped = clean;
            shape(&mut shaped, 0.0, curve);
            let (plain, shaped) = (rest_db(&plain, hz), rest_db(&shaped, hz));
            assert!(shaped < -70.0, "{hz} Hz: {shaped} dB, {plain} dB without");
            assert!(
                shaped < plain - 10.0,
                "{hz} Hz: {shaped} dB, {plain} dB without"
            );
        }
    }

    #[test]
    fn a_quiet_channel_stays_as_it_is_and_blocks_have_no_seams() {
        let quiet = tone(440.0, 44_100.0, 5000);
        let mut shaped = quiet.clone();
        shape(&mut shaped, 2.0, |_| 0.0);
        assert_eq!(shaped, quiet);
        let mut halved = tone(440.0, 44_100.0, 5000);
        shape(&mut halved, 0.0, |x| 0.5 * x);
        for at in 64..4900 {
            assert!((halved[at] - 0.5 * quiet[at]).abs() < 1e-3, "at {at}");
        }
    }
}
