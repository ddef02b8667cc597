//! `summary.csv`: one line for each file of a job, for spreadsheets and data frames.
//!
//! ```csv
//! run,key,stem,preset,sweep.model,take,state,task_id,attempts,credits,error_code,error,track,track_id,title,audio_url,…
//! 0193…,5b1c…,chorus,lofi,V5,1,kept,0123abcd,1,12,,,1,1111…,Chorus (lofi),https://cdn.example.com/a.mp3,…
//! 0193…,5b1c…,chorus,lofi,V5,1,kept,0123abcd,1,12,,,2,2222…,Chorus (lofi),https://cdn.example.com/b.mp3,…
//! 0193…,9f00…,verse,lofi,V5,1,failed,,1,0,400,'=the vendor's words,,,,,…
//! ```
//!
//! A [spreadsheet's table](crate::spreadsheet): a header line, then every job of the manifest in plan order, with its tracks in
//! the vendor's order. The columns are [`COLUMNS_BEFORE_SWEEP`], one `stem.vars.NAME` for each variable of the stems (a
//! catalogue's columns), one `sweep.NAME` for each setting of the sweep (both in the order of the first job that has it), and
//! [`COLUMNS_AFTER_SWEEP`].
//!
//! * `run` is the last run that submitted the job. `in_manifest` is `no` for a job that is no longer in the manifest.
//! * `operation` is what was bought: `add-instrumental` for a song. The row of a step has the name of its `step`, the key of
//!   the job whose result it processed (`parent`), the track of the song (`song_track`; in a song's own row its `track`) and
//!   the kind of its file (`artefact`: `wav`, `vocal`, `midi`).
//! * A job without tracks has one line with empty track columns. A job's own values are repeated on each of its lines: to sum
//!   credits, use the lines whose `track` is empty or 1.
//! * `credits` are credits, `bytes` bytes, `duration_s` seconds. `lufs` and `true_peak_dbtp` are the loudness that
//!   `output.loudness` or a hook recorded; without one, `lufs` is the page's measurement.
//! * `key_signature`, `tempo_bpm`, `metre` (each with the provider's confidence from 0 to 1, if it reports one), `instruments`,
//!   `chords` and `remarks` are what the provider reports about the music.
//! * `star`, `note` and the `blind_…` counts are the ratings that `--ratings` joins. `unverified` is the reason why a kept file
//!   could not be verified to be complete.
//! * `created` and `expires` are RFC 3339 in UTC.
//!
//! An embedded studio ends with its run, so its links are left out. An unknown value is empty, and so is a time that RFC 3339
//! can't represent.
//!
//! Each text is on one line: line breaks and tabs are spaces, and a character that could control a terminal (control
//! characters, marks that reorder or hide text) is `�`. `summary.json` has the original texts.

use std::io::{self, Write};
use std::path::Path;

use backline_engine::event::KeptFile;
use backline_engine::plan::JobStep;
use backline_engine::summary::{JobSummary, Rating, Summary, TrackSummary};
use indexmap::{IndexMap, IndexSet};

use crate::material::links_lead_somewhere;
use crate::music;
use crate::sound::measured_lufs;
use crate::spreadsheet::{csv_text as text, csv_writer};
use crate::steps::operation;
use crate::text::{figure, rfc3339};

/// The columns before those of the stems' variables and the sweep.
pub(crate) const COLUMNS_BEFORE_SWEEP: [&str; 4] = ["run", "key", "stem", "preset"];

