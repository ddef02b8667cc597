//! The lock file: what a manifest meant when someone last agreed to it, to be committed beside it.
//!
//! One line a job, sorted as the plan is, so that a change of the manifest is a readable change of the lock. `plan --locked`
//! fails when the two differ; [`compare`] says in what.

use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use backline_api::Setting;
use indexmap::{IndexMap, IndexSet};
use serde::{Deserialize, Serialize};

use super::load::read_beside;
use super::source::files::{ReadProblem, read_text};
use crate::folder::Folder;
use crate::plan::{Coordinates, JobStep, Plan};
use crate::scratch::{create, sweep};
use crate::settings::{JobKey, Settings};
use crate::store::is_empty;

/// The version that is written.
const VERSION: u32 = 1;

/// Longest lock that is written and read: 100,000 jobs take about 40 MB.
const MAX_BYTES: u64 = 256 << 20;

/// Longest first line.
const MAX_HEADER_BYTES: usize = 64 << 10;

/// What two steps differ in that process different results.
pub(crate) const INPUT: &str = "input";

/// How the name of a file begins that is not in its place yet.
const TEMPORARY: &str = ".backline-";

/// What a manifest means, in a form to be kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Lock {
    /// The provider profile's name.
    pub provider: String,
    /// The jobs, in plan order.
    pub jobs: Vec<LockedJob>,
}

/// One job of a lock: a line of its file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedJob {
    /// Its key.
    pub key: JobKey,
    /// The stem's id.
    pub stem: Arc<str>,
    /// The preset's name.
    pub preset: Arc<str>,
    /// The sweep point.
    #[serde(skip_serializing_if = "is_empty", default)]
    pub sweep: Arc<IndexMap<String, String>>,
    /// The take.
    pub take: u32,
    /// The stem's content, or its address, hashed.
    pub recording: String,
    /// What will be sent for a song.
    #[serde(skip_serializing_if = "Settings::is_empty", default)]
    pub settings: Settings,
    /// What the job does to the result of an earlier one, where it is a step.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub step: Option<Box<JobStep>>,
    /// Other keys of the same request: those that earlier programs gave it. Not written: a lock has the keys of its time.
    #[serde(skip)]
    pub former: Vec<JobKey>,
}

/// Two are equal when they are written so: the former keys are found out when they are needed.
impl PartialEq for LockedJob {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
            && self.stem == other.stem
            && self.preset == other.preset
            && self.sweep == other.sweep
            && self.take == other.take
            && self.recording == other.recording
            && self.settings == other.settings
            && self.step == other.step
    }
}

/// What the first line of every version has.
#[derive(Debug, Deserialize)]
struct Version {
    backline_lock: u32,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    backline_lock: u32,
    provider: String,
    jobs: usize,
    digest: String,
}

/// What differs between a lock and a plan.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct LockDiff {
    /// Jobs of the plan that the lock does not have.
    pub added: Vec<LockedJob>,
    /// Jobs of the lock that the plan does not have.
    pub dropped: Vec<LockedJob>,
    /// Jobs of both that would be bought anew.
    pub changed: Vec<ChangedJob>,
}

/// A job that means something else than it did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChangedJob {
    /// What it means now.
    pub job: LockedJob,
    /// What differs: a setting's name, `recording` or `provider`, with the old and the new value.
    pub changes: Vec<SettingChange>,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SettingChange {
    /// A setting's name, `recording` or `provider`.
    pub what: String,
    /// The lock's value; none where it was not set.
    pub old: Option<String>,
    /// The plan's value.
    pub new: Option<String>,
}

/// Why a lock can't be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// The file can't be read.
    #[error("can't read the lock `{path}`: {reason}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The file is not a lock.
    #[error("`{path}`, line {line}, is not a lock: {reason}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// The file was written by a later version.
    #[error("`{path}` is a lock of version {found}; this version reads version {VERSION}")]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// The file can't be written.
    #[error("can't write the lock `{path}`")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Where a manifest's lock lies: beside it, under its name.
pub fn default_path(manifest: &Path) -> PathBuf {
    manifest.with_extension("lock")
}

