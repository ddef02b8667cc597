//! What happened, for people and programs: reports on disk, lines or a bar on the console, a stream of events for programs.
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
//! Everything here is a function of what was recorded: the same summary gives the same bytes, in plan order, and nothing is read
//! of the ledger or the network. Only the live table looks at a clock, to count waits down. What a vendor says is shown in its
//! own words, but never as it came: control characters and everything else that could steer a terminal are replaced, and a
//! spreadsheet's formulas are defused. A sink that can't write goes silent and says so at the end; it stops neither the run nor
//! the others.
//!
//! Texts for people carry ANSI styles and are readable without them: they are printed through `anstream`.

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
pub use text::{figure, shell_word};
pub use write::{file_name as report_file_name, render, write_reports};

#[cfg(any(test, feature = "example"))]
#[doc(hidden)]
pub mod example;
