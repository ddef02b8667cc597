//! What a recording of a stranger can't do to whoever plans it: take memory for what is written beside its sound.
//!
//! The bound is the system's, as for manifests. Each of these files took three times as much and more.

use std::process::Command;

use backline_audio::{Audio, Encoding, encode};

use crate::lab::{BACKLINE, Lab, finish, root, tone};

/// A plan of a small recording takes some 150 MB of address space.
const MOST_KB: u64 = 256 * 1024;

/// Plans a recording within the bound.
#[track_caller]
fn plan(name: &str, bytes: Vec<u8>, code: i32, expected: &str) {
    let lab = Lab::new();
    lab.write(name, bytes);
    let stems = format!("version: 1\nname: songs\nstems: [{name}]\npresets: {{p: {{tags: x}}}}\n");
    lab.write("songs.yaml", stems);
    let script = format!("ulimit -v {MOST_KB} && exec \"$0\" \"$@\"");
    let mut command: Command = lab.program("sh");
    command.args(["-c", &script, BACKLINE, "plan", "songs.yaml"]);
    let ran = finish(command);
    assert_eq!(ran.code, Some(code), "{name}: {}{}", ran.out, ran.err);
    assert!(ran.err.contains(expected), "{name}: {}", ran.err);
}

fn encoded(encoding: Encoding) -> Vec<u8> {
    let wave = (0..44_100).map(|at| (at as f32 * 0.02).sin() * 0.5);
    let audio = Audio {
        rate_hz: 44_100,
        channels: vec![wave.collect()],
    };
    encode(&audio, encoding).unwrap()
}

#[test]
fn a_tag_of_many_frames() {
    // TXXX: its encoding, an empty description, one letter.
    let frames = b"TXXX\0\0\0\x03\0\0\x03\0A".repeat(2_000_000);
    let length = frames.len() as u32;
    let size = [21, 14, 7, 0].map(|shift| (length >> shift) as u8 & 0x7f);
    let tag = [b"ID3\x04\0\0", &size[..], &frames].concat();
    let sound = encoded(Encoding::Mp3 { kbps: 128 });
    plan("v.mp3", [&tag[..], &sound].concat(), 0, "");
    plan(
        "v.flac",
        [&tag[..], &encoded(Encoding::Flac)].concat(),
        0,
        "",
    );
}

#[test]
fn blocks_of_many_comments() {
    let sound = encoded(Encoding::Flac);
    let mut comments = vec![0, 0, 0, 0];
    comments.extend(2_500_000_u32.to_le_bytes());
    comments.extend(b"\x02\0\0\0A=".repeat(2_500_000));
    let length = (comments.len() as u32).to_be_bytes();
    // Behind the first block, which describes the sound and may be the last.
    let last = sound[4] & 0x80;
    let mut bytes = sound[..42].to_vec();
    bytes[4] &= 0x7f;
    bytes.extend([last | 4]);
    bytes.extend(&length[1..]);
    bytes.extend(&comments);
    bytes.extend(&sound[42..]);
    plan("v.flac", bytes, 0, "");
}

#[test]
fn lists_of_many_notes() {
    let notes = b"ICMT\x02\0\0\0A\0".repeat(1_500_000);
    let list = [b"INFO", &notes[..]].concat();
    let sound = tone(1);
    let mut bytes = b"RIFF".to_vec();
    bytes.extend((sound.len() as u32 + list.len() as u32).to_le_bytes());
    bytes.extend(b"WAVELIST");
    bytes.extend((list.len() as u32).to_le_bytes());
    bytes.extend(&list);
    bytes.extend(&sound[12..]);
    plan("v.wav", bytes, 0, "");
}

#[test]
fn metadata_of_many_entries_in_boxes() {
    let atom = |kind: &[u8], content: &[u8]| {
        let length = 8 + content.len() as u32;
        [&length.to_be_bytes(), kind, content].concat()
    };
    let entry = atom(b"\xa9cmt", &atom(b"data", b"\0\0\0\x01\0\0\0\0A"));
    let handler = atom(b"hdlr", b"\0\0\0\0\0\0\0\0mdirappl\0\0\0\0\0\0\0\0\0\0");
    let list = atom(b"ilst", &entry.repeat(900_000));
    let meta = atom(b"meta", &[&[0; 4], &handler[..], &list].concat());
    let user = atom(b"udta", &meta);
    let mut bytes = std::fs::read(root().join("crates/audio/fixtures/click.m4a")).unwrap();
    // The movie is the last box: it grows by what is added.
    let movie = bytes.windows(4).position(|it| it == b"moov").unwrap() - 4;
    let size = u32::from_be_bytes(bytes[movie..movie + 4].try_into().unwrap());
    assert_eq!(movie + size as usize, bytes.len());
    bytes[movie..movie + 4].copy_from_slice(&(size + user.len() as u32).to_be_bytes());
    bytes.extend(user);
    plan("v.m4a", bytes, 0, "");
}
