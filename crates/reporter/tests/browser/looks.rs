//! How the page looks: measured, and left as pictures for whoever wants to see it.

use std::path::{Path, PathBuf};

use super::driver::in_browser;
use super::page::{write_album, write_large};
use crate::{HEARD, small};

/// Where pictures of the page are left for whoever wants to see it at each width, light and dark.
pub(crate) fn pictures() -> PathBuf {
    let pictures = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages");
    std::fs::create_dir_all(&pictures).unwrap();
    pictures
}

#[tokio::test]
async fn nothing_is_cut_off_at_any_width_in_light_or_dark() {
    let pictures = pictures();
    small(async |browser| {
        browser.click(".variant .star").await;
        browser.click(".variant .play").await;
        browser.until("document.querySelector('#details dl')").await;
        browser.until(&format!("{HEARD}.some((it) => it.currentTime > 2)")).await;
        browser.keys(" ").await;
        for theme in ["light", "dark"] {
            browser.run(&format!("localStorage.setItem('backline:theme', '{theme}'); document.documentElement.dataset.theme = '{theme}'; scrollTo(0, 0)")).await;
            for (wide, high) in [(1600, 1000), (900, 1000), (390, 844)] {
                browser.resize(wide, high).await;
                // What was heard is still seen: the first bar differs from the last.
                browser.until("(() => { const it = document.querySelector('.variant.chosen canvas'); const at = (x) => it.getContext('2d').getImageData(x, it.height / 2, 1, 1).data.join(); return it.width === Math.round(it.clientWidth * devicePixelRatio) && at(1) !== at(it.width - 4); })()").await;
                std::fs::write(pictures.join(format!("{wide}-{theme}.png")), browser.picture().await).unwrap();
                // The head has one line of fields where there is room.
                let lines = "new Set([...document.querySelectorAll('.head-tools :is(input, select, button)')].map((it) => Math.round(it.getBoundingClientRect().top))).size";
                assert_eq!(browser.number(lines).await, if wide < 700 { 2.0 } else { 1.0 }, "at {wide} px");
                let (found, screen) = (browser.number("document.documentElement.scrollWidth").await, browser.number("innerWidth").await);
                assert!(found <= screen, "{found} on {screen}");
                let crushed = "[...document.querySelectorAll('.untold .sign')].filter((it) => it.scrollWidth > it.clientWidth + 1 || it.getBoundingClientRect().width < 4).length";
                assert_eq!(browser.number(crushed).await, 0.0, "a sign is crushed at {wide} px");
                let short = "[...document.querySelectorAll('.untold .why-short')].filter((it) => it.offsetParent && it.clientWidth < 70).length";
                assert_eq!(browser.number(short).await, 0.0, "a reason has no room at {wide} px");
                let outside = "[...document.querySelectorAll('header *, .dock button, .dock input, #details *')].filter((it) => it.offsetParent && it.getBoundingClientRect().right > innerWidth + 1).length";
                assert_eq!(browser.number(outside).await, 0.0, "at {wide} px");
            }
        }
    })
    .await;
}

/// The picture of the README: made anew with `BACKLINE_PICTURES=write`, and at other times held against what a new one would be.
#[tokio::test]
async fn the_readme_shows_the_page() {
    const MOST_BYTES: usize = 150_000;
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/listening-page.png");
    let folder = tempfile::tempdir().unwrap();
    let page = write_album(folder.path());
    in_browser(async |browser| {
        browser.open(&page).await;
        browser.resize(1180, 720).await;
        browser
            .run("document.documentElement.dataset.theme = 'light'")
            .await;
        browser
            .click("tbody tr:first-child td:nth-of-type(2) .variant .star")
            .await;
        browser
            .click("tbody tr:first-child td:nth-of-type(2) .variant .play")
            .await;
        browser.until("document.querySelector('#details dl')").await;
        browser
            .until(&format!("{HEARD}.some((it) => it.currentTime > 4)"))
            .await;
        browser.keys(" ").await;
        browser.until(&format!("{HEARD}.length === 0")).await;
        browser.run("document.activeElement.blur()").await;
        let picture = browser.picture().await;
        if std::env::var_os("BACKLINE_PICTURES").is_some_and(|it| it == "write") {
            std::fs::write(&place, &picture).unwrap();
        }
        let kept = std::fs::read(&place).unwrap();
        assert!(kept.len() < MOST_BYTES, "{} bytes", kept.len());
        // Width and height; letters are drawn differently by each machine.
        assert_eq!(
            kept[..24],
            picture[..24],
            "make it anew with BACKLINE_PICTURES=write"
        );
    })
    .await;
}

