//! Prints what listening finds in a recording, as JSON.
//!
//! ```text
//! cargo run --release -p backline-band --example analyse_json -- [--tags TAGS] FILE [FILE …]
//! ```
//!
//! One line a file: `{"file": …, "seconds": …, "analysis": …, "chords": [ChordSpan]}`, `seconds` being the processor time that listening took,
//! decoding aside (the wall's time where the system does not tell). The evaluation under `tools/band_eval` reads this.

use std::{fs, process::ExitCode, time::Instant};

use backline_audio::decode;
use backline_band::{
    analysis::{HarmonySettings, Hints},
    harmonise, listen, read_tags,
};

/// Processor time of this thread, in seconds: other work on the machine does not count.
fn processor_s() -> Option<f64> {
    let counts = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let ns: f64 = counts.split(' ').next()?.parse().ok()?;
    Some(ns * 1e-9)
}

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it is a program, and this is its output"
)]
fn main() -> ExitCode {
    let mut failed = false;
    let mut files: Vec<String> = std::env::args().skip(1).collect();
    let hints = match files.first().map(String::as_str) {
        Some("--tags") => {
            let mut tags = files.drain(..files.len().min(2)).skip(1);
            read_tags(&tags.next().unwrap_or_default(), "").hints()
        }
        _ => Hints::default(),
    };
    for file in files {
        let audio = match fs::read(&file)
            .map_err(|error| error.to_string())
            .and_then(|bytes| decode(&bytes).map_err(|error| error.to_string()))
        {
            Ok(audio) => audio,
            Err(error) => {
                eprintln!("{file}: {error}");
                failed = true;
                continue;
            }
        };
        let (wall, before) = (Instant::now(), processor_s());
        let analysis = listen(&audio, &hints);
        let seconds = match (before, processor_s()) {
            (Some(before), Some(after)) => after - before,
            _ => wall.elapsed().as_secs_f64(),
        };
        // Plain triads, as lead sheets have them, without chance.
        let settings = HarmonySettings {
            style: None,
            weirdness: 0.0,
            style_weight: 0.5,
            variety: 0.0,
        };
        let chords = harmonise(&analysis, &settings, 1);
        println!(
            "{}",
            serde_json::json!({"file": file, "seconds": seconds, "analysis": analysis, "chords": chords})
        );
    }
    if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}
