//! `lua`.

use std::time::Instant;

use super::{HookError, HookEvent, HookPoint, HookResponse, check_script, sample};
use crate::hooks::RESPONSE_LIMIT_BYTES;
use crate::hooks::lua::Script;

/// Longer than any script of these tests takes.
const PATIENCE_MS: u64 = 60_000;

fn run(source: &str) -> Result<HookResponse, HookError> {
    run_within(source, PATIENCE_MS)
}

fn run_within(source: &str, timeout_ms: u64) -> Result<HookResponse, HookError> {
    let script = Script::new("test", source.into());
    put(&script, &sample(HookPoint::BeforeSubmit), timeout_ms)
}

fn put(script: &Script, event: &HookEvent, timeout_ms: u64) -> Result<HookResponse, HookError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(script.run(event, timeout_ms))
}

#[test]
fn a_script_reads_the_job_and_says_what_it_wants() {
    #[track_caller]
    fn check(source: &str, expected: serde_json::Value) {
        let found = match run(source) {
            Ok(HookResponse::Nothing | HookResponse::Unknown(_)) => serde_json::Value::Null,
            Ok(HookResponse::Veto(why)) => why.into(),
            Ok(HookResponse::Change(change)) => change.into(),
            Ok(HookResponse::Delay(wait_ms)) => wait_ms.into(),
            Err(error) => panic!("{source}: {error}"),
        };
        assert_eq!(found, expected, "{source}");
    }
    check("", serde_json::Value::Null);
    check("delay '30s'", 30_000.into());
    check(
        "if stem.vars.language == 'fr' then change{tags = tags .. ', chanson'} end",
        serde_json::json!({"tags": "lo-fi hip hop, dusty drums, chanson"}),
    );
    check("veto(preset.id .. take)", "lofi1".into());
    check(
        "change{style_weight = 0.5} change{variety = 2}",
        serde_json::json!({"style_weight": 0.5, "variety": 2}),
    );
    check(
        "veto(event.point .. ' ' .. event.job.stem.vars.tempo)",
        "before_submit 92".into(),
    );
    check(
        "veto(('x'):rep(3) .. tostring(lyrics == nil))",
        "xxxtrue".into(),
    );
    check(
        "veto(string.match('  a b  ', '^%s*(.-)%s*$'))",
        "a b".into(),
    );
    check(
        "local n = 0 for _ in pairs(sweep) do n = n + 1 end veto(tostring(n))",
        "1".into(),
    );
}

#[test]
fn a_script_gets_out_of_nowhere() {
    for name in [
        "io",
        "os",
        "debug",
        "package",
        "require",
        "load",
        "loadstring",
        "dofile",
        "loadfile",
        "collectgarbage",
        "setmetatable",
        "getmetatable",
        "rawset",
        "rawget",
        "pcall",
        "xpcall",
        "coroutine",
        "print",
        "_G",
        "utf8",
        "math.random",
        "string.dump",
        "table.move",
    ] {
        let said = run(&format!("if {name} ~= nil then veto 'there' end"));
        assert_eq!(said, Ok(HookResponse::Nothing), "{name}");
    }
    let sealed = run("string.upper = nil").unwrap_err();
    assert!(sealed.to_string().contains("can't be changed"), "{sealed}");
}

#[test]
fn a_script_that_never_ends_is_ended() {
    #[track_caller]
    fn check(source: &str, expected: &str) {
        let error = run(source).unwrap_err().to_string();
        assert!(error.contains(expected), "{source}: {error}");
    }
    check("while true do end", "instructions");
    check("local function f() return f() end f()", "instructions");
    check(
        "local t = {} while true do t[#t + 1] = ('x'):rep(100000) end",
        "MiB of memory",
    );
    check(
        "local s = 'x' while true do s = s .. s end",
        "MiB of memory",
    );
    check("string.rep('', 1e15)", "steps of work");
    check(
        "veto(tostring(string.find(('a'):rep(5000), ('a*'):rep(30) .. 'b')))",
        "too long",
    );
    check(
        "('a'):rep(5000):gsub(('.-'):rep(20) .. 'b', '')",
        "too long",
    );
    check("error 'on purpose'", "on purpose");
    check("x.y = 1", "nil");
}

