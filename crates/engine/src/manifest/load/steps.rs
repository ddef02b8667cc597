//! The steps of a manifest: read for each preset, and put behind the songs.

use std::collections::HashSet;
use std::sync::Arc;

use backline_api::Profile;
use indexmap::{IndexMap, IndexSet};

use super::LoadOptions;
use crate::manifest::layer::import::Layer;
use crate::manifest::matrix::axes::Matrix;
use crate::manifest::source::files::Span;
use crate::manifest::source::node::Node;
use crate::manifest::source::report::Report;
use crate::manifest::steps::insert::{Placed, Starred, StepsOfPresets, insert};
use crate::manifest::steps::read::{StepDecl, read};
use crate::plan::Plan;

/// What lists of steps are read with.
pub(super) struct Reading<'a> {
    pub(super) profile: &'a Profile,
    pub(super) matrix: &'a Matrix,
    /// The axes of which not everything is known.
    pub(super) partial: &'a [&'a str],
}

impl Reading<'_> {
    /// Reads the steps of each preset that makes jobs: its own, as `thens` has them for all presets, or those of the manifest.
    pub(super) fn of_presets(
        &self,
        shared: Option<&Node>,
        layer: &Layer,
        thens: Vec<Option<Arc<Node>>>,
        report: &mut Report,
    ) -> StepsOfPresets {
        let of = |node: &Node, report: &mut Report| -> Arc<[StepDecl]> {
            read(node, self.profile, self.matrix, self.partial, report).into()
        };
        let shared = match shared {
            Some(node) => of(node, report),
            None => Arc::new([]),
        };
        let concrete = layer.presets.values().zip(thens);
        let concrete = concrete.filter(|(preset, _)| !preset.is_abstract);
        // A list that several presets inherit is read once: its mistakes are one.
        let mut known: Vec<(Span, Arc<[StepDecl]>)> = Vec::new();
        let mut steps = StepsOfPresets::new();
        for (_, then) in concrete {
            let Some(node) = then else {
                steps.push(shared.clone());
                continue;
            };
            let own = match known.iter().find(|(span, _)| *span == node.span) {
                Some((_, own)) => own.clone(),
                None => {
                    let own = of(&node, report);
                    known.push((node.span, own.clone()));
                    own
                }
            };
            steps.push(own);
        }
        steps
    }
}

/// What the jobs of a manifest buy, for `--filter`: each word once.
pub(super) fn operation_names(profile: &Profile, steps: &StepsOfPresets) -> Vec<String> {
    let all = steps.iter().flat_map(|steps| steps.iter());
    let words = all.flat_map(|step| [step.operation, &step.name]);
    let words = std::iter::once(profile.operation.name).chain(words);
    let words: IndexSet<&str> = words.collect();
    words.into_iter().map(str::to_owned).collect()
}

/// Puts the steps behind their songs. Returns the coordinates of all jobs; nothing where there are too many, or where it can't be known
/// which tracks are starred.
pub(super) fn with_steps(
    plan: &mut Plan,
    at: Vec<[u32; 4]>,
    matrix: &Matrix,
    steps: &StepsOfPresets,
    options: &LoadOptions<'_>,
    span: Span,
    report: &mut Report,
) -> Option<Vec<[u32; 4]>> {
    let mut all = steps.iter().flat_map(|steps| steps.iter());
    let starred = match all.any(|step| step.starred) {
        true => (options.starred)(plan)?,
        false => Starred::new(),
    };
    let tracks = plan.provider.profile.operation.tracks;
    let most = steps.iter().map(|steps| steps.len()).max().unwrap_or(0);
    let total = (plan.jobs.len() as u64).saturating_mul(1 + u64::from(tracks) * most as u64);
    if total > options.max_jobs {
        report
            .error_at(
                span,
                format!(
                    "with their steps the songs make up to {total} jobs; at most {} are allowed",
                    options.max_jobs
                ),
                "multiplied here",
            )
            .help("split the manifest, or allow more with `--max-jobs`");
        return None;
    }
    let songs = std::mem::take(&mut plan.jobs).into_iter().zip(at);
    let placed: Vec<Placed> = insert(songs.collect(), matrix, steps, tracks, &starred);
    warn_of_unused(&placed, steps, report);
    let (jobs, at) = placed.into_iter().unzip();
    plan.jobs = jobs;
    Some(at)
}

/// Reports steps that are for no job of the plan.
fn warn_of_unused(placed: &[Placed], steps: &StepsOfPresets, report: &mut Report) {
    let mut used: HashSet<(u32, &str)> = HashSet::new();
    for (job, at) in placed {
        used.extend(job.step.as_ref().map(|step| (at[1], &*step.name)));
    }
    let songs: HashSet<u32> = placed.iter().map(|(_, at)| at[1]).collect();
    // A list that presets share is used where one of them uses it.
    let mut unused: IndexMap<Span, &StepDecl> = IndexMap::new();
    let mut are_used: HashSet<Span> = HashSet::new();
    for (preset, declared) in (0..).zip(steps) {
        for step in declared.iter().filter(|_| songs.contains(&preset)) {
            match used.contains(&(preset, &*step.name)) {
                true => drop(are_used.insert(step.span)),
                false => drop(unused.insert(step.span, step)),
            }
        }
    }
    for (span, step) in unused {
        if are_used.contains(&span) {
            continue;
        }
        let (message, label) = match step.starred {
            true => (
                "no track has a star",
                "`backline report --ratings TABLE` reads stars",
            ),
            false => ("no song is selected", "nothing is bought for it"),
        };
        report.warning_at(
            span,
            format!("the step `{}` does nothing: {message}", step.name),
            label,
        );
    }
}
