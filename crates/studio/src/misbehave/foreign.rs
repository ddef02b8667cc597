//! Recordings in formats that the studio does not offer: silence as AAC in MP4 and as Opus in Ogg. Pure.

/// Samples of one AAC frame.
const AAC_FRAME: u32 = 1024;
/// Sample rate of the AAC silence.
const AAC_HZ: u32 = 44_100;
/// One frame of stereo silence in AAC-LC.
const AAC_SILENCE: [u8; 9] = [0x21, 0x00, 0x49, 0x90, 0x02, 0x19, 0x00, 0x23, 0x80];
/// 20 ms of stereo silence in Opus.
const OPUS_SILENCE: [u8; 3] = [0xfc, 0xff, 0xfe];
/// Samples of one Opus packet at the 48 kHz that Ogg counts in.
const OPUS_PACKET: u64 = 960;
/// Packets of one Ogg page.
const OPUS_PAGE: u64 = 50;

/// Silence of this length as an M4A file.
pub(crate) fn m4a(duration_s: f64) -> Vec<u8> {
    let frames = ((duration_s * f64::from(AAC_HZ) / f64::from(AAC_FRAME)).ceil() as u32).max(1);
    let samples = frames * AAC_FRAME;
    let size = AAC_SILENCE.len() as u32;
    let file_type = atom(b"ftyp", &[b"M4A \0\0\0\0M4A mp42isom"]);
    let matrix: Vec<u8> = [0x1_0000_u32, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000]
        .iter()
        .flat_map(|entry| entry.to_be_bytes())
        .collect();
    let times = [words(&[0, 0, AAC_HZ, samples])].concat();
    let movie_head = atom(
        b"mvhd",
        &[
            &words(&[0]),
            &times,
            &words(&[0x1_0000, 0x0100_0000, 0, 0]),
            &matrix,
            &words(&[0, 0, 0, 0, 0, 0, 2]),
        ],
    );
    let track_head = atom(
        b"tkhd",
        &[
            &words(&[7, 0, 0, 1, 0, samples, 0, 0, 0, 0x0100_0000]),
            &matrix,
            &words(&[0, 0]),
        ],
    );
    let media_head = atom(b"mdhd", &[&words(&[0]), &times, &words(&[0x55c4_0000])]);
    let handler = atom(
        b"hdlr",
        &[&words(&[0, 0]), b"soun", &words(&[0, 0, 0]), b"\0"],
    );
    // AudioSpecificConfig: AAC-LC, 44.1 kHz, two channels.
    let config = [
        0x03, 0x19, 0, 1, 0, 0x04, 0x11, 0x40, 0x15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x05, 0x02,
        0x12, 0x10, 0x06, 0x01, 0x02,
    ];
    let stream = atom(b"esds", &[&words(&[0]), &config]);
    let entry = atom(
        b"mp4a",
        &[&words(&[0, 1, 0, 0, 0x0002_0010, 0, AAC_HZ << 16]), &stream],
    );
    let tables = |data_at: u32| {
        atom(
            b"stbl",
            &[
                &atom(b"stsd", &[&words(&[0, 1]), &entry]),
                &atom(b"stts", &[&words(&[0, 1, frames, AAC_FRAME])]),
                &atom(b"stsc", &[&words(&[0, 1, 1, frames, 1])]),
                &atom(b"stsz", &[&words(&[0, size, frames])]),
                &atom(b"stco", &[&words(&[0, 1, data_at])]),
            ],
        )
    };
    let movie = |data_at: u32| {
        let reference = atom(b"dref", &[&words(&[0, 1]), &atom(b"url ", &[&words(&[1])])]);
        let media = atom(
            b"minf",
            &[
                &atom(b"smhd", &[&words(&[0, 0])]),
                &atom(b"dinf", &[&reference]),
                &tables(data_at),
            ],
        );
        let media = atom(b"mdia", &[&media_head, &handler, &media]);
        atom(
            b"moov",
            &[&movie_head, &atom(b"trak", &[&track_head, &media])],
        )
    };
    // The length of `moov` does not depend on the position of the data.
    let data_at = file_type.len() + movie(0).len() + 8;
    let data = AAC_SILENCE.repeat(frames as usize);
    [file_type, movie(data_at as u32), atom(b"mdat", &[&data])].concat()
}

/// An MP4 atom.
fn atom(name: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    let length = (body.len() + 8) as u32;
    [&length.to_be_bytes()[..], name, &body].concat()
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// Silence of this length as an Ogg Opus file.
pub(crate) fn opus(duration_s: f64) -> Vec<u8> {
    let head = [
        b"OpusHead\x01\x02\x00\x00".as_slice(),
        &48_000_u32.to_le_bytes(),
        &[0, 0, 0],
    ]
    .concat();
    let tags = b"OpusTags\x00\x00\x00\x00\x00\x00\x00\x00";
    let mut file = page(2, 0, 0, &[&head]);
    file.extend(page(0, 0, 1, &[tags]));
    let packets = ((duration_s * 50.0).ceil() as u64).max(1);
    for (number, first) in (0..packets).step_by(OPUS_PAGE as usize).enumerate() {
        let count = OPUS_PAGE.min(packets - first);
        let last = first + count == packets;
        let silence = vec![&OPUS_SILENCE[..]; count as usize];
        let end = (first + count) * OPUS_PACKET;
        file.extend(page(
            if last { 4 } else { 0 },
            end,
            number as u32 + 2,
            &silence,
        ));
    }
    file
}

/// An Ogg page of packets shorter than 255 bytes.
fn page(kind: u8, position: u64, number: u32, packets: &[&[u8]]) -> Vec<u8> {
    let mut page = [
        b"OggS\0".as_slice(),
        &[kind],
        &position.to_le_bytes(),
        &1_u32.to_le_bytes(),
        &number.to_le_bytes(),
        &[0; 4],
        &[packets.len() as u8],
    ]
    .concat();
    page.extend(packets.iter().map(|packet| packet.len() as u8));
    page.extend(packets.concat());
    let sum = checksum(&page).to_le_bytes();
    page[22..26].copy_from_slice(&sum);
    page
}

/// Ogg's CRC-32: polynomial 0x04C11DB7, most significant bit first, from zero (RFC 3533).
fn checksum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0_u32, |sum, byte| {
        (0..8).fold(sum ^ (u32::from(*byte) << 24), |sum, _| {
            (sum << 1) ^ if sum >> 31 == 1 { 0x04c1_1db7 } else { 0 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_m4a_decodes_and_lasts_as_long_as_was_asked() {
        let audio = backline_audio::decode(&m4a(1.0)).unwrap();
        assert!(
            (0.9..1.2).contains(&audio.duration_s()),
            "{}",
            audio.duration_s()
        );
    }

    #[test]
    fn the_opus_file_is_made_of_whole_pages() {
        let bytes = opus(1.5);
        let mut at = 0;
        let mut pages = 0;
        while at < bytes.len() {
            assert_eq!(&bytes[at..at + 4], b"OggS");
            let segments = usize::from(bytes[at + 26]);
            let lengths = &bytes[at + 27..at + 27 + segments];
            let length: usize = lengths.iter().map(|length| usize::from(*length)).sum();
            at += 27 + segments + length;
            pages += 1;
        }
        assert_eq!((at, pages), (bytes.len(), 4));
    }
}
