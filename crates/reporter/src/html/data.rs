//! The data of the HTML page as JSON. Its compact form keeps a page of thousands of tracks small and fast to open.
//!
//! ```json
//! { "version": 1, "name": "songs", "manifest": "songs.yaml", "run": "0193…",
//!   "stems": [{ "name": "chorus", "vars": [["artist", "Ada"]], "vocal": { "at": "../stems/chorus.flac", "seconds": 24.1, "lufs": -18.2, "wave": "AAcx…" } }],
//!   "presets": ["lofi", "jazz"],
//!   "jobs": [{ "key": "5b1c…", "stem": 0, "preset": 0, "sweep": [["model", "V5"]], "take": 1, "state": "kept", "sign": "=", "why": null,
//!     "settings": [["tags", "lofi, piano"]], "task": "0123abcd", "credits": 12,
//!     "tracks": [{ "index": 1, "title": "Chorus", "file": { "at": "./chorus-1.mp3", … }, "mix": null, "music": { "key": "G major", … },
//!       "sets": [{ "name": "stems", "parts": [{ "name": "vocal", "at": "./chorus-1-vocal.mp3", … }, …] }],
//!       "made": [{ "name": "wav", "at": "./chorus-1-wav.wav", … }], "open": [{ "name": "midi", "sign": "!", "state": "failed", "why": "…" }] }] }] }
//! ```
//!
//! Stems and presets are named by their index in their lists. `at` is an address relative to the page, `seconds` a length,
//! `lufs` a measured loudness, `wave` an [outline](crate::sound::Sound::outline). Steps are not jobs here. A track lists their
//! results: stems as `sets` that play together, other files as `made`, and steps with missing files as `open`. Every text is
//! clean and on one line.

use backline_engine::kept_files::place_of;
use std::collections::HashSet;
use std::path::Path;

use backline_engine::event::{Confidence, KeptFile, Music};
use backline_engine::job::TrackLoudness;
use backline_engine::settings::Settings;
use backline_engine::status::Sign;
use backline_engine::summary::{JobSummary, TrackSummary};
use indexmap::{IndexMap, IndexSet};
use serde::Serialize;

use crate::material::ReportInput;
use crate::music::{chord_names, remarks};
use crate::printable::clean;
use crate::sign::{sign, why};
use crate::sound::{SoundFile, Sounds, tenth};
use crate::steps::{StepOf, Steps};
use crate::text::rfc3339;

/// The version of the JSON; the page's scripts have the same version.
const DATA_VERSION: u32 = 1;

#[derive(Serialize)]
pub(super) struct PageData {
    version: u32,
    /// The revision of a running run that the page shows; `None` on a static page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) revision: Option<u64>,
    name: String,
    manifest: String,
    run: String,
    stems: Vec<StemData>,
    presets: Vec<String>,
    pub(super) jobs: Vec<JobData>,
}

#[derive(Serialize)]
struct StemData {
    name: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    vars: Vec<(String, String)>,
    vocal: Option<FileData>,
}

#[derive(Serialize)]
pub(super) struct JobData {
    key: String,
    stem: usize,
    preset: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sweep: Vec<(String, String)>,
    take: u32,
    /// Whether the manifest has changed since the job was bought.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    former: bool,
    state: &'static str,
    sign: char,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    settings: Vec<(String, String)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    task: Option<String>,
    credits: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<String>,
    tracks: Vec<TrackData>,
}

#[derive(Serialize)]
struct TrackData {
    index: u32,
    title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<FileData>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mix: Option<FileData>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    music: Option<MusicData>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unverified: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sets: Vec<SetData>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    made: Vec<PartData>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    open: Vec<OpenData>,
}

/// The stems that one step made from a track.
#[derive(Serialize)]
struct SetData {
    name: String,
    parts: Vec<PartData>,
}

/// A file that a step made.
#[derive(Serialize)]
struct PartData {
    name: String,
    #[serde(flatten)]
    file: FileData,
}

