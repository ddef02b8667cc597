//! Where tracks are kept and what their files are called.
//!
//! A name is a template, rendered when a track is kept; every name is also rendered when the plan is made, so that names that
//! collide, or that some system refuses, are found before anything is bought. No value can leave the folder: a
//! variable's value is made safe before it is inserted.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::{Value as Json, json};

use super::file_name::{NameProblem, harmless, portable};
use crate::plan::{Plan, PlannedJob};
use crate::template::{Engine, Fixed, RenderProblem, Template, Variables};

/// Longest track id that is put into a name; vendors' ids have 36 characters.
const MAX_ID_CHARS: usize = 64;

/// Where tracks are kept and how their files are named.
#[derive(Clone)]
pub struct Output {
    dir: PathBuf,
    store: Option<Arc<str>>,
    names: Arc<NameTemplates>,
    tags: bool,
}

struct NameTemplates {
    engine: Engine,
    file: Template,
    fixed: Fixed,
    stems: HashMap<String, Arc<Json>>,
    presets: HashMap<String, Arc<Json>>,
}

/// What is known of a track when its file is named.
#[derive(Debug, Clone, Copy)]
pub struct TrackName<'a> {
    /// The run that keeps it.
    pub run: &'a str,
    /// Its place among its task's tracks, from 1.
    pub index: u32,
    /// The vendor's id of it.
    pub id: &'a str,
    /// What it is, where a step made it; empty for the song's track itself.
    pub artefact: &'a str,
}

/// Why a track has no file name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("can't name the file of track {index} of `{job}`: {reason}")]
pub struct OutputError {
    /// The job's name.
    pub job: String,
    /// The track's place among its task's tracks, from 1.
    pub index: u32,
    /// What is wrong.
    pub reason: String,
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output")
            .field("dir", &self.dir)
            .field("file", &self.names.file.written)
            .finish()
    }
}

impl Output {
    pub(crate) fn new(
        dir: PathBuf,
        tags: bool,
        file: Template,
        fixed: Fixed,
        stems: HashMap<String, Arc<Json>>,
        presets: HashMap<String, Arc<Json>>,
    ) -> Self {
        Self {
            dir,
            store: None,
            tags,
            names: Arc::new(NameTemplates {
                engine: Engine::new(harmless),
                file,
                fixed,
                stems,
                presets,
            }),
        }
    }

    /// The same names, with tracks kept in an object store below this address.
    pub(crate) fn in_store(self, store: Option<String>) -> Self {
        Self {
            store: store.map(Arc::from),
            ..self
        }
    }

    /// The object store that tracks are kept in, as an address without `/` at its end: `s3://bucket/album`. None where they are kept in
    /// [`dir`](Self::dir).
    pub fn store(&self) -> Option<&str> {
        self.store.as_deref()
    }

    /// The folder of reports, of what is being downloaded, and of kept tracks unless they are in an [object store](Self::store).
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where kept tracks are: the address of the [object store](Self::store), or [`dir`](Self::dir).
    pub fn place(&self) -> &Path {
        self.store().map_or(&self.dir, Path::new)
    }

    /// Whether title, style, task id, key and tempo are written into kept files.
    pub fn tags(&self) -> bool {
        self.tags
    }

    /// The same names in another folder, which tracks are kept in.
    pub fn moved_to(&self, dir: PathBuf) -> Self {
        Self {
            dir,
            store: None,
            ..self.clone()
        }
    }

    /// The template of the names, as it was written.
    pub fn file_template(&self) -> &str {
        &self.names.file.written
    }

    /// A stem's variables, for hooks and tags.
    pub(crate) fn stem_vars(&self, id: &str) -> Json {
        vars_of(&self.names.stems, id)
    }

    /// A stem's variables as texts, for reports: a catalogue's columns.
    pub(crate) fn stem_columns(&self, id: &str) -> IndexMap<String, String> {
        let vars = self.names.stems.get(id).and_then(|vars| vars.as_object());
        let text = |value: &Json| match value {
            Json::String(text) => text.clone(),
            Json::Null => String::new(),
            value => value.to_string(),
        };
        vars.into_iter()
            .flatten()
            .map(|(name, value)| (name.clone(), text(value)))
            .collect()
    }

    /// A preset's variables, for hooks.
    pub(crate) fn preset_vars(&self, id: &str) -> Json {
        vars_of(&self.names.presets, id)
    }

    /// The file of a track: below [`dir`](Self::dir), without extension, which the content decides.
    ///
    /// # Errors
    /// When the template's variables give no portable name.
    pub fn track_file(
        &self,
        plan: &Plan,
        job: &PlannedJob,
        track: TrackName<'_>,
    ) -> Result<PathBuf, OutputError> {
        let stem = &plan.stems[job.stem].id;
        let mut namer = Namer::new(self);
        namer.place(stem, &job.preset, &job.sweep, job.take);
        let name = match &job.step {
            Some(step) => step.file_name(track.artefact),
            None => String::new(),
        };
        let track = TrackName {
            artefact: &name,
            ..track
        };
        match namer.name(track) {
            Ok(name) => Ok(self.dir.join(name)),
            Err(reason) => Err(OutputError {
                job: format!("{stem} / {}", job.preset),
                index: track.index,
                reason: reason.to_string(),
            }),
        }
    }
}

fn vars_of(all: &HashMap<String, Arc<Json>>, id: &str) -> Json {
    match all.get(id) {
        Some(vars) if vars.is_object() => (**vars).clone(),
        _ => Json::Object(serde_json::Map::new()),
    }
}

/// Why a template gives no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NamingError {
    #[error(transparent)]
    Template(#[from] RenderProblem),
    #[error(transparent)]
    Name(#[from] NameProblem),
}

/// Names the tracks of many jobs, one after the other.
pub(crate) struct Namer<'o> {
    names: &'o NameTemplates,
    variables: Variables,
    text: String,
}

impl<'o> Namer<'o> {
    pub(crate) fn new(output: &'o Output) -> Self {
        Self {
            names: &output.names,
            variables: Variables::new(&output.names.fixed),
            text: String::new(),
        }
    }

    /// Goes to a job.
    pub(crate) fn place(
        &mut self,
        stem: &str,
        preset: &str,
        sweep: &IndexMap<String, String>,
        take: u32,
    ) {
        let reads = self.names.file.reads;
        let none = Arc::new(Json::Null);
        if reads.stem {
            self.variables
                .stem(stem, self.names.stems.get(stem).unwrap_or(&none));
        }
        if reads.preset {
            self.variables
                .preset(preset, self.names.presets.get(preset).unwrap_or(&none));
        }
        if reads.sweep {
            self.variables.sweep(sweep);
        }
        if reads.take {
            self.variables.take(take);
        }
    }

    /// The name of one of its tracks, relative to the folder, with `/`. What a step made has the name of the song's track, and what it is
    /// behind that unless the template says where.
    pub(crate) fn name(&mut self, track: TrackName<'_>) -> Result<&str, NamingError> {
        if self.names.file.reads.output {
            let id: String = track.id.chars().take(MAX_ID_CHARS).collect();
            self.variables.set("run", track.run.into());
            self.variables
                .set("track", json!({ "index": track.index, "id": id }));
            self.variables.set("artefact", track.artefact.into());
        }
        self.text.clear();
        self.names
            .engine
            .render(&self.names.file, &self.variables.context, &mut self.text)?;
        if !self.names.file.reads.artefact && !track.artefact.is_empty() {
            self.text.push('-');
            self.text.push_str(track.artefact);
        }
        portable(&self.text)?;
        Ok(&self.text)
    }
}
