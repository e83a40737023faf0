//! The reference pages, `docs/experiment-file.md` and `docs/records.md`, name what the program
//! knows and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use tempfile::TempDir;
use thaw_analysis::{Results, ResultsFolder};
use thaw_spec::{
    AffineRanges, Expectations, Experiment, Metric, Profile, SpecError, Statistic, VerdictKind,
};
use toml::{Table, Value};

use crate::markdown::{Row, repository, rows};
use crate::thaw::thaw_in;

const FILE: &str = "experiment-file.md";
const RECORDS: &str = "records.md";

fn document(name: &str) -> String {
    fs::read_to_string(repository().join("docs").join(name)).expect(name)
}

/// The first block of code of a language below a heading.
fn example(name: &str, heading: &str, language: &str) -> String {
    let text = format!("\n{}", document(name));
    let (_, below) = text.split_once(&format!("\n{heading}\n")).expect(heading);
    let (_, code) = below.split_once(&format!("```{language}\n")).expect("a block of code");
    code.split("```").next().unwrap_or_default().to_owned()
}

/// What stands between backticks.
fn words(text: &str) -> BTreeSet<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The names that a message of the parser allows.
fn allowed(message: &str) -> BTreeSet<String> {
    message.split_once("expected ").map_or_else(BTreeSet::new, |(_, names)| words(names))
}

fn names(rows: &[Row]) -> BTreeSet<String> {
    let found: BTreeSet<String> = rows.iter().map(|row| row.name().to_owned()).collect();
    assert_eq!(found.len(), rows.len(), "a name is listed twice: {found:?}");
    found
}

fn read_experiment(text: &str) -> Result<(), SpecError> {
    Experiment::parse("x.toml", text).map(|_| ())
}

fn read_expectations(text: &str) -> Result<(), SpecError> {
    Expectations::parse("x.toml", text).map(|_| ())
}

/// What every experiment has.
const LEAST: [(&str, &str); 4] = [
    ("name", "\"x\""),
    ("seeds", "[0]"),
    ("dataset", "{ source = \"folder\" }"),
    ("base", "{ architecture = \"vgg16\" }"),
];

/// A table of a file, as the page describes it below a heading.
struct Described {
    heading: &'static str,
    /// The name of the first column.
    column: &'static str,
    /// What stands before the table's keys.
    before: String,
    /// The keys that it must have.
    required: &'static [(&'static str, &'static str)],
    read: fn(&str) -> Result<(), SpecError>,
}

impl Described {
    fn of_experiment(
        heading: &'static str,
        before: &str,
        required: &'static [(&'static str, &'static str)],
    ) -> Self {
        let least = LEAST.iter().filter(|(key, _)| !before.contains(&format!("[{key}]\n")));
        let least: String = least.map(|(key, value)| format!("{key} = {value}\n")).collect();
        let before = least + before;
        Self { heading, column: "key", before, required, read: read_experiment }
    }

    fn of_expectations(
        heading: &'static str,
        before: &str,
        required: &'static [(&'static str, &'static str)],
    ) -> Self {
        let before = before.to_owned();
        Self { heading, column: "key", before, required, read: read_expectations }
    }

    fn rows(&self) -> Vec<Row> {
        rows(FILE, self.heading, &[self.column, "type"])
    }

    /// The message for the table with the required keys, of which one may be left out, and others.
    fn say(&self, without: &str, others: &str) -> Option<String> {
        let kept = self.required.iter().filter(|(key, _)| *key != without);
        let kept: String = kept.map(|(key, value)| format!("{key} = {value}\n")).collect();
        let text = format!("{}{kept}{others}\n", self.before);
        (self.read)(&text).err().map(|error| error.to_string())
    }

    /// The message for a value of a key.
    fn say_of(&self, key: &str, value: &str) -> Option<String> {
        // Variants are counted only where there are some, and constants are those of an optimizer.
        let needed = match key {
            "variants" => "cache = \"variants\"\naugmentation = \"book\"\n",
            "momentum" => "optimizer = \"sgd\"\n",
            "beta_1" | "beta_2" | "weight_decay" => "optimizer = \"adam\"\n",
            _ => "",
        };
        self.say(key, &format!("{needed}{key} = {value}"))
    }
}

