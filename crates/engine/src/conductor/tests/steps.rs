//! Single decisions, step by step.

use super::*;
use crate::event::{TaskStage, TrackFacts, Via};

pub(super) const NOW_MS: i64 = 1_800_000_000_000;

pub(super) fn config() -> RunConfig {
    RunConfig {
        run: RunId::from_text("run"),
        account: "model".to_owned(),
        rate: Rate {
            count: 20,
            window_ms: 10_000,
        },
        concurrency: 8,
        hooks_before_upload: false,
        hooks_before_submit: false,
        credits: None,
        ledger_credits: None,
        spent_before: Credits::ZERO,
        offers: vec![Kind::Song.offer(1, false)],
        deadline_ms: None,
        failures_in_a_row: 1_000,
        retries: 0,
        hears_callbacks: false,
        upload_ttl_ms: 60_000,
        polls_at_once: 64,
        downloads_at_once: 8,
        records_at_once: 1_000,
        source_gone: vec![451],
        timing: Timing::remote(30_000),
        is_shared: false,
    }
}

/// A song that nothing has happened to.
pub(super) fn song(key: JobKey, stem: StemId) -> ResumedJob {
    ResumedJob {
        key,
        refusal: None,
        input: ResumedInput::Stem(stem),
        offer: SONG,
        selected: true,
        buys: true,
        elsewhere: None,
        job: Arc::default(),
        version: 0,
        missing: Vec::new(),
        expired: false,
    }
}

/// A song, task `song`, whose tracks are at the vendor's: their ids and addresses.
pub(super) fn finished(tracks: &[(&str, &str)]) -> Job {
    let track = |(id, url): &(&str, &str)| TrackFacts {
        id: (*id).to_owned(),
        audio_url: Some((*url).to_owned()),
        ..TrackFacts::default()
    };
    let events = [
        Event::Intent {
            attempt: 1,
            token: Token::from_text("t"),
            credits: PRICE,
        },
        Event::Accepted {
            attempt: 1,
            task_id: task_id("song"),
            via: Via::Response,
        },
        Event::Stage {
            stage: TaskStage::Complete,
            tracks: tracks.iter().map(track).collect(),
            placed: true,
        },
    ];
    let mut job = Job::default();
    events.iter().for_each(|event| job.replay(NOW_MS, event));
    assert!(matches!(job.phase, Phase::Finished(_)));
    job
}

pub(super) fn wanted(jobs: usize) -> Vec<ResumedJob> {
    (0..jobs).map(|n| song(key(n), stem(0))).collect()
}

/// A run that has resumed its jobs and begun nothing.
pub(super) fn resumed(config: RunConfig, jobs: Vec<ResumedJob>) -> Conductor {
    let mut conductor = Conductor::new(config, jobs, Index::default(), Vec::new(), NOW_MS);
    while conductor.is_resuming() {
        let mut token = || unreachable!("nothing is submitted");
        conductor.advance(NOW_MS, &mut token, &mut Decision::default());
    }
    conductor
}

/// A run whose one stem is at the vendor's, and what it submits at once.
fn submitting(config: RunConfig, jobs: usize) -> (Conductor, Vec<(JobKey, u32)>) {
    let mut conductor = resumed(config, wanted(jobs));
    let mut decision = Decision::default();
    advance(&mut conductor, NOW_MS, &mut decision);
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
    let sent = advance(&mut conductor, NOW_MS, &mut decision);
    (conductor, sent)
}

/// Advances, past the jobs that are to be resumed, and gives the submissions that begin.
pub(super) fn advance(
    conductor: &mut Conductor,
    now_ms: i64,
    decision: &mut Decision,
) -> Vec<(JobKey, u32)> {
    let mut serial = 0;
    let mut token = || {
        serial += 1;
        Token::from_text(format!("{now_ms}-{serial}"))
    };
    let resumes = conductor.is_resuming();
    conductor.advance(now_ms, &mut token, decision);
    if resumes && !conductor.is_resuming() {
        conductor.advance(now_ms, &mut token, decision);
    }
    let submissions = decision
        .effects
        .drain(..)
        .filter_map(|effect| match effect {
            Effect::Submit { job, attempt, .. } => Some((job, attempt)),
            _ => None,
        });
    submissions.collect()
}

