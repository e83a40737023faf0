//! What the documents quote of the program's output is what the program says, and their links lead
//! somewhere.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::markdown::repository;
use crate::thaw::thaw_in;

#[test]
fn the_attribution_in_the_documents_is_the_programs() {
    let repository = repository();
    let document =
        fs::read_to_string(repository.join("docs/attribution.md")).expect("the document");
    let quoted = |flag: &str| {
        let rest = document.split(flag).nth(1).expect("the command is quoted");
        rest.split('\'').nth(1).expect("levels in quotation marks")
    };
    let output = thaw_in(&repository)
        .env("THAW_RESULTS", "results")
        .args(["attribute", "--from", quoted("--from "), "--to", quoted("--to ")])
        .output()
        .expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with('|')).collect();
    assert_eq!(lines.len(), 7 + 6 + 5, "{text}{}", String::from_utf8_lossy(&output.stderr));
    for line in lines {
        assert!(document.contains(&format!("\n{line}\n")), "docs/attribution.md lacks: {line}");
    }
    let gap = text
        .lines()
        .find_map(|line| line.strip_prefix("gap   ")?.split(" [").next())
        .expect("the gap");
    assert!(document.contains(&format!("The gap is {gap} ")), "{gap}");
}

/// The anchors that GitHub gives to the headings of a text.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| {
            let title = line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
            title
                .chars()
                .filter(|letter| letter.is_alphanumeric() || "-_".contains(*letter))
                .collect()
        })
        .collect()
}

#[test]
fn every_link_between_the_documents_leads_somewhere() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let mut links = 0;
    for entry in fs::read_dir(&folder).expect("the documents") {
        let path = entry.expect("a document").path();
        if path.extension().is_none_or(|extension| extension != "md") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("readable");
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.starts_with("https://") {
                continue;
            }
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { path.clone() } else { folder.join(file) };
            assert!(target.exists(), "{}: {link}", path.display());
            if !anchor.is_empty() {
                let known = anchors(&fs::read_to_string(&target).expect("readable"));
                assert!(known.contains(anchor), "{}: {link} is none of {known:?}", path.display());
            }
            links += 1;
        }
    }
    assert!(links > 50, "only {links} links were found");
}
