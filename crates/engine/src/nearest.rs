//! "Did you mean": the known name that a wrong one is closest to.

/// Longest name that is compared with others, in characters: the work grows with the square of it.
const MAX_CHARS: usize = 64;

/// The candidate that a wrong name was most likely meant to be: at most a third of its letters away, or the same but for case.
pub(crate) fn nearest<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    all_nearest(name, candidates).into_iter().next()
}

/// All candidates that a wrong name is equally near to; none where it is too far from every one.
fn all_nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let name = name.to_lowercase();
    let letters = name.chars().count();
    let limit = (letters / 3).max(1);
    let near = candidates
        .into_iter()
        .take(10_000)
        .filter(|candidate| letters.abs_diff(candidate.chars().count()) <= limit)
        .take(if letters <= MAX_CHARS { 1_000 } else { 0 })
        .map(|candidate| {
            (
                strsim::damerau_levenshtein(&name, &candidate.to_lowercase()),
                candidate,
            )
        });
    let (mut least, mut all) = (limit, Vec::new());
    for (distance, candidate) in near.filter(|(distance, _)| *distance <= limit) {
        if distance < least {
            least = distance;
            all.clear();
        }
        if distance == least {
            all.push(candidate);
        }
    }
    all
}

/// The one candidate that a name is the beginning of, as `weirdness` is of `weirdness_constraint`, or a slip of its first word.
fn begun<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    /// Fewer letters begin too much.
    const LEAST: usize = 3;
    let name = name.to_lowercase();
    if name.chars().count() < LEAST {
        return None;
    }
    let candidates: Vec<&str> = candidates.into_iter().take(10_000).collect();
    let only = |begins: &dyn Fn(&str) -> bool| {
        let mut longer = candidates.iter().filter(|candidate| begins(candidate));
        longer.next().copied().filter(|_| longer.next().is_none())
    };
    only(&|candidate| candidate.to_lowercase().starts_with(&name)).or_else(|| {
        only(&|candidate| match candidate.split_once('_') {
            Some((word, _)) => nearest(&name, [word]).is_some(),
            None => false,
        })
    })
}

/// The candidates that a wrong name may be a slip of. One means that the slip is clear.
pub(crate) fn meant<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str> + Clone,
) -> Vec<&'a str> {
    let near = all_nearest(name, candidates.clone());
    if near.is_empty() {
        return begun(name, candidates).into_iter().collect();
    }
    near
}

/// ``did you mean `x`?``, or the list of what there is when it is short.
pub(crate) fn suggestion<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str> + Clone,
) -> Option<String> {
    if let Some(near) = meant(name, candidates.clone()).first() {
        return Some(format!("did you mean `{near}`?"));
    }
    let all: Vec<&str> = candidates.into_iter().take(25).collect();
    (!all.is_empty() && all.len() < 25).then(|| format!("known here: {}", all.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::{meant, nearest};

    #[test]
    fn a_name_of_a_strangers_length_is_compared_with_none() {
        let (name, near) = ("x".repeat(64), format!("{}y", "x".repeat(63)));
        assert_eq!(nearest(&name, [near.as_str(), "xy"]), Some(near.as_str()));
        let (name, near) = ("x".repeat(65), format!("{}y", "x".repeat(64)));
        assert_eq!(nearest(&name, [near.as_str()]), None);
        assert_eq!(nearest("weigth", ["weight", "width"]), Some("weight"));
    }
    #[test]
    fn a_slip_is_clear_where_one_name_is_nearest() {
        assert_eq!(meant("preset", ["presets", "reports"]), ["presets"]);
        assert_eq!(
            meant("weirdness", ["weirdness_constraint", "tags"]),
            ["weirdness_constraint"]
        );
        for slip in ["wierdness", "Weirdnes"] {
            let names = ["weirdness_constraint", "style_weight", "tags"];
            assert_eq!(meant(slip, names), ["weirdness_constraint"]);
        }
        assert_eq!(meant("audoi", ["audio_weight", "audio"]), ["audio"]);
        assert_eq!(meant("fil", ["file", "fill", "dir"]), ["file", "fill"]);
        assert_eq!(meant("colour", ["file", "dir"]), Vec::<&str>::new());
    }
}
