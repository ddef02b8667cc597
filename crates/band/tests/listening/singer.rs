//! A singer made by hand, with known truth: vowels of twelve harmonics, vibrato, slides, consonants, rubato, any tuning and
//! any rate. And the measures, as mir_eval defines them.

use backline_audio::Audio;
use backline_band::analysis::{Analysis, Beat, Note};

/// How a song is sung.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner {
    /// Quarter notes a minute.
    pub(crate) bpm: f64,
    /// Seconds of silence before the first note.
    pub(crate) lead_s: f64,
    /// Distance from A = 440 Hz in cents.
    pub(crate) tuning_cents: f64,
    /// Depth of the vibrato in cents.
    pub(crate) vibrato_cents: f64,
    /// How long it takes from one pitch to the next.
    pub(crate) slide_s: f64,
    /// Share by which the tempo swings to and fro over eight quarters.
    pub(crate) rubato: f64,
    /// Frames a second.
    pub(crate) rate_hz: u32,
    /// What the samples are multiplied by before they are cut at ±1.
    pub(crate) drive: f64,
    /// Harmonics of the voice: one is a whistle.
    pub(crate) harmonics: i32,
}

impl Default for Manner {
    fn default() -> Self {
        Self {
            bpm: 100.0,
            lead_s: 0.4,
            tuning_cents: 0.0,
            vibrato_cents: 30.0,
            slide_s: 0.05,
            rubato: 0.0,
            rate_hz: 16_000,
            drive: 1.0,
            harmonics: 12,
        }
    }
}

/// A tune: MIDI number (0 rests) and length in quarters.
pub(crate) type Tune = Vec<(u8, f64)>;

/// Onset, end and pitch of every note, and the time of any quarter.
pub(crate) struct Sung {
    pub(crate) notes: Vec<(f64, f64, u8)>,
    pub(crate) audio: Audio,
    manner: Manner,
}

impl Sung {
    /// When a quarter, counted from the first note, is sung.
    pub(crate) fn time_s(&self, quarter: f64) -> f64 {
        time_s(&self.manner, quarter)
    }

    /// Times of every `step` quarters from `from` to the last note.
    pub(crate) fn times(&self, from: f64, step: f64) -> Vec<f64> {
        let end = self.notes.last().map_or(0.0, |note| note.0) + 0.01;
        (0..)
            .map(|index| self.time_s(from + f64::from(index) * step))
            .take_while(|time| *time < end)
            .collect()
    }
}

fn time_s(manner: &Manner, quarter: f64) -> f64 {
    let swing = manner.rubato * 8.0 / std::f64::consts::TAU
        * (1.0 - (quarter / 8.0 * std::f64::consts::TAU).cos());
    manner.lead_s + (quarter + swing) * 60.0 / manner.bpm
}

/// Sings a tune.
pub(crate) fn sing(tune: &[(u8, f64)], manner: Manner) -> Sung {
    let mut notes = Vec::new();
    let mut quarter = 0.0;
    for &(midi, length) in tune {
        if midi > 0 {
            let start = time_s(&manner, quarter);
            notes.push((start, time_s(&manner, quarter + length) - 0.03, midi));
        }
        quarter += length;
    }
    let rate = f64::from(manner.rate_hz);
    let end = notes.last().map_or(0.0, |note: &(f64, f64, u8)| note.1);
    let mut samples = vec![0.0f32; ((end + 0.8) * rate) as usize];
    let (mut phase, mut before) = (0.0f64, 0.0f64);
    for &(from, to, midi) in &notes {
        let target = f64::from(midi) + manner.tuning_cents / 100.0;
        for frame in (from * rate) as usize..((to * rate) as usize).min(samples.len()) {
            let now = frame as f64 / rate - from;
            let left = to - frame as f64 / rate;
            let mut pitch = target;
            if before > 0.0 && now < manner.slide_s {
                pitch = before + (target - before) * now / manner.slide_s;
            }
            if now > 0.25 {
                let depth = manner.vibrato_cents / 100.0 * ((now - 0.25) / 0.2).min(1.0);
                pitch += depth * (std::f64::consts::TAU * 5.5 * (now - 0.25)).sin();
            }
            let hz = 440.0 * ((pitch - 69.0) / 12.0).exp2();
            phase += hz / rate;
            let voice: f64 = (1..=manner.harmonics)
                .filter(|n| hz * f64::from(*n) < rate * 0.45)
                .map(|n| (std::f64::consts::TAU * phase * f64::from(n)).sin() / f64::from(n))
                .sum();
            // A soft consonant: the vowel grows out of a murmur over 40 ms.
            let swell = (0.12 + now / 0.04).min(1.0) * (left / 0.05).clamp(0.0, 1.0);
            let sample = 0.25 * voice * swell * manner.drive;
            samples[frame] = sample.clamp(-1.0, 1.0) as f32;
        }
        before = target;
    }
    // A room's noise at −60 dBFS, the same every time.
    let mut state = 1u32;
    for sample in &mut samples {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *sample += (f64::from(state) / f64::from(u32::MAX) - 0.5) as f32 * 0.002;
    }
    Sung {
        notes,
        audio: Audio {
            rate_hz: manner.rate_hz,
            channels: vec![samples],
        },
        manner,
    }
}

