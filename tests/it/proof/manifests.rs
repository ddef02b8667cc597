//! What the author of a manifest in a pull request can't do to whoever plans it: read a key or a file of another place, hang the
//! program, or eat the machine. And what a large catalogue costs that is wrong in every row.
//!
//! The bounds are the system's: `ulimit -v` is set before the program starts, so whatever takes more memory dies of it.
//!
//! Over 500 lines: it is a list of hostile manifests, each with what it must not reach.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use crate::lab::{BACKLINE, Lab, Ran, finish};

/// A megabyte of manifest is planned within this, the program and its threads included: docs/guarantees.md.
const MOST_KB: u64 = 1024 * 1024;
/// … and within this much time of a processor. An upper bound that ends what would go on for hours, not a measurement.
const MOST_PROCESSOR_S: u64 = 100;

const SECRET: &str = "sk-0123456789-secret";

/// Runs the program with a key in its environment and a bound on its memory.
fn bounded(lab: &Lab, args: &[&str]) -> Ran {
    // Each on its own: some shells take one bound at a time.
    let script =
        format!("ulimit -v {MOST_KB} && ulimit -t {MOST_PROCESSOR_S} && exec \"$0\" \"$@\"");
    let mut command: Command = lab.program("sh");
    command.args(["-c", &script, BACKLINE]).args(args);
    command.env("BACKLINE_API_KEY", SECRET);
    command.env("SUNO_KEY", SECRET);
    finish(command)
}

/// Validates and plans a manifest that is refused; gives what is said of it.
#[track_caller]
fn refused(lab: &Lab, expected: &str) -> String {
    let mut said = String::new();
    for command in ["validate", "plan"] {
        let ran = bounded(lab, &[command, "songs.yaml"]);
        assert_eq!(ran.code, Some(3), "{}{}", ran.out, ran.err);
        assert!(ran.err.contains(expected), "`{expected}` in {}", ran.err);
        said = format!("{}{}", ran.out, ran.err);
        assert!(!said.contains(SECRET), "{said}");
    }
    said
}

fn manifest(lab: &Lab, rest: &str) {
    lab.recording("verse.wav", 1);
    lab.write("songs.yaml", format!("version: 1\nname: songs\n{rest}"));
}

const PLAIN: &str = "stems: [verse.wav]\npresets: {p: {tags: x}}\n";

#[test]
fn imports_and_catalogues_show_nothing_of_other_places() {
    for named in [
        "/proc/self/environ",
        "link.yaml",
        "../outside.yaml",
        "environment",
    ] {
        let lab = Lab::new();
        lab.write("backline.yaml", "version: 1\n");
        lab.write(
            "../outside.yaml",
            format!("version: 1\nvars: {{a: {SECRET}: x}}\n"),
        );
        symlink("../outside.yaml", lab.path("link.yaml")).unwrap();
        symlink("/proc/self/environ", lab.path("environment")).unwrap();
        manifest(&lab, &format!("import: [{named}]\n{PLAIN}"));
        refused(&lab, "it lies outside of the project");
        let catalogue = format!("stems: [{{csv: {named}}}]\npresets: {{p: {{tags: x}}}}\n");
        manifest(&lab, &catalogue);
        refused(&lab, "it lies outside of the project");
        manifest(
            &lab,
            &format!("on: {{before_submit: [{{lua: {named}.lua}}]}}\n{PLAIN}"),
        );
        let ran = bounded(&lab, &["validate", "songs.yaml"]);
        assert!(
            ran.code == Some(3) && !ran.err.contains(SECRET),
            "{}",
            ran.err
        );
    }
}

