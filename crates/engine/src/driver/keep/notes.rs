//! Notes that a task's details contain, written as a Standard MIDI File.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use backline_api::{NoteTrack, Notes, TranscribedNote};
use backline_audio::{MidiNote, MidiTrack, midi_file};

use super::blocking;
use super::part::PartialFile;
use crate::conductor::EffectError;

/// Writes notes as a Standard MIDI File below `dir`; gives its handle.
pub(super) async fn write_notes(
    notes: Arc<Notes>,
    part: Arc<PartialFile>,
    dir: PathBuf,
) -> Result<File, EffectError> {
    blocking(move || {
        if notes.unreadable > 0 {
            tracing::warn!(
                "{} notes of a MIDI result could not be read",
                notes.unreadable
            );
        }
        let tracks: Vec<MidiTrack> = notes.tracks.iter().map(midi_track).collect();
        let written = || {
            let mut file = part.begin("", None, None)?;
            file.write_all(&midi_file(&tracks))?;
            file.sync_all()?;
            Ok(file)
        };
        written().map_err(|error: std::io::Error| {
            let path = part.folder.path().join(&part.name);
            let message = format!("could not write {}: {error}", path.display());
            EffectError::of_file(&dir, message, &error)
        })
    })
    .await
}

fn midi_track(track: &NoteTrack) -> MidiTrack {
    let note = |note: &TranscribedNote| MidiNote {
        key: note.pitch,
        start_s: note.start_s,
        end_s: note.end_s,
        velocity: note.velocity,
    };
    MidiTrack {
        name: track.name.clone(),
        notes: track.notes.iter().map(note).collect(),
    }
}
