//! Analyses a vocal: calls the steps of listening in order.

use backline_audio::{Audio, integrated_lufs};

use crate::analysis::{
    Analysis, Beat, Confidence, Hints, Key, Note, PITCH_HOP_S, PitchFrame, Section, SectionKind,
    TimeSpan,
};

use crate::chord_names::key_name;

use super::{
    fallback, grid,
    intonation::{self, Classes, Intonation, SungPitch},
    key,
    local_keys::local_keys,
    metre::{self, MetreEstimate},
    notes::{notes, vowelness},
    phrases::phrases,
    pitch::candidates,
    pitch_path,
    sections::sections,
    sound::{levels, loud_level, one_channel, without_constant},
    speech::is_spoken,
    tuning::{semitones, tuning},
};

/// A vocal whose loud frames are below this is silence, in dBFS.
const SILENCE_DB: f32 = -70.0;
/// Frames this far below the loud ones are not analysed, in dB.
const GATE_DB: f32 = 45.0;
/// With fewer notes than this no key and no beat is estimated.
const FEWEST_NOTES: usize = 4;
/// A tuning that the scale of the melody shows is used when it is this far from the one that the pitches show, in cents.
const OTHER_TUNING_CENTS: f32 = 5.0;
/// Confidences below this are reported to the user.
const UNSURE: f32 = 0.25;

/// How much more of the singing may lie outside the scale of a key in the tags than outside the scale of the key that was found.
const MOST_OUTSIDE: f32 = 0.2;

/// Whether the melody allows the key that the tags name.
fn carries(notes: &[Note], asked: Key, found: Key) -> bool {
    key::share_within(notes, asked) >= key::share_within(notes, found) - MOST_OUTSIDE
}

/// Analyses a vocal. Never fails: the remarks list what could not be found, and a plain default takes its place.
pub fn listen(vocal: &Audio, hints: &Hints) -> Analysis {
    listen_by_steps(vocal, hints, &mut |_| ())
}

