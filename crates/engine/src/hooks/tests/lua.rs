//! `lua`.

use super::*;
use crate::hooks::lua::Script;

fn run(source: &str) -> Result<Answer, HookError> {
    Script::new("test", source.into()).run(&sample(HookPoint::BeforeSubmit))
}

#[test]
fn a_script_reads_the_job_and_says_what_it_wants() {
    #[track_caller]
    fn check(source: &str, expected: serde_json::Value) {
        let found = match run(source) {
            Ok(Answer::Nothing | Answer::Unknown(_)) => serde_json::Value::Null,
            Ok(Answer::Veto(why)) => why.into(),
            Ok(Answer::Change(change)) => change.into(),
            Err(error) => panic!("{source}: {error}"),
        };
        assert_eq!(found, expected, "{source}");
    }
    check("", serde_json::Value::Null);
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
        assert_eq!(said, Ok(Answer::Nothing), "{name}");
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
    check("string.rep('', 1e15)", "at most");
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
            script.run(&sample(HookPoint::BeforeSubmit)),
            Ok(Answer::Nothing)
        );
    }
    let fails_once = Script::new("test", "if take == 1 then error 'x' end veto 'fine'".into());
    let mut event = sample(HookPoint::BeforeSubmit);
    assert!(fails_once.run(&event).is_err());
    event.job.as_mut().unwrap().take = 2;
    assert_eq!(fails_once.run(&event), Ok(Answer::Veto("fine".into())));
}

#[test]
fn a_slip_is_found_before_anything_runs() {
    let problem = check_script("rule.lua", "if x then\nveto 'x'\n").unwrap_err();
    assert!(
        problem.contains("rule.lua:3") && problem.contains("'end' expected"),
        "{problem}"
    );
    assert_eq!(check_script("rule.lua", "veto 'x'"), Ok(()));
}
