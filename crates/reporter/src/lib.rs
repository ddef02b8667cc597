//! Reports a run to people and programs: report files, lines or a live table on the console, a stream of events.
//!
//! ```text
//!  ledger ─► Summary ─┬─► write_reports ─► summary.csv, summary.json, summary.md, junit.xml, events.jsonl
//!                     │                └─► index.html ◄─ kept files, measured once
//!                     ├─► as_lock ─► diff_text, diff_json           (backline diff)
//!                     ├─► status_text                               (backline status)
//!                     └─► closing_text ◄─┐
//!  driver ─► Record ─┬───► Sink: LiveTable │ Lines │ JsonEvents     (backline run, status --watch)
//!                    └───► Metrics                                  (backline run --serve)
//! ```
//!
//! Everything here is a function of the recorded events: the same summary gives the same bytes, in plan order, and nothing is
//! read from the ledger or the network. Only the live table reads a clock, to count waits down. A vendor's message is shown
//! with two changes: control characters and everything else that could control a terminal are replaced, and formulas are made
//! harmless for spreadsheets. A sink that can't write stays silent and reports the error at the end; it stops neither the run
//! nor the other sinks.
//!
//! Texts for people contain ANSI styles and are readable without them. The program prints them through `anstream`.

#![cfg_attr(
    test,
    expect(
        clippy::unwrap_used,
        reason = "a test that unwraps says where it failed"
    )
)]

mod closing;
mod code;
mod command;
mod console;
mod counts;
mod diff;
mod event_line;
mod events_jsonl;
mod evidence;
mod grid;
mod html;
mod junit;
mod label;
mod live;
mod markdown;
mod material;
mod music;
mod outcome;
mod plan_state;
mod preferences;
mod printable;
mod ratings;
mod replace;
mod runner;
mod sign;
mod sink;
mod sound;
mod spreadsheet;
mod standpoint;
mod status;
mod steps;
mod style;
mod summary_csv;
mod summary_json;
mod text;
mod write;

pub use closing::closing_text;
pub use code::{code_block, code_cell, code_span};
pub use console::{JsonEvents, Lines};
pub use diff::{as_lock, diff_json, diff_lines, diff_text};
pub use evidence::evidence_text;
pub use grid::{GridJob, MarkdownGrid, grid, markdown_grid};
pub use html::{LiveFile, LivePage};
pub use label::job_label;
pub use live::{LiveTable, LogWriter, Metrics, Size, Stopper};
pub use material::{ReportError, ReportInput};
pub use printable::{clean, printable};
pub use ratings::{Ratings, RatingsError};
pub use runner::{json_without_commands, without_commands};
pub use sink::{ConsoleOptions, Level, PlanFacts, RunResult, Sink};
pub use sound::Progress;
pub use spreadsheet::{csv_text, csv_writer};
pub use standpoint::Standpoint;
pub use status::{RunState, View, fitted, status_text};
pub use steps::{StepOf, Steps};
pub use text::{count, figure, shell_word};
pub use write::{file_name as report_file_name, render, write_reports};

#[cfg(any(test, feature = "example"))]
#[doc(hidden)]
pub mod example;
