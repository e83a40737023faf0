//! The scripts and the style of the page, and the policy that lets the browser use these alone.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

/// The modules of the explorer, each behind those that it imports.
const MODULES: [(&str, &str); 21] = [
    ("sort.js", include_str!("../../explorer/sort.js")),
    ("text.js", include_str!("../../explorer/text.js")),
    ("dom.js", include_str!("../../explorer/dom.js")),
    ("palette.js", include_str!("../../explorer/palette.js")),
    ("curves.js", include_str!("../../explorer/curves.js")),
    ("metric-names.js", include_str!("../../explorer/metric-names.js")),
    ("logs.js", include_str!("../../explorer/logs.js")),
    ("fragment.js", include_str!("../../explorer/fragment.js")),
    ("data.js", include_str!("../../explorer/data.js")),
    ("chart.js", include_str!("../../explorer/chart.js")),
    ("lines.js", include_str!("../../explorer/lines.js")),
    ("audit.js", include_str!("../../explorer/audit.js")),
    ("commands.js", include_str!("../../explorer/commands.js")),
    ("gap.js", include_str!("../../explorer/gap.js")),
    ("images.js", include_str!("../../explorer/images.js")),
    ("filters.js", include_str!("../../explorer/filters.js")),
    ("explore.js", include_str!("../../explorer/explore.js")),
    ("table.js", include_str!("../../explorer/table.js")),
    ("compare.js", include_str!("../../explorer/compare.js")),
    ("drop.js", include_str!("../../explorer/drop.js")),
    ("main.js", include_str!("../../explorer/main.js")),
];

/// The library that draws the charts.
const CHARTS: &str = include_str!("../../explorer/uplot/uPlot.iife.min.js");

/// Its licence, which the page shows.
pub(super) const CHARTS_LICENCE: &str = include_str!("../../explorer/uplot/LICENSE");

/// Whoever only builds Rust needs no Node: the modules are joined here.
static EXPLORER: LazyLock<String> = LazyLock::new(|| join(&MODULES));

static STYLE: LazyLock<String> = LazyLock::new(|| {
    [
        include_str!("style.css"),
        include_str!("../../explorer/uplot/uPlot.min.css"),
        include_str!("../../explorer/explorer.css"),
    ]
    .concat()
});

/// The style sheet of all pages.
pub(super) fn style() -> &'static str {
    &STYLE
}

/// The page's scripts, in the order in which they run.
pub(super) fn scripts() -> [&'static str; 2] {
    [CHARTS, &EXPLORER]
}

/// The content security policy: the browser runs these scripts and no others, and loads nothing
/// from anywhere.
pub(super) fn policy(scripts: &[&str]) -> String {
    let scripts: String = scripts.iter().map(|script| format!(" {}", source(script))).collect();
    format!("default-src 'none'; style-src {}; script-src{scripts}; img-src data:", source(style()))
}

/// A text as a source of the policy.
fn source(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)))
}

/// Modules as one function: without what they import, the word by which they export, and what they say
/// to the readers of their files.
fn join(modules: &[(&str, &str)]) -> String {
    let lines = modules.iter().flat_map(|(_, text)| without_comments(text));
    let lines = lines.filter(|line| !line.starts_with("import "));
    let lines = lines.map(|line| line.strip_prefix("export ").unwrap_or(line));
    let mut joined = String::from("(() => {\n\"use strict\";\n");
    lines.for_each(|line| {
        joined.push_str(line);
        joined.push('\n');
    });
    joined.push_str("})();\n");
    joined
}

/// The lines of a module that are no comment from end to end.
fn without_comments(text: &str) -> impl Iterator<Item = &str> {
    let mut inside = false;
    text.lines().filter(move |line| {
        let line = line.trim();
        inside |= line.starts_with("/**");
        let is_comment = inside || line.starts_with("//");
        inside &= !line.ends_with("*/");
        !is_comment && !line.is_empty()
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// The name that a line defines at the top of a module.
    fn defined(line: &str) -> Option<&str> {
        let line = line.strip_prefix("export ").unwrap_or(line);
        let line = line.strip_prefix("async ").unwrap_or(line);
        let name = ["function ", "const ", "let ", "class "]
            .into_iter()
            .find_map(|word| line.strip_prefix(word))?;
        let end = name.find(|character: char| {
            !character.is_alphanumeric() && character != '_' && character != '$'
        });
        Some(&name[..end.unwrap_or(name.len())])
    }

    #[test]
    fn modules_stand_behind_what_they_import_and_share_no_name() {
        let mut exported: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        let mut names: BTreeMap<&str, &str> = BTreeMap::new();
        for (file, text) in MODULES {
            for line in text.lines() {
                if let Some(import) = line.strip_prefix("import { ") {
                    let (wanted, from) =
                        import.split_once(" } from \"./").expect("a named import in one line");
                    let from = from.strip_suffix("\";").expect("it ends in its line");
                    let known = exported.get(from).unwrap_or_else(|| {
                        panic!("{file} imports {from}, which does not stand before it")
                    });
                    for name in wanted.split(", ") {
                        assert!(known.contains(&name), "{file}: {from} exports no {name}");
                    }
                }
                if let Some(name) = defined(line) {
                    let other = names.insert(name, file);
                    assert_eq!(other, None, "{name} is defined in {file} as well");
                    if line.starts_with("export ") {
                        exported.entry(file).or_default().push(name);
                    }
                }
            }
        }
    }

    #[test]
    fn comments_stay_in_the_files() {
        let module = "// The whole.\n\n/**\n * One.\n */\nexport const one = 1; // here\n/** Two. */\nconst two = /** @type {any} */ (2);\n";
        let joined = join(&[("numbers.js", module)]);
        assert_eq!(
            joined,
            "(() => {\n\"use strict\";\nconst one = 1; // here\nconst two = /** @type {any} */ (2);\n})();\n"
        );
        for (file, text) in MODULES {
            let lines = text.lines().map(str::trim);
            let opened = lines.clone().filter(|line| line.starts_with("/**")).count();
            assert_eq!(opened, lines.filter(|line| line.ends_with("*/")).count(), "{file}");
        }
    }

    #[test]
    fn no_script_or_style_ends_its_own_element() {
        for text in scripts().into_iter().chain([style()]) {
            let text = text.to_ascii_lowercase();
            assert!(
                !text.contains("</script") && !text.contains("</style") && !text.contains("<!--")
            );
        }
    }

    #[test]
    fn the_policy_names_every_script_and_the_style_and_nothing_else() {
        let policy = policy(&scripts());
        assert_eq!(policy.matches("'sha256-").count(), 3, "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
    }
}
