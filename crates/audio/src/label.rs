//! Writes the metadata of a finished file. Pure: bytes in, bytes out, the sound unchanged.
//!
//! MP3 gets an ID3v2.4 tag in front, FLAC a Vorbis comment block, WAV an INFO list at its end. What is empty is not written.

use crate::format::Format;

/// The metadata of a file. Texts are UTF-8; together they stay far below 256 MB, the limit of an ID3 tag.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Label {
    /// Its title.
    pub title: String,
    /// The tags of the request.
    pub genre: String,
    /// Its key as a musician writes it: `Am`, `Eb` (ID3v2.4, TKEY).
    pub key: String,
    /// Its tempo in beats per minute; 0 where it is not known.
    pub bpm: u32,
    /// Its chords with their times, in a form of the writer's choice.
    pub chords: String,
}

/// Who made it.
const MAKER: &str = "Backline";

/// `file` with its label. A file that does not look like its format, or one whose format takes none, comes back as it is.
pub fn label(file: Vec<u8>, format: Format, label: &Label) -> Vec<u8> {
    match format {
        Format::Mp3 => with_id3(file, label),
        Format::Flac => with_vorbis_comment(&file, label).unwrap_or(file),
        Format::Wav => with_info(file, label),
        Format::Aiff | Format::Aac | Format::M4a | Format::Ogg => file,
    }
}

impl Label {
    /// The tempo as text; empty where it is not known.
    fn bpm_text(&self) -> String {
        if self.bpm == 0 {
            String::new()
        } else {
            self.bpm.to_string()
        }
    }
}

/// ID3v2.4.0: a header with a synchsafe size, then text frames in UTF-8.
fn with_id3(file: Vec<u8>, label: &Label) -> Vec<u8> {
    let mut frames = Vec::new();
    let mut text_frame = |id: &[u8; 4], text: &str| {
        if text.is_empty() {
            return;
        }
        frames.extend_from_slice(id);
        frames.extend_from_slice(&synchsafe(text.len() + 1));
        frames.extend_from_slice(&[0, 0, 3]); // no flags; UTF-8
        frames.extend_from_slice(text.as_bytes());
    };
    text_frame(b"TIT2", &label.title);
    text_frame(b"TCON", &label.genre);
    text_frame(b"TKEY", &label.key);
    text_frame(b"TBPM", &label.bpm_text());
    text_frame(b"TSSE", MAKER);
    if !label.chords.is_empty() {
        // A text of the user's own: its name, a zero, the text.
        text_frame(b"TXXX", &format!("CHORDS\0{}", label.chords));
    }
    let mut labelled = b"ID3\x04\x00\x00".to_vec();
    labelled.extend_from_slice(&synchsafe(frames.len()));
    labelled.extend_from_slice(&frames);
    labelled.extend_from_slice(&file);
    labelled
}

/// A size in four bytes of seven bits.
fn synchsafe(size: usize) -> [u8; 4] {
    [21, 14, 7, 0].map(|shift| (size >> shift & 0x7f) as u8)
}

/// A metadata block of type 4 behind the stream information, which always comes first and has a fixed length.
fn with_vorbis_comment(file: &[u8], label: &Label) -> Option<Vec<u8>> {
    const STREAM_INFO: std::ops::Range<usize> = 4..42;
    const LAST: u8 = 0x80;
    if !file.starts_with(b"fLaC") || file.get(STREAM_INFO.start)? & !LAST != 0 {
        return None;
    }
    let (head, rest) = file.split_at_checked(STREAM_INFO.end)?;
    let mut comment = Vec::new();
    let mut text = |text: &str| {
        comment.extend_from_slice(&(text.len() as u32).to_le_bytes());
        comment.extend_from_slice(text.as_bytes());
    };
    text(MAKER);
    let bpm = label.bpm_text();
    let fields: Vec<String> = [
        ("TITLE", &label.title),
        ("GENRE", &label.genre),
        ("INITIALKEY", &label.key),
        ("BPM", &bpm),
        ("CHORDS", &label.chords),
    ]
    .into_iter()
    .filter(|(_, text)| !text.is_empty())
    .map(|(name, text)| format!("{name}={text}"))
    .collect();
    comment.extend_from_slice(&(fields.len() as u32).to_le_bytes());
    for field in fields {
        comment.extend_from_slice(&(field.len() as u32).to_le_bytes());
        comment.extend_from_slice(field.as_bytes());
    }
    let was_last = head[STREAM_INFO.start] & LAST;
    let mut labelled = head.to_vec();
    labelled[STREAM_INFO.start] &= !LAST;
    labelled.push(4 | was_last);
    labelled.extend_from_slice(&(comment.len() as u32).to_be_bytes()[1..]);
    labelled.extend_from_slice(&comment);
    labelled.extend_from_slice(rest);
    Some(labelled)
}

