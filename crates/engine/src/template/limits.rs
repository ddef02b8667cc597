//! How long a text may become.

use serde_json::Value as Json;

/// Longest text of any setting, in bytes: tags have no limit of their own, and no vendor takes a hundredth of this.
pub(crate) const MAX_TEXT_BYTES: usize = 64 * 1024;

/// About how many bytes a value takes in memory.
pub(crate) fn json_bytes(value: &Json) -> usize {
    /// Of a value itself, and of an entry of a mapping with its key.
    const VALUE: usize = 32;
    const ENTRY: usize = 96;
    VALUE
        + match value {
            Json::Null | Json::Bool(_) | Json::Number(_) => 0,
            Json::String(text) => text.len(),
            Json::Array(items) => items.iter().map(json_bytes).sum(),
            Json::Object(entries) => entries
                .iter()
                .map(|(name, value)| ENTRY + name.len() + json_bytes(value))
                .sum(),
        }
}
