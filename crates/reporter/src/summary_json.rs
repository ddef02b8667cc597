//! `summary.json`: everything of a summary, for programs.
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
//!     { "key": "5b1c…", "run": "0193…", "in_manifest": true, "selected": true, "stem": "chorus", "preset": "lofi", "vars": {}, "sweep": { "model": "V5" }, "take": 1, "state": "kept",
//!       "task_id": "0123abcd", "attempts": 1, "credits": 12.0, "error_code": null, "error": null,
//!       "settings": { "title": "Chorus (lofi)", "tags": "lofi, piano", "negative_tags": "", "model": "V5" },
//!       "other_tasks": [],
//!       "tracks": [ { "index": 1, "id": "1111…", "title": "Chorus (lofi)", "audio_url": "https://cdn.example.com/a.mp3",
//!         "stream_url": null, "image_url": null, "created": "2026-01-05T12:03:00Z", "expires": "2026-01-19T12:03:00Z",
//!         "file": { "path": "tracks/chorus-1.mp3", "sha256": "ab12…", "length_bytes": 3145728, "duration_s": 198.44 },
//!         "mix": null, "music": { "key": "G major", "tempo_bpm": 92.0, "metre": "3/4", … }, "problem": null } ] }
//!   ]
//! }
//! ```
//!
//! The types here are the format; the engine's working type is converted into them once, in [`SummaryFile::from`]. Every field is
//! always there, `null` when it is not known; jobs stand in plan order. Times are RFC 3339 in UTC, `null` where RFC 3339 can't write them.
//! `version` is raised when a field changes its meaning or goes away, not when one is added.

use std::io;

use backline_engine::event::{Excerpt, KeptFile, Music, Outcome, RefusedCallbacks};
use backline_engine::job::TrackLoudness;
use backline_engine::settings::Settings;
use backline_engine::store::RecordedStem;
use backline_engine::summary::{
    HookFailureSummary, JobSummary, Rating, RunFacts, Summary, ThisRun, Totals, TrackSummary,
};
use indexmap::IndexMap;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use crate::text::rfc3339;

#[derive(Serialize)]
struct SummaryFile<'a> {
    version: u32,
    run: RunFile<'a>,
    this_run: &'a ThisRun,
    totals: &'a Totals,
    jobs: Vec<JobFile<'a>>,
}

/// The run, as [`summary.json`](self) and the last line of an event stream say it.
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
    recording: Option<&'a RecordedStem>,
    other_tasks: &'a [String],
    tracks: Vec<TrackFile<'a>>,
}

#[derive(Serialize)]
struct TrackFile<'a> {
    index: u32,
    id: &'a str,
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
    music: Option<&'a Music>,
    copies: &'a [String],
    problem: Option<&'a str>,
    rating: Option<&'a Rating>,
}

/// The report's bytes, with a line end after the last brace.
pub(crate) fn render(summary: &Summary) -> io::Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(&SummaryFile::from(summary))?;
    bytes.push(b'\n');
    Ok(bytes)
}

impl<'a> From<&'a Summary> for SummaryFile<'a> {
    fn from(summary: &'a Summary) -> Self {
        let Summary {
            version,
            run,
            this_run,
            totals,
            jobs,
            evidence: _,
            comparisons: _,
        } = summary;
        Self {
            version: *version,
            run: run.into(),
            this_run,
            totals,
            jobs: jobs.iter().map(JobFile::from).collect(),
        }
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
            recording: job.recording.as_ref(),
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
            title: &track.title,
            audio_url: track.audio_url.as_deref(),
            stream_url: track.stream_url.as_deref(),
            image_url: track.image_url.as_deref(),
            created: track.created_ms.and_then(rfc3339),
            expires: track.expires_ms.and_then(rfc3339),
            file: track.file.as_ref(),
            mix: track.mix.as_ref(),
            loudness: track.loudness,
            mix_loudness: track.mix_loudness,
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
    use crate::example;

    #[test]
    fn the_report_of_a_run() {
        insta::assert_snapshot!(String::from_utf8(render(&example::summary()).unwrap()).unwrap());
    }

    #[test]
    fn it_says_all_that_the_working_type_says() {
        // A field added to the summary and forgotten here would be lost without a word.
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
        let summary = example::summary();
        let (mut working, mut written) = (Vec::new(), Vec::new());
        names(&serde_json::to_value(&summary).unwrap(), "", &mut working);
        names(
            &serde_json::from_slice(&render(&summary).unwrap()).unwrap(),
            "",
            &mut written,
        );
        assert_eq!(written, working);
    }
}
