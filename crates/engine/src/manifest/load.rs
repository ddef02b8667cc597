//! From a manifest's file to a [`Plan`], or to everything that is wrong with it.
//!
//! ```text
//!  files ─yaml─► nodes ─sections─► stems, presets, sweep, rules ─count─► expand ─select─► examine stems ─keys─► Plan
//!                   └──────────────── all that is wrong ────────────────────┴──────────────────┴────► Diagnostics
//! ```
//!
//! Reading goes on after an error as long as what follows still makes sense, so one pass finds nearly everything.

mod checks;
mod names;
mod options;
mod project;
mod steps;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashSet};
use std::path::Path;

use backline_api::RateLimit;
use handlebars::no_escape;

use self::checks::{count, refuse_missing_files, warn_of_twins, warn_of_unused};
use self::names::{job_scope, keep_secrets, key_variables, read_names};
use self::project::{find_project, refuse_foreign};
use self::steps::{Reading, operation_names, with_steps};
use super::layer::open::{KEYS, LEDGER};
use super::layer::{extends, import, open};
use super::matrix::axes::Matrix;
use super::matrix::compile::Compiler;
use super::matrix::examine::{Recordings, examine, examine_files, identify};
use super::matrix::rules::Rules;
use super::matrix::{axes, expand, rules};
use super::output::{ReadOutput, check_names, read_output};
use super::provider::{secret, table};
use super::source::diagnostic::Diagnostics;
use super::source::fields::{Fields, Text};
use super::source::files::Sources;
use super::source::node::Value;
use super::source::report::Report;
use super::stems::entries;
use super::steps::insert::StepsOfPresets;
use super::template::fixed::render_fixed;
use super::template::scope::{FIXED_ROOTS, Scope};
use super::{hooks, limits};
use crate::hooks::Hooks;
use crate::plan::{Plan, Purchases, one_name};
use crate::status::Sign;
use crate::template::Engine;
use crate::template::Variables;

pub use super::stems::recordings::DecodingWork;
pub use options::{DEFAULT_MAX_JOBS, DEFAULT_MAX_SOUND, LoadOptions};
pub use project::{project_ledger, read_beside};

/// The keys of a project file.
pub(crate) const PROJECT_KEYS: &[&str] = &["version", "provider", "limits", LEDGER];

/// A manifest that is valid.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What it means.
    pub plan: Plan,
    /// Warnings.
    pub warnings: Diagnostics,
    /// The work that its recordings took.
    pub work: DecodingWork,
}

/// Reads a manifest, all that it names, and says what it means.
///
/// # Errors
/// Everything that is wrong with it, each with its position.
pub fn load(path: &Path, options: &LoadOptions<'_>) -> Result<Loaded, Diagnostics> {
    let mut report = Report::new(Sources::new(options.shown_from.clone()));
    report.allow_jobs(options.max_jobs);
    let plan = Loader {
        options,
        report: &mut report,
    }
    .load(path);
    let warnings = report.finish()?;
    // Without an error there is a plan; if that were ever untrue, saying so beats a wrong plan.
    plan.map(|(plan, work)| Loaded {
        plan,
        warnings,
        work,
    })
    .ok_or_else(Diagnostics::default)
}

struct Loader<'a, 'o> {
    options: &'a LoadOptions<'o>,
    report: &'a mut Report,
}

