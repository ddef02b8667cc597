//! The ledger, on a real disk.
//!
//! Over 500 lines: it is a list of independent tests of one type.

use rusqlite::params;
use serde_json::json;
use std::sync::Arc;

use super::*;
use crate::event::{Token, Via};
use crate::job::{Phase, Step};
use crate::prune::prunable;
use crate::store::{Contents, NewRecord};

#[test]
fn a_ledger_says_whose_it_is_and_looking_disturbs_nobody() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("ledger.sqlite3");
    let mut ledger = Ledger::own(&path).unwrap();
    let reader = Ledger::read(&path).unwrap();
    let process = Some(std::process::id());
    let nameless = Owner { process, run: None };
    assert_eq!(reader.owner().unwrap(), Some(nameless));

    let run = header(1);
    ledger.begin_run(&run, &[]).unwrap();
    let owner = Owner {
        process,
        run: Some(run.id.clone()),
    };
    assert_eq!(reader.owner().unwrap(), Some(owner));
    let refused = Ledger::own(&path).unwrap_err().to_string();
    let number = format!("(process {})", std::process::id());
    assert!(refused.ends_with(&number), "{refused}");

    drop(ledger);
    assert_eq!(reader.owner().unwrap(), None);
    // A reader of the lock excludes nobody.
    let looking = File::open(lock_path(&path)).unwrap();
    looking.lock_shared().unwrap();
    let looked = std::thread::spawn(move || {
        std::thread::park_timeout(owner::LOCK_PAUSE);
        looking.unlock().unwrap();
    });
    Ledger::own(&path).unwrap();
    looked.join().unwrap();
}

/// `--undo` reverses the user's last decision: the task that was given, or the decision after that task had failed.
#[test]
fn a_task_is_free_again_only_when_it_is_the_task_that_is_taken_back() {
    let scratch = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::own(&scratch.path().join("ledger.sqlite3")).unwrap();
    let run = header(1);
    ledger.begin_run(&run, &rows(&[1, 2])).unwrap();
    let attempt = 1;
    let given = |task: &str| {
        let lost = Event::Lost {
            attempt,
            message: "reset".to_owned(),
            response: None,
        };
        let accepted = Event::Accepted {
            attempt,
            task_id: task.into(),
            via: Via::User,
        };
        vec![intent(), lost, accepted]
    };
    let mut events = given("task1");
    events.push(Event::Reopened { attempt });
    lived(&mut ledger, &run.id, 1, 10, events);
    assert_eq!(ledger.job_of_task("task1").unwrap(), None);

    let mut events = given("task2");
    let ghost = || "ghost".into();
    events.extend([
        Event::TaskFailed {
            code: Some(500),
            message: "no luck".to_owned(),
            refunded: true,
        },
        Event::Claimed {
            attempt,
            task_id: ghost(),
        },
        Event::BuyAgain { attempt },
        Event::Reopened { attempt },
    ]);
    lived(&mut ledger, &run.id, 2, 20, events);
    let owner = Some(JobKey::from_bytes([2; 32]));
    assert_eq!(ledger.job_of_task("task2").unwrap(), owner);
    assert_eq!(ledger.check().unwrap().findings, []);
}

/// States and events are read one after the other, while a run goes on writing.
#[test]
fn all_that_a_reader_sees_is_of_one_moment() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("ledger.sqlite3");
    let mut ledger = Ledger::own(&path).unwrap();
    let run = header(1);
    ledger.begin_run(&run, &rows(&[1])).unwrap();
    let key = JobKey::from_bytes([1; 32]);
    lived(&mut ledger, &run.id, 1, 1, vec![intent()]);
    let reader = Ledger::read(&path).unwrap();
    let known = reader.jobs().unwrap();
    let lost = Event::Lost {
        attempt: 1,
        message: "reset".to_owned(),
        response: None,
    };
    lived(&mut ledger, &run.id, 1, 2, vec![lost]);
    assert_eq!(reader.check().unwrap().findings, []);
    assert_eq!(reader.history_of(&key).unwrap().len(), 1);
    assert_eq!(reader.job(&key).unwrap().as_ref(), known.get(&key));
    reader.refresh().unwrap();
    assert_eq!(reader.history_of(&key).unwrap().len(), 2);
    let now = reader.job(&key).unwrap().unwrap();
    assert!(matches!(now.job.phase, Phase::InDoubt { .. }));
    assert_eq!(reader.check().unwrap().findings, []);
}

