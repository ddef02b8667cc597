//! The outcome of a run in one sentence that is true for the whole manifest, for the closing, the status and Markdown.

use backline_engine::event::Outcome;
use backline_engine::summary::{Summary, Totals};

use crate::text::count;

/// Whether all counted jobs are kept.
pub(crate) fn is_all_kept(totals: &Totals) -> bool {
    totals.kept == totals.jobs
}

/// The outcome without a full stop: `All selected tracks are kept; 40 of 44 jobs of the manifest are not`.
pub(crate) fn headline(summary: &Summary) -> String {
    let (this, all) = (&summary.this_run.totals, &summary.totals);
    let mut text = match &summary.run.outcome {
        None => return "The run has not ended".to_owned(),
        Some(Outcome::Complete) if is_all_kept(all) => return "All tracks are kept".to_owned(),
        Some(Outcome::Complete) if is_all_kept(this) => "All selected tracks are kept".to_owned(),
        Some(Outcome::Complete) => "All tracks that were bought are kept".to_owned(),
        Some(Outcome::Vetoed) if this.jobs == all.jobs => "Only vetoed jobs are missing".to_owned(),
        Some(Outcome::Vetoed) => "Of the selected jobs, only vetoed ones are missing".to_owned(),
        Some(Outcome::Partial) => return "Some jobs are partial".to_owned(),
        Some(Outcome::Failed) if this.failed > 0 => return "Some jobs failed".to_owned(),
        Some(Outcome::Failed) if this.to_fetch > 0 => {
            "Some tracks could not be downloaded".to_owned()
        }
        Some(Outcome::Failed) if this.planned > 0 => "Some jobs could not be bought".to_owned(),
        Some(Outcome::Failed) => return "Some jobs failed".to_owned(),
        Some(Outcome::InDoubt) => return "Some jobs are in doubt".to_owned(),
        Some(Outcome::Stopped { .. }) => return "The run stopped".to_owned(),
        Some(Outcome::Refused { .. }) => return "The provider refuses to go on".to_owned(),
    };
    // The states that a reader could otherwise mistake for kept.
    let states = [
        (all.planned, "not bought"),
        (all.vetoed, "vetoed"),
        (all.failed, "failed"),
    ];
    let is_said = matches!(summary.run.outcome, Some(Outcome::Vetoed)) && this.jobs == all.jobs;
    let missing: Vec<String> = states
        .into_iter()
        .filter(|(number, _)| *number > 0 && !is_said)
        .map(|(number, word)| format!("{number} {word}"))
        .collect();
    if !missing.is_empty() {
        text.push_str(&format!(
            "; of {}, {}",
            count(all.jobs, "job"),
            missing.join(", ")
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;

    #[test]
    fn a_headline_is_true_of_the_whole_manifest() {
        let mut summary = example::summary();
        let mut check = |outcome, this: (u64, u64), all: (u64, u64, u64, u64), expected: &str| {
            let totals = |jobs, kept, planned, vetoed| Totals {
                jobs,
                kept,
                planned,
                vetoed,
                ..Totals::default()
            };
            summary.run.outcome = Some(outcome);
            summary.this_run.totals = totals(this.0, this.1, 0, this.0 - this.1);
            summary.totals = totals(all.0, all.1, all.2, all.3);
            assert_eq!(headline(&summary), expected);
        };
        use Outcome::{Complete, Vetoed};
        check(Complete, (4, 4), (4, 4, 0, 0), "All tracks are kept");
        check(
            Complete,
            (4, 4),
            (44, 4, 40, 0),
            "All selected tracks are kept; of 44 jobs, 40 not bought",
        );
        check(
            Complete,
            (8, 7),
            (8, 7, 0, 1),
            "All tracks that were bought are kept; of 8 jobs, 1 vetoed",
        );
        check(Vetoed, (8, 7), (8, 7, 0, 1), "Only vetoed jobs are missing");
        check(
            Vetoed,
            (8, 7),
            (32, 7, 24, 1),
            "Of the selected jobs, only vetoed ones are missing; of 32 jobs, 24 not bought, 1 vetoed",
        );
    }

    #[test]
    fn jobs_failed_only_where_one_did() {
        let mut summary = example::summary();
        summary.run.outcome = Some(Outcome::Failed);
        let mut check = |failed, to_fetch, planned, expected: &str| {
            summary.totals = Totals {
                jobs: 8,
                failed,
                to_fetch,
                planned,
                ..Totals::default()
            };
            summary.this_run.totals = summary.totals;
            assert_eq!(headline(&summary), expected);
        };
        check(1, 0, 0, "Some jobs failed");
        check(1, 2, 3, "Some jobs failed");
        check(0, 2, 0, "Some tracks could not be downloaded");
        check(
            0,
            2,
            3,
            "Some tracks could not be downloaded; of 8 jobs, 3 not bought",
        );
        check(
            0,
            0,
            3,
            "Some jobs could not be bought; of 8 jobs, 3 not bought",
        );
    }
}
