//! Environment variables, and those of a file `.env` beside the manifest. The file is for keys that should not be in a shell's
//! history.
//!
//! A variable of the process overrides the file. The file supplies the keys and the variables that the manifest lists under `env`.
//! Hooks and other programs receive none of its variables. An error message gives the number of a line and never its text.
//!
//! The parser is our own because it must do less than libraries do. They expand `$NAME`, which changes a key with a dollar sign,
//! and they print a line that they cannot read.

use std::collections::HashMap;
use std::env::VarError;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use backline_engine::manifest::{ReadProblem, read_beside};

use crate::args::GlobalArgs;
use crate::failure::{Failure, Kind};

/// The file's name.
const NAME: &str = ".env";

/// The longest file that is read, enough for some keys.
const LIMIT_BYTES: u64 = 64 * 1024;

/// The variables of the last `.env` that was read beside a manifest.
static ADOPTED: Mutex<Option<DotEnv>> = Mutex::new(None);

/// The variables of one `.env` file.
#[derive(Debug, Default)]
pub(crate) struct DotEnv(HashMap<String, String>);

impl DotEnv {
    /// Reads the `.env` in a manifest's folder; empty if there is none. Fails for a link that leads out of the project.
    pub(crate) fn beside(manifest: &Path, global: &GlobalArgs) -> Result<Self, Failure> {
        let path = manifest.with_file_name(NAME);
        let text = match read_beside(manifest, &path, LIMIT_BYTES, global.allow_outside) {
            Ok(text) => text,
            // Some tools make a folder of this name; it has no variables.
            Err(ReadProblem::Io(error))
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::IsADirectory) =>
            {
                return Ok(Self::default());
            }
            Err(problem) => {
                let message = format!("cannot read {}: {problem}", path.display());
                let failure = Failure::msg(Kind::Usage, message);
                return Err(match problem.help() {
                    Some(help) => failure.hint(help),
                    None => failure,
                });
            }
        };
        parse(&text).map(Self).map_err(|line| {
            let message = format!("{}, line {line}, is not NAME=value", path.display());
            Failure::msg(Kind::Usage, message)
                .hint("write one variable per line; # begins a comment, and quotes around a value are removed")
        })
    }

    /// Returns a variable of the process, or else of the file.
    pub(crate) fn get(&self, name: &str) -> Result<String, VarError> {
        match std::env::var(name) {
            Err(VarError::NotPresent) => self.0.get(name).cloned().ok_or(VarError::NotPresent),
            found => found,
        }
    }

    /// Makes this the environment of [`get`].
    pub(crate) fn adopt(self) {
        *ADOPTED.lock().unwrap_or_else(PoisonError::into_inner) = Some(self);
    }
}

/// Returns a variable of the process, or else of the last `.env` that was read beside a manifest.
pub(crate) fn get(name: &str) -> Result<String, VarError> {
    let adopted = ADOPTED.lock().unwrap_or_else(PoisonError::into_inner);
    match &*adopted {
        Some(environment) => environment.get(name),
        None => std::env::var(name),
    }
}

/// The variables of a file, or the number of the first invalid line.
fn parse(text: &str) -> Result<HashMap<String, String>, usize> {
    let mut variables = HashMap::new();
    for (at, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        let (name, value) = line.split_once('=').ok_or(at + 1)?;
        let name = name.trim();
        let is_name = !name.is_empty()
            && name
                .chars()
                .all(|it| it.is_ascii_alphanumeric() || it == '_')
            && !name.starts_with(|it: char| it.is_ascii_digit());
        if !is_name {
            return Err(at + 1);
        }
        variables.insert(name.to_owned(), unquoted(value.trim()).ok_or(at + 1)?);
    }
    Ok(variables)
}

/// A value without its quotes, or an unquoted value without its comment.
fn unquoted(value: &str) -> Option<String> {
    for quote in ['"', '\''] {
        if let Some(rest) = value.strip_prefix(quote) {
            let (inside, behind) = rest.split_once(quote)?;
            let behind = behind.trim();
            let closed = behind.is_empty() || behind.starts_with('#');
            return closed.then(|| inside.to_owned());
        }
    }
    let end = value.find(" #").unwrap_or(value.len());
    Some(value[..end].trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_one_variable_per_line() {
        let text =
            "# keys\n\nexport A=1\nB = two words # why\nC=\"a#b $A\" # quoted\nD='x=y'\nE=\n";
        let found = parse(text).unwrap_or_default();
        let get = |name: &str| found.get(name).map(String::as_str);
        assert_eq!(get("A"), Some("1"));
        assert_eq!(get("B"), Some("two words"));
        assert_eq!(get("C"), Some("a#b $A"));
        assert_eq!(get("D"), Some("x=y"));
        assert_eq!(get("E"), Some(""));
        assert_eq!(found.len(), 5);
        for (wrong, line) in [
            ("A=1\nB", 2),
            ("1A=x", 1),
            ("A=\"open", 1),
            ("A='x' y", 1),
            ("=x", 1),
        ] {
            assert_eq!(parse(wrong), Err(line), "{wrong}");
        }
    }
}
