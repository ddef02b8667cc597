//! `--otlp`: exports a run as OpenTelemetry traces. The run's span contains one span per job, and each of these one span per
//! attempt.
//!
//! ```text
//!  run ─┬─ job (key, stem, preset, …, outcome, credits) ─┬─ attempt 1 (refused)
//!       │        text_ready · complete · track_kept       └─ attempt 2 (accepted, task id)
//!       └─ job …
//! ```
//!
//! Spans are built from the records with the records' times, so they agree with the ledger. They contain no tokens and no keys.
//! Traces never delay a run: spans wait in a bounded queue for a separate thread, and are dropped if the queue is full. If the
//! collector can't be reached, the program warns once.

mod collector;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use backline_engine::event::{Event, Outcome, Part, Record, TaskStage, Via};
use backline_engine::job::{Credits, Job, Step};
use backline_engine::settings::JobKey;
use backline_engine::status::JobStatus;
use backline_engine::store::PlannedRow;
use opentelemetry::trace::{SpanKind, Status, TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SdkTracer, SdkTracerProvider,
};

use self::collector::{WarningExporter, words};
use crate::failure::Failure;
use crate::log::Notices;
use crate::watch::RunBasis;

/// The most spans in the queue: those of a thousand jobs with an attempt and a retry each, at some hundred bytes per span.
const MOST_WAITING: usize = 4_096;

/// The time between two batches.
const BETWEEN: Duration = Duration::from_secs(1);

/// The longest time that the end of a run waits for the last batch.
const FAREWELL: Duration = Duration::from_secs(4);

/// The traces of one run.
pub(crate) struct Traces {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    run: Option<Context>,
    jobs: HashMap<JobKey, Followed>,
}

/// A job of the plan, with its spans.
struct Followed {
    facts: Vec<KeyValue>,
    job: Job,
    span: Option<Context>,
    attempt: Option<Context>,
    /// The cost of the job before this run, in credits.
    credits_before: Credits,
}

impl Traces {
    /// Starts to send traces to the collector at `address`. Must be called outside of a runtime, because the client has its own.
    pub(crate) fn start(
        address: &str,
        planned: &RunBasis,
        notices: &Notices,
    ) -> Result<Self, Failure> {
        let exporter = WarningExporter::start(address, notices)?;
        let config = BatchConfigBuilder::default()
            .with_max_queue_size(MOST_WAITING)
            .with_scheduled_delay(BETWEEN)
            .build();
        let processor = BatchSpanProcessor::builder(exporter)
            .with_batch_config(config)
            .build();
        let resource = Resource::builder_empty()
            .with_service_name("backline")
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let provider = SdkTracerProvider::builder()
            .with_span_processor(processor)
            .with_resource(resource)
            .build();
        Ok(Self {
            tracer: provider.tracer("backline"),
            provider,
            run: None,
            jobs: followed(planned),
        })
    }

    /// Updates the spans from a record. Never blocks.
    pub(crate) fn record(&mut self, record: &Record) {
        let at = time(record.at_ms);
        match &record.event {
            Event::RunStarted {
                name,
                provider,
                jobs,
                to_submit,
                ..
            } => {
                let facts = vec![
                    KeyValue::new("backline.run", record.run.to_string()),
                    KeyValue::new("backline.name", name.clone()),
                    KeyValue::new("backline.provider", provider.clone()),
                    KeyValue::new("backline.jobs", whole(*jobs)),
                    KeyValue::new("backline.to_submit", whole(*to_submit)),
                ];
                self.run = Some(self.span("run", SpanKind::Internal, at, facts, &Context::new()));
            }
            Event::RunEnded { outcome, credits } => self.end_run(at, outcome, (*credits).into()),
            Event::Paused { code, message, .. } => {
                let mut facts = vec![KeyValue::new("message", words(message))];
                facts.extend(code.map(|code| KeyValue::new("code", code)));
                note(self.run.as_ref(), "paused", at, facts);
            }
            _ => {
                if let Some(key) = record.job {
                    self.record_of(key, record, at);
                }
            }
        }
    }

