//! The `stems` of a new manifest: an entry for each recording of a folder.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::io::Read as _;
use std::path::{Component, Path, PathBuf};

use backline_engine::plan::path_part;

use crate::failure::{Failure, Kind};

/// The file name extensions of recordings.
const EXTENSIONS: [&str; 10] = [
    "wav", "flac", "mp3", "m4a", "aac", "aif", "aiff", "ogg", "oga", "mp4",
];

/// The most recordings that are listed one by one. A larger number is written as a pattern.
const MAX_LISTED: usize = 200;
/// The most files and folders that are searched.
const MAX_WALKED: usize = 100_000;
/// The bytes that are read to detect a file's format. A cover picture may precede the sound.
const MAX_HEAD_BYTES: u64 = 4 << 20;
/// The longest part of a file's name that becomes an id, in characters. A manifest accepts longer ids.
const MAX_ID_CHARS: usize = 180;
/// The most levels of folders that are searched below the given one.
const MAX_DEPTH: usize = 16;

/// The lines below `stems:` for the recordings in `from`, with paths relative to the manifest's folder `dir`.
///
/// Also returns the files that have a recording's extension but are not recordings.
pub(super) fn lines(dir: &Path, from: &Path) -> Result<(String, Vec<PathBuf>), Failure> {
    let unreadable = |path: &Path, error: std::io::Error| {
        let context = format!("cannot read {}", path.display());
        Failure::new(Kind::Usage, anyhow::Error::new(error).context(context))
    };
    let root = from
        .canonicalize()
        .map_err(|error| unreadable(from, error))?;
    let dir = dir.canonicalize().map_err(|error| unreadable(dir, error))?;
    let mut found = Vec::new();
    let mut walked = 0;
    walk(&root, 0, &mut walked, &mut found).map_err(|error| unreadable(from, error))?;
    found.sort();
    let (found, others): (Vec<PathBuf>, Vec<PathBuf>) =
        found.into_iter().partition(|path| is_sound(path));
    if found.is_empty() {
        let message = format!("there are no recordings in {}", from.display());
        return Err(Failure::msg(Kind::Usage, message)
            .hint(format!("recordings end with .{}", EXTENSIONS.join(", ."))));
    }
    let text = |path: &Path| {
        let relative = relative(&dir, path);
        let text = relative.to_str().map(|text| match cfg!(windows) {
            true => text.replace('\\', "/"),
            false => text.to_owned(),
        });
        text.ok_or_else(|| {
            let message = format!("the name of {} is not UTF-8", path.display());
            Failure::msg(Kind::Usage, message).hint("rename the file or its folder")
        })
    };
    if found.len() > MAX_LISTED {
        let folder = text(&root)?;
        let mut present: Vec<String> = found.iter().filter_map(|path| extension(path)).collect();
        present.sort();
        present.dedup();
        let below = if folder.is_empty() {
            String::new()
        } else {
            format!("{folder}/")
        };
        let pattern = format!("{below}**/*.{{{}}}", present.join(","));
        return Ok((format!("  - {{glob: {}}}\n", quoted(&pattern)), others));
    }
    let mut ids = HashSet::new();
    let mut lines = String::new();
    for path in &found {
        // The manifest's paths are templates, so braces are escaped.
        let name = text(path)?.replace("{{", "\\{{");
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let id = new_id(&stem, &mut ids);
        let _ = match id == stem {
            true => writeln!(lines, "  - {}", scalar(&name)),
            false => writeln!(
                lines,
                "  - {{id: {}, file: {}}}",
                quoted(&id),
                quoted(&name)
            ),
        };
    }
    Ok((lines, others))
}

/// A valid id that no other recording has: the file's name if possible.
fn new_id(stem: &str, taken: &mut HashSet<String>) -> String {
    let usable = |c: char| match c {
        '*' => '-',
        c if c.is_control() => '-',
        c => c,
    };
    let id: String = stem.chars().take(MAX_ID_CHARS).map(usable).collect();
    let id = match id.trim() {
        "" => "recording",
        id => id,
    };
    // The id is also the name of the folder of the tracks.
    let mut is_free = |id: &str| path_part(id).is_some_and(|part| taken.insert(part));
    if is_free(id) {
        return id.to_owned();
    }
    let mut next = (2..=MAX_LISTED + 1).map(|nth| format!("{id}-{nth}"));
    let free = next.find(|id| is_free(id));
    free.unwrap_or_else(|| id.to_owned())
}

/// Collects the recordings below a folder. Skips hidden files and does not follow links to folders.
fn walk(
    folder: &Path,
    depth: usize,
    walked: &mut usize,
    found: &mut Vec<PathBuf>,
) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        *walked += 1;
        if *walked > MAX_WALKED || entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            if depth < MAX_DEPTH {
                walk(&path, depth + 1, walked, found)?;
            }
        } else if extension(&path).is_some_and(|it| EXTENSIONS.contains(&it.as_str())) {
            found.push(path);
        }
    }
    Ok(())
}

/// Whether a file begins like a sound file. A file that cannot be read counts as one; `validate` reports it.
fn is_sound(path: &Path) -> bool {
    let mut head = Vec::new();
    let read =
        std::fs::File::open(path).and_then(|file| file.take(MAX_HEAD_BYTES).read_to_end(&mut head));
    read.is_err() || backline_audio::sniff(&head).is_some()
}

fn extension(path: &Path) -> Option<String> {
    let extension = path.extension()?.to_str()?;
    Some(extension.to_ascii_lowercase())
}

/// A path relative to a folder. Both are absolute.
fn relative(folder: &Path, path: &Path) -> PathBuf {
    let ours: Vec<Component<'_>> = folder.components().collect();
    let theirs: Vec<Component<'_>> = path.components().collect();
    let shared = ours
        .iter()
        .zip(&theirs)
        .take_while(|(one, other)| one == other)
        .count();
    let up = ours[shared..].iter().map(|_| Component::ParentDir);
    up.chain(theirs[shared..].iter().copied()).collect()
}

/// A text as a YAML scalar, in quotes if it needs them.
pub(super) fn scalar(text: &str) -> String {
    let words = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let plain = text.starts_with(|it: char| it.is_alphabetic())
        && text
            .chars()
            .all(|it| it.is_alphanumeric() || matches!(it, '/' | '.' | '_' | '-'))
        && !words.contains(&text.to_lowercase().as_str());
    match plain {
        true => text.to_owned(),
        false => quoted(text),
    }
}

/// A text in double quotes. A JSON string is also a YAML string.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_named_from_the_manifest() {
        let named = |path: &str| relative(Path::new("/a/b"), Path::new(path));
        assert_eq!(named("/a/b/c/d.wav"), Path::new("c/d.wav"));
        assert_eq!(named("/a/x.wav"), Path::new("../x.wav"));
        assert_eq!(named("/c/x.wav"), Path::new("../../c/x.wav"));
        assert_eq!(named("/a/b"), Path::new(""));
    }

    #[test]
    fn only_a_plain_text_goes_without_quotes() {
        assert_eq!(scalar("vocals/a-1.wav"), "vocals/a-1.wav");
        assert_eq!(scalar("on"), "\"on\"");
        assert_eq!(scalar("2024"), "\"2024\"");
        assert_eq!(scalar("a b: #1"), "\"a b: #1\"");
    }
}
