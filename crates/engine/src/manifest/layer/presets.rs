//! `presets` and `defaults` as a file gives them.

use std::sync::Arc;

use backline_api::Setting;
use indexmap::IndexMap;

use crate::manifest::choice::Raw;
use crate::manifest::source::fields::{self, Fields, Text};
use crate::manifest::source::files::Span;
use crate::manifest::source::ids::check_id;
use crate::manifest::source::node::Node;
use crate::manifest::source::report::Report;
use crate::manifest::template::vars::{Var, read_vars};

/// A preset as it is written.
#[derive(Debug, Clone)]
pub(crate) struct PresetDecl {
    pub(crate) span: Span,
    pub(crate) extends: Option<Text>,
    pub(crate) vars: IndexMap<String, Var>,
    pub(crate) settings: Vec<Raw>,
    /// What is bought of its songs, where that differs from the manifest's `then`.
    pub(crate) then: Option<Arc<Node>>,
    /// It is only there for others to extend: no job is made of it.
    pub(crate) is_abstract: bool,
    /// Something of it is wrong and was said, so nothing is said of what it lacks.
    pub(crate) is_broken: bool,
}

pub(crate) fn read_defaults(
    node: Option<&Node>,
    report: &mut Report,
) -> IndexMap<&'static str, Raw> {
    let Some(node) = node else {
        return IndexMap::new();
    };
    let Some(fields) = Fields::read(node, "`defaults`", &Setting::NAMES, report) else {
        return IndexMap::new();
    };
    fields
        .entries()
        .filter_map(Raw::of)
        .map(|raw| (raw.setting.name, raw))
        .collect()
}

pub(crate) fn read_presets(
    node: Option<&Node>,
    report: &mut Report,
) -> IndexMap<String, PresetDecl> {
    let keys = [
        &Setting::NAMES[..],
        &["extends", "vars", "abstract", "then"],
    ]
    .concat();
    let Some(node) = node else {
        return IndexMap::new();
    };
    let Some(fields) = Fields::open(node, "`presets`", report) else {
        return IndexMap::new();
    };
    let mut presets = IndexMap::new();
    for entry in fields.entries() {
        let what = format!("preset `{}`", entry.key);
        check_id(entry.key, "a preset's name", entry.key_span, report);
        let before = report.errors();
        let mut preset = PresetDecl {
            span: entry.key_span,
            extends: None,
            vars: IndexMap::new(),
            settings: Vec::new(),
            then: None,
            is_abstract: entry.key.starts_with('.'),
            is_broken: false,
        };
        // One that can't be read is there all the same: what extends it or names it is right.
        if let Some(fields) = Fields::read(entry.node, &what, &keys, report) {
            preset.extends = fields.text("extends", report);
            if let Some(node) = fields.get("abstract") {
                let truth = fields::truth(node, "`abstract`", report);
                preset.is_abstract |= truth == Some(true);
            }
            preset.vars = read_vars(fields.get("vars"), &format!("`vars` of {what}"), report);
            preset.then = fields.get("then").cloned().map(Arc::new);
            preset.settings = fields.entries().filter_map(Raw::of).collect();
        }
        preset.is_broken = report.errors() > before;
        presets.insert(entry.key.to_string(), preset);
    }
    presets
}
