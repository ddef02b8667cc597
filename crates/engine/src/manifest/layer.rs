//! What a manifest may take from other files: variables, defaults and presets, and how `import` and `extends` put them together.
//!
//! A file is one layer. Its own entries win over those it imports; two imports that give the same thing are an error, for
//! neither has the better claim.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::Value as Json;

use super::diagnostic::{Report, suggestion};
use super::fields::{self, Fields, Text};
use super::load::KEYS;
use super::node::{Entry, Node, Value};
use super::settings::{self, Raw};
use super::source::{MAX_FILE_BYTES, Span};
use super::template::is_template;
use super::yaml;

/// Deepest chain of imports.
const MAX_IMPORT_DEPTH: usize = 16;
/// Most files that one manifest is made of.
const MAX_FILES: usize = 100;
/// Longest chain of presets that extend each other. Nobody follows a longer one, and each preset holds what its chain gives.
const MAX_EXTENDS: usize = 32;

/// A template variable's value.
#[derive(Debug, Clone)]
pub(crate) struct Var {
    /// Shared: every preset that inherits the variable has it.
    pub(crate) value: Arc<Json>,
    pub(crate) span: Span,
}

/// A preset as it is written.
#[derive(Debug, Clone)]
pub(crate) struct PresetDecl {
    pub(crate) span: Span,
    pub(crate) extends: Option<Text>,
    pub(crate) vars: IndexMap<String, Var>,
    pub(crate) settings: Vec<Raw>,
    /// Something of it is wrong and was said, so nothing is said of what it lacks.
    pub(crate) is_broken: bool,
}

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

/// Reads a file and parses it; what is wrong goes to the report. `from` is where it is named, if it is.
///
/// The lines of a file are shown only when it looks like a manifest: a name in one may lead to any file.
pub(crate) fn open(path: &Path, from: Option<&Text>, report: &mut Report) -> Option<Node> {
    let shown = report.sources.shown(path);
    let text = match report.sources.read_text(path, MAX_FILE_BYTES) {
        Ok(text) => text,
        Err(problem) => {
            let message = format!("can't read `{shown}`: {problem}");
            match from {
                Some(from) => report.error_at(from.span, message, "named here"),
                None => report.error(message),
            }
            .maybe_help(problem.help());
            return None;
        }
    };
    let source = report.sources.add(path, text.clone());
    match yaml::parse(&text, source) {
        Ok(Some(node)) => match &node.value {
            Value::Map(entries) if is_manifest(entries) => Some(node),
            value => {
                let kind = match value {
                    Value::Map(_) => "a mapping of other things",
                    _ => node.kind(),
                };
                report
                    .error_at(
                        node.span,
                        format!("`{shown}` is not a manifest but {kind}"),
                        "",
                    )
                    .without_excerpt()
                    .help("the smallest manifest has `version: 1`, `name`, `stems` and `presets`");
                None
            }
        },
        Ok(None) => {
            report
                .error(format!("`{shown}` is empty"))
                .help("the smallest manifest has `version: 1`, `name`, `stems` and `presets`");
            None
        }
        Err(problem) if looks_like_a_manifest(&text) => {
            report
                .error_at(problem.span, problem.message, problem.label)
                .maybe_help(problem.help.map(str::to_owned));
            None
        }
        Err(problem) => {
            report
                .error_at(
                    problem.span,
                    format!("`{shown}` is not a manifest, and not valid YAML"),
                    "",
                )
                .without_excerpt()
                .help("the smallest manifest has `version: 1`, `name`, `stems` and `presets`");
            None
        }
    }
}

/// Whether a mapping is meant as a manifest: most of its keys are a manifest's.
fn is_manifest(entries: &[Entry]) -> bool {
    let known = entries.iter().filter(|it| is_key(&it.key)).count();
    known * 2 >= entries.len()
}

/// The same of a text that is not valid YAML: there is a line that begins with a manifest's key.
fn looks_like_a_manifest(text: &str) -> bool {
    let key = |line: &str| {
        let line = line.trim_start_matches('{');
        let name = line.split_once(':').map(|(name, _)| name.trim());
        name.is_some_and(|name| is_key(name.trim_matches(['"', '\''])))
    };
    text.lines().any(key)
}

