//! `exclude` and `include`: the rules over the axes.

use std::cell::LazyCell;
use std::sync::Arc;

use backline_api::Setting;

use super::axes::{Matrix, Point};
use super::filter::{self, known_keys};
use super::wildcard::{fits, matches};
use crate::manifest::choice::{Choice, Raw};
use crate::manifest::source::fields::{self, Field, Fields, wrong};
use crate::manifest::source::files::Span;
use crate::manifest::source::node::{Node, Value};
use crate::manifest::source::report::Report;
use crate::nearest::suggestion;

/// Most entries of `exclude`, and of `include`: each is compared with every job.
const MAX_RULES: usize = 10_000;

/// What an entry of `exclude` or `include` speaks of: for each axis which of its values, or all.
#[derive(Debug, Default)]
pub(crate) struct Match {
    stems: Option<Vec<bool>>,
    presets: Option<Vec<bool>>,
    dimensions: Vec<(usize, Vec<bool>)>,
    takes: Option<Vec<bool>>,
}

impl Match {
    /// Whether it speaks of jobs of this stem and preset.
    pub(crate) fn pair(&self, stem: usize, preset: usize) -> bool {
        self.stems.as_ref().is_none_or(|stems| stems[stem])
            && self.presets.as_ref().is_none_or(|presets| presets[preset])
    }

    /// The number of jobs that it is compared with: those of its stems and presets.
    pub(crate) fn compared(&self, matrix: &Matrix) -> u64 {
        let chosen = |chosen: &Option<Vec<bool>>, all: usize| match chosen {
            None => all as u64,
            Some(chosen) => chosen.iter().filter(|it| **it).count() as u64,
        };
        chosen(&self.stems, matrix.stems.len())
            .saturating_mul(chosen(&self.presets, matrix.presets.len()))
            .saturating_mul(matrix.points.len() as u64)
            .saturating_mul(matrix.takes.into())
    }

    /// Whether it speaks of this point and take.
    pub(crate) fn rest(&self, point: &Point, take: u32) -> bool {
        self.dimensions
            .iter()
            .all(|(axis, values)| values[point.at[*axis]])
            && self
                .takes
                .as_ref()
                .is_none_or(|takes| takes[take as usize - 1])
    }
}

/// A change to jobs, or jobs that an exclusion took and that are wanted all the same.
#[derive(Debug)]
pub(crate) struct Include {
    pub(crate) jobs: Match,
    pub(crate) set: Vec<(usize, Arc<Choice>)>,
    /// It names a stem and a preset, so it may restore jobs.
    pub(crate) adds: bool,
    pub(crate) span: Span,
}

/// `exclude` and `include`, resolved.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    pub(crate) excludes: Vec<Match>,
    pub(crate) includes: Vec<Include>,
}

/// Reads `exclude` and `include`; `compile` checks what `set` gives.
pub(crate) fn read_rules(
    fields: &Fields<'_>,
    matrix: &Matrix,
    partial: &[&str],
    compile: &mut dyn FnMut(&Raw, &mut Report) -> Option<Arc<Choice>>,
    report: &mut Report,
) -> Rules {
    let mut rules = Rules::default();
    let keys = Keys::new(matrix, partial);
    for node in items(fields.get("exclude"), "`exclude`", report) {
        let Some(entry) = keys.read(node, "an entry of `exclude`", None, report) else {
            continue;
        };
        if entry.entries().next().is_none() {
            report
                .error_at(
                    node.span,
                    "this entry of `exclude` would drop every job",
                    "names nothing",
                )
                .help("name a stem, a preset or both");
            continue;
        }
        rules
            .excludes
            .extend(read_match(&entry, matrix, partial, report));
    }
    for node in items(fields.get("include"), "`include`", report) {
        let Some(entry) = keys.read(node, "an entry of `include`", Some("set"), report) else {
            continue;
        };
        let mut set = Vec::new();
        if let Some(node) = entry.get("set")
            && let Some(given) = Fields::read(node, "`set`", &Setting::NAMES, report)
        {
            let raws = given.entries().filter_map(Raw::of);
            set.extend(raws.filter_map(|raw| Some((raw.setting.slot(), compile(&raw, report)?))));
        }
        let adds = !entry.lacks("stem") && !entry.lacks("preset");
        if set.is_empty() && entry.lacks("set") && !adds {
            report
                .error_at(node.span, "this entry of `include` changes nothing", "neither `set` nor a stem and a preset")
                .help("give `set: {…}` to change jobs, or `stem` and `preset` to restore excluded ones");
            continue;
        }
        if let Some(jobs) = read_match(&entry, matrix, partial, report) {
            rules.includes.push(Include {
                jobs,
                set,
                adds,
                span: node.span,
            });
        }
    }
    rules
}