pub(super) fn respond(
    conductor: &mut Conductor,
    now_ms: i64,
    sent: &[(JobKey, u32)],
    outcome: &SubmitOutcome,
) -> Decision {
    let mut decision = Decision::default();
    for (job, attempt) in sent {
        let input = Input::Responded {
            job: *job,
            attempt: *attempt,
            outcome: outcome.clone(),
            written_ms: None,
        };
        conductor.handle(now_ms, input, &mut decision);
    }
    decision
}

fn pauses(decision: &Decision) -> Vec<i64> {
    let until = decision
        .batch
        .events
        .iter()
        .filter_map(|record| match record.event {
            Event::Paused { until_ms, .. } => Some(until_ms),
            _ => None,
        });
    until.collect()
}

fn maintenance(retry_after_ms: Option<u64>) -> SubmitOutcome {
    SubmitOutcome::Refused {
        class: ResponseClass::WaitLong,
        code: Some(455),
        message: "maintenance".to_owned(),
        retry_after_ms,
    }
}

#[test]
fn submissions_that_are_refused_together_are_one_step_of_waiting() {
    let (mut conductor, sent) = submitting(config(), 8);
    let together = sent.len();
    assert!(together > 1);
    let mut decision = respond(&mut conductor, NOW_MS + 500, &sent, &maintenance(None));
    let [until_ms] = pauses(&decision)[..] else {
        panic!("{:?}", decision.batch.events);
    };
    let wait_ms = until_ms - NOW_MS;
    assert!((60_000..80_000).contains(&wait_ms), "{wait_ms} ms");

    let again = advance(&mut conductor, until_ms, &mut decision);
    assert!(!again.is_empty());
    let decision = respond(&mut conductor, until_ms + 500, &again, &maintenance(None));
    let [next_ms] = pauses(&decision)[..] else {
        panic!("{:?}", decision.batch.events);
    };
    let wait_ms = next_ms - until_ms;
    assert!((120_000..160_000).contains(&wait_ms), "{wait_ms} ms");
}

#[test]
fn the_longest_retry_after_of_an_outage_counts() {
    let (mut conductor, sent) = submitting(config(), 2);
    respond(&mut conductor, NOW_MS + 500, &sent[..1], &maintenance(None));
    let longer = maintenance(Some(600_000));
    let decision = respond(&mut conductor, NOW_MS + 600, &sent[1..], &longer);
    assert_eq!(pauses(&decision), [NOW_MS + 600_600]);
}

#[test]
fn a_look_waits_as_long_as_the_provider_says() {
    let (mut conductor, sent) = submitting(config(), 1);
    let accepted = SubmitOutcome::Accepted(task_id("task1"));
    let mut decision = respond(&mut conductor, NOW_MS, &sent, &accepted);
    let due_ms = NOW_MS + 30_000;
    advance(&mut conductor, due_ms, &mut decision);
    let mut slow = effect_error(ResponseClass::Wait);
    slow.retry_after_ms = Some(300_000);
    let input = Input::Polled {
        job: sent[0].0,
        task: task_id("task1"),
        result: Err(slow),
    };
    conductor.handle(due_ms, input, &mut decision);
    assert_eq!(conductor.wake_at(due_ms), Some(due_ms + 300_000));
}

#[test]
fn an_illegal_step_drains_the_run_and_names_its_job() {
    let (mut conductor, _) = submitting(config(), 1);
    let mut decision = Decision::default();
    let event = Event::TrackMissing {
        index: 1,
        part: Part::Track,
        changed: false,
    };
    assert!(!conductor.apply(0, NOW_MS, event, &mut decision));
    let step = conductor.illegal_step().unwrap();
    assert_eq!((step.job, step.phase.as_str()), (key(0), "submitting"));
    assert!(step.to_string().contains("track_missing"), "{step}");
    assert!(matches!(conductor.mode, Mode::Draining(_)));
}

