//! Ledgers are moved, merged, checked and pruned alike, whether they are in files or on a server.
//!
//! Over 500 lines: it is a list of independent tests of one seam.

use backline_engine::check::{Checked, Finding};
use backline_engine::driver::record_left_callbacks;
use backline_engine::event::{Event, Moment, Outcome, RunId, Via};
use backline_engine::merge::{Added, MergeError, merge};
use backline_engine::prune::prunable;
use backline_engine::store::{
    Contents, HookResult, KnownJob, LeftCallback, NewRecord, RunHeader, Store as _, StoreError,
    Upload,
};
use tempfile::TempDir;

use super::server::Server;
use super::story::{accepted, batch, header, intent, key, lost, read, rows};
use crate::Ledger;

/// A ledger of either kind.
enum Either {
    File(
        backline_engine::ledger::Ledger,
        #[expect(dead_code, reason = "removed when dropped")] TempDir,
    ),
    Server(Ledger),
}

impl Either {
    fn file() -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("ledger.sqlite3");
        Self::File(backline_engine::ledger::Ledger::own(&path).unwrap(), folder)
    }

    fn server(server: &Server) -> Self {
        let address = server.database().parse().unwrap();
        Self::Server(Ledger::own(&address).unwrap())
    }

    fn check(&self) -> Checked {
        match self {
            Self::File(ledger, _) => ledger.check().unwrap(),
            Self::Server(ledger) => ledger.check().unwrap(),
        }
    }

    fn knows(&self, run: &str, at_ms: i64) -> (bool, bool) {
        let run = RunId::from_text(run);
        match self {
            Self::File(ledger, _) => (
                ledger.knows_run(&run).unwrap(),
                ledger.knows_intent(at_ms).unwrap(),
            ),
            Self::Server(ledger) => (
                ledger.knows_run(&run).unwrap(),
                ledger.knows_intent(at_ms).unwrap(),
            ),
        }
    }
}

impl std::ops::Deref for Either {
    type Target = dyn Contents;

    fn deref(&self) -> &Self::Target {
        match self {
            Self::File(ledger, _) => ledger,
            Self::Server(ledger) => ledger,
        }
    }
}

impl std::ops::DerefMut for Either {
    fn deref_mut(&mut self) -> &mut Self::Target {
        match self {
            Self::File(ledger, _) => ledger,
            Self::Server(ledger) => ledger,
        }
    }
}

/// Tries a rule with two ledgers of every kind.
fn with_both(rule: fn(Either, Either)) {
    rule(Either::file(), Either::file());
    let Some(server) = Server::start() else {
        return;
    };
    rule(Either::file(), Either::server(&server));
    rule(Either::server(&server), Either::file());
}

/// A run of the manifest `songs` that began at a time.
fn run(id: &str, started_ms: i64) -> RunHeader {
    let mut header = header(id);
    header.started_ms = started_ms;
    header
}

/// What happens to a job in a run, from a time on, a millisecond each.
fn happens(store: &mut dyn Contents, run: &str, number: u8, from_ms: i64, events: Vec<Event>) {
    for (at_ms, event) in (from_ms..).zip(events) {
        let mut batch = batch(run, number, &read(&*store, number), vec![event]);
        for record in &mut batch.events {
            record.at_ms = at_ms;
            let step = read(&*store, number).job.step(at_ms, &record.event);
            let backline_engine::job::Step::Changed(job) = step else {
                panic!("{record:?} changes nothing");
            };
            let known = batch.jobs.get_mut(&key(number)).unwrap();
            known.job = job.into();
        }
        store.append(&batch).unwrap().all().unwrap();
    }
}

fn of_run(store: &mut dyn Contents, run: &str, at_ms: i64, event: Event) {
    let batch = backline_engine::store::Batch {
        events: vec![NewRecord {
            at_ms,
            run: RunId::from_text(run),
            account: "a".to_owned(),
            job: None,
            event,
        }],
        ..Default::default()
    };
    store.append(&batch).unwrap();
}

fn ended() -> Event {
    Event::RunEnded {
        outcome: Outcome::Complete,
        credits: 12.0.into(),
    }
}

fn bought(task: &str) -> Vec<Event> {
    vec![intent(1), accepted(1, task, Via::Response)]
}