fn header(started_ms: i64) -> RunHeader {
    RunHeader {
        id: RunId::new(),
        started_ms,
        name: "songs".to_owned(),
        manifest: "songs.yaml".to_owned(),
        provider: "studio".to_owned(),
        address: None,
        account: "a".to_owned(),
        retention_days: 14,
        version: "0".to_owned(),
        price_credits: None,
        bounds: None,
        selection: None,
        album: None,
        knows_titles: true,
        changes_in_plan: true,
        is_shared: false,
    }
}

fn rows(keys: &[u8]) -> Vec<PlannedRow> {
    let row = |key: &u8| PlannedRow {
        key: JobKey::from_bytes([*key; 32]),
        stem: "voice".into(),
        preset: "p".into(),
        vars: Arc::default(),
        sweep: Arc::default(),
        take: 1,
        settings: serde_json::from_value(json!({
            "title": "t", "tags": "calm", "negative_tags": "", "model": "V5"
        }))
        .unwrap(),
        step: None,
        recording: None,
    };
    keys.iter().map(row).collect()
}

fn rows_stored(ledger: &Ledger) -> i64 {
    let count = "SELECT count(*) FROM plans";
    let read = |connection: &Connection| connection.query_row(count, [], |row| row.get(0));
    ledger.run("read", read).unwrap()
}

#[test]
fn runs_with_one_plan_share_its_rows_and_are_ordered_as_they_were_recorded() {
    let scratch = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::own(&scratch.path().join("ledger.sqlite3")).unwrap();
    // The second was begun with a clock that was far ahead.
    let runs = [1_000, 9_000_000, 2_000].map(header);
    for (run, keys) in runs.iter().zip([&[1, 2][..], &[1, 2], &[1, 2, 3]]) {
        ledger.begin_run(run, &rows(keys)).unwrap();
    }
    assert_eq!(rows_stored(&ledger), 5);
    assert_eq!(ledger.plan_of(&runs[1].id).unwrap(), rows(&[1, 2]));
    assert_eq!(ledger.plan_of(&runs[2].id).unwrap(), rows(&[1, 2, 3]));
    let order: Vec<RunId> = ledger
        .runs()
        .unwrap()
        .into_iter()
        .map(|run| run.id)
        .collect();
    assert_eq!(order, [2, 1, 0].map(|at| runs[at].id.clone()));
}

#[test]
fn a_ledger_of_an_older_program_is_read_as_it_is_and_brought_up_to_date_by_its_owner() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("ledger.sqlite3");
    let old = Connection::open(&path).unwrap();
    old.execute_batch(
        "CREATE TABLE runs (id TEXT PRIMARY KEY, started_ms INTEGER NOT NULL, header TEXT NOT NULL) STRICT;
         CREATE TABLE plans (run TEXT NOT NULL, position INTEGER NOT NULL, row TEXT NOT NULL,
                             PRIMARY KEY (run, position)) STRICT, WITHOUT ROWID;
         CREATE TABLE events (seq INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, run TEXT NOT NULL, account TEXT NOT NULL,
                              job BLOB, intent INTEGER NOT NULL, event TEXT NOT NULL) STRICT;
         CREATE INDEX events_of_job ON events (job, seq) WHERE job IS NOT NULL;
         CREATE INDEX events_of_run ON events (run, seq) WHERE job IS NULL;
         CREATE INDEX intents ON events (account, at_ms) WHERE intent = 1;
         CREATE TABLE jobs (key BLOB PRIMARY KEY, account TEXT NOT NULL, job TEXT NOT NULL) STRICT, WITHOUT ROWID;
         CREATE TABLE uploads (hash TEXT NOT NULL, account TEXT NOT NULL, url TEXT NOT NULL, at_ms INTEGER NOT NULL,
                               PRIMARY KEY (hash, account)) STRICT, WITHOUT ROWID;
         PRAGMA application_id = 1114328174; PRAGMA user_version = 1;",
    )
    .unwrap();
    let run = header(5);
    old.execute(
        "INSERT INTO runs VALUES (?1, 5, ?2)",
        params![run.id.as_str(), super::json(&run)],
    )
    .unwrap();
    for (at, row) in (0_i64..).zip(&rows(&[1, 2])) {
        old.execute(
            "INSERT INTO plans VALUES (?1, ?2, ?3)",
            params![run.id.as_str(), at, super::json(row)],
        )
        .unwrap();
    }
    drop(old);
    let reader = Ledger::read(&path).unwrap();
    assert_eq!(reader.format().unwrap(), 1);
    assert_eq!(reader.plan_of(&run.id).unwrap(), rows(&[1, 2]));
    assert!(reader.knows_run(&run.id).unwrap());
    assert!(prunable(&reader, 0).unwrap().is_empty());
    drop(reader);
    let mut ledger = Ledger::own(&path).unwrap();
    assert_eq!(ledger.format().unwrap(), open::FORMAT);
    assert_eq!(ledger.runs().unwrap(), std::slice::from_ref(&run));
    assert_eq!(ledger.plan_of(&run.id).unwrap(), rows(&[1, 2]));
    let next = header(6);
    ledger.begin_run(&next, &rows(&[1, 2])).unwrap();
    assert_eq!(ledger.plan_of(&next.id).unwrap(), rows(&[1, 2]));
}

