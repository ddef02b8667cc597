//! How long the reports of 10,000 jobs take: 20,000 kept tracks with their mixes, sound measured before.

use std::hint::black_box;
use std::path::Path;

use backline_engine::event::KeptFile;
use backline_engine::manifest::lock::compare;
use backline_engine::plan::ReportKind;
use backline_engine::settings::Setting;
use backline_reporter::{ReportInput, as_lock, diff_text, example, render};
use criterion::{Criterion, criterion_group, criterion_main};

fn reports(criterion: &mut Criterion) {
    let files: Vec<KeptFile> = (0..24)
        .map(|number| KeptFile {
            path: format!("out/song {number}.mp3"),
            sha256: format!("{number:064x}"),
            length_bytes: 3_145_728,
            duration_s: 198.44,
            unverified: None,
        })
        .collect();
    let summary = example::large(100, 50, 2, &files);
    let material = ReportInput {
        summary: &summary,
        records: &[],
        project_dir: Path::new("/nowhere"),
        sound_cache: None,
    };
    let mut group = criterion.benchmark_group("10,000 jobs");
    group.sample_size(10);
    for kind in ReportKind::ALL {
        group.bench_function(kind.as_str(), |bench| {
            bench.iter(|| black_box(render(&material, kind, Path::new("/nowhere/out"))));
        });
    }
    let mut other = summary.clone();
    for job in other.jobs.iter_mut().step_by(2) {
        job.key.replace_range(..1, "f");
        let tags = format!("{}, strings", job.settings.text(Setting::TAGS));
        job.settings.set(Setting::TAGS, Some(tags.as_str().into()));
    }
    group.bench_function("diff", |bench| {
        bench.iter(|| {
            let locks = as_lock(&summary).and_then(|old| Ok((old, as_lock(&other)?)));
            locks.map(|(old, new)| black_box(diff_text(&compare(&old, &new), 0, 20)))
        });
    });
    group.finish();
}

criterion_group!(benches, reports);
criterion_main!(benches);
