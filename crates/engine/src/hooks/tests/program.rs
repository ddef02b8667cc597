//! `run`.

use super::*;

async fn check(script: &str, expected: Result<HookResponse, HookError>) {
    let spec = HookSpec::new(HookPoint::PlanJob, 1, sh(script));
    assert_eq!(put(&spec).await, expected, "{script}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_says_what_it_writes() {
    let change = serde_json::json!({"tags": "calm"})
        .as_object()
        .cloned()
        .unwrap();
    check(
        r#"cat >/dev/null; echo '{"change": {"tags": "calm"}}'"#,
        Ok(HookResponse::Change(change)),
    )
    .await;
    check(
        r#"echo '{"veto": "no"}'"#,
        Ok(HookResponse::Veto("no".into())),
    )
    .await;
    check("true", Ok(HookResponse::Nothing)).await;
    check("exec <&-; true", Ok(HookResponse::Nothing)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_fails_is_told_apart() {
    check(
        r#"echo '{"veto": "no"}'; exit 3"#,
        Err(HookError::Exit("exit status: 3".into())),
    )
    .await;
    check(
        "kill -9 $$",
        Err(HookError::Exit("signal: 9 (SIGKILL)".into())),
    )
    .await;
    check(
        "head -c 1000000000 /dev/zero",
        Err(HookError::Flood(RESPONSE_LIMIT_BYTES)),
    )
    .await;
    check("yes", Err(HookError::Flood(RESPONSE_LIMIT_BYTES))).await;
    let garbage = put(&hook(sh("echo hello"))).await.unwrap_err();
    assert!(
        matches!(&garbage, HookError::Garbage(why) if why.contains("hello")),
        "{garbage:?}"
    );
    let missing = put(&hook(HookKind::Run {
        argv: argv(&["./nothing-here"]),
    }))
    .await
    .unwrap_err();
    assert!(matches!(missing, HookError::Start(_)), "{missing:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_hangs_is_ended_in_its_time() {
    let mut spec = hook(sh("sleep 1000"));
    spec.timeout_ms = 200;
    assert_eq!(put(&spec).await, Err(HookError::TimedOut(200)));
    spec.kind = sh("echo '{}'; exec >&-; sleep 1000");
    assert_eq!(put(&spec).await, Err(HookError::TimedOut(200)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gigabyte_of_complaints_stops_nothing() {
    check(
        "head -c 1000000000 /dev/zero >&2; echo '{}'",
        Ok(HookResponse::Nothing),
    )
    .await;
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn what_a_program_leaves_behind_dies_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let script = r#"sleep 1000 & echo $! > pid; echo '{"veto": "left one behind"}'"#;
    let said = put_in(&hook(sh(script)), folder.path()).await;
    assert_eq!(said, Ok(HookResponse::Veto("left one behind".into())));
    is_gone(folder.path()).await;

    let mut hangs = hook(sh("sleep 1000 & echo $! > pid; wait"));
    hangs.timeout_ms = 300;
    assert_eq!(
        put_in(&hangs, folder.path()).await,
        Err(HookError::TimedOut(300))
    );
    is_gone(folder.path()).await;
}

/// Waits until the process whose number is in `pid` is dead; a zombie is, too.
#[cfg(target_os = "linux")]
async fn is_gone(folder: &Path) {
    let pid = std::fs::read_to_string(folder.join("pid")).unwrap();
    let status = format!("/proc/{}/stat", pid.trim());
    let dead = || match std::fs::read_to_string(&status) {
        Ok(stat) => stat
            .rsplit(')')
            .next()
            .is_some_and(|rest| rest.trim_start().starts_with('Z')),
        Err(_) => true,
    };
    let all = async {
        while !dead() {
            tokio::task::yield_now().await;
        }
    };
    let limit = std::time::Duration::from_secs(10);
    tokio::time::timeout(limit, all)
        .await
        .expect("it is still alive");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_sees_what_it_is_given_and_never_the_key() {
    let folder = tempfile::tempdir().unwrap();
    let mut spec = hook(sh("env > env; cat > event"));
    spec.env = argv(&["GIVEN", "HAS_KEY"]);
    let bound = BoundHook::alone(&spec, &context(folder.path()));
    let mut event = sample(HookPoint::BeforeSubmit);
    if let Some(job) = &mut event.job {
        job.stem.vars = serde_json::json!({"pasted": KEY});
    }
    assert_eq!(
        bound.put(&event).await.unwrap().response,
        HookResponse::Nothing
    );
    let read = |name| std::fs::read_to_string(folder.path().join(name)).unwrap();
    let (env, said) = (read("env"), read("event"));
    assert!(
        env.contains("GIVEN=given") && env.contains("PATH="),
        "{env}"
    );
    assert!(
        !env.contains("NOT_NAMED") && !env.contains("HAS_KEY") && !env.contains(KEY),
        "{env}"
    );
    assert!(!said.contains(KEY) && said.contains("[key]"), "{said}");
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        (&said["version"], &said["point"]),
        (&1.into(), &"before_submit".into())
    );
}
