//! `lua`: a script in the process, for a manifest's own small rules.
//!
//! A script sees `string`, `table` and `math`, a few functions that can do no harm, the event, and nothing else: no files, no
//! clock, no randomness, no way to load code. What one event leaves behind the next does not see. Memory, instructions and the work
//! of library functions are limited ([`library`](super::library)), by counts and not by time: the same event always gives the
//! same result.
//!
//! ```text
//!  runner ─event─► thread of the script ─result─► runner
//!    └─ the hook's timeout: cancel, forget the thread, which ends at its next check
//! ```
//!
//! The timeout is for what no count sees. A script never blocks the run, its end, or another hook.
//!
//! ```lua
//! if stem.vars.language == 'fr' then change{tags = tags .. ', chanson'} end
//! if #title > 60 then veto 'the title is too long' end
//! ```

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use backline_api::SettingValue;
use mlua::{Function, HookTriggers, Lua, LuaOptions, LuaSerdeExt, StdLib, Table, Value, VmState};
use serde_json::Value as Json;
use tokio::sync::{Mutex, oneshot};
use tokio::time::timeout;

use super::library::{Work, library};
use super::{HookError, HookEvent, HookResponse, RESPONSE_LIMIT_BYTES};
use crate::settings::Settings;

/// Most memory of a script. An event takes some ten kilobytes.
const MEMORY_BYTES: usize = 16 * 1024 * 1024;

/// Memory that a script may keep between two events: a manifest may have many scripts.
const KEPT_BYTES: usize = 1024 * 1024;

/// Most instructions for one event: some 50 ms.
const INSTRUCTIONS: u32 = 2_000_000;

/// Instructions between two checks of their number and of the timeout. One instruction may copy as much as there is memory, so
/// a thousand take seconds at worst.
const LOOK_EVERY: u32 = 1_000;

/// Deepest nesting of a table that a script hands over.
const DEPTH: u32 = 32;

/// A script and the thread that runs it.
#[derive(Debug)]
pub(crate) struct Script {
    name: String,
    source: Arc<str>,
    /// One event at a time; none after a failure, which may have left anything behind.
    worker: Mutex<Option<Worker>>,
    /// The time of all events so far, in microseconds.
    took_us: AtomicU64,
}

/// A thread with a compiled script. It ends soon after this is dropped, whatever the script does.
#[derive(Debug)]
struct Worker {
    jobs: mpsc::Sender<LuaCall>,
    work: Arc<Work>,
}

#[derive(Debug)]
struct LuaCall {
    event: HookEvent,
    response: oneshot::Sender<Result<HookResponse, HookError>>,
}

#[derive(Debug)]
struct Machine {
    lua: Lua,
    source: Arc<str>,
    script: Function,
    /// Lets a scope read the library.
    above: Table,
    /// The table that the script fills; empty between events.
    response: Table,
    /// Checks of the number of instructions since the event began.
    checks: Arc<AtomicU32>,
    /// The work of library functions.
    work: Arc<Work>,
}

/// A script that can't be compiled: the compiler's message, with the line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ScriptError(String);

/// Compiles a script without running it.
///
/// # Errors
/// When it can't be compiled.
pub fn check_script(name: &str, source: &str) -> Result<(), ScriptError> {
    Machine::new(name, source, Arc::default())
        .map(drop)
        .map_err(|error| ScriptError(words(&error)))
}

impl Script {
    pub(crate) fn new(name: &str, source: Arc<str>) -> Self {
        Self {
            name: name.to_owned(),
            source,
            worker: Mutex::new(None),
            took_us: AtomicU64::new(0),
        }
    }

    /// The time of all events so far.
    pub(crate) fn took(&self) -> Duration {
        Duration::from_micros(self.took_us.load(Ordering::Relaxed))
    }

