//! `events.jsonl`: the events of the run, one a line, for programs.
//!
//! ```json
//! {"version":1,"event":{"event":"run","id":"0193…","name":"songs","manifest":"songs.yaml","provider":"studio","started":"2026-01-05T12:00:00Z",…}}
//! {"seq":7,"at_ms":1767614400000,"at":"2026-01-05T12:00:00Z","run":"0193…","job":"5b1c…","label":"chorus × lofi take 1","event":{"event":"accepted","attempt":1,"task_id":"0123abcd","via":"answer"}}
//! {"version":1,"event":{"event":"summary","totals":{…}}}
//! ```
//!
//! The lines between the first and the last are the same as those of `run --format json`: every record of the ledger. A track
//! that an earlier run kept has no line here; the last line counts it.

use std::collections::HashMap;
use std::io::{self, Write};

use serde_json::json;

use crate::event_line::{STREAM_VERSION, event_line};
use crate::label::job_label;
use crate::material::ReportInput;
use crate::summary_json::RunFile;

/// Writes the report.
pub(crate) fn write(material: &ReportInput<'_>, out: &mut dyn Write) -> io::Result<()> {
    let summary = material.summary;
    let labels: HashMap<&str, String> = summary
        .jobs
        .iter()
        .map(|job| {
            let label = job_label(
                &job.stem,
                &job.preset,
                &*job.sweep,
                job.take,
                job.step.as_deref(),
            );
            (job.key.as_str(), label)
        })
        .collect();
    let mut run = serde_json::to_value(RunFile::from(&summary.run))?;
    run["event"] = "run".into();
    writeln!(
        out,
        "{}",
        json!({ "version": STREAM_VERSION, "event": run })
    )?;
    for record in material.records {
        let label = record
            .job
            .and_then(|key| labels.get(key.to_string().as_str()));
        writeln!(out, "{}", event_line(record, label.map(String::as_str))?)?;
    }
    let event = json!({ "event": "summary", "totals": summary.totals });
    writeln!(
        out,
        "{}",
        json!({ "version": STREAM_VERSION, "event": event })
    )
}

#[cfg(test)]
mod tests {
    use backline_engine::event::Record;

    use super::*;
    use crate::example;

    fn rendered(story: &example::ExampleRun) -> Vec<u8> {
        let mut bytes = Vec::new();
        story
            .material(|material| write(material, &mut bytes))
            .unwrap();
        bytes
    }

    #[test]
    fn the_report_of_a_run() {
        let text = String::from_utf8(rendered(&example::ExampleRun::new())).unwrap();
        assert!(!text.contains(example::TOKEN), "{text}");
        insta::assert_snapshot!(text);
    }

    #[test]
    fn the_lines_are_the_consoles() {
        let story = example::ExampleRun::new();
        let text = String::from_utf8(rendered(&story)).unwrap();
        let shared = example::SharedOutput::default();
        story
            .send_to(&mut crate::JsonEvents::new(Box::new(shared.clone())))
            .unwrap();
        let middle = |text: &str| {
            let lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines[1..lines.len() - 1].to_vec()
        };
        assert_eq!(middle(&text), middle(&shared.text()));
        let first: Record = serde_json::from_str(&middle(&text)[0]).unwrap();
        assert_eq!(first.seq, 1);
    }
}
