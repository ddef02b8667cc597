//! The part of a track that is here already: a hidden file beside the track's path, the same in every run, and beside it what tells
//! which file it is a part of.
//!
//! ```text
//!  .backline-<hash>.part        the first bytes
//!  .backline-<hash>.part.json   address, validator and length of the file that they are the first bytes of
//!  .backline-<hash>.aside       a whole file that could not be verified, in case that no better one comes
//! ```
//!
//! The description is durable before the first byte that it describes, and bytes without one are never gone on with: so no crash
//! joins two files. Names are opened relative to the folder's handle, and what was put there by somebody else is taken away.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

use backline_api::Partial;
use serde::{Deserialize, Serialize};

use crate::folder::Folder;

/// Largest description that is read: an address and a validator.
const DESCRIPTION_BYTES: u64 = 16 * 1024;

/// The hidden file of a part.
#[derive(Debug)]
pub(super) struct PartialFile {
    pub(super) folder: Folder,
    pub(super) name: String,
}

/// What a part is the beginning of, as it lies on disk.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Description {
    version: u32,
    /// The address, without its query: signatures change from one poll to the next.
    url: String,
    validator: String,
    total_bytes: Option<u64>,
}

const VERSION: u32 = 1;

impl PartialFile {
    pub(super) fn new(folder: Folder, hash: &str) -> Self {
        let name = format!(".backline-{hash}.part");
        Self { folder, name }
    }

    fn description(&self) -> String {
        format!("{}.json", self.name)
    }

    /// The name of the file that could not be verified.
    pub(super) fn aside(&self) -> String {
        format!("{}.aside", self.name.trim_end_matches(".part"))
    }

    /// What is here of the file at `url`, to be gone on with: the bytes' file, at its end. None where nothing is, or nothing that is
    /// known to be of that file.
    pub(super) fn found(&self, url: &str) -> Option<(File, Partial)> {
        let mut file = self.folder.own_file(&self.name).ok()?;
        let mut text = String::new();
        let description = self.folder.own_file(self.description()).ok()?;
        let mut limited = description.take(DESCRIPTION_BYTES);
        limited.read_to_string(&mut text).ok()?;
        let known: Description = serde_json::from_str(&text).ok()?;
        let length_bytes = file.seek(SeekFrom::End(0)).ok()?;
        let fits = known.total_bytes.is_none_or(|total| length_bytes <= total);
        let here = Partial {
            length_bytes,
            validator: known.validator,
            total_len: known.total_bytes,
        };
        (known.version == VERSION && known.url == url && fits).then_some((file, here))
    }

    /// Begins anew: takes away whatever has the names and makes an empty file. It can be gone on with later if there is a validator.
    pub(super) fn begin(
        &self,
        url: &str,
        validator: Option<&str>,
        total_bytes: Option<u64>,
    ) -> io::Result<File> {
        self.discard()?;
        if let Some(validator) = validator {
            let known = Description {
                version: VERSION,
                url: url.to_owned(),
                validator: validator.to_owned(),
                total_bytes,
            };
            let mut file = self.folder.new_file(self.description())?;
            file.write_all(&serde_json::to_vec(&known)?)?;
            file.sync_all()?;
            // The bytes of before are durably gone before there are others.
            self.folder.sync()?;
        }
        self.folder.new_file(&self.name)
    }

    /// Takes the part away.
    pub(super) fn discard(&self) -> io::Result<()> {
        self.folder.remove(&self.name)?;
        self.folder.remove(self.description())
    }

    /// Puts the part aside, for want of a better file; one that was put aside before is replaced.
    pub(super) fn put_aside(&self) -> io::Result<()> {
        self.folder.rename(&self.name, self.aside())?;
        self.folder.remove(self.description())
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    const URL: &str = "https://example.com/a.mp3";

    #[test]
    fn a_part_is_gone_on_with_only_if_it_is_known_what_it_is_a_part_of() {
        let scratch = tempfile::tempdir().unwrap();
        let part = || PartialFile::new(Folder::open(scratch.path()).unwrap(), "abc");
        let path = |name: &str| scratch.path().join(name);
        assert!(part().found(URL).is_none());

        let mut file = part().begin(URL, Some("\"v\""), Some(10)).unwrap();
        file.write_all(b"0123").unwrap();
        let here = Partial {
            length_bytes: 4,
            validator: "\"v\"".to_owned(),
            total_len: Some(10),
        };
        assert_eq!(part().found(URL).unwrap().1, here);
        assert!(part().found("https://example.com/b.mp3").is_none());

        // What a description was written for and what it was not.
        let known = fs::read(path(".backline-abc.part.json")).unwrap();
        fs::write(path(".backline-abc.part.json"), &known[..known.len() / 2]).unwrap();
        assert!(part().found(URL).is_none());
        fs::remove_file(path(".backline-abc.part.json")).unwrap();
        assert!(part().found(URL).is_none());
        fs::write(path(".backline-abc.part.json"), &known).unwrap();
        fs::write(path(".backline-abc.part"), "0123456789x").unwrap();
        assert!(part().found(URL).is_none(), "longer than the whole file");

        // Bytes that came without a validator.
        part().begin(URL, None, Some(10)).unwrap();
        assert!(part().found(URL).is_none());
        assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_somebody_else_put_there_is_taken_away_and_not_written_through() {
        let scratch = tempfile::tempdir().unwrap();
        let path = |name: &str| scratch.path().join(name);
        let part = PartialFile::new(Folder::open(scratch.path()).unwrap(), "abc");
        fs::write(path("victim"), "precious").unwrap();
        for name in [".backline-abc.part", ".backline-abc.part.json"] {
            symlink(path("victim"), path(name)).unwrap();
        }
        assert!(part.found(URL).is_none());
        let mut file = part.begin(URL, Some("\"v\""), None).unwrap();
        file.write_all(b"ours").unwrap();
        part.discard().unwrap();
        fs::hard_link(path("victim"), path(".backline-abc.part")).unwrap();
        assert!(part.found(URL).is_none());
        part.begin(URL, None, None)
            .unwrap()
            .write_all(b"ours")
            .unwrap();
        assert_eq!(fs::read(path("victim")).unwrap(), b"precious");
    }
}
