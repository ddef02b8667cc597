//! `backline doctor`: whether everything that a run needs is there, and what to do about what is not.
//!
//! ```text
//! ok    key        $SUNO_API_KEY is set
//! warn  credits    the account has 40 credits and the plan costs 120
//!                  → what they cover is bought; fill up the account for the rest
//! fail  disk       the output folder out/songs can't be written to: permission denied
//!                  → mend its permissions, or name another with `output: {dir: …}`
//! ```
//!
//! It looks and changes nothing: what it has to write to find out, it takes away again. It buys nothing and shows no secret.

mod around;
pub(crate) mod disk;
mod ledger;
mod provider;
mod receiver;

use std::fmt::Write as _;
use std::path::PathBuf;

use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};

use crate::args::{DoctorArgs, Format, GlobalArgs, ManifestArgs};
use crate::console::{BAD, Console, GOOD};
use crate::exit_codes::{self, Code};
use crate::failure::{CommandResult, Failure};
use crate::project::{Project, ledger_path};

/// Where what was found begins.
const COLUMN: usize = 17;

/// One thing that was looked at.
struct Check {
    /// What.
    about: &'static str,
    state: State,
    /// What was found.
    found: String,
    /// What to do about it.
    advice: Option<String>,
}

/// How a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Well.
    Fine,
    /// A run may go on, but perhaps not as is wished.
    Doubtful,
    /// A run would fail, with this code.
    Wrong(Code),
}

impl State {
    fn word_and_style(self) -> (&'static str, Style) {
        match self {
            Self::Fine => ("ok", GOOD),
            Self::Doubtful => ("warn", AnsiColor::Yellow.on_default().bold()),
            Self::Wrong(_) => ("fail", BAD),
        }
    }
}

impl Check {
    fn fine(about: &'static str, found: impl Into<String>) -> Self {
        Self::new(about, State::Fine, found, None)
    }

    fn doubtful(about: &'static str, found: impl Into<String>, advice: &str) -> Self {
        Self::new(about, State::Doubtful, found, Some(advice.to_owned()))
    }

    fn wrong(about: &'static str, code: Code, found: impl Into<String>, advice: &str) -> Self {
        Self::new(about, State::Wrong(code), found, Some(advice.to_owned()))
    }

    /// What would stop a run of this failure.
    fn failed(about: &'static str, failure: &Failure) -> Self {
        let advice = failure.hints().first().cloned();
        Self::new(
            about,
            State::Wrong(failure.code()),
            failure.message(),
            advice,
        )
    }

    fn new(
        about: &'static str,
        state: State,
        found: impl Into<String>,
        advice: Option<String>,
    ) -> Self {
        Self {
            about,
            state,
            found: found.into(),
            advice,
        }
    }
}

pub(crate) fn run(args: &DoctorArgs, global: &GlobalArgs, console: &Console) -> CommandResult {
    let mut checks = Vec::new();
    let mut project = match &args.manifest {
        None => None,
        Some(manifest) => {
            let whole = ManifestArgs::whole(manifest.clone());
            match Project::open_whole(&whole, global, console) {
                Ok(project) => {
                    checks.push(around::manifest(&project));
                    Some(project)
                }
                Err(failure) => match failure.diagnostics() {
                    Some(diagnostics) => {
                        console.say(&format!("{}\n", diagnostics.render(console.colour_err)));
                        checks.push(Check::failed("manifest", &failure));
                        None
                    }
                    None => return Err(failure),
                },
            }
        }
    };
    let ledger: PathBuf = match &project {
        Some(project) => project.ledger.clone(),
        None => ledger_path(args.manifest.as_deref(), global)?,
    };
    let price = match &mut project {
        Some(project) => project
            .preview(console)
            .map(|opening| opening.holding.credits),
        None => Ok(0.0),
    };
    let runtime = super::runtime()?;
    // Of a manifest that is not understood nobody knows whom it asks.
    if project.is_some() || args.manifest.is_none() {
        checks.extend(runtime.block_on(provider::look(project.as_ref(), &price)));
    }
    if let Some(project) = &project {
        checks.push(runtime.block_on(receiver::look(&project.plan)));
        checks.extend(around::hooks(&project.plan));
    }
    runtime.shutdown_background();
    checks.extend(disk::look(project.as_ref(), &ledger));
    checks.push(ledger::look(&ledger));
    checks.extend(project.as_ref().and_then(ledger::of_output));
    checks.push(around::terminal(console));
    match console.format {
        Format::Json => console.json(&document(&checks))?,
        Format::Text => console.data(&text(&checks))?,
    }
    let wrong = checks.iter().find_map(|check| match check.state {
        State::Wrong(code) => Some(code),
        _ => None,
    });
    Ok(wrong.unwrap_or(exit_codes::DONE))
}

fn document(checks: &[Check]) -> Value {
    let one = |check: &Check| {
        json!({
            "about": check.about,
            "state": check.state.word_and_style().0,
            "found": check.found,
            "advice": check.advice,
        })
    };
    let fails = |check: &Check| matches!(check.state, State::Wrong(_));
    json!({
        "version": 1,
        "fit": !checks.iter().any(fails),
        "checks": checks.iter().map(one).collect::<Vec<_>>(),
    })
}

fn text(checks: &[Check]) -> String {
    let mut text = String::new();
    for check in checks {
        let (word, style) = check.state.word_and_style();
        let _ = writeln!(
            text,
            "{style}{word}{style:#}{:room$}{:<11}{}",
            "",
            check.about,
            lines(&check.found),
            room = 6 - word.len(),
        );
        if let Some(advice) = &check.advice {
            let _ = writeln!(text, "{:COLUMN$}→ {}", "", lines(advice));
        }
    }
    text
}

/// Several lines under each other, without what steers a terminal: others' words may be among them.
fn lines(text: &str) -> String {
    let clean = |line: &str| -> String {
        line.chars()
            .map(|letter| if letter.is_control() { ' ' } else { letter })
            .collect()
    };
    let lines: Vec<String> = text.trim_end().lines().map(clean).collect();
    lines.join(&format!("\n{:COLUMN$}", ""))
}
