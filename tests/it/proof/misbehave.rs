//! Many jobs bought from a studio that does, all at once, everything that vendors have been seen to do wrong.
//!
//! A hundred jobs here; `just soak-misbehave` takes a thousand.

use std::collections::{BTreeMap, BTreeSet};

use backline_studio::BillEntry;

use super::project::{MUTE_VENDOR, Project, STUDIO, Terms, VENDOR, list};
use crate::lab::Lab;

/// How many jobs; the variable says otherwise.
const JOBS: usize = 100;
const JOBS_VARIABLE: &str = "BACKLINE_STORM_JOBS";

/// Jobs whose tasks fail, whatever is tried.
const FAILING: [&str; 2] = ["13", "57"];

/// What vendors have been seen to do beside: ids in other places, JSON that strict readers refuse, polls that take back what they
/// showed, tracks whose ids change, are equal or missing, files that change, ignore ranges, trickle or never end, an upload that is
/// gone, callbacks in odd forms and with another task's id.
const VENDORS: &str = r#"
  - {when: {every: 43}, do: [{response: {reply: {data: $task}}}]}
  - {when: {every: 47}, do: [{response: {reply: {data: [{taskId: $task}]}}}]}
  - {when: {every: 53}, do: [{response: {reply: {data: {id: $task}}}}]}
  - {when: {every: 59}, do: [{response: {reply: {code: 0, data: {taskId: $task}}}}]}
  - {when: {every: 61}, do: [{response: {reply: {status: 502, body: empty}}}]}
  - {when: {nth: [62]}, do: [{refuse: {code: 433, shape: status}}]}
  - {when: {nth: [66]}, do: [{upload_gone: refused}]}
  - {when: {every: 33}, do: [{malformed_json: {kind: lone_surrogate}}]}
  - {when: {every: 35}, do: [{malformed_json: {kind: latin1}}]}
  - {when: {every: 39}, do: [{malformed_json: {kind: bom}}]}
  - {when: {every: 44}, do: [{malformed_json: {kind: nan}}]}
  - {when: {every: 46}, do: [{malformed_json: {kind: huge}}]}
  - {when: {every: 24}, do: [{details: [{polls: 2, status: CALLBACK_EXCEPTION, tracks: [empty, empty]}]}]}
  - {when: {every: 25}, do: [{details: [{polls: 1, status: GENERATE_AUDIO_FAILED, error_code: 501, tracks: [ready, null]}]}]}
  - {when: {every: 32}, do: [{details: [{polls: 1, status: FIRST_SUCCESS, tracks: [ready]}, {polls: 2, tracks: [ready, null]}]}]}
  - {when: {every: 38}, do: [{details: [{ids: changing}]}]}
  - {when: {every: 40}, do: [{details: [{ids: equal}]}]}
  - {when: {every: 42}, do: [{details: [{ids: missing}]}]}
  - {when: {every: 45}, do: [{details: [{tracks: [source_only, source_only]}]}]}
  - {when: {every: 47}, do: [{details: [{polls: 3, status: FIRST_SUCCESS, tracks: [ready, first]}]}]}
  - {when: {every: 48}, do: [{details: [{polls: 1, of: other}]}]}
  - {when: {every: 49}, do: [{poll: {response: {reply: {status: 404}}, polls: 1}}]}
  - {when: {every: 50}, do: [{poll: {response: {reply: {status: 429, code: 430, retry_after_s: 1}}, polls: 1}}]}
  - {when: {every: 51}, do: [{clock_offset_s: -36000}]}
  - {when: {every: 27}, do: [{callbacks: {trailing_slash: true, gzip: true}}]}
  - {when: {every: 30}, do: [{callbacks: {data_as_text: true}}]}
  - {when: {every: 36}, do: [{forge: wrong_task}]}
  - {when: {every: 29}, do: [{file: {kind: gzip, fetches: 1}}]}
  - {when: {every: 33}, do: [{file: {kind: broken_off, fetches: 1}}, {file: {kind: other_file, fetches: 2}}]}
  - {when: {every: 35}, do: [{file: {kind: broken_off, fetches: 1}}, {file: {kind: wrong_offset}}]}
  - {when: {every: 37}, do: [{file: {kind: broken_off, fetches: 1}}, {file: {kind: no_range}}]}
  - {when: {every: 41}, do: [{file: {kind: broken_off, fetches: 1}}, {file: {kind: ignores_range}}]}
  - {when: {every: 44}, do: [{file: {kind: empty, source_is_good: true}}]}
  - {when: {every: 46}, do: [{file: {kind: dead, status: 503, retry_after_s: 1, fetches: 1}}]}
  - {when: {every: 52}, do: [{file: {kind: trickle, bytes_per_s: 100000, fetches: 1}}]}
  - {when: {nth: [70]}, do: [{file: {kind: endless, track: 1, fetches: 1}}]}
