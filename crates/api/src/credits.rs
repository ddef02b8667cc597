//! The account's balance.

use serde_json::Value;

use crate::lenient::{as_number, number};

/// No account has a trillion credits: what is beyond is no balance.
const MOST: f64 = 1e12;

/// The credits that the `data` of a credit response names: an integer, a float, or the text of one. Some resellers wrap it.
pub fn read_credits(data: &Value) -> Option<f64> {
    as_number(data)
        .or_else(|| number(data, &["credits", "credit", "balance"]))
        .filter(|credits| credits.abs() <= MOST)
}
