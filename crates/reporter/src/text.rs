//! Text for people: excerpts that fit a terminal, and numbers in one format everywhere.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use unicode_width::UnicodeWidthChar;

use crate::printable::clean;

/// Longest vendor message on the console, in columns. The reports have the whole text.
pub(crate) const MAX_EXCERPT_COLUMNS: usize = 300;

/// A vendor's message: clean, and cut to a readable length.
pub(crate) fn excerpt(text: &str) -> String {
    fit(&clean(text), MAX_EXCERPT_COLUMNS)
}

/// A vendor's code and message.
pub(crate) fn failure_text(code: Option<i64>, message: &str) -> String {
    match (code, excerpt(message)) {
        (Some(code), message) if message.is_empty() => format!("code {code}, without a message"),
        (Some(code), message) => format!("{code}: {message}"),
        (None, message) if message.is_empty() => "without a message".to_owned(),
        (None, message) => message,
    }
}

/// The width of a clean text in columns.
pub(crate) fn columns(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

/// `text`, cut at the end with `…` if it has more than `most` columns. Never separates a character from its combining marks.
pub(crate) fn fit(text: &str, most: usize) -> String {
    if columns(text) <= most {
        return text.to_owned();
    }
    let mut room = most.saturating_sub(1);
    let mut cut = String::new();
    for c in text.chars() {
        match room.checked_sub(c.width().unwrap_or(0)) {
            Some(left) => room = left,
            None => break,
        }
        cut.push(c);
    }
    cut.push('…');
    cut
}

/// `text` padded with spaces to `wide` columns.
pub(crate) fn pad(text: &str, wide: usize) -> String {
    let mut padded = text.to_owned();
    padded.extend(std::iter::repeat_n(' ', wide.saturating_sub(columns(text))));
    padded
}

/// A time as RFC 3339 in UTC; `None` outside the years 0 to 9999, which RFC 3339 can't represent.
pub(crate) fn rfc3339(unix_ms: i64) -> Option<String> {
    let time = Timestamp::from_millisecond(unix_ms).ok()?;
    (0..=9999)
        .contains(&time.to_zoned_datetime(TimeZone::UTC).year())
        .then(|| time.to_string())
}

/// The time of day in `zone`.
pub(crate) fn time_of_day(unix_ms: i64, zone: &TimeZone) -> String {
    match Timestamp::from_millisecond(unix_ms) {
        Ok(time) => time
            .to_zoned_datetime(zone.clone())
            .strftime("%H:%M:%S")
            .to_string(),
        Err(_) => "--:--:--".to_owned(),
    }
}

/// A duration for people: `40 s`, `2 min 5 s`, `14 min`, `1 h 20 min`; rounded up.
pub(crate) fn span(ms: i64) -> String {
    let seconds = ms.max(0).saturating_add(999) / 1000;
    let minutes = seconds.saturating_add(59) / 60;
    match (seconds, minutes) {
        (..120, _) => format!("{seconds} s"),
        (..600, _) if seconds % 60 > 0 => format!("{} min {} s", seconds / 60, seconds % 60),
        (_, ..120) => format!("{minutes} min"),
        _ => format!("{} h {} min", minutes / 60, minutes % 60),
    }
}

/// The same for an estimate: from two minutes on, rounded to the nearest minute.
pub(crate) fn about(ms: i64) -> String {
    match ms {
        ..120_000 => span(ms),
        _ => span(ms.saturating_add(30_000) / 60_000 * 60_000),
    }
}

/// A clock of elapsed time: `1:23`, `1:02:03`.
pub(crate) fn elapsed(ms: i64) -> String {
    let seconds = ms.max(0) / 1000;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

/// Credits, or another number, without the rounding errors of decimal fractions.
pub fn figure(value: f64) -> String {
    let rounded = (value * 10_000.0).round() / 10_000.0;
    // Adding zero turns a negative zero into a positive one.
    format!(
        "{}",
        if rounded.is_finite() {
            rounded + 0.0
        } else {
            value
        }
    )
}

/// The deepest folder that contains all of `paths`; `None` if there is no path or the folder has no name.
pub(crate) fn common_folder<'a>(mut paths: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let folder = |path: &'a str| path.rfind('/').map_or("", |at| &path[..at]);
    let mut common = folder(paths.next()?);
    for path in paths {
        while !(path.starts_with(common)
            && (common.is_empty() || path[common.len()..].starts_with('/')))
        {
            common = folder(common);
        }
    }
    (!common.is_empty()).then_some(common)
}

/// Wilson's 95 % interval of a share that was measured in `number` trials.
pub(crate) fn wilson(share: f64, number: f64) -> (f64, f64) {
    const Z: f64 = 1.959_964;
    let scale = 1.0 + Z * Z / number;
    let middle = (share + Z * Z / (2.0 * number)) / scale;
    let half =
        Z / scale * (share * (1.0 - share) / number + Z * Z / (4.0 * number * number)).sqrt();
    ((middle - half).max(0.0), (middle + half).min(1.0))
}

/// `1 job`, `2 jobs`.
pub fn count(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// `text` quoted as one word of a POSIX shell, for commands that a person copies.
pub fn shell_word(text: &str) -> String {
    let text = clean(text);
    let plain = |c: char| {
        c.is_alphanumeric()
            || matches!(c, '/' | '.' | '-' | '_' | '+' | ':' | ',' | '@' | '%' | '=')
    };
    if !text.is_empty() && text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(fit("short", 5), "short");
        assert_eq!(fit("longer", 5), "long…");
        assert_eq!(fit("日本語", 5), "日本…");
        assert_eq!(fit("日本語", 4), "日…");
        assert_eq!(fit("e\u{301}e\u{301}e\u{301}", 2), "e\u{301}…");
    }

    #[test]
    fn times_are_told_as_people_tell_them() {
        for (ms, said) in [
            (-5, "0 s"),
            (1, "1 s"),
            (119_000, "119 s"),
            (119_001, "2 min"),
            (121_800, "2 min 2 s"),
            (600_001, "11 min"),
            (7_080_000, "118 min"),
            (7_200_000, "2 h 0 min"),
            (i64::MAX, "2562047788015 h 13 min"),
        ] {
            assert_eq!(span(ms), said, "{ms}");
        }
        assert_eq!(about(119_000), "119 s");
        assert_eq!(about(229_000), "4 min");
        assert_eq!(elapsed(83_900), "1:23");
        assert_eq!(elapsed(3_723_000), "1:02:03");
    }

    #[test]
    fn figures_are_short() {
        assert_eq!(figure(12.0), "12");
        assert_eq!(figure(0.1 + 0.2), "0.3");
        assert_eq!(figure(-0.0), "0");
        assert_eq!(
            (count(1, "job"), count(0, "job")),
            ("1 job".to_owned(), "0 jobs".to_owned())
        );
    }

    #[test]
    fn the_common_folder_of_files() {
        let check = |paths: &[&'static str]| common_folder(paths.iter().copied());
        assert_eq!(check(&[]), None);
        assert_eq!(check(&["a.mp3"]), None);
        assert_eq!(check(&["out/a.mp3", "out/b.mp3"]), Some("out"));
        assert_eq!(check(&["out/x/a.mp3", "out/xy/b.mp3"]), Some("out"));
        assert_eq!(check(&["out/x/a.mp3", "in/b.mp3"]), None);
        assert_eq!(
            check(&["/music/a.mp3", "/music/deep/b.mp3"]),
            Some("/music")
        );
    }

    #[test]
    fn a_share_has_the_interval_of_wilson() {
        let (low, high) = wilson(0.5, 10.0);
        assert!(
            (low - 0.2366).abs() < 1e-4 && (high - 0.7634).abs() < 1e-4,
            "{low} {high}"
        );
        assert!(wilson(1.0, 3.0).0 > 0.43 && wilson(1.0, 3.0).1 == 1.0);
    }

    #[test]
    fn times_that_rfc_3339_cannot_write_are_none() {
        assert_eq!(
            rfc3339(1_700_000_000_000).as_deref(),
            Some("2023-11-14T22:13:20Z")
        );
        assert_eq!(
            rfc3339(1_700_000_000_123).as_deref(),
            Some("2023-11-14T22:13:20.123Z")
        );
        for impossible in [i64::MIN, i64::MAX, -99_999_999_999_999, 253_402_300_800_000] {
            assert_eq!(rfc3339(impossible), None, "{impossible}");
        }
    }

    #[test]
    fn a_path_is_one_word_for_a_shell() {
        assert_eq!(shell_word("songs/first.yaml"), "songs/first.yaml");
        assert_eq!(
            shell_word("my songs; it's $HOME.yaml"),
            r"'my songs; it'\''s $HOME.yaml'"
        );
    }

    proptest! {
        #[test]
        fn what_is_shown_is_one_line_that_fits(text in any::<String>(), most in 1_usize..40) {
            let shown = fit(&clean(&text), most);
            prop_assert!(columns(&shown) <= most);
            prop_assert!(!shown.chars().any(|c| c.is_control()));
        }
    }
}
