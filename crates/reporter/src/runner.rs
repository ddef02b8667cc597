//! Removes commands to a CI runner from the output. GitHub reads `::error::…` at the start of a line as a command. GitHub and
//! Azure also read `##[…]` and `##vso[…]` anywhere in a line. Names and messages come from manifests, ledgers and vendors.

use std::borrow::Cow;

/// `text` with a space inside everything that a runner would read as a command: `: :error::`, `# #[error]`.
pub fn without_commands(text: &str) -> Cow<'_, str> {
    if !text.contains("::") && !text.contains("##") {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for line in text.split_inclusive(['\n', '\r']) {
        let blank = line.len() - line.trim_start().len();
        let (blank, mut rest) = line.split_at(blank);
        safe.push_str(blank);
        // The position in a diagnostic begins with `::: `, which is not a command.
        if let Some(command) = rest.strip_prefix("::")
            && !command.starts_with(':')
        {
            safe.push_str(": :");
            rest = command;
        }
        push_broken_up(&mut safe, rest, "# #");
    }
    Cow::Owned(safe)
}

/// The same for JSON. It replaces `##` by an escape, so the value stays the same; texts in JSON never start a line.
pub fn json_without_commands(json: &str) -> Cow<'_, str> {
    if !json.contains("##") {
        return Cow::Borrowed(json);
    }
    let mut safe = String::with_capacity(json.len() + 16);
    push_broken_up(&mut safe, json, "#\\u0023");
    Cow::Owned(safe)
}

/// Appends `text` with the `##` of each command replaced by `apart`.
fn push_broken_up(safe: &mut String, mut text: &str, apart: &str) {
    while let Some((before, after)) = text.split_once("##") {
        let name = after.trim_start_matches(|letter: char| letter.is_ascii_alphabetic());
        safe.push_str(before);
        if name.starts_with('[') {
            safe.push_str(apart);
            text = after;
        } else {
            safe.push('#');
            text = &text[before.len() + 1..];
        }
    }
    safe.push_str(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_runner_takes_for_a_command_is_taken_apart() {
        for (text, safe) in [
            ("a::b ## c\n## title", "a::b ## c\n## title"),
            ("::error::x", ": :error::x"),
            (" ::: a.yaml:3", " ::: a.yaml:3"),
            ("a\n \t::add-mask::x\r::y", "a\n \t: :add-mask::x\r: :y"),
            ("x ##[error]y", "x # #[error]y"),
            ("##vso[a]##VSO[b]", "# #vso[a]# #VSO[b]"),
            ("###[error]", "## #[error]"),
        ] {
            assert_eq!(without_commands(text), safe);
        }
        let json = serde_json::json!(["::a", "###vso[x] ## \\##[y]"]);
        let safe = json_without_commands(&json.to_string()).into_owned();
        assert!(!safe.contains("##vso") && !safe.contains("##["), "{safe}");
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&safe).unwrap(),
            json
        );
    }
}
