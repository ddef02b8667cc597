//! A plan as text, fitted to the terminal. If a [grid] fits, it is shown with the jobs that need attention below it. Otherwise, and
//! with `--jobs`, each job has a line.
//!
//! ```text
//!     job           stem   preset  take
//!  =  5b1c02d7a9e4  verse  piano      1
//!  +  77aa01c3f0de  verse  lofi       1
//!
//! 2 jobs: 1 to buy (+), 1 kept (=)
//! A run buys 1 job for 12 credits.
//! ```

use std::io::{self, Write};

use backline_engine::forecast::{Forecast, JobForecast};
use backline_engine::plan::{Plan, PlannedJob};
use backline_engine::status::Sign;
use backline_reporter::{GridJob, clean, figure, grid};
use indexmap::{IndexMap, IndexSet};

use comfy_table::{
    Attribute, Cell, CellAlignment, Color, ColumnConstraint, ContentArrangement, Row, Table,
};

use super::look::{Look, colour};

/// The most jobs that are shown one by one. A longer list is hard to read; `--format json` has all jobs.
const MAX_SHOWN: usize = 1_000;

/// The most jobs that are listed below a grid.
const MAX_NOTED: usize = 20;

/// The narrowest table. A narrower terminal wraps its lines.
const MIN_COLUMNS: u16 = 24;

/// The columns that are shown; columns without information are left out.
struct Columns {
    sweep: bool,
    take: bool,
    step: bool,
    credits: bool,
    note: bool,
}

/// Writes the plan and its consequences.
pub(crate) fn write(
    plan: &Plan,
    forecast: &Forecast,
    look: Look,
    out: &mut impl Write,
) -> io::Result<()> {
    let all = || plan.jobs.iter().zip(&forecast.rows);
    let grid = if look.lists {
        None
    } else {
        let songs = all().filter(|(job, _)| job.step.is_none());
        let cells = songs.map(|(job, held)| GridJob {
            stem: &plan.stems[job.stem].id,
            preset: &job.preset,
            sign: held.sign.symbol(),
            style: colour(held.sign),
        });
        grid(cells, look.columns)
    };
    match grid {
        Some(grid) => {
            out.write_all(grid.as_bytes())?;
            out.write_all(steps(plan, forecast).as_bytes())?;
            let noted: Vec<_> = all().filter(|(_, held)| !held.note.is_empty()).collect();
            if !noted.is_empty() {
                writeln!(out)?;
                list(plan, &noted, look, MAX_NOTED, out)?;
            }
        }
        // A part of a manifest can be empty.
        None if plan.jobs.is_empty() => {}
        None => list(plan, &all().collect::<Vec<_>>(), look, MAX_SHOWN, out)?,
    }
    if !plan.jobs.is_empty() {
        writeln!(out)?;
    }
    writeln!(out, "{}", counts(forecast))?;
    out.write_all(consequences(plan, forecast).as_bytes())?;
    out.flush()
}

