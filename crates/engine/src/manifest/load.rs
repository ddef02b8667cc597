//! From a manifest's file to a [`Plan`], or to everything that is wrong with it.
//!
//! ```text
//!  files ─yaml─► nodes ─sections─► stems, presets, sweep, rules ─count─► expand ─select─► examine stems ─keys─► Plan
//!                   └──────────────── all that is wrong ────────────────────┴──────────────────┴────► Diagnostics
//! ```
//!
//! Reading goes on after an error as long as what follows still makes sense, so one pass finds nearly everything.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};

use handlebars::{Context, no_escape};
use serde_json::{Map, Value as Json};

use super::compile::Compiler;
use super::diagnostic::{Diagnostics, Report};
use super::examine::{examine, identify};
use super::expand::{self};
use super::fields::{self, Fields, Text};
use super::hooks;
use super::layer::{self, Inherited, Layer};
use super::limits;
use super::matrix::{self, Dimension, Matrix, Rules};
use super::naming::{ReadOutput, check_names, read_output};
use super::node::{Node, Value};
use super::output::{Fixed, Variables, portable};
use super::provider;
use super::selection::Selection;
use super::settings::{Given, Raw, Setting};
use super::source::Sources;
use super::stems::{self, Source, StemDecl};
use super::template::{self, Engine, FIXED_ROOTS, JOB_ROOTS, Scope, is_template};
use crate::hooks::Hooks;
use crate::plan::Plan;

/// Most jobs of one plan unless the user allows more.
pub const DEFAULT_MAX_JOBS: u64 = 100_000;
/// The file that marks a project's root.
const PROJECT_FILE: &str = "backline.yaml";

pub(crate) const KEYS: &[&str] = &[
    "version",
    "name",
    "import",
    "provider",
    "env",
    "vars",
    "defaults",
    "stems",
    "presets",
    "sweep",
    "takes",
    "exclude",
    "include",
    "limits",
    "callbacks",
    "retries",
    "on",
    "output",
    "reports",
];

/// How a manifest is read.
pub struct LoadOptions<'a> {
    /// Looks up the variables that a manifest lists under `env`.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
    /// Most jobs that a plan may have.
    pub max_jobs: u64,
    /// Which of them are wanted.
    pub selection: Selection,
    /// Diagnostics show paths relative to this folder.
    pub shown_from: Option<PathBuf>,
    /// Whether imports, catalogues and scripts may lie outside of the project's folder. That is for the user to say, not for the
    /// manifest: its mistakes are printed with lines of the files that it names.
    pub allow_outside: bool,
}

impl Default for LoadOptions<'_> {
    /// The process's environment, all jobs, and paths as seen from the working directory.
    fn default() -> Self {
        Self {
            environment: &|name| std::env::var(name).ok(),
            max_jobs: DEFAULT_MAX_JOBS,
            selection: Selection::default(),
            shown_from: std::env::current_dir().ok(),
            allow_outside: false,
        }
    }
}

/// A manifest that was understood.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What it means.
    pub plan: Plan,
    /// What looks wrong and is not.
    pub warnings: Diagnostics,
}

/// Reads a manifest, all that it names, and says what it means.
///
/// # Errors
/// Everything that is wrong with it, each with its place.
pub fn load(path: &Path, options: &LoadOptions<'_>) -> Result<Loaded, Diagnostics> {
    let mut report = Report::new(Sources::new(options.shown_from.clone()));
    let plan = Loader {
        options,
        report: &mut report,
    }
    .load(path);
    let warnings = report.finish()?;
    // Without an error there is a plan; if that were ever untrue, saying so beats a wrong plan.
    plan.map(|plan| Loaded { plan, warnings })
        .ok_or_else(Diagnostics::default)
}

struct Loader<'a, 'o> {
    options: &'a LoadOptions<'o>,
    report: &'a mut Report,
}

/// What settings and names may refer to, and the values that are the same for all jobs.
struct Names {
    fixed: Fixed,
    scope: Scope,
}