    fn record_of(&mut self, key: JobKey, record: &Record, at: SystemTime) {
        let Some(mut followed) = self.jobs.remove(&key) else {
            return;
        };
        let parent = self.run.clone().unwrap_or_default();
        if followed.span.is_none() {
            let facts = followed.facts.clone();
            followed.span = Some(self.span("job", SpanKind::Internal, at, facts, &parent));
        }
        if let Step::Changed(next) = followed.job.step(record.at_ms, &record.event) {
            followed.job = next;
        }
        if let Event::Intent { attempt, .. } | Event::Repeated { attempt } = &record.event {
            let facts = vec![KeyValue::new("backline.attempt", i64::from(*attempt))];
            let parent = followed.span.clone().unwrap_or_default();
            followed.attempt = Some(self.span("attempt", SpanKind::Client, at, facts, &parent));
        }
        followed.take_in(&record.event, at);
        if let JobStatus::Kept | JobStatus::Partial | JobStatus::Failed | JobStatus::Vetoed =
            followed.status()
        {
            followed.end(at);
        }
        self.jobs.insert(key, followed);
    }

    fn end_run(&mut self, at: SystemTime, outcome: &Outcome, credits: f64) {
        for followed in self.jobs.values_mut() {
            followed.end(at);
        }
        let Some(run) = self.run.take() else { return };
        let span = run.span();
        let how = serde_json::to_value(outcome).ok();
        let how = how.as_ref().and_then(|it| it["how"].as_str());
        span.set_attribute(KeyValue::new(
            "backline.outcome",
            how.unwrap_or_default().to_owned(),
        ));
        span.set_attribute(KeyValue::new("backline.credits", credits));
        if *outcome != Outcome::Complete {
            span.set_status(Status::error(how.unwrap_or_default().to_owned()));
        }
        span.end_with_timestamp(at);
    }

    fn span(
        &self,
        name: &'static str,
        kind: SpanKind,
        at: SystemTime,
        facts: Vec<KeyValue>,
        parent: &Context,
    ) -> Context {
        let builder = self.tracer.span_builder(name);
        let builder = builder
            .with_kind(kind)
            .with_start_time(at)
            .with_attributes(facts);
        Context::new().with_span(self.tracer.build_with_context(builder, parent))
    }

    /// Sends the remaining spans, for at most [`FAREWELL`]. Must be called outside of a runtime.
    pub(crate) fn end(mut self) {
        let at = SystemTime::now();
        for followed in self.jobs.values_mut() {
            followed.end(at);
        }
        if let Some(run) = self.run.take() {
            run.span().set_status(Status::error("interrupted"));
            run.span().end_with_timestamp(at);
        }
        // Failed batches were already reported.
        let _ = self.provider.shutdown_with_timeout(FAREWELL);
    }
}

impl Followed {
    fn status(&self) -> JobStatus {
        JobStatus::from(&self.job.phase)
    }

    /// Adds an event to the spans of the job and of its attempt.
    fn take_in(&mut self, event: &Event, at: SystemTime) {
        match event {
            Event::Accepted { task_id, via, .. } => {
                let task = KeyValue::new("backline.task", task_id.to_string());
                if let Some(span) = &self.span {
                    span.span().set_attribute(task.clone());
                }
                let via = match via {
                    Via::Response => "answer",
                    Via::Callback => "callback",
                    Via::User => "user",
                    Via::Refusal => "refusal",
                };
                self.end_attempt(
                    at,
                    "accepted",
                    vec![task, KeyValue::new("backline.via", via)],
                );
            }
            Event::Refused {
                class,
                code,
                message,
                ..
            } => {
                let class = serde_json::to_value(class).ok();
                let class = class
                    .as_ref()
                    .and_then(|it| it.as_str())
                    .unwrap_or_default();
                let mut facts = vec![KeyValue::new("backline.class", class.to_owned())];
                facts.extend(code.map(|code| KeyValue::new("backline.code", code)));
                self.fail_attempt(at, "refused", message, facts);
            }
            Event::NotSent { message, .. } => {
                self.fail_attempt(at, "not_sent", message, Vec::new())
            }
            Event::Lost { message, .. } => self.fail_attempt(at, "lost", message, Vec::new()),
            Event::Stage { stage, .. } => {
                let name = match stage {
                    TaskStage::Pending => "pending",
                    TaskStage::Text => "text_ready",
                    TaskStage::First => "first_ready",
                    TaskStage::Complete => "complete",
                };
                note(self.span.as_ref(), name, at, Vec::new());
            }
            Event::TrackKept { index, part, file } => {
                let mut facts = track(*index, *part);
                facts.push(KeyValue::new("bytes", whole(file.length_bytes)));
                note(self.span.as_ref(), "track_kept", at, facts);
            }
            Event::TrackFailed {
                index,
                part,
                message,
                ..
            } => {
                let mut facts = track(*index, *part);
                facts.push(KeyValue::new("message", words(message)));
                note(self.span.as_ref(), "track_failed", at, facts);
            }
            Event::TaskFailed { code, message, .. } => {
                let mut facts = vec![KeyValue::new("message", words(message))];
                facts.extend(code.map(|code| KeyValue::new("code", code)));
                note(self.span.as_ref(), "task_failed", at, facts);
            }
            Event::TaskPartial { code, message, .. } => {
                let mut facts = vec![KeyValue::new("message", words(message))];
                facts.extend(code.map(|code| KeyValue::new("code", code)));
                note(self.span.as_ref(), "task_partial", at, facts);
            }
            Event::DetailsUnavailable { message } => {
                let facts = vec![KeyValue::new("message", words(message))];
                note(self.span.as_ref(), "details_unavailable", at, facts);
            }
            Event::UploadFailed { message, .. } => {
                let facts = vec![KeyValue::new("message", words(message))];
                note(self.span.as_ref(), "upload_failed", at, facts);
            }
            _ => {}
        }
    }