#[test]
fn the_events_of_a_run_are_found_by_an_index() {
    let scratch = tempfile::tempdir().unwrap();
    let ledger = Ledger::own(&scratch.path().join("ledger.sqlite3")).unwrap();
    let explain = format!("EXPLAIN QUERY PLAN {RECORDS_OF}");
    let plan: String = ledger
        .run("read", |connection| {
            connection.query_row(&explain, ["x"], |row| row.get(3))
        })
        .unwrap();
    assert!(plan.contains("USING INDEX events_by_run"), "{plan}");
}

/// A job that went through these events, as a batch.
fn lived(ledger: &mut Ledger, run: &RunId, key: u8, at_ms: i64, events: Vec<Event>) {
    let key = JobKey::from_bytes([key; 32]);
    let account = "a".to_owned();
    let mut known = ledger.jobs().unwrap().remove(&key).unwrap_or(KnownJob {
        job: Arc::default(),
        account: account.clone(),
        version: 0,
    });
    let mut batch = Batch::default();
    for event in events {
        let Step::Changed(job) = known.job.step(at_ms, &event) else {
            panic!("{event:?}")
        };
        known.job = job.into();
        batch.events.push(NewRecord {
            at_ms,
            run: run.clone(),
            account: account.clone(),
            job: Some(key),
            event,
        });
    }
    batch.jobs.insert(key, known);
    ledger.append(&batch).unwrap();
}

fn intent() -> Event {
    Event::Intent {
        attempt: 1,
        token: Token::from_text("secret"),
        credits: 12.0.into(),
    }
}

fn own_event(run: &RunId) -> Batch {
    Batch {
        events: vec![NewRecord {
            at_ms: 5,
            run: run.clone(),
            account: "a".to_owned(),
            job: None,
            event: Event::RunStarted {
                name: "songs".to_owned(),
                provider: "studio".to_owned(),
                jobs: 1,
                to_submit: 1,
                upload_host: None,
            },
        }],
        ..Batch::default()
    }
}

