//! A rollback journal that somebody put beside a ledger. SQLite rolls it back when it opens the file, and removes whatever further file
//! it names.

use std::fs;

use crate::lab::Lab;
use crate::lab::finish;
use crate::proof::project::{Project, STUDIO};

const SECTOR: usize = 512;
const MAGIC: [u8; 8] = [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];

/// A journal of one page of a database, which names another journal.
fn journal(database: &[u8], names: Option<&str>) -> Vec<u8> {
    let page_size = usize::from(u16::from_be_bytes([database[16], database[17]]));
    let pages = database.len() / page_size;
    let mut bytes = MAGIC.to_vec();
    // Records, a nonce, pages before the transaction, bytes of a sector and of a page.
    for field in [1, 7, pages, SECTOR, page_size] {
        bytes.extend((field as u32).to_be_bytes());
    }
    bytes.resize(SECTOR, 0);
    let page = &database[page_size..2 * page_size];
    let places = (1..)
        .map(|at| page_size.checked_sub(200 * at))
        .map_while(|at| at.filter(|at| *at > 0));
    let sum = places.fold(7_u32, |sum, at| sum.wrapping_add(u32::from(page[at])));
    bytes.extend(2_u32.to_be_bytes());
    bytes.extend(page);
    bytes.extend(sum.to_be_bytes());
    if let Some(name) = names {
        let lock_page = 0x4000_0000 / page_size as u32 + 1;
        let sum: u32 = name.bytes().map(u32::from).sum();
        bytes.extend(lock_page.to_be_bytes());
        bytes.extend(name.as_bytes());
        bytes.extend((name.len() as u32).to_be_bytes());
        bytes.extend(sum.to_be_bytes());
        bytes.extend(MAGIC);
    }
    bytes
}

#[test]
fn a_planted_journal_changes_nothing() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant", "--rate", "off"]);
    let project = Project::new(&lab, &studio.url, "songs", 1, STUDIO);
    assert_eq!(project.run().code, Some(0));
    let ledger = project.path(".backline/ledger.sqlite3");
    let planted = project.path(".backline/ledger.sqlite3-journal");
    let before = fs::read(&ledger).unwrap();
    let reading: [&[&str]; 5] = [
        &["plan", "songs.yaml"],
        &["validate", "songs.yaml"],
        &["status", "songs.yaml"],
        &["doctor", "songs.yaml"],
        &["report", "songs.yaml", "--dir", "reports"],
    ];

    // Commands that read leave a journal as it is, and read what the ledger is once it is rolled back.
    let own = journal(&before, None);
    fs::write(&planted, &own).unwrap();
    for args in reading {
        let ran = finish(project.command(args));
        assert!(
            matches!(ran.code, Some(0 | 2)),
            "{args:?}: {}{}",
            ran.out,
            ran.err
        );
        assert!(fs::read(&ledger).unwrap() == before, "{args:?}");
        assert!(fs::read(&planted).unwrap() == own, "{args:?}");
    }
    assert_eq!(project.run().code, Some(0));
    assert!(!planted.exists());

    // One that names a file elsewhere is refused by every command; the file was removed.
    lab.write("victim.txt", "precious");
    let victim = lab.path("victim.txt");
    let before = fs::read(&ledger).unwrap();
    fs::write(&planted, journal(&before, victim.to_str())).unwrap();
    let writing: [&[&str]; 3] = [
        &["run", "songs.yaml"],
        &["fetch", "songs.yaml"],
        &["gc", "--yes"],
    ];
    for args in reading.into_iter().chain(writing) {
        let ran = finish(project.command(args));
        assert_eq!(lab.read("victim.txt"), "precious", "{args:?}");
        assert!(fs::read(&ledger).unwrap() == before, "{args:?}");
        let opens = args[0] != "validate";
        let said = format!("{}{}", ran.out, ran.err);
        assert_eq!(
            said.contains("names a file of another program"),
            opens,
            "{args:?}: {said}"
        );
    }
}
