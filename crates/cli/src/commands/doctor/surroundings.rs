//! Checks the manifest, the hooks' programs and the terminal.

use std::path::Path;

use backline_engine::hooks::{HookKind, HookSpec, OnError, Target};
use backline_engine::plan::Plan;

use super::Check;
use crate::console::Console;
use crate::exit_codes;
use crate::project::Project;

/// Reports the valid manifest.
pub(super) fn manifest(project: &Project) -> Check {
    let jobs = project.plan.jobs.len();
    let noun = if jobs == 1 { "job" } else { "jobs" };
    let found = format!("{} has {jobs} {noun}", project.shown);
    if project.warnings.is_empty() {
        Check::fine("manifest", found)
    } else {
        Check::doubtful(
            "manifest",
            format!("{found}, with warnings"),
            "see the warnings above",
        )
    }
}

/// The hooks whose programs cannot be started.
pub(crate) fn lost_programs(plan: &Plan) -> impl Iterator<Item = &HookSpec> {
    let folder = plan.manifest.parent().unwrap_or(Path::new("."));
    plan.hooks.all.iter().filter(move |spec| match &spec.kind {
        HookKind::Run { argv } | HookKind::Service { argv, .. } => argv
            .first()
            .is_some_and(|program| !is_there(program, folder)),
        _ => false,
    })
}

/// Checks the hooks' programs and the variables that they require.
pub(super) fn hooks(plan: &Plan) -> Option<Check> {
    let all = &plan.hooks.all;
    let unset: Vec<&str> = all
        .iter()
        .flat_map(variables)
        .filter(|name| std::env::var_os(name).is_none())
        .collect();
    let names = |specs: &[&HookSpec]| -> String {
        specs
            .iter()
            .map(|spec| spec.name())
            .collect::<Vec<_>>()
            .join("; ")
    };
    let lost: Vec<&HookSpec> = lost_programs(plan).collect();
    let advice = "install the program, correct the path (relative to the manifest's folder), or make it executable (chmod +x)";
    Some(match (all.len(), lost.is_empty(), unset.is_empty()) {
        (0, ..) => return None,
        (number, true, true) => {
            Check::fine("hooks", format!("{number}, and all their programs exist"))
        }
        (_, true, false) => Check::doubtful(
            "hooks",
            format!("variables that are not set: {}", unset.join(", ")),
            "set them before the program starts",
        ),
        (_, false, _) if lost.iter().any(|spec| spec.on_error == OnError::Fail) => Check::wrong(
            "hooks",
            exit_codes::USAGE,
            format!("missing or not executable: {}", names(&lost)),
            advice,
        ),
        (_, false, _) => Check::doubtful(
            "hooks",
            format!("missing or not executable: {}", names(&lost)),
            advice,
        ),
    })
}

fn variables(spec: &HookSpec) -> impl Iterator<Item = &str> {
    let of_way = match &spec.kind {
        HookKind::Http {
            target, secret_env, ..
        } => {
            let address = match target {
                Target::Env(name) => Some(name.as_str()),
                Target::Address(_) => None,
            };
            [address, secret_env.as_deref()]
        }
        _ => [None, None],
    };
    let named = spec.env.iter().map(String::as_str);
    named.chain(of_way.into_iter().flatten())
}

/// Whether a program can be started. Hooks resolve a path from the manifest's folder, and a bare name from PATH.
fn is_there(program: &str, folder: &Path) -> bool {
    if program.contains(['/', '\\']) {
        return is_program(&folder.join(program));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| {
        is_program(&dir.join(program)) || is_program(&dir.join(format!("{program}.exe")))
    })
}

#[cfg(unix)]
fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata()
        .is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(path: &Path) -> bool {
    path.is_file()
}

/// Checks the terminal on standard output.
pub(super) fn terminal(console: &Console) -> Check {
    if console.columns_out.is_some() && !is_utf8(|name| std::env::var(name).ok()) {
        return Check::doubtful(
            "terminal",
            "the locale is not UTF-8; × and … may be garbled",
            "export LC_ALL=C.UTF-8, if the terminal supports UTF-8",
        );
    }
    let colours = if console.colour_out {
        "colours"
    } else {
        "no colours"
    };
    Check::fine(
        "terminal",
        match console.columns_out {
            Some(columns) => format!("{columns} columns, {colours}"),
            None => format!("standard output is not a terminal: plain text, {colours}"),
        },
    )
}

/// Whether the environment selects UTF-8. The first variable that is set decides. Windows sets none of them.
fn is_utf8(variable: impl Fn(&str) -> Option<String>) -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .find_map(|name| variable(name).filter(|value| !value.is_empty()));
    match locale {
        Some(locale) => locale.to_lowercase().replace('-', "").contains("utf8"),
        None => cfg!(windows),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_variable_that_is_set_tells_the_locale() {
        let check = |variables: &[(&str, &str)], expected: bool| {
            let look = |name: &str| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            assert_eq!(is_utf8(look), expected, "{variables:?}");
        };
        check(&[("LANG", "de_DE.UTF-8")], true);
        check(&[("LANG", "C.utf8"), ("LC_ALL", "")], true);
        check(&[("LANG", "de_DE.UTF-8"), ("LC_ALL", "C")], false);
        check(&[("LANG", "de_DE@euro"), ("LC_CTYPE", "en_US.utf-8")], true);
        check(&[("LANG", "POSIX")], false);
        check(&[], cfg!(windows));
    }
}
