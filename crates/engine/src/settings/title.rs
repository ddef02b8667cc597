//! A job's title, and what it has to do with the job's identity.

/// What a job's title has to do with its identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TitleIdentity {
    /// The manifest gives it: with another title it is another job.
    Chosen,
    /// It is the title for those who give none, made of the stem's and the preset's names: no part of the identity.
    Default {
        /// Which it is, from 1, among the plan's jobs that are equal but for their names. They are as many purchases as there are
        /// jobs, in whatever order they are named.
        nth: u32,
    },
}

/// A title for those who give none. It says how a job is called here, so it is no part of what the job is: see
/// [`TitleIdentity`].
pub(crate) const DEFAULT_TITLE: &str = "{{stem.id}} ({{preset.id}})";

/// What [`DEFAULT_TITLE`] makes.
pub(crate) fn default_title(stem: &str, preset: &str) -> String {
    format!("{stem} ({preset})")
}
