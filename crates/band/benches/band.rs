//! Seconds of compute for a sung minute, by stage: divide by 60 for the cost of a second of audio.

use std::hint::black_box;

use backline_audio::Audio;
use backline_band::{
    Request, Session, Settings, Sound, analysis::HarmonySettings, arrange, harmonise, listen,
    master, play, read_tags,
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const RATE_HZ: u32 = 44_100;

/// A minute of an old tune on "ah".
fn vocal() -> Audio {
    const TUNE: [(f64, f64); 14] = [
        (60.0, 1.0),
        (60.0, 1.0),
        (67.0, 1.0),
        (67.0, 1.0),
        (69.0, 1.0),
        (69.0, 1.0),
        (67.0, 2.0),
        (65.0, 1.0),
        (65.0, 1.0),
        (64.0, 1.0),
        (64.0, 1.0),
        (62.0, 1.0),
        (62.0, 1.0),
        (60.0, 2.0),
    ];
    let rate = f64::from(RATE_HZ);
    let mut samples = Vec::new();
    let mut phase = 0.0f64;
    for &(midi, beats) in TUNE.iter().cycle().take(14 * 6) {
        let frames = (beats * 0.625 * rate) as usize;
        let hz = 440.0 * ((midi - 69.0) / 12.0f64).exp2();
        for frame in 0..frames {
            phase += hz / rate;
            let left = (frames - frame) as f64 / rate;
            let envelope = (frame as f64 / rate / 0.03).min(1.0) * (left / 0.06).min(1.0);
            let tone: f64 = (1..=8)
                .map(|n| {
                    (std::f64::consts::TAU * phase * f64::from(n)).sin() / f64::from(n).powf(1.3)
                })
                .sum();
            samples.push((0.18 * tone * envelope) as f32);
        }
    }
    Audio {
        rate_hz: RATE_HZ,
        channels: vec![samples],
    }
}

fn stages(criterion: &mut Criterion) {
    let vocal = vocal();
    let brief = read_tags("pop ballad", "");
    let analysis = listen(&vocal, &brief.hints());
    let harmony = HarmonySettings {
        vocabulary: brief.styles[0].vocabulary(),
        weirdness: 0.3,
        style_weight: 0.5,
        variety: 0.0,
    };
    let chords = harmonise(&analysis, &harmony, 1);
    let settings = Settings {
        style_weight: 0.5,
        audio_weight: 0.5,
        singer: None,
        take: 0,
    };
    let score = arrange(&analysis, &chords, &brief, &settings, 1);
    let sum = play(&score, &Sound::Own, 1, 1);
    let mut group = criterion.benchmark_group("a sung minute");
    group.sample_size(10);
    group.throughput(Throughput::Elements(vocal.duration_s().round() as u64));
    group.bench_function("listen", |bench| {
        bench.iter(|| listen(black_box(&vocal), &brief.hints()));
    });
    group.bench_function("harmonise", |bench| {
        bench.iter(|| harmonise(black_box(&analysis), &harmony, 1));
    });
    group.bench_function("arrange", |bench| {
        bench.iter(|| arrange(black_box(&analysis), &chords, &brief, &settings, 1));
    });
    group.bench_function("play, one thread", |bench| {
        bench.iter(|| play(black_box(&score), &Sound::Own, 1, 1));
    });
    group.bench_function("play, two threads", |bench| {
        bench.iter(|| play(black_box(&score), &Sound::Own, 1, 2));
    });
    group.bench_function("master", |bench| {
        bench.iter(|| master(black_box(sum.clone()), &score.finish));
    });
    group.bench_function("all of a take", |bench| {
        let request = Request {
            tags: "pop ballad".to_owned(),
            negative_tags: String::new(),
            style_weight: 0.5,
            weirdness_constraint: 0.3,
            audio_weight: 0.5,
            singer: None,
            seed: 1,
            takes: 1,
        };
        bench.iter(|| {
            Session::new(black_box(&vocal), &request, Sound::Own)
                .and_then(|session| session.take(0))
                .map(|take| take.instrumental.frames())
        });
    });
    group.finish();
}

criterion_group!(benches, stages);
criterion_main!(benches);