/// A step that is not kept.
#[derive(Serialize)]
struct OpenData {
    name: String,
    sign: char,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

/// What a provider reports about the music of a track.
#[derive(Serialize)]
struct MusicData {
    #[serde(skip_serializing_if = "Option::is_none")]
    style: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tempo: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metre: Option<String>,
    confidence: Confidence,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    instruments: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    chords: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    remarks: Vec<String>,
}

impl MusicData {
    fn of(music: &Music) -> Self {
        let text = |text: &Option<String>| text.as_deref().map(clean);
        Self {
            style: text(&music.style),
            key: text(&music.key),
            tempo: music.tempo_bpm.map(tenth),
            metre: text(&music.metre),
            confidence: music.confidence,
            instruments: music.instruments.iter().map(|it| clean(it)).collect(),
            chords: clean(&chord_names(music).join(" ")),
            remarks: remarks(music).map(|it| clean(&it)).collect(),
        }
    }
}

/// A sound file.
#[derive(Serialize)]
struct FileData {
    at: String,
    /// `None` if the file could not be measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lufs: Option<f64>,
    #[serde(skip_serializing_if = "str::is_empty")]
    wave: String,
}

/// The operation whose files play together.
const STEMS: &str = "stems";

/// Whether a kept file contains notes, which have no sound to measure.
fn is_notes(file: &KeptFile) -> bool {
    let ending = Path::new(&file.path).extension();
    ending.is_some_and(|it| it.eq_ignore_ascii_case("mid"))
}

/// Every sound file that the page plays, without duplicates.
pub(super) fn sound_files(material: &ReportInput<'_>) -> Vec<SoundFile> {
    let jobs = &material.summary.jobs;
    let tracks = jobs.iter().flat_map(|job| &job.tracks);
    let kept = tracks
        .flat_map(|track| [&track.file, &track.mix])
        .flatten()
        .filter(|file| !is_notes(file))
        .map(|file| SoundFile::kept(material.project_dir, file));
    let vocals = jobs.iter().filter_map(vocal_of).map(|path| SoundFile {
        path: material.project_dir.join(path),
        sha256: None,
    });
    let mut seen = HashSet::new();
    kept.chain(vocals)
        .filter(|wanted| seen.insert(wanted.path.clone()))
        .collect()
}

pub(super) fn vocal_of(job: &JobSummary) -> Option<&str> {
    job.recording.as_ref()?.file.as_deref()
}

impl PageData {
    /// `address` converts a path of the project into an address on the page.
    pub(super) fn new(
        material: &ReportInput<'_>,
        sounds: &Sounds,
        address: &dyn Fn(&str) -> String,
    ) -> Self {
        let summary = material.summary;
        let files = Files {
            project_dir: material.project_dir,
            sounds,
            address,
        };
        let steps = Steps::of(summary);
        let mut stems: IndexMap<&str, &JobSummary> = IndexMap::new();
        let mut presets: IndexSet<&str> = IndexSet::new();
        let songs = summary.jobs.iter().filter(|job| job.step.is_none());
        let jobs = songs.map(|job| {
            let stem = stems.entry(&job.stem);
            let stem_at = stem.index();
            let track = |track: &TrackSummary| {
                let mut data = files.track(track);
                for step in steps.of_track(job, track.index) {
                    files.add(&mut data, step, sign(step.job, &summary.run));
                }
                data
            };
            stem.or_insert(job);
            JobData {
                key: job.key.clone(),
                stem: stem_at,
                preset: presets.insert_full(&job.preset).0,
                sweep: pairs(&job.sweep),
                take: job.take,
                former: !job.in_manifest,
                state: sign(job, &summary.run).outcome(),
                sign: sign(job, &summary.run).symbol(),
                why: why(sign(job, &summary.run), job),
                settings: settings(&job.settings),
                task: job.task_id.as_deref().map(clean),
                credits: job.credits,
                run: job.run.as_deref().map(clean),
                tracks: job.tracks.iter().map(track).collect(),
            }
        });
        let jobs = jobs.collect();
        let stems = stems.into_iter().map(|(name, job)| StemData {
            name: clean(name),
            vars: pairs(&job.vars),
            vocal: vocal_of(job).map(|path| files.file(path, None)),
        });
        Self {
            version: DATA_VERSION,
            revision: None,
            name: clean(&summary.run.name),
            manifest: clean(&summary.run.manifest),
            run: clean(&summary.run.id),
            stems: stems.collect(),
            presets: presets.into_iter().map(clean).collect(),
            jobs,
        }
    }
}

/// Converts paths into the page's data about a file.
struct Files<'a> {
    project_dir: &'a Path,
    sounds: &'a Sounds,
    address: &'a dyn Fn(&str) -> String,
}

