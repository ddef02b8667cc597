//! The output of `backline status`: the number of jobs of the manifest in each state, the work of its last run, and the jobs
//! that need a person's attention.
//!
//! ```text
//! songs.yaml with studio, run 0193…
//! started 2026-01-05T12:00:00Z, ended 2026-01-05T12:06:30Z
//! this run: 6 of 24 jobs submitted, 10 tracks downloaded
//!
//!   kept          18
//!   in progress    2
//!   not bought     0
//!   failed         3
//!   in doubt       1
//!   jobs          24
//!
//!          piano  lofi
//! verse    ====   >>!
//! chorus   ====   =!?
//!
//! = kept, > in progress, ! failed, ? in doubt
//!
//! 36 tracks kept in tracks; credits: 72 spent by this run, 264 by all runs
//! ```

#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use anstyle::Style;
use backline_engine::status::{JobStatus, Sign};
use backline_engine::summary::{JobSummary, Summary};
use indexmap::IndexMap;

use crate::closing::{
    bought_again, charges, label, push_omitted, resolving, response_lines, short_key, unverified,
};
use crate::counts;
use crate::evidence::evidence_text;
use crate::grid::{GridJob, grid};
use crate::live::Size;
use crate::printable::clean;
use crate::sign::{sign, tracks_kept, unkept_part};
use crate::steps::{StepOf, Steps, tally};
use crate::style::{ERROR, PLAIN, SUCCESS, WARNING};
use crate::text::{excerpt, failure_text, fit, pad, rfc3339};

/// The state of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunState {
    /// It has ended, with an outcome.
    Ended,
    /// Processes are executing it. Where several do, some may after its end still be at work on what they had begun.
    Active {
        /// The processes as people name them, such as `17` or `17 on 10.0.0.7`, as far as they are known.
        processes: Vec<String>,
    },
    /// It has not ended, and no process executes it: it was killed, or the machine stopped.
    Killed,
}

impl RunState {
    /// Its name in JSON.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Ended => "ended",
            Self::Active { .. } => "goes_on",
            Self::Killed => "dead",
        }
    }
}

/// The format of a status.
#[derive(Debug, Clone, Copy, Default)]
pub struct View {
    /// The width of the output; `None` if it has no width.
    pub columns: Option<u16>,
    /// Whether to list every job instead of a grid.
    pub jobs: bool,
}

/// Widest state: `changed, not bought`.
const STATE_COLUMNS: usize = 19;

/// Most jobs in the list of all jobs: nobody reads further.
const MAX_JOBS: usize = 1_000;

/// Most processes that are named.
const MAX_PROCESSES: usize = 8;

/// Most jobs of one list: as many as a person can go through individually.
const MAX_LISTED: usize = 50;

/// The state of a run for people. It has a table of counts and the jobs as a grid if it fits. Then follow, in plan order, the
/// jobs that failed, are in doubt or have tracks that could not be downloaded, and the refused jobs that can still be bought.
/// Ends in a line break.
pub fn status_text(summary: &Summary, state: &RunState, view: View) -> String {
    let mut text = head(summary, state);
    let totals = &summary.totals;
    let rows = [
        ("kept", totals.kept, SUCCESS),
        ("in progress", totals.in_progress, PLAIN),
        ("to fetch", totals.to_fetch, PLAIN),
        ("not bought", totals.planned, PLAIN),
        ("failed", totals.failed, ERROR),
        ("partial", totals.partial, WARNING),
        ("in doubt", totals.in_doubt, WARNING),
        ("vetoed", totals.vetoed, WARNING),
        ("jobs", totals.jobs, PLAIN),
    ];
    let wide = totals.jobs.to_string().len().max(4);
    for (word, number, style) in rows {
        // Rare states are printed only if there are any.
        if matches!(word, "vetoed" | "partial" | "to fetch") && number == 0 {
            continue;
        }
        let style = if number > 0 { style } else { PLAIN };
        let _ = writeln!(text, "  {} {style}{number:>wide$}{style:#}", pad(word, 12));
    }
    text.push_str(&if view.jobs {
        listed(summary)
    } else {
        cells(summary, view)
    });
    let (tracks, credits) = (counts::tracks(summary), counts::credits(summary));
    let _ = writeln!(text, "\n{tracks}; {credits}");

    let attention: Vec<String> = summary.jobs.iter().filter_map(attention).collect();
    if !attention.is_empty() {
        let _ = write!(text, "\n{WARNING}Needs attention{WARNING:#}\n");
        text.extend(attention.iter().take(MAX_LISTED).map(String::as_str));
        push_omitted(
            &mut text,
            attention.len().saturating_sub(MAX_LISTED),
            "more job",
        );
    }
    for list in [unverified(summary), bought_again(summary), charges(summary)] {
        if !list.is_empty() {
            let _ = write!(text, "\n{list}");
        }
    }
    let unbought: Vec<String> = summary.jobs.iter().filter_map(unbought).collect();
    if !unbought.is_empty() {
        let _ = write!(text, "\nNot bought yet, because of\n");
        text.extend(unbought.iter().take(MAX_LISTED).map(String::as_str));
        let more = unbought.len().saturating_sub(MAX_LISTED);
        push_omitted(&mut text, more, "more job");
    }
    if totals.in_doubt > 0 {
        let _ = write!(
            text,
            "\n{}Resolve a job in doubt by one of\n{}",
            evidence_text(&summary.evidence),
            resolving(summary)
        );
    }
    text
}

