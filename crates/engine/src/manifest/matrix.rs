//! The axes of a plan and the rules over them: `sweep`, `takes`, `exclude`, `include`, and how many jobs that makes.
//!
//! Counting comes before expanding, in checked arithmetic: a manifest that means a million million jobs is refused at once.

use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::Value as Json;

use super::diagnostic::{Report, suggestion};
use super::fields::{self, Fields, wrong};
use super::node::{Entry, Node, Value};
use super::settings::{Choice, Choices, NAMES, Raw, Setting};
use super::source::Span;
use super::stems::StemDecl;

/// Most takes of one point: more is a typing slip.
const MAX_TAKES: u64 = 1_000;
/// Most values of one sweep setting.
const MAX_VALUES: usize = 10_000;
/// Most entries of `exclude`, and of `include`: each is held against every job.
const MAX_RULES: usize = 10_000;

/// A preset, resolved.
#[derive(Debug)]
pub(crate) struct Preset {
    pub(crate) id: Arc<str>,
    pub(crate) vars: Arc<Json>,
    pub(crate) choices: Choices,
}

/// One swept setting.
#[derive(Debug)]
pub(crate) struct Dimension {
    pub(crate) setting: Setting,
    pub(crate) values: Vec<(Arc<Choice>, String)>,
}

impl Dimension {
    /// About how many bytes its values take in so many points.
    pub(crate) fn bytes_in(&self, points: usize) -> usize {
        /// Of an entry of a point beside its value.
        const ENTRY: usize = 128;
        let once: usize = self.values.iter().map(|(_, it)| it.len() + ENTRY).sum();
        once.saturating_mul(points / self.values.len().max(1))
    }
}

/// One combination of swept values.
#[derive(Debug)]
pub(crate) struct Point {
    /// Which value of each dimension.
    pub(crate) at: Vec<usize>,
    /// Setting → value as written.
    pub(crate) sweep: Arc<IndexMap<String, String>>,
}

/// The axes.
#[derive(Debug)]
pub(crate) struct Matrix {
    pub(crate) stems: Vec<StemDecl>,
    pub(crate) presets: Vec<Preset>,
    pub(crate) dimensions: Vec<Dimension>,
    pub(crate) points: Vec<Point>,
    pub(crate) takes: u32,
}

impl Matrix {
    /// How many jobs the axes make, and how that comes about; `None` when no integer holds it.
    pub(crate) fn count(
        stems: usize,
        presets: usize,
        dimensions: &[Dimension],
        takes: u32,
    ) -> (Option<u128>, String) {
        let mut factors = vec![(stems, "stem"), (presets, "preset")];
        factors.extend(
            dimensions
                .iter()
                .map(|dimension| (dimension.values.len(), dimension.setting.name())),
        );
        if takes > 1 {
            factors.push((takes as usize, "take"));
        }
        let total = factors.iter().try_fold(1_u128, |total, (count, _)| {
            total.checked_mul(*count as u128)
        });
        let said = factors
            .iter()
            .enumerate()
            .map(|(at, (count, what))| match (at, *count) {
                (0 | 1, 1) => format!("{count} {what}"),
                (0 | 1, _) => format!("{count} {what}s"),
                _ if *what == "take" => format!("{count} takes"),
                (_, 1) => format!("1 value of {what}"),
                _ => format!("{count} values of {what}"),
            });
        (total, said.collect::<Vec<_>>().join(" × "))
    }

    /// All points, the last dimension varying fastest; one empty point without a sweep.
    pub(crate) fn points(dimensions: &[Dimension]) -> Vec<Point> {
        let total: usize = dimensions
            .iter()
            .map(|dimension| dimension.values.len())
            .product();
        let mut points = Vec::with_capacity(total);
        let mut at = vec![0; dimensions.len()];
        for _ in 0..total {
            let values = dimensions.iter().zip(&at);
            let sweep = values.map(|(dimension, at)| {
                (
                    dimension.setting.name().to_owned(),
                    dimension.values[*at].1.clone(),
                )
            });
            points.push(Point {
                at: at.clone(),
                sweep: Arc::new(sweep.collect()),
            });
            for axis in (0..at.len()).rev() {
                at[axis] += 1;
                if at[axis] < dimensions[axis].values.len() {
                    break;
                }
                at[axis] = 0;
            }
        }
        points
    }
}

/// A sweep's settings as found, compiled by the caller.
pub(crate) fn read_sweep(node: Option<&Node>, report: &mut Report) -> Vec<(Setting, Vec<Raw>)> {
    let Some(node) = node else { return Vec::new() };
    let Some(fields) = Fields::read(node, "`sweep`", &NAMES, report) else {
        return Vec::new();
    };
    let mut dimensions = Vec::new();
    for entry in fields.entries() {
        let Some(setting) = Setting::named(&entry.key) else {
            continue;
        };
        let what = format!("the sweep of `{}`", entry.key);
        let Some(items) = fields::list(&entry.node, &what, report) else {
            continue;
        };
        if items.is_empty() || items.len() > MAX_VALUES {
            report.error_at(
                entry.key_span,
                format!("{what} has {} values", items.len()),
                format!("expected 1 to {MAX_VALUES}"),
            );
            continue;
        }
        let mut values: Vec<Raw> = Vec::with_capacity(items.len());
        let mut seen = std::collections::HashMap::new();
        for item in items {
            if let Some(text) = item.scalar_text()
                && let Some(first) = seen.insert(text, item.span)
            {
                let first = report.place(first, Some("first given here".to_owned()));
                report
                    .error_at(
                        item.span,
                        format!("{what} has the value `{text}` twice"),
                        "given again here",
                    )
                    .also(first)
                    .help("for more of the same use `takes`");
            }
            values.push(Raw {
                setting,
                key_span: entry.key_span,
                node: Arc::new(item.clone()),
            });
        }
        dimensions.push((setting, values));
    }
    dimensions
}

