//! Checks the chunks of a SoundFont before the library reads them: the library allocates whatever length a chunk claims, and copies
//! what its tables claim to share. Removes choke groups: the library lets a stroke's right side end its left one.

use std::ops::Range;

/// Chunks of the first list that the library reads as four bytes, whatever length they claim.
const VERSIONS: [&[u8]; 2] = [b"ifil", b"iver"];

/// Tables of references that only go forward: name, bytes of a row, place of the reference in it.
const ORDERED: [(&[u8], usize, usize); 4] = [
    (b"phdr", 38, 24),
    (b"pbag", 4, 0),
    (b"inst", 22, 20),
    (b"ibag", 4, 0),
];

/// Bytes of a generator: its number, and its amount.
const GENERATOR_BYTES: usize = 4;
/// The number of the generator that puts a sound into a choke group ("exclusive class").
const CHOKE_GROUP: [u8; 2] = 57u16.to_le_bytes();

/// The table of the instruments' generators, without choke groups.
pub(super) struct Generators {
    /// Its place in the file.
    pub(super) place: Range<usize>,
    /// What to read there.
    pub(super) table: Vec<u8>,
}

impl Generators {
    fn of(bytes: &[u8], table: &[u8]) -> Self {
        let from = table.as_ptr() as usize - bytes.as_ptr() as usize;
        let place = from..from + table.len();
        let mut table = table.to_vec();
        for generator in table.chunks_exact_mut(GENERATOR_BYTES) {
            if generator[..2] == CHOKE_GROUP {
                generator[2..].fill(0);
            }
        }
        Self { place, table }
    }
}

/// Checks that every chunk lies in its list, and every list in the file. The library checks the rest. Gives the generators to read
/// instead of the file's; none where it has none.
pub(super) fn check(bytes: &[u8]) -> Result<Generators, String> {
    let mut generators = Generators::of(bytes, &bytes[..0]);
    let Some(mut rest) = bytes.get(12..) else {
        return Err("the file is too short".to_owned());
    };
    while let Some((id, list, after)) = next(rest)? {
        rest = after;
        if id != b"LIST" {
            continue;
        }
        let mut chunks = list.get(4..).unwrap_or_default();
        while let Some((id, body, after)) = next(chunks)? {
            chunks = after;
            if VERSIONS.contains(&id) && body.len() != 4 {
                return Err(format!("its chunk {} has the wrong length", shown(id)));
            }
            if id == b"igen" {
                generators = Generators::of(bytes, body);
            }
            let table = ORDERED.iter().find(|(name, ..)| *name == id);
            if let Some((_, row, at)) = table
                && !is_ordered(body, *row, *at)
            {
                return Err(format!("its table {} goes backwards", shown(id)));
            }
        }
    }
    Ok(generators)
}

/// A chunk: its name, its content, and what comes after it.
type Chunk<'b> = (&'b [u8], &'b [u8], &'b [u8]);

/// The first chunk, without padding, as the library reads them; none at the end.
fn next(bytes: &[u8]) -> Result<Option<Chunk<'_>>, String> {
    let Some((head, body)) = bytes.split_at_checked(8) else {
        return Ok(None);
    };
    let (id, length) = head.split_at(4);
    let length = length
        .iter()
        .rev()
        .fold(0_usize, |all, byte| all << 8 | usize::from(*byte));
    match body.split_at_checked(length) {
        Some((content, after)) => Ok(Some((id, content, after))),
        None => Err(format!(
            "its chunk {} is longer than what it lies in",
            shown(id)
        )),
    }
}

fn is_ordered(table: &[u8], row: usize, at: usize) -> bool {
    let references = table
        .chunks_exact(row)
        .map(|row| u16::from_le_bytes([row[at], row[at + 1]]));
    references.is_sorted()
}

fn shown(id: &[u8]) -> String {
    id.escape_ascii().to_string()
}
