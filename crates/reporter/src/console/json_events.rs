//! `--format json`: one event a line, for programs.
//!
//! ```json
//! {"version":1,"event":{"event":"plan","name":"songs","provider":"studio","jobs":1,"to_submit":1,"credits":12.0,"least_ms":0}}
//! {"seq":7,"at_ms":1767614400000,"at":"2026-01-05T12:00:00Z","run":"0193…","job":"5b1c…","label":"chorus × lofi take 1","event":{"event":"accepted","attempt":1,"task_id":"0123abcd","via":"answer"}}
//! {"version":1,"event":{"event":"summary","run":{…},"totals":{…},"reports":["summary.csv"],"report_errors":[]}}
//! ```
//!
//! The first line says the plan and the last one what it came to; between them every record stands as the ledger has it, with its time
//! as RFC 3339 and its job's label added. An attempt's token is a secret and reads `[token]`. What JSON has no number for is `null`.

use std::io::{self, Write};

use backline_engine::event::Record;
use serde::Serialize;
use serde_json::{Value, json};

use super::{Ending, Out, PlanFacts, Sink};
use crate::summary_json::RunFile;
use crate::tally::Tally;
use crate::text::rfc3339;

/// The stream's format, in its first and last line.
const STREAM_VERSION: u32 = 1;

/// What stands for a secret.
const TOKEN: &str = "[token]";

/// One JSON object a line for each record.
pub struct JsonEvents {
    out: Out,
    tally: Tally,
}

/// A record as the stream says it.
#[derive(Serialize)]
struct EventLine<'a> {
    seq: u64,
    at_ms: i64,
    at: Option<String>,
    run: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    job: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    event: Value,
}

impl JsonEvents {
    /// Events on `out`, which is standard output in the program.
    pub fn new(out: Box<dyn Write + Send>) -> Self {
        // Nothing in it is a style, and a vendor's words must arrive as they are: nothing may be stripped.
        Self {
            out: Out::new(out, true),
            tally: Tally::default(),
        }
    }

    fn line(&mut self, line: serde_json::Result<String>) {
        match line {
            Ok(mut line) => {
                line.push('\n');
                self.out.write(&line);
            }
            Err(error) => _ = self.out.failed.get_or_insert(error.into()),
        }
    }
}

impl Sink for JsonEvents {
    fn plan(&mut self, plan: &PlanFacts<'_>) {
        self.tally = Tally::new(plan);
        let event = json!({
            "event": "plan", "name": plan.name, "provider": plan.provider, "jobs": plan.rows.len(),
            "to_submit": plan.to_submit, "credits": plan.credits, "least_ms": plan.least_ms,
        });
        self.line(serde_json::to_string(
            &json!({ "version": STREAM_VERSION, "event": event }),
        ));
    }

    fn record(&mut self, record: &Record) {
        let line = serde_json::to_value(&record.event).and_then(|mut event| {
            redact(&mut event);
            serde_json::to_string(&EventLine {
                seq: record.seq,
                at_ms: record.at_ms,
                at: rfc3339(record.at_ms),
                run: record.run.as_str(),
                job: record.job.map(|key| key.to_string()),
                label: record.job.map(|key| self.tally.label(&key)),
                event,
            })
        });
        self.line(line);
    }

    fn finish(&mut self, ending: &Ending<'_>) -> io::Result<()> {
        let written: Vec<String> = ending
            .reports
            .iter()
            .flatten()
            .map(|path| path.display().to_string())
            .collect();
        let failed: Vec<String> = ending
            .reports
            .iter()
            .filter_map(|report| report.as_ref().err())
            .map(ToString::to_string)
            .collect();
        let event = json!({
            "event": "summary", "run": RunFile::from(&ending.summary.run), "totals": ending.summary.totals,
            "reports": written, "report_errors": failed,
        });
        self.line(serde_json::to_string(
            &json!({ "version": STREAM_VERSION, "event": event }),
        ));
        self.out.outcome()
    }
}

/// Replaces every field named `token`, however deep.
fn redact(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if name == "token" {
                    *value = Value::from(TOKEN)
                } else {
                    redact(value)
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(redact),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;

    #[test]
    fn a_run_in_events() {
        let shared = example::Shared::default();
        example::Story::new()
            .tell(&mut JsonEvents::new(Box::new(shared.clone())))
            .unwrap();
        let text = shared.text();
        assert!(!text.contains(example::TOKEN), "{text}");
        insta::assert_snapshot!(text);
    }

    #[test]
    fn each_line_is_a_record_again_but_for_its_token() {
        let story = example::Story::new();
        let shared = example::Shared::default();
        story
            .tell(&mut JsonEvents::new(Box::new(shared.clone())))
            .unwrap();
        let text = shared.text();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), story.records().len() + 2);
        for (line, record) in lines[1..].iter().zip(story.records()) {
            let back: Record = serde_json::from_str(line).unwrap();
            let mut event = serde_json::to_value(&record.event).unwrap();
            redact(&mut event);
            assert_eq!(serde_json::to_value(&back.event).unwrap(), event);
            assert_eq!(
                (back.seq, back.at_ms, back.job),
                (record.seq, record.at_ms, record.job)
            );
        }
    }

    #[test]
    fn secrets_are_found_however_deep() {
        let mut value = json!({"token": "s", "a": [{"token": {"b": "s"}, "c": 1}]});
        redact(&mut value);
        assert_eq!(
            value,
            json!({"token": "[token]", "a": [{"token": "[token]", "c": 1}]})
        );
    }
}
