//! What a job is called on the console: `chorus × lofi [model=V5] take 1`.

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
    format!("{} × {}{point} take {take}", clean(stem), clean(preset))
}

/// `label`, made to fit `most` columns: the middle goes, for its end tells takes apart.
pub(crate) fn fit_label(label: &str, most: usize) -> String {
    if columns(label) <= most {
        return label.to_owned();
    }
    match label.rfind(" take ") {
        Some(at) if columns(&label[at..]) + 4 < most => {
            format!(
                "{}{}",
                fit(&label[..at], most - columns(&label[at..])),
                &label[at..]
            )
        }
        _ => fit(label, most),
    }
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
        assert_eq!(job_label("chorus", "lofi", [], 1), "chorus × lofi take 1");
        assert_eq!(
            job_label(
                "chorus",
                "lofi",
                sweep.iter().map(|(name, value)| (name, value)),
                2
            ),
            "chorus × lofi [model=V5, tags=lofi, rain] take 2",
        );
    }

    #[test]
    fn a_long_label_keeps_its_take() {
        assert_eq!(
            fit_label("a very long stem × lofi take 12", 20),
            "a very long… take 12"
        );
        assert_eq!(fit_label("a very long stem × lofi take 12", 8), "a very …");
    }
}
