//! What a job sends: the settings, the rules for each, and the key that identifies a job.

pub(crate) mod address;
pub(crate) mod choice;
pub(crate) mod key;
pub(crate) mod setting;
