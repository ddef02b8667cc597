//! Opens the stems' files before anything is bought: each is read once, hashed, and decoded to its end.
//!
//! A manifest may come from a stranger, so the work is bounded for all files together. A file with several names (`a.wav`, `./a.wav`,
//! a link) is read once, and files with the same content are decoded once.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use backline_audio::{DecodeError, Probe};

use crate::manifest::source::files::{ReadProblem, open_regular};
use crate::plan::StemFile;

/// Longest file that is read: two hours of uncompressed studio sound.
const MAX_BYTES: u64 = 1 << 30;

/// Below this there is nothing to hear: −60 dBFS, where 16-bit recordings have little but their noise.
const SILENCE: f32 = 0.001;

/// Most files that are in memory at once.
const MAX_THREADS: usize = 8;

/// Samples of a millisecond of sound, in stereo at 48 kHz: the unit in which users name the bound.
const SAMPLES_PER_MS: u64 = 2 * 48;

/// Bytes that are read for each sample that may be decoded: no sound that people record takes more.
const BYTES_PER_SAMPLE: u64 = 4;

/// Why a file is not a recording.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecordingProblem {
    #[error("{0}")]
    Open(ReadProblem),
    #[error("it can't be read: {0}")]
    Read(#[from] std::io::Error),
    #[error("it is larger than {} MB", MAX_BYTES >> 20)]
    TooLarge,
    #[error("{0}")]
    Decode(Arc<DecodeError>),
    /// The bound of all files is passed, which is reported once for all.
    #[error("the bound of all recordings is passed")]
    OverBound,
}

impl From<ReadProblem> for RecordingProblem {
    fn from(problem: ReadProblem) -> Self {
        Self::Open(problem)
    }
}

/// The work that examining recordings took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DecodingWork {
    /// Files that were read; one with several names counts once.
    pub files: usize,
    /// Different contents among them, each decoded once.
    pub decoded: usize,
    /// Samples that were decoded, over all channels; a packet without sound counts as some.
    pub samples: u64,
}

/// What examining recordings came to.
pub(crate) struct Examined {
    /// A result for each path, in their order.
    pub(crate) files: Vec<Result<StemFile, Arc<RecordingProblem>>>,
    pub(crate) work: DecodingWork,
    /// Whether there was more to decode than the bound allows.
    pub(crate) is_over_bound: bool,
}

/// What is left of the bound of all files.
struct Allowance {
    samples: AtomicU64,
    bytes: AtomicU64,
    exceeded: AtomicBool,
}

impl Allowance {
    fn new(max_sound: Duration) -> Self {
        let max_ms = u64::try_from(max_sound.as_millis()).unwrap_or(u64::MAX);
        let samples = max_ms.saturating_mul(SAMPLES_PER_MS);
        Self {
            samples: AtomicU64::new(samples),
            bytes: AtomicU64::new(samples.saturating_mul(BYTES_PER_SAMPLE)),
            exceeded: AtomicBool::new(false),
        }
    }

    /// Takes so much, if it is left.
    fn take(&self, left: &AtomicU64, amount: u64) -> bool {
        let less = |left: u64| left.checked_sub(amount);
        let taken = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        if taken.is_err() {
            self.exceeded.store(true, Ordering::Relaxed);
        }
        !self.is_exceeded()
    }

    fn is_exceeded(&self) -> bool {
        self.exceeded.load(Ordering::Relaxed)
    }
}

/// What is known of a content: the first thread that meets it decodes it, others wait.
type Decoded = Arc<OnceLock<Result<Probe, Arc<DecodeError>>>>;

/// Examines files on all processors. Stops where they have more sound than `max_sound` together, counted in stereo at 48 kHz.
pub(crate) fn examine(paths: &[&Path], max_sound: Duration) -> Examined {
    let mut places: HashMap<FileIdentity, usize> = HashMap::with_capacity(paths.len());
    let mut files: Vec<&Path> = Vec::new();
    let place_of: Vec<usize> = paths
        .iter()
        .map(|path| {
            *places.entry(FileIdentity::of(path)).or_insert_with(|| {
                files.push(path);
                files.len() - 1
            })
        })
        .collect();
    let examiner = Examiner {
        allowance: Allowance::new(max_sound),
        contents: Mutex::default(),
        samples: AtomicU64::new(0),
    };
    let found = examiner.examine_all(&files);
    let files = paths.iter().zip(&place_of).map(|(path, place)| {
        let file = found[*place].clone()?;
        Ok(StemFile {
            path: path.to_path_buf(),
            ..file
        })
    });
    Examined {
        files: files.collect(),
        work: DecodingWork {
            files: found.len(),
            decoded: examiner.decoded(),
            samples: examiner.samples.load(Ordering::Relaxed),
        },
        is_over_bound: examiner.allowance.is_exceeded(),
    }
}

/// Identifies a file, whatever it is called.
#[derive(PartialEq, Eq, Hash)]
enum FileIdentity {
    #[cfg(unix)]
    Inode {
        device: u64,
        number: u64,
    },
    Path(PathBuf),
}

impl FileIdentity {
    fn of(path: &Path) -> Self {
        #[cfg(unix)]
        if let Ok(facts) = std::fs::metadata(path) {
            use std::os::unix::fs::MetadataExt;
            return Self::Inode {
                device: facts.dev(),
                number: facts.ino(),
            };
        }
        Self::Path(std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()))
    }
}