/// The keys by which entries choose jobs.
struct Keys<'m> {
    /// Those that every manifest has, and the swept settings.
    known: Vec<&'m str>,
    /// Variables of stems and presets, for suggestions.
    variables: LazyCell<Vec<String>, Box<dyn Fn() -> Vec<String> + 'm>>,
    /// A sweep could not be read in full, so any setting may be swept.
    sweep_is_partial: bool,
}

impl<'m> Keys<'m> {
    fn new(matrix: &'m Matrix, partial: &[&str]) -> Self {
        let swept = matrix.dimensions.iter().map(|it| it.setting.name);
        Self {
            known: ["stem", "preset", "take"]
                .into_iter()
                .chain(swept)
                .collect(),
            variables: LazyCell::new(Box::new(|| {
                let mut keys = known_keys(matrix);
                keys.retain(|key| key.contains(".vars."));
                keys
            })),
            sweep_is_partial: partial.contains(&"sweep"),
        }
    }

    /// Takes an entry and reports the keys that choose nothing.
    fn read<'n>(
        &'n self,
        node: &'n Node,
        what: &str,
        more: Option<&'static str>,
        report: &mut Report,
    ) -> Option<Fields<'n>> {
        let mut entry = Fields::open(node, what, report)?;
        let mut known = self.known.clone();
        known.extend(more);
        let is_known = |key: &str| {
            known.contains(&key)
                || is_variable(key)
                || (self.sweep_is_partial && Setting::named(key).is_some())
        };
        if entry.entries().all(|field| is_known(field.key)) {
            // The variables are only for suggestions.
            return Some(entry);
        }
        let mut all: Vec<&str> = known.clone();
        all.extend(self.variables.iter().map(String::as_str));
        for Field { key, key_span, .. } in entry.correct(&all, is_known) {
            let message = match Setting::named(key) {
                _ if key == "state" => {
                    "`state` selects jobs of a run, not of the manifest".to_owned()
                }
                Some(_) => format!("`{key}` is not swept, so jobs can't be chosen by it"),
                None => format!("jobs can't be chosen by `{key}`"),
            };
            report
                .error_at(key_span, message, "not a key here")
                .help_with(|| match key {
                    "state" => Some("give it to the command: `--filter state=failed`".to_owned()),
                    _ => suggestion(key, all.iter().copied()),
                });
        }
        Some(entry)
    }
}

/// Whether a key is a variable of a stem or a preset; whether anything sets it is another question.
fn is_variable(key: &str) -> bool {
    key.starts_with("stem.vars.") || key.starts_with("preset.vars.")
}

pub(crate) fn items<'n>(node: Option<&'n Node>, what: &str, report: &mut Report) -> &'n [Node] {
    let Some(node) = node else { return &[] };
    let items = fields::list(node, what, report).unwrap_or_default();
    if items.len() > MAX_RULES {
        report
            .error_at(
                node.span,
                format!(
                    "{what} has {} entries, {MAX_RULES} are allowed",
                    items.len()
                ),
                "too many",
            )
            .help("name several stems or presets in one entry: `{stem: [a, b], preset: x}`");
        return &[];
    }
    items
}

/// Reads what chooses jobs: an entry, or a list of such.
pub(crate) fn read_matches(
    node: &Node,
    what: &str,
    matrix: &Matrix,
    partial: &[&str],
    report: &mut Report,
) -> Vec<Match> {
    let keys = Keys::new(matrix, partial);
    let entries = match &node.value {
        Value::Map(_) => std::slice::from_ref(node),
        _ => items(Some(node), what, report),
    };
    let mut found = Vec::new();
    for node in entries {
        let Some(entry) = keys.read(node, &format!("an entry of {what}"), None, report) else {
            continue;
        };
        if entry.entries().next().is_none() {
            report.error_at(
                node.span,
                format!("this entry of {what} selects every job"),
                "names nothing",
            );
            continue;
        }
        found.extend(read_match(&entry, matrix, partial, report));
    }
    found
}

