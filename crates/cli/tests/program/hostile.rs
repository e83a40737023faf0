//! Names that were chosen to do harm, or by chance do: of classes, images, factors, levels, tensors,
//! runs and files, on their way through the whole program. Nothing that they hold may be executed by a
//! browser, a terminal, a spreadsheet or a shell, leave the folder that it belongs to, or stand for
//! another name.

#![cfg(unix)]

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::Output;

use quick_xml::events::Event;
use serde_json::Value;
use tempfile::TempDir;

use crate::browser;
use crate::thaw::{assert_code, succeeds, text, thaw_in};

/// Names of class folders.
const CLASSES: [&[u8]; 12] = [
    b"<script>document.title='harmed'<script>",
    b"\"><img src=x onerror=document.title='harmed'>",
    b"=HYPERLINK(\"http:x\")",
    b"a\nb\tc",
    b"\x1b[2J\x1b]52;c;aGk=\x07",
    b"\xc2\x9b2J\xe2\x80\xaeevil\xe2\x81\xa6",
    b"z\xe2\x80\x8bw",
    b"-rf",
    b"q..|`dots`",
    b"\xff\xfebad",
    b"\xff\xfdbad",
    &[b'x'; 255],
];

/// Names of images.
const IMAGES: [&[u8]; 2] = [b"\x1b]8;;http:e\x07x\x1b]8;;\x07.png", b"=1+1\n\xff.png"];

/// Two factors with three and two levels; two of the three differ in characters alone that no file name
/// has. Nothing here is refused.
const EXPERIMENT: &str = r##"
name = "hostile"
title = "<script>document.title='harmed'</script> \u202Eevil & | `x` \u001b[2J"
seeds = [0, 1]
[dataset]
source = "folder"
[base]
architecture = "mini_vgg"
[procedure]
image_size = 32
epochs = 2
batch_size = 8
hidden_units = 8
cache = "features"
[matrix."@HYPERLINK(\"http://x\")<b>"]
"../../../outside|\u202E" = { learning_rate = 1e-3 }
"..:..:..:outside|\u202E" = { learning_rate = 2e-3 }
"\uFFFE\"><img src=x onerror=document.title='harmed'>" = { learning_rate = 3e-3 }
[matrix."../../outside"]
"-0.5" = { dropout = 0.5 }
"=SUM(1+1)*cmd|' /C calc'!A0, חתול" = { dropout = 0.25 }
[[published]]
label = "<svg onload=document.title='harmed'>\uFFFF"
file = "published\u202E.csv"
run = "=theirs|<b>"
[[ladder]]
label = "a | `b` <img src=x onerror=document.title='harmed'> \u202E"
where = { "@HYPERLINK(\"http://x\")<b>" = "../../../outside|\u202E", "../../outside" = "-0.5" }
[[ladder]]
label = "=2+2 חתול"
where = { "@HYPERLINK(\"http://x\")<b>" = "..:..:..:outside|\u202E", "../../outside" = "=SUM(1+1)*cmd|' /C calc'!A0, חתול" }
"##;

/// The first factor, two of its levels, and the second factor.
const FACTOR: &str = "@HYPERLINK(\"http://x\")<b>";
const LEVELS: [&str; 2] = ["../../../outside|\u{202e}", "..:..:..:outside|\u{202e}"];
const OTHER: &str = "../../outside";
const FORMULA: &str = "=SUM(1+1)*cmd|' /C calc'!A0, חתול";

/// A folder with the experiment, its images and nothing else.
struct Desk {
    root: TempDir,
}

