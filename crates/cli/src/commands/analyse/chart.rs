//! The analysis as a page of text: facts with their confidence, sections, and a chord chart with four bars on a line.

use std::fmt::Write as _;

use backline_band::{key_name, metre_name, pitch_name};

use super::{GridBar, Heard, bars, clock, section_name};

/// The number of bars on a line of the chart.
const BARS: usize = 4;

/// Loudness is measured in blocks of this length, in seconds.
const LOUDNESS_S: f64 = 0.4;

/// The whole page.
pub(super) fn text(heard: &Heard<'_>) -> String {
    let mut page = String::new();
    // Writing into a string does not fail.
    let _ = facts(heard, &mut page);
    let _ = sections(heard, &mut page);
    let _ = chords(heard, &mut page);
    page
}

fn facts(heard: &Heard<'_>, page: &mut String) -> std::fmt::Result {
    let analysis = &heard.analysis;
    let sure = &analysis.confidence;
    let channels = match heard.channels {
        1 => "mono".to_owned(),
        2 => "stereo".to_owned(),
        more => format!("{more} channels"),
    };
    let loudness = match analysis.loudness_lufs {
        Some(lufs) => format!("{lufs:.1} LUFS"),
        None if analysis.duration_s < LOUDNESS_S => "too short for a loudness".to_owned(),
        None => "silent".to_owned(),
    };
    writeln!(
        page,
        "{}: {}, {} kHz, {channels}, {}, {loudness}\n",
        heard.file.display(),
        heard.format,
        f64::from(heard.rate_hz) / 1000.0,
        clock(analysis.duration_s),
    )?;
    let percent = |sure: f32| format!("{:3.0} % sure", sure * 100.0);
    let mut row = |name: &str, found: &str, sure: Option<f32>| match sure {
        Some(sure) => writeln!(page, "{name:<9} {found:<26} {}", percent(sure)),
        None => writeln!(page, "{name:<9} {found}"),
    };
    row("key", &key_name(analysis.key), Some(sure.key))?;
    let mut before = analysis.key;
    for local in &analysis.local_keys {
        if local.key != before {
            let found = format!("{} from {}", key_name(local.key), clock(local.span.start_s));
            row("", &found, Some(local.confidence))?;
        }
        before = local.key;
    }
    row(
        "tempo",
        &format!("{:.1} bpm", analysis.tempo_bpm),
        Some(sure.beats),
    )?;
    row("metre", metre_name(analysis.metre), Some(sure.metre))?;
    row("notes", &notes(heard), Some(sure.pitch))?;
    row(
        "tuning",
        &format!("{:+.0} cents", analysis.tuning_cents),
        None,
    )?;
    row("phrases", &analysis.phrases.len().to_string(), None)?;
    for remark in &analysis.remarks {
        row("remark", remark, None)?;
    }
    Ok(())
}

/// The number of notes and the pitches that they span: `64, G3 to D5`.
fn notes(heard: &Heard<'_>) -> String {
    let analysis = &heard.analysis;
    let pitches = analysis.notes.iter().map(|note| note.midi);
    let name = |midi: u8| {
        // MIDI note 60 is C4.
        let octave = i16::from(midi / 12) - 1;
        format!("{}{octave}", pitch_name(midi % 12, analysis.key))
    };
    match (pitches.clone().min(), pitches.max()) {
        (Some(low), Some(high)) => {
            format!("{}, {} to {}", analysis.notes.len(), name(low), name(high))
        }
        _ => "none".to_owned(),
    }
}

fn sections(heard: &Heard<'_>, page: &mut String) -> std::fmt::Result {
    if heard.analysis.sections.is_empty() {
        return Ok(());
    }
    writeln!(page, "\nsections")?;
    for section in &heard.analysis.sections {
        // The last bar may end after the recording.
        let end_s = section.span.end_s.min(heard.analysis.duration_s);
        let (start, end) = (clock(section.span.start_s), clock(end_s));
        let name = section_name(section.kind);
        writeln!(
            page,
            "  {start:>7} – {end:>7}  {name:<7} energy {:.2}",
            section.energy
        )?;
    }
    Ok(())
}

fn chords(heard: &Heard<'_>, page: &mut String) -> std::fmt::Result {
    let bars = bars(heard);
    if bars.is_empty() {
        return Ok(());
    }
    let cells: Vec<String> = bars.iter().map(cell).collect();
    let width = cells
        .iter()
        .map(|cell| cell.chars().count())
        .max()
        .unwrap_or(0)
        .max(5);
    writeln!(page, "\nchords")?;
    for (line, bars) in cells.chunks(BARS).zip(bars.chunks(BARS)) {
        let start = bars.first().map_or(0.0, |bar| bar.start_s);
        write!(page, "  {:>7} |", clock(start))?;
        for cell in line {
            write!(page, " {cell:<width$} |")?;
        }
        page.push('\n');
    }
    Ok(())
}

/// A bar of the chart: its chords, `%` to repeat the bar before, `-` for no chord.
fn cell(bar: &GridBar) -> String {
    if bar.chords.is_empty() {
        return if bar.sounds { "%" } else { "-" }.to_owned();
    }
    let names: Vec<&str> = bar.chords.iter().map(|(_, name)| name.as_str()).collect();
    names.join(" ")
}
