//! Finds a command's files: the manifest, the project's ledger, and the measurements beside it. Also formats paths for messages.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use backline_engine::folder::{is_own, read_file};
use backline_engine::manifest::project_ledger;
use backline_engine::plan::Plan;
use backline_engine::store::RunHeader;
use backline_engine::summary::Summary;
use backline_reporter::Standpoint;

use crate::args::GlobalArgs;
use crate::failure::{Failure, Kind, invalid};
use crate::ledger::{Ledger, check_address, is_on_server, local_folder};

/// The path of a project's ledger, relative to the project's folder.
pub(crate) const LEDGER: &str = ".backline/ledger.sqlite3";

/// The folder of the measurements of sound files, beside the ledger. It may be deleted at any time.
const SOUND: &str = "sound";

/// The manifest argument that means standard input.
pub(crate) const STANDARD_INPUT: &str = "-";

/// The longest manifest on standard input; files have the same limit.
const MAX_STANDARD_INPUT_BYTES: u64 = 16 << 20;

/// Limits on hints for a missing manifest: the most names, the most files that are examined, and the bytes that are read of each.
const MAX_OFFERED: usize = 5;
const MAX_EXAMINED: usize = 200;
const MAX_EXAMINED_BYTES: u64 = 64 << 10;

/// The path of a plan's ledger.
pub(super) fn ledger_of(plan: &Plan, global: &GlobalArgs) -> Result<PathBuf, Failure> {
    match (&global.ledger, &plan.ledger) {
        (Some(path), _) => named_ledger(path),
        (None, Some(text)) => named_in_project(&plan.project_dir, text),
        (None, None) => {
            let ledger = plan.project_dir.join(LEDGER);
            refuse_planted(&plan.project_dir, &ledger)?;
            Ok(ledger)
        }
    }
}

