//! The recordings behind the stems that jobs use: opened, checked, and given their jobs' keys.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;

use super::axes::Matrix;
use super::expand::{Draft, job_name};
use crate::duration::duration_text;
use crate::manifest::source::files::Span;
use crate::manifest::source::report::Report;
use crate::manifest::stems::recordings::{self, DecodingWork, RecordingProblem};
use crate::manifest::stems::stem::{RecordingSource, StemDecl};
use crate::plan::{PlannedJob, Provider, Stem, StemFile, StemSource};
use crate::settings::{JobIdentity, JobKey, TitleIdentity, job_key};

/// A recording shorter than this gives limited results, by the vendors' documents.
const SHORT_STEM_S: f64 = 10.0;

/// The recordings of the stems that jobs use.
pub(crate) struct Recordings {
    pub(crate) stems: Vec<Stem>,
    /// Each stem's index in the plan, in the order of the manifest.
    pub(crate) places: Vec<usize>,
    pub(crate) work: DecodingWork,
}

/// Opens the stems that are used. `span` is where a manifest with more sound than `max_sound` is marked.
pub(crate) fn examine(
    matrix: &Matrix,
    jobs: &[Draft],
    max_sound: Duration,
    span: Span,
    report: &mut Report,
) -> Recordings {
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
        if let RecordingSource::File(path) = &stem.source {
            files.insert(path, ());
        }
    }
    let paths: Vec<&Path> = files.keys().copied().collect();
    let examined = recordings::examine(&paths, max_sound);
    if examined.is_over_bound {
        refuse_too_much_sound(max_sound, &examined.work, paths.len(), span, report);
    }
    let found: HashMap<&Path, Result<StemFile, Arc<RecordingProblem>>> =
        paths.iter().copied().zip(examined.files).collect();
    let mut stems = Vec::with_capacity(used.len());
    let mut contents: HashMap<[u8; 32], &StemDecl> = HashMap::new();
    for stem in &used {
        let source = match &stem.source {
            RecordingSource::Url(url) => StemSource::Url(url.clone()),
            RecordingSource::File(path) => match &found[path.as_path()] {
                Ok(file) => {
                    warn_of_file(stem, file, contents.insert(file.hash, stem), report);
                    StemSource::File(file.clone())
                }
                Err(reason) if matches!(**reason, RecordingProblem::OverBound) => continue,
                Err(reason) => {
                    refuse_file(stem, path, reason, report);
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
    Recordings {
        stems,
        places,
        work: examined.work,
    }
}

/// Opens the files of a manifest that is wrong elsewhere, for what is wrong with them. A missing one was reported.
pub(crate) fn examine_files(stems: &[StemDecl], max_sound: Duration, report: &mut Report) {
    let files = stems.iter().filter_map(|stem| match &stem.source {
        RecordingSource::File(path) if path.is_file() => Some((stem, path.as_path())),
        _ => None,
    });
    let (stems, paths): (Vec<&StemDecl>, Vec<&Path>) = files.unzip();
    let examined = recordings::examine(&paths, max_sound);
    for ((stem, path), file) in stems.into_iter().zip(paths).zip(examined.files) {
        if let Err(reason) = file
            && !matches!(*reason, RecordingProblem::OverBound)
        {
            refuse_file(stem, path, &reason, report);
        }
    }
}

fn refuse_file(stem: &StemDecl, path: &Path, reason: &RecordingProblem, report: &mut Report) {
    let shown = report.sources.shown(path);
    report
        .error_at(
            stem.span,
            format!("can't use the stem `{}`: {reason}", stem.id),
            "named here",
        )
        .note(format!("the file is `{shown}`"));
}

fn refuse_too_much_sound(
    max_sound: Duration,
    work: &DecodingWork,
    named: usize,
    span: Span,
    report: &mut Report,
) {
    let max_ms = u64::try_from(max_sound.as_millis()).unwrap_or(u64::MAX);
    let most = duration_text(max_ms);
    report
        .error_at(
            span,
            format!("the recordings of this manifest have more sound together than {most}, the limit"),
            "named here",
        )
        .note(format!(
            "the limit counts hours in stereo at 48 kHz; it was passed after {} of {named} recordings",
            work.decoded,
        ))
        .help("select stems with `--filter`, split the manifest, or allow more with `--max-sound`");
}

pub(crate) fn warn_of_file(
    stem: &StemDecl,
    file: &StemFile,
    twin: Option<&StemDecl>,
    report: &mut Report,
) {
    if file.duration_s < SHORT_STEM_S {
        let message = format!("the stem `{}` is {:.1} s long", stem.id, file.duration_s);
        report.warning_at(stem.span, message, "results are limited below 10 s");
    }
    if file.silent {
        let message = format!("there is nothing to hear in the stem `{}`", stem.id);
        report
            .warning_at(stem.span, message, "its loudest sample is below -60 dBFS")
            .help("check that it is the right export; a run buys it in any case");
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
pub(crate) fn identify(
    drafts: Vec<Draft>,
    matrix: &Matrix,
    stems: &[Stem],
    places: &[usize],
    provider: &Provider,
    report: &mut Report,
) -> Vec<PlannedJob> {
    let identity = provider.identity();
    let mut seen: HashMap<JobKey, [u32; 4]> = HashMap::with_capacity(drafts.len());
    let mut equals: HashMap<JobKey, u32> = HashMap::new();
    let mut jobs = Vec::with_capacity(drafts.len());
    for draft in drafts {
        let stem = places[draft.stem as usize];
        let mut request = JobIdentity {
            operation: provider.profile.operation.name,
            profile: &identity,
            recording: stems[stem].source.recording(),
            settings: &draft.settings,
            title: TitleIdentity::Chosen,
            take: draft.take,
        };
        if draft.default_title {
            request.title = TitleIdentity::Default { nth: 1 };
            // Jobs that differ only in their names differ in their number.
            let equals = equals.entry(job_key(&request)).or_insert(0_u32);
            *equals += 1;
            request.title = TitleIdentity::Default { nth: *equals };
        }
        let (key, title) = (job_key(&request), request.title);
        let at = [draft.stem, draft.preset, draft.point, draft.take];
        if let Some(first) = seen.insert(key, at) {
            let (one, two) = (job_name(matrix, first), job_name(matrix, at));
            report
                .error(format!("`{one}` and `{two}` are one and the same request"))
                .note("the recording and every setting are equal, the title too")
                .help(
                    "give them different titles, remove one, or use `takes` for more of the same",
                );
        }
        jobs.push(PlannedJob {
            key,
            stem,
            preset: matrix.presets[draft.preset as usize].id.clone(),
            sweep: matrix.points[draft.point as usize].sweep.clone(),
            take: draft.take,
            title,
            settings: draft.settings,
            refusal: None,
            step: None,
            selected: true,
        });
    }
    jobs
}