impl Desk {
    /// Nothing where the file system has no such names.
    fn new() -> Option<Self> {
        let root = TempDir::new().expect("a folder");
        for (split, count) in [("train", 2), ("validation", 1)] {
            for (number, class) in CLASSES.iter().enumerate() {
                let folder = root.path().join("images").join(split).join(OsStr::from_bytes(class));
                fs::create_dir_all(&folder).ok()?;
                for name in &IMAGES[..count] {
                    let shade = |x: u32, y: u32| {
                        image::Rgb([(x * 7) as u8, (y * 5) as u8, number as u8 * 20])
                    };
                    let file = folder.join(OsStr::from_bytes(name));
                    image::RgbImage::from_fn(32, 32, shade).save(file).expect("an image");
                }
            }
        }
        let class = root.path().join("images/train").join(OsStr::from_bytes(CLASSES[4]));
        fs::write(class.join("note\u{1b}[31m\nthaw: all is well"), "no image").expect("written");
        fs::write(root.path().join("h.toml"), EXPERIMENT).expect("written");
        fs::write(
            root.path().join("published\u{202e}.csv"),
            "run,epoch,loss,acc,val_loss,val_acc\n=theirs|<b>,1,0.6,0.6,0.6,0.7\n=theirs|<b>,2,0.5,0.7,0.5,0.8\n",
        )
        .expect("written");
        Some(Self { root })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Runs a command, and looks at everything that it says.
    fn thaw(&self, arguments: &[&str]) -> Output {
        says_nothing_hidden(self.root.path(), arguments)
    }
}

/// Runs a command, which says no character as it is that a terminal would obey.
#[track_caller]
fn says_nothing_hidden(folder: &Path, arguments: &[&str]) -> Output {
    let output = thaw_in(folder).args(arguments).output().expect("it runs");
    for said in [text(&output.stdout), text(&output.stderr)] {
        let hidden: Vec<char> =
            said.chars().filter(|c| *c != '\n' && thaw_spec::is_hidden(*c)).collect();
        assert!(hidden.is_empty(), "{arguments:?} says {hidden:?}: {said}");
        let forged = said.lines().find(|line| line.starts_with("thaw: all is well"));
        assert_eq!(forged, None, "a name begins no line");
    }
    output
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else {
            files.push(path);
        }
    }
    files
}

/// The elements of an XML document, and its text; it is well-formed and holds only what XML 1.0 can.
#[track_caller]
fn read_xml(path: &Path) -> (BTreeSet<String>, String) {
    let document = fs::read_to_string(path).expect("a document");
    let is_xml = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    assert!(document.chars().all(is_xml), "{}", path.display());
    let mut reader = quick_xml::Reader::from_str(&document);
    let (mut elements, mut words) = (BTreeSet::new(), String::new());
    loop {
        match reader.read_event().unwrap_or_else(|error| panic!("{}: {error}", path.display())) {
            Event::Eof => return (elements, words),
            Event::Start(element) | Event::Empty(element) => {
                elements.insert(text(element.name().as_ref()));
                for attribute in element.attributes() {
                    let attribute = attribute.expect("an attribute");
                    let key = text(attribute.key.as_ref());
                    assert!(!key.starts_with("on"), "{}: {key}", path.display());
                }
            }
            Event::Text(part) => words.push_str(&text(&part)),
            _ => {}
        }
    }
}

/// The elements and attributes of a page, outside of its script and style.
fn read_page(page: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut elements, mut attributes) = (BTreeSet::new(), BTreeSet::new());
    let mut rest = page;
    while let Some(start) = rest.find('<') {
        rest = &rest[start + 1..];
        let name: String = rest.chars().take_while(char::is_ascii_alphanumeric).collect();
        if name.is_empty() {
            continue;
        }
        rest = &rest[name.len()..];
        // Up to the end of the tag, values left out.
        let mut is_value = false;
        let mut tag = String::new();
        let end = rest.find(|character: char| {
            is_value ^= character == '"';
            if !is_value && character != '>' {
                tag.push(character);
            }
            !is_value && character == '>'
        });
        rest = &rest[end.expect("a tag ends")..];
        attributes.extend(tag.split_whitespace().map(|word| {
            word.split(['=', '"']).next().unwrap_or_default().trim_end_matches('/').to_owned()
        }));
        if name == "script" || name == "style" {
            let end = rest.find(&format!("</{name}>")).expect("it ends");
            rest = &rest[end..];
        }
        elements.insert(name);
    }
    (elements, attributes)
}