/// The manifest on standard input. It is read once, even if the command opens it several times.
pub(super) fn standard_input() -> Result<Arc<str>, Failure> {
    static TEXT: OnceLock<Arc<str>> = OnceLock::new();
    if let Some(text) = TEXT.get() {
        return Ok(text.clone());
    }
    let failed = |error: anyhow::Error| {
        let context = "cannot read the manifest from standard input";
        Failure::new(Kind::Usage, error.context(context))
    };
    let mut text = String::new();
    let read = std::io::stdin()
        .lock()
        .take(MAX_STANDARD_INPUT_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(|error| failed(error.into()))?;
    if read as u64 > MAX_STANDARD_INPUT_BYTES {
        let message = format!("it is longer than {} MB", MAX_STANDARD_INPUT_BYTES >> 20);
        return Err(failed(anyhow::Error::msg(message)));
    }
    Ok(TEXT.get_or_init(|| Arc::from(text)).clone())
}

/// The working directory, with links resolved.
pub(super) fn here() -> Result<PathBuf, Failure> {
    std::env::current_dir()
        .and_then(|here| here.canonicalize())
        .map_err(|error| {
            Failure::new(
                Kind::Usage,
                anyhow::Error::new(error).context("cannot read this folder"),
            )
        })
}

/// The project's folder, if the ledger is inside one.
pub(crate) fn project_of(ledger: &Ledger) -> Option<&Path> {
    if ledger.path().ends_with(LEDGER) {
        ledger.path().ancestors().nth(2)
    } else {
        None
    }
}

/// The folder for measurements of sound files, on this machine.
pub(crate) fn sound_cache(ledger: &Path, project_dir: &Path) -> PathBuf {
    local_folder(ledger, project_dir).join(SOUND)
}

/// The path of a run's manifest.
pub(crate) fn manifest_of(ledger: &Ledger, run: &RunHeader) -> Result<PathBuf, Failure> {
    let recorded = Path::new(&run.manifest);
    match project_of(ledger) {
        Some(project) => Ok(project.join(recorded)),
        None if recorded.is_absolute() => Ok(recorded.to_owned()),
        None => Err(Failure::msg(
            Kind::Usage,
            format!(
                "cannot find {}: the ledger {} is outside its project",
                run.manifest,
                ledger.path().display()
            ),
        )
        .hint("name the manifest")),
    }
}

/// The ledger in `--ledger`, else the one that the project of the manifest's folder or of the working directory names, else the
/// nearest one at or above that folder.
pub(crate) fn ledger_path(
    manifest: Option<&Path>,
    global: &GlobalArgs,
) -> Result<PathBuf, Failure> {
    if let Some(path) = &global.ledger {
        return named_ledger(path);
    }
    let folder = match manifest.and_then(Path::parent) {
        Some(folder) => folder.to_owned(),
        None => here()?,
    };
    default_ledger(&folder)
}

/// The ledger of a folder without `--ledger`.
fn default_ledger(folder: &Path) -> Result<PathBuf, Failure> {
    let named = project_ledger(folder).map_err(|wrong| invalid("the project file", wrong))?;
    if let Some((project, text)) = named {
        return named_in_project(&project, &text);
    }
    let ledger = nearest_ledger(folder);
    refuse_planted(folder, &ledger)?;
    Ok(ledger)
}

/// The nearest ledger at or above a folder, else the path of the ledger that a first run would create in it.
fn nearest_ledger(folder: &Path) -> PathBuf {
    let nearest = folder
        .ancestors()
        .map(|above| above.join(LEDGER))
        .find(|ledger| ledger.exists());
    nearest.unwrap_or_else(|| folder.join(LEDGER))
}

/// Fails if the folder of a project's ledger is a link, contains a link, or belongs to another user. Another user could otherwise
/// choose which file is overwritten, or read what is written.
fn refuse_planted(folder: &Path, ledger: &Path) -> Result<(), Failure> {
    let Some(state) = ledger.parent() else {
        return Ok(());
    };
    let refuse = |path: &Path, why: &str| {
        let message = format!("{} {why}", path.display());
        Err(Failure::msg(Kind::Usage, message)
            .hint("remove it, or name the ledger with `--ledger`"))
    };
    let Ok(metadata) = state.symlink_metadata() else {
        // The first run creates the folder.
        return Ok(());
    };
    if metadata.is_symlink() {
        return refuse(state, "is a link");
    }
    if !is_own(state, folder) {
        return refuse(state, "belongs to another user");
    }
    for entry in std::fs::read_dir(state).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_symlink()) {
            return refuse(&entry.path(), "is a link");
        }
    }
    Ok(())
}

/// The path under which a ledger records a manifest.
pub(super) fn recorded(project_dir: &Path, manifest: &Path) -> String {
    let inside = manifest.strip_prefix(project_dir).unwrap_or(manifest);
    inside.display().to_string()
}

/// A manifest's absolute path. Its folder has no links and no `..`, because the project is searched for upwards from there.
pub(crate) fn locate(manifest: &Path) -> Result<PathBuf, Failure> {
    if manifest == Path::new(STANDARD_INPUT) {
        let message = "this command needs a manifest in a file";
        return Err(Failure::msg(Kind::Usage, message)
            .hint("`validate`, `plan`, `run` and `fetch` read one from standard input"));
    }
    let folder = match manifest.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if manifest.is_dir() {
        let failure = Failure::msg(
            Kind::Usage,
            format!("{} is a folder, not a manifest", manifest.display()),
        );
        return Err(offer(failure, manifest, None));
    }
    let name = manifest.file_name();
    match (folder.canonicalize(), name) {
        (Ok(folder), Some(name)) if folder.join(name).exists() => Ok(folder.join(name)),
        _ => {
            let failure = Failure::msg(
                Kind::Usage,
                format!("there is no manifest {}", manifest.display()),
            );
            Err(offer(failure, folder, name.and_then(|name| name.to_str())))
        }
    }
}

