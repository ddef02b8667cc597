//! Pages with real sound files, as a run would leave them.

use std::f32::consts::TAU;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use backline_audio::{Audio, Encoding, encode};
use backline_engine::event::KeptFile;
use backline_engine::plan::ReportKind;
use backline_engine::settings::Setting;
use backline_engine::status::JobStatus;
use backline_engine::summary::Summary;
use backline_reporter::{Ratings, ReportInput, example, render, write_reports};

/// What a hostile vendor calls a track.
pub(crate) const HOSTILE: &str =
    "</script><script>window.owned=1</script><img src=x onerror=window.owned=1>";

const RATE_HZ: u32 = 22_050;

/// Length of most sounds, in seconds.
const LENGTH_S: u32 = 12;
/// Length of sounds that play on while a test does much, in seconds: a slow machine must not reach their end.
const LONG_S: u32 = 300;

/// A chord that comes and goes, at a level of its own.
fn sound(number: usize, length_s: u32) -> Vec<u8> {
    let frames = (RATE_HZ * length_s) as usize;
    let level = 0.08 + 0.12 * (number % 4) as f32;
    let root_hz = 110.0 * 1.122_f32.powi((number % 12) as i32);
    let wave = (0..frames).map(|frame| {
        let at_s = frame as f32 / RATE_HZ as f32;
        let swell = (0.55 + 0.45 * (TAU * at_s * (0.2 + 0.06 * (number % 7) as f32)).sin())
            * (1.0 - 0.6 * ((at_s * (1.5 + (number % 3) as f32 * 0.5)) % 1.0));
        let chord: f32 = [1.0, 1.25, 1.5, 2.0]
            .iter()
            .map(|ratio| (TAU * at_s * root_hz * ratio).sin())
            .sum();
        level * swell * chord / 2.0
    });
    let audio = Audio {
        rate_hz: RATE_HZ,
        channels: vec![wave.collect()],
    };
    encode(&audio, Encoding::Wav16).unwrap()
}

fn keep(dir: &Path, path: &str, number: usize) -> KeptFile {
    keep_for(dir, path, number, LENGTH_S)
}

fn keep_for(dir: &Path, path: &str, number: usize, length_s: u32) -> KeptFile {
    let bytes = sound(number, length_s);
    let place = dir.join(path);
    std::fs::create_dir_all(place.parent().unwrap()).unwrap();
    std::fs::write(place, &bytes).unwrap();
    KeptFile {
        path: path.to_owned(),
        sha256: String::new(),
        length_bytes: bytes.len() as u64,
        duration_s: length_s.into(),
        unverified: None,
    }
}

fn write(dir: &Path, summary: &Summary) -> PathBuf {
    let cache = dir.join(".backline/sound");
    let material = ReportInput {
        summary,
        records: &[],
        project_dir: dir,
        sound_cache: Some(&cache),
    };
    let mut written = write_reports(&material, &[ReportKind::Html], &dir.join("out"), &|_, _| {});
    written.remove(0).unwrap()
}

/// Three stems by four presets: two takes of two tracks with mixes, sweep points in one preset, jobs that failed, are in doubt, were not
/// bought, and a title that is an attack.
pub(crate) fn write_small(dir: &Path) -> PathBuf {
    write(dir, &small(dir))
}

/// `summary.md` of the same run with ratings.
pub(crate) fn report_of(dir: &Path, ratings: &Ratings) -> String {
    let mut summary = small(dir);
    assert_eq!(ratings.join(&mut summary), 0);
    let material = ReportInput {
        summary: &summary,
        records: &[],
        project_dir: dir,
        sound_cache: None,
    };
    let bytes = render(&material, ReportKind::Markdown, dir).unwrap();
    String::from_utf8(bytes).unwrap()
}

fn small(dir: &Path) -> Summary {
    let mut summary = example::summary();
    let failed = summary.jobs[2].clone();
    let model = summary.jobs[0].clone();
    summary.jobs.clear();
    let mut number = 0;
    for stem in ["chorus", "verse", "bridge in a rather long name"] {
        keep(dir, &format!("stems/{stem}.flac"), 3);
        for preset in ["lofi", "bossa nova", "chamber strings", "80s synth"] {
            let points: &[Option<&str>] = if preset == "lofi" {
                &[Some("V4_5"), Some("V5")]
            } else {
                &[None]
            };
            for (point, take) in points.iter().flat_map(|point| [(point, 1), (point, 2)]) {
                let mut job = model.clone();
                job.key = format!("{:064x}", summary.jobs.len() + 1);
                job.stem = stem.into();
                let artist = match stem {
                    "chorus" => "Clara",
                    "verse" => "Billie H.",
                    _ => "Ada",
                };
                Arc::make_mut(&mut job.vars).insert("artist".to_owned(), artist.to_owned());
                job.preset = preset.into();
                job.take = take;
                let sweep = Arc::make_mut(&mut job.sweep);
                sweep.clear();
                if let Some(point) = point {
                    sweep.insert("model".to_owned(), (*point).to_owned());
                }
                let tags = format!("{preset}, warm, slow, brushed drums, upright bass");
                job.settings.set(Setting::TAGS, Some(tags.as_str().into()));
                Arc::make_mut(job.recording.as_mut().unwrap()).file =
                    Some(format!("stems/{stem}.flac"));
                for track in &mut job.tracks {
                    number += 1;
                    let place = format!("out/{stem}/{preset} {number}");
                    track.title = if number == 1 {
                        HOSTILE.to_owned()
                    } else {
                        format!("{stem} ({preset})")
                    };
                    track.file = Some(keep(dir, &format!("{place}.wav"), number).into());
                    track.mix = Some(keep(dir, &format!("{place} mix.wav"), number + 5).into());
                }
                summary.jobs.push(job);
            }
        }
    }
    for (at, state, error) in [
        (
            5,
            JobStatus::Failed,
            Some("The tags name an artist: please describe the style instead"),
        ),
        (7, JobStatus::InDoubt, Some("the connection was reset")),
        (9, JobStatus::Planned, None),
        (
            11,
            JobStatus::Vetoed,
            Some("the chorus is too loud for a bossa"),
        ),
        (16, JobStatus::Running, None),
    ] {
        let job = &mut summary.jobs[at];
        job.state = state;
        job.tracks.clear();
        job.error = error.map(str::to_owned);
        job.error_code = (state == JobStatus::Failed).then_some(413);
        job.task_id = failed.task_id.clone();
    }
    // The manifest was changed: what was bought before stands behind the job that takes its place.
    let at = summary
        .jobs
        .iter()
        .position(|job| &*job.stem == "verse" && &*job.preset == "bossa nova" && job.take == 1);
    let mut earlier = summary.jobs[at.unwrap()].clone();
    earlier.in_manifest = false;
    let now = &mut summary.jobs[at.unwrap()];
    now.replaces = Some(earlier.key.clone());
    now.key = "e".repeat(64);
    now.state = JobStatus::Planned;
    now.tracks.clear();
    summary.jobs.push(earlier);
    summary
}

