//! The sign of a job after a run, and the reason for it. The page, JUnit, Markdown and the status share them.

use backline_engine::status::{JobStatus, Sign};
use backline_engine::summary::{JobSummary, RunFacts, TrackSummary};

use crate::printable::clean;
use crate::text::{count, excerpt, failure_text};

/// The sign of `job` at the end of the run; its current sign if the run has not ended.
pub(crate) fn sign(job: &JobSummary, run: &RunFacts) -> Sign {
    match Sign::from(job.state) {
        Sign::Buy if job.replaces.is_some() => Sign::Changed,
        Sign::Fetch if has_expired(job, run) => Sign::Expired,
        sign => sign,
    }
}

/// Why tracks are missing, clean and on one line. Empty if the [sign's meaning](Sign::meaning) explains it; `None` if no track
/// is missing.
pub(crate) fn why(sign: Sign, job: &JobSummary) -> Option<String> {
    let reason = || match (job.error_code, job.error.as_deref()) {
        (None, None) => String::new(),
        (code, message) => failure_text(code, message.unwrap_or_default()),
    };
    let problem = job.tracks.iter().find_map(|track| track.problem.as_deref());
    Some(match sign {
        Sign::Kept => return None,
        Sign::Buy | Sign::Changed | Sign::Failed | Sign::Vetoed => reason(),
        Sign::InDoubt => format!("may have been bought: {}", reason()),
        Sign::Partial => format!("{}: {}", tracks_kept(job), reason()),
        Sign::Expired => "the provider has deleted the tracks".to_owned(),
        Sign::InProgress | Sign::Fetch => match (job.state, problem) {
            (_, Some(problem)) => excerpt(problem),
            (JobStatus::Submitting, None) => "sent, no response so far".to_owned(),
            (_, None) if job.error.is_some() => reason(),
            (JobStatus::Running, None) => "the provider is at work".to_owned(),
            (_, None) => "the next run downloads what is missing".to_owned(),
        },
    })
}

/// `1 of 2 tracks`; `1 track` if the provider has reported only one.
pub(crate) fn tracks_kept(job: &JobSummary) -> String {
    let kept = job.tracks.iter().filter(|track| track.file.is_some());
    let noun = match job.step {
        Some(_) => "file",
        None => "track",
    };
    match (kept.count(), job.tracks.len()) {
        (kept, shown) if kept == shown => count(kept as u64, noun),
        (kept, shown) => format!("{kept} of {}", count(shown as u64, noun)),
    }
}

/// The part of a track that is not kept: `track 1`, `vocal` of a step that made stems, or `the mix of track 1` if the track
/// itself is kept.
pub(crate) fn unkept_part(track: &TrackSummary) -> String {
    if !track.artefact.is_empty() {
        return clean(&track.artefact);
    }
    match track.file {
        None => format!("track {}", track.index),
        Some(_) => format!("the mix of track {}", track.index),
    }
}

/// Whether the provider had deleted every track that the run did not keep.
fn has_expired(job: &JobSummary, run: &RunFacts) -> bool {
    let Some(ended_ms) = run.ended_ms else {
        return false;
    };
    let mut unkept = job
        .tracks
        .iter()
        .filter(|track| track.file.is_none())
        .peekable();
    unkept.peek().is_some()
        && unkept.all(|track| track.expires_ms.is_some_and(|at_ms| at_ms <= ended_ms))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;

    #[test]
    fn tracks_expire_only_if_they_were_not_kept_in_time() {
        let mut summary = example::summary();
        let run = summary.run.clone();
        let job = &mut summary.jobs[0];
        job.state = JobStatus::Finished;
        assert_eq!(sign(job, &run), Sign::Fetch);
        job.tracks[1].file = None;
        assert_eq!(sign(job, &run), Sign::Fetch);
        job.tracks[1].expires_ms = run.ended_ms;
        assert_eq!(sign(job, &run), Sign::Expired);
        let goes_on = RunFacts {
            ended_ms: None,
            ..run
        };
        assert_eq!(sign(job, &goes_on), Sign::Fetch);
    }

    #[test]
    fn the_files_of_a_step_are_named_by_what_they_are() {
        let mut summary = example::with_steps();
        let stems = &mut summary.jobs[2];
        assert_eq!(tracks_kept(stems), "3 files");
        stems.tracks[1].file = None;
        assert_eq!(tracks_kept(stems), "2 of 3 files");
        assert_eq!(unkept_part(&stems.tracks[1]), "drums");
        assert_eq!(tracks_kept(&summary.jobs[0]), "2 tracks");
        assert_eq!(
            unkept_part(&summary.jobs[0].tracks[1]),
            "the mix of track 2"
        );
    }

    #[test]
    fn a_job_without_tracks_has_a_reason() {
        let mut summary = example::summary();
        let run = summary.run.clone();
        let error = summary.jobs[4].error.clone();
        for (state, code, expected) in [
            (JobStatus::Kept, Some(500), ""),
            (JobStatus::Failed, Some(500), "code 500, without a message"),
            (
                JobStatus::InDoubt,
                Some(500),
                "may have been bought: code 500, without a message",
            ),
            (JobStatus::Running, Some(500), "code 500, without a message"),
            (
                JobStatus::Partial,
                Some(500),
                "0 tracks: code 500, without a message",
            ),
            (JobStatus::Submitting, None, "sent, no response so far"),
            (JobStatus::Running, None, "the provider is at work"),
            (
                JobStatus::Finished,
                None,
                "the next run downloads what is missing",
            ),
            // The sign is enough.
            (JobStatus::Planned, None, ""),
        ] {
            let job = &mut summary.jobs[4];
            (job.state, job.error_code) = (state, code);
            job.error = error.clone().filter(|_| code.is_some());
            let found = why(sign(job, &run), job);
            assert_eq!(found.unwrap_or_default(), expected, "{state:?}");
        }
    }
}
