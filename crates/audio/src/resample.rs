//! Resamples, band-limited and without delay.

use rubato::audioadapter::Adapter;
use rubato::audioadapter_buffers::owned::SequentialOwned;
use rubato::{Fft, FixedSync, Resampler};
use thiserror::Error;

use crate::audio::Audio;
use crate::walk::{MAX_RATE_HZ, MIN_RATE_HZ};

/// The resampler works in blocks of at least this many frames on its input side; its filter is one block long.
const LEAST_BLOCK_FRAMES: usize = 1024;

/// Why samples could not be resampled.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ResampleError {
    /// A rate is outside of what is supported.
    #[error("resample: {rate_hz} Hz is outside of {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz")]
    Rate {
        /// The rate in question.
        rate_hz: u32,
    },
    /// The resampler failed, which is a bug.
    #[error("resample from {from_hz} to {to_hz} Hz: {reason}")]
    Failed {
        /// Rate of the samples given.
        from_hz: u32,
        /// The rate to convert to.
        to_hz: u32,
        /// The message of the resampler.
        reason: String,
    },
}

/// The same sound at another rate. The first frame stays at time 0 and the length is kept to a frame.
///
/// # Errors
/// When a rate is outside of [`MIN_RATE_HZ`]..=[`MAX_RATE_HZ`].
pub fn resample(audio: Audio, rate_hz: u32) -> Result<Audio, ResampleError> {
    if let Some(rate_hz) = [audio.rate_hz, rate_hz]
        .into_iter()
        .find(|rate_hz| !(MIN_RATE_HZ..=MAX_RATE_HZ).contains(rate_hz))
    {
        return Err(ResampleError::Rate { rate_hz });
    }
    let frames = audio.frames();
    if rate_hz == audio.rate_hz || frames == 0 {
        return Ok(Audio { rate_hz, ..audio });
    }
    let from_hz = audio.rate_hz;
    let failed = |reason: String| ResampleError::Failed {
        from_hz,
        to_hz: rate_hz,
        reason,
    };
    let mut resampler = Fft::<f32>::new(
        from_hz as usize,
        rate_hz as usize,
        block_frames(from_hz, rate_hz),
        1,
        FixedSync::Both,
    )
    .map_err(|error| failed(error.to_string()))?;
    let mut channels = Vec::with_capacity(audio.channels.len());
    for channel in audio.channels {
        let input = SequentialOwned::new_from(channel, 1, frames)
            .map_err(|error| failed(error.to_string()))?;
        let output = resampler
            .process_all(&input, frames, None)
            .map_err(|error| failed(error.to_string()))?;
        let mut samples = vec![0.0; output.frames()];
        output.copy_from_channel_to_slice(0, 0, &mut samples);
        channels.push(samples);
    }
    Ok(Audio { rate_hz, channels })
}

/// Block length on the input side: an even multiple of the shortest block that is whole at both rates. The filter's delay is
/// half a block, and only of an even block is that whole frames, which the resampler can take off again exactly.
fn block_frames(from_hz: u32, to_hz: u32) -> usize {
    let (mut divisor, mut rest) = (from_hz, to_hz);
    while rest > 0 {
        (divisor, rest) = (rest, divisor % rest);
    }
    let shortest = (from_hz / divisor) as usize;
    2 * shortest * LEAST_BLOCK_FRAMES.div_ceil(2 * shortest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(rate_hz: u32, hz: f64, seconds: f64) -> Audio {
        let frames = (f64::from(rate_hz) * seconds) as usize;
        let wave = (0..frames)
            .map(|frame| {
                (frame as f64 * hz * std::f64::consts::TAU / f64::from(rate_hz)).sin() as f32 * 0.5
            })
            .collect();
        Audio {
            rate_hz,
            channels: vec![wave],
        }
    }

    #[test]
    fn a_tone_keeps_its_phase_its_level_and_its_length() {
        for (from_hz, to_hz) in [
            (44_100, 16_000),
            (48_000, 44_100),
            (8_000, 44_100),
            (96_000, 16_000),
            (22_050, 48_000),
            (44_101, 16_000),
        ] {
            let there = resample(tone(from_hz, 440.0, 1.0), to_hz).expect("rates are in range");
            let expected = tone(to_hz, 440.0, 1.0);
            assert!(
                there.frames().abs_diff(expected.frames()) <= 1,
                "{from_hz} to {to_hz}: {} frames",
                there.frames()
            );
            // Away from the edges, where the filter has all of its neighbours.
            let (start, end) = (expected.frames() / 8, expected.frames() * 7 / 8);
            let worst = (start..end)
                .map(|frame| (there.channels[0][frame] - expected.channels[0][frame]).abs())
                .fold(0.0, f32::max);
            assert!(worst < 0.002, "{from_hz} to {to_hz}: off by {worst}");
        }
    }

    #[test]
    fn what_the_new_rate_cannot_hold_is_removed() {
        let there = resample(tone(44_100, 12_000.0, 0.5), 16_000).expect("rates are in range");
        let loudest = there.channels[0][1000..7000]
            .iter()
            .fold(0.0f32, |most, sample| most.max(sample.abs()));
        assert!(loudest < 0.001, "aliased to {loudest}");
    }

    #[test]
    fn odd_lengths_and_rates_are_fine_and_absurd_rates_are_refused() {
        for frames in [0, 1, 2, 100] {
            let audio = Audio {
                rate_hz: 44_100,
                channels: vec![vec![0.1; frames]; 2],
            };
            let there = resample(audio, 16_000).expect("rates are in range");
            assert_eq!(there.channels.len(), 2);
            assert_eq!(
                there.frames(),
                (frames as f64 * 16_000.0 / 44_100.0).ceil() as usize
            );
        }
        let audio = tone(44_100, 440.0, 0.1);
        assert!(matches!(
            resample(audio.clone(), 100),
            Err(ResampleError::Rate { rate_hz: 100 })
        ));
        assert!(matches!(
            resample(
                Audio {
                    rate_hz: 0,
                    ..audio
                },
                44_100
            ),
            Err(ResampleError::Rate { rate_hz: 0 })
        ));
    }
}
