//! A browser and its pages: open them, read them, and look at them as paper and as pictures. What a
//! reader's hands do is in `input.rs`.

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::connection::Connection;

/// How long a page may take to show what is awaited.
const PATIENCE: Duration = Duration::from_secs(20);

/// A screenshot is at most so high: Chromium repeats itself below.
const HIGHEST: f64 = 16_000.0;

/// A Chromium without a window.
pub(crate) struct Browser {
    pub(super) connection: RefCell<Connection>,
}

/// A page of a browser.
pub(crate) struct Page<'browser> {
    pub(super) browser: &'browser Browser,
    session: String,
    target: String,
}

/// What the reader has chosen in the system's settings.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ColorScheme {
    Light,
    Dark,
}

impl Browser {
    /// Starts a browser; nothing where none is found, which is said.
    pub(crate) fn start() -> Option<Self> {
        let connection = Connection::open();
        if connection.is_none() {
            eprintln!("skipped: no Chromium on the path, and THAW_TEST_BROWSER names none");
        }
        Some(Self { connection: RefCell::new(connection?) })
    }

    /// An empty page of 1280 × 900 pixels, on which everything is noted from the beginning.
    pub(crate) fn page(&self) -> Page<'_> {
        let command = |method: &str, parameters: Value| {
            let answer = self.connection.borrow_mut().command(None, method, parameters);
            answer.unwrap_or_else(|error| panic!("{error}"))
        };
        let text = |value: &Value| value.as_str().expect("an identifier").to_owned();
        let target =
            text(&command("Target.createTarget", json!({ "url": "about:blank" }))["targetId"]);
        let attached =
            command("Target.attachToTarget", json!({ "targetId": target, "flatten": true }));
        let page = Page { browser: self, session: text(&attached["sessionId"]), target };
        for domain in ["Page", "Runtime", "Log", "Network"] {
            page.command(&format!("{domain}.enable"), json!({}));
        }
        page.set_viewport(1280, 900);
        page
    }

    /// A page with a file in it.
    pub(crate) fn open(&self, file: &Path) -> Page<'_> {
        let page = self.page();
        page.open(file);
        page
    }
}

