//! What the documents quote of the program's output is what the program says.

use std::fs;
use std::path::Path;

use assert_cmd::Command;

#[test]
fn the_attribution_in_the_documents_is_the_programs() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let document =
        fs::read_to_string(repository.join("docs/attribution.md")).expect("the document");
    let quoted = |flag: &str| {
        let rest = document.split(flag).nth(1).expect("the command is quoted");
        rest.split('\'').nth(1).expect("levels in quotation marks")
    };
    let mut command = Command::cargo_bin("thaw").expect("the program");
    let command = command.current_dir(&repository).env("THAW_RESULTS", "results");
    let output = command
        .args(["attribute", "--from", quoted("--from "), "--to", quoted("--to ")])
        .output()
        .expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with('|') || line.starts_with("interaction of "))
        .collect();
    assert_eq!(lines.len(), 7 + 6 + 3, "{text}{}", String::from_utf8_lossy(&output.stderr));
    for line in lines {
        assert!(document.contains(&format!("\n{line}\n")), "docs/attribution.md lacks: {line}");
    }
    let gap = text
        .lines()
        .find_map(|line| line.strip_prefix("gap   ")?.split(" [").next())
        .expect("the gap");
    assert!(document.contains(&format!("The gap is {gap} points")), "{gap}");
}