/// F measure of two lists of times in order, each matched at most once within `within_s`.
pub(crate) fn f_measure(truth: &[f64], found: &[f64], within_s: f64) -> f64 {
    let (mut next, mut hits) = (0, 0.0);
    for time in truth {
        while next < found.len() && found[next] < time - within_s {
            next += 1;
        }
        if next < found.len() && found[next] <= time + within_s {
            hits += 1.0;
            next += 1;
        }
    }
    2.0 * hits / (truth.len() + found.len()).max(1) as f64
}

/// F measure of notes: onset within 100 ms and the right pitch.
pub(crate) fn note_f(truth: &[(f64, f64, u8)], found: &[Note]) -> f64 {
    let mut used = vec![false; found.len()];
    let mut hits = 0.0;
    for &(onset_s, _, midi) in truth {
        let hit = (0..found.len()).find(|at| {
            !used[*at] && found[*at].midi == midi && (found[*at].onset_s - onset_s).abs() <= 0.1
        });
        if let Some(at) = hit {
            used[at] = true;
            hits += 1.0;
        }
    }
    2.0 * hits / (truth.len() + found.len()).max(1) as f64
}

/// The times of beats (of downbeats, if asked) within a stretch.
pub(crate) fn beat_times(analysis: &Analysis, down: bool, from_s: f64, to_s: f64) -> Vec<f64> {
    let wanted = |beat: &&Beat| !down || beat.position == 0;
    analysis
        .beats
        .iter()
        .filter(wanted)
        .map(|beat| beat.time_s)
        .filter(|time| (from_s - 0.1..to_s + 0.1).contains(time))
        .collect()
}

/// What must hold of every analysis.
pub(crate) fn check_invariants(analysis: &Analysis) {
    for note in &analysis.notes {
        assert!(
            note.offset_s > note.onset_s && note.onset_s >= 0.0,
            "{note:?}"
        );
        assert!(note.offset_s <= analysis.duration_s + 0.05, "{note:?}");
        assert!(
            note.level_db.is_finite() && (20..=100).contains(&note.midi),
            "{note:?}"
        );
    }
    for pair in analysis.notes.windows(2) {
        assert!(
            pair[0].offset_s <= pair[1].onset_s + 1e-9,
            "{pair:?} overlap"
        );
    }
    assert!(analysis.tempo_bpm.is_finite() && (30.0..=260.0).contains(&analysis.tempo_bpm));
    assert!(analysis.tuning_cents.abs() <= 50.0);
    assert!(analysis.beats.len() >= 2);
    assert!(analysis.beats[0].time_s <= 1e-9, "{:?}", analysis.beats[0]);
    let last = analysis.beats[analysis.beats.len() - 1];
    assert!(
        last.time_s >= analysis.duration_s,
        "{last:?} of {}",
        analysis.duration_s
    );
    let in_bar = match analysis.metre {
        backline_band::analysis::Metre::TwoFour | backline_band::analysis::Metre::SixEight => 2,
        backline_band::analysis::Metre::ThreeFour => 3,
        backline_band::analysis::Metre::FourFour => 4,
    };
    for pair in analysis.beats.windows(2) {
        assert!(pair[1].time_s > pair[0].time_s, "{pair:?}");
        assert_eq!(pair[1].position, (pair[0].position + 1) % in_bar);
    }
    for pair in analysis.phrases.windows(2) {
        assert!(pair[0].end_s <= pair[1].start_s + 1e-9);
    }
    assert!(!analysis.sections.is_empty());
    for pair in analysis.sections.windows(2) {
        assert!((pair[0].span.end_s - pair[1].span.start_s).abs() < 1e-9);
    }
    for section in &analysis.sections {
        assert!(
            (0.0..=1.0).contains(&section.energy) && section.span.end_s >= section.span.start_s
        );
    }
    let sure = analysis.confidence;
    for value in [sure.pitch, sure.beats, sure.metre, sure.key] {
        assert!((0.0..=1.0).contains(&value), "{sure:?}");
    }
    for frame in &analysis.pitch {
        assert!(frame.hz == 0.0 || (60.0..2110.0).contains(&frame.hz));
        assert!((0.0..=1.0).contains(&frame.voicing));
    }
    assert!(analysis.key.tonic < 12);
}
