//! What several processes rely on: submissions are admitted by all of them together, and no batch is written twice.

use backline_engine::event::{Event, Via};
use backline_engine::plan::Rate;
use backline_engine::store::{
    Batch, Departure, LEFT_CALLBACKS, LeftCallback, Refusal, Store, StoreError, SubmissionLimits,
};

use super::server::Server;
use super::story::{LIMITS, accepted, batch, header, intent, key, lost, read, rows};
use crate::Ledger;

/// Two processes at one ledger, with a run of six jobs.
fn two(server: &Server) -> [Ledger; 2] {
    let address = server.database().parse().unwrap();
    let mut stores = [
        Ledger::open(&address).unwrap(),
        Ledger::open(&address).unwrap(),
    ];
    stores[0]
        .begin_run(&header("run"), &rows(&[1, 2, 3, 4, 5, 6]))
        .unwrap();
    stores
}

/// Submits jobs, the processes in turn. Returns what was refused of each.
fn submit(stores: &mut [Ledger; 2], jobs: &[u8], limits: SubmissionLimits) -> Vec<Option<Refusal>> {
    let submit = |number: &u8| {
        let store = &mut stores[usize::from(number % 2)];
        let mut batch = batch("run", *number, &read(store, *number), vec![intent(1)]);
        batch.limits = Some(limits);
        let committed = store.append(&batch).unwrap();
        committed.refused.first().map(|it| it.why)
    };
    jobs.iter().map(submit).collect()
}

#[test]
fn one_window_and_one_number_of_tasks_hold_for_all_processes() {
    let Some(server) = Server::start() else {
        return;
    };
    let mut stores = two(&server);
    let rate = Rate {
        count: 2,
        window_ms: 60_000,
    };
    let limits = SubmissionLimits { rate, ..LIMITS };
    let refused = submit(&mut stores, &[1, 2, 3], limits);
    assert_eq!(refused[..2], [None, None]);
    let Some(Refusal::TooEarly { wait_ms }) = refused[2] else {
        panic!("{refused:?}");
    };
    assert!((50_000..=61_200).contains(&wait_ms), "{wait_ms} ms");
    // Its event is not written, and nothing is known of the job.
    assert_eq!(stores[0].job(&key(3)).unwrap(), None);
    // A request counts from the time at which it left, whichever process sent it.
    let late = |number| Departure {
        key: key(number),
        late_ms: 10_000,
    };
    let left = Batch {
        departures: vec![late(1), late(2)],
        ..Batch::default()
    };
    stores[0].append(&left).unwrap();
    let [Some(Refusal::TooEarly { wait_ms })] = submit(&mut stores, &[3], limits)[..] else {
        panic!("a place was free");
    };
    assert!((61_201..=70_900).contains(&wait_ms), "{wait_ms} ms");

    let limits = SubmissionLimits {
        concurrency: 3,
        ..LIMITS
    };
    let refused = submit(&mut stores, &[3, 4], limits);
    assert_eq!(refused[0], None);
    assert!(
        matches!(refused[1], Some(Refusal::TooEarly { .. })),
        "{refused:?}"
    );
}

#[test]
fn the_credits_of_a_run_and_of_a_ledger_hold_for_all_processes() {
    let Some(server) = Server::start() else {
        return;
    };
    let mut stores = two(&server);
    let limits = SubmissionLimits {
        credits: Some(36.0.into()),
        ledger_credits: Some(48.0.into()),
        ..LIMITS
    };
    let refused = submit(&mut stores, &[1, 2, 3, 4], limits);
    assert_eq!(refused[..3], [None; 3]);
    let over = Refusal::OverBudget {
        run_credits: 36.0.into(),
        ledger_credits: 36.0.into(),
    };
    assert_eq!(refused[3], Some(over));
    // What was refused by the provider is free again.
    let store = &mut stores[1];
    let never = vec![lost(1), Event::NeverBought { attempt: 1 }];
    store
        .append(&batch("run", 2, &read(store, 2), never))
        .unwrap();
    assert_eq!(submit(&mut stores, &[4, 5], limits), [None, Some(over)]);
    // Another run has its own credits; those of the ledger are shared.
    stores[0]
        .begin_run(&header("next"), &rows(&[5, 6]))
        .unwrap();
    let mut next = batch("next", 5, &read(&stores[0], 5), vec![intent(1)]);
    next.limits = Some(limits);
    assert_eq!(stores[0].append(&next).unwrap().refused, []);
    let mut next = batch("next", 6, &read(&stores[0], 6), vec![intent(1)]);
    next.limits = Some(limits);
    let refused = stores[0].append(&next).unwrap().refused;
    assert!(
        matches!(refused[0].why, Refusal::OverBudget { .. }),
        "{refused:?}"
    );
}