#[test]
fn one_event_leaves_nothing_to_the_next() {
    let script = Script::new("test", "if seen then veto 'seen' end seen = true".into());
    for _ in 0..2 {
        assert_eq!(
            put(&script, &sample(HookPoint::BeforeSubmit), PATIENCE_MS),
            Ok(HookResponse::Nothing)
        );
    }
    let fails_once = Script::new("test", "if take == 1 then error 'x' end veto 'fine'".into());
    let mut event = sample(HookPoint::BeforeSubmit);
    assert!(put(&fails_once, &event, PATIENCE_MS).is_err());
    event.job.as_mut().unwrap().take = 2;
    assert_eq!(
        put(&fails_once, &event, PATIENCE_MS),
        Ok(HookResponse::Veto("fine".into()))
    );
}

#[test]
fn a_slip_is_found_before_anything_runs() {
    let problem = check_script("rule.lua", "if x then\nveto 'x'\n")
        .unwrap_err()
        .to_string();
    assert!(
        problem.contains("rule.lua:3") && problem.contains("'end' expected"),
        "{problem}"
    );
    assert_eq!(check_script("rule.lua", "veto 'x'"), Ok(()));
}

/// Each took minutes, or would never have ended: to the interpreter a call is one instruction, whatever it does.
#[test]
fn library_calls_are_charged_for_their_work() {
    #[track_caller]
    fn check(source: &str) {
        let error = run(source).unwrap_err().to_string();
        assert!(error.contains("steps of work"), "{source}: {error}");
    }
    check("local s = ('a'):rep(14000) for i = 1, 100000 do local t = s:find('a-b') end");
    check("local s = ('a'):rep(3000000) for i = 1, 300000 do s:upper() end");
    check("local s = ('a'):rep(3000000) for i = 1, 300000 do s:lower() s:reverse() end");
    check("for i = 1, 300000 do local s = ('ab'):rep(1000000) end");
    check("for i = 1, 300000 do local s = ('ab'):rep(1, ('c'):rep(1000000)) end");
    check("local s = ('a'):rep(1000000) for i = 1, 300000 do s:gsub('b', '') end");
    check("local s = ('a'):rep(1000000) for i = 1, 300000 do string.format('%s', s) end");
    check("local s = ('a'):rep(1000000) for i = 1, 300000 do s:sub(2) end");
    check("local s = ('a'):rep(1000000) for i = 1, 300000 do tonumber(s) end");
    check(
        "local t = {} for i = 1, 100000 do t[i] = i end for i = 1, 300000 do table.insert(t, 1, i) end",
    );
    check("local t = {} for i = 1, 100000 do t[i] = i end for i = 1, 300000 do table.sort(t) end");
    check(
        "local t = {} for i = 1, 100000 do t[i] = 'x' end for i = 1, 300000 do table.concat(t) end",
    );
    check("local t = {} for i = 1, 100000 do t[i] = i end for i = 1, 300000 do change(t) end");
    check("local s = ('a'):rep(1000000) for i = 1, 300000 do veto(s) end");
    check("local s = ('a'):rep(1000000) for i = 1, 300000 do delay(s) end");
    // What scripts are for costs next to nothing of it.
    let plain =
        "for i = 1, 200 do local t = tags:lower():gsub('%s+', ' '):match('^%s*(.-)%s*$') end";
    assert_eq!(run(plain), Ok(HookResponse::Nothing));
}

