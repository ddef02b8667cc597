//! `summary.json`: the whole summary, for programs.
//!
//! ```json
//! {
//!   "version": 2,
//!   "run": {
//!     "id": "0193…", "name": "songs", "manifest": "songs.yaml", "provider": "studio",
//!     "started": "2026-01-05T12:00:00Z", "ended": "2026-01-05T12:06:30Z",
//!     "outcome": { "how": "complete" }, "balance_before": 1000.0, "balance_after": 988.0, "credits": 12.0, "price_credits": 12.0,
//!     "callbacks_refused": { "unknown": 0, "unsigned": 0, "wrong_signature": 0, "outside_window": 0, "unreadable": 0, "turned_away": 0 }, "backline": "0.1.0"
//!   },
//!   "this_run": { "selection": "--filter preset=lofi", "totals": { "jobs": 1, … }, "submitted": 1, "downloaded": 2, "credits": 12.0 },
//!   "totals": { "jobs": 1, "kept": 1, "in_progress": 0, "to_fetch": 0, "planned": 0, "failed": 0, "in_doubt": 0, "tracks": 2, "credits": 12.0 },
//!   "jobs": [
//!     { "key": "5b1c…", "run": "0193…", "operation": "add-instrumental", "in_manifest": true, "selected": true, "stem": "chorus", "preset": "lofi", "vars": {}, "sweep": { "model": "V5" }, "take": 1, "state": "kept",
//!       "task_id": "0123abcd", "attempts": 1, "credits": 12.0, "error_code": null, "error": null,
//!       "settings": { "title": "Chorus (lofi)", "tags": "lofi, piano", "negative_tags": "", "model": "V5" },
//!       "other_tasks": [],
//!       "tracks": [ { "index": 1, "id": "1111…", "title": "Chorus (lofi)", "audio_url": "https://cdn.example.com/a.mp3",
//!         "stream_url": null, "image_url": null, "created": "2026-01-05T12:03:00Z", "expires": "2026-01-19T12:03:00Z",
//!         "file": { "path": "tracks/chorus-1.mp3", "sha256": "ab12…", "length_bytes": 3145728, "duration_s": 198.44 },
//!         "mix": null, "lufs": -14.2, "music": { "key": "G major", "tempo_bpm": 92.0, "metre": "3/4", … }, "problem": null } ] }
//!   ]
//! }
//! ```
//!
//! A step has `"step": { "operation": "stems", "name": "split_stem", "parent": "5b1c…", "track": 1, "settings": { "type":
//! "split_stem" } }`: `parent` is the key of the job whose result it processes, and `track` is the track of the song. Its
//! tracks are its results, each with an `artefact`, such as `wav`, `vocal` or `midi`. A song has neither.
//!
//! The types here define the format; the engine's working type is converted into them. Every field is always present, and
//! `null` if it is not known. The links of an embedded studio are `null`, because it ends with its run. Jobs are in plan order.
//! Times are RFC 3339 in UTC, and `null` if RFC 3339 can't represent them. `version` increases when a field changes its meaning
//! or is removed, not when one is added.

use std::io::{self, Write};
use std::path::Path;

use backline_engine::event::{Excerpt, KeptFile, Music, Outcome, RefusedCallbacks};
use backline_engine::job::TrackLoudness;
use backline_engine::plan::JobStep;
use backline_engine::settings::Settings;
use backline_engine::store::RecordedStem;
use backline_engine::summary::{
    HookFailureSummary, JobSummary, Rating, RunFacts, Summary, ThisRun, Totals, TrackSummary,
};
use indexmap::IndexMap;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use crate::material::links_lead_somewhere;
use crate::sound::measured_lufs;
use crate::steps::operation;
use crate::text::rfc3339;

#[derive(Serialize)]
struct SummaryFile<'a> {
    version: u32,
    run: RunFile<'a>,
    this_run: &'a ThisRun,
    totals: &'a Totals,
    jobs: JobFiles<'a>,
}

