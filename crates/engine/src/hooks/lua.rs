//! `lua`: a script in the process, for a manifest's own small rules.
//!
//! A script sees `string`, `table` and `math`, a few functions that can do no harm, the event, and nothing else: no files, no
//! clock, no randomness, no way to load code. What one event leaves behind the next does not see. Memory and instructions are
//! limited, and the library functions whose work those limits don't see (patterns, `rep`) are bounded by their arguments; so a
//! script needs no time limit, and the same event always gives the same answer.
//!
//! ```lua
//! if stem.vars.language == 'fr' then change{tags = tags .. ', chanson'} end
//! if #title > 60 then veto 'the title is too long' end
//! ```

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use mlua::{Function, HookTriggers, Lua, LuaOptions, LuaSerdeExt, StdLib, Table, Value, VmState};

use super::{Answer, HookError, HookEvent};
use crate::plan::Settings;

/// Most memory of a script. An event takes some ten kilobytes.
const MEMORY_BYTES: usize = 16 * 1024 * 1024;

/// Most instructions for one event: some 50 ms.
const INSTRUCTIONS: u32 = 2_000_000;

/// Instructions between two looks at their number.
const LOOK_EVERY: u32 = 10_000;

/// Most steps that a pattern may take in the worst case, estimated before it is used.
const PATTERN_STEPS: f64 = 1e8;

/// Most repetitions that `string.rep` makes.
const REPETITIONS: i64 = 1_000_000;

/// A compiled script.
#[derive(Debug)]
pub(crate) struct Script {
    name: String,
    source: Arc<str>,
    /// One event at a time; none after a failure, which may have left anything behind.
    machine: Mutex<Option<Machine>>,
}

#[derive(Debug)]
struct Machine {
    lua: Lua,
    source: Arc<str>,
    script: Function,
    /// Lets a scope read the library.
    above: Table,
    /// What the script says; empty between events.
    answer: Table,
    /// Looks at the number of instructions since the event began.
    looks: Arc<AtomicU32>,
}

/// Whether a script can be compiled.
///
/// # Errors
/// The compiler's words, with the line.
pub fn check_script(name: &str, source: &str) -> Result<(), String> {
    Machine::new(name, source)
        .map(drop)
        .map_err(|error| words(&error))
}

impl Script {
    pub(crate) fn new(name: &str, source: Arc<str>) -> Self {
        Self {
            name: name.to_owned(),
            source,
            machine: Mutex::new(None),
        }
    }

    /// Runs the script for an event.
    pub(crate) fn run(&self, event: &HookEvent) -> Result<Answer, HookError> {
        let mut place = self.machine.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = |error: mlua::Error| HookError::Script(words(&error));
        let machine = match place.take() {
            Some(machine) => machine,
            None => Machine::new(&self.name, &self.source).map_err(failed)?,
        };
        let answer = machine.run(event).map_err(failed)?;
        *place = Some(machine);
        let (change, veto) = answer;
        match (change, veto) {
            (None, None) => Ok(Answer::Nothing),
            (None, Some(why)) => Ok(Answer::Veto(why)),
            (Some(change), None) => Ok(Answer::Change(change)),
            (Some(_), Some(_)) => Err(HookError::Garbage(
                "it both changes and vetoes the job".to_owned(),
            )),
        }
    }
}

type Said = (
    Option<serde_json::Map<String, serde_json::Value>>,
    Option<String>,
);

impl Machine {
    fn new(name: &str, source: &str) -> mlua::Result<Self> {
        let libraries = StdLib::STRING | StdLib::TABLE | StdLib::MATH;
        let lua = Lua::new_with(libraries, LuaOptions::new())?;
        lua.set_memory_limit(MEMORY_BYTES)?;
        let answer = lua.create_table()?;
        let above = lua.create_table()?;
        above.raw_set("__index", library(&lua, &answer)?)?;
        let script = lua
            .load(source)
            .set_name(format!("@{name}"))
            .into_function()?;
        let looks = Arc::new(AtomicU32::new(0));
        let counted = looks.clone();
        let triggers = HookTriggers::new().every_nth_instruction(LOOK_EVERY);
        lua.set_hook(triggers, move |_, _| {
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
            answer,
            looks,
        })
    }

    fn run(&self, event: &HookEvent) -> mlua::Result<Said> {
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
            self.set_settings(&scope, &job.settings)?;
        }
        self.answer.clear()?;
        self.script.set_environment(scope)?;
        self.looks.store(0, Ordering::Relaxed);
        self.script.call::<()>(())?;
        let change = match self.answer.raw_get::<Value>("change")? {
            Value::Nil => None,
            change => match lua.from_value(change)? {
                serde_json::Value::Object(change) => Some(change),
                _ => return Err(mlua::Error::runtime("change{…} takes names and values")),
            },
        };
        Ok((change, self.answer.raw_get("veto")?))
    }

    /// Whether the script can read a variable: its name stands there, or the way around names does. What is not read is not made.
    fn reads(&self, name: &str) -> bool {
        self.source.contains(name) || self.source.contains("_ENV")
    }

    fn set_settings(&self, scope: &Table, settings: &Settings) -> mlua::Result<()> {
        let texts = [
            ("title", Some(&settings.title)),
            ("tags", Some(&settings.tags)),
            ("negative_tags", Some(&settings.negative_tags)),
            ("model", Some(&settings.model)),
            ("lyrics", settings.lyrics.as_ref()),
        ];
        for (name, text) in texts {
            if let Some(text) = text.filter(|_| self.reads(name)) {
                scope.raw_set(name, text.as_str())?;
            }
        }
        let weights = [
            ("style_weight", settings.style_weight),
            ("weirdness_constraint", settings.weirdness_constraint),
            ("audio_weight", settings.audio_weight),
        ];
        for (name, weight) in weights {
            if let Some(weight) = weight.filter(|_| self.reads(name)) {
                scope.raw_set(name, f64::from(weight))?;
            }
        }
        if let Some(gender) = settings.vocal_gender.filter(|_| self.reads("vocal_gender")) {
            scope.raw_set("vocal_gender", self.lua.to_value(&gender)?)?;
        }
        if let Some(variety) = settings.variety {
            scope.raw_set("variety", variety)?;
        }
        Ok(())
    }
}

