//! The analysis as SVG: strips one below another, each with time from left to right.
//!
//! ```text
//!  verse            chorus                 sections
//!  G      %      C      D                  chords, at the bar lines
//! ┌──────┬──────┬──────┬──────┐
//! │ ▬▬~~ │ ▬▬▬  │      │   ▬▬ │            notes as boxes, the sung pitch as a line over them
//! └──────┴──────┴──────┴──────┘
//!  0:00   0:02   0:04                      time
//! ```
//!
//! The picture is self-contained: it has no script, font or address. It is light or dark as the viewer is.

use std::fmt::Write as _;

use backline_band::analysis::PITCH_HOP_S;
use backline_band::{key_name, metre_name, pitch_name};

use super::{GridBar, Heard, bars, clock, section_name};
use crate::svg::escaped;

/// The width of a strip's frame, and the width of the labels to its left.
const WIDTH: f64 = 1100.0;
const MARGIN: f64 = 44.0;
/// The seconds in a strip: one or two phrases, at 55 units a second.
const STRIP_S: f64 = 20.0;
/// The heights above a frame (sections, chords), of the frame, and below it (time).
const ABOVE: f64 = 40.0;
const FRAME: f64 = 130.0;
const BELOW: f64 = 26.0;
const HEAD: f64 = 34.0;
/// The largest width of a letter. A section that is too narrow for its name is drawn without the name.
const LETTER: f64 = 7.0;
/// The fewest semitones that a frame spans.
const LEAST_SEMITONES: f64 = 12.0;

const STYLE: &str = "\
svg{font:12px system-ui,sans-serif;background:#fff;color:#1b1f24}\
text{fill:currentColor}.dim{opacity:.6}.frame{fill:none;stroke:currentColor;opacity:.5}\
.beat{stroke:currentColor;opacity:.13}.bar{stroke:currentColor;opacity:.45}\
.note{fill:#2f81f7;opacity:.45}.pitch{fill:none;stroke:#d1242f;stroke-width:1.3}\
.section{fill:#8250df;fill-opacity:.16;stroke:#8250df;stroke-opacity:.6}.chord{font-weight:600}\
@media(prefers-color-scheme:dark){svg{background:#0d1117;color:#e6edf3}.pitch{stroke:#ff7b72}}";

/// The position of a strip's frame, and the part of the recording that it shows.
struct Strip {
    top: f64,
    start_s: f64,
    end_s: f64,
    low: f64,
    high: f64,
}

impl Strip {
    fn x(&self, time_s: f64) -> f64 {
        MARGIN + (time_s - self.start_s).clamp(0.0, STRIP_S) / STRIP_S * WIDTH
    }

    fn y(&self, midi: f64) -> f64 {
        let share = (midi - self.low) / (self.high - self.low);
        self.top + FRAME * (1.0 - share.clamp(0.0, 1.0))
    }

    fn holds(&self, start_s: f64, end_s: f64) -> bool {
        end_s > self.start_s && start_s < self.end_s
    }

    fn begins(&self, time_s: f64) -> bool {
        (self.start_s..self.end_s).contains(&time_s)
    }
}

/// The picture as a whole SVG document.
pub(super) fn draw(heard: &Heard<'_>) -> String {
    let analysis = &heard.analysis;
    let strips = (analysis.duration_s / STRIP_S).ceil().max(1.0);
    let (low, high) = range(heard);
    let height = HEAD + strips * (ABOVE + FRAME + BELOW);
    let width = MARGIN + WIDTH + 12.0;
    let mut svg = String::new();
    let title = format!(
        "{}: {}, {:.1} bpm, {}",
        heard.file.display(),
        key_name(analysis.key),
        analysis.tempo_bpm,
        metre_name(analysis.metre)
    );
    let title = escaped(&title);
    // Writing into a string does not fail.
    let _ = write!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" \
         height=\"{height:.0}\" role=\"img\" aria-label=\"{title}\">\n<title>{title}</title>\n<style>{STYLE}</style>\n\
         <text x=\"{MARGIN}\" y=\"22\">{title}</text>\n"
    );
    let bars = bars(heard);
    for number in 0..strips as usize {
        let start_s = number as f64 * STRIP_S;
        let strip = Strip {
            top: HEAD + ABOVE + number as f64 * (ABOVE + FRAME + BELOW),
            start_s,
            end_s: (start_s + STRIP_S).min(analysis.duration_s),
            low,
            high,
        };
        let _ = draw_strip(heard, &bars, &strip, &mut svg);
    }
    svg.push_str("</svg>\n");
    svg
}