/// The run, in [`summary.json`](self) and in the last line of an event stream.
#[derive(Serialize)]
pub(crate) struct RunFile<'a> {
    id: &'a str,
    name: &'a str,
    manifest: &'a str,
    provider: &'a str,
    started: Option<String>,
    ended: Option<String>,
    outcome: Option<&'a Outcome>,
    balance_before: Option<f64>,
    balance_after: Option<f64>,
    credits: Option<f64>,
    price_credits: Option<f64>,
    callbacks_refused: RefusedCallbacks,
    #[serde(skip_serializing_if = "Option::is_none")]
    trouble: Option<&'a str>,
    hooks_failed: u64,
    hook_failures: &'a [HookFailureSummary],
    backline: &'a str,
}

#[derive(Serialize)]
struct JobFile<'a> {
    key: &'a str,
    run: Option<&'a str>,
    operation: &'a str,
    in_manifest: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    replaces: Option<&'a str>,
    selected: bool,
    stem: &'a str,
    preset: &'a str,
    vars: &'a IndexMap<String, String>,
    #[serde(serialize_with = "in_order")]
    sweep: Vec<(&'a str, &'a str)>,
    take: u32,
    state: &'static str,
    task_id: Option<&'a str>,
    attempts: u32,
    credits: f64,
    error_code: Option<i64>,
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response: Option<&'a Excerpt>,
    settings: &'a Settings,
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<&'a JobStep>,
    recording: Option<&'a RecordedStem>,
    other_tasks: &'a [String],
    tracks: Vec<TrackFile<'a>>,
}

#[derive(Serialize)]
struct TrackFile<'a> {
    index: u32,
    id: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    artefact: &'a str,
    title: &'a str,
    audio_url: Option<&'a str>,
    stream_url: Option<&'a str>,
    image_url: Option<&'a str>,
    created: Option<String>,
    expires: Option<String>,
    file: Option<&'a KeptFile>,
    mix: Option<&'a KeptFile>,
    loudness: Option<TrackLoudness>,
    mix_loudness: Option<TrackLoudness>,
    /// The recorded loudness, else the page's measurement.
    lufs: Option<f64>,
    music: Option<&'a Music>,
    copies: &'a [String],
    problem: Option<&'a str>,
    rating: Option<&'a Rating>,
}

/// Writes the report, with a line break after the last brace.
///
/// `sound_cache` is the folder of the measurements that were made for the page.
pub(crate) fn write(
    summary: &Summary,
    sound_cache: Option<&Path>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let file = SummaryFile {
        version: summary.version,
        run: RunFile::from(&summary.run),
        this_run: &summary.this_run,
        totals: &summary.totals,
        jobs: JobFiles {
            jobs: &summary.jobs,
            links: links_lead_somewhere(summary),
            sound_cache,
        },
    };
    serde_json::to_writer_pretty(&mut *out, &file)?;
    out.write_all(b"\n")
}

/// The jobs, each converted when it is written: all converted jobs of a large album together would need more memory than the
/// album.
struct JobFiles<'a> {
    jobs: &'a [JobSummary],
    links: bool,
    sound_cache: Option<&'a Path>,
}

impl Serialize for JobFiles<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.jobs.iter().map(|job| {
            let mut file = JobFile::from(job);
            for (track, written) in job.tracks.iter().zip(&mut file.tracks) {
                written.lufs = measured_lufs(track, self.sound_cache);
                if !self.links {
                    (written.audio_url, written.stream_url, written.image_url) = (None, None, None);
                }
            }
            file
        }))
    }
}

impl<'a> From<&'a RunFacts> for RunFile<'a> {
    fn from(run: &'a RunFacts) -> Self {
        Self {
            id: &run.id,
            name: &run.name,
            manifest: &run.manifest,
            provider: &run.provider,
            started: rfc3339(run.started_ms),
            ended: run.ended_ms.and_then(rfc3339),
            outcome: run.outcome.as_ref(),
            balance_before: run.balance_before,
            balance_after: run.balance_after,
            credits: run.credits,
            price_credits: run.price_credits,
            callbacks_refused: run.callbacks_refused,
            trouble: run.trouble.as_deref(),
            hooks_failed: run.hooks_failed,
            hook_failures: &run.hook_failures,
            backline: &run.backline,
        }
    }
}

