//! The studio: the vendors' contract served locally, with the band playing.
//!
//! A client of a vendor's API works against it unchanged: the same paths, envelopes, codes, stages, callbacks and limits. What
//! it hands out is real: each task's source is fetched, decoded, listened to, accompanied twice, mastered and encoded.
//!
//! ```text
//! client ─POST─► http ─rules─► store (one commit: task and charge) ─► "taskId"
//!                                │
//!                      worker ◄──┤ next unfinished            delivery ◄── owed callbacks
//!                        │ source ─► band ─► encoder            │ POST to callBackUrl, in order
//!                        └──────────────► files/ + stage ──────►│
//!                      cleanup ◄── what has outlived its retention
//! ```
//!
//! # Steps
//! WAV, stems, MIDI and recovery are tasks of their own, of a song's track or of another step: charged, called back, kept and followed
//! as songs are, on the vendors' paths and in their shapes. WAV and stems are the very take again, played from the song's source when
//! they are ordered. A second WAV of a track is refused with the first one's id; stems are made and charged anew.
//!
//! # Guarantees
//! * A task id in a response is on the disk, and so is its charge; a kill -9 loses neither, nor charges twice.
//! * A request that is repeated under its `Idempotency-Key` gives its first task again, free of charge. (The vendors have no
//!   such key; a studio that can give that safety does.)
//! * The same request on the same source gives the same bytes. When one folder accepts the same request again, it is another
//!   take: how often it came before goes into the seed, beside the request, the source's content and [`StudioConfig::seed`].
//! * Unfinished tasks and callbacks that are owed survive every stop.
//! * What the studio itself could not do (a full disk) gives the credits back: code 531, and the same request may be sent again.
//! * No address leads outside the data folder, and no source is fetched from a private address unless the config allows it.
//!
//! # What it adds
//! Other vendors' clients ignore fields that they do not know, so record-info has more than the contract requires:
//! * `mixAudioUrl` of a track: the accompaniment with the vocal, beside the accompaniment alone.
//! * `midiUrl` of a track: its notes as a standard MIDI file.
//! * `facts` of a track: style, key, tempo, metre, chords with their times, instruments, loudness, which tags were not
//!   understood, and the SoundFont that played, by name and SHA-256.
//!
//! Instant mode has none of them. Title, tags, key, tempo and chords stand in the files themselves, too. `GET /studio/bill` and [`read_bill`] give one
//! row for every accepted POST. [`StudioConfig::misbehaviour`] has the studio go wrong on purpose.
//!
//! # What it refuses to do
//! It binds no socket (the caller hands a listener over), reads no environment, and does not sing: the other song operations, videos,
//! cover art and timed lyrics get 404 with what it plays, like every path that does not exist.
//!
//! # Limits
//! JSON bodies 1 MB, base64 140 MB, multipart 200 MB, sources 100 MB within 30 s; 20 generations per 10 s and key (405 beyond);
//! [`StudioConfig::queue_limit`] unfinished tasks (430 beyond, with `Retry-After`); renders bounded by the cores, fetches by 8,
//! callbacks by 32; finished tasks live 14 days, uploads 3. A repeat under an `Idempotency-Key` counts towards the window.
//!
//! # The data folder
//! ```text
//! data_dir/
//!   studio.lock                     locked by the running studio; a second one is refused
//!   studio.sqlite3 (-wal, -shm)     tasks, charges, uploads, callbacks that are owed
//!   files/uploads/<path>/<name>     served at /files/uploads/…
//!   files/results/<task id>/        1.mp3, 1-mix.mp3, 1.mid, 2.mp3, 2-mix.mp3, 2.mid, or the files of a step
//!   files/instant/                  the recordings of instant mode
//!   sources/<task id>               what a song was made of, for its steps
//!   tmp/                            half-written files; emptied at every start
//!   bill.key                        what opens the bill of a studio without a key; another one at every start
//! ```

#![cfg_attr(
    test,
    expect(
        clippy::unwrap_used,
        reason = "a test that unwraps says where it failed"
    )
)]

mod cleanup;
mod clock;
mod config;
mod cover;
mod delivery;
mod error;
mod faulty;
mod fetch;
mod folder;
mod gate;
mod guard;
mod http;
mod instant;
mod intake;
mod links;
mod making;
mod mime;
mod misbehave;
mod names;
mod notes;
mod operation;
mod render;
mod responses;
mod shared;
mod soundfont;
mod stems;
mod step_wire;
mod step_worker;
mod store;
mod studio;
#[cfg(test)]
mod tests;
mod validate;
mod validate_step;
mod wire;
mod worker;

pub use config::{Prices, StudioConfig, UNLIMITED_CREDITS};
pub use error::StudioError;
pub use misbehave::{Misbehaviour, PlanError};
pub use soundfont::{SOUNDFONT_BYTES, SoundFont, SoundFontError};
pub use store::StudioStoreError;
pub use store::bills::{BillEntry, read_bill};
pub use studio::Studio;
