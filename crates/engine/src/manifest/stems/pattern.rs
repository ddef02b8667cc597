//! Patterns: stems from the files that a glob matches.
//!
//! Files are sorted by the bytes of their relative path written with `/`, so that they come in the same order on every machine.
//! Hidden files are skipped, links to folders are not followed, and only folders of the project are listed. A folder that can't be read and a name that is no text are errors:
//! without them jobs would be missing and nobody would know.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value as Json;
use walkdir::DirEntry;

use super::stem::{RecordingSource, StemDecl, file_stem};
use crate::manifest::source::fields::Text;
use crate::manifest::source::files::ReadProblem;
use crate::manifest::source::ids::check_id;
use crate::manifest::source::report::Report;
use crate::manifest::template::fixed::RenderFixed;

/// Most files that one pattern visits.
const MAX_WALKED: usize = 200_000;

/// Most files that all patterns of a manifest visit together: each pattern walks through its folders anew.
const MAX_ALL_WALKED: usize = 1_000_000;

/// Most patterns of a manifest, and the longest one in bytes, which is the longest path. Each becomes a regular expression.
const MAX_PATTERNS: usize = 1_000;
const MAX_PATTERN_BYTES: usize = 4_096;

/// Deepest folder below a pattern's fixed part.
const MAX_WALK_DEPTH: usize = 32;

/// Deepest nesting of `{a,b}`: the pattern becomes a regular expression, whose nesting is bounded too.
const MAX_BRACE_DEPTH: usize = 16;

