//! Steps: jobs that process the result of another job. A WAV file is made of a song's track, MIDI of a track's stems.

use std::fmt;
use std::sync::Arc;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::settings::{JobKey, step_key};

/// What a job does to the result of another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobStep {
    /// The operation's name.
    pub operation: Arc<str>,
    /// What the manifest calls the step: the operation's name, or what distinguishes it there, such as `split_stem`.
    pub name: Arc<str>,
    /// The job whose result it processes.
    pub parent: JobKey,
    /// Which track of the song, from 1.
    pub track: u32,
    /// Its settings, in the order of the operation's table.
    #[serde(skip_serializing_if = "is_empty", default)]
    pub settings: Arc<IndexMap<String, String>>,
}

impl JobStep {
    /// The key of a job that is this step.
    pub fn key(&self) -> JobKey {
        step_key(&self.operation, &self.parent, self.track, &self.settings)
    }

    /// What one of its files is called beside the others of the song: `vocal`; `split_stem-vocal` where the manifest gives the step a name,
    /// because it has several of the operation.
    pub fn file_name(&self, artefact: &str) -> String {
        if self.name == self.operation || &*self.name == artefact {
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

/// `track 1 / wav`: what a job's name ends with.
impl fmt::Display for JobStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "track {} / {}", self.track, self.name)
    }
}

fn is_empty(settings: &Arc<IndexMap<String, String>>) -> bool {
    settings.is_empty()
}
