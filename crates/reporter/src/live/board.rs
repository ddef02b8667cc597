//! The state of a run that a watcher shows, derived only from the plan and the records. Pure: the caller passes the current
//! time.
//!
//! It reads neither the ledger nor the provider. The remaining time is an estimate from this run's own measurements; there is
//! none before the first job is kept.

use std::collections::{HashMap, HashSet, VecDeque};

use backline_engine::event::{Event, Record};
use backline_engine::settings::JobKey;
use backline_engine::status::JobStatus;
use backline_engine::store::RunBounds;

use crate::console::{ConsoleLine, line_of};
use crate::plan_state::PlanState;
use crate::printable::clean;
use crate::sink::{ConsoleOptions, Level, PlanFacts};
use crate::text::failure_text;

/// Most events that are stored: more than the highest screen shows.
const REMEMBERED: usize = 64;

/// Fewest kept jobs for an estimate of the pace.
const LEAST_FOR_PACE: usize = 4;

/// Most measured durations that are stored: enough for a stable median, few enough to follow a provider that becomes slower.
const MEASURED: usize = 64;

/// A run, updated with each record.
#[derive(Default)]
pub(crate) struct Board {
    /// The manifest's name.
    pub(crate) name: String,
    /// The provider profile's name.
    pub(crate) provider: String,
    /// The jobs.
    pub(crate) plan_state: PlanState,
    /// Whether the run has received a request to stop.
    pub(crate) stopping: bool,
    /// Start of the run, once it has started.
    pub(crate) started_ms: Option<i64>,
    /// The limits of the run, if they are known.
    pub(crate) bounds: Option<RunBounds>,
    to_submit: u64,
    tried: HashSet<JobKey>,
    sent_ms: VecDeque<i64>,
    pause: Option<Pause>,
    balance: Option<Balance>,
    begun_ms: HashMap<JobKey, i64>,
    took_ms: VecDeque<i64>,
    /// The times at which the last jobs were kept.
    kept_ms: VecDeque<i64>,
    lines: VecDeque<TimedLine>,
}

/// A pause: nothing is submitted until its end.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Pause {
    /// The end of the pause.
    pub(crate) until_ms: i64,
    /// The reason.
    pub(crate) why: String,
}

/// The account's balance, and the credits that this run had spent at that time.
#[derive(Debug, Clone, Copy)]
struct Balance {
    credits: f64,
    spent: f64,
}

/// An event as a line, with its time.
pub(crate) struct TimedLine {
    pub(crate) at_ms: i64,
    pub(crate) line: ConsoleLine,
}

/// The account's window as far as this run knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    /// Number of submissions in it.
    pub(crate) used: u64,
    /// Its limit.
    pub(crate) size: u64,
    /// Its length, from the provider's profile.
    pub(crate) window_ms: u64,
    /// Time until the next place is free; `None` if all are free.
    pub(crate) frees_ms: Option<i64>,
}

impl Board {
    /// A run before its start.
    pub(crate) fn new(plan: &PlanFacts<'_>) -> Self {
        Self {
            name: clean(plan.name),
            provider: clean(plan.provider),
            plan_state: PlanState::new(plan),
            bounds: plan.bounds,
            to_submit: plan.to_submit,
            sent_ms: plan.sent_before_ms.iter().copied().collect(),
            ..Self::default()
        }
    }

