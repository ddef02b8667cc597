//! Filters, sums and peaks in lanes: processors do the same arithmetic on several values at once (SIMD).

use wide::f32x4;

use super::wave::TwoPoleFilter;

/// The largest absolute value; 0 for none.
pub(super) fn peak(samples: &[f32]) -> f32 {
    let larger = |one: f32, other: f32| if one > other { one } else { other };
    let (lanes, rest) = samples.as_chunks::<8>();
    let mut peaks = [0.0f32; 8];
    for lane in lanes {
        for (peak, sample) in peaks.iter_mut().zip(lane) {
            *peak = larger(sample.abs(), *peak);
        }
    }
    let rest = rest.iter().map(|sample| sample.abs());
    peaks
        .into_iter()
        .chain(rest)
        .fold(0.0, |peak, sample| larger(sample, peak))
}

/// The sum of the squares.
pub(super) fn energy(samples: &[f32]) -> f32 {
    let (lanes, rest) = samples.as_chunks::<8>();
    let mut sums = [0.0f32; 8];
    for lane in lanes {
        for (sum, sample) in sums.iter_mut().zip(lane) {
            *sum += sample * sample;
        }
    }
    let rest = rest.iter().map(|sample| sample * sample);
    sums.into_iter().chain(rest).sum()
}

/// Both sides of a sound through two filters, one after the other.
///
/// Lanes are left and right of the first filter, then left and right of the second, which works on what the first gave a frame
/// earlier: the output is one frame late.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cascade<P> {
    filters: Quad,
    given: f32x4,
    pair: P,
}

/// The kinds of two filters one after the other: what they give in the lanes of a [`Cascade`].
pub(super) trait Pair: Copy {
    /// The outputs, from the inputs, bands and low-passes.
    fn outputs(&self, input: f32x4, band: f32x4, low: f32x4) -> f32x4;
}

/// A high-pass, then a low-pass.
#[derive(Debug, Clone, Copy)]
pub(super) struct HighLow {
    /// Shares of input, band and low-pass in each lane.
    input: f32x4,
    band: f32x4,
    low: f32x4,
}

impl Pair for HighLow {
    #[inline(always)]
    fn outputs(&self, input: f32x4, band: f32x4, low: f32x4) -> f32x4 {
        self.input * input + self.band * band + self.low * low
    }
}

/// Two low-passes.
#[derive(Debug, Clone, Copy)]
pub(super) struct LowLow;

impl Pair for LowLow {
    #[inline(always)]
    fn outputs(&self, _: f32x4, _: f32x4, low: f32x4) -> f32x4 {
        low
    }
}

/// Two bells: a gain at each filter's frequency, 1 far from it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bells {
    added: f32x4,
}

impl Pair for Bells {
    #[inline(always)]
    fn outputs(&self, input: f32x4, band: f32x4, _: f32x4) -> f32x4 {
        input + self.added * band
    }
}

impl Cascade<HighLow> {
    /// A high-pass, then a low-pass.
    pub(super) fn high_low(high: TwoPoleFilter, low: TwoPoleFilter) -> Self {
        let pair = HighLow {
            input: f32x4::new([1.0, 1.0, 0.0, 0.0]),
            band: f32x4::new([-high.k, -high.k, 0.0, 0.0]),
            low: f32x4::new([-1.0, -1.0, 1.0, 1.0]),
        };
        Self::new(high, low, pair)
    }
}

impl Cascade<LowLow> {
    /// Two low-passes.
    pub(super) fn low_low(first: TwoPoleFilter, second: TwoPoleFilter) -> Self {
        Self::new(first, second, LowLow)
    }

    /// Changes the first filter.
    pub(super) fn tune(&mut self, filter: &TwoPoleFilter) {
        self.filters.tune(0, filter);
        self.filters.tune(1, filter);
    }
}

