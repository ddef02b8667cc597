//! Measures loudness and outline of a file packet by packet, without keeping its samples.

use std::io::{Read, Seek};

use ebur128::Mode;

use crate::error::DecodeError;
use crate::loudness::{Loudness, Meter};
use crate::probe::probe_from;
use crate::walk::{MAX_DURATION_S, walk};

/// A file's loudness and outline.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// Length in seconds.
    pub duration_s: f64,
    /// Integrated loudness in LUFS; `None` for silence and for less than the 400 ms that one measuring block takes.
    pub integrated_lufs: Option<f64>,
    /// The lowest and the highest sample of each of so many equal stretches of time, as [`peaks`](crate::peaks) gives them.
    pub peaks: Vec<(f32, f32)>,
}

/// Measures a file in two passes, the first of which finds its length. It takes a few megabytes of memory, whatever the file's length.
///
/// # Errors
/// As [`probe_from`].
pub fn measure<S: Read + Seek + Send + Sync + Clone>(
    source: S,
    buckets: usize,
) -> Result<Measured, DecodeError> {
    let probe = probe_from(source.clone())?;
    let frames = probe.frames;
    let buckets = buckets.min(usize::try_from(frames).unwrap_or(usize::MAX));
    // In 128 bits: a long file times many buckets must not wrap.
    let edge = |index: usize| (index as u128 * u128::from(frames) / buckets.max(1) as u128) as u64;
    let mut meter = Meter::new(probe.channels, probe.rate_hz, Mode::I);
    let mut peaks = vec![(f32::INFINITY, f32::NEG_INFINITY); buckets];
    let (mut at, mut bucket) = (0, 0);
    walk(source, MAX_DURATION_S, &mut |_| true, |_, _, planes| {
        meter.add(planes);
        let count = planes.iter().map(Vec::len).min().unwrap_or(0);
        let mut frame = 0;
        while frame < count && bucket < buckets {
            let left = usize::try_from(edge(bucket + 1) - at).unwrap_or(usize::MAX);
            let end = count.min(frame.saturating_add(left));
            let samples = planes.iter().flat_map(|plane| &plane[frame..end]);
            peaks[bucket] = samples.fold(peaks[bucket], |(low, high), &sample| {
                (low.min(sample), high.max(sample))
            });
            at += (end - frame) as u64;
            frame = end;
            bucket += usize::from(at == edge(bucket + 1));
        }
        Ok(())
    })?;
    Ok(Measured {
        duration_s: probe.duration_s,
        integrated_lufs: meter.integrated_lufs(),
        peaks,
    })
}

/// Measures a file's loudness, its true peak included, in one pass and a few megabytes of memory.
///
/// # Errors
/// As [`probe_from`].
pub fn loudness_from(source: impl Read + Seek + Send + Sync) -> Result<Loudness, DecodeError> {
    let mut meter: Option<Meter> = None;
    walk(
        source,
        MAX_DURATION_S,
        &mut |_| true,
        |_, rate_hz, planes| {
            let both = Mode::I | Mode::TRUE_PEAK;
            let meter = meter.get_or_insert_with(|| Meter::new(planes.len(), rate_hz, both));
            meter.add(planes);
            Ok(())
        },
    )?;
    Ok(meter.map_or_else(Loudness::silence, |meter| meter.loudness()))
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    reason = "a test that meets the unexpected should stop"
)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::{Audio, Encoding, decode, encode, loudness, peaks};

    #[test]
    fn in_pieces_is_as_at_once() {
        let wave = |frames: usize, channel: usize| -> Vec<f32> {
            let level = |at: usize| 0.1 + 0.6 * (at as f32 / frames as f32);
            let sample = |at: usize| level(at) * (at as f32 * 0.02 * (channel + 1) as f32).sin();
            (0..frames).map(sample).collect()
        };
        for (frames, channels) in [(50_001, 2), (44_100, 1), (700, 2), (17, 1)] {
            let audio = Audio {
                rate_hz: 44_100,
                channels: (0..channels).map(|channel| wave(frames, channel)).collect(),
            };
            let bytes = encode(&audio, Encoding::Flac).unwrap();
            let whole = decode(&bytes).unwrap();
            for buckets in [1, 7, 100, 2560] {
                let found = measure(Cursor::new(&bytes), buckets).unwrap();
                assert_eq!(found.peaks, peaks(&whole, buckets), "{frames} {buckets}");
                assert_eq!(found.duration_s, whole.duration_s());
                assert_eq!(found.integrated_lufs, loudness(&whole).integrated_lufs);
            }
            assert_eq!(
                loudness_from(Cursor::new(&bytes)).unwrap(),
                loudness(&whole)
            );
        }
    }
}
