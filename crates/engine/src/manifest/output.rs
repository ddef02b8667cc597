//! `output`: where tracks are kept. Checks every name that a plan would give before anything is bought.

use std::collections::HashMap;
use std::path::Path;

use indexmap::IndexMap;

use crate::manifest::hooks;
use crate::manifest::matrix::axes::Matrix;
use crate::manifest::matrix::compile::Compiler;
use crate::manifest::matrix::expand::job_name;
use crate::manifest::source::fields::{self, Fields, Text};
use crate::manifest::source::files::Span;
use crate::manifest::source::node::Node;
use crate::manifest::source::report::Report;
use crate::manifest::template::scope::{OUTPUT_ROOTS, Scope};
use crate::manifest::template::{compile, fixed};
use crate::plan::{Namer, Output, TrackName, one_name};

const KEYS: &[&str] = &["dir", "file", "loudness", "store", "tags"];

/// What `output` says.
pub(crate) struct ReadOutput {
    pub(crate) output: Output,
    /// Whether the loudness of kept files is measured.
    pub(crate) loudness: bool,
    /// The position of the names' template.
    pub(crate) file_span: Span,
}

pub(crate) fn read_output(
    fields: &Fields<'_>,
    folder: &Path,
    matrix: &Matrix,
    compiler: &mut Compiler<'_>,
    render: &fixed::RenderFixed<'_>,
    report: &mut Report,
) -> Option<ReadOutput> {
    let section = fields.get("output");
    let section = match section {
        Some(node) => Some(Fields::read(node, "`output`", KEYS, report)?),
        None => None,
    };
    let dir = section
        .as_ref()
        .and_then(|section| section.text("dir", report));
    let dir = match dir {
        Some(dir) => render(&dir, report),
        None => Some(format!("out/{}", compiler.fixed.name)),
    };
    let file = section
        .as_ref()
        .and_then(|section| section.text("file", report));
    let file = file.unwrap_or_else(|| Text {
        text: default_file(matrix),
        span: fields.span,
    });
    let section = section.as_ref();
    let loudness = section.is_some_and(|section| option(section, "loudness", report));
    let tags = section.is_some_and(|section| option(section, "tags", report));
    if let Some(node) = section.and_then(|section| section.get("tags"))
        && tags
        && !cfg!(feature = "tags")
    {
        hooks::not_built("`output.tags`", "tags", node, report);
    }
    let store = match section.and_then(|section| section.get("store")) {
        Some(node) => Some(read_store(node, folder, render, report)?),
        None => None,
    };
    let scope = Scope {
        roots: OUTPUT_ROOTS,
        ..compiler.scope.clone()
    };
    let template = compile::compile(&file.text, file.span, &scope, report)?;
    compiler
        .used
        .borrow_mut()
        .extend(template.vars().map(str::to_owned));
    compiler
        .preset_vars
        .extend(template.preset_vars().map(str::to_owned));
    let stems = matrix
        .stems
        .iter()
        .map(|stem| (stem.id.clone(), stem.vars.clone()))
        .collect();
    let presets = matrix
        .presets
        .iter()
        .map(|preset| (preset.id.to_string(), preset.vars.clone()))
        .collect();
    Some(ReadOutput {
        output: Output::new(
            folder.join(dir?),
            tags,
            template,
            compiler.fixed.clone(),
            stems,
            presets,
        )
        .in_store(store),
        loudness,
        file_span: file.span,
    })
}

/// The address of the object store that tracks are kept in, without `/` at its end. Nothing in it is percent-encoded.
fn read_store(
    node: &Node,
    folder: &Path,
    render: &fixed::RenderFixed<'_>,
    report: &mut Report,
) -> Option<String> {
    const NAME: &str = "`output.store`";
    if !cfg!(feature = "store") {
        hooks::not_built(NAME, "store", node, report);
        return None;
    }
    let text = fields::text(node, NAME, report)?;
    let rendered = render(&text, report)?;
    let url = hooks::store_url(NAME, &rendered, &text, folder, report)?;
    let is_plain = url.username().is_empty() && url.password().is_none();
    if !is_plain || url.query().is_some() || url.fragment().is_some() {
        report
            .error_at(
                text.span,
                format!("{NAME} has more than a bucket and a path"),
                "expected `s3://bucket/path`",
            )
            .help("credentials are read from the environment: AWS_ACCESS_KEY_ID, AWS_ENDPOINT, …");
        return None;
    }
    let address = match url.to_file_path() {
        Ok(path) if url.scheme() == "file" => format!("file://{}", path.display()),
        _ => rendered,
    };
    Some(address.trim_end_matches('/').to_owned())
}