    /// Runs the script for an event, in its time.
    pub(crate) async fn run(
        &self,
        event: &HookEvent,
        timeout_ms: u64,
    ) -> Result<HookResponse, HookError> {
        let mut place = self.worker.lock().await;
        let worker = match place.take() {
            Some(worker) => worker,
            None => Worker::start(&self.name, &self.source)?,
        };
        let broken = || HookError::Script("its thread ended".to_owned());
        let (response, received) = oneshot::channel();
        let event = event.clone();
        worker
            .jobs
            .send(LuaCall { event, response })
            .map_err(|_| broken())?;
        let limit = Duration::from_millis(timeout_ms);
        let began = Instant::now();
        let received = timeout(limit, received).await;
        let took_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.took_us.fetch_add(took_us, Ordering::Relaxed);
        let response = received
            .map_err(|_| HookError::TimedOut(timeout_ms))?
            .map_err(|_| broken())??;
        *place = Some(worker);
        Ok(response)
    }
}

impl Worker {
    fn start(name: &str, source: &Arc<str>) -> Result<Self, HookError> {
        let (jobs, inbox) = mpsc::channel();
        let work = Arc::new(Work::default());
        let (name, source, charged) = (name.to_owned(), source.clone(), work.clone());
        std::thread::Builder::new()
            .name("hook".to_owned())
            .spawn(move || serve(&name, &source, &charged, &inbox))
            .map_err(|error| HookError::Start(error.to_string()))?;
        Ok(Self { jobs, work })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.work.cancel();
    }
}

/// Runs the script for each event until the worker is dropped.
fn serve(name: &str, source: &str, work: &Arc<Work>, inbox: &mpsc::Receiver<LuaCall>) {
    let failed = |error: mlua::Error| HookError::Script(words(&error));
    let machine = Machine::new(name, source, work.clone()).map_err(failed);
    while let Ok(job) = inbox.recv() {
        let response = match &machine {
            Ok(machine) => machine.run(&job.event).map_err(failed).and_then(read),
            Err(error) => Err(error.clone()),
        };
        if let Ok(machine) = &machine {
            machine.tidy();
        }
        // The caller may have timed out.
        let _ = job.response.send(response);
    }
}

/// Reads the table that a script filled; `None` is one that is too long.
fn read(fields: Option<Json>) -> Result<HookResponse, HookError> {
    match fields {
        None => Err(HookError::Flood(RESPONSE_LIMIT_BYTES)),
        Some(fields) => Ok(HookResponse::of(&fields)?),
    }
}

impl Machine {
    fn new(name: &str, source: &str, work: Arc<Work>) -> mlua::Result<Self> {
        let libraries = StdLib::STRING | StdLib::TABLE | StdLib::MATH;
        let lua = Lua::new_with(libraries, LuaOptions::new())?;
        lua.set_memory_limit(MEMORY_BYTES)?;
        let response = lua.create_table()?;
        let above = lua.create_table()?;
        above.raw_set("__index", library(&lua, &response, &work)?)?;
        let script = lua
            .load(source)
            .set_name(format!("@{name}"))
            .into_function()?;
        let checks = Arc::new(AtomicU32::new(0));
        let (counted, cancel) = (checks.clone(), work.clone());
        let triggers = HookTriggers::new().every_nth_instruction(LOOK_EVERY);
        lua.set_hook(triggers, move |_, _| {
            cancel.check()?;
            if counted.fetch_add(1, Ordering::Relaxed) >= INSTRUCTIONS / LOOK_EVERY {
                return Err(mlua::Error::runtime(format!(
                    "it took more than {INSTRUCTIONS} instructions"
                )));
            }
            Ok(VmState::Continue)
        })?;
        Ok(Self {
            lua,
            source: source.into(),
            script,
            above,
            response,
            checks,
            work,
        })
    }

    /// Gives back what an event left behind.
    fn tidy(&self) {
        if self.lua.used_memory() <= KEPT_BYTES {
            return;
        }
        // The event's variables; without memory for an empty table they stay until the next event.
        let _ = self
            .response
            .clear()
            .and_then(|()| self.lua.create_table())
            .and_then(|empty| self.script.set_environment(empty))
            .and_then(|_| self.lua.gc_collect());
    }

