//! The vocabulary of the tags.

use super::brief::{Effect, Nudge};
use crate::{
    analysis::Metre,
    catalogue::{Instrument, StyleId, Traits},
};

/// What a phrase means.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Meaning {
    /// A style of music.
    Style(StyleId),
    /// A style that is named for who plays it: "only" keeps everybody else out.
    Ensemble(StyleId, &'static [Instrument]),
    /// Voices and nothing else.
    Unaccompanied,
    /// The singer's own part: nothing to add, but a refusal keeps every voice of the band's out.
    Singer,
    /// An instrument or a family of them: what a wish brings in, and what a refusal keeps out.
    Sound {
        /// The instrument that a wish for it brings in; `None` where the word is only good for refusing.
        wants: Option<Instrument>,
        /// What a refusal forbids.
        traits: Traits,
    },
    /// A mood or a quality of sound.
    Feel(Nudge),
    /// A word for speed, and whether it asks for a fast song.
    Tempo(Nudge, bool),
    /// A metre.
    Metre(Metre),
    /// An effect that can be refused.
    Effect(Effect, Nudge),
    /// Known, and nothing has to be done: filler words.
    Understood,
}

const fn feel(energy: f32, brightness: f32, space: f32, grit: f32) -> Meaning {
    Meaning::Feel(nudge(energy, brightness, space, grit))
}

const fn nudge(energy: f32, brightness: f32, space: f32, grit: f32) -> Nudge {
    Nudge {
        energy,
        brightness,
        space,
        grit,
    }
}

const fn sound(instrument: Instrument, traits: Traits) -> Meaning {
    Meaning::Sound {
        wants: Some(instrument),
        traits,
    }
}

const fn refusable(traits: Traits) -> Meaning {
    Meaning::Sound {
        wants: None,
        traits,
    }
}

/// The meaning of a phrase of lower-case words with single spaces; `None` when it is unknown.
pub(super) fn meaning_of(phrase: &str) -> Option<Meaning> {
    ensemble(phrase)
        .or_else(|| style(phrase).map(Meaning::Style))
        .or_else(|| instrument(phrase))
        .or_else(|| quality(phrase))
        .or_else(|| filler(phrase).then_some(Meaning::Understood))
}

fn ensemble(phrase: &str) -> Option<Meaning> {
    use Instrument as I;
    use StyleId as S;
    Some(match phrase {
        "string quartet" | "string trio" | "string quintet" | "string orchestra"
        | "chamber strings" => Meaning::Ensemble(S::ChamberStrings, &[I::Strings]),
        "jazz trio" | "piano trio" => {
            Meaning::Ensemble(S::JazzSwing, &[I::Piano, I::UprightBass, I::BrushKit])
        }
        "a cappella" | "acapella" | "acappella" => Meaning::Unaccompanied,
        _ => return None,
    })
}

