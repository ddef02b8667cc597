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

/// What scripts may read; `response` is where `change`, `veto` and `delay` put their arguments.
pub(super) fn library(lua: &Lua, response: &Table, work: &Arc<Work>) -> mlua::Result<Table> {
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
        ("gmatch", patterns),
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
        let (response, work) = (response.clone(), work.clone());
        let say = lua.create_function(move |_, text: mlua::LuaString| {
            work.charge(CALL + text.as_bytes().len() as u64)?;
            response.raw_set(name, text)
        })?;
        library.raw_set(name, say)?;
    }
    let (response, work) = (response.clone(), work.clone());
    let change = lua.create_function(move |lua, changes: Table| {
        let all = match response.raw_get::<Option<Table>>("change")? {
            Some(all) => all,
            None => {
                let all = lua.create_table()?;
                response.raw_set("change", &all)?;
                all
            }
        };
        for pair in changes.pairs::<Value, Value>() {
            let (name, value) = pair?;
            work.charge(CALL)?;
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

/// As many comparisons as a sort takes, and some for those that fall badly. Each reads no more than the shorter of two texts.
fn sorting(values: &MultiValue) -> mlua::Result<u64> {
    let count = elements(values)?;
    let comparisons = count.saturating_mul(4 * u64::from(count.ilog2() + 1));
    // Without a function of the script's own the texts themselves are compared.
    let (Some(Value::Table(table)), true) = (values.front(), comparisons <= WORK) else {
        return Ok(comparisons);
    };
    let (mut longest, mut second) = (0, 0);
    for at in 1..=table.raw_len() {
        if let Value::String(text) = table.raw_get::<Value>(at)? {
            let length = text.as_bytes().len() as u64;
            second = second.max(length.min(longest));
            longest = longest.max(length);
        }
    }
    Ok(comparisons.saturating_mul(1 + second))
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

/// The steps of a pattern at worst, where a `^` anchors it to the beginning of the text.
fn pattern(values: &MultiValue) -> mlua::Result<u64> {
    matching(values, true)
}

/// The same where `^` is a letter like others.
fn patterns(values: &MultiValue) -> mlua::Result<u64> {
    matching(values, false)
}

fn matching(values: &MultiValue, anchors: bool) -> mlua::Result<u64> {
    let length = match values.front() {
        Some(Value::String(text)) => text.as_bytes().len(),
        _ => 0,
    };
    let steps = match values.get(1) {
        Some(Value::String(pattern)) => steps(length, &pattern.as_bytes(), anchors),
        _ => length as f64,
    };
    if steps > WORK as f64 {
        return Err(mlua::Error::runtime(
            "this pattern may take too long on this text",
        ));
    }
    Ok(read(values)? + steps as u64)
}

/// The most steps that matching `pattern` against a text of this length takes: each repetition may try every length, and each try
/// goes through what is not repeated.
fn steps(length: usize, pattern: &[u8], anchors: bool) -> f64 {
    let anchored = anchors && pattern.first() == Some(&b'^');
    let mut repetitions = u32::from(!anchored);
    let mut at = usize::from(anchored);
    let mut once = 0.0;
    while at < pattern.len() {
        let item = match (pattern[at], pattern.get(at + 1)) {
            // A balance and a repeated capture may each read the whole text.
            (b'%', Some(b'b')) => {
                once += length as f64;
                at += 4;
                continue;
            }
            (b'%', Some(b'0'..=b'9')) => {
                once += length as f64;
                at += 2;
                continue;
            }
            (b'%', _) => 2,
            (b'[', _) => set_length(&pattern[at..]),
            _ => 1,
        };
        at += item;
        if matches!(pattern.get(at), Some(b'*' | b'+' | b'-' | b'?')) {
            repetitions += 1;
            at += 1;
            if item > 2 {
                once += item as f64;
            }
        } else {
            once += item as f64;
        }
    }
    // So many ways there are to share a text out among the repetitions.
    let ways = (1..=repetitions).map(f64::from);
    let ways: f64 = ways.map(|nth| (length as f64 + nth) / nth).product();
    ways * once.max(1.0)
}

/// The bytes of the set that begins a pattern.
fn set_length(pattern: &[u8]) -> usize {
    let mut at = if pattern.get(1) == Some(&b'^') { 2 } else { 1 };
    // The first byte belongs to the set even if it is the one that ends others.
    loop {
        at += if pattern.get(at) == Some(&b'%') { 2 } else { 1 };
        if at >= pattern.len() {
            return pattern.len();
        }
        if pattern[at] == b']' {
            return at + 1;
        }
    }
}