    /// Applies a record and returns its line.
    pub(crate) fn apply(&mut self, record: &Record, options: &ConsoleOptions) -> &TimedLine {
        let at_ms = known_time(record.at_ms);
        let before = record.job.and_then(|key| self.plan_state.status(&key));
        let line = line_of(record, &mut self.plan_state, options);
        let after = record.job.and_then(|key| self.plan_state.status(&key));
        if let Some(key) = record.job {
            self.follow(key, at_ms, before, after);
        }
        match &record.event {
            Event::RunStarted { to_submit, .. } => {
                self.started_ms = Some(at_ms);
                self.to_submit = *to_submit;
            }
            Event::Credits { balance, .. } => {
                self.balance = Some(Balance {
                    credits: *balance,
                    spent: self.plan_state.spent,
                });
            }
            Event::Paused {
                until_ms,
                code,
                message,
            } => {
                let known = self.pause.as_ref().map_or(i64::MIN, |it| it.until_ms);
                self.pause = Some(Pause {
                    until_ms: known.max(known_time(*until_ms)),
                    why: failure_text(*code, message),
                });
            }
            Event::Intent { .. } | Event::Repeated { .. } => {
                self.sent_ms.push_back(at_ms);
                if record.job.is_some_and(|key| self.tried.insert(key)) {
                    self.to_submit = self.to_submit.saturating_sub(1);
                }
            }
            _ => {}
        }
        self.lines.push_back(TimedLine { at_ms, line });
        if self.lines.len() > REMEMBERED {
            self.lines.pop_front();
        }
        self.lines.back().expect("it was pushed just now")
    }

    fn follow(
        &mut self,
        key: JobKey,
        at_ms: i64,
        before: Option<JobStatus>,
        after: Option<JobStatus>,
    ) {
        let Some(after) = after.filter(|after| Some(*after) != before) else {
            return;
        };
        if is_under_way(after) {
            self.begun_ms.entry(key).or_insert(at_ms);
            return;
        }
        let begun_ms = self.begun_ms.remove(&key);
        if let (JobStatus::Kept, Some(begun_ms)) = (after, begun_ms) {
            self.took_ms
                .push_back(at_ms.saturating_sub(begun_ms).max(0));
            self.kept_ms.push_back(at_ms);
            for measured in [&mut self.took_ms, &mut self.kept_ms] {
                if measured.len() > MEASURED {
                    measured.pop_front();
                }
            }
        }
    }

    /// The last events that have a line at this level, the newest first.
    pub(crate) fn last(&self, level: Level) -> impl Iterator<Item = &TimedLine> {
        self.lines
            .iter()
            .rev()
            .filter(move |timed| timed.line.level <= level)
    }

    /// Number of jobs in a state.
    pub(crate) fn count(&self, state: JobStatus) -> u64 {
        self.plan_state.count(&[state])
    }

    /// Number of jobs that have begun and not ended.
    pub(crate) fn under_way(&self) -> u64 {
        self.plan_state.count(&[
            JobStatus::Submitting,
            JobStatus::Running,
            JobStatus::Finished,
        ])
    }

    /// The account's window, if the rate is known.
    pub(crate) fn window(&self, now_ms: i64) -> Option<Window> {
        let rate = self.bounds?.rate;
        let counts_ms = i64::try_from(rate.counts_for_ms()).unwrap_or(i64::MAX / 4);
        let inside = || {
            self.sent_ms
                .iter()
                .filter(move |sent_ms| *sent_ms + counts_ms > now_ms)
        };
        Some(Window {
            used: inside().count() as u64,
            size: u64::from(rate.count),
            window_ms: rate.window_ms,
            frees_ms: inside().min().map(|sent_ms| sent_ms + counts_ms - now_ms),
        })
    }

    /// Removes submissions that have left the window.
    pub(crate) fn forget(&mut self, now_ms: i64) {
        let Some(bounds) = self.bounds else { return };
        let counts_ms = i64::try_from(bounds.rate.counts_for_ms()).unwrap_or(i64::MAX / 4);
        self.sent_ms.retain(|sent_ms| sent_ms + counts_ms > now_ms);
    }

    /// The current pause, if the provider or a lost connection caused one.
    pub(crate) fn pause(&self, now_ms: i64) -> Option<&Pause> {
        self.pause.as_ref().filter(|it| it.until_ms > now_ms)
    }

    /// The account's balance as this run knows it: the last one read, less what was spent since.
    pub(crate) fn balance(&self) -> Option<f64> {
        let balance = self.balance?;
        Some(balance.credits - (self.plan_state.spent - balance.spent))
    }

