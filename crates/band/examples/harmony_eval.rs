//! Measures the chords that are laid under the held-out lead sheets, beside the people's own.
//!
//! ```text
//! cargo run --release -p backline-band --example harmony_eval -- LEADSHEETS.json.gz [STYLE] [STYLE_WEIGHT] [WEIRDNESS] [VARIETY] [FOLD]
//! ```
//!
//! Every fifth song (number 4 of each five) was kept from the learning program and is measured here, from its notes on a
//! steady grid; another number measures songs that it has seen, for choosing weights by. Columns: agreement with the lead sheet (major or minor triad, by time, other chords of the sheet left out, as mir_eval's `majmin`);
//! and of Yeh et al. (2021) chord tones by time, CTnCTR (chord tones and non-chord tones that step on, over all), PCS (pitch
//! consonance), chord histogram entropy, distinct chords. The blind rows lay the same chords a semitone or a tritone
//! off, half a beat late, and under another song.

#![expect(
    clippy::print_stdout,
    reason = "what is measured is what it is run for"
)]

#[path = "harmony_eval/measures.rs"]
mod measures;
#[path = "harmony_eval/songs.rs"]
mod songs;

use std::{error::Error, fs};

use backline_band::{StyleId, analysis::HarmonySettings, harmonise};
use measures::{Laid, Measures};
use songs::{Song, read_songs};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let source = args
        .first()
        .ok_or("the lead sheets are expected as an argument")?;
    let style = match args.get(1).map(String::as_str) {
        None | Some("none") => None,
        Some(name) => Some(
            StyleId::all()
                .find(|style| style.name() == name)
                .ok_or_else(|| format!("{name:?} is no style"))?,
        ),
    };
    let number = |at: usize, otherwise: f32| -> Result<f32, Box<dyn Error>> {
        args.get(at).map_or(Ok(otherwise), |text| Ok(text.parse()?))
    };
    let settings = HarmonySettings {
        style,
        style_weight: number(2, 0.5)?,
        weirdness: number(3, 0.0)?,
        variety: number(4, 0.0)?,
    };
    let fold: usize = args.get(5).map_or(Ok(4), |text| text.parse())?;
    let songs: Vec<Song> = read_songs(&fs::read(source)?, fold)?;
    let laid: Vec<Vec<Laid>> = songs
        .iter()
        .map(|song| {
            harmonise(&song.analysis, &settings, 1)
                .iter()
                .map(|span| Laid {
                    start_s: span.span.start_s,
                    end_s: span.span.end_s,
                    chord: span.chord,
                })
                .collect()
        })
        .collect();
    let print = |name: &str, measures: &Measures| {
        println!(
            "{name:<10} agreement {:.3}  chord tones {:.3}  CTnCTR {:.3}  PCS {:.3}  entropy {:.2}  distinct {:.1}  off scale {:.3}",
            measures.agreement,
            measures.chord_tones,
            measures.proper,
            measures.consonance,
            measures.entropy,
            measures.distinct,
            measures.off_scale
        );
    };
    println!("{} songs of number {fold}, {settings:?}", songs.len());
    let people: Vec<Measures> = songs
        .iter()
        .map(|song| Measures::of(song, &song.people))
        .collect();
    print("people", &Measures::mean(&people));
    let band: Vec<Measures> = songs
        .iter()
        .zip(&laid)
        .map(|(song, laid)| Measures::of(song, laid))
        .collect();
    print("band", &Measures::mean(&band));
    let tonic: Vec<Measures> = songs
        .iter()
        .map(|song| Measures::of(song, &song.drone()))
        .collect();
    print("drone", &Measures::mean(&tonic));
    for (name, wrong) in measures::wrong_ones(&songs, &laid) {
        let measured: Vec<Measures> = songs
            .iter()
            .zip(&wrong)
            .map(|(song, laid)| Measures::of(song, laid))
            .collect();
        let better = band
            .iter()
            .zip(&measured)
            .filter(|(right, wrong)| right.fit() > wrong.fit())
            .count();
        print(name, &Measures::mean(&measured));
        println!(
            "{:>10} matched is better in {better} of {}",
            "",
            songs.len()
        );
    }
    Ok(())
}
