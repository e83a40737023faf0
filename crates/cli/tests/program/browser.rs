//! The report in a real browser: Chromium, without a window. `THAW_TEST_BROWSER` names it;
//! otherwise one is looked for on the path.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

/// Looks at the page as a script in it can, sorts every table by every column, and writes what it
/// saw into the title.
const PROBE: &str = r#"<script>
const seen = { violations: [], unsorted: [], mute: [], alone: [] };
addEventListener("securitypolicyviolation", (event) => seen.violations.push(event.blockedURI));
addEventListener("error", (event) => seen.violations.push(event.message));
const figures = [...document.querySelectorAll("figure")];
for (const figure of figures) {
  const picture = figure.querySelector("svg[role=img], img");
  const words = picture && (picture.getAttribute("aria-label") || picture.getAttribute("alt"));
  if (!words || words.length < 20 || picture.getBoundingClientRect === undefined) seen.mute.push(figure.textContent.slice(0, 60));
  if (!picture.matches("img") && !figure.closest("section, header").querySelector("table, a[href='#division']")) seen.alone.push(words);
}
document.querySelectorAll("details").forEach((fold) => (fold.open = true));
const sizes = figures.map((figure) => figure.querySelector("svg, img").getBoundingClientRect()).filter((box) => box.width > 100 && box.height > 50);
let clicks = 0;
for (const button of document.querySelectorAll("th button")) {
  const table = button.closest("table");
  const column = [...button.closest("tr").children].indexOf(button.closest("th"));
  const values = () => [...table.tBodies[0].rows].map((row) => row.children[column]).map((cell) => cell.dataset.value === undefined ? cell.textContent : Number(cell.dataset.value));
  const before = [...table.tBodies[0].rows].map((row) => row.textContent).sort().join();
  for (const sign of [1, -1]) {
    button.click();
    clicks += 1;
    const sorted = values().every((value, row, all) => row === 0 || sign * (typeof value === "number" ? all[row - 1] - value : String(all[row - 1]).localeCompare(String(value))) <= 0);
    const said = button.closest("th").getAttribute("aria-sort") === (sign === 1 ? "ascending" : "descending");
    const whole = before === [...table.tBodies[0].rows].map((row) => row.textContent).sort().join();
    if (!sorted || !said || !whole) seen.unsorted.push(button.textContent);
  }
}
const tabbable = [...document.querySelectorAll("a[href], button, summary, [tabindex='0']")];
tabbable.forEach((element) => element.focus());
document.title = JSON.stringify({ ...seen, figures: figures.length, visible: sizes.length, clicks, focused: document.activeElement === tabbable.at(-1),
  first: tabbable[0].className, sections: document.querySelectorAll("main section h2").length, resources: performance.getEntriesByType("resource").length,
  overflow: document.documentElement.scrollWidth - innerWidth });
</script>"#;

fn browser() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("THAW_TEST_BROWSER").filter(|named| !named.is_empty()) {
        return Some(PathBuf::from(named));
    }
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .flat_map(|folder| names.map(|name| folder.join(name)))
        .find(|program| program.is_file())
}

/// A browser that notes what it asks the network for.
struct Browser {
    program: PathBuf,
    /// What the browser's network log calls requests of a page, unlike those that the browser makes
    /// for itself.
    annotation: Value,
}

/// A page after its scripts have run.
struct Opened {
    document: String,
    /// What the browser logged.
    log: String,
    /// Requests in the browser's network log.
    requests: Vec<Value>,
}

impl Browser {
    /// Finds out how requests of a page are noted, by a page that makes one.
    fn new(program: PathBuf) -> Self {
        let mut browser = Self { program, annotation: Value::Null };
        let desk = TempDir::new().expect("a folder");
        let page = desk.path().join("page.html");
        fs::write(&page, "<img src='http://thaw.invalid/picture.png'>").expect("written");
        let opened = browser.open(&page, desk.path(), &[]);
        let ours = |request: &&Value| request["url"] == "http://thaw.invalid/picture.png";
        let request = opened
            .requests
            .iter()
            .find(ours)
            .unwrap_or_else(|| panic!("the request is noted: {:?}", opened.requests));
        browser.annotation = request["traffic_annotation"].clone();
        browser
    }