const ELEMENTS: &str = "a article bdi body button caption circle code details div figcaption figure g h1 h2 h3 head header html img li line link main meta nav p path polygon polyline pre rect script section span style summary svg table tbody td text th thead title tr ul DOCTYPE";

fn assert_page_holds_only_what_thaw_writes(page: &Path) {
    let text = fs::read_to_string(page).expect("the page");
    let (elements, attributes) = read_page(&text);
    let known: BTreeSet<String> = ELEMENTS.split(' ').map(str::to_owned).collect();
    let unknown: Vec<&String> = elements.difference(&known).collect();
    assert!(unknown.is_empty(), "unexpected elements {unknown:?}");
    let handlers: Vec<&String> = attributes.iter().filter(|name| name.starts_with("on")).collect();
    assert!(handlers.is_empty(), "unexpected attributes {handlers:?}");
    // The data, the charts, the explorer.
    assert_eq!(text.matches("<script").count(), 3);
    let hidden = |character: char| character != '\n' && thaw_spec::is_hidden(character);
    assert!(!text.contains(hidden), "a hidden character");
    if let Some(document) = browser::document_of(page) {
        let title = document.split("<title>").nth(1).and_then(|rest| rest.split("</title>").next());
        assert!(
            title.is_some_and(|title| title.starts_with("&lt;script&gt;document.title")),
            "a script has run: {title:?}"
        );
        assert!(!document.contains("<img src=\"x\""), "an image was made of a name");
    }
}