fn is_key(name: &str) -> bool {
    KEYS.contains(&name)
}

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
    // Imported things stand first, so that a plan's order is that of reading; what the file gives itself replaces them.
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
    let fields = Fields::read(&node, "an imported file", IMPORTED_KEYS, report)?;
    read_version(&fields, false, report);
    chain.push(real);
    let layer = read_one(&fields, path, chain, done, report);
    done.extend(chain.pop());
    Some(layer)
}

/// Checks `version`, the one thing that every later format keeps.
pub(crate) fn read_version(fields: &Fields<'_>, required: bool, report: &mut Report) {
    match fields.get("version").map(|node| (node, &node.value)) {
        Some((_, Value::Number { written, .. })) if **written == *"1" => {}
        Some((node, Value::Text(text))) if text.trim().parse::<u64>().is_ok() => {
            fields::not_a_number(
                node,
                "`version`",
                "a number",
                "expected `1`".to_owned(),
                report,
            );
        }
        Some((node, _)) => {
            let found = node.scalar_text().unwrap_or(node.kind()).to_owned();
            report
                .error_at(
                    node.span,
                    format!("this version reads manifests of version 1, not `{found}`"),
                    "expected `1`",
                )
                .help("write `version: 1`, or use the program that the manifest was written for");
        }
        None if required && fields.lacks("version") => {
            report
                .error_at(
                    fields.span,
                    "`version` is missing",
                    "expected it among these keys",
                )
                .help("add `version: 1` at the top");
        }
        None => {}
    }
}

impl Layer {
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

/// Reads a mapping of template variables: plain values, never templates.
pub(crate) fn read_vars(
    node: Option<&Node>,
    what: &str,
    report: &mut Report,
) -> IndexMap<String, Var> {
    let Some(node) = node else {
        return IndexMap::new();
    };
    let Some(fields) = Fields::open(node, what, report) else {
        return IndexMap::new();
    };
    let mut vars = IndexMap::new();
    for entry in fields.entries() {
        if let Value::Text(text) = &entry.node.value
            && is_template(text)
        {
            report
                .error_at(
                    entry.node.span,
                    format!("the variable `{}` holds a template", entry.key),
                    "not expanded here",
                )
                .help(
                    "variables are plain values; put the template into the setting that needs it",
                );
        }
        if entry.key.is_empty()
            || !entry
                .key
                .chars()
                .all(|char| char.is_alphanumeric() || "_-".contains(char))
        {
            report
                .error_at(
                    entry.key_span,
                    format!("`{}` can't be a variable's name", entry.key),
                    "not a name",
                )
                .help("use letters, digits, `_` and `-`");
        }
        vars.insert(
            entry.key.to_string(),
            Var {
                value: Arc::new(entry.node.to_json()),
                span: entry.key_span,
            },
        );
    }
    vars
}

fn read_defaults(node: Option<&Node>, report: &mut Report) -> IndexMap<&'static str, Raw> {
    let Some(node) = node else {
        return IndexMap::new();
    };
    let Some(fields) = Fields::read(node, "`defaults`", &settings::NAMES, report) else {
        return IndexMap::new();
    };
    fields
        .entries()
        .filter_map(Raw::of)
        .map(|raw| (raw.setting.name(), raw))
        .collect()
}

fn read_presets(node: Option<&Node>, report: &mut Report) -> IndexMap<String, PresetDecl> {
    const KEYS: [&str; 12] = {
        let mut keys = [""; 12];
        let mut at = 0;
        while at < 10 {
            keys[at] = settings::NAMES[at];
            at += 1;
        }
        keys[10] = "extends";
        keys[11] = "vars";
        keys
    };
    let Some(node) = node else {
        return IndexMap::new();
    };
    let Some(fields) = Fields::open(node, "`presets`", report) else {
        return IndexMap::new();
    };
    let mut presets = IndexMap::new();
    for entry in fields.entries() {
        let what = format!("preset `{}`", entry.key);
        check_id(&entry.key, "a preset's name", entry.key_span, report);
        let before = report.errors();
        let mut preset = PresetDecl {
            span: entry.key_span,
            extends: None,
            vars: IndexMap::new(),
            settings: Vec::new(),
            is_broken: false,
        };
        // One that can't be read is there all the same: what extends it or names it is right.
        if let Some(fields) = Fields::read(&entry.node, &what, &KEYS, report) {
            preset.extends = fields.text("extends", report);
            preset.vars = read_vars(fields.get("vars"), &format!("`vars` of {what}"), report);
            preset.settings = fields.entries().filter_map(Raw::of).collect();
        }
        preset.is_broken = report.errors() > before;
        presets.insert(entry.key.to_string(), preset);
    }
    presets
}

