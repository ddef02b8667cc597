//! The outcome of a job, in the words that the page, JUnit and Markdown share.

use backline_engine::summary::{JobStatus, JobSummary, RunFacts};

use crate::text::{said, words};

/// The outcome of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Verdict {
    /// All tracks are kept.
    Kept,
    /// Bought, and the provider is at work.
    InProgress,
    /// Made, and not all tracks are on disk.
    ToFetch,
    /// Nothing is bought.
    Planned,
    /// The same, and an earlier version of it was bought.
    Changed,
    /// The task ended with fewer tracks than it showed; those are kept.
    Partial,
    /// Possibly bought.
    InDoubt,
    /// Ended without tracks.
    Failed,
    /// Vetoed by a hook: nothing is bought.
    Vetoed,
    /// Bought, and deleted by the vendor before all tracks were kept.
    Expired,
}

impl Verdict {
    /// The verdict on `job` when the run ended; as the job is, for a run that has not.
    pub(crate) fn of(job: &JobSummary, run: &RunFacts) -> Self {
        match job.state {
            JobStatus::Kept => Self::Kept,
            JobStatus::Partial => Self::Partial,
            JobStatus::Planned if job.replaces.is_some() => Self::Changed,
            JobStatus::Planned => Self::Planned,
            JobStatus::InDoubt => Self::InDoubt,
            JobStatus::Failed => Self::Failed,
            JobStatus::Vetoed => Self::Vetoed,
            JobStatus::Finished if has_expired(job, run) => Self::Expired,
            JobStatus::Finished => Self::ToFetch,
            JobStatus::Submitting | JobStatus::Running => Self::InProgress,
        }
    }

    /// The sign that plans and reports use.
    pub(crate) fn sign(self) -> char {
        match self {
            Self::Kept => '=',
            Self::InProgress => '>',
            Self::ToFetch => 'f',
            Self::Planned => '+',
            Self::Changed => '~',
            Self::InDoubt => '?',
            Self::Failed => '!',
            Self::Vetoed => 'v',
            Self::Partial => 'p',
            Self::Expired => 'x',
        }
    }

    /// The word for it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::InProgress => "in progress",
            Self::ToFetch => "to fetch",
            Self::Planned => "not bought",
            Self::Changed => "changed, not bought",
            Self::InDoubt => "in doubt",
            Self::Failed => "failed",
            Self::Vetoed => "vetoed",
            Self::Partial => "partial",
            Self::Expired => "expired",
        }
    }

    /// Why not all tracks are there, clean and on one line; empty where the [word](Self::word) says it all, none when they are
    /// there.
    pub(crate) fn why(self, job: &JobSummary) -> Option<String> {
        let reason = || match (job.error_code, job.error.as_deref()) {
            (None, None) => String::new(),
            (code, message) => said(code, message.unwrap_or_default()),
        };
        let problem = job.tracks.iter().find_map(|track| track.problem.as_deref());
        Some(match self {
            Self::Kept => return None,
            Self::Planned | Self::Changed | Self::Failed | Self::Vetoed => reason(),
            Self::InDoubt => format!("may have been bought: {}", reason()),
            Self::Partial => format!("{}: {}", kept_of_shown(job), reason()),
            Self::Expired => "the provider has deleted the tracks".to_owned(),
            Self::InProgress | Self::ToFetch => match (job.state, problem) {
                (_, Some(problem)) => words(problem),
                (JobStatus::Submitting, None) => "sent, no response so far".to_owned(),
                (_, None) if job.error.is_some() => reason(),
                (JobStatus::Running, None) => "the provider is at work".to_owned(),
                (_, None) => "the next run downloads what is missing".to_owned(),
            },
        })
    }
}

/// `1 of 2 tracks`; `1 track` where the provider has shown no more.
pub(crate) fn kept_of_shown(job: &JobSummary) -> String {
    let kept = job.tracks.iter().filter(|track| track.file.is_some());
    match (kept.count(), job.tracks.len()) {
        (1, 1) => "1 track".to_owned(),
        (kept, shown) if kept == shown => format!("{kept} tracks"),
        (kept, shown) => format!("{kept} of {shown} tracks"),
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
        assert_eq!(Verdict::of(job, &run), Verdict::ToFetch);
        job.tracks[1].file = None;
        assert_eq!(Verdict::of(job, &run), Verdict::ToFetch);
        job.tracks[1].expires_ms = run.ended_ms;
        let verdict = Verdict::of(job, &run);
        assert_eq!((verdict, verdict.sign()), (Verdict::Expired, 'x'));
        let goes_on = RunFacts {
            ended_ms: None,
            ..run
        };
        assert_eq!(Verdict::of(job, &goes_on), Verdict::ToFetch);
    }

    #[test]
    fn a_job_without_tracks_has_a_reason() {
        let mut summary = example::summary();
        let run = summary.run.clone();
        let mut check = |state: JobStatus, expected: &str| {
            let job = &mut summary.jobs[4];
            job.state = state;
            let found = Verdict::of(job, &run).why(job);
            assert_eq!(found.unwrap_or_default(), expected, "{state:?}");
        };
        check(JobStatus::Kept, "");
        check(JobStatus::Failed, "code 500, without a message");
        check(
            JobStatus::InDoubt,
            "may have been bought: code 500, without a message",
        );
        check(JobStatus::Running, "code 500, without a message");
        check(JobStatus::Partial, "0 tracks: code 500, without a message");
        let job = &mut summary.jobs[4];
        (job.error_code, job.error) = (None, None);
        let mut check = |state: JobStatus, expected: &str| {
            let job = &mut summary.jobs[4];
            job.state = state;
            let found = Verdict::of(job, &run).why(job);
            assert_eq!(found.unwrap_or_default(), expected, "{state:?}");
        };
        check(JobStatus::Submitting, "sent, no response so far");
        check(JobStatus::Running, "the provider is at work");
        check(
            JobStatus::Finished,
            "the next run downloads what is missing",
        );
        // The word says it already.
        check(JobStatus::Planned, "");
    }
}