const BAND: &[(&str, &str)] =
    &[("metric", "\"test_loss\""), ("statistic", "\"final\""), ("lower", "0.0"), ("upper", "1.0")];

fn settings() -> Described {
    Described::of_experiment("`[procedure]`", "[procedure]\n", &[])
}

/// Every table with fixed keys.
fn tables() -> Vec<Described> {
    let selected = "[matrix]\ndropout = [0.0, 0.5]\n";
    vec![
        Described { before: String::new(), ..Described::of_experiment("Top level", "", &LEAST) },
        Described::of_experiment("`[dataset]`", "[dataset]\n", &[("source", "\"synthetic\"")]),
        Described::of_experiment("`[base]`", "[base]\n", &[("architecture", "\"vgg16\"")]),
        settings(),
        Described {
            column: "key of `augmentation`",
            ..Described::of_experiment(
                "An augmentation as a table",
                "[procedure.augmentation]\n",
                &[],
            )
        },
        Described::of_experiment("`[[phase]]`", "[[phase]]\n[[phase]]\n", &[]),
        Described::of_experiment(
            "`[[seeds_for]]`",
            &format!("{selected}[[seeds_for]]\n"),
            &[("where", "{ dropout = 0.5 }"), ("seeds", "[1]")],
        ),
        Described::of_experiment(
            "`[[ladder]]`",
            &format!("{selected}[[ladder]]\n"),
            &[("label", "\"x\""), ("where", "{ dropout = 0.5 }")],
        ),
        Described::of_experiment(
            "`[[published]]`",
            "[[published]]\n",
            &[("label", "\"x\""), ("file", "\"x\""), ("run", "\"x\"")],
        ),
        Described::of_experiment("`[launcher.slurm]`", "[launcher.slurm]\n", &[]),
        Described::of_expectations("Tables", "", &[]),
        Described::of_expectations("`[[band]]`", "[[band]]\n", BAND),
        Described {
            column: "key of `per_seed`",
            ..Described::of_expectations(
                "`[[band]]`",
                "[[band]]\nmetric = \"test_loss\"\nstatistic = \"final\"\nlower = 0.0\nupper = 1.0\n[band.per_seed]\n",
                &[("seeds", "[0]"), ("values", "[0.5]"), ("tolerance", "0.1")],
            )
        },
        Described::of_expectations(
            "`[[relation]]`",
            "[[relation]]\n",
            &[
                ("kind", "\"equal_curve\""),
                ("left", "{ a = 1 }"),
                ("right", "{ a = 2 }"),
                ("metric", "\"test_loss\""),
            ],
        ),
        Described::of_expectations("`[[audit]]`", "[[audit]]\n", &[("status", "\"completed\"")]),
        Described::of_expectations(
            "`[recorded]`",
            "[recorded]\n",
            &[("creator", "\"x\""), ("date", "\"x\""), ("commit", "\"x\""), ("machine", "\"x\"")],
        ),
    ]
}

#[test]
fn every_key_is_documented_and_no_other() {
    for table in tables() {
        let heading = table.heading;
        assert_eq!(table.say("", ""), None, "{heading}");
        let message = table.say("", "no_such_key = 0").expect("a message");
        let mut known = match table.column {
            // Its message names the augmentations as well.
            "key of `augmentation`" => ranges().keys().cloned().collect(),
            _ => allowed(&message),
        };
        // A key by which the parser tells kinds of tables apart is none of their fields.
        if heading == "`[dataset]`" {
            known.insert("source".to_owned());
        }
        let rows = table.rows();
        assert_eq!(names(&rows), known, "{heading}: {message}");
        for row in rows {
            let key = row.name();
            let is_required = table.say(key, "").is_some_and(|message| {
                assert!(
                    message.contains(&format!("missing field `{key}`")),
                    "{heading}: {message}"
                );
                true
            });
            assert_eq!(row.cell("default") == "required", is_required, "{heading}: {key}");
        }
    }
}