#[test]
fn a_sweep_of_hostile_names_harms_nobody_who_reads_its_outputs() {
    let Some(desk) = Desk::new() else {
        eprintln!("skipped: this file system has no such names");
        return;
    };
    let data = ["--data", "images"];
    let sweep = |more: &[&str]| desk.thaw(&[&["sweep", "h.toml"], &data[..], more].concat());
    succeeds(&desk.thaw(&["init", "images", "--base", "mini_vgg", "--output", "i.toml"]));
    let planned =
        succeeds(&desk.thaw(&["plan", "h.toml", "--data", "images", "--output", "p.json"]));
    assert!(planned.contains(r"a\nb\tc, ") && planned.contains(r"\u{1b}]52"), "{planned}");
    succeeds(&sweep(&[]));
    succeeds(&sweep(&["--results", "processes", "--launcher", "processes"]));
    succeeds(&sweep(&["--results", "json", "--log-format", "json"]));
    let root = desk.path("runs/hostile");

    // The page, its figures and the summary.
    succeeds(&desk.thaw(&["report", "h.toml", "--data", "images"]));
    let page = root.join("report.html");
    assert_page_holds_only_what_thaw_writes(&page);
    let page = fs::read_to_string(page).expect("the page");
    assert!(page.contains("<bdi>=2+2 חתול</bdi>"), "names in sentences are isolated");
    let plots = files(&root.join("plots"));
    let of = |extension: &str| {
        plots
            .iter()
            .filter(|path| path.extension().is_some_and(|found| found == extension))
            .collect::<Vec<_>>()
    };
    // Of the six procedures, all of them together, and the ladder.
    assert_eq!((of("svg").len(), of("png").len()), (6 + 2, 6 + 1), "{plots:?}");
    for figure in of("svg") {
        let (elements, _) = read_xml(figure);
        let known = ["circle", "line", "path", "polygon", "polyline", "rect", "svg", "text"];
        assert!(elements.iter().all(|name| known.contains(&name.as_str())), "{elements:?}");
    }
    let summary = fs::read_to_string(root.join("summary.md")).expect("the summary");
    assert!(!summary.contains(|c| c != '\n' && thaw_spec::is_hidden(c)), "{summary}");
    let mut columns = BTreeSet::new();
    for line in summary.lines().filter(|line| line.starts_with('|')) {
        let plain = line.replace(r"\\", "").replace(r"\|", "");
        columns.insert(plain.matches('|').count());
        assert!(!plain.replace(r"\<", "").replace(r"\`", "").contains(['<', '`']), "{line}");
    }
    assert_eq!(columns.len(), 2, "two tables, each of equal rows: {columns:?} {summary}");
    assert!(summary.starts_with(r"# \<script\>"), "{summary}");

    // Everything for other programs.
    for format in ["csv", "json", "tensorboard", "mlflow"] {
        succeeds(&desk.thaw(&["export", "h.toml", "--format", format]));
    }
    let mut table = csv::Reader::from_path(root.join("export.csv")).expect("a table");
    let heading: Vec<String> =
        table.headers().expect("a heading").iter().map(str::to_owned).collect();
    assert_eq!(heading[..4], ["run", "id", &format!("'{FACTOR}"), OTHER]);
    let rows: Vec<csv::StringRecord> = table.records().map(|row| row.expect("a row")).collect();
    assert_eq!(rows.len(), 6 * 2 * 2);
    let formulas = ['=', '+', '-', '@', '\t', '\r'];
    for cell in rows.iter().flatten().filter(|cell| cell.starts_with(formulas)) {
        cell.parse::<f64>().unwrap_or_else(|_| panic!("a formula: {cell}"));
    }
    let others: BTreeSet<&str> = rows.iter().map(|row| &row[3]).collect();
    assert_eq!(others, BTreeSet::from(["-0.5", &*format!("'{FORMULA}")]));
    let list = fs::read_to_string(root.join("export.json")).expect("a list");
    let list: Value = serde_json::from_str(&list).expect("JSON");
    let level = |name: &str| {
        list.as_array().expect("runs").iter().filter(|run| run["levels"][FACTOR] == name).count()
    };
    assert_eq!(LEVELS.map(level), [4, 4], "names stay as they are in JSON");
    assert_eq!(files(&root.join("tensorboard")).len(), 6 * 2 * 2, "two splits of each run");
    assert_eq!(fs::read_dir(root.join("mlruns/1")).expect("runs").count(), 12 + 1);

    // What is expected of it.
    fs::write(desk.path("h.expected.toml"), "").expect("written");
    let creator = "<x>\u{1b}[2J\n\"\"\"\n[[band]]";
    let update = ["check", "h.toml", "--update", "--creator", creator, "--junit", "j.xml"];
    succeeds(&desk.thaw(&update));
    let (elements, _) = read_xml(&desk.path("j.xml"));
    assert_eq!(
        elements.iter().map(String::as_str).collect::<Vec<_>>(),
        ["testcase", "testsuite", "testsuites"]
    );
    let junit = fs::read_to_string(desk.path("j.xml")).expect("verdicts");
    assert!(junit.contains(r"..:..:..:outside|\u{202e}"), "{junit}");
    let broken = fs::read_to_string(desk.path("h.expected.toml")).expect("bands");
    fs::write(
        desk.path("h.expected.toml"),
        broken.replace("upper = ", "upper = -9").replace("lower = ", "lower = -99"),
    )
    .expect("written");
    assert_code(&desk.thaw(&["check", "h.toml", "--junit", "j.xml"]), 1);
    read_xml(&desk.path("j.xml"));

    // One may choose by all of these names.
    let [one, other] = LEVELS.map(|level| format!("{FACTOR}={level} {OTHER}=-0.5"));
    succeeds(&desk.thaw(&["attribute", "h.toml", "--from", &one, "--to", &other]));
    let only = format!("{OTHER}={FORMULA}");
    succeeds(&desk.thaw(&["report", "h.toml", "--only", &only]));
    for (number, level) in LEVELS.iter().enumerate() {
        succeeds(&desk.thaw(&["report", "h.toml", "--only", &format!("{FACTOR}={level}")]));
        let reports = files(&root).iter().filter(|path| path.ends_with("report.html")).count();
        assert_eq!(reports, 3 + number, "no report replaces another");
    }
    for arguments in [
        &["status", "h.toml"][..],
        &["status", "h.toml", "--json"],
        &["watch", "h.toml"],
        &["worker", "p.json"],
        &["preview", "h.toml", "--data", "images", "--output", "sheet.png"],
    ] {
        succeeds(&desk.thaw(arguments));
    }
    let mut found: Vec<String> = fs::read_dir(desk.root.path())
        .expect("the desk")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    found.sort();
    let expected = [
        ".thaw-cache",
        "h.expected.toml",
        "h.toml",
        "i.toml",
        "images",
        "j.xml",
        "json",
        "p.json",
        "processes",
        "published\u{202e}.csv",
        "runs",
        "sheet.png",
    ];
    assert_eq!(found, expected, "nothing lies elsewhere");
}

