//! `backline init`: writes a new manifest, for the recordings of a folder or for a sample that is part of the program.

mod stems;

use std::io::Write;
use std::path::{Path, PathBuf};

use backline_engine::folder::Folder;
use backline_engine::manifest::schema;

use crate::args::InitArgs;
use crate::console::Console;
use crate::exit_codes;
use crate::failure::{CommandResult, Failure, Kind};
use crate::project::{seen_from_here, without_dot};

/// The sample's manifest. Its first line names the schema file beside it, so that editors find the schema on every machine.
const MANIFEST: &str = include_str!("init/backline-demo.yaml");
const MANIFEST_NAME: &str = "backline-demo.yaml";
/// The lines of [`MANIFEST`] that are filled in.
const NAME_LINE: &str = "name: demo\n";
const STEM_LINE: &str = "  - vocals/twinkle.flac\n";

const SAMPLE: &[u8] = include_bytes!("../../../../workflows/vocals/twinkle.flac");
const SAMPLE_NAME: &str = "vocals/twinkle.flac";

const SCHEMA_NAME: &str = "backline.schema.json";

/// The ledger, the tracks and keys do not belong in a repository.
const GIT_IGNORED: &[u8] = b"/.backline/\n/out/\n/.env\n";

/// A file to write.
struct NewFile<'a> {
    name: String,
    content: &'a [u8],
    /// Whether the file may already exist; it is then not changed.
    may_exist: bool,
}

pub(crate) fn run(args: &InitArgs, console: &Console) -> CommandResult {
    let dir = &args.dir;
    std::fs::create_dir_all(dir).map_err(|error| not_written(dir, error))?;
    let name = project_name(dir);
    let named = MANIFEST
        .replace(NAME_LINE, &format!("name: {}\n", stems::scalar(&name)))
        .replace("out/demo", &format!("out/{name}"));
    let (manifest_name, manifest, sample) = match &args.from {
        None => (MANIFEST_NAME.to_owned(), named, Some(SAMPLE)),
        Some(from) => {
            let manifest_name = format!("{name}.yaml");
            let (lines, others) = stems::lines(dir, from)?;
            for path in others {
                let path = seen_from_here(&path);
                console.note_always(&format!(
                    "warning: {} is no audio file; it is left out\n",
                    path.display()
                ));
            }
            let filled = named
                .replace(STEM_LINE, &lines)
                .replace(MANIFEST_NAME, &manifest_name);
            (manifest_name, filled, None)
        }
    };
    let mut files = vec![NewFile {
        name: manifest_name.clone(),
        content: manifest.as_bytes(),
        may_exist: false,
    }];
    files.extend(sample.map(|content| NewFile {
        name: SAMPLE_NAME.to_owned(),
        content,
        may_exist: false,
    }));
    let schema = format!("{:#}\n", schema());
    for (name, content) in [
        (SCHEMA_NAME, schema.as_bytes()),
        (".gitignore", GIT_IGNORED),
    ] {
        files.push(NewFile {
            name: name.to_owned(),
            content,
            may_exist: true,
        });
    }
    write_all(dir, &files, console)?;
    let manifest = shown(dir, &manifest_name);
    console.note(&format!(
        "\nNext: check it with `backline plan {0}`, then `backline run {0}`\n",
        backline_reporter::shell_word(&manifest.display().to_string())
    ));
    Ok(exit_codes::DONE)
}

/// The path of a file in the folder, as messages show it.
fn shown(dir: &Path, name: &str) -> PathBuf {
    without_dot(&dir.join(name)).to_owned()
}

/// Writes all of the files or none of them.
fn write_all(dir: &Path, files: &[NewFile<'_>], console: &Console) -> Result<(), Failure> {
    for file in files.iter().filter(|file| !file.may_exist) {
        let path = shown(dir, &file.name);
        if path.symlink_metadata().is_ok() {
            let message = format!("{} exists, and nothing is overwritten", path.display());
            return Err(
                Failure::msg(Kind::Usage, message).hint("choose another folder: backline init DIR")
            );
        }
    }
    let folder = Folder::open(dir).map_err(|error| not_written(dir, error))?;
    for file in files {
        let path = dir.join(&file.name);
        match write_new(&folder, &file.name, file.content) {
            Ok(()) => console.note(&format!("wrote {}\n", shown(dir, &file.name).display())),
            Err(error) if file.may_exist && error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(not_written(&path, error)),
        }
    }
    Ok(())
}

/// A project name from the folder's name, with letters, digits, `-`, `_` and `.` only.
fn project_name(dir: &Path) -> String {
    let folder = dir.canonicalize().ok();
    let name = folder
        .as_deref()
        .and_then(Path::file_name)
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let safe = |letter: char| match letter {
        '-' | '_' | '.' => letter,
        letter if letter.is_alphanumeric() => letter,
        _ => '-',
    };
    let name: String = name.chars().take(100).map(safe).collect();
    let name = name.trim_matches(['-', '.']);
    match name {
        "" => "songs".to_owned(),
        name => name.to_owned(),
    }
}

fn not_written(path: &Path, error: std::io::Error) -> Failure {
    let context = format!("cannot write {}", path.display());
    Failure::new(Kind::Output, anyhow::Error::new(error).context(context))
}

/// Writes a file below the folder. A link cannot redirect it outside of the folder.
fn write_new(folder: &Folder, name: &str, content: &[u8]) -> std::io::Result<()> {
    let (below, name) = name.rsplit_once('/').unwrap_or(("", name));
    let mut file = folder.below(Path::new(below))?.new_file(name)?;
    file.write_all(content)
}
