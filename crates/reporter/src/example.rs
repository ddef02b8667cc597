//! An example run of five jobs, which the tests give to every sink and report. Also a large run, for benchmarks and the
//! browser.

#![expect(clippy::unwrap_used, reason = "of use to tests and benchmarks only")]

mod steps;

use std::collections::HashMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use backline_engine::event::{Event, KeptFile, Record, RunId};
use backline_engine::job::{Job, Step};
use backline_engine::settings::{JobKey, Setting};
use backline_engine::store::{
    Batch, Committed, HookResult, KnownJob, PlannedRow, RunHeader, Store, StoreError, Upload,
};
use backline_engine::summary::{Summary, ThisRun, Totals, summarise};
use serde_json::{Value, json};

use crate::material::{ReportError, ReportInput};
use crate::sink::{PlanFacts, RunResult, Sink};

pub use steps::{STEMS, add_steps, with_steps};

/// The secret in the records. It must not appear in any output.
pub const TOKEN: &str = "s3cr3t";

/// 2026-01-05T12:00:00Z.
const NOON_MS: i64 = 1_767_614_400_000;

/// A plan, the ledger's data about it before the run, and the run's records.
pub struct ExampleRun {
    run: RunHeader,
    rows: Vec<PlannedRow>,
    before: HashMap<JobKey, KnownJob>,
    records: Vec<Record>,
}

/// The run's summary.
pub fn summary() -> Summary {
    ExampleRun::new().summary()
}

/// A run of stems × presets × takes kept jobs. All tracks and mixes use the `files` in turn.
pub fn large(stems: u32, presets: u32, takes: u32, files: &[KeptFile]) -> Summary {
    let mut summary = summary();
    let model = summary.jobs[0].clone();
    let mut turn = files.iter().cycle();
    summary.jobs.clear();
    for stem in 1..=stems {
        for preset in 1..=presets {
            for take in 1..=takes {
                let mut job = model.clone();
                let at = summary.jobs.len();
                job.key = format!("{at:064x}");
                job.stem = format!("song-{stem:02}").into();
                job.preset = format!("style-{preset:02}").into();
                job.take = take;
                let tags = format!("style {preset}, warm, acoustic guitar, brushed drums");
                job.settings.set(Setting::TAGS, Some(tags.as_str().into()));
                for track in &mut job.tracks {
                    track.title = format!("Song {stem}");
                    track.file = turn.next().cloned().map(Arc::new);
                    track.mix = turn.next().cloned().map(Arc::new);
                }
                summary.jobs.push(job);
            }
        }
    }
    summary.this_run = ThisRun::default();
    summary.totals = Totals {
        jobs: summary.jobs.len() as u64,
        kept: summary.jobs.len() as u64,
        tracks: 2 * summary.jobs.len() as u64,
        credits: 12.0 * summary.jobs.len() as f64,
        ..Totals::default()
    };
    summary
}

impl Default for ExampleRun {
    fn default() -> Self {
        Self::new()
    }
}

impl ExampleRun {
    pub fn new() -> Self {
        let jobs = [
            ("chorus", "lofi", json!({"model": "V5"}), 1),
            ("chorus", "lofi", json!({"model": "V5"}), 2),
            ("verse", "lofi", json!({"model": "V5"}), 1),
            (
                "verse",
                "jazz",
                json!({"model": "V5", "style_weight": "0.4"}),
                1,
            ),
            (
                "verse",
                "jazz",
                json!({"model": "V5", "style_weight": "0.4"}),
                2,
            ),
        ];
        let rows = jobs.into_iter().enumerate().map(|(at, (stem, preset, sweep, take))| {
            let settings = json!({"title": format!("{stem} ({preset})"), "tags": preset, "negative_tags": "", "model": "V5"});
            let row = json!({"key": key(at), "stem": stem, "preset": preset, "vars": {"artist": format!("Ada & {stem}")}, "sweep": sweep, "take": take, "settings": settings,
                "recording": {"fingerprint": "0123456789abcdef", "file": format!("stems/{stem}.flac")}});
            serde_json::from_value(row).unwrap()
        });
        let run = json!({
            "id": "0193-run", "started_ms": NOON_MS, "name": "songs", "manifest": "songs.yaml", "provider": "sunoapi",
            "account": "a1", "retention_days": 14, "version": "0.1.0",
        });
        let mut story = Self {
            run: serde_json::from_value(run).unwrap(),
            rows: rows.collect(),
            before: HashMap::new(),
            records: Vec::new(),
        };
        story.earlier_run();
        story.this_run();
        story
    }

