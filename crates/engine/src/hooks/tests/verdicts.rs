//! What several hooks come to, and what their failures do.

use super::*;
use crate::plan::HookRefusal;

fn runner(hooks: Vec<(HookKind, OnError)>) -> HookRunner {
    let spec = |(nth, (way, on_error)): (u32, (HookKind, OnError))| HookSpec {
        on_error,
        timeout_ms: 3_000,
        ..HookSpec::new(HookPoint::BeforeSubmit, nth, way)
    };
    let hooks = Hooks {
        all: (1..).zip(hooks).map(spec).collect(),
    };
    HookRunner::new(&hooks, &context(Path::new(".")))
}

fn says(response: &str) -> HookKind {
    sh(&format!("cat >/dev/null; echo '{response}'"))
}

async fn decide(hooks: Vec<(HookKind, OnError)>) -> (HookDecision, Vec<HookFailure>) {
    let event = sample(HookPoint::BeforeSubmit);
    runner(hooks).decide(&event, false).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_does_what_the_manifest_says() {
    let crash = || sh("exit 1");
    let (decision, failures) =
        decide(vec![(crash(), OnError::Fail), (says("{}"), OnError::Fail)]).await;
    assert!(
        matches!(&decision, HookDecision::Refuse(HookRefusal::Failure(why)) if why.contains("before_submit 1: run sh -c exit 1")),
        "{decision:?}"
    );
    assert_eq!(failures[0].effect, OnError::Fail);
    let (decision, _) = decide(vec![(crash(), OnError::Veto)]).await;
    assert!(
        matches!(decision, HookDecision::Refuse(HookRefusal::Veto(_))),
        "{decision:?}"
    );
    let veto = says(r#"{"veto": "second"}"#);
    let (decision, failures) =
        decide(vec![(crash(), OnError::Ignore), (veto, OnError::Fail)]).await;
    assert_eq!(
        (decision, failures.len()),
        (HookDecision::Refuse(HookRefusal::Veto("second".into())), 1)
    );
    let delay = says(r#"{"delay": "1m 30s"}"#);
    let (decision, _) = decide(vec![(delay, OnError::Fail)]).await;
    assert_eq!(decision, HookDecision::Delay(90_000));
}

/// With the settings that it has, the job is not the one that is wanted: buying it would be wrong whatever the manifest says.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_after_planning_fails_the_job_even_where_failures_are_ignored() {
    let change = says(r#"{"change": {"tags": "a"}}"#);
    let (decision, failures) = decide(vec![(change, OnError::Ignore)]).await;
    assert!(
        matches!(&decision, HookDecision::Refuse(HookRefusal::Failure(why)) if why.contains("move the hook to `plan_job`")),
        "{decision:?}"
    );
    assert_eq!(failures[0].effect, OnError::Fail);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_observes_can_neither_change_nor_veto() {
    let spec = HookSpec::new(HookPoint::Stage, 1, says(r#"{"veto": "too late"}"#));
    let error = put(&spec).await.unwrap_err();
    assert!(error.to_string().contains("a hook observes"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trial_says_what_a_run_would_do() {
    let try_out = async |response| {
        let spec = HookSpec::new(HookPoint::PlanJob, 1, says(response));
        try_out(&spec, &sample(HookPoint::PlanJob), Path::new(".")).await
    };
    let trial = try_out(r#"{"change": {"variety": 3}}"#).await;
    let variety = backline_api::Setting::of("variety");
    let settings = trial.settings.unwrap();
    assert_eq!(settings.get(variety).unwrap().to_json(), 3);
    let trial = try_out(r#"{"change": {"variety": 9}}"#).await;
    assert!(
        trial.response.is_err() && trial.effect.contains("the job fails"),
        "{trial:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trial_hears_all_that_a_program_says_aside() {
    let event = sample(HookPoint::BeforeSubmit);
    let argv = ["sh", "-c", "seq 1 500 >&2"].map(str::to_owned).to_vec();
    let trial = try_out(&hook(HookKind::Run { argv }), &event, Path::new(".")).await;
    assert_eq!(trial.response, Ok(HookResponse::Nothing));
    assert_eq!(trial.stderr.len(), 500);
    assert_eq!(trial.stderr[499], "500");
}
