//! Assigns steps to the songs whose tracks they process: reports show steps with their song, not as songs.

use std::collections::{HashMap, HashSet};

use backline_engine::plan::JobStep;
use backline_engine::status::JobStatus;
use backline_engine::summary::{JobSummary, Summary};
use indexmap::IndexMap;

use crate::text::count;

/// The operation of songs.
pub(crate) const SONG: &str = "add-instrumental";

/// Most parents between a step and its song. A plan has at most two: MIDI is made from stems, and stems from a song.
const MAX_PARENTS: usize = 8;

/// The steps of a summary, by their songs.
pub struct Steps<'a> {
    of_song: HashMap<&'a str, Vec<&'a JobSummary>>,
    /// The keys of the steps whose song is in the summary.
    with_song: HashSet<&'a str>,
}

/// A step of a song: a job that made files, or should have made them.
#[derive(Debug, Clone, Copy)]
pub struct StepOf<'a> {
    /// The job.
    pub job: &'a JobSummary,
    /// The step of the job.
    pub step: &'a JobStep,
}

impl<'a> Steps<'a> {
    /// Finds the song of each step of a summary.
    pub fn of(summary: &'a Summary) -> Self {
        let by_key: HashMap<&str, &JobSummary> = summary
            .jobs
            .iter()
            .map(|job| (job.key.as_str(), job))
            .collect();
        let mut by_place: HashMap<_, &JobSummary> = HashMap::new();
        for job in summary.jobs.iter().filter(|job| job.step.is_none()) {
            by_place.entry(place(job)).or_insert(job);
        }
        let mut of_song: HashMap<&str, Vec<&JobSummary>> = HashMap::new();
        for job in &summary.jobs {
            if job.step.is_none() {
                continue;
            }
            // A song that was bought under the key of an earlier version has another key than the one that its steps name.
            let song = by_parents(job, &by_key).or_else(|| by_place.get(&place(job)).copied());
            if let Some(song) = song {
                of_song.entry(&song.key).or_default().push(job);
            }
        }
        let with_song = of_song.values().flatten().map(|job| job.key.as_str());
        Self {
            with_song: with_song.collect(),
            of_song,
        }
    }

    /// Whether a job is shown on its own: it is a song, or a step whose song is not in the summary.
    pub(crate) fn is_alone(&self, job: &JobSummary) -> bool {
        !self.with_song.contains(job.key.as_str())
    }

    /// The steps of a song in plan order.
    pub fn of_song(&self, song: &JobSummary) -> impl Iterator<Item = StepOf<'a>> {
        let jobs = self.of_song.get(song.key.as_str());
        jobs.into_iter().flatten().filter_map(|job| {
            let step = job.step.as_deref()?;
            Some(StepOf { job, step })
        })
    }

    /// The steps of one of a song's tracks in plan order.
    pub fn of_track(&self, song: &JobSummary, track: u32) -> impl Iterator<Item = StepOf<'a>> {
        self.of_song(song).filter(move |it| it.step.track == track)
    }
}

/// For each step name, the numbers of kept steps and of all steps, in plan order.
pub(crate) fn tally<'a>(
    steps: impl IntoIterator<Item = StepOf<'a>>,
) -> IndexMap<&'a str, (usize, usize)> {
    let mut tally: IndexMap<&str, (usize, usize)> = IndexMap::new();
    for StepOf { job, step } in steps {
        let (kept, all) = tally.entry(&step.name).or_default();
        *kept += usize::from(job.state == JobStatus::Kept);
        *all += 1;
    }
    tally
}

/// The operation of a job.
pub(crate) fn operation(job: &JobSummary) -> &str {
    job.step.as_ref().map_or(SONG, |step| &step.operation)
}

/// `4 tracks and 31 files of steps`; without the files if there are none.
pub(crate) fn tracks_and_artefacts(tracks: u64, artefacts: u64) -> String {
    let tracks = count(tracks, "track");
    match artefacts {
        0 => tracks,
        1 => format!("{tracks} and 1 file of a step"),
        number => format!("{tracks} and {number} files of steps"),
    }
}

/// The properties that a song and its steps share.
type Place<'a> = (&'a str, &'a str, Vec<(&'a String, &'a String)>, u32, bool);

fn place(job: &JobSummary) -> Place<'_> {
    let sweep = job.sweep.iter().collect();
    (&job.stem, &job.preset, sweep, job.take, job.in_manifest)
}

/// The song at the end of a step's chain of parents.
fn by_parents<'a>(
    step: &JobSummary,
    by_key: &HashMap<&str, &'a JobSummary>,
) -> Option<&'a JobSummary> {
    let mut parent = step.step.as_deref()?.parent;
    for _ in 0..MAX_PARENTS {
        let job = by_key.get(parent.to_string().as_str())?;
        match job.step.as_deref() {
            Some(step) => parent = step.parent,
            None => return Some(job),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;

    fn names(steps: impl Iterator<Item = StepOf<'static>>) -> Vec<String> {
        steps.map(|it| it.step.to_string()).collect()
    }

    #[test]
    fn a_step_belongs_to_the_song_at_the_end_of_its_parents() {
        let summary: &Summary = Box::leak(Box::new(example::with_steps()));
        let steps = Steps::of(summary);
        let found = names(steps.of_song(&summary.jobs[0]));
        let expected = [
            "track 1 / wav",
            "track 1 / split_stem",
            "track 1 / midi",
            "track 2 / wav",
            "track 2 / split_stem",
            "track 2 / midi",
        ];
        assert_eq!(found, expected);
        let of_second = names(steps.of_track(&summary.jobs[0], 2));
        assert_eq!(of_second, expected[3..]);
    }

    #[test]
    fn steps_find_a_song_that_is_bought_under_another_key() {
        let mut summary = example::with_steps();
        summary.jobs[0].key = "another".to_owned();
        let steps = Steps::of(&summary);
        assert_eq!(steps.of_song(&summary.jobs[0]).count(), 6);
        // Not one of another take or version.
        let other = summary.jobs.iter().find(|job| job.take == 2).unwrap();
        assert!(steps.of_song(other).all(|it| it.job.take == 2));
    }

    #[test]
    fn a_tally_counts_kept_steps_by_name() {
        let summary = example::with_steps();
        let steps = Steps::of(&summary);
        let found: Vec<_> = tally(steps.of_song(&summary.jobs[0])).into_iter().collect();
        let expected = [("wav", (2, 2)), ("split_stem", (1, 2)), ("midi", (1, 2))];
        assert_eq!(found, expected);
        let alone = summary.jobs.iter().filter(|job| steps.is_alone(job));
        assert_eq!(alone.count(), example::summary().jobs.len());
    }

    #[test]
    fn songs_and_files_of_steps_are_counted_apart() {
        assert_eq!(tracks_and_artefacts(4, 0), "4 tracks");
        assert_eq!(tracks_and_artefacts(1, 1), "1 track and 1 file of a step");
        assert_eq!(
            tracks_and_artefacts(4, 31),
            "4 tracks and 31 files of steps"
        );
    }
}
