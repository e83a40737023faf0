//! From the text of an experiment to its cells, and the messages for texts that make no sense.

use std::collections::BTreeSet;

use thaw_spec::{
    Augmentation, Cache, Cell, ContentHash, Experiment, Extraction, FreezeBoundary, Inputs, Plan, Selector, Sharing, Split, SplitCounts,
    Step, Variants,
};

const GOOD: &str = r#"
name = "two-ways"
seeds = [0, 1]

[dataset]
source = "folder"

[base]
architecture = "vgg16"

[procedure]
epochs = 4

[matrix.regime]
cached = { cache = "features" }
cached_variants = { cache = "variants" }
end_to_end = {}
thawed = { optimizer_collects = "everything" }

[matrix]
augmentation = ["none", "keras-2.0.8"]
dropout = [0.0, 0.5]

[[exclude]]
regime = "cached"
augmentation = "keras-2.0.8"

[[exclude]]
regime = "cached_variants"
augmentation = "none"
"#;

fn inputs() -> Inputs {
    Inputs {
        dataset: ContentHash::of_bytes(b"images"),
        weights: ContentHash::of_bytes(b"weights"),
        classes: vec!["cats".into(), "dogs".into()],
    }
}

fn cells(text: &str) -> Vec<Cell> {
    Experiment::parse("test.toml", text).expect("an experiment").cells(&inputs())
}

/// The message for a text in which something was replaced.
fn say(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "`{from}` is not in the text");
    Experiment::parse("test.toml", &GOOD.replacen(from, to, 1)).map(|_| ()).expect_err("a message").to_string()
}

#[test]
fn a_matrix_is_the_product_of_its_factors_less_what_is_excluded() {
    let cells = cells(GOOD);
    let labels: BTreeSet<String> = cells.iter().map(Cell::label).collect();
    assert_eq!((cells.len(), labels.len()), (2 * 12, 12));
    assert!(labels.contains("regime=cached augmentation=none dropout=0.5"));
    assert!(!labels.contains("regime=cached augmentation=keras-2.0.8 dropout=0.5"));
    let ids: BTreeSet<String> = cells.iter().map(|cell| cell.id().to_string()).collect();
    assert_eq!(ids.len(), cells.len(), "every cell has a name of its own");
}

#[test]
fn everything_is_concrete_and_survives_json() {
    for cell in cells(GOOD) {
        let text = serde_json::to_string(&cell).expect("JSON");
        assert!(!text.contains("null"), "{text}");
        let back: Cell = serde_json::from_str(&text).expect("the same cell");
        assert_eq!((back.id(), &back), (cell.id(), &cell));
    }
    let variants = cells(GOOD).into_iter().find(|cell| cell.procedure.cache == Cache::Variants).expect("a cell");
    assert_eq!(variants.procedure.variants, 4, "one per epoch");
}

#[test]
fn a_cells_name_follows_its_content_and_not_its_levels_names() {
    let renamed = cells(&GOOD.replace("end_to_end", "plain"));
    assert!(cells(GOOD).iter().zip(&renamed).all(|(old, new)| old.id() == new.id()));
    let other = cells(&GOOD.replace("epochs = 4", "epochs = 5"));
    assert!(cells(GOOD).iter().zip(&other).all(|(old, new)| old.id() != new.id()));
}

#[test]
fn inclusions_add_what_exclusions_took_and_values_that_no_list_has() {
    let text = format!("{GOOD}\n[[include]]\nregime = \"thawed\"\naugmentation = \"none\"\ndropout = 0.25\n");
    let cells = cells(&text);
    assert_eq!(cells.len(), 2 * 13);
    assert!(cells.iter().any(|cell| cell.procedure.dropout == 0.25 && cell.label() == "regime=thawed augmentation=none dropout=0.25"));
}

#[test]
fn augmentation_can_be_typed_as_ranges() {
    let text = GOOD
        .replace("epochs = 4", "epochs = 4\naugmentation = { rotation_degrees = 5.0 }")
        .replace("augmentation = [\"none\", \"keras-2.0.8\"]\n", "");
    let text = &text[..text.find("[[exclude]]").expect("exclusions")].replace("cached = { cache = \"features\" }\n", "");
    let Augmentation::Affine(ranges) = cells(text)[0].procedure.augmentation else { panic!("ranges") };
    assert_eq!((ranges.rotation_degrees, ranges.zoom, ranges.horizontal_flip), (5.0, 0.0, false));
}

#[test]
fn misprints_are_answered_with_file_line_key_and_what_is_allowed() {
    insta::assert_snapshot!(
        [
            say("epochs = 4", "epoch = 4"),
            say("epochs = 4", "epochs = \"four\""),
            say("architecture = \"vgg16\"", "architecture = \"vgg15\""),
            say("seeds = [0, 1]", "seeds = []"),
            say("dropout = [0.0, 0.5]", "dropuot = [0.0, 0.5]"),
            say("\"keras-2.0.8\"]", "\"keras-2.0.9\"]"),
            say("dropout = [0.0, 0.5]", "dropout = [0.5, 0.5]"),
            say("dropout = [0.0, 0.5]", "dropout = []"),
            say("dropout = [0.0, 0.5]", "dropout = 0.5"),
            say("cache = \"features\"", "cache = \"feature\""),
            say("regime = \"cached\"", "regime = \"casched\""),
            say("regime = \"cached\"", "regimes = \"cached\""),
            say("name = \"two-ways\"", "name = \"../up\""),
            say("name = \"two-ways\"", "name = "),
        ]
        .join("\n")
    );
}