/// Reads `takes`.
pub(crate) fn read_takes(node: Option<&Node>, report: &mut Report) -> u32 {
    node.and_then(|node| fields::whole(node, "`takes`", 1..=MAX_TAKES, report))
        .unwrap_or(1) as u32
}

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
    /// It names a stem and a preset, so it may bring jobs back.
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
    for node in items(fields.get("exclude"), "`exclude`", report) {
        let Some(entry) = Fields::open(node, "an entry of `exclude`", report) else {
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
            .extend(read_match(&entry, &[], matrix, partial, report));
    }
    for node in items(fields.get("include"), "`include`", report) {
        let Some(entry) = Fields::open(node, "an entry of `include`", report) else {
            continue;
        };
        let mut set = Vec::new();
        if let Some(node) = entry.get("set")
            && let Some(given) = Fields::read(node, "`set`", &NAMES, report)
        {
            let raws = given.entries().filter_map(Raw::of);
            set.extend(raws.filter_map(|raw| Some((raw.setting as usize, compile(&raw, report)?))));
        }
        let adds = entry.get("stem").is_some() && entry.get("preset").is_some();
        if set.is_empty() && entry.get("set").is_none() && !adds {
            report
                .error_at(node.span, "this entry of `include` changes nothing", "neither `set` nor a stem and a preset")
                .help("give `set: {…}` to change jobs, or `stem` and `preset` to bring excluded ones back");
            continue;
        }
        if let Some(jobs) = read_match(&entry, &["set"], matrix, partial, report) {
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

fn items<'n>(node: Option<&'n Node>, what: &str, report: &mut Report) -> &'n [Node] {
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

fn read_match(
    entry: &Fields<'_>,
    more: &[&str],
    matrix: &Matrix,
    partial: &[&str],
    report: &mut Report,
) -> Option<Match> {
    let mut found = Match::default();
    let mut good = true;
    for field in entry.entries() {
        let key = &*field.key;
        match key {
            _ if more.contains(&key) => {}
            "stem" => {
                let names: Vec<&str> = matrix.stems.iter().map(|stem| stem.id.as_str()).collect();
                found.stems = select(field, Axis::names("stem", &names, partial), report);
                good &= found.stems.is_some();
            }
            "preset" => {
                let names: Vec<&str> = matrix.presets.iter().map(|preset| &*preset.id).collect();
                found.presets = select(field, Axis::names("preset", &names, partial), report);
                good &= found.presets.is_some();
            }
            "take" => {
                let names: Vec<String> = (1..=matrix.takes).map(|take| take.to_string()).collect();
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                found.takes = select(field, Axis::values("take", &names), report);
                good &= found.takes.is_some();
            }
            _ => {
                good = false;
                let axis = matrix
                    .dimensions
                    .iter()
                    .position(|dimension| dimension.setting.name() == key);
                let Some(axis) = axis else {
                    let setting = Setting::named(key);
                    if setting.is_some() && partial.contains(&"sweep") {
                        continue;
                    }
                    let known = ["stem", "preset", "take"].into_iter();
                    let known = known
                        .chain(matrix.dimensions.iter().map(|it| it.setting.name()))
                        .chain(more.iter().copied());
                    let known: Vec<&str> = known.collect();
                    let message = match setting {
                        Some(_) => format!("`{key}` is not swept, so jobs can't be chosen by it"),
                        None => format!("jobs can't be chosen by `{key}`"),
                    };
                    report
                        .error_at(field.key_span, message, "not a key here")
                        .help_with(|| suggestion(key, known.iter().copied()));
                    continue;
                };
                let names: Vec<&str> = matrix.dimensions[axis]
                    .values
                    .iter()
                    .map(|(_, written)| written.as_str())
                    .collect();
                if let Some(values) = select(field, Axis::values(key, &names), report) {
                    found.dimensions.push((axis, values));
                    good = true;
                }
            }
        }
    }
    good.then_some(found)
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
fn select(field: &Entry, axis: Axis<'_>, report: &mut Report) -> Option<Vec<bool>> {
    let Axis {
        what,
        names,
        numeric,
        is_partial,
    } = axis;
    let single = std::slice::from_ref(&field.node);
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

/// Whether a wanted value, with `*` for any text, is this one; two numbers are the same if their values are.
pub(crate) fn matches(wanted: &str, name: &str) -> bool {
    if wanted == name {
        return true;
    }
    if let (Ok(wanted), Ok(name)) = (wanted.parse::<f64>(), name.parse::<f64>()) {
        return wanted == name;
    }
    fits(wanted, name)
}

/// The same for names, which are never numbers.
pub(crate) fn fits(wanted: &str, name: &str) -> bool {
    let mut parts = wanted.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else {
        return false;
    };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    true
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn values_match_with_stars_and_as_numbers() {
        #[track_caller]
        fn check(wanted: &str, name: &str, expected: bool) {
            assert_eq!(matches(wanted, name), expected, "{wanted} {name}");
        }
        check("lofi", "lofi", true);
        check("lofi", "lofi-2", false);
        check("lofi*", "lofi-2", true);
        check("*", "", true);
        check("*-2", "lofi-2", true);
        check("l*f*2", "lofi-2", true);
        check("l*x*2", "lofi-2", false);
        check("a*a", "a", false);
        check("0.5", "0.50", true);
        check("1", "1.0", true);
        check("", "x", false);
    }
}
