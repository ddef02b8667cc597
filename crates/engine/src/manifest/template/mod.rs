//! Templates in settings and names. A template is compiled once, and every variable that it names is checked before anything is
//! rendered.

pub(crate) mod compile;
pub(crate) mod functions;
pub(crate) mod render;
pub(crate) mod scope;
pub(crate) mod variables;
pub(crate) mod vars;