/// The columns after those of the sweep: first the job's, then its track's. Columns that were added later come last, so that
/// the others keep their places.
pub(crate) const COLUMNS_AFTER_SWEEP: [&str; 45] = [
    "take",
    "state",
    "task_id",
    "attempts",
    "credits",
    "error_code",
    "error",
    "track",
    "track_id",
    "title",
    "audio_url",
    "stream_url",
    "image_url",
    "file",
    "sha256",
    "bytes",
    "duration_s",
    "mix_file",
    "mix_sha256",
    "created",
    "expires",
    "lufs",
    "true_peak_dbtp",
    "key_signature",
    "key_confidence",
    "tempo_bpm",
    "tempo_confidence",
    "metre",
    "metre_confidence",
    "instruments",
    "chords",
    "remarks",
    "problem",
    "unverified",
    "star",
    "note",
    "blind_won",
    "blind_lost",
    "blind_same",
    "in_manifest",
    "operation",
    "parent",
    "step",
    "song_track",
    "artefact",
];

/// Writes the report.
///
/// `sound_cache` is the folder of the measurements that were made for the page.
pub(crate) fn write(
    summary: &Summary,
    sound_cache: Option<&Path>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let links = links_lead_somewhere(summary);
    let more = |track: &TrackSummary| More {
        lufs: measured_lufs(track, sound_cache),
        links,
    };
    let vars = names(summary, |job| &job.vars);
    let sweep = names(summary, |job| &job.sweep);
    let mut table = csv_writer(out)?;
    let of_stem = vars.iter().map(|name| format!("stem.vars.{name}"));
    let swept = sweep.iter().map(|name| format!("sweep.{name}"));
    let header = COLUMNS_BEFORE_SWEEP
        .into_iter()
        .map(str::to_owned)
        .chain(of_stem)
        .chain(swept);
    table.write_record(header.chain(COLUMNS_AFTER_SWEEP.into_iter().map(str::to_owned)))?;
    for job in &summary.jobs {
        let of_job = job_cells(job, &vars, &sweep);
        let mut row = |track: Option<&TrackSummary>| {
            let of_track = track_cells(track.map(|track| (track, more(track))));
            let last = last_cells(job, track);
            table.write_record(of_job.iter().chain(&of_track).chain(&last))
        };
        if job.tracks.is_empty() {
            row(None)?;
        }
        for track in &job.tracks {
            row(Some(track))?;
        }
    }
    table.flush()
}

/// The names of a table's columns: those of the first job in its order, then those that only later jobs have.
fn names<'a>(
    summary: &'a Summary,
    of: impl Fn(&'a JobSummary) -> &'a IndexMap<String, String>,
) -> Vec<&'a str> {
    let names: IndexSet<&str> = summary
        .jobs
        .iter()
        .flat_map(|job| of(job).keys())
        .map(String::as_str)
        .collect();
    names.into_iter().collect()
}

fn job_cells(job: &JobSummary, vars: &[&str], sweep: &[&str]) -> Vec<String> {
    let cell = |map: &IndexMap<String, String>, name: &str| {
        map.get(name).map_or_else(String::new, |value| text(value))
    };
    let mut cells = vec![
        text(job.run.as_deref().unwrap_or_default()),
        text(&job.key),
        text(&job.stem),
        text(&job.preset),
    ];
    cells.extend(vars.iter().map(|name| cell(&job.vars, name)));
    cells.extend(sweep.iter().map(|name| cell(&job.sweep, name)));
    cells.extend([
        job.take.to_string(),
        text(job.state.as_str()),
        text(job.task_id.as_deref().unwrap_or_default()),
        job.attempts.to_string(),
        figure(job.credits),
        job.error_code
            .map(|code| code.to_string())
            .unwrap_or_default(),
        text(job.error.as_deref().unwrap_or_default()),
    ]);
    cells
}

/// The data of a track's row that are not in its summary.
struct More {
    /// The loudness.
    lufs: Option<f64>,
    /// Whether the provider's links work.
    links: bool,
}

