//! Removes secrets from addresses. A signed address has its signature in the query; some have a password before the host.

/// Longest message of a response that is stored, in characters; the rest of a vendor's HTML page is useless.
const MESSAGE_CHARS: usize = 300;

/// `url` without user info and fragment, its query replaced by `?…`. Accepts any text, also an invalid URL.
pub fn redact_url(url: &str) -> String {
    let (before_fragment, _) = url.split_once('#').unwrap_or((url, ""));
    let (address, query) = match before_fragment.split_once('?') {
        Some((address, _)) => (address, "?…"),
        None => (before_fragment, ""),
    };
    let (scheme, rest) = match address.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), address),
    };
    // A browser reads a backslash as a slash, so user info may end there too. User info ends before the last `@`.
    let (authority, path) = match rest.find(['/', '\\']) {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    format!("{scheme}{host}{path}{query}")
}

/// `text` with every web address in it redacted.
pub(crate) fn redact_addresses(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = find_address(rest) {
        out.push_str(&rest[..at]);
        let address = &rest[at..];
        let end = address.find(ends_address).unwrap_or(address.len());
        out.push_str(&redact_url(&address[..end]));
        rest = &address[end..];
    }
    out.push_str(rest);
    out
}

/// `text` with `*` in place of the user info, query and fragment of every web address. The length stays the same, for an
/// excerpt with marked positions.
pub fn mask_addresses(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = find_address(rest) {
        let address = &rest[at..];
        let end = address.find(ends_address).unwrap_or(address.len());
        let address = &address[..end];
        let host = address.find("://").map_or(0, |at| at + 3);
        let query = address.find(['?', '#']).map_or(end, |at| at + 1);
        let path = address[host..].find(['/', '\\', '?', '#']);
        let authority = &address[host..path.map_or(end, |at| host + at)];
        let user = host + authority.rfind('@').unwrap_or(0);
        out.push_str(&rest[..at + host]);
        out.push_str(&"*".repeat(user - host));
        out.push_str(&address[user..query]);
        out.push_str(&"*".repeat(end - query));
        rest = &rest[at + end..];
    }
    out.push_str(rest);
    out
}

/// `text` for a log: every web address redacted, control characters blanked, cut to 300 characters.
pub fn redact_text(text: &str) -> String {
    let out = redact_addresses(text);
    let blanked = |c: char| if c.is_control() { ' ' } else { c };
    match out.char_indices().nth(MESSAGE_CHARS) {
        Some((cut, _)) => out[..cut].chars().map(blanked).chain(['…']).collect(),
        None => out.chars().map(blanked).collect(),
    }
}

/// `text` with the query of every relative address redacted: `?name=value…` up to the next quote, space or bracket.
pub(crate) fn redact_queries(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('?') {
        let (before, query) = (&rest[..=at], &rest[at + 1..]);
        out.push_str(before);
        rest = query;
        let name = query
            .find(|c: char| {
                !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '%' | '[' | ']'))
            })
            .unwrap_or(query.len());
        if name > 0 && query[name..].starts_with('=') {
            out.push('…');
            rest = &query[query.find(ends_address).unwrap_or(query.len())..];
        }
    }
    out.push_str(rest);
    out
}

/// Shortest secret that is removed from any text; the API keys of real providers are no shorter.
pub(crate) const SECRET_CHARS: usize = 8;

/// `text` with `mark` in place of `secret`. A secret of a few characters (a local studio may have one) is replaced only where
/// it is a word of its own: replaced inside other words, it would make every message unreadable and reveal the secret.
pub(crate) fn hide_secret(text: &str, secret: &str, mark: &str) -> String {
    if secret.is_empty() {
        return text.to_owned();
    }
    if secret.len() >= SECRET_CHARS {
        return text.replace(secret, mark);
    }
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(secret) {
        let (before, behind) = (&rest[..at], &rest[at + secret.len()..]);
        let joined = before
            .chars()
            .next_back()
            .or_else(|| out.chars().next_back());
        let alone = |c: Option<char>| !c.is_some_and(char::is_alphanumeric);
        out.push_str(before);
        out.push_str(if alone(joined) && alone(behind.chars().next()) {
            mark
        } else {
            secret
        });
        rest = behind;
    }
    out.push_str(rest);
    out
}

