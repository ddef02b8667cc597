//! The folder of picks: the copies and the lists that describe them.

use std::collections::{HashMap, HashSet};
use std::io::{self, Read, Write};
use std::path::Path;

use backline_engine::folder::{Folder, Found};
use backline_engine::kept_files::{open_kept_file, place_of};
use backline_engine::scratch::create;
use indexmap::IndexSet;
use serde_json::{Value, json};

use super::{
    Chosen, Made, NAME_CHARS, TEMPORARY, VERSION, all_well, changed_on_disk, copied, not_written,
    table,
};
use crate::args::PickPart;
use crate::failure::{Failure, Kind};

/// The list that a later `pick` reads.
const LIST: &str = "picks.json";

/// The largest list that is read.
const MAX_LIST_BYTES: u64 = 64 << 20;

/// The contents of a folder of picks.
pub(super) struct Copies {
    /// An entry for each copy.
    pub(super) picks: Vec<Value>,
    /// The entries of earlier copies that still exist but are no longer picked.
    pub(super) stale: Vec<Value>,
}

/// Copies the chosen files to a folder and writes the lists beside them. A track that an earlier pick copied keeps its number and
/// its name.
pub(super) fn copy_all(
    to: &Path,
    project_dir: &Path,
    chosen: &[Chosen<'_>],
) -> Result<Copies, Failure> {
    let folder = Folder::create(to).map_err(|error| not_written(to, error))?;
    let earlier = earlier(&folder).map_err(|why| {
        let context = format!("cannot read {}", to.join(LIST).display());
        Failure::new(Kind::Usage, why.context(context))
            .hint("choose another folder, or remove the file")
    })?;
    let text = |entry: &Value, name: &str| entry[name].as_str().map(str::to_owned);
    let numbers = earlier.iter().filter_map(|entry| {
        let number = text(entry, "file")?.split(' ').next()?.parse().ok()?;
        Some((track_of(entry)?, number))
    });
    let mut picks = Picks {
        folder,
        to,
        project_dir,
        names: earlier
            .iter()
            .filter_map(|it| text(it, "file"))
            .map(|it| it.to_lowercase())
            .collect(),
        numbers: numbers.collect(),
        earlier,
        entries: Vec::new(),
    };
    let names: Vec<String> = chosen.iter().map(|it| picks.name(it)).collect();
    let named = || chosen.iter().zip(&names);
    let mut problems = Vec::new();
    for (chosen, name) in named() {
        if picks.is_other(chosen, name)? {
            problems.push(format!(
                "{}: {} is another file; move it away or choose another folder",
                chosen.label(),
                to.join(name).display()
            ));
        }
    }
    all_well(&problems)?;
    for (chosen, name) in named() {
        if let Err(why) = picks.copy(chosen, name)? {
            problems.push(format!("{}: {why}", chosen.label()));
        }
    }
    all_well(&problems)?;
    picks.finish()
}

/// The copies that an earlier pick listed in a folder, including the stale ones.
fn earlier(folder: &Folder) -> anyhow::Result<Vec<Value>> {
    if !matches!(folder.find(LIST), Ok(Some(Found::File(_)))) {
        return Ok(Vec::new());
    }
    let file = folder.read_file(LIST)?;
    let list: Value = serde_json::from_reader(io::BufReader::new(file.take(MAX_LIST_BYTES)))?;
    let of = |name: &str| list[name].as_array().cloned().unwrap_or_default();
    let mut all = [of("picks"), of("stale")].concat();
    // Ignores entries that name a file outside of the folder; this program writes none.
    all.retain(|entry| entry["file"].as_str().is_some_and(plain_name));
    Ok(all)
}

/// Whether a text is a plain file name, without a path.
fn plain_name(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\'])
}

/// The track of a list's entry, as its key and track number.
fn track_of(entry: &Value) -> Option<(String, u32)> {
    let track = entry["track"].as_u64()?;
    Some((entry["key"].as_str()?.to_owned(), track.try_into().ok()?))
}

/// The copies that were made.
struct Picks<'a> {
    folder: Folder,
    to: &'a Path,
    project_dir: &'a Path,
    /// The entries of an earlier pick.
    earlier: Vec<Value>,
    /// The names in use, in lower case.
    names: HashSet<String>,
    /// The number of each track.
    numbers: HashMap<(String, u32), usize>,
    entries: Vec<Value>,
}