impl Loader<'_, '_> {
    fn load(self, path: &Path) -> Option<(Plan, DecodingWork)> {
        let Self { options, report } = self;
        let folder = path
            .parent()
            .filter(|it| !it.as_os_str().is_empty())
            .unwrap_or(Path::new("."))
            .to_owned();
        let (project_dir, project_file) = match find_project(path, &folder) {
            Ok(found) => found,
            Err(file) => {
                refuse_foreign(&file, report);
                return None;
            }
        };
        if !options.allow_outside {
            report.sources.confine_to(&project_dir);
        }
        let mut keys: Vec<String> = secret::KEY_VARIABLES.map(str::to_owned).to_vec();
        keep_secrets(&keys, options, report);
        let node = match &options.text {
            Some(text) => open::parse(path, text.clone(), report)?,
            None => open::open(path, None, report)?,
        };
        let project = project_file.and_then(|file| open::open(&file, None, report));
        key_variables(&node, &mut keys);
        project
            .iter()
            .for_each(|node| key_variables(node, &mut keys));
        keep_secrets(&keys, options, report);
        let fields = Fields::read_top(&node, "the manifest", KEYS, report)?;
        open::read_version(&fields, true, report);
        let project = project.as_ref().and_then(|node| {
            let fields = Fields::read_top(node, "the project file", PROJECT_KEYS, report)?;
            open::read_version(&fields, false, report);
            Some(fields)
        });
        let ledger = project
            .as_ref()
            .and_then(|project| project.text(LEDGER, report))
            .map(|ledger| ledger.text);
        let layer = import::read(&fields, path, report);
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
            Some(node) => table::read(node, &folder, &render, report),
            None => Some(table::embedded()),
        };
        let provider_read = provider.is_some();
        let mut provider = provider.unwrap_or_else(table::embedded);
        let limits = match given("limits") {
            Some(node) if provider_read => limits::read_limits(node, &provider.profile, report),
            // What an unknown provider allows is unknown; what is no limit at all is wrong with any.
            Some(node) => limits::read_limits(node, &table::without_bounds(), report),
            None => limits::default_limits(&provider.profile),
        };
        let partition = options.selection.partition;
        let limits = partition.map_or(limits, |part| part.share(limits, report));
        if provider.profile.loopback {
            // A studio on this machine is paced as the manifest says.
            provider.profile.rate = RateLimit {
                count: limits.rate.count,
                window_ms: limits.rate.window_ms,
            };
        }
        let polls_only = fields.get("callbacks").is_some_and(limits::are_off);
        let callbacks = fields
            .get("callbacks")
            .filter(|_| !polls_only)
            .and_then(|node| limits::read_callbacks(node, &render, report));
        let reading = hooks::ReadContext {
            folder: &folder,
            key_env: &provider.api_key_env,
            fixed: &render,
        };
        let mut hooks = match fields.get("on") {
            Some(node) => hooks::read(node, &reading, report),
            None => Hooks::default(),
        };
        let retries = limits::read_retries(fields.get("retries"), report);
        let reports = limits::read_reports(fields.get("reports"), report);
        let recovers = match fields.get("recover") {
            Some(node) => limits::read_recover(node, provider_read.then_some(&provider), report),
            None => false,
        };

        let (stems, stems_are_partial) = match fields.get("stems") {
            Some(node) => entries::read(node, &folder, options.max_jobs, &render, report),
            None if !fields.lacks("stems") => (Vec::new(), true),
            None => {
                report
                    .error_at(
                        fields.span,
                        "the manifest has no `stems`",
                        "expected it among these keys",
                    )
                    .help("add the recordings: `stems: [vocals/verse.flac]`");
                (Vec::new(), true)
            }
        };
        if fields
            .get("stems")
            .is_some_and(|node| matches!(&node.value, Value::List(items) if items.is_empty()))
        {
            report.error_at(fields.span, "`stems` is empty", "nothing to accompany");
        }
        refuse_missing_files(&stems, report);