struct Examiner {
    allowance: Allowance,
    contents: Mutex<HashMap<[u8; 32], Decoded>>,
    samples: AtomicU64,
}

impl Examiner {
    fn examine_all(&self, files: &[&Path]) -> Vec<Result<StemFile, Arc<RecordingProblem>>> {
        let threads = std::thread::available_parallelism()
            .map_or(1, usize::from)
            .min(MAX_THREADS)
            .min(files.len());
        let next = AtomicUsize::new(0);
        let results = Mutex::new(Vec::with_capacity(files.len()));
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    while let Some((at, file)) = Some(next.fetch_add(1, Ordering::Relaxed))
                        .and_then(|at| Some((at, files.get(at)?)))
                    {
                        let result = self.examine_one(file).map_err(Arc::new);
                        results
                            .lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .push((at, result));
                    }
                });
            }
        });
        let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
        results.sort_by_key(|(at, _)| *at);
        results.into_iter().map(|(_, result)| result).collect()
    }

    fn examine_one(&self, path: &Path) -> Result<StemFile, RecordingProblem> {
        if self.allowance.is_exceeded() {
            return Err(RecordingProblem::OverBound);
        }
        let file = open_regular(path)?;
        let length_bytes = file.metadata()?.len();
        if length_bytes > MAX_BYTES {
            return Err(RecordingProblem::TooLarge);
        }
        if !self.allowance.take(&self.allowance.bytes, length_bytes) {
            return Err(RecordingProblem::OverBound);
        }
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(&file)?;
        let hash = *hasher.finalize().as_bytes();
        let decoded = self.lock_contents().entry(hash).or_default().clone();
        let probe = match decoded.get_or_init(|| self.decode(&file)) {
            Ok(probe) => probe,
            Err(error) if matches!(**error, DecodeError::Stopped) => {
                return Err(RecordingProblem::OverBound);
            }
            Err(error) => return Err(RecordingProblem::Decode(error.clone())),
        };
        Ok(StemFile {
            path: path.to_owned(),
            hash,
            length_bytes,
            duration_s: probe.duration_s,
            format: probe.format,
            silent: probe.peak < SILENCE,
        })
    }

    /// Decodes a file in pieces: a plan of large recordings would otherwise need one of them in memory for each core.
    fn decode(&self, file: &std::fs::File) -> Result<Probe, Arc<DecodeError>> {
        let mut charge = |samples: u64| {
            let is_allowed = self.allowance.take(&self.allowance.samples, samples);
            if is_allowed {
                self.samples.fetch_add(samples, Ordering::Relaxed);
            }
            is_allowed
        };
        backline_audio::probe_charged(file, &mut charge).map_err(Arc::new)
    }

    /// How many contents were decoded to their end, or to what is wrong with them.
    fn decoded(&self) -> usize {
        let is_done = |decoded: &&Decoded| match decoded.get() {
            Some(Err(error)) => !matches!(**error, DecodeError::Stopped),
            Some(Ok(_)) => true,
            None => false,
        };
        self.lock_contents().values().filter(is_done).count()
    }

    fn lock_contents(&self) -> std::sync::MutexGuard<'_, HashMap<[u8; 32], Decoded>> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Silence of so many frames as a WAV file in mono; `mark` makes contents differ.
    fn silence(frames: u32, mark: u8) -> Vec<u8> {
        let mut bytes = b"RIFF".to_vec();
        bytes.extend((36 + frames).to_le_bytes());
        bytes.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
        bytes.extend(48_000_u32.to_le_bytes());
        bytes.extend(48_000_u32.to_le_bytes());
        bytes.extend(b"\x01\0\x08\0data");
        bytes.extend(frames.to_le_bytes());
        bytes.resize(44 + frames as usize, 128);
        bytes[44] = mark;
        bytes
    }

    #[test]
    fn no_more_is_decoded_than_the_bound() {
        let folder = tempfile::tempdir().unwrap();
        let paths: Vec<PathBuf> = (0..200)
            .map(|number| {
                let path = folder.path().join(format!("{number}.wav"));
                std::fs::write(&path, silence(96_000, number)).unwrap();
                path
            })
            .collect();
        let paths: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
        let examine = |seconds| examine(&paths, Duration::from_secs(seconds));
        let stopped = examine(10);
        assert!(stopped.is_over_bound);
        assert!(stopped.work.samples <= 10 * 96_000, "{:?}", stopped.work);
        assert!(stopped.work.decoded <= 10, "{:?}", stopped.work);
        let all = examine(200);
        assert!(!all.is_over_bound);
        assert_eq!((all.work.decoded, all.work.samples), (200, 200 * 96_000));
        assert!(all.files.iter().all(Result::is_ok));
    }

    /// A file that is no recording is read all the same, to tell it from others.
    #[test]
    fn no_more_is_read_than_the_bound() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large");
        std::fs::File::create(&path)
            .unwrap()
            .set_len(400_000)
            .unwrap();
        let files: [&Path; 1] = [&path];
        let examine = |seconds| examine(&files, Duration::from_secs(seconds));
        assert!(examine(1).is_over_bound);
        let enough = examine(2);
        let problem = enough.files[0].as_ref().unwrap_err();
        assert!(matches!(**problem, RecordingProblem::Decode(_)) && !enough.is_over_bound);
    }
}
