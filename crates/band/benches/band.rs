//! What three minutes of singing cost, stage by stage: seconds of compute, seconds per second of sound, and the bar or the best
//! peer beside each figure.
//!
//! The vocal is the shipped `twinkle.flac`, repeated to three minutes. Stages run on one thread; a figure is the processor time
//! of the best of three runs (the wall's, where the system does not tell), so that a busy machine does not count. The whole way
//! is timed by the wall, on as many cores as there are: `taskset -c 0 cargo bench -p backline-band` times it on one.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark prints its table, and one that unwraps says where it failed"
)]

use std::{hint::black_box, time::Instant};

use backline_audio::{Audio, Encoding, decode, encode};
use backline_band::{
    ArrangeSettings, Request, Session, SoundSource, StyleId, Take, Voice, Voicing, accompany,
    analysis::HarmonySettings, arrange, harmonise, lay_over, listen_by_steps, master, play,
    read_tags,
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

/// A clock that goes on while this thread works, in seconds.
fn worked_s() -> Option<f64> {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let ns: f64 = told.split(' ').next()?.parse().ok()?;
    Some(ns * 1e-9)
}

/// Seconds that `stage` works on this thread.
fn once<T>(stage: impl FnOnce() -> T) -> (f64, T) {
    let (wall, worked) = (Instant::now(), worked_s());
    let given = black_box(stage());
    let seconds = match (worked, worked_s()) {
        (Some(before), Some(after)) => after - before,
        _ => wall.elapsed().as_secs_f64(),
    };
    (seconds, given)
}

/// Seconds of the best run, and what it gave.
fn timed<T>(mut stage: impl FnMut() -> T) -> (f64, T) {
    let mut best = once(&mut stage);
    for _ in 1..RUNS {
        let run = once(&mut stage);
        if run.0 < best.0 {
            best = run;
        }
    }
    best
}

/// [`timed`] by the wall.
fn waited<T>(mut stage: impl FnMut() -> T) -> f64 {
    (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            black_box(stage());
            start.elapsed().as_secs_f64()
        })
        .fold(f64::INFINITY, f64::min)
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

/// From a file to the takes' instrumentals as files, each written on a core of its own.
fn whole(file: &[u8], tags: &str, takes: usize, encoding: Encoding) -> usize {
    let vocal = decode(file).unwrap();
    let made = accompany(&vocal, &request(tags, takes)).unwrap();
    let write = |take: &Take| encode(&take.instrumental, encoding).unwrap().len();
    std::thread::scope(|scope| {
        let writers: Vec<_> = made
            .takes
            .iter()
            .map(|take| scope.spawn(move || write(take)))
            .collect();
        writers
            .into_iter()
            .map(|writer| writer.join().unwrap())
            .sum()
    })
}

fn main() {
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
    let mut steps: Vec<(&str, f64)> = Vec::new();
    let (seconds, analysis) = timed(|| {
        steps.clear();
        let mut last = worked_s().unwrap_or(0.0);
        listen_by_steps(&decoded, &brief.hints(), &mut |step| {
            let now = worked_s().unwrap_or(0.0);
            steps.push((step, now - last));
            last = now;
        })
    });
    row("listen", seconds, "bar .5 s");
    for (step, seconds) in steps {
        let beside = if step == "f0" {
            "librosa's pyin 40-50 s"
        } else {
            ""
        };
        row(&format!("  {step}"), seconds, beside);
    }
    let harmony = HarmonySettings {
        style: Some(brief.styles[0]),
        weirdness: 0.3,
        style_weight: 0.5,
        variety: 0.0,
    };
    let (seconds, chords) = timed(|| harmonise(&analysis, &harmony, 1));
    row("chords", seconds, "");
    let settings = ArrangeSettings {
        style_weight: 0.5,
        audio_weight: 0.5,
        singer: None,
        take: 0,
    };
    let (seconds, score) = timed(|| arrange(&analysis, &chords, &brief, &settings, 1));
    row("arrange", seconds, "");
    let (seconds, sum) = timed(|| play(&score, &SoundSource::Own, 1, 1));
    row("play", seconds, "fluidsynth .014, rustysynth .011 s per s");
    let (seconds, instrumental) = timed(|| master(sum.clone(), &score.finish));
    row("master", seconds, "");
    let (seconds, voice) = timed(|| Voice::new(decoded.to_mono()));
    row("channel strip of the voice", seconds, "");
    let (seconds, _) = timed(|| lay_over(&voice, &instrumental.audio, &Voicing::of(&score)));
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
    let seconds = waited(|| whole(&file, tags, 1, Encoding::Wav16));
    row("one WAV", seconds, "bar on one core 3 s, aim 2 s");
    let seconds = waited(|| whole(&file, tags, 2, Encoding::Mp3 { kbps: 192 }));
    row("two MP3s", seconds, "bar on two cores 5 s, aim 3.5 s");
    println!("play and master by style, one thread");
    for style in StyleId::all() {
        let session = Session::new(&vocal, &request(style.name(), 1), SoundSource::Own).unwrap();
        let score = session.take(0).unwrap().score;
        let (played, sum) = timed(|| play(&score, &SoundSource::Own, 1, 1));
        let (mastered, _) = timed(|| master(sum.clone(), &score.finish));
        row(
            style.name(),
            played + mastered,
            &format!("play {played:.3}, master {mastered:.3}"),
        );
    }
}