impl Loader<'_, '_> {
    fn load(self, path: &Path) -> Option<Plan> {
        let Self { options, report } = self;
        let folder = path
            .parent()
            .filter(|it| !it.as_os_str().is_empty())
            .unwrap_or(Path::new("."))
            .to_owned();
        let (project_dir, project_file) = find_project(path, &folder);
        if !options.allow_outside {
            report.sources.confine_to(&project_dir);
        }
        let mut keys = vec![provider::DEFAULT_KEY_ENV.to_owned()];
        keep_secrets(&keys, options, report);
        let node = layer::open(path, None, report)?;
        let project = project_file.and_then(|file| layer::open(&file, None, report));
        key_variables(&node, &mut keys);
        project
            .iter()
            .for_each(|node| key_variables(node, &mut keys));
        keep_secrets(&keys, options, report);
        let fields = Fields::read(&node, "the manifest", KEYS, report)?;
        layer::read_version(&fields, true, report);
        let project = project.as_ref().and_then(|node| {
            let fields = Fields::read(
                node,
                "the project file",
                &["version", "provider", "limits"],
                report,
            )?;
            layer::read_version(&fields, false, report);
            Some(fields)
        });
        let layer = layer::read(&fields, path, report);
        let engine = Engine::new(no_escape);
        let names = read_names(&fields, &layer, &keys, options, report);
        let context = Variables::new(&names.fixed).context;
        let fixed_scope = Scope {
            roots: FIXED_ROOTS,
            ..names.scope.clone()
        };
        let used = std::cell::RefCell::new(BTreeSet::new());
        let render = |text: &Text, report: &mut Report| {
            render_fixed(
                text,
                &fixed_scope,
                &context,
                &engine,
                &mut used.borrow_mut(),
                report,
            )
        };

        let given = |key| {
            fields
                .get(key)
                .or_else(|| project.as_ref().and_then(|project| project.get(key)))
        };
        let provider = match given("provider") {
            Some(node) => provider::read(node, &folder, &render, report),
            None => Some(provider::embedded()),
        };
        let provider_read = provider.is_some();
        let provider = provider.unwrap_or_else(provider::embedded);
        let limits = match given("limits") {
            Some(node) if provider_read => limits::read_limits(node, &provider.profile, report),
            // What an unknown provider allows is unknown; what is no limit at all is wrong with any.
            Some(node) => limits::read_limits(node, &provider::without_bounds(), report),
            None => limits::default_limits(&provider.profile),
        };
        let polls_only = fields.get("callbacks").is_some_and(limits::are_off);
        let callbacks = fields
            .get("callbacks")
            .filter(|_| !polls_only)
            .and_then(|node| limits::read_callbacks(node, &render, report));
        let around = hooks::Around {
            folder: &folder,
            key_env: &provider.api_key_env,
            fixed: &render,
        };
        let mut hooks = match fields.get("on") {
            Some(node) => hooks::read(node, &around, report),
            None => Hooks::default(),
        };
        let retries = limits::read_retries(fields.get("retries"), report);
        let reports = limits::read_reports(fields.get("reports"), report);

        let before = report.errors();
        let stems = match fields.get("stems") {
            Some(node) => stems::read(node, &folder, options.max_jobs, &render, report),
            None if !fields.lacks("stems") => Vec::new(),
            None => {
                report
                    .error_at(
                        fields.span,
                        "the manifest has no `stems`",
                        "expected it among these keys",
                    )
                    .help("add the recordings: `stems: [vocals/verse.flac]`");
                Vec::new()
            }
        };
        if fields
            .get("stems")
            .is_some_and(|node| matches!(&node.value, Value::List(items) if items.is_empty()))
        {
            report.error_at(fields.span, "`stems` is empty", "nothing to accompany");
        }
        let stems_are_partial = report.errors() > before;
        refuse_missing_files(&stems, report);

        let inherited = layer::inherit(&layer, report);
        let is_given = fields.get("presets").is_some();
        if layer.presets.is_empty() && !layer.is_partial && (is_given || fields.lacks("presets")) {
            let message = if is_given {
                "`presets` is empty"
            } else {
                "the manifest has no `presets`"
            };
            report
                .error_at(fields.span, message, "expected at least one")
                .help("add one: `presets: {piano: {tags: \"calm piano\"}}`");
        }
        let before = report.errors();
        let raw_sweep = matrix::read_sweep(fields.get("sweep"), report);
        let mut scope = job_scope(&names.scope, &stems, &inherited, &raw_sweep);
        for (root, is_partial) in [
            ("stem", stems_are_partial),
            ("preset", layer.is_partial),
            ("sweep", report.errors() > before),
        ] {
            scope.partial.extend(is_partial.then_some(root));
        }
        let mut compiler = Compiler {
            scope: &scope,
            fixed: &names.fixed,
            context: &context,
            engine: &engine,
            used: &used,
            preset_vars: HashSet::new(),
        };
        let presets = compiler.presets(&layer, inherited, &provider, report);
        let dimensions = compiler.sweep(raw_sweep, report);
        let takes = matrix::read_takes(fields.get("takes"), report);

        // A count that is far too large must not be expanded, not even into points.
        if !count(
            &stems,
            layer.presets.len(),
            &dimensions,
            takes,
            options.max_jobs,
            &fields,
            report,
        ) {
            return None;
        }
        let total: usize = dimensions.iter().map(|it| it.values.len()).product();
        let of_points = dimensions.iter().map(|it| it.bytes_in(total)).sum();
        if !report.grow(
            of_points,
            fields.entry("sweep").map_or(fields.span, |it| it.key_span),
        ) {
            return None;
        }
        let matrix = Matrix {
            points: Matrix::points(&dimensions),
            stems,
            presets,
            dimensions,
            takes,
        };
        let complete = matrix.presets.len() == layer.presets.len();
        let rules = if complete {
            matrix::read_rules(
                &fields,
                &matrix,
                &scope.partial,
                &mut |raw, report| compiler.raw(raw, report),
                report,
            )
        } else {
            Rules::default()
        };
        let output = read_output(&fields, &folder, &matrix, &mut compiler, &render, report);
        warn_of_unused(&layer, &compiler, report);
        warn_of_twins(&layer, &matrix, report);
        if report.errors() > 0 {
            return None;
        }

        let jobs = expand::expand(
            &matrix,
            &rules,
            &names.fixed,
            &engine,
            &provider.profile,
            report,
        );
        if jobs.is_empty() && report.errors() == 0 {
            report
                .error("the manifest means no job at all: `exclude` drops every one")
                .help("remove an entry of `exclude`");
        }
        let ReadOutput {
            output,
            loudness,
            file_span,
        } = output?;
        if loudness {
            hooks.measure_loudness();
        }
        if report.errors() == 0 {
            check_names(&jobs, &matrix, &output, file_span, report);
        }
        let jobs = options.selection.apply(jobs, &matrix, report);
        if jobs.is_empty() && report.errors() == 0 {
            report
                .refuse("no job passes all of the filters")
                .help("each filter is met by some job, but none by all together");
        }
        if report.errors() > 0 {
            return None;
        }
        let (stems, places) = examine(&matrix, &jobs, report);
        if report.errors() > 0 {
            return None;
        }
        let jobs = identify(jobs, &matrix, &stems, &places, &provider, report);
        Some(Plan {
            name: names.fixed.name,
            manifest: path.to_owned(),
            project_dir,
            provider,
            limits,
            retries,
            hooks,
            callbacks,
            polls_only,
            output,
            reports,
            stems,
            jobs,
        })
    }
}

