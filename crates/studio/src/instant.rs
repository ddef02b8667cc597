//! The recordings of instant mode: two short chords, written once at the start, and the results of steps on them.

use std::f32::consts::TAU;

use backline_audio::{Audio, Encoding, encode};

use serde_json::{Value, json};

use crate::StudioError;
use crate::clock;
use crate::folder::{self, DataFolder};
use crate::operation::OperationKind;
use crate::shared::StudioState;
use crate::stems;
use crate::store::tasks::{StoredTask, StoredTrack};
use crate::validate_step::{Stems, ValidStep};
use crate::wire::TRACKS;

/// Length in seconds: long enough to pass as a real recording in every check, short enough for a load test's traffic.
const LENGTH_S: f32 = 1.0;
const RATE_HZ: u32 = 44_100;
/// Decay time of the chord, in seconds to 1/e.
const DECAY_S: f32 = 0.4;
/// Peak of each of the three tones; their sum stays below full scale.
const TONE_PEAK: f32 = 0.2;
/// C major and A minor, in hertz (equal temperament, A4 = 440 Hz).
const CHORDS_HZ: [[f32; 3]; TRACKS as usize] = [[261.63, 329.63, 392.0], [220.0, 261.63, 329.63]];

/// The folder of the recordings below `files/`.
const FOLDER: &str = "instant";
/// The vendors' stem names for the tones of a chord.
const STEMS: [&str; 3] = ["bass", "guitar", "keyboard"];

/// Writes the recordings into the folder and returns them as finished tracks. Blocks.
pub(crate) fn prepare(
    folder: &DataFolder,
    encoding: Encoding,
) -> Result<Vec<StoredTrack>, StudioError> {
    let created_ms = clock::now_ms();
    let extension = encoding.format().extension();
    let keep = |name: &str, bytes: &[u8]| {
        let target = folder.instant().join(name);
        folder::write_whole(&folder.scratch(), &target, bytes).map_err(|source| {
            StudioError::Folder {
                operation: "write",
                path: target,
                source,
            }
        })
    };
    let written = |audio: &Audio, encoding| {
        encode(audio, encoding).map_err(|error| StudioError::InstantRecording(error.to_string()))
    };
    let mut tracks = Vec::new();
    for (number, chord_hz) in (1..=TRACKS).zip(CHORDS_HZ) {
        let audio = play(&chord_hz);
        let name = format!("{number}.{extension}");
        keep(&name, &written(&audio, encoding)?)?;
        keep(&wav_name(number), &written(&audio, Encoding::Wav16)?)?;
        // Each tone of the chord is a stem; the stems add up to the track.
        for (stem, hz) in STEMS.iter().zip(chord_hz) {
            let alone = written(&play(&[hz]), encoding)?;
            keep(&format!("{number}-{stem}.{extension}"), &alone)?;
        }
        let vocal = written(&play(&[2.0 * chord_hz[0]]), encoding)?;
        keep(&format!("{number}-vocal.{extension}"), &vocal)?;
        let notes = midi_data(chord_hz).to_string();
        keep(&notes_name(number), notes.as_bytes())?;
        tracks.push(StoredTrack {
            number,
            name: None,
            audio: format!("{FOLDER}/{name}"),
            mix: None,
            midi: None,
            duration_s: audio.duration_s(),
            created_ms,
            facts: None,
        });
    }
    Ok(tracks)
}

fn wav_name(number: u8) -> String {
    format!("{number}-16bit.wav")
}

fn notes_name(number: u8) -> String {
    format!("{number}-notes.json")
}

/// The notes of a chord, one for each stem.
fn midi_data(chord_hz: [f32; 3]) -> Value {
    let instruments: Vec<Value> = STEMS
        .iter()
        .zip(chord_hz)
        .map(|(stem, hz)| {
            let pitch = (69.0 + 12.0 * (hz / 440.0).log2()).round() as u8;
            let note = json!({ "pitch": pitch, "start": 0.0, "end": "1.0000", "velocity": 0.8 });
            json!({ "name": stems::title_of(stem), "notes": [note] })
        })
        .collect();
    json!({ "state": "complete", "instruments": instruments })
}

/// The stored files of a step on an instant song, or on a step of one; `None` if the band played the song.
pub(crate) fn step(
    kind: OperationKind,
    shared: &StudioState,
    parent: &StoredTask,
    track: Option<u8>,
    valid: &ValidStep,
) -> Option<Vec<StoredTrack>> {
    let first = parent.tracks.first()?;
    if !first.audio.starts_with(FOLDER) {
        return None;
    }
    let number = track.or(parent.parent_track).unwrap_or(1);
    let extension = shared.config.encoding.format().extension();
    let file = |place: u8, name: &str, file: String| StoredTrack {
        number: place,
        name: Some(name.to_owned()),
        audio: format!("{FOLDER}/{file}"),
        mix: None,
        midi: None,
        duration_s: first.duration_s,
        created_ms: clock::now_ms(),
        facts: None,
    };
    let whole = || format!("{number}.{extension}");
    let stem = |stem: &str| format!("{number}-{stem}.{extension}");
    Some(match (kind, &valid.stems) {
        (OperationKind::Song, _) => return None,
        (OperationKind::Wav, _) => vec![file(1, "wav", wav_name(number))],
        (OperationKind::Midi, _) => vec![file(1, "notes", notes_name(number))],
        (OperationKind::Stems, Stems::Two) => vec![
            file(1, "instrumental", whole()),
            file(2, "vocal", stem("vocal")),
        ],
        (OperationKind::Stems, Stems::All) => {
            let all = ["vocal"].iter().chain(&STEMS).zip(1..);
            all.map(|(name, place)| file(place, name, stem(name)))
                .collect()
        }
        (OperationKind::Stems, Stems::Named(_)) => vec![
            file(1, "extract", stem(STEMS[0])),
            file(2, "remove", whole()),
        ],
        (OperationKind::Recovery, _) => {
            let request: Value = serde_json::from_str(&parent.request).unwrap_or_default();
            let title = request["title"].as_str().map(str::to_owned);
            let tracks = parent.tracks.iter().cloned();
            tracks
                .map(|kept| StoredTrack {
                    name: title.clone(),
                    created_ms: clock::now_ms(),
                    ..kept
                })
                .collect()
        }
    })
}

/// Plays one or more decaying tones.
fn play(chord_hz: &[f32]) -> Audio {
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