/// A status that fits a window: lines are cut to its width, and the lists at the end to its height.
pub fn fitted(text: &str, size: Size) -> String {
    let plain = anstream::adapter::strip_str(text).to_string();
    let rows = usize::from(size.rows).saturating_sub(2).max(1);
    let columns = usize::from(size.columns).max(1);
    let all = plain.lines().count();
    let shown = if all > rows {
        rows.saturating_sub(1)
    } else {
        all
    };
    let mut fitted: String = plain
        .lines()
        .take(shown)
        .map(|line| format!("{}\n", fit(line, columns)))
        .collect();
    if all > shown {
        let _ = writeln!(
            fitted,
            "{}",
            fit(
                &format!(
                    "and {} more lines; run the command without --watch",
                    all - shown
                ),
                columns
            )
        );
    }
    fitted
}

/// The reason why a job is not bought, if it is known.
fn unbought(job: &JobSummary) -> Option<String> {
    let why = job.error.as_deref();
    let why = why.filter(|_| job.state == JobStatus::Planned)?;
    let why = failure_text(job.error_code, why);
    Some(format!(
        "  {}  {}  {why}\n",
        short_key(&job.key),
        label(job)
    ))
}

/// The style of a job's sign.
fn style(sign: Sign) -> Style {
    match sign {
        Sign::Kept => SUCCESS,
        Sign::Failed => ERROR,
        Sign::Partial | Sign::InDoubt | Sign::Vetoed | Sign::Expired => WARNING,
        Sign::InProgress | Sign::Fetch | Sign::Buy | Sign::Changed => PLAIN,
    }
}

/// The manifest's jobs as a grid, with a legend of its signs. If it does not fit, the command that lists them.
fn cells(summary: &Summary, view: View) -> String {
    let steps = Steps::of(summary);
    let jobs = summary.jobs.iter().filter(|job| job.in_manifest);
    let jobs = jobs.filter(|job| steps.is_alone(job));
    let jobs: Vec<(&JobSummary, Sign)> = jobs.map(|job| (job, sign(job, &summary.run))).collect();
    let cells = jobs.iter().map(|(job, sign)| GridJob {
        stem: &job.stem,
        preset: &job.preset,
        sign: sign.symbol(),
        style: style(*sign),
    });
    match grid(cells, view.columns) {
        Some(grid) => {
            let signs: IndexMap<char, &str> = jobs
                .iter()
                .map(|(_, sign)| (sign.symbol(), sign.outcome()))
                .collect();
            let signs: Vec<String> = signs
                .iter()
                .map(|(sign, word)| format!("{sign} {word}"))
                .collect();
            let steps = jobs.iter().flat_map(|(job, _)| steps.of_song(job));
            format!("\n{grid}\n{}\n{}", signs.join(", "), steps_line(steps))
        }
        None if jobs.is_empty() => String::new(),
        None => "\n--jobs lists every job\n".to_owned(),
    }
}

/// `steps kept: wav 4 of 4, stems 3 of 4`, as a line; empty if there are no steps.
fn steps_line<'a>(steps: impl Iterator<Item = StepOf<'a>>) -> String {
    let tally = tally(steps);
    if tally.is_empty() {
        return String::new();
    }
    let names = tally
        .iter()
        .map(|(name, (kept, all))| format!("{} {kept} of {all}", clean(name)));
    format!("steps kept: {}\n", names.collect::<Vec<_>>().join(", "))
}