impl Page<'_> {
    /// Gives a command of the DevTools protocol.
    #[track_caller]
    pub(super) fn command(&self, method: &str, parameters: Value) -> Value {
        let mut connection = self.browser.connection.borrow_mut();
        let answer = connection.command(Some(&self.session), method, parameters);
        drop(connection);
        answer.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Opens a file and waits until it is loaded.
    #[track_caller]
    pub(crate) fn open(&self, file: &Path) {
        self.go(&address(file));
    }

    /// Opens a file at a fragment, such as `cells` for `report.html#cells`.
    #[track_caller]
    pub(crate) fn open_at(&self, file: &Path, fragment: &str) {
        self.go(&format!("{}#{fragment}", address(file)));
    }

    #[track_caller]
    fn go(&self, address: &str) {
        let first = self.browser.connection.borrow().events().len();
        let answer = self.command("Page.navigate", json!({ "url": address }));
        assert_eq!(answer["errorText"], Value::Null, "{address} cannot be opened");
        // Another fragment of the same page is not loaded again.
        if !answer["loaderId"].is_null() {
            let mut connection = self.browser.connection.borrow_mut();
            connection.wait_for(&self.session, "Page.loadEventFired", first);
        }
        self.settle();
    }

    /// Waits until the page has been drawn twice, and with it what follows from an event.
    #[track_caller]
    pub(crate) fn settle(&self) {
        let twice = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))";
        self.evaluate(twice);
    }

    /// The value of an expression of JavaScript, or that of the promise that it gives. The page's
    /// content security policy does not matter.
    #[track_caller]
    pub(crate) fn evaluate(&self, expression: &str) -> Value {
        let parameters =
            json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let mut answer = self.command("Runtime.evaluate", parameters);
        let thrown = &answer["exceptionDetails"];
        assert_eq!(*thrown, Value::Null, "{}", shortened(expression));
        answer["result"]["value"].take()
    }

    /// What a function of JavaScript returns for arguments.
    #[track_caller]
    pub(crate) fn call(&self, function: &str, arguments: &[Value]) -> Value {
        let arguments: Vec<String> = arguments.iter().map(Value::to_string).collect();
        self.evaluate(&format!("({function})({})", arguments.join(", ")))
    }

    /// How many elements a selector chooses.
    #[track_caller]
    pub(crate) fn count(&self, selector: &str) -> u64 {
        let count = self
            .call("(selector) => document.querySelectorAll(selector).length", &[json!(selector)]);
        count.as_u64().expect("a number")
    }

    /// The text of an element, such as a live region, with single spaces.
    #[track_caller]
    pub(crate) fn text_of(&self, selector: &str) -> String {
        let text = self.call(
            "(selector) => document.querySelector(selector).textContent.replace(/\\s+/g, ' ').trim()",
            &[json!(selector)],
        );
        text.as_str().expect("a text").to_owned()
    }

    /// Waits until the text of an element has a part, and returns the text.
    #[track_caller]
    pub(crate) fn wait_for_text(&self, selector: &str, part: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let text = self.text_of(selector);
            if text.contains(part) {
                return text;
            }
            assert!(Instant::now() < deadline, "`{part}` does not come into {selector}: `{text}`");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// The document as it is now, as HTML.
    #[track_caller]
    pub(crate) fn document(&self) -> String {
        let document = self.evaluate("document.documentElement.outerHTML");
        document.as_str().expect("a text").to_owned()
    }

    /// What a reader would find in the console: what scripts wrote and did not catch, and what the
    /// browser refused, such as by the content security policy.
    #[track_caller]
    pub(crate) fn faults(&self) -> Vec<String> {
        self.settle();
        self.noted(|method, parameters| {
            let what = match method {
                "Runtime.consoleAPICalled" => &parameters["args"],
                "Runtime.exceptionThrown" => &parameters["exceptionDetails"],
                "Log.entryAdded" => &parameters["entry"],
                _ => return None,
            };
            Some(what.to_string())
        })
    }

    /// The addresses that the page asked for, other than its own file and what it holds itself.
    #[track_caller]
    pub(crate) fn requests(&self) -> Vec<String> {
        self.settle();
        self.noted(|method, parameters| {
            let url = match method {
                "Network.requestWillBeSent" => &parameters["request"]["url"],
                "Network.webSocketCreated" | "Network.webTransportCreated" => &parameters["url"],
                _ => return None,
            };
            let url = url.as_str().expect("an address");
            if parameters["type"] == "Document" && url.starts_with("file:") {
                return None;
            }
            let holds = ["data:", "blob:"].iter().any(|scheme| url.starts_with(scheme));
            (!holds).then(|| url.to_owned())
        })
    }

    /// What is chosen among the page's events.
    fn noted(&self, choose: impl Fn(&str, &Value) -> Option<String>) -> Vec<String> {
        let connection = self.browser.connection.borrow();
        let events = connection.events().iter().filter(|event| event.session == self.session);
        events.filter_map(|event| choose(&event.method, &event.parameters)).collect()
    }

    /// Makes the window's inside so many pixels wide and high.
    #[track_caller]
    pub(crate) fn set_viewport(&self, width: u32, height: u32) {
        let size =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.command("Emulation.setDeviceMetricsOverride", size);
    }

    /// Tells the page what the reader prefers.
    #[track_caller]
    pub(crate) fn set_color_scheme(&self, scheme: ColorScheme) {
        let value = match scheme {
            ColorScheme::Light => "light",
            ColorScheme::Dark => "dark",
        };
        let features = json!([{ "name": "prefers-color-scheme", "value": value }]);
        self.command("Emulation.setEmulatedMedia", json!({ "features": features }));
    }

    /// By how many pixels the page is wider than the window.
    #[track_caller]
    pub(crate) fn overflow(&self) -> i64 {
        let overflow = self.evaluate("document.documentElement.scrollWidth - innerWidth");
        overflow.as_i64().expect("a number")
    }

    /// The page printed on A4, as PDF.
    #[track_caller]
    pub(crate) fn pdf(&self) -> Vec<u8> {
        let paper = json!({ "paperWidth": 8.27, "paperHeight": 11.69, "printBackground": true });
        decoded(&self.command("Page.printToPDF", paper))
    }

    /// How many sheets of A4 the printed page takes.
    #[track_caller]
    pub(crate) fn printed_pages(&self) -> usize {
        // Chromium writes the dictionaries of pages as plain text. That of the tree of pages has the
        // type `Pages`.
        let pdf = self.pdf();
        let mark = b"/Type /Page";
        let ends = pdf.windows(mark.len() + 1).filter(|window| window.starts_with(mark));
        let pages = ends.filter(|window| !window[mark.len()].is_ascii_alphanumeric()).count();
        assert!(pages > 0, "pages are counted by their dictionaries, and there is none");
        pages
    }

    /// Keeps a picture of what the window shows, in the folder that `THAW_TEST_SCREENSHOTS` names.
    #[track_caller]
    pub(crate) fn keep_screenshot(&self, name: &str) {
        self.keep_picture(name, json!({}));
    }

    /// Keeps a picture of the page from its top to its end, likewise.
    #[track_caller]
    pub(crate) fn keep_whole_screenshot(&self, name: &str) {
        let size = self.command("Page.getLayoutMetrics", json!({}))["cssContentSize"].take();
        let length = |side: &str| size[side].as_f64().expect("a length");
        let height = length("height").min(HIGHEST);
        let clip =
            json!({ "x": 0, "y": 0, "width": length("width"), "height": height, "scale": 1 });
        self.keep_picture(name, json!({ "captureBeyondViewport": true, "clip": clip }));
    }

    #[track_caller]
    fn keep_picture(&self, name: &str, what: Value) {
        let folder = std::env::var_os("THAW_TEST_SCREENSHOTS").filter(|folder| !folder.is_empty());
        let Some(folder) = folder.map(PathBuf::from) else {
            return;
        };
        self.settle();
        let picture = decoded(&self.command("Page.captureScreenshot", what));
        fs::create_dir_all(&folder).expect("the folder of THAW_TEST_SCREENSHOTS");
        fs::write(folder.join(format!("{name}.png")), picture).expect("the screenshot is kept");
    }
}

impl Drop for Page<'_> {
    fn drop(&mut self) {
        // While a test fails the browser may be gone.
        if !thread::panicking() {
            let mut connection = self.browser.connection.borrow_mut();
            let _ =
                connection.command(None, "Target.closeTarget", json!({ "targetId": self.target }));
        }
    }
}

fn address(file: &Path) -> String {
    let file = file.canonicalize().unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let path = file.to_str().expect("a path that is text");
    let escaped = path.replace('%', "%25").replace('#', "%23").replace('?', "%3F");
    format!("file://{escaped}")
}

/// The bytes of an answer.
fn decoded(answer: &Value) -> Vec<u8> {
    let text = answer["data"].as_str().expect("data");
    BASE64_STANDARD.decode(text).expect("Base64")
}

fn shortened(expression: &str) -> String {
    expression.chars().take(300).collect()
}
