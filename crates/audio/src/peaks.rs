//! Computes the outline of a waveform.

use crate::audio::Audio;

/// The lowest and the highest sample of each of `buckets` equal stretches of time, over all channels. There are never more
/// buckets than frames; silence is (0, 0).
pub fn peaks(audio: &Audio, buckets: usize) -> Vec<(f32, f32)> {
    let frames = audio.frames();
    let buckets = buckets.min(frames);
    (0..buckets)
        .map(|bucket| {
            // In 128 bits: a long file times many buckets must not wrap on small machines.
            let edge = |index: usize| (index as u128 * frames as u128 / buckets as u128) as usize;
            let stretch = edge(bucket)..edge(bucket + 1);
            let samples = audio
                .channels
                .iter()
                .flat_map(|channel| &channel[stretch.clone()]);
            let (low, high) = samples.fold(
                (f32::INFINITY, f32::NEG_INFINITY),
                |(low, high), &sample| (low.min(sample), high.max(sample)),
            );
            (low, high)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_is_in_a_bucket() {
        let ramp: Vec<f32> = (0..10).map(|sample| sample as f32).collect();
        let audio = Audio {
            rate_hz: 8_000,
            channels: vec![ramp, vec![-1.0; 10]],
        };
        assert_eq!(peaks(&audio, 3), [(-1.0, 2.0), (-1.0, 5.0), (-1.0, 9.0)]);
        assert_eq!(peaks(&audio, 100).len(), 10);
        assert!(peaks(&audio, 0).is_empty());
        assert!(peaks(&Audio::default(), 10).is_empty());
    }
}