/// A LIST chunk of type INFO at the end of the RIFF, whose size grows with it.
fn with_info(mut file: Vec<u8>, label: &Label) -> Vec<u8> {
    if file.len() < 12 || !file.starts_with(b"RIFF") {
        return file;
    }
    // INFO has no place for key, tempo and chords of its own: they share the comment.
    let bpm = label.bpm_text();
    let comment = [
        ("key", &label.key),
        ("bpm", &bpm),
        ("chords", &label.chords),
    ]
    .into_iter()
    .filter(|(_, text)| !text.is_empty())
    .map(|(name, text)| format!("{name} {text}"))
    .collect::<Vec<_>>()
    .join("; ");
    let mut list = b"INFO".to_vec();
    for (id, text) in [
        (b"INAM", label.title.as_str()),
        (b"IGNR", &label.genre),
        (b"ICMT", &comment),
        (b"ISFT", MAKER),
    ] {
        if text.is_empty() {
            continue;
        }
        list.extend_from_slice(id);
        list.extend_from_slice(&(text.len() as u32 + 1).to_le_bytes());
        list.extend_from_slice(text.as_bytes());
        list.push(0);
        if list.len() % 2 == 1 {
            list.push(0);
        }
    }
    if file.len() % 2 == 1 {
        file.push(0);
    }
    file.extend_from_slice(b"LIST");
    file.extend_from_slice(&(list.len() as u32).to_le_bytes());
    file.extend_from_slice(&list);
    let size = (file.len() as u32).saturating_sub(8);
    file[4..8].copy_from_slice(&size.to_le_bytes());
    file
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    reason = "a test that meets the unexpected should stop"
)]
mod tests {
    use super::*;
    use crate::{Audio, Encoding, decode, encode, probe};

    fn full() -> Label {
        Label {
            title: "Schlaflied für Ümit".to_owned(),
            genre: "piano, calm".to_owned(),
            key: "Ebm".to_owned(),
            bpm: 92,
            chords: "0.00 Ebm | 2.61 B".to_owned(),
        }
    }

    fn audio() -> Audio {
        Audio {
            rate_hz: 44_100,
            channels: vec![(0..44_100).map(|n| (n as f32 * 0.05).sin() * 0.5).collect(); 2],
        }
    }

    #[test]
    fn a_labelled_file_sounds_the_same_and_tells_all_it_was_told() {
        let full = full();
        for encoding in [Encoding::Wav16, Encoding::Flac, Encoding::Mp3 { kbps: 128 }] {
            let plain = encode(&audio(), encoding).unwrap();
            let labelled = label(plain.clone(), encoding.format(), &full);
            let (before, after) = (decode(&plain).unwrap(), decode(&labelled).unwrap());
            assert_eq!(before.channels, after.channels, "{encoding:?}");
            for text in [
                &full.title,
                &full.genre,
                &full.key,
                "92",
                &full.chords,
                MAKER,
            ] {
                assert!(
                    labelled
                        .windows(text.len())
                        .any(|window| window == text.as_bytes()),
                    "{encoding:?} does not tell {text:?}"
                );
            }
            assert_eq!(
                probe(&labelled).unwrap().frames,
                probe(&plain).unwrap().frames
            );
        }
    }

    #[test]
    fn what_is_not_known_is_not_written() {
        let bare = Label {
            title: "t".to_owned(),
            ..Label::default()
        };
        for (encoding, absent) in [
            (Encoding::Wav16, "ICMT"),
            (Encoding::Flac, "BPM"),
            (Encoding::Mp3 { kbps: 128 }, "TBPM"),
        ] {
            let plain = encode(&audio(), encoding).unwrap();
            let labelled = label(plain, encoding.format(), &bare);
            let told = |text: &str| {
                labelled
                    .windows(text.len())
                    .any(|window| window == text.as_bytes())
            };
            assert!(!told(absent), "{encoding:?}");
            assert!(told(MAKER), "{encoding:?}");
        }
    }

    #[test]
    fn sizes_leave_every_eighth_bit_free() {
        assert_eq!(synchsafe(0), [0; 4]);
        assert_eq!(synchsafe(127), [0, 0, 0, 127]);
        assert_eq!(synchsafe(128), [0, 0, 1, 0]);
        assert_eq!(synchsafe(257), [0, 0, 2, 1]);
    }

    #[test]
    fn what_is_no_such_file_stays_as_it_is() {
        for format in [Format::Flac, Format::Wav, Format::Aac] {
            assert_eq!(label(b"nonsense".to_vec(), format, &full()), b"nonsense");
        }
    }
}
