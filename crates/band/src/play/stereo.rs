//! Two channels at the rate at which the band plays.

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
            left: silence(frames),
            right: silence(frames),
        }
    }

    /// Makes it silent.
    pub(super) fn silence(&mut self) {
        self.left.fill(0.0);
        self.right.fill(0.0);
    }
}

/// `frames` zeros that are written: `vec!` leaves them to the system, which gives each page twice, first when it is read and then when
/// it is written.
pub(super) fn silence(frames: usize) -> Vec<f32> {
    std::iter::repeat_n(0.0, frames).collect()
}
