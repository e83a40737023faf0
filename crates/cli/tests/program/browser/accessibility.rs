//! What axe-core finds against a page. `THAW_TEST_AXE` names its `axe.min.js`.

use std::fs;

use serde_json::{Value, json};

use super::page::Page;

/// Runs the rules with some tags, and says which were broken, and where.
const RUN: &str = r#"async (tags) => {
  const found = await axe.run(document, { runOnly: { type: "tag", values: tags }, resultTypes: ["violations"] });
  return found.violations.map(({ id, impact, help, nodes }) => {
    const places = nodes.slice(0, 3).map((node) => `${node.target.join(" ")}: ${node.failureSummary}`);
    return `${id} (${impact}): ${help}, ${nodes.length} times: ${places.join("; ")}`.replace(/\s+/g, " ");
  });
}"#;

const TAGS: [&str; 5] = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"];

/// The rules that a page breaks; nothing without axe-core, which is said.
#[track_caller]
pub(super) fn violations(page: &Page) -> Option<Vec<String>> {
    let Some(axe) = std::env::var_os("THAW_TEST_AXE").filter(|axe| !axe.is_empty()) else {
        eprintln!("skipped: THAW_TEST_AXE names no axe.min.js");
        return None;
    };
    let axe = fs::read_to_string(axe).expect("the file that THAW_TEST_AXE names");
    // An expression of JavaScript has a value, and that of axe-core cannot be returned.
    page.evaluate(&format!("{axe};true"));
    let found = page.call(RUN, &[json!(TAGS)]);
    let found = found.as_array().expect("a list").iter();
    Some(found.filter_map(Value::as_str).map(str::to_owned).collect())
}
