//! `backline help`: the help of the program or of a command, and the manifest's reference.

use clap::CommandFactory;

use crate::args::{Args, HelpArgs};
use crate::console::Console;
use crate::exit_codes;
use crate::failure::{CommandResult, Failure, Kind};

/// The reference of the manifest from docs/.
const MANIFEST: &str = include_str!("../../../../docs/manifest.md");

pub(crate) fn run(args: &HelpArgs, console: &Console) -> CommandResult {
    if args.topic == ["manifest"] {
        console.data(MANIFEST)?;
        return Ok(exit_codes::DONE);
    }
    let mut program = Args::command();
    // Adds global options and usage lines to the commands' help.
    program.build();
    let mut command = &mut program;
    for name in &args.topic {
        command = command.find_subcommand_mut(name).ok_or_else(|| {
            let message = format!(
                "there is no help on `{}`; `backline help` lists the commands, and `manifest` is the other topic",
                args.topic.join(" ")
            );
            Failure::new(Kind::Usage, anyhow::anyhow!(message))
        })?;
    }
    console.data(&command.render_long_help().to_string())?;
    Ok(exit_codes::DONE)
}