    fn open(&self, page: &Path, desk: &Path, more: &[&str]) -> Opened {
        let network = desk.join("network.json");
        let output = Command::new(&self.program)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--no-first-run",
                "--window-size=1280,900",
                "--virtual-time-budget=10000",
            ])
            .args(["--enable-logging=stderr", "--dump-dom"])
            .arg(format!("--user-data-dir={}", desk.join("profile").display()))
            .arg(format!("--log-net-log={}", network.display()))
            .args(more)
            .arg(format!("file://{}", page.display()))
            .output()
            .expect("the browser runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        // An event per line; the file's end may be missing.
        let network = fs::read_to_string(network).expect("the network log");
        let events = network
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line.trim_end_matches(',')).ok());
        let requests = events
            .map(|event| event["params"].clone())
            .filter(|params| !params["traffic_annotation"].is_null() && !params["url"].is_null());
        Opened {
            document: text(&output.stdout),
            log: text(&output.stderr),
            requests: requests.collect(),
        }
    }
}

/// The document that a browser makes of a page, after its scripts have run; nothing without a browser.
pub(crate) fn document_of(page: &Path) -> Option<String> {
    let desk = TempDir::new().expect("a folder");
    let browser = Browser { program: browser()?, annotation: Value::Null };
    Some(browser.open(page, desk.path(), &[]).document)
}

#[track_caller]
fn assert_page_is_right(
    browser: &Browser,
    page: &Path,
    [least_figures, least_clicks]: [u64; 2],
    more: &[&str],
) {
    let desk = TempDir::new().expect("a folder");
    let text = fs::read_to_string(page).expect("the page");
    let probed = desk.path().join("report.html");
    assert!(text.contains("</body>"), "the probe has a place");
    fs::write(&probed, text.replace("</body>", &format!("{PROBE}</body>"))).expect("written");
    let Opened { document, log, requests } = browser.open(&probed, desk.path(), more);
    let title = document
        .split("<title>")
        .nth(1)
        .and_then(|rest| rest.split("</title>").next())
        .unwrap_or_default();
    let seen: Value = serde_json::from_str(
        &title.replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">"),
    )
    .unwrap_or_else(|error| panic!("{error}: {title}\n{log}"));
    let count = |name: &str| seen[name].as_u64().unwrap_or_else(|| panic!("{name}: {seen}"));
    for faults in ["violations", "unsorted", "mute", "alone"] {
        assert_eq!(seen[faults], Value::Array(Vec::new()), "{faults}: {seen}");
    }
    assert!(count("figures") >= least_figures && count("visible") == count("figures"), "{seen}");
    assert!(
        count("sections") == 10 && count("clicks") >= least_clicks && count("resources") == 0,
        "{seen}"
    );
    assert!(
        seen["focused"] == true && seen["first"] == "skip",
        "everything that can be clicked can be reached by keyboard: {seen}"
    );
    assert!(
        seen["overflow"].as_i64().is_some_and(|pixels| pixels <= 0),
        "nothing sticks out at the side: {seen}"
    );
    assert!(!log.contains("CONSOLE"), "the console is silent: {log}");
    let foreign: Vec<&Value> = requests
        .iter()
        .filter(|request| request["traffic_annotation"] == browser.annotation)
        .collect();
    assert!(foreign.is_empty(), "nothing is requested: {foreign:?}");
}

/// Draws the page of a committed experiment, of a copy of its records; returns the page's file.
fn draw(repository: &Path, name: &str, desk: &Path) -> PathBuf {
    copy_files(&repository.join("results").join(name).join("cells"), &desk.join("runs").join(name));
    let output = assert_cmd::Command::cargo_bin("thaw")
        .expect("the program")
        .current_dir(desk)
        .env_remove("THAW_RESULTS")
        .arg("report")
        .arg(repository.join(format!("experiments/{name}.toml")))
        .output()
        .expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    desk.join("runs").join(name).join("report.html")
}

/// Copies a folder with everything in it into another.
fn copy_files(from: &Path, into: &Path) {
    let copy = into.join(from.file_name().expect("a name"));
    fs::create_dir_all(&copy).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            copy_files(&path, &copy);
        } else {
            fs::copy(&path, copy.join(path.file_name().expect("a name"))).expect("copied");
        }
    }
}

#[test]
fn the_report_works_in_a_browser_from_a_file() {
    let Some(browser) = browser().map(Browser::new) else {
        eprintln!("skipped: no Chromium on the path, and THAW_TEST_BROWSER names none");
        return;
    };
    let repository =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository");
    let desk = TempDir::new().expect("a folder");
    let drawn = |name: &str| draw(&repository, name, desk.path());
    assert_page_is_right(&browser, &drawn("miniature"), [30, 100], &[]);
    // In the dark; the last one is of an experiment without a ladder.
    let dark = ["--blink-settings=preferredColorScheme=0"];
    assert_page_is_right(&browser, &drawn("squeezenet"), [30, 100], &dark);
    assert_page_is_right(&browser, &drawn("keras-squeezenet"), [5, 50], &dark);
}
