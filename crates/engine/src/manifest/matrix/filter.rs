//! `--filter`: conditions on jobs, as `preset=lofi`, `stem=a,b`, `stem.vars.artist=Ada` or `state=failed or take!=1`.
//!
//! A filter is parsed without a manifest and resolved against one: a key or a value that no job has is an error with a suggestion.

use std::str::FromStr;

use super::axes::Matrix;
use super::wildcard::{fits, matches};
use crate::manifest::source::report::Report;
use crate::nearest::suggestion;
use crate::plan::PlannedJob;
use crate::status::Sign;
use crate::template::functions::text_of;

/// The key of conditions on what the ledger knows of a job.
const STATE: &str = "state";
/// The key of conditions on what a job buys.
const OPERATION: &str = "operation";
/// The same, by another name.
const STEP: &str = "step";
/// What separates alternatives.
const OR: &str = " or ";

/// One `--filter`: alternatives, of which a job must meet one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    any: Vec<Condition>,
}

/// `key=value` or `key!=value`; the value may list several, separated by commas.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Condition {
    key: String,
    value: String,
    negated: bool,
}

/// A text that is not a filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a filter is `key=value` or `key!=value`, or several joined by ` or `, not `{0}`")]
pub struct NotAFilter(String);

impl FromStr for Filter {
    type Err = NotAFilter;

    fn from_str(text: &str) -> Result<Self, NotAFilter> {
        let mut parts: Vec<String> = Vec::new();
        for part in text.split(OR) {
            match parts.last_mut() {
                // A value may contain ` or `: what has no `=` is the rest of the value before it.
                Some(last) if !part.contains('=') => {
                    last.push_str(OR);
                    last.push_str(part);
                }
                _ => parts.push(part.to_owned()),
            }
        }
        let any = parts.iter().map(|part| part.parse());
        Ok(Self {
            any: any.collect::<Result<_, _>>()?,
        })
    }
}

impl FromStr for Condition {
    type Err = NotAFilter;

    fn from_str(text: &str) -> Result<Self, NotAFilter> {
        let (key, value) = text
            .split_once('=')
            .ok_or_else(|| NotAFilter(text.to_owned()))?;
        let negated = key.ends_with('!');
        let key = key.trim_end_matches('!').trim();
        if key.is_empty() {
            return Err(NotAFilter(text.to_owned()));
        }
        Ok(Self {
            key: key.to_owned(),
            value: value.trim().to_owned(),
            negated,
        })
    }
}

impl std::fmt::Display for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, condition) in self.any.iter().enumerate() {
            if at > 0 {
                f.write_str(OR)?;
            }
            let sign = if condition.negated { "!=" } else { "=" };
            write!(f, "{}{sign}{}", condition.key, condition.value)?;
        }
        Ok(())
    }
}

/// A filter against one manifest: alternatives.
pub(crate) type Resolved = Vec<Test>;

/// One condition against one manifest.
#[derive(Debug)]
pub(crate) enum Test {
    /// By axis (stem, preset, take, then the dimensions of the sweep): which of its values pass.
    Axis(usize, Vec<bool>),
    /// By the state in the ledger: which states pass.
    State(Vec<Sign>),
    /// By what is bought: an operation, or the name of a step.
    Operation { wanted: Vec<String>, negated: bool },
}

impl Test {
    /// Whether a job with these coordinates passes. Without a state, or without the job, a condition on that may still be met.
    pub(crate) fn passes(
        &self,
        at: [u32; 4],
        matrix: &Matrix,
        state: Option<Sign>,
        job: Option<&PlannedJob>,
    ) -> bool {
        match self {
            Self::Operation { wanted, negated } => job.is_none_or(|job| {
                let is = |name: &str| wanted.iter().any(|wanted| wanted == name);
                let met = match &job.step {
                    None => matrix.operations.first().is_some_and(|song| is(song)),
                    Some(step) => is(&step.operation) || is(&step.name),
                };
                met != *negated
            }),
            Self::State(states) => state.is_none_or(|state| states.contains(&state)),
            Self::Axis(0, passing) => passing[at[0] as usize],
            Self::Axis(1, passing) => passing[at[1] as usize],
            Self::Axis(2, passing) => passing[at[3] as usize - 1],
            Self::Axis(axis, passing) => {
                passing[matrix.points[at[2] as usize].at[axis - AXES.len()]]
            }
        }
    }
}