/// What scripts may read; `answer` is where `change` and `veto` put what they are told.
fn library(lua: &Lua, answer: &Table) -> mlua::Result<Table> {
    let globals = lua.globals();
    let library = lua.create_table()?;
    for name in ["string", "table", "math"] {
        library.raw_set(name, globals.raw_get::<Table>(name)?)?;
    }
    for name in [
        "assert", "error", "ipairs", "next", "pairs", "select", "tonumber", "tostring", "type",
    ] {
        library.raw_set(name, globals.raw_get::<Value>(name)?)?;
    }
    let string: Table = library.raw_get("string")?;
    for name in ["dump", "pack", "packsize", "unpack"] {
        string.raw_set(name, Value::Nil)?;
    }
    for name in ["find", "match", "gmatch", "gsub"] {
        let inner: Function = string.raw_get(name)?;
        let bounded = lua.create_function(move |_, arguments: mlua::MultiValue| {
            let text = |at: usize| match arguments.get(at) {
                Some(Value::String(text)) => text.as_bytes().to_vec(),
                _ => Vec::new(),
            };
            if steps(text(0).len(), &text(1)) > PATTERN_STEPS {
                return Err(mlua::Error::runtime(
                    "this pattern may take too long on this text",
                ));
            }
            inner.call::<mlua::MultiValue>(arguments)
        })?;
        string.raw_set(name, bounded)?;
    }
    let rep: Function = string.raw_get("rep")?;
    let bounded = lua.create_function(
        move |_, (text, times, between): (Value, i64, Option<Value>)| {
            if times > REPETITIONS {
                return Err(mlua::Error::runtime(format!(
                    "string.rep repeats at most {REPETITIONS} times"
                )));
            }
            rep.call::<Value>((text, times, between))
        },
    )?;
    string.raw_set("rep", bounded)?;
    // Its work is not bounded by what there is.
    library
        .raw_get::<Table>("table")?
        .raw_set("move", Value::Nil)?;
    let math: Table = library.raw_get("math")?;
    math.raw_set("random", Value::Nil)?;
    math.raw_set("randomseed", Value::Nil)?;
    let (answer, said) = (answer.clone(), answer.clone());
    let change = lua.create_function(move |lua, changes: Table| {
        let all = match answer.raw_get::<Option<Table>>("change")? {
            Some(all) => all,
            None => {
                let all = lua.create_table()?;
                answer.raw_set("change", &all)?;
                all
            }
        };
        for pair in changes.pairs::<Value, Value>() {
            let (name, value) = pair?;
            all.raw_set(name, value)?;
        }
        Ok(())
    })?;
    let veto = lua.create_function(move |_, why: String| said.raw_set("veto", why))?;
    library.raw_set("change", change)?;
    library.raw_set("veto", veto)?;
    for name in ["string", "table", "math"] {
        let real: Table = library.raw_get(name)?;
        library.raw_set(name, sealed(lua, &real)?)?;
    }
    // `("x"):upper()` goes through the strings' own metatable, whose library is now the bounded one; nothing else is global.
    let names: Vec<Value> = globals
        .pairs::<Value, Value>()
        .filter_map(|pair| pair.ok().map(|(name, _)| name))
        .collect();
    for name in names {
        globals.raw_set(name, Value::Nil)?;
    }
    Ok(library)
}

/// A table that reads as another and can't be written to.
fn sealed(lua: &Lua, real: &Table) -> mlua::Result<Table> {
    let (front, above) = (lua.create_table()?, lua.create_table()?);
    above.raw_set("__index", real)?;
    let refuse = lua.create_function(|_, _: mlua::MultiValue| -> mlua::Result<()> {
        Err(mlua::Error::runtime("the library can't be changed"))
    })?;
    above.raw_set("__newindex", refuse)?;
    front.set_metatable(Some(above))?;
    Ok(front)
}

/// The most steps that matching `pattern` against a text of this length takes: each repetition may try every length.
fn steps(length: usize, pattern: &[u8]) -> f64 {
    let (mut repetitions, mut at) = (i32::from(pattern.first() != Some(&b'^')), 0);
    let mut in_set = false;
    while at < pattern.len() {
        match pattern[at] {
            b'%' => at += 1,
            b'[' if !in_set => in_set = true,
            b']' if in_set => in_set = false,
            b'*' | b'+' | b'-' | b'?' if !in_set => repetitions += 1,
            _ => {}
        }
        at += 1;
    }
    // n nested repetitions over a text of length l end within l^n / n! steps.
    let factorial: f64 = (1..=repetitions).map(f64::from).product();
    (length as f64 + 1.0).powi(repetitions) / factorial
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
