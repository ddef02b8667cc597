//! The score as a standard MIDI file: one track of beats, key and chords, one track a part.
//!
//! The tempo track holds a tempo for every beat as it was played, so that bar lines lie on the singer's bars. Numbers of
//! programs and of drum pieces are General MIDI's; the band's tuning is a pitch bend at the start of every channel.

use backline_audio::{MIDI_DRUMS, MIDI_QUARTER, MidiStroke, midi_bytes, midi_strokes, midi_track};
use midly::{
    MetaMessage, MidiMessage, PitchBend, Track, TrackEventKind,
    num::{u4, u7, u24},
};

use crate::{
    analysis::{Metre, Mode},
    arrange::{Instrument, Score, ScorePart},
    chord_names::chord_name,
};

/// The General MIDI number of an instrument's sound, from 0; for kits the number of the kit.
pub(crate) fn program(instrument: Instrument) -> u8 {
    match instrument {
        Instrument::AcousticKit | Instrument::HandPercussion => 0,
        Instrument::BrushKit => 40,
        Instrument::ElectronicKit => 25,
        Instrument::FingerBass => 33,
        Instrument::UprightBass => 32,
        Instrument::SynthBass => 38,
        Instrument::SubBass => 39,
        Instrument::Piano => 0,
        Instrument::ElectricPiano => 4,
        Instrument::Organ => 16,
        Instrument::Vibraphone => 11,
        Instrument::Glockenspiel => 9,
        Instrument::SteelGuitar => 25,
        Instrument::NylonGuitar => 24,
        Instrument::Ukulele => 24,
        Instrument::Banjo => 105,
        Instrument::Harp => 46,
        Instrument::CleanGuitar => 27,
        Instrument::DistortedGuitar => 30,
        Instrument::Strings => 48,
        Instrument::Brass => 61,
        Instrument::Flute => 73,
        Instrument::Saxophone => 66,
        Instrument::SynthPad => 89,
        Instrument::SynthPluck => 98,
        Instrument::SynthLead => 81,
        Instrument::Voices => 53,
    }
}

/// The pitch bend of a tuning, for a range of two semitones either way.
pub(crate) fn bend(tuning_cents: f32) -> i16 {
    (tuning_cents / 200.0 * 8192.0).round() as i16
}

/// The bytes of the file.
pub(crate) fn midi(score: &Score) -> Vec<u8> {
    let clock = Clock::new(score);
    let lead = lead_track(score, &clock);
    let names: Vec<&'static str> = score
        .parts
        .iter()
        .map(|part| part.instrument.name())
        .collect();
    let mut tracks: Vec<Track<'_>> = vec![lead.as_track()];
    let mut free = (0..16).filter(|&channel| channel != MIDI_DRUMS).cycle();
    for (part, name) in score.parts.iter().zip(&names) {
        let channel = if part.instrument.is_percussion() {
            MIDI_DRUMS
        } else {
            free.next().unwrap_or(0)
        };
        tracks.push(part_track(score, part, name, channel, &clock));
    }
    midi_bytes(tracks)
}

/// From seconds to ticks, along the beats.
struct Clock {
    /// Times of the beats, the first at 0 s.
    times: Vec<f64>,
    /// Ticks of a beat.
    beat: u32,
    /// Beats before the first of the score: a short one where the song does not start on a beat.
    before: usize,
}

impl Clock {
    fn new(score: &Score) -> Self {
        let mut times: Vec<f64> = Vec::with_capacity(score.beats.len() + 2);
        for beat in &score.beats {
            if beat.time_s >= 0.0 && times.last().is_none_or(|&last| beat.time_s > last + 0.01) {
                times.push(beat.time_s);
            }
        }
        let before = usize::from(times.first().is_none_or(|&first| first > 0.0));
        if before == 1 {
            times.insert(0, 0.0);
        }
        while times.len() < 2 {
            times.push(times.last().map_or(0.5, |last| last + 0.5));
        }
        Self {
            times,
            beat: if score.metre == Metre::SixEight {
                MIDI_QUARTER * 3 / 2
            } else {
                MIDI_QUARTER
            },
            before,
        }
    }

    fn tick(&self, time_s: f64) -> u32 {
        let last = self.times.len() - 1;
        let at = self
            .times
            .partition_point(|&time| time <= time_s)
            .clamp(1, last)
            - 1;
        let step = self.times[at + 1] - self.times[at];
        let beats = at as f64 + (time_s - self.times[at]) / step;
        (beats.max(0.0) * f64::from(self.beat)).round() as u32
    }
}

