//! `thaw audit` on checkpoints as people have them, written by `tools/cases/checkpoints.py` with the real
//! packages: every tensor that a file holds is judged as the script, which made it, knows it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::thaw::thaw_in;

const CHECKPOINTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/checkpoints");

/// Runs the audit on two files among the checkpoints: exit code, standard output, errors.
fn audit(before: &str, after: &str, more: &[&str]) -> (i32, String, String) {
    let output = thaw_in(Path::new(CHECKPOINTS))
        .args(["audit", before, after])
        .args(more)
        .output()
        .expect("it runs");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (output.status.code().expect("a code"), text(output.stdout), text(output.stderr))
}

fn truth() -> serde_json::Map<String, Value> {
    let truth = fs::read(format!("{CHECKPOINTS}/truth.json")).expect("the truth");
    serde_json::from_slice(&truth).expect("an object")
}

/// What the script says of a tensor: whether it moved, or nothing where one file lacks it.
fn moved(tensor: &Value) -> Option<bool> {
    tensor["moved"].as_bool()
}

/// The differences between what is said of a pair of files and the truth.
fn differences(case: &str, truth: &Value, side: &Value) -> Vec<String> {
    let (before, after) =
        (truth["before"].as_str().expect("a file"), side["file"].as_str().expect("a file"));
    let places: Vec<&str> = truth["places"]
        .as_array()
        .map_or(Vec::new(), |places| places.iter().filter_map(Value::as_str).collect());
    let one_by_one: Vec<Option<&str>> =
        if places.len() > 1 { places.into_iter().map(Some).collect() } else { vec![None] };
    let mut wrong = Vec::new();
    for place in one_by_one {
        let chosen: Vec<&str> = place.map_or(Vec::new(), |place| vec!["--state-dict", place]);
        let (code, text, error) = audit(before, after, &[&["--json"][..], &chosen].concat());
        let Ok(said) = serde_json::from_str::<Value>(&text) else {
            return vec![format!("{case}: {code} {text}{error}")];
        };
        let compared = said["tensors"].as_array().expect("tensors").iter();
        let judged: BTreeMap<&str, Option<bool>> = compared
            .map(|tensor| (tensor["name"].as_str().expect("a name"), tensor["moved"].as_bool()))
            .collect();
        let unreadable: Vec<&str> = said["unreadable"]
            .as_array()
            .expect("a list")
            .iter()
            .filter_map(|tensor| tensor["name"].as_str())
            .collect();
        let alone = ["only_before", "only_after"].map(|side| {
            said[side]
                .as_array()
                .expect("a list")
                .iter()
                .filter_map(Value::as_str)
                .collect::<Vec<_>>()
        });
        let mut seen = 0;
        for tensor in side["tensors"].as_array().expect("tensors") {
            let own = tensor["name"].as_str().or_else(|| tensor["second"]["name"].as_str());
            let name = own.expect("a name");
            let name = match place {
                Some(place) => match name.strip_prefix(&format!("{place}/")) {
                    Some(name) => name,
                    None => continue,
                },
                None => name,
            };
            // The group of `model.save` is no part of the names.
            let name = name.strip_prefix("model_weights/").unwrap_or(name);
            let second = tensor["second"]["name"].as_str().unwrap_or(name);
            let second = second.strip_prefix("model_weights/").unwrap_or(second);
            seen += 1;
            let is_right = match moved(tensor) {
                None => {
                    alone.iter().any(|names| names.contains(&name) || names.contains(&second))
                        || unreadable.contains(&name)
                }
                // What cannot be read is never said not to have moved.
                Some(moved) => judged.get(name) == Some(&Some(moved)) || unreadable.contains(&name),
            };
            if !is_right {
                wrong.push(format!(
                    "{case}, {after}: `{name}` {:?}, said {:?}",
                    moved(tensor),
                    judged.get(name)
                ));
            }
        }
        let said = judged.len() + unreadable.len() + alone[0].len() + alone[1].len();
        if said != seen {
            wrong.push(format!("{case}, {after}: {said} tensors of {seen} are named: {judged:?} {unreadable:?} {alone:?}"));
        }
    }
    wrong
}

/// Files whose tensors cannot be told apart by name, or not be listed: each is refused for its reason.
const REFUSED: [(&str, i32, &str); 3] = [
    // A later version of Keras names layers by their class in one format and by their name in the other.
    (
        "keras-3.12.0-legacy-after.h5",
        2,
        "inconclusive: the two files have no tensor in common; --map",
    ),
    ("hdf5-external-after.h5", 65, "with links to tensors in `other.h5`, which is not opened"),
    ("hdf5-links-after.h5", 65, "an HDF5 file that cannot be read (child 'dangling'"),
];

