//! What steps made of a track: stems that sound together, switches, links.

use serde_json::json;

use super::driver::{Browser, in_browser};
use super::looks::{LOW_CONTRAST, pictures};
use super::page::write_steps;
use crate::{HEARD, SAME_MOMENT_S};

/// The stems that are heard, in their order.
const SOUNDING: &str = "[...document.querySelectorAll('audio')].filter((it) => !it.paused && it.volume > 0 && !it.muted).map((it) => it.src.match(/-(\\w+)\\.mp3$/)?.[1] ?? it.src).sort().join()";

/// How far the stems that play are apart, in seconds.
const APART: &str = "(() => { const at = [...document.querySelectorAll('audio')].filter((it) => !it.paused).map((it) => it.currentTime); return Math.max(...at) - Math.min(...at); })()";

/// How far stems may be apart while they play: below it two of them are heard as one.
const TOGETHER_S: f64 = 0.02;

async fn with_steps(check: impl AsyncFnOnce(&Browser)) {
    let folder = tempfile::tempdir().unwrap();
    let page = write_steps(folder.path());
    in_browser(async |browser| {
        browser.open(&page).await;
        check(browser).await;
        let wrong = browser.complaints().await;
        assert!(wrong.is_empty(), "the browser complains: {wrong:?}");
    })
    .await;
}

/// Plays the first variant, then its stems.
async fn play_stems(browser: &Browser) {
    browser.click(".variant .play").await;
    browser
        .until(&format!("{HEARD}.some((it) => it.currentTime > 0.5)"))
        .await;
    browser.click("button[data-source^='stems:']").await;
    browser.until(&format!("{HEARD}.length === 3")).await;
}

fn pressed(part: &str, button: &str) -> String {
    format!("document.querySelector('[data-part={part}] .{button}').ariaPressed === 'true'")
}

#[tokio::test]
async fn stems_sound_together_and_are_switched_one_by_one() {
    with_steps(async |browser| {
        assert!(browser.is("document.querySelector('.parts').hidden").await);
        play_stems(browser).await;
        browser
            .until(&format!("{SOUNDING} === 'bass,drums,vocal'"))
            .await;
        browser.until(&format!("{APART} < {TOGETHER_S}")).await;
        // They go on where the track was, all by the same gain: what they add up to is as loud as the track was.
        assert!(browser.number(&format!("{HEARD}[0].currentTime")).await > 0.4);
        let parts = "JSON.parse(document.querySelector('#data').textContent).jobs[0].tracks[0].sets[0].parts";
        let sum = browser.number(&format!("10 * Math.log10({parts}.reduce((sum, it) => sum + 10 ** (it.lufs / 10), 0))")).await;
        let target = browser.text("document.querySelector('.dock-more button[title*=LUFS]').title.match(/-[\\d.]+/)[0]").await;
        let target: f64 = target.parse().unwrap();
        browser.until(&format!("Math.abs(20 * Math.log10({HEARD}[0].volume) - {}) < 0.2", (target - sum).min(0.0))).await;
        assert!(
            browser
                .is(&format!(
                    "new Set({HEARD}.map((it) => it.volume)).size === 1"
                ))
                .await
        );

        // One that falls behind catches up, a little at a time; one that is far off is moved.
        for late in [0.1, 1.0] {
            browser.run(&format!("{HEARD}[2].currentTime -= {late}")).await;
            browser.until(&format!("{APART} < {TOGETHER_S}")).await;
        }

        browser.click("[data-part=drums] .part-on").await;
        browser.until(&format!("{SOUNDING} === 'bass,vocal'")).await;
        assert!(!browser.is(&pressed("drums", "part-on")).await);
        assert!(browser.is(&pressed("bass", "part-on")).await);
        // A stem that is silent goes on: it comes back at the same moment.
        assert!(browser.number(APART).await < SAME_MOMENT_S);
        browser.click("[data-part=bass] .part-only").await;
        browser.until(&format!("{SOUNDING} === 'bass'")).await;
        assert!(browser.is(&pressed("bass", "part-only")).await);
        assert!(!browser.is(&pressed("vocal", "part-on")).await);
        browser.click("[data-part=vocal] .part-on").await;
        browser.until(&format!("{SOUNDING} === 'bass,vocal'")).await;

        // They pause, seek and go on as one.
        browser.keys(" ").await;
        browser
            .until("[...document.querySelectorAll('audio')].every((it) => it.paused)")
            .await;
        browser.keys("\u{e014}").await;
        browser.keys(" ").await;
        browser.until(&format!("{SOUNDING} === 'bass,vocal'")).await;
        browser
            .until(&format!(
                "{HEARD}.length === 3 && {APART} < {TOGETHER_S} && {HEARD}[0].currentTime > 5"
            ))
            .await;

        // A variant without stems is heard as its track; what was switched off stays so.
        browser.keys("\u{e015}").await;
        browser
            .until(&format!("{HEARD}.length === 1 && !{HEARD}[0].muted"))
            .await;
        assert!(browser.is("document.querySelector('.parts').hidden").await);
        assert!(
            browser
                .is("document.querySelector('button[data-source^=\"stems:\"]').disabled")
                .await
        );
        browser.keys("\u{e013}").await;
        browser.until(&format!("{SOUNDING} === 'bass,vocal'")).await;
        // The key leads there, too: the stems are the last source, then comes the track.
        browser.keys("v").await;
        browser
            .until(&format!(
                "{HEARD}.length === 1 && !{HEARD}[0].muted && {HEARD}[0].src.endsWith('.wav')"
            ))
            .await;
        for _ in 0..3 {
            browser.keys("v").await;
        }
        browser.until(&format!("{SOUNDING} === 'bass,vocal'")).await;
        browser.keys(" ").await;
        browser.until(&format!("{HEARD}.length === 0")).await;
    })
    .await;
}