/// The nearest folder upwards with a project file, and that file unless it is the manifest itself.
fn find_project(path: &Path, folder: &Path) -> (PathBuf, Option<PathBuf>) {
    let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let itself = std::fs::canonicalize(path).ok();
    for above in absolute.ancestors() {
        let file = above.join(PROJECT_FILE);
        if !file.is_file() {
            continue;
        }
        let is_itself = std::fs::canonicalize(&file).ok() == itself;
        return (above.to_owned(), (!is_itself).then_some(file));
    }
    (folder.to_owned(), None)
}

/// The environment variables that hold keys: `{env: NAME}`, wherever it stands.
fn key_variables(node: &Node, found: &mut Vec<String>) {
    match &node.value {
        Value::Map(entries) => {
            for entry in entries {
                match entry.node.scalar_text() {
                    Some(name) if *entry.key == *"env" => found.push(name.to_owned()),
                    _ => key_variables(&entry.node, found),
                }
            }
        }
        Value::List(items) => items.iter().for_each(|item| key_variables(item, found)),
        _ => {}
    }
}

fn keep_secrets(variables: &[String], options: &LoadOptions<'_>, report: &mut Report) {
    let values = variables
        .iter()
        .filter_map(|name| (options.environment)(name));
    values.for_each(|value| report.keep_secret(value));
}

