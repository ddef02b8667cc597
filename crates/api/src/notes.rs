//! The notes of a MIDI result, as vendors write them: JSON, with times as numbers or as texts of numbers.

use serde_json::Value;

use crate::lenient::{integer, number, text};

/// Most instruments that are read: MIDI has 16 channels, and vendors have about a dozen stems.
const INSTRUMENT_LIMIT: usize = 64;
/// Most notes that are read, all instruments together: a quarter of an hour at a hundred notes a second.
const NOTE_LIMIT: usize = 100_000;
/// Latest end of a note, in seconds: a day.
const LATEST_S: f64 = 86_400.0;
/// The velocity of a note whose velocity is missing, from 0 to 1.
const USUAL_VELOCITY: f64 = 0.8;

/// The notes of a song or a stem.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Notes {
    /// One track for each instrument.
    pub tracks: Vec<NoteTrack>,
    /// Number of notes that could not be read or exceed the limit.
    pub unreadable: usize,
}

/// The notes of one instrument.
#[derive(Debug, Clone, PartialEq)]
pub struct NoteTrack {
    /// The vendor's name of the instrument; empty when it gave none.
    pub name: String,
    /// Its notes, in the vendor's order.
    pub notes: Vec<TranscribedNote>,
}

/// One note.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TranscribedNote {
    /// MIDI note number, 0 to 127.
    pub pitch: u8,
    /// Start in seconds; never negative.
    pub start_s: f64,
    /// End in seconds; never before the start.
    pub end_s: f64,
    /// Velocity, 0 to 1.
    pub velocity: f64,
}

impl Notes {
    /// Reads `{"state", "instruments": [{"name", "notes": […]}]}`; `None` if there is no instrument.
    pub(crate) fn read(value: &Value) -> Option<Self> {
        let instruments = value.get("instruments")?.as_array()?;
        let mut read = Self::default();
        let mut left = NOTE_LIMIT;
        let objects = instruments.iter().filter(|it| it.is_object());
        for instrument in objects.take(INSTRUMENT_LIMIT) {
            let all = instrument.get("notes").and_then(Value::as_array);
            let all = all.map(Vec::as_slice).unwrap_or_default();
            let notes: Vec<TranscribedNote> = all
                .iter()
                .take(left)
                .filter_map(TranscribedNote::read)
                .collect();
            read.unreadable += all.len() - notes.len();
            left -= notes.len();
            read.tracks.push(NoteTrack {
                name: text(instrument, &["name"]).unwrap_or_default(),
                notes,
            });
        }
        (!read.tracks.is_empty()).then_some(read)
    }
}

impl TranscribedNote {
    fn read(value: &Value) -> Option<Self> {
        let pitch = integer(value, &["pitch"]).and_then(|pitch| u8::try_from(pitch).ok())?;
        let start_s = number(value, &["start", "startTime"])?;
        let end_s = number(value, &["end", "endTime"]).unwrap_or(start_s);
        let is_time = (0.0..=LATEST_S).contains(&start_s) && end_s <= LATEST_S;
        (pitch <= 127 && is_time).then(|| Self {
            pitch,
            start_s,
            end_s: end_s.max(start_s),
            velocity: number(value, &["velocity"])
                .unwrap_or(USUAL_VELOCITY)
                .clamp(0.0, 1.0),
        })
    }
}