#[test]
fn what_the_command_line_allows_is_read_and_shows_no_key_all_the_same() {
    let lab = Lab::new();
    lab.write("backline.yaml", "version: 1\n");
    lab.write("../shared.yaml", "vars: {mood: calm}\n");
    manifest(
        &lab,
        "import: [../shared.yaml]\nstems: [verse.wav]\npresets: {p: {tags: \"{{vars.mood}}\"}}\n",
    );
    refused(&lab, "--allow-outside");
    let ran = bounded(&lab, &["plan", "songs.yaml", "--allow-outside"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);

    // A file that holds the key and looks like a manifest.
    let text = format!("version: 1\nvars: {{a: {SECRET}, a: {SECRET}}}\n");
    lab.write("../shared.yaml", text);
    let ran = bounded(&lab, &["plan", "songs.yaml", "--allow-outside"]);
    assert_eq!(ran.code, Some(3), "{}", ran.err);
    assert!(
        ran.err.contains("given twice") && !ran.err.contains(SECRET),
        "{}",
        ran.err
    );

    for system in ["/proc/self/environ", "/proc/self/cmdline"] {
        manifest(&lab, &format!("import: [{system}]\n{PLAIN}"));
        let ran = bounded(&lab, &["plan", "songs.yaml", "--allow-outside"]);
        assert_eq!(ran.code, Some(3), "{}", ran.err);
        assert!(
            ran.err.contains("not a regular file") && !ran.err.contains(SECRET),
            "{}",
            ran.err
        );
    }
}

#[test]
fn a_manifest_and_a_project_file_that_are_links_show_nothing_of_other_places() {
    let lab = Lab::new();
    symlink("/proc/self/environ", lab.path("songs.yaml")).unwrap();
    refused(&lab, "it lies outside of the project");
    let lab = Lab::new();
    manifest(&lab, PLAIN);
    symlink("/proc/self/environ", lab.path("backline.yaml")).unwrap();
    refused(&lab, "it lies outside of the project");
}

/// The files that a manifest does not name and that belong to it all the same.
#[test]
fn an_environment_file_and_a_lock_that_are_links_show_nothing_of_other_places() {
    let lab = Lab::new();
    let token = "elsewhere-0123456789";
    lab.write("other/env", format!("DB_PASSWORD={token}\n"));
    lab.recording("project/verse.wav", 1);
    lab.write(
        "project/songs.yaml",
        "version: 1\nname: songs\nenv: [DB_PASSWORD]\nstems: [verse.wav]\npresets: {p: {tags: \"x {{env.DB_PASSWORD}}\"}}\n",
    );
    let (env, lock) = (lab.path("project/.env"), lab.path("project/songs.lock"));
    symlink("../other/env", &env).unwrap();
    let refused = |args: &[&str], code: i32| {
        let ran = lab.run(args);
        let said = format!("{}{}", ran.out, ran.err);
        assert_eq!(ran.code, Some(code), "{args:?}: {said}");
        assert!(said.contains("lies outside of the project"), "{said}");
        assert!(!said.contains(token), "{said}");
    };
    for command in ["validate", "plan", "run", "fetch", "doctor"] {
        refused(&[command, "project/songs.yaml"], 2);
    }
    let mut allowed = vec!["plan", "project/songs.yaml", "--jobs", "--format", "json"];
    allowed.push("--allow-outside");
    assert!(lab.expect(0, &allowed).out.contains(token));
    // A link within the project is as good as a file.
    lab.write("project/keys/env", format!("DB_PASSWORD={token}\n"));
    fs::remove_file(&env).unwrap();
    symlink("keys/env", &env).unwrap();
    lab.expect(0, &["plan", "project/songs.yaml", "--lock"]);

    fs::rename(&lock, lab.path("other/songs.lock")).unwrap();
    lab.write("project/keys/env", "DB_PASSWORD=another\n");
    symlink("../other/songs.lock", &lock).unwrap();
    refused(&["plan", "project/songs.yaml", "--diff"], 2);
    refused(&["plan", "project/songs.yaml", "--locked"], 2);
}

#[test]
fn a_line_of_the_manifest_is_shown_without_signatures_and_passwords() {
    let lab = Lab::new();
    manifest(
        &lab,
        "stems: [gone.wav, {id: u, url: \"https://me:pw5EC@cdn.example/x.wav?X-Amz-Signature=5IGN5EC\"}]\npresets: {p: {tags: x}}\n",
    );
    let said = refused(&lab, "gone.wav");
    assert!(said.contains("cdn.example/x.wav?***"), "{said}");
    assert!(!said.contains("5EC"), "{said}");
}

#[test]
fn pipes_and_devices_hold_nobody_up() {
    let lab = Lab::new();
    let made = Command::new("mkfifo").arg(lab.path("pipe")).status();
    assert!(made.unwrap().success());
    symlink("/dev/zero", lab.path("zero.wav")).unwrap();
    for (rest, expected) in [
        (
            format!("import: [pipe]\n{PLAIN}"),
            "not a regular file but a pipe",
        ),
        (
            "stems: [{csv: pipe}]\npresets: {p: {tags: x}}\n".to_owned(),
            "not a regular file but a pipe",
        ),
        (
            "stems: [{id: a, file: pipe}]\npresets: {p: {tags: x}}\n".to_owned(),
            "it is not a file",
        ),
        (
            "stems: [zero.wav]\npresets: {p: {tags: x}}\n".to_owned(),
            "it is not a file",
        ),
        (
            format!("provider: {{profile: studio, soundfont: zero.wav}}\n{PLAIN}"),
            "not a regular file but a device",
        ),
        (
            format!("provider: {{profile: studio, soundfont: pipe}}\n{PLAIN}"),
            "not a regular file but a pipe",
        ),
    ] {
        manifest(&lab, &rest);
        refused(&lab, expected);
    }
    fs::remove_file(lab.path("songs.yaml")).unwrap();
    symlink(lab.path("pipe"), lab.path("songs.yaml")).unwrap();
    refused(&lab, "not a regular file but a pipe");
}

#[test]
fn a_key_is_no_variable() {
    let lab = Lab::new();
    let rest = "provider: {profile: sunoapi, api_key: {env: SUNO_KEY}}\nenv: [SUNO_KEY]\n\
                stems: [verse.wav]\npresets: {p: {tags: \"{{env.SUNO_KEY}}\"}}\n";
    manifest(&lab, rest);
    refused(
        &lab,
        "`SUNO_KEY` contains a key, which templates never receive",
    );
}

/// A word of a command is handed over as it is: there is no shell, and templates are not rendered in it.
#[test]
fn a_hooks_command_is_not_put_together_from_templates() {
    let lab = Lab::new();
    let rest = "provider: studio\nvars: {x: \"; touch planted\"}\n\
                on: {plan_expanded: [{run: [echo, \"{{vars.x}}\", \"$(touch planted)\", \"; touch planted\"]}]}\n\
                stems: [{id: \"$(touch planted)\", file: verse.wav}]\npresets: {p: {tags: \"`touch planted` {{vars.x}}\"}}\n";
    manifest(&lab, rest);
    assert_eq!(lab.run(&["run", "songs.yaml"]).code, Some(0));
    assert!(!lab.path("planted").exists());
}

/// A text of so many bytes.
fn long(bytes: usize) -> String {
    "x".repeat(bytes)
}

#[test]
fn a_megabyte_of_manifest_stays_small() {
    let presets = |count: usize, each: &str| {
        let mut text = String::new();
        for at in 0..count {
            writeln!(text, "  p{at}: {{{each}}}").unwrap();
        }
        text
    };
    let url = "stems: [{id: a, url: \"https://cdn.example.com/a.mp3\"}]\n";
    let sixty = long(60_000);
    let attacks = [
        (
            "one variable many times",
            format!(
                "vars: {{a: {}}}\n{url}presets: {{p: {{tags: \"{}\"}}}}\n",
                long(400_000),
                "{{vars.a}}".repeat(6_000)
            ),
        ),
        (
            "many templates of one variable",
            format!(
                "vars: {{a: {sixty}}}\n{url}presets:\n{}",
                presets(9_000, "tags: \"{{vars.a}}{{stem.id}}\", extends: p0")
            ),
        ),
        (
            "replaced again and again",
            format!(
                "vars: {{a: {}}}\n{url}presets: {{p: {{tags: \"{{{{replace (replace (replace (replace vars.a 'x' vars.a) 'x' vars.a) 'x' vars.a) 'x' vars.a}}}}\"}}}}\n",
                long(2_000)
            ),
        ),
        (
            "joined with a long separator",
            format!(
                "vars: {{a: [{}x], s: {}}}\n{url}presets: {{p: {{tags: \"{{{{join vars.a vars.s}}}}\"}}}}\n",
                "x, ".repeat(100_000),
                long(400_000)
            ),
        ),
        (
            "inherited variables",
            format!(
                "{url}presets:\n  root: {{tags: x, vars: {{a: {}}}}}\n{}",
                long(400_000),
                presets(15_000, "extends: root")
            ),
        ),
        (
            "inherited tags",
            format!(
                "{url}presets:\n  root: {{tags: {sixty}}}\n{}",
                presets(15_000, "extends: root")
            ),
        ),
        (
            "a long chain",
            format!(
                "{url}presets:\n  p: {{tags: x}}\n{}",
                (0..15_000)
                    .map(|at| format!("  p{at}: {{extends: p{}}}\n", at + 1))
                    .collect::<String>()
            ),
        ),
        (
            "a long text behind an alias",
            format!(
                "vars:\n  a: &a {}\n  b: [{}x]\n{url}presets: {{p: {{tags: x}}}}\n",
                long(400_000),
                "*a, ".repeat(49_000)
            ),
        ),
        (
            "a sweep of long texts",
            format!(
                "{url}presets: {{p: {{tags: x}}}}\nsweep:\n  tags: [{}]\n  style_weight: [{}]\n  audio_weight: [{}]\n",
                (0..15)
                    .map(|at| format!("{at}{sixty}"))
                    .collect::<Vec<_>>()
                    .join(", "),
                (0..100)
                    .map(|at| format!("0.{at:02}"))
                    .collect::<Vec<_>>()
                    .join(", "),
                (0..60)
                    .map(|at| format!("0.{at:02}"))
                    .collect::<Vec<_>>()
                    .join(", "),
            ),
        ),
        (
            "too many rules",
            format!(
                "{url}presets: {{p: {{tags: x}}}}\nexclude: [{}]\n",
                "{stem: a},".repeat(20_000)
            ),
        ),
        (
            "deep blocks",
            format!(
                "{url}presets: {{p: {{tags: \"{}\"}}}}\n",
                "{{#if stem.id}}".repeat(4_000)
            ),
        ),
        (
            "deep parentheses",
            format!(
                "{url}presets: {{p: {{tags: \"{{{{upper {}\"}}}}\n",
                "(upper ".repeat(9_000)
            ),
        ),
    ];
    for (name, rest) in attacks {
        let lab = Lab::new();
        manifest(&lab, &rest);
        assert!(rest.len() <= 1 << 20, "{name} has {} bytes", rest.len());
        let ran = bounded(&lab, &["plan", "songs.yaml", "--format", "json"]);
        let first = ran.err.lines().next().unwrap_or_default();
        assert_eq!(ran.code, Some(3), "{name}: {first}");
        // Whatever a message quotes, it can be read.
        assert!(ran.err.len() < 300_000, "{name}: {} bytes", ran.err.len());
    }
}

#[test]
fn variables_that_a_catalogues_rows_share_stay_small() {
    let lab = Lab::new();
    let mut rows = "id,url\n".to_owned();
    for at in 0..9_000 {
        writeln!(rows, "s{at},https://a.example/{at}.mp3").unwrap();
    }
    lab.write("rows.csv", &rows);
    let vars = long(400_000);
    manifest(
        &lab,
        &format!("stems: [{{csv: rows.csv, vars: {{a: {vars}}}}}]\npresets: {{p: {{tags: x}}}}\n"),
    );
    refused(&lab, "becomes larger than 256 MB");
}

#[test]
fn the_corpora_are_read_in_little_memory() {
    let test = std::env::current_exe().unwrap();
    // Its threads have address space of their own.
    let script = format!("ulimit -v {} && exec \"$0\" \"$@\"", 2 * MOST_KB);
    let mut command = Command::new("sh");
    command.args(["-c", &script]).arg(test);
    command.args([
        "proof::never_panics::on_the_corpora",
        "--exact",
        "--test-threads=1",
    ]);
    let ran = finish(command);
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("1 passed"), "{}", ran.out);
}