/// [`listen`], which passes the name of each finished step to `done`: for benchmarks.
pub fn listen_by_steps(
    vocal: &Audio,
    hints: &Hints,
    done: &mut dyn FnMut(&'static str),
) -> Analysis {
    let samples = without_constant(one_channel(vocal));
    let levels = levels(&samples);
    let loud_db = loud_level(&levels);
    if loud_db < SILENCE_DB {
        let remark = if vocal.frames() > 0 && samples.is_empty() {
            format!(
                "the vocal cannot be analysed: its sample rate of {} Hz is not supported",
                vocal.rate_hz
            )
        } else {
            "the vocal is silent".to_owned()
        };
        return without_singing(vocal, hints, Vec::new(), remark);
    }
    done("resample, levels");
    let frames = candidates(&samples, &levels, loud_db - GATE_DB);
    let pitch = pitch_path::track(&frames, &levels, loud_db);
    done("f0");
    let vowels = vowelness(&frames.vowel_db);
    let (by_pitches_cents, clear) = tuning(&pitch, &vowels);
    let notes_at = |cents: f32| Melody::of(notes(&pitch, &levels, &frames.vowel_db, cents), cents);
    let mut melody = notes_at(by_pitches_cents);
    let by_scale_cents = melody.intonation.tuning_cents(&melody.sung);
    if melody.notes.len() >= FEWEST_NOTES
        && (by_scale_cents - by_pitches_cents).abs() > OTHER_TUNING_CENTS
    {
        melody = notes_at(by_scale_cents);
    }
    let steady = steadiness(&pitch, &melody);
    done("tuning, notes");
    let first_key = key::key(&melody.notes, &melody.classes, None);
    let Some(first_key) = first_key.filter(|_| melody.notes.len() >= FEWEST_NOTES) else {
        let remark = match melody.notes.len() {
            0 => "no pitched singing was found".to_owned(),
            1 => "only 1 sung note was found, too few to follow".to_owned(),
            count => format!("only {count} sung notes were found, too few to follow"),
        };
        let mut analysis = without_singing(vocal, hints, pitch, remark);
        if let (None, Some((key, _))) = (hints.key, first_key) {
            analysis.key = key;
        }
        analysis.phrases = phrases(&melody.notes, &[], analysis.metre);
        analysis.notes = melody.notes;
        analysis.tuning_cents = melody.tuning_cents;
        return analysis;
    };
    let asked = hints
        .key
        .filter(|asked| carries(&melody.notes, *asked, first_key.0));
    let first_key = asked.map_or(first_key, |asked| (asked, 1.0));
    melody.is_meant_in(first_key.0);
    let heard = metre::estimate(&melody.notes, key::signature(first_key.0), hints);
    done("beats, metre");
    let key = heard
        .as_ref()
        .filter(|_| asked.is_none())
        .and_then(|heard| key::key(&melody.notes, &melody.classes, Some(&heard.chords)))
        .unwrap_or(first_key);
    melody.is_meant_in(key.0);
    done("key");
    let sure_of_pitch = (steady * (0.6 + 0.4 * clear)).clamp(0.0, 1.0);
    let analysis = finish(vocal, hints, pitch, melody, heard, key, sure_of_pitch);
    done("grid, local keys, sections");
    analysis
}

/// The notes, and how they are intoned.
struct Melody {
    notes: Vec<Note>,
    sung: Vec<SungPitch>,
    intonation: Intonation,
    classes: Vec<Classes>,
    /// The tuning that the notes were found at.
    tuning_cents: f32,
}

impl Melody {
    fn of(notes: Vec<Note>, tuning_cents: f32) -> Self {
        let sung = intonation::sung(&notes, tuning_cents);
        let intonation = Intonation::of(&sung);
        Self {
            classes: intonation.classes(&sung),
            notes,
            sung,
            intonation,
            tuning_cents,
        }
    }

    /// Reads the notes as meant in a key.
    fn is_meant_in(&mut self, key: Key) {
        self.intonation
            .set_meant(&mut self.notes, &self.sung, |_| key);
    }
}

fn finish(
    vocal: &Audio,
    hints: &Hints,
    pitch: Vec<PitchFrame>,
    mut melody: Melody,
    heard: Option<MetreEstimate>,
    (key, sure_of_key): (Key, f32),
    sure_of_pitch: f32,
) -> Analysis {
    let duration_s = vocal.duration_s();
    let (mut tempo_bpm, mut metre) = fallback::assumed(hints);
    let mut beats = Vec::new();
    let mut confidence = Confidence {
        pitch: sure_of_pitch,
        beats: 0.0,
        metre: 0.0,
        key: sure_of_key * (0.4 + 0.6 * sure_of_pitch),
    };
    let mut refused = Vec::new();
    if let Some(asked) = hints.key.filter(|asked| *asked != key) {
        let outside = 100.0 * (1.0 - key::share_within(&melody.notes, asked));
        refused.push(format!(
            "{} in the tags is refused: {outside:.0} % of the singing lies outside of it; the band plays in {}",
            key_name(asked),
            key_name(key)
        ));
    }
    if let Some(heard) = heard {
        beats = grid::grid(
            &heard.notes,
            &heard.jumps,
            &heard.bar,
            heard.beat_s,
            duration_s,
        );
        metre = heard.bar.metre;
        tempo_bpm = median_bpm(&beats).unwrap_or(60.0 / heard.beat_s);
        if let Some(asked) = hints.tempo_bpm {
            let follows = format!("the band follows the singer at {tempo_bpm:.0} bpm");
            if heard.tempo_refused {
                refused.push(format!(
                    "{asked} bpm in the tags is refused: the singing does not fit it; {follows}"
                ));
            } else if (asked - tempo_bpm).abs() >= OTHER_TEMPO_BPM {
                refused.push(format!(
                    "{asked} bpm in the tags is only near the singing: {follows}"
                ));
            }
        }
        confidence.beats = heard.sure_of_beats * (0.4 + 0.6 * sure_of_pitch);
        confidence.metre = heard.sure_of_metre * (0.4 + 0.6 * sure_of_pitch);
    }
    if beats.len() < 2 {
        let start_s = melody.notes.first().map_or(0.0, |note| note.onset_s);
        beats = fallback::steady(start_s, duration_s, tempo_bpm, metre);
    }
    let phrases = phrases(&melody.notes, &beats, metre);
    let local_keys = local_keys(
        &melody.notes,
        &melody.classes,
        &beats,
        (key, confidence.key),
    );
    let sections = sections(&melody.notes, &beats, &phrases, duration_s);
    let mut analysis = Analysis {
        duration_s,
        tuning_cents: melody.tuning_cents,
        tempo_bpm,
        metre,
        local_keys,
        key,
        sections,
        phrases,
        loudness_lufs: integrated_lufs(vocal),
        remarks: remarks(refused, &confidence, melody.tuning_cents, is_spoken(&pitch)),
        confidence,
        pitch,
        notes: Vec::new(),
        beats,
    };
    // A stretch in another key is read in its own.
    let keys = analysis.keys();
    let key_at = |note: &Note| {
        let at = keys.partition_point(|(start_s, _)| *start_s <= note.onset_s);
        keys[at.saturating_sub(1)].1
    };
    melody
        .intonation
        .set_meant(&mut melody.notes, &melody.sung, key_at);
    analysis.notes = melody.notes;
    analysis
}

/// How far a tempo in the tags is from the singer's before the difference is reported, in beats a minute.
const OTHER_TEMPO_BPM: f64 = 1.0;

/// The analysis of a vocal without singing.
fn without_singing(
    vocal: &Audio,
    hints: &Hints,
    mut pitch: Vec<PitchFrame>,
    remark: String,
) -> Analysis {
    let duration_s = vocal.duration_s();
    let (tempo_bpm, metre) = fallback::assumed(hints);
    let frames = (duration_s / PITCH_HOP_S).ceil() as usize;
    let unvoiced = PitchFrame {
        hz: 0.0,
        voicing: 0.0,
    };
    pitch.resize(pitch.len().max(frames), unvoiced);
    Analysis {
        duration_s,
        tuning_cents: 0.0,
        pitch,
        notes: Vec::new(),
        beats: fallback::steady(0.0, duration_s, tempo_bpm, metre),
        tempo_bpm,
        metre,
        key: hints.key.unwrap_or(fallback::KEY),
        local_keys: Vec::new(),
        phrases: Vec::new(),
        sections: vec![Section {
            span: TimeSpan {
                start_s: 0.0,
                end_s: duration_s,
            },
            kind: SectionKind::Verse,
            energy: 0.5,
        }],
        loudness_lufs: integrated_lufs(vocal),
        confidence: Confidence {
            pitch: 0.0,
            beats: 0.0,
            metre: 0.0,
            key: 0.0,
        },
        remarks: vec![format!(
            "{remark}: the band plays steadily at {tempo_bpm:.0} beats a minute, in a key of its own choice"
        )],
    }
}

/// The share of a note's frames that lie near its pitch, over all notes: high for singing, low for speech.
fn steadiness(pitch: &[PitchFrame], melody: &Melody) -> f32 {
    let (mut near, mut all) = (0usize, 0usize);
    for note in &melody.notes {
        let from = ((note.onset_s / PITCH_HOP_S) as usize + 3).min(pitch.len());
        let to = ((note.offset_s / PITCH_HOP_S) as usize).clamp(from, pitch.len());
        for frame in pitch[from..to].iter().filter(|frame| frame.hz > 0.0) {
            let off = semitones(frame.hz) - melody.tuning_cents / 100.0 - f32::from(note.midi);
            near += usize::from(off.abs() < 0.5);
            all += 1;
        }
    }
    near as f32 / all.max(1) as f32
}

fn median_bpm(beats: &[Beat]) -> Option<f64> {
    let mut steps: Vec<f64> = beats
        .windows(2)
        .map(|pair| pair[1].time_s - pair[0].time_s)
        .collect();
    if steps.is_empty() {
        return None;
    }
    let middle = steps.len() / 2;
    let (_, step_s, _) = steps.select_nth_unstable_by(middle, f64::total_cmp);
    Some(60.0 / *step_s)
}

fn remarks(
    mut remarks: Vec<String>,
    confidence: &Confidence,
    tuning_cents: f32,
    spoken: bool,
) -> Vec<String> {
    if spoken {
        remarks.push(
            "the voice holds few pitches, as in speech or rap: the notes, the key and the chords are a guess".to_owned(),
        );
    }
    if confidence.beats < UNSURE {
        remarks.push(
            "the tempo is uncertain: a tempo in the tags (\"92 bpm\") would settle it".to_owned(),
        );
    }
    if confidence.metre < UNSURE {
        remarks.push(
            "where the bars begin is uncertain: a metre in the tags (\"waltz\", \"4/4\") may help"
                .to_owned(),
        );
    }
    if confidence.key < UNSURE {
        remarks.push(
            "the key is uncertain: another one fits nearly as well; a key in the tags (\"G major\") would settle it"
                .to_owned(),
        );
    }
    if tuning_cents.abs() > 20.0 {
        let side = if tuning_cents > 0.0 { "above" } else { "below" };
        remarks.push(format!(
            "the singer's tuning lies {:.0} cents {side} A = 440 Hz; the band tunes to the singer",
            tuning_cents.abs()
        ));
    }
    remarks
}