/// All that is stored, in order, without places.
fn everything(store: &dyn Contents) -> (Vec<NewRecord>, Vec<(u8, KnownJob)>, Vec<RunHeader>) {
    let records = store.page_of_records(0).unwrap();
    assert!(records.windows(2).all(|two| two[0].seq < two[1].seq));
    let jobs = store.page_of_jobs(None).unwrap();
    let jobs = jobs.into_iter().map(|(key, known)| {
        let known = KnownJob {
            version: 0,
            ..known
        };
        (key.to_bytes()[0], known)
    });
    let records = records.into_iter().map(|it| it.record);
    (records.collect(), jobs.collect(), store.runs().unwrap())
}

fn intact(store: &Either) {
    assert_eq!(store.check().findings, []);
}

#[test]
fn a_ledger_that_is_moved_has_everything_at_its_place() {
    with_both(|mut from, mut to| {
        let mut part = run("part", 20);
        part.album = Some(from.store_album(&rows(&[1, 2, 3])).unwrap());
        from.begin_run(&run("whole", 10), &rows(&[1, 2])).unwrap();
        happens(&mut *from, "whole", 1, 11, bought("task1"));
        happens(&mut *from, "whole", 2, 15, vec![intent(1), lost(1)]);
        of_run(&mut *from, "whole", 18, ended());
        from.begin_run(&part, &rows(&[3])).unwrap();
        happens(&mut *from, "part", 3, 21, bought("task3"));
        let upload = Upload {
            hash: "h".to_owned(),
            account: "a".to_owned(),
            url: "https://files.example.com/1".to_owned(),
            at_ms: 5,
        };
        let uploads = backline_engine::store::Batch {
            uploads: vec![upload.clone()],
            ..Default::default()
        };
        from.append(&uploads).unwrap();
        let result = HookResult {
            input: [3; 32],
            response: "{}".to_owned(),
        };
        from.keep_hook_results(&[result]).unwrap();

        let added = merge(&mut *to, &*from).unwrap();
        let expected = Added {
            runs: 2,
            jobs: 3,
            merged_jobs: 0,
            events: 7,
        };
        assert_eq!(added, expected);
        intact(&to);
        assert_eq!(everything(&*to), everything(&*from));
        assert_eq!(
            to.page_of_records(0).unwrap(),
            from.page_of_records(0).unwrap()
        );
        assert_eq!(to.album_of(&part).unwrap(), rows(&[1, 2, 3]));
        assert_eq!(to.plan_of(&part.id).unwrap(), rows(&[3]));
        assert_eq!(to.upload("h", "a").unwrap(), Some(upload));
        assert_eq!(to.hook_result(&[3; 32]).unwrap().as_deref(), Some("{}"));
        assert_eq!(to.job_of_task("task3").unwrap(), Some(key(3)));
        assert_eq!(to.places_since("a", 0).unwrap().len(), 3);
        // The run that comes next is the newest, and its events follow all others.
        to.begin_run(&run("next", 1), &rows(&[2])).unwrap();
        happens(
            &mut *to,
            "next",
            2,
            30,
            vec![Event::NeverBought { attempt: 1 }],
        );
        assert_eq!(to.runs().unwrap()[0].id.as_str(), "next");
        assert_eq!(to.page_of_records(7).unwrap().len(), 1);
        intact(&to);

        // Importing again changes nothing, and what the copy has more comes back.
        assert_eq!(merge(&mut *to, &*from).unwrap(), Added::default());
        let back = merge(&mut *from, &*to).unwrap();
        assert_eq!(
            (back.runs, back.jobs, back.merged_jobs, back.events),
            (1, 0, 1, 1)
        );
        intact(&from);
        assert_eq!(everything(&*to), everything(&*from));
    });
}