/// The contrast of every text and sign that is shown, to what lies below it: those that are too low.
pub(crate) const LOW_CONTRAST: &str = r"(() => {
    const canvas = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
    // Any colour of CSS as red, green, blue and opacity.
    const parts = (colour) => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
        const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
        return [r, g, b, a / 255];
    };
    const over = ([r, g, b, a], [s, h, c]) => [r * a + s * (1 - a), g * a + h * (1 - a), b * a + c * (1 - a), 1];
    const ground = (element) => {
        const layers = [];
        for (let it = element; it; it = it.parentElement) {
            const layer = parts(getComputedStyle(it).backgroundColor);
            layers.push(layer);
            if (layer[3] === 1) break;
        }
        return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255, 1]);
    };
    const light = ([r, g, b]) => {
        const linear = (it) => (it / 255 <= .04045 ? it / 255 / 12.92 : ((it / 255 + .055) / 1.055) ** 2.4);
        return .2126 * linear(r) + .7152 * linear(g) + .0722 * linear(b);
    };
    const ratio = (one, other) => {
        const [low, high] = [light(one), light(other)].sort((a, b) => a - b);
        return (high + .05) / (low + .05);
    };
    const found = [];
    let measured = 0;
    const check = (element, colour, least, what) => {
        if (!element.checkVisibility() || element.closest('button:disabled, .unseen, .skip')) return;
        const below = ground(element);
        const is = ratio(over(parts(colour), below), below);
        measured += 1;
        if (is < least) found.push(`${what} ${element.tagName}.${element.className} “${element.textContent.slice(0, 20)}” ${is.toFixed(2)}`);
    };
    for (const element of document.querySelectorAll('body *')) {
        const style = getComputedStyle(element);
        const writes = [...element.childNodes].some((it) => it.nodeType === 3 && it.data.trim());
        if (writes && !element.closest('script, style, template, noscript, option, datalist, svg')) check(element, style.color, 4.5, 'text');
        if (element.matches('input') && element.placeholder && !element.value) check(element, getComputedStyle(element, '::placeholder').color, 4.5, 'placeholder');
        if (element.matches('.mark')) check(element.parentElement, style.backgroundColor, 3, 'mark');
        if (element.matches('canvas')) check(element.parentElement, style.color, 3, 'wave');
        if (element.matches('svg')) check(element.parentElement, style.stroke === 'none' ? style.fill : style.stroke, 3, 'sign');
        if (element.matches('.variant')) check(element.parentElement, style.borderLeftColor, 3, 'edge');
    }
    return [measured, ...new Set(found)];
})()";

#[tokio::test]
async fn every_text_and_sign_keeps_its_contrast_in_light_and_dark() {
    small(async |browser| {
        browser.click(".variant .star").await;
        browser.click(".variant .play").await;
        browser.until("document.querySelector('#details dl')").await;
        browser.keys("e").await;
        browser.type_into(".note", "warm\u{e007}").await;
        for theme in ["light", "dark"] {
            browser
                .run(&format!(
                    "document.documentElement.dataset.theme = '{theme}'"
                ))
                .await;
            for (wide, dialog) in [(1600, ""), (390, ""), (1600, "?"), (1600, "x"), (1600, "b")] {
                browser.resize(wide, 1000).await;
                match dialog {
                    "x" => {
                        browser
                            .run("document.querySelector('#open-exports').click()")
                            .await
                    }
                    "" => {}
                    key => browser.keys(key).await,
                }
                // Colours change by and by.
                browser.until("document.getAnimations().length === 0").await;
                let found = browser.value(LOW_CONTRAST).await;
                let found = found.as_array().unwrap();
                assert!(found[0].as_u64().unwrap() > 40, "{found:?}");
                assert_eq!(found.len(), 1, "{theme} at {wide} px {dialog}: {found:#?}");
                browser
                    .run("document.querySelector('dialog[open]')?.close()")
                    .await;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn headings_stay_in_sight_and_fields_show_what_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let page = write_large(folder.path(), 8, 6, 2);
    in_browser(async |browser| {
        browser.open(&page).await;
        browser.resize(900, 800).await;
        browser.until("document.querySelectorAll('.variant').length > 20").await;
        // The sixth preset is a scroll away; what it is of stays.
        browser.run("document.querySelector('main').scrollTo(9999, 300)").await;
        browser.until("document.querySelector('main').scrollLeft > 50").await;
        let at = "[...document.querySelectorAll('thead th, tbody th')].map((it) => it.getBoundingClientRect())";
        let main = "document.querySelector('main').getBoundingClientRect()";
        assert!(browser.is(&format!("{at}.slice(0, 7).every((it) => Math.abs(it.top - {main}.top) < 2)")).await);
        assert!(browser.is(&format!("{at}.slice(7).every((it) => Math.abs(it.left - {main}.left) < 2)")).await);
        assert!(browser.is(&format!("Math.abs({at}[6].right - {main}.right) < 30")).await);
        for (wide, written) in [(390, "weirdness_constraint=0.8"), (900, "weirdness_constraint=0.8"), (1600, "weirdness_constraint=0.8 or take=1")] {
            browser.resize(wide, 844).await;
            browser.run(&format!("const it = document.querySelector('#filter'); it.value = '{written}'; it.dispatchEvent(new Event('input'))")).await;
            let cut = "document.querySelector('#filter').scrollWidth - document.querySelector('#filter').clientWidth";
            let cut = browser.number(cut).await;
            assert!(cut <= 1.0, "{cut} px of the filter are cut at {wide} px");
        }
    })
    .await;
}
