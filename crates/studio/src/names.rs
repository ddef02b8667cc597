//! Makes safe names for uploads. Pure.
//!
//! A client's `fileName` and `uploadPath` are only requests. The result is always a relative path of plain segments that every
//! file system accepts and that can't leave the upload folder. The same request always gives the same name, so a second upload
//! under one `fileName` overwrites the first, as at the vendors. Two different requests never share a name.

/// Longest name of a file or folder in bytes: every common file system accepts 255, and URLs stay readable.
const NAME_BYTES: usize = 120;
/// Deepest `uploadPath` that is accepted.
const DEPTH: usize = 8;

/// The folder that `uploadPath` names, relative to the uploads: `segment/segment`, or empty. `None` if it is too deep.
pub(crate) fn upload_folder(requested: &str) -> Option<String> {
    let segments: Vec<String> = requested
        .split(['/', '\\'])
        .filter(|part| !part.trim_matches(['.', ' ']).is_empty())
        .map(file_name)
        .collect();
    (segments.len() <= DEPTH).then(|| segments.join("/"))
}

/// A portable file name for `requested`; only the last path segment is used.
pub(crate) fn file_name(requested: &str) -> String {
    let requested = requested.rsplit(['/', '\\']).next().unwrap_or_default();
    let mut safe: String = requested
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') {
                c
            } else {
                '_'
            }
        })
        .collect();
    if safe.starts_with('.') || is_device(&safe) || safe.is_empty() {
        safe.insert(0, '_');
    }
    while safe.ends_with('.') {
        safe.pop();
    }
    if safe == requested && safe.len() <= NAME_BYTES {
        return safe;
    }
    // The name was changed, so another request could give the same name. A digest of the request distinguishes them.
    let (stem, extension) = match safe.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() && extension.len() <= 8 => {
            (stem, Some(extension))
        }
        _ => (safe.as_str(), None),
    };
    let stem = &stem[..stem.len().min(NAME_BYTES - 24)];
    let digest = &blake3::hash(requested.as_bytes()).to_hex()[..10];
    match extension {
        Some(extension) => format!("{stem}-{digest}.{extension}"),
        None => format!("{stem}-{digest}"),
    }
}

/// Whether `path` could come from this module: plain segments, none hidden.
pub(crate) fn is_plain_path(path: &str) -> bool {
    !path.is_empty()
        && path.split('/').all(|segment| {
            !segment.is_empty()
                && !segment.starts_with('.')
                && segment
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
        })
}

/// Names that Windows reserves for devices, with any extension.
fn is_device(name: &str) -> bool {
    let stem = name
        .split('.')
        .next()
        .unwrap_or_default()
        .to_ascii_uppercase();
    let numbered = |prefix: &str| {
        stem.strip_prefix(prefix)
            .is_some_and(|rest| rest.len() == 1 && rest.bytes().all(|b| b.is_ascii_digit()))
    };
    matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL") || numbered("COM") || numbered("LPT")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_name_is_kept_as_it_is() {
        assert_eq!(file_name("a1b2c3.mp3"), "a1b2c3.mp3");
        assert_eq!(upload_folder("user/stems").unwrap(), "user/stems");
    }

    #[test]
    fn nothing_leaves_the_upload_folder() {
        for requested in [
            "../../etc/passwd",
            "/etc/passwd",
            "..\\..\\boot.ini",
            "....//....//x",
            "a/../../b",
            "C:\\x",
            ".",
            "..",
            "...",
            "",
            " ",
            "./.ssh",
            ".hidden",
            "a\0b",
            "con",
            "NUL.wav",
            "%2e%2e%2fx",
            "x/",
            "\u{202e}gpj.exe",
            "a.",
            "a b",
        ] {
            let folder = upload_folder(requested).unwrap();
            assert!(
                folder.is_empty() || is_plain_path(&folder),
                "{requested:?} gave the folder {folder:?}"
            );
            let name = file_name(requested);
            assert!(
                is_plain_path(&name) && !name.contains('/'),
                "{requested:?} gave the name {name:?}"
            );
            assert!(!is_device(&name), "{requested:?} gave the device {name:?}");
        }
        assert_eq!(upload_folder(&"d/".repeat(9)), None);
    }

    #[test]
    fn one_wish_has_one_name_and_two_wishes_have_two() {
        assert_eq!(file_name("Größe.mp3"), file_name("Größe.mp3"));
        assert_ne!(file_name("Größe.mp3"), file_name("Grüße.mp3"));
        assert!(file_name("Größe.mp3").ends_with(".mp3"));
        let long = "x".repeat(400);
        assert!(file_name(&long).len() <= NAME_BYTES);
        assert_ne!(file_name(&long), file_name(&format!("{long}y")));
    }
}