fn style(phrase: &str) -> Option<StyleId> {
    use StyleId as S;
    Some(match phrase {
        "pop ballad"
        | "ballad"
        | "piano ballad"
        | "power ballad"
        | "love song"
        | "soft pop"
        | "adult contemporary"
        | "singer songwriter ballad" => S::PopBallad,
        "pop" | "pop rock" | "rock" | "soft rock" | "indie rock" | "indie pop" | "alternative"
        | "alternative rock" | "alt rock" | "classic rock" | "dream pop" | "rock n roll"
        | "rock and roll" | "punk" | "pop punk" | "britpop" | "anthem" | "arena rock"
        | "grunge" | "shoegaze" | "k pop" | "teen pop" => S::PopRock,
        "folk" | "indie folk" | "acoustic folk" | "americana" | "folk pop" | "campfire"
        | "celtic" | "irish" | "folk rock" | "indie" | "traditional" => S::IndieFolk,
        "singer songwriter"
        | "acoustic singer songwriter"
        | "acoustic pop"
        | "unplugged"
        | "coffeehouse"
        | "coffee house"
        | "acoustic ballad"
        | "fingerstyle" => S::SingerSongwriter,
        "country" | "bluegrass" | "nashville" | "country pop" | "honky tonk" | "western"
        | "country rock" | "alt country" => S::Country,
        "blues" | "delta blues" | "blues rock" | "chicago blues" | "slow blues" => S::Blues,
        "soul" | "r&b" | "rnb" | "r b" | "rhythm and blues" | "neo soul" | "motown"
        | "contemporary r b" | "classic soul" => S::Soul,
        "funk" | "funky" | "p funk" | "groove" | "funk pop" => S::Funk,
        "disco" | "nu disco" | "dance pop" | "eurodance" | "boogie" => S::Disco,
        "jazz" | "swing" | "big band" | "swing jazz" | "jazz swing" | "cool jazz" | "bebop"
        | "vocal jazz" | "jazz ballad" | "smooth jazz" | "lounge jazz" => S::JazzSwing,
        "bossa" | "bossa nova" | "bossanova" | "lounge" | "samba" | "brazilian"
        | "easy listening" => S::BossaNova,
        "reggae" | "dub" | "ska" | "dancehall" | "roots reggae" | "rocksteady" => S::Reggae,
        "hip hop" | "hiphop" | "boom bap" | "rap" | "old school hip hop" | "east coast hip hop" => {
            S::HipHop
        }
        "lo fi" | "lofi" | "lo fi hip hop" | "lofi hip hop" | "chillhop" | "lo fi beats"
        | "lofi beats" | "lo fi hiphop" | "chill hop" | "study beats" => S::LoFi,
        "trap" | "drill" | "trap soul" | "phonk" | "cloud rap" => S::Trap,
        "house"
        | "deep house"
        | "tropical house"
        | "edm"
        | "techno"
        | "dance"
        | "electro"
        | "electropop"
        | "electro pop"
        | "trance"
        | "club"
        | "tech house"
        | "progressive house"
        | "electronic dance music"
        | "future bass" => S::House,
        "drum and bass"
        | "drum n bass"
        | "drum bass"
        | "dnb"
        | "d n b"
        | "jungle"
        | "liquid drum and bass"
        | "breakbeat"
        | "liquid dnb" => S::DrumAndBass,
        "synthwave" | "synth wave" | "retrowave" | "80s" | "80's" | "eighties" | "synth pop"
        | "synthpop" | "new wave" | "vaporwave" | "outrun" | "80s pop" => S::Synthwave,
        "ambient"
        | "drone"
        | "new age"
        | "meditation"
        | "soundscape"
        | "atmospheric ambient"
        | "chillout"
        | "spa"
        | "sleep" => S::Ambient,
        "cinematic" | "film score" | "soundtrack" | "epic orchestral" | "trailer"
        | "film music" | "movie score" | "orchestral pop" | "orchestral" | "symphonic"
        | "score" => S::Cinematic,
        "waltz" | "viennese waltz" | "slow waltz" | "valse" | "musette" => S::Waltz,
        "gospel" | "worship" | "spiritual" | "praise" | "church" | "hymn" | "christian" => {
            S::Gospel
        }
        "latin" | "salsa" | "latin pop" | "son" | "rumba" | "cha cha" | "cha cha cha" | "mambo"
        | "bolero" | "reggaeton" | "cuban" | "bachata" | "tango" | "cumbia" | "flamenco" => {
            S::Latin
        }
        "metal" | "heavy metal" | "hard rock" | "metalcore" | "nu metal" | "thrash"
        | "thrash metal" | "death metal" | "industrial" => S::Metal,
        "chamber" | "classical" | "baroque" | "chamber music" | "chamber pop" | "neoclassical"
        | "neo classical" => S::ChamberStrings,
        _ => return None,
    })
}

