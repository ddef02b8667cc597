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
use std::sync::Arc;

use handlebars::no_escape;
use indexmap::IndexMap;
use serde_json::{Map, Value as Json};

use super::diagnostic::{Diagnostics, Report};
use super::expand::{self, Draft, job_name};
use super::fields::{self, Fields, Text};
use super::hooks;
use super::key::{Recording, job_key};
use super::layer::{self, Inherited, Layer};
use super::limits;
use super::matrix::{self, Dimension, Matrix, Preset, Rules};
use super::node::{Node, Value};
use super::output::{Fixed, Namer, Output, TrackName, Variables, portable};
use super::provider;
use super::recordings;
use super::selection::Selection;
use super::settings::{Choice, Choices, Given, Raw, Setting, typed};
use super::source::{Sources, Span};
use super::stems::{self, Source, StemDecl};
use super::template::{self, Engine, FIXED_ROOTS, JOB_ROOTS, OUTPUT_ROOTS, Scope, is_template};
use crate::hooks::Hooks;
use crate::plan::{JobKey, Plan, PlannedJob, Provider, Stem, StemFile, StemSource};

/// Most jobs of one plan unless the user allows more.
pub const DEFAULT_MAX_JOBS: u64 = 100_000;
/// A recording shorter than this gives limited results, by the vendors' documents.
const SHORT_STEM_S: f64 = 10.0;
/// The file that marks a project's root.
const PROJECT_FILE: &str = "backline.yaml";
/// A title for those who give none.
const DEFAULT_TITLE: &str = "{{stem.id}} ({{preset.id}})";
/// Most pairs of jobs with one key, or with one file, that are shown.
const MAX_COLLISIONS: usize = 5;

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
}

