//! What a hook costs for each event, by the way it is called. Limits: a service 50 µs, a script 10 µs.
//!
//! The service and the program are the smallest there are, so that what is measured is the way and not its partner: `cat` speaks
//! the protocol, for an answer may repeat what it answers. A service in Python is measured beside it.

#![expect(
    clippy::unwrap_used,
    reason = "a benchmark that unwraps says where it failed"
)]

use std::hint::black_box;
use std::path::Path;

use backline_engine::hooks::{Bench, HookKind, HookPoint, HookSpec, Order, sample};
use criterion::{Criterion, criterion_group, criterion_main};

const PYTHON: &str = "\
import json, sys
sys.stdin.readline()
print('{\"hello\": {\"protocol\": 1}}', flush=True)
for line in sys.stdin:
    ask = json.loads(line)
    print(json.dumps({'id': ask['id']}), flush=True)
";

fn argv(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

fn service(words: &[&str]) -> HookKind {
    HookKind::Service {
        argv: argv(words),
        order: Order::Ordered,
        start_timeout_ms: 10_000,
    }
}

fn hooks(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut group = criterion.benchmark_group("hooks");
    let lua = "if stem.vars.language == 'de' then change{tags = tags .. ', schlager'} end";
    let ways = [
        (
            "lua (limit 10 µs)",
            HookKind::Lua {
                name: "inline".to_owned(),
                source: lua.into(),
            },
        ),
        ("service, cat (limit 50 µs)", service(&["cat"])),
        ("service, python", service(&["python3", "-c", PYTHON])),
        (
            "run, true",
            HookKind::Run {
                argv: argv(&["true"]),
            },
        ),
    ];
    let event = sample(HookPoint::BeforeSubmit);
    for (name, way) in ways {
        let spec = HookSpec::new(HookPoint::BeforeSubmit, 1, way);
        let bench = runtime.block_on(async { Bench::new(&spec, Path::new(".")) });
        group.bench_function(name, |bencher| {
            bencher.iter(|| runtime.block_on(bench.put(black_box(&event))).unwrap());
        });
        if name.starts_with("service") {
            // As a run asks: sixteen jobs at once.
            group.bench_function(format!("{name}, a sixteenth of 16 at once"), |bencher| {
                bencher.iter_custom(|rounds| {
                    let began = std::time::Instant::now();
                    for _ in 0..rounds {
                        let all = (0..16).map(|_| bench.put(&event));
                        let said = runtime.block_on(futures::future::join_all(all));
                        assert!(said.iter().all(Result::is_ok));
                    }
                    began.elapsed() / 16
                });
            });
        }
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = hooks
}
criterion_main!(benches);
