//! Memory: of a studio that plays on and on, and of what reads files that are large, or small and unfold.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::Stdio;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::lab::Lab;
use crate::proof::project::{Project, STUDIO};
use crate::proof::strangers::unfolding::unfolding_flac;
use crate::proof::strangers::{memory_mb, most_memory_mb};
use crate::proof::vendor::{Tracks, Vendor, declare, send};

/// Jobs of each of the runs.
const JOBS: usize = 12;
const RUNS: usize = 4;

#[test]
fn a_studio_that_plays_for_long_needs_no_more_than_one_that_plays_for_a_while() {
    let lab = Lab::new();
    let studio = lab.studio(&["--rate", "off"]);
    let mut used = Vec::new();
    for number in 0..RUNS {
        let project = Project::new(&lab, &studio.url, format!("play{number}"), JOBS, STUDIO);
        let ran = project.run();
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        used.push(most_memory_mb(studio.process()));
    }
    println!("most memory of a studio after each {JOBS} jobs that it played, in MB: {used:.0?}");
    // The first run may not have had as many takes at work at once as the others.
    assert!(used[RUNS - 1] < 1.5 * used[1], "{used:?}");
}

/// Files that are checked (one of them has a kilobyte and unfolds to 63 MB), and the length of each: 8 × 60 MB.
const LARGE_FILES: usize = 8;
const LARGE_BYTES: u32 = 60_000_000;

#[test]
fn large_tracks_are_checked_without_being_held_in_memory() {
    let lab = Lab::new();
    let (release, released) = channel::<()>();
    let released = Mutex::new(released);
    let file = Arc::new(silent_wav(LARGE_BYTES));
    let bomb = unfolding_flac(30, 0x1000);
    let begun = Mutex::new(0);
    let vendor = Vendor::new(move |_, stream| {
        let number = {
            let mut begun = begun.lock().unwrap();
            *begun += 1;
            *begun
        };
        if number == 1 {
            return send(stream, "200 OK", "", &bomb);
        }
        if number <= LARGE_FILES {
            return send(stream, "200 OK", "", &file);
        }
        // The run is measured while it waits for this one.
        declare(stream, "200 OK", "", file.len())?;
        stream.write_all(&file[..1000])?;
        let released = released.lock().unwrap();
        let mut sent = 1000;
        // A byte a second, so that the program does not take the connection for dead. The test has ended where nobody sends.
        while released.recv_timeout(Duration::from_secs(1)) == Err(RecvTimeoutError::Timeout) {
            stream.write_all(&file[sent..sent + 1])?;
            sent += 1;
        }
        stream.write_all(&file[sent..])
    });
    vendor.tracks(Tracks {
        count: 1,
        duration_s: None,
    });
    let project = Project::at(&lab, &vendor, "large", LARGE_FILES + 1);
    let mut run = project.start();
    run.wait_for(" kept ", LARGE_FILES);
    let most = most_memory_mb(run.process());
    release.send(()).unwrap();
    let ran = run.end();
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    println!(
        "most memory of a run that checked {LARGE_FILES} files of {} MB: {most:.0} MB",
        LARGE_BYTES / 1_000_000
    );
    assert!(most < 200.0, "{most}");
}

/// As many scripts as a manifest may have, each with as much as it may take. Each keeps a thread, and kept what its last event made.
#[test]
fn many_scripts_stay_small_together() {
    let lab = Lab::new();
    let script = "s = ('a'):rep(4000000) t = ('b'):rep(4000000) u = ('c'):rep(3000000)";
    let mut text = "version: 1\nname: songs\nstems: [{id: s, url: \"https://a.example/1.mp3\"}]\n\
        presets: {p: {tags: x}}\non:\n"
        .to_owned();
    for point in ["plan_job", "before_upload", "before_submit"] {
        writeln!(text, "  {point}:").unwrap();
        for number in 0..32 {
            writeln!(text, "    - {{lua: \"{script} n = {number}\", pure: true}}").unwrap();
        }
    }
    lab.write("songs.yaml", text);
    let mut command = lab.backline(&["validate", "songs.yaml"]);
    let mut child = command.stdout(Stdio::null()).spawn().unwrap();
    let mut most: f64 = 0.0;
    let code = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status.code();
        }
        // One that has just ended has no memory to show.
        most = most.max(memory_mb(child.id()).unwrap_or(0.0));
        std::thread::yield_now();
    };
    assert_eq!(code, Some(0));
    println!("most memory of a plan with 96 scripts that take 15 MB each: {most:.0} MB");
    assert!(most < 600.0, "{most}");
}

#[test]
fn a_small_recording_that_unfolds_too_far_is_refused() {
    let lab = Lab::new();
    let bomb = unfolding_flac(440, 0x1000);
    assert!((14_000..16_000).contains(&bomb.len()), "{}", bomb.len());
    lab.write("bomb.flac", &bomb);
    lab.write(
        "songs.yaml",
        "version: 1\nname: songs\nstems: [bomb.flac]\npresets: {p: {tags: x}}\n",
    );
    let ran = lab.expect(3, &["plan", "songs.yaml"]);
    let limit = "the limit is 46628000 samples";
    assert!(ran.err.contains(limit), "{}", ran.err);
}

/// Silence as a WAV file of 16 bits, stereo, at 44.1 kHz.
fn silent_wav(data_bytes: u32) -> Vec<u8> {
    let mut bytes = b"RIFF".to_vec();
    bytes.extend((36 + data_bytes).to_le_bytes());
    bytes.extend(b"WAVEfmt \x10\0\0\0\x01\0\x02\0");
    bytes.extend(44_100_u32.to_le_bytes());
    bytes.extend((4 * 44_100_u32).to_le_bytes());
    bytes.extend(b"\x04\0\x10\0data");
    bytes.extend(data_bytes.to_le_bytes());
    bytes.resize(44 + data_bytes as usize, 0);
    bytes
}
