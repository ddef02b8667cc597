//! The account's balance.

use serde_json::Value;

use crate::lenient::{as_number, number};

/// The credits that the `data` of a credit response names: an integer, a float, or the text of one. Some resellers wrap it.
pub fn read_credits(data: &Value) -> Option<f64> {
    as_number(data).or_else(|| number(data, &["credits", "credit", "balance"]))
}
