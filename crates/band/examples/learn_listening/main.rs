//! Learns what listening expects of rhythm and harmony from lead sheets, and prints it as a Rust module.
//!
//! ```text
//! cargo run --release -p backline-band --example learn_listening -- leadsheets.json.gz \
//!     > crates/band/src/listen/tables.rs && cargo fmt -p backline-band
//! ```
//!
//! The input is a gzipped JSON list of `{time_signature, fifths, notes: [[onset_quarters, length_quarters, midi]],
//! chords: [[onset_quarters, root_pitch_class, kind, pitch_classes]], bars: [[onset_quarters, length_quarters]]}`. Every
//! fifth sheet (number 4 of each five) is left out, so that songs remain that the tables have never seen.

mod chords;
mod rhythm;
mod sheets;

use std::process::ExitCode;

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it is a program, and this is its output"
)]
fn main() -> ExitCode {
    let Some(path) = std::env::args().nth(1) else {
        eprintln!("usage: learn_listening LEADSHEETS.json.gz > tables.rs");
        return ExitCode::from(2);
    };
    let sheets = match sheets::read(&path) {
        Ok(sheets) => sheets,
        Err(error) => {
            eprintln!("{path}: {error}");
            return ExitCode::FAILURE;
        }
    };
    println!(
        "//! What listening expects of rhythm and harmony: learned from {} lead sheets of public-domain songs (the OpenEWLD\n\
         //! collection) by `examples/learn_listening`, which says how. Not to be edited by hand.\n\
         //!\n\
         //! Costs are negative natural logarithms of probabilities in sixteenths of a nat.\n\
         #![cfg_attr(rustfmt, rustfmt_skip)]\n",
        sheets.len()
    );
    println!("{}", rhythm::learn(&sheets));
    println!("{}", chords::learn(&sheets));
    ExitCode::SUCCESS
}

/// A probability as a cost in sixteenths of a nat.
fn cost(probability: f64) -> u8 {
    (-probability.max(1e-9).ln() * 16.0)
        .round()
        .clamp(0.0, 255.0) as u8
}

/// Rows of costs as a Rust constant.
fn constant(doc: &str, name: &str, rows: &[Vec<u8>]) -> String {
    let width = rows.first().map_or(0, Vec::len);
    let mut text = format!(
        "/// {doc}\npub(super) static {name}: [[u8; {width}]; {}] = [\n",
        rows.len()
    );
    for row in rows {
        let cells: Vec<String> = row.iter().map(u8::to_string).collect();
        text.push_str(&format!("    [{}],\n", cells.join(",")));
    }
    text.push_str("];\n");
    text
}
