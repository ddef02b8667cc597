//! A plan as a grid of stems and presets, with a sign for each job; pure.
//!
//! ```text
//!          piano  lofi
//! verse    ++==   +
//! chorus   ++++   !!
//! ```

use std::collections::HashMap;

use backline_engine::forecast::Forecast;
use backline_engine::plan::Plan;
use indexmap::IndexSet;
use unicode_width::UnicodeWidthStr;

use super::look::{Look, clean, colour};

/// Most stems that a grid shows: what a person looks through.
const MAX_STEMS: usize = 200;

/// Widest grid where the output has no width of its own.
const COLUMNS: usize = 120;

/// Widest name of a stem or preset, and most signs in a cell.
const MAX_NAME: usize = 32;

/// The grid's lines; none where it does not fit.
pub(super) fn grid(plan: &Plan, forecast: &Forecast, look: Look) -> Option<String> {
    let mut cells: HashMap<(usize, &str), Vec<char>> = HashMap::new();
    let mut styled: HashMap<char, anstyle::Style> = HashMap::new();
    let mut stems: IndexSet<usize> = IndexSet::new();
    let mut presets: IndexSet<&str> = IndexSet::new();
    for (job, held) in plan.jobs.iter().zip(&forecast.rows) {
        stems.insert(job.stem);
        presets.insert(&job.preset);
        let cell = cells.entry((job.stem, &job.preset)).or_default();
        cell.push(held.sign.symbol());
        styled.insert(held.sign.symbol(), colour(held.sign));
    }
    let names: Vec<String> = presets.iter().map(|it| clean(it)).collect();
    let widths: Vec<usize> = presets
        .iter()
        .zip(&names)
        .map(|(preset, name)| {
            let signs = stems
                .iter()
                .filter_map(|stem| cells.get(&(*stem, *preset)).map(Vec::len));
            signs.max().unwrap_or(0).max(name.width())
        })
        .collect();
    let first = stems
        .iter()
        .map(|stem| clean(&plan.stems[*stem].id).width())
        .max()?;
    let wide = first + widths.iter().map(|width| width + 2).sum::<usize>();
    let room = look.columns.map_or(COLUMNS, usize::from);
    let is_readable = widths
        .iter()
        .chain([&first])
        .all(|width| *width <= MAX_NAME);
    if wide > room || stems.len() > MAX_STEMS || !is_readable {
        return None;
    }
    let pad = |text: &str, width: usize| " ".repeat(width.saturating_sub(text.width()));
    let mut head = " ".repeat(first);
    for (name, width) in names.iter().zip(&widths) {
        head.push_str(&format!("  {name}{}", pad(name, *width)));
    }
    let mut lines = vec![head];
    for stem in &stems {
        let name = clean(&plan.stems[*stem].id);
        let mut line = format!("{name}{}", pad(&name, first));
        for (preset, width) in presets.iter().zip(&widths) {
            let signs = cells.get(&(*stem, *preset)).map_or(&[][..], Vec::as_slice);
            line.push_str("  ");
            for sign in signs {
                let style = styled.get(sign).copied().unwrap_or_default();
                line.push_str(&format!("{style}{sign}{style:#}"));
            }
            line.push_str(&" ".repeat(width - signs.len()));
        }
        lines.push(line);
    }
    let lines = lines.iter().map(|line| format!("{}\n", line.trim_end()));
    Some(lines.collect())
}
