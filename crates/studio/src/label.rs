//! Title and tags inside a finished file, so that it tells what it is wherever it is copied to. Pure.
//!
//! MP3 gets an ID3v2.4 tag in front, FLAC a Vorbis comment block, WAV an INFO list at its end. The sound is not touched.

use backline_audio::Format;

/// What a file says of itself.
pub(crate) struct Label<'a> {
    pub(crate) title: &'a str,
    /// The tags it was asked for with.
    pub(crate) tags: &'a str,
}

/// Who made it.
const MAKER: &str = "Backline";

/// `file` with its label. A file that does not look like its format comes back as it is.
pub(crate) fn attach(file: Vec<u8>, format: Format, label: &Label<'_>) -> Vec<u8> {
    match format {
        Format::Mp3 => with_id3(file, label),
        Format::Flac => with_vorbis_comment(&file, label).unwrap_or(file),
        Format::Wav => with_info(file, label),
        _ => file,
    }
}

/// ID3v2.4.0: a header with a synchsafe size, then text frames in UTF-8.
fn with_id3(file: Vec<u8>, label: &Label<'_>) -> Vec<u8> {
    let mut frames = Vec::new();
    let mut text_frame = |id: &[u8; 4], text: &str| {
        frames.extend_from_slice(id);
        frames.extend_from_slice(&synchsafe(text.len() + 1));
        frames.extend_from_slice(&[0, 0, 3]); // no flags; UTF-8
        frames.extend_from_slice(text.as_bytes());
    };
    text_frame(b"TIT2", label.title);
    text_frame(b"TCON", label.tags);
    text_frame(b"TSSE", MAKER);
    let mut labelled = b"ID3\x04\x00\x00".to_vec();
    labelled.extend_from_slice(&synchsafe(frames.len()));
    labelled.extend_from_slice(&frames);
    labelled.extend_from_slice(&file);
    labelled
}

/// A size in four bytes of seven bits. Labels are bounded by the request's limits, far below what fits.
fn synchsafe(size: usize) -> [u8; 4] {
    [21, 14, 7, 0].map(|shift| (size >> shift & 0x7f) as u8)
}

/// A metadata block of type 4 behind the stream information, which always comes first and has a fixed length.
fn with_vorbis_comment(file: &[u8], label: &Label<'_>) -> Option<Vec<u8>> {
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
    let fields = [
        format!("TITLE={}", label.title),
        format!("GENRE={}", label.tags),
    ];
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
fn with_info(mut file: Vec<u8>, label: &Label<'_>) -> Vec<u8> {
    if file.len() < 12 || !file.starts_with(b"RIFF") {
        return file;
    }
    let mut list = b"INFO".to_vec();
    for (id, text) in [
        (b"INAM", label.title),
        (b"IGNR", label.tags),
        (b"ISFT", MAKER),
    ] {
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
mod tests {
    use super::*;
    use backline_audio::{Audio, Encoding, decode, encode};

    #[test]
    fn a_labelled_file_sounds_the_same_and_tells_its_title() {
        let audio = Audio {
            rate_hz: 44_100,
            channels: vec![(0..44_100).map(|n| (n as f32 * 0.05).sin() * 0.5).collect(); 2],
        };
        let label = Label {
            title: "Schlaflied für Ümit",
            tags: "piano, calm",
        };
        for encoding in [Encoding::Wav16, Encoding::Flac, Encoding::Mp3 { kbps: 128 }] {
            let plain = encode(&audio, encoding).unwrap();
            let labelled = attach(plain.clone(), encoding.format(), &label);
            let (before, after) = (decode(&plain).unwrap(), decode(&labelled).unwrap());
            assert_eq!(before.channels, after.channels, "{encoding:?}");
            for text in [label.title, label.tags, MAKER] {
                assert!(
                    labelled
                        .windows(text.len())
                        .any(|window| window == text.as_bytes()),
                    "{encoding:?} does not tell {text:?}"
                );
            }
            assert_eq!(
                backline_audio::probe(&labelled).unwrap().frames,
                backline_audio::probe(&plain).unwrap().frames
            );
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
        let label = Label {
            title: "t",
            tags: "g",
        };
        for format in [Format::Flac, Format::Wav] {
            assert_eq!(attach(b"nonsense".to_vec(), format, &label), b"nonsense");
        }
    }
}
