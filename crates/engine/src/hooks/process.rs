//! Programs that hooks start: a bare environment, a process group of their own, and an end.
//!
//! A program is given PATH and what else a program needs to run at all, the variables that the manifest names, and nothing more;
//! a variable that contains the provider's key is left out even if it is named. Everything that it starts dies with it: the whole
//! group is killed at its end. What it writes to standard error goes to the log, in lines, bounded and redacted.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use backline_api::redact_text;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc::UnboundedSender;

use super::HookError;

/// Variables without which programs don't run or don't find their files.
const BASICS: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "TMPDIR",
    "SYSTEMROOT",
    "TEMP",
    "TMP",
    "USERPROFILE",
    "PATHEXT",
];

/// Most bytes of a program's standard error that go to the log, for each start; the rest is read and thrown away.
const LOGGED_BYTES: u64 = 64 * 1024;

/// Reads environment variables.
pub(crate) type EnvReader = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// What all of a plan's hooks share: where they run, what they may see, what they must not.
#[derive(Clone)]
pub(crate) struct HookContext {
    /// The manifest's folder, in which programs run.
    pub(crate) folder: PathBuf,
    /// The folder that tracks are kept in.
    #[cfg_attr(
        not(feature = "store"),
        expect(dead_code, reason = "only copies are named by it")
    )]
    pub(crate) output: PathBuf,
    /// Reads variables.
    pub(crate) environment: EnvReader,
    /// The provider's key: never shown to a hook, cut out of the output of hooks.
    pub(crate) key: Option<String>,
    /// Receives the lines of standard error, beside the log.
    pub(crate) listener: Option<UnboundedSender<String>>,
}

impl std::fmt::Debug for HookContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HookContext")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

impl HookContext {
    /// A variable's value, unless it contains the key.
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        (self.environment)(name).filter(|value| !self.contains_key(value))
    }

    /// Whether a text contains the key.
    pub(crate) fn contains_key(&self, text: &str) -> bool {
        self.key
            .as_ref()
            .is_some_and(|key| text.contains(key.as_str()))
    }

    /// A text fit for the log and the ledger: no key, no addresses' secrets, not long.
    pub(crate) fn clean(&self, text: &str) -> String {
        match &self.key {
            Some(key) => redact_text(&text.replace(key.as_str(), "[key]")),
            None => redact_text(text),
        }
    }

    /// A command for `argv` with these variables and no others.
    fn command(&self, argv: &[String], env: &[String]) -> Result<Command, HookError> {
        let [program, arguments @ ..] = argv else {
            return Err(HookError::Start("no program is named".to_owned()));
        };
        // A path is meant as seen from the manifest; a bare name is looked up in PATH.
        let program: OsString = if program.contains(['/', '\\']) {
            self.folder.join(program).into()
        } else {
            program.into()
        };
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .current_dir(self.folder_or_here());
        let named = env.iter().map(String::as_str);
        for name in BASICS.iter().copied().chain(named) {
            if let Some(value) = self.variable(name) {
                command.env(name, value);
            }
        }
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        #[cfg(unix)]
        command.process_group(0);
        Ok(command)
    }

    fn folder_or_here(&self) -> &Path {
        if self.folder.as_os_str().is_empty() {
            Path::new(".")
        } else {
            &self.folder
        }
    }

    /// Whether a script begins with `#!…\r`: the system takes the carriage return for a part of the interpreter's name.
    fn has_carriage_return(&self, program: &str) -> bool {
        let mut first = [0; 256];
        let length = std::fs::File::open(self.folder.join(program))
            .and_then(|mut file| std::io::Read::read(&mut file, &mut first))
            .unwrap_or(0);
        let line = first[..length].split(|byte| *byte == b'\n').next();
        line.is_some_and(|line| line.starts_with(b"#!") && line.ends_with(b"\r"))
    }

    /// Starts a program whose standard error goes to the log under `name`.
    pub(crate) fn start(
        &self,
        name: &str,
        argv: &[String],
        env: &[String],
    ) -> Result<Started, HookError> {
        let failed = |error: std::io::Error| {
            let program = argv.first().map_or("", String::as_str);
            let why = match error.kind() {
                ErrorKind::NotFound if self.has_carriage_return(program) => format!(
                    "the first line of `{program}` ends with a carriage return, so its interpreter is not found: save the \
                     file with line feeds alone"
                ),
                ErrorKind::NotFound => {
                    format!("there is no program `{program}` here: install it, or name its path")
                }
                _ => format!("`{program}`: {error}"),
            };
            HookError::Start(self.clean(&why))
        };
        let mut child = self.command(argv, env)?.spawn().map_err(failed)?;
        let group = Group::of(&child);
        if let Some(stderr) = child.stderr.take() {
            tokio::spawn(log(name.to_owned(), stderr, self.clone()));
        }
        Ok(Started { child, group })
    }
}

/// A program that runs; its whole group is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) child: Child,
    pub(crate) group: Group,
}

/// A process group that is killed on drop.
#[derive(Debug)]
pub(crate) struct Group {
    #[cfg(unix)]
    leader: Option<rustix::process::Pid>,
}

impl Group {
    fn of(child: &Child) -> Self {
        Self {
            #[cfg(unix)]
            leader: child
                .id()
                .and_then(|id| rustix::process::Pid::from_raw(id.cast_signed())),
        }
    }

    /// Kills every process of the group. One that is gone already is as good.
    pub(crate) fn kill(&mut self) {
        #[cfg(unix)]
        if let Some(leader) = self.leader.take() {
            let _ = rustix::process::kill_process_group(leader, rustix::process::Signal::KILL);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Copies a program's standard error to the log, line by line.
async fn log(name: String, stderr: impl AsyncRead + Unpin, context: HookContext) {
    let mut reader = BufReader::new(stderr);
    let mut lines = (&mut reader).take(LOGGED_BYTES);
    let mut line = Vec::new();
    while let Ok(read) = lines.read_until(b'\n', &mut line).await {
        if read == 0 {
            break;
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end();
        if !text.is_empty() {
            let text = context.clean(text);
            tracing::info!(hook = %name, "{text}");
            if let Some(listener) = &context.listener {
                // The receiver may be gone.
                let _ = listener.send(text);
            }
        }
        line.clear();
    }
    // A pipe that nobody reads would stop the program.
    let rest = tokio::io::copy(&mut reader, &mut tokio::io::sink()).await;
    if matches!(rest, Ok(bytes) if bytes > 0) {
        tracing::warn!(hook = %name, "it wrote more to standard error than is logged");
    }
}
