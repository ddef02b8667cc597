//! What a manifest may take from other files: variables, defaults and presets, and how `import` and `extends` put them together.
//!
//! A file is one layer. Its own entries win over those it imports; two imports that give the same thing are an error, for
//! neither has the better claim.

use std::path::{Path, PathBuf};

use indexmap::IndexMap;

use super::open::{open, read_version};
use super::presets::{PresetDecl, read_defaults, read_presets};
use crate::manifest::choice::Raw;
use crate::manifest::source::fields::{self, Fields, Text};
use crate::manifest::source::files::Span;
use crate::manifest::source::node::Value;
use crate::manifest::source::report::Report;
use crate::manifest::template::vars::{Var, read_vars};

/// Deepest chain of imports.
const MAX_IMPORT_DEPTH: usize = 16;

/// Most files that one manifest is made of.
const MAX_FILES: usize = 100;

/// Variables, defaults and presets of a file and of all that it imports.
#[derive(Debug, Default)]
pub(crate) struct Layer {
    pub(crate) vars: IndexMap<String, Var>,
    pub(crate) defaults: IndexMap<&'static str, Raw>,
    pub(crate) presets: IndexMap<String, PresetDecl>,
    /// A file or a section could not be read, which was said: more may be meant than is here.
    pub(crate) is_partial: bool,
}

/// Keys of an imported file.
const IMPORTED_KEYS: &[&str] = &["version", "import", "vars", "defaults", "presets"];

/// Reads the layer of a file's fields and of the files that it imports.
pub(crate) fn read(fields: &Fields<'_>, file: &Path, report: &mut Report) -> Layer {
    let mut chain = vec![canonical(file)];
    let mut done = Vec::new();
    read_one(fields, file, &mut chain, &mut done, report)
}

fn canonical(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

fn read_one(
    fields: &Fields<'_>,
    file: &Path,
    chain: &mut Vec<PathBuf>,
    done: &mut Vec<PathBuf>,
    report: &mut Report,
) -> Layer {
    let mut imported = Layer::default();
    if let Some(node) = fields.get("import") {
        let single = std::slice::from_ref(node);
        let items = match &node.value {
            Value::Text(_) => single,
            _ => fields::list(node, "`import`", report).unwrap_or_default(),
        };
        for item in items {
            let Some(named) = fields::text(item, "an import", report) else {
                continue;
            };
            let path = file.parent().unwrap_or(Path::new(".")).join(&named.text);
            let before = report.errors();
            match import(&path, &named, chain, done, report) {
                Some(layer) => imported.join(layer, report),
                None => imported.is_partial |= report.errors() > before,
            }
        }
    }
    let own = Layer {
        vars: read_vars(fields.get("vars"), "`vars`", report),
        defaults: read_defaults(fields.get("defaults"), report),
        presets: read_presets(fields.get("presets"), report),
        is_partial: false,
    };
    // Imported things come first, so that a plan's order is that of reading; what the file gives itself replaces them.
    imported.vars.extend(own.vars);
    imported.defaults.extend(own.defaults);
    for (name, preset) in own.presets {
        imported.presets.insert(name, preset);
    }
    // A section that is no mapping could have given anything.
    imported.is_partial |= ["vars", "defaults", "presets"]
        .into_iter()
        .filter_map(|key| fields.get(key))
        .any(|node| !matches!(node.value, Value::Map(_)));
    imported
}

fn import(
    path: &Path,
    named: &Text,
    chain: &mut Vec<PathBuf>,
    done: &mut Vec<PathBuf>,
    report: &mut Report,
) -> Option<Layer> {
    let real = canonical(path);
    if chain.contains(&real) {
        report
            .error_at(
                named.span,
                format!("`{}` imports itself", named.text),
                "leads back to a file that is being read",
            )
            .help("move what both files need into a third one");
        return None;
    }
    if done.contains(&real) {
        return None;
    }
    if chain.len() > MAX_IMPORT_DEPTH || done.len() > MAX_FILES {
        report.error_at(
            named.span,
            format!("imports are nested deeper than {MAX_IMPORT_DEPTH}, or more than {MAX_FILES}"),
            "one too many",
        );
        return None;
    }
    let node = open(path, Some(named), report)?;
    let fields = Fields::read_top(&node, "an imported file", IMPORTED_KEYS, report)?;
    read_version(&fields, false, report);
    chain.push(real);
    let layer = read_one(&fields, path, chain, done, report);
    done.extend(chain.pop());
    Some(layer)
}

impl Layer {
    /// How many presets jobs are made of.
    pub(crate) fn concrete(&self) -> usize {
        let concrete = self.presets.values().filter(|it| !it.is_abstract);
        concrete.count()
    }

    /// Takes in another import; what both give is an error.
    fn join(&mut self, other: Layer, report: &mut Report) {
        fn twice(what: String, first: Span, second: Span, report: &mut Report) {
            let first = report.place(first, Some("first given here".to_owned()));
            report
                .error_at(
                    second,
                    format!("two imports give {what}"),
                    "given again here",
                )
                .also(first)
                .help("give it in the importing manifest, which wins, or in one import only");
        }
        self.is_partial |= other.is_partial;
        for (name, var) in other.vars {
            match self.vars.get(&name) {
                Some(first) => twice(
                    format!("the variable `{name}`"),
                    first.span,
                    var.span,
                    report,
                ),
                None => drop(self.vars.insert(name, var)),
            }
        }
        for (name, raw) in other.defaults {
            match self.defaults.get(name) {
                Some(first) => twice(
                    format!("the default `{name}`"),
                    first.key_span,
                    raw.key_span,
                    report,
                ),
                None => drop(self.defaults.insert(name, raw)),
            }
        }
        for (name, preset) in other.presets {
            match self.presets.get(&name) {
                Some(first) => twice(
                    format!("the preset `{name}`"),
                    first.span,
                    preset.span,
                    report,
                ),
                None => drop(self.presets.insert(name, preset)),
            }
        }
    }
}
