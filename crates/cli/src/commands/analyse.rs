//! `backline analyse`: shows what the band detects in a recording, as text, as JSON, or as a drawing.

mod chart;
mod drawing;

use std::path::Path;

use backline_audio::Format;
use backline_band::analysis::{Analysis, ChordSpan, HarmonySettings, SectionKind};
use backline_band::{chord_name, harmonise, key_name, listen, metre_name, read_tags};
use serde_json::{Value, json};

use crate::args::{self, AnalyseArgs};
use crate::console::Console;
use crate::exit_codes;
use crate::failure::{CommandResult, Failure, Kind};
use crate::recording;

/// The analysis of a file.
struct Heard<'a> {
    /// The file's path as the user wrote it.
    file: &'a Path,
    format: Format,
    rate_hz: u32,
    channels: usize,
    analysis: Analysis,
    /// The most likely chords, in their simplest form.
    chords: Vec<ChordSpan>,
}

pub(crate) fn run(args: &AnalyseArgs, console: &Console) -> CommandResult {
    if let Some(svg) = &args.svg {
        check_place(svg, args)?;
    }
    let recording = recording::open(&args.file)?;
    let brief = read_tags(&args.tags, "");
    for word in &brief.unknown {
        console.note(&format!("warning: the tag `{word}` was not understood\n"));
    }
    console.progress(&format!("listening to {}\n", args.file.display()));
    let analysis = listen(&recording.audio, &brief.hints());
    let settings = HarmonySettings {
        style: brief.styles.first().copied(),
        weirdness: 0.0,
        style_weight: 0.5,
        variety: 0.0,
    };
    let heard = Heard {
        file: &args.file,
        format: recording.format,
        rate_hz: recording.audio.rate_hz,
        channels: recording.audio.channels.len(),
        chords: harmonise(&analysis, &settings, 0),
        analysis,
    };
    if let Some(path) = &args.svg {
        write_drawing(path, &drawing::draw(&heard), args.force)?;
    }
    match console.format {
        args::Format::Json => console.json(&heard.to_json())?,
        args::Format::Text => console.data(&chart::text(&heard))?,
    }
    Ok(exit_codes::DONE)
}

/// Fails if the drawing would overwrite the recording, or another file without `--force`. Runs before the analysis.
fn check_place(svg: &Path, args: &AnalyseArgs) -> Result<(), Failure> {
    if crate::output_file::is_same(svg, &args.file) {
        let message = format!("{} is the recording itself", svg.display());
        return Err(Failure::msg(Kind::Usage, message).hint("choose another file for the drawing"));
    }
    // Writing into a pipe or a device destroys nothing.
    let is_there = svg.symlink_metadata().is_ok() && !svg.exists() || svg.is_file();
    if is_there && !args.force {
        let message = format!("file exists: {}", svg.display());
        return Err(Failure::msg(Kind::Usage, message).hint("--force overwrites it"));
    }
    Ok(())
}

/// Writes the drawing as a whole file or not at all. A pipe or a device is written directly.
fn write_drawing(path: &Path, drawing: &str, force: bool) -> Result<(), Failure> {
    let written = if path.exists() && !path.is_file() {
        std::fs::write(path, drawing)
    } else if force {
        // Replaces the file that a link leads to, not the link.
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        crate::output_file::whole(&path, drawing.as_bytes())
    } else {
        crate::output_file::new(path, drawing.as_bytes())
    };
    written.map_err(|error| {
        let context = format!("can't write the drawing {}", path.display());
        Failure::new(Kind::Output, anyhow::Error::new(error).context(context))
    })
}

impl Heard<'_> {
    fn to_json(&self) -> Value {
        let analysis = &self.analysis;
        let chords: Vec<Value> = self
            .chords
            .iter()
            .map(|at| {
                json!({
                    "start_s": at.span.start_s,
                    "end_s": at.span.end_s,
                    "name": chord_name(&at.chord, analysis.key),
                })
            })
            .collect();
        json!({
            "file": self.file.display().to_string(),
            "format": self.format.extension(),
            "rate_hz": self.rate_hz,
            "channels": self.channels,
            "key": key_name(analysis.key),
            "metre": metre_name(analysis.metre),
            "tempo_bpm": analysis.tempo_bpm,
            "chords": chords,
            "analysis": analysis,
        })
    }
}

/// One bar of the grid.
struct GridBar {
    start_s: f64,
    /// The chords that begin in the bar, each with its time in seconds.
    chords: Vec<(f64, String)>,
    /// Whether any chord sounds in the bar.
    sounds: bool,
}

/// The bars that contain a part of the recording. A chord belongs to the bar in which it begins; it may begin `HAIR_S` early.
fn bars(heard: &Heard<'_>) -> Vec<GridBar> {
    /// All times come from one grid. The tolerance is far below a beat and far above rounding errors.
    const HAIR_S: f64 = 0.001;
    let analysis = &heard.analysis;
    let starts: Vec<f64> = analysis
        .beats
        .iter()
        .filter(|beat| beat.position == 0)
        .map(|beat| beat.time_s)
        .collect();
    let ends = starts.iter().skip(1).copied().chain([analysis
        .duration_s
        .max(starts.last().copied().unwrap_or(0.0))]);
    starts
        .iter()
        .zip(ends)
        .filter(|&(&start_s, end_s)| end_s > 0.0 && start_s < analysis.duration_s)
        .map(|(&start_s, end_s)| GridBar {
            start_s,
            chords: heard
                .chords
                .iter()
                .filter(|at| at.span.start_s > start_s - HAIR_S && at.span.start_s < end_s - HAIR_S)
                .map(|at| {
                    let name = chord_name(&at.chord, analysis.key);
                    (at.span.start_s, name)
                })
                .collect(),
            sounds: heard
                .chords
                .iter()
                .any(|at| at.span.start_s < end_s - HAIR_S && at.span.end_s > start_s + HAIR_S),
        })
        .collect()
}

/// The name of a section's kind.
fn section_name(kind: SectionKind) -> &'static str {
    match kind {
        SectionKind::Intro => "intro",
        SectionKind::Verse => "verse",
        SectionKind::Build => "build",
        SectionKind::Chorus => "chorus",
        SectionKind::Ending => "ending",
    }
}

/// A time as `1:02.5`, never negative.
fn clock(time_s: f64) -> String {
    let tenths = (time_s.max(0.0) * 10.0).round() as u64;
    format!("{}:{:02}.{}", tenths / 600, tenths / 10 % 60, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_carry_over_to_the_minute() {
        assert_eq!(clock(0.0), "0:00.0");
        assert_eq!(clock(59.96), "1:00.0");
        assert_eq!(clock(-0.2), "0:00.0");
        assert_eq!(clock(725.44), "12:05.4");
    }
}