#[test]
fn a_hundred_thousand_bad_rows_are_diagnosed_at_once() {
    let lab = Lab::new();
    let mut rows = "id,file,mood\n".to_owned();
    for at in 0..100_000 {
        match at % 4 {
            0 => writeln!(rows, "s{at},none-{at}.wav,x").unwrap(),
            1 => writeln!(rows, "s{at},,x").unwrap(),
            2 => writeln!(rows, "twice,verse.wav,x").unwrap(),
            _ => writeln!(rows, "s{at},verse.wav").unwrap(),
        }
    }
    lab.write("rows.csv", &rows);
    manifest(&lab, "stems: [{csv: rows.csv}]\npresets: {p: {tags: x}}\n");
    let ran = bounded(&lab, &["validate", "songs.yaml"]);
    assert_eq!(ran.code, Some(3), "{}", ran.err);
    for (expected, more) in [
        ("row 2, column `file`: can't use the stem `s0`", 24_980),
        ("row 3 has neither a `file` nor a `url`", 24_980),
        ("row 5 has 2 cells", 24_980),
        ("two stems have the id `twice`", 24_979),
    ] {
        assert!(ran.err.contains(expected), "{expected}: {}", ran.err);
        let count = format!("and {more} more like this");
        assert!(ran.err.contains(&count), "{count}: {}", ran.err);
    }
    assert!(
        ran.err.contains("has 99999 errors"),
        "{}",
        ran.err.lines().last().unwrap_or_default()
    );
}