#[test]
fn an_upload_that_is_refused_for_the_run_is_not_tried_again() {
    let mut conductor = resumed(config(), wanted(1));
    let mut decision = Decision::default();
    advance(&mut conductor, NOW_MS, &mut decision);
    let wrong_key = EffectError {
        code: Some(401),
        ..effect_error(ResponseClass::RefusedRun)
    };
    let input = Input::Prepared {
        stem: stem(0),
        result: Err(wrong_key),
    };
    conductor.handle(NOW_MS, input, &mut decision);
    let mut failed = decision
        .batch
        .events
        .iter()
        .filter_map(|it| match it.event {
            Event::UploadFailed { retried, .. } => Some((it.job, retried)),
            _ => None,
        });
    assert_eq!(failed.next(), Some((None, false)), "the job does not fail");
    let outcome = conductor.outcome(NOW_MS);
    assert!(
        matches!(
            outcome,
            Some(Outcome::Refused {
                code: Some(401),
                ..
            })
        ),
        "{outcome:?}"
    );
}

/// The details of a task that is over, with one track.
fn finish(conductor: &mut Conductor, job: JobKey, task: &str, decision: &mut Decision) {
    let track = backline_api::Track {
        id: task.to_owned(),
        audio_url: Some(format!("https://cdn.example.com/{task}.mp3")),
        ..Default::default()
    };
    let view = TaskView {
        task_id: task_id(task),
        stage: Stage::Complete,
        tracks: vec![track],
        missing: Vec::new(),
    };
    let input = Input::Polled {
        job,
        task: task_id(task),
        result: Ok(view),
    };
    conductor.handle(NOW_MS, input, decision);
}

/// Advances and gives the jobs whose tracks begin to be fetched, and those that are submitted.
fn begun(
    conductor: &mut Conductor,
    now_ms: i64,
    decision: &mut Decision,
) -> (Vec<JobKey>, Vec<(JobKey, u32)>) {
    decision.effects.clear();
    let mut token = || Token::from_text(format!("{now_ms}"));
    conductor.advance(now_ms, &mut token, decision);
    let (mut fetched, mut sent) = (Vec::new(), Vec::new());
    for effect in decision.effects.drain(..) {
        match effect {
            Effect::Fetch(request) => fetched.push(request.job),
            Effect::Submit { job, attempt, .. } => sent.push((job, attempt)),
            _ => {}
        }
    }
    (fetched, sent)
}

fn fail_fetch(conductor: &mut Conductor, job: JobKey, no_space: bool, decision: &mut Decision) {
    let error = EffectError {
        retryable: false,
        no_space,
        ..effect_error(ResponseClass::RefusedJob)
    };
    let input = Input::Fetched {
        job,
        index: 1,
        part: Part::Track,
        result: Err(error),
    };
    conductor.handle(NOW_MS, input, decision);
}

#[test]
fn a_full_disk_stops_the_buying() {
    for full in [true, false] {
        let one_at_a_time = RunConfig {
            concurrency: 1,
            ..config()
        };
        let (mut conductor, first) = submitting(one_at_a_time, 3);
        let accepted = |task: &str| SubmitOutcome::Accepted(task_id(task));
        let mut decision = respond(&mut conductor, NOW_MS, &first, &accepted("task1"));
        begun(&mut conductor, NOW_MS + 30_000, &mut decision);
        finish(&mut conductor, first[0].0, "task1", &mut decision);
        let (fetched, second) = begun(&mut conductor, NOW_MS + 30_000, &mut decision);
        assert_eq!((fetched.len(), second.len()), (1, 1));

        fail_fetch(&mut conductor, first[0].0, full, &mut decision);
        respond(&mut conductor, NOW_MS + 30_000, &second, &accepted("task2"));
        begun(&mut conductor, NOW_MS + 60_000, &mut decision);
        finish(&mut conductor, second[0].0, "task2", &mut decision);
        let (fetched, third) = begun(&mut conductor, NOW_MS + 60_000, &mut decision);
        assert_eq!(fetched, [second[0].0], "what is bought is still followed");
        assert_eq!(third.is_empty(), full);

        if full {
            fail_fetch(&mut conductor, second[0].0, full, &mut decision);
            assert_eq!(conductor.outcome(NOW_MS + 60_000), Some(Outcome::Failed));
        }
    }
}

/// A job of another plan whose response was lost.
fn foreign() -> (JobKey, KnownJob, Token) {
    let token = Token::from_text("foreign");
    let mut job = Job::default();
    for event in [
        Event::Intent {
            attempt: 1,
            token: token.clone(),
            credits: PRICE,
        },
        Event::Lost {
            attempt: 1,
            message: "reset".to_owned(),
            response: None,
        },
    ] {
        job.replay(NOW_MS, &event);
    }
    let account = "model".to_owned();
    let known = KnownJob {
        job: job.into(),
        account,
        version: 1,
    };
    (key(99), known, token)
}

