//! A headless Chromium and its driver, started for one test and ended with it.

use std::io::{BufRead, BufReader};
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use fantoccini::{Client, ClientBuilder, Locator};
use futures::FutureExt;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};

/// Longest wait for something to become true on a page.
const PATIENCE_MS: u64 = 30_000;

/// No network, no first-run questions, an own profile; sound may begin without a person's hand.
const ARGUMENTS: [&str; 10] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    "--window-size=1600,1000",
];

/// A page in a browser.
pub(crate) struct Browser(Client);

/// The driver's process; ended when dropped.
struct Driver(Child);

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Does `check` in a new browser, and ends the browser whatever comes of it.
pub(crate) async fn in_browser(check: impl AsyncFnOnce(&Browser)) {
    let (_driver, address) = start();
    let profile = tempfile::tempdir().unwrap();
    let mut arguments: Vec<String> = ARGUMENTS.map(str::to_owned).to_vec();
    arguments.push(format!("--user-data-dir={}", profile.path().display()));
    let mut capabilities = serde_json::Map::new();
    capabilities.insert(
        "goog:chromeOptions".to_owned(),
        json!({ "args": arguments }),
    );
    let client = ClientBuilder::new(HttpConnector::new())
        .capabilities(capabilities)
        .connect(&address)
        .await
        .expect("chromedriver starts Chromium (Debian: `apt-get install chromium`)");
    // The browser outlives its driver unless it is closed, also where a check panics.
    let browser = Browser(client.clone());
    let checked = AssertUnwindSafe(check(&browser)).catch_unwind().await;
    let closed = client.close().await;
    if let Err(panicked) = checked {
        resume_unwind(panicked);
    }
    closed.expect("the browser closes");
}

/// Starts a driver on a free port.
///
/// A driver takes a port that is free for one family of addresses, and ends if another program has it in the other family: then the
/// next driver takes another port.
fn start() -> (Driver, String) {
    /// Drivers that are started at most.
    const DRIVERS: usize = 10;
    let (driver, port) = (0..DRIVERS)
        .find_map(|_| start_once())
        .expect("chromedriver says on which port it listens");
    (driver, format!("http://127.0.0.1:{port}"))
}

/// A driver and its port; `None` if it ended before it had one.
fn start_once() -> Option<(Driver, String)> {
    let mut child = Command::new("chromedriver")
        .arg("--port=0")
        .stdout(Stdio::piped())
        .spawn()
        .expect("these tests need chromedriver on the PATH (Debian: `apt-get install chromium chromium-driver`)");
    let lines = BufReader::new(child.stdout.take().expect("it is piped"));
    let driver = Driver(child);
    let port = lines.lines().map_while(Result::ok).find_map(|line| {
        let port = line.split("successfully on port ").nth(1)?;
        Some(port.trim_end_matches('.').to_owned())
    })?;
    Some((driver, port))
}

impl Browser {
    /// Opens a file as a person does.
    pub(crate) async fn open(&self, file: &Path) {
        self.visit(&format!("file://{}", file.display())).await;
    }

    /// Goes to an address.
    pub(crate) async fn visit(&self, address: &str) {
        self.0.goto(address).await.unwrap();
        self.0
            .execute("window.complaints ??= []; for (const kind of ['error', 'securitypolicyviolation', 'unhandledrejection']) addEventListener(kind, (it) => complaints.push(`${kind}: ${it.message ?? it.violatedDirective ?? it.reason}`))", Vec::new())
            .await
            .unwrap();
        self.until("document.documentElement.dataset.ready").await;
    }

    pub(crate) async fn reload(&self) {
        self.0.refresh().await.unwrap();
        self.until("document.documentElement.dataset.ready").await;
    }

    pub(crate) async fn resize(&self, wide: u32, high: u32) {
        self.0.set_window_size(wide, high).await.unwrap();
    }

    /// What is seen once nothing moves, as PNG.
    pub(crate) async fn picture(&self) -> Vec<u8> {
        self.until("!document.getAnimations().length").await;
        self.0.screenshot().await.unwrap()
    }

