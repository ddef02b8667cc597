//! The properties of a sound file that a page needs before it plays the file: loudness, length and outline.
//!
//! A measurement decodes the whole file, so results are cached in small files, named by the SHA-256 of the measured file. A
//! later report with the same tracks reads them from there. A cached measurement that can't be read is made again.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use backline_engine::event::KeptFile;
use backline_engine::folder::read_file;
use backline_engine::kept_files::{is_object, open_kept_file, place_of};
use backline_engine::summary::TrackSummary;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::replace::{Readers, replace};

/// Increased whenever the same file would be measured differently. Measurements of older versions are then made again.
const VERSION: u32 = 1;

/// Columns of an outline: the resolution of a waveform on a phone.
const COLUMNS: usize = 160;

/// Parts of a column whose peaks are averaged: the peak of a whole column says little about mastered music.
const STRETCHES: usize = 16;

/// The 64 heights of a column, lowest first.
const HEIGHTS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Largest file that is measured, in bytes: an hour of WAV in stereo at 48 kHz has 1.1 GB at 24 bit. A larger file is played
/// without an outline.
const MAX_BYTES: u64 = 1 << 31;

/// Largest cached measurement, in bytes.
const MAX_REMEMBERED_BYTES: u64 = 64 << 10;

/// Bytes that are read at a time.
const PIECE_BYTES: usize = 64 * 1024;

/// The measurements of a sound file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sound {
    version: u32,
    /// Integrated loudness by EBU R 128, to 0.1 LUFS; `None` for silence.
    pub(crate) lufs: Option<f64>,
    /// Length in seconds, to 0.01 s.
    pub(crate) duration_s: f64,
    /// The outline: a character of [`HEIGHTS`] for each column, scaled so that the highest column has the greatest height.
    pub(crate) outline: String,
}

/// Receives the number of finished files and the number of all files.
pub type Progress<'a> = dyn Fn(usize, usize) + Sync + 'a;

/// The measurements of a report, by path.
pub(crate) type Sounds = HashMap<PathBuf, Sound>;

/// A file to measure.
pub(crate) struct SoundFile {
    /// Its path.
    pub(crate) path: PathBuf,
    /// SHA-256 of its bytes, if it is known (for a kept file). Other files may be symbolic links.
    pub(crate) sha256: Option<String>,
}

impl SoundFile {
    /// A kept file of the project in `project_dir`.
    pub(crate) fn kept(project_dir: &Path, file: &KeptFile) -> Self {
        Self {
            path: place_of(project_dir, &file.path),
            sha256: Some(file.sha256.clone()),
        }
    }

    /// Opens the file. It must be a regular file, and a kept file must not be a link.
    fn open(&self) -> io::Result<File> {
        match self.sha256 {
            Some(_) => match self.path.to_str() {
                Some(path) => open_kept_file(Path::new(""), path),
                None => read_file(&self.path),
            },
            None => read_file(&self.path.canonicalize()?),
        }
    }
}

/// Measures all files on all cores. Missing, unreadable and non-audio files are left out: a report does not diagnose them.
///
/// `progress` receives the number of finished files and the number of all files, from any thread.
pub(crate) fn measure(
    wanted: &[SoundFile],
    cache: Option<&Path>,
    progress: &Progress<'_>,
) -> Sounds {
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let found = Mutex::new(Sounds::with_capacity(wanted.len()));
    let workers = std::thread::available_parallelism()
        .map_or(1, NonZero::get)
        .min(wanted.len());
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(file) = wanted.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let sound = one(file, cache);
                    progress(done.fetch_add(1, Ordering::Relaxed) + 1, wanted.len());
                    let Some(sound) = sound else {
                        continue;
                    };
                    if let Ok(mut found) = found.lock() {
                        found.insert(file.path.clone(), sound);
                    }
                }
            });
        }
    });
    found.into_inner().unwrap_or_default()
}