impl Default for LoadOptions<'_> {
    /// The process's environment, all jobs, and paths as seen from the working directory.
    fn default() -> Self {
        Self {
            environment: &|name| std::env::var(name).ok(),
            max_jobs: DEFAULT_MAX_JOBS,
            selection: Selection::default(),
            shown_from: std::env::current_dir().ok(),
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
        let node = layer::open(path, None, report)?;
        let fields = Fields::read(&node, "the manifest", KEYS, report)?;
        layer::read_version(&fields, true, report);
        let folder = path
            .parent()
            .filter(|it| !it.as_os_str().is_empty())
            .unwrap_or(Path::new("."))
            .to_owned();
        let (project_dir, project) = find_project(path, &folder, report);
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
        let names = read_names(&fields, &layer, options, report);
        let fixed_scope = Scope {
            roots: FIXED_ROOTS,
            ..names.scope.clone()
        };
        let used = std::cell::RefCell::new(BTreeSet::new());
        let render = |text: &Text, report: &mut Report| {
            render_fixed(
                text,
                &fixed_scope,
                &names.fixed,
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
            Some(node) => provider::read(node, &render, report),
            None => Some(provider::embedded()),
        };
        let provider_read = provider.is_some();
        let provider = provider.unwrap_or_else(provider::embedded);
        let limits = match given("limits") {
            Some(node) if provider_read => limits::read_limits(node, &provider.profile, report),
            _ => limits::default_limits(&provider.profile),
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
        let hooks = match fields.get("on") {
            Some(node) => hooks::read(node, &around, report),
            None => Hooks::default(),
        };
        let retries = limits::read_retries(fields.get("retries"), report);
        let reports = limits::read_reports(fields.get("reports"), report);

        let stems = match fields.get("stems") {
            Some(node) => stems::read(node, &folder, options.max_jobs, &render, report),
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
        refuse_missing_files(&stems, report);

        let inherited = layer::inherit(&layer.presets, report);
        if layer.presets.is_empty() {
            let message = if fields.get("presets").is_some() {
                "`presets` is empty"
            } else {
                "the manifest has no `presets`"
            };
            report
                .error_at(fields.span, message, "expected at least one")
                .help("add one: `presets: {piano: {tags: \"calm piano\"}}`");
        }
        let raw_sweep = matrix::read_sweep(fields.get("sweep"), report);
        let scope = job_scope(&names.scope, &stems, &inherited, &raw_sweep);
        let mut compiler = Compiler {
            scope: &scope,
            fixed: &names.fixed,
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
        let (output, file_span) = output?;
        if report.errors() == 0 {
            check_names(&jobs, &matrix, &output, file_span, report);
        }
        let jobs = options.selection.apply(jobs, &matrix, report);
        if jobs.is_empty() && report.errors() == 0 {
            report
                .error("no job passes all of the filters")
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

/// The nearest folder upwards with a project file, and what that file holds.
fn find_project(path: &Path, folder: &Path, report: &mut Report) -> (PathBuf, Option<Node>) {
    let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let itself = std::fs::canonicalize(path).ok();
    for above in absolute.ancestors() {
        let file = above.join(PROJECT_FILE);
        if !file.is_file() {
            continue;
        }
        if std::fs::canonicalize(&file).ok() == itself {
            return (above.to_owned(), None);
        }
        return (above.to_owned(), layer::open(&file, None, report));
    }
    (folder.to_owned(), None)
}

fn read_names(
    fields: &Fields<'_>,
    layer: &Layer,
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
            if fields.get("name").is_none() {
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
    let mut listed = Vec::new();
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
        match (options.environment)(&variable.text) {
            Some(value) => drop(env.insert(variable.text.clone(), value.into())),
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
            }
        }
        listed.push(variable.text);
    }
    let vars: Map<String, Json> = layer
        .vars
        .iter()
        .map(|(name, var)| (name.clone(), var.value.clone()))
        .collect();
    let scope = Scope {
        roots: JOB_ROOTS,
        vars: layer.vars.keys().cloned().collect(),
        env: listed,
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
    fixed: &Fixed,
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
    match engine.render(&template, &Variables::new(fixed).context, &mut rendered) {
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
        let near = near_file(path);
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
            .maybe_help(near.map(|near| format!("did you mean `{near}`?")));
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

/// Compiles settings, and remembers which variables they read.
struct Compiler<'c> {
    scope: &'c Scope,
    fixed: &'c Fixed,
    engine: &'c Engine,
    used: &'c std::cell::RefCell<BTreeSet<String>>,
    preset_vars: HashSet<String>,
}

impl Compiler<'_> {
    fn raw(&mut self, raw: &Raw, report: &mut Report) -> Option<Arc<Choice>> {
        let mut choice = raw.compile(self.scope, report)?;
        if let Given::Template(template) = &choice.given {
            self.used
                .borrow_mut()
                .extend(template.vars().map(str::to_owned));
            self.preset_vars
                .extend(template.preset_vars().map(str::to_owned));
            if template.reads.nothing() {
                choice = Arc::new(Choice {
                    given: self.fold(raw.setting, template, report)?,
                    span: choice.span,
                });
            }
        }
        Some(choice)
    }

    /// A template that is the same for all jobs becomes its value.
    fn fold(
        &self,
        setting: Setting,
        template: &template::Template,
        report: &mut Report,
    ) -> Option<Given> {
        let mut text = String::new();
        let rendered = self
            .engine
            .render(template, &Variables::new(self.fixed).context, &mut text);
        match rendered.map_err(|problem| problem.message).and_then(|()| {
            typed(setting, &text).map_err(|problem| format!("`{}` {problem}", setting.name()))
        }) {
            Ok(value) => Some(Given::Fixed(value)),
            Err(problem) => {
                report.error_at(template.span, problem, "made by this template");
                None
            }
        }
    }

    fn presets(
        &mut self,
        layer: &Layer,
        inherited: Vec<Option<Inherited>>,
        provider: &Provider,
        report: &mut Report,
    ) -> Vec<Preset> {
        let mut compiled: HashMap<Span, Option<Arc<Choice>>> = HashMap::new();
        let mut presets = Vec::new();
        let defaults: Vec<(usize, Option<Arc<Choice>>)> = layer
            .defaults
            .values()
            .map(|raw| (raw.setting as usize, self.raw(raw, report)))
            .collect();
        // Written nowhere, so a problem with them is reported at the preset that relies on them.
        for ((id, decl), inherited) in layer.presets.iter().zip(inherited) {
            let Some(inherited) = inherited else { continue };
            let mut choices: Choices = Default::default();
            let before = report.errors();
            let builtin = |text: &str| {
                Some(Arc::new(Choice {
                    given: Given::Fixed(super::settings::Typed::Text(text.into())),
                    span: decl.span,
                }))
            };
            choices[Setting::Model as usize] = builtin(&provider.profile.default_model);
            choices[Setting::NegativeTags as usize] = builtin("");
            for (slot, choice) in &defaults {
                choices[*slot].clone_from(choice);
            }
            let mut broken = defaults.iter().any(|(_, choice)| choice.is_none());
            for raw in inherited.settings.values() {
                let choice = match compiled.get(&raw.node.span) {
                    Some(choice) => choice.clone(),
                    None => {
                        let choice = self.raw(raw, report);
                        compiled.insert(raw.node.span, choice.clone());
                        choice
                    }
                };
                broken |= choice.is_none();
                choices[raw.setting as usize] = choice;
            }
            if choices[Setting::Title as usize].is_none()
                && let Some(title) = template::compile(DEFAULT_TITLE, decl.span, self.scope, report)
            {
                let given = Given::Template(title);
                choices[Setting::Title as usize] = Some(Arc::new(Choice {
                    given,
                    span: decl.span,
                }));
            }
            let tags_given = inherited.settings.contains_key("tags")
                || layer.defaults.contains_key("tags")
                || self.scope.sweep.iter().any(|it| it == "tags");
            if !tags_given && !broken {
                report
                    .error_at(
                        decl.span,
                        format!("preset `{id}` has no `tags`"),
                        "says nothing of how it should sound",
                    )
                    .help("add them: `tags: \"calm piano\"`");
            }
            if report.errors() > before {
                // Kept all the same: the rules that name it are right.
                choices = Default::default();
            }
            let vars: Map<String, Json> = inherited
                .vars
                .iter()
                .map(|(name, var)| (name.clone(), var.value.clone()))
                .collect();
            presets.push(Preset {
                id: id.as_str().into(),
                vars: Arc::new(vars.into()),
                choices,
            });
        }
        presets
    }

    fn sweep(&mut self, raw: Vec<(Setting, Vec<Raw>)>, report: &mut Report) -> Vec<Dimension> {
        raw.into_iter()
            .map(|(setting, values)| {
                let values = values
                    .iter()
                    .filter_map(|value| {
                        let choice = self.raw(value, report)?;
                        let written = match &choice.given {
                            Given::Fixed(super::settings::Typed::Text(text)) => text.to_string(),
                            _ => value.node.scalar_text().unwrap_or("none").to_owned(),
                        };
                        Some((choice, written))
                    })
                    .collect();
                Dimension { setting, values }
            })
            .collect()
    }
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
                "this manifest means {total}; at most {} are allowed",
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

fn read_output(
    fields: &Fields<'_>,
    folder: &Path,
    matrix: &Matrix,
    compiler: &mut Compiler<'_>,
    render: &stems::Fixed<'_>,
    report: &mut Report,
) -> Option<(Output, Span)> {
    let section = fields.get("output");
    let section = match section {
        Some(node) => Some(Fields::read(node, "`output`", &["dir", "file"], report)?),
        None => None,
    };
    let dir = section
        .as_ref()
        .and_then(|section| section.text("dir", report));
    let dir = match dir {
        Some(dir) => render(&dir, report)?,
        None => format!("out/{}", compiler.fixed.name),
    };
    let file = section
        .as_ref()
        .and_then(|section| section.text("file", report));
    let file = file.unwrap_or_else(|| Text {
        text: default_file(matrix),
        span: fields.span,
    });
    let scope = Scope {
        roots: OUTPUT_ROOTS,
        ..compiler.scope.clone()
    };
    let template = template::compile(&file.text, file.span, &scope, report)?;
    compiler
        .used
        .borrow_mut()
        .extend(template.vars().map(str::to_owned));
    compiler
        .preset_vars
        .extend(template.preset_vars().map(str::to_owned));
    let stems = matrix
        .stems
        .iter()
        .map(|stem| (stem.id.clone(), stem.vars.clone()))
        .collect();
    let presets = matrix
        .presets
        .iter()
        .map(|preset| (preset.id.to_string(), preset.vars.clone()))
        .collect();
    Some((
        Output::new(
            folder.join(dir),
            template,
            compiler.fixed.clone(),
            stems,
            presets,
        ),
        file.span,
    ))
}

/// A name for each track that tells apart what the manifest varies.
fn default_file(matrix: &Matrix) -> String {
    let mut file = "{{stem.id}}/{{preset.id}}".to_owned();
    for dimension in &matrix.dimensions {
        let name = dimension.setting.name();
        let text = matches!(
            dimension.setting,
            Setting::Title | Setting::Tags | Setting::NegativeTags | Setting::Lyrics
        );
        file.push_str(&if text {
            format!("-{{{{slug sweep.{name}}}}}")
        } else {
            format!("-{{{{sweep.{name}}}}}")
        });
    }
    if matrix.takes > 1 {
        file.push_str("-{{take}}");
    }
    file.push_str("-{{track.index}}");
    file
}

/// Names the first two tracks of every job: portable, and no name twice, whatever the case of its letters.
fn check_names(jobs: &[Draft], matrix: &Matrix, output: &Output, span: Span, report: &mut Report) {
    let mut namer = Namer::new(output);
    let mut seen: HashMap<[u8; 16], usize> = HashMap::with_capacity(2 * jobs.len());
    let mut problems = 0;
    for (at, job) in jobs.iter().enumerate() {
        let (stem, preset) = (
            &matrix.stems[job.stem as usize].id,
            &matrix.presets[job.preset as usize].id,
        );
        namer.place(
            stem,
            preset,
            &matrix.points[job.point as usize].sweep,
            job.take,
        );
        for index in 1..=2 {
            // Ids are as long and as different as vendors' are.
            let id = if index == 1 {
                "11111111-2222-4333-8444-555555555555"
            } else {
                "66666666-2222-4333-8444-555555555555"
            };
            let track = TrackName {
                run: "00000000-0000-7000-8000-000000000000",
                index,
                id,
            };
            let other = match namer.name(track) {
                Ok(name) => {
                    let hash = blake3::hash(name.to_lowercase().as_bytes());
                    let mut short = [0; 16];
                    short.copy_from_slice(&hash.as_bytes()[..16]);
                    match seen.insert(short, at) {
                        Some(other) => Ok((name.to_owned(), other)),
                        None => continue,
                    }
                }
                Err(reason) => Err(reason),
            };
            problems += 1;
            if problems > MAX_COLLISIONS {
                continue;
            }
            let this = name_of(job, matrix);
            match other {
                Ok((name, other)) if other == at => report
                    .error_at(span, format!("both tracks of `{this}` would be kept as `{name}`"), "gives one name twice")
                    .help("put `{{track.index}}` into `output.file`"),
                Ok((name, other)) => report
                    .error_at(
                        span,
                        format!("`{}` and `{this}` would both be kept as `{name}`", name_of(&jobs[other], matrix)),
                        "gives one name twice",
                    )
                    .help("put what differs into `output.file`: the stem, the preset, swept settings, the take"),
                Err(reason) => report
                    .error_at(span, format!("can't name the files of `{this}`: {reason}"), "made by this template")
                    .help("change `output.file`, or wrap the variable: `{{slug stem.id}}`"),
            };
        }
    }
    if problems > MAX_COLLISIONS {
        report.last_note(format!(
            "and {} more names like this",
            problems - MAX_COLLISIONS
        ));
    }
}

fn name_of(job: &Draft, matrix: &Matrix) -> String {
    job_name(matrix, [job.stem, job.preset, job.point, job.take])
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

/// Opens the stems that are used; also gives each stem's place in the plan.
fn examine(matrix: &Matrix, jobs: &[Draft], report: &mut Report) -> (Vec<Stem>, Vec<usize>) {
    let mut wanted = vec![false; matrix.stems.len()];
    for job in jobs {
        wanted[job.stem as usize] = true;
    }
    let used: Vec<&StemDecl> = matrix
        .stems
        .iter()
        .zip(&wanted)
        .filter(|(_, wanted)| **wanted)
        .map(|(stem, _)| stem)
        .collect();
    let mut files: IndexMap<&Path, ()> = IndexMap::new();
    for stem in &used {
        if let Source::File(path) = &stem.source {
            files.insert(path, ());
        }
    }
    let paths: Vec<&Path> = files.keys().copied().collect();
    let found: HashMap<&Path, Result<StemFile, String>> = paths
        .iter()
        .copied()
        .zip(recordings::examine(&paths))
        .collect();
    let mut stems = Vec::with_capacity(used.len());
    let mut contents: HashMap<[u8; 32], &StemDecl> = HashMap::new();
    for stem in &used {
        let source = match &stem.source {
            Source::Url(url) => StemSource::Url(url.clone()),
            Source::File(path) => match &found[path.as_path()] {
                Ok(file) => {
                    warn_of_file(stem, file, contents.insert(file.hash, stem), report);
                    StemSource::File(file.clone())
                }
                Err(reason) => {
                    let shown = report.sources.shown(path);
                    report
                        .error_at(
                            stem.span,
                            format!("can't use the stem `{}`: {reason}", stem.id),
                            "named here",
                        )
                        .note(format!("the file is `{shown}`"));
                    continue;
                }
            },
        };
        stems.push(Stem {
            id: stem.id.clone(),
            source,
        });
    }
    let mut next = 0;
    let places = wanted
        .iter()
        .map(|wanted| {
            next += usize::from(*wanted);
            next.saturating_sub(1)
        })
        .collect();
    (stems, places)
}

fn warn_of_file(stem: &StemDecl, file: &StemFile, twin: Option<&StemDecl>, report: &mut Report) {
    if file.duration_s < SHORT_STEM_S {
        let message = format!("the stem `{}` is {:.1} s long", stem.id, file.duration_s);
        report.warning_at(stem.span, message, "results are limited below 10 s");
    }
    if let Some(twin) = twin {
        let place = report.place(twin.span, Some("and this one".to_owned()));
        let message = format!(
            "the stems `{}` and `{}` are the same recording",
            twin.id, stem.id
        );
        report
            .warning_at(stem.span, message, "this one")
            .also(place);
    }
}

/// Gives every job its key; two jobs with one key are an error.
fn identify(
    drafts: Vec<Draft>,
    matrix: &Matrix,
    stems: &[Stem],
    places: &[usize],
    provider: &Provider,
    report: &mut Report,
) -> Vec<PlannedJob> {
    let mut seen: HashMap<JobKey, [u32; 4]> = HashMap::with_capacity(drafts.len());
    let mut jobs = Vec::with_capacity(drafts.len());
    let mut collisions = 0;
    for draft in drafts {
        let stem = places[draft.stem as usize];
        let recording = match &stems[stem].source {
            StemSource::File(file) => Recording::Content(&file.hash),
            StemSource::Url(url) => Recording::Address(url),
        };
        let key = job_key(
            &provider.profile.name,
            recording,
            &draft.settings,
            draft.take,
        );
        let at = [draft.stem, draft.preset, draft.point, draft.take];
        if let Some(first) = seen.insert(key, at) {
            collisions += 1;
            if collisions <= MAX_COLLISIONS {
                let (one, two) = (job_name(matrix, first), job_name(matrix, at));
                report
                    .error(format!("`{one}` and `{two}` are one and the same request"))
                    .note("the recording and every setting are equal, the title too")
                    .help("give them different titles, remove one, or use `takes` for more of the same");
            }
        }
        jobs.push(PlannedJob {
            key,
            stem,
            preset: matrix.presets[draft.preset as usize].id.clone(),
            sweep: matrix.points[draft.point as usize].sweep.clone(),
            take: draft.take,
            settings: draft.settings,
        });
    }
    if collisions > MAX_COLLISIONS {
        report.last_note(format!(
            "and {} more pairs like this",
            collisions - MAX_COLLISIONS
        ));
    }
    jobs
}
