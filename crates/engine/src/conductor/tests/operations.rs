//! Single decisions about steps: when they are submitted, repeated, adopted, or not bought at all.

use super::steps::{NOW_MS, advance, config, finished, respond, song};
use super::*;
use crate::event::{RunId, Via};

/// A song whose one track is at the vendor's.
fn one_track() -> Job {
    finished(&[("audio", "https://cdn.example.com/a.mp3")])
}

fn all_offers() -> RunConfig {
    RunConfig {
        offers: Kind::ALL.map(|kind| kind.offer(1, false)).to_vec(),
        ..config()
    }
}

/// A song and one step of it.
fn with_step(parent: ResumedJob, kind: Kind) -> Vec<ResumedJob> {
    let step = ResumedJob {
        input: ResumedInput::Step {
            parent: parent.key,
            track: 1,
        },
        offer: Kind::ALL.iter().position(|it| *it == kind).unwrap(),
        ..song(step_of(0, 1, kind), stem(0))
    };
    vec![parent, step]
}

fn bought() -> ResumedJob {
    ResumedJob {
        job: one_track().into(),
        ..song(key(0), stem(0))
    }
}

fn begin(config: RunConfig, jobs: Vec<ResumedJob>) -> (Conductor, Vec<(JobKey, u32)>) {
    let mut conductor = Conductor::new(config, jobs, Index::default(), Vec::new(), NOW_MS);
    let mut decision = Decision::default();
    let sent = advance(&mut conductor, NOW_MS, &mut decision);
    (conductor, sent)
}

fn exists(task: Option<&str>) -> SubmitOutcome {
    SubmitOutcome::Exists {
        task: task.map(task_id),
        code: Some(409),
        message: "it exists".to_owned(),
    }
}

fn lost() -> SubmitOutcome {
    SubmitOutcome::InDoubt {
        reason: "reset".to_owned(),
        excerpt: None,
    }
}

/// What is sent until half an hour later, in which nothing comes in.
fn sent_later(conductor: &mut Conductor) -> (i64, Vec<(JobKey, u32)>) {
    let mut decision = Decision::default();
    for minute in 1..=30 {
        let now_ms = NOW_MS + minute * 60_000;
        let sent = advance(conductor, now_ms, &mut decision);
        if !sent.is_empty() {
            return (minute, sent);
        }
    }
    (0, Vec::new())
}

#[test]
fn a_wav_in_doubt_is_repeated_once_and_the_task_that_the_refusal_names_is_its_own() {
    let wav = step_of(0, 1, Kind::Wav);
    let (mut conductor, sent) = begin(all_offers(), with_step(bought(), Kind::Wav));
    assert_eq!(sent, [(wav, 1)]);
    respond(&mut conductor, NOW_MS, &sent, &lost());
    let (minute, again) = sent_later(&mut conductor);
    // The first request may be at work for a minute.
    assert_eq!((minute, again.as_slice()), (1, &[(wav, 1)][..]));
    respond(&mut conductor, NOW_MS + 60_000, &again, &exists(Some("w")));
    let job = conductor.job(&wav);
    let task = job.task().unwrap();
    assert_eq!((task.id.as_str(), task.via), ("w", Via::Refusal));
    assert_eq!(
        (job.credits, job.reserved),
        (Kind::Wav.price(), Credits::ZERO)
    );
}

#[test]
fn a_repeat_that_is_lost_or_names_no_task_is_the_last_one() {
    for second in [lost(), exists(None)] {
        let wav = step_of(0, 1, Kind::Wav);
        let (mut conductor, sent) = begin(all_offers(), with_step(bought(), Kind::Wav));
        respond(&mut conductor, NOW_MS, &sent, &lost());
        let (_, again) = sent_later(&mut conductor);
        respond(&mut conductor, NOW_MS + 60_000, &again, &second);
        assert_eq!(sent_later(&mut conductor), (0, Vec::new()));
        let phase = &conductor.job(&wav).phase;
        assert!(
            matches!(phase, Phase::InDoubt { repeated: true, .. }),
            "{phase:?}"
        );
        // Nor does the next run repeat it.
        let resumed = conductor.job(&wav).clone();
        let mut jobs = with_step(bought(), Kind::Wav);
        jobs[1].job = resumed.into();
        let next = RunConfig {
            run: RunId::from_text("next"),
            ..all_offers()
        };
        let (mut conductor, sent) = begin(next, jobs);
        assert_eq!(sent, []);
        assert_eq!(sent_later(&mut conductor), (0, Vec::new()));
    }
}

#[test]
fn a_wav_that_somebody_else_made_costs_nothing() {
    let wav = step_of(0, 1, Kind::Wav);
    let (mut conductor, sent) = begin(all_offers(), with_step(bought(), Kind::Wav));
    respond(&mut conductor, NOW_MS, &sent, &exists(Some("w")));
    let job = conductor.job(&wav);
    assert_eq!(job.task().unwrap().id.as_str(), "w");
    assert_eq!(
        (job.credits, conductor.spent()),
        (Credits::ZERO, Credits::ZERO)
    );
}

#[test]
fn stems_in_doubt_are_never_repeated() {
    let (mut conductor, sent) = begin(all_offers(), with_step(bought(), Kind::Stems));
    assert_eq!(sent.len(), 1);
    respond(&mut conductor, NOW_MS, &sent, &lost());
    assert_eq!(sent_later(&mut conductor), (0, Vec::new()));
}

#[test]
fn what_the_provider_cannot_see_any_more_is_not_processed() {
    let expired = ResumedJob {
        expired: true,
        ..bought()
    };
    let elsewhere = ResumedJob {
        elsewhere: Some("other".to_owned()),
        ..bought()
    };
    let unbought = ResumedJob {
        selected: false,
        buys: false,
        ..song(key(0), stem(0))
    };
    for (parent, expected) in [
        (expired, "retention"),
        (elsewhere, "another key"),
        (unbought, "not bought"),
    ] {
        let (conductor, sent) = begin(all_offers(), with_step(parent, Kind::Wav));
        assert_eq!(sent, []);
        let phase = &conductor.job(&step_of(0, 1, Kind::Wav)).phase;
        assert!(
            matches!(phase, Phase::Vetoed { why } if why.contains(expected)),
            "{phase:?}"
        );
    }
}

#[test]
fn what_can_be_paid_for_is_not_held_up_by_what_cannot() {
    let config = RunConfig {
        credits: Some(1.0.into()),
        ..all_offers()
    };
    // The song before it can't be paid for.
    let mut jobs = vec![song(key(1), stem(1))];
    jobs.extend(with_step(bought(), Kind::Wav));
    let (conductor, sent) = begin(config, jobs);
    assert_eq!(sent, [(step_of(0, 1, Kind::Wav), 1)]);
    assert_eq!(conductor.limit_in_the_way(), Some(StopReason::CreditLimit));
}