/// Writes one line per job, at most `most` lines.
fn list(
    plan: &Plan,
    jobs: &[(&PlannedJob, &JobForecast)],
    look: Look,
    most: usize,
    out: &mut impl Write,
) -> io::Result<()> {
    let shown = || jobs.iter().take(most);
    let columns = Columns {
        sweep: shown().any(|(job, _)| !job.sweep.is_empty()),
        take: shown().any(|(job, _)| job.take > 1),
        step: shown().any(|(job, _)| job.step.is_some()),
        // All songs have the same cost, which is printed below the table.
        credits: shown().any(|(job, _)| job.step.is_some()) && forecast_costs(plan, jobs),
        note: shown().any(|(_, forecast)| !forecast.note.is_empty()),
    };
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    if let Some(width) = look.columns {
        table.set_width(width.max(MIN_COLUMNS));
    } else {
        table.set_content_arrangement(ContentArrangement::Disabled);
    }
    if look.colour {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    table.set_header(header(&columns));
    table.add_rows(shown().map(|(job, held)| row(plan, job, held, &columns)));
    // A sign or a key must stay on one line to be readable and to be copied. The other columns are wrapped.
    for at in [0, 1] {
        if let Some(column) = table.column_mut(at) {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    for line in table.lines() {
        writeln!(out, "{}", line.trim_end())?;
    }
    if jobs.len() > most {
        writeln!(
            out,
            "and {} more; --format json has them all, --filter selects",
            jobs.len() - most
        )?;
    }
    Ok(())
}

fn header(columns: &Columns) -> Row {
    let bold = |text: &str| Cell::new(text).add_attribute(Attribute::Bold);
    let mut row = Row::new();
    row.add_cell(bold(""))
        .add_cell(bold("job"))
        .add_cell(bold("stem"))
        .add_cell(bold("preset"));
    if columns.sweep {
        row.add_cell(bold("sweep"));
    }
    if columns.take {
        row.add_cell(bold("take"));
    }
    if columns.step {
        row.add_cell(bold("step"));
    }
    if columns.credits {
        row.add_cell(bold("credits"));
    }
    if columns.note {
        row.add_cell(bold("note"));
    }
    row
}

/// Whether any of these jobs costs anything.
fn forecast_costs(plan: &Plan, jobs: &[(&PlannedJob, &JobForecast)]) -> bool {
    jobs.iter().any(|(job, _)| plan.price_credits(job) > 0.0)
}

/// The steps that process the songs' tracks, one line each; empty without steps.
pub(super) fn steps(plan: &Plan, forecast: &Forecast) -> String {
    let mut steps: IndexMap<&str, (IndexMap<Sign, u64>, f64)> = IndexMap::new();
    for (job, row) in plan.jobs.iter().zip(&forecast.rows) {
        let Some(step) = &job.step else { continue };
        let (signs, credits) = steps.entry(&step.name).or_default();
        *signs.entry(row.sign).or_default() += 1;
        if row.submits {
            *credits += plan.price_credits(job);
        }
    }
    let mut text = String::new();
    for (name, (signs, credits)) in steps {
        let signs = signs.iter().map(|(sign, number)| {
            let style = colour(*sign);
            format!(
                "{number} {} ({style}{}{style:#})",
                sign.meaning(),
                sign.symbol()
            )
        });
        let signs: Vec<String> = signs.collect();
        let costs = match credits > 0.0 {
            true => format!(", up to {} credits", figure(credits)),
            false => String::new(),
        };
        text.push_str(&format!(
            "  then {}: {}{costs}\n",
            clean(name),
            signs.join(", ")
        ));
    }
    match text.is_empty() {
        true => text,
        false => format!("\n{text}"),
    }
}

fn row(plan: &Plan, job: &PlannedJob, forecast: &JobForecast, columns: &Columns) -> Row {
    let mut row = Row::new();
    row.add_cell(
        Cell::new(forecast.sign.symbol())
            .fg(table_colour(forecast.sign))
            .add_attribute(Attribute::Bold),
    )
    .add_cell(Cell::new(job.key.short()).add_attribute(Attribute::Dim))
    .add_cell(Cell::new(clean(&plan.stems[job.stem].id)))
    .add_cell(Cell::new(clean(&job.preset)));
    if columns.sweep {
        let point: Vec<String> = job
            .sweep
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        row.add_cell(Cell::new(clean(&point.join(" "))));
    }
    if columns.take {
        row.add_cell(Cell::new(job.take).set_alignment(CellAlignment::Right));
    }
    if columns.step {
        let step = job.step.as_ref();
        let step = step.map_or_else(String::new, |step| step.to_string());
        row.add_cell(Cell::new(clean(&step)));
    }
    if columns.credits {
        let credits = figure(plan.price_credits(job));
        row.add_cell(Cell::new(credits).set_alignment(CellAlignment::Right));
    }
    if columns.note {
        row.add_cell(Cell::new(clean(&forecast.note)));
    }
    row
}

fn table_colour(sign: Sign) -> Color {
    match sign {
        Sign::Buy | Sign::Changed => Color::Green,
        Sign::InProgress | Sign::Fetch => Color::Cyan,
        Sign::Kept => Color::Reset,
        Sign::InDoubt | Sign::Vetoed | Sign::Partial | Sign::Expired => Color::Yellow,
        Sign::Failed => Color::Red,
    }
}

/// `3 jobs: 2 to buy (+), 1 kept (=)`.
pub(super) fn counts(forecast: &Forecast) -> String {
    let present: Vec<String> = Sign::ALL
        .into_iter()
        .map(|sign| (sign, forecast.count(sign)))
        .filter(|(_, number)| *number > 0)
        .map(|(sign, number)| {
            let style = colour(sign);
            format!(
                "{number} {} ({style}{}{style:#})",
                sign.meaning(),
                sign.symbol()
            )
        })
        .collect();
    let all = jobs(forecast.rows.len() as u64);
    match present.is_empty() {
        true => all,
        false => format!("{all}: {}", present.join(", ")),
    }
}

/// What a run would do, and its limits.
pub(super) fn consequences(plan: &Plan, forecast: &Forecast) -> String {
    let mut text = if forecast.to_submit == 0 {
        "A run buys nothing.\n".to_owned()
    } else {
        let least = match forecast.least_ms {
            0 => String::new(),
            least_ms => format!(
                "; submitting them takes at least {} at the rate limit",
                duration(least_ms)
            ),
        };
        let bought = plan.jobs.iter().zip(&forecast.rows);
        let mut bought = bought.filter(|(_, row)| row.submits);
        // The provider decides how many tracks there are.
        let up_to = match bought.any(|(job, _)| job.step.is_some()) {
            true => "up to ",
            false => "",
        };
        let costs = match plan.provider.profile.song_price_credits() {
            0.0 if plan.provider.embedded.is_some() => {
                "; the embedded studio costs nothing".to_owned()
            }
            _ => format!(" for {up_to}{} credits", figure(forecast.credits)),
        };
        format!("A run buys {}{costs}{least}.\n", jobs(forecast.to_submit))
    };
    let unpriced = unpriced(plan, forecast);
    if !unpriced.is_empty() && plan.provider.embedded.is_none() {
        text.push_str(&format!(
            "No price is known for {}: it counts as 0.\n",
            unpriced.join(", ")
        ));
    }
    let doubts = forecast.count(Sign::InDoubt) as u64;
    if doubts > 0 && plan.provider.profile.idempotency_key {
        text.push_str(&format!(
            "It repeats the requests of {} in doubt: `idempotency_key` says that the provider takes them for the first ones.\n",
            jobs(doubts)
        ));
    }
    if forecast.expiring() > 0 {
        text.push_str(&format!(
            "The provider soon deletes the tracks of {}: download them with `backline fetch`.\n",
            jobs(forecast.expiring() as u64)
        ));
    }
    if let Some(limit) = plan.limits.credits
        && forecast.credits > limit
    {
        let price = plan.provider.profile.song_price_credits();
        let covered = match plan.jobs.iter().any(|job| job.step.is_some()) {
            // The order depends on which songs are complete first.
            true => "as many of them as that pays for".to_owned(),
            false => format!("{} of them", (limit / price).floor()),
        };
        text.push_str(&format!(
            "limits.credits is {limit}: one run buys {covered} and stops.\n"
        ));
    }
    text
}

/// The operations that a run would buy and whose prices are unknown, without duplicates.
fn unpriced<'p>(plan: &'p Plan, forecast: &Forecast) -> Vec<&'p str> {
    let bought = plan.jobs.iter().zip(&forecast.rows);
    let bought = bought.filter(|(job, row)| row.submits && plan.known_price(job).is_none());
    let names = bought.map(|(job, _)| plan.operation(job).name);
    names.collect::<IndexSet<&str>>().into_iter().collect()
}

pub(super) fn jobs(number: u64) -> String {
    if number == 1 {
        "1 job".to_owned()
    } else {
        format!("{number} jobs")
    }
}

/// `800 ms`, `42 s`, `3 min 5 s`, `2 h 7 min`.
fn duration(ms: u64) -> String {
    let s = ms.div_ceil(1000);
    match (ms, s) {
        (..1000, _) => format!("{ms} ms"),
        (_, ..60) => format!("{s} s"),
        (_, ..3600) => format!("{} min {} s", s / 60, s % 60),
        _ => format!("{} h {} min", s / 3600, s % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_said_in_two_units_at_most() {
        let said: Vec<String> = [1, 999, 1_000, 59_001, 91_350, 7_620_000]
            .map(duration)
            .into();
        assert_eq!(
            said,
            [
                "1 ms",
                "999 ms",
                "1 s",
                "1 min 0 s",
                "1 min 32 s",
                "2 h 7 min"
            ]
        );
    }
}