#[test]
fn old_runs_are_pruned_and_what_may_still_be_bought_or_fetched_is_not() {
    let scratch = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::own(&scratch.path().join("ledger.sqlite3")).unwrap();
    // 0: planned a job that is in doubt now; 1 and 2: the same plan; 3: young; 4: the last of its manifest.
    let mut runs = [10, 20, 30, 5_000, 40].map(header);
    runs[4].manifest = "other.yaml".to_owned();
    for (run, keys) in runs
        .iter()
        .zip([&[1, 9][..], &[1, 2], &[1, 2], &[1, 3], &[4]])
    {
        ledger.begin_run(run, &rows(keys)).unwrap();
        ledger.append(&own_event(&run.id)).unwrap();
    }
    let lost = Event::Lost {
        attempt: 1,
        message: "reset".to_owned(),
        response: None,
    };
    lived(&mut ledger, &runs[0].id, 9, 10, vec![intent(), lost]);
    let accepted = Event::Accepted {
        attempt: 1,
        task_id: "task1".into(),
        via: crate::event::Via::Response,
    };
    lived(&mut ledger, &runs[1].id, 2, 20, vec![intent(), accepted]);
    for (hash, at_ms) in [("old", 10), ("young", 5_000)] {
        let upload = Upload {
            hash: hash.to_owned(),
            account: "a".to_owned(),
            url: "https://files.example.com/a".to_owned(),
            at_ms,
        };
        let batch = Batch {
            uploads: vec![upload],
            ..Batch::default()
        };
        ledger.append(&batch).unwrap();
    }
    let owner = ledger.job_of_task("task1").unwrap();
    assert_eq!(owner, Some(JobKey::from_bytes([2; 32])));
    assert_eq!(ledger.job_of_task("task").unwrap(), None);
    let before = ledger.jobs().unwrap();

    let gone = prunable(&ledger, 1_000).unwrap();
    // Run 2 is the last that planned the job at work, run 0 the last that planned the one in doubt.
    assert_eq!(gone.runs, [runs[1].clone()]);
    assert_eq!((gone.plan_rows, gone.events, gone.uploads), (0, 1, 1));
    assert_eq!(gone.kept_runs, 3);
    ledger.prune(&gone).unwrap();

    assert_eq!(ledger.jobs().unwrap(), before);
    assert_eq!(ledger.check().unwrap().findings, []);
    assert_eq!(ledger.integrity().unwrap(), Vec::<String>::new());
    let left: Vec<RunId> = ledger
        .runs()
        .unwrap()
        .into_iter()
        .map(|run| run.id)
        .collect();
    assert_eq!(left, [4, 3, 2, 0].map(|at| runs[at].id.clone()));
    assert_eq!(ledger.plan_of(&runs[2].id).unwrap(), rows(&[1, 2]));
    assert!(ledger.upload("young", "a").unwrap().is_some());
    assert!(ledger.upload("old", "a").unwrap().is_none());
    assert!(ledger.knows_run(&runs[1].id).unwrap());
    assert!(!ledger.knows_run(&RunId::new()).unwrap());
    assert!(prunable(&ledger, 1_000).unwrap().is_empty());
}

#[test]
fn a_ledger_that_can_not_be_written_to_is_read_with_and_without_its_log() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("ledger.sqlite3");
    let mut ledger = Ledger::own(&path).unwrap();
    ledger.begin_run(&header(1), &rows(&[1])).unwrap();
    // The log and its index are there as long as somebody has it open.
    let copy = scratch.path().join("copy.sqlite3");
    std::fs::copy(&path, &copy).unwrap();
    let log = |path: &Path| PathBuf::from(format!("{}-wal", path.display()));
    std::fs::copy(log(&path), log(&copy)).unwrap();
    let taken = Ledger::read_what_is_there(&copy).unwrap();
    assert_eq!(taken.runs().unwrap().len(), 1);
    assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 6);
    drop(ledger);
    assert!(!log(&path).exists());
    let whole = Ledger::read_what_is_there(&path).unwrap();
    assert_eq!(
        whole.plan_of(&whole.runs().unwrap()[0].id).unwrap(),
        rows(&[1])
    );
}

#[test]
fn a_replaced_key_takes_its_jobs_along() {
    let scratch = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::own(&scratch.path().join("ledger.sqlite3")).unwrap();
    let run = header(1);
    ledger.begin_run(&run, &rows(&[1])).unwrap();
    lived(&mut ledger, &run.id, 1, 7, vec![intent()]);
    ledger.join_account("a", "b").unwrap();
    assert!(
        ledger
            .jobs()
            .unwrap()
            .values()
            .all(|known| known.account == "b")
    );
    assert_eq!(ledger.places_since("b", 0).unwrap()[0].taken_ms, 7);
    assert_eq!(ledger.places_since("a", 0).unwrap(), []);
    assert_eq!(ledger.check().unwrap().findings, []);
}

#[cfg(unix)]
#[test]
fn a_planted_link_leads_no_ledger_to_another_file() {
    for suffix in ["", ".lock", "-wal"] {
        let scratch = tempfile::tempdir().unwrap();
        let victim = scratch.path().join("victim");
        std::fs::write(&victim, "").unwrap();
        let link = scratch.path().join(format!("ledger.sqlite3{suffix}"));
        std::os::unix::fs::symlink(&victim, link).unwrap();
        let refused = Ledger::own(&scratch.path().join("ledger.sqlite3")).unwrap_err();
        let why = std::error::Error::source(&refused).unwrap().to_string();
        assert!(why.contains("is a symbolic link"), "{why}");
        assert_eq!(std::fs::read(&victim).unwrap(), b"");
    }
}