fn read_names(
    fields: &Fields<'_>,
    layer: &Layer,
    keys: &[String],
    options: &LoadOptions<'_>,
    report: &mut Report,
) -> Names {
    let name = match fields.text("name", report) {
        Some(name) => {
            if let Err(problem) = portable(&name.text).and_then(|()| {
                if name.text.contains('/') {
                    Err("it has a `/`".to_owned())
                } else {
                    Ok(())
                }
            }) {
                report
                    .error_at(
                        name.span,
                        format!("`name` can't be `{}`: {problem}", name.text),
                        "names a folder",
                    )
                    .help("use letters, digits, `-` and `_`");
            }
            name.text
        }
        None => {
            if fields.lacks("name") {
                report
                    .error_at(
                        fields.span,
                        "`name` is missing",
                        "expected it among these keys",
                    )
                    .help("add `name: …`: reports and the output folder are called so");
            }
            String::new()
        }
    };
    let mut env = Map::new();
    let (mut listed, mut refused) = (Vec::new(), Vec::new());
    for item in fields
        .get("env")
        .and_then(|node| fields::list(node, "`env`", report))
        .unwrap_or_default()
    {
        let Some(variable) = fields::text(item, "a name in `env`", report) else {
            continue;
        };
        if !provider::is_env_name(&variable, report) {
            continue;
        }
        if keys.contains(&variable.text) {
            report
                .error_at(
                    variable.span,
                    format!(
                        "`{}` holds a key, which no template is given",
                        variable.text
                    ),
                    "what templates make is sent, shown and written down",
                )
                .help("remove it; keys are named where they are needed: `api_key: {env: NAME}`");
            refused.push(variable.text);
            continue;
        }
        match (options.environment)(&variable.text) {
            Some(value) => {
                env.insert(variable.text.clone(), value.into());
                listed.push(variable.text);
            }
            None => {
                report
                    .error_at(
                        variable.span,
                        format!("the environment has no `{}`", variable.text),
                        "not set",
                    )
                    .help(format!(
                        "set it before the program starts: `{}=… backline plan …`",
                        variable.text
                    ));
                refused.push(variable.text);
            }
        }
    }
    let vars: Map<String, Json> = layer
        .vars
        .iter()
        .map(|(name, var)| (name.clone(), (*var.value).clone()))
        .collect();
    let scope = Scope {
        roots: JOB_ROOTS,
        vars: layer.vars.keys().cloned().collect(),
        env: listed,
        refused_env: refused,
        partial: layer.is_partial.then_some("vars").into_iter().collect(),
        ..Scope::default()
    };
    Names {
        fixed: Fixed {
            name,
            vars: vars.into(),
            env: env.into(),
        },
        scope,
    }
}

/// Renders a text that is the same for all jobs.
fn render_fixed(
    text: &Text,
    scope: &Scope,
    context: &Context,
    engine: &Engine,
    used: &mut BTreeSet<String>,
    report: &mut Report,
) -> Option<String> {
    if !is_template(&text.text) {
        return Some(text.text.clone());
    }
    let template = template::compile(&text.text, text.span, scope, report)?;
    used.extend(template.vars().map(str::to_owned));
    let mut rendered = String::new();
    match engine.render(&template, context, &mut rendered) {
        Ok(()) => Some(rendered),
        Err(problem) => {
            report.error_at(text.span, problem.message, "in this template");
            None
        }
    }
}

fn refuse_missing_files(stems: &[StemDecl], report: &mut Report) {
    for stem in stems {
        let Source::File(path) = &stem.source else {
            continue;
        };
        let problem = match std::fs::metadata(path) {
            Ok(facts) if facts.is_file() => continue,
            Ok(_) => "it is not a file".to_owned(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                "there is no such file".to_owned()
            }
            Err(error) => error.to_string(),
        };
        let shown = report.sources.shown(path);
        let row = stem
            .row
            .map_or_else(String::new, |row| format!("row {row}, column `file`: "));
        report
            .error_at(
                stem.span,
                format!("{row}can't use the stem `{}`: {problem}", stem.id),
                "named here",
            )
            .note(format!("looked for `{shown}`"))
            .help_with(|| near_file(path).map(|near| format!("did you mean `{near}`?")));
    }
}

/// A file of the same folder with nearly the same name.
fn near_file(path: &Path) -> Option<String> {
    let wanted = path.file_name()?.to_string_lossy().into_owned();
    let names: Vec<String> = std::fs::read_dir(path.parent()?)
        .ok()?
        .flatten()
        .take(2_000)
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    let mut sorted = names.iter().map(String::as_str).collect::<Vec<_>>();
    sorted.sort_unstable();
    super::diagnostic::nearest(&wanted, sorted).map(str::to_owned)
}

