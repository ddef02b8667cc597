//! `backline pick`: copies the tracks that a listener chose to a folder, with a list of what they are.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use backline_engine::event::KeptFile;
use backline_engine::folder::{Folder, Found, read_file};
use backline_engine::scratch::create;
use backline_engine::summary::{JobSummary, TrackSummary};
use backline_reporter::{Ratings, job_label};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::args::{ChosenRunArgs, Format, GlobalArgs, PickArgs, PickPart};
use crate::console::Console;
use crate::exit_codes;
use crate::failure::{CommandResult, Failure, Kind};
use crate::project::ChosenRun;

/// How the names of files begin that are not in their place yet.
const TEMPORARY: &str = ".backline-pick-";

/// Longest part of a name, in characters.
const NAME_CHARS: usize = 60;

/// The version of `picks.json`.
const VERSION: u32 = 1;

pub(crate) fn run(args: &PickArgs, global: &GlobalArgs, console: &Console) -> CommandResult {
    let mut ratings = Ratings::default();
    let unreadable = |error: anyhow::Error| {
        let context = format!("cannot read {}", args.stars.display());
        Failure::new(Kind::Usage, error.context(context))
            .hint("export it with the button Export of the listening page")
    };
    let table = File::open(&args.stars).map_err(|error| unreadable(error.into()))?;
    ratings
        .read(table)
        .map_err(|error| unreadable(error.into()))?;
    let chosen = ChosenRunArgs {
        manifest: args.manifest.clone(),
        run: None,
        all: true,
    };
    let chosen = ChosenRun::find(&chosen, global)?;
    let summary = chosen.summary()?;
    let project_dir = chosen.folder()?;

    let tracks = summary
        .jobs
        .iter()
        .flat_map(|job| job.tracks.iter().map(move |track| (job, track)));
    let starred: Vec<(&JobSummary, &TrackSummary)> = tracks
        .filter(|(job, track)| {
            let rating = ratings.get(&job.key, track.index);
            rating.is_some_and(|rating| rating.star)
        })
        .collect();
    if starred.is_empty() {
        let message = format!(
            "{} has no star for a track of {}",
            args.stars.display(),
            summary.run.manifest
        );
        return Err(Failure::said(Kind::Usage, message)
            .hint("star tracks on the listening page, then export stars and notes again"));
    }
    let folder = Folder::create(&args.to).map_err(|error| not_written(&args.to, error))?;
    let mut picks = Picks {
        folder,
        to: &args.to,
        project_dir: &project_dir,
        names: HashSet::new(),
        entries: Vec::new(),
        problems: Vec::new(),
    };
    for (nth, (job, track)) in starred.iter().enumerate() {
        let note = ratings
            .get(&job.key, track.index)
            .and_then(|rating| rating.note.clone());
        for (part, file, suffix) in [
            (PickPart::Track, &track.file, ""),
            (PickPart::Mix, &track.mix, " (mix)"),
        ] {
            if args.part != PickPart::Both && args.part != part {
                continue;
            }
            let label = job_label(&job.stem, &job.preset, &job.sweep, job.take);
            match file {
                Some(file) => picks.copy(nth, job, track, file, suffix, note.as_deref())?,
                None => picks
                    .problems
                    .push(format!("{label} track {}: it is not on disk", track.index)),
            }
        }
    }
    picks.finish(args, console)
}

/// The copies that were made.
struct Picks<'a> {
    folder: Folder,
    to: &'a Path,
    project_dir: &'a Path,
    names: HashSet<String>,
    entries: Vec<Value>,
    problems: Vec<String>,
}

