//! Draws a run as lines for a screen of a given size. Pure: the same board, time and size give the same lines. They never
//! exceed the screen's width or height.
//!
//! ```text
//! songs with studio                                        1:23, about 4 min left
//! [===================>                                    ] 9/24 kept
//!
//!   not bought   10    sent          1    at work       3    fetching      0
//!   kept          9    failed        1    in doubt      0    vetoed        0
//!
//!   rate     18/20 in 10 s, next place frees in 3 s
//!   credits  108 spent, 892 left
//!
//! 12:03:42 refused      verse × lofi take 1  400: the tags name an artist
//! 12:03:41 accepted     chorus × lofi take 1  task 0123abcd
//! ```
//!
//! On a small screen the empty lines are dropped first. Then the table becomes one line. Then the other lines are dropped from
//! the top and the bottom until only the bar is left.

use anstyle::Style;
use backline_engine::status::JobStatus;
use jiff::tz::TimeZone;

use super::board::Board;
use super::screen::Size;
use crate::sink::Level;
use crate::style::{DIM, ERROR, PLAIN, SUCCESS, WARNING};
use crate::text::{about, columns, elapsed, figure, fit, pad, span};

/// Most events that are shown, on any screen.
const MOST_EVENTS: usize = 12;

/// Columns of a state in the table, including the gap.
const CELL_COLUMNS: usize = 19;

/// Below this width some words are left out.
const NARROW: usize = 60;

/// Widest bar: a wider one shows no more information.
const MOST_BAR: usize = 100;

/// The states in the order in which a job passes through them.
const STATES: [(JobStatus, &str, Style); 9] = [
    (JobStatus::Planned, "not bought", PLAIN),
    (JobStatus::Submitting, "sent", PLAIN),
    (JobStatus::Running, "at work", PLAIN),
    (JobStatus::Finished, "fetching", PLAIN),
    (JobStatus::Kept, "kept", SUCCESS),
    (JobStatus::Failed, "failed", ERROR),
    (JobStatus::InDoubt, "in doubt", WARNING),
    (JobStatus::Vetoed, "vetoed", WARNING),
    (JobStatus::Partial, "partial", WARNING),
];

/// The lines of a run's table, styled, without line breaks. Each leaves the last column free. There is one line less than the
/// screen has rows, for the cursor.
pub(super) fn frame(
    board: &Board,
    now_ms: i64,
    size: Size,
    level: Level,
    zone: &TimeZone,
) -> Vec<String> {
    let wide = usize::from(size.columns).saturating_sub(1);
    let high = usize::from(size.rows).saturating_sub(1);
    if wide == 0 {
        return Vec::new();
    }
    let mut lines = head(board, now_ms, wide, high);
    let room = high.saturating_sub(lines.len()).min(MOST_EVENTS);
    let told = board.last(level).take(room);
    lines.extend(told.map(|told| told.line.in_table(told.at_ms, zone, wide)));
    lines
}

/// All lines except the events, as many as fit.
fn head(board: &Board, now_ms: i64, wide: usize, high: usize) -> Vec<String> {
    let (title, bar) = (title(board, now_ms, wide), bar(board, wide));
    let (table, short) = (table(board, wide), short_table(board, wide));
    let (rate, credits) = (rate(board, now_ms, wide), credits(board, wide));
    let facts: Vec<String> = rate.iter().chain(&credits).cloned().collect();
    let gap = String::new;
    let airy = [
        vec![title.clone(), bar.clone(), gap()],
        table.clone(),
        vec![gap()],
        facts.clone(),
        vec![gap()],
    ];
    // At least one event must be visible below.
    let airy = airy.concat();
    if airy.len() < high {
        return airy;
    }
    let dense = [vec![title.clone(), bar.clone()], table, facts.clone()].concat();
    if dense.len() < high {
        return dense;
    }
    let choices = [
        [vec![title, bar.clone(), short.clone()], facts.clone()].concat(),
        [vec![bar.clone(), short.clone()], facts].concat(),
        [vec![bar.clone(), short.clone()], rate.into_iter().collect()].concat(),
        vec![bar.clone(), short],
        vec![bar],
    ];
    let fits = choices.into_iter().find(|lines| lines.len() <= high);
    fits.unwrap_or_default()
}

