//! `backline man`: a page a command, as `man` reads it.

use std::collections::BTreeSet;
use std::fs;

use crate::lab::Lab;

/// The macros and requests that the pages use; any other would be a slip, which `man` passes over in silence.
const REQUESTS: [&str; 10] = [
    ".ie", ".el", ".TH", ".SH", ".SS", ".TP", ".RS", ".RE", ".PP", ".IP",
];
const INLINE: [&str; 3] = [".br", ".nf", ".fi"];

/// Reads a page as roff: its title line, its sections, and that every escape is one that there is.
fn sections(name: &str, page: &str) -> Vec<String> {
    let mut sections = Vec::new();
    let mut depth = 0_i32;
    assert!(page.is_ascii(), "{name} is not for every reader");
    for (at, line) in page.lines().enumerate() {
        let place = format!("{name}:{}: {line}", at + 1);
        if let Some(request) = line
            .split_whitespace()
            .next()
            .filter(|it| it.starts_with('.'))
        {
            assert!(
                REQUESTS.contains(&request) || INLINE.contains(&request),
                "{place}"
            );
            match request {
                ".SH" => sections.push(line[4..].trim_matches('"').to_owned()),
                ".RS" => depth += 1,
                ".RE" => depth -= 1,
                _ => {}
            }
        }
        assert!(depth >= 0, "{place}");
        assert!(!line.starts_with('\''), "{place}");
        let mut letters = line.chars();
        while let Some(letter) = letters.next() {
            if letter == '\\' {
                let escape = letters.next();
                assert!(
                    escape.is_some_and(|it| "-f&(*\\.'ne [".contains(it)),
                    "{place}"
                );
            }
        }
    }
    assert_eq!(depth, 0, "{name}");
    assert!(page.contains(&format!("\n.TH {name} 1 ")), "{name}: {page}");
    sections
}

#[test]
fn every_command_has_a_page_with_its_sections() {
    let lab = Lab::new();
    let ran = lab.expect(0, &["man", "pages/man1"]);
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(lab.path("pages/man1")).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        let name = file.strip_suffix(".1").unwrap().to_owned();
        let page = lab.read(&format!("pages/man1/{file}"));
        let sections = sections(&name, &page);
        for wanted in ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS"] {
            assert!(
                sections.iter().any(|it| it == wanted),
                "{name}: {sections:?}"
            );
        }
        assert!(
            page.contains("Example") || page.contains("Exit codes:"),
            "{name} has no example"
        );
        names.insert(name);
    }
    assert!(
        ran.err.contains(&format!("wrote {} pages", names.len())),
        "{}",
        ran.err
    );

    let help = lab.expect(0, &["--help"]).out;
    let commands = help
        .split("Commands:\n")
        .nth(1)
        .unwrap()
        .lines()
        .take_while(|line| !line.is_empty())
        // A command's own line is indented by two; what it says goes on deeper.
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .map(|line| format!("backline-{}", line.split_whitespace().next().unwrap()));
    let mut wanted: BTreeSet<String> = commands.collect();
    assert!(wanted.len() > 10);
    wanted.insert("backline".to_owned());
    for nested in [
        "hooks-test",
        "ledger-check",
        "ledger-export",
        "ledger-import",
    ] {
        wanted.insert(format!("backline-{nested}"));
    }
    assert_eq!(names, wanted);
}

#[test]
fn the_programs_own_page_goes_to_standard_output() {
    let lab = Lab::new();
    let page = lab.expect(0, &["man"]).out;
    let sections = sections("backline", &page);
    assert!(
        sections.iter().any(|it| it == "SUBCOMMANDS"),
        "{sections:?}"
    );
    assert!(page.contains("backline\\-run(1)"), "{page}");
    lab.write("file", "");
    let ran = lab.expect(7, &["man", "file/pages"]);
    assert!(ran.err.contains("cannot write file/pages"), "{}", ran.err);
}
