//! Every way in which listening could hear given notes, with what speaks for each: what `tools/band_eval/weights.py` learns
//! the weights of metre and key from.
//!
//! ```text
//! cargo run --release -p backline-band --example listen_trials < NOTES.jsonl > TRIALS.jsonl
//! ```
//!
//! A line in is `{"notes": [[onset_s, offset_s, midi]]}`; a line out holds the keys' weights in force, the 24 keys' features
//! and for each hypothesis of metre its costs, its features, what it costs in all, the length of its beat and the tick (from a downbeat, −1 where it was passed
//! over) of every note. It takes the modules of listening as they are, so that it can't drift away from them.

#![expect(
    dead_code,
    reason = "modules are taken whole, and only a part of each is asked here"
)]

#[path = "../../src/learned.rs"]
mod learned;
mod listen;
#[path = "../../src/scale.rs"]
mod scale;

use backline_band::analysis;

#[expect(
    clippy::print_stdout,
    reason = "it is a program, and this is its output"
)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    for line in std::io::stdin().lines() {
        println!("{}", listen::trials(&line?)?);
    }
    Ok(())
}