/// Every job with its key, its sign and its state; steps under their songs.
fn listed(summary: &Summary) -> String {
    let mut text = "\n".to_owned();
    let steps = Steps::of(summary);
    let alone = summary.jobs.iter().filter(|job| steps.is_alone(job));
    let jobs = alone.flat_map(|job| {
        let steps = steps.of_song(job).map(|it| (it.job, Some(it.step)));
        std::iter::once((job, None)).chain(steps)
    });
    for (job, step) in jobs.take(MAX_JOBS) {
        let sign = sign(job, &summary.run);
        let (style, state) = (style(sign), pad(sign.outcome(), STATE_COLUMNS));
        let earlier = match job.in_manifest {
            true => "",
            false => "  (earlier version)",
        };
        let _ = writeln!(
            text,
            "  {}  {style}{} {state}{style:#}  {}{earlier}",
            short_key(&job.key),
            sign.symbol(),
            match step {
                Some(step) => format!("  {}", clean(&step.title())),
                None => label(job),
            }
        );
    }
    let more = summary.jobs.len().saturating_sub(MAX_JOBS);
    push_omitted(&mut text, more, "more job");
    text
}

fn head(summary: &Summary, state: &RunState) -> String {
    let run = &summary.run;
    let time = |unix_ms| rfc3339(unix_ms).unwrap_or_else(|| "at an unknown time".to_owned());
    let end = match (state, run.ended_ms) {
        (RunState::Active { processes }, Some(ended_ms)) => {
            format!(
                "ended {}; what was begun goes on{}",
                time(ended_ms),
                in_processes(processes)
            )
        }
        (_, Some(ended_ms)) => format!("ended {}", time(ended_ms)),
        (RunState::Active { processes }, None) => format!("is running{}", in_processes(processes)),
        (RunState::Ended | RunState::Killed, None) => {
            format!("{WARNING}died before its end{WARNING:#}: the same command resumes it")
        }
    };
    format!(
        "{} with {}, run {}\nstarted {}, {end}\nthis run: {}\n\n",
        clean(&run.manifest),
        clean(&run.provider),
        clean(&run.id),
        time(run.started_ms),
        counts::this_run(&summary.this_run, &summary.totals),
    )
}

/// The processes of a run as the end of a sentence; empty if they are unknown.
fn in_processes(processes: &[String]) -> String {
    let named = processes.len().min(MAX_PROCESSES);
    let more = match processes.len() - named {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    match processes {
        [] => String::new(),
        [one] => format!(" in process {}", clean(one)),
        many => format!(" in processes {}{more}", clean(&many[..named].join(", "))),
    }
}

/// Why a job needs a person's attention; `None` if it needs none.
fn attention(job: &JobSummary) -> Option<String> {
    let state = match job.state {
        JobStatus::Failed => format!("{ERROR}failed{ERROR:#}  "),
        JobStatus::InDoubt => format!("{WARNING}in doubt{WARNING:#}"),
        JobStatus::Vetoed => format!("{WARNING}vetoed{WARNING:#}  "),
        JobStatus::Partial => format!("{WARNING}partial{WARNING:#} "),
        _ if job.tracks.iter().any(|track| track.problem.is_some()) => {
            format!("{WARNING}unkept{WARNING:#}  ")
        }
        _ if job.error.is_some() && job.state != JobStatus::Planned => {
            format!("{WARNING}waiting{WARNING:#} ")
        }
        _ => return None,
    };
    let mut text = format!("  {}  {state}  {}\n", short_key(&job.key), label(job));
    if job.state == JobStatus::Partial {
        let _ = writeln!(text, "      {}", tracks_kept(job));
    }
    if matches!(
        job.state,
        JobStatus::Failed | JobStatus::InDoubt | JobStatus::Vetoed
    ) || job.error.is_some()
    {
        let _ = writeln!(
            text,
            "      {}",
            failure_text(job.error_code, job.error.as_deref().unwrap_or_default())
        );
        text.push_str(&response_lines(job));
    }
    for track in &job.tracks {
        let Some(problem) = &track.problem else {
            continue;
        };
        let until = track
            .expires_ms
            .and_then(rfc3339)
            .map(|time| format!(" (the provider keeps it until {time})"));
        let _ = writeln!(
            text,
            "      {}: {}{}",
            unkept_part(track),
            excerpt(problem),
            until.unwrap_or_default()
        );
    }
    Some(text)
}
