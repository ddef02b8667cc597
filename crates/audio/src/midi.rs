//! Standard MIDI files: notes in seconds as a file, and the pieces from which a score with beats of its own is written.

use midly::num::{u4, u7, u15, u24, u28};
use midly::{
    Format, Header, MetaMessage, MidiMessage, Smf, Timing, Track, TrackEvent, TrackEventKind,
};

/// Ticks of a quarter.
pub const MIDI_QUARTER: u32 = 480;
/// Channel of drums and percussion, from 0.
pub const MIDI_DRUMS: u8 = 9;
/// The tempo of notes whose tempo is not known, in microseconds a quarter: 120 bpm.
const QUARTER_US: u32 = 500_000;
/// Latest time that is written, in seconds: a delta has 28 bits of ticks.
const LATEST_S: f64 = 200_000.0;

/// A note from one tick to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MidiStroke {
    /// Where it starts.
    pub on: u32,
    /// Where it ends; above `on`.
    pub off: u32,
    /// MIDI note number, 0 to 127.
    pub key: u8,
    /// How hard, 1 to 127.
    pub velocity: u8,
}

/// Notes of one instrument, in seconds.
#[derive(Debug, Clone, PartialEq)]
pub struct MidiTrack {
    /// The instrument's name.
    pub name: String,
    /// Its notes, in any order.
    pub notes: Vec<MidiNote>,
}

/// A note in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MidiNote {
    /// MIDI note number; above 127 counts as 127.
    pub key: u8,
    /// Start.
    pub start_s: f64,
    /// End.
    pub end_s: f64,
    /// How hard, 0 to 1.
    pub velocity: f64,
}

/// Words in the names of instruments with the General MIDI program, from 0, that plays them; the first one that fits counts.
const PROGRAMS: [(&str, u8); 18] = [
    ("bass", 33),
    ("guitar", 27),
    ("banjo", 105),
    ("organ", 16),
    ("string", 48),
    ("violin", 40),
    ("cello", 42),
    ("brass", 61),
    ("trumpet", 56),
    ("sax", 66),
    ("wind", 73),
    ("flute", 73),
    ("synth", 81),
    ("pad", 89),
    ("vocal", 53),
    ("voice", 53),
    ("piano", 0),
    ("key", 0),
];

/// Words in the names of what is played on the channel of the drums.
const DRUM_WORDS: [&str; 6] = ["drum", "percussion", "kick", "snare", "hi-hat", "cymbal"];

/// The bytes of a file with one track for each instrument, at 120 bpm: a second is two quarters. Two notes of one pitch never overlap.
pub fn midi_file(tracks: &[MidiTrack]) -> Vec<u8> {
    let tempo = TrackEventKind::Meta(MetaMessage::Tempo(u24::new(QUARTER_US)));
    let mut written = vec![midi_track(vec![(0, tempo)], 0)];
    let mut free = (0..16).filter(|&channel| channel != MIDI_DRUMS).cycle();
    for track in tracks {
        let name = track.name.to_lowercase();
        let channel = match DRUM_WORDS.iter().any(|word| name.contains(word)) {
            true => MIDI_DRUMS,
            false => free.next().unwrap_or(0),
        };
        let program = PROGRAMS.iter().find(|(word, _)| name.contains(word));
        let program = program.map_or(0, |(_, program)| *program);
        let strokes = strokes_of(&track.notes);
        let end = strokes.iter().map(|stroke| stroke.off).max().unwrap_or(0);
        let named = TrackEventKind::Meta(MetaMessage::TrackName(track.name.as_bytes()));
        let mut events = vec![(0, named)];
        if channel != MIDI_DRUMS {
            let message = MidiMessage::ProgramChange {
                program: u7::new(program),
            };
            let channel = u4::new(channel);
            events.push((0, TrackEventKind::Midi { channel, message }));
        }
        events.extend(midi_strokes(channel, &strokes));
        written.push(midi_track(events, end));
    }
    midi_bytes(written)
}

