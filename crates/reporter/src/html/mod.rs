//! `index.html`: one page to play all variants, compare them at the same position, and choose.
//!
//! ```text
//!  Summary + kept files ─► data.rs ─► JSON ─┐
//!  assets/*.js, style.css ──────────────────┼─► assets/page.hbs ─► index.html
//!  head (name, totals, failures) ───────────┘
//! ```
//!
//! It opens directly from disk: it contains its styles, scripts, data and waveforms, and names sound files by relative paths.
//! It sends no network request, and its Content-Security-Policy enforces this: it allows the page's own two scripts and its
//! style, by their hashes, and sound from its own place. Text from others is inserted by an escaping template or as JSON that
//! can't end its script element, and the page adds it to the document as text only.

mod data;
mod href;
mod live;

pub use live::{LiveFile, LivePage};

use backline_engine::kept_files::is_object;
use std::io;
use std::path::{Path, PathBuf};

use backline_engine::summary::Summary;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use handlebars::Handlebars;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::counts;
use crate::material::ReportInput;
use crate::printable::clean;
use crate::sound::{Progress, measure};
use crate::steps::tracks_and_artefacts;
use crate::text::rfc3339;

const PAGE: &str = include_str!("../../assets/page.hbs");
const STYLE: &str = concat!(
    include_str!("../../assets/style.css"),
    include_str!("../../assets/dialogs.css")
);

/// The page's script parts, in the order of their dependencies; all inside one function.
const SCRIPT: &str = concat!(
    "(() => {\n\"use strict\";\n",
    include_str!("../../assets/elements.js"),
    include_str!("../../assets/parts.js"),
    include_str!("../../assets/model.js"),
    include_str!("../../assets/filter.js"),
    include_str!("../../assets/marks.js"),
    include_str!("../../assets/waves.js"),
    include_str!("../../assets/transport.js"),
    include_str!("../../assets/tally.js"),
    include_str!("../../assets/grid.js"),
    include_str!("../../assets/details.js"),
    include_str!("../../assets/dock.js"),
    include_str!("../../assets/exports.js"),
    include_str!("../../assets/blind.js"),
    include_str!("../../assets/live.js"),
    include_str!("../../assets/main.js"),
    "})();\n",
);

/// Sets the colours before anything is drawn.
const EARLY_SCRIPT: &str = include_str!("../../assets/early.js");

/// The values for the template.
#[derive(Serialize)]
struct Page<'a> {
    name: String,
    manifest: String,
    provider: String,
    run: String,
    started: Option<String>,
    started_short: Option<String>,
    counts: String,
    gains: String,
    policy: String,
    style: &'a str,
    early_script: &'a str,
    script: &'a str,
    data: String,
}

/// Renders the report for a page in `dir`.
pub(crate) fn render(
    material: &ReportInput<'_>,
    dir: &Path,
    progress: &Progress<'_>,
) -> io::Result<Vec<u8>> {
    let sounds = measure(&data::sound_files(material), material.sound_cache, progress);
    let (folder, project_dir) = (absolute(dir), absolute(material.project_dir));
    let address = |path: &str| match is_object(path) {
        true => path.to_owned(),
        false => href::href(&folder, &project_dir.join(path)),
    };
    let data = data::PageData::new(material, &sounds, &address);
    lay_out(material.summary, &data, policy(""))
}

/// Renders the page around its data.
fn lay_out(summary: &Summary, data: &data::PageData, policy: String) -> io::Result<Vec<u8>> {
    let run = &summary.run;
    let page = Page {
        name: clean(&run.name),
        manifest: clean(&run.manifest),
        provider: clean(&run.provider),
        run: clean(&run.id),
        started_short: rfc3339(run.started_ms).map(|time| minute(&time)),
        started: rfc3339(run.started_ms),
        counts: held(summary),
        gains: gains(summary),
        policy,
        style: STYLE,
        early_script: EARLY_SCRIPT,
        script: SCRIPT,
        data: in_script(&serde_json::to_string(data)?),
    };
    let mut registry = Handlebars::new();
    registry.set_strict_mode(true);
    registry
        .render_template(PAGE, &page)
        .map(String::into_bytes)
        .map_err(io::Error::other)
}

/// `24 jobs: 18 kept, 6 not bought · 36 tracks`.
fn held(summary: &Summary) -> String {
    format!(
        "{} · {}{}",
        counts::counts(&summary.totals),
        tracks_and_artefacts(summary.totals.tracks, summary.totals.artefacts),
        counts::earlier(summary).map_or_else(String::new, |it| format!(" · {it}")),
    )
}

/// `This run: 6 of 24 jobs submitted, 10 tracks downloaded; credits: …`.
fn gains(summary: &Summary) -> String {
    format!(
        "This run: {}; {}",
        counts::this_run(&summary.this_run, &summary.totals),
        counts::credits(summary)
    )
}

/// `2026-01-05 12:00 UTC` for a time of RFC 3339 in UTC.
fn minute(time: &str) -> String {
    format!(
        "{} UTC",
        time.chars().take(16).collect::<String>().replace('T', " ")
    )
}

