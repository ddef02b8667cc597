//! What is played, as SVG: fullness, density and loudness over time, and the parts that play in each bar.
//!
//! ```text
//!        ┌──────────────────────────┐
//! energy │      ▁▁▁▁████▁▁▁▁████████│    bars of notes, a line of energy, a line of loudness
//!        └──────────────────────────┘
//!  drums        ▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓     a row for each part, the darker the more notes
//!   bass   ░░░░░▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓
//!         0:00      0:20      0:40       time
//! ```
//!
//! The picture is self-contained: it has no script, font or address. It is light or dark as the viewer is.

use std::fmt::Write as _;

use backline_audio::Audio;
use backline_band::Take;
use backline_band::analysis::TimeSpan;

use crate::svg::escaped;

/// The width of the frame, and the width of the names to its left.
const WIDTH: f64 = 1000.0;
const MARGIN: f64 = 130.0;
/// The heights of the title, the frame of the curves, the row of a part, and the time axis.
const HEAD: f64 = 52.0;
const FRAME: f64 = 120.0;
const ROW: f64 = 20.0;
const FOOT: f64 = 30.0;
/// The loudness at the bottom and at the top of the frame, in dBFS (RMS).
const QUIETEST_DB: f64 = -40.0;
const LOUDEST_DB: f64 = -8.0;
/// The possible distances between times on the axis, in seconds.
const TIMES_S: [f64; 6] = [5.0, 10.0, 20.0, 30.0, 60.0, 300.0];
const MOST_TIMES: f64 = 12.0;

const STYLE: &str = "\
svg{font:12px system-ui,sans-serif;background:#fff;color:#1b1f24}\
text{fill:currentColor}.dim{opacity:.65}.frame{fill:none;stroke:currentColor;opacity:.5}\
.density{fill:#2f81f7;opacity:.25}.energy{fill:none;stroke:#8250df;stroke-width:2}\
.loudness{fill:none;stroke:#d1242f;stroke-width:1.5}.part{fill:#2f81f7}\
.energy-text{fill:#8250df}.loudness-text{fill:#d1242f}.density-text{fill:#2f81f7}\
@media(prefers-color-scheme:dark){svg{background:#0d1117;color:#e6edf3}.energy{stroke:#a371f7}.energy-text{fill:#a371f7}\
.loudness{stroke:#ff7b72}.loudness-text{fill:#ff7b72}}";

/// The picture of a take as a complete SVG document.
pub(super) fn draw(take: &Take, title: &str) -> String {
    let score = &take.score;
    let facts = &take.facts;
    let title = escaped(&format!(
        "{title}: {}, {}, {}, {:.0} bpm",
        facts.style, facts.key, facts.metre, facts.tempo_bpm
    ));
    let height = HEAD + FRAME + 10.0 + ROW * score.parts.len() as f64 + FOOT;
    let width = MARGIN + WIDTH + 12.0;
    let mut svg = String::new();
    // Writing into a string does not fail.
    let _ = write!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" \
         height=\"{height:.0}\" role=\"img\" aria-label=\"{title}\">\n<title>{title}</title>\n<style>{STYLE}</style>\n\
         <text x=\"{MARGIN}\" y=\"20\">{title}</text>\n\
         <text x=\"{MARGIN}\" y=\"42\"><tspan class=\"energy-text\">energy</tspan>  \
         <tspan class=\"density-text\" dx=\"12\">notes a second</tspan>  \
         <tspan class=\"loudness-text\" dx=\"12\">loudness</tspan></text>\n"
    );
    let bars = Bars {
        bars: &score.energies,
        length_s: score.length_s.max(1.0),
    };
    let _ = draw_curves(&bars, take, &mut svg);
    let _ = draw_parts(&bars, take, &mut svg);
    let _ = draw_times(&bars, height, &mut svg);
    svg.push_str("</svg>\n");
    svg
}

/// The bars and the length of the music.
struct Bars<'a> {
    bars: &'a [(TimeSpan, f32)],
    length_s: f64,
}

impl Bars<'_> {
    fn x(&self, time_s: f64) -> f64 {
        MARGIN + (time_s / self.length_s).clamp(0.0, 1.0) * WIDTH
    }

    /// The span of each bar. The last one ends with the music.
    fn spans(&self) -> impl Iterator<Item = TimeSpan> {
        let last = self.bars.len().saturating_sub(1);
        self.bars
            .iter()
            .enumerate()
            .map(move |(number, (span, _))| {
                let end_s = if number == last {
                    self.length_s
                } else {
                    span.end_s
                };
                TimeSpan { end_s, ..*span }
            })
    }
}