impl Picks<'_> {
    /// Whether the folder has a different file of this name. A copy from an earlier call does not count.
    fn is_other(&self, chosen: &Chosen<'_>, name: &str) -> Result<bool, Failure> {
        if !self.has(name) {
            return Ok(false);
        }
        let there = self.folder.read_file(name);
        let hash = there.and_then(|mut there| copied(&mut there, io::sink()));
        Ok(hash.map_err(|error| not_written(self.to, error))? != chosen.file.sha256)
    }

    fn has(&self, name: &str) -> bool {
        matches!(self.folder.find(name), Ok(Some(Found::File(_))))
    }

    /// Copies a file if the folder does not have it yet, and checks its hash.
    fn copy(&mut self, chosen: &Chosen<'_>, name: &str) -> Result<Result<(), String>, Failure> {
        let Chosen {
            job, track, file, ..
        } = chosen;
        let failed = |error: io::Error| not_written(self.to, error);
        if !self.has(name) {
            let from = place_of(self.project_dir, &file.path);
            let mut scratch = create(&self.folder, TEMPORARY).map_err(failed)?;
            let source = open_kept_file(self.project_dir, &file.path);
            let hash = source.and_then(|mut source| copied(&mut source, scratch.file()));
            if hash.map_err(failed)? != file.sha256 {
                return Ok(Err(changed_on_disk(&from)));
            }
            let sync = scratch.file().sync_all();
            sync.and_then(|()| scratch.place(name)).map_err(failed)?;
        }
        let mut entry = json!({
            "file": name, "part": chosen.part_name(),
            "stem": job.stem, "preset": job.preset, "sweep": job.sweep, "take": job.take, "track": track.index,
            "label": title(chosen), "title": track.title, "note": chosen.note, "vars": job.vars, "settings": job.settings,
            "key": job.key, "task_id": job.task_id, "run": job.run, "in_manifest": job.in_manifest,
            "source": file.path, "sha256": file.sha256, "length_bytes": file.length_bytes, "duration_s": file.duration_s,
            "music": track.music,
        });
        if let Some(Made { of, artefact }) = &chosen.made {
            entry["step"] = json!({
                "operation": of.step.operation, "name": of.step.name, "artefact": artefact, "settings": of.step.settings,
                "key": of.job.key, "task_id": of.job.task_id,
            });
        }
        self.entries.push(entry);
        Ok(Ok(()))
    }

    /// The name of an earlier copy of the same file, else a new one: `01 chorus - lofi, model V5, take 2 track 1.mp3`. Numbers
    /// continue from the highest existing one, and every name is unique.
    fn name(&mut self, chosen: &Chosen<'_>) -> String {
        let Chosen {
            job, track, file, ..
        } = chosen;
        let track_name = (job.key.clone(), track.index);
        let same = |entry: &&Value| {
            track_of(entry).as_ref() == Some(&track_name)
                && entry["part"] == chosen.part_name()
                && entry["sha256"] == file.sha256.as_str()
        };
        if let Some(name) = self
            .earlier
            .iter()
            .find(same)
            .and_then(|it| it["file"].as_str())
        {
            return name.to_owned();
        }
        let next = self.numbers.values().max().unwrap_or(&0) + 1;
        let number = *self.numbers.entry(track_name).or_insert(next);
        let suffix = match (&chosen.made, chosen.part) {
            (None, PickPart::Track | PickPart::Both) => String::new(),
            _ => format!(" ({})", plain(&chosen.part_name())),
        };
        let extension = Path::new(&file.path).extension();
        let extension = extension.map_or_else(String::new, |it| format!(".{}", it.display()));
        let name = format!("{number:02} {}{suffix}", title(chosen));
        let name: String = name.chars().take(3 * NAME_CHARS).collect();
        let mut unique = format!("{name}{extension}");
        let mut number = 2;
        while !self.names.insert(unique.to_lowercase()) {
            unique = format!("{name}~{number}{extension}");
            number += 1;
        }
        unique
    }

    /// Writes the lists beside the copies.
    fn finish(self) -> Result<Copies, Failure> {
        let failed = |error: io::Error| not_written(self.to, error);
        let put = |name: &str, text: String| -> io::Result<()> {
            let mut scratch = create(&self.folder, TEMPORARY)?;
            scratch.file().write_all(text.as_bytes())?;
            scratch.file().sync_all()?;
            scratch.replace(name)
        };
        let picked: HashSet<&str> = self
            .entries
            .iter()
            .filter_map(|it| it["file"].as_str())
            .collect();
        let is_stale = |entry: &&Value| {
            let name = entry["file"].as_str().unwrap_or_default();
            !picked.contains(name) && self.has(name)
        };
        let stale: Vec<Value> = self.earlier.iter().filter(is_stale).cloned().collect();
        let list = json!({ "version": VERSION, "picks": self.entries, "stale": stale });
        put(LIST, format!("{list:#}\n")).map_err(failed)?;
        put("picks.csv", rows(&self.entries).map_err(failed)?).map_err(failed)?;
        put("picks.m3u8", playlist(&self.entries)).map_err(failed)?;
        self.folder.sync().map_err(failed)?;
        Ok(Copies {
            picks: self.entries,
            stale,
        })
    }
}

