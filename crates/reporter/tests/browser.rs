//! The HTML report in a real browser: opened from the disk, played, switched, starred, filtered, exported, tested blind.
//!
//! Needs Chromium and its driver on the machine (Debian: `apt-get install chromium chromium-driver`); a machine without them fails these
//! tests and says so. Run with `cargo nextest run -p backline-reporter --features browser-tests`.
//!
//! Over 500 lines: it is one tour of the page in one browser, whose start costs seconds.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that unwraps says where it failed; what was measured is printed"
)]

mod browser {
    pub(crate) mod driver;
    pub(crate) mod looks;
    pub(crate) mod page;
    pub(crate) mod stems;
}

use backline_reporter::Ratings;
use browser::driver::{Browser, in_browser};
use browser::looks::{LOW_CONTRAST, pictures};
use browser::page::{write_large, write_small};

/// What is heard: address, place and volume of each audio element that plays.
const HEARD: &str =
    "[...document.querySelectorAll('audio')].filter((it) => !it.paused && it.volume > 0)";

/// Within this many seconds of where it should be, a switch is at the same moment.
const SAME_MOMENT_S: f64 = 0.15;

async fn small(check: impl AsyncFnOnce(&Browser)) {
    let folder = tempfile::tempdir().unwrap();
    let page = write_small(folder.path());
    in_browser(async |browser| {
        browser.open(&page).await;
        check(browser).await;
        let attacked = browser
            .value("[window.owned === 1, document.images.length]")
            .await;
        assert_eq!(
            attacked,
            serde_json::json!([false, 0]),
            "a vendor's words became part of the page"
        );
        let wrong = browser.complaints().await;
        assert!(wrong.is_empty(), "the browser complains: {wrong:?}");
    })
    .await;
}

#[tokio::test]
async fn a_switch_goes_on_at_the_same_moment_and_loudness() {
    small(async |browser| {
        browser.click(".variant .play").await;
        browser.until(&format!("{HEARD}.some((it) => it.currentTime > 1)")).await;
        let first = browser.text(&format!("{HEARD}[0].src")).await;
        // Where the second would be if it had gone on from the first.
        browser.run("window.left = null; addEventListener('keydown', () => { const it = [...document.querySelectorAll('audio')].find((it) => !it.paused); left = [it.currentTime, performance.now()]; }, true)").await;
        browser.keys("\u{e015}").await;
        browser.until(&format!("{HEARD}.length === 1 && {HEARD}[0].src !== {first:?}")).await;
        let drift = browser
            .number(&format!("Math.abs({HEARD}[0].currentTime - (left[0] + (performance.now() - left[1]) / 1000))"))
            .await;
        println!("a switch is off by {drift:.3} s");
        assert!(drift < SAME_MOMENT_S, "{drift} s");
        let named = browser.text("document.querySelector('.variant.chosen .place').textContent").await;
        assert_eq!(named, "1.2");

        // Four levels were written, 3 to 14 dB apart: what is heard is matched to the quietest.
        browser.keys("3").await;
        browser.until("document.querySelector('.variant.chosen .place').textContent === '2.1'").await;
        browser.until(&format!("{HEARD}.length === 1 && {HEARD}[0].volume < 0.7")).await;
        browser.keys("l").await;
        browser.until(&format!("{HEARD}[0].volume === 1")).await;

        // The mix and the vocal are heard at the same place, too.
        let before = browser.number(&format!("{HEARD}[0].currentTime")).await;
        browser.keys("v").await;
        browser.until(&format!("{HEARD}.length === 1 && {HEARD}[0].src.includes('mix')")).await;
        browser.keys("v").await;
        browser.until(&format!("{HEARD}.length === 1 && {HEARD}[0].src.includes('stems/chorus.flac')")).await;
        assert!(browser.number(&format!("{HEARD}[0].currentTime")).await >= before);
        browser.keys(" ").await;
        browser.until(&format!("{HEARD}.length === 0")).await;
    })
    .await;
}

