//! The served page in a real browser: what arrives while somebody listens, and what stays as it is.
//!
//! Needs Chromium and its driver (Debian: `apt-get install chromium chromium-driver`).

#[expect(dead_code, reason = "the report's own tests use the rest of it")]
#[path = "../../crates/reporter/tests/browser/driver.rs"]
mod driver;

use crate::lab::Lab;
use driver::in_browser;

/// What is heard.
const HEARD: &str =
    "[...document.querySelectorAll('audio')].filter((it) => !it.paused && it.volume > 0)";

const VARIANTS: &str = "document.querySelectorAll('.variant').length";

#[tokio::test]
async fn new_tracks_appear_and_nothing_moves_that_is_heard_or_written() {
    let lab = Lab::new();
    // A real band: its tracks are long enough to be listened to while others come.
    let studio = lab.studio(&["--rate", "off"]);
    lab.manifest("songs.yaml", &studio.url, 2, 4, "limits: {rate: 1/2s}\n");
    let mut run = lab.start(&["run", "songs.yaml", "--serve", "127.0.0.1:0"]);
    let line = run.wait_for("Page: http://", 1);
    let address = line.split("Page: ").nth(1).unwrap().to_owned();
    run.wait_for(" kept ", 1);
    in_browser(async |browser| {
        browser.visit(&address).await;
        browser.until(&format!("{VARIANTS} >= 2")).await;
        browser.until("document.querySelector('#live').dataset.state === 'live'").await;
        browser.click(".variant .star").await;
        browser.click(".variant .play").await;
        browser.until(&format!("{HEARD}.length === 1 && {HEARD}[0].currentTime > 0.2")).await;
        browser.type_into(".note", "half a no").await;
        browser.run("window.heard = document.querySelector('audio'); window.heard.loop = true; window.chosen = document.querySelector('.variant.chosen').dataset.id; window.stops = 0; for (const kind of ['pause', 'seeking', 'emptied']) heard.addEventListener(kind, () => stops += 1); window.blurs = 0; document.querySelector('.note').addEventListener('blur', () => blurs += 1); scrollTo(0, 10); window.top0 = scrollY; window.before = document.querySelector('#counts').textContent").await;

        // At least two more jobs are kept, one of them in a row that is filled already.
        browser.until(&format!("{VARIANTS} >= 8")).await;
        browser.until("document.querySelector('#counts').textContent !== before").await;
        let same = "!heard.paused && heard.isConnected && heard.volume > 0 && scrollY === top0 && document.querySelector('.variant.chosen').dataset.id === chosen";
        assert!(browser.is(same).await);
        assert_eq!(browser.number("blurs").await, 0.0, "the field was left");
        assert_eq!(browser.text("document.querySelector('.note').value").await, "half a no");
        assert!(browser.is("document.activeElement.matches('.note')").await);
        assert_eq!(browser.number("document.querySelectorAll('.variant .star[aria-pressed=true]').length").await, 1.0);

        // A new one can be heard, and goes on where the old one was.
        browser.keys_into(".note", "te\u{e007}").await;
        browser.run("document.querySelector('.note').blur()").await;
        browser.keys("\u{e015}").await;
        browser.until(&format!("{HEARD}.length === 1 && {HEARD}[0] !== heard && {HEARD}[0].currentTime > 0")).await;
        browser.keys(" ").await;

        browser.until("document.querySelector('#live').dataset.state === 'ended'").await;
        browser.until(&format!("{VARIANTS} === 16")).await;
        assert!(browser.text("document.querySelector('#counts').textContent").await.starts_with("8 jobs: 8 kept"));
        let wrong = browser.complaints().await;
        assert!(wrong.is_empty(), "the browser complains: {wrong:?}");
    })
    .await;
    assert_eq!(run.end().code, Some(0));
}
