//! Jobs and batches that the tests write.

use std::sync::Arc;

use backline_engine::event::{Event, RunId, Token, Via};
use backline_engine::job::Step;
use backline_engine::plan::Rate;
use backline_engine::settings::JobKey;
use backline_engine::store::{
    Batch, KnownJob, NewRecord, PlannedRow, RunHeader, Store, Submission, SubmissionLimits,
};

pub(super) const LIMITS: SubmissionLimits = SubmissionLimits {
    rate: Rate {
        count: 1_000,
        window_ms: 10_000,
    },
    concurrency: 1_000,
    follow_ms: 60_000,
    credits: None,
    ledger_credits: None,
};

pub(super) fn key(number: u8) -> JobKey {
    JobKey::from_bytes([number; 32])
}

pub(super) fn header(id: &str) -> RunHeader {
    serde_json::from_value(serde_json::json!({
        "id": id, "started_ms": 1, "name": "songs", "manifest": "songs.yaml", "provider": "studio",
        "account": "a", "retention_days": 14, "version": "0", "knows_titles": true, "changes_in_plan": true
    }))
    .unwrap()
}

pub(super) fn rows(keys: &[u8]) -> Vec<PlannedRow> {
    let row = |number: &u8| PlannedRow {
        key: key(*number),
        stem: "voice".into(),
        preset: "p".into(),
        vars: Arc::default(),
        sweep: Arc::default(),
        take: 1,
        settings: serde_json::from_value(serde_json::json!({
            "title": "t", "tags": "calm", "negative_tags": "", "model": "V5"
        }))
        .unwrap(),
        step: None,
        recording: None,
    };
    keys.iter().map(row).collect()
}

pub(super) fn intent(attempt: u32) -> Event {
    Event::Intent {
        attempt,
        token: Token::from_text(format!("secret {attempt}")),
        credits: 12.0.into(),
    }
}

pub(super) fn lost(attempt: u32) -> Event {
    Event::Lost {
        attempt,
        message: "reset".to_owned(),
        response: None,
    }
}

pub(super) fn accepted(attempt: u32, task: &str, via: Via) -> Event {
    Event::Accepted {
        attempt,
        task_id: task.into(),
        via,
    }
}

/// A job as a store has it.
pub(super) fn read(store: &dyn Store, number: u8) -> KnownJob {
    store.job(&key(number)).unwrap().unwrap_or(KnownJob {
        job: Arc::default(),
        account: "a".to_owned(),
        version: 0,
    })
}

/// What a conductor would write when these events happen to a job that it has read as `known`.
pub(super) fn batch(run: &str, number: u8, known: &KnownJob, events: Vec<Event>) -> Batch {
    let mut known = known.clone();
    let mut batch = Batch {
        limits: Some(LIMITS),
        ..Batch::default()
    };
    for event in events {
        let Step::Changed(job) = known.job.step(5, &event) else {
            panic!("{event:?} changes nothing");
        };
        if matches!(event, Event::Intent { .. } | Event::Repeated { .. }) {
            batch.submissions.push(Submission {
                key: key(number),
                before: known.clone(),
            });
        }
        known.job = job.into();
        batch.events.push(NewRecord {
            at_ms: 5,
            run: RunId::from_text(run),
            account: "a".to_owned(),
            job: Some(key(number)),
            event,
        });
    }
    batch.jobs.insert(key(number), known);
    batch
}