/// The ranges of an augmentation, as the parser knows them.
fn ranges() -> Table {
    Table::try_from(AffineRanges::default()).expect("a table")
}

/// The names that the page allows as the value of a key.
fn documented_values(heading: &str, key: &str) -> BTreeSet<String> {
    let rows = rows(FILE, heading, &["key", "value"]);
    let of_key: Vec<&Row> = rows.iter().filter(|row| row.name() == key).collect();
    let values: BTreeSet<String> = of_key.iter().flat_map(|row| words(row.cell("value"))).collect();
    assert!(values.len() >= of_key.len(), "a value of {key} is listed twice");
    values
}

/// What the page calls a type, from the message for the text `?`.
fn kind(message: Option<&str>) -> &'static str {
    match message {
        None => "text",
        Some(message) if message.contains("cannot name a folder") => "text",
        Some(message) if message.contains("or a table of") => "name or table",
        Some(message) if !allowed(message).is_empty() => "name",
        Some(message) => {
            let expected =
                message.split_once("expected ").map_or(message, |(_, expected)| expected);
            match expected {
                words if words.starts_with("a whole number") => "whole number",
                "a number" => "number",
                "a boolean" => "boolean",
                "a sequence" => "list",
                "a map" => "selector",
                _ => "table",
            }
        }
    }
}

#[test]
fn every_type_and_every_name_that_is_a_value_is_documented() {
    let mut with_values = BTreeSet::new();
    // The types in an augmentation's table are tested with its defaults: its message is of the whole.
    for table in tables().into_iter().filter(|table| table.column != "key of `augmentation`") {
        for row in table.rows() {
            let key = row.name();
            let message = table.say_of(key, "\"?\"");
            let (documented, found) = (row.cell("type"), kind(message.as_deref()));
            let agree = match found {
                "list" => documented.starts_with("list of "),
                other => documented == other,
            };
            assert!(agree, "{}: {key}: {documented}, {found}: {message:?}", table.heading);
            if found.starts_with("name") {
                let known = allowed(&message.unwrap_or_default());
                let is_expected = (table.read)("band = []").is_ok();
                let half = if is_expected { "The expectations" } else { "The experiment" };
                assert_eq!(documented_values(half, key), known, "{}: {key}", table.heading);
                with_values.insert(key.to_owned());
            }
        }
    }
    for row in rows(FILE, "The experiment file", &["key", "value"]) {
        assert!(with_values.contains(row.name()), "{} has no names as values", row.name());
    }
}

/// Values at the ends of a range: those that are in it, and those beside it.
fn ends(range: &str, epochs: i64) -> (Vec<String>, Vec<String>) {
    let texts = |values: &[f64]| values.iter().map(f64::to_string).collect::<Vec<_>>();
    let number = |text: &str| match text.trim() {
        "`epochs`" => epochs as f64,
        text => text.parse().unwrap_or_else(|_| panic!("{range}")),
    };
    if let Some(least) = range.strip_prefix("≥ ") {
        let least = number(least);
        (texts(&[least]), texts(&[least - 1.0]))
    } else if let Some(beyond) = range.strip_prefix("> ") {
        let beyond = number(beyond);
        (texts(&[beyond + 1e-12]), texts(&[beyond, beyond - 1e-12]))
    } else if let Some(inner) = range.strip_prefix('[').and_then(|range| range.strip_suffix(')')) {
        let (low, high) = inner.split_once(',').expect("two ends");
        let (low, high) = (number(low), number(high));
        (texts(&[low, high - 1e-12]), texts(&[low - 1e-12, high]))
    } else if let Some(inner) = range.strip_prefix('[').and_then(|range| range.strip_suffix(']')) {
        let (low, high) = inner.split_once(',').expect("two ends");
        let (low, high) = (number(low), number(high));
        (texts(&[low, high]), texts(&[low - 1e-12, high + 1e-12]))
    } else if let Some(inner) = range.strip_prefix('(').and_then(|range| range.strip_suffix(']')) {
        let (low, high) = inner.split_once(',').expect("two ends");
        let (low, high) = (number(low), number(high));
        (texts(&[low + 1e-12, high]), texts(&[low, high + 1e-12]))
    } else {
        let (low, high) = range.split_once(" to ").unwrap_or_else(|| panic!("{range}"));
        let (low, high) = (number(low), number(high));
        (texts(&[low, high]), texts(&[low - 1.0, high + 1.0]))
    }
}

