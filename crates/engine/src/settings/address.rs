//! What of an address names a recording, and what only lets one fetch it for a while.
//!
//! An address that is signed anew is the same recording. These parts of a query count as its signature, in any case of letters:
//!
//! - `X-Amz-…`, `X-Goog-…`, `X-Oss-…`, `q-…` of Tencent's signature, `Signature`, `Expires`, and the names that go with them
//!   (`AWSAccessKeyId`, `GoogleAccessId`, `OSSAccessKeyId`, `Key-Pair-Id`, `Policy`, `security-token`, `x-id`),
//! - Azure's `sig` with all that it signs (`sv`, `se`, `sp`, …), Discord's `ex`, `is` and `hm`, Akamai's `hdnts` and `hdnea`,
//! - `token`, `access_token`, `auth`, `sig`, `hmac`, `verify`, `exp`, `expiry`, where something else is the signature too or the
//!   path ends with the name of a sound file. Elsewhere they count: `download?token=…` may name the recording by its token.
//!
//! Everything else of the address names the recording, the rest of the query included.

use std::borrow::Cow;

use url::Url;

/// How the names of parameters begin that never mean anything but a signature.
const SIGNING_PREFIXES: [&str; 3] = ["x-amz-", "x-goog-", "x-oss-"];

/// Their whole names.
const SIGNING: [&str; 16] = [
    "signature",
    "expires",
    "awsaccesskeyid",
    "googleaccessid",
    "ossaccesskeyid",
    "key-pair-id",
    "security-token",
    "hdnts",
    "hdnea",
    "q-sign-algorithm",
    "q-ak",
    "q-sign-time",
    "q-key-time",
    "q-header-list",
    "q-url-param-list",
    "q-signature",
];

/// Those that belong to a signature only where there is one.
const BESIDE: [&str; 2] = ["policy", "x-id"];

/// Those that may be a signature or the recording's name.
const TOKENS: [&str; 9] = [
    "token",
    "access_token",
    "auth",
    "auth_token",
    "sig",
    "hmac",
    "verify",
    "exp",
    "expiry",
];

/// What Azure's `sig` signs.
const AZURE: [&str; 21] = [
    "sig", "sv", "se", "st", "sp", "sr", "ss", "srt", "spr", "si", "sip", "sdd", "skoid", "sktid",
    "skt", "ske", "sks", "skv", "saoid", "suoid", "scid",
];

/// What Discord signs with.
const DISCORD: [&str; 3] = ["ex", "is", "hm"];

/// How the names of sound files end.
const SOUND_FILES: [&str; 15] = [
    "wav", "flac", "mp3", "m4a", "mp4", "aac", "ogg", "oga", "opus", "aif", "aiff", "caf", "webm",
    "wma", "alac",
];

/// An address without its signature.
pub(crate) fn unsigned(url: &Url) -> Cow<'_, Url> {
    let Some(query) = url.query() else {
        return Cow::Borrowed(url);
    };
    let name_of = |pair: &str| {
        let name = pair.split('=').next().unwrap_or(pair);
        name.to_ascii_lowercase()
    };
    let names: Vec<String> = query.split('&').map(name_of).collect();
    let has = |wanted: &str| names.iter().any(|name| name == wanted);
    let azure = has("sig") && has("sv") && (has("se") || has("si"));
    let discord = DISCORD.iter().all(|it| has(it));
    let signs = |name: &str| {
        SIGNING.contains(&name)
            || SIGNING_PREFIXES.iter().any(|it| name.starts_with(it))
            || (azure && AZURE.contains(&name))
            || (discord && DISCORD.contains(&name))
    };
    let is_signed = names.iter().any(|name| signs(name));
    let tokens_sign = is_signed || names_a_sound_file(url);
    let drops = |name: &str| {
        signs(name)
            || (is_signed && BESIDE.contains(&name))
            || (tokens_sign && TOKENS.contains(&name))
    };
    if !names.iter().any(|name| drops(name)) {
        return Cow::Borrowed(url);
    }
    let left: Vec<&str> = query
        .split('&')
        .zip(&names)
        .filter(|(_, name)| !drops(name))
        .map(|(pair, _)| pair)
        .collect();
    let mut unsigned = url.clone();
    unsigned.set_query((!left.is_empty()).then(|| left.join("&")).as_deref());
    Cow::Owned(unsigned)
}

fn names_a_sound_file(url: &Url) -> bool {
    let last = url.path().rsplit('/').next().unwrap_or("");
    last.rsplit_once('.').is_some_and(|(_, ending)| {
        SOUND_FILES
            .iter()
            .any(|known| ending.eq_ignore_ascii_case(known))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_no_part_of_what_an_address_names() {
        #[track_caller]
        fn check(address: &str, expected: &str) {
            let url = Url::parse(address).unwrap();
            assert_eq!(unsigned(&url).as_str(), expected);
        }
        let plain = "https://b.example/verse.wav";
        for query in [
            "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a%2Fb&X-Amz-Date=20260101T000000Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host&X-Amz-Signature=ab&x-id=GetObject",
            "AWSAccessKeyId=AK&Signature=x%3D&Expires=1700000000",
            "Expires=1&Policy=p&Signature=s&Key-Pair-Id=K",
            "GoogleAccessId=a&Expires=1&Signature=s",
            "X-Goog-Algorithm=a&X-Goog-Signature=s",
            "sv=2024-01-01&se=2026-01-01&sr=b&sp=r&sig=abc%3D",
            "ex=1&is=2&hm=3",
            "token=eyJ.a.b",
            "q-sign-algorithm=sha1&q-ak=a&q-signature=b",
            "expires=1&token=t",
        ] {
            check(&format!("{plain}?{query}"), plain);
        }
        check(
            "https://b.example/v.wav?version=2&Expires=1&Signature=s",
            "https://b.example/v.wav?version=2",
        );
        // These name the recording.
        for address in [
            plain,
            "https://b.example/download?token=abc",
            "https://b.example/download?id=7&sp=x",
            "https://b.example/v.wav?sp=2&policy=strict",
            "https://b.example/get.php?file=v.wav",
        ] {
            check(address, address);
        }
        check(
            "https://b.example/download?id=7&token=abc&expires=9",
            "https://b.example/download?id=7",
        );
    }
}