/// The columns from `track` on; all empty if the job has no tracks.
fn track_cells(track: Option<(&TrackSummary, More)>) -> [String; 32] {
    let Some((track, more)) = track else {
        return Default::default();
    };
    let optional = |value: &Option<String>| value.as_deref().map(text).unwrap_or_default();
    let link = |url: &Option<String>| optional(&url.clone().filter(|_| more.links));
    let time = |unix_ms: Option<i64>| unix_ms.and_then(rfc3339).unwrap_or_default();
    let of =
        |file: Option<&KeptFile>, cell: fn(&KeptFile) -> String| file.map(cell).unwrap_or_default();
    let (file, mix) = (track.file.as_deref(), track.mix.as_deref());
    let loudness = track.loudness;
    let music = track.music.as_deref().cloned().unwrap_or_default();
    let rated = |cell: fn(&Rating) -> String| track.rating.as_ref().map(cell).unwrap_or_default();
    let number = |value: Option<f64>| value.map(figure).unwrap_or_default();
    [
        track.index.to_string(),
        text(&track.id),
        text(&track.title),
        link(&track.audio_url),
        link(&track.stream_url),
        link(&track.image_url),
        of(file, |file| text(&file.path)),
        of(file, |file| text(&file.sha256)),
        of(file, |file| file.length_bytes.to_string()),
        of(file, |file| figure(file.duration_s)),
        of(mix, |file| text(&file.path)),
        of(mix, |file| text(&file.sha256)),
        time(track.created_ms),
        time(track.expires_ms),
        number(more.lufs),
        loudness
            .map(|it| figure(it.true_peak_dbtp))
            .unwrap_or_default(),
        optional(&music.key),
        number(music.confidence.key),
        number(music.tempo_bpm),
        number(music.confidence.tempo),
        optional(&music.metre),
        number(music.confidence.metre),
        text(&music.instruments.join(", ")),
        text(&music::chord_names(&music).join(" ")),
        text(&music::remarks(&music).collect::<Vec<_>>().join("; ")),
        optional(&track.problem),
        track.unverified().map(text).unwrap_or_default(),
        rated(|rating| u8::from(rating.star).to_string()),
        rated(|rating| text(rating.note.as_deref().unwrap_or_default())),
        rated(|rating| rating.won.to_string()),
        rated(|rating| rating.lost.to_string()),
        rated(|rating| rating.same.to_string()),
    ]
}