impl Lock {
    /// What a plan means.
    pub fn of(plan: &Plan) -> Self {
        let jobs = plan.jobs.iter().map(|job| {
            let stem = &plan.stems[job.stem];
            LockedJob {
                key: job.key,
                stem: stem.id.as_str().into(),
                preset: job.preset.clone(),
                sweep: job.sweep.clone(),
                take: job.take,
                recording: stem.source.fingerprint(),
                settings: job.sent_settings(),
                step: job.step.clone(),
                former: plan.former_keys(job),
            }
        });
        Self {
            provider: plan.provider.profile.name.clone(),
            jobs: jobs.collect(),
        }
    }

    /// The lock's file as text: a line about the whole, then a line a job.
    pub fn to_text(&self) -> String {
        let mut lines = String::new();
        for job in &self.jobs {
            lines.push_str(
                &serde_json::to_string(job)
                    .expect("a locked job has only string keys and finite numbers"),
            );
            lines.push('\n');
        }
        let header = Header {
            backline_lock: VERSION,
            provider: self.provider.clone(),
            jobs: self.jobs.len(),
            digest: digest(&lines),
        };
        let header = serde_json::to_string(&header).expect("a header has only string keys");
        format!("{header}\n{lines}")
    }
}

fn digest(lines: &str) -> String {
    blake3::hash(lines.as_bytes()).to_hex()[..32].to_owned()
}

/// Writes a lock: beside the file first, then in its place.
///
/// # Errors
/// When the folder can't be written to.
pub fn write(path: &Path, lock: &Lock) -> Result<(), LockError> {
    let failed = |source| LockError::Write {
        path: path.to_owned(),
        source,
    };
    let put = || {
        let text = lock.to_text();
        if text.len() as u64 > MAX_BYTES {
            let message = format!("it would be longer than {} MB, the limit", MAX_BYTES >> 20);
            return Err(std::io::Error::other(message));
        }
        let folder = Folder::open(path.parent().unwrap_or(Path::new("")))?;
        sweep(&folder, TEMPORARY);
        let mut scratch = create(&folder, TEMPORARY)?;
        scratch.file().write_all(text.as_bytes())?;
        scratch.file().sync_all()?;
        scratch.replace(path.file_name().unwrap_or_default())
    };
    put().map_err(failed)
}

/// Reads a lock that the user named, wherever it lies.
///
/// # Errors
/// When there is none, when it was edited or cut off, or when a later version wrote it.
pub fn read(path: &Path) -> Result<Lock, LockError> {
    parse(path, read_text(path, MAX_BYTES))
}

/// Reads the lock beside a manifest, where no link leads it out of the project: what differs from it is printed.
///
/// # Errors
/// As [`read`], and when a link leads out of the project.
pub fn read_default(manifest: &Path) -> Result<Lock, LockError> {
    let path = default_path(manifest);
    let text = read_beside(manifest, &path, MAX_BYTES, false);
    parse(&path, text)
}

fn parse(path: &Path, text: Result<Arc<str>, ReadProblem>) -> Result<Lock, LockError> {
    let text = text.map_err(|problem| LockError::Read {
        path: path.to_owned(),
        reason: problem.to_string(),
    })?;
    // Where git or an editor gives every line a carriage return, it means the same.
    let text = if text.contains("\r\n") {
        text.replace("\r\n", "\n").into()
    } else {
        text
    };
    let damaged = |line: usize, reason: String| LockError::Damaged {
        path: path.to_owned(),
        line,
        reason,
    };
    let (first, lines) = text
        .split_once('\n')
        .ok_or_else(|| damaged(1, "it has no first line".to_owned()))?;
    if first.len() > MAX_HEADER_BYTES {
        return Err(damaged(1, "its first line is too long".to_owned()));
    }
    // Of other versions nothing else is known; what else the line has is skipped, not kept.
    match serde_json::from_str::<Version>(first) {
        Ok(version) if version.backline_lock == VERSION => {}
        Ok(version) => {
            return Err(LockError::Version {
                path: path.to_owned(),
                found: version.backline_lock,
            });
        }
        Err(_) => return Err(damaged(1, "it does not say `backline_lock`".to_owned())),
    }
    let header: Header =
        serde_json::from_str(first).map_err(|error| damaged(1, error.to_string()))?;
    if header.digest != digest(lines) {
        return Err(damaged(
            1,
            "its digest is another: the file was edited, merged or cut off; write it anew"
                .to_owned(),
        ));
    }
    let jobs = lines.lines().enumerate().map(|(at, line)| {
        serde_json::from_str(line).map_err(|error| damaged(at + 2, error.to_string()))
    });
    Ok(Lock {
        provider: header.provider,
        jobs: jobs.collect::<Result<_, _>>()?,
    })
}

