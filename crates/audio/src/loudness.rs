//! Loudness after EBU R 128 (ITU-R BS.1770-4) and the true peak.

use ebur128::{EbuR128, Mode};

use crate::audio::Audio;

/// How loud something is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Loudness {
    /// Integrated loudness in LUFS; `None` for silence and for less than the 400 ms that one measuring block takes.
    pub integrated_lufs: Option<f64>,
    /// Highest level between the samples, over all channels, in dBTP; −150 for digital silence.
    pub true_peak_dbtp: f64,
}

/// The true peak that digital silence is given, instead of an infinity that no report can print.
const SILENCE_DBTP: f64 = -150.0;

/// Measures loudness. A mono signal counts as one loudspeaker, 3 dB below the same signal on two.
pub fn loudness(audio: &Audio) -> Loudness {
    let silence = Loudness {
        integrated_lufs: None,
        true_peak_dbtp: SILENCE_DBTP,
    };
    let Some(meter) = measured(audio, Mode::I | Mode::TRUE_PEAK) else {
        return silence;
    };
    let integrated_lufs = integrated(&meter);
    let peak = (0..audio.channels.len() as u32)
        .filter_map(|channel| meter.true_peak(channel).ok())
        .fold(0.0, f64::max);
    Loudness {
        integrated_lufs,
        true_peak_dbtp: (20.0 * peak.log10()).max(SILENCE_DBTP),
    }
}

/// The integrated loudness alone, as in [`Loudness::integrated_lufs`]: without the true peak it takes half the time.
pub fn integrated_lufs(audio: &Audio) -> Option<f64> {
    integrated(&measured(audio, Mode::I)?)
}

/// A meter that has heard it all; `None` of nothing. Refused are only shapes that `decode` never gives: no channel, or a rate
/// of next to nothing.
fn measured(audio: &Audio, mode: Mode) -> Option<EbuR128> {
    let frames = audio.frames();
    if frames == 0 {
        return None;
    }
    let mut meter = EbuR128::new(audio.channels.len() as u32, audio.rate_hz, mode).ok()?;
    let planes: Vec<&[f32]> = audio
        .channels
        .iter()
        .map(|channel| &channel[..frames])
        .collect();
    meter.add_frames_planar_f32(&planes).ok()?;
    Some(meter)
}

fn integrated(meter: &EbuR128) -> Option<f64> {
    meter.loudness_global().ok().filter(|lufs| lufs.is_finite())
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