    /// The credits that may still be spent: the account's balance or the rest of the run's own limit, whichever is less. `None`
    /// if neither is known.
    pub(crate) fn credits_left(&self) -> Option<f64> {
        let limit = self.bounds.and_then(|bounds| bounds.credits);
        let of_limit = limit.map(|limit| limit - self.plan_state.spent);
        match (self.balance(), of_limit) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }

    /// Estimate of the remaining time, from the durations of this run's jobs; `None` before one of them is kept.
    pub(crate) fn left_ms(&self, now_ms: i64) -> Option<i64> {
        let typical_ms = median(&self.took_ms)?;
        let rest_ms = |begun_ms: &i64| (typical_ms - (now_ms - begun_ms)).max(0);
        let unmeasured = self.under_way().saturating_sub(self.begun_ms.len() as u64);
        let known_ms: Vec<i64> = self.begun_ms.values().map(rest_ms).collect();
        let longest_ms = known_ms.iter().copied().max().unwrap_or(0);
        let waiting = i64::try_from(self.to_submit).unwrap_or(i64::MAX);
        if waiting == 0 {
            return Some(if unmeasured > 0 {
                typical_ms
            } else {
                longest_ms
            });
        }
        let under_way = i64::try_from(self.under_way()).unwrap_or(i64::MAX);
        let places = self
            .bounds
            .map_or(under_way, |bounds| i64::from(bounds.concurrency))
            .clamp(1, under_way.saturating_add(waiting).max(1));
        let work_ms = known_ms
            .iter()
            .sum::<i64>()
            .saturating_add(waiting.saturating_mul(typical_ms))
            / places;
        // The last job begins when the rate limit admits it and a place is free. Then it takes as long as the others.
        let begins_ms = self
            .gate_ms(now_ms, waiting)
            .max(work_ms.saturating_sub(typical_ms));
        let paced_ms = self.paced_ms(now_ms, waiting.saturating_add(under_way));
        Some(
            begins_ms
                .max(0)
                .saturating_add(typical_ms)
                .max(longest_ms)
                .max(paced_ms),
        )
    }

    /// The time for this number of jobs at the pace of the last ones. A provider may work on fewer jobs at a time than there
    /// are places.
    fn paced_ms(&self, now_ms: i64, jobs: i64) -> i64 {
        let (Some(first_ms), true) = (self.kept_ms.front(), self.kept_ms.len() >= LEAST_FOR_PACE)
        else {
            return 0;
        };
        let steps = i64::try_from(self.kept_ms.len() - 1).unwrap_or(i64::MAX);
        (now_ms - first_ms).max(0).saturating_mul(jobs) / steps
    }

    /// How long the account's rate limit delays the last of `waiting` submissions.
    fn gate_ms(&self, now_ms: i64, waiting: i64) -> i64 {
        let paused_ms = self
            .pause(now_ms)
            .map_or(0, |pause| pause.until_ms - now_ms);
        let Some(bounds) = self.bounds else {
            return paused_ms;
        };
        let counts_ms = i64::try_from(bounds.rate.counts_for_ms()).unwrap_or(i64::MAX / 4);
        let mut inside: Vec<i64> = self.sent_ms.iter().copied().collect();
        inside.retain(|sent_ms| sent_ms + counts_ms > now_ms);
        inside.sort_unstable();
        // The last one takes the place that becomes free after this number of rounds of the window.
        let size = usize::try_from(bounds.rate.count)
            .unwrap_or(usize::MAX)
            .max(1);
        let last = inside
            .len()
            .saturating_add(usize::try_from(waiting - 1).unwrap_or(0));
        let turns = i64::try_from(last / size).unwrap_or(i64::MAX);
        let wait_ms = match inside.get(last % size) {
            Some(sent_ms) if turns > 0 => (turns - 1)
                .saturating_mul(counts_ms)
                .saturating_add(sent_ms + counts_ms - now_ms),
            _ => turns.saturating_mul(counts_ms),
        };
        wait_ms.max(paused_ms)
    }
}