#[test]
fn every_tensor_of_every_checkpoint_is_judged() {
    let mut wrong = Vec::new();
    let mut pairs = 0;
    for (case, truth) in truth() {
        for side in
            truth.as_object().expect("an object").values().filter(|side| side["tensors"].is_array())
        {
            pairs += 1;
            match REFUSED.iter().find(|(file, ..)| side["file"] == *file) {
                None => wrong.extend(differences(&case, &truth, side)),
                Some((after, code, words)) => {
                    let (found, text, error) =
                        audit(truth["before"].as_str().expect("a file"), after, &[]);
                    assert!(
                        found == *code && (text + &error).contains(words),
                        "{after}: {found} {error}"
                    );
                }
            }
        }
    }
    assert!(
        pairs > 60 && wrong.is_empty(),
        "{} differences in {pairs} pairs:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn what_is_no_checkpoint_is_named_with_what_to_do() {
    for (file, words) in [
        ("empty.pth", "it is empty"),
        ("model.ckpt.index", "a part of a TensorFlow checkpoint"),
        ("model.gguf", "a GGUF model"),
        (
            "model.npy",
            "a file of NumPy, not a file of tensors that thaw reads; save the arrays as safetensors",
        ),
        ("model.npz", "arrays of NumPy; save them as safetensors"),
        (
            "model.onnx",
            "an ONNX model, not a file of tensors that thaw reads; save the model's weights with the library",
        ),
        ("model.pb", "a graph of TensorFlow"),
        (
            "model.pkl",
            "a pickle of Python, not a file of tensors that thaw reads; it is not opened",
        ),
        ("model.pth.gz", "packed by gzip, not a file of tensors that thaw reads; unpack it"),
        ("model.tflite", "a model of TensorFlow Lite"),
        ("page.pth", "a web page, not a file of tensors that thaw reads; the download gave a page"),
        (
            "pointer.safetensors",
            "a Git LFS pointer, not a file of tensors that thaw reads; fetch the file itself with `git lfs pull`",
        ),
        ("truncated-header.safetensors", "as safetensors it is damaged or cut off"),
        ("truncated.pth", "it is a zip archive that is damaged or cut off"),
        ("truncated.safetensors", "as safetensors it is damaged or cut off"),
        ("model.ckpt.data-00000-of-00001", "no file of tensors that thaw reads"),
    ] {
        let file = format!("not-checkpoints/{file}");
        let (code, text, error) = audit("plain-before.pth", &file, &[]);
        assert!(
            code == 65 && text.is_empty() && error.contains(words),
            "{file}: {code} {text}{error}"
        );
    }
    assert_eq!(
        fs::read_dir(format!("{CHECKPOINTS}/not-checkpoints")).expect("the folder").count(),
        16
    );
}

#[test]
fn one_checkpoint_is_listed_whole() {
    let list = |file: &str, more: &[&str]| {
        let output = thaw_in(Path::new(CHECKPOINTS))
            .args(["audit", file])
            .args(more)
            .output()
            .expect("it runs");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (code, text) = list("quantised-before.pth", &[]);
    assert!(code == Some(0) && text.contains("| features.quantised | unreadable"), "{text}");
    assert!(text.contains("it is quantised\n7 tensor(s), 1 of them unreadable"), "{text}");
    let (code, text) = list("legacy-checkpoint-before.pth.tar", &["--json"]);
    let listing: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((code, &listing["state_dict"]), (Some(0), &Value::from("model_state_dict")));
    let kernel = listing["tensors"]
        .as_array()
        .expect("tensors")
        .iter()
        .find(|tensor| tensor["name"] == "features.0.weight")
        .expect("it is there");
    assert_eq!(
        (&kernel["type"], &kernel["bytes"]),
        (&Value::from("f32"), &Value::from(4 * 4 * 27))
    );
    assert!(
        listing["left_out"][0]["place"].as_str().is_some_and(|place| place.contains("optimizer"))
    );
}

/// Where the model stands in a checkpoint is somebody's choice; what was not looked at is never said
/// not to have moved.
#[test]
fn tensors_that_stand_elsewhere_are_found_or_make_the_verdict_inconclusive() {
    let whole = "THAWED: 4 of 4 tensors were declared frozen and moved";
    for (name, code, words) in [
        ("subclass", 1, whole),
        ("namespace", 1, whole),
        ("deque", 1, whole),
        ("optimal", 1, whole),
        ("average", 1, whole),
        (
            "keys",
            1,
            "THAWED: 1 of 2 tensors were declared frozen and moved, the first of them `(layer, 1)`",
        ),
        (
            "networks",
            2,
            "inconclusive: `discriminator` holds tensors that were declared frozen too",
        ),
        ("storage", 2, "inconclusive: some tensors stand where thaw does not look"),
    ] {
        let [before, after] =
            ["before", "after"].map(|side| format!("elsewhere/{name}-{side}.pth"));
        let (found, text, error) = audit(&before, &after, &["--frozen", "*"]);
        assert!(found == code && text.contains(words), "{name}: {found} {text}{error}");
    }
    // Chosen, one network alone is judged.
    let (code, text, _) = audit(
        "elsewhere/networks-before.pth",
        "elsewhere/networks-after.pth",
        &["--frozen", "*", "--state-dict", "generator"],
    );
    assert!(
        code == 0
            && text.contains(
                "left out of elsewhere/networks-after.pth: 1 tensor(s) in `discriminator`"
            ),
        "{text}"
    );
}

/// A loss or an accuracy stands beside the model.
#[test]
fn a_tensor_at_the_top_of_the_second_file_does_not_hide_its_model() {
    for (after, code, words) in [
        ("imagenet-after.pth", 1, "THAWED: 4 of 6 tensors were declared frozen and moved"),
        ("imagenet-before.pth", 0, "0 of 6 tensors moved; 4 were declared frozen"),
    ] {
        let (found, text, error) = audit("plain-before.pth", after, &["--frozen", "features.*"]);
        assert!(found == code && text.contains(words), "{after}: {found} {text}{error}");
        assert!(text.contains(": 1 tensor(s) in the top level of the file"), "{after}: {text}");
    }
    let (code, text, _) = audit("plain-before.pth", "elsewhere/networks-after.pth", &[]);
    assert!(
        code == 2
            && text.contains("no tensor in common; --map")
            && text.contains("--state-dict says which"),
        "{text}"
    );
}

/// Found by fuzzing: no memory is taken for what a file merely declares.
#[test]
fn what_a_file_declares_is_not_believed() {
    let output = thaw_in(Path::new(CHECKPOINTS))
        .args(["audit", "fuzzed/declared-size.h5"])
        .output()
        .expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        text.contains(
            "`kernel` cannot be read: it declares 4847382216 bytes, which its file cannot hold"
        ),
        "{text}"
    );
}

#[test]
fn names_are_matched_by_what_stands_before_them_or_as_one_says() {
    let features = "features.*";
    let (code, text, _) =
        audit("plain-before.pth", "plain-compiled-data-parallel-same.pth", &["--frozen", features]);
    assert!(
        code == 0
            && text.contains("are compared without `_orig_mod.module.`")
                | text.contains("are compared without `module._orig_mod.`"),
        "{text}"
    );
    let (code, text, _) = audit(
        "keras-2.2.4-before.h5",
        "keras-2.2.4-nested-after.h5",
        &["--frozen", "block1_conv1/*"],
    );
    assert!(
        code == 1
            && text.contains("are compared without `base/`, which stands before them")
            && text.contains("THAWED: 2 of 8"),
        "{text}"
    );
    assert!(
        text.contains("left out of keras-2.2.4-nested-after.h5")
            && text.contains("only in keras-2.2.4-nested-after.h5: fc/"),
        "{text}"
    );
    // A shard that is missing is named, and what was declared frozen in it cannot be judged.
    let (code, text, _) = audit("missing-shard-before", "missing-shard-after", &["--frozen", "*"]);
    assert!(
        code == 1 && text.contains("its shard `model-00003-of-00003.safetensors` is missing"),
        "{text}"
    );
    let (code, text, error) = audit("two-before.pth", "two-after.pth", &["--state-dict", "emma"]);
    assert!(
        code == 65
            && error.contains(
                "it has no state dict `emma`, only `ema` (6 tensors), `model` (6 tensors)"
            ),
        "{text}{error}"
    );
    let (code, text, error) = audit(
        "plain-before.pth",
        "integers-after.pth",
        &["--map", "^features.0.weight$=>0", "--map", "^features\\.(\\d)=>layer$1"],
    );
    assert!(
        code == 0 && text.contains("| 0 ") && text.contains("1 of 1 tensors moved"),
        "{text}{error}"
    );
    let (code, text, error) =
        audit("plain-before.pth", "plain-legacy-after.pth", &["--map", "\\d=>n"]);
    assert!(code == 65 && error.contains("both become `features.n."), "{text}{error}");
    let (code, _, error) = audit("plain-before.pth", "plain-legacy-after.pth", &["--map", "(=>n"]);
    assert!(code == 64 && error.contains("not a regular expression"), "{error}");
    let (code, _, error) = audit("plain-before.pth", "plain-legacy-after.pth", &["--map", "n"]);
    assert!(code == 64 && error.contains("REGEX=>REPLACEMENT"), "{error}");
}
