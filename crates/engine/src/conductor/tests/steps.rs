//! Single decisions, step by step.

use super::*;

pub(super) const NOW_MS: i64 = 1_800_000_000_000;

pub(super) fn terms() -> Terms {
    Terms {
        run: RunId::from_text("run"),
        account: "model".to_owned(),
        rate: Rate {
            count: 20,
            window_ms: 10_000,
        },
        concurrency: 8,
        buys: true,
        asks_before_upload: false,
        asks_before_submit: false,
        credits: None,
        ledger_credits: None,
        spent_before: 0.0,
        price: PRICE,
        deadline_ms: None,
        retries: 0,
        asks_again: false,
        hears_callbacks: false,
        upload_ttl_ms: 60_000,
        polls_at_once: 64,
        downloads_at_once: 8,
        source_gone: vec![451],
        pace: Pace::remote(30_000),
    }
}

pub(super) fn wanted(jobs: usize) -> Vec<Wanted> {
    let wanted = |n| Wanted {
        key: key(n),
        changed: None,
        stem: 0,
        job: Job::default(),
        missing: Vec::new(),
        expired: false,
    };
    (0..jobs).map(wanted).collect()
}

/// A run whose one stem is at the vendor's, and what it submits at once.
fn submitting(terms: Terms, jobs: usize) -> (Conductor, Vec<(usize, u32)>) {
    let stems = vec!["a".to_owned()];
    let (mut conductor, mut decision) =
        Conductor::new(terms, stems, wanted(jobs), Vec::new(), NOW_MS);
    advance(&mut conductor, NOW_MS, &mut decision);
    let prepared = Prepared {
        uploaded_ms: None,
        hash: None,
    };
    let result = Ok(prepared);
    conductor.handle(NOW_MS, Input::Prepared { stem: 0, result }, &mut decision);
    let sent = advance(&mut conductor, NOW_MS, &mut decision);
    (conductor, sent)
}

/// Advances and gives the submissions that begin.
pub(super) fn advance(
    conductor: &mut Conductor,
    now_ms: i64,
    decision: &mut Decision,
) -> Vec<(usize, u32)> {
    let mut serial = 0;
    let mut token = || {
        serial += 1;
        Token::from_text(format!("{now_ms}-{serial}"))
    };
    conductor.advance(now_ms, &mut token, decision);
    let submissions = decision
        .effects
        .drain(..)
        .filter_map(|effect| match effect {
            Effect::Submit { slot, attempt, .. } => Some((slot, attempt)),
            _ => None,
        });
    submissions.collect()
}

pub(super) fn answer(
    conductor: &mut Conductor,
    now_ms: i64,
    sent: &[(usize, u32)],
    outcome: &SubmitOutcome,
) -> Decision {
    let mut decision = Decision::default();
    for (slot, attempt) in sent {
        let input = Input::Answered {
            slot: *slot,
            attempt: *attempt,
            outcome: outcome.clone(),
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
        class: AnswerClass::WaitLong,
        code: Some(455),
        message: "maintenance".to_owned(),
        retry_after_ms,
    }
}

#[test]
fn submissions_that_are_refused_together_are_one_step_of_waiting() {
    let (mut conductor, sent) = submitting(terms(), 8);
    let together = sent.len();
    assert!(together > 1);
    let mut decision = answer(&mut conductor, NOW_MS + 500, &sent, &maintenance(None));
    let [until_ms] = pauses(&decision)[..] else {
        panic!("{:?}", decision.batch.events);
    };
    let wait_ms = until_ms - NOW_MS;
    assert!((60_000..80_000).contains(&wait_ms), "{wait_ms} ms");

    let again = advance(&mut conductor, until_ms, &mut decision);
    assert!(!again.is_empty());
    let decision = answer(&mut conductor, until_ms + 500, &again, &maintenance(None));
    let [next_ms] = pauses(&decision)[..] else {
        panic!("{:?}", decision.batch.events);
    };
    let wait_ms = next_ms - until_ms;
    assert!((120_000..160_000).contains(&wait_ms), "{wait_ms} ms");
}

#[test]
fn the_longest_retry_after_of_an_outage_counts() {
    let (mut conductor, sent) = submitting(terms(), 2);
    answer(&mut conductor, NOW_MS + 500, &sent[..1], &maintenance(None));
    let longer = maintenance(Some(600_000));
    let decision = answer(&mut conductor, NOW_MS + 600, &sent[1..], &longer);
    assert_eq!(pauses(&decision), [NOW_MS + 600_600]);
}

#[test]
fn a_look_waits_as_long_as_the_provider_says() {
    let (mut conductor, sent) = submitting(terms(), 1);
    let accepted = SubmitOutcome::Accepted(task_id("task1"));
    let mut decision = answer(&mut conductor, NOW_MS, &sent, &accepted);
    let due_ms = NOW_MS + 30_000;
    advance(&mut conductor, due_ms, &mut decision);
    let mut slow = trouble(AnswerClass::Wait);
    slow.retry_after_ms = Some(300_000);
    let input = Input::Viewed {
        slot: sent[0].0,
        task: task_id("task1"),
        result: Err(slow),
    };
    conductor.handle(due_ms, input, &mut decision);
    assert_eq!(conductor.wake_at(due_ms), Some(due_ms + 300_000));
}

#[test]
fn an_illegal_step_drains_the_run_and_names_its_job() {
    let (mut conductor, _) = submitting(terms(), 1);
    let mut decision = Decision::default();
    let event = Event::TrackMissing {
        index: 1,
        part: Part::Track,
        changed: false,
    };
    assert!(!conductor.happened(0, NOW_MS, event, &mut decision));
    let step = conductor.illegal_step().unwrap();
    assert_eq!((step.job, step.phase.as_str()), (key(0), "submitting"));
    assert!(step.to_string().contains("track_missing"), "{step}");
    assert!(matches!(conductor.mode, Mode::Draining(_)));
}
