//! The ratings of listeners, read from the tables that the page exports: stars and notes (`stars.csv`), blind results
//! (`…-blind.csv`). `backline report --ratings` joins them to the summary and stores them beside the reports, where later runs
//! find them. `backline pick` copies the starred tracks.

use std::collections::{HashMap, HashSet};
use std::io::{self, Read};
use std::path::Path;

use backline_engine::folder::read_file;
use backline_engine::summary::{Better, Comparison, Rating, Summary};
use serde::{Deserialize, Serialize};

use crate::replace::{Readers, replace};
use crate::spreadsheet::{BOM, plain};

/// The file beside the reports with the ratings that were joined last.
const KEPT: &str = "ratings.json";

/// The version of that file.
const KEPT_VERSION: u32 = 1;

/// Largest table or file of ratings that is read, in bytes.
const MAX_BYTES: u64 = 64 << 20;

/// Ratings by job and track.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ratings {
    tracks: HashMap<(String, u32), TrackRating>,
    comparisons: Vec<Comparison>,
    /// The comparisons that were read, identified by test, trial and sides: the exports of one browser repeat earlier
    /// comparisons.
    comparisons_read: HashSet<[String; 4]>,
}

/// The rating of one track.
#[derive(Debug, Clone, Default, PartialEq)]
struct TrackRating {
    star: bool,
    note: Option<String>,
}

/// Why a table of ratings can't be read.
#[derive(Debug, thiserror::Error)]
pub enum RatingsError {
    /// It is not CSV.
    #[error("it is not a CSV table")]
    Csv(#[from] csv::Error),
    /// It can't be read.
    #[error("it can't be read")]
    Io(#[from] io::Error),
    /// It is not a file that an earlier command wrote.
    #[error("it is not a file of ratings of version {KEPT_VERSION}")]
    Kept(#[from] serde_json::Error),
    /// It is in another encoding.
    #[error(
        "it is not UTF-8 text: line {line} has the byte {byte:#04x}; save it as UTF-8 (in a spreadsheet: CSV UTF-8)"
    )]
    NotUtf8 {
        /// The line, counted from 1.
        line: usize,
        /// The first byte that is not valid.
        byte: u8,
    },
    /// It is another table.
    #[error(
        "it has no column {missing}; a table of stars needs `key` and `track`, a table of blind results `a_variant`, `b_variant` and `answer`"
    )]
    Columns {
        /// The missing columns, of the kind of table that is the closest match.
        missing: String,
    },
}

/// The stored file of joined ratings.
#[derive(Serialize, Deserialize)]
struct RatingsFile {
    version: u32,
    tracks: Vec<RatedTrack>,
    comparisons: Vec<Comparison>,
}

#[derive(Serialize, Deserialize)]
struct RatedTrack {
    key: String,
    track: u32,
    star: bool,
    note: Option<String>,
}