#[test]
fn every_range_of_numbers_is_the_parsers() {
    let epochs = defaults()["epochs"].as_integer().expect("a number");
    let with_ranges = tables().into_iter().filter(|table| {
        ["`[dataset]`", "`[procedure]`", "An augmentation as a table"].contains(&table.heading)
    });
    for table in with_ranges {
        for row in table.rows() {
            let (key, range) = (row.name(), row.cell("range"));
            if range.is_empty() {
                // Angles and shifts may be anything.
                let may_be_anything =
                    !row.cell("type").ends_with("number") || table.column != "key";
                assert!(may_be_anything, "{key} has no range");
                continue;
            }
            let (inside, outside) = ends(range, epochs);
            for value in inside {
                assert_eq!(table.say_of(key, &value), None, "{key} = {value}");
            }
            for value in outside {
                let message = table.say_of(key, &value).unwrap_or_default();
                let is_refused = message.contains(key) || message.contains(&value);
                assert!(is_refused, "{key} = {value} is accepted, or not for its value: {message}");
            }
        }
    }
}

fn source(path: &str) -> Table {
    fs::read_to_string(repository().join(path)).expect(path).parse().expect("TOML")
}

fn defaults() -> Table {
    source("crates/spec/src/defaults.toml")
}

/// Whether the page gives a value, in backticks; nothing stands for no value.
#[track_caller]
fn assert_gives(cell: &str, value: Option<&Value>, what: &str) {
    let written = words(cell).into_iter().next();
    let agree = match (&written, value) {
        (None, None) => true,
        (Some(written), Some(Value::String(text))) => written == text,
        (Some(written), Some(Value::Float(number))) => written.parse() == Ok(*number),
        (Some(written), Some(Value::Integer(number))) => written.parse() == Ok(*number),
        (Some(written), Some(Value::Boolean(truth))) => written.parse() == Ok(*truth),
        _ => false,
    };
    assert!(agree, "{what}: the page says {cell}, the program {value:?}");
}

#[test]
fn every_default_is_documented() {
    let defaults = defaults();
    for row in settings().rows() {
        assert_gives(row.cell("default"), defaults.get(row.name()), row.name());
    }
    let text = "name = \"x\"\nseeds = [0]\n[dataset]\nsource = \"synthetic\"\n[base]\narchitecture = \"vgg16\"\n";
    let drawn = Experiment::parse("x.toml", text).expect("an experiment").dataset;
    let mut drawn = Table::try_from(drawn).expect("a table");
    drawn.remove("source");
    for row in
        rows(FILE, "`[dataset]`", &["key", "type"]).iter().filter(|row| row.name() != "source")
    {
        assert_gives(row.cell("default"), drawn.get(row.name()), row.name());
    }
    let book = Table::try_from(AffineRanges::KERAS_2_0_8).expect("a table");
    let plain = ranges();
    for row in rows(FILE, "An augmentation as a table", &["key of `augmentation`", "type"]) {
        let key = row.name();
        let kind = if plain[key].is_bool() { "boolean" } else { "number" };
        assert_eq!(row.cell("type"), kind, "{key}");
        assert_gives(row.cell("default"), plain.get(key), key);
        assert_gives(row.cell("`book`"), book.get(key), key);
    }
}