    /// What went wrong on the page since it was opened.
    pub(crate) async fn complaints(&self) -> Vec<Value> {
        self.value("window.complaints ?? []")
            .await
            .as_array()
            .unwrap()
            .clone()
    }

    pub(crate) async fn run(&self, script: &str) {
        self.0.execute(script, Vec::new()).await.unwrap();
    }

    pub(crate) async fn value(&self, expression: &str) -> Value {
        self.0
            .execute(&format!("return ({expression})"), Vec::new())
            .await
            .unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    pub(crate) async fn number(&self, expression: &str) -> f64 {
        let value = self.value(expression).await;
        value
            .as_f64()
            .unwrap_or_else(|| panic!("{expression} is {value}"))
    }

    pub(crate) async fn text(&self, expression: &str) -> String {
        let value = self.value(expression).await;
        value
            .as_str()
            .unwrap_or_else(|| panic!("{expression} is {value}"))
            .to_owned()
    }

    pub(crate) async fn is(&self, expression: &str) -> bool {
        self.value(&format!("!!({expression})")).await == Value::Bool(true)
    }

    /// Waits, within the page, until something is true.
    pub(crate) async fn until(&self, expression: &str) {
        let script = format!(
            "const done = arguments[0]; const end = performance.now() + {PATIENCE_MS};
             const look = () => {{ let is = false; try {{ is = !!({expression}); }} catch {{}}
               if (is || performance.now() > end) done(is); else setTimeout(look, 10); }};
             look();"
        );
        let wait = Duration::from_millis(PATIENCE_MS * 2);
        let timeouts = fantoccini::wd::TimeoutConfiguration::new(Some(wait), None, None);
        self.0.update_timeouts(timeouts).await.unwrap();
        let came = self.0.execute_async(&script, Vec::new()).await.unwrap();
        assert_eq!(came, Value::Bool(true), "never: {expression}");
    }

    pub(crate) async fn click(&self, selector: &str) {
        let element = self.0.find(Locator::Css(selector)).await;
        let clicked = element
            .unwrap_or_else(|error| panic!("{selector}: {error}"))
            .click()
            .await;
        clicked.unwrap_or_else(|error| panic!("{selector}: {error}"));
    }

    /// Types keys where the focus is.
    pub(crate) async fn keys(&self, keys: &str) {
        self.keys_into("body", keys).await;
    }

    pub(crate) async fn keys_into(&self, selector: &str, keys: &str) {
        let element = self.0.find(Locator::Css(selector)).await.unwrap();
        element
            .send_keys(keys)
            .await
            .unwrap_or_else(|error| panic!("{selector}: {error}"));
    }

    /// Clicks into a field and types.
    pub(crate) async fn type_into(&self, selector: &str, text: &str) {
        self.click(selector).await;
        self.keys_into(selector, text).await;
    }

    /// Chooses an option by its value.
    pub(crate) async fn choose(&self, selector: &str, value: &str) {
        let element = self.0.find(Locator::Css(selector)).await.unwrap();
        element.select_by_value(value).await.unwrap();
    }

    /// From now on what the page saves is kept on it, too.
    pub(crate) async fn catch_downloads(&self) {
        self.run(
            "window.saved = []; const make = URL.createObjectURL.bind(URL); let text;
             URL.createObjectURL = (blob) => { text = blob.arrayBuffer().then((it) => new TextDecoder('utf-8', { ignoreBOM: true }).decode(it)); return make(blob); };
             const click = HTMLAnchorElement.prototype.click;
             HTMLAnchorElement.prototype.click = function () { const name = this.download; text.then((it) => saved.push([name, it])); click.call(this); };",
        )
        .await;
    }

    /// Name and content of the file that was saved last; it is forgotten.
    pub(crate) async fn caught(&self) -> (String, String) {
        self.until("saved.length").await;
        let saved = self.value("saved.pop()").await;
        let text = |at: usize| saved[at].as_str().unwrap().to_owned();
        (text(0), text(1))
    }
}