impl Ratings {
    /// Adds the ratings of a table, whose cells are separated by commas, semicolons or tabs.
    ///
    /// # Errors
    /// When it is not a table of ratings.
    pub fn read(&mut self, table: impl Read) -> Result<(), RatingsError> {
        let mut bytes = Vec::new();
        table.take(MAX_BYTES).read_to_end(&mut bytes)?;
        if let Err(error) = std::str::from_utf8(&bytes) {
            let (good, bad) = bytes.split_at(error.valid_up_to());
            let line = 1 + good.iter().filter(|byte| **byte == b'\n').count();
            let byte = bad.first().copied().unwrap_or_default();
            return Err(RatingsError::NotUtf8 { line, byte });
        }
        let (separator, text) = separated(&bytes);
        let mut table = csv::ReaderBuilder::new()
            .flexible(true)
            .delimiter(separator)
            .from_reader(text);
        let head = table.headers()?.clone();
        let column = |name: &str| head.iter().position(|it| it.trim() == name);
        if let (Some(key), Some(track)) = (column("key"), column("track")) {
            let (star, note) = (column("star"), column("note"));
            for row in table.records() {
                let row = row?;
                let cell = |at: Option<usize>| at.and_then(|at| row.get(at)).unwrap_or_default();
                let Ok(index) = cell(Some(track)).trim().parse() else {
                    continue;
                };
                let key = cell(Some(key)).trim().to_owned();
                let said = self.tracks.entry((key, index)).or_default();
                // A table without a column of stars is a list of chosen tracks.
                said.star |=
                    star.is_none() || !matches!(cell(star).trim(), "" | "0" | "no" | "false");
                let note = plain(cell(note));
                if !note.is_empty() {
                    said.note = Some(note.to_owned());
                }
            }
            return Ok(());
        }
        let (Some(a), Some(b), Some(answer)) =
            (column("a_variant"), column("b_variant"), column("answer"))
        else {
            let missing = |names: &[&str]| -> Vec<String> {
                let missing = names.iter().filter(|name| column(name).is_none());
                missing.map(|name| format!("`{name}`")).collect()
            };
            let (stars, blind) = (
                missing(&["key", "track"]),
                missing(&["a_variant", "b_variant", "answer"]),
            );
            let nearer = if blind.len() < 3 { blind } else { stars };
            return Err(RatingsError::Columns {
                missing: nearer.join(", "),
            });
        };
        let (test, trial) = (column("test"), column("trial"));
        for row in table.records() {
            let row = row?;
            let cell = |at: usize| row.get(at).unwrap_or_default().trim();
            let of = |at: Option<usize>| at.map(cell).unwrap_or_default().to_owned();
            let name = [of(test), of(trial), cell(a).to_owned(), cell(b).to_owned()];
            if !name[0].is_empty() && !self.comparisons_read.insert(name) {
                continue;
            }
            let side = |at: usize| {
                let (key, index) = cell(at).rsplit_once(':')?;
                Some((key.to_owned(), index.parse().ok()?))
            };
            let better = match cell(answer) {
                "a" => Better::A,
                "b" => Better::B,
                "same" => Better::Same,
                _ => continue,
            };
            if let (Some(a), Some(b)) = (side(a), side(b)) {
                self.comparisons.push(Comparison { a, b, better });
            }
        }
        Ok(())
    }

    /// Whether ratings were joined to the reports in a folder.
    pub fn are_in(dir: &Path) -> bool {
        dir.join(KEPT).is_file()
    }

    /// Reads the ratings that were joined last to the reports in a folder; empty if none were.
    ///
    /// # Errors
    /// When the file exists and can't be read.
    pub fn read_from(dir: &Path) -> Result<Self, RatingsError> {
        let file = match read_file(&dir.join(KEPT)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(error.into()),
        };
        let kept: RatingsFile = serde_json::from_reader(io::BufReader::new(file.take(MAX_BYTES)))?;
        if kept.version != KEPT_VERSION {
            let error = <serde_json::Error as serde::de::Error>::custom("another version");
            return Err(error.into());
        }
        let tracks = kept.tracks.into_iter().map(|it| {
            let said = TrackRating {
                star: it.star,
                note: it.note,
            };
            ((it.key, it.track), said)
        });
        Ok(Self {
            tracks: tracks.collect(),
            comparisons: kept.comparisons,
            comparisons_read: HashSet::new(),
        })
    }

