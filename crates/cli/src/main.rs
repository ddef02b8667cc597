//! `backline`: one YAML file lists recordings and styles. The program expands every variant, buys the missing ones, and keeps every
//! track.
//!
//! ```text
//!  arguments ─args─► Args ─console, project─► plan, ledger ─commands─► engine, reporter, studio
//!                                                             └─► exit_codes, or failure ─► standard error, exit code
//! ```
//!
//! Data is printed to standard output, everything else to standard error. The other crates decide about jobs, money and reports.

mod abandoned;
mod args;
mod commands;
mod console;
mod elsewhere;
mod embedded;
mod environment;
mod exit_codes;
mod failure;
mod key;
mod ledger;
mod log;
mod other_ledger;
mod other_reports;
mod output_file;
mod output_owner;
mod owning;
mod project;
mod recording;
mod runtime;
mod serve;
mod signals;
mod sound;
mod step_summary;
mod style;
mod svg;
mod tag_warnings;
mod tape;
#[cfg_attr(not(feature = "otlp"), path = "untraced.rs")]
mod trace;
mod watch;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use args::Command;
use console::Console;
use failure::CommandResult;

fn main() -> ExitCode {
    // The HTTP client has no default TLS provider. The first one that is installed is used by the whole process.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let args = match args::parse(std::env::args_os()) {
        Ok(args) => args,
        Err(error) => {
            let code = if error.use_stderr() {
                exit_codes::USAGE
            } else {
                exit_codes::DONE
            };
            // An error from a closed stream is ignored.
            let _ = error.print();
            return code.into();
        }
    };
    let console = Console::new(&args.global);
    // The panic hook has already printed the message. Only the exit code is missing.
    catch_unwind(AssertUnwindSafe(|| match dispatch(&args, &console) {
        Ok(code) => code.into(),
        Err(failure) => {
            console.note_always(&failure.text(console.colour_err));
            failure.code().into()
        }
    }))
    .unwrap_or(exit_codes::BUG.into())
}

fn dispatch(args: &args::Args, console: &Console) -> CommandResult {
    let global = &args.global;
    match &args.command {
        Command::Init(args) => commands::init::run(args, console),
        Command::Validate(args) => commands::validate::run(args, global, console),
        Command::Plan(args) => commands::plan::run(args, global, console),
        Command::Run(args) => commands::run::run(args, global, console),
        #[cfg(feature = "postgres")]
        Command::Worker(args) if args.render => commands::render_worker::run(args, global, console),
        #[cfg(feature = "postgres")]
        Command::Worker(args) => commands::run::work(args, global, console),
        Command::Fetch(args) if args.other_tasks => {
            commands::other_tasks::run(args, global, console)
        }
        Command::Fetch(args) => commands::run::fetch(args, global, console),
        Command::Listen(args) => commands::listen::run(args, global, console),
        Command::Status(args) => commands::status::run(args, global, console),
        Command::Pick(args) => commands::pick::run(args, global, console),
        Command::Report(args) => commands::report::run(args, global, console),
        Command::Resolve(args) => commands::resolve::run(args, global, console),
        Command::Analyse(args) => commands::analyse::run(args, console),
        Command::Play(args) => commands::play::run(args, console),
        Command::Studio(args) => commands::studio::run(args, global, console),
        Command::Gc(args) => commands::gc::run(args, global, console),
        Command::Ledger(args) => commands::ledger::run(args, global, console),
        Command::Diff(args) => commands::diff::run(args, global, console),
        Command::Doctor(args) => commands::doctor::run(args, global, console),
        Command::Hooks(args) => commands::hooks::run(args, global, console),
        Command::Schema(args) => commands::schema::run(args, console),
        Command::Help(args) => commands::help::run(args, console),
        Command::Man(args) => commands::man::run(args, console),
        Command::Completions(args) => commands::completions::run(args, console),
    }
}
