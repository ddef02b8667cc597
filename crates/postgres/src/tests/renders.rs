//! The rows of a studio follow its renders, whatever became of them.

use super::server::Server;
use crate::RenderQueue;

#[tokio::test]
async fn rows_that_are_put_off_come_back_and_those_that_are_over_go() {
    let Some(server) = Server::start() else {
        return;
    };
    let address = server.database();
    let database = address.rsplit_once('/').unwrap().1;
    let rows = |what: &str| {
        let rows = format!("SELECT {what} FROM backline_renders._private_jobs");
        server.query(database, &rows)
    };
    let secrets = || server.query(database, "SELECT count(*) FROM backline_renders.secrets");
    let queue = RenderQueue::open(address.parse().unwrap()).await.unwrap();
    let (here, there) = ("http://10.0.0.5:8790/", "http://10.0.0.6:8790/");
    let renders = ["one", "two", "three"].map(str::to_owned);
    for _ in 0..2 {
        queue.keep(here, &renders).await.unwrap();
    }
    queue.keep(there, &["four".to_owned()]).await.unwrap();
    assert_eq!(
        (rows("count(*)"), secrets()),
        ("4".to_owned(), "4".to_owned())
    );
    let shown = rows("string_agg(payload::text || key, ' ')");
    assert!(
        !shown.contains("two"),
        "the secret is not in the row: {shown}"
    );

    // A worker failed at one, the last of its attempts; another one has a lease.
    let change = |set: &str, limit: u32| {
        let change = format!(
            "UPDATE backline_renders._private_jobs SET {set} WHERE id IN (SELECT id FROM backline_renders._private_jobs ORDER BY id LIMIT {limit})"
        );
        server.query(database, &change);
    };
    change(
        "attempts = max_attempts, run_at = now() + interval '1 hour'",
        2,
    );
    change("locked_at = now(), locked_by = 'worker'", 1);
    queue.keep(here, &renders).await.unwrap();
    let due = "count(*) FILTER (WHERE run_at <= now() AND attempts = 0)";
    assert_eq!(
        (rows("count(*)"), rows(due)),
        ("4".to_owned(), "3".to_owned())
    );

    // Without renders only what a worker has stays, and what another studio has.
    queue.keep(here, &[]).await.unwrap();
    assert_eq!(
        (rows("count(*)"), secrets()),
        ("2".to_owned(), "1".to_owned())
    );
    // What was tried too often goes when the queue is next opened, with its secret.
    change(
        "locked_at = NULL, locked_by = NULL, attempts = max_attempts",
        2,
    );
    RenderQueue::open(address.parse().unwrap()).await.unwrap();
    assert_eq!(
        (rows("count(*)"), secrets()),
        ("0".to_owned(), "0".to_owned())
    );
}