/// The length in seconds of a file that [`midi_file`] wrote: the end of its longest track.
///
/// # Errors
/// When the bytes are no whole MIDI file, with what is wrong.
pub fn midi_length_s(bytes: &[u8]) -> Result<f64, String> {
    // The reader takes what is there of a file that is cut off.
    let mut end = 0;
    while let Some(length) = bytes.get(end + 4..end + 8) {
        let length = <[u8; 4]>::try_from(length).map_or(0, u32::from_be_bytes);
        end += 8 + length as usize;
    }
    if end != bytes.len() {
        return Err("it is cut off".to_owned());
    }
    let file = Smf::parse(bytes).map_err(|error| error.to_string())?;
    let Timing::Metrical(quarter) = file.header.timing else {
        return Err("its times are no fractions of a quarter".to_owned());
    };
    let ticks = |track: &Track<'_>| -> u64 {
        let deltas = track.iter().map(|event| u64::from(event.delta.as_int()));
        deltas.sum()
    };
    let longest = file.tracks.iter().map(ticks).max();
    let longest = longest.ok_or_else(|| "it has no track".to_owned())?;
    Ok(longest as f64 / f64::from(quarter.as_int()) * f64::from(QUARTER_US) / 1e6)
}

/// Notes in ticks: each ends where the next one of its pitch starts, at the latest.
fn strokes_of(notes: &[MidiNote]) -> Vec<MidiStroke> {
    let tick = |time_s: f64| {
        let quarters = time_s.clamp(0.0, LATEST_S) * 1e6 / f64::from(QUARTER_US);
        (quarters * f64::from(MIDI_QUARTER)).round() as u32
    };
    let mut strokes: Vec<MidiStroke> = notes
        .iter()
        .map(|note| MidiStroke {
            on: tick(note.start_s),
            off: tick(note.end_s).max(tick(note.start_s) + 1),
            key: note.key.min(127),
            velocity: ((note.velocity * 127.0).round() as u8).clamp(1, 127),
        })
        .collect();
    strokes.sort_by_key(|stroke| (stroke.key, stroke.on));
    for at in 1..strokes.len() {
        let next = strokes[at];
        let before = &mut strokes[at - 1];
        if before.key == next.key {
            before.off = before.off.min(next.on).max(before.on + 1);
        }
    }
    strokes.sort_by_key(|stroke| (stroke.on, stroke.key));
    strokes
}

/// The events of notes with their ticks: on one tick, ends come before starts.
pub fn midi_strokes<'a>(
    channel: u8,
    strokes: &[MidiStroke],
) -> impl Iterator<Item = (u32, TrackEventKind<'a>)> {
    let mut ends: Vec<(u32, u8, u8, u8)> = Vec::with_capacity(strokes.len() * 2);
    for stroke in strokes {
        ends.push((stroke.on, 1, stroke.key, stroke.velocity));
        ends.push((stroke.off, 0, stroke.key, 0));
    }
    ends.sort_unstable();
    ends.into_iter().map(move |(tick, on, key, velocity)| {
        let (key, vel) = (u7::new(key), u7::new(velocity));
        let message = match on {
            1 => MidiMessage::NoteOn { key, vel },
            _ => MidiMessage::NoteOff { key, vel },
        };
        let channel = u4::new(channel);
        (tick, TrackEventKind::Midi { channel, message })
    })
}

