//! Decaying partials: struck strings, bars and drawbars.

use std::f32::consts::PI;

use super::wave::decay_per_frame;

/// Frames for which a partial follows its recurrence before its state is computed anew, so that no error grows.
const BLOCK: usize = 512;
/// Frames that are computed together.
const LANES: usize = 8;
/// A partial ends below this amplitude, before the level of its note is applied: −80 dB.
const OVER: f32 = 1e-4;

/// A sum of decaying sines.
///
/// Every sample of a decaying sine follows from those eight and sixteen frames before: y(n) = 2r⁸cos(8θ)·y(n−8) − r¹⁶·y(n−16).
/// Eight of them are worked out at once, two partials together.
#[derive(Debug, Clone, Default)]
pub(super) struct Partials(Vec<Partial>);

#[derive(Debug, Clone, Copy)]
struct Partial {
    /// Its state: a point that turns and shrinks.
    re: f32,
    im: f32,
    /// How far it turns in 0..16 frames.
    turns_re: [f32; 2 * LANES],
    turns_im: [f32; 2 * LANES],
    /// How far it turns in a block.
    block_re: f32,
    block_im: f32,
    /// The two factors of the recurrence.
    near: f32,
    far: f32,
}

impl Partials {
    /// No partials.
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Adds one that falls by 60 dB in `decay_s` (never, when it is infinite); above .45 of the rate it is left out.
    pub(super) fn add(&mut self, hz: f32, amplitude: f32, decay_s: f32, phase: f32, rate: f32) {
        if hz > 0.45 * rate || hz <= 0.0 {
            return;
        }
        let shrink = if decay_s.is_finite() {
            f64::from(decay_per_frame(decay_s, rate))
        } else {
            1.0
        };
        let angle = 2.0 * std::f64::consts::PI * f64::from(hz) / f64::from(rate);
        let (turn_re, turn_im) = (shrink * angle.cos(), shrink * angle.sin());
        let (mut re, mut im) = (1.0f64, 0.0f64);
        let (mut turns_re, mut turns_im) = ([0.0f32; 2 * LANES], [0.0f32; 2 * LANES]);
        for (to_re, to_im) in turns_re.iter_mut().zip(&mut turns_im) {
            (*to_re, *to_im) = (re as f32, im as f32);
            (re, im) = (re * turn_re - im * turn_im, re * turn_im + im * turn_re);
        }
        let power = |frames: i32| {
            let turned = angle * f64::from(frames);
            (shrink.powi(frames), turned.cos(), turned.sin())
        };
        let (left, cos, _) = power(LANES as i32);
        let (block, block_cos, block_sin) = power(BLOCK as i32);
        self.0.push(Partial {
            re: amplitude * (2.0 * PI * phase).cos(),
            im: amplitude * (2.0 * PI * phase).sin(),
            turns_re,
            turns_im,
            block_re: (block * block_cos) as f32,
            block_im: (block * block_sin) as f32,
            near: (2.0 * left * cos) as f32,
            far: (left * left) as f32,
        });
    }

    /// Adds all of their samples to `out`, from the first on.
    pub(super) fn render(mut self, out: &mut [f32]) {
        let mut sum = [0.0f32; BLOCK];
        for block in out.chunks_mut(BLOCK) {
            self.0
                .retain(|partial| partial.re.abs() + partial.im.abs() > OVER);
            if self.0.is_empty() {
                return;
            }
            sum.fill(0.0);
            let frames = block.len().next_multiple_of(LANES);
            let (pairs, rest) = self.0.as_chunks_mut::<2>();
            for [one, other] in pairs {
                two(one, other, &mut sum[..frames]);
            }
            for last in rest {
                let mut nothing = Partial::SILENT;
                two(last, &mut nothing, &mut sum[..frames]);
            }
            for (sample, sum) in block.iter_mut().zip(&sum) {
                *sample += sum;
            }
        }
    }
}

impl Partials {
    /// Their first `frames` samples.
    pub(super) fn samples(self, frames: usize) -> Vec<f32> {
        let mut samples = vec![0.0; frames];
        self.render(&mut samples);
        samples
    }
}

impl Partial {
    const SILENT: Self = Self {
        re: 0.0,
        im: 0.0,
        turns_re: [0.0; 2 * LANES],
        turns_im: [0.0; 2 * LANES],
        block_re: 0.0,
        block_im: 0.0,
        near: 0.0,
        far: 0.0,
    };

    /// The first sixteen samples of a block, and the step to the next block.
    fn begin(&mut self) -> ([f32; LANES], [f32; LANES]) {
        let mut first = [[0.0f32; LANES]; 2];
        for (index, sample) in first.as_flattened_mut().iter_mut().enumerate() {
            *sample = self.re * self.turns_im[index] + self.im * self.turns_re[index];
        }
        (self.re, self.im) = (
            self.re * self.block_re - self.im * self.block_im,
            self.re * self.block_im + self.im * self.block_re,
        );
        (first[0], first[1])
    }
}

/// Adds a block of two partials.
fn two(one: &mut Partial, other: &mut Partial, sum: &mut [f32]) {
    let (mut a_far, mut a_near) = one.begin();
    let (mut b_far, mut b_near) = other.begin();
    let (a1, a2, b1, b2) = (one.near, one.far, other.near, other.far);
    for lanes in sum.as_chunks_mut::<LANES>().0 {
        for lane in 0..LANES {
            lanes[lane] += a_far[lane] + b_far[lane];
            let a_next = a1 * a_near[lane] - a2 * a_far[lane];
            let b_next = b1 * b_near[lane] - b2 * b_far[lane];
            (a_far[lane], a_near[lane]) = (a_near[lane], a_next);
            (b_far[lane], b_near[lane]) = (b_near[lane], b_next);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partials_ring_at_their_pitch_and_fall_as_told() {
        // One of them where sixteen frames are a whole period, the worst case of the recurrence.
        for (hz, rate) in [(441.0, 44_100.0), (1378.125, 22_050.0), (55.0, 22_050.0)] {
            let mut partials = Partials::new();
            partials.add(hz, 1.0, 1.0, 0.0, rate);
            let mut samples = vec![0.0; rate as usize];
            partials.render(&mut samples);
            let worst = samples
                .iter()
                .enumerate()
                .map(|(frame, sample)| {
                    let time = frame as f64 / f64::from(rate);
                    let wanted = (-6.907_755 * time).exp()
                        * (std::f64::consts::TAU * f64::from(hz) * time).sin();
                    (f64::from(*sample) - wanted).abs()
                })
                .fold(0.0, f64::max);
            assert!(worst < 2e-3, "{hz} Hz at {rate}: off by {worst}");
        }
    }

    #[test]
    fn a_drawbar_keeps_its_level() {
        let mut partials = Partials::new();
        partials.add(220.0, 0.5, f32::INFINITY, 0.3, 22_050.0);
        let mut samples = vec![0.0; 22_050 * 20];
        partials.render(&mut samples);
        let peak = samples[22_050 * 19..]
            .iter()
            .fold(0.0f32, |peak, sample| peak.max(sample.abs()));
        assert!((peak - 0.5).abs() < 0.002, "{peak}");
    }
}