#[tokio::test]
async fn steps_are_no_songs_and_their_files_can_be_taken_away() {
    with_steps(async |browser| {
        let names = browser
            .value(
                "JSON.parse(document.querySelector('#data').textContent).jobs.map((it) => it.key)",
            )
            .await;
        let count = names.as_array().unwrap().len();
        assert_eq!(count, 31, "songs alone");
        browser.click(".variant .play").await;
        browser
            .until("document.querySelector('#details .links')")
            .await;
        let links = "[...document.querySelectorAll('#details .links a')]";
        let found = browser
            .value(&format!(
                "{links}.map((it) => [it.textContent, it.download])"
            ))
            .await;
        assert_eq!(
            found,
            json!([
                ["WAV", "lofi 1-wav.wav"],
                ["MIDI", "lofi 1-midi.mid"],
                ["vocal", "lofi 1-vocal.mp3"],
                ["drums", "lofi 1-drums.mp3"],
                ["bass", "lofi 1-bass.mp3"],
            ])
        );
        let places = browser
            .value(&format!(
                "{links}.map((it) => decodeURIComponent(new URL(it.href).pathname))"
            ))
            .await;
        for place in places.as_array().unwrap() {
            assert!(
                std::path::Path::new(place.as_str().unwrap()).is_file(),
                "{place}"
            );
        }
        // Of the second track the stems failed, and what is made of them waits.
        browser.keys("\u{e015}").await;
        browser
            .until("document.querySelector('.variant.chosen .place').textContent === '1.2'")
            .await;
        let told = browser
            .text("document.querySelector('#details').textContent")
            .await;
        assert!(
            told.contains("split_stem failed: 400: The track can't be taken apart"),
            "{told}"
        );
        assert!(told.contains("MIDI: not bought"), "{told}");
        let marked = browser
            .text("document.querySelector('.variant.chosen .remarked').title")
            .await;
        assert!(marked.contains("split_stem failed"), "{marked}");
    })
    .await;
}

#[tokio::test]
async fn stems_fit_at_every_width_and_can_be_read() {
    let pictures = pictures();
    with_steps(async |browser| {
        play_stems(browser).await;
        browser.click("[data-part=drums] .part-on").await;
        browser.keys(" ").await;
        browser.until(&format!("{HEARD}.length === 0")).await;
        for theme in ["light", "dark"] {
            browser.run(&format!("document.documentElement.dataset.theme = '{theme}'")).await;
            for (wide, high) in [(1600, 1000), (900, 1000), (390, 844), (320, 700)] {
                browser.resize(wide, high).await;
                browser.until("document.getAnimations().length === 0").await;
                browser.until("[...document.querySelectorAll('.part canvas')].every((it) => it.width === Math.round(it.clientWidth * Math.min(3, devicePixelRatio)))").await;
                std::fs::write(pictures.join(format!("stems-{wide}-{theme}.png")), browser.picture().await).unwrap();
                let (found, screen) = (browser.number("document.documentElement.scrollWidth").await, browser.number("innerWidth").await);
                assert!(found <= screen, "{found} on {screen}");
                let outside = "[...document.querySelectorAll('.dock button, .dock input, #details *')].filter((it) => it.offsetParent && it.getBoundingClientRect().right > innerWidth + 1).length";
                assert_eq!(browser.number(outside).await, 0.0, "at {wide} px");
                let small = "[...document.querySelectorAll('.part button')].filter((it) => it.getBoundingClientRect().height < 30).length";
                assert_eq!(browser.number(small).await, 0.0, "at {wide} px");
                let found = browser.value(LOW_CONTRAST).await;
                assert_eq!(found.as_array().unwrap().len(), 1, "{theme} at {wide} px: {found:#?}");
            }
        }
        // Every switch has a name and a state that a screen reader reads.
        let named = browser.value("[...document.querySelectorAll('.part')].map((it) => [it.ariaLabel ?? it.getAttribute('aria-label'), ...[...it.querySelectorAll('button')].map((it) => `${it.getAttribute('aria-label') ?? it.textContent} ${it.getAttribute('aria-pressed')}`)])").await;
        assert_eq!(named, json!([
            ["vocal", "vocal true", "Only vocal false"], ["drums", "drums false", "Only drums false"], ["bass", "bass true", "Only bass false"],
        ]));
    })
    .await;
}
