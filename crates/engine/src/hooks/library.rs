//! What a script may read: `string`, `table`, `math` and a few plain functions, each charged for the work it does.
//!
//! The interpreter counts instructions, and a call of a library function is one, whatever it does. So each call is charged here:
//! the bytes that it reads and writes, the elements that it moves, and for a pattern the steps that it takes at worst. The sum
//! of an event is limited; it follows from the event alone, so the same event always gives the same result.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use mlua::{Function, Lua, MultiValue, Table, Value};

/// Most work of library functions for one event, in bytes copied or steps of a pattern: some tenths of a second.
const WORK: u64 = 100_000_000;

/// What each call costs beside its bytes.
const CALL: u64 = 16;

/// The work of an event, and whether anybody still waits for it.
#[derive(Debug, Default)]
pub(super) struct Work {
    done: AtomicU64,
    cancelled: AtomicBool,
}

impl Work {
    /// Another event begins.
    pub(super) fn begin(&self) {
        self.done.store(0, Ordering::Relaxed);
    }

    /// Nobody waits any more: the script fails at its next check.
    pub(super) fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Fails once the work was cancelled.
    pub(super) fn check(&self) -> mlua::Result<()> {
        match self.cancelled.load(Ordering::Relaxed) {
            true => Err(mlua::Error::runtime("its time is over")),
            false => Ok(()),
        }
    }

    /// Charges for work that is about to be done.
    fn charge(&self, cost: u64) -> mlua::Result<()> {
        self.check()?;
        let done = self.done.load(Ordering::Relaxed).saturating_add(cost);
        self.done.store(done, Ordering::Relaxed);
        if done > WORK {
            return Err(mlua::Error::runtime(format!(
                "its library calls do more than {WORK} steps of work"
            )));
        }
        Ok(())
    }
}

/// What scripts may read; `answer` is where `change`, `veto` and `delay` put their arguments.
pub(super) fn library(lua: &Lua, answer: &Table, work: &Arc<Work>) -> mlua::Result<Table> {
    let globals = lua.globals();
    let library = lua.create_table()?;
    for name in ["string", "table", "math"] {
        library.raw_set(name, globals.raw_get::<Table>(name)?)?;
    }
    for name in ["assert", "error", "ipairs", "next", "pairs", "type"] {
        library.raw_set(name, globals.raw_get::<Value>(name)?)?;
    }
    for name in ["select", "tonumber", "tostring"] {
        library.raw_set(name, charged(lua, work, globals.raw_get(name)?, read)?)?;
    }
    let string: Table = library.raw_get("string")?;
    for name in ["dump", "pack", "packsize", "unpack"] {
        string.raw_set(name, Value::Nil)?;
    }
    for (name, cost) in [
        ("byte", read as Cost),
        ("char", read),
        ("find", pattern),
        ("format", read),
        ("gmatch", pattern),
        ("gsub", pattern),
        ("lower", read),
        ("match", pattern),
        ("rep", repetition),
        ("reverse", read),
        ("sub", read),
        ("upper", read),
    ] {
        string.raw_set(name, charged(lua, work, string.raw_get(name)?, cost)?)?;
    }
    let table: Table = library.raw_get("table")?;
    for (name, cost) in [
        ("concat", elements as Cost),
        ("insert", elements),
        ("pack", read),
        ("remove", elements),
        ("sort", sorting),
        ("unpack", elements),
    ] {
        table.raw_set(name, charged(lua, work, table.raw_get(name)?, cost)?)?;
    }
    // Its work is not bounded by what there is.
    table.raw_set("move", Value::Nil)?;
    let math: Table = library.raw_get("math")?;
    math.raw_set("random", Value::Nil)?;
    math.raw_set("randomseed", Value::Nil)?;
    for name in ["veto", "delay"] {
        let answer = answer.clone();
        let say = lua.create_function(move |_, text: String| answer.raw_set(name, text))?;
        library.raw_set(name, say)?;
    }
    let answer = answer.clone();
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
    library.raw_set("change", change)?;
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

/// What a call costs before it is made, by its arguments.
type Cost = fn(&MultiValue) -> mlua::Result<u64>;

/// A function that is charged for what it reads, before, and for what it gives, after.
fn charged(lua: &Lua, work: &Arc<Work>, inner: Function, cost: Cost) -> mlua::Result<Function> {
    let work = work.clone();
    lua.create_function(move |_, arguments: MultiValue| {
        work.charge(cost(&arguments)?)?;
        let results = inner.call::<MultiValue>(arguments)?;
        work.charge(read(&results)?)?;
        Ok(results)
    })
}

/// The bytes of all texts.
fn read(values: &MultiValue) -> mlua::Result<u64> {
    let bytes = |value: &Value| match value {
        Value::String(text) => text.as_bytes().len() as u64,
        _ => 0,
    };
    Ok(values.iter().map(|value| CALL + bytes(value)).sum())
}

/// The elements of the table that comes first: at worst all of them are moved or joined.
fn elements(values: &MultiValue) -> mlua::Result<u64> {
    let count = match values.front() {
        Some(Value::Table(table)) => table.raw_len() as u64,
        _ => 0,
    };
    Ok(CALL + count)
}

/// As many comparisons as a sort takes, and some for those that fall badly.
fn sorting(values: &MultiValue) -> mlua::Result<u64> {
    let count = elements(values)?;
    Ok(count.saturating_mul(4 * u64::from(count.ilog2() + 1)))
}

/// The bytes that `string.rep` is to write.
fn repetition(values: &MultiValue) -> mlua::Result<u64> {
    let length = |at: usize| match values.get(at) {
        Some(Value::String(text)) => text.as_bytes().len() as u64,
        _ => 0,
    };
    let times = match values.get(1) {
        Some(Value::Integer(times)) => u64::try_from(*times).unwrap_or(0),
        Some(Value::Number(times)) => *times as u64,
        // A text may be a number, too.
        Some(Value::String(times)) => {
            let text = String::from_utf8_lossy(&times.as_bytes()).into_owned();
            text.trim().parse::<f64>().map_or(u64::MAX, |it| it as u64)
        }
        _ => 0,
    };
    // It takes a step for each, even of nothing.
    Ok(CALL.saturating_add(times.saturating_mul(1 + length(0) + length(2))))
}

/// The steps of a pattern at worst.
fn pattern(values: &MultiValue) -> mlua::Result<u64> {
    let text = |at: usize| match values.get(at) {
        Some(Value::String(text)) => text.as_bytes().to_vec(),
        _ => Vec::new(),
    };
    let steps = steps(text(0).len(), &text(1));
    if steps > WORK as f64 {
        return Err(mlua::Error::runtime(
            "this pattern may take too long on this text",
        ));
    }
    Ok(read(values)? + steps as u64)
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