#[test]
fn an_older_ledger_is_brought_up_to_date_from_its_events() {
    use crate::job::{Phase, Unproven};
    use backline_api::ResponseClass;

    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("ledger.sqlite3");
    let mut ledger = Ledger::own(&path).unwrap();
    let key = JobKey::from_bytes([7; 32]);
    let token = crate::event::Token::from_text("secret");
    let events = [
        Event::Intent {
            attempt: 1,
            token: token.clone(),
            credits: 12.0.into(),
        },
        Event::Refused {
            attempt: 1,
            class: ResponseClass::Wait,
            code: None,
            message: "slower".to_owned(),
        },
    ];
    let account = "studio:1".to_owned();
    // As a program of format 2 left it.
    let job = Job {
        attempts: 1,
        unproven: vec![Unproven {
            attempt: 1,
            token,
            credits: 12.0.into(),
            counted: false,
            refused: false,
            failed_task: None,
        }],
        ..Job::default()
    };
    let record = |event| crate::store::NewRecord {
        at_ms: 5,
        run: RunId::new(),
        account: account.clone(),
        job: Some(key),
        event,
    };
    let batch = Batch {
        events: events.into_iter().map(record).collect(),
        jobs: [(
            key,
            KnownJob {
                job: job.into(),
                account: account.clone(),
                version: 0,
            },
        )]
        .into(),
        ..Batch::default()
    };
    ledger.append(&batch).unwrap();
    ledger
        .connection
        .execute_batch("ALTER TABLE jobs DROP COLUMN version; PRAGMA user_version = 2;")
        .unwrap();
    drop(ledger);

    let older = Ledger::read(&path).unwrap();
    assert_eq!(
        (older.format().unwrap(), older.check().unwrap().findings),
        (2, vec![])
    );
    let ledger = Ledger::own(&path).unwrap();
    assert_eq!(ledger.format().unwrap(), open::FORMAT);
    assert_eq!(ledger.check().unwrap().findings, []);
    let known = ledger.job(&key).unwrap().unwrap();
    assert_eq!(known.account, account);
    assert!(known.job.unproven[0].refused);
    assert_eq!(known.job.phase, Phase::Planned);
}

#[test]
fn an_upload_is_written_with_the_events_or_not_at_all() {
    let scratch = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::own(&scratch.path().join("ledger.sqlite3")).unwrap();
    let upload = Upload {
        hash: "h".to_owned(),
        account: "a".to_owned(),
        url: "https://files.example.com/h.wav".to_owned(),
        at_ms: 5,
    };
    let batch = Batch {
        uploads: vec![upload.clone()],
        ..Batch::default()
    };
    ledger
        .connection
        .execute_batch("ALTER TABLE uploads RENAME TO away")
        .unwrap();
    ledger.append(&batch).unwrap_err();
    ledger
        .connection
        .execute_batch("ALTER TABLE away RENAME TO uploads")
        .unwrap();
    assert_eq!(ledger.upload("h", "a").unwrap(), None);
    ledger.append(&batch).unwrap();
    assert_eq!(ledger.upload("h", "a").unwrap(), Some(upload));
}

#[test]
fn a_schema_that_computes_is_refused() {
    let endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n)
                   SELECT zeroblob(32) AS key, 'a' AS account, CAST(x AS TEXT) AS job FROM n";
    for (change, name) in [
        (
            format!("DROP TABLE jobs; CREATE VIEW jobs AS {endless}"),
            "view jobs",
        ),
        (
            "CREATE TRIGGER more AFTER INSERT ON events BEGIN DELETE FROM jobs; END".to_owned(),
            "trigger more",
        ),
        (
            "ALTER TABLE runs ADD COLUMN large TEXT AS (hex(zeroblob(400000000)))".to_owned(),
            "generated column runs.large",
        ),
    ] {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("ledger.sqlite3");
        drop(Ledger::own(&path).unwrap());
        let connection = Connection::open(&path).unwrap();
        connection.execute_batch(&change).unwrap();
        drop(connection);
        for opened in [Ledger::read(&path), Ledger::own(&path)] {
            let error = opened.unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
    }
}