/// Whether an option is on.
fn option(section: &Fields<'_>, name: &str, report: &mut Report) -> bool {
    let node = section.get(name);
    node.and_then(|node| fields::truth(node, &format!("`{name}`"), report))
        .unwrap_or(false)
}

/// A name for each track that differs in whatever the manifest varies.
pub(crate) fn default_file(matrix: &Matrix) -> String {
    let mut file = "{{stem.id}}/{{preset.id}}".to_owned();
    for dimension in &matrix.dimensions {
        let name = dimension.setting.name;
        file.push_str(&if dimension.setting.kind.is_prose() {
            format!("-{{{{slug sweep.{name}}}}}")
        } else {
            format!("-{{{{sweep.{name}}}}}")
        });
    }
    if matrix.takes > 1 {
        file.push_str("-{{take}}");
    }
    file.push_str("-{{track.index}}");
    file
}

/// Names the first two tracks of every job: portable, and no name twice, whatever the case of its letters and however they are
/// composed: `é` is one character or two, and some file systems take both for one name.
///
/// `jobs` are their coordinates: stem, preset, point and take.
pub(crate) fn check_names(
    jobs: &[[u32; 4]],
    matrix: &Matrix,
    output: &Output,
    span: Span,
    report: &mut Report,
) {
    let mut namer = Namer::new(output);
    let mut causes: IndexMap<NameProblem, (String, Vec<usize>)> = IndexMap::new();
    let mut seen: HashMap<[u8; 16], usize> = HashMap::with_capacity(2 * jobs.len());
    for (at, job) in jobs.iter().enumerate() {
        let [stem, preset, point, take] = *job;
        namer.place(
            &matrix.stems[stem as usize].id,
            &matrix.presets[preset as usize].id,
            &matrix.points[point as usize].sweep,
            take,
        );
        for index in 1..=2 {
            // Ids are as long and as different as vendors' are.
            let id = if index == 1 {
                "11111111-2222-4333-8444-555555555555"
            } else {
                "66666666-2222-4333-8444-555555555555"
            };
            let track = TrackName {
                run: "00000000-0000-7000-8000-000000000000",
                index,
                id,
                artefact: "",
            };
            let other = match namer.name(track) {
                Ok(name) => {
                    let hash = blake3::hash(one_name(name).as_bytes());
                    let mut short = [0; 16];
                    short.copy_from_slice(&hash.as_bytes()[..16]);
                    match seen.insert(short, at) {
                        Some(other) => Ok((name.to_owned(), other)),
                        None => continue,
                    }
                }
                Err(reason) => Err(reason),
            };
            let this = job_name(matrix, *job);
            let (cause, message) = match other {
                Ok((name, other)) if other == at => (
                    NameProblem::Tracks,
                    format!("both tracks of `{this}` would be kept as `{name}`"),
                ),
                Ok((name, other)) => {
                    let other = job_name(matrix, jobs[other]);
                    (
                        NameProblem::Jobs,
                        format!("`{other}` and `{this}` would both be kept as `{name}`"),
                    )
                }
                Err(reason) => {
                    let message = format!("can't name the files of `{this}`: {reason}");
                    (NameProblem::NoName(reason.to_string()), message)
                }
            };
            let (_, jobs) = causes.entry(cause).or_insert((message, Vec::new()));
            if jobs.last() != Some(&at) {
                jobs.push(at);
            }
        }
    }
    for (cause, (message, jobs)) in causes {
        let (label, help) = match cause {
            NameProblem::Tracks => (
                "gives one name twice",
                "put `{{track.index}}` into `output.file`",
            ),
            NameProblem::Jobs => (
                "gives one name twice",
                "put what differs into `output.file`: the stem, the preset, swept settings, the take",
            ),
            NameProblem::NoName(_) => (
                "made by this template",
                "change `output.file`, or wrap the variable: `{{slug stem.id}}`",
            ),
        };
        let error = report.error_at(span, message, label).help(help);
        match jobs.len() - 1 {
            0 => {}
            1 => _ = error.note("the same with 1 more job"),
            more => _ = error.note(format!("the same with {more} more jobs")),
        }
    }
}

/// What is wrong with names: one cause is one error, however many jobs it spoils.
#[derive(PartialEq, Eq, Hash)]
enum NameProblem {
    /// The tracks of a job have one name.
    Tracks,
    /// Two jobs have one name.
    Jobs,
    /// There is no name, for this reason.
    NoName(String),
}