/// Characters that can't belong to an address in a text.
fn ends_address(c: char) -> bool {
    c.is_whitespace() || c.is_control() || matches!(c, '"' | '\'' | '<' | '>' | '`' | '|')
}

/// Where the next `http://` or `https://` begins, in any case.
fn find_address(text: &str) -> Option<usize> {
    let lower = text.to_ascii_lowercase(); // keeps the position of every byte
    match (lower.find("http://"), lower.find("https://")) {
        (Some(plain), Some(secure)) => Some(plain.min(secure)),
        (plain, secure) => plain.or(secure),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn secrets_leave_an_address() {
        let check = |url: &str, expected: &str| assert_eq!(redact_url(url), expected, "{url}");
        check(
            "https://cdn.example.com/a.mp3?sig=s3cret&x=1#part",
            "https://cdn.example.com/a.mp3?…",
        );
        check(
            "https://me:s3cret@example.com:8443/a",
            "https://example.com:8443/a",
        );
        check("https://me:s3cr@et@example.com", "https://example.com");
        check("https://example.com#s3cret?x", "https://example.com");
        check("https://example.com/a@b", "https://example.com/a@b");
        check("not an address?s3cret", "not an address?…");
        check("", "");
    }

    #[test]
    fn an_excerpt_keeps_its_places() {
        for (text, expected) in [
            (
                "[{url: \"https://a.b/x?s=ä\"}]",
                "[{url: \"https://a.b/x?****\"}]",
            ),
            (
                "http://me:pw@a.b/c HTTPS://d.e#f",
                "http://*****@a.b/c HTTPS://d.e#*",
            ),
            ("https://a.b?c://d", "https://a.b?*****"),
            ("plain", "plain"),
        ] {
            assert_eq!(mask_addresses(text), expected);
        }
    }

    #[test]
    fn a_text_keeps_its_words_and_loses_the_secrets_in_it() {
        assert_eq!(
            redact_text(
                "can't fetch \"HTTPS://a:s3cret@b.example/x?s=s3cret\", nor http://c.example/?s3cret\nsorry"
            ),
            "can't fetch \"HTTPS://b.example/x?…\", nor http://c.example/?… sorry"
        );
        assert_eq!(
            redact_text(&"ä".repeat(400)).chars().count(),
            MESSAGE_CHARS + 1
        );
    }

    #[test]
    fn a_short_secret_is_hidden_where_it_stands_alone() {
        let hide = |text, secret| hide_secret(text, secret, "[key]");
        assert_eq!(
            hide("a bad key a: banana", "a"),
            "[key] bad key [key]: banana"
        );
        assert_eq!(hide("a", "a"), "[key]");
        assert_eq!(hide("nothing", ""), "nothing");
        assert_eq!(hide("xlongsecretx", "longsecret"), "x[key]x");
    }

    #[test]
    fn relative_addresses_lose_their_query() {
        assert_eq!(
            redact_queries(r#"go to "/a?sig=s3cret&x=1" or not? yes=no ?b[]=2'"#),
            r#"go to "/a?…" or not? yes=no ?…'"#
        );
    }

    proptest! {
        #[test]
        fn redaction_takes_any_text(text in ".*") {
            let _ = redact_url(&text);
            prop_assert!(redact_text(&text).chars().count() <= MESSAGE_CHARS + 1);
            prop_assert_eq!(mask_addresses(&text).len(), text.len());
        }

        #[test]
        fn no_query_survives(path in "[a-z/@:]{0,12}", query in "SECRET[a-z@/?#]{0,8}") {
            let url = format!("https://example.com/{path}?{query}");
            prop_assert!(!redact_url(&url).contains("SECRET"));
            prop_assert!(!mask_addresses(&url).contains("SECRET"));
            let text = format!("before {url} after");
            prop_assert!(!redact_text(&text).contains("SECRET"));
        }
    }
}
