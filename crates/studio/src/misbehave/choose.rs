//! Chooses the rules that apply to a submission. Pure: the caller passes the submission's number, and chance depends on the
//! plan's seed.

use super::plan::{Misbehaviour, Rule, When};

/// The properties of a submission that rules compare.
#[derive(Debug, Clone)]
pub(crate) struct Submission {
    /// The operation's name.
    pub(crate) operation: &'static str,
    pub(crate) title: String,
    pub(crate) tags: String,
    /// The `Idempotency-Key` and the last segment of the callback address.
    pub(crate) tokens: Vec<String>,
}

impl Misbehaviour {
    /// The rules that apply to the `number`th submission, before their `times` are checked.
    pub(crate) fn met<'a>(
        &'a self,
        submission: &'a Submission,
        number: u64,
    ) -> impl Iterator<Item = &'a Rule> {
        self.rules
            .iter()
            .zip(0..)
            .filter(move |(rule, index)| {
                rule.when.names(submission, number)
                    && rule
                        .when
                        .chance
                        .is_none_or(|chance| draw(self.seed, *index, number) < chance)
            })
            .map(|(rule, _)| rule)
    }
}

impl When {
    fn names(&self, submission: &Submission, number: u64) -> bool {
        let fits = |pattern: &Option<String>, text: &str| {
            pattern.as_deref().is_none_or(|pattern| fits(pattern, text))
        };
        self.nth.as_ref().is_none_or(|nth| nth.contains(&number))
            && self.every.is_none_or(|every| number.is_multiple_of(every))
            && self.from.is_none_or(|from| number >= from)
            && self.to.is_none_or(|to| number <= to)
            && fits(&self.operation, submission.operation)
            && fits(&self.title, &submission.title)
            && fits(&self.tags, &submission.tags)
            && (self.token.is_none()
                || submission
                    .tokens
                    .iter()
                    .any(|token| fits(&self.token, token)))
    }
}

/// A number in 0..1 that depends on the arguments alone.
fn draw(seed: u64, rule: u64, number: u64) -> f64 {
    let mut hasher = blake3::Hasher::new();
    for part in [seed, rule, number] {
        hasher.update(&part.to_le_bytes());
    }
    let mut bits = [0; 8];
    bits.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    // An f64 has 53 bits of precision.
    (u64::from_le_bytes(bits) >> 11) as f64 / (1_u64 << 53) as f64
}

/// Whether `text` matches `pattern`, in which `*` matches any number of characters.
fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let Some(last) = parts.next_back() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn met(when: &str, numbers: std::ops::RangeInclusive<u64>) -> Vec<u64> {
        let text = format!("version: 1\nseed: 3\nrules:\n  - when: {when}\n    do: [drop_request]");
        let plan = Misbehaviour::parse(&text).unwrap();
        let submission = Submission {
            operation: "wav",
            title: "Lullaby no 3".into(),
            tags: "piano, calm".into(),
            tokens: vec!["abc".into(), "xyz".into()],
        };
        numbers
            .filter(|number| plan.met(&submission, *number).count() == 1)
            .collect()
    }

    #[test]
    fn everything_that_is_said_must_hold() {
        assert_eq!(met("{}", 1..=3), [1, 2, 3]);
        assert_eq!(met("{nth: [2, 9]}", 1..=10), [2, 9]);
        assert_eq!(met("{every: 3}", 1..=10), [3, 6, 9]);
        assert_eq!(met("{from: 3, to: 5}", 1..=10), [3, 4, 5]);
        assert_eq!(met("{every: 2, from: 5}", 1..=10), [6, 8, 10]);
        assert_eq!(met("{title: 'Lull*', nth: [1]}", 1..=2), [1]);
        assert_eq!(met("{title: 'lull*'}", 1..=2), [0; 0]);
        assert_eq!(met("{tags: '*calm'}", 1..=1), [1]);
        assert_eq!(met("{operation: wav}", 1..=1), [1]);
        assert_eq!(met("{operation: 'stems'}", 1..=1), [0; 0]);
        assert_eq!(met("{token: 'x*'}", 1..=1), [1]);
        assert_eq!(met("{token: 'q*'}", 1..=1), [0; 0]);
    }

    #[test]
    fn chance_follows_from_the_seed_and_comes_out_right() {
        let hits = met("{chance: 0.2}", 1..=10_000);
        assert_eq!(hits, met("{chance: 0.2}", 1..=10_000));
        assert!((1_850..=2_150).contains(&hits.len()), "{}", hits.len());
        assert_eq!(met("{chance: 0}", 1..=100), [0; 0]);
        assert_eq!(met("{chance: 1}", 1..=100).len(), 100);
    }

    #[test]
    fn stars_stand_for_anything() {
        for (pattern, text, expected) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("*", "", true),
            ("a*", "a", true),
            ("*b*", "abc", true),
            ("a*a", "a", false),
            ("a*b*c", "a-c-b-c", true),
            ("a*b*c", "a-c", false),
            ("ü*", "über", true),
        ] {
            assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
        }
    }
}