/// The name of the run, its elapsed time and the estimate of the remaining time.
fn title(board: &Board, now_ms: i64, wide: usize) -> String {
    let mut times = Vec::new();
    times.extend(board.started_ms.map(|from_ms| elapsed(now_ms - from_ms)));
    if board.stopping {
        times.push("stopping".to_owned());
    }
    let estimate = if board.stopping {
        None
    } else {
        board.left_ms(now_ms)
    };
    times.extend(
        estimate
            .filter(|left_ms| *left_ms > 0)
            .map(|left_ms| format!("about {} left", about(left_ms))),
    );
    let times = fit(&times.join(", "), wide);
    let room = wide.saturating_sub(columns(&times) + 2);
    let name = match room {
        0 => String::new(),
        room => fit(&format!("{} with {}", board.name, board.provider), room),
    };
    format!(
        "{}{times}",
        pad(&name, wide.saturating_sub(columns(&times)))
    )
}

fn bar(board: &Board, wide: usize) -> String {
    let (kept, jobs) = (board.count(JobStatus::Kept), board.plan_state.jobs());
    let count = format!("{kept}/{jobs} kept");
    let room = wide.saturating_sub(columns(&count) + 3).min(MOST_BAR);
    if room < 4 {
        return fit(&count, wide);
    }
    let done = usize::try_from(u128::from(kept) * room as u128 / u128::from(jobs.max(1)))
        .unwrap_or(room)
        .min(room);
    let mut inside = "=".repeat(done);
    if (1..room).contains(&done) {
        inside.replace_range(done - 1.., ">");
    }
    format!("[{SUCCESS}{}{SUCCESS:#}] {count}", pad(&inside, room))
}

/// Rows with as many states as fit beside each other.
fn table(board: &Board, wide: usize) -> Vec<String> {
    // The column is left out if no task ended early, as in most runs.
    let states = STATES.iter().copied();
    let states =
        states.filter(|(state, ..)| *state != JobStatus::Partial || board.count(*state) > 0);
    let states: Vec<_> = states.collect();
    let beside = (wide / CELL_COLUMNS).clamp(1, states.len());
    let cell = |(state, word, style): &(JobStatus, &str, Style)| {
        let number = board.count(*state);
        let text = format!("  {}{number:>5}  ", pad(word, CELL_COLUMNS - 9));
        let style = if number == 0 { &DIM } else { style };
        format!("{style}{text}{style:#}")
    };
    if wide < CELL_COLUMNS {
        return vec![short_table(board, wide)];
    }
    let row = |states: &[(JobStatus, &str, Style)]| states.iter().map(cell).collect::<String>();
    states.chunks(beside).map(row).collect()
}

/// The states of the jobs in one line.
fn short_table(board: &Board, wide: usize) -> String {
    let present = STATES.iter().filter_map(|(state, word, _)| {
        let number = board.count(*state);
        (number > 0).then(|| format!("{number} {word}"))
    });
    fit(&present.collect::<Vec<_>>().join(" · "), wide)
}

/// The account's window, or the reason for the pause if there is one.
fn rate(board: &Board, now_ms: i64, wide: usize) -> Option<String> {
    if let Some(pause) = board.pause(now_ms) {
        let text = format!(
            "  waiting  {} more: {}",
            span(pause.until_ms - now_ms),
            pause.why
        );
        return Some(format!("{WARNING}{}{WARNING:#}", fit(&text, wide)));
    }
    let window = board.window(now_ms)?;
    let window_ms = i64::try_from(window.window_ms).unwrap_or(i64::MAX);
    // For safety, a submission counts a little longer than the window that is printed beside it; the excess is not shown.
    let frees = match window.frees_ms.map(|frees_ms| frees_ms.min(window_ms)) {
        Some(frees_ms) if wide < NARROW => format!("next in {}", span(frees_ms)),
        Some(frees_ms) => format!("next place frees in {}", span(frees_ms)),
        None => "all free".to_owned(),
    };
    let text = format!(
        "  rate     {}/{} in {}, {frees}",
        window.used,
        window.size,
        span(window_ms),
    );
    Some(fit(&text, wide))
}

