//! Templates as a manifest writes them: each is compiled once, and every variable that it names is checked before anything is
//! rendered. [`template`](crate::template) renders them.

pub(crate) mod compile;
pub(crate) mod fixed;
pub(crate) mod scope;
pub(crate) mod vars;
