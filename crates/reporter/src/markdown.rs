//! `summary.md`: the state of a manifest's jobs after a run, for `$GITHUB_STEP_SUMMARY` and pull requests.
//!
//! ```markdown
//! ## Some jobs are in doubt
//!
//! | jobs | kept | in progress | to fetch | not bought | failed | partial | in doubt | tracks | credits |
//! |---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|
//! | 24 | 18 | 0 | 0 | 0 | 3 | 0 | 3 | 36 | 264 |
//!
//! This run: 6 of 24 jobs submitted, 10 tracks downloaded; credits: …
//!
//! | | `lofi` | `jazz` |
//! |---|:---:|:---:|
//! | `chorus` | `==`<br>WAV 4/4, stems 3/4 | `=?` |
//! ```
//!
//! A cell has a sign for each job, as in a plan's table: `=` kept, `>` in progress, `f` to fetch, `+` not bought, … Steps have
//! no sign: the number of kept steps is below the signs of their songs.
//! Text from others is inside a code span, where nothing is markup, a link, a mention or an image. GitHub accepts 1 MiB for a
//! step. The tables are cut well below that, with a count of the omitted entries.

use std::collections::HashMap;
use std::fmt::Write as _;

use backline_engine::event::Outcome;
use backline_engine::status::Sign;
use backline_engine::summary::{JobSummary, Summary};
use indexmap::IndexMap;

use crate::code::{code_cell, code_span};
use crate::grid::markdown_grid_with;
use crate::label::job_label;
use crate::music::remarks;
use crate::outcome::headline;
use crate::preferences::preferences;
use crate::sign::{sign, why};
use crate::steps::{StepOf, Steps, tally};
use crate::text::{count, failure_text, figure, rfc3339};

/// Most stems and most presets in the table: as many as a person can read through.
const MAX_ROWS: usize = 200;
const MAX_COLUMNS: usize = 50;

/// Most jobs that are listed individually.
const MAX_LISTED: usize = 100;

/// Widest name in a table, and longest part of a vendor's message, in columns.
const NAME_COLUMNS: usize = 60;
const EXCERPT_COLUMNS: usize = 300;

/// The report's bytes.
pub(crate) fn render(summary: &Summary) -> Vec<u8> {
    let mut text = head(summary);
    grid(&mut text, summary);
    attention(&mut text, summary);
    music(&mut text, summary);
    ratings(&mut text, summary);
    text.into_bytes()
}

fn head(summary: &Summary) -> String {
    let (run, totals) = (&summary.run, &summary.totals);
    let mut text = format!("## {}\n\n", outcome(summary));
    let (of_steps, rule, artefacts) = match totals.artefacts {
        0 => Default::default(),
        number => (" files of steps |", "---:|", format!(" {number} |")),
    };
    let _ = writeln!(
        text,
        "| jobs | kept | in progress | to fetch | not bought | failed | partial | in doubt | tracks |{of_steps} credits |"
    );
    let _ = writeln!(
        text,
        "|---:|---:|---:|---:|---:|---:|---:|---:|---:|{rule}---:|"
    );
    let _ = writeln!(
        text,
        "| {} | {} | {} | {} | {} | {} | {} | {} | {} |{artefacts} {} |\n",
        totals.jobs,
        totals.kept,
        totals.in_progress,
        totals.to_fetch,
        totals.planned,
        totals.failed,
        totals.partial,
        totals.in_doubt,
        totals.tracks,
        figure(totals.credits),
    );
    let time = |ms: i64| rfc3339(ms).unwrap_or_else(|| "an unknown time".to_owned());
    let _ = write!(
        text,
        "{} from {} with {}, {}",
        code_span(&run.name, NAME_COLUMNS),
        code_span(&run.manifest, EXCERPT_COLUMNS),
        code_span(&run.provider, NAME_COLUMNS),
        time(run.started_ms)
    );
    if let Some(ended_ms) = run.ended_ms {
        let _ = write!(text, " to {}", time(ended_ms));
    }
    let _ = writeln!(text, ", run {}\n", code_span(&run.id, NAME_COLUMNS));
    let this_run = crate::counts::this_run(&summary.this_run, totals);
    let _ = writeln!(
        text,
        "This run: {}; {}\n",
        code_span(&this_run, EXCERPT_COLUMNS),
        crate::counts::credits(summary)
    );
    text
}

fn outcome(summary: &Summary) -> String {
    match &summary.run.outcome {
        Some(Outcome::Refused { code, message, .. }) => {
            let said = failure_text(*code, message);
            format!(
                "The provider refuses to go on: {}",
                code_span(&said, EXCERPT_COLUMNS)
            )
        }
        Some(Outcome::Stopped { .. }) => "Stopped; the same command resumes".to_owned(),
        _ => headline(summary),
    }
}

