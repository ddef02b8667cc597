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
            left: vec![0.0; frames],
            right: vec![0.0; frames],
        }
    }
}
