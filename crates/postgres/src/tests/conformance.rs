//! What the engine relies on in every store, tried with SQLite and with PostgreSQL.

use backline_engine::event::{Event, RunId, Via};
use backline_engine::store::{Batch, HookResult, NewRecord, Refusal, Store, Upload};
use tempfile::TempDir;

use super::server::Server;
use super::story::{accepted, batch, header, intent, key, lost, read, rows};
use crate::Ledger;

type Rule = fn(&mut dyn Store);

const RULES: [Rule; 8] = [
    runs_and_plans,
    events_in_order,
    fence,
    uploads,
    hook_results,
    joined_accounts,
    tasks,
    buyers,
];

/// When places in the window were taken.
fn taken_since(store: &dyn Store, account: &str, since_ms: i64) -> Vec<i64> {
    let places = store.places_since(account, since_ms).unwrap();
    places.into_iter().map(|place| place.taken_ms).collect()
}

#[test]
fn sqlite_does_what_the_engine_relies_on() {
    for rule in RULES {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("ledger.sqlite3");
        let mut ledger = backline_engine::ledger::Ledger::own(&path).unwrap();
        rule(&mut ledger);
    }
}

#[test]
fn postgresql_does_what_the_engine_relies_on() {
    let Some(server) = Server::start() else {
        return;
    };
    for rule in RULES {
        let address = server.database().parse().unwrap();
        let mut ledger = Ledger::open(&address).unwrap();
        rule(&mut ledger);
    }
}

fn runs_and_plans(store: &mut dyn Store) {
    let mut second = header("second");
    second.album = Some(store.store_album(&rows(&[1, 2, 3])).unwrap());
    store.begin_run(&header("first"), &rows(&[1, 2])).unwrap();
    store.begin_run(&second, &rows(&[2])).unwrap();
    let runs = store.runs().unwrap();
    assert_eq!(runs, [second.clone(), header("first")]);
    assert_eq!(store.plan_of(&second.id).unwrap(), rows(&[2]));
    assert_eq!(store.album_of(&second).unwrap(), rows(&[1, 2, 3]));
    assert_eq!(store.album_of(&runs[1]).unwrap(), rows(&[1, 2]));
    store.begin_run(&header("third"), &rows(&[1, 2])).unwrap();
    let third = RunId::from_text("third");
    assert_eq!(store.plan_of(&third).unwrap(), rows(&[1, 2]));
}

fn events_in_order(store: &mut dyn Store) {
    store.begin_run(&header("run"), &rows(&[1, 2])).unwrap();
    let run = RunId::from_text("run");
    let mut first = batch("run", 1, &read(store, 1), vec![intent(1), lost(1)]);
    first.events.push(NewRecord {
        job: None,
        event: Event::CallbacksRefused(Default::default()),
        ..first.events[0].clone()
    });
    let written = store.append(&first).unwrap().all().unwrap();
    let next = batch("run", 2, &read(store, 2), vec![intent(1)]);
    let more = store.append(&next).unwrap().all().unwrap();
    let all = [written.clone(), more.clone()].concat();
    assert!(all.windows(2).all(|two| two[0].seq < two[1].seq));
    assert_eq!(store.records_of(&run).unwrap(), all);
    assert_eq!(store.records_since(&run, written[2].seq).unwrap(), more);
    assert_eq!(store.events_of(&run).unwrap(), written[2..]);
    assert_eq!(store.history_of(&key(1)).unwrap(), written[..2]);
    let from = written[0].seq;
    assert_eq!(store.intents_between(from, u64::MAX).unwrap(), more);
    assert_eq!(taken_since(store, "a", 5), [5, 5]);
    assert_eq!(taken_since(store, "a", 6), [0_i64; 0]);
    let jobs = store.jobs().unwrap();
    assert_eq!(jobs.len(), 2);
    assert_eq!(jobs[&key(1)], read(store, 1));
    assert_eq!((jobs[&key(1)].version, jobs[&key(2)].version), (1, 1));
}

