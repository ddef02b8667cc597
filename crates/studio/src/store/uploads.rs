//! The rows of uploaded files.

use rusqlite::{Connection, params};

/// Records an upload, replacing an earlier one at the same path.
pub(crate) fn note(
    connection: &Connection,
    path: &str,
    bytes: u64,
    content: &[u8; 32],
    now_ms: i64,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO uploads (path, bytes, content, uploaded_ms) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![path, i64::try_from(bytes).unwrap_or(i64::MAX), content, now_ms])?;
    Ok(())
}

/// At most `limit` paths that were uploaded before `before_ms` and that no unfinished task needs.
pub(crate) fn outlived(
    connection: &Connection,
    before_ms: i64,
    limit: u32,
) -> rusqlite::Result<Vec<String>> {
    connection
        .prepare_cached(
            "SELECT path FROM uploads WHERE uploaded_ms < ?1
                 AND path NOT IN (SELECT upload FROM tasks WHERE finished_ms IS NULL AND upload IS NOT NULL)
             ORDER BY uploaded_ms LIMIT ?2",
        )?
        .query_map(params![before_ms, limit], |row| row.get(0))?
        .collect()
}

/// Deletes an upload, unless it was uploaded again since `before_ms`, and returns whether it did.
pub(crate) fn forget(
    connection: &Connection,
    path: &str,
    before_ms: i64,
) -> rusqlite::Result<bool> {
    let forgotten = connection
        .prepare_cached("DELETE FROM uploads WHERE path = ?1 AND uploaded_ms < ?2")?
        .execute(params![path, before_ms])?;
    Ok(forgotten > 0)
}
