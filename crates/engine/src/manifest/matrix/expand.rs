//! The axes become jobs: in the manifest's order, every template rendered, every value checked.
//!
//! A template is rendered again only when something that it reads has changed, and a text without a template never.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use backline_api::{Operation, Profile, Setting, SettingValue, Settings};

use super::axes::Matrix;
use super::rules::{Include, Match, Rules};
use crate::manifest::choice::{Choice, Choices, Given};
use crate::manifest::source::report::Report;
use crate::nearest::suggestion;
use crate::settings::DEFAULT_TITLE;
use crate::template::{Engine, Fixed, Variables};

/// Most jobs that all entries of `exclude` and `include` are compared with: some seconds of work.
const MAX_COMPARED: u64 = 200_000_000;

/// A job before its recording is known.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) stem: u32,
    pub(crate) preset: u32,
    pub(crate) point: u32,
    pub(crate) take: u32,
    /// Its title is the one for those who give none.
    pub(crate) default_title: bool,
    pub(crate) settings: Settings,
}

impl Draft {
    /// Its coordinates: stem, preset, point and take.
    pub(crate) fn at(&self) -> [u32; 4] {
        [self.stem, self.preset, self.point, self.take]
    }
}

/// Expands the axes under the rules.
pub(crate) fn expand(
    matrix: &Matrix,
    rules: &Rules,
    fixed: &Fixed,
    engine: &Engine,
    profile: &Profile,
    report: &mut Report,
) -> Vec<Draft> {
    if !can_compare(matrix, rules, report) {
        return Vec::new();
    }
    let dropped = Dropped::new(matrix, rules);
    let back = brought_back(matrix, rules, &dropped, report);
    let mut jobs = Vec::new();
    let mut renderer = Renderer::new(engine, fixed, report);
    'jobs: for stem in 0..matrix.stems.len() {
        renderer
            .variables
            .stem(&matrix.stems[stem].id, &matrix.stems[stem].vars);
        for (preset_at, preset) in matrix.presets.iter().enumerate() {
            let includes: Vec<(&Include, bool)> = rules
                .includes
                .iter()
                .zip(&back)
                .filter(|(rule, _)| rule.jobs.pair(stem, preset_at))
                .map(|(rule, back)| (rule, *back))
                .collect();
            renderer.variables.preset(&preset.id, &preset.vars);
            for (point_at, point) in matrix.points.iter().enumerate() {
                let mut swept: Choices = preset.choices.clone();
                for (dimension, at) in matrix.dimensions.iter().zip(&point.at) {
                    swept[dimension.setting.slot()] = Some(dimension.values[*at].0.clone());
                }
                if !matrix.dimensions.is_empty() {
                    renderer.variables.sweep(&point.sweep);
                }
                for take in 1..=matrix.takes {
                    let dropped = dropped.contains(stem, preset_at, point_at, take);
                    let wanted = |(rule, back): &&(&Include, bool)| {
                        rule.jobs.rest(point, take) && (!dropped || *back)
                    };
                    let changes: Vec<_> = includes.iter().filter(wanted).collect();
                    if dropped && changes.is_empty() {
                        continue;
                    }
                    renderer.variables.take(take);
                    let at = [stem as u32, preset_at as u32, point_at as u32, take];
                    let mut changed;
                    let choices = if changes.is_empty() {
                        &swept
                    } else {
                        changed = swept.clone();
                        for (rule, _) in changes {
                            for (slot, choice) in &rule.set {
                                changed[*slot] = Some(choice.clone());
                            }
                        }
                        &changed
                    };
                    let Some(settings) = renderer.settings(choices, at, matrix) else {
                        continue;
                    };
                    if !renderer
                        .report
                        .grow(bytes_of(&settings), matrix.stems[stem].span)
                    {
                        break 'jobs;
                    }
                    jobs.push(Draft {
                        stem: at[0],
                        preset: at[1],
                        point: at[2],
                        take,
                        default_title: is_default_title(choices),
                        settings,
                    });
                }
            }
        }
    }
    renderer.finish();
    advise(&jobs, matrix, profile, report);
    jobs
}

/// The coordinates of the jobs that `exclude` leaves: stem, preset, point and take. For a manifest with other mistakes, whose settings can't be
/// rendered.
pub(crate) fn places(matrix: &Matrix, rules: &Rules, report: &mut Report) -> Vec<[u32; 4]> {
    if !can_compare(matrix, rules, report) {
        return Vec::new();
    }
    let dropped = Dropped::new(matrix, rules);
    let mut places = Vec::new();
    for stem in 0..matrix.stems.len() {
        for preset in 0..matrix.presets.len() {
            for point in 0..matrix.points.len() {
                let takes =
                    (1..=matrix.takes).filter(|take| !dropped.contains(stem, preset, point, *take));
                places.extend(takes.map(|take| [stem as u32, preset as u32, point as u32, take]));
            }
        }
    }
    places
}