#[test]
fn every_setting_of_every_profile_is_documented() {
    let (defaults, profiles) = (defaults(), source("crates/spec/src/profiles.toml"));
    let documented = rows(FILE, "Profiles", &["setting", "default"]);
    for profile in Profile::ALL.map(Profile::name) {
        let settings = profiles[profile].as_table().expect("a table");
        assert_eq!(names(&documented), settings.keys().cloned().collect(), "{profile}");
        for row in &documented {
            let what = format!("{} of {profile}", row.name());
            let (cell, value) = (row.cell(&format!("`{profile}`")), &settings[row.name()]);
            // What depends on the object that a flag is set on.
            match value.as_table().map(|table| (&table["layers"], &table["container"])) {
                Some((layers, container)) if layers != container => {
                    let (layers, container) = (layers.as_str(), container.as_str());
                    let (layers, container) = layers.zip(container).expect("names");
                    let both =
                        format!("`{layers}`; `{container}` with `freeze_by = \"container\"`");
                    assert_eq!(cell, both, "{what}");
                }
                Some((either, _)) => assert_gives(cell, Some(either), &what),
                None => assert_gives(cell, Some(value), &what),
            }
        }
    }
    for row in &documented {
        assert_gives(row.cell("default"), defaults.get(row.name()), row.name());
    }
}

#[test]
fn the_examples_can_be_read_and_show_every_table() {
    let text = example(FILE, "## The experiment", "toml");
    let experiment = Experiment::parse("mine.toml", &text).expect("an experiment");
    let cells: usize =
        experiment.procedures().map(|(levels, _)| experiment.seeds_of(levels).len()).sum();
    let said = format!("It has {} procedures and {cells} cells", experiment.procedures().len());
    assert!(document(FILE).contains(&said), "{said}");
    let keys: BTreeSet<String> = text.parse::<Table>().expect("TOML").keys().cloned().collect();
    let mut known = names(&rows(FILE, "Top level", &["key", "type"]));
    // It stands in a level of a factor.
    assert!(text.contains(".phase]]") && known.remove("phase"));
    assert_eq!(keys, known);

    let text = example(FILE, "## The expectations", "toml");
    let expectations = Expectations::parse("mine.expected.toml", &text).expect("expectations");
    expectations.check_selectors(&experiment.known_levels()).expect("its selectors");
    let keys: BTreeSet<String> = text.parse::<Table>().expect("TOML").keys().cloned().collect();
    let mut known = names(&rows(FILE, "Tables", &["key", "type"]));
    // It is written by `thaw check --update`.
    known.remove("recorded");
    assert_eq!(keys, known);
    let chosen = |selector: &thaw_spec::Selector| {
        experiment.procedures().filter(|(levels, _)| selector.matches(levels)).count()
    };
    for relation in &expectations.relations {
        assert_eq!((chosen(&relation.left), chosen(&relation.right)), (1, 1));
    }
    let kinds = rows(FILE, "`[[relation]]`", &["key", "value"]);
    assert_eq!(expectations.relations.len(), kinds.len(), "a relation of each kind");
}

#[test]
fn every_verdict_is_documented() {
    let verdicts =
        [VerdictKind::Pass, VerdictKind::Inconclusive, VerdictKind::Missing, VerdictKind::Fail];
    let documented = names(&rows(FILE, "Tables", &["verdict", "meaning"]));
    assert_eq!(documented, verdicts.map(|verdict| verdict.to_string()).into());
}

/// The text of every file below some folders of the repository, what compilers write left out.
fn sources(folders: &[&str]) -> Vec<(String, String)> {
    fn walk(path: &Path, found: &mut Vec<(String, String)>) {
        if path.is_dir() && path.ends_with("target") {
            return;
        }
        if path.is_dir() {
            for entry in fs::read_dir(path).expect("a folder") {
                walk(&entry.expect("an entry").path(), found);
            }
        } else if let Ok(text) = fs::read_to_string(path) {
            found.push((path.display().to_string(), text));
        }
    }
    let mut found = Vec::new();
    for folder in folders {
        walk(&repository().join(folder), &mut found);
    }
    found
}

#[test]
fn every_exit_code_is_documented() {
    let documented = names(&rows(RECORDS, "Exit codes", &["code", "meaning"]));
    // Constants of one byte in the sources that exit: `const USAGE: u8 = 64;`.
    let code = |line: &str| {
        let (name, value) = line.split_once(": u8 = ")?;
        name.contains("const ").then(|| value.trim_end_matches(';').to_owned())
    };
    let in_code: BTreeSet<String> = sources(&["crates"])
        .iter()
        .filter(|(path, text)| path.contains("/src/") && text.contains("ExitCode::from("))
        .flat_map(|(_, text)| text.lines().filter_map(code))
        .collect();
    assert_eq!(documented, in_code);
    let help = thaw_in(&repository()).arg("--help").output();
    let help = String::from_utf8_lossy(&help.expect("it runs").stdout).into_owned();
    let (_, listed) = help.split_once("Exit codes:").expect("exit codes");
    let listed: BTreeSet<String> = listed
        .split_whitespace()
        .filter(|word| word.parse::<u8>().is_ok())
        .map(str::to_owned)
        .collect();
    assert_eq!(documented, listed);
}

