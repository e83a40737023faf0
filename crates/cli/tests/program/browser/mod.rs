//! The report in a real browser: Chromium, without a window. `THAW_TEST_BROWSER` names it;
//! otherwise one is looked for on the path.

mod accessibility;
mod connection;
mod explorer;
mod input;
mod page;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use tempfile::TempDir;

use crate::markdown::repository;
use crate::thaw::{succeeds, thaw_in};

use page::{Browser, ColorScheme, Page};

/// The widths of a telephone, a tablet, a laptop and a desk.
const WIDTHS: [u32; 4] = [360, 800, 1280, 1400];

/// The document that a browser makes of a page, after its scripts have run; nothing without a browser.
pub(crate) fn document_of(page: &Path) -> Option<String> {
    let browser = Browser::start()?;
    Some(browser.open(page).document())
}

/// Draws the page of a committed experiment, of a copy of its records; returns the page's file.
fn draw(name: &str, desk: &Path) -> PathBuf {
    let repository = repository().canonicalize().expect("the repository");
    copy_files(&repository.join("results").join(name).join("cells"), &desk.join("runs").join(name));
    let experiment = repository.join(format!("experiments/{name}.toml"));
    succeeds(&thaw_in(desk).arg("report").arg(experiment).output().expect("it runs"));
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

#[track_caller]
fn assert_page_is_right(page: &Page, [least_figures, least_sortings]: [u64; 2]) {
    let seen = page.call(include_str!("report.js"), &[]);
    let count = |name: &str| seen[name].as_u64().unwrap_or_else(|| panic!("{name}: {seen}"));
    let nothing = json!({ "unsorted": [], "mute": [], "alone": [] });
    assert_eq!(seen["wrong"], nothing, "tables are sorted; figures have words and numbers: {seen}");
    assert!(count("figures") >= least_figures && count("visible") == count("figures"), "{seen}");
    assert!(
        count("sections") == 4 && count("sortings") >= least_sortings && count("resources") == 0,
        "{seen}"
    );
    for width in WIDTHS {
        page.set_viewport(width, 900);
        let overflow = page.overflow();
        assert!(overflow <= 0, "{overflow} pixels stick out at the side of {width}");
    }
    page.set_viewport(1280, 900);
    assert_everything_is_reached_by_keyboard(page);
    assert_heads_of_tables_are_buttons(page);
    assert_nothing_is_at_fault(page);
}

/// Goes through the page with the Tab key.
#[track_caller]
fn assert_everything_is_reached_by_keyboard(page: &Page) {
    page.call(include_str!("keyboard.js"), &[]);
    let reached = || page.evaluate("reached()");
    let all = reached()["all"].as_u64().expect("a number");
    // There are more stops than these, such as places that can be scrolled.
    for _ in 0..=2 * all {
        page.strike("Tab");
    }
    let reached = reached();
    assert_eq!(reached["first"], "skip", "the first stop leads past the contents: {reached}");
    assert_eq!(
        reached["missed"],
        json!([]),
        "{all} elements can be reached by keyboard: {reached}"
    );
}

/// Mouse and keyboard sort a table.
#[track_caller]
fn assert_heads_of_tables_are_buttons(page: &Page) {
    let order = || page.evaluate("document.querySelector('th:has(button)').ariaSort");
    let before = order();
    page.click("th button");
    let clicked = order();
    page.press("Enter");
    let entered = order();
    assert!(before != clicked && clicked != entered, "{before}, {clicked}, {entered}");
}

#[track_caller]
fn assert_nothing_is_at_fault(page: &Page) {
    let faults = page.faults();
    assert!(faults.is_empty(), "the console is silent: {faults:?}");
    let requests = page.requests();
    assert!(requests.is_empty(), "nothing is requested: {requests:?}");
}

#[test]
fn the_report_works_in_a_browser_from_a_file() {
    let Some(browser) = Browser::start() else {
        return;
    };
    let desk = TempDir::new().expect("a folder");
    let opened = |name: &str, scheme: ColorScheme| {
        let page = browser.page();
        page.set_color_scheme(scheme);
        page.open(&draw(name, desk.path()));
        page
    };
    assert_page_is_right(&opened("miniature", ColorScheme::Light), [30, 60]);
    assert_page_is_right(&opened("squeezenet", ColorScheme::Dark), [20, 60]);
    // An experiment without a ladder.
    assert_page_is_right(&opened("keras-squeezenet", ColorScheme::Dark), [5, 50]);
}

#[test]
fn the_report_breaks_no_rule_of_accessibility() {
    let Some(browser) = Browser::start() else {
        return;
    };
    let desk = TempDir::new().expect("a folder");
    let report = draw("miniature", desk.path());
    for scheme in [ColorScheme::Light, ColorScheme::Dark] {
        let page = browser.page();
        page.set_color_scheme(scheme);
        page.open(&report);
        page.evaluate("document.querySelectorAll('details').forEach((fold) => (fold.open = true))");
        if let Some(broken) = accessibility::violations(&page) {
            assert!(broken.is_empty(), "{scheme:?}:\n{}", broken.join("\n"));
        }
        assert_nothing_is_at_fault(&page);
    }
}

#[test]
fn the_printed_report_is_no_book() {
    let Some(browser) = Browser::start() else {
        return;
    };
    let desk = TempDir::new().expect("a folder");
    let pages = browser.open(&draw("miniature", desk.path())).printed_pages();
    assert!(pages <= 12, "{pages} pages of A4");
}

#[test]
fn pictures_of_the_report_are_kept() {
    if std::env::var_os("THAW_TEST_SCREENSHOTS").is_none_or(|folder| folder.is_empty()) {
        eprintln!("skipped: THAW_TEST_SCREENSHOTS names no folder");
        return;
    }
    let Some(browser) = Browser::start() else {
        return;
    };
    let desk = TempDir::new().expect("a folder");
    let page = browser.open(&draw("miniature", desk.path()));
    for scheme in [ColorScheme::Light, ColorScheme::Dark] {
        page.set_color_scheme(scheme);
        for width in WIDTHS {
            page.set_viewport(width, 900);
            page.keep_screenshot(&format!("miniature-{width}-{scheme:?}"));
            page.keep_whole_screenshot(&format!("miniature-{width}-{scheme:?}-whole"));
        }
    }
}

/// A page whose content security policy lets none but its own script run.
fn reader_page() -> PathBuf {
    repository().join("crates/cli/tests/program/browser/reader.html")
}

#[test]
fn the_tests_do_to_a_page_what_a_reader_does() {
    let Some(browser) = Browser::start() else {
        return;
    };
    let page = browser.page();
    page.open_at(&reader_page(), "second");
    let said = || page.text_of("#said");
    assert_eq!(said(), "opened at #second");
    page.open_at(&reader_page(), "first");
    page.wait_for_text("#said", "at #first");
    page.click("#button");
    assert_eq!(said(), "clicked, true");
    page.press("Tab");
    page.select_option("#cell", "b");
    assert_eq!(said(), "chosen b");
    page.press("Tab");
    page.type_text("drop");
    page.press("Backspace");
    page.press("p");
    page.press("Space");
    page.press("3");
    assert_eq!(said(), "filter drop 3");
    page.press("Control+b");
    assert_eq!(said(), "held b");
    page.press("Shift+Tab");
    page.press("Shift+Tab");
    page.press("Enter");
    assert_eq!(said(), "clicked, true");
    page.hover_at("#chart", [0.25, 0.5]);
    assert_eq!(said(), "over 50, 50");
    page.hover("#chart");
    assert_eq!(said(), "over 100, 50");
    page.drop_file("#place", "training.log", "epoch 1");
    page.wait_for_text("#said", "dropped training.log: epoch 1");
    let desk = TempDir::new().expect("a folder");
    let file = desk.path().join("history.csv");
    fs::write(&file, "epoch,loss").expect("written");
    page.choose_file("#file", &file);
    page.wait_for_text("#said", "given history.csv: epoch,loss");
    assert_eq!((page.count("section"), page.printed_pages()), (2, 3));
    let color = || page.evaluate("getComputedStyle(document.body).color");
    assert_eq!(color(), "rgb(0, 0, 0)");
    page.set_color_scheme(ColorScheme::Dark);
    assert_eq!(color(), "rgb(255, 255, 255)");
    page.set_viewport(150, 900);
    assert!(page.overflow() > 0);
    assert_eq!(accessibility::violations(&page).unwrap_or_default(), [""; 0]);
    assert_nothing_is_at_fault(&page);
}

#[test]
fn what_a_page_does_wrong_is_noted() {
    let Some(browser) = Browser::start() else {
        return;
    };
    let desk = TempDir::new().expect("a folder");
    let file = desk.path().join("page.html");
    let noted = |body: &str| {
        fs::write(&file, body).expect("written");
        let page = browser.open(&file);
        (page.faults(), page.requests(), accessibility::violations(&page))
    };
    let picture = "http://thaw.invalid/picture.png";
    let (_, requests, broken) = noted(&format!("<img src='{picture}'>"));
    assert_eq!(requests, [picture]);
    for element in [
        "<iframe src='http://thaw.invalid/'></iframe>",
        "<script>new WebSocket('http://thaw.invalid/')</script>",
        "<link rel='stylesheet' href='http://thaw.invalid/'>",
    ] {
        let (_, requests, _) = noted(element);
        assert!(requests.len() == 1 && requests[0].contains("thaw.invalid"), "{requests:?}");
    }
    let broken = broken.map(|rules| rules.iter().any(|rule| rule.starts_with("image-alt")));
    assert!(broken.unwrap_or(true), "a picture without words");
    for (script, word) in [
        ("console.log('spoken')", "spoken"),
        ("throw new Error('thrown')", "thrown"),
        ("Promise.reject(new Error('rejected'))", "rejected"),
        ("fetch('http://thaw.invalid/').catch(() => 0)", "ERR_"),
    ] {
        let (faults, ..) = noted(&format!("<script>{script}</script>"));
        assert!(faults.len() == 1 && faults[0].contains(word), "{word}: {faults:?}");
    }
    let policy = "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'\">";
    let (faults, ..) = noted(&format!("{policy}<script>document.title = 'run'</script>"));
    assert!(faults.len() == 1 && faults[0].contains("Content Security Policy"), "{faults:?}");
    let (faults, requests, _) = noted("<p style='color: black'>Nothing.</p>");
    assert!(faults.is_empty() && requests.is_empty(), "{faults:?}, {requests:?}");
}
