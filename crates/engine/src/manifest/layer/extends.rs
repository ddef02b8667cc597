//! `extends`: a preset with all that it inherits.

use std::sync::Arc;

use indexmap::IndexMap;

use super::import::Layer;
use super::presets::PresetDecl;
use crate::manifest::choice::Raw;
use crate::manifest::source::node::Node;
use crate::manifest::source::report::Report;
use crate::manifest::template::vars::Var;
use crate::nearest::suggestion;

/// Longest chain of presets that extend each other. Nobody follows a longer one, and each preset contains what its chain gives.
const MAX_EXTENDS: usize = 32;

/// A preset with all that it inherits.
#[derive(Debug)]
pub(crate) struct Inherited {
    pub(crate) vars: IndexMap<String, Var>,
    /// The settings that its chain gives, the last value of each.
    pub(crate) settings: IndexMap<&'static str, Raw>,
    /// Its steps, where its chain gives any.
    pub(crate) then: Option<Arc<Node>>,
    /// Its chain is broken: it may mean more than is here.
    pub(crate) is_partial: bool,
}

/// Follows every preset's `extends`, as far as it leads.
pub(crate) fn inherit(layer: &Layer, report: &mut Report) -> Vec<Inherited> {
    let mut said = false;
    layer
        .presets
        .iter()
        .map(|(name, preset)| inherit_one(name, preset, layer, &mut said, report))
        .collect()
}

fn inherit_one(
    name: &str,
    preset: &PresetDecl,
    layer: &Layer,
    said_too_long: &mut bool,
    report: &mut Report,
) -> Inherited {
    let (chain, is_partial) = chain(name, preset, layer, said_too_long, report);
    let mut inherited = Inherited {
        vars: IndexMap::new(),
        settings: IndexMap::new(),
        then: chain.iter().find_map(|(_, link)| link.then.clone()),
        is_partial,
    };
    for (_, link) in chain.iter().rev() {
        inherited.vars.extend(link.vars.clone());
        inherited.settings.extend(
            link.settings
                .iter()
                .map(|raw| (raw.setting.name, raw.clone())),
        );
    }
    inherited
}

/// The preset and those that it extends, and whether the chain is broken.
fn chain<'l>(
    name: &'l str,
    preset: &'l PresetDecl,
    layer: &'l Layer,
    said_too_long: &mut bool,
    report: &mut Report,
) -> (Vec<(&'l str, &'l PresetDecl)>, bool) {
    let presets = &layer.presets;
    let mut chain = vec![(name, preset)];
    while let Some(extends) = &chain[chain.len() - 1].1.extends {
        let Some((parent_name, parent)) = presets.get_key_value(&extends.text) else {
            // Said once, by the preset that names it; and not at all where it may be in a file that could not be read.
            if chain.len() == 1 && !layer.is_partial {
                report
                    .error_at(
                        extends.span,
                        format!("there is no preset `{}` to extend", extends.text),
                        "not defined",
                    )
                    .help_with(|| suggestion(&extends.text, presets.keys().map(String::as_str)));
            }
            return (chain, true);
        };
        if let Some(at) = chain.iter().position(|(link, _)| link == parent_name) {
            // Said once, by the first preset of the circle.
            if at == 0
                && chain
                    .iter()
                    .all(|(link, _)| presets.get_index_of(*link) >= presets.get_index_of(name))
            {
                let names: Vec<String> =
                    chain.iter().map(|(link, _)| format!("`{link}`")).collect();
                report
                    .error_at(
                        extends.span,
                        format!(
                            "presets extend each other in a circle: {} → `{parent_name}`",
                            names.join(" → ")
                        ),
                        "closes the circle",
                    )
                    .help("remove one `extends` of the circle");
            }
            return (chain, true);
        }
        if chain.len() == MAX_EXTENDS {
            if std::mem::replace(said_too_long, true) {
                return (chain, true);
            }
            report
                .error_at(
                    extends.span,
                    format!("more than {MAX_EXTENDS} presets extend each other in a row"),
                    "one too many",
                )
                .help("put what they share into `defaults`");
            return (chain, true);
        }
        chain.push((parent_name, parent));
    }
    (chain, false)
}