/// The number of notes that begin in each bar. `starts_s` are the notes' start times in seconds.
fn counts(bars: &Bars<'_>, starts_s: impl Iterator<Item = f64> + Clone) -> Vec<usize> {
    /// Players may begin a note slightly before its beat.
    const EARLY_S: f64 = 0.03;
    bars.spans()
        .map(|span| {
            let inside =
                |start_s: &f64| (span.start_s - EARLY_S..span.end_s - EARLY_S).contains(start_s);
            starts_s.clone().filter(inside).count()
        })
        .collect()
}

fn draw_curves(bars: &Bars<'_>, take: &Take, svg: &mut String) -> std::fmt::Result {
    let bottom = HEAD + FRAME;
    let y = |share: f64| bottom - FRAME * share.clamp(0.0, 1.0);
    let notes = take.score.parts.iter().flat_map(|part| &part.notes);
    let counts = counts(bars, notes.map(|note| note.start_s));
    let densities: Vec<f64> = bars
        .spans()
        .zip(&counts)
        .map(|(span, &count)| count as f64 / (span.end_s - span.start_s).max(0.1))
        .collect();
    let most = densities.iter().copied().fold(1.0, f64::max);
    let mut energy = String::new();
    let mut loudness = String::new();
    for (number, span) in bars.spans().enumerate() {
        let (from, to) = (bars.x(span.start_s), bars.x(span.end_s));
        let top = y(densities[number] / most);
        writeln!(
            svg,
            "<rect class=\"density\" x=\"{from:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\"/>",
            (to - from - 0.5).max(0.2),
            bottom - top
        )?;
        let level = y(f64::from(bars.bars[number].1));
        let step = if number == 0 { 'M' } else { 'L' };
        write!(energy, "{step}{from:.1} {level:.1}L{to:.1} {level:.1}")?;
        let db = rms_db(&take.instrumental, span);
        let level = y((db - QUIETEST_DB) / (LOUDEST_DB - QUIETEST_DB));
        write!(loudness, "{step}{:.1} {level:.1}", (from + to) / 2.0)?;
    }
    writeln!(svg, "<path class=\"loudness\" d=\"{loudness}\"/>")?;
    writeln!(svg, "<path class=\"energy\" d=\"{energy}\"/>")?;
    writeln!(
        svg,
        "<rect class=\"frame\" x=\"{MARGIN}\" y=\"{HEAD}\" width=\"{WIDTH}\" height=\"{FRAME}\"/>"
    )
}

/// The level of a part of the sound, in dBFS (RMS).
fn rms_db(audio: &Audio, span: TimeSpan) -> f64 {
    let frame = |time_s: f64| (time_s.max(0.0) * f64::from(audio.rate_hz)) as usize;
    let (mut sum, mut count) = (0.0, 0usize);
    for channel in &audio.channels {
        let to = frame(span.end_s).min(channel.len());
        let samples = &channel[frame(span.start_s).min(to)..to];
        sum += samples.iter().map(|it| f64::from(*it).powi(2)).sum::<f64>();
        count += samples.len();
    }
    10.0 * (sum / count.max(1) as f64).max(1e-12).log10()
}

fn draw_parts(bars: &Bars<'_>, take: &Take, svg: &mut String) -> std::fmt::Result {
    for (number, part) in take.score.parts.iter().enumerate() {
        let top = HEAD + FRAME + 10.0 + ROW * number as f64;
        writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            MARGIN - 8.0,
            top + 14.0,
            escaped(part.instrument.name())
        )?;
        let counts = counts(bars, part.notes.iter().map(|note| note.start_s));
        let most = counts.iter().copied().max().unwrap_or(1).max(1);
        for (span, &count) in bars.spans().zip(&counts) {
            // A sustained note counts in each bar that it sounds in.
            let held = part.notes.iter().any(|note| {
                note.start_s < span.end_s - 0.1 && note.start_s + note.length_s > span.start_s + 0.1
            });
            if count == 0 && !held {
                continue;
            }
            let (from, to) = (bars.x(span.start_s), bars.x(span.end_s));
            writeln!(
                svg,
                "<rect class=\"part\" x=\"{from:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill-opacity=\"{:.2}\"/>",
                top + 1.5,
                (to - from - 0.5).max(0.2),
                ROW - 3.0,
                0.25 + 0.65 * count as f64 / most as f64
            )?;
        }
    }
    Ok(())
}

fn draw_times(bars: &Bars<'_>, height: f64, svg: &mut String) -> std::fmt::Result {
    let fits = |step_s: &&f64| bars.length_s / **step_s <= MOST_TIMES;
    let step_s = TIMES_S.iter().find(fits).copied().unwrap_or(900.0);
    let mut time_s = 0.0;
    while time_s < bars.length_s {
        writeln!(
            svg,
            "<text class=\"dim\" x=\"{:.1}\" y=\"{:.1}\">{}:{:02}</text>",
            bars.x(time_s),
            height - 10.0,
            (time_s / 60.0) as u64,
            (time_s % 60.0) as u64
        )?;
        time_s += step_s;
    }
    Ok(())
}