fn job_scope(
    base: &Scope,
    stems: &[StemDecl],
    presets: &[Option<Inherited>],
    sweep: &[(Setting, Vec<Raw>)],
) -> Scope {
    let mut scope = base.clone();
    for stem in stems {
        scope.stem_vars.extend(
            stem.vars
                .as_object()
                .into_iter()
                .flat_map(|vars| vars.keys().cloned()),
        );
    }
    for preset in presets.iter().flatten() {
        scope.preset_vars.extend(preset.vars.keys().cloned());
    }
    scope.sweep = sweep
        .iter()
        .map(|(setting, _)| setting.name().to_owned())
        .collect();
    scope
}

/// Refuses more jobs than are allowed, and says how they come about.
fn count(
    stems: &[StemDecl],
    presets: usize,
    dimensions: &[Dimension],
    takes: u32,
    max_jobs: u64,
    fields: &Fields<'_>,
    report: &mut Report,
) -> bool {
    let (total, said) = Matrix::count(stems.len(), presets, dimensions, takes);
    if total.is_some_and(|total| total <= u128::from(max_jobs)) {
        return true;
    }
    let total = total.map_or_else(
        || "more jobs than can be counted".to_owned(),
        |total| format!("{} jobs", grouped(total)),
    );
    let place = ["sweep", "presets", "stems"]
        .into_iter()
        .find_map(|key| fields.entry(key))
        .map_or(fields.span, |it| it.key_span);
    report
        .error_at(
            place,
            format!(
                "this manifest multiplies to {total}, `exclude` not counted; at most {} are allowed",
                grouped(u128::from(max_jobs))
            ),
            "multiplied here",
        )
        .note(said)
        .help("sweep fewer values, split the manifest, or allow more with `--max-jobs`");
    false
}

/// A number with thin groups of three.
fn grouped(number: u128) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn warn_of_unused(layer: &Layer, compiler: &Compiler<'_>, report: &mut Report) {
    let used = compiler.used.borrow();
    for (name, var) in layer.vars.iter().filter(|(name, _)| !used.contains(*name)) {
        report.warning_at(
            var.span,
            format!("the variable `{name}` is never used"),
            "no template names it",
        );
    }
    let mut said = HashSet::new();
    for preset in layer.presets.values() {
        for (name, var) in &preset.vars {
            if !compiler.preset_vars.contains(name) && said.insert(name) {
                report.warning_at(
                    var.span,
                    format!("the preset variable `{name}` is never used"),
                    "no template names it",
                );
            }
        }
    }
}

/// Two presets that differ in their titles only buy the same music twice, if that was not meant.
fn warn_of_twins(layer: &Layer, matrix: &Matrix, report: &mut Report) {
    let mut seen: HashMap<String, usize> = HashMap::new();
    for (at, preset) in matrix.presets.iter().enumerate() {
        if preset.choices.iter().all(Option::is_none)
            || preset.vars.as_object().is_some_and(|vars| !vars.is_empty())
        {
            continue;
        }
        let sound = preset
            .choices
            .iter()
            .enumerate()
            .filter(|(slot, _)| *slot != Setting::Title as usize);
        let mut reads_preset = false;
        let text: Vec<String> = sound
            .map(
                |(_, choice)| match choice.as_ref().map(|choice| &choice.given) {
                    Some(Given::Fixed(value)) => format!("{value:?}"),
                    Some(Given::Template(template)) => {
                        reads_preset |= template.reads.preset;
                        template.written.to_string()
                    }
                    None => String::new(),
                },
            )
            .collect();
        if reads_preset {
            continue;
        }
        if let Some(first) = seen.insert(text.join("\u{0}"), at) {
            let ids = [first, at].map(|at| matrix.presets[at].id.clone());
            let [Some(one), Some(two)] = ids.each_ref().map(|id| layer.presets.get(&**id)) else {
                continue;
            };
            let place = report.place(one.span, Some("this one".to_owned()));
            report
                .warning_at(
                    two.span,
                    format!(
                        "the presets `{}` and `{}` ask for the same music",
                        ids[0], ids[1]
                    ),
                    "and this one",
                )
                .also(place)
                .help("for more of the same use `takes`");
        }
    }
}
