//! A run's figures in Prometheus' text format.
//!
//! ```text
//! # HELP backline_jobs Jobs of the plan by state.
//! # TYPE backline_jobs gauge
//! backline_jobs{state="kept"} 9
//! ```
//!
//! Names and labels are stable; [`Metrics::render`] lists all of them. No label's value comes from a provider, and no job has a
//! series of its own, so a scraper's store does not grow with the plan.

use std::collections::{BTreeMap, HashMap};
use std::fmt::{Display, Write as _};

use backline_engine::event::{Event, Record, TaskStage};
use backline_engine::settings::JobKey;
use backline_engine::status::JobStatus;
use jiff::tz::TimeZone;

use super::board::Board;
use crate::sink::{ConsoleOptions, PlanFacts};

/// Upper bounds of the buckets for durations, in seconds: a vendor's task takes one to ten minutes, the studio's a few seconds.
const BUCKETS_S: [u32; 11] = [1, 2, 5, 10, 30, 60, 120, 180, 300, 600, 1_800];

/// The figures of one run.
pub struct Metrics {
    board: Board,
    /// Options that the board needs for its lines, which are not printed here.
    options: ConsoleOptions,
    run: String,
    version: &'static str,
    submissions: u64,
    accepted: u64,
    refusals: BTreeMap<String, u64>,
    lost: u64,
    retries: u64,
    pauses: u64,
    tracks: u64,
    fetched_bytes: u64,
    fetch_failures: u64,
    hook_failures: u64,
    accepted_ms: HashMap<JobKey, i64>,
    durations: Histogram,
    ended: bool,
}

#[derive(Default)]
struct Histogram {
    /// Counts of each bucket, without those of lower buckets.
    buckets: [u64; BUCKETS_S.len()],
    count: u64,
    sum_s: f64,
}

impl Histogram {
    fn observe(&mut self, seconds: f64) {
        self.count += 1;
        self.sum_s += seconds;
        let bucket = BUCKETS_S
            .iter()
            .position(|most| seconds <= f64::from(*most));
        if let Some(bucket) = bucket {
            self.buckets[bucket] += 1;
        }
    }
}

impl Metrics {
    /// The figures of a run before its start; `version` is the program's version.
    pub fn new(plan: &PlanFacts<'_>, version: &'static str) -> Self {
        Self {
            board: Board::new(plan),
            options: ConsoleOptions {
                zone: TimeZone::UTC,
                ..ConsoleOptions::default()
            },
            run: String::new(),
            version,
            submissions: 0,
            accepted: 0,
            refusals: BTreeMap::new(),
            lost: 0,
            retries: 0,
            pauses: 0,
            tracks: 0,
            fetched_bytes: 0,
            fetch_failures: 0,
            hook_failures: 0,
            accepted_ms: HashMap::new(),
            durations: Histogram::default(),
            ended: false,
        }
    }

    /// Applies a record.
    pub fn record(&mut self, record: &Record) {
        self.board.forget(record.at_ms);
        self.board.apply(record, &self.options);
        match &record.event {
            Event::RunStarted { .. } => record.run.as_str().clone_into(&mut self.run),
            Event::Intent { attempt, .. } => {
                self.submissions += 1;
                self.retries += u64::from(*attempt > 1);
            }
            Event::Repeated { .. } => {
                self.submissions += 1;
                self.retries += 1;
            }
            Event::Accepted { .. } => {
                self.accepted += 1;
                self.accepted_ms
                    .extend(record.job.map(|key| (key, record.at_ms)));
            }
            Event::Refused { class, .. } => {
                let class = serde_json::to_value(class);
                let class = class.ok().and_then(|it| it.as_str().map(str::to_owned));
                *self.refusals.entry(class.unwrap_or_default()).or_default() += 1;
            }
            Event::Lost { .. } => self.lost += 1,
            Event::Paused { .. } => self.pauses += 1,
            Event::Stage {
                stage: TaskStage::Complete,
                ..
            } => {
                let accepted_ms = record.job.and_then(|key| self.accepted_ms.remove(&key));
                if let Some(accepted_ms) = accepted_ms {
                    let took_ms = record.at_ms.saturating_sub(accepted_ms).max(0);
                    self.durations.observe(took_ms as f64 / 1000.0);
                }
            }
            Event::TrackKept { file, .. } => {
                self.tracks += 1;
                self.fetched_bytes += file.length_bytes;
            }
            Event::TrackFailed { .. } => self.fetch_failures += 1,
            Event::HookFailed { .. } => self.hook_failures += 1,
            Event::RunEnded { .. } => self.ended = true,
            _ => {}
        }
    }