impl Cascade<Bells> {
    /// Two bells, each with its gain.
    pub(super) fn bells(bells: [(TwoPoleFilter, f32); 2]) -> Self {
        let [one, other] = bells.map(|(filter, gain)| (gain - 1.0) * filter.k);
        let added = f32x4::new([one, one, other, other]);
        Self::new(bells[0].0, bells[1].0, Bells { added })
    }
}

impl<P: Pair> Cascade<P> {
    fn new(first: TwoPoleFilter, second: TwoPoleFilter, pair: P) -> Self {
        Self {
            filters: Quad::new([first, first, second, second]),
            given: f32x4::ZERO,
            pair,
        }
    }

    /// Filters both sides in place.
    pub(super) fn pass(&mut self, left: &mut [f32], right: &mut [f32]) {
        let mut filters = *self;
        for (left, right) in left.iter_mut().zip(right) {
            [*left, *right] = filters.next(*left, *right);
        }
        *self = filters;
    }

    /// Flushes denormals, which cost a hundred times as much.
    pub(super) fn flush_denormals(&mut self) {
        self.filters.flush_denormals();
    }

    /// The next frame of both sides.
    #[inline(always)]
    pub(super) fn next(&mut self, left: f32, right: f32) -> [f32; 2] {
        let [first_left, first_right, ..] = self.given.to_array();
        let input = f32x4::new([left, right, first_left, first_right]);
        let (band, low) = self.filters.step(input);
        self.given = self.pair.outputs(input, band, low);
        let [_, _, outputs @ ..] = self.given.to_array();
        outputs
    }
}

/// Four independent two-pole filters.
#[derive(Debug, Clone, Copy)]
pub(super) struct Quad {
    a1: f32x4,
    a2: f32x4,
    a3: f32x4,
    first: f32x4,
    second: f32x4,
}

impl Quad {
    /// Four filters at rest.
    pub(super) fn new(filters: [TwoPoleFilter; 4]) -> Self {
        Self {
            a1: f32x4::new(filters.map(|filter| filter.a1)),
            a2: f32x4::new(filters.map(|filter| filter.a2)),
            a3: f32x4::new(filters.map(|filter| filter.a3)),
            first: f32x4::ZERO,
            second: f32x4::ZERO,
        }
    }

    fn tune(&mut self, lane: usize, filter: &TwoPoleFilter) {
        self.a1.as_mut_array()[lane] = filter.a1;
        self.a2.as_mut_array()[lane] = filter.a2;
        self.a3.as_mut_array()[lane] = filter.a3;
    }

    /// Flushes denormals, which cost a hundred times as much.
    pub(super) fn flush_denormals(&mut self) {
        for states in [&mut self.first, &mut self.second] {
            for state in states.as_mut_array() {
                if state.abs() < 1e-20 {
                    *state = 0.0;
                }
            }
        }
    }

    /// The next frame: band-pass and low-pass of every lane.
    #[inline(always)]
    pub(super) fn step(&mut self, input: f32x4) -> (f32x4, f32x4) {
        let rest = input - self.second;
        let band = self.a1 * self.first + self.a2 * rest;
        let low = self.second + (self.a2 * self.first + self.a3 * rest);
        self.first = band + band - self.first;
        self.second = low + low - self.second;
        (band, low)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cascade_is_two_filters_a_frame_late() {
        let (one, other) = (
            TwoPoleFilter::new(120.0, 0.7, 44_100.0),
            TwoPoleFilter::new(5000.0, 0.6, 44_100.0),
        );
        let mut cascade = Cascade::high_low(one, other);
        let (mut high, mut low) = (one, other);
        let mut noise = crate::chance::Noise::new(3);
        let mut before = 0.0;
        for _ in 0..2000 {
            let sample = noise.next();
            let given = cascade.next(sample, -sample);
            assert!((given[0] - before).abs() < 1e-5 && (given[1] + before).abs() < 1e-5);
            before = low.low(high.high(sample));
        }
    }
}