"#;

/// Two of five responses are lost in nine ways; callbacks are late, early, doubled, reversed, incomplete, forged or missing; polls
/// show false details; files are empty, cut, pages or dead at first; two tasks fail and one is refunded.
const STORM: &str = r#"
  - {when: {every: 11}, do: [{response: drop}, {callbacks: {delay_ms: 300}}]}
  - {when: {every: 13}, do: [{response: bad_gateway}, {callbacks: {before_response: true}}]}
  - {when: {every: 17}, do: [{response: no_task_id}, {callbacks: {double: true}}]}
  - {when: {every: 19}, do: [{response: server_error}, {callbacks: {reverse: true}}]}
  - {when: {every: 23}, do: [{response: server_error_in_body}, {callbacks: {skip: [text, first]}}]}
  - {when: {every: 29}, do: [{response: null_data}, {callbacks: {first_alone: true}}]}
  - {when: {every: 31}, do: [{response: cut}, {callbacks: {text_empty: true}}]}
  - {when: {every: 37}, do: [{response: empty}, {callbacks: {double: true, reverse: true}}]}
  - {when: {every: 41}, do: [{response: timeout_in_body}, {callbacks: {delay_ms: 50}}]}
  - {when: {nth: [43]}, do: [{refuse: {code: 405}}]}
  - {when: {nth: [47]}, do: [{refuse: {code: 430, shape: status, lasting_ms: 300}}]}
  - {when: {nth: [59]}, do: [{refuse: {code: 429, shape: page, retry_after_s: 1}}]}
  - {when: {nth: [2, 3, 4, 5, 6, 8, 9, 10, 12, 16, 18, 20, 24, 25, 27, 32, 36, 48, 54, 64, 72, 81, 96, 128, 256, 512]}, do: [{callbacks: {never: true}}]}
  - {when: {every: 5}, do: [{callbacks: {before_response: true, double: true}}]}
  - {when: {every: 7}, do: [{forge: wrong_token}]}
  - {when: {every: 16}, do: [{forge: no_json}]}
  - {when: {every: 4}, do: [{unknown: 2}]}
  - {when: {every: 6}, do: [{null_urls: 2}, numeric_times]}
  - {when: {every: 9}, do: [{stages: 1}, {null_response: 1}]}
  - {when: {every: 10}, do: [{status: {name: CALLBACK_EXCEPTION, polls: 1}}]}
  - {when: {every: 14}, do: [{status: {name: MASTERING, polls: 1}}]}
  - {when: {every: 15}, do: [{poll: {response: drop, polls: 1}}]}
  - {when: {every: 18}, do: [{poll: {response: bad_gateway, polls: 2}}]}
  - {when: {every: 22}, do: [{poll: {response: too_often, polls: 1}}]}
  - {when: {every: 8}, do: [{file: {kind: empty, track: 2, fetches: 1}}]}
  - {when: {every: 12}, do: [{file: {kind: truncated, fetches: 1}}]}
  - {when: {every: 20}, do: [{file: {kind: broken_off, fetches: 1}}]}
  - {when: {every: 21}, do: [{file: {kind: html, track: 1, fetches: 1}}]}
  - {when: {every: 26}, do: [{file: {kind: html_as_audio, fetches: 1}}]}
  - {when: {every: 28}, do: [{file: {kind: dead, fetches: 1}}]}
  - {when: {every: 34}, do: [{file: {kind: redirect, fetches: 1, to: "http://127.0.0.1:9/"}}]}
  - {when: {title: "*: 13"}, do: [{fail: {status: FAILED, code: 501, envelope: true}}]}
  - {when: {title: "*: 57"}, do: [{fail: {status: PENDING, code: 413}}]}
  - {when: {title: "*: 21", times: 2}, do: [{fail: {status: FAILED, code: 531, envelope: true}}]}
"#;

/// The request is lost: only a repeat under the same idempotency key or the user can show that nothing was bought.
const LOST_REQUESTS: &str = "  - {when: {every: 53}, do: [drop_request]}\n";

struct Storm {
    lab: Lab,
    jobs: usize,
}

