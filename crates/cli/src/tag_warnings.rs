//! Warns of tags that the studio's band does not understand or does not follow, before anything is played. Other providers accept
//! any text as tags.

use std::collections::HashMap;

use backline_band::{Brief, read_tags};
use backline_engine::plan::{Plan, PlannedJob};
use backline_engine::settings::Setting;
use indexmap::IndexSet;

use crate::console::Console;

/// The most warnings that are printed.
const MAX_PRINTED: usize = 20;

/// Prints each remark on the tags of `jobs` once per preset.
pub(crate) fn warn_of_tags<'p>(
    plan: &Plan,
    jobs: impl IntoIterator<Item = &'p PlannedJob>,
    console: &Console,
) {
    if !plan.provider.profile.loopback {
        return;
    }
    let mut briefs: HashMap<(&str, &str), Brief> = HashMap::new();
    let mut warnings = IndexSet::new();
    for job in jobs {
        let tags = job.settings.text(Setting::TAGS);
        let negative_tags = job.settings.text(Setting::NEGATIVE_TAGS);
        let brief = briefs
            .entry((tags, negative_tags))
            .or_insert_with(|| read_tags(tags, negative_tags));
        let unknown = &brief.unknown;
        let unknown =
            (!unknown.is_empty()).then(|| format!("tags not understood: {}", unknown.join(", ")));
        for remark in unknown.iter().chain(&brief.remarks) {
            warnings.insert(format!("warning: preset `{}`: {remark}\n", job.preset));
        }
    }
    for warning in warnings.iter().take(MAX_PRINTED) {
        console.note(warning);
    }
    if warnings.len() > MAX_PRINTED {
        let more = warnings.len() - MAX_PRINTED;
        console.note(&format!("and {more} more warnings about tags\n"));
    }
}
