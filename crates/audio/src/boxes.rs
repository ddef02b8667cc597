//! Checks the boxes of an MP4 file before symphonia reads them: limits the sizes that they declare, and hides metadata.
//!
//! Symphonia keeps every table and every fragment in memory, searches the tables for each packet, and accepts any number of packets.

use std::io::{Read, Seek};

use crate::error::DecodeError;
use crate::format::Format;
use crate::source::PatchedSource;
use crate::strip::Parts;

/// Most bytes of all tables: a film of an hour has a few megabytes.
const MAX_TABLE_BYTES: u64 = 16 << 20;
/// Most tracks.
const MAX_TRACKS: u64 = 32;
/// Largest packet.
const MAX_PACKET_BYTES: u32 = 16 << 20;
/// Most entries that the search for the packets passes: some seconds.
const MAX_STEPS: u64 = 4_000_000_000;
/// Deepest nesting that is followed; the sample tables lie six deep.
const MAX_DEPTH: u32 = 16;

/// The totals over the boxes.
struct Boxes<'a, S> {
    source: &'a mut PatchedSource<S>,
    parts: Parts,
    table_bytes: u64,
    tracks: u64,
    extended_tracks: u64,
    fragments: u64,
    packets: u64,
    steps: u64,
    /// Of the track or the track fragment that is followed.
    within: Within,
}

/// What is added up for a track or a track fragment.
#[derive(Default)]
struct Within {
    packets: u64,
    /// Entries that may be passed for each of its packets.
    entries: u64,
    /// Entries that are passed for all packets of its runs.
    in_runs: u64,
}

/// Checks all boxes of a file against the limits, and hides metadata. Returns the number of entries that the search for the packets
/// passes.
pub(crate) fn check_boxes<S: Read + Seek>(
    source: &mut PatchedSource<S>,
) -> Result<u64, DecodeError> {
    let length = source.length();
    let mut boxes = Boxes {
        source,
        parts: Parts::of(Format::M4a),
        table_bytes: 0,
        tracks: 0,
        extended_tracks: 0,
        fragments: 0,
        packets: 0,
        steps: 0,
        within: Within::default(),
    };
    boxes.follow(0, length, 0)?;
    // The next fragment of each track is searched anew for each packet.
    if boxes.tracks > 1 {
        let passed = (boxes.tracks - 1).saturating_mul(boxes.fragments);
        boxes.steps = boxes
            .steps
            .saturating_add(boxes.packets.saturating_mul(passed));
    }
    boxes.bounded()?;
    Ok(boxes.steps)
}

