//! Draws jobs as a grid of stems and presets, with a sign for each job, for plans, the status and Markdown. Pure.
//!
//! ```text
//!          piano  lofi
//! verse    ++==   +
//! chorus   ++++   !!
//! ```

use std::collections::HashMap;
use std::fmt::Write as _;

use anstyle::Style;
use indexmap::{IndexMap, IndexSet};
use unicode_width::UnicodeWidthStr;

use crate::code::code_cell;
use crate::printable::clean;

/// Most stems in a grid: as many as a person can read through.
const MAX_STEMS: usize = 200;

/// Widest grid if the output has no width.
const COLUMNS: usize = 120;

/// Widest name of a stem or preset, and most signs in a cell.
const MAX_NAME: usize = 32;

/// A job in a grid.
#[derive(Debug, Clone, Copy)]
pub struct GridJob<'a> {
    /// Its row.
    pub stem: &'a str,
    /// Its column.
    pub preset: &'a str,
    /// Its state.
    pub sign: char,
    /// The style of the sign.
    pub style: Style,
}

/// The grid's lines for an output of `columns`; `None` if it does not fit or there is no job.
pub fn grid<'a>(
    jobs: impl IntoIterator<Item = GridJob<'a>>,
    columns: Option<u16>,
) -> Option<String> {
    let mut cells: IndexMap<(&'a str, &'a str), Vec<(char, Style)>> = IndexMap::new();
    for job in jobs {
        let cell = cells.entry((job.stem, job.preset)).or_default();
        cell.push((job.sign, job.style));
    }
    let stems: IndexSet<&'a str> = cells.keys().map(|(stem, _)| *stem).collect();
    let presets: IndexSet<&'a str> = cells.keys().map(|(_, preset)| *preset).collect();
    let signs =
        |stem: &'a str, preset: &'a str| cells.get(&(stem, preset)).map_or(&[][..], Vec::as_slice);
    let widths: Vec<usize> = presets
        .iter()
        .map(|preset| {
            let signs = stems.iter().map(|stem| signs(stem, preset).len());
            signs.max().unwrap_or(0).max(clean(preset).width())
        })
        .collect();
    let first = stems.iter().map(|stem| clean(stem).width()).max()?;
    let wide = first + widths.iter().map(|width| width + 2).sum::<usize>();
    let is_readable = widths.iter().chain([&first]).all(|it| *it <= MAX_NAME);
    if wide > columns.map_or(COLUMNS, usize::from) || stems.len() > MAX_STEMS || !is_readable {
        return None;
    }
    let padded = |text: &str, width: usize| {
        let text = clean(text);
        format!("{text}{}", " ".repeat(width.saturating_sub(text.width())))
    };
    let mut lines = vec![" ".repeat(first)];
    for (preset, width) in presets.iter().zip(&widths) {
        lines[0].push_str(&format!("  {}", padded(preset, *width)));
    }
    for stem in &stems {
        let mut line = padded(stem, first);
        for (preset, width) in presets.iter().zip(&widths) {
            let signs = signs(stem, preset);
            line.push_str("  ");
            for (sign, style) in signs {
                line.push_str(&format!("{style}{sign}{style:#}"));
            }
            line.push_str(&" ".repeat(width - signs.len()));
        }
        lines.push(line);
    }
    Some(
        lines
            .iter()
            .map(|line| format!("{}\n", line.trim_end()))
            .collect(),
    )
}

/// Widest name in a Markdown table, in columns.
const MARKDOWN_NAME: usize = 60;

/// Most signs in a cell of a Markdown table.
const MARKDOWN_SIGNS: usize = 24;

/// A grid as a Markdown table.
#[derive(Debug)]
pub struct MarkdownGrid {
    /// The table's lines.
    pub text: String,
    /// Number of stems that the table omits.
    pub stems_left: usize,
    /// Number of presets that the table omits.
    pub presets_left: usize,
}

/// Returns a table of jobs (each a stem, a preset and a sign) with limited numbers of stems and presets.
pub fn markdown_grid<'a>(
    jobs: impl IntoIterator<Item = (&'a str, &'a str, char)>,
    most_stems: usize,
    most_presets: usize,
) -> MarkdownGrid {
    markdown_grid_with(jobs, &HashMap::new(), most_stems, most_presets)
}

/// The same, with a line of Markdown below the signs of certain cells, by stem and preset.
pub(crate) fn markdown_grid_with<'a>(
    jobs: impl IntoIterator<Item = (&'a str, &'a str, char)>,
    notes: &HashMap<(&str, &str), String>,
    most_stems: usize,
    most_presets: usize,
) -> MarkdownGrid {
    let mut cells: HashMap<(&str, &str), String> = HashMap::new();
    let (mut stems, mut presets) = (IndexSet::new(), IndexSet::new());
    for (stem, preset, sign) in jobs {
        stems.insert(stem);
        presets.insert(preset);
        let cell = cells.entry((stem, preset)).or_default();
        match cell.chars().count() {
            ..MARKDOWN_SIGNS => cell.push(sign),
            MARKDOWN_SIGNS => cell.push('…'),
            _ => {}
        }
    }
    let shown = presets.iter().take(most_presets);
    let mut text = "|".to_owned();
    for preset in shown.clone() {
        let _ = write!(text, " | {}", code_cell(preset, MARKDOWN_NAME));
    }
    let _ = writeln!(text, " |\n|---{}|", "|:---:".repeat(shown.len()));
    for stem in stems.iter().take(most_stems) {
        let _ = write!(text, "| {}", code_cell(stem, MARKDOWN_NAME));
        for preset in shown.clone() {
            let _ = match cells.get(&(*stem, *preset)) {
                Some(signs) => write!(text, " | `{signs}`"),
                None => write!(text, " |"),
            };
            if let Some(note) = notes.get(&(*stem, *preset)) {
                let _ = write!(text, "<br>{note}");
            }
        }
        text.push_str(" |\n");
    }
    MarkdownGrid {
        text,
        stems_left: stems.len().saturating_sub(most_stems),
        presets_left: presets.len().saturating_sub(most_presets),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job<'a>(stem: &'a str, preset: &'a str, sign: char) -> GridJob<'a> {
        let style = Style::new();
        GridJob {
            stem,
            preset,
            sign,
            style,
        }
    }

    #[test]
    fn a_grid_has_a_sign_for_each_job_where_it_fits() {
        let jobs = [
            job("verse", "piano", '+'),
            job("verse", "piano", '='),
            job("chorus", "lofi", '!'),
        ];
        let text = "        piano  lofi\nverse   +=\nchorus         !\n";
        assert_eq!(grid(jobs, None).as_deref(), Some(text));
        assert_eq!(grid(jobs, Some(19)).as_deref(), Some(text));
        assert_eq!(grid(jobs, Some(18)), None);
        assert_eq!(grid([], None), None);
        let long = "x".repeat(33);
        assert_eq!(grid([job(&long, "p", '+')], None), None);
    }
}