#[tokio::test]
async fn stars_and_notes_last_and_leave_as_csv() {
    small(async |browser| {
        browser.keys("n").await;
        browser
            .until("document.querySelectorAll('.variant.chosen').length === 1")
            .await;
        browser.keys("s").await;
        browser.keys("e").await;
        browser.type_into(".note", "=good, \"warm\"\u{e007}").await;
        browser.reload().await;
        assert_eq!(
            browser
                .number("document.querySelectorAll('.variant .star[aria-pressed=true]').length")
                .await,
            1.0
        );
        assert_eq!(
            browser
                .number("document.querySelectorAll('.variant[data-noted=yes]').length")
                .await,
            1.0
        );

        browser.choose("#show", "starred").await;
        browser
            .until("document.querySelectorAll('.variant').length === 1")
            .await;

        browser.catch_downloads().await;
        browser.click("#open-exports").await;
        browser.click("#exports li:first-child button").await;
        let (name, csv) = browser.caught().await;
        assert_eq!(name, "stars.csv");
        // Without the mark a spreadsheet takes it for the system's old encoding.
        assert!(csv.starts_with("\u{feff}stem,"), "{csv}");
        let mut table = csv::Reader::from_reader(csv.as_bytes());
        let head = table.headers().unwrap().clone();
        assert_eq!(&head[0], "stem");
        let rows: Vec<csv::StringRecord> = table.records().map(Result::unwrap).collect();
        assert_eq!(rows.len(), 1);
        assert_eq!(
            rows[0].iter().take(7).collect::<Vec<_>>(),
            [
                "chorus",
                "lofi",
                "model=V4_5",
                "1",
                "1",
                "1",
                "'=good, \"warm\""
            ]
        );
        assert_eq!(&rows[0][8], "chorus/lofi 1.wav");

        browser.click("#open-exports").await;
        browser.click("#exports li:nth-child(2) button").await;
        let (name, yaml) = browser.caught().await;
        assert_eq!(name, "songs-webmushra.yaml");
        assert!(
            yaml.contains("type: likert_multi_stimulus") && yaml.contains("chorus/lofi 1.wav"),
            "{yaml}"
        );
    })
    .await;
}

#[tokio::test]
async fn the_filter_and_the_order_say_what_is_shown_and_walked_through() {
    small(async |browser| {
        let count = async |selector: &str| browser.number(&format!("document.querySelectorAll('{selector}').length")).await;
        browser.until("document.querySelectorAll('tbody tr').length === 3").await;
        browser.type_into("#filter", "verse nova").await;
        browser.until("document.querySelectorAll('tbody tr').length === 1").await;
        browser.until("document.querySelectorAll('.variant').length > 0").await;
        assert_eq!(count("thead th").await, 2.0);

        browser.keys_into("#filter", "\u{e00c}").await;
        browser.keys("n").await;
        let chosen = browser.text("document.querySelector('.dock-title').textContent").await;
        assert!(chosen.starts_with("verse × bossa nova"), "{chosen}");

        browser.run("document.querySelector('#filter').value = ''; document.querySelector('#filter').dispatchEvent(new Event('input'))").await;
        browser.until("document.querySelectorAll('tbody tr').length === 3").await;
        browser.choose("#show", "none").await;
        browser.until("document.querySelectorAll('.untold').length > 0 && !document.querySelector('.variant')").await;
        let told = browser.text("[...document.querySelectorAll('.untold')].map((it) => it.textContent).join('|')").await;
        for why in ["failed", "413: The tags name an artist", "in doubt", "the connection was reset", "vetoed", "too loud for a bossa", "in progress", "not bought"] {
            assert!(told.contains(why), "{why} in {told}");
        }

        browser.choose("#show", "all").await;
        browser.choose("#sort", "name").await;
        browser.until("document.querySelector('tbody th .stem-name').textContent.startsWith('bridge')").await;
        let presets = browser.text("[...document.querySelectorAll('thead th')].slice(1).map((it) => it.textContent).join()").await;
        assert_eq!(presets, "80s synth,bossa nova,chamber strings,lofi");
    })
    .await;
}