/// The columns from `in_manifest` on.
fn last_cells(job: &JobSummary, track: Option<&TrackSummary>) -> [String; 6] {
    let step = job.step.as_deref();
    let of_step = |cell: &dyn Fn(&JobStep) -> String| step.map_or_else(String::new, cell);
    let song_track = match (step, track) {
        (Some(step), _) if step.track > 0 => Some(step.track),
        (_, track) => track.map(|track| track.index),
    };
    [
        if job.in_manifest { "yes" } else { "no" }.to_owned(),
        text(operation(job)),
        of_step(&|step| step.parent.to_string()),
        of_step(&|step| text(&step.name)),
        song_track.map(|it| it.to_string()).unwrap_or_default(),
        track.map(|it| text(&it.artefact)).unwrap_or_default(),
    ]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::example;
    use crate::printable::clean;
    use crate::spreadsheet::plain;

    fn rendered(summary: &Summary) -> Vec<u8> {
        let mut bytes = Vec::new();
        write(summary, None, &mut bytes).unwrap();
        bytes
    }

    fn read(bytes: &[u8]) -> Vec<Vec<String>> {
        csv::ReaderBuilder::new()
            .has_headers(false)
            .from_reader(bytes)
            .records()
            .map(|line| line.unwrap().iter().map(str::to_owned).collect())
            .collect()
    }

    #[test]
    fn the_report_of_a_run() {
        insta::assert_snapshot!(String::from_utf8(rendered(&example::summary())).unwrap());
    }

    #[test]
    fn a_step_has_a_row_for_each_of_its_files() {
        let summary = example::with_steps();
        let lines = read(&rendered(&summary));
        let at = |name: &str| lines[0].iter().position(|column| column == name).unwrap();
        assert_eq!(
            at("operation"),
            lines[0].len() - 5,
            "the others keep their places"
        );
        let columns = [
            "operation",
            "parent",
            "step",
            "song_track",
            "artefact",
            "file",
        ]
        .map(at);
        let song = summary.jobs[0].key.as_str();
        let stems = summary.jobs[2].key.as_str();
        let rows: Vec<[&str; 6]> = lines[1..]
            .iter()
            .map(|line| columns.map(|column| line[column].as_str()))
            .collect();
        let song_file = |index: &str| format!("tracks/chorus/new-{index}.mp3");
        let (first, second) = (song_file("1"), song_file("2"));
        let expected = [
            ["add-instrumental", "", "", "1", "", &first],
            ["add-instrumental", "", "", "2", "", &second],
            [
                "wav",
                song,
                "wav",
                "1",
                "wav",
                "tracks/chorus/new-1-wav.wav",
            ],
            [
                "stems",
                song,
                "split_stem",
                "1",
                "vocal",
                "tracks/chorus/new-1-vocal.mp3",
            ],
            [
                "stems",
                song,
                "split_stem",
                "1",
                "drums",
                "tracks/chorus/new-1-drums.mp3",
            ],
            [
                "stems",
                song,
                "split_stem",
                "1",
                "bass",
                "tracks/chorus/new-1-bass.mp3",
            ],
            [
                "midi",
                stems,
                "midi",
                "1",
                "midi",
                "tracks/chorus/new-1-midi.mid",
            ],
            [
                "wav",
                song,
                "wav",
                "2",
                "wav",
                "tracks/chorus/new-2-wav.wav",
            ],
            ["stems", song, "split_stem", "2", "", ""],
        ];
        assert_eq!(rows[..expected.len()], expected);
    }

    #[test]
    fn a_spreadsheet_takes_it_for_utf_8() {
        let mut summary = example::summary();
        summary.jobs[0].stem = "Chloé".into();
        let bytes = rendered(&summary);
        assert!(bytes.starts_with(b"\xef\xbb\xbfrun,"));
        assert_eq!(read(&bytes)[1][2], "Chloé");
    }

    #[test]
    fn a_run_without_jobs_is_a_header() {
        let mut summary = example::summary();
        summary.jobs.clear();
        let lines = read(&rendered(&summary));
        assert_eq!(
            lines,
            [[&COLUMNS_BEFORE_SWEEP[..], &COLUMNS_AFTER_SWEEP].concat()]
        );
    }

    #[test]
    fn a_number_is_written_as_it_is() {
        let mut summary = example::summary();
        summary.jobs[0].error_code = Some(-1);
        let lines = read(&rendered(&summary));
        let column = lines[0]
            .iter()
            .position(|name| name == "error_code")
            .unwrap();
        assert_eq!(lines[1][column], "-1");
    }

    proptest! {
        #[test]
        fn any_text_survives(
            value in prop_oneof!["\\PC*", any::<String>(), "['=+@\t\r\n\"＝,;-]{0,6}[a-z\"\r\n]{0,3}"],
            sweep in any::<String>(),
        ) {
            let mut summary = example::summary();
            let job = &mut summary.jobs[0];
            job.stem = value.as_str().into();
            job.error = Some(value.clone());
            std::sync::Arc::make_mut(&mut job.sweep).insert("tags".to_owned(), sweep.clone());
            job.tracks[0].title.clone_from(&value);
            let lines = read(&rendered(&summary));
            let cell = |name: &str| plain(&lines[1][lines[0].iter().position(|column| column == name).unwrap()]).to_owned();
            let value = clean(&value);
            prop_assert_eq!(cell("stem"), value.clone());
            prop_assert_eq!(cell("error"), value.clone());
            prop_assert_eq!(cell("title"), value.clone());
            prop_assert_eq!(cell("sweep.tags"), clean(&sweep));
            prop_assert!(!cell("title").chars().any(char::is_control));
            prop_assert!(lines.iter().all(|line| line.len() == lines[0].len()));
        }
    }
}