/// The small run with steps: of the first song's first track they are kept; of its second the stems failed; the others are not bought.
pub(crate) fn write_steps(dir: &Path) -> PathBuf {
    let mut summary = small(dir);
    let songs = summary.jobs.iter_mut().take(2);
    for (at, track) in songs.flat_map(|song| &mut song.tracks).enumerate() {
        for file in [&mut track.file, &mut track.mix].into_iter().flatten() {
            *file = keep_for(dir, &file.path, at + 1, LONG_S).into();
        }
    }
    example::add_steps(&mut summary, |song, track| match (song, track) {
        (0, 1) => [JobStatus::Kept; 3],
        (0, 2) => [JobStatus::Kept, JobStatus::Failed, JobStatus::Planned],
        _ => [JobStatus::Planned; 3],
    });
    let mut number = 0;
    for job in summary.jobs.iter_mut().filter(|job| job.step.is_some()) {
        for track in &mut job.tracks {
            number += 1;
            let path = track.file.as_ref().unwrap().path.clone();
            track.file = Some(keep_for(dir, &path, number, LONG_S).into());
            if track.artefact == "midi" {
                std::fs::write(
                    dir.join(path),
                    b"MThd\0\0\0\x06\0\0\0\x01\0\x60MTrk\0\0\0\0",
                )
                .unwrap();
            }
        }
    }
    write(dir, &summary)
}

/// Two songs by three presets, all kept: what the README shows.
pub(crate) fn write_album(dir: &Path) -> PathBuf {
    let mut summary = example::summary();
    let model = summary.jobs[0].clone();
    summary.run.name = "summer-ep".to_owned();
    summary.run.manifest = "summer-ep.yaml".to_owned();
    summary.jobs.clear();
    let mut number = 0;
    for (stem, artist) in [("first light", "Clara"), ("harbour", "Ada")] {
        keep(dir, &format!("stems/{stem}.wav"), 3);
        for (preset, tags) in [
            ("piano", "relaxing piano, calm"),
            ("lofi", "lo-fi hip hop, dusty drums"),
            ("bossa", "bossa nova, nylon guitar"),
        ] {
            let mut job = model.clone();
            job.key = format!("{:064x}", summary.jobs.len() + 1);
            job.stem = stem.into();
            job.preset = preset.into();
            job.take = 1;
            job.sweep = Arc::default();
            job.vars = Arc::new([("artist".to_owned(), artist.to_owned())].into());
            job.settings.set(Setting::TAGS, Some(tags.into()));
            let title = format!("{stem} ({preset})");
            job.settings
                .set(Setting::TITLE, Some(title.as_str().into()));
            Arc::make_mut(job.recording.as_mut().unwrap()).file = Some(format!("stems/{stem}.wav"));
            for track in &mut job.tracks {
                number += 1;
                track.title = format!("{stem} ({preset})");
                let place = format!("out/{stem}/{preset}-{}", track.index);
                track.file = Some(keep(dir, &format!("{place}.wav"), number).into());
                track.mix = Some(keep(dir, &format!("{place} mix.wav"), number + 5).into());
            }
            summary.jobs.push(job);
        }
    }
    summary.totals = Default::default();
    summary.totals.jobs = summary.jobs.len() as u64;
    summary.totals.kept = summary.totals.jobs;
    summary.totals.tracks = number as u64;
    summary.totals.credits = 72.0;
    summary.this_run.totals = summary.totals;
    summary.this_run.credits = 72.0;
    summary.this_run.selection = None;
    summary.this_run.submitted = summary.totals.jobs;
    summary.this_run.downloaded = summary.totals.tracks;
    write(dir, &summary)
}

/// A run of thousands of tracks, all of them one of a few files.
pub(crate) fn write_large(dir: &Path, stems: u32, presets: u32, takes: u32) -> PathBuf {
    let files: Vec<KeptFile> = (0..24)
        .map(|number| keep(dir, &format!("out/{number}.wav"), number))
        .collect();
    write(dir, &example::large(stems, presets, takes, &files))
}
