//! Large plans: what a decision costs does not grow with the jobs that wait. Nothing is timed here, but with a pass over all jobs in
//! each decision these tests take minutes instead of a second.

use std::collections::VecDeque;

use super::steps::{NOW_MS, advance, answer, config, wanted};
use super::*;

const JOBS: usize = 20_000;

/// A job that an earlier run left in doubt.
fn in_doubt(n: usize) -> Job {
    let attempt = 1;
    let intent = Event::Intent {
        attempt,
        token: Token::from_text(format!("old-{n}")),
        credits: PRICE,
    };
    let lost = Event::Lost {
        attempt,
        message: "reset".to_owned(),
        response: None,
    };
    [intent, lost].iter().fold(Job::default(), |job, event| {
        match job.step(NOW_MS - 1_000, event) {
            Step::Changed(next) => next,
            other => panic!("{other:?}"),
        }
    })
}

fn ready(conductor: &mut Conductor, decision: &mut Decision) -> Vec<(JobKey, u32)> {
    advance(conductor, NOW_MS, decision);
    let prepared = at_vendor(None);
    let result = Ok(prepared);
    conductor.handle(
        NOW_MS,
        Input::Prepared {
            stem: stem(0),
            result,
        },
        decision,
    );
    advance(conductor, NOW_MS, decision)
}

#[test]
fn many_jobs_in_doubt_are_asked_about_again_one_by_one() {
    let config = RunConfig {
        asks_again: true,
        hears_callbacks: true,
        rate: Rate {
            count: 1_000_000,
            window_ms: 10_000,
        },
        ..config()
    };
    let mut jobs = wanted(JOBS);
    for (n, wanted) in jobs.iter_mut().enumerate() {
        wanted.job = in_doubt(n);
    }
    let (mut conductor, mut decision) =
        Conductor::new(config, jobs, Index::default(), Vec::new(), NOW_MS);
    let mut sent = ready(&mut conductor, &mut decision);
    let (mut repeated, mut now_ms) = (0, NOW_MS);
    // Each is lost again, and the next one takes its place.
    let lost = SubmitOutcome::Refused {
        class: ResponseClass::RefusedJob,
        code: Some(400),
        message: "no".to_owned(),
        retry_after_ms: None,
    };
    while let Some(one) = sent.pop() {
        repeated += 1;
        now_ms += 1;
        let mut decision = answer(&mut conductor, now_ms, &[one], &lost);
        sent.extend(advance(&mut conductor, now_ms, &mut decision));
        conductor.outcome(now_ms);
        conductor.wake_at(now_ms);
    }
    assert_eq!(repeated, JOBS);
}

#[test]
fn many_vetoes_are_taken_one_by_one() {
    let config = RunConfig {
        asks_before_submit: true,
        ..config()
    };
    let (mut conductor, mut decision) =
        Conductor::new(config, wanted(JOBS), Index::default(), Vec::new(), NOW_MS);
    let mut serial = || Token::from_text("unused");
    conductor.advance(NOW_MS, &mut serial, &mut decision);
    let prepared = at_vendor(None);
    let result = Ok(prepared);
    conductor.handle(
        NOW_MS,
        Input::Prepared {
            stem: stem(0),
            result,
        },
        &mut decision,
    );
    let (mut vetoed, mut asked) = (0, VecDeque::new());
    loop {
        conductor.advance(NOW_MS, &mut serial, &mut decision);
        for effect in std::mem::take(&mut decision).effects {
            if let Effect::Ask { job, point } = effect {
                asked.push_back((job, point));
            }
        }
        let Some((job, point)) = asked.pop_front() else {
            break;
        };
        vetoed += 1;
        let decided = hooks::Decision::Veto("no".to_owned());
        let input = Input::Decided {
            job,
            point,
            decided,
        };
        conductor.handle(NOW_MS, input, &mut decision);
        conductor.outcome(NOW_MS);
        conductor.wake_at(NOW_MS);
    }
    assert_eq!(vetoed, JOBS);
    assert_eq!(conductor.outcome(NOW_MS), Some(Outcome::Vetoed));
}