    /// The second job was kept by an earlier run.
    fn earlier_run(&mut self) {
        let mut job = Job::default();
        let events = [
            intent(),
            accepted("old0"),
            stage("complete", "old"),
            kept(1, "old"),
            kept(2, "old"),
        ];
        for event in events {
            let Step::Changed(next) = job.step(
                NOON_MS - 86_400_000,
                &serde_json::from_value(event).unwrap(),
            ) else {
                panic!("a step of the earlier run");
            };
            job = next;
        }
        self.before.insert(
            self.rows[1].key,
            KnownJob {
                job: Arc::new(job),
                account: "a1".to_owned(),
                version: 1,
            },
        );
    }

    fn this_run(&mut self) {
        self.record_event(None, json!({"event": "run_started", "name": "songs", "provider": "sunoapi", "jobs": 5, "to_submit": 4}));
        self.record_event(
            None,
            json!({"event": "credits", "balance": 1000.0, "moment": "before"}),
        );
        self.record_event(None, json!({"event": "upload_started", "stem": "chorus"}));
        self.record_event(Some(0), json!({"event": "upload_failed", "stem": "chorus", "message": "connection refused", "retried": true}));
        self.record_event(
            None,
            json!({"event": "uploaded", "stem": "chorus", "hash": "00ff"}),
        );
        for job in [0, 2, 3, 4] {
            self.record_event(Some(job), intent());
        }
        self.record_event(Some(0), accepted("0123abcd"));
        let formula = "=HYPERLINK(\"https://evil.example\")\u{1b}[31m,\nno artists, please";
        self.record_event(Some(2), json!({"event": "refused", "attempt": 1, "class": "refused_job", "code": 400, "message": formula}));
        self.record_event(
            Some(3),
            json!({"event": "lost", "attempt": 1, "message": "the connection was reset", "response": {"text": "{\"code\":200,\"data\":\"89abcdef\"}", "task_ids": ["89abcdef"]}}),
        );
        self.record_event(Some(4), json!({"event": "refused", "attempt": 1, "class": "wait", "code": 405, "message": "Rate limit"}));
        let until_ms = NOON_MS + 20_000;
        self.record_event(
            None,
            json!({"event": "paused", "until_ms": until_ms, "code": 405, "message": "Rate limit"}),
        );
        let mut second = intent();
        second["attempt"] = 2.into();
        self.record_event(Some(4), second);
        self.record_event(
            Some(4),
            json!({"event": "accepted", "attempt": 2, "task_id": "4567cdef", "via": "callback"}),
        );
        self.record_event(Some(0), stage("first", "new"));
        self.record_event(
            Some(4),
            json!({"event": "task_failed", "code": 500, "message": "", "refunded": false}),
        );
        self.record_event(Some(0), stage("complete", "new"));
        self.record_event(Some(0), kept(1, "new"));
        self.record_event(
            Some(0),
            json!({"event": "track_failed", "index": 2, "part": "track", "message": "the file ends in the middle", "retried": true}),
        );
        self.record_event(Some(0), kept(2, "new"));
        self.record_event(
            None,
            json!({"event": "credits", "balance": 976.0, "moment": "after"}),
        );
        self.record_event(
            None,
            json!({"event": "run_ended", "outcome": {"how": "in_doubt"}, "credits": 36.0}),
        );
    }

    fn record_event(&mut self, job: Option<usize>, event: Value) {
        let seq = self.records.len() as u64 + 1;
        let record = Record {
            seq,
            at_ms: NOON_MS + i64::try_from(seq).unwrap() * 1_000,
            run: self.run.id.clone(),
            job: job.map(|at| self.rows[at].key),
            event: serde_json::from_value(event).unwrap(),
        };
        self.records.push(record);
    }

