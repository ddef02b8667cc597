//! `output`: where tracks are kept and how their files are named.

pub(crate) mod file_name;
pub(crate) mod naming;
pub(crate) mod tracks;
