//! `provider`: a vendor, or a table that says how a provider differs from one.

pub(crate) mod amend;
pub(crate) mod installed;
pub(crate) mod secret;
pub(crate) mod sound;
pub(crate) mod table;