fn one(file: &SoundFile, cache: Option<&Path>) -> Option<Sound> {
    let place = |sha256: &str| cache.map(|cache| cache.join(format!("{sha256}.json")));
    let recall = || {
        let known = file.sha256.as_deref().filter(|it| is_hash(it))?;
        remembered(&place(known)?)
    };
    // An object is not downloaded again for what is known of it.
    if file.path.to_str().is_some_and(is_object)
        && let Some(sound) = recall()
    {
        return Some(sound);
    }
    let opened = file.open().ok()?;
    if opened.metadata().ok()?.len() > MAX_BYTES {
        return None;
    }
    if let Some(sound) = recall() {
        return Some(sound);
    }
    let found = digest(&opened).ok()?;
    if let Some(sound) = place(&found).and_then(|at| remembered(&at)) {
        return Some(sound);
    }
    let sound = measured(&opened)?;
    if let (Some(at), Ok(text)) = (place(&found), serde_json::to_vec(&sound)) {
        // If this fails, the next report takes longer; nothing else is lost.
        let _: Result<(), (&str, io::Error)> = replace(&at, &text, Readers::All);
    }
    Some(sound)
}

/// The recorded loudness of a track, else the cached measurement for the page.
pub(crate) fn measured_lufs(track: &TrackSummary, cache: Option<&Path>) -> Option<f64> {
    let recorded = track.loudness.map(|it| it.integrated_lufs);
    recorded.unwrap_or_else(|| known_lufs(track.file.as_ref()?, cache?))
}

/// The cached loudness of a kept file, if there is one.
fn known_lufs(file: &KeptFile, cache: &Path) -> Option<f64> {
    is_hash(&file.sha256)
        .then(|| remembered(&cache.join(format!("{}.json", file.sha256))))
        .flatten()?
        .lufs
}

/// Whether a text can be the name of a measurement: a hash, not a path.
fn is_hash(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|c| c.is_ascii_hexdigit())
}

/// The cached measurement; `None` if the file is missing, not a regular file, or not a measurement.
fn remembered(at: &Path) -> Option<Sound> {
    let mut text = Vec::new();
    let file = read_file(at).ok()?;
    file.take(MAX_REMEMBERED_BYTES)
        .read_to_end(&mut text)
        .ok()?;
    let sound: Sound = serde_json::from_slice(&text).ok()?;
    let sane = sound.version == VERSION
        && sound.outline.len() <= COLUMNS
        && sound
            .outline
            .bytes()
            .all(|column| HEIGHTS.contains(&column));
    sane.then_some(sound)
}

fn measured<S: Read + Seek + Send + Sync + Clone>(sound: S) -> Option<Sound> {
    let found = backline_audio::measure(sound, COLUMNS * STRETCHES).ok()?;
    Some(Sound {
        version: VERSION,
        lufs: found.integrated_lufs.map(tenth),
        duration_s: (found.duration_s * 100.0).round() / 100.0,
        outline: outline(&found.peaks),
    })
}