/// Each is one call that would have taken hours, and no hook's timeout ends a call.
#[test]
fn one_call_of_the_library_is_bounded() {
    #[track_caller]
    fn check(source: &str, expected: &str) {
        let error = run(source).unwrap_err().to_string();
        assert!(error.contains(expected), "{source}: {error}");
    }
    let pattern = |source: &str| check(source, "this pattern may take too long");
    // A balance and a repeated capture read the text anew at each place.
    pattern("local s = ('x'):rep(5000000) s:find('%bxy')");
    pattern("local s = ('x'):rep(5000000) s:find('^(.-)%1y')");
    pattern("local s = ('x'):rep(5000000) s:gsub('()%1y', '')");
    // So does what is not repeated, and a long set for each letter.
    pattern("local s = ('x'):rep(3000000) s:find(('x'):rep(1000000) .. 'y')");
    pattern("local s = ('x'):rep(3000000) s:find(('x'):rep(1000000) .. 'y', 1, true)");
    pattern("local s = ('x'):rep(3000000) s:find('[' .. ('a'):rep(1000000) .. ']')");
    pattern("local s = ('x'):rep(3000000) s:find('^[' .. ('a'):rep(1000000) .. 'x]*y')");
    // More repetitions than letters: 10^22 ways.
    pattern("('a'):rep(20):find('^' .. ('a-'):rep(120) .. 'b')");
    // There `^` is a letter, and each place is tried.
    pattern("('^'):rep(100000):gmatch('^.-b')");
    let texts = "local a = ('x'):rep(5000000) local b = a .. 'y' local t = {}
        for i = 1, 2000 do t[i] = (i % 2 == 0) and a or b end table.sort(t)";
    check(texts, "steps of work");
    // What scripts are for is not refused.
    let plain = "local t = {} for word in (tags .. (' pop'):rep(100)):gmatch('[%a-]+') do t[#t + 1] = word end
        table.sort(t) local s = table.concat(t, ', '):gsub('%b()', ''):match('^%s*(.-)%s*$')
        if s:find('[Aa]mbient', 1) then veto(s) end";
    assert_eq!(run(plain), Ok(HookResponse::Nothing));
}

#[test]
fn a_script_that_is_not_done_in_time_fails_and_its_thread_ends() {
    // Each instruction copies megabytes, which no count sees.
    let slow = "local s = ('a'):rep(3000000) for i = 1, 200000 do local t = s .. i end";
    let began = Instant::now();
    assert_eq!(run_within(slow, 50), Err(HookError::TimedOut(50)));
    // The caller does not wait for it. (The whole script takes minutes.)
    assert!(began.elapsed().as_secs() < 30, "{:?}", began.elapsed());
    let script = Script::new(
        "test",
        format!("if take == 1 then {slow} end veto 'fine'").into(),
    );
    let mut event = sample(HookPoint::BeforeSubmit);
    assert_eq!(put(&script, &event, 50), Err(HookError::TimedOut(50)));
    event.job.as_mut().unwrap().take = 2;
    assert_eq!(
        put(&script, &event, PATIENCE_MS),
        Ok(HookResponse::Veto("fine".into()))
    );
}

/// What no count sees: one instruction of the interpreter goes through a table's empty places, or through keys that collide.
#[test]
fn what_no_count_sees_is_ended_by_the_timeout() {
    let emptied = "local t = {} for i = 1, 120000 do t['k' .. i] = i end
        for k in pairs(t) do t[k] = nil end";
    for slow in [
        format!("{emptied} for i = 1, 600000 do next(t) end"),
        format!("{emptied} for i = 1, 600000 do for k in pairs(t) do end end"),
        "local s = ('a'):rep(5000000) local a, b = s .. 'x', s .. 'y'
            for i = 1, 600000 do local c = a < b end"
            .to_owned(),
    ] {
        let script = Script::new(
            "test",
            format!("if take == 1 then {slow} end veto 'fine'").into(),
        );
        let mut event = sample(HookPoint::BeforeSubmit);
        assert_eq!(
            put(&script, &event, 1_000),
            Err(HookError::TimedOut(1_000)),
            "{slow}"
        );
        event.job.as_mut().unwrap().take = 2;
        assert_eq!(
            put(&script, &event, PATIENCE_MS),
            Ok(HookResponse::Veto("fine".into()))
        );
    }
}

#[test]
fn what_a_script_says_is_no_longer_than_what_others_may_say() {
    let flood = Err(HookError::Flood(RESPONSE_LIMIT_BYTES));
    assert_eq!(run("veto(('x'):rep(1000000)..('x'):rep(48577))"), flood);
    assert_eq!(
        run("change{title = ('x'):rep(1000000) .. ('x'):rep(100000)}"),
        flood
    );
    // The same text a thousand times over, which takes the interpreter no memory.
    let again = "local s = ('x'):rep(100000) local t = {} for i = 1, 1000 do t[i] = s end change{title = t}";
    assert_eq!(run(again), flood);
    assert_eq!(run("local t = {} t.t = t change{title = t}"), flood);
    assert!(
        matches!(run("veto(('x'):rep(1000000))"), Ok(HookResponse::Veto(why)) if why.len() == 500)
    );
}
