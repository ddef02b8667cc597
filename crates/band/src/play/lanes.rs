//! Four filters computed together: processors do the same arithmetic on four values at once (SIMD).

use super::wave::TwoPoleFilter;

/// Both sides of a sound through two filters, one after the other.
///
/// Lanes are left and right of the first filter, then left and right of the second, which works on what the first gave a frame
/// earlier: the output is one frame late.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cascade {
    filters: Quad,
    given: [f32; 4],
    /// Shares of input, band and low-pass in each lane's output.
    mix: [[f32; 4]; 3],
}

/// The kind of a filter of a [`Cascade`].
#[derive(Debug, Clone, Copy)]
pub(super) enum Pass {
    Low,
    High,
    /// A gain at the filter's frequency, 1 far from it.
    Bell(f32),
}

impl Cascade {
    /// `first`, then `second`, each with its kind.
    pub(super) fn new(first: (TwoPoleFilter, Pass), second: (TwoPoleFilter, Pass)) -> Self {
        let mut mix = [[0.0; 4]; 3];
        for (lane, (filter, pass)) in [first, first, second, second].into_iter().enumerate() {
            let shares = match pass {
                Pass::Low => [0.0, 0.0, 1.0],
                Pass::High => [1.0, -filter.k, -1.0],
                Pass::Bell(gain) => [1.0, (gain - 1.0) * filter.k, 0.0],
            };
            for (row, share) in mix.iter_mut().zip(shares) {
                row[lane] = share;
            }
        }
        Self {
            filters: Quad::new([first.0, first.0, second.0, second.0]),
            given: [0.0; 4],
            mix,
        }
    }

    /// Changes the first filter, which must be a low-pass.
    pub(super) fn tune(&mut self, filter: &TwoPoleFilter) {
        self.filters.tune(0, filter);
        self.filters.tune(1, filter);
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
        let input = [left, right, self.given[0], self.given[1]];
        let (band, low) = self.filters.step(input);
        for lane in 0..4 {
            self.given[lane] = self.mix[0][lane] * input[lane]
                + self.mix[1][lane] * band[lane]
                + self.mix[2][lane] * low[lane];
        }
        [self.given[2], self.given[3]]
    }
}

/// Four independent two-pole filters.
#[derive(Debug, Clone, Copy)]
pub(super) struct Quad {
    a1: [f32; 4],
    a2: [f32; 4],
    a3: [f32; 4],
    first: [f32; 4],
    second: [f32; 4],
}

impl Quad {
    /// Four filters at rest.
    pub(super) fn new(filters: [TwoPoleFilter; 4]) -> Self {
        Self {
            a1: filters.map(|filter| filter.a1),
            a2: filters.map(|filter| filter.a2),
            a3: filters.map(|filter| filter.a3),
            first: [0.0; 4],
            second: [0.0; 4],
        }
    }

    fn tune(&mut self, lane: usize, filter: &TwoPoleFilter) {
        self.a1[lane] = filter.a1;
        self.a2[lane] = filter.a2;
        self.a3[lane] = filter.a3;
    }

    /// Flushes denormals, which cost a hundred times as much.
    pub(super) fn flush_denormals(&mut self) {
        for state in self.first.iter_mut().chain(&mut self.second) {
            if state.abs() < 1e-20 {
                *state = 0.0;
            }
        }
    }

    /// The next frame: band-pass and low-pass of every lane.
    #[inline(always)]
    pub(super) fn step(&mut self, input: [f32; 4]) -> ([f32; 4], [f32; 4]) {
        let (mut band, mut low) = ([0.0f32; 4], [0.0f32; 4]);
        for lane in 0..4 {
            let rest = input[lane] - self.second[lane];
            band[lane] = self.a1[lane] * self.first[lane] + self.a2[lane] * rest;
            low[lane] = self.second[lane] + self.a2[lane] * self.first[lane] + self.a3[lane] * rest;
        }
        for lane in 0..4 {
            self.first[lane] = 2.0 * band[lane] - self.first[lane];
            self.second[lane] = 2.0 * low[lane] - self.second[lane];
        }
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
        let mut cascade = Cascade::new((one, Pass::High), (other, Pass::Low));
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