    /// All figures as they are now.
    pub fn render(&self, now_ms: i64) -> String {
        let mut page = Page::default();
        let board = &self.board;
        page.family("run_info", "gauge", "The run that is served; always 1.");
        let facts = [
            ("run", self.run.as_str()),
            ("name", board.name.as_str()),
            ("provider", board.provider.as_str()),
            ("version", self.version),
        ];
        page.sample("run_info", &facts, 1);
        page.only(
            "run_ended",
            "gauge",
            "Whether the run has ended.",
            u8::from(self.ended),
        );
        if let Some(started_ms) = board.started_ms {
            let help = "When the run began, in Unix time.";
            page.only(
                "run_started_seconds",
                "gauge",
                help,
                started_ms as f64 / 1000.0,
            );
        }
        page.family("jobs", "gauge", "Jobs of the plan by state.");
        for state in JobStatus::ALL {
            page.sample("jobs", &[("state", state.as_str())], board.count(state));
        }
        page.counter(
            "submissions_total",
            "Requests to buy that were sent.",
            self.submissions,
        );
        page.counter(
            "accepted_total",
            "Requests to buy that became a task.",
            self.accepted,
        );
        page.family(
            "refusals_total",
            "counter",
            "Requests to buy that were refused, by what the refusal means.",
        );
        for (class, number) in &self.refusals {
            page.sample("refusals_total", &[("class", class)], number);
        }
        page.counter(
            "lost_answers_total",
            "Submissions whose response was lost.",
            self.lost,
        );
        page.counter(
            "retries_total",
            "Requests to buy beyond a job's first.",
            self.retries,
        );
        page.counter(
            "pauses_total",
            "Times that nothing was submitted for a while.",
            self.pauses,
        );
        page.only(
            "credits_spent",
            "gauge",
            "Credits that the run is known to have spent.",
            board.plan_state.spent,
        );
        if let Some(balance) = board.balance() {
            let help = "Credits of the account, as last read, less what was spent since.";
            page.only("credits_balance", "gauge", help, balance);
        }
        if let Some(window) = board.window(now_ms) {
            page.only(
                "rate_window_used",
                "gauge",
                "Submissions within the account's window.",
                window.used,
            );
            page.only(
                "rate_window_size",
                "gauge",
                "Most submissions within the account's window.",
                window.size,
            );
            page.only(
                "rate_window_seconds",
                "gauge",
                "Length of the account's window.",
                window.window_ms as f64 / 1000.0,
            );
        }
        page.counter(
            "tracks_kept_total",
            "Files that were kept: tracks, mixes, and what steps made.",
            self.tracks,
        );
        page.counter(
            "fetched_bytes_total",
            "Bytes of the files that were kept.",
            self.fetched_bytes,
        );
        page.counter(
            "fetch_failures_total",
            "Fetches of tracks that failed.",
            self.fetch_failures,
        );
        page.counter(
            "hook_failures_total",
            "Hooks that failed.",
            self.hook_failures,
        );
        self.durations(&mut page);
        page.text
    }

    fn durations(&self, page: &mut Page) {
        let name = "task_duration_seconds";
        page.family(
            name,
            "histogram",
            "From a task's acceptance to the moment when every track can be fetched.",
        );
        let mut below = 0;
        for (most, number) in BUCKETS_S.iter().zip(&self.durations.buckets) {
            below += number;
            page.sample(
                "task_duration_seconds_bucket",
                &[("le", &most.to_string())],
                below,
            );
        }
        page.sample(
            "task_duration_seconds_bucket",
            &[("le", "+Inf")],
            self.durations.count,
        );
        page.sample("task_duration_seconds_sum", &[], self.durations.sum_s);
        page.sample("task_duration_seconds_count", &[], self.durations.count);
    }
}

/// The output so far.
#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(
            self.text,
            "# HELP backline_{name} {help}\n# TYPE backline_{name} {kind}"
        );
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let labels: Vec<String> = labels
            .iter()
            .map(|(name, value)| format!("{name}=\"{}\"", escaped(value)))
            .collect();
        let labels = match labels.as_slice() {
            [] => String::new(),
            labels => format!("{{{}}}", labels.join(",")),
        };
        let _ = writeln!(self.text, "backline_{name}{labels} {value}");
    }

    fn only(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.sample(name, &[], value);
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.only(name, "counter", help, value);
    }
}

fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;

    #[test]
    fn the_figures_of_a_run() {
        let story = example::ExampleRun::new();
        let mut plan = story.plan();
        plan.name = "a \"name\\\nof lines";
        let mut metrics = Metrics::new(&plan, "0.1.0");
        let mut now_ms = 0;
        for record in story.records() {
            metrics.record(&record);
            now_ms = record.at_ms;
        }
        let text = metrics.render(now_ms);
        assert!(!text.contains(example::TOKEN), "{text}");
        insta::assert_snapshot!(text);
    }

    #[test]
    fn buckets_add_up() {
        let mut histogram = Histogram::default();
        for seconds in [0.2, 1.0, 1.1, 59.0, 4_000.0] {
            histogram.observe(seconds);
        }
        assert_eq!(histogram.buckets[..2], [2, 1]);
        assert_eq!(histogram.buckets.iter().sum::<u64>(), 4);
        assert_eq!(histogram.count, 5);
    }
}