impl Files<'_> {
    fn track(&self, track: &TrackSummary) -> TrackData {
        let kept = |file: &KeptFile, loudness: Option<TrackLoudness>| {
            let recorded = loudness.and_then(|loudness| loudness.integrated_lufs);
            let mut data = self.file(&file.path, Some(file.duration_s));
            data.lufs = recorded.map(tenth).or(data.lufs);
            data
        };
        TrackData {
            index: track.index,
            title: clean(&track.title),
            file: track.file.as_ref().map(|file| kept(file, track.loudness)),
            mix: track.mix.as_ref().map(|mix| kept(mix, track.mix_loudness)),
            problem: track.problem.as_deref().map(clean),
            music: track.music.as_deref().map(MusicData::of),
            unverified: track.unverified().map(clean),
            expires: track
                .expires_ms
                .filter(|_| track.file.is_none())
                .and_then(rfc3339),
            sets: Vec::new(),
            made: Vec::new(),
            open: Vec::new(),
        }
    }

    /// Adds the results of a step to a track; if the step is not kept, its state.
    fn add(&self, track: &mut TrackData, StepOf { job, step }: StepOf<'_>, sign: Sign) {
        let kept = job.tracks.iter().filter_map(|made| {
            let file = made.file.as_ref()?;
            Some(PartData {
                name: clean(&made.artefact),
                file: self.file(&file.path, Some(file.duration_s)),
            })
        });
        let kept: Vec<PartData> = kept.collect();
        if sign != Sign::Kept {
            track.open.push(OpenData {
                name: clean(&step.name),
                sign: sign.symbol(),
                state: sign.outcome(),
                why: why(sign, job).filter(|why| !why.is_empty()),
            });
        }
        if kept.is_empty() {
            return;
        }
        match &*step.operation {
            STEMS => track.sets.push(SetData {
                name: clean(&step.name),
                parts: kept,
            }),
            _ => track.made.extend(kept),
        }
    }

    fn file(&self, path: &str, seconds: Option<f64>) -> FileData {
        let sound = self.sounds.get(&place_of(self.project_dir, path));
        FileData {
            at: (self.address)(path),
            seconds: seconds.or(sound.map(|sound| sound.duration_s)),
            lufs: sound.and_then(|sound| sound.lufs),
            wave: sound.map(|sound| sound.outline.clone()).unwrap_or_default(),
        }
    }
}

fn pairs(sweep: &IndexMap<String, String>) -> Vec<(String, String)> {
    sweep
        .iter()
        .map(|(name, value)| (clean(name), clean(value)))
        .collect()
}

/// The settings that distinguish variants, in the order of their importance to people; empty settings are left out.
fn settings(settings: &Settings) -> Vec<(String, String)> {
    let Ok(serde_json::Value::Object(fields)) = serde_json::to_value(settings) else {
        return Vec::new();
    };
    let text = |value: serde_json::Value| match value {
        serde_json::Value::String(text) => clean(&text),
        value => value.to_string(),
    };
    fields
        .into_iter()
        .filter(|(name, _)| name != "title")
        .map(|(name, value)| (name.replace('_', " "), text(value)))
        .filter(|(_, value)| !value.is_empty())
        .collect()
}