#[test]
fn many_warnings_of_a_kind_are_the_first_and_a_count() {
    let lab = Lab::new();
    let mut vars = "vars:\n".to_owned();
    for at in 0..100 {
        writeln!(vars, "  v{at}: x").unwrap();
    }
    manifest(
        &lab,
        &format!("{vars}stems: [verse.wav]\npresets: {{p: {{tags: x}}}}\n"),
    );
    let ran = bounded(&lab, &["validate", "songs.yaml"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(ran.err.matches("is never used").count(), 1, "{}", ran.err);
    assert!(ran.err.contains("and 99 more like this"), "{}", ran.err);
}

/// Root may read every folder, so there the program is run as nobody.
#[test]
fn a_folder_that_cannot_be_read_is_an_error() {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;
    let lab = Lab::new();
    lab.recording("vocals/verse.wav", 1);
    lab.recording("vocals/closed/chorus.wav", 2);
    lab.write(
        "songs.yaml",
        "version: 1\nname: songs\nstems: [{glob: \"vocals/**/*.wav\"}]\npresets: {p: {tags: x}}\n",
    );
    let closed = lab.path("vocals/closed");
    let mut open = lab.work();
    loop {
        let facts = fs::metadata(&open).unwrap().permissions();
        if facts.mode() & 0o005 != 0o005 {
            fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).unwrap();
        }
        if open == std::env::temp_dir().canonicalize().unwrap() || !open.pop() {
            break;
        }
    }
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
    let mut command = lab.backline(&["validate", "songs.yaml"]);
    if fs::read_dir(&closed).is_ok() {
        let program = lab.path("backline");
        fs::copy(BACKLINE, &program).unwrap();
        let mut other = lab.program(program.to_str().unwrap());
        other
            .args(["validate", "songs.yaml"])
            .uid(65_534)
            .gid(65_534);
        command = other;
    }
    let ran = finish(command);
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(ran.code, Some(3), "{}", ran.err);
    assert!(
        ran.err
            .contains("can't read `vocals/closed` below this pattern"),
        "{}",
        ran.err
    );
    // A pattern that does not reach it does not mind.
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
    lab.write(
        "songs.yaml",
        "version: 1\nname: songs\nstems: [{glob: \"vocals/*.wav\"}]\npresets: {p: {tags: x}}\n",
    );
    lab.expect(0, &["validate", "songs.yaml"]);
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_name_that_is_no_text_is_an_error() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let lab = Lab::new();
    manifest(
        &lab,
        "stems: [{glob: \"*.wav\"}]\npresets: {p: {tags: x}}\n",
    );
    let name = OsStr::from_bytes(b"caf\xe9.wav");
    fs::copy(lab.path("verse.wav"), lab.work().join(name)).unwrap();
    refused(&lab, "the name of `caf\u{fffd}.wav` is not UTF-8");
}

#[test]
fn no_other_variable_shows_a_key() {
    let lab = Lab::new();
    for name in ["BACKLINE_STUDIO_KEY", "OTEL_EXPORTER_OTLP_HEADERS", "COPY"] {
        manifest(
            &lab,
            &format!(
                "env: [{name}]\nstems: [verse.wav]\npresets: {{p: {{tags: \"{{{{env.{name}}}}}\"}}}}\n"
            ),
        );
        let mut command = lab.backline(&["plan", "songs.yaml", "--format", "json"]);
        command.env("BACKLINE_API_KEY", SECRET);
        let ran = finish({
            command.env(name, format!("Bearer {SECRET}"));
            command
        });
        assert_eq!(ran.code, Some(3), "{name}: {}", ran.err);
        let said = format!("{}{}", ran.out, ran.err);
        assert!(
            said.contains("contains a key") && !said.contains(SECRET),
            "{name}: {said}"
        );
    }
}

#[test]
fn a_catalogue_that_is_named_often_is_read_a_few_times() {
    let lab = Lab::new();
    lab.write(
        "large.csv",
        format!("id,file\na,verse.wav\n{}", "\n".repeat(15_900_000)),
    );
    let named = "{csv: large.csv},".repeat(400);
    manifest(
        &lab,
        &format!("stems: [{named}]\npresets: {{p: {{tags: x}}}}\n"),
    );
    refused(&lab, "more than 64 MB together");
}

#[test]
fn a_catalogue_of_a_million_columns_and_a_pattern_of_nested_braces_are_read_at_once() {
    let lab = Lab::new();
    let mut header = "id,file".to_owned();
    (0..1_000_000).for_each(|at| write!(header, ",c{at}").unwrap());
    lab.write("wide.csv", format!("{header}\na,missing.wav\n"));
    manifest(&lab, "stems: [{csv: wide.csv}]\npresets: {p: {tags: x}}\n");
    refused(&lab, "missing.wav");
    let pattern = format!("{}a{}", "{a".repeat(300), "}".repeat(300));
    manifest(
        &lab,
        &format!("stems: [{{glob: \"{pattern}\"}}]\npresets: {{p: {{tags: x}}}}\n"),
    );
    refused(&lab, "braces are nested more than 16 deep");
}

#[test]
fn names_and_messages_command_no_terminal() {
    let lab = Lab::new();
    manifest(
        &lab,
        "stems: [{id: a, file: \"v\\e[31m\\e]0;owned\\a\\u009b5m\\u202e.wav\"}]\npresets: {p: {tags: x}}\nimport: [\"\\u009b2J.yaml\"]\n",
    );
    for command in ["validate", "plan", "doctor"] {
        let ran = lab.run(&[command, "songs.yaml", "--color", "always"]);
        let said = format!("{}{}", ran.out, ran.err);
        assert!(
            !said.contains("\u{1b}]") && !said.contains(['\u{9b}', '\u{202e}', '\u{7}']),
            "{said:?}"
        );
    }
}

#[test]
fn names_and_messages_command_no_ci_runner() {
    let lab = Lab::new();
    lab.recording("verse.wav", 1);
    let bad = "\\n::error file=x::y\\r ::add-mask::z ##[error]a ##vso[task.b]";
    lab.write(
        "songs.yaml",
        format!("version: 1\nname: \"n{bad}\"\nstems: [{{id: \"s{bad}\", file: \"gone{bad}.wav\"}}]\npresets: {{p: {{tags: x}}}}\nimport: [\"i{bad}\"]\n"),
    );
    lab.write("other.yaml", format!("version: 1\nname: \"n{bad}\"\nstems: [verse.wav]\npresets: {{p: {{tags: \"t{bad}\"}}}}\n"));
    for file in ["songs.yaml", "other.yaml"] {
        for command in ["validate", "plan", "doctor"] {
            for format in ["text", "json"] {
                let ran = lab.run(&[command, file, "--format", format]);
                let said = format!("{}\n{}", ran.out, ran.err);
                // Nor does a line break of theirs begin a line of ours.
                let commands = |line: &str| {
                    ["::", ": :"]
                        .iter()
                        .any(|it| line.trim_start().starts_with(it) && !line.contains(" ::: "))
                };
                assert!(!said.split(['\n', '\r']).any(commands), "{said}");
                assert!(!said.contains("##[") && !said.contains("##vso["), "{said}");
            }
        }
    }
}

/// A first line of 90 MB took 2.2 GB before anything was refused.
#[test]
fn a_lock_takes_no_more_memory_than_a_manifest() {
    let lab = Lab::new();
    manifest(&lab, PLAIN);
    let entries = "{},".repeat(30_000_000);
    lab.write(
        "songs.lock",
        format!("{{\"backline_lock\":[{entries}{{}}]}}\n"),
    );
    let ran = bounded(&lab, &["plan", "songs.yaml", "--diff"]);
    assert_eq!(ran.code, Some(2), "{}", ran.err);
    assert!(
        ran.err.contains("its first line is too long"),
        "{}",
        ran.err
    );
}

/// Each entry is compared with every job of its stems and presets.
#[test]
fn entries_are_compared_with_so_many_jobs_and_no_more() {
    let lab = Lab::new();
    let mut rest = format!("{PLAIN}takes: 1000\nsweep: {{weirdness_constraint: [");
    for point in 0..100 {
        write!(rest, "0.{point:02}, ").unwrap();
    }
    rest.push_str("]}\nexclude:\n");
    for entry in 0..2_001 {
        let (point, take) = (entry / 1_000, entry % 1_000 + 1);
        writeln!(
            rest,
            "  - {{weirdness_constraint: 0.0{point}, take: {take}}}"
        )
        .unwrap();
    }
    manifest(&lab, &rest);
    refused(&lab, "are compared with 200100000 jobs");
}
