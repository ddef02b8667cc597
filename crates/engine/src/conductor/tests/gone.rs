//! Uploads that the provider says are gone.

use super::steps::{NOW_MS, config, respond, resumed, wanted};
use super::*;

const LATER_MS: i64 = NOW_MS + 2_000;

fn begun(uploaded_ms: Option<i64>, jobs: usize) -> (Conductor, Vec<(JobKey, u32)>) {
    let mut conductor = resumed(config(), wanted(jobs));
    let mut decision = Decision::default();
    effects(&mut conductor, NOW_MS, &mut decision);
    let sent = prepared(&mut conductor, NOW_MS, uploaded_ms, &mut decision);
    (conductor, submissions(&sent))
}

fn effects(conductor: &mut Conductor, now_ms: i64, decision: &mut Decision) -> Vec<Effect> {
    let mut serial = 0;
    let mut token = || {
        serial += 1;
        Token::from_text(format!("{now_ms}-{serial}"))
    };
    conductor.advance(now_ms, &mut token, decision);
    std::mem::take(&mut decision.effects)
}

fn prepared(
    conductor: &mut Conductor,
    now_ms: i64,
    uploaded_ms: Option<i64>,
    decision: &mut Decision,
) -> Vec<Effect> {
    let result = Ok(at_vendor(uploaded_ms));
    conductor.handle(
        now_ms,
        Input::Prepared {
            stem: stem(0),
            result,
        },
        decision,
    );
    effects(conductor, now_ms, decision)
}

fn submissions(effects: &[Effect]) -> Vec<(JobKey, u32)> {
    let submissions = effects.iter().filter_map(|effect| match effect {
        Effect::Submit { job, attempt, .. } => Some((*job, *attempt)),
        _ => None,
    });
    submissions.collect()
}

fn gone() -> SubmitOutcome {
    SubmitOutcome::Refused {
        class: ResponseClass::SourceGone,
        code: Some(451),
        message: "could not fetch the source".to_owned(),
        retry_after_ms: None,
    }
}

fn failed(decision: &Decision) -> usize {
    let refused = |event: &Event| {
        matches!(
            event,
            Event::Refused {
                class: ResponseClass::RefusedJob,
                ..
            }
        )
    };
    let events = &decision.batch.events;
    events.iter().filter(|it| refused(&it.event)).count()
}

#[test]
fn an_upload_that_is_gone_is_made_again_once() {
    let (mut conductor, sent) = begun(Some(NOW_MS - 50_000), 3);
    assert_eq!(sent.len(), 3);
    let mut decision = respond(&mut conductor, LATER_MS, &sent, &gone());
    assert_eq!(failed(&decision), 0);
    let next = effects(&mut conductor, LATER_MS, &mut decision);
    assert_eq!(
        next,
        [
            Effect::ForgetUpload { stem: stem(0) },
            Effect::Prepare { stem: stem(0) }
        ]
    );
    let next = prepared(
        &mut conductor,
        LATER_MS + 1,
        Some(LATER_MS + 1),
        &mut decision,
    );
    let again = submissions(&next);
    assert_eq!(again.len(), 3, "{next:?}");
    // The new one is gone as well: that is no matter of age.
    let decision = respond(&mut conductor, LATER_MS + 2, &again, &gone());
    assert_eq!(failed(&decision), 3);
    assert_eq!(decision.effects, []);
}

#[test]
fn a_public_address_that_can_not_be_fetched_is_refused() {
    let (mut conductor, sent) = begun(None, 1);
    let decision = respond(&mut conductor, LATER_MS, &sent, &gone());
    assert_eq!((failed(&decision), decision.effects.len()), (1, 0));
}

#[test]
fn a_task_that_failed_for_want_of_its_recording_has_the_upload_forgotten() {
    let (mut conductor, sent) = begun(Some(NOW_MS - 50_000), 1);
    let task = TaskId("task".to_owned());
    let accepted = SubmitOutcome::Accepted(task.clone());
    let mut decision = respond(&mut conductor, NOW_MS + 1, &sent, &accepted);
    let view = TaskView {
        task_id: task.clone(),
        stage: backline_api::Stage::Failed {
            code: Some(451),
            message: "could not fetch the source".to_owned(),
            refunded: false,
        },
        tracks: Vec::new(),
        missing: Vec::new(),
    };
    let mut done = Vec::new();
    for minute in 1..60 {
        let poll_ms = NOW_MS + minute * 60_000;
        let due = effects(&mut conductor, poll_ms, &mut decision);
        if due
            .iter()
            .any(|effect| matches!(effect, Effect::Poll { .. }))
        {
            let viewed = Input::Polled {
                job: key(0),
                task: task.clone(),
                result: Ok(view.clone()),
            };
            conductor.handle(poll_ms, viewed, &mut decision);
        }
        done.extend(due);
    }
    let forgotten = done
        .iter()
        .filter(|effect| **effect == Effect::ForgetUpload { stem: stem(0) });
    assert_eq!(forgotten.count(), 1, "{done:?}");
}