#[test]
fn every_environment_variable_is_documented() {
    let rows = rows(RECORDS, "Environment variables", &["variable", "default"]);
    let all = sources(&["crates", "tools", ".ci", "justfile"]);
    let mut used = BTreeSet::new();
    let mut defaults = BTreeMap::new();
    for (_, text) in &all {
        for (place, _) in text.match_indices("THAW_") {
            let name: String = text[place..]
                .chars()
                .take_while(|letter| letter.is_ascii_uppercase() || *letter == '_')
                .collect();
            // Those of the compiler are not the environment's.
            let is_compilers = text.contains(&format!("rustc-env={name}"))
                || text.contains(&format!("env!(\"{name}\")"));
            if name.len() > "THAW_".len() && !is_compilers {
                used.insert(name);
            }
        }
        for line in text.lines() {
            let quoted = |after: &str| line.split_once(after)?.1.split('"').next();
            if let (Some(name), Some(default)) = (quoted("env = \""), quoted("default_value = \""))
            {
                defaults.insert(name.to_owned(), default.to_owned());
            }
            if let Some(default) = quoted("const RUNS: &str = \"") {
                defaults.insert("THAW_RESULTS".to_owned(), default.to_owned());
            }
        }
    }
    assert_eq!(names(&rows), used);
    for row in &rows {
        let default = defaults.get(row.name()).cloned().map(Value::String);
        assert_gives(row.cell("default"), default.as_ref(), row.name());
    }
}

/// A small matrix of everything that a sweep may write something about.
const SMALL: &str = r#"
name = "small"
seeds = [0]
[dataset]
source = "synthetic"
train = 8
validation = 4
test = 4
[base]
architecture = "mini_vgg"
[procedure]
image_size = 32
epochs = 2
batch_size = 4
hidden_units = 4
augmentation = "book"
[matrix.regime]
one = { cache = "variants", variants = 1 }
two = { cache = "variants", variants = 2 }
thawed = { optimizer_collects = "everything" }
[[ladder]]
label = "one variant"
where = { regime = "one" }
[[ladder]]
label = "two variants"
where = { regime = "two" }
"#;

/// Whether a path is what a pattern says: `<…>` stands for the name of a file or folder, or the
/// beginning of one.
fn fits(path: &str, pattern: &str) -> bool {
    let (path, pattern): (Vec<_>, Vec<_>) =
        (path.split('/').collect(), pattern.split('/').collect());
    path.len() == pattern.len()
        && path.iter().zip(pattern).all(|(part, pattern)| match pattern.split_once('>') {
            Some((_, end)) => part.ends_with(end),
            None => *part == pattern,
        })
}

fn files(folder: &Path, root: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, root, found);
        } else {
            let inside = path.strip_prefix(root).expect("inside");
            found.push(inside.display().to_string());
        }
    }
}

#[test]
fn every_file_of_a_sweep_is_documented_and_no_other() {
    let desk = TempDir::new().expect("a folder");
    fs::write(desk.path().join("small.toml"), SMALL).expect("written");
    let output = thaw_in(desk.path())
        .args(["sweep", "small.toml", "--quiet", "--results", "written", "--cache", "cache"])
        .output()
        .expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let root = desk.path().join("written/small");
    let mut written = Vec::new();
    files(&root, &root, &mut written);
    let patterns = names(&rows(RECORDS, "Files", &["file", "written"]));
    // A name of its own comes before the pattern for many.
    let fixed = |path: &str| patterns.contains(path);
    for path in &written {
        let is_known = patterns.iter().any(|pattern| fits(path, pattern));
        assert!(is_known, "{path} is not documented");
    }
    for pattern in &patterns {
        let is_written =
            written.iter().any(|path| fits(path, pattern) && (path == pattern || !fixed(path)));
        assert!(is_written, "{pattern} is not written: {written:?}");
    }
}

