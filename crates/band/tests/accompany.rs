//! The whole way, measured on what comes out.
//!
//! Over 500 lines: one measurement follows another on the same rendered songs.

#![allow(
    clippy::unwrap_used,
    reason = "a test that meets the unexpected should stop"
)]

mod song;

use std::f64::consts::TAU;

use backline_audio::{Audio, Encoding, decode, encode, loudness};
use backline_band::{
    BandError, Instrument, Request, Role, Session, Singer, SoundSource, StyleId, Take, accompany,
    play,
};
use song::{sing, tunes::TUNES, voice_of};

fn request(tags: &str) -> Request {
    Request {
        tags: tags.to_owned(),
        negative_tags: String::new(),
        style_weight: 0.5,
        weirdness_constraint: 0.2,
        audio_weight: 0.5,
        singer: None,
        seed: 11,
        takes: 1,
    }
}

/// The first `seconds` of a sung tune.
fn sung(tune: usize, seconds: f64, rate_hz: u32) -> Audio {
    let mut voice = voice_of(&TUNES[tune].heard(100.0, 0), rate_hz);
    for channel in &mut voice.channels {
        channel.truncate((seconds * f64::from(rate_hz)) as usize);
    }
    voice
}

fn take(vocal: &Audio, request: &Request) -> Take {
    Session::new(vocal, request, SoundSource::Own)
        .and_then(|session| session.take(0))
        .unwrap()
}

/// What every finished recording must be.
fn check(name: &str, audio: &Audio, silent: bool) {
    assert_eq!((audio.rate_hz, audio.channels.len()), (44_100, 2), "{name}");
    let (left, right) = (&audio.channels[0], &audio.channels[1]);
    for channel in [left, right] {
        assert!(
            channel.iter().all(|sample| sample.is_finite()),
            "{name} has samples that are no numbers"
        );
        let mean =
            channel.iter().map(|&sample| f64::from(sample)).sum::<f64>() / channel.len() as f64;
        assert!(mean.abs() < 1e-3, "{name} lies {mean} off the middle");
        // A cut is a step: the first and the last samples are near nothing.
        assert!(
            channel[0].abs() < 0.05,
            "{name} starts with a click: {}",
            channel[0]
        );
        assert!(
            channel[channel.len() - 1].abs() < 1e-3,
            "{name} is cut at its end"
        );
    }
    let measured = loudness(audio);
    if silent {
        assert_eq!(measured.integrated_lufs, None, "{name} should be silent");
        return;
    }
    let lufs = measured.integrated_lufs.unwrap_or(-99.0);
    assert!((lufs + 14.0).abs() <= 0.3, "{name}: {lufs:.2} LUFS");
    assert!(
        measured.true_peak_dbtp <= -1.0,
        "{name}: {:.2} dBTP",
        measured.true_peak_dbtp
    );
}

#[test]
fn every_style_is_loud_enough_clean_and_whole() {
    let vocal = sung(0, 9.0, 16_000);
    let session = Session::new(&vocal, &request(""), SoundSource::Own).unwrap();
    assert_eq!(session.analysis.duration_s, vocal.duration_s());
    for style in StyleId::all() {
        let played = take(&vocal, &request(style.name()));
        assert_eq!(played.facts.style, style.name(), "its own name asks for it");
        check(style.name(), &played.instrumental, false);
        check(style.name(), &played.mix, false);
        assert_eq!(played.facts.not_understood, Vec::<String>::new());
        assert!(played.instrumental.duration_s() >= vocal.duration_s());
        assert_eq!(played.mix.frames(), played.instrumental.frames());
        chords_sound(&played);
    }
}

/// The first chord that is claimed is heard from its start, the last one to its end.
fn chords_sound(take: &Take) {
    /// What is looked at on both sides, in seconds, and what is heard, in dBFS (RMS).
    const SPAN_S: f64 = 0.3;
    const HEARD_DB: f64 = -50.0;
    let rate = f64::from(take.instrumental.rate_hz);
    let level_db = |from_s: f64| {
        let frames = (from_s.max(0.0) * rate) as usize..((from_s + SPAN_S) * rate) as usize;
        let samples = || {
            take.instrumental
                .channels
                .iter()
                .flat_map(|it| &it[frames.clone()])
        };
        let sum: f64 = samples().map(|sample| f64::from(*sample).powi(2)).sum();
        10.0 * (sum / samples().count() as f64).max(1e-20).log10()
    };
    let (first, last) = (&take.facts.chords[0], take.facts.chords.last().unwrap());
    let (starts_db, ends_db) = (level_db(first.start_s), level_db(last.end_s - SPAN_S));
    let style = take.facts.style;
    assert!(
        starts_db > HEARD_DB,
        "{style}: {starts_db:.0} dB in {first:?}"
    );
    assert!(ends_db > HEARD_DB, "{style}: {ends_db:.0} dB in {last:?}");
}