    pub fn plan(&self) -> PlanFacts<'_> {
        PlanFacts {
            name: &self.run.name,
            provider: &self.run.provider,
            rows: &self.rows,
            former: &[],
            known: &self.before,
            to_submit: 4,
            credits: Some(48.0),
            least_ms: 0,
            bounds: None,
            sent_before_ms: &[],
        }
    }

    pub fn records(&self) -> Vec<Record> {
        self.records.clone()
    }

    pub fn summary(&self) -> Summary {
        summarise(self, &self.run).unwrap()
    }

    /// Calls `make` with the input of reports.
    pub fn material<T>(&self, make: impl FnOnce(&ReportInput<'_>) -> T) -> T {
        make(&ReportInput {
            summary: &self.summary(),
            records: &self.records,
            project_dir: Path::new(""),
            sound_cache: None,
        })
    }

    /// The result of the run, with a lifetime of a test.
    pub fn ending<'a>(&self, reports: &'a [Result<PathBuf, ReportError>]) -> RunResult<'a> {
        RunResult {
            summary: Box::leak(Box::new(self.summary())),
            reports,
            replayed: false,
        }
    }

    /// Sends the plan, the records and the result to a sink.
    pub fn send_to(&self, sink: &mut dyn Sink) -> io::Result<()> {
        sink.plan(&self.plan());
        for record in &self.records {
            sink.record(record);
        }
        sink.finish(&self.ending(&[Ok(PathBuf::from("summary.csv"))]))
    }
}

fn key(at: usize) -> String {
    format!("{:02x}", at * 16 + 10).repeat(32)
}

fn intent() -> Value {
    json!({"event": "intent", "attempt": 1, "token": TOKEN, "credits": 12.0})
}

fn accepted(task_id: &str) -> Value {
    json!({"event": "accepted", "attempt": 1, "task_id": task_id, "via": "answer"})
}

fn stage(stage: &str, name: &str) -> Value {
    let track = |at: i64| {
        let mut facts = json!({"id": format!("{name}-{at}"), "title": format!("Song, \"{name}\" {at}"), "created_ms": NOON_MS + at});
        if stage == "complete" || at == 1 {
            facts["audio_url"] = format!("https://cdn.example.com/{name}-{at}.mp3?…").into();
            facts["duration_s"] = 198.44.into();
            facts["music"] = json!({
                "style": "lofi", "key": "G major", "tempo_bpm": 84.2, "metre": "4/4", "confidence": {"key": 0.91, "tempo": 0.8, "metre": 0.7},
                "chords": [{"start_s": 0.0, "name": "G"}, {"start_s": 2.8, "name": "Em7"}, {"start_s": 5.7, "name": "C"}],
                "instruments": ["Rhodes", "drums", "bass"], "not_understood": ["wobblecore"], "remarks": ["the metre is uncertain"],
            });
        }
        facts
    };
    json!({"event": "stage", "stage": stage, "tracks": [track(1), track(2)]})
}

fn kept(index: u32, name: &str) -> Value {
    let path = format!("tracks/chorus/{name}-{index}.mp3");
    let file = json!({"path": path, "sha256": format!("{index:02x}").repeat(32), "length_bytes": 3_145_728, "duration_s": 198.44});
    json!({"event": "track_kept", "index": index, "part": "track", "file": file})
}

/// The ledger after the run.
impl Store for ExampleRun {
    fn begin_run(&mut self, _: &RunHeader, _: &[PlannedRow]) -> Result<(), StoreError> {
        Err(read_only())
    }

    fn append(&mut self, _: &Batch) -> Result<Committed, StoreError> {
        Err(read_only())
    }

    fn job(&self, key: &JobKey) -> Result<Option<KnownJob>, StoreError> {
        Ok(self.jobs()?.remove(key))
    }

    fn join_account(&mut self, _: &str, _: &str) -> Result<(), StoreError> {
        Err(read_only())
    }