/// The axes that every manifest has.
const AXES: [&str; 3] = ["stem", "preset", "take"];

impl Filter {
    /// Resolves the filter; `None` where a condition can't be met, which is reported.
    pub(crate) fn resolve(&self, matrix: &Matrix, report: &mut Report) -> Option<Resolved> {
        let tests: Vec<Option<Test>> = self
            .any
            .iter()
            .map(|condition| condition.resolve(self, matrix, report))
            .collect();
        tests.into_iter().collect()
    }
}

impl Condition {
    fn resolve(&self, filter: &Filter, matrix: &Matrix, report: &mut Report) -> Option<Test> {
        if self.key == STATE {
            return self.states(filter, report).map(Test::State);
        }
        if self.key == OPERATION || self.key == STEP {
            return self.operations(filter, matrix, report);
        }
        let Some((axis, values)) = values(&self.key, matrix) else {
            let known = known_keys(matrix);
            report
                .refuse(format!(
                    "--filter {filter}: jobs can't be selected by `{}`",
                    self.key
                ))
                .maybe_help(meant(&self.key, &known));
            return None;
        };
        // A name that looks like a number is a name.
        let is = match axis {
            0 | 1 => fits,
            _ => matches,
        };
        let has = |wanted: &str| values.iter().flatten().any(|value| is(wanted, value));
        // A value that contains a comma is one value where a job has it.
        let wanted: Vec<&str> = match has(&self.value) {
            true => vec![&self.value],
            false => self.value.split(',').map(str::trim).collect(),
        };
        for wanted in wanted.iter().filter(|wanted| !has(wanted)) {
            let names = values.iter().flatten().map(String::as_str);
            report
                .refuse(format!(
                    "--filter {filter}: no job has the {} `{wanted}`",
                    self.key
                ))
                .maybe_help(suggestion(wanted, names));
        }
        if !wanted.iter().all(|wanted| has(wanted)) {
            return None;
        }
        let passes = |values: &Vec<String>| {
            let met = values
                .iter()
                .any(|value| wanted.iter().any(|wanted| is(wanted, value)));
            met != self.negated
        };
        Some(Test::Axis(axis, values.iter().map(passes).collect()))
    }

    fn operations(&self, filter: &Filter, matrix: &Matrix, report: &mut Report) -> Option<Test> {
        let known = &matrix.operations;
        let mut wanted = Vec::new();
        for text in self.value.split(',').map(str::trim) {
            if !known.iter().any(|name| name == text) {
                report
                    .refuse(format!(
                        "--filter {filter}: no job has the operation `{text}`"
                    ))
                    .maybe_help(suggestion(text, known.iter().map(String::as_str)));
                return None;
            }
            wanted.push(text.to_owned());
        }
        let negated = self.negated;
        Some(Test::Operation { wanted, negated })
    }

    fn states(&self, filter: &Filter, report: &mut Report) -> Option<Vec<Sign>> {
        let name = |sign: Sign| match sign {
            Sign::Changed => "changed".to_owned(),
            sign => sign.meaning().replace(' ', "-"),
        };
        let names = Sign::ALL.map(name);
        let mut wanted = Vec::new();
        for text in self.value.split(',').map(str::trim) {
            let plain = text.to_lowercase().replace([' ', '_'], "-");
            match Sign::ALL.into_iter().find(|sign| name(*sign) == plain) {
                // A job that replaces another is bought.
                Some(Sign::Buy) => wanted.extend([Sign::Buy, Sign::Changed]),
                Some(sign) => wanted.push(sign),
                None => {
                    report
                        .refuse(format!("--filter {filter}: there is no state `{text}`"))
                        .maybe_help(suggestion(text, names.iter().map(String::as_str)));
                    return None;
                }
            }
        }
        let passes = |sign: &Sign| wanted.contains(sign) != self.negated;
        Some(Sign::ALL.into_iter().filter(passes).collect())
    }
}

