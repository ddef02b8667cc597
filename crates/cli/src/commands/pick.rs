//! `backline pick`: copies the tracks that a listener chose to a folder, with a list of what they are, or makes a listening test of
//! them.

mod webmushra;

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

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

use webmushra::ListeningTest;

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
    let mut chosen_files = Vec::new();
    let mut problems = Vec::new();
    for (nth, (job, track)) in starred.iter().enumerate() {
        let note = ratings
            .get(&job.key, track.index)
            .and_then(|rating| rating.note.clone());
        for (part, file) in [(PickPart::Track, &track.file), (PickPart::Mix, &track.mix)] {
            if args.part != PickPart::Both && args.part != part {
                continue;
            }
            match file {
                Some(file) => chosen_files.push(Chosen {
                    nth,
                    job,
                    track,
                    part,
                    file,
                    note: note.clone(),
                }),
                None => {
                    let label = job_label(&job.stem, &job.preset, &job.sweep, job.take);
                    problems.push(format!("{label} track {}: it is not on disk", track.index));
                }
            }
        }
    }
    let copies = match &args.to {
        Some(to) => Some(copy_all(to, &project_dir, &chosen_files, &mut problems)?),
        None => None,
    };
    let test = match &args.webmushra {
        Some(dir) => {
            let (name, id) = (&summary.run.name, format!("backline-{}", summary.run.id));
            let test = webmushra::write(dir, name, &id, &project_dir, &chosen_files)?;
            problems.extend(test.problems.iter().cloned());
            Some(test)
        }
        None => None,
    };
    report(args, copies.as_deref(), test.as_ref(), &problems, console)?;
    Ok(if problems.is_empty() {
        exit_codes::DONE
    } else {
        exit_codes::NOT_WRITTEN
    })
}

/// A file that was chosen.
struct Chosen<'a> {
    /// The number of its track among the chosen ones.
    nth: usize,
    job: &'a JobSummary,
    track: &'a TrackSummary,
    /// The track or the mix.
    part: PickPart,
    file: &'a KeptFile,
    note: Option<String>,
}

impl Chosen<'_> {
    /// What messages call it.
    fn label(&self) -> String {
        let job = self.job;
        let label = job_label(&job.stem, &job.preset, &job.sweep, job.take);
        format!("{label} track {}", self.track.index)
    }

    fn part_name(&self) -> &'static str {
        match self.part {
            PickPart::Mix => "mix",
            PickPart::Track | PickPart::Both => "track",
        }
    }
}

/// The bytes of a chosen file, checked against its hash.
fn read_kept(project_dir: &Path, chosen: &Chosen<'_>) -> Result<Vec<u8>, String> {
    let from = project_dir.join(&chosen.file.path);
    let unread = |error: io::Error| format!("cannot read {}: {error}", from.display());
    let mut bytes = Vec::new();
    let hash = copied(&mut read_file(&from).map_err(unread)?, &mut bytes).map_err(unread)?;
    match hash == chosen.file.sha256 {
        true => Ok(bytes),
        false => Err(changed_on_disk(&from)),
    }
}

fn changed_on_disk(file: &Path) -> String {
    format!("{} was changed on disk since it was kept", file.display())
}

