//! A plan as Markdown, for a comment on a pull request: what a run would buy, and how the plan differs from the lock file.
//!
//! ```markdown
//! ## Plan of `album`: 12 jobs to buy
//!
//! 17 jobs: 12 to buy (+), 5 kept (=)
//! A run buys 12 jobs for 144 credits.
//!
//! | | `piano` | `lofi` |
//! |---|:---:|:---:|
//! | `grace` | `++==` | `+` |
//! ```
//!
//! Texts from outside are in code spans and a fenced block, so they cannot contain markup, links or mentions. A comment can have
//! 65,536 characters, so every list that may grow is cut well below that, and the rest is counted.

use std::fmt::Write as _;

use backline_engine::forecast::Forecast;
use backline_engine::manifest::lock::LockDiff;
use backline_engine::plan::Plan;
use backline_reporter::{code_block, code_span, markdown_grid};

use super::{lock, table};

/// The most stems and the most presets in the grid.
const MAX_ROWS: usize = 100;
const MAX_COLUMNS: usize = 30;

/// The longest name of the album, in characters.
const NAME_COLUMNS: usize = 60;

/// The most differences from the lock file, and the most characters of their text.
const MAX_DIFFERENCES: usize = 100;
const MAX_DIFF_CHARS: usize = 20_000;

/// The text of the comment. `diff` is the difference from the lock file, if there is one.
pub(super) fn text(plan: &Plan, forecast: &Forecast, diff: Option<&LockDiff>) -> String {
    let buys = match forecast.to_submit {
        0 => "nothing to buy".to_owned(),
        number => format!("{} to buy", table::jobs(number)),
    };
    let mut text = format!(
        "## Plan of {}: {buys}\n\n",
        code_span(&plan.name, NAME_COLUMNS)
    );
    let counts = format!(
        "{}\n{}",
        table::counts(forecast),
        table::consequences(plan, forecast)
    );
    let _ = writeln!(text, "{}", anstream::adapter::strip_str(&counts));
    grid(&mut text, plan, forecast);
    if let Some(diff) = diff {
        agreed(&mut text, diff);
    }
    text
}

/// A grid of stems × presets with one sign for each job.
fn grid(text: &mut String, plan: &Plan, forecast: &Forecast) {
    let jobs = plan.jobs.iter().zip(&forecast.rows);
    let songs = jobs.filter(|(job, _)| job.step.is_none());
    let jobs = songs.map(|(job, row)| {
        let stem = plan.stems[job.stem].id.as_str();
        (stem, &*job.preset, row.sign.symbol())
    });
    let grid = markdown_grid(jobs, MAX_ROWS, MAX_COLUMNS);
    text.push_str(&grid.text);
    let steps = table::steps(plan, forecast);
    let _ = write!(text, "{}", anstream::adapter::strip_str(&steps));
    for (left, noun) in [(grid.stems_left, "stems"), (grid.presets_left, "presets")] {
        if left > 0 {
            let _ = writeln!(text, "\nand {left} more {noun}");
        }
    }
}

/// Adds the differences from the lock file.
fn agreed(text: &mut String, diff: &LockDiff) {
    if diff.is_empty() {
        text.push_str("\nIt means what its lock file says.\n");
        return;
    }
    let differences = lock::text(diff, MAX_DIFFERENCES);
    let mut shown: String = differences.chars().take(MAX_DIFF_CHARS).collect();
    if shown.len() < differences.len() {
        shown.push_str("…\n");
    }
    let _ = write!(
        text,
        "\n**It means something other than its lock file:**\n\n{}",
        code_block("diff", &shown)
    );
}
