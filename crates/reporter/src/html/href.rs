//! The addresses of kept files, for a page in another folder.

use std::path::{Component, Path, PathBuf};

/// The address of `file` for a page in `folder`: relative if the two share a root, with `/`, each part percent-encoded, so that
/// no name can change the structure of the address. Both paths are absolute, or both are relative to the same folder.
pub(crate) fn href(folder: &Path, file: &Path) -> String {
    let (from, to) = (plain(folder), plain(file));
    if from.has_root() != to.has_root() || prefix(&from) != prefix(&to) {
        return format!("file:///{}", encoded(&to).trim_start_matches('/'));
    }
    let shared = from
        .components()
        .zip(to.components())
        .take_while(|(one, other)| one == other)
        .count();
    let ups = from.components().count() - shared;
    let down: PathBuf = to.components().skip(shared).collect();
    let down = encoded(&down);
    // `./` prevents a name with a colon from being read as a scheme.
    let start = if ups == 0 {
        "./".to_owned()
    } else {
        "../".repeat(ups)
    };
    format!("{start}{down}")
}

/// The address under which a server offers a file that the ledger stores as `path`; relative to the page.
pub(crate) fn served(path: &str) -> String {
    let mut text = "audio".to_owned();
    for part in path.split('/') {
        text.push('/');
        encode(part, &mut text);
    }
    text
}

/// `path` without `.` and `..`, resolved from its text alone.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if plain.file_name().is_some() && !plain.ends_with("..") => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    plain
}

fn prefix(path: &Path) -> Option<Component<'_>> {
    path.components()
        .next()
        .filter(|part| matches!(part, Component::Prefix(_)))
}

fn encoded(path: &Path) -> String {
    let mut text = String::new();
    for part in path.components() {
        match part {
            Component::RootDir => text.push('/'),
            part => {
                if !text.is_empty() && !text.ends_with('/') {
                    text.push('/');
                }
                encode(&part.as_os_str().to_string_lossy(), &mut text);
            }
        }
    }
    text
}

/// Percent-encodes everything but RFC 3986's unreserved characters.
fn encode(part: &str, text: &mut String) {
    for byte in part.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_file_is_named_from_the_page() {
        let check = |folder: &str, file: &str, expected: &str| {
            assert_eq!(href(Path::new(folder), Path::new(file)), expected);
        };
        check("/p/out", "/p/out/a.mp3", "./a.mp3");
        check(
            "/p/out",
            "/p/out/chorus/lo fi #1.mp3",
            "./chorus/lo%20fi%20%231.mp3",
        );
        check("/p/reports/html", "/p/out/a.mp3", "../../out/a.mp3");
        check("/p/./out/../reports", "/p/out/a.mp3", "../out/a.mp3");
        check(
            "out",
            "out/javascript:alert(1).mp3",
            "./javascript%3Aalert%281%29.mp3",
        );
        check("", "tracks/ä.mp3", "./tracks/%C3%A4.mp3");
        check("/p/out", "elsewhere/a.mp3", "file:///elsewhere/a.mp3");
    }

    #[test]
    fn a_served_file_is_named_by_its_path() {
        assert_eq!(
            served("out/lo fi/ä?.mp3"),
            "audio/out/lo%20fi/%C3%A4%3F.mp3"
        );
        assert_eq!(served("/music/a.mp3"), "audio//music/a.mp3");
    }

    proptest! {
        #[test]
        fn no_name_leaves_its_place(name in "[^/\u{0}]{1,20}") {
            prop_assume!(name != "." && name != "..");
            let found = href(Path::new("/p/out"), &Path::new("/p/out").join(&name));
            prop_assert!(found.starts_with("./"));
            prop_assert!(found.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%/".contains(&byte)), "{}", found);
            prop_assert_eq!(found.matches('/').count(), 1);
        }
    }
}