#[test]
fn what_other_programs_leave_in_the_records_is_shown_and_not_obeyed() {
    let Some(desk) = Desk::new() else { return };
    succeeds(&desk.thaw(&[
        "sweep",
        "h.toml",
        "--data",
        "images",
        "--only",
        &format!("{OTHER}=-0.5"),
    ]));
    let cells = desk.path("runs/hostile/cells");
    let mut cells: Vec<PathBuf> =
        fs::read_dir(&cells).expect("cells").map(|cell| cell.expect("a cell").path()).collect();
    cells.sort();
    // A cell that has failed, with a reason of somebody else's.
    fs::remove_file(cells[0].join("outcome.json")).expect("removed");
    let reason = serde_json::json!({
        "reason": "worse\u{9b}2J\n\u{1b}]52;c;aGk=\u{7} \u{202e}", "at_unix_seconds": 1
    });
    fs::write(cells[0].join("failure.json"), reason.to_string()).expect("written");
    // And one whose records name a machine.
    let manifest = cells[1].join("cell.json");
    let text = fs::read_to_string(&manifest).expect("a cell");
    let harm = "linux\\u001b]0;x\\u0007<script>document.title='harmed'</script>";
    assert!(text.contains("linux"), "{text}");
    fs::write(&manifest, text.replace("linux", harm)).expect("written");
    for arguments in [&["status", "h.toml"][..], &["status", "h.toml", "--json"]] {
        let said = succeeds(&desk.thaw(arguments));
        assert!(
            said.contains(if arguments.len() > 2 { r"\u009b2J" } else { r"\u{9b}2J\n" }),
            "{said}"
        );
    }
    let ids: Vec<String> = cells
        .iter()
        .map(|cell| cell.file_name().expect("a name").to_string_lossy().into_owned())
        .collect();
    let said = succeeds(&desk.thaw(&["diff", &ids[1], &ids[2]]));
    assert!(said.contains(r"linux\u{1b}]0;x\u{7}<script>"), "{said}");
    succeeds(&desk.thaw(&["report", "h.toml"]));
    assert_page_holds_only_what_thaw_writes(&desk.path("runs/hostile/report.html"));
}