#[test]
fn cells_that_contradict_themselves_are_answered_with_the_reason() {
    insta::assert_snapshot!(
        [
            say("augmentation = \"keras-2.0.8\"\n", "augmentation = \"keras-2.0.8\"\ndropout = 0.0\n"),
            say(
                "regime = \"cached_variants\"\naugmentation = \"none\"",
                "regime = \"cached_variants\"\naugmentation = \"none\"\ndropout = 0.0"
            ),
            say("cached = { cache = \"features\" }", "cached = { cache = \"features\", freeze = \"none\" }"),
            say("end_to_end = {}", "end_to_end = { freeze = \"block_6\" }"),
            say("end_to_end = {}", "end_to_end = { freeze = \"block_0\" }"),
            say("everything\"", "everything\", freeze = \"none\""),
            say("dropout = [0.0, 0.5]", "dropout = [0.0, 1.0]"),
            say("epochs = 4", "epochs = 4\nlearning_rate = 0.0"),
            say("end_to_end = {}", "end_to_end = {}\nthe_same = {}"),
            say("[[exclude]]", "[[exclude]]\nregime = [\"cached\", \"cached_variants\", \"end_to_end\", \"thawed\"]\n[[exclude]]"),
        ]
        .join("\n")
    );
}

#[test]
fn selectors_choose_by_level_and_refuse_what_nobody_has() {
    let experiment = Experiment::parse("test.toml", GOOD).expect("an experiment");
    let known = experiment.known_levels();
    let only = Selector::from_arguments(&["regime=cached", "regime=thawed", "dropout=0.5"]).expect("a selector");
    only.check(&known).expect("known");
    let shortened = experiment.clone().shortened(Some(2), Some(&[7]), &only);
    assert_eq!(shortened.procedures().len(), 3);
    assert!(shortened.cells(&inputs()).iter().all(|cell| cell.seed == 7 && cell.procedure.epochs == 2));
    let one_epoch = Experiment::parse("test.toml", &GOOD.replace("epochs = 4", "epochs = 1")).expect("an experiment");
    let longer = one_epoch.shortened(Some(4), None, &Selector::default()).cells(&inputs());
    assert!(
        longer.iter().zip(cells(GOOD)).all(|(longer, cell)| longer.id() == cell.id()),
        "a change of epochs is the same as writing them"
    );
    assert!(Selector::from_arguments(&["regime:cached"]).is_err());
    let unknown = Selector::from_arguments(&["dropout=0.4"]).expect("a selector").check(&known).expect_err("unknown");
    assert_eq!(unknown, "unknown level `0.4` of `dropout`, expected one of `0.0`, `0.5`");
}

const IMAGES: SplitCounts = SplitCounts { train: 20, validation: 10, test: 0 };

#[test]
fn a_plan_makes_each_artifact_once_and_before_it_is_used() {
    let cells = cells(GOOD);
    let plan = Plan::new(&cells, &BTreeSet::new(), IMAGES, Sharing::Literal);
    assert_eq!(plan.fits().count(), cells.len());
    let mut made = BTreeSet::new();
    for step in &plan.steps {
        if let Some(artifact) = step.artifact() {
            assert!(made.insert(artifact), "{step:?} is made twice");
        }
        if let Step::Fit(cell) = step {
            let training = Extraction::for_training(cell, Sharing::Literal);
            let validation = Extraction::for_evaluation(cell, Split::Validation);
            assert!(
                [training, validation].into_iter().flatten().all(|wanted| made.contains(&wanted.key())),
                "{} comes too early",
                cell.label()
            );
        }
    }
    // Decoded: train, validation. Activations: validation, train as it is, train in variants of two seeds.
    assert_eq!(made.len(), 2 + 1 + 1 + 2);
    let finished: BTreeSet<_> = cells.iter().map(Cell::id).collect();
    assert!(Plan::new(&cells, &finished, IMAGES, Sharing::Literal).steps.is_empty());

    let shared = Plan::new(&cells, &BTreeSet::new(), IMAGES, Sharing::ByContent);
    assert_eq!(shared.steps.len(), plan.steps.len(), "sharing needs no further artifact");
    let on_pixels = |sharing: Sharing| cells.iter().filter(|cell| Extraction::for_training(cell, sharing).is_none()).count();
    assert_eq!(on_pixels(Sharing::Literal) - on_pixels(Sharing::ByContent), 2 * 2, "the frozen base end to end without augmentation");
}

#[test]
fn artifacts_are_shared_by_everything_that_does_not_change_them() {
    let cells = cells(GOOD);
    let key = |cell: &Cell| Extraction { cell: cell.clone(), split: Split::Train, variants: Variants::Plain }.key();
    let frozen: Vec<&Cell> = cells.iter().filter(|cell| cell.procedure.frozen_blocks() == 5).collect();
    assert!(frozen.iter().all(|cell| key(cell) == key(frozen[0])), "dropout, seed and caching do not change activations");
    let mut partly = frozen[0].clone();
    partly.procedure.freeze = FreezeBoundary::Block(5);
    assert_ne!(key(&partly), key(frozen[0]));
    let mut other_weights = frozen[0].clone();
    other_weights.inputs.weights = ContentHash::of_bytes(b"other");
    assert_ne!(key(&other_weights), key(frozen[0]));
}
