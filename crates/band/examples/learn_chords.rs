//! Learns the chord model from lead sheets and writes `src/harmony/chords.bin`.
//!
//! ```text
//! cargo run --release -p backline-band --example learn_chords -- LEADSHEETS.json.gz crates/band/src/harmony/chords.bin
//! ```
//!
//! The file is a list of `{time_signature, fifths, notes: [[onset, length, midi]], chords: [[onset, root, kind, classes]],
//! bars: [[onset, length]]}` in quarters. Every fifth song of the file (number 4 of each five, as for listening) is held out:
//! it is never learned from, and the figures that are printed are about those songs alone. What is written: the weights of a network with one hidden layer, and the tables of
//! [`Tables`]; one run on one machine gives the same file again.

#![expect(
    clippy::print_stdout,
    reason = "what is measured is what it is run for"
)]

#[path = "../src/harmony/windows.rs"]
mod windows;

#[path = "learn_chords/network.rs"]
mod network;
#[path = "learn_chords/sheets.rs"]
mod sheets;
#[path = "learn_chords/tables.rs"]
mod tables;

use std::{error::Error, fs};

use network::Network;
use sheets::{Sheet, read_sheets};
use tables::Tables;

/// Chord classes: a root above the signature's tonic, times major, minor, diminished.
const CLASSES: usize = 36;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(source), Some(target)) = (args.next(), args.next()) else {
        return Err("two arguments are expected: the lead sheets and the file to write".into());
    };
    let sheets = read_sheets(&fs::read(&source)?)?;
    let (mut learned, mut held_out): (Vec<Sheet>, Vec<Sheet>) = (Vec::new(), Vec::new());
    for (place, sheet) in sheets {
        let into = if place % 5 == 4 {
            &mut held_out
        } else {
            &mut learned
        };
        into.push(sheet);
    }
    let mut network = Network::new(windows::FEATURES, 48, CLASSES, 7);
    network.learn(&learned, &held_out);
    let tables = Tables::count(&learned);
    let mut bytes = network.quantised();
    println!(
        "held out, one beat at a time, weights rounded: {:.3}",
        network::accuracy(&network, &held_out)
    );
    tables.write(&mut bytes);
    println!(
        "{} songs learned, {} held out, {} bytes",
        learned.len(),
        held_out.len(),
        bytes.len()
    );
    fs::write(target, bytes)?;
    Ok(())
}
