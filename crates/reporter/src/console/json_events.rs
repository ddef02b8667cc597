//! `--format json`: one event a line, for programs.
//!
//! ```json
//! {"version":1,"event":{"event":"plan","name":"songs","provider":"studio","jobs":1,"to_submit":1,"credits":12.0,"least_ms":0}}
//! {"seq":7,"at_ms":1767614400000,"at":"2026-01-05T12:00:00Z","run":"0193…","job":"5b1c…","label":"chorus × lofi take 1","event":{"event":"accepted","attempt":1,"task_id":"0123abcd","via":"answer"}}
//! {"version":1,"event":{"event":"summary","run":{…},"totals":{…},"reports":["summary.csv"],"report_errors":[]}}
//! ```
//!
//! The first line describes the plan and the last one the result. The lines between them are the ledger's records, with the
//! time in RFC 3339 and the job's label added. An attempt's token is a secret and is written as `[token]`. A number that JSON
//! can't represent is `null`.

use std::io::{self, Write};

use backline_engine::event::Record;
use serde_json::json;

use super::Out;
use crate::event_line::{STREAM_VERSION, event_line};
use crate::plan_state::PlanState;
use crate::runner::json_without_commands;
use crate::sink::{PlanFacts, RunResult, Sink};
use crate::summary_json::RunFile;

/// Prints one JSON object a line for each record.
pub struct JsonEvents {
    out: Out,
    plan_state: PlanState,
}

impl JsonEvents {
    /// Prints events to `out`: standard output, in the program.
    pub fn new(out: Box<dyn Write + Send>) -> Self {
        // The output has no styles, and a vendor's text must arrive unchanged, so nothing is stripped.
        Self {
            out: Out::new(out, true),
            plan_state: PlanState::default(),
        }
    }

    fn line(&mut self, line: serde_json::Result<String>) {
        match line {
            Ok(mut line) => {
                line.push('\n');
                self.out
                    .write_bytes(json_without_commands(&line).as_bytes());
            }
            Err(error) => _ = self.out.failed.get_or_insert(error.into()),
        }
    }
}

impl Sink for JsonEvents {
    fn plan(&mut self, plan: &PlanFacts<'_>) {
        self.plan_state = PlanState::new(plan);
        let event = json!({
            "event": "plan", "name": plan.name, "provider": plan.provider, "jobs": plan.rows.len(),
            "to_submit": plan.to_submit, "credits": plan.credits, "least_ms": plan.least_ms,
        });
        self.line(serde_json::to_string(
            &json!({ "version": STREAM_VERSION, "event": event }),
        ));
    }

    fn record(&mut self, record: &Record) {
        let label = record.job.map(|key| self.plan_state.label(&key));
        let line = event_line(record, label.as_deref());
        self.line(line);
    }

    fn finish(&mut self, ending: &RunResult<'_>) -> io::Result<()> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event_line::redact;
    use crate::example;

    #[test]
    fn a_run_in_events() {
        let shared = example::SharedOutput::default();
        example::ExampleRun::new()
            .send_to(&mut JsonEvents::new(Box::new(shared.clone())))
            .unwrap();
        let text = shared.text();
        assert!(!text.contains(example::TOKEN), "{text}");
        insta::assert_snapshot!(text);
    }

    #[test]
    fn each_line_is_a_record_again_but_for_its_token() {
        let story = example::ExampleRun::new();
        let shared = example::SharedOutput::default();
        story
            .send_to(&mut JsonEvents::new(Box::new(shared.clone())))
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
}