impl<'a> From<&'a JobSummary> for JobFile<'a> {
    fn from(job: &'a JobSummary) -> Self {
        Self {
            key: &job.key,
            run: job.run.as_deref(),
            operation: operation(job),
            in_manifest: job.in_manifest,
            replaces: job.replaces.as_deref(),
            selected: job.selected,
            stem: &job.stem,
            preset: &job.preset,
            vars: &job.vars,
            sweep: job
                .sweep
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect(),
            take: job.take,
            state: job.state.as_str(),
            task_id: job.task_id.as_deref(),
            attempts: job.attempts,
            credits: job.credits,
            error_code: job.error_code,
            error: job.error.as_deref(),
            response: job.response.as_ref(),
            settings: &job.settings,
            step: job.step.as_deref(),
            recording: job.recording.as_deref(),
            other_tasks: &job.other_tasks,
            tracks: job.tracks.iter().map(TrackFile::from).collect(),
        }
    }
}

impl<'a> From<&'a TrackSummary> for TrackFile<'a> {
    fn from(track: &'a TrackSummary) -> Self {
        Self {
            index: track.index,
            id: &track.id,
            artefact: &track.artefact,
            title: &track.title,
            audio_url: track.audio_url.as_deref(),
            stream_url: track.stream_url.as_deref(),
            image_url: track.image_url.as_deref(),
            created: track.created_ms.and_then(rfc3339),
            expires: track.expires_ms.and_then(rfc3339),
            file: track.file.as_deref(),
            mix: track.mix.as_deref(),
            loudness: track.loudness,
            mix_loudness: track.mix_loudness,
            lufs: None,
            music: track.music.as_deref(),
            copies: &track.copies,
            problem: track.problem.as_deref(),
            rating: track.rating.as_ref(),
        }
    }
}