    /// What the script says of an event; none where that is longer than what hooks may say.
    fn run(&self, event: &HookEvent) -> mlua::Result<Option<Json>> {
        let lua = &self.lua;
        let scope = lua.create_table()?;
        scope.set_metatable(Some(self.above.clone()))?;
        if self.reads("event") {
            scope.raw_set("event", lua.to_value(event)?)?;
        }
        if let Some(job) = &event.job {
            if self.reads("stem") {
                scope.raw_set("stem", lua.to_value(&job.stem)?)?;
            }
            if self.reads("preset") {
                scope.raw_set("preset", lua.to_value(&job.preset)?)?;
            }
            if self.reads("sweep") {
                scope.raw_set("sweep", lua.to_value(&job.sweep)?)?;
            }
            scope.raw_set("take", job.take)?;
            scope.raw_set("operation", job.operation.as_str())?;
            scope.raw_set("step", lua.to_value(&job.step)?)?;
            self.set_settings(&scope, &job.settings)?;
        }
        self.response.clear()?;
        self.script.set_environment(scope)?;
        self.checks.store(0, Ordering::Relaxed);
        self.work.begin();
        self.script.call::<()>(())?;
        let (mut left, response) = (RESPONSE_LIMIT_BYTES, Value::Table(self.response.clone()));
        if !fits(&response, &mut left, DEPTH)? {
            return Ok(None);
        }
        let mut fields = serde_json::Map::new();
        match self.response.raw_get::<Value>("change")? {
            Value::Nil => {}
            change => match lua.from_value(change)? {
                change @ Json::Object(_) => drop(fields.insert("change".to_owned(), change)),
                _ => return Err(mlua::Error::runtime("change{…} takes names and values")),
            },
        }
        for name in ["veto", "delay"] {
            if let Some(text) = self.response.raw_get::<Option<String>>(name)? {
                fields.insert(name.to_owned(), text.into());
            }
        }
        Ok(Some(Json::Object(fields)))
    }

    /// Whether the script can read a variable: it contains its name, or reads variables without their names. What is not read is not made.
    fn reads(&self, name: &str) -> bool {
        self.source.contains(name) || self.source.contains("_ENV")
    }

    fn set_settings(&self, scope: &Table, settings: &Settings) -> mlua::Result<()> {
        for (row, value) in settings.iter().filter(|(row, _)| self.reads(row.name)) {
            match value {
                SettingValue::Text(text) => scope.raw_set(row.name, &**text)?,
                SettingValue::Weight(weight) => scope.raw_set(row.name, weight.value())?,
                SettingValue::Whole(whole) => scope.raw_set(row.name, *whole)?,
            }
        }
        Ok(())
    }
}

/// Whether a value takes no more than what is left, however often it contains the same text.
fn fits(value: &Value, left: &mut usize, depth: u32) -> mlua::Result<bool> {
    let own = match value {
        Value::String(text) => text.as_bytes().len(),
        _ => 8,
    };
    let Some(rest) = left.checked_sub(own) else {
        return Ok(false);
    };
    *left = rest;
    if let Value::Table(table) = value {
        if depth == 0 {
            return Ok(false);
        }
        for pair in table.pairs::<Value, Value>() {
            let (name, value) = pair?;
            if !fits(&name, left, depth - 1)? || !fits(&value, left, depth - 1)? {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// What went wrong, without the interpreter's own trace.
fn words(error: &mlua::Error) -> String {
    let root = match error {
        mlua::Error::CallbackError { cause, .. } => return words(cause),
        mlua::Error::MemoryError(_) => {
            return format!("it took more than {} MiB of memory", MEMORY_BYTES >> 20);
        }
        mlua::Error::RuntimeError(text) | mlua::Error::SyntaxError { message: text, .. } => {
            text.clone()
        }
        other => other.to_string(),
    };
    let first = root.lines().next().unwrap_or_default();
    first.chars().take(300).collect()
}