impl<S: Read + Seek> Boxes<'_, S> {
    /// Follows the boxes from `at` to `end`. Malformed ones end it: symphonia goes no further either.
    fn follow(&mut self, mut at: u64, end: u64, depth: u32) -> Result<(), DecodeError> {
        while end.saturating_sub(at) >= 8 {
            let Some([a, b, c, d, kind @ ..]) = self.source.header_at::<8>(at)? else {
                break;
            };
            self.parts.count()?;
            let (head, size) = match u32::from_be_bytes([a, b, c, d]) {
                0 => (8, end - at),
                1 => match self.source.header_at::<8>(at + 8)? {
                    Some(size) => (16, u64::from_be_bytes(size)),
                    None => break,
                },
                size => (8, u64::from(size)),
            };
            if size < head || size > end - at {
                break;
            }
            let (body, next) = (at + head, at + size);
            self.enter(&kind, at, body, next, depth)?;
            self.bounded()?;
            at = next;
        }
        Ok(())
    }

    fn enter(
        &mut self,
        kind: &[u8; 4],
        at: u64,
        body: u64,
        end: u64,
        depth: u32,
    ) -> Result<(), DecodeError> {
        match kind {
            b"udta" | b"meta" => self.source.patch(at + 4, *b"free"),
            b"mdat" | b"free" | b"skip" | b"wide" | b"uuid" | b"ctts" | b"stss" => {}
            b"moov" | b"trak" | b"mdia" | b"minf" | b"stbl" | b"mvex" | b"moof" | b"traf"
                if depth < MAX_DEPTH =>
            {
                let outer =
                    matches!(kind, b"trak" | b"traf").then(|| std::mem::take(&mut self.within));
                self.tracks += u64::from(kind == b"trak");
                self.fragments += u64::from(kind == b"moof");
                self.follow(body, end, depth + 1)?;
                if let Some(outer) = outer {
                    let within = std::mem::replace(&mut self.within, outer);
                    let steps = within.packets.saturating_mul(within.entries);
                    let steps = steps.saturating_add(within.in_runs);
                    self.packets = self.packets.saturating_add(within.packets);
                    self.steps = self.steps.saturating_add(steps);
                }
            }
            _ => {
                self.table_bytes = self.table_bytes.saturating_add(end - at);
                self.bounded()?;
                self.read_table(kind, body, end)?;
            }
        }
        Ok(())
    }

    /// Adds the sizes that a table declares. Each table begins with its version and flags.
    fn read_table(&mut self, kind: &[u8; 4], body: u64, end: u64) -> Result<(), DecodeError> {
        if !matches!(kind, b"stts" | b"stsz" | b"trex" | b"tfhd" | b"trun") {
            return Ok(());
        }
        let length = usize::try_from(end - body).unwrap_or(usize::MAX);
        let bytes = self.source.bytes_at(body, length)?;
        let fields = bytes
            .chunks_exact(4)
            .map(|field| u32::from_be_bytes([field[0], field[1], field[2], field[3]]));
        let fields: Vec<u32> = fields.collect();
        let field = |at: usize| fields.get(at).copied().unwrap_or(0);
        let flag = |bit: u32| field(0) & bit != 0;
        match kind {
            b"stts" => self.within.entries += u64::from(field(1)),
            b"stsz" => {
                self.within.packets += u64::from(field(2));
                self.check_size(field(1))?;
                for size in fields.iter().skip(3) {
                    self.check_size(*size)?;
                }
            }
            b"trex" => {
                self.extended_tracks += 1;
                self.check_size(field(4))?;
            }
            b"tfhd" if flag(0x10) => {
                let before = [(0x1, 2), (0x2, 1), (0x8, 1)];
                let before = before.iter().filter(|(bit, _)| flag(*bit));
                self.check_size(field(2 + before.map(|(_, count)| count).sum::<usize>()))?;
            }
            b"trun" => {
                let count = u64::from(field(1));
                self.within.packets += count;
                // All runs before its own are passed for each packet, and all packets of the run before it.
                self.within.entries += 1;
                if flag(0x100) {
                    let passed = count.saturating_mul(count) / 2;
                    self.within.in_runs = self.within.in_runs.saturating_add(passed);
                }
                if flag(0x200) {
                    let columns = [0x100, 0x200, 0x400, 0x800].map(|bit| usize::from(flag(bit)));
                    let first = 2 + usize::from(flag(0x1)) + usize::from(flag(0x4)) + columns[0];
                    let sizes = fields.iter().skip(first).step_by(columns.iter().sum());
                    for size in sizes {
                        self.check_size(*size)?;
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn check_size(&self, bytes: u32) -> Result<(), DecodeError> {
        within(
            "the size of a packet",
            u64::from(bytes),
            u64::from(MAX_PACKET_BYTES),
            "bytes",
        )
    }

    fn bounded(&self) -> Result<(), DecodeError> {
        let packets = self.packets.saturating_add(self.within.packets);
        within(
            "the size of its tables",
            self.table_bytes,
            MAX_TABLE_BYTES,
            "bytes",
        )?;
        within(
            "the number of tracks",
            self.tracks.max(self.extended_tracks),
            MAX_TRACKS,
            "",
        )?;
        within("the number of packets", packets, self.source.length(), "")?;
        within(
            "the work to find its packets",
            self.steps,
            MAX_STEPS,
            "steps",
        )
    }
}

fn within(subject: &'static str, found: u64, most: u64, unit: &str) -> Result<(), DecodeError> {
    if found <= most {
        return Ok(());
    }
    let text = |number: u64| format!("{number} {unit}").trim_end().to_owned();
    Err(DecodeError::OverLimit {
        format: Format::M4a,
        subject,
        found: text(found),
        limit: text(most),
    })
}
