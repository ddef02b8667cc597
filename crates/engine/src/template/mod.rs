//! Templates that were compiled, and their rendering.
//!
//! [`manifest`](crate::manifest) compiles them and checks every variable that they name; nothing here knows of files or of places in
//! them.

pub(crate) mod functions;
mod limits;
mod render;
mod variables;

pub(crate) use self::limits::{MAX_TEXT_BYTES, json_bytes};
pub(crate) use self::render::{Body, Engine, Reads, Reference, RenderProblem, Segment, Template};
pub(crate) use self::variables::{Fixed, Variables};