/// A committed cell of the miniature, exported.
fn exported(format: &str) -> String {
    let desk = TempDir::new().expect("a folder");
    let output = desk.path().join("export");
    let done = thaw_in(&repository())
        .args(["export", "--results", "results", "--only", "regime=cached", "--format", format])
        .arg("--output")
        .arg(&output)
        .output()
        .expect("it runs");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    fs::read_to_string(output).expect("an export")
}

#[test]
fn every_column_and_field_of_an_export_is_documented_and_no_other() {
    let factors = ["regime", "augmentation", "preprocessing", "dropout"];
    let table = exported("csv");
    let columns: Vec<&str> = table.lines().next().expect("a heading").split(',').collect();
    let documented: Vec<String> = rows(RECORDS, "Exports", &["column", "meaning"])
        .iter()
        .flat_map(|row| match row.name() {
            "<factor>" => factors.map(str::to_owned).to_vec(),
            name => vec![name.to_owned()],
        })
        .collect();
    assert_eq!(documented, columns);

    let runs: serde_json::Value = serde_json::from_str(&exported("json")).expect("JSON");
    let run = runs[0].as_object().expect("a run");
    let documented = rows(RECORDS, "Exports", &["field", "type"]);
    let mut fields = BTreeSet::new();
    for row in &documented {
        let name = row.name();
        let (name, value) = match name.split_once(".<") {
            None => (name, &run[name]),
            Some((name, _)) => {
                (name, run[name].as_object().and_then(|all| all.values().next()).expect("one"))
            }
        };
        let kind = match value {
            serde_json::Value::String(_) => "string",
            serde_json::Value::Array(_) => "list",
            serde_json::Value::Number(number) if number.is_u64() => "whole number",
            _ => "something else",
        };
        assert_eq!(row.cell("type"), kind, "{name}");
        fields.insert(name.to_owned());
    }
    assert_eq!(fields, run.keys().cloned().collect());
    let keys = |field: &str| -> BTreeSet<String> {
        run[field].as_object().expect("an object").keys().cloned().collect()
    };
    assert_eq!(keys("levels"), factors.map(str::to_owned).into());
    assert!(
        ["dataset_sha256", "weights_sha256"].iter().all(|name| keys("parameters").contains(*name))
    );
    assert!(keys("history").iter().all(|name| columns.contains(&name.as_str())));
}

#[test]
fn the_numbers_beside_the_example_in_python_are_those_of_the_committed_records() {
    let text =
        fs::read_to_string(repository().join("experiments/miniature.toml")).expect("readable");
    let experiment = Experiment::parse("miniature.toml", &text).expect("an experiment");
    let folder = ResultsFolder::new(repository().join("results/miniature"));
    let results = Results::read(&folder, &experiment.with_planned_seeds_only()).expect("results");
    let shown: Vec<Vec<String>> = example(RECORDS, "# The records", "text")
        .lines()
        .filter_map(|line| line.strip_prefix("│ "))
        .map(|line| {
            line.trim_end_matches('│').split('┆').map(|cell| cell.trim().to_owned()).collect()
        })
        .filter(|cells: &Vec<String>| cells[2].parse::<f64>().is_ok())
        .collect();
    let mut expected = Vec::new();
    for procedure in &results.procedures {
        let level = |factor: &str| {
            let found = procedure.levels.iter().find(|(name, _)| name == factor);
            found.map(|(_, level)| level.clone()).unwrap_or_default()
        };
        if level("augmentation") == "none" && level("dropout") == "0.0" {
            let sample =
                procedure.sample(Metric::ValidationAccuracy, Statistic::Final).expect("runs");
            let mean = (sample.mean() * 1e6).round() / 1e6;
            expected.push(vec![level("regime"), level("preprocessing"), mean.to_string()]);
        }
    }
    expected.sort();
    assert_eq!(shown, expected);
}