#[test]
fn ledgers_of_two_machines_become_one_in_the_order_of_time() {
    with_both(|mut one, mut two| {
        one.begin_run(&run("one", 10), &rows(&[1, 2])).unwrap();
        two.begin_run(&run("two", 12), &rows(&[3, 4])).unwrap();
        happens(&mut *one, "one", 1, 100, bought("task1"));
        happens(&mut *one, "one", 2, 200, bought("task2"));
        of_run(&mut *one, "one", 300, ended());
        one.begin_run(&run("later", 400), &rows(&[1])).unwrap();
        happens(&mut *two, "two", 3, 50, bought("task3"));
        happens(&mut *two, "two", 4, 150, bought("task4"));
        // The clock was set back: the order of the ledger counts.
        of_run(&mut *two, "two", 120, ended());

        assert_eq!(merge(&mut *one, &*two).unwrap().events, 5);
        intact(&one);
        let (records, jobs, runs) = everything(&*one);
        let times: Vec<i64> = records.iter().map(|it| it.at_ms).collect();
        assert_eq!(times, [50, 51, 100, 101, 150, 151, 120, 200, 201, 300]);
        assert_eq!(jobs.len(), 4);
        let runs: Vec<&str> = runs.iter().map(|it| it.id.as_str()).collect();
        assert_eq!(runs, ["later", "two", "one"]);
        assert_eq!(one.history_of(&key(4)).unwrap().len(), 2);
        assert_eq!(one.buyers().unwrap()[&key(4)].as_str(), "two");
        assert_eq!(one.records_of(&RunId::from_text("two")).unwrap().len(), 5);
        for at_ms in [100, 150, 200] {
            assert_eq!(one.knows("two", at_ms), (true, true));
        }
        assert_eq!(merge(&mut *one, &*two).unwrap(), Added::default());
    });
}

/// Two ledgers with events at arbitrary times, some out of order, and with gaps between their places.
#[test]
fn each_ledgers_order_stays_whatever_the_times_are() {
    with_both(|mut one, mut two| {
        let mut state = 7_u64;
        let mut random = |below: i64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            i64::try_from(state >> 33).unwrap() % below
        };
        for (store, id) in [(&mut one, "one"), (&mut two, "two")] {
            for (run_id, started_ms) in [("old", 1), (id, 2)] {
                store
                    .begin_run(&run(&format!("{id} {run_id}"), started_ms), &rows(&[1]))
                    .unwrap();
            }
            for number in 0..40 {
                let run = if random(3) == 0 { "old" } else { id };
                let credits = Event::Credits {
                    balance: f64::from(number),
                    moment: Moment::Before,
                };
                of_run(
                    &mut **store,
                    &format!("{id} {run}"),
                    random(50) + i64::from(number),
                    credits,
                );
            }
            let gone = prunable(&**store, 2).unwrap();
            assert_eq!(gone.runs.len(), 1);
            store.prune(&gone).unwrap();
        }
        let of = |store: &Either, id: &str| {
            let (records, ..) = everything(&**store);
            let own = records
                .into_iter()
                .filter(|it| it.run.as_str().starts_with(id));
            own.collect::<Vec<_>>()
        };
        let (first, second) = (of(&one, "one"), of(&two, "two"));
        merge(&mut *one, &*two).unwrap();
        assert_eq!((of(&one, "one"), of(&one, "two")), (first, second));
        // With the latest time before it, each event of either ledger is in the order of time.
        let (records, ..) = everything(&*one);
        let mut latest = [0; 2];
        let times: Vec<i64> = records
            .iter()
            .map(|it| {
                let of = usize::from(it.run.as_str().starts_with("two"));
                latest[of] = latest[of].max(it.at_ms);
                latest[of]
            })
            .collect();
        assert!(times.is_sorted(), "{times:?}");
        assert_eq!(merge(&mut *one, &*two).unwrap(), Added::default());
        assert_eq!(
            merge(&mut *two, &*one).unwrap().events,
            of(&one, "one").len() as u64
        );
        assert_eq!(everything(&*two).0.len(), records.len());
    });
}

#[test]
fn a_job_of_both_is_joined_if_its_events_can_follow_each_other() {
    with_both(|mut one, mut two| {
        let missing = |message: &str| Event::InputMissing {
            message: message.to_owned(),
        };
        one.begin_run(&run("one", 10), &rows(&[1, 2])).unwrap();
        happens(&mut *one, "one", 1, 100, vec![missing("no file")]);
        happens(&mut *one, "one", 2, 110, vec![intent(1), lost(1)]);
        // The second ledger is a copy that another machine used further.
        merge(&mut *two, &*one).unwrap();
        two.begin_run(&run("two", 20), &rows(&[1, 2])).unwrap();
        happens(
            &mut *two,
            "two",
            2,
            210,
            vec![accepted(1, "task2", Via::User)],
        );
        happens(&mut *one, "one", 1, 200, vec![missing("no folder")]);

        let added = merge(&mut *one, &*two).unwrap();
        assert_eq!((added.jobs, added.merged_jobs, added.events), (0, 1, 1));
        intact(&one);
        assert_eq!(one.job_of_task("task2").unwrap(), Some(key(2)));
        let known = read(&*one, 2);
        assert_eq!(
            (known.job.credits, known.job.reserved),
            (12.0.into(), 0.0.into())
        );
        assert_eq!(known.version, 3);
    });
}