fn instrument(phrase: &str) -> Option<Meaning> {
    use Instrument as I;
    use Traits as T;
    Some(match phrase {
        "drums" | "drum" | "drum kit" | "drumkit" | "drum set" | "drumset" | "drumming"
        | "drum beat" | "drum track" | "beat" | "percussion" | "percussive" | "percussions"
        | "drum loop" | "drum machine beat" => sound(I::AcousticKit, T::PERCUSSION),
        "live drums" | "acoustic drums" | "live drum" | "acoustic drum" | "real drums" => {
            sound(I::AcousticKit, T::LIVE_KIT)
        }
        "brushes" | "brushed drums" | "brush drums" | "brush" => sound(I::BrushKit, T::BRUSHES),
        "drum machine" | "electronic drums" | "programmed drums" | "synth drums"
        | "electronic drum" | "electronic beats" | "909" | "drum machines" => {
            sound(I::ElectronicKit, T::DRUM_MACHINE)
        }
        "808" | "808s" | "808 drums" => sound(I::SubBass, T::SUB.and(T::DRUM_MACHINE)),
        "808 bass" | "sub bass" | "sub" => sound(I::SubBass, T::SUB),
        "hand percussion" | "hand drums" | "bongo" | "cajon" | "djembe" => {
            sound(I::HandPercussion, T::HAND_PERCUSSION)
        }
        "conga" => sound(I::HandPercussion, T::CONGAS),
        "shaker" | "maraca" | "egg shaker" => sound(I::HandPercussion, T::SHAKER),
        "tambourine" => sound(I::HandPercussion, T::TAMBOURINE),
        "kick" | "kick drum" | "bass drum" | "kicks" | "four on the floor" => refusable(T::KICK),
        "snare" | "snare drum" | "rimshot" | "backbeat" => refusable(T::SNARE),
        "clap" | "handclap" | "hand clap" | "claps" | "finger snap" | "snap" => refusable(T::CLAP),
        "hi hat" | "hihat" | "hat" | "high hat" => refusable(T::HATS),
        "cymbal" | "crash" | "crash cymbal" | "ride" | "ride cymbal" => {
            refusable(T::CYMBALS.and(T::HATS))
        }
        "tom" | "tom tom" => refusable(T::TOMS),
        "bass" | "bassline" | "bass line" | "low bass" | "heavy bass" | "bassy" => {
            sound(I::FingerBass, T::BASS)
        }
        "bass guitar" | "electric bass" | "fingered bass" | "slap bass" | "fretless bass" => {
            sound(I::FingerBass, T::BASS_GUITAR)
        }
        "upright bass" | "double bass" | "contrabass" | "acoustic bass" | "standup bass"
        | "walking bass" => sound(I::UprightBass, T::UPRIGHT),
        "synth bass" | "synthesizer bass" | "bass synth" | "moog bass" | "acid bass" => {
            sound(I::SynthBass, T::BASS.and(T::SYNTH))
        }
        "piano" | "pianos" => sound(I::Piano, T::PIANO),
        "grand piano" | "acoustic piano" | "upright piano" | "felt piano" | "soft piano" => {
            sound(I::Piano, T::GRAND)
        }
        "electric piano" | "rhodes" | "wurlitzer" | "wurli" | "e piano" | "epiano" | "ep" => {
            sound(I::ElectricPiano, T::ELECTRIC_PIANO)
        }
        "keys" | "keyboard" | "keyboards" => sound(I::Piano, T::KEYS.and(T::SYNTH_KEYS)),
        "organ" | "hammond" | "hammond organ" | "church organ" | "b3" | "drawbar organ" => {
            sound(I::Organ, T::ORGAN)
        }
        "vibraphone" | "marimba" | "xylophone" | "mallet" => sound(I::Vibraphone, T::MALLETS),
        "glockenspiel" | "bell" | "bells" | "celesta" | "music box" | "chime" => {
            sound(I::Glockenspiel, T::BELLS)
        }
        "guitar" => sound(I::SteelGuitar, T::GUITAR),
        "acoustic guitar"
        | "steel guitar"
        | "fingerpicking"
        | "fingerpicked guitar"
        | "strumming"
        | "strummed guitar"
        | "steel string guitar"
        | "12 string guitar" => sound(I::SteelGuitar, T::ACOUSTIC_GUITAR),
        "nylon guitar"
        | "classical guitar"
        | "spanish guitar"
        | "flamenco guitar"
        | "nylon string guitar" => sound(I::NylonGuitar, T::NYLON),
        "electric guitar"
        | "clean guitar"
        | "clean electric guitar"
        | "jangly guitar"
        | "guitar riff" => sound(I::CleanGuitar, T::ELECTRIC_GUITAR),
        "distorted guitar"
        | "heavy guitar"
        | "overdriven guitar"
        | "distorted electric guitar"
        | "power chord"
        | "crunchy guitar"
        | "guitar solo"
        | "shredding" => sound(I::DistortedGuitar, T::DISTORTED),
        "ukulele" | "uke" | "mandolin" | "banjo" => sound(I::Ukulele, T::UKULELE),
        "harp" => sound(I::Harp, T::HARP),
        "strings" | "string" | "violin" | "viola" | "cello" | "string section" | "fiddle"
        | "orchestral strings" | "lush strings" => sound(I::Strings, T::STRINGS),
        "brass" | "horn" | "horn section" | "trumpet" | "trombone" | "french horn"
        | "brass section" => sound(I::Brass, T::BRASS),
        "flute" | "woodwind" | "clarinet" | "oboe" | "wind" | "saxophone" | "sax" | "recorder"
        | "whistle" => sound(I::Flute, T::WOODWIND),
        "harpsichord" => sound(I::Piano, T::NONE),
        "clavinet" => sound(I::ElectricPiano, T::NONE),
        "accordion" | "harmonium" => sound(I::Organ, T::NONE),
        "slide guitar" | "pedal steel" | "lap steel" => sound(I::CleanGuitar, T::ELECTRIC_GUITAR),
        "piccolo" | "pan flute" | "bassoon" => sound(I::Flute, T::WOODWIND),
        "tuba" => sound(I::Brass, T::BRASS),
        "steel drum" | "kalimba" => sound(I::Vibraphone, T::NONE),
        "orchestra" | "orchestration" | "full orchestra" => {
            sound(I::Strings, T::STRINGS.and(T::BRASS).and(T::WOODWIND))
        }
        "synth" | "synthesizer" | "synthesiser" | "analog synth" | "analogue synth"
        | "synthetic" | "synthy" => sound(I::SynthPad, T::SYNTH),
        "pad" | "synth pad" | "ambient pad" | "warm pad" => sound(I::SynthPad, T::PAD),
        "pluck" | "arp" | "arpeggio" | "arpeggiator" | "synth arp" | "arpeggiated synth"
        | "pluck synth" => sound(I::SynthPluck, T::PLUCK),
        "lead" | "synth lead" | "lead synth" => sound(I::SynthLead, T::LEAD),
        "electronic" | "electronica" | "electronics" | "digital" | "programmed" | "computer" => {
            Meaning::Sound {
                wants: Some(I::SynthPad),
                traits: T::ELECTRONIC,
            }
        }
        "acoustic" | "organic" | "acoustic instrument" => Meaning::Sound {
            wants: Some(I::SteelGuitar),
            traits: T::ACOUSTIC,
        },
        "electric" | "amplified" | "electric instrument" => refusable(T::ELECTRIC),
        "orchestral instrument" => refusable(T::STRINGS.and(T::BRASS).and(T::WOODWIND)),
        "choir" | "choirs" | "backing vocals" | "backing vocal" | "backing voices"
        | "background vocals" | "gospel choir" | "ooh" | "oohs" | "aah" | "aahs"
        | "vocal harmonies" | "vocal harmony" | "harmony vocals" | "humming" | "vocal pad"
        | "vocal pads" | "choral" => sound(I::Voices, T::VOICES),
        "vocal" | "vocals" | "voice" | "voices" | "singing" | "singer" | "lyrics"
        | "female vocal" | "male vocal" | "female voice" | "male voice" => Meaning::Singer,
        "spoken word" | "spoken" | "talking" | "speech" | "vocoder" | "autotune" | "chant"
        | "ad lib" | "rapping" | "scream" | "vocal chop" => refusable(T::VOICES),
        _ => return None,
    })
}

