//! What a manifest may take from other files: variables, defaults and presets, by `import` and `extends`.

pub(crate) mod extends;
pub(crate) mod import;
pub(crate) mod open;
pub(crate) mod presets;