/// A part of a file name. A character that some system does not allow in file names becomes `-`.
fn plain(text: &str) -> String {
    let harmless = |c: char| match c {
        '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' => '-',
        c if c.is_control() => '-',
        c => c,
    };
    let text: String = text.chars().map(harmless).take(NAME_CHARS).collect();
    text.trim().trim_matches('.').to_owned()
}

/// A track's title: `chorus - lofi, model V5, take 2 track 1`.
fn title(chosen: &Chosen<'_>) -> String {
    let Chosen { job, track, .. } = chosen;
    let sweep = job.sweep.iter();
    let sweep: String = sweep
        .map(|(name, value)| format!(", {} {}", plain(name), plain(value)))
        .collect();
    format!(
        "{} - {}{sweep}, take {} track {}",
        plain(&job.stem),
        plain(&job.preset),
        job.take,
        track.index
    )
}

/// The first and the last columns of `picks.csv`. The stems' variables, the sweep and the tags are between them.
const FIRST: [&str; 4] = ["file", "part", "stem", "preset"];
const LAST: [&str; 11] = [
    "take",
    "track",
    "title",
    "note",
    "duration_s",
    "key",
    "task_id",
    "run",
    "sha256",
    "operation",
    "step_key",
];

/// The text of `picks.csv`. The columns have the same names as in `summary.csv`.
fn rows(entries: &[Value]) -> io::Result<String> {
    let names = |of: &str| -> IndexSet<String> {
        let maps = entries.iter().filter_map(|entry| entry[of].as_object());
        maps.flat_map(|map| map.keys().cloned()).collect()
    };
    let (vars, sweep) = (names("vars"), names("sweep"));
    let var = |name: &String| format!("stem.vars.{name}");
    let swept = |name: &String| format!("sweep.{name}");
    let columns: Vec<String> = FIRST
        .map(str::to_owned)
        .into_iter()
        .chain(vars.iter().map(var))
        .chain(sweep.iter().map(swept))
        .chain(std::iter::once("tags".to_owned()))
        .chain(LAST.map(str::to_owned))
        .collect();
    let flat = entries.iter().map(|entry| {
        let mut flat = entry.clone();
        for name in &vars {
            flat[var(name)] = entry["vars"][name].clone();
        }
        for name in &sweep {
            flat[swept(name)] = entry["sweep"][name].clone();
        }
        flat["tags"] = entry["settings"]["tags"].clone();
        flat["operation"] = entry["step"]["operation"].clone();
        flat["step_key"] = entry["step"]["key"].clone();
        flat
    });
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    table(&columns, &flat.collect::<Vec<_>>())
}

/// The picks as a playlist: tracks and mixes, without the files of steps.
fn playlist(entries: &[Value]) -> String {
    let songs = entries.iter().filter(|entry| entry["step"].is_null());
    let lines = songs.map(|entry| {
        let text = |name: &str| {
            entry[name]
                .as_str()
                .unwrap_or_default()
                .replace(['\n', '\r'], " ")
        };
        let seconds = entry["duration_s"].as_f64().unwrap_or(-1.0).round();
        let part = match text("part").as_str() {
            "mix" => " (mix)",
            _ => "",
        };
        format!(
            "#EXTINF:{seconds},{}{part}\n{}\n",
            text("label"),
            text("file")
        )
    });
    format!("#EXTM3U\n{}", lines.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_nothing_that_a_system_refuses() {
        assert_eq!(plain("AC/DC: live?"), "AC-DC- live-");
        assert_eq!(plain(" ..a.. "), "a");
        assert_eq!(plain("Grüße"), "Grüße");
    }

    #[test]
    fn a_playlist_names_each_file() {
        let entries = [
            json!({"file": "01 a.mp3", "label": "a - p, take 1 track 2", "part": "track", "duration_s": 12.4}),
            json!({"file": "01 a (mix).mp3", "label": "a - p, take 1 track 2", "part": "mix", "duration_s": 12.4}),
        ];
        assert_eq!(
            playlist(&entries),
            "#EXTM3U\n#EXTINF:12,a - p, take 1 track 2\n01 a.mp3\n#EXTINF:12,a - p, take 1 track 2 (mix)\n01 a (mix).mp3\n"
        );
    }
}