    /// Stores the ratings beside the reports in a folder, replacing earlier ones.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn write_to(&self, dir: &Path) -> io::Result<()> {
        let tracks = self.tracks.iter().map(|((key, track), said)| RatedTrack {
            key: key.clone(),
            track: *track,
            star: said.star,
            note: said.note.clone(),
        });
        let mut tracks: Vec<RatedTrack> = tracks.collect();
        tracks.sort_by(|one, other| (&one.key, one.track).cmp(&(&other.key, other.track)));
        let kept = RatingsFile {
            version: KEPT_VERSION,
            tracks,
            comparisons: self.comparisons.clone(),
        };
        let mut bytes = serde_json::to_vec_pretty(&kept)?;
        bytes.push(b'\n');
        replace(&dir.join(KEPT), &bytes, Readers::All).map_err(|(_, error)| error)
    }

    /// Whether a track has a star.
    pub fn is_starred(&self, key: &str, index: u32) -> bool {
        let said = self.tracks.get(&(key.to_owned(), index));
        said.is_some_and(|said| said.star)
    }

    /// The note on a track.
    pub fn note(&self, key: &str, index: u32) -> Option<&str> {
        self.tracks.get(&(key.to_owned(), index))?.note.as_deref()
    }

    /// The keys of the jobs whose tracks are rated.
    pub fn keys(&self) -> HashSet<&str> {
        self.rated().into_iter().map(|(key, _)| key).collect()
    }

    fn rated(&self) -> HashSet<(&str, u32)> {
        let sides = self.comparisons.iter().flat_map(|it| [&it.a, &it.b]);
        let all = self.tracks.keys().chain(sides);
        all.map(|(key, index)| (key.as_str(), *index)).collect()
    }

    /// Joins the ratings to a summary. Returns the number of rated tracks that the summary does not have.
    pub fn join(&self, summary: &mut Summary) -> usize {
        let mut compared: HashMap<(&str, u32), Rating> = HashMap::new();
        for Comparison { a, b, better } in &self.comparisons {
            for ((key, index), wins) in [(a, Better::A), (b, Better::B)] {
                let rating = compared.entry((key, *index)).or_default();
                match better {
                    Better::Same => rating.same += 1,
                    better if *better == wins => rating.won += 1,
                    _ => rating.lost += 1,
                }
            }
        }
        let rated = self.rated();
        let mut joined = 0;
        for job in &mut summary.jobs {
            for track in &mut job.tracks {
                let name = (job.key.as_str(), track.index);
                track.rating = rated.contains(&name).then(|| Rating {
                    star: self.is_starred(name.0, name.1),
                    note: self.note(name.0, name.1).map(str::to_owned),
                    ..compared.remove(&name).unwrap_or_default()
                });
                joined += usize::from(track.rating.is_some());
            }
        }
        summary.comparisons.clone_from(&self.comparisons);
        rated.len() - joined
    }
}