#[test]
fn odd_vocals_are_accompanied_all_the_same() {
    let rate_hz = 22_050;
    let mut noise = 7u64;
    let mut hiss = |_| {
        noise = noise
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (noise >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    let mono = |channel: Vec<f32>| Audio {
        rate_hz,
        channels: vec![channel],
    };
    let tune = sung(0, 6.0, rate_hz).channels.remove(0);
    let mut strays = tune.clone();
    strays
        .iter_mut()
        .step_by(97)
        .for_each(|sample| *sample = f32::NAN);
    strays[5] = f32::INFINITY;
    let clipped = tune
        .iter()
        .map(|sample| (sample * 40.0).clamp(-1.0, 1.0))
        .collect();
    let cases = [
        ("silence", mono(vec![0.0; 66_150])),
        ("a second", mono(tune[22_050..44_100].to_vec())),
        (
            "a hundredth of a second",
            mono(tune[44_100..44_320].to_vec()),
        ),
        ("noise", mono((0..88_200).map(&mut hiss).collect())),
        ("clipping", mono(clipped)),
        ("no numbers", mono(strays)),
        (
            "absurd levels",
            mono(tune.iter().map(|sample| sample * 1e12).collect()),
        ),
        ("only an offset", mono(vec![0.7; 44_100])),
    ];
    for (name, vocal) in cases {
        let played = take(&vocal, &request("pop"));
        check(name, &played.instrumental, false);
        check(name, &played.mix, false);
        assert!(
            played.instrumental.duration_s() >= vocal.duration_s(),
            "{name}"
        );
    }
}

#[test]
fn every_rate_and_channel_count_gives_the_same_music() {
    for (rate_hz, channels) in [
        (8_000, 1),
        (44_100, 2),
        (48_000, 1),
        (96_000, 2),
        (192_000, 1),
    ] {
        let mut vocal = sung(0, 9.6, rate_hz);
        vocal.channels = vec![vocal.channels.remove(0); channels];
        let played = take(&vocal, &request("pop ballad"));
        check(&format!("{rate_hz} Hz"), &played.instrumental, false);
        assert_eq!(played.facts.key, "C major", "{rate_hz} Hz");
    }
}

#[test]
fn what_cannot_be_accompanied_is_refused_with_its_reason() {
    let vocal = sung(0, 1.0, 8_000);
    let empty = Audio {
        rate_hz: 8_000,
        channels: vec![vec![]],
    };
    let long = Audio {
        rate_hz: 1_000,
        channels: vec![vec![0.0; 901_000]],
    };
    let with = |change: fn(&mut Request)| {
        let mut request = request("");
        change(&mut request);
        request
    };
    for (vocal, request, expected) in [
        (&empty, request(""), "no samples"),
        (&long, request(""), "at most 900 s"),
        (&vocal, with(|request| request.takes = 0), "0 takes"),
        (&vocal, with(|request| request.takes = 9), "9 takes"),
        (
            &vocal,
            with(|request| request.style_weight = 1.5),
            "style_weight is 1.5",
        ),
        (
            &vocal,
            with(|request| request.audio_weight = f32::NAN),
            "audio_weight is NaN",
        ),
        (
            &vocal,
            with(|request| request.weirdness_constraint = -0.1),
            "weirdness_constraint is -0.1",
        ),
    ] {
        let error: BandError = accompany(vocal, &request).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn everything_forbidden_is_silence_with_a_remark() {
    let mut request = request("pop");
    request.negative_tags = Instrument::ALL.map(Instrument::name).join(", ");
    let played = take(&sung(0, 4.0, 8_000), &request);
    check("nothing", &played.instrumental, true);
    assert!(
        played
            .facts
            .remarks
            .iter()
            .any(|remark| remark.contains("silent"))
    );
    assert!(played.facts.instruments.is_empty());
    assert_eq!(played.facts.chords, []);
}

#[test]
fn a_seed_gives_the_same_bytes_whatever_the_number_of_threads() {
    let vocal = sung(1, 8.0, 16_000);
    let two = Request {
        takes: 2,
        ..request("gospel, choir, strings")
    };
    let (once, again) = (
        accompany(&vocal, &two).unwrap(),
        accompany(&vocal, &two).unwrap(),
    );
    for (one, other) in once.takes.iter().zip(&again.takes) {
        assert!(one.instrumental == other.instrumental && one.mix == other.mix);
        assert_eq!(one.facts, other.facts);
        assert_eq!(one.midi(), other.midi());
    }
    let score = &once.takes[0].score;
    let alone = play(score, &SoundSource::Own, 5, 1);
    for threads in [2, 3, 8] {
        assert!(
            play(score, &SoundSource::Own, 5, threads) == alone,
            "{threads} threads play something else"
        );
    }
    let other_seed = accompany(&vocal, &Request { seed: 12, ..two }).unwrap();
    assert!(other_seed.takes[0].instrumental != once.takes[0].instrumental);
}

#[test]
fn two_takes_are_two_takes() {
    let vocal = sung(2, 16.0, 16_000);
    for tags in ["pop ballad", "indie folk", "house", "jazz swing"] {
        let both = accompany(
            &vocal,
            &Request {
                takes: 2,
                ..request(tags)
            },
        )
        .unwrap();
        let [one, other] = both.takes.as_slice() else {
            panic!("two takes")
        };
        assert_ne!(
            one.facts.chords, other.facts.chords,
            "{tags}: the same chords"
        );
        assert_ne!(
            one.facts.instruments, other.facts.instruments,
            "{tags}: the same players"
        );
        let (a, b) = (
            &one.instrumental.channels[0],
            &other.instrumental.channels[0],
        );
        let dot = |a: &[f32], b: &[f32]| -> f64 {
            a.iter()
                .zip(b)
                .map(|(a, b)| f64::from(*a) * f64::from(*b))
                .sum()
        };
        let alike = dot(a, b) / (dot(a, a) * dot(b, b)).sqrt();
        assert!(alike < 0.8, "{tags}: the two correlate by {alike:.2}");
        // A take does not depend on the others.
        let session = Session::new(&vocal, &request(tags), SoundSource::Own).unwrap();
        assert!(session.take(1).unwrap().instrumental == other.instrumental);
    }
}

#[test]
fn the_first_beat_is_where_the_plan_says_in_every_format() {
    let vocal = sung(0, 6.0, 44_100);
    let played = take(&vocal, &request("solo drums, house"));
    let planned_s = played
        .score
        .parts
        .iter()
        .map(|part| part.notes[0].start_s)
        .fold(f64::MAX, f64::min);
    let mono = played.instrumental.to_mono();
    let peak = mono[..4 * 44_100]
        .iter()
        .fold(0.0f32, |peak, sample| peak.max(sample.abs()));
    let first = mono
        .iter()
        .position(|sample| sample.abs() > 0.1 * peak)
        .unwrap();
    let found_s = first as f64 / 44_100.0;
    assert!(
        (found_s - planned_s).abs() <= 0.005,
        "planned at {planned_s:.4} s, found at {found_s:.4} s"
    );
    // A lossy codec smears what stands before a stroke; what may not happen is that all of it comes later. House begins with its
    // first sample, and a lag needs frames before.
    const LAG: isize = 441;
    let first = first.max(LAG as usize);
    let around = &mono[first..first + 22_050];
    for encoding in [Encoding::Wav16, Encoding::Flac, Encoding::Mp3 { kbps: 192 }] {
        let heard = decode(&encode(&played.instrumental, encoding).unwrap()).unwrap();
        assert_eq!(heard.frames(), played.instrumental.frames(), "{encoding:?}");
        let decoded = heard.to_mono();
        let alike = |lag: isize| -> f64 {
            let from = (first as isize + lag) as usize;
            around
                .iter()
                .zip(&decoded[from..])
                .map(|(a, b)| f64::from(*a) * f64::from(*b))
                .sum()
        };
        let best = (-LAG..=LAG)
            .max_by(|&a, &b| alike(a).total_cmp(&alike(b)))
            .unwrap();
        assert!(best.abs() <= 2, "{encoding:?} is {best} frames late");
    }
}

#[test]
fn negative_tags_hold_from_the_words_to_the_notes() {
    let vocal = sung(1, 10.0, 16_000);
    for (negative, forbidden) in [
        (
            "drums, percussion",
            &[
                Instrument::AcousticKit,
                Instrument::BrushKit,
                Instrument::ElectronicKit,
                Instrument::HandPercussion,
            ][..],
        ),
        (
            "electric guitar",
            &[Instrument::CleanGuitar, Instrument::DistortedGuitar],
        ),
        ("vocals, choir", &[Instrument::Voices]),
        ("strings", &[Instrument::Strings]),
    ] {
        let asked = Request {
            negative_tags: negative.to_owned(),
            ..request("gospel, drums, electric guitar, choir, strings")
        };
        let names = take(&vocal, &asked).facts.instruments;
        for instrument in forbidden {
            assert!(!names.contains(&instrument.name()), "{negative}: {names:?}");
        }
    }
}

#[test]
fn backing_voices_sing_in_the_singers_register() {
    let vocal = sung(0, 9.0, 16_000);
    let median = |singer| {
        let played = take(
            &vocal,
            &Request {
                singer: Some(singer),
                ..request("gospel, choir")
            },
        );
        let part = played
            .score
            .parts
            .iter()
            .find(|part| part.instrument == Instrument::Voices)
            .unwrap();
        let mut notes: Vec<u8> = part.notes.iter().map(|note| note.midi).collect();
        notes.sort_unstable();
        notes[notes.len() / 2]
    };
    let (men, women) = (median(Singer::Male), median(Singer::Female));
    assert!(
        (45..=62).contains(&men) && (57..=74).contains(&women) && women >= men + 7,
        "men {men}, women {women}"
    );
    let unasked = take(&vocal, &request("gospel"));
    assert!(!unasked.facts.instruments.contains(&"backing voices"));
}

#[test]
fn stems_add_up_to_what_the_band_played() {
    let vocal = sung(0, 8.0, 16_000);
    // With an echo, with parts at both of the band's rates, with distortion.
    for tags in ["synthwave", "metal", "reggae"] {
        let played = take(&vocal, &request(tags));
        let stems: Vec<_> = played.stems().collect();
        assert_eq!(stems.len(), played.score.parts.len());
        for (channel, whole) in played.instrumental.channels.iter().enumerate() {
            let mut sum = vec![0.0f32; whole.len()];
            for stem in &stems {
                let samples = &stem.audio.channels[channel];
                assert_eq!(samples.len(), whole.len());
                let peak = samples
                    .iter()
                    .fold(0.0f32, |peak, sample| peak.max(sample.abs()));
                assert!(
                    peak > 0.001 && peak < 1.0,
                    "{tags}: {:?} peaks at {peak}",
                    stem.instrument
                );
                for (sum, sample) in sum.iter_mut().zip(samples) {
                    *sum += sample;
                }
            }
            let dot = |one: &[f32], other: &[f32]| -> f64 {
                one.iter()
                    .zip(other)
                    .map(|(one, other)| f64::from(*one) * f64::from(*other))
                    .sum()
            };
            let rest: Vec<f32> = sum
                .iter()
                .zip(whole)
                .map(|(sum, whole)| sum - whole)
                .collect();
            let rest_db = 10.0 * (dot(&rest, &rest) / dot(whole, whole)).log10();
            assert!(
                rest_db < -80.0,
                "{tags}: what stems do not explain stands at {rest_db:.0} dB"
            );
        }
    }
}

#[test]
fn what_the_tags_ask_for_is_played_or_a_remark_says_why_not() {
    let vocal = sung(0, 9.0, 16_000);
    let played = |tags: &str| take(&vocal, &request(tags)).facts;
    let only = |tags: &str, names: &[&str]| {
        assert_eq!(played(tags).instruments, names, "{tags}");
    };
    only("a cappella", &["backing voices"]);
    only("string quartet only", &["strings"]);
    only("solo piano", &["piano"]);
    let says = |tags: &str, words: &str| {
        let facts = played(tags);
        let found = facts.remarks.iter().any(|remark| remark.contains(words));
        assert!(found, "{tags}: no {words:?} in {:?}", facts.remarks);
        facts
    };
    says("bluegrass, mandolin", "`mandolin` is played by ukulele");
    says("tango", "`tango` is played as latin");
    says("jazz, clarinet", "`clarinet` is played by flute");
    says("pop, four on the floor", "can be refused but not asked for");
    let plain = played("pop");
    assert!(
        plain.remarks.iter().all(|remark| !remark.contains('`')),
        "{:?}",
        plain.remarks
    );
    let off = format!("pop, {:.1} bpm", plain.tempo_bpm * 1.27);
    let facts = says(&off, "bpm in the tags is refused");
    assert!((facts.tempo_bpm / plain.tempo_bpm - 1.0).abs() < 0.02);
    assert_eq!(facts.not_understood, Vec::<String>::new());
    let speed = if plain.tempo_bpm > 112.0 {
        "slow"
    } else {
        "fast"
    };
    if !(90.0..=112.0).contains(&plain.tempo_bpm) {
        says(&format!("pop, {speed}"), "changes no tempo");
    }
    assert!(facts.confidence.key > 0.0);
}

#[test]
fn the_midi_file_holds_every_note_at_its_time() {
    let played = take(&sung(1, 9.0, 16_000), &request("indie folk"));
    let bytes = played.midi();
    let smf = midly::Smf::parse(&bytes).unwrap();
    let midly::Timing::Metrical(quarter) = smf.header.timing else {
        panic!("ticks of a beat")
    };
    let mut tempi = Vec::new();
    let mut tick = 0u32;
    for event in &smf.tracks[0] {
        tick += event.delta.as_int();
        if let midly::TrackEventKind::Meta(midly::MetaMessage::Tempo(tempo)) = event.kind {
            tempi.push((
                tick,
                f64::from(tempo.as_int()) / 1e6 / f64::from(quarter.as_int()),
            ));
        }
    }
    let seconds = |tick: u32| {
        let mut now = 0.0;
        for (index, &(from, step)) in tempi.iter().enumerate() {
            let to = tempi.get(index + 1).map_or(u32::MAX, |next| next.0);
            now += f64::from(tick.min(to).saturating_sub(from)) * step;
        }
        now
    };
    assert_eq!(smf.tracks.len(), played.score.parts.len() + 1);
    for (track, part) in smf.tracks[1..].iter().zip(&played.score.parts) {
        let mut tick = 0u32;
        let mut starts = Vec::new();
        for event in track {
            tick += event.delta.as_int();
            if let midly::TrackEventKind::Midi {
                message: midly::MidiMessage::NoteOn { .. },
                ..
            } = event.kind
            {
                starts.push(seconds(tick));
            }
        }
        assert_eq!(starts.len(), part.notes.len(), "{:?}", part.instrument);
        for (start, note) in starts.iter().zip(&part.notes) {
            assert!(
                (start - note.start_s).abs() < 0.002,
                "{:?}: {start} for {}",
                part.instrument,
                note.start_s
            );
        }
    }
}

#[test]
fn another_singers_accompaniment_fits_worse() {
    // What is measured: sung time on chord tones, and sung onsets near the band's beats.
    let measures = |vocal: &backline_band::analysis::Analysis, played: &Take| {
        let (mut inside, mut all, mut near) = (0.0, 0.0, 0);
        for note in &vocal.notes {
            for (span, chord) in &played.score.chords {
                let both = note.offset_s.min(span.end_s) - note.onset_s.max(span.start_s);
                if both > 0.0 {
                    all += both;
                    inside += if chord.holds(note.midi) { both } else { 0.0 };
                }
            }
            let on_beat = played
                .score
                .beats
                .iter()
                .any(|beat| (beat.time_s - note.onset_s).abs() < 0.06);
            near += usize::from(on_beat);
        }
        [
            inside / f64::max(all, 1e-9),
            near as f64 / vocal.notes.len() as f64,
        ]
    };
    let singers = [(0, 104.0, 0), (1, 84.0, 2), (2, 92.0, 4)];
    let heard: Vec<_> = singers
        .iter()
        .map(|&(tune, bpm, up)| {
            let vocal = voice_of(&TUNES[tune].heard(bpm, up), 16_000);
            Session::new(&vocal, &request("pop ballad"), SoundSource::Own).unwrap()
        })
        .collect();
    let takes: Vec<Take> = heard
        .iter()
        .map(|session| session.take(0).unwrap())
        .collect();
    for (index, session) in heard.iter().enumerate() {
        let right = measures(&session.analysis, &takes[index]);
        for (other, wrong) in takes
            .iter()
            .enumerate()
            .filter(|&(other, _)| other != index)
        {
            let wrong = measures(&session.analysis, wrong);
            for (name, measure) in ["chord tones", "beats"].iter().zip(0..) {
                assert!(
                    right[measure] > wrong[measure],
                    "singer {index} under the band of {other}: {name} {right:.2?} against {wrong:.2?}"
                );
            }
        }
    }
}

#[test]
fn a_long_vocal_keeps_its_length_and_its_level() {
    let phrase = [
        (0.0, 0.6, 60),
        (0.7, 1.3, 64),
        (1.4, 2.0, 67),
        (2.1, 3.2, 65),
        (3.5, 4.6, 60),
    ];
    let notes: Vec<_> = (0..160)
        .flat_map(|turn| {
            phrase.map(|(on, off, midi)| {
                (
                    on + 5.6 * f64::from(turn),
                    off + 5.6 * f64::from(turn),
                    midi,
                )
            })
        })
        .collect();
    // The longest that is taken.
    let vocal = sing(&notes, 900.0, 8_000);
    let played = take(&vocal, &request("solo piano"));
    check("a long vocal", &played.instrumental, false);
    assert!(played.instrumental.duration_s() >= 900.0);
    let (last, quiet) = (played.facts.final_chord_s, 890.0);
    assert!(last > quiet, "the final chord falls at {last:.1} s");
}

#[test]
fn nothing_clicks_cancels_or_is_cut_off() {
    let vocal = sung(0, 9.0, 16_000);
    for style in StyleId::all() {
        let played = take(&vocal, &request(style.name()));
        let [left, right] = played.instrumental.channels.as_slice() else {
            panic!("two channels")
        };
        // In mono it keeps its weight: sides that cancelled would lose far more than the 3 dB of unlike ones.
        let power = |samples: &mut dyn Iterator<Item = f32>| -> f64 {
            samples.map(|sample| f64::from(sample * sample)).sum()
        };
        let both = 0.5 * (power(&mut left.iter().copied()) + power(&mut right.iter().copied()));
        let mono = power(
            &mut left
                .iter()
                .zip(right)
                .map(|(left, right)| 0.5 * (left + right)),
        );
        let lost_db = 10.0 * (both / mono).log10();
        assert!(lost_db < 2.5, "{style:?} loses {lost_db:.1} dB in mono");
        // It rings out: a fifth of a second before the end it is far below the rest already.
        let level = |part: &[f32]| -> f64 {
            let mean = power(&mut part.iter().copied()) / part.len().max(1) as f64;
            10.0 * mean.max(1e-20).log10()
        };
        let end = left.len() - 44_100 / 5;
        let (all, tail) = (level(left), level(&left[end..end + 44_100 / 10]));
        assert!(
            tail < all - 20.0,
            "{style:?} is cut at {tail:.0} dB, playing at {all:.0} dB"
        );
        // A click in a part that is held is a step that the sound around it does not explain.
        for stem in played.stems() {
            let held = matches!(stem.role, Role::Pad);
            let channel = &stem.audio.channels[0];
            let peak = channel
                .iter()
                .fold(0.0f32, |peak, sample| peak.max(sample.abs()));
            let step = channel
                .windows(2)
                .fold(0.0f32, |most, pair| most.max((pair[1] - pair[0]).abs()));
            assert!(
                !held || step < 0.35 * peak,
                "{style:?}: {:?} steps by {step:.3}, playing at most {peak:.3}",
                stem.instrument
            );
        }
    }
}

#[test]
fn the_band_tunes_to_the_singer() {
    let rate_hz = 16_000;
    let cents = 32.0f64;
    let hz = 440.0 * ((57.0 - 69.0 + cents / 100.0) / 12.0f64).exp2();
    let tones = [1.0, 1.25, 1.5, 1.25, 1.0, 0.75, 1.0, 1.5];
    let mut samples = Vec::new();
    for step in tones {
        let semitones = (12.0 * f64::log2(step)).round();
        let pitch = hz * (semitones / 12.0).exp2();
        for frame in 0..rate_hz / 2 {
            let now = f64::from(frame) / f64::from(rate_hz);
            let envelope = (now / 0.03).min(1.0) * ((0.5 - now) / 0.04).min(1.0);
            let tone: f64 = (1..6)
                .map(|n| (TAU * pitch * now * f64::from(n)).sin() / f64::from(n))
                .sum();
            samples.push((0.2 * tone * envelope) as f32);
        }
    }
    let vocal = Audio {
        rate_hz: rate_hz as u32,
        channels: vec![samples],
    };
    let played = take(&vocal, &request("solo organ"));
    assert!(
        (played.score.tuning_cents - 32.0).abs() < 5.0,
        "tuned by {} cents",
        played.score.tuning_cents
    );
}
