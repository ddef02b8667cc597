//! What several hooks come to, and what their failures do.

use super::*;

fn desk(hooks: Vec<(Way, OnError)>) -> Desk {
    let spec = |(nth, (way, on_error)): (u32, (Way, OnError))| HookSpec {
        on_error,
        timeout_ms: 3_000,
        ..HookSpec::new(HookPoint::BeforeSubmit, nth, way)
    };
    let hooks = Hooks {
        all: (1..).zip(hooks).map(spec).collect(),
    };
    Desk::new(&hooks, &surroundings(Path::new(".")))
}

fn says(answer: &str) -> Way {
    sh(&format!("cat >/dev/null; echo '{answer}'"))
}

async fn ask(hooks: Vec<(Way, OnError)>) -> (Word, Vec<Trouble>) {
    desk(hooks)
        .ask(sample(HookPoint::BeforeSubmit), false)
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_hook_sees_what_those_before_it_changed() {
    let adds = sh(
        r#"python3 -c 'import json, sys; t = json.load(sys.stdin)["job"]["settings"]["tags"]; print(json.dumps({"change": {"tags": t + ", b"}}))'"#,
    );
    let (word, troubles) = ask(vec![
        (says(r#"{"change": {"tags": "a"}}"#), OnError::Fail),
        (adds, OnError::Fail),
    ])
    .await;
    let Word::Go(settings) = word else {
        panic!("{word:?}")
    };
    assert_eq!((settings.tags.as_str(), troubles.len()), ("a, b", 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_does_what_the_manifest_says() {
    let crash = || sh("exit 1");
    let (word, troubles) = ask(vec![(crash(), OnError::Fail), (says("{}"), OnError::Fail)]).await;
    assert!(
        matches!(&word, Word::Fail(why) if why.contains("before_submit 1: run sh -c exit 1")),
        "{word:?}"
    );
    assert_eq!(troubles[0].effect, OnError::Fail);
    let (word, _) = ask(vec![(crash(), OnError::Veto)]).await;
    assert!(matches!(word, Word::Veto(_)), "{word:?}");
    let veto = says(r#"{"veto": "second"}"#);
    let (word, troubles) = ask(vec![(crash(), OnError::Ignore), (veto, OnError::Fail)]).await;
    assert_eq!((word, troubles.len()), (Word::Veto("second".into()), 1));
    let wrong = says(r#"{"change": {"title": ""}}"#);
    let (word, troubles) = ask(vec![(wrong, OnError::Ignore)]).await;
    assert!(matches!(word, Word::Go(settings) if settings.title == "Verse, lofi"));
    assert!(
        troubles[0].message.contains("`title` is empty"),
        "{troubles:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_observes_can_neither_change_nor_veto() {
    let spec = HookSpec::new(HookPoint::Stage, 1, says(r#"{"veto": "too late"}"#));
    let error = put(&spec).await.unwrap_err();
    assert!(error.to_string().contains("a hook observes"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trial_says_what_a_run_would_do() {
    let event = sample(HookPoint::BeforeSubmit);
    let trial = try_out(
        &hook(says(r#"{"change": {"variety": 3}}"#)),
        &event,
        Path::new("."),
    )
    .await;
    assert_eq!(trial.settings.and_then(|it| it.variety), Some(3));
    let trial = try_out(
        &hook(says(r#"{"change": {"variety": 9}}"#)),
        &event,
        Path::new("."),
    )
    .await;
    assert!(
        trial.answer.is_err() && trial.effect.contains("the job fails"),
        "{trial:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trial_hears_all_that_a_program_says_aside() {
    let event = sample(HookPoint::BeforeSubmit);
    let argv = ["sh", "-c", "seq 1 500 >&2"].map(str::to_owned).to_vec();
    let trial = try_out(&hook(Way::Run { argv }), &event, Path::new(".")).await;
    assert_eq!(trial.answer, Ok(Answer::Nothing));
    assert_eq!(trial.stderr.len(), 500);
    assert_eq!(trial.stderr[499], "500");
}