/// Adds a hint with the manifests of a folder, ordered by the similarity of their names.
fn offer(failure: Failure, folder: &Path, wanted: Option<&str>) -> Failure {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return failure;
    };
    let is_yaml = |path: &PathBuf| {
        path.extension()
            .is_some_and(|it| it == "yaml" || it == "yml")
    };
    let mut found: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(is_yaml)
        .take(MAX_EXAMINED)
        .filter(|path| looks_like_a_manifest(path))
        .collect();
    found.sort_by_cached_key(|path| {
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        (
            wanted.map_or(0, |wanted| strsim::damerau_levenshtein(wanted, &name)),
            name,
        )
    });
    if found.is_empty() {
        return failure.hint("`backline init` writes one");
    }
    let names = found.iter().take(MAX_OFFERED);
    let mut names: Vec<String> = names
        .map(|path| without_dot(path).display().to_string())
        .collect();
    if found.len() > MAX_OFFERED {
        names.push(format!("and {} more", found.len() - MAX_OFFERED));
    }
    failure.hint(format!("manifests there: {}", names.join(", ")))
}

/// Whether a YAML file has the keys that every manifest has. A folder may also contain other YAML files, and parts that manifests
/// import.
fn looks_like_a_manifest(path: &Path) -> bool {
    let mut text = Vec::new();
    let Ok(file) = read_file(path) else {
        return false;
    };
    if file
        .take(MAX_EXAMINED_BYTES)
        .read_to_end(&mut text)
        .is_err()
    {
        return false;
    }
    let text = String::from_utf8_lossy(&text);
    ["version", "stems", "presets"]
        .iter()
        .all(|key| text.contains(key))
        || ["version", "stems", "import"]
            .iter()
            .all(|key| text.contains(key))
}

/// Converts the paths in a project's ledger to paths relative to the working directory. If that directory can't be read, it is
/// ignored.
pub(crate) fn standpoint(project_dir: &Path) -> Standpoint {
    let here = std::env::current_dir().and_then(|here| here.canonicalize());
    Standpoint {
        project_dir: project_dir.to_owned(),
        here: here.unwrap_or_default(),
    }
}

/// A path without a leading `./`.
pub(crate) fn without_dot(path: &Path) -> &Path {
    path.strip_prefix(".").unwrap_or(path)
}

/// A path relative to the working directory, if it is inside.
pub(crate) fn seen_from_here(path: &Path) -> PathBuf {
    standpoint(Path::new("")).see(path).to_owned()
}

/// Rewrites the paths of a summary's files, its manifest (as `shown`) and its ledger as seen from the working directory.
pub(crate) fn show_from_here(
    summary: &mut Summary,
    standpoint: &Standpoint,
    shown: String,
    ledger: &Ledger,
) {
    let folder = locate(Path::new(&shown)).ok();
    let folder = folder.as_deref().and_then(Path::parent);
    let default = folder.and_then(|folder| default_ledger(folder).ok());
    if default.as_deref() != Some(ledger.path()) {
        summary.run.ledger = Some(seen_from_here(ledger.path()).display().to_string());
    }
    summary.run.manifest = shown;
    let tracks = summary.jobs.iter_mut().flat_map(|job| &mut job.tracks);
    for file in tracks.flat_map(|track| [&mut track.file, &mut track.mix].into_iter().flatten()) {
        let path = standpoint.name(&file.path);
        std::sync::Arc::make_mut(file).path = path;
    }
}

/// The place of a ledger that the user named.
pub(crate) fn named_ledger(ledger: &Path) -> Result<PathBuf, Failure> {
    if is_on_server(ledger) {
        check_address(ledger)?;
        return Ok(ledger.to_owned());
    }
    absolute(ledger)
}

/// The place of a ledger that a project file names.
fn named_in_project(project: &Path, text: &str) -> Result<PathBuf, Failure> {
    let place = Path::new(text);
    match is_on_server(place) {
        true => named_ledger(place),
        false => named_ledger(&project.join(place)),
    }
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| {
        let context = format!("cannot use the path {}", path.display());
        Failure::new(Kind::Usage, anyhow::Error::new(error).context(context))
    })
}
