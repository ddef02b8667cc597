//! The figures that the closing, the status, the page and Markdown share: jobs by state, tracks, credits, and the work of this
//! run.

use backline_engine::summary::{Summary, ThisRun, Totals};

use crate::printable::clean;
use crate::steps::tracks_and_artefacts;
use crate::text::{common_folder, count, figure};

/// `24 jobs: 18 kept, 3 failed, 3 in doubt`.
pub(crate) fn counts(totals: &Totals) -> String {
    let states = [
        (totals.kept, "kept"),
        (totals.in_progress, "in progress"),
        (totals.to_fetch, "to fetch"),
        (totals.planned, "not bought"),
        (totals.failed, "failed"),
        (totals.partial, "partial"),
        (totals.vetoed, "vetoed"),
        (totals.in_doubt, "in doubt"),
    ];
    let present: Vec<String> = states
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, word)| format!("{number} {word}"))
        .collect();
    let colon = if present.is_empty() { "" } else { ": " };
    format!("{}{colon}{}", count(totals.jobs, "job"), present.join(", "))
}

/// `2 of 252 jobs submitted, 4 tracks downloaded`, with the selection in front if there was one. If steps made files, it counts
/// downloaded files, because a run counts tracks and artefacts together.
pub(crate) fn this_run(this_run: &ThisRun, totals: &Totals) -> String {
    let ThisRun {
        selection,
        totals: selected,
        submitted,
        downloaded,
        ..
    } = this_run;
    let of = count(totals.jobs, "job");
    let jobs = match selection {
        Some(options) => format!(
            "{} of {of} selected by {}, {submitted} submitted",
            selected.jobs,
            clean(options)
        ),
        None => format!("{submitted} of {of} submitted"),
    };
    let noun = match totals.artefacts {
        0 => "track",
        _ => "file",
    };
    format!("{jobs}, {} downloaded", count(*downloaded, noun))
}

/// `2 jobs of earlier versions of the manifest, 4 tracks`; `None` if the summary has no such job.
pub(crate) fn earlier(summary: &Summary) -> Option<String> {
    let jobs = || summary.jobs.iter().filter(|job| !job.in_manifest);
    let kept = |of_steps: bool| {
        let jobs = jobs().filter(|job| job.step.is_some() == of_steps);
        let tracks = jobs.flat_map(|job| &job.tracks);
        tracks.filter(|track| track.file.is_some()).count() as u64
    };
    (jobs().count() > 0).then(|| {
        format!(
            "{} of earlier versions of the manifest, {}",
            count(jobs().count() as u64, "job"),
            tracks_and_artefacts(kept(false), kept(true))
        )
    })
}

/// `36 tracks kept in out/songs (2 unverified)`; `4 tracks and 31 files of steps kept` if there are steps.
pub(crate) fn tracks(summary: &Summary) -> String {
    let files = summary
        .jobs
        .iter()
        .filter(|job| job.in_manifest)
        .flat_map(|job| &job.tracks)
        .filter_map(|track| track.file.as_ref());
    let place = common_folder(files.map(|file| file.path.as_str()))
        .map(|folder| format!(" in {}", clean(folder)));
    let unverified = match summary.totals.unverified {
        0 => String::new(),
        number => format!(" ({number} unverified)"),
    };
    format!(
        "{} kept{}{unverified}",
        tracks_and_artefacts(summary.totals.tracks, summary.totals.artefacts),
        place.unwrap_or_default()
    )
}

/// `credits: 24 spent by this run, 264 by all runs; balance 736`. The embedded studio costs nothing.
pub(crate) fn credits(summary: &Summary) -> String {
    let (run, totals, this) = (&summary.run, &summary.totals, &summary.this_run);
    if run.price_credits == Some(0.0) && totals.credits == 0.0 {
        return FREE.to_owned();
    }
    let balance = match (run.balance_before, run.balance_after) {
        (Some(before), Some(after)) => {
            format!("; balance {}, before {}", figure(after), figure(before))
        }
        (Some(balance), None) => format!("; balance before this run {}", figure(balance)),
        (None, Some(balance)) => format!("; balance {}", figure(balance)),
        (None, None) => String::new(),
    };
    // A fall of the balance counts as spent, even if no task is known for it.
    let fell = match (run.balance_before, run.balance_after) {
        (Some(before), Some(after)) => before - after - this.credits,
        _ => 0.0,
    };
    let unknown = match fell > LEAST_CHARGE {
        true => format!(" on known tasks and {} without a known task", figure(fell)),
        false => String::new(),
    };
    format!(
        "credits: {} spent by this run{unknown}, {} by all runs{balance}",
        figure(this.credits),
        figure(totals.credits)
    )
}

/// Smallest difference of balances that is more than rounding, in credits.
const LEAST_CHARGE: f64 = 0.005;

/// The text in place of the credits of a free provider.
pub(crate) const FREE: &str = "the embedded studio costs nothing";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;

    #[test]
    fn tracks_of_songs_and_files_of_steps_are_told_apart() {
        let mut summary = example::with_steps();
        assert_eq!(
            tracks(&summary),
            "4 tracks and 6 files of steps kept in tracks/chorus"
        );
        assert_eq!(
            this_run(&summary.this_run, &summary.totals),
            "4 of 17 jobs submitted, 8 files downloaded"
        );
        for job in &mut summary.jobs {
            job.in_manifest = false;
        }
        assert_eq!(
            earlier(&summary).unwrap(),
            "17 jobs of earlier versions of the manifest, 4 tracks and 6 files of steps"
        );
    }

    #[test]
    fn credits_that_no_task_shows_for_are_spent_all_the_same() {
        let mut summary = example::summary();
        summary.run.price_credits = Some(12.0);
        (summary.this_run.credits, summary.totals.credits) = (12.0, 24.0);
        (summary.run.balance_before, summary.run.balance_after) = (Some(1000.0), Some(892.0));
        assert_eq!(
            credits(&summary),
            "credits: 12 spent by this run on known tasks and 96 without a known task, 24 by all runs; balance 892, before 1000"
        );
        summary.run.balance_after = Some(988.0);
        assert_eq!(
            credits(&summary),
            "credits: 12 spent by this run, 24 by all runs; balance 988, before 1000"
        );
    }

    #[test]
    fn a_run_of_a_part_is_told_apart_from_the_album() {
        let mut summary = example::summary();
        summary.totals.jobs = 252;
        summary.this_run.selection = Some("--filter preset=lofi".to_owned());
        summary.this_run.totals.jobs = 2;
        (summary.this_run.submitted, summary.this_run.downloaded) = (2, 4);
        assert_eq!(
            this_run(&summary.this_run, &summary.totals),
            "2 of 252 jobs selected by --filter preset=lofi, 2 submitted, 4 tracks downloaded"
        );
        summary.this_run.selection = None;
        assert_eq!(
            this_run(&summary.this_run, &summary.totals),
            "2 of 252 jobs submitted, 4 tracks downloaded"
        );
    }

    #[test]
    fn credits_are_those_of_the_run_and_of_the_album_and_the_embedded_studio_costs_nothing() {
        let mut summary = example::summary();
        assert_eq!(
            credits(&summary),
            "credits: 36 spent by this run, 36 by all runs; balance 976, before 1000"
        );
        summary.run.price_credits = Some(0.0);
        summary.totals.credits = 0.0;
        assert_eq!(credits(&summary), FREE);
    }
}
