//! `service`.

use super::*;

/// A service in Python: `body` handles `ask`, a parsed line, and responds with `say`.
fn python(body: &str, order: Order) -> HookSpec {
    let script = format!(
        "import json, os, sys, time\n\
         def say(**what): print(json.dumps(what), flush=True)\n\
         first = json.loads(sys.stdin.readline())\n{body}"
    );
    hook(HookKind::Service {
        argv: argv(&["python3", "-c", &script]),
        order,
        start_timeout_ms: 20_000,
    })
}

fn veto(why: &str) -> Result<HookResponse, HookError> {
    Ok(HookResponse::Veto(why.to_owned()))
}

/// Puts events that differ by their job's take, all at once.
async fn put_all(bound: &Arc<BoundHook>, takes: u32) -> Vec<Result<HookResponse, HookError>> {
    let asked = (1..=takes).map(|take| {
        let (bound, mut event) = (bound.clone(), sample(HookPoint::BeforeSubmit));
        if let Some(job) = &mut event.job {
            job.take = take;
        }
        async move { bound.put(&event).await.map(|said| said.response) }
    });
    futures::future::join_all(asked).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_responds_in_order_and_gets_the_purpose_of_each_event() {
    let spec = python(
        "assert first['hello']['protocol'] == 1 and first['hello']['points'] == ['before_submit']\n\
         say(hello={'protocol': 1, 'later': True})\n\
         for line in sys.stdin: say(veto=str(json.loads(line)['event']['job']['take']))",
        Order::Ordered,
    );
    let bound = BoundHook::alone(&spec, &context(Path::new(".")));
    for (take, said) in (1..).zip(put_all(&bound, 300).await) {
        assert_eq!(said, veto(&format!("{take}")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_concurrent_service_responds_by_id() {
    let spec = python(
        "say(hello={'protocol': 1})\n\
         asks = [json.loads(sys.stdin.readline()) for _ in range(5)]\n\
         for ask in reversed(asks): say(id=ask['id'], veto=str(ask['event']['job']['take']))\n\
         sys.stdin.read()",
        Order::Concurrent,
    );
    let bound = BoundHook::alone(&spec, &context(Path::new(".")));
    for (take, said) in (1..).zip(put_all(&bound, 5).await) {
        assert_eq!(said, veto(&format!("{take}")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_crashes_is_started_again() {
    let folder = tempfile::tempdir().unwrap();
    let spec = python(
        "say(hello={'protocol': 1})\n\
         line = sys.stdin.readline()\n\
         if not os.path.exists('crashed'): open('crashed', 'w').close(); sys.exit(7)\n\
         say(veto='up again')\n\
         sys.stdin.read()",
        Order::Ordered,
    );
    let bound = BoundHook::alone(&spec, &context(folder.path()));
    let event = sample(HookPoint::BeforeSubmit);
    let gone = bound.put(&event).await.unwrap_err();
    assert_eq!(gone, HookError::Gone("it ended with exit status: 7".into()));
    assert_eq!(
        bound.put(&event).await.map(|said| said.response),
        veto("up again")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_starts_slowly_is_waited_for() {
    let mut spec = python(
        "time.sleep(0.5)\nsay(hello={'protocol': 1})\nsys.stdin.readline()\nsay(veto='late')\nsys.stdin.read()",
        Order::Ordered,
    );
    spec.timeout_ms = 400;
    assert_eq!(put(&spec).await, veto("late"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_says_nonsense_or_nothing_is_ended() {
    async fn check(body: &str, expected: fn(&HookError) -> bool) {
        let mut spec = python(body, Order::Ordered);
        spec.timeout_ms = 500;
        let error = put(&spec).await.unwrap_err();
        assert!(expected(&error), "{body}: {error:?}");
    }
    let hello = "say(hello={'protocol': 1})\nsys.stdin.readline()\n";
    check("print('hi', flush=True)\nsys.stdin.read()", |it| {
        matches!(it, HookError::Garbage(_))
    })
    .await;
    check("say(hello={'protocol': 9})\nsys.stdin.read()", |it| {
        *it == HookError::Protocol("9".into(), 1)
    })
    .await;
    check(
        "sys.exit(4)",
        |it| matches!(it, HookError::Gone(why) if why.contains("exit status: 4")),
    )
    .await;
    check(
        &format!("{hello}print('what?', flush=True)\nsys.stdin.read()"),
        |it| matches!(it, HookError::Garbage(_)),
    )
    .await;
    check(
        &format!("{hello}say(id=99, veto='x')\nsys.stdin.read()"),
        |it| matches!(it, HookError::Garbage(_)),
    )
    .await;
    check(&format!("{hello}say(veto=5)\nsys.stdin.read()"), |it| {
        matches!(it, HookError::Garbage(_))
    })
    .await;
    check(&format!("{hello}sys.stdin.read()"), |it| {
        *it == HookError::TimedOut(500)
    })
    .await;
    check(
        &format!("{hello}\nwhile True: sys.stdout.write('x' * 1000000)"),
        |it| *it == HookError::Flood(RESPONSE_LIMIT_BYTES),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_never_greets_is_ended_in_its_time() {
    let spec = hook(HookKind::Service {
        argv: argv(&["sleep", "1000"]),
        order: Order::Ordered,
        start_timeout_ms: 200,
    });
    assert_eq!(put(&spec).await, Err(HookError::TimedOut(200)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_is_not_sent_what_it_does_not_want() {
    let spec = python(
        "say(hello={'protocol': 1, 'points': ['submitted', 'of_a_later_version']})\n\
         for line in sys.stdin: say(veto='was sent it')",
        Order::Ordered,
    );
    assert_eq!(put(&spec).await, Ok(HookResponse::Nothing));
}
