//! The name of a job on the console: `chorus × lofi [model=V5] take 1`, or `… take 1, track 2: wav` for a step.

use backline_engine::plan::JobStep;

use crate::printable::clean;
use crate::text::{columns, fit};

/// A job's name for people, clean and on one line.
///
/// `sweep` are the settings of the sweep point in the manifest's order.
pub fn job_label<'a>(
    stem: &str,
    preset: &str,
    sweep: impl IntoIterator<Item = (&'a String, &'a String)>,
    take: u32,
    step: Option<&JobStep>,
) -> String {
    let point: Vec<String> = sweep
        .into_iter()
        .map(|(name, value)| format!("{}={}", clean(name), clean(value)))
        .collect();
    let point = if point.is_empty() {
        String::new()
    } else {
        format!(" [{}]", point.join(", "))
    };
    let step = step.map_or_else(String::new, |step| format!(", {}", clean(&step.title())));
    format!(
        "{} × {}{point} take {take}{step}",
        clean(stem),
        clean(preset)
    )
}

/// Columns of the name of a swept setting in a narrow output.
const SHORT_NAME_COLUMNS: usize = 8;

/// Columns of a sweep's values that are never cut.
const SHORT_VALUES_COLUMNS: usize = 12;

/// Columns that stem and preset get at least, even with long sweep values.
const LEAST_COLUMNS: usize = 12;

/// Fits `label` into `most` columns. The sweep's values and the take stay, because they distinguish the jobs of one stem and
/// preset. The names of swept settings are shortened first, then removed; stem and preset are cut last.
pub(crate) fn fit_label(label: &str, most: usize) -> String {
    if columns(label) <= most {
        return label.to_owned();
    }
    let Some((rest, take)) = label.rsplit_once(" take ") else {
        return fit(label, most);
    };
    let take = format!(" take {take}");
    let (head, point) = match rest.strip_suffix(']').and_then(|it| it.rsplit_once(" [")) {
        Some((head, point)) => (head, point),
        None => (rest, ""),
    };
    let with = |name: fn(&str) -> String| -> String {
        let pairs = point.split(", ").map(|pair| match pair.split_once('=') {
            Some((setting, value)) => format!("{}{value}", name(setting)),
            None => pair.to_owned(),
        });
        format!(" [{}]", pairs.collect::<Vec<_>>().join(", "))
    };
    let tail = if point.is_empty() {
        take
    } else {
        let short = with(|name| format!("{}=", fit(name, SHORT_NAME_COLUMNS))) + &take;
        if columns(head) + columns(&short) <= most {
            return format!("{head}{short}");
        }
        let values = with(|_| String::new());
        let room = most.saturating_sub(columns(&take) + LEAST_COLUMNS);
        match columns(&values) <= room.max(SHORT_VALUES_COLUMNS) {
            true => values + &take,
            // A value may be a text of any length.
            false => fit(&values, room) + &take,
        }
    };
    match columns(&tail) + 4 < most {
        true => format!("{}{tail}", fit_head(head, most - columns(&tail))),
        false => fit(label, most),
    }
}

/// Stem and preset. The stem is cut first, because rows of one stem follow each other.
fn fit_head(head: &str, most: usize) -> String {
    /// Columns of a cut stem.
    const STEM_COLUMNS: usize = 4;
    if let Some((stem, preset)) = head.rsplit_once(" × ") {
        let preset = format!(" × {preset}");
        if let Some(left) = most
            .checked_sub(columns(&preset))
            .filter(|it| *it >= STEM_COLUMNS)
        {
            return fit(stem, left) + &preset;
        }
    }
    fit(head, most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_names_stem_preset_sweep_and_take() {
        let sweep = [
            ("model".to_owned(), "V5".to_owned()),
            ("tags".to_owned(), "lofi,\nrain".to_owned()),
        ];
        assert_eq!(
            job_label("chorus", "lofi", [], 1, None),
            "chorus × lofi take 1"
        );
        assert_eq!(
            job_label(
                "chorus",
                "lofi",
                sweep.iter().map(|(name, value)| (name, value)),
                2,
                None
            ),
            "chorus × lofi [model=V5, tags=lofi, rain] take 2",
        );
    }

    #[test]
    fn a_long_label_keeps_its_take() {
        assert_eq!(
            fit_label("a very long stem × lofi take 12", 22),
            "a very… × lofi take 12"
        );
        assert_eq!(fit_label("a very long stem × lofi take 12", 8), "a very …");
    }

    #[test]
    fn a_long_label_keeps_what_tells_the_points_of_a_sweep_apart() {
        let label = "angel × lofi [weirdness_constraint=0.8] take 1";
        for (most, shown) in [
            (46, label),
            (45, "angel × lofi [weirdne…=0.8] take 1"),
            (33, "angel × lofi [0.8] take 1"),
            (24, "ang… × lofi [0.8] take 1"),
            (20, "angel … [0.8] take 1"),
            (16, "angel × lofi [w…"),
        ] {
            assert_eq!(fit_label(label, most), shown);
        }
        let two = "angel × lofi [style_weight=0.2, tags=a long text, of words] take 1";
        assert_eq!(
            fit_label(two, 40),
            "angel × lofi [0.2, a long text, … take 1"
        );
        for most in 0..70 {
            assert!(columns(&fit_label(two, most)) <= most.max(1), "{most}");
        }
    }
}
