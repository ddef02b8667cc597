//! The ledger's tables. Migrations are numbered, each is applied once, forward only; a database of a newer program is refused.

use sqlx::{Connection, PgConnection};

/// The statements of each migration, from the first.
const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/1.sql"),
    include_str!("../migrations/2.sql"),
];

/// Keeps two processes from migrating at the same time: `BkLn` as a number.
const LOCK: i64 = 0x426b_4c6e;

/// The newest format that this program knows.
pub(crate) fn newest() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

/// The format of the database: 0 where it has no ledger.
pub(crate) async fn found(connection: &mut PgConnection) -> sqlx::Result<i64> {
    let there: bool = sqlx::query_scalar("SELECT to_regclass('backline.migrations') IS NOT NULL")
        .fetch_one(&mut *connection)
        .await?;
    if !there {
        return Ok(0);
    }
    sqlx::query_scalar("SELECT coalesce(max(number), 0) FROM backline.migrations")
        .fetch_one(connection)
        .await
}

/// Applies the migrations that the database lacks. Returns the format that was found, which a newer program may have made: then nothing is
/// changed.
pub(crate) async fn migrate(connection: &mut PgConnection) -> sqlx::Result<i64> {
    let mut transaction = connection.begin().await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(LOCK)
        .execute(&mut *transaction)
        .await?;
    let found = found(&mut transaction).await?;
    for (number, statements) in (1_i64..).zip(MIGRATIONS).skip_while(|(it, _)| *it <= found) {
        sqlx::raw_sql(*statements)
            .execute(&mut *transaction)
            .await?;
        sqlx::query("INSERT INTO backline.migrations (number) VALUES ($1)")
            .bind(number)
            .execute(&mut *transaction)
            .await?;
    }
    transaction.commit().await?;
    Ok(found)
}