/// What differs from a lock to a plan's lock. A job that only changed its name, and so is not bought anew, is one that was
/// dropped and one that was added.
pub fn compare(old: &Lock, new: &Lock) -> LockDiff {
    let coordinates = |job: &LockedJob| {
        Coordinates::new(
            &job.stem,
            &job.preset,
            &job.sweep,
            job.take,
            job.step.as_deref(),
        )
    };
    let mut before: HashMap<Coordinates, &LockedJob> =
        old.jobs.iter().map(|job| (coordinates(job), job)).collect();
    let mut diff = LockDiff::default();
    for job in &new.jobs {
        match before.remove(&coordinates(job)) {
            None => diff.added.push(job.clone()),
            Some(was) if is_same(was, job) => {}
            Some(was) => {
                let mut changes = changes(&was.settings, &job.settings);
                changes.extend(step_changes(was.step.as_deref(), job.step.as_deref()));
                let mut note = |what: &str, old: &str, new: &str| {
                    if old != new {
                        changes.push(SettingChange {
                            what: what.to_owned(),
                            old: Some(old.to_owned()),
                            new: Some(new.to_owned()),
                        });
                    }
                };
                note("recording", &was.recording, &job.recording);
                note("provider", &old.provider, &new.provider);
                diff.changed.push(ChangedJob {
                    job: job.clone(),
                    changes,
                });
            }
        }
    }
    diff.dropped = old
        .jobs
        .iter()
        .filter(|job| before.contains_key(&coordinates(job)))
        .cloned()
        .collect();
    diff
}

/// Whether two jobs are one request, whichever programs gave them their keys.
fn is_same(was: &LockedJob, now: &LockedJob) -> bool {
    was.key == now.key || now.former.contains(&was.key) || was.former.contains(&now.key)
}

/// What two steps differ in.
pub(crate) fn changed_step(old: &JobStep, new: &JobStep) -> Vec<String> {
    let changes = step_changes(Some(old), Some(new)).into_iter();
    changes.map(|change| change.what).collect()
}

/// The names of the settings that differ.
pub(crate) fn changed_settings(old: &Settings, new: &Settings) -> Vec<String> {
    let changes = changes(old, new).into_iter();
    changes.map(|change| change.what).collect()
}

fn changes(old: &Settings, new: &Settings) -> Vec<SettingChange> {
    let fields = |settings: &Settings| -> serde_json::Map<String, serde_json::Value> {
        match serde_json::to_value(settings) {
            Ok(serde_json::Value::Object(fields)) => fields,
            _ => serde_json::Map::new(),
        }
    };
    let (old, new) = (fields(old), fields(new));
    let text = |value: Option<&serde_json::Value>| {
        value.map(|value| {
            value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned)
        })
    };
    Setting::NAMES
        .into_iter()
        .filter(|name| old.get(*name) != new.get(*name))
        .map(|name| SettingChange {
            what: name.to_owned(),
            old: text(old.get(name)),
            new: text(new.get(name)),
        })
        .collect()
}

/// The same of two steps. Where none of their settings differs, what they process does.
fn step_changes(old: Option<&JobStep>, new: Option<&JobStep>) -> Vec<SettingChange> {
    let (Some(old), Some(new)) = (old, new) else {
        return Vec::new();
    };
    let mut changes = Vec::new();
    let mut note = |what: &str, old: Option<&str>, new: Option<&str>| {
        if old != new {
            changes.push(SettingChange {
                what: what.to_owned(),
                old: old.map(str::to_owned),
                new: new.map(str::to_owned),
            });
        }
    };
    note("operation", Some(&old.operation), Some(&new.operation));
    let names: IndexSet<&String> = old.settings.keys().chain(new.settings.keys()).collect();
    for name in names {
        note(name, old.setting(name), new.setting(name));
    }
    if changes.is_empty() {
        let short = |step: &JobStep| Some(format!("job {}", step.parent.short()));
        changes.push(SettingChange {
            what: INPUT.to_owned(),
            old: short(old),
            new: short(new),
        });
    }
    changes
}

impl LockDiff {
    /// Whether the plan means what the lock says.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.dropped.is_empty() && self.changed.is_empty()
    }
}
