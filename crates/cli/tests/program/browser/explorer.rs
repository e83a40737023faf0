//! What a reader does with the report: points, filters, chooses two, sends a link, drops a log.

use std::path::PathBuf;

use tempfile::TempDir;

use super::accessibility;
use super::page::{Browser, ColorScheme, Page};
use super::{assert_nothing_is_at_fault, draw};

/// What Keras 2 prints, of a training that ends at 93 % of the validation images.
const LOG: &str = "Epoch 1/3
100/100 [==============================] - 9s - loss: 0.6200 - acc: 0.6500 - val_loss: 0.5100 - val_acc: 0.8100
Epoch 2/3
100/100 [==============================] - 9s - loss: 0.4200 - acc: 0.8000 - val_loss: 0.3100 - val_acc: 0.8900
Epoch 3/3
100/100 [==============================] - 9s - loss: 0.3200 - acc: 0.8700 - val_loss: 0.2400 - val_acc: 0.9300
";

/// A browser, and the page of the miniature in a folder.
fn miniature(browser: &Browser) -> (Page<'_>, PathBuf, TempDir) {
    let desk = TempDir::new().expect("a folder");
    let file = draw("miniature", desk.path());
    let page = browser.open(&file);
    page.wait_for_text("#explore [role=status]", "cells shown");
    (page, file, desk)
}

#[test]
fn a_reader_filters_cells_and_reads_curves_by_mouse_and_keyboard() {
    let Some(browser) = Browser::start() else {
        return;
    };
    let (page, _, _desk) = miniature(&browser);
    let rows = || page.count("#cells-table tbody tr:not([hidden])");
    let all = rows();
    page.click("#explore fieldset:nth-of-type(2) input");
    assert!(rows() < all, "{} of {all}", rows());
    page.wait_for_text("#explore [role=status]", &format!("{} of {all} cells shown", rows()));
    page.click("#explore .filters input:not([type=checkbox])");
    page.type_text("no such cell");
    assert_eq!(rows(), 0);
    page.evaluate("document.querySelector('#explore .filters input:not([type=checkbox])').value = ''; document.querySelector('#explore .filters input:not([type=checkbox])').dispatchEvent(new Event('input', { bubbles: true }))");
    page.click("#explore fieldset:nth-of-type(2) input");
    assert_eq!(rows(), all);

    let read = || page.text_of("#explore .values");
    page.hover_at("#explore .plot", [0.5, 0.5]);
    let pointed = page.wait_for_text("#explore .values", "poch");
    assert!(pointed.contains('%'), "{pointed}");
    page.evaluate("document.querySelector('#explore .plot').focus()");
    page.press("Home");
    let first = read();
    assert!(first.contains("poch 1"), "{first}");
    page.press("ArrowRight");
    assert!(read().contains("poch 2"), "{}", read());
    page.press("End");
    let last = read();
    assert!(last != first && !last.contains("poch 2 "), "{last}");
    // Enlarged, the cursor stays where it was, and the chart follows it out of its range.
    page.press("+");
    assert_eq!(read(), last);
    page.press("Home");
    assert_eq!(read(), first);
    assert_nothing_is_at_fault(&page);
}

#[test]
fn a_line_that_was_taken_out_by_the_legend_stays_out_in_a_link() {
    let Some(browser) = Browser::start() else {
        return;
    };
    let (page, file, _desk) = miniature(&browser);
    let out = "#explore .legend button[aria-pressed=false]";
    assert_eq!(page.count(out), 0);
    page.click("#explore .legend button:nth-of-type(2)");
    assert_eq!(page.count(out), 1);
    let fragment = page.evaluate("location.hash.slice(1)");
    let fragment = fragment.as_str().expect("a fragment").to_owned();
    assert!(fragment.starts_with("hidden="), "{fragment}");

    let other = browser.page();
    other.open_at(&file, &fragment);
    other.wait_for_text("#explore [role=status]", "cells shown");
    assert_eq!(other.text_of(out), page.text_of(out));
    other.click(out);
    assert_eq!(other.count(out), 0);
    assert_nothing_is_at_fault(&other);
}

#[test]
fn a_link_shows_the_two_cells_that_were_chosen() {
    let Some(browser) = Browser::start() else {
        return;
    };
    let (page, file, _desk) = miniature(&browser);
    page.click("#cells-table tr[data-cell='1'] .choose button:nth-of-type(1)");
    page.click("#cells-table tr[data-cell='2'] .choose button:nth-of-type(2)");
    let gap = page.wait_for_text("#compare-gap", "points");
    let section = page.text_of("#compare");
    for part in ["What differs", "divided", "disagree", "declared frozen", "thaw attribute"] {
        assert!(section.contains(part), "{part}: {section}");
    }
    let fragment = page.evaluate("location.hash.slice(1)");
    let fragment = fragment.as_str().expect("a fragment").to_owned();
    assert!(fragment.contains("a=regime=cached"), "{fragment}");

    let other = browser.page();
    other.open_at(&file, &fragment);
    assert_eq!(other.wait_for_text("#compare-gap", "points"), gap);
    assert_nothing_is_at_fault(&other);

    let wrong = browser.page();
    wrong.open_at(&file, "a=regime=nothing&b=regime=else");
    wrong.wait_for_text(".problems", "does not have");
    assert_nothing_is_at_fault(&wrong);
}

#[test]
fn a_log_that_is_dropped_on_the_page_is_compared() {
    let Some(browser) = Browser::start() else {
        return;
    };
    let (page, _, _desk) = miniature(&browser);
    page.drop_file("main", "mine.log", LOG);
    page.wait_for_text("#compare [role=status].log-status", "mine.log");
    let chosen = page.evaluate(
        "document.querySelectorAll('#compare .sides select')[1].selectedOptions[0].textContent",
    );
    assert!(chosen.as_str().is_some_and(|name| name.contains("mine.log")), "{chosen}");
    page.drop_file("main", "<img src=x>.txt", "nothing of the kind");
    let refused = page.text_of("#compare [role=status].log-status");
    assert!(refused.contains("<img src=x>.txt"), "{refused}");
    assert_nothing_is_at_fault(&page);
}

#[test]
fn the_explorer_breaks_no_rule_of_accessibility_and_fits_a_telephone() {
    let Some(browser) = Browser::start() else {
        return;
    };
    let (page, _, _desk) = miniature(&browser);
    page.drop_file("main", "mine.log", LOG);
    page.wait_for_text("#compare [role=status].log-status", "mine.log");
    page.hover_at("#explore .plot", [0.5, 0.5]);
    for scheme in [ColorScheme::Light, ColorScheme::Dark] {
        page.set_color_scheme(scheme);
        for width in [360, 1400] {
            page.set_viewport(width, 900);
            assert!(page.overflow() <= 0, "{width}: {}", page.overflow());
            if let Some(broken) = accessibility::violations(&page) {
                assert!(broken.is_empty(), "{scheme:?} {width}:\n{}", broken.join("\n"));
            }
        }
    }
    assert_nothing_is_at_fault(&page);
}