/// Stems × presets, with a sign for each job.
fn grid(text: &mut String, summary: &Summary) {
    if summary.jobs.is_empty() {
        return;
    }
    let steps = Steps::of(summary);
    let jobs = || {
        let jobs = summary.jobs.iter().filter(|job| job.in_manifest);
        jobs.filter(|job| steps.is_alone(job))
    };
    let mut of_cells: HashMap<(&str, &str), Vec<StepOf<'_>>> = HashMap::new();
    for job in jobs() {
        let cell = of_cells.entry((&job.stem, &job.preset)).or_default();
        cell.extend(steps.of_song(job));
    }
    of_cells.retain(|_, steps| !steps.is_empty());
    let notes = of_cells.into_iter().map(|(cell, steps)| {
        let tally = tally(steps);
        let names = tally
            .iter()
            .map(|(name, (kept, all))| format!("{} {kept}/{all}", step_title(name)));
        (cell, names.collect::<Vec<_>>().join(", "))
    });
    let signs = jobs().map(|job| {
        let sign = sign(job, &summary.run).symbol();
        (&*job.stem, &*job.preset, sign)
    });
    let grid = markdown_grid_with(signs, &notes.collect(), MAX_ROWS, MAX_COLUMNS);
    text.push_str(&grid.text);
    text.push_str(
        "\n`=` kept · `>` in progress · `f` to fetch · `+` not bought · `~` changed, not bought · `?` in doubt · `!` failed · `p` partial · `v` vetoed · `x` expired\n",
    );
    if let Some(earlier) = crate::counts::earlier(summary) {
        let _ = writeln!(text, "\nBeside them: {earlier}");
    }
    let rest = [
        (grid.stems_left, "more stem"),
        (grid.presets_left, "more preset"),
    ];
    for (number, noun) in rest.into_iter().filter(|(number, _)| *number > 0) {
        let _ = writeln!(
            text,
            "\nand {}; the other reports have them",
            count(number as u64, noun)
        );
    }
}

/// The title of a step in a table.
fn step_title(name: &str) -> String {
    match name {
        "wav" => "WAV".to_owned(),
        "midi" => "MIDI".to_owned(),
        "stems" => "stems".to_owned(),
        name => code_cell(name, NAME_COLUMNS),
    }
}

/// The ratings by preset and by the values of each swept setting. A comparison of two tracks with the same value is left out.
fn ratings(text: &mut String, summary: &Summary) {
    let preferences = preferences(summary);
    if preferences.is_empty() {
        return;
    }
    text.push_str("\n### Ratings\n\n| | | rated tracks | stars | won | lost | no difference | share | 95 % interval |\n|---|---|---:|---:|---:|---:|---:|---:|---|\n");
    for ((name, value), tally) in preferences.iter().take(MAX_LISTED) {
        let percent = |share: f64| format!("{} %", (share * 100.0).round());
        let (share, interval) =
            tally
                .share()
                .map_or_else(Default::default, |(share, low, high)| {
                    (
                        percent(share),
                        format!("{} – {}", percent(low), percent(high)),
                    )
                });
        let _ = writeln!(
            text,
            "| {} | {} | {} of {} | {} | {} | {} | {} | {share} | {interval} |",
            code_cell(name, NAME_COLUMNS),
            code_cell(value, NAME_COLUMNS),
            tally.rated,
            tally.tracks,
            tally.stars,
            tally.won,
            tally.lost,
            tally.same,
        );
    }
}

/// The remarks on the music, each once for a preset, with the number of tracks.
fn music(text: &mut String, summary: &Summary) {
    let mut lines: IndexMap<(&str, String), u64> = IndexMap::new();
    for job in &summary.jobs {
        for music in job.tracks.iter().filter_map(|track| track.music.as_deref()) {
            for remark in remarks(music) {
                *lines.entry((&job.preset, remark)).or_default() += 1;
            }
        }
    }
    if lines.is_empty() {
        return;
    }
    text.push_str("\n### Remarks on the music\n\n| preset | remark | tracks |\n|---|---|---:|\n");
    for ((preset, remark), number) in lines.iter().take(MAX_LISTED) {
        let _ = writeln!(
            text,
            "| {} | {} | {number} |",
            code_cell(preset, NAME_COLUMNS),
            code_cell(remark, EXCERPT_COLUMNS)
        );
    }
    if lines.len() > MAX_LISTED {
        let rest = (lines.len() - MAX_LISTED) as u64;
        let _ = writeln!(
            text,
            "\nand {}; the other reports have them",
            count(rest, "more remark")
        );
    }
}