/// Copies the chosen files to a folder and writes the lists beside them. Returns an entry for each copy.
fn copy_all(
    to: &Path,
    project_dir: &Path,
    chosen: &[Chosen<'_>],
    problems: &mut Vec<String>,
) -> Result<Vec<Value>, Failure> {
    let folder = Folder::create(to).map_err(|error| not_written(to, error))?;
    let mut picks = Picks {
        folder,
        to,
        project_dir,
        names: HashSet::new(),
        entries: Vec::new(),
        problems,
    };
    for chosen in chosen {
        picks.copy(chosen)?;
    }
    picks.finish()
}

/// Prints what was written, and what was not.
fn report(
    args: &PickArgs,
    copies: Option<&[Value]>,
    test: Option<&ListeningTest>,
    problems: &[String],
    console: &Console,
) -> Result<(), Failure> {
    match console.format {
        Format::Json => console.json(&json!({
            "version": VERSION,
            "to": args.to,
            "picks": copies.unwrap_or_default(),
            "webmushra": test.map(|test| json!({"config": test.config, "stimuli": test.stimuli})),
            "problems": problems,
        }))?,
        Format::Text => {
            let to = args.to.clone().unwrap_or_default();
            let copies = copies.unwrap_or_default().iter();
            let names = copies.filter_map(|entry| entry["file"].as_str());
            let mut lines: Vec<PathBuf> = names.map(|name| to.join(name)).collect();
            lines.extend(test.map(|test| test.config.clone()));
            let lines = lines.iter().map(|path| format!("{}\n", path.display()));
            console.data(&lines.collect::<String>())?;
        }
    }
    if let (Some(test), Some(dir)) = (test, &args.webmushra) {
        let config = test.config.file_name().unwrap_or_default().display();
        console.say(&format!(
            "Listening test of {} tracks: copy the content of {} into the folder of webMUSHRA, then open its page with ?config={config}\n",
            test.stimuli.len(),
            dir.display(),
        ));
    }
    for problem in problems {
        console.insist(&format!("error: not copied: {problem}\n"));
    }
    Ok(())
}

/// The copies that were made.
struct Picks<'a> {
    folder: Folder,
    to: &'a Path,
    project_dir: &'a Path,
    names: HashSet<String>,
    entries: Vec<Value>,
    problems: &'a mut Vec<String>,
}

impl Picks<'_> {
    /// Copies a file, checked against its hash on the way.
    fn copy(&mut self, chosen: &Chosen<'_>) -> Result<(), Failure> {
        let Chosen {
            job, track, file, ..
        } = chosen;
        let from = self.project_dir.join(&file.path);
        let name = self.name(chosen);
        let label = chosen.label();
        let mut problem = |why: String| self.problems.push(format!("{label}: {why}"));
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
            problem(changed_on_disk(&from));
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
            "file": name, "part": chosen.part_name(),
            "stem": job.stem, "preset": job.preset, "sweep": job.sweep, "take": job.take, "track": track.index,
            "title": track.title, "note": chosen.note, "vars": job.vars, "settings": job.settings,
            "key": job.key, "task_id": job.task_id, "run": job.run, "in_manifest": job.in_manifest,
            "source": file.path, "sha256": file.sha256, "length_bytes": file.length_bytes, "duration_s": file.duration_s,
            "music": track.music,
        }));
        Ok(())
    }

    /// `01 chorus - lofi, model V5, take 2 track 1.mp3`: sorts in plan order, and no name comes twice.
    fn name(&mut self, chosen: &Chosen<'_>) -> String {
        let Chosen {
            nth,
            job,
            track,
            file,
            ..
        } = chosen;
        let suffix = match chosen.part {
            PickPart::Mix => " (mix)",
            PickPart::Track | PickPart::Both => "",
        };
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

    /// Writes the lists beside the copies.
    fn finish(self) -> Result<Vec<Value>, Failure> {
        let failed = |error: io::Error| not_written(self.to, error);
        let put = |name: &str, text: String| -> io::Result<()> {
            let mut scratch = create(&self.folder, TEMPORARY)?;
            scratch.file().write_all(text.as_bytes())?;
            scratch.file().sync_all()?;
            scratch.replace(name)
        };
        let list = json!({ "version": VERSION, "picks": self.entries });
        put("picks.json", format!("{list:#}\n")).map_err(failed)?;
        let rows = table(&COLUMNS, &self.entries).map_err(failed)?;
        put("picks.csv", rows).map_err(failed)?;
        put("picks.m3u8", playlist(&self.entries)).map_err(failed)?;
        self.folder.sync().map_err(failed)?;
        Ok(self.entries)
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

/// The columns of `picks.csv`.
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

/// Entries as a table.
fn table(columns: &[&str], entries: &[Value]) -> io::Result<String> {
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record(columns)?;
    for entry in entries {
        let cell = |name: &&str| match &entry[*name] {
            Value::String(text) => backline_reporter::csv_text(text),
            Value::Null => String::new(),
            value => value.to_string(),
        };
        table.write_record(columns.iter().map(cell))?;
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