impl Picks<'_> {
    /// Copies a file, checked against its hash on the way.
    fn copy(
        &mut self,
        nth: usize,
        job: &JobSummary,
        track: &TrackSummary,
        file: &KeptFile,
        suffix: &str,
        note: Option<&str>,
    ) -> Result<(), Failure> {
        let from = self.project_dir.join(&file.path);
        let name = self.name(nth, job, track, file, suffix);
        let label = job_label(&job.stem, &job.preset, &job.sweep, job.take);
        let mut problem = |why: String| {
            self.problems
                .push(format!("{label} track {}: {why}", track.index));
        };
        let mut source = match read_file(&from) {
            Ok(source) => source,
            Err(error) => {
                problem(format!("cannot read {}: {error}", from.display()));
                return Ok(());
            }
        };
        let mut scratch =
            create(&self.folder, TEMPORARY).map_err(|error| not_written(self.to, error))?;
        let hash =
            copied(&mut source, scratch.file()).map_err(|error| not_written(self.to, error))?;
        if hash != file.sha256 {
            problem(format!(
                "{} was changed on disk since it was kept",
                from.display()
            ));
            return Ok(());
        }
        // A copy of an earlier call stays as it is.
        let is_there = matches!(self.folder.find(&name), Ok(Some(Found::File(_))));
        if is_there {
            let mut there = self
                .folder
                .read_file(&name)
                .map_err(|error| not_written(self.to, error))?;
            let same =
                copied(&mut there, io::sink()).map_err(|error| not_written(self.to, error))?;
            if same != hash {
                problem(format!(
                    "{} is another file; remove it or choose another folder",
                    self.to.join(&name).display()
                ));
                return Ok(());
            }
        } else {
            let sync = scratch.file().sync_all();
            sync.and_then(|()| scratch.place(&name))
                .map_err(|error| not_written(self.to, error))?;
        }
        self.entries.push(json!({
            "file": name, "part": if suffix.is_empty() { "track" } else { "mix" },
            "stem": job.stem, "preset": job.preset, "sweep": job.sweep, "take": job.take, "track": track.index,
            "title": track.title, "note": note, "vars": job.vars, "settings": job.settings,
            "key": job.key, "task_id": job.task_id, "run": job.run, "in_manifest": job.in_manifest,
            "source": file.path, "sha256": file.sha256, "length_bytes": file.length_bytes, "duration_s": file.duration_s,
            "music": track.music,
        }));
        Ok(())
    }

    /// `01 chorus - lofi, model V5, take 2 track 1.mp3`: sorts in plan order, and no name comes twice.
    fn name(
        &mut self,
        nth: usize,
        job: &JobSummary,
        track: &TrackSummary,
        file: &KeptFile,
        suffix: &str,
    ) -> String {
        let extension = Path::new(&file.path).extension();
        let extension = extension.map_or_else(String::new, |it| format!(".{}", it.display()));
        let sweep = job.sweep.iter();
        let sweep: String = sweep
            .map(|(name, value)| format!(", {} {}", plain(name), plain(value)))
            .collect();
        let name = format!(
            "{:02} {} - {}{sweep}, take {} track {}{suffix}",
            nth + 1,
            plain(&job.stem),
            plain(&job.preset),
            job.take,
            track.index
        );
        let name: String = name.chars().take(3 * NAME_CHARS).collect();
        let mut unique = format!("{name}{extension}");
        let mut number = 2;
        while !self.names.insert(unique.to_lowercase()) {
            unique = format!("{name}~{number}{extension}");
            number += 1;
        }
        unique
    }

    /// Writes the lists beside the copies, and reports.
    fn finish(self, args: &PickArgs, console: &Console) -> CommandResult {
        let put = |name: &str, text: String| -> Result<(), Failure> {
            let mut scratch =
                create(&self.folder, TEMPORARY).map_err(|error| not_written(self.to, error))?;
            let written = scratch.file().write_all(text.as_bytes());
            written
                .and_then(|()| scratch.file().sync_all())
                .and_then(|()| scratch.replace(name))
                .map_err(|error| not_written(self.to, error))
        };
        let list = json!({ "version": VERSION, "picks": self.entries });
        put("picks.json", format!("{list:#}\n"))?;
        put(
            "picks.csv",
            table(&self.entries).map_err(|error| not_written(self.to, error))?,
        )?;
        put("picks.m3u8", playlist(&self.entries))?;
        self.folder
            .sync()
            .map_err(|error| not_written(self.to, error))?;
        match console.format {
            Format::Json => console.json(&json!({
                "version": VERSION, "to": args.to, "picks": self.entries, "problems": self.problems,
            }))?,
            Format::Text => console.data(
                &self
                    .entries
                    .iter()
                    .map(|entry| {
                        let name = entry["file"].as_str().unwrap_or_default();
                        format!("{}\n", args.to.join(name).display())
                    })
                    .collect::<String>(),
            )?,
        }
        for problem in &self.problems {
            console.insist(&format!("error: not copied: {problem}\n"));
        }
        Ok(if self.problems.is_empty() {
            exit_codes::DONE
        } else {
            exit_codes::NOT_WRITTEN
        })
    }
}

/// Copies all of `from`; returns the SHA-256 of what was copied.
fn copied(from: &mut File, mut to: impl Write) -> io::Result<String> {
    let (mut hasher, mut piece) = (Sha256::new(), vec![0; 64 * 1024]);
    loop {
        match from.read(&mut piece)? {
            0 => break,
            count => {
                hasher.update(&piece[..count]);
                to.write_all(&piece[..count])?;
            }
        }
    }
    let bytes = hasher.finalize();
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A part of a file's name: what some system refuses in one becomes `-`.
fn plain(text: &str) -> String {
    let harmless = |c: char| match c {
        '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' => '-',
        c if c.is_control() => '-',
        c => c,
    };
    let text: String = text.chars().map(harmless).take(NAME_CHARS).collect();
    text.trim().trim_matches('.').to_owned()
}

/// The picks as a table.
fn table(entries: &[Value]) -> io::Result<String> {
    const COLUMNS: [&str; 13] = [
        "file",
        "part",
        "stem",
        "preset",
        "take",
        "track",
        "title",
        "note",
        "duration_s",
        "key",
        "task_id",
        "run",
        "sha256",
    ];
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record(COLUMNS)?;
    for entry in entries {
        let cell = |name: &&str| match &entry[*name] {
            Value::String(text) => backline_reporter::csv_text(text),
            Value::Null => String::new(),
            value => value.to_string(),
        };
        table.write_record(COLUMNS.iter().map(cell))?;
    }
    let bytes = table
        .into_inner()
        .map_err(|error| io::Error::other(error.to_string()))?;
    String::from_utf8(bytes).map_err(io::Error::other)
}

/// The picks as a playlist.
fn playlist(entries: &[Value]) -> String {
    let lines = entries.iter().map(|entry| {
        let text = |name: &str| {
            entry[name]
                .as_str()
                .unwrap_or_default()
                .replace(['\n', '\r'], " ")
        };
        let seconds = entry["duration_s"].as_f64().unwrap_or(-1.0).round();
        format!(
            "#EXTINF:{seconds},{} - {}\n{}\n",
            text("stem"),
            text("preset"),
            text("file")
        )
    });
    format!("#EXTM3U\n{}", lines.collect::<String>())
}

fn not_written(to: &Path, error: io::Error) -> Failure {
    let context = format!("cannot write to {}", to.display());
    Failure::new(Kind::Output, anyhow::Error::new(error).context(context))
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
        let entries = [json!({"file": "01 a.mp3", "stem": "a", "preset": "p", "duration_s": 12.4})];
        assert_eq!(playlist(&entries), "#EXTM3U\n#EXTINF:12,a - p\n01 a.mp3\n");
    }
}