#[test]
fn what_two_ledgers_bought_of_one_job_is_not_merged_and_nothing_is_written() {
    with_both(|mut one, mut two| {
        one.begin_run(&run("one", 10), &rows(&[1, 2])).unwrap();
        two.begin_run(&run("two", 10), &rows(&[1, 3])).unwrap();
        happens(&mut *one, "one", 1, 100, bought("here"));
        happens(&mut *two, "two", 1, 300, bought("there"));
        happens(&mut *two, "two", 3, 400, bought("task3"));
        let before = everything(&*one);
        let Err(MergeError::TwoHistories(jobs)) = merge(&mut *one, &*two) else {
            panic!("two purchases are merged");
        };
        assert_eq!(jobs.len(), 1);
        assert_eq!(jobs[0].key, key(1));
        assert_eq!(jobs[0].here, ["here".into()]);
        assert_eq!(jobs[0].there, ["there".into()]);
        assert_eq!(everything(&*one), before);
        assert_eq!(one.plan_of(&RunId::from_text("two")).unwrap(), []);
    });
}

#[test]
fn a_run_that_was_removed_does_not_come_back() {
    with_both(|mut one, mut two| {
        one.begin_run(&run("old", 10), &rows(&[1])).unwrap();
        happens(
            &mut *one,
            "old",
            1,
            11,
            vec![intent(1), lost(1), Event::NeverBought { attempt: 1 }],
        );
        of_run(&mut *one, "old", 20, ended());
        one.begin_run(&run("new", 30), &rows(&[1])).unwrap();
        merge(&mut *two, &*one).unwrap();
        let gone = prunable(&*one, 25).unwrap();
        assert_eq!(gone.runs, [run("old", 10)]);
        assert_eq!((gone.plan_rows, gone.events, gone.uploads), (0, 1, 0));
        one.prune(&gone).unwrap();
        assert_eq!(one.runs().unwrap().len(), 1);
        assert_eq!(one.plan_of(&RunId::from_text("new")).unwrap(), rows(&[1]));
        assert_eq!(one.history_of(&key(1)).unwrap().len(), 3);
        assert_eq!(one.knows("old", 11), (true, true));
        assert!(prunable(&*one, 25).unwrap().is_empty());
        intact(&one);
        assert_eq!(merge(&mut *one, &*two).unwrap(), Added::default());
        assert_eq!(one.runs().unwrap().len(), 1);
        // A ledger that never had the run learns of it.
        let mut third = Either::file();
        merge(&mut *third, &*one).unwrap();
        assert_eq!(third.knows("old", 11), (true, true));
        assert_eq!(third.runs().unwrap().len(), 1);
    });
}

#[test]
fn a_check_finds_what_is_wrong() {
    let Some(server) = Server::start() else {
        return;
    };
    let mut ledger = Either::server(&server);
    ledger.begin_run(&run("run", 10), &rows(&[1, 2])).unwrap();
    let started = Event::RunStarted {
        name: "songs".to_owned(),
        provider: "studio".to_owned(),
        jobs: 2,
        to_submit: 2,
        upload_host: None,
    };
    of_run(&mut *ledger, "run", 10, started);
    happens(&mut *ledger, "run", 1, 11, bought("task1"));
    happens(&mut *ledger, "run", 2, 15, vec![intent(1), lost(1)]);
    intact(&ledger);
    assert_eq!(ledger.check().extent.events, 5);
    let Either::Server(store) = &ledger else {
        return;
    };
    let name = store.address().to_string();
    let database = name.rsplit('/').next().unwrap();
    let found = |sql: &str| {
        server.query(database, sql);
        let findings = ledger.check().findings;
        findings.iter().map(Finding::to_string).collect::<Vec<_>>()
    };
    let first = key(1).short();
    let all = found(
        "UPDATE backline.jobs SET committed = 13000 WHERE committed > 0 AND NOT is_in_flight; UPDATE backline.ledger SET last_seq = 2",
    );
    let second = key(2).short();
    assert_eq!(
        all,
        [
            format!("job {second}: 13 credits are counted for it, its state has 12"),
            "the ledger counts 24 credits, its jobs have 25".to_owned(),
            "the next event would have place 3, event 5 is there".to_owned()
        ]
    );
    server.query(
        database,
        "UPDATE backline.jobs SET committed = 12000; UPDATE backline.ledger SET last_seq = 5",
    );
    let all = found(
        "UPDATE backline.jobs SET version = 0, is_in_flight = NOT is_in_flight WHERE NOT is_in_flight",
    );
    assert_eq!(
        all,
        [format!(
            "job {second}: it is counted as a task in flight, unlike its state"
        )]
    );
    let all = found("UPDATE backline.jobs SET is_in_flight = false WHERE version = 0");
    assert_eq!(
        all,
        [format!(
            "job {second}: it has version 0; the first one is 1"
        )]
    );
    server.query(database, "UPDATE backline.jobs SET version = 1");
    let all = found(
        "DELETE FROM backline.events WHERE event LIKE '%accepted%'; DELETE FROM backline.plans",
    );
    assert_eq!(
        all,
        [
            format!("job {first}: the stored state differs from the job's events"),
            "run run: the rows of its plan are missing".to_owned()
        ]
    );
}

