//! From axes to jobs: stems × presets × sweep × takes, under the rules of `exclude`, `include` and `--filter`.

pub(crate) mod axes;
pub(crate) mod compile;
pub(crate) mod examine;
pub(crate) mod expand;
pub(crate) mod filter;
pub(crate) mod partition;
pub(crate) mod rules;
pub(crate) mod selection;
pub(crate) mod wildcard;
