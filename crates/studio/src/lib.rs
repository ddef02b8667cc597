//! The studio: the vendors' contract served locally, with the band playing.
//!
//! A client of a vendor's API works with it unchanged: the paths, envelopes, codes, stages, callbacks and limits are the same.
//! The results are real: the studio fetches, decodes and analyses each task's source, plays two accompaniments, masters and
//! encodes them.
//!
//! ```text
//! client ─POST─► http ─rules─► store (one commit: task and charge) ─► "taskId"
//!                                │
//!                      worker ◄──┤ next unfinished            delivery ◄── owed callbacks
//!                        │ source ─► band ─► encoder            │ POST to callBackUrl, in order
//!                        └──────────────► files/ + stage ──────►│
//!                      cleanup ◄── expired data
//! ```
//!
//! # Steps
//! WAV, stems, MIDI and recovery are tasks of their own, on a song's track or on another step. They are charged, called back,
//! kept and polled like songs, on the vendors' paths and in their formats. For WAV and stems the studio plays the same take
//! again from the song's source when they are ordered. A second WAV of a track is refused with the first one's id; stems are
//! made and charged again.
//!
//! # Guarantees
//! * A task id in a response is on disk, and so is its charge; a kill -9 neither loses nor doubles them.
//! * A request that is repeated with the same `Idempotency-Key` returns its first task, free of charge. (The vendors have no
//!   such key; a studio that can guarantee this does.)
//! * The same request on the same source gives the same bytes. If one folder accepts the same request again, it gives another
//!   take: the seed depends on the number of earlier repeats, besides the request, the source's content and
//!   [`StudioConfig::seed`].
//! * Unfinished tasks and owed callbacks survive every stop.
//! * If the studio itself fails (a full disk, for example), it gives the credits back: code 531, and the same request may be
//!   sent again.
//! * No address leads outside the data folder, and no source is fetched from a private address unless the config allows it.
//!
//! # What it adds
//! Other vendors' clients ignore unknown fields, so record-info has more than the contract requires:
//! * `mixAudioUrl` of a track: the accompaniment with the vocal, beside the accompaniment alone.
//! * `midiUrl` of a track: its notes as a standard MIDI file.
//! * `facts` of a track: style, key, tempo, metre, chords with their times, instruments, loudness, which tags were not
//!   understood, and the SoundFont that played, by name and SHA-256.
//!
//! Instant mode has none of them. The files themselves also contain title, tags, key, tempo and chords. `GET /studio/bill` and
//! [`read_bill`] return one row for every accepted POST. [`StudioConfig::misbehaviour`] makes the studio show faults on
//! purpose.
//!
//! # What it refuses to do
//! It binds no socket (the caller passes a listener), reads no environment, and does not sing. The other song operations,
//! videos, cover art and timed lyrics get 404 with a list of what it serves, like every unknown path.
//!
//! # On several machines
//! With [`StudioConfig::uses_farm`] the studio only accepts, and [`FarmWorker`]s on other machines render, with the same bytes.
//!
//! # Limits
//! JSON bodies 1 MB, base64 140 MB, multipart 200 MB, sources 100 MB within 30 s. 20 generations per 10 s and key (405 beyond);
//! [`StudioConfig::queue_limit`] unfinished tasks (430 beyond, with `Retry-After`). Renders are limited by the cores (on a farm by
//! those of its workers), fetches to 8, callbacks to 32. Finished tasks are kept for 14 days, uploads for 3. A repeat under an `Idempotency-Key` counts
//! towards the window.
//!
//! # The data folder
//! ```text
//! data_dir/
//!   studio.lock                     locked by the running studio; a second one is refused
//!   studio.sqlite3 (-wal, -shm)     tasks, charges, uploads, owed callbacks
//!   files/uploads/<path>/<name>     served at /files/uploads/…
//!   files/results/<task id>/        1.mp3, 1-mix.mp3, 1.mid, 2.mp3, 2-mix.mp3, 2.mid, or the files of a step
//!   files/instant/                  the recordings of instant mode
//!   sources/<task id>               source of a song, for its steps
//!   tmp/                            half-written files; emptied at every start
//!   bill.key                        secret for reading the bill of a studio without an API key; new at every start
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
mod computing;
mod config;
mod cover;
mod delivery;
mod error;
mod farm;
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
mod playing;
mod render;
mod renderer;
mod responses;
mod shared;
mod soundfont;
mod source;
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
pub use farm::{Farm, FarmWorker, FarmWorkerError};
pub use misbehave::{Misbehaviour, PlanError};
pub use playing::{Playing, PlayingError};
pub use soundfont::{SOUNDFONT_BYTES, SoundFont, SoundFontError};
pub use store::StudioStoreError;
pub use store::bills::{BillEntry, read_bill};
pub use studio::Studio;
