//! The studio as its clients see it: a real server on a loopback port, real HTTP, real files.
//!
//! Whatever needs no sound runs in instant mode. Nothing sleeps: tests wait for callbacks on a channel or for the studio's own
//! progress signal, with a deadline.

mod callbacks;
mod farm;
mod files;
mod kill;
mod lab;
mod life;
mod load;
mod misbehave;
mod restart;
mod rules;
mod step_refusals;
mod steps;
mod uploads;
