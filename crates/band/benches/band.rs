//! What three minutes of singing cost, stage by stage: seconds of compute, seconds per second of sound, and the bar or the best
//! peer beside each figure.
//!
//! The vocal is the shipped `twinkle.flac`, repeated to three minutes. Every stage runs on one thread and is the best of a few
//! runs; the whole way is measured on one core and on all that there are (`taskset -c 0 cargo bench -p backline-band` shows
//! that the first of the two needs no second core). Figures of peers were measured once, on the same machine and the same input.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark prints its table, and one that unwraps says where it failed"
)]

use std::{hint::black_box, time::Instant};

use backline_audio::{Audio, Encoding, decode, encode};
use backline_band::{
    Request, Session, Settings, Sound, StyleId, accompany, analysis::HarmonySettings, arrange,
    harmonise, lay_over, listen, master, play, read_tags,
};

const VOCAL: &[u8] = include_bytes!("../../../workflows/vocals/twinkle.flac");
/// Length of the vocal in seconds.
const LENGTH_S: f64 = 180.0;
/// Runs of a stage, of which the best counts.
const RUNS: usize = 3;

/// The shipped vocal over and over, three minutes of it.
fn vocal() -> Audio {
    let once = decode(VOCAL).unwrap();
    let frames = (LENGTH_S * f64::from(once.rate_hz)) as usize;
    let samples = once.to_mono().into_iter().cycle().take(frames).collect();
    Audio {
        rate_hz: once.rate_hz,
        channels: vec![samples],
    }
}

/// Seconds of the best run, and what it gave.
fn timed<T>(mut stage: impl FnMut() -> T) -> (f64, T) {
    let mut best: Option<(f64, T)> = None;
    for _ in 0..RUNS {
        let start = Instant::now();
        let given = black_box(stage());
        let seconds = start.elapsed().as_secs_f64();
        if best.as_ref().is_none_or(|(least, _)| seconds < *least) {
            best = Some((seconds, given));
        }
    }
    best.unwrap()
}

fn row(stage: &str, seconds: f64, beside: &str) {
    println!(
        "{stage:<34} {seconds:>8.3} {:>11.5}   {beside}",
        seconds / LENGTH_S
    );
}

fn request(tags: &str, takes: usize) -> Request {
    Request {
        tags: tags.to_owned(),
        negative_tags: String::new(),
        style_weight: 0.5,
        weirdness_constraint: 0.3,
        audio_weight: 0.5,
        singer: None,
        seed: 1,
        takes,
    }
}

/// A take's instrumental as a file, as the bar for the whole way has it.
fn whole(file: &[u8], tags: &str, takes: usize, encoding: Encoding) -> usize {
    let vocal = decode(file).unwrap();
    let made = accompany(&vocal, &request(tags, takes)).unwrap();
    made.takes
        .iter()
        .map(|take| encode(&take.instrumental, encoding).unwrap().len())
        .sum()
}

fn main() {
    // `cargo test --benches` only asks whether it runs.
    let tags = "pop ballad";
    let vocal = vocal();
    let file = encode(&vocal, Encoding::Flac).unwrap();
    println!("three minutes of singing, \"{tags}\"");
    println!(
        "{:<34} {:>8} {:>11}   bar or peer",
        "stage, one thread", "seconds", "s per s"
    );
    let (seconds, decoded) = timed(|| decode(&file).unwrap());
    row("decode, FLAC", seconds, "");
    let brief = read_tags(tags, "");
    let (seconds, analysis) = timed(|| listen(&decoded, &brief.hints()));
    row("listen", seconds, "bar .5 s; librosa's pyin alone 40-50 s");
    let harmony = HarmonySettings {
        vocabulary: brief.styles[0].vocabulary(),
        weirdness: 0.3,
        style_weight: 0.5,
        variety: 0.0,
    };
    let (seconds, chords) = timed(|| harmonise(&analysis, &harmony, 1));
    row("chords", seconds, "");
    let settings = Settings {
        style_weight: 0.5,
        audio_weight: 0.5,
        singer: None,
        take: 0,
    };
    let (seconds, score) = timed(|| arrange(&analysis, &chords, &brief, &settings, 1));
    row("arrange", seconds, "");
    let (seconds, sum) = timed(|| play(&score, &Sound::Own, 1, 1));
    row("play", seconds, "fluidsynth .014, rustysynth .011 s per s");
    let (seconds, instrumental) = timed(|| master(sum.clone(), &score.finish));
    row("master", seconds, "");
    let voice = decoded.to_mono();
    let (seconds, _) = timed(|| lay_over(&voice, &instrumental.audio));
    row("mix with the voice", seconds, "");
    for (name, encoding) in [
        ("encode, WAV", Encoding::Wav16),
        ("encode, FLAC", Encoding::Flac),
        ("encode, MP3 192", Encoding::Mp3 { kbps: 192 }),
    ] {
        let (seconds, _) = timed(|| encode(&instrumental.audio, encoding).unwrap());
        row(name, seconds, "");
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    println!("the whole way, {cores} cores");
    let (seconds, _) = timed(|| whole(&file, tags, 1, Encoding::Wav16));
    row("one WAV", seconds, "bar on one core 3 s, aim 2 s");
    let (seconds, _) = timed(|| whole(&file, tags, 2, Encoding::Mp3 { kbps: 192 }));
    row("two MP3s", seconds, "bar on two cores 5 s, aim 3.5 s");
    println!("play and master by style, one thread");
    for style in StyleId::all() {
        let session = Session::new(&vocal, &request(style.name(), 1), Sound::Own).unwrap();
        let score = session.take(0).unwrap().score;
        let start = Instant::now();
        let sum = play(&score, &Sound::Own, 1, 1);
        let played = start.elapsed().as_secs_f64();
        black_box(master(sum, &score.finish));
        row(
            style.name(),
            start.elapsed().as_secs_f64(),
            &format!("play {played:.3}"),
        );
    }
}