/// The jobs that need a person's attention, with the vendor's message. Steps of one song with the same reason share a row.
fn attention(text: &mut String, summary: &Summary) {
    let steps = Steps::of(summary);
    let signed = |job| (job, sign(job, &summary.run));
    let is_listed =
        |(_, sign): &(&JobSummary, Sign)| !matches!(sign, Sign::Kept | Sign::Buy | Sign::Changed);
    let mut listed: Vec<(Vec<&JobSummary>, Sign)> = Vec::new();
    let songs = summary.jobs.iter().filter(|job| job.in_manifest);
    for song in songs.filter(|job| steps.is_alone(job)) {
        listed.extend(
            Some(signed(song))
                .filter(is_listed)
                .map(|(job, sign)| (vec![job], sign)),
        );
        let mut alike: IndexMap<_, (Vec<&JobSummary>, Sign)> = IndexMap::new();
        for (job, sign) in steps
            .of_song(song)
            .map(|it| signed(it.job))
            .filter(is_listed)
        {
            let row = alike.entry((sign.symbol(), why(sign, job)));
            row.or_insert((Vec::new(), sign)).0.push(job);
        }
        listed.extend(alike.into_values());
    }
    if listed.is_empty() {
        return;
    }
    text.push_str("\n### Without all tracks\n\n| | job | why | task |\n|---|---|---|---|\n");
    for (jobs, sign) in listed.iter().take(MAX_LISTED) {
        let Some((job, more)) = jobs.split_first() else {
            continue;
        };
        let step = job.step.as_deref();
        let mut label = job_label(&job.stem, &job.preset, &*job.sweep, job.take, step);
        for step in more.iter().filter_map(|job| job.step.as_deref()) {
            let _ = write!(label, "; {}", step.title());
        }
        let tasks = jobs.iter().filter_map(|job| job.task_id.as_deref());
        let tasks = tasks.collect::<Vec<_>>().join(" ");
        let _ = writeln!(
            text,
            "| `{}` {} | {} | {} | {} |",
            sign.symbol(),
            sign.outcome(),
            code_cell(&label, 2 * NAME_COLUMNS),
            code_cell(&why(*sign, job).unwrap_or_default(), EXCERPT_COLUMNS),
            code_cell(&tasks, NAME_COLUMNS),
        );
    }
    if listed.len() > MAX_LISTED {
        let rest = (listed.len() - MAX_LISTED) as u64;
        let _ = writeln!(
            text,
            "\nand {}; the other reports have them",
            count(rest, "more job")
        );
    }
}

#[cfg(test)]
mod tests {
    use backline_engine::status::JobStatus;
    use proptest::prelude::*;

    use super::*;
    use crate::example;

    fn text(summary: &Summary) -> String {
        String::from_utf8(render(summary)).unwrap()
    }

    #[test]
    fn the_report_of_a_run() {
        insta::assert_snapshot!(text(&example::summary()));
    }

    #[test]
    fn steps_are_counted_under_their_songs_and_share_a_row_where_they_failed_alike() {
        let mut summary = example::with_steps();
        for job in &mut summary.jobs[4..7] {
            job.state = JobStatus::Failed;
            job.error = Some("no credits".to_owned());
            job.error_code = None;
        }
        let text = text(&summary);
        assert!(
            text.contains("| tracks | files of steps | credits |\n|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n| 17 |"),
            "{text}"
        );
        assert!(
            text.contains("| `chorus` | `==`<br>WAV 1/4, `split_stem` 1/4, MIDI 1/4 | |"),
            "{text}"
        );
        let rows = text.lines().filter(|line| line.contains("no credits"));
        assert_eq!(
            rows.collect::<Vec<_>>(),
            [
                "| `!` failed | `chorus × lofi [model=V5] take 1, track 2: wav; track 2: split_stem; track 2: midi` | `no credits` | `wav-task-2` |"
            ]
        );
    }

    #[test]
    fn a_run_without_jobs_is_a_head() {
        let mut summary = example::summary();
        summary.jobs.clear();
        assert_eq!(text(&summary).lines().count(), 10, "{}", text(&summary));
    }

    #[test]
    fn the_largest_run_fits_a_step() {
        let mut summary = example::summary();
        let failed = summary.jobs[2].clone();
        summary.jobs = (0..100_000)
            .map(|at| JobSummary {
                stem: format!("{}{}", "§".repeat(90), at % 400).into(),
                preset: format!("{}{}", "|".repeat(90), at / 400 % 100).into(),
                error: Some("*".repeat(5_000)),
                ..failed.clone()
            })
            .collect();
        let text = text(&summary);
        assert!(text.len() < 1 << 20, "{}", text.len());
        assert!(text.contains("and 200 more stems") && text.contains("and 99900 more jobs"));
    }

    proptest! {
        #[test]
        fn no_word_of_a_vendor_breaks_a_table(words in prop_oneof![any::<String>(), "[`|<>@#\\[\\]()*_!:/.\\\\a-z\n-]{0,30}"]) {
            let mut summary = example::summary();
            let lines = text(&summary).lines().count();
            summary.jobs[2].error = Some(words.clone());
            summary.jobs[2].stem = words.into();
            let with = text(&summary).lines().count();
            prop_assert!(with.abs_diff(lines) <= 1, "{} lines became {}", lines, with);
        }
    }
}