/// Refuses rules whose comparison with the jobs takes too long.
fn can_compare(matrix: &Matrix, rules: &Rules, report: &mut Report) -> bool {
    let includes = rules.includes.iter().map(|include| &include.jobs);
    let compared = rules.excludes.iter().chain(includes);
    let compared = compared.fold(0_u64, |all, rule| all.saturating_add(rule.compared(matrix)));
    if compared > MAX_COMPARED {
        report
            .error(format!(
                "the entries of `exclude` and `include` are compared with {compared} jobs, {MAX_COMPARED} are allowed"
            ))
            .help("name stems and presets in the entries, and put several values into one");
    }
    compared <= MAX_COMPARED
}

/// About how many bytes a job of a plan takes.
fn bytes_of(settings: &Settings) -> usize {
    /// Without its texts.
    const JOB: usize = 512;
    let texts = settings.iter().filter_map(|(_, value)| value.as_text());
    JOB + texts.map(str::len).sum::<usize>()
}

/// Whether the title is the one for those who give none, be it written or not.
fn is_default_title(choices: &Choices) -> bool {
    let title = choices[Setting::TITLE.slot()].as_deref();
    title.is_some_and(
        |choice| matches!(&choice.given, Given::Template(it) if *it.written == *DEFAULT_TITLE),
    )
}

/// Which jobs `exclude` drops.
struct Dropped<'m> {
    matrix: &'m Matrix,
    jobs: Vec<bool>,
}

impl<'m> Dropped<'m> {
    fn new(matrix: &'m Matrix, rules: &Rules) -> Self {
        let mut dropped = Self {
            matrix,
            jobs: Vec::new(),
        };
        if rules.excludes.is_empty() {
            return dropped;
        }
        for stem in 0..matrix.stems.len() {
            for preset in 0..matrix.presets.len() {
                let excludes = rules.excludes.iter().filter(|rule| rule.pair(stem, preset));
                let excludes: Vec<&Match> = excludes.collect();
                for point in &matrix.points {
                    let drops = |take: u32| excludes.iter().any(|rule| rule.rest(point, take));
                    dropped.jobs.extend((1..=matrix.takes).map(drops));
                }
            }
        }
        dropped
    }

    fn contains(&self, stem: usize, preset: usize, point: usize, take: u32) -> bool {
        let pair = stem * self.matrix.presets.len() + preset;
        let at = (pair * self.matrix.points.len() + point) * self.matrix.takes as usize;
        self.jobs.get(at + take as usize - 1).is_some_and(|it| *it)
    }
}

/// For each `include`, whether it restores excluded jobs: it does when it names a stem and a preset and finds no job left.
fn brought_back(
    matrix: &Matrix,
    rules: &Rules,
    dropped: &Dropped<'_>,
    report: &mut Report,
) -> Vec<bool> {
    let mut back = Vec::with_capacity(rules.includes.len());
    for include in &rules.includes {
        let mut finds = false;
        'search: for stem in 0..matrix.stems.len() {
            for preset in 0..matrix.presets.len() {
                if !include.jobs.pair(stem, preset) {
                    continue;
                }
                for (at, point) in matrix.points.iter().enumerate() {
                    for take in 1..=matrix.takes {
                        if include.jobs.rest(point, take)
                            && !dropped.contains(stem, preset, at, take)
                        {
                            finds = true;
                            break 'search;
                        }
                    }
                }
            }
        }
        if !finds && !include.adds {
            report
                .error_at(
                    include.span,
                    "this entry of `include` matches no job",
                    "all that it names is excluded",
                )
                .help("name a stem and a preset to restore an excluded job");
        }
        back.push(!finds && include.adds);
    }
    back
}

/// One rendered value, and what it was rendered for.
struct Last {
    choice: *const Choice,
    at: [u32; 4],
    value: Option<SettingValue>,
}

struct Renderer<'r> {
    engine: &'r Engine,
    report: &'r mut Report,
    variables: Variables,
    last: [Option<Last>; Setting::COUNT],
    failures: HashMap<*const Choice, (usize, usize)>,
    text: String,
}

impl<'r> Renderer<'r> {
    fn new(engine: &'r Engine, fixed: &Fixed, report: &'r mut Report) -> Self {
        let mut variables = Variables::new(fixed);
        variables.sweep(&indexmap::IndexMap::new());
        Self {
            engine,
            report,
            variables,
            last: Default::default(),
            failures: HashMap::new(),
            text: String::new(),
        }
    }

    fn settings(&mut self, choices: &Choices, at: [u32; 4], matrix: &Matrix) -> Option<Settings> {
        let mut values = Vec::with_capacity(Setting::COUNT);
        let mut good = true;
        for (setting, choice) in Setting::all().zip(choices) {
            let Some(choice) = choice else { continue };
            match self.value(setting, choice, at, matrix) {
                Some(value) => values.extend(value.map(|value| (setting, value))),
                None => good = false,
            }
        }
        good.then(|| values.into_iter().collect())
    }