/// A track of events in order of their ticks, each with its distance to the one before, and the end.
pub fn midi_track(events: Vec<(u32, TrackEventKind<'_>)>, end: u32) -> Track<'_> {
    let mut track = Track::with_capacity(events.len() + 1);
    let mut now = 0;
    for (tick, kind) in events {
        track.push(TrackEvent {
            delta: u28::new(tick.saturating_sub(now)),
            kind,
        });
        now = tick;
    }
    track.push(TrackEvent {
        delta: u28::new(end.saturating_sub(now)),
        kind: TrackEventKind::Meta(MetaMessage::EndOfTrack),
    });
    track
}

/// The bytes of a file of these tracks, which share their time.
pub fn midi_bytes(tracks: Vec<Track<'_>>) -> Vec<u8> {
    let timing = Timing::Metrical(u15::new(MIDI_QUARTER as u16));
    let smf = Smf {
        header: Header::new(Format::Parallel, timing),
        tracks,
    };
    let mut bytes = Vec::new();
    smf.write_std(&mut bytes)
        .expect("a vector takes every byte");
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type ReadTrack = (String, u8, Vec<(u32, u32, u8)>);

    /// Name, channel, and the notes with their start and end in ticks, read by hand from the bytes: the reader shares nothing with the
    /// writer.
    fn read(bytes: &[u8]) -> Vec<ReadTrack> {
        let word = |at: usize| {
            u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes")) as usize
        };
        assert_eq!(&bytes[..4], b"MThd");
        assert_eq!(&bytes[8..14], [0, 1, 0, bytes[11], 1, 0xe0], "480 ticks");
        let (mut at, mut tracks) = (14, Vec::new());
        while at < bytes.len() {
            assert_eq!(&bytes[at..at + 4], b"MTrk");
            let end = at + 8 + word(at + 4);
            tracks.push(read_track(&bytes[at + 8..end]));
            at = end;
        }
        assert_eq!(tracks.len(), usize::from(bytes[11]));
        tracks
    }

    fn read_track(bytes: &[u8]) -> ReadTrack {
        let (mut at, mut tick, mut status) = (0, 0, 0);
        let (mut name, mut channel) = (String::new(), 0);
        let (mut open, mut notes) = (std::collections::BTreeMap::new(), Vec::new());
        let number = |at: &mut usize| {
            let mut value = 0_u32;
            loop {
                let byte = bytes[*at];
                *at += 1;
                value = value << 7 | u32::from(byte & 0x7f);
                if byte < 0x80 {
                    return value;
                }
            }
        };
        while at < bytes.len() {
            tick += number(&mut at);
            if bytes[at] >= 0x80 {
                status = bytes[at];
                at += 1;
            }
            match status {
                0xff => {
                    let kind = bytes[at];
                    at += 1;
                    let length = number(&mut at) as usize;
                    if kind == 3 {
                        name = String::from_utf8(bytes[at..at + length].to_vec()).expect("a text");
                    }
                    at += length;
                }
                0x80..0xa0 => {
                    let (key, velocity) = (bytes[at], bytes[at + 1]);
                    channel = status & 0x0f;
                    if status >= 0x90 && velocity > 0 {
                        assert!(open.insert(key, tick).is_none(), "a note within its own");
                    } else {
                        notes.push((open.remove(&key).expect("an open note"), tick, key));
                    }
                    at += 2;
                }
                0xc0..0xe0 => at += 1,
                _ => at += 2,
            }
        }
        assert!(open.is_empty(), "every note ends");
        notes.sort_unstable();
        (name, channel, notes)
    }

    fn note(key: u8, start_s: f64, end_s: f64) -> MidiNote {
        MidiNote {
            key,
            start_s,
            end_s,
            velocity: 0.8,
        }
    }

    #[test]
    fn notes_in_seconds_are_read_back() {
        let tracks = [
            MidiTrack {
                name: "Drums".to_owned(),
                notes: vec![note(36, 0.5, 0.5), note(38, 0.25, 1.0)],
            },
            MidiTrack {
                name: "Bass".to_owned(),
                notes: vec![note(40, 1.0, 3.0), note(40, 2.0, 2.5)],
            },
        ];
        let read = read(&midi_file(&tracks));
        assert_eq!(
            read[1..],
            [
                ("Drums".to_owned(), 9, vec![(240, 960, 38), (480, 481, 36)]),
                (
                    "Bass".to_owned(),
                    0,
                    vec![(960, 1920, 40), (1920, 2400, 40)]
                ),
            ]
        );
    }

    proptest! {
        #[test]
        fn any_notes_make_a_readable_file(
            notes in prop::collection::vec((any::<u8>(), any::<f64>(), any::<f64>(), any::<f64>()), 0..60),
        ) {
            let notes: Vec<MidiNote> = notes
                .into_iter()
                .map(|(key, start_s, end_s, velocity)| MidiNote { key, start_s, end_s, velocity })
                .collect();
            // No reader can distinguish notes that start on one tick with one pitch.
            let mut seen = std::collections::BTreeSet::new();
            let distinct = strokes_of(&notes).iter().all(|it| seen.insert((it.on, it.key)));
            let track = MidiTrack { name: "Keys".to_owned(), notes };
            let bytes = midi_file(std::slice::from_ref(&track));
            if distinct {
                prop_assert_eq!(read(&bytes)[1].2.len(), track.notes.len());
            }
        }
    }
}