fn fence(store: &mut dyn Store) {
    let old = read(store, 1);
    store
        .append(&batch("run", 1, &old, vec![intent(1)]))
        .unwrap()
        .all()
        .unwrap();
    let known = read(store, 1);
    // Another process saw the job before, and has a second job that is still as it read it.
    let mut late = batch("other", 1, &old, vec![intent(1)]);
    let second = batch("other", 2, &read(store, 2), vec![intent(1)]);
    late.events.extend(second.events);
    late.jobs.extend(second.jobs);
    late.submissions.extend(second.submissions);
    let committed = store.append(&late).unwrap();
    let refused = committed.refused[0];
    assert_eq!(committed.refused.len(), 1);
    assert_eq!(
        (refused.key, refused.why, refused.version),
        (key(1), Refusal::Conflict, 1)
    );
    let written: Vec<_> = committed.records.iter().map(|it| it.job).collect();
    assert_eq!(written, [Some(key(2))]);
    assert_eq!(read(store, 1), known);
    assert_eq!(store.history_of(&key(1)).unwrap().len(), 1);
    assert_eq!(read(store, 2).version, 1);
    assert!(committed.all().is_err());
}

fn uploads(store: &mut dyn Store) {
    let upload = |url: &str| Upload {
        hash: "h".to_owned(),
        account: "a".to_owned(),
        url: url.to_owned(),
        at_ms: 5,
    };
    for url in ["https://files.example.com/1", "https://files.example.com/2"] {
        let batch = Batch {
            uploads: vec![upload(url)],
            ..Batch::default()
        };
        store.append(&batch).unwrap();
        assert_eq!(store.upload("h", "a").unwrap(), Some(upload(url)));
    }
    store.forget_upload("h", "a").unwrap();
    assert_eq!(store.upload("h", "a").unwrap(), None);
}

fn hook_results(store: &mut dyn Store) {
    let result = |response: &str| HookResult {
        input: [3; 32],
        response: response.to_owned(),
    };
    assert_eq!(store.hook_result(&[3; 32]).unwrap(), None);
    for response in ["{}", "{\"a\":1}"] {
        store.keep_hook_results(&[result(response)]).unwrap();
        let kept = store.hook_result(&[3; 32]).unwrap();
        assert_eq!(kept.as_deref(), Some(response));
    }
}

fn joined_accounts(store: &mut dyn Store) {
    let mut first = batch("run", 1, &read(store, 1), vec![intent(1)]);
    let upload = |account: &str, url: &str| Upload {
        hash: "h".to_owned(),
        account: account.to_owned(),
        url: url.to_owned(),
        at_ms: 5,
    };
    first.uploads = vec![
        upload("a", "https://a.example.com"),
        upload("b", "https://b.example.com"),
    ];
    store.append(&first).unwrap();
    store.join_account("a", "b").unwrap();
    assert_eq!(read(store, 1).account, "b");
    assert_eq!(taken_since(store, "b", 0), [5]);
    assert_eq!(store.upload("h", "a").unwrap(), None);
    assert!(store.upload("h", "b").unwrap().is_some());
}

fn tasks(store: &mut dyn Store) {
    let events = vec![intent(1), lost(1), accepted(1, "task1", Via::User)];
    let first = batch("run", 1, &read(store, 1), events);
    store.append(&first).unwrap();
    assert_eq!(store.job_of_task("task1").unwrap(), Some(key(1)));
    let back = batch(
        "run",
        1,
        &read(store, 1),
        vec![Event::Reopened { attempt: 1 }],
    );
    store.append(&back).unwrap();
    assert_eq!(store.job_of_task("task1").unwrap(), None);
    assert_eq!(store.job_of_task("task2").unwrap(), None);
}

fn buyers(store: &mut dyn Store) {
    let refused = Event::NeverBought { attempt: 1 };
    for (run, events) in [
        ("first", vec![intent(1), lost(1), refused]),
        ("second", vec![intent(2)]),
    ] {
        let batch = batch(run, 1, &read(store, 1), events);
        store.append(&batch).unwrap();
    }
    let buyer = store.buyers().unwrap().remove(&key(1));
    assert_eq!(buyer, Some(RunId::from_text("second")));
}