#[test]
fn two_callbacks_in_one_turn_for_a_job_of_another_plan_are_both_kept() {
    let (foreign_key, row, token) = foreign();
    let known = HashMap::from([(foreign_key, row.clone())]);
    let index = Index::new(&known);
    let mut conductor = Conductor::new(config(), wanted(1), index, Vec::new(), NOW_MS);
    let mut decision = Decision::default();
    for task in ["task1", "task2"] {
        let read = |_: &JobKey| Ok::<_, ()>(Some(row.clone()));
        let heard = conductor.handle_callback(NOW_MS, &token, &task_id(task), read, &mut decision);
        assert_eq!(heard, Ok(ClaimOutcome::Known));
    }
    let job = &decision.batch.jobs[&foreign_key].job;
    let named: Vec<&str> = job
        .claims
        .iter()
        .map(|claim| claim.task_id.as_str())
        .collect();
    assert_eq!(named, ["task1", "task2"]);
}

fn view(conductor: &mut Conductor, job: JobKey, task: &str, stage: Stage, decision: &mut Decision) {
    let view = TaskView {
        task_id: task_id(task),
        stage,
        tracks: Vec::new(),
        missing: Vec::new(),
    };
    let input = Input::Polled {
        job,
        task: task_id(task),
        result: Ok(view),
    };
    conductor.handle(NOW_MS, input, decision);
}

fn looked_at(decision: &mut Decision) -> Vec<String> {
    let views = decision
        .effects
        .drain(..)
        .filter_map(|effect| match effect {
            Effect::Poll { task, .. } => Some(task.to_string()),
            _ => None,
        });
    views.collect()
}

#[test]
fn a_callback_is_believed_when_the_details_confirm_it_and_a_wrong_id_is_not() {
    let (mut conductor, sent) = submitting(config(), 1);
    let (job, _) = sent[0];
    let Phase::Submitting { token, .. } = conductor.job(&job).phase.clone() else {
        panic!("nothing is submitted");
    };
    let lost = SubmitOutcome::InDoubt {
        reason: "reset".to_owned(),
        excerpt: None,
    };
    let mut decision = respond(&mut conductor, NOW_MS, &sent, &lost);
    let mut no_token = || Token::from_text("unused");
    for task in ["ghost", "task1"] {
        let nothing = |_: &JobKey| Ok::<_, ()>(None);
        let heard =
            conductor.handle_callback(NOW_MS, &token, &task_id(task), nothing, &mut decision);
        assert_eq!(heard, Ok(ClaimOutcome::Known));
    }
    let mut now_ms = NOW_MS;
    let mut looks = Vec::new();
    while conductor.job(&job).task().is_none() {
        conductor.advance(now_ms, &mut no_token, &mut decision);
        for task in looked_at(&mut decision) {
            let stage = match task.as_str() {
                "ghost" => Stage::Unknown,
                _ => Stage::Pending,
            };
            view(&mut conductor, job, &task, stage, &mut decision);
            looks.push(task);
        }
        now_ms = conductor.wake_at(now_ms).unwrap().max(now_ms);
    }
    assert_eq!(conductor.job(&job).task().unwrap().id, task_id("task1"));
    assert_eq!(looks.last().map(String::as_str), Some("task1"));
    let rejected = |record: &NewRecord| matches!(&record.event, Event::ClaimRejected { task_id, .. } if task_id.as_str() == "ghost");
    assert!(decision.batch.events.iter().any(rejected));
    assert_eq!(conductor.job(&job).credits, PRICE);
}

#[test]
fn one_task_is_not_given_to_two_jobs() {
    let (mut conductor, sent) = submitting(config(), 2);
    let accepted = SubmitOutcome::Accepted(task_id("task1"));
    let decision = respond(&mut conductor, NOW_MS, &sent, &accepted);
    assert_eq!(conductor.job(&key(0)).task().unwrap().id, task_id("task1"));
    let Phase::InDoubt { message, .. } = &conductor.job(&key(1)).phase else {
        panic!("{:?}", conductor.job(&key(1)).phase);
    };
    assert!(message.contains("belongs to job"), "{message}");
    let last = decision.batch.events.last().unwrap();
    assert!(matches!(last.event, Event::Lost { .. }));
}