    /// A setting's value, or none where it has a problem, which is reported.
    fn value(
        &mut self,
        setting: Setting,
        choice: &Arc<Choice>,
        at: [u32; 4],
        matrix: &Matrix,
    ) -> Option<Option<SettingValue>> {
        let template = match &choice.given {
            Given::Fixed(value) => return Some(value.clone()),
            Given::Template(template) => template,
        };
        let reads = template.reads;
        let read = [reads.stem, reads.preset, reads.sweep, reads.take];
        let at_read = std::array::from_fn(|axis| if read[axis] { at[axis] } else { u32::MAX });
        let slot = setting.slot();
        if let Some(last) = &self.last[slot]
            && std::ptr::eq(last.choice, Arc::as_ptr(choice))
            && last.at == at_read
        {
            return Some(last.value.clone());
        }
        self.text.clear();
        let rendered = self
            .engine
            .render(template, &self.variables.context, &mut self.text);
        let problem = match rendered {
            Ok(()) => match setting.parse(&self.text) {
                Ok(value) => {
                    let value = Some(value);
                    self.last[slot] = Some(Last {
                        choice: Arc::as_ptr(choice),
                        at: at_read,
                        value: value.clone(),
                    });
                    return Some(value);
                }
                Err(problem) => format!("`{}` {problem}", setting.name),
            },
            Err(problem) => problem.message,
        };
        self.fail(choice, &problem, &job_name(matrix, at), setting);
        None
    }

    /// Reports a template's first failure; later ones are counted.
    fn fail(&mut self, choice: &Arc<Choice>, problem: &str, job: &str, setting: Setting) {
        if let Some((count, _)) = self.failures.get_mut(&Arc::as_ptr(choice)) {
            *count += 1;
            return;
        }
        self.failures
            .insert(Arc::as_ptr(choice), (0, self.failures.len()));
        let made = (!self.text.is_empty()).then(|| format!("the template makes: {}", self.text));
        let missing = problem.ends_with("is not set");
        let diagnostic = self.report.error_at(
            choice.span,
            format!("job `{job}`: {problem}"),
            "made by this template",
        );
        if missing {
            diagnostic.help("give it a value where it is missing, or write `{{default … 'text'}}`");
        } else if setting == Setting::TITLE {
            diagnostic.help("shorten the template, or give these jobs a title of their own");
        }
        if let Some(made) = made {
            diagnostic.note(made);
        }
    }

    fn finish(self) {
        let more: usize = self.failures.values().map(|(count, _)| count).sum();
        if more > 0 {
            self.report.last_note(format!(
                "templates fail in the same way for {more} more job(s)"
            ));
        }
    }
}

/// The name by which a person knows a job.
pub(crate) fn job_name(matrix: &Matrix, [stem, preset, point, take]: [u32; 4]) -> String {
    let point = &matrix.points[point as usize];
    let mut name = format!(
        "{} / {}",
        matrix.stems[stem as usize].id, matrix.presets[preset as usize].id
    );
    for (setting, value) in point.sweep.iter() {
        name.push_str(&format!(" / {setting}={value}"));
    }
    if matrix.takes > 1 {
        name.push_str(&format!(" / take {take}"));
    }
    name
}

/// Warns of what is sent as it is and that a vendor may refuse.
fn advise(jobs: &[Draft], matrix: &Matrix, profile: &Profile, report: &mut Report) {
    let span = |draft: &Draft, setting: Setting| {
        let choice = matrix.presets[draft.preset as usize].choices[setting.slot()].as_ref();
        choice.map(|choice| choice.span)
    };
    let mut models = HashSet::new();
    for draft in jobs {
        let model = draft.settings.text(Setting::MODEL);
        if !profile.knows_model(model)
            && models.insert(model)
            && let Some(span) = span(draft, Setting::MODEL)
        {
            report
                .warning_at(
                    span,
                    format!(
                        "`{}` has no model `{model}` that is known here",
                        profile.name
                    ),
                    "sent as it is",
                )
                .maybe_help(suggestion(model, profile.models.iter().map(String::as_str)));
        }
    }
    let Operation {
        advised_chars,
        undocumented,
        ..
    } = &profile.operation;
    for (setting, limit) in advised_chars {
        let (setting, limit) = (*setting, *limit);
        let length = |draft: &&Draft| {
            let text = draft.settings.text(setting);
            text.len() > limit && text.chars().count() > limit
        };
        let count = jobs.iter().filter(length).count();
        if let Some(first) = jobs.iter().find(length)
            && let Some(span) = span(first, setting)
        {
            let name = job_name(matrix, [first.stem, first.preset, first.point, first.take]);
            report
                .warning_at(
                    span,
                    format!(
                        "`{}` is longer than {limit} characters in {count} job(s)",
                        setting.name
                    ),
                    "some providers refuse it",
                )
                .note(format!("the first is `{name}`"));
        }
    }
    for setting in undocumented {
        let first = jobs.iter().find(|it| it.settings.get(*setting).is_some());
        if let Some(span) = first.and_then(|draft| span(draft, *setting)) {
            report.warning_at(
                span,
                format!(
                    "the documents of `{}` know no `{}`",
                    profile.name, setting.name
                ),
                "sent as it is, and perhaps ignored",
            );
        }
    }
}