#[test]
fn messages_quote_what_is_wrong_without_obeying_it() {
    let desk = TempDir::new().expect("a folder");
    let write =
        |name: &str, content: &[u8]| fs::write(desk.path().join(name), content).expect("written");
    let harm = "\u{1b}[2J\u{1b}]52;c;aGk=\u{7}\u{9b}1m\u{202e}\nthaw: all is well";
    let odd = "x\u{1b}[2J\nthaw: all is well.toml";
    write(odd, b"name = 1");
    write("key.toml", br#""\u001b[2J\nthaw: all is well" = 1"#);
    let name = r#"name = "\u001b[2J\nthaw: all is well""#;
    write("name.toml", EXPERIMENT.replace("name = \"hostile\"", name).as_bytes());
    let level = EXPERIMENT.replace("\"-0.5\" = {", r#""\u001b[2J\nthaw: all is well" = {"#);
    write("level.toml", level.as_bytes());
    write("surrogate.json", br#"{"loss": [0.5, "\ud800"], "\ud800": [1]}"#);
    let table = format!("run,epoch,\"{harm}\"\n\"{harm}\",1,{harm}\n");
    write("log.csv", table.as_bytes());
    let printed = format!("Epoch 1/2 {harm} loss: {harm}\nloss: 0.5 \u{1b}]0;x\u{7}\n");
    write("log.txt", printed.as_bytes());
    fs::create_dir(desk.path().join("runs")).expect("a folder");
    for (code, arguments) in [
        (64, &["sweep", harm, harm][..]),
        (66, &["sweep", harm]),
        (64, &["sweep", "--only", harm]),
        (64, &["sweep", &format!("--{harm}")]),
        (78, &["plan", odd]),
        (78, &["plan", "key.toml"]),
        (78, &["plan", "name.toml"]),
        (78, &["plan", "level.toml"]),
        (66, &["init", harm]),
        (64, &["fetch", harm]),
        (64, &["diff", harm, harm, "--results", "runs"]),
        (66, &["worker", harm]),
        (66, &["audit", harm]),
        (66, &["preview", "--image", harm]),
        (64, &["export", "--format", harm]),
    ] {
        let output = says_nothing_hidden(desk.path(), arguments);
        assert_code(&output, code);
        let said = text(&output.stderr);
        assert!(said.contains(r"\u{1b}[2J"), "{arguments:?}: {said}");
        assert!(said.starts_with("error: ") || said.lines().count() == 1, "{said}");
    }
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let results = repository.join("results");
    let results = results.to_string_lossy();
    for log in ["surrogate.json", "log.csv", "log.txt"] {
        says_nothing_hidden(desk.path(), &["diagnose", log, "--results", &results]);
        says_nothing_hidden(desk.path(), &["diagnose", log, "--results", &results, "--run", harm]);
    }
}

#[test]
fn tensors_of_any_names_are_listed_and_compared_as_escapes() {
    let desk = TempDir::new().expect("a folder");
    let name = "features.0\u{1b}[2J\n| \u{202e}<b>.weight";
    for (file, value) in [("before", 1.0_f32), ("after", 2.0)] {
        let bytes = value.to_le_bytes();
        let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![1], &bytes)
            .expect("a tensor");
        let file = desk.path().join(format!("{file}.safetensors"));
        safetensors::serialize_to_file([(name, view)], None, &file).expect("written");
    }
    let files = ["before.safetensors", "after.safetensors"];
    let listed = succeeds(&says_nothing_hidden(desk.path(), &["audit", files[0]]));
    assert!(listed.contains(r"features.0\u{1b}[2J\n| \u{202e}<b>.weight"), "{listed}");
    let frozen = [&["audit"], &files[..], &["--frozen", "features*"]].concat();
    let output = says_nothing_hidden(desk.path(), &frozen);
    assert_code(&output, 1);
    assert_eq!(text(&output.stdout).lines().count(), 4, "a table of one row, and the verdict");
    let output = says_nothing_hidden(desk.path(), &[&frozen[..], &["--json"]].concat());
    assert_code(&output, 1);
    let verdict: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(verdict["tensors"][0]["name"], name);
}

#[test]
fn a_pickle_that_calls_a_program_calls_nothing() {
    let desk = TempDir::new().expect("a folder");
    let mark = desk.path().join("executed");
    let command = format!("touch {}", mark.display());
    // The oldest protocol: the function `posix.system`, a tuple of the command, and the call.
    let pickle = format!("cposix\nsystem\n(S'{command}'\ntR.");
    // The second protocol, with PyTorch's magic number and version before, as its old files begin.
    let mut old = Vec::new();
    old.extend(b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.");
    old.extend(b"\x80\x02M\xe9\x03.");
    old.extend(b"\x80\x02}.");
    old.extend(b"\x80\x02");
    old.extend(pickle.as_bytes());
    for (name, bytes) in [("plain.pth", pickle.as_bytes()), ("old.pth", &old)] {
        fs::write(desk.path().join(name), bytes).expect("written");
        let output = says_nothing_hidden(desk.path(), &["audit", name]);
        assert!(
            output.status.code() == Some(65) || text(&output.stdout).contains("0 tensor(s)"),
            "{output:?}"
        );
        assert!(!mark.exists(), "{name} has executed a program");
    }
}
