//! `backline init`: a manifest and a recording to start from. The recording is part of the program, so this needs nothing else.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use backline_engine::manifest::SCHEMA;

use crate::args::InitArgs;
use crate::console::Console;
use crate::exit_codes;
use crate::failure::{CommandResult, Failure, Kind};

/// What is written: name, content, and whether it may be there already and then stays as it is.
const FILES: [(&str, &[u8], bool); 4] = [
    (MANIFEST, include_bytes!("init/backline-demo.yaml"), false),
    (
        "vocals/twinkle.flac",
        include_bytes!("../../../../workflows/vocals/twinkle.flac"),
        false,
    ),
    (SCHEMA_FILE, SCHEMA.as_bytes(), true),
    (".gitignore", b"/.backline/\n/out/\n", true),
];

const MANIFEST: &str = "backline-demo.yaml";

/// Beside the manifest, whose first line names it: so editors find it with no network and on every machine that has the project.
const SCHEMA_FILE: &str = "backline.schema.json";

pub(crate) fn run(args: &InitArgs, console: &Console) -> CommandResult {
    let dir = &args.dir;
    // All are looked for before any is written: half a start is worse than none.
    for (name, _, may_exist) in FILES {
        if !may_exist && dir.join(name).symlink_metadata().is_ok() {
            let message = format!(
                "{} exists, and nothing is overwritten",
                dir.join(name).display()
            );
            return Err(
                Failure::said(Kind::Usage, message).hint("name another folder: backline init DIR")
            );
        }
    }
    for (name, content, may_exist) in FILES {
        let path = dir.join(name);
        match write_new(&path, content) {
            Ok(()) => console.say(&format!("wrote {}\n", path.display())),
            Err(error) if may_exist && error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => {
                let context = format!("could not write {}", path.display());
                return Err(Failure::new(
                    Kind::Output,
                    anyhow::Error::new(error).context(context),
                ));
            }
        }
    }
    let manifest = dir.join(MANIFEST);
    console.say(&format!(
        "\nNext: look at it with `backline plan {0}`, then `backline run {0}`\n",
        backline_reporter::shell_word(&manifest.display().to_string())
    ));
    Ok(exit_codes::DONE)
}

fn write_new(path: &Path, content: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(content)
}