/// Reads what an entry chooses; nothing where a part of it is wrong.
fn read_match(
    entry: &Fields<'_>,
    matrix: &Matrix,
    partial: &[&str],
    report: &mut Report,
) -> Option<Match> {
    let mut found = Match::default();
    let mut good = true;
    for field in entry.entries() {
        match field.key {
            "set" => {}
            "stem" => {
                let names: Vec<&str> = matrix.stems.iter().map(|stem| stem.id.as_str()).collect();
                match select(field, Axis::names("stem", &names, partial), report) {
                    Some(chosen) => both(&mut found.stems, chosen),
                    None => good = false,
                }
            }
            "preset" => {
                let names: Vec<&str> = matrix.presets.iter().map(|preset| &*preset.id).collect();
                match select(field, Axis::names("preset", &names, partial), report) {
                    Some(chosen) => both(&mut found.presets, chosen),
                    None => good = false,
                }
            }
            "take" => {
                let names: Vec<String> = (1..=matrix.takes).map(|take| take.to_string()).collect();
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                found.takes = select(field, Axis::values("take", &names), report);
                good &= found.takes.is_some();
            }
            key if is_variable(key) => match by_variable(field, matrix, partial, report) {
                Some((0, chosen)) => both(&mut found.stems, chosen),
                Some((_, chosen)) => both(&mut found.presets, chosen),
                None => good = false,
            },
            key => {
                let axis = matrix
                    .dimensions
                    .iter()
                    .position(|dimension| dimension.setting.name == key);
                let Some(axis) = axis else {
                    good = false;
                    continue;
                };
                let names: Vec<&str> = matrix.dimensions[axis]
                    .values
                    .iter()
                    .map(|(_, written)| written.as_str())
                    .collect();
                match select(field, Axis::values(key, &names), report) {
                    Some(values) => found.dimensions.push((axis, values)),
                    None => good = false,
                }
            }
        }
    }
    good.then_some(found)
}

/// Keeps what both conditions on one axis choose.
fn both(found: &mut Option<Vec<bool>>, chosen: Vec<bool>) {
    match found {
        None => *found = Some(chosen),
        Some(found) => {
            for (one, other) in found.iter_mut().zip(chosen) {
                *one &= other;
            }
        }
    }
}

/// Which stems or presets a condition on a variable chooses, `stem.vars.artist` for one, and the number of the axis.
fn by_variable(
    field: Field<'_>,
    matrix: &Matrix,
    partial: &[&str],
    report: &mut Report,
) -> Option<(usize, Vec<bool>)> {
    let key = field.key;
    let is_partial = key
        .split_once('.')
        .is_some_and(|(root, _)| partial.contains(&root))
        || (key.starts_with("preset.vars.") && partial.contains(&"preset.vars"));
    let Some((axis, values)) = filter::values(key, matrix) else {
        if !is_partial {
            let known = known_keys(matrix);
            report
                .error_at(
                    field.key_span,
                    format!("jobs can't be chosen by `{key}`: nothing sets it"),
                    "not a key here",
                )
                .help_with(|| suggestion(key, known.iter().map(String::as_str)));
        }
        return None;
    };
    let names: Vec<&str> = values.iter().flatten().map(String::as_str).collect();
    let mut chosen_values = select(
        field,
        Axis {
            is_partial,
            ..Axis::values(key, &names)
        },
        report,
    )?
    .into_iter();
    let chosen = values.iter().map(|texts| {
        chosen_values
            .by_ref()
            .take(texts.len())
            .fold(false, |any, it| any | it)
    });
    let chosen = chosen.collect();
    Some((axis, chosen))
}

/// What an entry chooses from.
struct Axis<'a> {
    what: &'a str,
    names: &'a [&'a str],
    /// Two numbers are the same value if they are equal, however they are written; as names they are two.
    numeric: bool,
    /// There may be more names, which could not be read.
    is_partial: bool,
}

impl<'a> Axis<'a> {
    fn names(what: &'a str, names: &'a [&'a str], partial: &[&str]) -> Self {
        Self {
            what,
            names,
            numeric: false,
            is_partial: partial.contains(&what),
        }
    }

    fn values(what: &'a str, names: &'a [&'a str]) -> Self {
        Self {
            what,
            names,
            numeric: true,
            is_partial: false,
        }
    }
}

/// Which of an axis's names a value, or a list of values, speaks of.
fn select(field: Field<'_>, axis: Axis<'_>, report: &mut Report) -> Option<Vec<bool>> {
    let Axis {
        what,
        names,
        numeric,
        is_partial,
    } = axis;
    let single = std::slice::from_ref(field.node);
    let wanted = match &field.node.value {
        Value::List(items) => items.as_slice(),
        _ => single,
    };
    if !report.grow(names.len(), field.key_span) {
        return None;
    }
    let mut chosen = vec![false; names.len()];
    let mut good = true;
    for item in wanted {
        let Some(text) = item.scalar_text() else {
            wrong(
                item,
                &format!("`{what}` is a value or a list of values"),
                "a value",
                report,
            );
            good = false;
            continue;
        };
        let mut hit = false;
        if !numeric && !text.contains('*') {
            if let Some(at) = names.iter().position(|name| *name == text) {
                chosen[at] = true;
                hit = true;
            }
        } else {
            for (chosen, name) in chosen.iter_mut().zip(names) {
                if (numeric && matches(text, name)) || (!numeric && fits(text, name)) {
                    *chosen = true;
                    hit = true;
                }
            }
        }
        if !hit {
            good = false;
            if !is_partial {
                report
                    .error_at(
                        item.span,
                        format!("no job has the {what} `{text}`"),
                        "never occurs",
                    )
                    .help_with(|| suggestion(text, names.iter().copied()));
            }
        }
    }
    good.then_some(chosen)
}
