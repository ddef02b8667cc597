//! The axes of a plan: stems, presets, `sweep` and `takes`, and how many jobs they make.
//!
//! Counting comes before expanding, in checked arithmetic: a manifest that means a million million jobs is refused at once.

use std::sync::Arc;

use backline_api::Setting;
use indexmap::IndexMap;
use serde_json::Value as Json;

use crate::manifest::choice::{Choice, Choices, Raw};
use crate::manifest::source::fields::{self, Fields};
use crate::manifest::source::node::Node;
use crate::manifest::source::report::Report;
use crate::manifest::stems::stem::StemDecl;

/// Most takes of one point: more is a typing slip.
const MAX_TAKES: u64 = 1_000;

/// Most values of one sweep setting.
const MAX_VALUES: usize = 10_000;

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
    /// What jobs buy: the song's operation, then the operations and the names of the steps.
    pub(crate) operations: Vec<String>,
}

impl Matrix {
    /// How many jobs the axes make, and how that comes about; `None` when no integer is large enough.
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
                .map(|dimension| (dimension.values.len(), dimension.setting.name)),
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
                    dimension.setting.name.to_owned(),
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
    let Some(fields) = Fields::read(node, "`sweep`", &Setting::NAMES, report) else {
        return Vec::new();
    };
    let mut dimensions = Vec::new();
    for entry in fields.entries() {
        let Some(setting) = Setting::named(entry.key) else {
            continue;
        };
        let what = format!("the sweep of `{}`", entry.key);
        let Some(items) = fields::list(entry.node, &what, report) else {
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
