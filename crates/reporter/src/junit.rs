//! `junit.xml` for CI servers: a job is a test case, and a preset is a suite. A step is a job, so it is a case of its own:
//! `chorus × lofi take 1, track 1: wav`.
//!
//! ```xml
//! <testsuites name="songs" tests="3" failures="1" errors="1" time="12.000">
//!   <testsuite name="lofi" tests="3" errors="1" skipped="0" failures="1" time="12.000">
//!     <properties>
//!       <property name="credits" value="24"/>
//!       <property name="chorus × lofi take 1: task_id" value="0123abcd"/>
//!     </properties>
//!     <testcase name="chorus × lofi take 1" classname="songs.chorus" time="12.000">
//!       <system-out>key: 5b1c… …</system-out>
//!     </testcase>
//! ```
//!
//! A job whose tracks are all kept passes. A failed, partial or expired job is a `failure` with the vendor's message, a job in
//! doubt or unfinished is an `error`, and a job that was not bought is `skipped`. A case's time is the time between the run's
//! first and last event of the job; it is 0 for a job that an earlier run kept.
//!
//! The file is valid against Jenkins' schema (`junit-10.xsd` of its xUnit plugin) and, suite by suite, against Maven Surefire's
//! (`surefire-test-report.xsd`). Neither allows properties in a test case. So a job's properties are in its suite, and again as
//! lines of the case's output. Characters that XML can't contain are replaced by `�`.

use std::collections::HashMap;
use std::fmt::Write as _;

use backline_engine::status::Sign;
use backline_engine::summary::{JobSummary, RunFacts};
use indexmap::IndexMap;

use crate::label::job_label;
use crate::material::ReportInput;
use crate::music::remarks;
use crate::printable::clean;
use crate::sign::{sign, why};
use crate::text::figure;

/// The counts of a suite or of the document.
#[derive(Default)]
struct Numbers {
    tests: u64,
    errors: u64,
    failures: u64,
    skipped: u64,
    took_ms: i64,
}

impl Numbers {
    fn add(&mut self, case: &Case<'_>) {
        self.tests += 1;
        self.took_ms += case.took_ms;
        match element(case.sign) {
            Some("failure") => self.failures += 1,
            Some("skipped") => self.skipped += 1,
            Some(_) => self.errors += 1,
            None => {}
        }
    }
}

struct Case<'a> {
    job: &'a JobSummary,
    label: String,
    sign: Sign,
    took_ms: i64,
}

/// The element of a case that did not pass.
fn element(sign: Sign) -> Option<&'static str> {
    match sign {
        Sign::Kept => None,
        Sign::Failed | Sign::Partial | Sign::Expired => Some("failure"),
        Sign::InDoubt | Sign::InProgress | Sign::Fetch => Some("error"),
        Sign::Buy | Sign::Changed | Sign::Vetoed => Some("skipped"),
    }
}

/// The report's bytes.
pub(crate) fn render(material: &ReportInput<'_>) -> Vec<u8> {
    let summary = material.summary;
    let took_ms = times(material);
    let mut suites: IndexMap<&str, Vec<Case<'_>>> = IndexMap::new();
    // A case is a job of the manifest. A job of an earlier version neither passed nor failed.
    for job in summary.jobs.iter().filter(|job| job.in_manifest) {
        suites.entry(&job.preset).or_default().push(Case {
            job,
            label: job_label(
                &job.stem,
                &job.preset,
                &*job.sweep,
                job.take,
                job.step.as_deref(),
            ),
            sign: sign(job, &summary.run),
            took_ms: took_ms.get(&job.key).copied().unwrap_or_default(),
        });
    }
    let this_run = crate::counts::this_run(&summary.this_run, &summary.totals);
    let mut all = Numbers::default();
    let mut body = String::new();
    for (preset, cases) in &suites {
        let mut numbers = Numbers::default();
        for case in cases {
            numbers.add(case);
            all.add(case);
        }
        let _ = writeln!(
            body,
            r#"  <testsuite name="{}" tests="{}" errors="{}" skipped="{}" failures="{}" time="{}">"#,
            xml(preset),
            numbers.tests,
            numbers.errors,
            numbers.skipped,
            numbers.failures,
            seconds(numbers.took_ms),
        );
        properties(&mut body, &summary.run, &this_run, cases);
        for case in cases {
            test_case(&mut body, &summary.run.name, case);
        }
        body.push_str("  </testsuite>\n");
    }
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" time=\"{}\">\n{body}</testsuites>\n",
        xml(&summary.run.name),
        all.tests,
        all.failures,
        all.errors,
        seconds(all.took_ms),
    )
    .into_bytes()
}

