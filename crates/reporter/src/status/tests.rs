//! What the status of a run shows.

use backline_engine::summary::Totals;

use super::*;
use crate::example;

#[test]
fn the_status_of_a_run() {
    insta::assert_snapshot!(
        anstream::adapter::strip_str(&status_text(
            &example::summary(),
            &RunState::Ended,
            View::default()
        ))
        .to_string()
    );
}

#[test]
fn a_track_that_was_not_fetched_needs_attention_while_it_is_there() {
    let mut summary = example::summary();
    summary.jobs.truncate(1);
    summary.totals = Totals {
        jobs: 1,
        in_progress: 1,
        tracks: 1,
        credits: 12.0,
        ..Totals::default()
    };
    summary.jobs[0].state = JobStatus::Finished;
    summary.jobs[0].tracks[1].problem = Some("the file ends in the middle".to_owned());
    summary.jobs[0].tracks[1].file = None;
    insta::assert_snapshot!(
        anstream::adapter::strip_str(&status_text(&summary, &RunState::Ended, View::default()))
            .to_string()
    );
}

#[test]
fn a_run_that_was_killed_is_told_from_one_that_goes_on() {
    let active = |processes: usize| RunState::Active {
        processes: (0..processes)
            .map(|it| format!("{it} on 10.0.0.7"))
            .collect(),
    };
    let mut summary = example::summary();
    let text = status_text(&summary, &active(1), View::default());
    assert!(
        text.contains("; what was begun goes on in process 0 on 10.0.0.7\n"),
        "{text}"
    );
    summary.run.ended_ms = None;
    for (life, said) in [
        (
            RunState::Killed,
            "died before its end: the same command resumes it\n",
        ),
        (active(0), ", is running\n"),
        (active(1), ", is running in process 0 on 10.0.0.7\n"),
        (
            active(2),
            ", is running in processes 0 on 10.0.0.7, 1 on 10.0.0.7\n",
        ),
        (active(9), "7 on 10.0.0.7 and 1 more\n"),
    ] {
        let text = anstream::adapter::strip_str(&status_text(&summary, &life, View::default()))
            .to_string();
        assert!(text.contains(said), "{text}");
    }
}

#[test]
fn a_refusal_of_a_job_that_is_not_bought_yet_is_listed_and_the_rest_is_counted() {
    let mut summary = example::summary();
    summary.jobs.truncate(2);
    for job in &mut summary.jobs {
        job.state = JobStatus::Planned;
    }
    summary.jobs[1].error = Some("Rate limit".to_owned());
    summary.jobs[1].error_code = Some(405);
    let text =
        anstream::adapter::strip_str(&status_text(&summary, &RunState::Killed, View::default()))
            .to_string();
    let (_, listed) = text.split_once("\nNot bought yet, because of\n").unwrap();
    let lines: Vec<&str> = listed.lines().take_while(|line| !line.is_empty()).collect();
    assert_eq!(lines.len(), 1, "{text}");
    assert!(
        lines[0].ends_with("chorus × lofi [model=V5] take 2  405: Rate limit"),
        "{text}"
    );
}

#[test]
fn a_status_fits_its_window() {
    let mut summary = example::summary();
    summary.jobs = vec![summary.jobs[2].clone(); 40];
    let text = status_text(&summary, &RunState::Ended, View::default());
    for (columns, rows) in [(80, 24), (40, 10), (20, 4)] {
        let fitted = fitted(&text, Size { columns, rows });
        assert!(fitted.lines().count() < usize::from(rows), "{fitted}");
        let widest = fitted.lines().map(crate::text::columns).max().unwrap();
        assert!(widest <= usize::from(columns), "{fitted}");
    }
    assert!(
        fitted(
            &text,
            Size {
                columns: 80,
                rows: 24
            }
        )
        .contains("more lines")
    );
}

#[test]
fn the_list_is_bounded() {
    let mut summary = example::summary();
    summary.jobs = vec![summary.jobs[2].clone(); 1_000];
    let text = status_text(&summary, &RunState::Ended, View::default());
    assert!(text.contains("and 950 more jobs"), "{text}");
    assert!(text.lines().count() < 130);
}

#[test]
fn forty_jobs_that_are_not_bought_are_a_grid_or_a_list_on_request() {
    let mut summary = example::summary();
    let mut model = summary.jobs[0].clone();
    (model.state, model.error) = (JobStatus::Planned, None);
    summary.jobs = (0..40)
        .map(|number| {
            let mut job = model.clone();
            job.stem = format!("song {}", number / 4).into();
            job.preset = format!("style {}", number % 4).into();
            job
        })
        .collect();
    summary.jobs[5].state = JobStatus::Kept;
    let text = |view| {
        let text = status_text(&summary, &RunState::Ended, view);
        anstream::adapter::strip_str(&text).to_string()
    };
    let fits = text(View::default());
    assert!(
        fits.contains("\nsong 1  +        =        +        +\n"),
        "{fits}"
    );
    assert!(fits.contains("\n+ not bought, = kept\n"), "{fits}");
    assert!(fits.lines().count() < 40, "{fits}");
    let (columns, jobs) = (Some(30), false);
    let narrow = text(View { columns, jobs });
    assert!(
        narrow.contains("\n--jobs lists every job\n") && narrow.lines().count() < 30,
        "{narrow}"
    );
    let list = text(View {
        columns: None,
        jobs: true,
    });
    assert!(
        list.contains("  + not bought           song 9 × style 3 [model=V5] take 1\n"),
        "{list}"
    );
    assert_eq!(list.matches("not bought  ").count(), 40, "{list}");
}

#[test]
fn steps_are_shown_under_their_songs() {
    let summary = example::with_steps();
    let text = |jobs| {
        let view = View {
            columns: None,
            jobs,
        };
        anstream::adapter::strip_str(&status_text(&summary, &RunState::Ended, view)).to_string()
    };
    insta::assert_snapshot!(text(true));
    // The grid has a sign for each song.
    let grid = text(false);
    assert!(grid.contains("\nchorus  ==\nverse   !"), "{grid}");
    let steps = "\nsteps kept: wav 2 of 4, split_stem 1 of 4, midi 1 of 4\n";
    assert!(grid.contains(steps), "{grid}");
}