/// Pairs as an object that keeps their order.
fn in_order<S: Serializer>(pairs: &[(&str, &str)], serializer: S) -> Result<S::Ok, S::Error> {
    let mut object = serializer.serialize_map(Some(pairs.len()))?;
    for (name, value) in pairs {
        object.serialize_entry(name, value)?;
    }
    object.end()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(summary: &Summary) -> Vec<u8> {
        let mut bytes = Vec::new();
        write(summary, None, &mut bytes).unwrap();
        bytes
    }
    use crate::example;

    #[test]
    fn the_report_of_a_run() {
        insta::assert_snapshot!(String::from_utf8(rendered(&example::summary())).unwrap());
    }

    #[test]
    fn it_says_all_that_the_working_type_says() {
        // A field added to the summary and forgotten here would be lost without an error.
        fn names(value: &serde_json::Value, path: &str, found: &mut Vec<String>) {
            match value {
                serde_json::Value::Object(fields) => fields.iter().for_each(|(name, value)| {
                    let name = format!("{path}.{}", name.strip_suffix("_ms").unwrap_or(name));
                    names(value, &name, found);
                    found.push(name);
                }),
                serde_json::Value::Array(items) => {
                    items.iter().for_each(|item| names(item, path, found))
                }
                _ => {}
            }
        }
        let summary = example::with_steps();
        let (mut working, mut written) = (Vec::new(), Vec::new());
        names(&serde_json::to_value(&summary).unwrap(), "", &mut working);
        names(
            &serde_json::from_slice(&rendered(&summary)).unwrap(),
            "",
            &mut written,
        );
        written.retain(|name| name != ".jobs.tracks.lufs" && name != ".jobs.operation");
        assert_eq!(written, working);
    }

    /// The value that belongs to a column of `summary.csv`.
    fn fact(job: &serde_json::Value, track: &serde_json::Value, column: &str) -> serde_json::Value {
        let (mut of, mut path) = (job, column.replace('.', "/"));
        if let Some(name) = column.strip_prefix("stem.vars.") {
            path = format!("vars/{name}");
        }
        let in_track = [
            ("track", "index"),
            ("track_id", "id"),
            ("title", "title"),
            ("file", "file/path"),
            ("sha256", "file/sha256"),
            ("bytes", "file/length_bytes"),
            ("duration_s", "file/duration_s"),
            ("mix_file", "mix/path"),
            ("mix_sha256", "mix/sha256"),
            ("created", "created"),
            ("expires", "expires"),
            ("lufs", "lufs"),
            ("true_peak_dbtp", "loudness/true_peak_dbtp"),
            ("key_signature", "music/key"),
            ("key_confidence", "music/confidence/key"),
            ("tempo_bpm", "music/tempo_bpm"),
            ("tempo_confidence", "music/confidence/tempo"),
            ("metre", "music/metre"),
            ("metre_confidence", "music/confidence/metre"),
            ("instruments", "music/instruments"),
            ("problem", "problem"),
            ("star", "rating/star"),
            ("note", "rating/note"),
            ("blind_won", "rating/won"),
            ("blind_lost", "rating/lost"),
            ("blind_same", "rating/same"),
            ("audio_url", "audio_url"),
            ("stream_url", "stream_url"),
            ("image_url", "image_url"),
            ("artefact", "artefact"),
        ];
        let in_step = [
            ("parent", "step/parent"),
            ("step", "step/name"),
            ("song_track", "step/track"),
        ];
        if let Some((_, place)) = in_step.iter().find(|(name, _)| *name == column) {
            path = (*place).to_owned();
        }
        if let Some((_, place)) = in_track.iter().find(|(name, _)| *name == column) {
            (of, path) = (track, (*place).to_owned());
        }
        let value = of.pointer(&format!("/{path}")).cloned();
        value.unwrap_or_else(|| panic!("the document has no {path}"))
    }

    #[test]
    fn it_has_every_fact_of_the_table() {
        use serde_json::Value;

        let mut summary = example::with_steps();
        let track = &mut summary.jobs[0].tracks[0];
        track.rating = Some(Rating {
            star: true,
            note: Some("=warm".to_owned()),
            won: 2,
            ..Rating::default()
        });
        track.loudness = Some(TrackLoudness {
            integrated_lufs: Some(-14.25),
            true_peak_dbtp: -1.5,
        });
        let document: Value = serde_json::from_slice(&rendered(&summary)).unwrap();
        let mut table = Vec::new();
        crate::summary_csv::write(&summary, None, &mut table).unwrap();
        let mut table = csv::Reader::from_reader(&table[..]);
        let head = table.headers().unwrap().clone();
        let rows: Vec<_> = table.records().map(|row| row.unwrap()).collect();
        let row = &rows[0];
        // The song's first track, then its WAV: the third row is that of the second job.
        let facts = |row: usize, job: usize| {
            let job = &document["jobs"][job];
            let cells = head.iter().zip(&rows[row]);
            cells.map(move |(column, cell)| (job, &job["tracks"][0], column, cell))
        };
        assert_eq!(document["jobs"][1]["operation"], "wav");
        for (job, track, column, cell) in facts(0, 0).chain(facts(2, 1)) {
            // Made of several facts.
            let is_made = matches!(column, "chords" | "remarks" | "unverified" | "in_manifest");
            let is_of_song = column == "song_track" && job["step"].is_null();
            if is_made || is_of_song || cell.is_empty() {
                continue;
            }
            let text = match fact(job, track, column) {
                Value::String(text) => text,
                Value::Bool(yes) => u8::from(yes).to_string(),
                Value::Array(items) => {
                    let items = items.iter().map(|it| it.as_str().unwrap());
                    items.collect::<Vec<_>>().join(", ")
                }
                Value::Number(number) => {
                    assert_eq!(
                        cell.parse::<f64>().unwrap(),
                        number.as_f64().unwrap(),
                        "{column}"
                    );
                    continue;
                }
                other => panic!("{column} is {other}"),
            };
            assert_eq!(crate::spreadsheet::plain(cell), text, "{column}");
        }
        assert_eq!(
            (&row[head.len() - 24], &head[head.len() - 24]),
            ("-14.25", "lufs")
        );
        // An embedded studio ends with its run.
        summary.run.price_credits = Some(0.0);
        let document: Value = serde_json::from_slice(&rendered(&summary)).unwrap();
        assert_eq!(document["jobs"][0]["tracks"][0]["audio_url"], Value::Null);
    }
}