/// Events with their ticks, and the texts that they point into.
struct Lead {
    events: Vec<(u32, MetaMessage<'static>)>,
    texts: Vec<(u32, String)>,
    end: u32,
}

fn lead_track(score: &Score, clock: &Clock) -> Lead {
    let mut events = Vec::new();
    let (upper, lower) = match score.metre {
        Metre::TwoFour => (2, 2),
        Metre::ThreeFour => (3, 2),
        Metre::FourFour => (4, 2),
        Metre::SixEight => (6, 3),
    };
    let first_downbeat = score.beats.iter().position(|beat| beat.position == 0);
    let bar_tick = first_downbeat.map_or(0, |beat| (beat + clock.before) as u32 * clock.beat);
    events.push((0, MetaMessage::TimeSignature(upper, lower, 24, 8)));
    if bar_tick > 0 {
        // Said again where the first bar starts: what comes before it is a pickup.
        events.push((bar_tick, MetaMessage::TimeSignature(upper, lower, 24, 8)));
    }
    let signature = match score.key.mode {
        Mode::Major => score.key.tonic % 12,
        Mode::Minor => (score.key.tonic + 3) % 12,
    };
    // Round the fifths: C is none, D flat is five flats, B is five sharps.
    let sharps = (i16::from(signature) * 7 % 12 + 5).rem_euclid(12) - 5;
    events.push((
        0,
        MetaMessage::KeySignature(sharps as i8, score.key.mode == Mode::Minor),
    ));
    for (index, pair) in clock.times.windows(2).enumerate() {
        let quarter_us =
            (pair[1] - pair[0]) * 1e6 * f64::from(MIDI_QUARTER) / f64::from(clock.beat);
        let tempo = u24::new((quarter_us.round() as u32).clamp(1, 0x00ff_ffff));
        events.push((index as u32 * clock.beat, MetaMessage::Tempo(tempo)));
    }
    let texts = score
        .chords
        .iter()
        .map(|(span, chord)| (clock.tick(span.start_s), chord_name(chord, score.key)))
        .collect();
    Lead {
        events,
        texts,
        end: clock.tick(score.length_s),
    }
}

impl Lead {
    fn as_track(&self) -> Track<'_> {
        let mut events: Vec<(u32, MetaMessage<'_>)> = self.events.clone();
        events.extend(
            self.texts
                .iter()
                .map(|(tick, text)| (*tick, MetaMessage::Marker(text.as_bytes()))),
        );
        events.sort_by_key(|&(tick, _)| tick);
        let events = events
            .into_iter()
            .map(|(tick, message)| (tick, TrackEventKind::Meta(message)))
            .collect();
        midi_track(events, self.end)
    }
}

fn part_track<'a>(
    score: &Score,
    part: &ScorePart,
    name: &'a str,
    channel: u8,
    clock: &Clock,
) -> Track<'a> {
    let send = |message| TrackEventKind::Midi {
        channel: u4::new(channel),
        message,
    };
    let mut events: Vec<(u32, TrackEventKind<'a>)> = vec![
        (
            0,
            TrackEventKind::Meta(MetaMessage::TrackName(name.as_bytes())),
        ),
        (
            0,
            send(MidiMessage::ProgramChange {
                program: u7::new(program(part.instrument)),
            }),
        ),
        (
            0,
            send(MidiMessage::Controller {
                controller: u7::new(10),
                value: u7::new((64.0 + 63.0 * part.pan.clamp(-1.0, 1.0)) as u8),
            }),
        ),
    ];
    if channel != MIDI_DRUMS {
        let bend = PitchBend::from_int(bend(score.tuning_cents));
        events.push((0, send(MidiMessage::PitchBend { bend })));
    }
    // No note lasts into the next of its own pitch.
    let strokes: Vec<MidiStroke> = part
        .notes
        .iter()
        .enumerate()
        .map(|(index, note)| {
            let on = clock.tick(note.start_s);
            let next = part.notes[index + 1..]
                .iter()
                .take(64)
                .find(|next| next.midi == note.midi)
                .map_or(u32::MAX, |next| clock.tick(next.start_s));
            MidiStroke {
                on,
                off: clock
                    .tick(note.start_s + note.length_s)
                    .min(next)
                    .max(on + 1),
                key: note.key(),
                velocity: (note.velocity * 127.0).round().clamp(1.0, 127.0) as u8,
            }
        })
        .collect();
    events.extend(midi_strokes(channel, &strokes));
    midi_track(events, clock.tick(score.length_s))
}