/// The absolute form of a path; the path itself if the current folder is not known.
fn absolute(path: &Path) -> PathBuf {
    // An empty path means the current folder, but `absolute` refuses it.
    let path = if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    };
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// The Content-Security-Policy: the page may run its two scripts, use its style, play sound from nearby, and do what `more`
/// allows; nothing else.
fn policy(more: &str) -> String {
    let hash = |text: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)));
    format!(
        "default-src 'none'; script-src {} {}; style-src {}; media-src 'self' file:; img-src data:; base-uri 'none'; form-action 'none'{more}",
        hash(EARLY_SCRIPT),
        hash(SCRIPT),
        hash(STYLE),
    )
}

/// JSON that neither ends its script element nor starts a comment in it.
fn in_script(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '<' => text.push_str("\\u003c"),
            '>' => text.push_str("\\u003e"),
            '&' => text.push_str("\\u0026"),
            c => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::example;

    fn page(story: &example::ExampleRun) -> String {
        let bytes = story.material(|material| render(material, Path::new("out"), &|_, _| {}));
        String::from_utf8(bytes.unwrap()).unwrap()
    }

    /// The JSON that stands in a page.
    fn data_of(page: &str) -> &str {
        let start = r#"<script id="data" type="application/json">"#;
        let from = page.find(start).unwrap() + start.len();
        &page[from..from + page[from..].find("</script>").unwrap()]
    }

    #[test]
    fn the_data_of_a_run() {
        let page = page(&example::ExampleRun::new());
        let data: serde_json::Value = serde_json::from_str(data_of(&page)).unwrap();
        insta::assert_yaml_snapshot!(data);
    }

    #[test]
    fn steps_belong_to_the_tracks_of_their_songs() {
        let summary = example::with_steps();
        let story = example::ExampleRun::new();
        let bytes = story.material(|material| {
            let material = ReportInput {
                summary: &summary,
                ..*material
            };
            render(&material, Path::new("out"), &|_, _| {})
        });
        let page = String::from_utf8(bytes.unwrap()).unwrap();
        let data: serde_json::Value = serde_json::from_str(data_of(&page)).unwrap();
        assert_eq!(data["jobs"].as_array().unwrap().len(), 5);
        let tracks = data["jobs"][0]["tracks"].as_array().unwrap().iter();
        let steps: Vec<_> = tracks
            .map(|track| (&track["sets"], &track["made"], &track["open"]))
            .collect();
        insta::assert_yaml_snapshot!(steps);
    }

    #[test]
    fn notes_are_not_measured() {
        let summary = example::with_steps();
        let story = example::ExampleRun::new();
        let wanted = story.material(|material| {
            let material = ReportInput {
                summary: &summary,
                ..*material
            };
            data::sound_files(&material)
        });
        let names: Vec<_> = wanted.iter().map(|it| it.path.to_str().unwrap()).collect();
        assert!(names.iter().any(|name| name.ends_with("new-1-vocal.mp3")));
        assert!(
            !names.iter().any(|name| name.ends_with(".mid")),
            "{names:?}"
        );
    }

    #[test]
    fn the_page_around_the_data() {
        let page = page(&example::ExampleRun::new());
        let shown = page
            .replace(STYLE, "[style]")
            .replace(SCRIPT, "[script]")
            .replace(EARLY_SCRIPT, "[early script]")
            .replace(data_of(&page), "[data]")
            .replace(&handlebars::html_escape(&policy("")), "[policy]");
        insta::assert_snapshot!(shown);
    }

    #[test]
    fn the_same_run_gives_the_same_bytes() {
        let story = example::ExampleRun::new();
        assert_eq!(page(&story), page(&story));
    }

    #[test]
    fn nothing_in_it_comes_from_elsewhere() {
        // The parts of our own, without what a run says: no address of a network, no code from text, no markup from text.
        for part in [PAGE, STYLE, SCRIPT, EARLY_SCRIPT] {
            for never in [
                "http:",
                "https:",
                "//cdn",
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "eval(",
                "Function(",
                "document.write",
                "fetch(",
                "XMLHttpRequest",
                "@import",
            ] {
                assert!(!part.contains(never), "{never}");
            }
            assert!(!part.contains("url(") || part.contains("url(data:"));
        }
    }

    proptest! {
        #[test]
        fn no_word_of_a_vendor_leaves_its_script(words in prop_oneof![any::<String>(), "(</script>|<!--|<script|&lt;|\\{\\{|[a-z\"\\\\]){0,8}"]) {
            let mut summary = example::summary();
            summary.jobs[0].tracks[0].title.clone_from(&words);
            summary.jobs[2].error = Some(words.clone());
            summary.run.name.clone_from(&words);
            let story = example::ExampleRun::new();
            let before = page(&story);
            let bytes = story.material(|material| render(&ReportInput { summary: &summary, ..*material }, Path::new("out"), &|_, _| {}));
            let after = String::from_utf8(bytes.unwrap()).unwrap();
            for tag in ["<script", "</script", "<!--", "<style"] {
                prop_assert_eq!(after.matches(tag).count(), before.matches(tag).count(), "{}", tag);
            }
            let data: serde_json::Value = serde_json::from_str(data_of(&after)).unwrap();
            prop_assert_eq!(data["jobs"][0]["tracks"][0]["title"].as_str().unwrap(), clean(&words));
        }
    }
}
