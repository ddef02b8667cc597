//! The files of a manifest: their text, positions in them, YAML nodes, and the diagnostics about them. Knows no section of a manifest.

pub(crate) mod budget;
pub(crate) mod diagnostic;
pub(crate) mod duration;
pub(crate) mod fields;
pub(crate) mod files;
pub(crate) mod ids;
pub(crate) mod node;
pub(crate) mod report;
pub(crate) mod yaml;
