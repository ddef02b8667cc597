//! Instant mode's recordings: two short chords, made once at the start.

use std::f32::consts::TAU;

use backline_audio::{Audio, Encoding, encode};

use crate::StudioError;
use crate::clock;
use crate::folder::{self, Folder};
use crate::store::tasks::StoredTrack;
use crate::wire::TRACKS;

/// Long enough to be a real recording in every check, short enough for a load test's traffic.
const LENGTH_S: f32 = 1.0;
const RATE_HZ: u32 = 44_100;
/// How fast the chord dies away, in seconds to 1/e.
const DECAY_S: f32 = 0.4;
/// Peak of each of the three tones: together below full scale.
const TONE_PEAK: f32 = 0.2;
/// C major and A minor, in hertz (equal temperament, A4 = 440 Hz).
const CHORDS_HZ: [[f32; 3]; TRACKS as usize] = [[261.63, 329.63, 392.0], [220.0, 261.63, 329.63]];

/// Writes the recordings into the folder and returns them as finished tracks. Blocks.
pub(crate) fn prepare(
    folder: &Folder,
    encoding: Encoding,
) -> Result<Vec<StoredTrack>, StudioError> {
    let created_ms = clock::now_ms();
    let mut tracks = Vec::new();
    for (number, chord_hz) in (1..=TRACKS).zip(CHORDS_HZ) {
        let audio = play(chord_hz);
        let bytes = encode(&audio, encoding)
            .map_err(|error| StudioError::InstantRecording(error.to_string()))?;
        let name = format!("{number}.{}", encoding.format().extension());
        let target = folder.instant().join(&name);
        folder::write_whole(&folder.scratch(), &target, &bytes).map_err(|source| {
            StudioError::Folder {
                operation: "write",
                path: target,
                source,
            }
        })?;
        tracks.push(StoredTrack {
            number,
            audio: format!("instant/{name}"),
            mix: None,
            midi: None,
            duration_s: audio.duration_s(),
            created_ms,
            facts: None,
        });
    }
    Ok(tracks)
}

fn play(chord_hz: [f32; 3]) -> Audio {
    let sample = |frame: u32| {
        let time_s = frame as f32 / RATE_HZ as f32;
        let tones: f32 = chord_hz.iter().map(|hz| (TAU * hz * time_s).sin()).sum();
        TONE_PEAK * tones * (-time_s / DECAY_S).exp()
    };
    let channel: Vec<f32> = (0..(LENGTH_S * RATE_HZ as f32) as u32)
        .map(sample)
        .collect();
    Audio {
        rate_hz: RATE_HZ,
        channels: vec![channel.clone(), channel],
    }
}
