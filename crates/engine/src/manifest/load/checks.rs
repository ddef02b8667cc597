//! Checks of the whole: missing files, too many jobs, variables that nothing reads, presets that say the same.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use backline_api::Setting;

use crate::manifest::choice::Given;
use crate::manifest::layer::import::Layer;
use crate::manifest::matrix::axes::{Dimension, Matrix};
use crate::manifest::matrix::compile::Compiler;
use crate::manifest::source::fields::Fields;
use crate::manifest::source::report::Report;
use crate::manifest::stems::stem::{RecordingSource, StemDecl};
use crate::nearest::nearest;

pub(crate) fn refuse_missing_files(stems: &[StemDecl], report: &mut Report) {
    for stem in stems {
        let RecordingSource::File(path) = &stem.source else {
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
        // Messages do not show names outside the project.
        let folder = path.parent().map(|folder| report.sources.inside(folder));
        let folder = folder.and_then(Result::ok);
        let row = stem
            .row
            .map_or_else(String::new, |row| format!("row {row}, column `file`: "));
        report
            .error_at(
                stem.span,
                format!("{row}can't use the stem `{}`: {problem}", stem.id),
                "named here",
            )
            .note(format!("the path is `{shown}`"))
            .help_with(|| {
                near_file(path, folder.as_deref()?).map(|near| format!("did you mean `{near}`?"))
            });
    }
}

/// A file of the same folder with nearly the same name.
fn near_file(path: &Path, folder: &Path) -> Option<String> {
    let wanted = path.file_name()?.to_string_lossy().into_owned();
    let names: Vec<String> = std::fs::read_dir(folder)
        .ok()?
        .flatten()
        .take(2_000)
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    let mut sorted = names.iter().map(String::as_str).collect::<Vec<_>>();
    sorted.sort_unstable();
    nearest(&wanted, sorted).map(str::to_owned)
}

/// Refuses more jobs than are allowed, and says how they come about.
pub(crate) fn count(
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

pub(crate) fn warn_of_unused(layer: &Layer, compiler: &Compiler<'_>, report: &mut Report) {
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
pub(crate) fn warn_of_twins(layer: &Layer, matrix: &Matrix, report: &mut Report) {
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
            .filter(|(slot, _)| *slot != Setting::TITLE.slot());
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
                        "the presets `{}` and `{}` make the same music",
                        ids[0], ids[1]
                    ),
                    "and this one",
                )
                .also(place)
                .help("for more of the same use `takes`");
        }
    }
}
