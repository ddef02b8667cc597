//! What a run says at its end.

use std::path::PathBuf;

use super::*;
use crate::example;
use crate::material::ReportError;

fn check(summary: &Summary, reports: &[Result<PathBuf, ReportError>], level: Level) -> String {
    let ending = RunResult {
        summary,
        reports,
        replayed: false,
    };
    anstream::adapter::strip_str(&closing_text(&ending, level)).to_string()
}

#[test]
fn a_quiet_run_says_why_the_provider_was_out_of_reach() {
    let mut summary = example::summary();
    summary.run.outcome = Some(Outcome::Stopped {
        reason: StopReason::Unreachable,
    });
    summary.run.trouble = Some(
        "stem voice: can't upload a.wav: not reached: files.example.com: invalid peer certificate: UnknownIssuer"
            .to_owned(),
    );
    let ending = RunResult {
        summary: &summary,
        reports: &[],
        replayed: false,
    };
    let text = closing_text(&ending, Level::Quiet);
    for found in ["stem voice", "files.example.com", "UnknownIssuer"] {
        assert!(text.contains(found), "{found}: {text}");
    }
}

#[test]
fn tasks_beside_the_one_that_is_followed_are_named() {
    let mut summary = example::summary();
    assert!(!check(&summary, &[], Level::Quiet).contains("more than once"));
    summary.jobs[0].other_tasks = vec!["second-task".to_owned()];
    let closing = check(&summary, &[], Level::Quiet);
    let status = crate::status::status_text(
        &summary,
        &crate::status::RunState::Ended,
        crate::status::View::default(),
    );
    for text in [closing, status] {
        let lines = text
            .lines()
            .skip_while(|line| !line.contains("more than once"));
        let line = lines
            .skip(1)
            .find(|line| line.contains("second-task"))
            .unwrap();
        assert!(
            line.contains(summary.jobs[0].task_id.as_deref().unwrap()),
            "{line}"
        );
    }
}

#[test]
fn a_replay_gives_no_advice() {
    let summary = example::summary();
    let told = |replayed| {
        let ending = RunResult {
            summary: &summary,
            reports: &[],
            replayed,
        };
        closing_text(&ending, Level::Normal)
    };
    assert!(told(false).contains("Next: ") && told(false).contains("backline resolve"));
    assert!(!told(true).contains("Next: ") && !told(true).contains("backline resolve"));
    assert!(told(true).contains("in doubt"), "what it came to is told");
}

#[test]
fn a_run_with_failures_and_doubts() {
    let reports = [
        Ok(PathBuf::from("summary.csv")),
        Err(ReportError {
            operation: "put in place",
            path: PathBuf::from("summary.json"),
            source: std::io::Error::other("no space left on device"),
        }),
    ];
    insta::assert_snapshot!(check(&example::summary(), &reports, Level::Normal));
}

#[test]
fn a_run_that_kept_everything() {
    let mut summary = example::summary();
    summary.jobs.truncate(2);
    summary.totals = Totals {
        jobs: 2,
        kept: 2,
        tracks: 4,
        credits: 24.0,
        ..Totals::default()
    };
    summary.this_run.totals = summary.totals;
    summary.this_run.submitted = 1;
    summary.run.outcome = Some(Outcome::Complete);
    let reports = [Ok(PathBuf::from("summary.csv"))];
    insta::assert_snapshot!(check(&summary, &reports, Level::Normal));
    assert_eq!(check(&summary, &reports, Level::Quiet), "");
    // What is left to buy, or what a hook vetoed, is no error.
    summary.totals.jobs = 9;
    summary.totals.planned = 7;
    assert!(check(&summary, &reports, Level::Normal).contains("Next: buy the other 7 jobs"));
    assert_eq!(check(&summary, &reports, Level::Quiet), "");
    summary.run.outcome = Some(Outcome::Vetoed);
    assert_eq!(check(&summary, &reports, Level::Quiet), "");
}

#[test]
fn a_stopped_run_says_how_to_resume() {
    let mut summary = example::summary();
    summary.jobs.clear();
    summary.totals = Totals {
        jobs: 9,
        planned: 9,
        ..Totals::default()
    };
    summary.this_run.totals = summary.totals;
    summary.run.manifest = "my songs.yaml".to_owned();
    summary.run.outcome = Some(Outcome::Stopped {
        reason: StopReason::Deadline,
    });
    insta::assert_snapshot!(check(&summary, &[], Level::Normal));
}

#[test]
fn a_resumed_run_is_told_what_is_in_progress() {
    let mut summary = example::summary();
    summary.run.price_credits = Some(0.0);
    summary.run.outcome = Some(Outcome::Stopped {
        reason: StopReason::Signal,
    });
    summary.totals = Totals {
        jobs: 9,
        kept: 3,
        to_fetch: 1,
        in_progress: 2,
        planned: 3,
        ..Totals::default()
    };
    summary.this_run.totals = summary.totals;
    let text = check(&summary, &[], Level::Normal);
    let next = "Next: resume with `backline run songs.yaml` (1 to fetch, 2 in progress, 3 not bought); nothing is bought twice.";
    assert!(text.contains(next), "{text}");
}

#[test]
fn tracks_that_are_not_downloaded_are_listed_once_a_cause_and_the_mix_is_named() {
    let mut summary = example::summary();
    let problem = "could not write to out: no space left";
    for job in &mut summary.jobs {
        for track in &mut job.tracks {
            track.problem = Some(problem.to_owned());
        }
    }
    let tracks: usize = summary.jobs.iter().map(|job| job.tracks.len()).sum();
    let text = check(&summary, &[], Level::Normal);
    assert_eq!(text.matches(problem).count(), 1, "{text}");
    assert!(
        text.contains(&format!("  {tracks} × {problem}\n      ")),
        "{text}"
    );

    for job in &mut summary.jobs {
        for track in &mut job.tracks {
            track.problem = None;
        }
    }
    let track = &mut summary.jobs[0].tracks[0];
    assert!(track.file.is_some());
    track.problem = Some("404".to_owned());
    let status = crate::status::status_text(
        &summary,
        &crate::status::RunState::Ended,
        crate::status::View::default(),
    );
    for text in [check(&summary, &[], Level::Normal), status] {
        assert!(text.contains("the mix of track 1: 404"), "{text}");
    }
}

#[test]
fn five_hundred_failures_fit_on_a_screen() {
    let mut summary = example::summary();
    let failed = summary.jobs[2].clone();
    summary.jobs = (0..500)
        .map(|at| JobSummary {
            error: Some(format!("reason {}", at % 40)),
            ..failed.clone()
        })
        .chain((0..500).map(|_| JobSummary {
            state: JobStatus::InDoubt,
            ..failed.clone()
        }))
        .collect();
    let text = check(&summary, &[], Level::Verbose);
    assert!(text.lines().count() < 50, "{text}");
    assert!(
        text.contains("and 30 more reasons") && text.contains("and 490 more jobs"),
        "{text}"
    );
}

#[test]
fn no_word_of_a_vendor_steers_the_terminal() {
    let mut summary = example::summary();
    for job in &mut summary.jobs {
        job.error = Some("\u{1b}]0;owned\u{7}\u{202e}".to_owned());
        job.stem = "\u{1b}[2J".into();
    }
    let text = check(&summary, &[], Level::Verbose);
    assert!(
        !text
            .chars()
            .any(|c| (c.is_control() && c != '\n') || c == '\u{202e}'),
        "{text:?}"
    );
}
