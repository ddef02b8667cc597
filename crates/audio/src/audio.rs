//! Samples in memory.

/// Planar samples: one vector per channel, all of one length, nominally −1..1, always finite when they come from
/// [`decode`](crate::decode).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Audio {
    /// Frames per second.
    pub rate_hz: u32,
    /// One vector of samples per channel.
    pub channels: Vec<Vec<f32>>,
}

impl Audio {
    /// Number of frames: samples per channel (of the shortest channel, should they differ).
    pub fn frames(&self) -> usize {
        self.channels.iter().map(Vec::len).min().unwrap_or(0)
    }

    /// Length in seconds; 0 without a rate.
    pub fn duration_s(&self) -> f64 {
        if self.rate_hz == 0 {
            0.0
        } else {
            self.frames() as f64 / f64::from(self.rate_hz)
        }
    }

    /// The mean of all channels.
    pub fn to_mono(&self) -> Vec<f32> {
        let frames = self.frames();
        let Some((first, rest)) = self.channels.split_first() else {
            return Vec::new();
        };
        let mut mono = first[..frames].to_vec();
        if rest.is_empty() {
            return mono;
        }
        for channel in rest {
            for (sum, sample) in mono.iter_mut().zip(channel) {
                *sum += sample;
            }
        }
        let scale = 1.0 / self.channels.len() as f32;
        mono.iter_mut().for_each(|sample| *sample *= scale);
        mono
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mono_is_the_mean_and_ignores_what_only_one_channel_has() {
        let audio = Audio {
            rate_hz: 10,
            channels: vec![vec![1.0, 0.5, 0.0], vec![0.0, 0.5]],
        };
        assert_eq!(audio.frames(), 2);
        assert_eq!(audio.to_mono(), [0.5, 0.5]);
        assert_eq!(audio.duration_s(), 0.2);
    }

    #[test]
    fn nothing_is_no_sound_and_no_time() {
        assert_eq!(Audio::default().frames(), 0);
        assert_eq!(Audio::default().duration_s(), 0.0);
        assert!(Audio::default().to_mono().is_empty());
    }
}
