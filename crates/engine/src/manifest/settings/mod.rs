//! What a manifest gives for a setting, and the key that identifies a job.

pub(crate) mod address;
pub(crate) mod choice;
pub(crate) mod key;
