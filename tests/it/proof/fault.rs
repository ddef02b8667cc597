//! One fault at one exact call of the real program: see `tests/faults/faults.c`, which is compiled here.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// A fault and where it strikes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fault {
    /// `write`, `fsync`, `link`, … on a file, or `send` and `recv` on a socket.
    pub(crate) op: &'static str,
    /// Part of the file's path, or of the bytes on the socket.
    pub(crate) at: &'static str,
    /// What happens: `kill_before`, `kill_half`, `kill_after`, `enospc`, `eio`, `short`.
    pub(crate) act: &'static str,
    /// Which occurrence, from 1.
    pub(crate) nth: u32,
    /// For how many occurrences; 0 for all that follow.
    pub(crate) times: u32,
}

/// A kind of fault, struck once at an occurrence that is chosen later.
pub(crate) const fn once(op: &'static str, at: &'static str, act: &'static str) -> Fault {
    Fault {
        op,
        at,
        act,
        nth: 1,
        times: 1,
    }
}

impl Fault {
    /// The same at its `nth` occurrence.
    pub(crate) fn nth(self, nth: u32) -> Self {
        Self { nth, ..self }
    }

    /// The same from its occurrence on for ever, as a disk that stays full.
    pub(crate) const fn lasting(self) -> Self {
        Self { times: 0, ..self }
    }

    /// Lets it strike in `command`; `mark` is made when it has.
    pub(crate) fn arm(self, command: &mut Command, mark: &Path) {
        command
            .env("LD_PRELOAD", library())
            .env("FAULT_OP", self.op)
            .env("FAULT_AT", self.at)
            .env("FAULT_DO", self.act)
            .env("FAULT_NTH", self.nth.to_string())
            .env("FAULT_TIMES", self.times.to_string())
            .env("FAULT_MARK", mark);
    }
}

/// Lets the system's clock be ahead by so many seconds for `command`.
pub(crate) fn set_clock_ahead(command: &mut Command, seconds: i64) {
    command
        .env("LD_PRELOAD", library())
        .env("FAULT_CLOCK_S", seconds.to_string());
}

/// The compiled library: once for each test process.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/faults/faults.c");
        let name = format!("faults-{}.so", std::process::id());
        let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
        let compiled = Command::new(compiler)
            .args(["-Wall", "-Wextra", "-O1", "-shared", "-fPIC", "-o"])
            .args([&library, &source])
            .arg("-ldl")
            .status()
            .expect("a C compiler is there: the program's SQLite is compiled with it");
        assert!(compiled.success(), "faults.c compiles");
        library
    })
}
