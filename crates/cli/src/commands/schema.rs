//! `backline schema`: the published formats, as the program itself knows them.

use backline_engine::manifest::SCHEMA;

use crate::args::{SchemaArgs, SchemaOf};
use crate::console::Console;
use crate::exit_codes;
use crate::failure::CommandResult;

/// What hooks are told.
const HOOK_EVENT: &str = include_str!("../../../../docs/hook-event.schema.json");

pub(crate) fn run(args: &SchemaArgs, console: &Console) -> CommandResult {
    console.data(match args.what {
        SchemaOf::Manifest => SCHEMA,
        SchemaOf::HookEvent => HOOK_EVENT,
    })?;
    Ok(exit_codes::DONE)
}
