//! Verifies signed callbacks. The callback receiver calls it before a body is read.
//!
//! The signature covers the task id and the time, not the body. So it proves that the vendor recently sent something about this
//! task, and proves nothing about the addresses in the body. Addresses are read from record-info.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Longest signature and time stamp that are read, in characters; real ones have 44 and 10.
const HEADER_LIMIT: usize = 128;

/// Why a signature is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The time stamp is not a number of seconds.
    #[error("the callback's time stamp is not a Unix time in seconds")]
    Timestamp,
    /// The time differs too much from now: a replayed request, or a wrong clock.
    #[error("the callback was signed {age_s} s ago, at most {window_s} s either way are accepted")]
    OutsideWindow {
        /// Seconds since the signature; negative for a time in the future.
        age_s: i64,
        /// The largest accepted difference in seconds.
        window_s: u64,
    },
    /// The signature is not base64.
    #[error("the callback's signature is not base64")]
    Encoding,
    /// It was made with another key, for another task, or for another time.
    #[error("the callback's signature does not match")]
    Mismatch,
}

/// Checks `signature` (`X-Webhook-Signature`, base64) against the HMAC-SHA256 of `task_id.timestamp` under `key`, in constant
/// time. `timestamp` is the text of `X-Webhook-Timestamp`; it may differ from `now_s` by `window_s` seconds.
pub fn verify_signature(
    key: &[u8],
    task_id: &str,
    timestamp: &str,
    signature: &str,
    now_s: i64,
    window_s: u64,
) -> Result<(), SignatureError> {
    if timestamp.len() > HEADER_LIMIT {
        return Err(SignatureError::Timestamp);
    }
    if signature.len() > HEADER_LIMIT {
        return Err(SignatureError::Encoding);
    }
    let signed_s: i64 = timestamp.parse().map_err(|_| SignatureError::Timestamp)?;
    let given = STANDARD
        .decode(signature.trim())
        .map_err(|_| SignatureError::Encoding)?;
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in [task_id, ".", timestamp] {
        mac.update(part.as_bytes());
    }
    mac.verify_slice(&given)
        .map_err(|_| SignatureError::Mismatch)?;
    // The window is checked after the signature, so that only the vendor learns its size.
    let age_s = now_s.saturating_sub(signed_s);
    if age_s.unsigned_abs() > window_s {
        return Err(SignatureError::OutsideWindow { age_s, window_s });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEY: &[u8] = b"test-hmac-key";
    const SIGNATURE: &str = "al5S3lfSlwAxnfmLESg9YCbbnR50MZgjiVRWq8DAv8I=";

    #[test]
    fn only_the_vendors_signature_of_this_task_and_time_counts() {
        #[track_caller]
        fn check(
            key: &[u8],
            task: &str,
            time: &str,
            signature: &str,
            now_s: i64,
            expected: Result<(), SignatureError>,
        ) {
            assert_eq!(
                verify_signature(key, task, time, signature, now_s, 300),
                expected
            );
        }
        let t = 1_700_000_000;
        let late = |age_s| {
            Err(SignatureError::OutsideWindow {
                age_s,
                window_s: 300,
            })
        };
        check(KEY, "task-0001", "1700000000", SIGNATURE, t, Ok(()));
        check(KEY, "task-0001", "1700000000", SIGNATURE, t + 300, Ok(()));
        check(KEY, "task-0001", "1700000000", SIGNATURE, t - 300, Ok(()));
        check(
            KEY,
            "task-0001",
            "1700000000",
            SIGNATURE,
            t + 301,
            late(301),
        );
        check(
            KEY,
            "task-0001",
            "1700000000",
            SIGNATURE,
            t - 301,
            late(-301),
        );
        check(
            KEY,
            "task-0001",
            "1700000000",
            SIGNATURE,
            i64::MIN,
            late(i64::MIN),
        );
        check(
            b"another",
            "task-0001",
            "1700000000",
            SIGNATURE,
            t,
            Err(SignatureError::Mismatch),
        );
        check(
            KEY,
            "task-0002",
            "1700000000",
            SIGNATURE,
            t,
            Err(SignatureError::Mismatch),
        );
        check(
            KEY,
            "task-0001",
            "1700000001",
            SIGNATURE,
            t,
            Err(SignatureError::Mismatch),
        );
        check(
            KEY,
            "task-0001",
            "1700000000",
            "al5S3lfSlwAx",
            t,
            Err(SignatureError::Mismatch),
        );
        check(
            KEY,
            "task-0001",
            "1700000000",
            "",
            t,
            Err(SignatureError::Mismatch),
        );
        check(
            KEY,
            "task-0001",
            "1700000000",
            "not base64!",
            t,
            Err(SignatureError::Encoding),
        );
        check(
            KEY,
            "task-0001",
            "yesterday",
            SIGNATURE,
            t,
            Err(SignatureError::Timestamp),
        );
        check(
            KEY,
            "task-0001",
            &"1".repeat(4000),
            SIGNATURE,
            t,
            Err(SignatureError::Timestamp),
        );
        check(
            KEY,
            "task-0001",
            "1700000000",
            &"A".repeat(4000),
            t,
            Err(SignatureError::Encoding),
        );
    }

    proptest! {
        #[test]
        fn no_header_panics(task in ".*", time in ".*", signature in ".*", now_s in any::<i64>()) {
            prop_assert!(verify_signature(KEY, &task, &time, &signature, now_s, 300).is_err());
        }
    }
}
