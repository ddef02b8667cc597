//! Writes the score from analysis, chords and brief: calls the writer of every part.

use super::{
    bars::{Bar, FADE_BARS, bars, slots_in_bar},
    bass, chords, drums,
    energy::place,
    fills,
    lineup::assign,
    low_intervals,
    score::{ArrangeSettings, Finish, Role, Room, Score, ScoreNote, ScorePart},
    sheet::Sheet,
    style::{Ending, StyleId, Swing},
    styles,
    voicing::sung_range,
};
use crate::{
    analysis::{Analysis, ChordSpan, Metre, TimeSpan},
    harmony::by_beat,
    tags::Brief,
};

/// How long the final chord may ring beyond the vocal's end, in seconds.
const TAIL_S: f64 = 4.0;
/// The same for a chord that is cut off: only the reverb rings.
const CUT_TAIL_S: f64 = 2.0;

/// The swing of a style without swing, where the tags name swing.
const ASKED_SWING: Swing = Swing::Eighths(0.64);

/// The least echo where the tags name echo.
const ASKED_DELAY: f32 = 0.2;

/// Difference in level of percussion, pads, figures and fills between style weights 0 and 1, in decibels.
const COLOUR_DB: f32 = 8.0;

/// Below this confidence of the beats the band plays without drums. Of 422 generated songs, sung lead sheets, their excerpts of ten
/// seconds and recordings of people, 61 lie below it: the beats of .26 of them are right (F of .8 or more), those of .52 at another
/// level of the metre too. Above it these are .69 and .81 (tools/band_eval/README.md).
const SURE_OF_BEATS: f32 = 0.45;

/// Whether the band plays without drums: the confidence of the beat is low, drums would make that obvious, and the tags do not name
/// drums.
pub(crate) fn leaves_out_drums(analysis: &Analysis, brief: &Brief) -> bool {
    const FEWEST_NOTES: usize = 4;
    // Without singing, the beat is the band's own.
    analysis.notes.len() >= FEWEST_NOTES
        && analysis.confidence.beats < SURE_OF_BEATS
        && !brief
            .wanted
            .iter()
            .any(|instrument| instrument.is_percussion())
}

/// The style of a take: the one that the tags name (the second take has the second name), or one that suits the vocal.
pub(crate) fn style_of(brief: &Brief, analysis: &Analysis, take: usize) -> StyleId {
    if !brief.styles.is_empty() {
        return brief.styles[take.min(brief.styles.len() - 1)];
    }
    let triple = matches!(analysis.metre, Metre::ThreeFour | Metre::SixEight);
    let wish = match (triple, analysis.tempo_bpm) {
        (true, _) => StyleId::IndieFolk,
        (false, tempo) if tempo + 40.0 * f64::from(brief.nudge.energy) < 98.0 => StyleId::PopBallad,
        _ => StyleId::PopRock,
    };
    let refused = |style: &StyleId| brief.refused_styles.contains(style);
    [
        wish,
        StyleId::PopBallad,
        StyleId::PopRock,
        StyleId::IndieFolk,
    ]
    .into_iter()
    .chain(StyleId::all())
    .find(|style| !refused(style))
    .unwrap_or(wish)
}

impl StyleId {
    /// Every style.
    pub fn all() -> impl Iterator<Item = StyleId> {
        styles::ALL.iter().copied()
    }

    /// Its name for people.
    pub fn name(self) -> &'static str {
        &styles::table(self).name
    }
}