impl Storm {
    fn new(idempotency: &str, more: &str) -> Self {
        let jobs = std::env::var(JOBS_VARIABLE).map_or(JOBS, |jobs| jobs.parse().unwrap());
        let lab = Lab::new();
        let plan = format!(
            "version: 1\nseed: 7\nidempotency: {idempotency}\nrules:\n{more}{STORM}{VENDORS}"
        );
        lab.write("storm.yaml", plan);
        Self { lab, jobs }
    }

    /// Runs the jobs through the storm; gives how many answers ended in doubt.
    fn run(&self, terms: Terms, first_code: i32) -> usize {
        let plan = self.lab.path("storm.yaml");
        let plan = plan.to_str().unwrap();
        let studio = self
            .lab
            .studio(&["--instant", "--rate", "off", "--misbehave", plan]);
        let project = Project::new(&self.lab, &studio.url, "storm", self.jobs, terms);
        project.edit(
            "concurrency: 16",
            "concurrency: 200, failures_in_a_row: 1000",
        );
        let mut ran = project.run();
        assert_eq!(ran.code, Some(first_code), "{}", ran.err);
        let mut doubts = 0;
        while ran.code == Some(8) {
            project.assert_nothing_lost("in doubt");
            let bill = project.bill();
            let in_doubt = titles_in_state(&project, "in_doubt");
            assert_eq!(project.run().code, Some(8));
            // A job that was refused or refunded is submitted again; what is in doubt or paid for is not.
            let later = project.bill();
            let (before, new) = later.split_at(bill.len());
            assert_eq!(before, bill);
            let again = |entry: &&BillEntry| {
                let paid = |known: &BillEntry| known.title == entry.title && !known.refunded;
                in_doubt.contains(&entry.title) || bill.iter().any(paid)
            };
            assert_eq!(new.iter().find(again), None, "a purchase was repeated");
            doubts += project.resolve_doubts();
            ran = project.run();
        }
        assert_eq!(ran.code, Some(4), "{}", ran.err);
        // A code that no table lists refuses one job of one run.
        ran = project.run();
        assert_eq!(ran.code, Some(4), "{}", ran.err);

        let bill = project.bill();
        let mut paid = BTreeMap::<&str, u32>::new();
        for entry in bill.iter().filter(|entry| !entry.refunded) {
            *paid.entry(entry.title.as_str()).or_default() += 1;
        }
        assert_eq!(paid.len(), self.jobs, "{}", ran.err);
        assert!(paid.values().all(|times| *times == 1), "{paid:?}");
        let refunded = bill.iter().filter(|entry| entry.refunded).count();
        // A submission that is refused takes its turn.
        assert!(refunded <= 2, "{refunded}");

        project.assert_nothing_lost("after the storm");
        assert_eq!(project.left_behind(), Vec::<String>::new());
        assert_eq!(project.kept_files().len(), 2 * (self.jobs - FAILING.len()));
        assert_eq!(
            titles_in_state(&project, "kept").len(),
            self.jobs - FAILING.len()
        );
        assert_eq!(
            titles_in_state(&project, "failed"),
            FAILING.map(|number| format!("storm: {number}")).into()
        );

        assert_eq!(project.run().code, Some(4));
        assert_eq!(project.bill(), bill, "another run bought something");
        println!(
            "{} jobs, {} accepted, {doubts} doubts told by the user, {terms:?}",
            self.jobs,
            bill.len()
        );
        doubts
    }
}

fn titles_in_state(project: &Project<'_>, state: &str) -> BTreeSet<String> {
    let status = project.status();
    let jobs = list(&status["jobs"])
        .iter()
        .filter(|job| job["state"] == state);
    let titles = jobs.map(|job| job["settings"]["title"].as_str().unwrap().to_owned());
    titles.collect()
}

#[test]
fn a_storm_with_callbacks_loses_nothing_and_buys_nothing_twice() {
    assert_eq!(Storm::new("off", "").run(VENDOR, 4), 0);
}

#[test]
fn a_storm_under_a_promise_loses_nothing_and_buys_nothing_twice() {
    assert_eq!(Storm::new("on", LOST_REQUESTS).run(STUDIO, 4), 0);
}

#[test]
fn a_storm_without_callbacks_leaves_every_lost_answer_in_doubt() {
    let storm = Storm::new("off", LOST_REQUESTS);
    let doubts = storm.run(MUTE_VENDOR, 8);
    assert!(doubts * 4 > storm.jobs, "{doubts}");
}
