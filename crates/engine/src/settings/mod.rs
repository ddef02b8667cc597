//! What is sent for a job, and the key that it has for that.

mod address;
mod encoding;
mod key;
mod title;

pub use backline_api::{Setting, Settings};

pub(crate) use self::address::unsigned;
pub(crate) use self::encoding::{
    JobIdentity, RecordingIdentity, first_key, former_keys, job_key, step_key,
};
pub use self::key::{JobKey, NotAKey};
pub use self::title::TitleIdentity;
pub(crate) use self::title::{DEFAULT_TITLE, default_title};

/// Settings for tests.
#[cfg(test)]
pub(crate) fn sample_settings() -> Settings {
    Settings::default()
        .with(Setting::TITLE, "Verse")
        .with(Setting::TAGS, "calm piano")
        .with(Setting::NEGATIVE_TAGS, "")
        .with(Setting::MODEL, "V4_5PLUS")
}
