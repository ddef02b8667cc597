//! File names that every common system accepts.

use icu_normalizer::ComposingNormalizerBorrowed;

/// Longest part of a path that every common file system takes, in bytes.
const MAX_PART_BYTES: usize = 255;

/// Bytes reserved in it for `-mix`, the extension and the suffix of an unfinished file.
const SUFFIX_BYTES: usize = 32;

/// A value made safe for a file name: no separators, nothing that a system refuses, no dot at the ends.
pub(crate) fn harmless(value: &str) -> String {
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

/// What all names have in common that some file system takes for one.
pub(crate) fn one_name(name: &str) -> String {
    if name.is_ascii() {
        return name.to_ascii_lowercase();
    }
    ComposingNormalizerBorrowed::new_nfc()
        .normalize(&name.to_lowercase())
        .into_owned()
}

/// What a value becomes as a part of a path, as the least particular file system compares it; none where some system refuses it.
///
/// Two stems of one such name would be kept as the same files.
pub fn path_part(value: &str) -> Option<String> {
    let part = harmless(value);
    portable(&part).ok().map(|()| one_name(&part))
}

/// Why some system refuses a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NameProblem {
    #[error("it is empty")]
    Empty,
    #[error("a part of it is empty")]
    EmptyPart,
    #[error("it leads elsewhere with `{0}`")]
    Elsewhere(String),
    #[error("a part of it has {0} bytes, {most} are allowed", most = MAX_PART_BYTES - SUFFIX_BYTES)]
    TooLong(usize),
    #[error("`{0}` begins or ends with a space, or ends with a dot, which Windows drops")]
    Trimmed(String),
    #[error("`{0}` is a device on Windows")]
    Device(String),
    #[error("`{}` is not allowed in file names on every system", .0.escape_debug())]
    Character(char),
}

/// Whether every common system takes this relative path.
pub(crate) fn portable(path: &str) -> Result<(), NameProblem> {
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
            "" if path.is_empty() => NameProblem::Empty,
            "" => NameProblem::EmptyPart,
            "." | ".." => NameProblem::Elsewhere(part.to_owned()),
            _ if part.len() > MAX_PART_BYTES - SUFFIX_BYTES => NameProblem::TooLong(part.len()),
            _ if part.ends_with(['.', ' ']) || part.starts_with(' ') => {
                NameProblem::Trimmed(part.to_owned())
            }
            _ if matches!(device.as_str(), "CON" | "PRN" | "AUX" | "NUL")
                || numbered("COM")
                || numbered("LPT") =>
            {
                NameProblem::Device(part.to_owned())
            }
            _ => match part
                .chars()
                .find(|char| char.is_control() || "\\:*?\"<>|".contains(*char))
            {
                Some(char) => NameProblem::Character(char),
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
