//! The content types of served files. Pure.
//!
//! The list has only the formats of the studio. Every other file is served as bytes: a browser must never run an uploaded page
//! or script as if it were the studio's own.

const TYPES: &[(&str, &str)] = &[
    ("mp3", "audio/mpeg"),
    ("wav", "audio/wav"),
    ("flac", "audio/flac"),
    ("m4a", "audio/mp4"),
    ("mp4", "audio/mp4"),
    ("aac", "audio/aac"),
    ("ogg", "audio/ogg"),
    ("oga", "audio/ogg"),
    ("opus", "audio/ogg"),
    ("aiff", "audio/aiff"),
    ("aif", "audio/aiff"),
    ("mid", "audio/midi"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("png", "image/png"),
    ("json", "application/json"),
];

/// The content type of a file named `name`.
pub(crate) fn of_name(name: &str) -> &'static str {
    entry(name).map_or("application/octet-stream", |(_, mime)| mime)
}

/// The extension of `name`, if the list contains it.
pub(crate) fn known_extension(name: &str) -> Option<&'static str> {
    entry(name).map(|(extension, _)| *extension)
}

fn entry(name: &str) -> Option<&'static (&'static str, &'static str)> {
    let (_, extension) = name.rsplit_once('.')?;
    TYPES
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(extension))
}