    fn fail_attempt(
        &mut self,
        at: SystemTime,
        outcome: &'static str,
        message: &str,
        facts: Vec<KeyValue>,
    ) {
        if let Some(attempt) = &self.attempt {
            attempt.span().set_status(Status::error(words(message)));
        }
        self.end_attempt(at, outcome, facts);
    }

    fn end_attempt(&mut self, at: SystemTime, outcome: &'static str, facts: Vec<KeyValue>) {
        let Some(attempt) = self.attempt.take() else {
            return;
        };
        attempt
            .span()
            .set_attribute(KeyValue::new("backline.outcome", outcome));
        attempt.span().set_attributes(facts);
        attempt.span().end_with_timestamp(at);
    }

    /// Ends the job's span with the job's current state.
    fn end(&mut self, at: SystemTime) {
        self.end_attempt(at, "unanswered", Vec::new());
        let Some(context) = self.span.take() else {
            return;
        };
        let (span, status) = (context.span(), self.status());
        span.set_attribute(KeyValue::new("backline.outcome", status.as_str()));
        span.set_attribute(KeyValue::new(
            "backline.credits",
            f64::from(self.job.credits - self.credits_before),
        ));
        if let JobStatus::Failed | JobStatus::InDoubt = status {
            span.set_status(Status::error(status.as_str()));
        }
        span.end_with_timestamp(at);
    }
}

/// The state of every job of the plan before the run.
fn followed(planned: &RunBasis) -> HashMap<JobKey, Followed> {
    let facts = planned.facts();
    let follow = |row: &PlannedRow| {
        let known = facts.known.get(&row.key);
        let job = known.map(|known| known.job.clone()).unwrap_or_default();
        let followed = Followed {
            facts: row_facts(row),
            credits_before: job.credits,
            job: Arc::unwrap_or_clone(job),
            span: None,
            attempt: None,
        };
        (row.key, followed)
    };
    facts.rows.iter().map(follow).collect()
}

fn row_facts(row: &PlannedRow) -> Vec<KeyValue> {
    let mut facts = vec![
        KeyValue::new("backline.job", row.key.to_string()),
        KeyValue::new("backline.stem", row.stem.clone()),
        KeyValue::new("backline.preset", row.preset.clone()),
        KeyValue::new("backline.take", i64::from(row.take)),
    ];
    let sweep = row.sweep.iter();
    facts.extend(
        sweep.map(|(name, value)| KeyValue::new(format!("backline.sweep.{name}"), value.clone())),
    );
    facts
}

fn track(index: u32, part: Part) -> Vec<KeyValue> {
    let part = match part {
        Part::Track => "track",
        Part::Mix => "mix",
    };
    vec![
        KeyValue::new("index", i64::from(index)),
        KeyValue::new("part", part),
    ]
}

fn note(span: Option<&Context>, name: &'static str, at: SystemTime, facts: Vec<KeyValue>) {
    if let Some(span) = span {
        span.span().add_event_with_timestamp(name, at, facts);
    }
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn time(unix_ms: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(unix_ms.max(0).unsigned_abs())
}
