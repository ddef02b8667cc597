//! The account's API key. It can be sent and compared; it can't be printed or stored by accident.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::hex::hex;
use crate::redact::SECRET_CHARS;

/// An API key. `Debug` and `Display` print `[key]`; it does not implement `Serialize`.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

/// Why a text can't be an API key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// It is empty or blank.
    #[error("the API key is empty")]
    Empty,
    /// It contains other characters than visible ASCII, and a key is sent in an HTTP header.
    #[error("the API key contains white space or characters outside ASCII")]
    Characters,
    /// It is so short that it would also be found in unrelated text, so it could not be removed from messages.
    #[error(
        "the API key has fewer than {SECRET_CHARS} characters: no provider has such short keys, and messages could not hide it"
    )]
    TooShort,
}

impl ApiKey {
    /// Reads a key from `text`. Surrounding white space is dropped: keys come from files and pasted variables.
    pub fn new(text: impl AsRef<str>) -> Result<Self, InvalidKey> {
        let text = text.as_ref().trim();
        if text.is_empty() {
            Err(InvalidKey::Empty)
        } else if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Err(InvalidKey::Characters)
        } else {
            Ok(Self(text.to_owned()))
        }
    }

    /// Refuses a key that is too short to be a secret; a local studio may have a key of any length.
    pub fn check_length(&self) -> Result<(), InvalidKey> {
        if self.0.len() < SECRET_CHARS {
            Err(InvalidKey::TooShort)
        } else {
            Ok(())
        }
    }

    /// The key itself, for the one header that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Twelve hexadecimal digits that distinguish accounts and reveal nothing about the key: the start of a SHA-256 of a fixed
    /// prefix and the key.
    pub fn fingerprint(&self) -> String {
        let digest = Sha256::new()
            .chain_update("backline account\n")
            .chain_update(&self.0)
            .finalize();
        hex(&digest[..6])
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[key]")
    }
}

impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[key]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_never_printed() {
        let key = ApiKey::new(" s3cret-key\n").unwrap();
        assert_eq!(key.expose(), "s3cret-key");
        assert_eq!(
            format!("{key} {key:?} {:?} {:#?}", Some(&key), (&key,)),
            "[key] [key] Some([key]) (\n    [key],\n)"
        );
    }

    #[test]
    fn a_fingerprint_is_stable_and_tells_keys_apart() {
        let print = |text: &str| ApiKey::new(text).unwrap().fingerprint();
        assert_eq!(print("a"), print(" a "));
        assert_ne!(print("a"), print("b"));
        assert_eq!(print("a").len(), 12);
    }

    #[test]
    fn what_no_header_can_carry_is_no_key() {
        for (text, expected) in [
            ("", InvalidKey::Empty),
            (" \n", InvalidKey::Empty),
            ("a b", InvalidKey::Characters),
            ("a\r\nb", InvalidKey::Characters),
            ("schlüssel", InvalidKey::Characters),
        ] {
            assert_eq!(ApiKey::new(text), Err(expected), "{text:?}");
        }
        let length = |text: &str| ApiKey::new(text).unwrap().check_length();
        assert_eq!(length("1234567"), Err(InvalidKey::TooShort));
        assert_eq!(length("12345678"), Ok(()));
    }
}
