//! Steps: jobs that process the result of another job. A WAV file is made of a song's track, MIDI of a track's stems.

use std::fmt;
use std::sync::Arc;

use backline_api::{RECOVERY, TaskId};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::settings::{JobKey, step_key};

/// The setting of a recovery that is the task it brings back: that of another purchase of the song is another recovery.
const TASK: &str = "task";

/// The setting of a recovery of a task that was recovered before, and whose files are lost again: which one it is, from 2.
const NTH: &str = "nth";

/// What a job does to the result of another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobStep {
    /// The operation's name.
    pub operation: Arc<str>,
    /// What the manifest calls the step: the operation's name, or what distinguishes it there, such as `split_stem`.
    pub name: Arc<str>,
    /// The job whose result it processes.
    pub parent: JobKey,
    /// Which track of the song, from 1; 0 where it is about all of them.
    pub track: u32,
    /// Its settings, in the order of the operation's table. Those of a recovery say which task it brings back.
    #[serde(skip_serializing_if = "is_empty", default)]
    pub settings: Arc<IndexMap<String, String>>,
}

impl JobStep {
    /// The `nth` recovery, from 1, of a song's task with all its tracks.
    pub(crate) fn recovery(song: JobKey, task: &TaskId, nth: u32) -> Self {
        let mut settings = IndexMap::from([(TASK.to_owned(), task.to_string())]);
        if nth > 1 {
            settings.insert(NTH.to_owned(), nth.to_string());
        }
        Self {
            operation: RECOVERY.into(),
            name: RECOVERY.into(),
            parent: song,
            track: 0,
            settings: Arc::new(settings),
        }
    }

    /// Whether it brings a song's tracks back.
    pub fn is_recovery(&self) -> bool {
        &*self.operation == RECOVERY
    }

    /// Those of a song's tracks that it is about.
    pub(crate) fn tracks_of<'t, T>(&self, tracks: &'t [T]) -> &'t [T] {
        match (self.track as usize).checked_sub(1) {
            None => tracks,
            Some(place) => tracks.get(place..=place).unwrap_or_default(),
        }
    }

    /// What a person knows it by beside its song: `track 1: wav`, `recovery`.
    pub fn title(&self) -> String {
        match self.track {
            0 => self.name.to_string(),
            track => format!("track {track}: {}", self.name),
        }
    }

    /// The key of a job that is this step.
    pub fn key(&self) -> JobKey {
        step_key(&self.operation, &self.parent, self.track, &self.settings)
    }

    /// What one of its files is called beside the others of the song: `vocal`; `split_stem-vocal` where the manifest gives the step a name,
    /// because it has several of the operation.
    pub fn file_name(&self, artefact: &str) -> String {
        if artefact.is_empty() {
            String::new()
        } else if self.name == self.operation || &*self.name == artefact {
            artefact.to_owned()
        } else {
            format!("{}-{artefact}", self.name)
        }
    }

    /// The value of a setting.
    pub fn setting(&self, name: &str) -> Option<&str> {
        self.settings.get(name).map(String::as_str)
    }
}

/// `track 1 / wav`, `recovery`: what a job's name ends with.
impl fmt::Display for JobStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.track {
            0 => f.write_str(&self.name),
            track => write!(f, "track {track} / {}", self.name),
        }
    }
}

fn is_empty(settings: &Arc<IndexMap<String, String>>) -> bool {
    settings.is_empty()
}