/// What a refused style takes with it: the sounds that it is named for.
pub(super) fn sounds_of(phrase: &str) -> Option<Traits> {
    use Traits as T;
    Some(match phrase {
        "orchestral" | "symphonic" | "orchestral pop" | "epic orchestral" => {
            T::STRINGS.and(T::BRASS).and(T::WOODWIND)
        }
        "chamber strings" | "string quartet" => T::STRINGS,
        "synthwave"
        | "synth wave"
        | "synth pop"
        | "synthpop"
        | "electro"
        | "electropop"
        | "electro pop"
        | "edm"
        | "techno"
        | "electronic dance music" => T::ELECTRONIC,
        "metal" | "heavy metal" | "hard rock" | "metalcore" | "nu metal" | "thrash"
        | "thrash metal" | "death metal" | "grunge" | "punk" => T::DISTORTED,
        "big band" => T::BRASS,
        "piano ballad" => T::PIANO,
        _ => return None,
    })
}

fn quality(phrase: &str) -> Option<Meaning> {
    Some(match phrase {
        "calm" | "gentle" | "soft" | "quiet" | "mellow" | "chill" | "relaxed" | "relaxing"
        | "peaceful" | "delicate" | "tender" | "soothing" | "laid back" | "laidback" | "sleepy"
        | "minimal" | "minimalist" | "sparse" | "stripped" | "stripped down" | "stripped back"
        | "simple" | "understated" | "subtle" | "lullaby" => feel(-0.5, -0.2, 0.0, 0.0),
        "intimate" | "close" | "bedroom" | "cozy" | "cosy" | "heartfelt" => {
            feel(-0.4, -0.1, -0.3, 0.0)
        }
        "sad" | "melancholic" | "melancholy" | "sorrowful" | "heartbreak" | "emotional"
        | "nostalgic" | "bittersweet" | "moody" | "wistful" | "longing" => {
            feel(-0.3, -0.2, 0.15, 0.0)
        }
        "dark" | "brooding" | "ominous" | "mysterious" | "haunting" | "eerie" => {
            feel(0.0, -0.5, 0.2, 0.1)
        }
        "happy" | "cheerful" | "joyful" | "sunny" | "playful" | "uplifting" | "bright" | "fun"
        | "feel good" | "summer" | "optimistic" | "catchy" | "carefree" | "fresh" => {
            feel(0.2, 0.3, 0.0, 0.0)
        }
        "energetic" | "upbeat" | "driving" | "powerful" | "lively" | "danceable"
        | "high energy" | "exciting" | "party" | "intense" | "loud" | "full" | "dense" | "busy"
        | "big" => feel(0.5, 0.2, 0.0, 0.05),
        "aggressive" | "heavy" | "angry" | "hard" | "brutal" | "screaming" | "noisy" | "harsh"
        | "noise" => feel(0.6, 0.2, 0.0, 0.3),
        "epic" | "anthemic" | "dramatic" | "majestic" | "grand" | "triumphant" | "soaring"
        | "climactic" | "inspirational" | "inspiring" | "motivational" => feel(0.4, 0.1, 0.4, 0.0),
        "dreamy" | "ethereal" | "atmospheric" | "floating" | "spacious" | "airy" | "celestial"
        | "hypnotic" | "lush" | "wide" | "cathedral" | "big room" => feel(-0.2, 0.0, 0.6, 0.0),
        "romantic" | "sensual" | "sexy" | "smooth" | "silky" | "love" | "passionate" | "sweet"
        | "beautiful" | "elegant" | "tasteful" => feel(-0.15, -0.15, 0.1, 0.0),
        "warm" | "analog" | "analogue" | "vintage" | "retro" | "rich" | "round" => {
            feel(0.0, -0.3, 0.0, 0.2)
        }
        "tape" | "vinyl" | "dusty" | "gritty" | "raw" | "crackle" | "worn" | "60s" | "70s"
        | "old school" | "grainy" => feel(0.0, -0.35, 0.0, 0.4),
        "crisp" | "clean" | "polished" | "modern" | "clear" | "sparkling" | "shimmering"
        | "shiny" | "radio ready" | "hi fi" | "90s" | "2000s" => feel(0.0, 0.3, 0.0, -0.3),
        "punchy" | "tight" => feel(0.2, 0.1, -0.2, 0.0),
        "dry" | "close mic" => feel(0.0, 0.0, -0.9, 0.0),
        "slow" | "downtempo" | "slow tempo" | "adagio" | "slow paced" | "half time" => {
            Meaning::Tempo(nudge(-0.3, 0.0, 0.0, 0.0), false)
        }
        "fast" | "uptempo" | "up tempo" | "fast tempo" | "quick" | "allegro" | "fast paced"
        | "double time" => Meaning::Tempo(nudge(0.3, 0.0, 0.0, 0.0), true),
        "mid tempo" | "midtempo" | "medium tempo" | "moderate" | "moderate tempo" | "steady" => {
            Meaning::Understood
        }
        "triple metre" | "triple meter" | "three four" | "3 4" => Meaning::Metre(Metre::ThreeFour),
        "six eight" | "6 8" | "compound metre" | "compound meter" => {
            Meaning::Metre(Metre::SixEight)
        }
        "four four" | "4 4" => Meaning::Metre(Metre::FourFour),
        "reverb" | "reverberant" | "reverby" | "hall" | "echoey" | "room reverb" | "wet" => {
            Meaning::Effect(Effect::Reverb, nudge(0.0, 0.0, 0.6, 0.0))
        }
        "delay" | "echo" | "echoes" | "tape delay" => {
            Meaning::Effect(Effect::Delay, nudge(0.0, 0.0, 0.3, 0.0))
        }
        "distortion" | "distorted" | "overdrive" | "overdriven" | "fuzz" | "fuzzy" | "crunch" => {
            Meaning::Effect(Effect::Grit, nudge(0.2, 0.1, 0.0, 0.5))
        }
        "saturation" | "saturated" | "lo fi effect" => {
            Meaning::Effect(Effect::Grit, nudge(0.0, 0.0, 0.0, 0.3))
        }
        "swung" | "swinging" | "shuffle" | "shuffled" | "swing feel" => {
            Meaning::Effect(Effect::Swing, nudge(0.0, 0.0, 0.0, 0.0))
        }
        _ => return None,
    })
}