/// The axis that a key selects by, and the texts of each of its values; a list has several.
pub(crate) fn values(key: &str, matrix: &Matrix) -> Option<(usize, Vec<Vec<String>>)> {
    let one = |text: &str| vec![text.to_owned()];
    let found = match key {
        "stem" => (0, matrix.stems.iter().map(|stem| one(&stem.id)).collect()),
        "preset" => (1, matrix.presets.iter().map(|it| one(&it.id)).collect()),
        "take" => (
            2,
            (1..=matrix.takes)
                .map(|take| one(&take.to_string()))
                .collect(),
        ),
        _ => {
            if let Some(name) = key.strip_prefix("stem.vars.") {
                let of = matrix.stems.iter().map(|stem| texts(&stem.vars, name));
                return some_axis(0, of.collect());
            }
            if let Some(name) = key.strip_prefix("preset.vars.") {
                let of = matrix.presets.iter().map(|it| texts(&it.vars, name));
                return some_axis(1, of.collect());
            }
            let axis = matrix
                .dimensions
                .iter()
                .position(|dimension| dimension.setting.name == key)?;
            let values = &matrix.dimensions[axis].values;
            let texts = values.iter().map(|(_, written)| one(written)).collect();
            (AXES.len() + axis, texts)
        }
    };
    Some(found)
}

/// An axis by a variable, if any of its values has the variable.
fn some_axis(axis: usize, texts: Vec<Vec<String>>) -> Option<(usize, Vec<Vec<String>>)> {
    texts
        .iter()
        .any(|texts| !texts.is_empty())
        .then_some((axis, texts))
}

/// A variable's value as text, each element of a list; nothing where it is not set.
fn texts(vars: &serde_json::Value, name: &str) -> Vec<String> {
    let text = |value: &serde_json::Value| match value {
        serde_json::Value::Null | serde_json::Value::Object(_) => None,
        value => text_of(value).ok().map(std::borrow::Cow::into_owned),
    };
    match vars.get(name) {
        None => Vec::new(),
        Some(serde_json::Value::Array(items)) => items.iter().filter_map(text).collect(),
        Some(value) => text(value).into_iter().collect(),
    }
}

/// What a key that selects nothing was meant to be: a variable by its name alone, else the nearest key.
fn meant(key: &str, known: &[String]) -> Option<String> {
    let variable = |it: &&String| it.rsplit_once('.').is_some_and(|(_, name)| name == key);
    match known.iter().find(variable) {
        Some(variable) => Some(format!("did you mean `{variable}`?")),
        None => suggestion(key, known.iter().map(String::as_str)),
    }
}

/// Every key that selects jobs of a manifest.
pub(crate) fn known_keys(matrix: &Matrix) -> Vec<String> {
    fn names<'v>(
        prefix: &'static str,
        all: impl Iterator<Item = &'v serde_json::Value>,
    ) -> std::collections::BTreeSet<String> {
        all.filter_map(serde_json::Value::as_object)
            .flat_map(|vars| vars.keys())
            .map(|name| format!("{prefix}.vars.{name}"))
            .collect()
    }
    let fixed = AXES
        .into_iter()
        .chain([OPERATION, STATE])
        .map(str::to_owned);
    let swept = matrix
        .dimensions
        .iter()
        .map(|it| it.setting.name.to_owned());
    let of_stems = names("stem", matrix.stems.iter().map(|stem| &*stem.vars));
    let of_presets = names("preset", matrix.presets.iter().map(|preset| &*preset.vars));
    fixed
        .chain(swept)
        .chain(of_stems)
        .chain(of_presets)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_alternatives_of_conditions() {
        let shown = |text: &str| text.parse::<Filter>().map(|it| it.to_string());
        for text in [
            "preset=lofi",
            "stem!=a*",
            "stem=a,b or state=failed",
            "stem=now or never",
        ] {
            assert_eq!(shown(text), Ok(text.to_owned()));
        }
        assert_eq!("stem=a or take=2".parse::<Filter>().unwrap().any.len(), 2);
        assert_eq!("stem=now or never".parse::<Filter>().unwrap().any.len(), 1);
        for wrong in ["", "preset", "=x", "!=x", "or stem=a"] {
            assert!(
                wrong == "or stem=a" || wrong.parse::<Filter>().is_err(),
                "{wrong}"
            );
        }
    }
}