/// Writes the score. The same arguments give the same score; every instrument in it is admitted by `brief`.
pub fn arrange(
    analysis: &Analysis,
    chords: &[ChordSpan],
    brief: &Brief,
    settings: &ArrangeSettings,
    seed: u64,
) -> Score {
    let style = styles::table(style_of(brief, analysis, settings.take));
    let swing = match style.swing {
        _ if brief.refused_effects.swing => Swing::Straight,
        Swing::Straight if brief.wanted_effects.swing => ASKED_SWING,
        swing => swing,
    };
    let style_weight = settings.style_weight.clamp(0.0, 1.0);
    // .6 of the style's swing at weight 0, its own at .5, 1.2 of it at 1.
    let swing = swing.scaled((0.6 + 0.8 * style_weight).min(0.8 + 0.4 * style_weight));
    // With a high style weight the style keeps its own dynamics.
    let follow = settings.audio_weight * (1.5 - style_weight).min(1.0);
    let mut bars = bars(analysis, style, swing, settings.audio_weight);
    // Every other take is a fuller one.
    let fuller = if settings.take % 2 == 1 { 0.4 } else { 0.0 };
    place(
        &mut bars,
        analysis,
        style,
        brief.nudge.energy + fuller,
        follow,
    );
    let last_start_s = bars.last().map_or(0.0, Bar::start_s);
    let length_s = analysis.duration_s.max(last_start_s)
        + match style.ending {
            Ending::Cut => CUT_TAIL_S,
            Ending::Fade => CUT_TAIL_S,
            Ending::Ritard | Ending::Ring => TAIL_S,
        };
    let sheet = Sheet {
        analysis,
        brief,
        style,
        harmony: by_beat(analysis, chords, style.id),
        bars,
        sung: sung_range(analysis, settings.singer),
        singer: settings.singer,
        slots_in_bar: slots_in_bar(analysis.metre),
        length_s,
        seed,
    };
    let without_drums = leaves_out_drums(analysis, brief);
    let mut parts = Vec::new();
    let players = assign(style, brief, settings.take);
    let bass = players.iter().find(|player| player.role == Role::Bass);
    for (number, player) in players.iter().enumerate() {
        if without_drums && matches!(player.role, Role::Drums | Role::Percussion) {
            continue;
        }
        let mut notes = match player.role {
            Role::Drums | Role::Percussion => drums::write(&sheet, player, number),
            Role::Bass => bass::write(&sheet, player, number),
            Role::Comp | Role::Pad | Role::Figure => chords::write(&sheet, player, number, bass),
            Role::Fills => fills::write(&sheet, player, number),
        };
        if style.ending == Ending::Fade {
            fade_out(&mut notes, &sheet);
        }
        tidy(&mut notes, length_s);
        if !notes.is_empty() {
            parts.push(ScorePart {
                instrument: player.instrument,
                role: player.role,
                pan: player.pan,
                level_db: player.level_db + coloration_db(player.role, style_weight),
                notes,
            });
        }
    }
    low_intervals::clear(&mut parts);
    let nudge = brief.nudge;
    Score {
        style: style.id,
        parts,
        length_s,
        tuning_cents: if analysis.tuning_cents.is_finite() {
            analysis.tuning_cents.clamp(-50.0, 50.0)
        } else {
            0.0
        },
        final_chord_s: last_start_s,
        chords: sheet.chords_as_played(),
        room: Room {
            decay_s: style.room.decay_s * (1.0 + 0.5 * nudge.space.max(0.0)),
            wet: if brief.refused_effects.reverb {
                0.0
            } else {
                (style.room.wet * (1.0 + 0.8 * nudge.space)).clamp(0.02, 0.65)
            },
            delay: if brief.refused_effects.delay {
                0.0
            } else {
                let least = if brief.wanted_effects.delay {
                    ASKED_DELAY
                } else {
                    0.0
                };
                (style.delay * (1.0 + nudge.space)).clamp(least, 0.5)
            },
            delay_s: (60.0 / analysis.tempo_bpm.clamp(30.0, 300.0) * 0.75).clamp(0.12, 0.9) as f32,
        },
        finish: Finish {
            brightness: (style.finish.brightness + 0.6 * nudge.brightness).clamp(-1.0, 1.0),
            grit: if brief.refused_effects.grit {
                0.0
            } else {
                (style.finish.grit + 0.5 * nudge.grit).clamp(0.0, 0.8)
            },
            voice_above_lu: style.voice_above_lu,
            pump_db: style.pump_db,
        },
        beats: sheet.beats(),
        metre: match analysis.metre {
            Metre::TwoFour => Metre::FourFour,
            metre => metre,
        },
        key: analysis.key,
        energies: sheet
            .bars
            .iter()
            .map(|bar| {
                let span = TimeSpan {
                    start_s: bar.start_s(),
                    end_s: bar.end_s,
                };
                (span, bar.energy)
            })
            .collect(),
    }
}

/// Lets the notes after the singing die away to the last bar.
fn fade_out(notes: &mut [ScoreNote], sheet: &Sheet<'_>) {
    /// Share of their force that is left at the last bar.
    const LEFT: f64 = 0.08;
    let Some(last) = sheet.bars.len().checked_sub(1) else {
        return;
    };
    let from_s = sheet.bars[last.saturating_sub(FADE_BARS)].start_s();
    let length_s = (sheet.bars[last].start_s() - from_s).max(1e-3);
    for note in notes {
        let share = ((note.start_s - from_s) / length_s).clamp(0.0, 1.0);
        note.velocity *= (1.0 - (1.0 - LEFT) * share) as f32;
    }
}

/// Level of a part at a style weight, in decibels. Drums, bass and comping have the same level at any weight.
fn coloration_db(role: Role, style_weight: f32) -> f32 {
    match role {
        Role::Percussion | Role::Pad | Role::Figure | Role::Fills => {
            COLOUR_DB * (style_weight - 0.5)
        }
        Role::Drums | Role::Bass | Role::Comp => 0.0,
    }
}

/// Drops what lies outside the song, keeps every value in its range, and sorts.
fn tidy(notes: &mut Vec<ScoreNote>, length_s: f64) {
    notes.retain(|note| {
        note.start_s.is_finite()
            && note.length_s.is_finite()
            && note.start_s > -0.03
            && note.start_s < length_s
            && note.length_s > 0.0
    });
    for note in notes.iter_mut() {
        note.start_s = note.start_s.max(0.0);
        note.length_s = note
            .length_s
            .clamp(0.02, (length_s - note.start_s).max(0.02));
        note.velocity = note.velocity.clamp(0.05, 1.0);
        note.midi = note.midi.clamp(12, 108);
    }
    notes.sort_by(|a, b| a.start_s.total_cmp(&b.start_s).then(a.midi.cmp(&b.midi)));
}