fn is_under_way(state: JobStatus) -> bool {
    matches!(
        state,
        JobStatus::Submitting | JobStatus::Running | JobStatus::Finished
    )
}

/// A time of a ledger, which may be damaged, limited to the years 1970 to 9999.
fn known_time(unix_ms: i64) -> i64 {
    const LATEST_MS: i64 = 253_402_300_799_999;
    unix_ms.clamp(0, LATEST_MS)
}

fn median(values: &VecDeque<i64>) -> Option<i64> {
    let mut sorted: Vec<i64> = values.iter().copied().collect();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied()
}

#[cfg(test)]
impl Board {
    /// The example's run up to record number `until`, with the time of that record.
    pub(super) fn of_example(until: usize, bounds: RunBounds) -> (Self, i64) {
        let story = crate::example::ExampleRun::new();
        let mut plan = story.plan();
        plan.bounds = Some(bounds);
        let mut board = Self::new(&plan);
        let options = ConsoleOptions {
            zone: jiff::tz::TimeZone::UTC,
            ..ConsoleOptions::default()
        };
        let mut now_ms = 0;
        for record in story.records().iter().take(until) {
            board.apply(record, &options);
            now_ms = record.at_ms;
        }
        (board, now_ms)
    }
}

#[cfg(test)]
mod tests {
    use backline_engine::plan::Rate;

    use super::*;

    const RATE: Rate = Rate {
        count: 2,
        window_ms: 10_000,
    };

    fn board_after(until: usize) -> (Board, i64) {
        Board::of_example(
            until,
            RunBounds {
                concurrency: 2,
                rate: RATE,
                credits: Some(100.0),
            },
        )
    }

    #[test]
    fn a_window_fills_and_frees() {
        // Four intents, a second apart, the last of them just now.
        let (board, now_ms) = board_after(9);
        let window = board.window(now_ms).unwrap();
        assert_eq!((window.used, window.size), (4, 2));
        assert_eq!(window.frees_ms, Some(10_150 - 3_000));
        let window = board.window(now_ms + 8_000).unwrap();
        assert_eq!((window.used, window.frees_ms), (3, Some(150)));
        let window = board.window(now_ms + 10_150).unwrap();
        assert_eq!((window.used, window.frees_ms), (0, None));
    }

    #[test]
    fn credits_left_are_the_lesser_of_balance_and_limit() {
        let (board, _) = board_after(10);
        // 12 of 1000 and of 100 are spent.
        assert_eq!(board.balance(), Some(988.0));
        assert_eq!(board.credits_left(), Some(88.0));
    }

    #[test]
    fn the_time_left_is_measured_and_unknown_before() {
        let (board, now_ms) = board_after(21);
        assert_eq!(board.left_ms(now_ms), None);
        let (board, now_ms) = board_after(usize::MAX);
        assert_eq!(board.under_way(), 0);
        assert_eq!(board.left_ms(now_ms), Some(0));

        let mut board = board;
        board.took_ms = [4_000, 20_000, 6_000].into();
        board.to_submit = 4;
        // Nothing of the window is used any more: two go now, and two when those have left it.
        assert_eq!(board.left_ms(now_ms + 60_000), Some(10_150 + 6_000));
        // Here they wait for the two tasks in flight: two rounds of a minute.
        board.took_ms = [60_000].into();
        assert_eq!(board.left_ms(now_ms + 60_000), Some(120_000));
        // The provider is slower than the places would allow: one in a minute.
        board.kept_ms = (0..5).map(|minute| now_ms + minute * 60_000).collect();
        assert_eq!(board.left_ms(now_ms + 240_000), Some(240_000));
    }

    #[test]
    fn a_pause_is_over_when_its_time_is() {
        let (board, now_ms) = board_after(14);
        let pause = board.pause(now_ms).unwrap();
        assert_eq!(pause.why, "405: Rate limit");
        assert_eq!(board.pause(pause.until_ms), None);
    }
}