fn brace_depth(pattern: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for char in pattern.chars() {
        match char {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// What the patterns of a manifest have cost so far.
#[derive(Debug, Default)]
pub(crate) struct Patterns {
    count: usize,
    walked: usize,
}

impl Patterns {
    /// Counts one more pattern, and refuses what is over a bound.
    fn admit(&mut self, text: &str, pattern: &Text, report: &mut Report) -> bool {
        self.count += 1;
        let message = match (self.count, text.len()) {
            (.., MAX_PATTERN_BYTES..) => {
                format!("this pattern is longer than {MAX_PATTERN_BYTES} bytes, the limit")
            }
            (..=MAX_PATTERNS, _) if self.walked <= MAX_ALL_WALKED => return true,
            (..=MAX_PATTERNS, _) => format!(
                "the patterns of this manifest visit more than {MAX_ALL_WALKED} files together"
            ),
            _ => format!("this manifest has more than {MAX_PATTERNS} patterns, the limit"),
        };
        report
            .error_at(pattern.span, message, "the limit is passed here")
            .help("use fewer patterns that name their folders, or a catalogue");
        false
    }
}

/// Reads the stems that a pattern finds.
pub(crate) fn read(
    pattern: &Text,
    folder: &Path,
    vars: &Arc<Json>,
    fixed: &RenderFixed<'_>,
    patterns: &mut Patterns,
    stems: &mut Vec<StemDecl>,
    report: &mut Report,
) {
    let Some(text) = fixed(pattern, report) else {
        return;
    };
    if !patterns.admit(&text, pattern, report) {
        return;
    }
    if brace_depth(&text) > MAX_BRACE_DEPTH {
        report.error_at(
            pattern.span,
            format!("braces are nested more than {MAX_BRACE_DEPTH} deep in this pattern"),
            "",
        );
        return;
    }
    let matcher = match globset::GlobBuilder::new(&text)
        .literal_separator(true)
        .build()
    {
        Ok(glob) => glob.compile_matcher(),
        Err(error) => {
            report.error_at(
                pattern.span,
                format!("this pattern can't be read: {}", error.kind()),
                "expected a pattern",
            );
            return;
        }
    };
    let before = report.errors();
    let (prefix, depth) = reach(&text);
    let root = folder.join(prefix);
    // The names of files are printed, so a folder is listed only inside the project.
    if let Err(problem @ ReadProblem::Outside(_)) = report.sources.inside(&root) {
        let shown = report.sources.shown(&root);
        let help = problem.help();
        let diagnostic = report.error_at(
            pattern.span,
            format!("can't list the folder `{shown}` for this pattern: {problem}"),
            "leads outside",
        );
        if let Some(help) = help {
            diagnostic.help(help);
        }
        return;
    }
    let walk = walkdir::WalkDir::new(&root).max_depth(depth);
    let mut found: Vec<(String, PathBuf)> = Vec::new();
    for (seen, entry) in walk.into_iter().filter_entry(is_visible).enumerate() {
        patterns.walked += 1;
        if patterns.walked > MAX_ALL_WALKED {
            // The same is said of each later pattern.
            patterns.count -= 1;
            patterns.admit(&text, pattern, report);
            return;
        }
        if seen > MAX_WALKED {
            report
                .error_at(
                    pattern.span,
                    format!("there are more than {MAX_WALKED} files below this pattern"),
                    "",
                )
                .help("name a folder in it");
            return;
        }
        let entry = match entry {
            Ok(entry) => entry,
            // Where there is nothing, nothing is found, which is said below.
            Err(error) if is_missing(&error) => continue,
            Err(error) => {
                unreadable(pattern, &error, report);
                continue;
            }
        };
        if entry.file_type().is_dir() {
            continue;
        }
        let (relative, is_text) = relative(&entry, &root, prefix);
        if !matcher.is_match(&relative) {
            continue;
        }
        if !is_text {
            report
                .error_at(
                    pattern.span,
                    format!("the name of `{relative}` is not UTF-8"),
                    "matches it",
                )
                .note("bytes that are no text are shown as \u{fffd}")
                .help("rename the file or its folder");
            continue;
        }
        found.push((relative, entry.into_path()));
    }
    found.sort_by(|left, right| left.0.as_bytes().cmp(right.0.as_bytes()));
    if found.is_empty() && report.errors() == before {
        report
            .error_at(pattern.span, "no file matches this pattern", "matches nothing")
            .help("it is relative to the manifest's folder; `**` matches any folders, and hidden files are skipped");
    }
    for (relative, path) in found {
        let id = file_stem(Path::new(&relative));
        check_id(&id, "a stem's id", pattern.span, report);
        stems.push(StemDecl {
            id,
            source: RecordingSource::File(path),
            vars: vars.clone(),
            span: pattern.span,
            row: None,
        });
    }
}

/// The folder that a walk begins at, the longest part of the pattern without a wildcard, and how deep the pattern reaches below it.
fn reach(pattern: &str) -> (&str, usize) {
    let has_wildcard = |part: &str| part.contains(['*', '?', '[', '{']);
    let mut prefix = 0;
    let mut rest = pattern;
    while let Some((part, behind)) = rest.split_once('/') {
        if has_wildcard(part) {
            break;
        }
        prefix += part.len() + 1;
        rest = behind;
    }
    // In braces there may be a whole path, and `**` is any.
    let depth = if rest.contains("**") || rest.contains('{') {
        MAX_WALK_DEPTH
    } else {
        rest.split('/').count()
    };
    let prefix = &pattern[..prefix];
    let prefix = match prefix.strip_suffix('/') {
        Some("") | None => prefix,
        Some(folder) => folder,
    };
    (prefix, depth)
}

fn is_visible(entry: &DirEntry) -> bool {
    entry.depth() == 0 || !entry.file_name().as_encoded_bytes().starts_with(b".")
}

/// A file's path as the pattern is matched with it, and whether that is its true name.
fn relative(entry: &DirEntry, root: &Path, prefix: &str) -> (String, bool) {
    let below = entry.path().strip_prefix(root).unwrap_or(entry.path());
    let mut relative = prefix.to_owned();
    let mut is_text = true;
    for part in below.components() {
        if !relative.is_empty() && !relative.ends_with('/') {
            relative.push('/');
        }
        is_text &= part.as_os_str().to_str().is_some();
        relative.push_str(&part.as_os_str().to_string_lossy());
    }
    (relative, is_text)
}

fn is_missing(error: &walkdir::Error) -> bool {
    error
        .io_error()
        .is_some_and(|error| error.kind() == std::io::ErrorKind::NotFound)
}

fn unreadable(pattern: &Text, error: &walkdir::Error, report: &mut Report) {
    let place = error.path().map_or_else(
        || "a folder".to_owned(),
        |path| format!("`{}`", report.sources.shown(path)),
    );
    let reason = error
        .io_error()
        .map_or_else(|| error.to_string(), |error| error.to_string());
    report
        .error_at(
            pattern.span,
            format!("can't read {place} below this pattern: {reason}"),
            "stems may be missing",
        )
        .help("make the folder readable, or name the folders to search");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_goes_no_further_than_its_pattern() {
        #[track_caller]
        fn check(pattern: &str, expected: (&str, usize)) {
            assert_eq!(reach(pattern), expected, "{pattern}");
        }
        check("*.wav", ("", 1));
        check("vocals/*.wav", ("vocals", 1));
        check("vocals/ep/*/take?.wav", ("vocals/ep", 2));
        check("vocals/**/*.wav", ("vocals", MAX_WALK_DEPTH));
        check("vocals/{a,b/c}.wav", ("vocals", MAX_WALK_DEPTH));
        check("/music/*.wav", ("/music", 1));
        check("/*.wav", ("/", 1));
        check("verse.wav", ("", 1));
    }
}
