//! `output`: where tracks are kept and what their files are called.
//!
//! A name is a template, rendered when a track is kept; every name is also rendered when the plan is made, so that names that
//! collide, or that some system refuses, are found before anything is bought. No value can leave the folder: what a variable
//! holds is made harmless before it is put in, whoever chose it.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use handlebars::Context;
use indexmap::IndexMap;
use serde_json::{Value as Json, json};

use super::template::{Engine, Template};
use crate::plan::{Plan, PlannedJob};

/// Longest part of a path that every common file system takes, in bytes.
const MAX_PART_BYTES: usize = 255;
/// Room kept in it for `-mix`, the extension and the suffix of an unfinished file.
const SUFFIX_BYTES: usize = 32;
/// Longest track id that is put into a name; vendors' ids have 36 characters.
const MAX_ID_CHARS: usize = 64;

/// Where tracks are kept and how their files are named.
#[derive(Clone)]
pub struct Output {
    dir: PathBuf,
    names: Arc<Names>,
    tags: bool,
}

struct Names {
    engine: Engine,
    file: Template,
    fixed: Fixed,
    stems: HashMap<String, Arc<Json>>,
    presets: HashMap<String, Arc<Json>>,
}

/// The variables that are the same for all jobs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fixed {
    pub(crate) name: String,
    pub(crate) vars: Json,
    pub(crate) env: Json,
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
}

/// Why a track has no file name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("can't name the file of track {index} of `{job}`: {reason}")]
pub struct OutputError {
    /// The job, in a person's words.
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
            tags,
            names: Arc::new(Names {
                engine: Engine::new(harmless),
                file,
                fixed,
                stems,
                presets,
            }),
        }
    }

    /// The folder that all tracks are kept in.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Whether title, style, task id, key and tempo are written into kept files.
    pub fn tags(&self) -> bool {
        self.tags
    }

    /// The same names in another folder.
    pub fn moved_to(&self, dir: PathBuf) -> Self {
        Self {
            dir,
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
        match namer.name(track) {
            Ok(name) => Ok(self.dir.join(name)),
            Err(reason) => Err(OutputError {
                job: format!("{stem} / {}", job.preset),
                index: track.index,
                reason,
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

/// Names the tracks of many jobs, one after the other.
pub(crate) struct Namer<'o> {
    names: &'o Names,
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

    /// The name of one of its tracks, relative to the folder, with `/`.
    pub(crate) fn name(&mut self, track: TrackName<'_>) -> Result<&str, String> {
        if self.names.file.reads.output {
            let id: String = track.id.chars().take(MAX_ID_CHARS).collect();
            self.variables.set("run", track.run.into());
            self.variables
                .set("track", json!({ "index": track.index, "id": id }));
        }
        self.text.clear();
        self.names
            .engine
            .render(&self.names.file, &self.variables.context, &mut self.text)
            .map_err(|problem| problem.message)?;
        portable(&self.text)?;
        Ok(&self.text)
    }
}

/// The variables of one job after the other, changed only where two jobs differ.
pub(crate) struct Variables {
    pub(crate) context: Context,
}

impl Variables {
    pub(crate) fn new(fixed: &Fixed) -> Self {
        let mut context = Context::null();
        *context.data_mut() = json!({ "name": fixed.name, "vars": fixed.vars, "env": fixed.env });
        Self { context }
    }

    pub(crate) fn stem(&mut self, id: &str, vars: &Arc<Json>) {
        self.record("stem", id, vars);
    }

    pub(crate) fn preset(&mut self, id: &str, vars: &Arc<Json>) {
        self.record("preset", id, vars);
    }

    pub(crate) fn sweep(&mut self, sweep: &IndexMap<String, String>) {
        let values = sweep
            .iter()
            .map(|(name, value)| (name.clone(), Json::from(value.as_str())))
            .collect();
        self.set("sweep", Json::Object(values));
    }

    pub(crate) fn take(&mut self, take: u32) {
        self.set("take", take.into());
    }

    fn record(&mut self, what: &str, id: &str, vars: &Arc<Json>) {
        if self.context.data()[what]["id"] != id {
            self.set(what, json!({ "id": id, "vars": **vars }));
        }
    }

    fn set(&mut self, what: &str, value: Json) {
        self.context.data_mut()[what] = value;
    }
}

/// A value as it may stand in a file name: no separators, nothing that a system refuses, no dot at the ends.
fn harmless(value: &str) -> String {
    let last = value.chars().count().saturating_sub(1);
    let safe = |(at, char): (usize, char)| match char {
        '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' => '-',
        char if char.is_control() => '-',
        '.' if at == 0 || at == last => '-',
        ' ' if at == last => '-',
        char => char,
    };
    value.chars().enumerate().map(safe).collect()
}

/// Whether every common system takes this relative path.
pub(crate) fn portable(path: &str) -> Result<(), String> {
    for part in path.split('/') {
        let device = part
            .split('.')
            .next()
            .unwrap_or(part)
            .trim_end()
            .to_ascii_uppercase();
        let numbered = |prefix: &str| {
            device.strip_prefix(prefix).is_some_and(|rest| {
                rest.len() == 1 && rest.bytes().all(|byte| byte.is_ascii_digit())
            })
        };
        let problem = match part {
            "" if path.is_empty() => "it is empty".to_owned(),
            "" => "a part of it is empty".to_owned(),
            "." | ".." => format!("it leads elsewhere with `{part}`"),
            _ if part.len() > MAX_PART_BYTES - SUFFIX_BYTES => {
                format!(
                    "a part of it has {} bytes, {} are allowed",
                    part.len(),
                    MAX_PART_BYTES - SUFFIX_BYTES
                )
            }
            _ if part.ends_with(['.', ' ']) || part.starts_with(' ') => {
                format!(
                    "`{part}` begins or ends with a space, or ends with a dot, which Windows drops"
                )
            }
            _ if matches!(device.as_str(), "CON" | "PRN" | "AUX" | "NUL")
                || numbered("COM")
                || numbered("LPT") =>
            {
                format!("`{part}` is a device on Windows")
            }
            _ => match part
                .chars()
                .find(|char| char.is_control() || "\\:*?\"<>|".contains(*char))
            {
                Some(char) => format!(
                    "`{}` can't stand in a file name everywhere",
                    char.escape_debug()
                ),
                None => continue,
            },
        };
        return Err(problem);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_portable_or_refused() {
        #[track_caller]
        fn check(path: &str, good: bool) {
            assert_eq!(portable(path).is_ok(), good, "{path}: {:?}", portable(path));
        }
        check("verse/piano-1-1", true);
        check("Strophe ü/クラシック", true);
        check(".hidden", true);
        check("console/company", true);
        check("", false);
        check("/absolute", false);
        check("a//b", false);
        check("a/../b", false);
        check("C:/x", false);
        check("con", false);
        check("nul.flac", false);
        check("lpt1", false);
        check("lpt10", true);
        check("a./b", false);
        check("a /b", false);
        check("what?", false);
        check(&"x".repeat(223), true);
        check(&"x".repeat(224), false);
    }

    proptest! {
        #[test]
        fn no_value_leaves_its_part(value in any::<String>()) {
            let made = harmless(&value);
            prop_assert_eq!(made.chars().count(), value.chars().count());
            prop_assert!(!made.contains(['/', '\\']) && made != "." && made != "..");
        }
    }
}