fn credits(board: &Board, wide: usize) -> Option<String> {
    let left = match board.credits_left() {
        Some(left) => format!(", {} left", figure(left.max(0.0))),
        // A free provider has no credits to show.
        None if board.plan_state.spent == 0.0 => return None,
        None => String::new(),
    };
    let text = format!("  credits  {} spent{left}", figure(board.plan_state.spent));
    Some(fit(&text, wide))
}

#[cfg(test)]
mod tests {
    use backline_engine::plan::Rate;
    use backline_engine::store::RunBounds;
    use proptest::prelude::*;

    use super::super::board::Window;
    use super::*;

    fn board(until: usize) -> (Board, i64) {
        Board::of_example(
            until,
            RunBounds {
                concurrency: 8,
                rate: Rate {
                    count: 20,
                    window_ms: 10_000,
                },
                credits: None,
            },
        )
    }

    fn shown(board: &Board, now_ms: i64, columns: u16, rows: u16) -> String {
        let lines = frame(
            board,
            now_ms,
            Size { columns, rows },
            Level::Normal,
            &TimeZone::UTC,
        );
        let plain = lines
            .iter()
            .map(|line| anstream::adapter::strip_str(line).to_string());
        plain.map(|line| format!("{}\n", line.trim_end())).collect()
    }

    #[test]
    fn a_run_on_screens_of_all_sizes() {
        let (board, now_ms) = board(22);
        for (columns, rows) in [
            (40, 24),
            (80, 24),
            (200, 50),
            (80, 9),
            (80, 6),
            (40, 4),
            (40, 2),
            (12, 6),
        ] {
            insta::assert_snapshot!(
                format!("table_{columns}x{rows}"),
                shown(&board, now_ms, columns, rows)
            );
        }
    }

    #[test]
    fn no_place_frees_later_than_the_window_is_long() {
        let text = (1..12).find_map(|until| {
            let (board, now_ms) = board(until);
            let full = |it: Window| it.frees_ms.is_some_and(|frees_ms| frees_ms > 10_000);
            let sent_just_now = board.window(now_ms).is_some_and(full);
            sent_just_now.then(|| shown(&board, now_ms, 80, 24))
        });
        let text = text.expect("a submission that was made just now");
        assert!(text.contains("in 10 s, next place frees in 10 s"), "{text}");
    }

    #[test]
    fn a_run_that_is_being_stopped_has_no_estimate() {
        let (mut board, now_ms) = board(22);
        let going_on = shown(&board, now_ms, 80, 24);
        board.stopping = true;
        let text = shown(&board, now_ms, 80, 24);
        let head = text.lines().next().unwrap_or_default();
        assert!(head.ends_with(", stopping"), "{head}");
        assert!(!head.contains("about"), "{head} after {going_on}");
    }

    #[test]
    fn a_pause_is_counted_down() {
        let (board, now_ms) = board(15);
        let text = shown(&board, now_ms, 80, 24);
        assert!(
            text.contains("  waiting  5 s more: 405: Rate limit"),
            "{text}"
        );
    }

    proptest! {
        #[test]
        fn nothing_is_wider_or_higher_than_the_screen(columns in 0_u16..250, rows in 0_u16..60, until in 0_usize..26) {
            let (board, now_ms) = board(until);
            let text = shown(&board, now_ms, columns, rows);
            prop_assert!(text.lines().count() <= usize::from(rows.saturating_sub(1)));
            for line in text.lines() {
                prop_assert!(super::columns(line) <= usize::from(columns.saturating_sub(1)), "{columns}: {line}");
            }
        }
    }
}
