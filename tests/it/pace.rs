//! The account's sliding window, as the provider sees it.

use crate::lab::Lab;

const WINDOW_MS: i64 = 2_000;

/// How much later than another a request may arrive on a busy machine, for which the engine keeps a margin of its own.
const SPREAD_MS: i64 = 200;

#[test]
fn no_window_holds_more_than_the_rate_allows() {
    let lab = Lab::new();
    // The studio refuses nothing here: the pace is the program's own.
    let studio = lab.studio(&["--instant", "--rate", "off"]);
    lab.manifest(
        "songs.yaml",
        &studio.url,
        5,
        9,
        "limits: {concurrency: 100}\n",
    );
    let paced = lab
        .read("songs.yaml")
        .replace("api_key:", "rate: 20/2s, api_key:");
    lab.write("songs.yaml", paced);
    lab.expect(0, &["run", "songs.yaml"]);

    let accepted: Vec<i64> = studio
        .bill()
        .iter()
        .map(|entry| entry.accepted_ms)
        .collect();
    assert_eq!(accepted.len(), 45);
    for (at, start) in accepted.iter().enumerate() {
        let inside = accepted[at..]
            .iter()
            .take_while(|time| **time - start < WINDOW_MS - SPREAD_MS)
            .count();
        assert!(inside <= 20, "{inside} in a window: {accepted:?}");
    }
    // Two whole windows pass before the last five. What the gate itself allows is tested beside it, to the millisecond.
    let makespan_ms = accepted[44] - accepted[0];
    assert!(
        (2 * WINDOW_MS..3 * WINDOW_MS).contains(&(makespan_ms + SPREAD_MS)),
        "{makespan_ms} ms"
    );
}