#[tokio::test]
async fn a_variant_keeps_its_label_and_the_panel_tells_what_is_playing() {
    small(async |browser| {
        let labels = async || browser.text("[...document.querySelector('tbody td').querySelectorAll('.place')].map((it) => it.textContent).join()").await;
        assert_eq!(labels().await, "1.1,1.2,2.1,2.2,1.1,1.2,2.1,2.2");
        // The second take alone, by its star: it is still the second take.
        browser.click("tbody td .variant:nth-of-type(3) .star").await;
        browser.choose("#show", "starred").await;
        browser.until("document.querySelectorAll('.variant').length === 1").await;
        assert_eq!(labels().await, "2.1");
        browser.choose("#show", "all").await;
        browser.choose("#sort", "loudness").await;
        browser.until("document.querySelectorAll('.variant').length > 1").await;

        browser.click(".variant .play").await;
        browser.until("document.querySelector('#details dl')").await;
        let panel = browser.text("document.querySelector('#details').textContent").await;
        for fact in ["brushed drums", "Clara", "G major (91 % sure)", "84.2 bpm", "4/4", "Rhodes", "G Em7 C", "tags not understood: wobblecore", "LUFS"] {
            assert!(panel.contains(fact), "{fact} in {panel}");
        }
        // At every width what is playing can be read: beside the grid, or one press away.
        for (width, height) in [(1600, 900), (900, 900), (390, 844)] {
            browser.resize(width, height).await;
            let bars = "document.querySelector('.head').offsetHeight + document.querySelector('.dock').offsetHeight";
            assert!(browser.number(bars).await < 0.4 * f64::from(height), "at {width} px the tracks have too little room");
            let there = "getComputedStyle(document.querySelector('#details')).display !== 'none'";
            if !browser.is(there).await {
                browser.click(".details-open").await;
            }
            browser.until(there).await;
            let over = "(() => { const [one, dock] = ['#details', '.dock'].map((it) => document.querySelector(it).getBoundingClientRect()); return one.bottom > dock.top + 1; })()";
            assert!(!browser.is(over).await, "the details cover the player at {width} px");
            let over = "(() => { const [one, head] = ['#details', '.head'].map((it) => document.querySelector(it).getBoundingClientRect()); return innerWidth > 700 && one.top < head.bottom - 1; })()";
            assert!(!browser.is(over).await, "the details cover the head at {width} px");
            let cut = browser.number("[...document.querySelectorAll('.dock-title, #details dd, #details .remark')].filter((it) => it.scrollWidth > it.clientWidth + 1).length").await;
            assert_eq!(cut, 0.0, "at {width} px");
            if browser.is("getComputedStyle(document.querySelector('.details-close')).display !== 'none'").await {
                browser.click(".details-close").await;
                browser.until(&format!("!({there})")).await;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_catalogue_is_shown_filtered_and_sorted_by_its_columns() {
    small(async |browser| {
        let stems = async || browser.text("[...document.querySelectorAll('tbody .stem-name')].map((it) => it.textContent).join()").await;
        browser.choose("#sort", "column:artist").await;
        browser.until("document.querySelector('tbody .stem-name').textContent.startsWith('bridge')").await;
        assert_eq!(stems().await, "bridge in a rather long name,verse,chorus");
        browser.click("tbody tr:nth-child(2) .var").await;
        browser.until("document.querySelectorAll('tbody tr').length === 1").await;
        assert_eq!(stems().await, "verse");
        assert_eq!(browser.text("document.querySelector('#filter').value").await, "artist=\"Billie H.\"");
        // An empty grid says why, and helps.
        browser.run("const it = document.querySelector('#filter'); it.value = 'artist=nobody'; it.dispatchEvent(new Event('input'))").await;
        browser.until("!document.querySelector('#nothing').hidden").await;
        let why = browser.text("document.querySelector('#nothing').textContent").await;
        assert!(why.contains("Nothing matches “artist=nobody”."), "{why}");
        browser.click("#nothing button").await;
        browser.until("document.querySelectorAll('tbody tr').length === 3").await;
        browser.choose("#show", "starred").await;
        browser.until("document.querySelector('#nothing').textContent.includes('No variant has a star yet')").await;
    })
    .await;
}

#[tokio::test]
async fn enter_leaves_a_note_and_no_state_is_said_twice() {
    small(async |browser| {
        browser.keys("n").await;
        browser.keys("e").await;
        browser.keys_into(".note", "warm\u{e007}").await;
        assert!(browser.is("document.activeElement !== document.querySelector('.note')").await);
        // The next key is a shortcut again.
        browser.keys("s").await;
        browser.until("document.querySelector('.variant.chosen .star').ariaPressed === 'true'").await;
        assert_eq!(browser.text("document.querySelector('.note').value").await, "warm");
        let told = browser.text("[...document.querySelectorAll('.untold summary')].map((it) => it.textContent).join('|')").await;
        assert!(!told.contains("vetoed: ") && !told.contains("nothing is bought"), "{told}");
        // A phone has no keys.
        browser.resize(390, 844).await;
        browser.keys("?").await;
        let shown = "[...document.querySelectorAll('.keyboard, .keys')].filter((it) => it.offsetParent).length";
        assert_eq!(browser.number(shown).await, 0.0);
    })
    .await;
}

#[tokio::test]
async fn a_blind_test_hides_names_and_tells_its_results() {
    small(async |browser| {
        browser.catch_downloads().await;
        browser.click(".variant .play").await;
        browser.until("document.querySelector('.dock-title').textContent.includes('lofi')").await;
        browser.keys("b").await;
        browser.run("document.querySelector('#blind-number').value = 3; document.querySelector('#blind-seed').value = 7").await;
        browser.click("#blind-begin").await;
        for answer in ["1", "2", "3"] {
            browser.until(&format!("{HEARD}.length === 1")).await;
            // Before both were heard, no answer counts.
            browser.keys(answer).await;
            assert!(browser.is("document.querySelector('.answers button').disabled").await);
            let shown = browser.text("document.querySelector('#blind').textContent + document.querySelector('.dock').textContent").await;
            assert!(!["lofi", "bossa", "strings", "synth"].iter().any(|name| shown.contains(name)), "{shown}");
            browser.keys("b").await;
            browser.until("document.querySelector('.side[data-side=b]').ariaPressed === 'true'").await;
            browser.keys(answer).await;
        }
        browser.until("document.querySelector('.tally')").await;
        let head = browser.text("[...document.querySelectorAll('.tally thead th')].slice(0, 7).map((it) => it.textContent).join()").await;
        assert_eq!(head, "Preset,share,95 % interval,answers,won,lost,no difference");
        browser.click("#blind-save").await;
        let (name, csv) = browser.caught().await;
        assert_eq!(name, "songs-blind.csv");
        let mut table = csv::Reader::from_reader(csv.as_bytes());
        let head = table.headers().unwrap().clone();
        let column = |name: &str| head.iter().position(|it| it == name).unwrap();
        let rows: Vec<csv::StringRecord> = table.records().map(Result::unwrap).collect();
        let of = |name: &str| rows.iter().map(|row| row[column(name)].to_owned()).collect::<Vec<_>>();
        assert_eq!(of("answer"), ["a", "same", "b"]);
        assert_eq!(of("seed"), ["7", "7", "7"]);
        assert_eq!(of("preferred_preset")[0], of("a_preset")[0]);
        assert_eq!(of("preferred_preset")[1], "");
        assert!(rows.iter().all(|row| row[column("a_variant")] != row[column("b_variant")]));
        let mut stems = of("stem");
        stems.sort();
        assert_eq!(stems.len(), 3, "each stem came up once");
        stems.dedup();
        assert_eq!(stems.len(), 3, "each stem came up once");
    })
    .await;
}

#[tokio::test]
async fn keys_colours_and_names_are_there_for_everyone() {
    small(async |browser| {
        // Everything that can be pressed has a name, and one variant is reached by Tab.
        let nameless = browser
            .number("[...document.querySelectorAll('button, input, select, [role=slider]')].filter((it) => !(it.ariaLabel || it.textContent.trim() || it.labels?.length)).length")
            .await;
        assert_eq!(nameless, 0.0);
        assert_eq!(browser.number("document.querySelectorAll('.variant .play[tabindex=\"0\"]').length").await, 1.0);

        let ground = async || browser.text("getComputedStyle(document.body).backgroundColor").await;
        let system = ground().await;
        browser.click("#theme").await;
        let light = ground().await;
        browser.click("#theme").await;
        let dark = ground().await;
        assert!(system == light && light != dark, "{system} {light} {dark}");
        browser.reload().await;
        assert_eq!(ground().await, dark);

        browser.keys("?").await;
        assert!(browser.is("document.querySelector('#help').open").await);
        browser.keys_into("#help", "\u{e00c}").await;
        browser.until("!document.querySelector('#help').open").await;

        // On a phone nothing is wider than the screen, and no row of the player scrolls sideways.
        for width in [390, 320] {
            browser.resize(width, 844).await;
            let (wide, screen) = (browser.number("document.documentElement.scrollWidth").await, browser.number("innerWidth").await);
            assert!(wide <= screen, "{wide} on {screen}");
            let scrolls = "[...document.querySelectorAll('.dock, .dock *')].filter((it) => it.scrollWidth > it.clientWidth && ['auto', 'scroll'].includes(getComputedStyle(it).overflowX)).length";
            assert_eq!(browser.number(scrolls).await, 0.0, "at {width} px");
            let outside = "[...document.querySelectorAll('.dock button, .dock input')].filter((it) => it.getBoundingClientRect().right > innerWidth).length";
            assert_eq!(browser.number(outside).await, 0.0, "at {width} px");
        }
    })
    .await;
}

#[tokio::test]
async fn thousands_of_tracks_open_and_sound_within_a_second() {
    let folder = tempfile::tempdir().unwrap();
    let page = write_large(folder.path(), 30, 12, 2);
    in_browser(async |browser| {
        let mut ready_ms = Vec::new();
        for _ in 0..5 {
            browser.open(&page).await;
            ready_ms.push(browser.number("Number(document.documentElement.dataset.ready)").await);
        }
        ready_ms.sort_by(f64::total_cmp);
        assert_eq!(browser.number("JSON.parse(document.querySelector('#data').textContent).jobs.length").await, 720.0);
        browser.run("document.querySelector('#grid').addEventListener('click', () => { window.pressed = performance.now(); const wait = () => [...document.querySelectorAll('audio')].some((it) => it.currentTime > 0) ? window.sounded = performance.now() - pressed : setTimeout(wait, 1); wait(); }, true)").await;
        browser.click(".variant .play").await;
        browser.until("window.sounded").await;
        let sounded_ms = browser.number("window.sounded").await;
        println!("1,440 tracks: usable after {ready_ms:?} ms, sounds {sounded_ms:.0} ms after a click, {} bytes", std::fs::metadata(&page).unwrap().len());
        let usable_ms = ready_ms[2] + sounded_ms;
        assert!(usable_ms < 1_000.0, "{usable_ms} ms");
    })
    .await;
}

#[tokio::test]
async fn stars_of_tracks_that_are_not_shown_are_exported_and_imported() {
    small(async |browser| {
        browser.keys("n").await;
        browser.keys("s").await;
        // What another version of the page left in this browser: with and without facts.
        let gone = "f".repeat(64);
        browser.run(&format!("const all = JSON.parse(localStorage.getItem('backline:marks:songs:' + location.pathname)); all['{gone}:2'] = {{ star: true, of: ['chorus', 'gone', '', 1, 'A title', 'a.mp3'] }}; all['{gone}:1'] = {{ note: 'old' }}; localStorage.setItem('backline:marks:songs:' + location.pathname, JSON.stringify(all))")).await;
        browser.reload().await;
        browser.catch_downloads().await;
        browser.click("#open-exports").await;
        let told = browser.text("document.querySelector('#exports').textContent").await;
        assert!(told.contains("2 stars, 1 note; 2 on tracks that this page does not show"), "{told}");
        assert!(told.contains("backline pick stars.csv songs.yaml --to keepers/") && !told.contains('`'), "{told}");
        assert!(browser.is("document.querySelector('#exports li:nth-child(3) button').disabled").await, "no answers");
        browser.click("#exports li:first-child button").await;
        let (_, csv) = browser.caught().await;
        let mut ratings = Ratings::default();
        ratings.read(csv.as_bytes()).unwrap();
        assert!(ratings.is_starred(&gone, 2) && ratings.note(&gone, 1) == Some("old"), "{csv}");
        assert!(csv.contains("chorus,gone,,1,2,1,,A title,a.mp3,"), "{csv}");
        assert_eq!(csv.lines().count(), 4, "{csv}");

        // Another address knows nothing of it until the table is imported, also one that a spreadsheet saved.
        browser.run("localStorage.clear()").await;
        browser.reload().await;
        browser.run(&format!("window.table = {:?}", csv.replace(',', ";"))).await;
        browser.click("#open-exports").await;
        browser.run("const files = new DataTransfer(); files.items.add(new File([table], 'stars.csv')); const input = document.querySelector('#import-file'); input.files = files.files; input.dispatchEvent(new Event('change'))").await;
        browser.until("document.querySelector('#exports').textContent.includes('3 tracks imported; 2 of them are not on this page.')").await;
        browser.until("document.querySelectorAll('.variant .star[aria-pressed=true]').length === 1").await;
    })
    .await;
}

#[tokio::test]
async fn an_earlier_version_is_played_beside_the_job_that_takes_its_place() {
    small(async |browser| {
        let cell = "document.querySelector('tbody tr:nth-child(2) td:nth-of-type(2)')";
        let labels = browser
            .text(&format!(
                "[...{cell}.querySelectorAll('.place, .sign')].map((it) => it.textContent).join()"
            ))
            .await;
        assert_eq!(labels, "~,~1.1,~1.2,2.1,2.2");
        let told = browser
            .text(&format!("{cell}.querySelector('.untold').textContent"))
            .await;
        assert!(told.contains("take 1 changed, not bought"), "{told}");
        browser
            .run(&format!("{cell}.querySelector('.play').click()"))
            .await;
        browser.until(&format!("{HEARD}.length === 1")).await;
        browser
            .until("document.querySelector('#details').textContent.includes('An earlier version')")
            .await;
        let head = browser
            .text("document.querySelector('#counts').textContent")
            .await;
        assert!(
            head.ends_with("1 job of earlier versions of the manifest, 2 tracks"),
            "{head}"
        );
    })
    .await;
}

#[tokio::test]
async fn the_filter_takes_the_conditions_of_the_command_line() {
    small(async |browser| {
        let shown = async |text: &str| {
            browser.run(&format!("const it = document.querySelector('#filter'); it.value = {text:?}; it.dispatchEvent(new Event('input')); window.filtered = false; setTimeout(() => {{ window.filtered = true; }}, 130)")).await;
            browser.until("window.filtered").await;
            browser.run("for (const row of document.querySelectorAll('tbody tr')) row.scrollIntoView()").await;
            browser.text("`${[...document.querySelectorAll('tbody .stem-name')].map((it) => it.textContent.split(' ')[0])}|${[...document.querySelectorAll('thead th')].slice(1).map((it) => it.textContent)}`").await
        };
        let all = "chorus,verse,bridge|lofi,bossa nova,chamber strings,80s synth";
        assert_eq!(shown("preset=lofi").await, "chorus,verse,bridge|lofi");
        assert_eq!(shown("preset=lofi,80s*").await, "chorus,verse,bridge|lofi,80s synth");
        assert_eq!(shown("stem!=chorus preset=\"bossa nova\"").await, "verse,bridge|bossa nova");
        assert_eq!(shown("state=vetoed or state=failed").await, "chorus,verse|lofi,bossa nova");
        assert_eq!(shown("state=changed").await, "verse|bossa nova");
        assert_eq!(shown("stem.vars.artist=Ada").await, "bridge|lofi,bossa nova,chamber strings,80s synth");
        assert_eq!(shown("artist!=Ada preset=lofi").await, "chorus,verse|lofi");
        assert_eq!(shown("model=V5").await, "chorus,verse,bridge|lofi");
        assert_eq!(shown("take=1").await, all);
        assert_eq!(shown("take=11").await, "|");
        assert_eq!(shown("artst=Ada").await, "|");
        let why = browser.text("document.querySelector('#nothing').textContent").await;
        assert!(why.contains("No column, setting or key is called “artst”; did you mean “artist”?"), "{why}");
    })
    .await;
}

#[tokio::test]
async fn blind_results_are_the_same_on_the_page_and_in_the_reports() {
    let folder = tempfile::tempdir().unwrap();
    let page = write_small(folder.path());
    let (mut table, mut on_page) = (String::new(), Vec::new());
    in_browser(async |browser| {
        browser.open(&page).await;
        browser.catch_downloads().await;
        browser.keys("b").await;
        // A test that compares values of the sweep, too.
        browser.run("document.querySelector('#blind-seed').value = 50953").await;
        // What is typed replaces the number that stands there, and Enter begins.
        browser.keys_into("#blind-number", "16\u{e007}").await;
        for trial in 0..16 {
            browser.until(&format!("document.querySelector('#blind-title').textContent === 'Comparison {} of 16'", trial + 1)).await;
            browser.keys("b").await;
            browser.until("document.querySelector('.side[data-side=b]').ariaPressed === 'true'").await;
            browser.keys(["1", "3", "2", "1"][trial % 4]).await;
        }
        browser.until("document.querySelector('.tally')").await;
        for theme in ["light", "dark"] {
            browser.run(&format!("document.documentElement.dataset.theme = '{theme}'")).await;
            for (wide, high) in [(1600, 1000), (390, 844)] {
                browser.resize(wide, high).await;
                browser.until("document.getAnimations().length === 0").await;
                std::fs::write(pictures().join(format!("blind-{wide}-{theme}.png")), browser.picture().await).unwrap();
                let over = "[...document.querySelectorAll('.scrolls, #blind')].filter((it) => it.scrollWidth > it.clientWidth + 1).length";
                assert_eq!(browser.number(over).await, 0.0, "results are cut at {wide} px");
                let low = browser.value(LOW_CONTRAST).await;
                assert_eq!(low.as_array().unwrap().len(), 1, "{theme} at {wide} px: {low:#}");
            }
        }
        let rows = browser.text("[...document.querySelectorAll('.tally')].flatMap((it) => [...it.querySelectorAll('tbody tr')].map((row) => [it.querySelector('th').textContent.toLowerCase(), ...[...row.children].map((cell) => cell.textContent)].join(';'))).join('\\n')").await;
        on_page.extend(rows.lines().map(str::to_owned));
        browser.click("#blind-save").await;
        (_, table) = browser.caught().await;
    })
    .await;
    let mut ratings = Ratings::default();
    ratings.read(table.as_bytes()).unwrap();
    let mut in_report: Vec<String> = browser::page::report_of(folder.path(), &ratings)
        .lines()
        .skip_while(|line| *line != "### Ratings")
        .filter(|line| line.starts_with("| `"))
        .map(|line| {
            let cells: Vec<&str> = line
                .trim_matches('|')
                .split('|')
                .map(|it| it.trim().trim_matches('`'))
                .collect();
            let number: u64 = cells[4..7]
                .iter()
                .map(|it| it.parse::<u64>().unwrap())
                .sum();
            [
                cells[0],
                cells[1],
                cells[7],
                cells[8],
                &number.to_string(),
                cells[4],
                cells[5],
                cells[6],
            ]
            .join(";")
        })
        .filter(|line| !line.contains(";;;0;"))
        .collect();
    in_report.sort();
    on_page.sort();
    assert!(on_page.len() > 4, "{on_page:?}");
    assert_eq!(on_page, in_report);
}

#[tokio::test]
async fn details_leave_the_player_free_and_escape_closes_them() {
    small(async |browser| {
        browser.click(".variant .play").await;
        for width in [900, 390] {
            browser.resize(width, 844).await;
            browser.keys("i").await;
            let open = "getComputedStyle(document.querySelector('#details')).display !== 'none'";
            browser.until(open).await;
            let covered = "[...document.querySelectorAll('.dock button, .dock input, .dock canvas')].filter((it) => { const box = it.getBoundingClientRect(); return document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2)?.closest('#details'); }).length";
            browser.until(&format!("{covered} === 0")).await;
            browser.keys("\u{e00c}").await;
            browser.until(&format!("!({open})")).await;
        }
        // A variant shows that it has remarks.
        assert!(browser.is("document.querySelector('.variant .remarked').title.includes('wobblecore')").await);
        // Without a pointer there is a keyboard.
        browser.resize(1600, 900).await;
        browser.keys("?").await;
        assert!(browser.is("document.querySelector('#help .keys').offsetParent").await);
    })
    .await;
}

#[tokio::test]
async fn stars_on_the_disk_belong_to_one_page() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let pages = [one.path(), other.path()].map(write_small);
    in_browser(async |browser| {
        let stars = "document.querySelectorAll('.variant .star[aria-pressed=true]').length";
        browser.open(&pages[0]).await;
        browser.click(".variant .star").await;
        browser.until(&format!("{stars} === 1")).await;
        // The other has the same name, and even the same jobs.
        browser.open(&pages[1]).await;
        assert_eq!(browser.number(stars).await, 0.0);
        browser.open(&pages[0]).await;
        assert_eq!(browser.number(stars).await, 1.0);
    })
    .await;
}

#[tokio::test]
async fn a_long_note_is_read_in_the_details_and_remarks_are_filtered() {
    small(async |browser| {
        let note = "the second chorus is warmer than in any other take, and the bridge drags";
        browser.keys("n").await;
        browser.keys("e").await;
        browser.type_into(".note", &format!("{note}\u{e007}")).await;
        browser
            .until(&format!("document.querySelector('#details').textContent.includes({note:?})"))
            .await;
        browser.choose("#show", "remarked").await;
        browser.until("!document.querySelector('.untold')").await;
        assert!(browser.is("[...document.querySelectorAll('.variant')].every((it) => it.querySelector('.remarked'))").await);
    })
    .await;
}

#[tokio::test]
async fn space_plays_after_a_dialog_was_closed() {
    small(async |browser| {
        for opened in ["#open-exports", "#open-help"] {
            let dialog = "document.querySelector('dialog[open]')";
            // By the keys alone, and by a script, which is no pointer either.
            for open in [
                format!("document.querySelector('{opened}').focus()"),
                format!("document.querySelector('{opened}').focus(); document.querySelector('{opened}').click()"),
            ] {
                browser.run(&open).await;
                if !browser.is(dialog).await {
                    browser.keys_into(opened, "\u{e007}").await;
                }
                browser.until(dialog).await;
                browser.keys_into("dialog[open]", "\u{e00c}").await;
                browser.until(&format!("!{dialog}")).await;
                browser.keys_into("body", " ").await;
                browser.until(&format!("{HEARD}.length === 1")).await;
                assert!(!browser.is(dialog).await, "{opened}");
                browser.keys_into("body", " ").await;
                browser.until(&format!("{HEARD}.length === 0")).await;
            }
        }
    })
    .await;
}
