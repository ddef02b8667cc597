//! Large plans: what a decision costs does not grow with the jobs that wait. Nothing is timed here, but with a pass over all jobs in
//! each decision these tests take minutes instead of a second.

use std::collections::VecDeque;

use super::steps::{NOW_MS, advance, config, respond, resumed, wanted};
use super::tracks::{running, view};
use super::*;
use crate::event::{TaskStage, TrackFacts};
use crate::plan::HookRefusal;

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
        offers: vec![Kind::Song.offer(1, true)],
        hears_callbacks: true,
        rate: Rate {
            count: 1_000_000,
            window_ms: 10_000,
        },
        ..config()
    };
    let mut jobs = wanted(JOBS);
    for (n, wanted) in jobs.iter_mut().enumerate() {
        wanted.job = in_doubt(n).into();
    }
    let mut conductor = resumed(config, jobs);
    let mut decision = Decision::default();
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
        let mut decision = respond(&mut conductor, now_ms, &[one], &lost);
        sent.extend(advance(&mut conductor, now_ms, &mut decision));
        conductor.outcome(now_ms);
        conductor.wake_at(now_ms);
    }
    assert_eq!(repeated, JOBS);
}

#[test]
fn many_vetoes_are_taken_one_by_one() {
    let config = RunConfig {
        hooks_before_submit: true,
        ..config()
    };
    let mut conductor = resumed(config, wanted(JOBS));
    let mut decision = Decision::default();
    let mut serial = || Token::from_text("unused");
    for _resume_then_prepare in 0..2 {
        conductor.advance(NOW_MS, &mut serial, &mut decision);
    }
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
            if let Effect::CallHooks { job, point } = effect {
                asked.push_back((job, point));
            }
        }
        let Some((job, point)) = asked.pop_front() else {
            break;
        };
        vetoed += 1;
        let decided = HookDecision::Refuse(HookRefusal::Veto("no".to_owned()));
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

/// An album whose files were all deleted: no decision has the records of more than a thousand jobs, and nothing is polled before
/// every job has its place.
#[test]
fn many_jobs_whose_files_are_gone_are_resumed_some_at_a_time() {
    let file = KeptFile {
        path: "song.mp3".to_owned(),
        sha256: "abc".to_owned(),
        length_bytes: 1,
        duration_s: 1.0,
        unverified: None,
    };
    let shows = Event::Stage {
        stage: TaskStage::Complete,
        tracks: vec![TrackFacts::default()],
        placed: true,
    };
    let keeps = Event::TrackKept {
        index: 1,
        part: Part::Track,
        file,
    };
    let kept = [shows, keeps].iter().fold(running(NOW_MS), |job, event| {
        match job.step(NOW_MS, event) {
            Step::Changed(next) => next,
            other => panic!("{other:?}"),
        }
    });
    let mut jobs = wanted(JOBS);
    for wanted in &mut jobs {
        wanted.job = kept.clone().into();
        wanted.missing.push(Missing {
            index: 1,
            part: Part::Track,
            changed: false,
        });
    }
    let mut conductor = Conductor::new(config(), jobs, Index::default(), Vec::new(), NOW_MS);
    let (mut recorded, mut decisions) = (0, 0);
    loop {
        let mut decision = Decision::default();
        advance(&mut conductor, NOW_MS, &mut decision);
        let records = decision.batch.events.len();
        assert!(records <= 1_000, "{records}");
        recorded += records;
        decisions += 1;
        if !conductor.is_resuming() {
            break;
        }
        assert_eq!(conductor.polling, 0);
        assert_eq!(conductor.outcome(NOW_MS), None);
    }
    assert_eq!((recorded, decisions), (JOBS, JOBS / 1_000));
    assert_eq!(conductor.polls.len() + conductor.polling, JOBS);
}

/// Fifty thousand tasks of an earlier run, each polled in its interval by a vendor that takes a quarter of a second.
#[test]
fn fifty_thousand_tasks_are_polled_in_time() {
    const TASKS: usize = 50_000;
    const LATENCY_MS: i64 = 250;
    const INTERVAL_MS: i64 = 30_000;
    let mut world = World::new(1, None);
    (world.hooks, world.callbacks) = ((false, false), true);
    let begun_ms = world.now;
    let config = RunConfig {
        polls_at_once: backline_api::Profile::sunoapi().polling.at_once as usize,
        timing: Timing::remote(INTERVAL_MS),
        is_shared: false,
        credits: None,
        ledger_credits: None,
        ..world.config(0)
    };
    let wanted = (0..TASKS).map(|n| ResumedJob {
        job: running(begun_ms).into(),
        ..song(key(n), stem(0))
    });
    let mut conductor = Conductor::new(
        config,
        wanted.collect(),
        Index::default(),
        Vec::new(),
        begun_ms,
    );
    let mut decision = Decision::default();
    let mut token = || Token::from_text("none");
    let mut now_ms = begun_ms;
    let mut last: HashMap<JobKey, i64> = (0..TASKS).map(|n| (key(n), begun_ms)).collect();
    let (mut longest, mut most, mut polls) = (0, 0, 0);
    let mut responses: std::collections::VecDeque<(i64, JobKey)> =
        std::collections::VecDeque::new();
    while now_ms < begun_ms + 4 * INTERVAL_MS {
        conductor.advance(now_ms, &mut token, &mut decision);
        for effect in std::mem::take(&mut decision).effects {
            let Effect::Poll { job, .. } = effect else {
                panic!("{effect:?}")
            };
            let before_ms = last.insert(job, now_ms).unwrap();
            longest = longest.max(now_ms - before_ms);
            polls += 1;
            responses.push_back((now_ms + LATENCY_MS, job));
        }
        most = most.max(responses.len());
        let wake = conductor.wake_at(now_ms).unwrap_or(i64::MAX);
        now_ms = responses.front().map_or(wake, |(at, _)| wake.min(*at));
        while responses.front().is_some_and(|(at, _)| *at <= now_ms) {
            let (_, job) = responses.pop_front().unwrap();
            let result = view(Stage::Pending, &[]);
            let input = Input::Polled {
                job,
                task: task_id("task"),
                result,
            };
            conductor.handle(now_ms, input, &mut decision);
        }
    }
    // The interval, the response's time, and what the first crowd, due all at once, waits for its turn.
    assert!(longest <= INTERVAL_MS + 2 * LATENCY_MS, "{longest} ms");
    assert!(most <= 512, "{most} polls at once");
    assert!(polls >= 3 * TASKS, "{polls}");
}
