//! Tests files that take far more memory or time than their size: each is refused, or read at the cost of its sound.

use std::io::Cursor;

use crate::source::PatchedSource;
use crate::strip::{strip_aiff, strip_flac, strip_wav};
use crate::{DecodeError, Encoding, decode, encode, probe};

const CLICK: &[u8] = include_bytes!("../fixtures/click.m4a");
const OGG: &[u8] = include_bytes!("../fixtures/click.ogg");

fn atom(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let mut bytes = (8 + content.len() as u32).to_be_bytes().to_vec();
    bytes.extend(kind);
    bytes.extend(content);
    bytes
}

/// A box whose content is a row of numbers of 32 bits, its version and flags first.
fn table(kind: &[u8; 4], numbers: &[u32]) -> Vec<u8> {
    let content: Vec<u8> = numbers.iter().flat_map(|it| it.to_be_bytes()).collect();
    atom(kind, &content)
}

/// An M4A file in fragments, with this many tracks of 16-bit samples, stereo at 44.1 kHz.
fn in_fragments(tracks: u32, fragments: &[u8]) -> Vec<u8> {
    let mut entry = vec![0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
    entry.extend([0, 2, 0, 16, 0, 0, 0, 0]);
    entry.extend((44_100_u32 << 16).to_be_bytes());
    let description = [&[0, 0, 0, 0, 0, 0, 0, 1], &*atom(b"sowt", &entry)].concat();
    let sample_table = [
        atom(b"stsd", &description),
        table(b"stts", &[0, 0]),
        table(b"stsc", &[0, 0]),
        table(b"stsz", &[0, 0, 0]),
        table(b"stco", &[0, 0]),
    ];
    let mut movie = table(
        b"mvhd",
        &[&[0, 0, 0, 44_100, 0, 0x1_0000][..], &[0; 19]].concat(),
    );
    let mut extends = Vec::new();
    for track in 1..=tracks {
        let media = [
            table(b"mdhd", &[0, 0, 0, 44_100, 0, 0x55c4_0000]),
            atom(b"hdlr", b"\0\0\0\0\0\0\0\0soun\0\0\0\0\0\0\0\0\0\0\0\0x\0"),
            atom(
                b"minf",
                &[
                    table(b"smhd", &[0, 0]),
                    atom(b"stbl", &sample_table.concat()),
                ]
                .concat(),
            ),
        ];
        let header = table(b"tkhd", &[&[7, 0, 0, track][..], &[0; 17]].concat());
        let track_box = [header, atom(b"mdia", &media.concat())].concat();
        movie.extend(atom(b"trak", &track_box));
        extends.extend(table(b"trex", &[0, track, 1, 1024, 0, 0]));
    }
    movie.extend(atom(b"mvex", &extends));
    let mut bytes = atom(b"ftyp", b"M4A \0\0\0\0M4A mp42isom");
    bytes.extend(atom(b"moov", &movie));
    bytes.extend(fragments);
    bytes.extend(atom(b"mdat", &[0; 64]));
    bytes
}

/// A fragment with runs of so many packets of `size` bytes each.
fn fragment(runs: usize, packets: u32, size: u32) -> Vec<u8> {
    let run = table(b"trun", &[1, packets, 0]);
    let track = [
        table(b"tfhd", &[0x2_0018, 1, 1, size]),
        table(b"tfdt", &[0, 0]),
        run.repeat(runs),
    ];
    let content = [table(b"mfhd", &[0, 1]), atom(b"traf", &track.concat())];
    atom(b"moof", &content.concat())
}

#[track_caller]
fn refused(bytes: &[u8], expected: &str) {
    for error in [probe(bytes).map(drop), decode(bytes).map(drop)] {
        let message = error.expect_err("refused").to_string();
        assert!(message.contains(expected), "`{expected}` in {message}");
    }
}

#[test]
fn a_file_has_no_more_packets_than_bytes() {
    assert!(probe(&in_fragments(1, &fragment(1, 10, 4))).is_ok());
    for size in [0, 1] {
        for packets in [2_000_000, u32::MAX] {
            refused(
                &in_fragments(1, &fragment(1, packets, size)),
                "the number of packets is",
            );
        }
        refused(
            &in_fragments(1, &fragment(10, u32::MAX, size)),
            "the number of packets is",
        );
    }
    // Outside of fragments: as many packets of one byte in a track's own tables.
    let mut bytes = CLICK.to_vec();
    let sizes = bytes
        .windows(4)
        .position(|it| it == b"stsz")
        .expect("sizes");
    bytes[sizes + 8..sizes + 16].copy_from_slice(&[0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff]);
    refused(&bytes, "the number of packets is 4294967295");
}

#[test]
fn empty_packets_are_not_read_for_ever() {
    let mut fragments = fragment(1, 40_000, 0);
    fragments.extend(atom(b"free", &[0; 40_000]));
    refused(
        &in_fragments(1, &fragments),
        "10000 packets in a row hold no sound",
    );
}

#[test]
fn tables_are_not_searched_for_ever() {
    // Runs of one packet: all before its own are passed for each.
    refused(
        &in_fragments(1, &fragment(70_000, 1, 1)),
        "the work to find its packets is",
    );
    // Fragments of one track: all are passed for each packet to find the other track's.
    let fragments = fragment(1, 10, 1).repeat(25_000);
    refused(
        &in_fragments(2, &fragments),
        "the work to find its packets is",
    );
}

#[test]
fn boxes_and_tracks_are_counted() {
    refused(
        &in_fragments(1, &fragment(1, 0, 0).repeat(40_000)),
        "the number of its parts is larger",
    );
    refused(&in_fragments(33, &[]), "the number of tracks is 33");
    let long = atom(b"sidx", &vec![0; 17 << 20]);
    refused(&in_fragments(1, &long), "the size of its tables is");
    refused(
        &in_fragments(1, &fragment(1, 1, 17 << 20)),
        "the size of a packet is 17825792 bytes",
    );
}

/// The bound is the same whether the samples are kept or not, and holds as soon as the file says how long it is.
#[test]
fn a_file_has_no_more_samples_than_its_bytes_allow() {
    let silence = crate::Audio {
        rate_hz: 96_000,
        channels: vec![vec![0.0; 65_536]; 8],
    };
    let mut bytes = encode(&silence, Encoding::Flac).expect("writable");
    assert!(probe(&bytes).is_ok());
    // 36 bits of the number of frames, the lowest four bytes of which are these.
    bytes[22..26].copy_from_slice(&288_000_000_u32.to_be_bytes());
    let most = 16_000_000 + 2_000 * bytes.len();
    refused(&bytes, &format!("the limit is {most} samples"));
}

#[test]
fn what_precedes_the_sound_of_an_ogg_is_bounded() {
    assert!(probe(OGG).is_ok());
    refused(
        &with_comments(400_000),
        "what precedes its sound (comments, a cover) is longer, the limit is 1048576 bytes",
    );
    assert!(probe(&with_comments(100_000)).is_ok());
}

/// The recording with so many comments.
fn with_comments(count: u32) -> Vec<u8> {
    let pages = pages(OGG);
    let packets = packets(&pages);
    let mut comments = b"\x03vorbis\0\0\0\0".to_vec();
    comments.extend(count.to_le_bytes());
    comments.extend(b"\x02\0\0\0A=".repeat(count as usize));
    comments.push(1);
    let mut bytes = pages[0].0.clone();
    let mut number = 1;
    for packet in [&comments, &packets[2]] {
        // A packet that fills its last piece of 255 bytes ends with an empty one.
        let pieces: Vec<&[u8]> = packet.chunks(255).collect();
        let mut sizes: Vec<u8> = pieces.iter().map(|piece| piece.len() as u8).collect();
        if packet.len() % 255 == 0 {
            sizes.push(0);
        }
        let mut at = 0;
        for (index, sizes) in sizes.chunks(255).enumerate() {
            let length: usize = sizes.iter().map(|&size| usize::from(size)).sum();
            let ends = sizes.last() != Some(&255);
            let granule = if ends { 0 } else { u64::MAX };
            let flags = u8::from(index > 0);
            bytes.extend(page(
                flags,
                granule,
                number,
                sizes,
                &packet[at..at + length],
            ));
            number += 1;
            at += length;
        }
    }
    let sound = pages
        .iter()
        .filter(|(page, _)| page[6..14] != [0; 8] && page[6..14] != [0xff; 8]);
    for (old, body) in sound {
        let granule = u64::from_le_bytes(old[6..14].try_into().expect("eight bytes"));
        let sizes = &old[27..27 + usize::from(old[26])];
        bytes.extend(page(old[5], granule, number, sizes, body));
        number += 1;
    }
    bytes
}

/// The pages of an Ogg, whole and without their heads.
fn pages(mut bytes: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut pages = Vec::new();
    while !bytes.is_empty() {
        let head = 27 + usize::from(bytes[26]);
        let body: usize = bytes[27..head].iter().map(|&size| usize::from(size)).sum();
        let (page, rest) = bytes.split_at(head + body);
        pages.push((page.to_vec(), page[head..].to_vec()));
        bytes = rest;
    }
    pages
}

/// The packets of these pages.
fn packets(pages: &[(Vec<u8>, Vec<u8>)]) -> Vec<Vec<u8>> {
    let (mut packets, mut open) = (Vec::new(), Vec::new());
    for (page, body) in pages {
        let mut at = 0;
        for &size in &page[27..27 + usize::from(page[26])] {
            open.extend(&body[at..at + usize::from(size)]);
            at += usize::from(size);
            if size < 255 {
                packets.push(std::mem::take(&mut open));
            }
        }
    }
    packets
}

fn page(flags: u8, granule: u64, number: u32, sizes: &[u8], body: &[u8]) -> Vec<u8> {
    let mut bytes = b"OggS\0".to_vec();
    bytes.push(flags);
    bytes.extend(granule.to_le_bytes());
    bytes.extend(&OGG[14..18]);
    bytes.extend(number.to_le_bytes());
    bytes.extend([0; 4]);
    bytes.push(sizes.len() as u8);
    bytes.extend(sizes);
    bytes.extend(body);
    let mut check = 0_u32;
    for byte in &bytes {
        check ^= u32::from(*byte) << 24;
        for _ in 0..8 {
            check = check << 1 ^ if check >> 31 == 1 { 0x04c1_1db7 } else { 0 };
        }
    }
    bytes[22..26].copy_from_slice(&check.to_le_bytes());
    bytes
}

#[test]
fn chunks_and_blocks_are_counted() {
    type Strip = fn(&mut PatchedSource<Cursor<Vec<u8>>>) -> Result<(), DecodeError>;
    let check = |strip: Strip, head: &[u8], part: &[u8]| {
        let bytes = [head, &part.repeat(200_001)].concat();
        let mut source = PatchedSource::new(Cursor::new(bytes)).expect("bytes");
        let message = strip(&mut source).expect_err("refused").to_string();
        assert!(message.contains("the limit is 200000"), "{message}");
    };
    check(strip_wav, b"RIFF\0\0\0\0WAVE", b"LIST\0\0\0\0");
    check(strip_aiff, b"FORM\0\0\0\0AIFF", b"ANNO\0\0\0\0");
    check(|source| strip_flac(source, 0), b"fLaC", b"\x04\0\0\0");
}