/// Rounds to 0.1: two measurements agree to that precision, and it is finer than hearing.
pub(crate) fn tenth(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

fn outline(peaks: &[(f32, f32)]) -> String {
    let columns: Vec<f32> = peaks
        .chunks(STRETCHES)
        .map(|chunk| {
            let heights = chunk.iter().map(|(low, high)| high.max(-low).max(0.0));
            heights.sum::<f32>() / chunk.len() as f32
        })
        .collect();
    let top = columns.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
    let height = |column: &f32| HEIGHTS[((column / top * 63.0).round() as usize).min(63)];
    columns
        .iter()
        .map(|column| char::from(height(column)))
        .collect()
}

/// SHA-256 in hexadecimal.
fn digest(mut file: &File) -> io::Result<String> {
    let (mut hasher, mut piece) = (Sha256::new(), vec![0; PIECE_BYTES]);
    loop {
        match file.read(&mut piece)? {
            0 => break,
            count => hasher.update(&piece[..count]),
        }
    }
    let bytes = hasher.finalize();
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Cursor;

    use backline_audio::{Audio, Encoding, encode};

    use super::*;

    fn swell(seconds: f32) -> Vec<u8> {
        let frames = (seconds * 8_000.0) as usize;
        let wave = (0..frames).map(|frame| {
            let level = frame as f32 / frames as f32;
            level * 0.5 * (frame as f32 * 440.0 * std::f32::consts::TAU / 8_000.0).sin()
        });
        let audio = Audio {
            rate_hz: 8_000,
            channels: vec![wave.collect()],
        };
        encode(&audio, Encoding::Wav16).unwrap()
    }

    fn sound_file(path: &Path) -> Vec<SoundFile> {
        vec![SoundFile {
            path: path.to_owned(),
            sha256: None,
        }]
    }

    #[test]
    fn a_swell_rises_and_reaches_the_top() {
        let sound = measured(Cursor::new(swell(2.0))).unwrap();
        assert_eq!((sound.outline.len(), sound.duration_s), (COLUMNS, 2.0));
        let heights: Vec<usize> = sound
            .outline
            .bytes()
            .map(|column| HEIGHTS.iter().position(|height| *height == column).unwrap())
            .collect();
        assert!(heights.is_sorted(), "{heights:?}");
        assert_eq!((heights[0], heights[COLUMNS - 1]), (0, 63));
        let lufs = sound.lufs.unwrap();
        assert!((-20.0..-5.0).contains(&lufs), "{lufs}");
        assert_eq!(lufs, (lufs * 10.0).round() / 10.0);
    }

    #[test]
    fn what_was_measured_is_read_back_and_damage_is_made_good() {
        let scratch = tempfile::tempdir().unwrap();
        let (file, cache) = (scratch.path().join("a.wav"), scratch.path().join("cache"));
        fs::write(&file, swell(1.0)).unwrap();
        let first = measure(&sound_file(&file), Some(&cache), &|_, _| {});
        let kept: Vec<PathBuf> = fs::read_dir(&cache)
            .unwrap()
            .map(|it| it.unwrap().path())
            .collect();
        assert_eq!(kept.len(), 1);
        // A kept measurement is believed …
        let other = Sound {
            lufs: Some(-1.5),
            ..first[&file].clone()
        };
        fs::write(&kept[0], serde_json::to_vec(&other).unwrap()).unwrap();
        assert_eq!(
            measure(&sound_file(&file), Some(&cache), &|_, _| {})[&file],
            other
        );
        // … unless it is damaged, of another version, or would draw what no outline does.
        for damage in [
            "{".to_owned(),
            serde_json::to_string(&Sound {
                version: 0,
                ..other.clone()
            })
            .unwrap(),
            serde_json::to_string(&Sound {
                outline: "</script>".to_owned(),
                ..other.clone()
            })
            .unwrap(),
        ] {
            fs::write(&kept[0], damage).unwrap();
            assert_eq!(measure(&sound_file(&file), Some(&cache), &|_, _| {}), first);
        }
    }

    /// Nobody writes into the pipe: a reader would wait for ever.
    #[cfg(unix)]
    #[test]
    fn a_pipe_in_a_measurements_place_holds_nobody_up() {
        let scratch = tempfile::tempdir().unwrap();
        let (file, cache) = (scratch.path().join("a.wav"), scratch.path().join("cache"));
        fs::write(&file, swell(1.0)).unwrap();
        let first = measure(&sound_file(&file), Some(&cache), &|_, _| {});
        let kept = fs::read_dir(&cache).unwrap().next().unwrap().unwrap();
        fs::remove_file(kept.path()).unwrap();
        let mut mkfifo = std::process::Command::new("mkfifo");
        assert!(mkfifo.arg(kept.path()).status().unwrap().success());
        assert_eq!(measure(&sound_file(&file), Some(&cache), &|_, _| {}), first);
    }

    #[test]
    fn files_that_are_gone_or_no_audio_are_left_out() {
        let scratch = tempfile::tempdir().unwrap();
        let text = scratch.path().join("text.mp3");
        fs::write(&text, "no music").unwrap();
        let mut all = sound_file(&text);
        all.extend(sound_file(&scratch.path().join("gone.mp3")));
        all.extend(sound_file(scratch.path()));
        assert!(measure(&all, None, &|_, _| {}).is_empty());
        assert!(measure(&[], None, &|_, _| {}).is_empty());
    }

    #[test]
    fn every_file_counts_once_whatever_becomes_of_it() {
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("a.wav");
        fs::write(&file, swell(0.1)).unwrap();
        let mut all: Vec<SoundFile> = (0..20).flat_map(|_| sound_file(&file)).collect();
        all.extend(sound_file(&scratch.path().join("gone.mp3")));
        let calls = Mutex::new(Vec::new());
        let progress = |done, of| calls.lock().unwrap().push((done, of));
        measure(&all, None, &progress);
        let mut calls = calls.into_inner().unwrap();
        calls.sort_unstable();
        assert_eq!(calls, (1..=21).map(|done| (done, 21)).collect::<Vec<_>>());
    }

    #[test]
    fn silence_and_shreds_have_flat_outlines() {
        assert_eq!(outline(&[(0.0, 0.0); 32]), "AA");
        assert_eq!(outline(&[]), "");
        assert_eq!(outline(&[(-1.0, 0.5)]), "_");
    }
}
