//! The example run with `then: [wav, {stems: split_stem}, midi]`.

use std::sync::Arc;

use backline_engine::event::KeptFile;
use backline_engine::plan::JobStep;
use backline_engine::settings::{JobKey, Settings};
use backline_engine::status::JobStatus;
use backline_engine::summary::{JobSummary, Summary, TrackSummary};

/// The stems into which each track of a song is split.
pub const STEMS: [&str; 3] = ["vocal", "drums", "bass"];

/// The example's summary with steps. All steps of the first song's first track are kept. For its second track the stems failed,
/// so its MIDI is not bought. The steps of the second song are not bought yet.
pub fn with_steps() -> Summary {
    let mut summary = super::summary();
    add_steps(&mut summary, |song, track| match (song, track) {
        (0, 1) => [JobStatus::Kept; 3],
        (0, 2) => [JobStatus::Kept, JobStatus::Failed, JobStatus::Planned],
        _ => [JobStatus::Planned; 3],
    });
    summary
}

/// Adds the steps `wav`, `split_stem` and `midi` to every kept song. `state` returns their states for the song's index among
/// the jobs and the track.
pub fn add_steps(summary: &mut Summary, state: impl Fn(usize, u32) -> [JobStatus; 3]) {
    let songs = std::mem::take(&mut summary.jobs);
    for (at, song) in songs.into_iter().enumerate() {
        let mut steps = Vec::new();
        for track in song.tracks.iter().filter(|track| track.file.is_some()) {
            let [wav, stems, midi] = state(at, track.index);
            let of_song = song.key.parse().unwrap();
            add(&mut steps, &song, track, ("wav", "wav", of_song, wav));
            let stems = ("stems", "split_stem", of_song, stems);
            let parent = add(&mut steps, &song, track, stems);
            add(&mut steps, &song, track, ("midi", "midi", parent, midi));
        }
        summary.jobs.push(song);
        summary.jobs.extend(steps);
    }
    let totals = &mut summary.totals;
    for job in summary.jobs.iter().filter(|job| job.step.is_some()) {
        totals.jobs += 1;
        match job.state {
            JobStatus::Kept => totals.kept += 1,
            JobStatus::Failed => totals.failed += 1,
            _ => totals.planned += 1,
        }
        totals.credits += job.credits;
        totals.artefacts += job.tracks.len() as u64;
    }
    summary.this_run.downloaded += totals.artefacts;
}

/// Adds a step on a song's track; returns its key.
fn add(
    steps: &mut Vec<JobSummary>,
    song: &JobSummary,
    track: &TrackSummary,
    (operation, name, parent, state): (&str, &str, JobKey, JobStatus),
) -> JobKey {
    let mut step = JobStep {
        operation: operation.into(),
        name: name.into(),
        parent,
        track: track.index,
        settings: Arc::default(),
    };
    if operation == "stems" {
        Arc::make_mut(&mut step.settings).insert("type".to_owned(), name.to_owned());
    }
    let artefacts = match operation {
        "stems" => &STEMS[..],
        _ => &[name],
    };
    let ending = match operation {
        "stems" => "mp3",
        "midi" => "mid",
        _ => "wav",
    };
    let song_file = track.file.as_ref().unwrap();
    let (start, _) = song_file.path.rsplit_once('.').unwrap();
    let file = |artefact: &str| KeptFile {
        path: format!("{start}-{artefact}.{ending}"),
        ..KeptFile::clone(song_file)
    };
    let made = (1..).zip(artefacts).map(|(index, artefact)| TrackSummary {
        index,
        id: format!("{operation}-{index}"),
        artefact: (*artefact).to_owned(),
        title: String::new(),
        file: Some(Arc::new(file(artefact))),
        mix: None,
        music: None,
        stream_url: None,
        rating: None,
        ..track.clone()
    });
    let (is_kept, is_failed) = (state == JobStatus::Kept, state == JobStatus::Failed);
    let key = step.key();
    steps.push(JobSummary {
        key: key.to_string(),
        run: song.run.clone().filter(|_| is_kept),
        replaces: None,
        state,
        task_id: is_kept.then(|| format!("{operation}-task-{}", track.index)),
        attempts: u32::from(is_kept || is_failed),
        credits: if is_kept && operation == "wav" {
            0.4
        } else {
            0.0
        },
        error_code: is_failed.then_some(400),
        error: is_failed.then(|| "The track can't be taken apart".to_owned()),
        response: None,
        settings: Settings::default(),
        step: Some(Box::new(step)),
        tracks: if is_kept { made.collect() } else { Vec::new() },
        ..song.clone()
    });
    key
}
