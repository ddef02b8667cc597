//! The same page for a run in progress: served, with an event for every job that changes.
//!
//! The page has a revision: the last state of the run that it received. A server sends it every job that changed since then, in
//! the page's JSON format, and the figures of the page's head. Sound files are served only at the addresses that
//! [`LivePage::files`] lists.

use backline_engine::kept_files::place_of;
use std::io;
use std::path::{Path, PathBuf};

use backline_engine::summary::Summary;
use serde_json::json;

use super::{data, gains, held, href, lay_out, policy};
use crate::material::ReportInput;
use crate::sound::{Sounds, measure};

/// Makes the page of one run. Measurements of sound files are cached, so that each file is measured once.
pub struct LivePage {
    project_dir: PathBuf,
    sound_cache: Option<PathBuf>,
    sounds: Sounds,
}

/// A file that the page plays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveFile {
    /// Its address as a browser requests it, relative to the page.
    pub address: String,
    /// Its path on disk.
    pub path: PathBuf,
    /// Whether it is a kept file. Otherwise it is a recording of the user's, which may be a symbolic link.
    pub is_kept: bool,
}

impl LivePage {
    /// For a run whose kept files are stored relative to `project_dir`. `sound_cache` is the folder of the measurements.
    pub fn new(project_dir: &Path, sound_cache: Option<&Path>) -> Self {
        Self {
            project_dir: project_dir.to_owned(),
            sound_cache: sound_cache.map(Path::to_owned),
            sounds: Sounds::new(),
        }
    }

    /// The page in the state of `revision`.
    ///
    /// # Errors
    /// Only because of a bug: every summary can be rendered.
    pub fn page(&mut self, summary: &Summary, revision: u64) -> io::Result<Vec<u8>> {
        let mut data = self.data(summary);
        data.revision = Some(revision);
        // The page may connect only to the server that it came from.
        lay_out(summary, &data, policy("; connect-src 'self'"))
    }

    /// Every song in the page's JSON format, with its steps, in plan order.
    ///
    /// # Errors
    /// Only because of a bug: every job can be converted to JSON.
    pub fn jobs(&mut self, summary: &Summary) -> io::Result<Vec<String>> {
        let data = self.data(summary);
        let jobs = data.jobs.iter().map(serde_json::to_string);
        Ok(jobs.collect::<serde_json::Result<_>>()?)
    }

    /// The figures of the page's head as JSON.
    pub fn head(summary: &Summary) -> String {
        json!({ "counts": held(summary), "gains": gains(summary), "ended": summary.run.ended_ms.is_some() }).to_string()
    }

    /// The files that the page plays or links to: the run's kept tracks and mixes, the results of steps, and the source
    /// recordings.
    pub fn files(&self, summary: &Summary) -> Vec<LiveFile> {
        let tracks = summary.jobs.iter().flat_map(|job| &job.tracks);
        let kept = tracks
            .flat_map(|track| [&track.file, &track.mix])
            .flatten()
            .map(|file| file.path.as_str());
        let vocals = summary.jobs.iter().filter_map(data::vocal_of);
        let file = |is_kept: bool| {
            move |path: &str| LiveFile {
                address: href::served(path),
                path: place_of(&self.project_dir, path),
                is_kept,
            }
        };
        kept.map(file(true))
            .chain(vocals.map(file(false)))
            .collect()
    }

    fn data(&mut self, summary: &Summary) -> data::PageData {
        let material = ReportInput {
            summary,
            records: &[],
            project_dir: &self.project_dir,
            sound_cache: self.sound_cache.as_deref(),
        };
        let mut wanted = data::sound_files(&material);
        wanted.retain(|wanted| !self.sounds.contains_key(&wanted.path));
        let measured = measure(&wanted, self.sound_cache.as_deref(), &|_, _| {});
        self.sounds.extend(measured);
        data::PageData::new(&material, &self.sounds, &href::served)
    }
}

#[cfg(test)]
mod tests {
    use backline_engine::status::JobStatus;

    use super::*;
    use crate::example;

    #[test]
    fn a_served_page_knows_its_revision_and_asks_nobody_but_its_server() {
        let summary = example::summary();
        let mut live = LivePage::new(Path::new("/p"), None);
        let page = String::from_utf8(live.page(&summary, 7).unwrap()).unwrap();
        assert!(page.contains("\"version\":1,\"revision\":7,"));
        assert!(page.contains("connect-src &#x27;self&#x27;"));
        assert!(page.contains("\"at\":\"audio/tracks/chorus/new-1.mp3\""));

        let jobs = live.jobs(&summary).unwrap();
        assert_eq!(jobs.len(), summary.jobs.len());
        assert!(page.contains(&super::super::in_script(&jobs[0])));
        assert!(!page.contains(example::TOKEN));
    }

    #[test]
    fn the_files_are_those_that_the_page_names() {
        let summary = example::summary();
        let live = LivePage::new(Path::new("/p"), None);
        let files = live.files(&summary);
        let stem = LiveFile {
            is_kept: false,
            address: "audio/stems/chorus.flac".to_owned(),
            path: PathBuf::from("/p/stems/chorus.flac"),
        };
        assert!(files.contains(&stem), "{files:?}");
        let all = LivePage::new(Path::new("/p"), None)
            .jobs(&summary)
            .unwrap()
            .concat();
        let kept = files.iter().filter(|file| all.contains(&file.address));
        assert_eq!(kept.count(), 4);
    }

    #[test]
    fn a_step_changes_the_song_that_it_belongs_to_and_its_files_are_served() {
        let mut summary = example::with_steps();
        let mut live = LivePage::new(Path::new("/p"), None);
        let before = live.jobs(&summary).unwrap();
        assert_eq!(before.len(), example::summary().jobs.len());
        summary.jobs[3].state = JobStatus::Running;
        let after = live.jobs(&summary).unwrap();
        let changed = before.iter().zip(&after).map(|(one, other)| one != other);
        let changed: Vec<bool> = changed.collect();
        assert_eq!(changed, [true, false, false, false, false]);
        let files = live.files(&summary);
        for ending in ["-wav.wav", "-vocal.mp3", "-midi.mid"] {
            let address = format!("audio/tracks/chorus/new-1{ending}");
            assert!(files.iter().any(|it| it.address == address), "{address}");
            assert!(before[0].contains(&address), "{address}");
        }
    }

    #[test]
    fn the_head_says_when_the_run_has_ended() {
        let mut summary = example::summary();
        assert!(LivePage::head(&summary).ends_with("\"ended\":true}"));
        summary.run.ended_ms = None;
        let head: serde_json::Value = serde_json::from_str(&LivePage::head(&summary)).unwrap();
        let counts = "5 jobs: 2 kept, 2 failed, 1 in doubt · 4 tracks";
        let gains = "This run: 4 of 5 jobs submitted, 2 tracks downloaded; \
             credits: 36 spent by this run, 36 by all runs; balance 976, before 1000";
        assert_eq!(
            head,
            json!({ "counts": counts, "gains": gains, "ended": false })
        );
    }
}
