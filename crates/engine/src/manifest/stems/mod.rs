//! `stems`: from entries, patterns and catalogues to the ordered list of recordings.

pub(crate) mod catalogue;
mod cells;
pub(crate) mod entries;
pub(crate) mod pattern;
pub(crate) mod recordings;
pub(crate) mod stem;
