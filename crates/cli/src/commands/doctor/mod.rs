//! `backline doctor`: checks that a run has everything it needs, and shows how to fix what is missing.
//!
//! ```text
//! ok    key        $SUNO_API_KEY is set
//! warn  credits    the account has 40 credits and the plan costs 120
//!                  → a run buys what they cover; add credits for the rest
//! fail  disk       cannot write to the output directory out/songs: permission denied
//!                  → correct its permissions, or set another with `output: {dir: …}`
//! ```
//!
//! The command changes nothing: it removes the files that it writes for a check. It buys nothing and prints no secret.

pub(crate) mod disk;
mod ledger;
mod provider;
mod receiver;
pub(crate) mod surroundings;

use std::fmt::Write as _;
use std::path::PathBuf;

use anstyle::{AnsiColor, Style};
use backline_reporter::clean;
use serde_json::{Value, json};

use crate::args::{DoctorArgs, Format, GlobalArgs, ManifestArgs};
use crate::console::Console;
use crate::embedded;
use crate::exit_codes::{self, Code};
use crate::failure::{CommandResult, Failure};
use crate::project::{Project, ledger_path};
use crate::style::{BAD, GOOD};

/// The column at which findings begin.
const COLUMN: usize = 17;

/// The narrowest width to which findings are wrapped.
const LEAST_WIDTH: usize = 20;

/// One check.
struct Check {
    /// The subject of the check.
    about: &'static str,
    state: CheckStatus,
    /// The finding.
    found: String,
    /// How to correct it.
    advice: Option<String>,
}

/// The result of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CheckStatus {
    /// Passed.
    Fine,
    /// A run works, but possibly not as intended.
    Doubtful,
    /// A run would fail with this exit code.
    Wrong(Code),
}

impl CheckStatus {
    fn label_and_style(self) -> (&'static str, Style) {
        match self {
            Self::Fine => ("ok", GOOD),
            Self::Doubtful => ("warn", AnsiColor::Yellow.on_default().bold()),
            Self::Wrong(_) => ("fail", BAD),
        }
    }
}

impl Check {
    fn fine(about: &'static str, found: impl Into<String>) -> Self {
        Self::new(about, CheckStatus::Fine, found, None)
    }

    fn doubtful(about: &'static str, found: impl Into<String>, advice: &str) -> Self {
        Self::new(about, CheckStatus::Doubtful, found, Some(advice.to_owned()))
    }

    fn wrong(about: &'static str, code: Code, found: impl Into<String>, advice: &str) -> Self {
        Self::new(
            about,
            CheckStatus::Wrong(code),
            found,
            Some(advice.to_owned()),
        )
    }

    /// A check that fails with the failure that a run would have.
    fn failed(about: &'static str, failure: &Failure) -> Self {
        let advice = failure.hints().first().cloned();
        Self::new(
            about,
            CheckStatus::Wrong(failure.code()),
            failure.message(),
            advice,
        )
    }

    fn new(
        about: &'static str,
        state: CheckStatus,
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
                    checks.push(surroundings::manifest(&project));
                    if let Err(failure) = embedded::check_sound(&project.plan.provider) {
                        checks.push(Check::failed("sound", &failure));
                    }
                    Some(project)
                }
                Err(failure) => match failure.diagnostics() {
                    Some(diagnostics) => {
                        console.note(&format!("{}\n", diagnostics.render(console.colour_err)));
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
            .map(|opening| opening.forecast.credits),
        None => Ok(0.0),
    };
    let runtime = super::runtime()?;
    // If the manifest is invalid, its provider is unknown and is not checked.
    if project.is_some() || args.manifest.is_none() {
        checks.extend(runtime.block_on(provider::check(project.as_ref(), &price)));
    }
    if let Some(project) = &project {
        checks.push(runtime.block_on(receiver::check(&project.plan)));
        checks.extend(surroundings::hooks(&project.plan));
    }
    runtime.shutdown_background();
    checks.extend(disk::check(project.as_ref(), &ledger));
    checks.push(ledger::check(&ledger));
    checks.extend(project.as_ref().and_then(ledger::of_output));
    checks.push(surroundings::terminal(console));
    match console.format {
        Format::Json => console.json(&document(&checks))?,
        Format::Text => console.data(&text(&checks, console.columns_out))?,
    }
    let wrong = checks.iter().find_map(|check| match check.state {
        CheckStatus::Wrong(code) => Some(code),
        _ => None,
    });
    Ok(wrong.unwrap_or(exit_codes::DONE))
}

fn document(checks: &[Check]) -> Value {
    let one = |check: &Check| {
        json!({
            "about": check.about,
            "state": check.state.label_and_style().0,
            "found": check.found,
            "advice": check.advice,
        })
    };
    let fails = |check: &Check| matches!(check.state, CheckStatus::Wrong(_));
    json!({
        "version": 1,
        "fit": !checks.iter().any(fails),
        "checks": checks.iter().map(one).collect::<Vec<_>>(),
    })
}

fn text(checks: &[Check], columns: Option<u16>) -> String {
    let mut text = String::new();
    for check in checks {
        let (label, style) = check.state.label_and_style();
        let _ = writeln!(
            text,
            "{style}{label}{style:#}{:pad$}{:<11}{}",
            "",
            check.about,
            lines(&check.found, "", columns),
            pad = 6 - label.len(),
        );
        if let Some(advice) = &check.advice {
            let _ = writeln!(text, "{:COLUMN$}{}", "", lines(advice, "→ ", columns));
        }
    }
    text
}

/// Formats lines in the column of the findings, wrapped to the terminal. Control characters are removed, because texts may come
/// from a provider.
fn lines(text: &str, mark: &str, columns: Option<u16>) -> String {
    let lines: Vec<String> = text.trim_end().lines().map(clean).collect();
    let text = format!("{mark}{}", lines.join("\n"));
    let width = columns.map_or(usize::MAX, |columns| {
        usize::from(columns).saturating_sub(COLUMN).max(LEAST_WIDTH)
    });
    let inner = " ".repeat(mark.chars().count());
    let options = textwrap::Options::new(width)
        .subsequent_indent(&inner)
        .break_words(false)
        .word_separator(textwrap::WordSeparator::AsciiSpace)
        .word_splitter(textwrap::WordSplitter::NoHyphenation);
    textwrap::wrap(&text, options).join(&format!("\n{:COLUMN$}", ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_wrap_in_their_column() {
        let long = Check::doubtful(
            "disk",
            "one two three four five six seven",
            "do this and then that",
        );
        let narrow = text(&[long], Some(40));
        let plain = anstream::adapter::strip_str(&narrow).to_string();
        assert_eq!(
            plain,
            "warn  disk       one two three four five\n                 six seven\n                 → do this and then that\n"
        );
        assert!(plain.lines().all(|line| line.chars().count() <= 40));
    }
}