/// Longest id, in characters.
const MAX_ID_CHARS: usize = 200;

/// An id as a message shows it.
fn shown_id(id: &str) -> String {
    let shown = id.chars().take(MAX_ID_CHARS);
    let mut shown: String = shown.flat_map(char::escape_debug).collect();
    if id.chars().nth(MAX_ID_CHARS).is_some() {
        shown.push('…');
    }
    shown
}

/// Refuses ids that could not stand in a filter, a file name or a line of a report.
#[track_caller]
pub(crate) fn check_id(id: &str, what: &str, span: Span, report: &mut Report) {
    let bad = id.is_empty()
        || id.chars().nth(MAX_ID_CHARS).is_some()
        || id.trim() != id
        || id.chars().any(|char| char.is_control() || char == '*');
    if bad {
        report
            .error_at(
                span,
                format!("`{}` can't be {what}", shown_id(id)),
                "not a usable id",
            )
            .help("use 1 to 200 characters, no `*`, no line breaks, and no space at the ends");
    }
}

/// A preset with all that it inherits.
#[derive(Debug)]
pub(crate) struct Inherited {
    pub(crate) vars: IndexMap<String, Var>,
    /// The settings that its chain gives, the strongest place of each.
    pub(crate) settings: IndexMap<&'static str, Raw>,
}

/// Follows every preset's `extends`; `None` where the chain is broken.
pub(crate) fn inherit(layer: &Layer, report: &mut Report) -> Vec<Option<Inherited>> {
    let mut said = false;
    layer
        .presets
        .iter()
        .map(|(name, preset)| inherit_one(name, preset, layer, &mut said, report))
        .collect()
}

fn inherit_one(
    name: &str,
    preset: &PresetDecl,
    layer: &Layer,
    said_too_long: &mut bool,
    report: &mut Report,
) -> Option<Inherited> {
    let presets = &layer.presets;
    let mut chain = vec![(name, preset)];
    while let Some(extends) = &chain[chain.len() - 1].1.extends {
        let Some((parent_name, parent)) = presets.get_key_value(&extends.text) else {
            // Said once, by the preset that names it; and not at all where it may stand in a file that could not be read.
            if chain.len() == 1 && !layer.is_partial {
                report
                    .error_at(
                        extends.span,
                        format!("there is no preset `{}` to extend", extends.text),
                        "not defined",
                    )
                    .help_with(|| suggestion(&extends.text, presets.keys().map(String::as_str)));
            }
            return None;
        };
        if let Some(at) = chain.iter().position(|(link, _)| link == parent_name) {
            // Said once, by the first preset of the circle.
            if at == 0
                && chain
                    .iter()
                    .all(|(link, _)| presets.get_index_of(*link) >= presets.get_index_of(name))
            {
                let names: Vec<String> =
                    chain.iter().map(|(link, _)| format!("`{link}`")).collect();
                report
                    .error_at(
                        extends.span,
                        format!(
                            "presets extend each other in a circle: {} → `{parent_name}`",
                            names.join(" → ")
                        ),
                        "closes the circle",
                    )
                    .help("remove one `extends` of the circle");
            }
            return None;
        }
        if chain.len() == MAX_EXTENDS {
            if std::mem::replace(said_too_long, true) {
                return None;
            }
            report
                .error_at(
                    extends.span,
                    format!("more than {MAX_EXTENDS} presets extend each other in a row"),
                    "one too many",
                )
                .help("put what they share into `defaults`");
            return None;
        }
        chain.push((parent_name, parent));
    }
    let mut inherited = Inherited {
        vars: IndexMap::new(),
        settings: IndexMap::new(),
    };
    for (_, link) in chain.iter().rev() {
        inherited.vars.extend(link.vars.clone());
        inherited.settings.extend(
            link.settings
                .iter()
                .map(|raw| (raw.setting.name(), raw.clone())),
        );
    }
    Some(inherited)
}
