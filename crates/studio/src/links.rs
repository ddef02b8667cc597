//! Builds and recognises the studio's addresses.

use backline_api::is_loopback_address;
use url::Url;

use crate::names;

/// Builds the studio's addresses and recognises them.
#[derive(Debug, Clone)]
pub(crate) struct Links {
    base: Url,
    /// The listener's port. The studio recognises every loopback name with this port as its own.
    port: u16,
}

impl Links {
    /// `base` must end in a slash, and its scheme must support paths.
    pub(crate) fn new(base: Url, port: u16) -> Links {
        Links { base, port }
    }

    pub(crate) fn base(&self) -> &Url {
        &self.base
    }

    /// The address of `path`, which is relative and consists of plain segments.
    pub(crate) fn to(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// The address of a file below `files/`.
    pub(crate) fn to_file(&self, path: &str) -> String {
        format!("{}files/{path}", self.base)
    }

    /// The path below `files/` that `url` names, if the address is the studio's own.
    pub(crate) fn own_file(&self, url: &Url) -> Option<String> {
        let public = url.origin() == self.base.origin();
        let loopback = url.port_or_known_default() == Some(self.port) && is_loopback_address(url);
        if !public && !loopback {
            return None;
        }
        let below = |root: &str| url.path().strip_prefix(root)?.strip_prefix("files/");
        let path = below(self.base.path()).or_else(|| below("/"))?;
        names::is_plain_path(path).then(|| path.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_studios_own_addresses_are_recognised_and_others_are_not() {
        let links = Links::new(
            Url::parse("https://studio.example.com/band/").unwrap(),
            8080,
        );
        let own = |url: &str| links.own_file(&Url::parse(url).unwrap());
        let file = Some("uploads/a/b.mp3".to_owned());
        assert_eq!(own(&links.to_file("uploads/a/b.mp3")), file);
        for url in [
            "http://127.0.0.1:8080/files/uploads/a/b.mp3",
            "http://localhost:8080/files/uploads/a/b.mp3?x=1",
            "http://[::1]:8080/files/uploads/a/b.mp3",
        ] {
            assert_eq!(own(url), file, "{url}");
        }
        for url in [
            "http://127.0.0.1:8081/files/uploads/a/b.mp3",
            "https://example.com/band/files/uploads/a/b.mp3",
            "http://localhost:8080/files/..%2fstudio.sqlite3",
            "http://localhost:8080/api/v1/generate/credit",
            "http://localhost:8080/files/../studio.sqlite3",
        ] {
            assert_eq!(own(url), None, "{url}");
        }
        // The parser resolves dots, spelt out or not, so they end below `files/` or outside of what is recognised.
        assert_eq!(
            own("http://localhost:8080/files/uploads/%2e%2e/studio.sqlite3").as_deref(),
            Some("studio.sqlite3")
        );
    }
}