    fn intents_between(&self, from: u64, to: u64) -> Result<Vec<Record>, StoreError> {
        let is_meant = |record: &&Record| {
            let is_intent = matches!(record.event, Event::Intent { .. });
            is_intent && record.seq > from && record.seq < to
        };
        Ok(self.records.iter().filter(is_meant).cloned().collect())
    }

    fn hook_result(&self, _: &[u8; 32]) -> Result<Option<String>, StoreError> {
        Ok(None)
    }

    fn keep_hook_results(&mut self, _: &[HookResult]) -> Result<(), StoreError> {
        Err(read_only())
    }

    fn forget_upload(&mut self, _: &str, _: &str) -> Result<(), StoreError> {
        Err(read_only())
    }

    fn jobs(&self) -> Result<HashMap<JobKey, KnownJob>, StoreError> {
        let mut jobs = self.before.clone();
        for record in &self.records {
            let Some(key) = record.job else { continue };
            let known = jobs.entry(key).or_insert_with(|| KnownJob {
                job: Arc::default(),
                account: "a1".to_owned(),
                version: 1,
            });
            match known.job.step(record.at_ms, &record.event) {
                Step::Changed(next) => known.job = Arc::new(next),
                Step::Unchanged => {}
                Step::Illegal => panic!("an illegal event in the story: {record:?}"),
            }
        }
        Ok(jobs)
    }

    fn upload(&self, _: &str, _: &str) -> Result<Option<Upload>, StoreError> {
        Ok(None)
    }

    fn places_since(
        &self,
        _: &str,
        _: i64,
    ) -> Result<Vec<backline_engine::gate::Place>, StoreError> {
        Ok(Vec::new())
    }

    fn runs(&self) -> Result<Vec<RunHeader>, StoreError> {
        Ok(vec![self.run.clone()])
    }

    fn plan_of(&self, _: &RunId) -> Result<Vec<PlannedRow>, StoreError> {
        Ok(self.rows.clone())
    }

    fn store_album(&mut self, _: &[PlannedRow]) -> Result<String, StoreError> {
        Err(read_only())
    }

    fn album_of(&self, run: &RunHeader) -> Result<Vec<PlannedRow>, StoreError> {
        self.plan_of(&run.id)
    }

    fn events_of(&self, run: &RunId) -> Result<Vec<Record>, StoreError> {
        let mut records = self.records_of(run)?;
        records.retain(|record| record.job.is_none());
        Ok(records)
    }

    fn records_of(&self, _: &RunId) -> Result<Vec<Record>, StoreError> {
        Ok(self.records())
    }

    fn records_since(&self, _: &RunId, seq: u64) -> Result<Vec<Record>, StoreError> {
        let mut records = self.records();
        records.retain(|record| record.seq > seq);
        Ok(records)
    }

    fn buyers(&self) -> Result<HashMap<JobKey, RunId>, StoreError> {
        let is_intent = |record: &&Record| matches!(record.event, Event::Intent { .. });
        let of_this = self.records.iter().filter(is_intent);
        let of_this = of_this.filter_map(|record| Some((record.job?, record.run.clone())));
        let earlier = (self.rows[1].key, RunId::from_text("0192-run"));
        Ok(std::iter::once(earlier).chain(of_this).collect())
    }

    fn job_of_task(&self, _: &str) -> Result<Option<JobKey>, StoreError> {
        Ok(None)
    }

    fn history_of(&self, job: &JobKey) -> Result<Vec<Record>, StoreError> {
        Ok(self
            .records
            .iter()
            .filter(|record| record.job.as_ref() == Some(job))
            .cloned()
            .collect())
    }
}

fn read_only() -> StoreError {
    StoreError::Missing {
        path: "a story is only read".to_owned(),
    }
}

/// An output that a test reads later.
#[derive(Clone, Default)]
pub struct SharedOutput(Arc<Mutex<Vec<u8>>>);

impl SharedOutput {
    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for SharedOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An output whose reader is closed.
pub struct Broken;

impl Write for Broken {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