#[test]
fn what_happened_before_a_submission_that_is_refused_is_written() {
    let Some(server) = Server::start() else {
        return;
    };
    let mut stores = two(&server);
    let limits = SubmissionLimits {
        concurrency: 1,
        ..LIMITS
    };
    submit(&mut stores, &[1], limits);
    let store = &mut stores[0];
    store
        .append(&batch("run", 2, &read(store, 2), vec![intent(1)]))
        .unwrap();
    let events = vec![lost(1), Event::NeverBought { attempt: 1 }, intent(2)];
    let mut again = batch("run", 2, &read(store, 2), events);
    again.limits = Some(limits);
    let committed = store.append(&again).unwrap();
    assert_eq!(committed.records.len(), 2);
    let known = read(store, 2);
    assert_eq!(known.version, 2);
    assert_eq!(committed.refused[0].version, 2);
    assert_eq!(*known.job, *again.submissions[0].before.job);
}

/// The response to a commit is lost with the connection.
#[test]
fn a_batch_that_is_written_again_after_an_outage_is_written_once() {
    let Some(server) = Server::start() else {
        return;
    };
    let [mut store, other] = two(&server);
    let first = batch("run", 1, &read(&store, 1), vec![intent(1)]);
    let written = store.append(&first).unwrap();
    // As if the response had not come.
    store.forget_response(&first);
    server.stop("immediate");
    let error = store.append(&first).unwrap_err();
    assert!(matches!(error, StoreError::Unreachable { .. }), "{error}");
    server.start_again();
    assert_eq!(store.append(&first).unwrap(), written);
    assert_eq!(other.history_of(&key(1)).unwrap().len(), 1);
    assert_eq!(read(&store, 1).version, 1);
    // Another batch is another batch.
    let more = vec![accepted(1, "task1", Via::Response)];
    let next = batch("run", 1, &read(&store, 1), more);
    assert_eq!(store.append(&next).unwrap().records.len(), 1);
}

#[test]
fn a_reader_sees_one_moment_and_a_newer_format_is_refused() {
    let Some(server) = Server::start() else {
        return;
    };
    let [mut store, _] = two(&server);
    let reader = Ledger::read(store.address()).unwrap();
    assert_eq!(reader.jobs().unwrap().len(), 0);
    store
        .append(&batch("run", 1, &read(&store, 1), vec![intent(1)]))
        .unwrap();
    assert_eq!(reader.jobs().unwrap().len(), 0);
    reader.refresh().unwrap();
    assert_eq!(reader.jobs().unwrap().len(), 1);

    let empty = server.database().parse().unwrap();
    let error = Ledger::read(&empty).unwrap_err();
    assert!(matches!(error, StoreError::Missing { .. }), "{error}");

    let name = store.address().to_string();
    let name = name.rsplit('/').next().unwrap();
    server.query(name, "INSERT INTO backline.migrations (number) VALUES (99)");
    for opened in [Ledger::open(store.address()), Ledger::read(store.address())] {
        let error = opened.unwrap_err();
        assert!(
            matches!(error, StoreError::TooNew { found: 99, .. }),
            "{error}"
        );
    }
}

#[test]
fn a_callback_is_left_to_the_process_that_has_the_job() {
    let Some(server) = Server::start() else {
        return;
    };
    let [mut hears, mut has] = two(&server);
    let known = read(&has, 1);
    let began = intent(1);
    let Event::Intent { token, .. } = &began else {
        panic!("{began:?}");
    };
    let token = token.expose().to_owned();
    let left = LeftCallback::new(&token, "task");
    assert!(
        !hears.leave_callback(&left).unwrap(),
        "nobody made this attempt"
    );
    has.append(&batch("run", 1, &known, vec![began])).unwrap();
    // The provider calls twice.
    assert!(hears.leave_callback(&left).unwrap());
    assert!(hears.leave_callback(&left).unwrap());
    assert_eq!(has.left_callbacks(&[key(2)]).unwrap(), []);
    let found = has.left_callbacks(&[key(1), key(2)]).unwrap();
    assert_eq!(found, std::slice::from_ref(&left));
    // Whoever knows the address can't fill the ledger.
    for number in 0..20 {
        let other = LeftCallback::new(&token, format!("task{number}"));
        assert!(hears.leave_callback(&other).unwrap());
    }
    assert_eq!(has.left_callbacks(&[key(1)]).unwrap().len(), LEFT_CALLBACKS);
    has.remove_callback(&left).unwrap();
    assert!(!has.left_callbacks(&[key(1)]).unwrap().contains(&left));
}
