//! What a manifest says of its hooks: plain data, checked, without effects.

use std::sync::Arc;

use url::Url;

use crate::event::{HookPoint, OnError};

/// How long a hook may take for one event unless the manifest says otherwise.
pub const DEFAULT_TIMEOUT_MS: u64 = 10_000;

/// How long a service may take from its start to its greeting unless the manifest says otherwise.
pub const DEFAULT_START_TIMEOUT_MS: u64 = 30_000;

/// A manifest's hooks, in the order in which they are called.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Hooks {
    /// Each with its point.
    pub all: Vec<HookSpec>,
}

impl Hooks {
    /// The hooks of a point, in order.
    pub fn at(&self, point: HookPoint) -> impl Iterator<Item = &HookSpec> {
        self.all.iter().filter(move |hook| hook.point == point)
    }

    /// Whether a point has any.
    pub fn has(&self, point: HookPoint) -> bool {
        self.at(point).next().is_some()
    }

    /// Adds the measuring of kept files' loudness.
    pub(crate) fn measure_loudness(&mut self) {
        let spec = HookSpec::new(HookPoint::TrackKept, 0, HookKind::Loudness);
        self.all.push(spec);
    }

    /// Whether any hook decides on jobs.
    pub fn decide(&self) -> bool {
        self.all.iter().any(|hook| hook.point.decides())
    }
}

/// One hook at one point.
#[derive(Debug, Clone, PartialEq)]
pub struct HookSpec {
    /// Where it is called.
    pub point: HookPoint,
    /// Its place at that point, from 1.
    pub nth: u32,
    /// How it is called.
    pub kind: HookKind,
    /// Longest time for one event, in milliseconds.
    pub timeout_ms: u64,
    /// What its failure does.
    pub on_error: OnError,
    /// The environment variables that it is given.
    pub env: Vec<String>,
    /// Whether its response depends on the event alone, so that `plan` runs it too.
    pub pure: bool,
}

impl HookSpec {
    /// A hook with the defaults of its point; `nth` is its place there.
    pub fn new(point: HookPoint, nth: u32, kind: HookKind) -> Self {
        Self {
            point,
            nth,
            kind,
            timeout_ms: DEFAULT_TIMEOUT_MS,
            on_error: point.default_on_error(),
            env: Vec::new(),
            pure: false,
        }
    }

    /// What reports call it.
    pub fn name(&self) -> String {
        let what = match &self.kind {
            HookKind::Run { argv } => format!("run {}", argv.join(" ")),
            HookKind::Service { argv, .. } => format!("service {}", argv.join(" ")),
            HookKind::Lua { name, .. } => format!("lua {name}"),
            // The paths of chats' addresses are secrets too.
            HookKind::Http {
                target: Target::Address(url),
                ..
            } => format!("http {}", url.host_str().unwrap_or_default()),
            HookKind::Http {
                target: Target::Env(name),
                ..
            } => format!("http ${name}"),
            HookKind::Loudness => return "output.loudness".to_owned(),
            HookKind::Store { url } => format!("store {}", backline_api::redact_url(url.as_str())),
        };
        let mut name = format!("{} {}: {what}", self.point, self.nth);
        if name.chars().count() > MAX_NAME_CHARS {
            name = name.chars().take(MAX_NAME_CHARS).chain(['…']).collect();
        }
        name
    }
}

/// Longest name of a hook in a report: long enough for a command, short enough for a line.
const MAX_NAME_CHARS: usize = 120;

/// How a hook is called.
#[derive(Debug, Clone, PartialEq)]
pub enum HookKind {
    /// A program per event: JSON on its standard input, a response on its standard output.
    Run {
        /// Program and arguments.
        argv: Vec<String>,
    },
    /// A program that is started once and talks in JSON lines.
    Service {
        /// Program and arguments.
        argv: Vec<String>,
        /// In which order it responds.
        order: Order,
        /// Longest time from its start to its greeting, in milliseconds.
        start_timeout_ms: u64,
    },
    /// A script in the process.
    Lua {
        /// The file's name, or `inline`.
        name: String,
        /// The script.
        source: Arc<str>,
    },
    /// A signed POST.
    Http {
        /// Where to.
        target: Target,
        /// The environment variable that contains the secret it is signed with.
        secret_env: Option<String>,
        /// Whether addresses of private networks may be posted to.
        allow_private: bool,
    },
    /// Measures the loudness of a kept track after EBU R128.
    Loudness,
    /// Copies a kept track to an object store or a folder.
    Store {
        /// The folder there: `s3://bucket/path`, `gs://…`, `az://…`, `file:///…`.
        url: Url,
    },
}

/// Where an event is posted to.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    /// An address.
    Address(Url),
    /// The address in this environment variable: those of chats are secrets.
    Env(String),
}

/// In which order a service responds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Order {
    /// In the order of the events; ids may be left out.
    Ordered,
    /// In any order, by id.
    Concurrent,
}
