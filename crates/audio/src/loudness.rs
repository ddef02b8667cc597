//! Loudness after EBU R 128 (ITU-R BS.1770-4) and the true peak.

use ebur128::{EbuR128, Mode};

use crate::audio::Audio;

/// The loudness of a sound.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Loudness {
    /// Integrated loudness in LUFS; `None` for silence and for less than the 400 ms that one measuring block takes.
    pub integrated_lufs: Option<f64>,
    /// Highest level between the samples, over all channels, in dBTP; −150 for digital silence.
    pub true_peak_dbtp: f64,
}

/// The true peak that is reported for digital silence, instead of an infinity that no report can print.
const SILENCE_DBTP: f64 = -150.0;

impl Loudness {
    pub(crate) fn silence() -> Self {
        Self {
            integrated_lufs: None,
            true_peak_dbtp: SILENCE_DBTP,
        }
    }
}

/// Measures loudness. A mono signal counts as one loudspeaker, 3 dB below the same signal on two.
pub fn loudness(audio: &Audio) -> Loudness {
    measured(audio, Mode::I | Mode::TRUE_PEAK).loudness()
}

/// The integrated loudness alone, as in [`Loudness::integrated_lufs`]: without the true peak it takes half the time.
pub fn integrated_lufs(audio: &Audio) -> Option<f64> {
    measured(audio, Mode::I).integrated_lufs()
}

fn measured(audio: &Audio, mode: Mode) -> Meter {
    let mut meter = Meter::new(audio.channels.len(), audio.rate_hz, mode);
    let frames = audio.frames();
    meter.add(audio.channels.iter().map(|channel| &channel[..frames]));
    meter
}

/// Measures a sound piece by piece. A sound of a shape that `decode` never returns (no channel, a rate near 0) counts as silence.
pub(crate) struct Meter(Option<EbuR128>);

impl Meter {
    pub(crate) fn new(channels: usize, rate_hz: u32, mode: Mode) -> Self {
        Self(EbuR128::new(channels as u32, rate_hz, mode).ok())
    }

    /// Adds one plane for each channel, all of one length.
    pub(crate) fn add<P: AsRef<[f32]>>(&mut self, planes: impl IntoIterator<Item = P>) {
        let planes: Vec<P> = planes.into_iter().collect();
        let planes: Vec<&[f32]> = planes.iter().map(AsRef::as_ref).collect();
        let heard = self
            .0
            .as_mut()
            .map(|meter| meter.add_frames_planar_f32(&planes));
        if !matches!(heard, Some(Ok(()))) {
            self.0 = None;
        }
    }

    pub(crate) fn integrated_lufs(&self) -> Option<f64> {
        let lufs = self.0.as_ref()?.loudness_global().ok();
        lufs.filter(|lufs| lufs.is_finite())
    }

    pub(crate) fn loudness(&self) -> Loudness {
        let Some(meter) = &self.0 else {
            return Loudness::silence();
        };
        let peak = (0..meter.channels())
            .filter_map(|channel| meter.true_peak(channel).ok())
            .fold(0.0, f64::max);
        Loudness {
            integrated_lufs: self.integrated_lufs(),
            true_peak_dbtp: (20.0 * peak.log10()).max(SILENCE_DBTP),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(channels: usize, amplitude: f32, seconds: f32) -> Audio {
        let wave: Vec<f32> = (0..(48_000.0 * seconds) as usize)
            .map(|frame| {
                amplitude * (frame as f32 * 997.0 * std::f32::consts::TAU / 48_000.0).sin()
            })
            .collect();
        Audio {
            rate_hz: 48_000,
            channels: vec![wave; channels],
        }
    }

    #[test]
    fn a_full_scale_tone_on_one_loudspeaker_measures_minus_three() {
        // BS.1770's own calibration: 997 Hz at 0 dBFS in one front channel reads −3.01 LKFS.
        let found = loudness(&tone(1, 1.0, 5.0));
        assert!(
            (found.integrated_lufs.expect("not silent") + 3.01).abs() < 0.05,
            "{found:?}"
        );
        assert!(found.true_peak_dbtp.abs() < 0.1, "{found:?}");
        assert_eq!(integrated_lufs(&tone(1, 1.0, 5.0)), found.integrated_lufs);
        let stereo = loudness(&tone(2, 1.0, 5.0))
            .integrated_lufs
            .expect("not silent");
        assert!(stereo.abs() < 0.05, "{stereo}");
    }

    #[test]
    fn silence_and_shreds_have_no_loudness() {
        assert_eq!(
            loudness(&tone(2, 0.0, 2.0)),
            Loudness {
                integrated_lufs: None,
                true_peak_dbtp: SILENCE_DBTP
            }
        );
        assert_eq!(loudness(&tone(1, 0.5, 0.2)).integrated_lufs, None);
        assert_eq!(loudness(&Audio::default()).integrated_lufs, None);
    }
}