/// The separator of a table's cells, and the table without a byte-order mark and without a first line `sep=;`.
fn separated(bytes: &[u8]) -> (u8, &[u8]) {
    const SEPARATORS: [u8; 3] = [b',', b';', b'\t'];
    let text = bytes.strip_prefix(BOM).unwrap_or(bytes);
    let end = text.iter().position(|byte| *byte == b'\n');
    let (first, rest) = text.split_at(end.map_or(text.len(), |end| end + 1));
    if let Some([separator, ..]) = first.strip_prefix(b"sep=") {
        return (*separator, rest);
    }
    let count = |separator: &u8| first.iter().filter(|byte| *byte == separator).count();
    let most = SEPARATORS.into_iter().rev().max_by_key(count);
    (most.unwrap_or(b','), text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;

    #[test]
    fn stars_notes_and_blind_results_are_joined_to_their_tracks() {
        let mut summary = example::summary();
        let (one, other) = (summary.jobs[0].key.clone(), summary.jobs[1].key.clone());
        let mut ratings = Ratings::default();
        let stars = format!(
            "stem,track,star,note,key\nchorus,2,1,'=warm,{one}\nchorus,1,0,thin,{one}\ngone,1,1,,{}\n",
            "f".repeat(64)
        );
        ratings.read(stars.as_bytes()).unwrap();
        let blind = format!(
            "trial,a_variant,b_variant,answer\n1,{one}:2,{other}:1,a\n2,{other}:1,{one}:2,same\n3,{one}:2,{other}:1,b\n"
        );
        ratings.read(blind.as_bytes()).unwrap();
        assert_eq!(ratings.join(&mut summary), 1);
        let rating = summary.jobs[0].tracks[1].rating.clone().unwrap();
        assert_eq!(rating.note.as_deref(), Some("=warm"));
        assert_eq!(
            (rating.star, rating.won, rating.lost, rating.same),
            (true, 1, 1, 1)
        );
        assert!(!summary.jobs[0].tracks[0].rating.clone().unwrap().star);
    }

    #[test]
    fn a_table_in_another_encoding_is_named_as_such() {
        let wrong = Ratings::default().read(&b"stem,track,key,note\nverse,1,k,\xe9t\xe9\n"[..]);
        let message = wrong.unwrap_err().to_string();
        assert!(message.contains("line 2 has the byte 0xe9"), "{message}");
        assert!(message.contains("save it as UTF-8"), "{message}");
    }

    #[test]
    fn a_table_saved_by_a_spreadsheet_is_the_same_table() {
        let key = "a".repeat(64);
        let mut comma = Ratings::default();
        let table = format!("stem,track,star,note,key\nchorus,2,1,\"warm; dry\",{key}\n");
        comma.read(table.as_bytes()).unwrap();
        for table in [
            format!("\u{feff}stem;track;star;note;key\r\nchorus;2;1;\"warm; dry\";{key}\r\n"),
            format!("sep=;\r\nstem;track;star;note;key\r\nchorus;2;1;\"warm; dry\";{key}\r\n"),
            format!("stem\ttrack\tstar\tnote\tkey\nchorus\t2\t1\twarm; dry\t{key}\n"),
        ] {
            let mut read = Ratings::default();
            read.read(table.as_bytes()).unwrap();
            assert_eq!(read, comma, "{table}");
        }
    }

    #[test]
    fn a_comparison_that_two_tables_have_counts_once() {
        let mut ratings = Ratings::default();
        let early = "test,trial,a_variant,b_variant,answer\nt1,1,x:1,y:1,a\n";
        let late = "test,trial,a_variant,b_variant,answer\nt1,1,x:1,y:1,a\nt1,2,x:1,y:1,a\n";
        ratings.read(early.as_bytes()).unwrap();
        ratings.read(late.as_bytes()).unwrap();
        assert_eq!(ratings.comparisons.len(), 2);
    }

    #[test]
    fn what_was_joined_is_kept_and_another_file_is_refused() {
        let scratch = tempfile::tempdir().unwrap();
        assert_eq!(
            Ratings::read_from(scratch.path()).unwrap(),
            Ratings::default()
        );
        let mut ratings = Ratings::default();
        ratings
            .read("track,star,note,key\n2,1,warm,abc\n".as_bytes())
            .unwrap();
        ratings
            .read("a_variant,b_variant,answer\nabc:1,def:2,same\n".as_bytes())
            .unwrap();
        ratings.write_to(scratch.path()).unwrap();
        assert_eq!(Ratings::read_from(scratch.path()).unwrap(), ratings);
        std::fs::write(
            scratch.path().join(KEPT),
            r#"{"version":9,"tracks":[],"comparisons":[]}"#,
        )
        .unwrap();
        let error = Ratings::read_from(scratch.path()).unwrap_err();
        assert!(matches!(error, RatingsError::Kept(_)));
    }

    #[test]
    fn another_table_is_refused_with_the_columns_that_it_lacks() {
        for (table, missing) in [
            ("a,b\n1,2\n", "`key`, `track`"),
            ("stem,preset,take,track\nverse,lofi,1,1\n", "`key`"),
            ("a_variant,b_variant\nx:1,y:1\n", "`answer`"),
        ] {
            let error = Ratings::default().read(table.as_bytes()).unwrap_err();
            let told = format!("it has no column {missing}; ");
            assert!(error.to_string().starts_with(&told), "{error}");
        }
    }
}
