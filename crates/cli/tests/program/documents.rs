//! What the documents quote of the program's output is what the program says, and their links lead
//! somewhere.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use thaw_analysis::{Measurements, Results, ResultsFolder, evaluate_ladder};
use thaw_report::{percent, points};
use thaw_spec::{Experiment, Metric};

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
    assert_eq!(lines.len(), 7 + 6 + 7, "{text}{}", String::from_utf8_lossy(&output.stderr));
    for line in lines {
        assert!(document.contains(&format!("\n{line}\n")), "docs/attribution.md lacks: {line}");
    }
    let gap = text
        .lines()
        .find_map(|line| line.strip_prefix("gap   ")?.split(" points").next())
        .expect("the gap");
    assert!(document.contains(&format!("The gap is {gap} points ")), "{gap}");
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

/// The callbacks that people copy are those that were run with the real packages.
#[test]
fn the_callbacks_in_the_page_on_auditing_are_those_of_the_script() {
    let repository = repository();
    let read = |path: &str| fs::read_to_string(repository.join(path)).expect("readable");
    let (page, script) = (read("docs/audit.md"), read("tools/cases/callbacks.py"));
    for library in ["Keras", "PyTorch"] {
        let (_, rest) =
            script.split_once(&format!("# docs/audit.md: {library}\n")).expect("a mark");
        let (code, _) = rest.split_once("    # docs/audit.md: end").expect("its end");
        let lines = code.lines().map(|line| line.strip_prefix("    ").unwrap_or(line));
        let code = lines.collect::<Vec<_>>().join("\n");
        assert!(page.contains(&format!("```python\n{code}\n```")), "{library}:\n{code}");
    }
}

/// The tables of files that were tried count what lies in the tests.
#[test]
fn the_page_on_files_counts_the_members_that_are_there() {
    let page = fs::read_to_string(repository().join("docs/files.md")).expect("readable");
    let cases = repository().join("crates/exchange/tests/cases");
    let count = |kind: &str| {
        let entries = fs::read_dir(cases.join(kind)).expect("a kind");
        let names = entries.map(|entry| entry.expect("an entry").file_name());
        names.filter(|name| !name.to_string_lossy().ends_with(".truth.json")).count().to_string()
    };
    let rows =
        table_rows(&page, "| dress | written by | members tried | right before | right now |");
    let told: Vec<&str> = rows.iter().map(|row| row[2].as_str()).collect();
    let kinds = ["printed", "hand", "notebooks", "json", "csv", "board", "shapes", "not-logs"];
    assert_eq!(told, kinds.map(count));
    let truth = fs::read(repository().join("crates/cli/tests/checkpoints/truth.json"));
    let truth: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(&truth.expect("the truth")).expect("an object");
    let sides = truth.values().filter_map(|case| case.as_object());
    let pairs =
        sides.flat_map(|case| case.values()).filter(|side| side["tensors"].is_array()).count();
    let rows = table_rows(&page, "| kind | written by | pairs tried | right before | right now |");
    let told: Vec<usize> = rows.iter().filter_map(|row| row[2].parse().ok()).collect();
    assert_eq!(told[..told.len() - 1].iter().sum::<usize>(), pairs);
    assert_eq!(told.last(), Some(&truth.keys().filter(|name| name.contains('/')).count()));
}

/// The rows of the table below a heading row, without the rule, as trimmed columns.
fn table_rows(document: &str, heading: &str) -> Vec<Vec<String>> {
    let (_, rest) = document.split_once(heading).expect("the table");
    rest.lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect())
        .collect()
}

#[test]
fn the_readmes_table_is_what_the_demonstration_ends_with() {
    let repository = repository();
    let text = fs::read_to_string(repository.join("experiments/miniature.toml"));
    let experiment = Experiment::parse("miniature.toml", &text.expect("the miniature"))
        .expect("an experiment")
        .with_planned_seeds_only();
    let folder = ResultsFolder::new(repository.join("results/miniature"));
    let results = Results::read(&folder, &experiment).expect("results");
    let accuracy = Measurements::new(&results, Metric::ValidationAccuracy, experiment.statistic)
        .with_images(&folder)
        .expect("predictions");
    let expected: Vec<[String; 2]> = evaluate_ladder(&experiment.ladder, &accuracy)
        .iter()
        .map(|rung| {
            let change = match (&rung.change, rung.equal) {
                (_, true) => "0, equal to the last bit".to_owned(),
                (Some(change), false) => points(change, rung.p_value),
                (None, false) => String::new(),
            };
            [percent(rung.estimate.as_ref().expect("it has run")), change]
        })
        .collect();
    let readme = fs::read_to_string(repository.join("README.md")).expect("the README");
    let shown: Vec<[String; 2]> = table_rows(&readme, "| change, one at a time |")
        .iter()
        .map(|row| [row[1].clone(), row[2].clone()])
        .collect();
    assert_eq!(shown, expected);
}

#[test]
fn the_accuracies_with_intervals_in_the_books_page_are_those_of_its_records() {
    let repository = repository();
    let read = |path: &str| fs::read_to_string(repository.join(path)).expect("readable");
    let (page, summary) = (read("docs/book.md"), read("results/book/summary.md"));
    // Such as `90.27 ± 0.17 %`: two words before the per cent sign and one between.
    let words: Vec<&str> = page.split_whitespace().collect();
    let quoted: Vec<String> = words
        .windows(3)
        .filter(|window| window[1] == "±" && window[2].contains('.'))
        .filter(|window| window[0].trim_matches(['(', '*']).starts_with(['8', '9']))
        .map(|window| format!("{} ± {} %", window[0].trim_matches(['(', '*']), window[2]))
        .collect();
    assert!(quoted.len() >= 10, "{quoted:?}");
    for accuracy in quoted {
        assert!(summary.contains(&accuracy), "docs/book.md quotes {accuracy}");
    }
}

/// A second program wrote the table; thaw's own summaries say the same.
#[test]
fn the_steps_in_the_page_on_certainty_are_those_of_the_summaries() {
    let repository = repository();
    let read = |path: String| fs::read_to_string(repository.join(path)).expect("readable");
    let rows = table_rows(&read("docs/certainty.md".to_owned()), "| experiment | step |");
    assert!(rows.len() >= 12, "{rows:?}");
    for row in rows {
        let [experiment, step, _, change, with_images] = &row[..] else { panic!("{row:?}") };
        let summary = read(format!("results/{experiment}/summary.md"));
        let line = summary
            .lines()
            .find(|line| {
                line.trim_matches('|').split('|').next().is_some_and(|said| said.trim() == step)
            })
            .unwrap_or_else(|| panic!("results/{experiment}/summary.md has no step `{step}`"));
        assert!(line.contains(change) && line.contains(with_images), "{row:?} against {line}");
    }
}