/// A process that listened left a callback, and no other process has recorded it.
#[test]
fn callbacks_that_were_left_are_recorded_before_a_ledger_moves() {
    let Some(server) = Server::start() else {
        return;
    };
    let mut from = Either::server(&server);
    from.begin_run(&run("run", 10), &rows(&[1])).unwrap();
    let began = intent(1);
    let Event::Intent { token, .. } = &began else {
        panic!("{began:?}");
    };
    let left = LeftCallback::new(token.expose(), "task1");
    happens(&mut *from, "run", 1, 11, vec![began, lost(1)]);
    assert!(from.leave_callback(&left).unwrap());
    record_left_callbacks(&mut *from).unwrap();
    assert_eq!(from.left_callbacks(&[key(1)]).unwrap(), []);
    let mut to = Either::file();
    assert_eq!(merge(&mut *to, &*from).unwrap().events, 3);
    assert_eq!(read(&*to, 1).job.claims[0].task_id.as_str(), "task1");
    intact(&from);
}

/// The ledger that is read fails when some of it is written already.
#[test]
fn a_ledger_that_can_not_be_read_to_its_end_adds_nothing() {
    let Some(server) = Server::start() else {
        return;
    };
    let mut two = Either::server(&server);
    two.begin_run(&run("two", 20), &rows(&[2])).unwrap();
    happens(&mut *two, "two", 2, 21, bought("task2"));
    let Either::Server(store) = &two else {
        return;
    };
    let address = store.address().to_string();
    let database = address.rsplit('/').next().unwrap();
    server.query(
        database,
        "UPDATE backline.plans SET planned = 'x' || planned",
    );
    for mut one in [Either::file(), Either::server(&server)] {
        one.begin_run(&run("one", 10), &rows(&[1])).unwrap();
        let before = everything(&*one);
        let error = merge(&mut *one, &*two).unwrap_err();
        assert!(
            matches!(error, MergeError::Store(StoreError::Damaged { .. })),
            "{error}"
        );
        assert_eq!(everything(&*one), before);
        let next = run("next", 30);
        one.begin_run(&next, &rows(&[1])).unwrap();
        assert_eq!(one.runs().unwrap()[0], next);
    }
}

#[test]
fn the_queues_of_ended_and_removed_runs_are_removed() {
    let Some(server) = Server::start() else {
        return;
    };
    let address = server.database().parse().unwrap();
    let mut ledger = Ledger::share(&address).unwrap();
    for (id, started_ms) in [("ended", 10), ("removed", 11), ("goes on", 12)] {
        let mut shared = run(id, started_ms);
        shared.is_shared = true;
        ledger.begin_run(&shared, &rows(&[1, 2])).unwrap();
    }
    of_run(&mut ledger, "ended", 20, ended());
    let gone = prunable(&ledger, 5).unwrap();
    assert_eq!(gone.queues, [RunId::from_text("ended")]);
    assert_eq!((gone.queued_songs, gone.runs.len()), (2, 0));
    let gone = prunable(&ledger, 12).unwrap();
    assert_eq!((gone.queued_songs, gone.runs.len()), (4, 2));
    ledger.prune(&gone).unwrap();
    let left = ledger.queued_songs().unwrap();
    assert_eq!(left, [(RunId::from_text("goes on"), 2)].into());
    assert!(prunable(&ledger, 12).unwrap().is_empty());
}