        let inherited = extends::inherit(&layer, report);
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
        if layer.concrete() == 0 && !layer.presets.is_empty() && !layer.is_partial {
            report
                .error_at(
                    fields.span,
                    "every preset is abstract, so there is no job",
                    "expected one that is not",
                )
                .help("remove `abstract: true` from a preset, or the dot its name begins with");
        }
        let before = report.errors();
        let raw_sweep = axes::read_sweep(fields.get("sweep"), report);
        let mut scope = job_scope(&names.scope, &stems, &inherited, &raw_sweep);
        for (root, is_partial) in [
            ("stem", stems_are_partial),
            ("preset", layer.is_partial),
            ("preset.vars", inherited.iter().any(|it| it.is_partial)),
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
        let thens: Vec<_> = inherited.iter().map(|it| it.then.clone()).collect();
        let presets = compiler.presets(&layer, inherited, &provider, report);
        let dimensions = compiler.sweep(raw_sweep, report);
        let takes = axes::read_takes(fields.get("takes"), report);

        // A count that is far too large must not be expanded, not even into points.
        if !count(
            &stems,
            layer.concrete(),
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
        let mut matrix = Matrix {
            points: Matrix::points(&dimensions),
            stems,
            presets,
            dimensions,
            takes,
            operations: Vec::new(),
        };
        let complete = matrix.presets.len() == layer.concrete();
        let before = report.errors();
        let rules = if complete {
            rules::read_rules(
                &fields,
                &matrix,
                &scope.partial,
                &mut |raw, report| compiler.raw(raw, report),
                report,
            )
        } else {
            Rules::default()
        };
        let mut steps = StepsOfPresets::new();
        if complete {
            let read = Reading {
                profile: &provider.profile,
                matrix: &matrix,
                partial: &scope.partial,
            };
            steps = read.of_presets(fields.get("then"), &layer, thens, report);
            matrix.operations = operation_names(&provider.profile, &steps);
        }
        // Twins of one id have been reported as such.
        let ids: HashSet<String> = matrix.stems.iter().map(|it| one_name(&it.id)).collect();
        let places_are_known = complete
            && report.errors() == before
            && scope.partial.is_empty()
            && ids.len() == matrix.stems.len();
        let output = read_output(&fields, &folder, &matrix, &mut compiler, &render, report);
        warn_of_unused(&layer, &compiler, report);
        warn_of_twins(&layer, &matrix, report);
        if report.errors() > 0 {
            if let (true, Some(read)) = (places_are_known, &output) {
                let places = expand::places(&matrix, &rules, report);
                check_names(&places, &matrix, &read.output, read.file_span, report);
            }
            examine_files(&matrix.stems, options.max_sound, report);
            return None;
        }

        let mut jobs = expand::expand(
            &matrix,
            &rules,
            &names.fixed,
            &engine,
            &provider.profile,
            report,
        );
        if jobs.is_empty() && report.errors() == 0 {
            report
                .error("the manifest has no jobs: `exclude` drops every one")
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
            let places: Vec<[u32; 4]> = jobs.iter().map(expand::Draft::at).collect();
            check_names(&places, &matrix, &output, file_span, report);
        }
        let selector = options.selection.resolve(&matrix, report);
        if report.errors() > 0 {
            examine_files(&matrix.stems, options.max_sound, report);
            return None;
        }
        selector.by_manifest(&mut jobs, expand::Draft::at);
        if jobs.is_empty() {
            refuse_selection(report);
            return None;
        }
        let span = fields.entry("stems").map_or(fields.span, |it| it.key_span);
        let Recordings {
            stems,
            places,
            work,
        } = examine(&matrix, &jobs, options.max_sound, span, report);
        if report.errors() > 0 {
            return None;
        }
        let at: Vec<[u32; 4]> = jobs.iter().map(expand::Draft::at).collect();
        let songs = identify(jobs, &matrix, &stems, &places, &provider, report);
        let mut plan = Plan {
            name: names.fixed.name,
            manifest: path.to_owned(),
            project_dir,
            ledger,
            provider,
            limits,
            retries,
            hooks,
            callbacks,
            polls_only,
            output,
            recovers,
            purchases: Purchases::default(),
            reports,
            stems,
            jobs: songs,
        };
        if report.errors() > 0 {
            return None;
        }
        let at = match steps.iter().any(|steps| !steps.is_empty()) {
            false => at,
            true => with_steps(&mut plan, at, &matrix, &steps, options, span, report)?,
        };
        if selector.needs_plan() {
            let states = match selector.needs_states() {
                true => Some((options.states)(&plan)?),
                false => None,
            };
            let jobs = std::mem::take(&mut plan.jobs).into_iter().zip(at);
            plan.jobs = selector.by_plan(jobs.collect(), states.as_deref());
            drop_unused_stems(&mut plan);
            if plan.jobs.is_empty() {
                match states {
                    Some(states) => refuse_states(&states, report),
                    None => refuse_selection(report),
                }
            }
        }
        if let Some(partition) = partition {
            partition.retain(&mut plan.jobs);
            drop_unused_stems(&mut plan);
        }
        Some((plan, work))
    }
}

fn refuse_selection(report: &mut Report) {
    report
        .refuse("no job passes all of the filters")
        .help("each filter is met by some job, but none by all together");
}

/// The same where the jobs' states are among the filters: the states that there are lead on.
fn refuse_states(states: &[Sign], report: &mut Report) {
    let counts = Sign::ALL.into_iter().filter_map(|sign| {
        let number = states.iter().filter(|it| **it == sign).count();
        (number > 0).then(|| format!("{number} {}", sign.meaning()))
    });
    let counts: Vec<String> = counts.collect();
    report
        .refuse("no job passes all of the filters")
        .help(format!("the states of the jobs are: {}", counts.join(", ")));
}

/// Removes the stems that no job uses.
fn drop_unused_stems(plan: &mut Plan) {
    let mut places = vec![None; plan.stems.len()];
    for job in &plan.jobs {
        places[job.stem] = Some(0);
    }
    for (next, place) in places.iter_mut().flatten().enumerate() {
        *place = next;
    }
    let mut used = places.iter().map(Option::is_some);
    plan.stems.retain(|_| used.next().unwrap_or(false));
    for job in &mut plan.jobs {
        job.stem = places[job.stem].unwrap_or(0);
    }
}