/// The time from the run's first event of each job to its last, by key.
fn times(material: &ReportInput<'_>) -> HashMap<String, i64> {
    let mut spans = HashMap::new();
    for record in material.records {
        let Some(key) = record.job else { continue };
        let (first, last) = spans.entry(key).or_insert((record.at_ms, record.at_ms));
        *first = record.at_ms.min(*first);
        *last = record.at_ms.max(*last);
    }
    spans
        .into_iter()
        .map(|(key, (first, last))| (key.to_string(), last - first))
        .collect()
}

fn properties(body: &mut String, run: &RunFacts, this_run: &str, cases: &[Case<'_>]) {
    body.push_str("    <properties>\n");
    let mut property = |name: &str, value: &str| {
        let (name, value) = (xml(name), xml(value));
        let _ = writeln!(body, r#"      <property name="{name}" value="{value}"/>"#);
    };
    let credits: f64 = cases.iter().map(|case| case.job.credits).sum();
    property("run", &run.id);
    property("this run", this_run);
    property("manifest", &run.manifest);
    property("provider", &run.provider);
    property("credits", &figure(credits));
    for Case { job, label, .. } in cases {
        if let Some(task_id) = &job.task_id {
            property(&format!("{label}: task_id"), task_id);
        }
        property(&format!("{label}: credits"), &figure(job.credits));
    }
    body.push_str("    </properties>\n");
}

fn test_case(body: &mut String, name: &str, case: &Case<'_>) {
    let Case {
        job,
        label,
        sign,
        took_ms,
    } = case;
    let _ = writeln!(
        body,
        r#"    <testcase name="{}" classname="{}.{}" time="{}">"#,
        xml(label),
        xml(name),
        xml(&job.stem),
        seconds(*took_ms),
    );
    if let (Some(element), Some(why)) = (element(*sign), why(*sign, job)) {
        // Surefire's schema has no `type` on a skipped case.
        let kind = if element == "skipped" {
            String::new()
        } else {
            format!(r#" type="{}""#, sign.outcome())
        };
        let message = if why.is_empty() { sign.outcome() } else { &why };
        let _ = writeln!(
            body,
            r#"      <{element} message="{}"{kind}/>"#,
            xml(message)
        );
    }
    body.push_str("      <system-out>");
    for (name, value) in facts(job) {
        let _ = writeln!(body, "{}: {}", xml(name), xml(&value));
    }
    body.push_str("</system-out>\n    </testcase>\n");
}

/// Facts about a job for a person who reads the case.
fn facts(job: &JobSummary) -> Vec<(&str, String)> {
    let mut facts = vec![("key", job.key.clone())];
    if let Some(task_id) = &job.task_id {
        facts.push(("task_id", task_id.clone()));
    }
    if let Some(step) = &job.step {
        facts.push(("made of", step.parent.to_string()));
    }
    facts.push(("credits", figure(job.credits)));
    facts.push(("attempts", job.attempts.to_string()));
    if let Some(run) = &job.run {
        facts.push(("bought by run", run.clone()));
    }
    for track in &job.tracks {
        if let Some(music) = &track.music {
            facts.extend(remarks(music).map(|remark| ("remark", remark)));
        }
        if let Some(file) = &track.file {
            let part = match &*track.artefact {
                "" => "track",
                artefact => artefact,
            };
            facts.push((part, file.path.clone()));
        }
        if let Some(mix) = &track.mix {
            facts.push(("mix", mix.path.clone()));
        }
    }
    facts
}

/// Seconds in the format of both schemas.
fn seconds(ms: i64) -> String {
    let ms = ms.max(0);
    format!("{}.{:03}", ms / 1_000, ms % 1_000)
}

/// `text` on one line, escaped for an attribute's value or an element's text.
fn xml(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in clean(text).chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            // XML 1.0 also excludes these two characters; control characters are removed already.
            '\u{fffe}' | '\u{ffff}' => escaped.push(char::REPLACEMENT_CHARACTER),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::example;

    fn text(story: &example::ExampleRun) -> String {
        String::from_utf8(story.material(render)).unwrap()
    }

    #[test]
    fn the_report_of_a_run() {
        insta::assert_snapshot!(text(&example::ExampleRun::new()));
    }

    #[test]
    fn a_step_is_a_case_with_its_name() {
        let summary = example::with_steps();
        let story = example::ExampleRun::new();
        let bytes = story.material(|material| {
            render(&ReportInput {
                summary: &summary,
                ..*material
            })
        });
        let report = String::from_utf8(bytes).unwrap();
        assert!(report.contains(r#"<testsuites name="songs" tests="17" failures="3" errors="1""#));
        let name = r#"<testcase name="chorus × lofi [model=V5] take 1, track 1: split_stem""#;
        let (_, case) = report.split_once(name).unwrap();
        let (case, _) = case.split_once("</testcase>").unwrap();
        let song = &summary.jobs[0].key;
        assert!(case.contains(&format!("\nmade of: {song}\n")), "{case}");
        assert!(
            case.contains("\ndrums: tracks/chorus/new-1-drums.mp3\n"),
            "{case}"
        );
        assert!(!case.contains("<failure"), "{case}");
        let failed = r#"track 2: split_stem" classname="songs.chorus" time="0.000">
      <failure message="400: The track can&apos;t be taken apart" type="failed"/>"#;
        assert!(report.contains(failed), "{report}");
    }

    #[test]
    fn elements_stand_where_both_schemas_have_them() {
        // The rules of the two schemas, in their own order: suites have properties, then cases; a case has one verdict, then output.
        let allowed = [
            ("testsuites", "testsuite"),
            ("testsuite", "properties"),
            ("testsuite", "testcase"),
            ("properties", "property"),
            ("testcase", "failure"),
            ("testcase", "skipped"),
            ("testcase", "error"),
            ("testcase", "system-out"),
        ];
        let report = text(&example::ExampleRun::new());
        let mut open: Vec<String> = Vec::new();
        let mut last_child = String::new();
        for line in report.lines().skip(1) {
            let line = line.trim();
            let Some(tag) = line.strip_prefix('<') else {
                continue;
            };
            if tag == "/system-out>" {
                continue;
            }
            if let Some(name) = tag.strip_prefix('/') {
                assert_eq!(open.pop().unwrap(), name.trim_end_matches('>'));
                continue;
            }
            let name = tag.split([' ', '>']).next().unwrap().to_owned();
            if let Some(parent) = open.last() {
                assert!(allowed.contains(&(parent, &name)), "{name} in {parent}");
            }
            assert!(name != "properties" || last_child != "testcase");
            last_child.clone_from(&name);
            if !line.ends_with("/>") && name != "system-out" {
                open.push(name);
            }
        }
        assert!(open.is_empty());
    }

    #[test]
    fn numbers_add_up() {
        let report = text(&example::ExampleRun::new());
        assert!(
            report.contains(r#"tests="5" failures="2" errors="1""#),
            "{report}"
        );
        assert_eq!(report.matches("<failure ").count(), 2);
        assert_eq!(report.matches("<error ").count(), 1);
        assert_eq!(report.matches("<testcase ").count(), 5);
    }

    proptest! {
        #[test]
        fn no_text_breaks_out(text in any::<String>()) {
            let escaped = xml(&text);
            let never = ['<', '>', '"', '\'', '\n', '\u{1b}', '\u{fffe}', '\u{ffff}'];
            prop_assert!(!escaped.contains(never), "{escaped:?}");
            let entities = ["&amp;", "&lt;", "&gt;", "&quot;", "&apos;"];
            prop_assert!(escaped.match_indices('&').all(|(at, _)| entities.iter().any(|entity| escaped[at..].starts_with(entity))));
        }
    }
}
