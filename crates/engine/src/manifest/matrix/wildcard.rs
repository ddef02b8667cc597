//! Matching of names and values, with `*` for any text.

/// Whether a wanted value, with `*` for any text, is this one; two numbers are the same if their values are.
pub(crate) fn matches(wanted: &str, name: &str) -> bool {
    if wanted == name {
        return true;
    }
    if let (Ok(wanted), Ok(name)) = (wanted.parse::<f64>(), name.parse::<f64>()) {
        return wanted == name;
    }
    fits(wanted, name)
}

/// The same for names, which are never numbers.
pub(crate) fn fits(wanted: &str, name: &str) -> bool {
    let mut parts = wanted.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else {
        return false;
    };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    true
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn values_match_with_stars_and_as_numbers() {
        #[track_caller]
        fn check(wanted: &str, name: &str, expected: bool) {
            assert_eq!(matches(wanted, name), expected, "{wanted} {name}");
        }
        check("lofi", "lofi", true);
        check("lofi", "lofi-2", false);
        check("lofi*", "lofi-2", true);
        check("*", "", true);
        check("*-2", "lofi-2", true);
        check("l*f*2", "lofi-2", true);
        check("l*x*2", "lofi-2", false);
        check("a*a", "a", false);
        check("0.5", "0.50", true);
        check("1", "1.0", true);
        check("", "x", false);
    }
}