fn filler(phrase: &str) -> bool {
    matches!(
        phrase,
        "a" | "an"
            | "the"
            | "and"
            | "or"
            | "of"
            | "in"
            | "on"
            | "to"
            | "for"
            | "by"
            | "n"
            | "very"
            | "slightly"
            | "light"
            | "some"
            | "more"
            | "less"
            | "little"
            | "any"
            | "all"
            | "style"
            | "styled"
            | "feel"
            | "feeling"
            | "vibe"
            | "vibes"
            | "mood"
            | "tone"
            | "sound"
            | "sounding"
            | "sounds"
            | "music"
            | "musical"
            | "song"
            | "track"
            | "instrumental"
            | "backing"
            | "backing track"
            | "accompaniment"
            | "arrangement"
            | "production"
            | "produced"
            | "band"
            | "instrument"
            | "instruments"
            | "based"
            | "driven"
            | "led"
            | "inspired"
            | "influenced"
            | "like"
            | "tempo"
            | "rhythm"
            | "melody"
            | "melodic"
            | "harmony"
            | "chord"
            | "texture"
            | "layered"
            | "mix"
            | "quality"
            | "high quality"
            | "live"
            | "studio"
            | "build"
            | "section"
            | "contemporary"
            | "classic"
            | "lyrical"
            | "natural"
            | "full band"
            | "is"
            | "be"
            | "please"
            | "with a"
            | "line"
            | "part"
            | "playing"
            | "played"
            | "background"
            | "female"
            | "male"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phrase_stands_in_one_list_only() {
        for phrase in [
            "lo fi",
            "swing",
            "electronic",
            "acoustic",
            "orchestral",
            "dub",
            "rap",
            "light",
            "strings",
        ] {
            assert!(meaning_of(phrase).is_some(), "{phrase:?} should be known");
        }
        assert_eq!(meaning_of("xyzzy"), None);
    }
}