/// The pitches that a frame spans: all notes and a margin.
fn range(heard: &Heard<'_>) -> (f64, f64) {
    let pitches = heard.analysis.notes.iter().map(|note| f64::from(note.midi));
    let low = pitches.clone().fold(f64::INFINITY, f64::min);
    let high = pitches.fold(f64::NEG_INFINITY, f64::max);
    if low > high {
        // Without notes, the frame is around middle C.
        return (54.0, 66.0);
    }
    let air = ((LEAST_SEMITONES - (high - low)) / 2.0).max(2.0);
    (low - air, high + air)
}

fn draw_strip(
    heard: &Heard<'_>,
    bars: &[GridBar],
    strip: &Strip,
    svg: &mut String,
) -> std::fmt::Result {
    let analysis = &heard.analysis;
    let (top, bottom) = (strip.top, strip.top + FRAME);
    for section in &analysis.sections {
        let span = section.span;
        if !strip.holds(span.start_s, span.end_s) {
            continue;
        }
        let (from, to) = (strip.x(span.start_s), strip.x(span.end_s.min(strip.end_s)));
        let name = section_name(section.kind);
        writeln!(
            svg,
            "<rect class=\"section\" x=\"{from:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"15\"><title>{name}</title></rect>",
            top - 36.0,
            (to - from).max(0.0),
        )?;
        if to - from >= name.len() as f64 * LETTER + 8.0 {
            let (x, y) = (from + 4.0, top - 24.5);
            writeln!(
                svg,
                "<text class=\"name\" x=\"{x:.1}\" y=\"{y:.1}\">{name}</text>"
            )?;
        }
    }
    for beat in analysis
        .beats
        .iter()
        .filter(|beat| strip.begins(beat.time_s))
    {
        let class = if beat.position == 0 { "bar" } else { "beat" };
        let x = strip.x(beat.time_s);
        writeln!(
            svg,
            "<line class=\"{class}\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{top:.1}\" y2=\"{bottom:.1}\"/>"
        )?;
    }
    for (at_s, name) in bars.iter().flat_map(|bar| &bar.chords) {
        if strip.begins(*at_s) {
            let name = escaped(name);
            writeln!(
                svg,
                "<text class=\"chord\" x=\"{:.1}\" y=\"{:.1}\">{name}</text>",
                strip.x(*at_s) + 2.0,
                top - 6.0
            )?;
        }
    }
    for note in &analysis.notes {
        if !strip.holds(note.onset_s, note.offset_s) {
            continue;
        }
        let (from, to) = (
            strip.x(note.onset_s),
            strip.x(note.offset_s.min(strip.end_s)),
        );
        let (upper, lower) = (
            strip.y(f64::from(note.midi) + 0.5),
            strip.y(f64::from(note.midi) - 0.5),
        );
        writeln!(
            svg,
            "<rect class=\"note\" x=\"{from:.1}\" y=\"{upper:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"1.5\"/>",
            (to - from).max(0.5),
            lower - upper
        )?;
    }
    draw_pitch(heard, strip, svg)?;
    let end = strip.x(strip.end_s);
    writeln!(
        svg,
        "<rect class=\"frame\" x=\"{MARGIN}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{FRAME}\"/>",
        end - MARGIN
    )?;
    // Labels each C, as the start of an octave.
    for octave in 0..10 {
        let midi = f64::from(octave * 12 + 12);
        if midi >= strip.low && midi <= strip.high {
            writeln!(
                svg,
                "<text class=\"dim\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}{octave}</text>",
                MARGIN - 6.0,
                strip.y(midi) + 4.0,
                pitch_name(0, analysis.key)
            )?;
        }
    }
    let mut label_s = strip.start_s;
    while label_s < strip.end_s {
        writeln!(
            svg,
            "<text class=\"dim\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            strip.x(label_s),
            bottom + 15.0,
            clock(label_s)
        )?;
        label_s += STRIP_S / 4.0;
    }
    Ok(())
}

/// The sung pitch, as a line for each voiced part.
fn draw_pitch(heard: &Heard<'_>, strip: &Strip, svg: &mut String) -> std::fmt::Result {
    let pitch = &heard.analysis.pitch;
    let from = ((strip.start_s / PITCH_HOP_S) as usize).min(pitch.len());
    let to = ((strip.end_s / PITCH_HOP_S).ceil() as usize).min(pitch.len());
    let mut path = String::new();
    let mut sounding = false;
    for (number, frame) in (from..).zip(&pitch[from..to]) {
        if frame.hz <= 0.0 {
            sounding = false;
            continue;
        }
        let midi = 69.0 + 12.0 * (f64::from(frame.hz) / 440.0).log2()
            - f64::from(heard.analysis.tuning_cents) / 100.0;
        let step = if sounding { 'L' } else { 'M' };
        sounding = true;
        write!(
            path,
            "{step}{:.1} {:.1}",
            strip.x(number as f64 * PITCH_HOP_S),
            strip.y(midi)
        )?;
    }
    if !path.is_empty() {
        writeln!(svg, "<path class=\"pitch\" d=\"{path}\"/>")?;
    }
    Ok(())
}
