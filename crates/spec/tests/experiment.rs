//! From the text of an experiment to its cells, and the messages for texts that make no sense.

use std::collections::{BTreeMap, BTreeSet};

use thaw_spec::{
    Augmentation, Band, BandProvenance, BaseCosts, Cache, Carried, Cell, CellId, ClipNormOf,
    Clipping, ContentHash, CostFacts, DatasetSource, Expectations, Experiment, Extraction,
    FreezeBoundary, Inputs, Interpolation, Metric, MovingAverage, MovingVariance, Optimizer,
    OptimizerCollects, PerSeed, Plan, Procedure, Profile, RmsProp, Selector, Sharing, Split,
    SplitCounts, Statistic, Step, TransformCenter, ValidationSampling, Variants,
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
    Experiment::parse("test.toml", &GOOD.replacen(from, to, 1))
        .map(|_| ())
        .expect_err("a message")
        .to_string()
}

/// The constants of a procedure's RMSprop.
fn rmsprop(procedure: &Procedure) -> RmsProp {
    match procedure.optimizer {
        Optimizer::RmsProp(rmsprop) => rmsprop,
        other => panic!("{other:?}"),
    }
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
    let variants = cells(GOOD)
        .into_iter()
        .find(|cell| cell.procedure.cache == Cache::Variants)
        .expect("a cell");
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
    let text = format!(
        "{GOOD}\n[[include]]\nregime = \"thawed\"\naugmentation = \"none\"\ndropout = 0.25\n"
    );
    let cells = cells(&text);
    assert_eq!(cells.len(), 2 * 13);
    assert!(cells.iter().any(|cell| cell.procedure.dropout == 0.25
        && cell.label() == "regime=thawed augmentation=none dropout=0.25"));
}

#[test]
fn augmentation_can_be_typed_as_ranges() {
    let text = GOOD
        .replace("epochs = 4", "epochs = 4\naugmentation = { rotation_degrees = 5.0 }")
        .replace("augmentation = [\"none\", \"keras-2.0.8\"]\n", "");
    let text = &text[..text.find("[[exclude]]").expect("exclusions")]
        .replace("cached = { cache = \"features\" }\n", "");
    let Augmentation::Affine(ranges) = cells(text)[0].procedure.augmentation else {
        panic!("ranges")
    };
    assert_eq!((ranges.rotation_degrees, ranges.zoom, ranges.horizontal_flip), (5.0, 0.0, false));
    // As a record has them they stand alone.
    let nested = |more: &str| {
        with_settings(&format!("augmentation = {{ affine = {{ rotation_degrees = 5 }}{more} }}"))
    };
    assert_eq!(nested("").expect("ranges").augmentation, Augmentation::Affine(ranges));
    for more in [", zoom = 0.3", ", horizontal_flip = true", ", typo = 1"] {
        let refused = nested(more).expect_err(more);
        assert!(refused.starts_with("x.toml:8: augmentation: unknown augmentation"), "{refused}");
    }
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
            say("name = \"two-ways\"", "name = \"\""),
            say("name = \"two-ways\"", "name = \".hidden\""),
            say("name = \"two-ways\"", "name = \"two/ways\""),
            say("epochs = 4", "epochs = 4\naugmentation = 5"),
            say("[[exclude]]", "[[exclude]]\n[[exclude]]"),
            say("[[exclude]]", "[[include]]\nregimes = \"thawed\"\n[[exclude]]"),
            say("[[exclude]]", "[[include]]\nregime = \"thaw\"\naugmentation = \"none\"\ndropout = 0.5\n[[exclude]]"),
            Experiment::parse("test.toml", "matrix = 3").expect_err("no table").to_string(),
            say("epochs = 4", "colour = 4"),
            say("epochs = 4", "learning_rate = \"small\""),
            say("[matrix]\n", "[matrix]\nprofile = [\"keras-2.1\"]\n"),
            say("[matrix]\n", "[matrix]\nprofile = [\"kears-2.2\"]\n"),
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

/// The procedure of an experiment on a base with batch normalisation.
fn normalised(settings: &str) -> Result<Procedure, String> {
    let text = format!(
        "name = \"normalised\"\nseeds = [0]\n[dataset]\nsource = \"folder\"\n[base]\narchitecture = \"resnet18\"\n[procedure]\n{settings}\n"
    );
    let experiment = Experiment::parse("bn.toml", &text).map_err(|error| error.to_string())?;
    Ok(experiment.procedures().next().expect("one").1.clone())
}

#[test]
fn a_frozen_batch_norm_is_treated_as_the_library_does_unless_somebody_says_otherwise() {
    use thaw_spec::FrozenStatistics::{Batch, Kept, Moving};
    for (settings, expected) in [
        ("", Kept),
        ("profile = \"torch\"", Moving),
        ("profile = \"torch\"\nfrozen_statistics = \"kept\"", Kept),
        // Keras before 2.1.0 ignores a flag on the base as a whole: nothing is frozen.
        ("profile = \"keras-2.0.8\"\nfreeze_by = \"container\"", Kept),
        ("profile = \"keras-2.0.8\"", Moving),
        ("profile = \"keras-2.2\"", Moving),
        ("profile = \"keras-2.2\"\nfreeze_by = \"container\"", Batch),
        ("profile = \"keras-3\"", Kept),
        // A cache is filled by a base that is evaluated, unless somebody says otherwise.
        ("profile = \"torch\"\ncache = \"features\"", Kept),
        ("cache = \"features\"\nfrozen_statistics = \"batch\"", Batch),
        ("profile = \"keras-3\"\ncache = \"features\"\nfrozen_statistics = \"batch\"", Batch),
        (
            "profile = \"torch\"\n[[procedure.phase]]\n[[procedure.phase]]\ncache = \"features\"\nfrozen_statistics = \"batch\"",
            Moving,
        ),
        // Nothing is frozen.
        ("profile = \"torch\"\nfreeze = \"none\"", Kept),
    ] {
        let procedure = normalised(settings).expect("a procedure");
        assert_eq!(procedure.frozen_statistics, expected, "{settings}");
    }
    // How statistics move is a difference only where they move, and only from the base's own way.
    let moving = |settings: &str| normalised(settings).expect("a procedure").moving_statistics;
    assert_eq!(moving("profile = \"torch\""), None);
    assert_eq!(moving("moving_average = \"zero_debiased\""), None);
    assert_eq!(moving("freeze = \"none\"\nstatistics_share = 0.1"), None);
    let keras = moving("profile = \"keras-2.2\"\nfreeze = \"none\"").expect("another way");
    assert_eq!(
        (keras.share, keras.variance, keras.average),
        (0.1, MovingVariance::SampleTwice, MovingAverage::ZeroDebiased)
    );
}

#[test]
fn impossible_treatments_of_batch_norm_are_answered_with_the_reason() {
    let answers = [
        "cache = \"features\"\nfrozen_statistics = \"moving\"",
        "cache = \"variants\"\naugmentation = \"book\"\nfrozen_statistics = \"batch\"",
        "profile = \"keras-3\"\nfrozen_statistics = \"moving\"",
        "frozen_statistics = \"frozen\"",
        "frozen_statistics = 1",
        "statistics_share = 1.5",
        // What the first phase moves, the second cannot take from the weights file.
        "profile = \"torch\"\n[[procedure.phase]]\n[[procedure.phase]]\ncache = \"features\"",
    ];
    let answers = answers.map(|settings| normalised(settings).expect_err(settings));
    insta::assert_snapshot!(answers.join("\n"));
}

#[test]
fn selectors_choose_by_level_and_refuse_what_nobody_has() {
    let experiment = Experiment::parse("test.toml", GOOD).expect("an experiment");
    let known = experiment.known_levels();
    let only = Selector::from_arguments(&["regime=cached", "regime=thawed", "dropout=0.5"])
        .expect("a selector");
    only.check(&known).expect("known");
    let shortened = experiment.clone().shortened(Some(2), Some(&[7]), &only);
    assert_eq!(shortened.procedures().len(), 3);
    assert!(
        shortened.cells(&inputs()).iter().all(|cell| cell.seed == 7 && cell.procedure.epochs == 2)
    );
    let one_epoch = Experiment::parse("test.toml", &GOOD.replace("epochs = 4", "epochs = 1"))
        .expect("an experiment");
    let longer = one_epoch.shortened(Some(4), None, &Selector::default()).cells(&inputs());
    assert!(
        longer.iter().zip(cells(GOOD)).all(|(longer, cell)| longer.id() == cell.id()),
        "a change of epochs is the same as writing them"
    );
    assert!(Selector::from_arguments(&["regime:cached"]).is_err());
    for (levels, _) in experiment.procedures() {
        let matched =
            experiment.procedures().filter(|(others, _)| Selector::exactly(levels).matches(others));
        assert_eq!(matched.map(|(others, _)| others).collect::<Vec<_>>(), [levels]);
    }
    let unknown = Selector::from_arguments(&["dropout=0.4"])
        .expect("a selector")
        .check(&known)
        .expect_err("unknown");
    assert_eq!(
        unknown.to_string(),
        "unknown level `0.4` of `dropout`, expected one of `0.0`, `0.5`"
    );
    for (typed, answer) in [
        ("regim=cached", "unknown factor `regim`; did you mean `regime`?"),
        ("regime=end_to_emd", "unknown level `end_to_emd` of `regime`; did you mean `end_to_end`?"),
    ] {
        let selector = Selector::from_arguments(&[typed]).expect("a selector");
        assert_eq!(selector.check(&known).expect_err("unknown").to_string(), answer);
    }
}

const IMAGES: SplitCounts = SplitCounts { train: 20, validation: 10, test: 0 };

/// A base of five equal blocks, each of which puts out 100 numbers.
fn facts(sharing: Sharing) -> CostFacts {
    CostFacts {
        images: IMAGES,
        sharing,
        room_bytes: None,
        bases: BTreeMap::from([(
            150,
            BaseCosts {
                block_multiply_adds: vec![1; 5],
                boundary_floats: vec![100; 6],
                feature_channels: 10,
            },
        )]),
    }
}

fn plan(cells: &[Cell], finished: &BTreeSet<CellId>, sharing: Sharing) -> Plan {
    Plan::new(cells, finished, &facts(sharing), |_| false)
}

/// What the first phase of a cell trains on.
fn training(cell: &Cell, sharing: Sharing) -> Option<Extraction> {
    Extraction::for_training(cell, &cell.procedure.phases()[0], sharing)
}

#[test]
fn a_plan_makes_each_artifact_once_and_before_it_is_used() {
    let cells = cells(GOOD);
    let plan = plan(&cells, &BTreeSet::new(), Sharing::Literal);
    assert_eq!(plan.fits().count(), cells.len());
    let mut made = BTreeSet::new();
    for step in &plan.steps {
        if let Some(artifact) = step.artifact() {
            assert!(made.insert(artifact), "{step:?} is made twice");
        }
        if let Step::Fit(cell) = step {
            let phase = cell.procedure.phases()[0];
            let wanted = [Split::Train, Split::Validation]
                .map(|split| Extraction::of(cell, &phase, split, Sharing::Literal));
            assert!(
                wanted.into_iter().flatten().all(|wanted| made.contains(&wanted.key())),
                "{} comes too early",
                cell.label()
            );
        }
    }
    // Decoded: train, validation. Activations: validation, train as it is, train in variants of two
    // seeds.
    assert_eq!(made.len(), 2 + 1 + 1 + 2);
    let finished: BTreeSet<_> = cells.iter().map(Cell::id).collect();
    assert!(self::plan(&cells, &finished, Sharing::Literal).steps.is_empty());

    let shared = self::plan(&cells, &BTreeSet::new(), Sharing::ByContent);
    assert_eq!(shared.steps.len(), plan.steps.len(), "sharing needs no further artifact");
    let on_pixels =
        |sharing: Sharing| cells.iter().filter(|cell| training(cell, sharing).is_none()).count();
    assert_eq!(
        on_pixels(Sharing::Literal) - on_pixels(Sharing::ByContent),
        2 * 4,
        "the frozen base end to end, augmented or not"
    );
    let twin = |regime: &str| {
        let levels = [("regime", regime), ("augmentation", "keras-2.0.8"), ("dropout", "0.5")];
        cells
            .iter()
            .find(|cell| {
                levels.iter().all(|(f, l)| cell.levels.contains(&((*f).into(), (*l).into())))
            })
            .expect("a cell")
    };
    let key = |cell: &Cell| training(cell, Sharing::ByContent).expect("activations").key();
    assert_eq!(
        key(twin("cached_variants")),
        key(twin("end_to_end")),
        "what one caches, the other would compute"
    );
}

#[test]
fn artifacts_are_shared_by_everything_that_does_not_change_them() {
    let cells = cells(GOOD);
    let key = |cell: &Cell| {
        let blocks = cell.procedure.frozen_blocks();
        Extraction { cell: cell.clone(), blocks, split: Split::Train, variants: Variants::Plain }
            .key()
    };
    let frozen: Vec<&Cell> =
        cells.iter().filter(|cell| cell.procedure.frozen_blocks() == 5).collect();
    assert!(
        frozen.iter().all(|cell| key(cell) == key(frozen[0])),
        "dropout, seed and caching do not change activations"
    );
    let mut partly = frozen[0].clone();
    partly.procedure.freeze = FreezeBoundary::Block(5);
    assert_ne!(key(&partly), key(frozen[0]));
    let mut other_weights = frozen[0].clone();
    other_weights.inputs.weights = ContentHash::of_bytes(b"other");
    assert_ne!(key(&other_weights), key(frozen[0]));
}

#[test]
fn the_names_of_kept_activations_do_not_change() {
    let bilinear = GOOD.replace("epochs = 4", "epochs = 4\ninterpolation = \"bilinear\"");
    let cells = cells(&bilinear);
    let cached = cells
        .iter()
        .find(|cell| cell.procedure.cache == Cache::Variants && cell.seed == 0)
        .expect("a cell");
    // SHA-256 of the JSON text in which a cache of variants was first named.
    assert_eq!(
        training(cached, Sharing::Literal).expect("activations").key().short(),
        "d2d01055aa728dde"
    );
}

#[test]
fn synthetic_datasets_have_the_books_sizes_and_refuse_impossible_ones() {
    let synthetic = GOOD.replace("source = \"folder\"", "source = \"synthetic\"\nseed = 3");
    let DatasetSource::Synthetic(dataset) =
        Experiment::parse("test.toml", &synthetic).expect("an experiment").dataset
    else {
        panic!("a synthetic dataset")
    };
    assert_eq!(
        (dataset.train, dataset.validation, dataset.test, dataset.seed),
        (2000, 1000, 1000, 3)
    );
    assert_eq!(
        say("source = \"folder\"", "source = \"folder\"\ntrain = 10"),
        "test.toml:5: unknown field `train`, there are no fields"
    );
    for line in ["size = 16", "size = 1024", "train = 2\nvalidation = 2"] {
        Experiment::parse("test.toml", &synthetic.replace("seed = 3", line)).expect(line);
    }
    for (line, message) in [
        ("size = 4", "test.toml:5: dataset: size = 4 is not in 16 to 1024 pixels"),
        (
            "train = 1",
            "test.toml:5: dataset: train = 1 does not give each of the 2 classes an image",
        ),
    ] {
        let text = synthetic.replace("seed = 3", line);
        assert_eq!(
            Experiment::parse("test.toml", &text).map(|_| ()).expect_err("a message").to_string(),
            message
        );
    }
}

#[test]
fn the_statistic_is_the_last_third_of_the_shortest_procedure_at_most_ten_epochs() {
    use Statistic::{Final, Last};
    let statistic = |epochs: usize, statistic: &str| {
        let text = GOOD
            .replace("epochs = 4", &format!("epochs = {epochs}"))
            .replace("name =", &format!("{statistic}\nname ="));
        Experiment::parse("test.toml", &text).expect("an experiment")
    };
    for (epochs, expected) in [
        (1, Final),
        (5, Final),
        (6, Last(2)),
        (10, Last(3)),
        (29, Last(9)),
        (30, Last(10)),
        (90, Last(10)),
    ] {
        assert_eq!(statistic(epochs, "").statistic, expected, "{epochs}");
    }
    let all = Selector::default();
    for (epochs, expected) in [(3, Final), (6, Last(2)), (30, Last(10)), (60, Last(10))] {
        let shortened = statistic(30, "").shortened(Some(epochs), None, &all);
        assert_eq!(shortened.statistic, expected, "30 epochs made {epochs}");
    }
    for (chosen, expected) in [
        ("last_3", [Last(2), Last(3), Last(3)]),
        ("best", [Statistic::Best; 3]),
        ("final", [Final; 3]),
    ] {
        let experiment = statistic(4, &format!("statistic = \"{chosen}\""));
        let found = [2, 3, 4]
            .map(|epochs| experiment.clone().shortened(Some(epochs), None, &all).statistic);
        assert_eq!(found, expected, "{chosen}");
    }
}

#[test]
fn runs_count_with_any_seed_unless_the_seeds_were_narrowed() {
    let experiment = Experiment::parse("test.toml", GOOD).expect("an experiment");
    let (levels, _) = experiment.procedures().next().expect("a procedure");
    let counts =
        |experiment: &Experiment| [0, 1, 99].map(|seed| experiment.counts_seed(levels, seed));
    assert_eq!(counts(&experiment), [true; 3]);
    assert_eq!(counts(&experiment.clone().with_planned_seeds_only()), [true, true, false]);
    let narrowed = |epochs, seeds: &[u64], levels: &[&str]| {
        let only = Selector::from_arguments(levels).expect("a selector");
        experiment.clone().shortened(epochs, Some(seeds), &only)
    };
    assert_eq!(counts(&narrowed(None, &[99], &[])), [false, false, true]);
    // A narrowed form has fewer seeds and procedures; with other epochs it has others.
    for (narrowed, is_part) in [
        (narrowed(None, &[0, 1], &[]), true),
        (narrowed(None, &[1], &["regime=cached"]), true),
        (narrowed(None, &[1, 7], &["regime=cached"]), false),
        (narrowed(Some(4), &[0], &[]), true),
        (narrowed(Some(2), &[0], &[]), false),
    ] {
        assert_eq!(experiment.contains(&narrowed), is_part);
    }
}

#[test]
fn a_ladder_names_exactly_one_procedure_at_each_rung() {
    let rung = |selector: &str| {
        format!("{GOOD}\n[[ladder]]\nlabel = \"a step\"\nwhere = {{ {selector} }}\n")
    };
    let parse = |selector: &str| {
        Experiment::parse("test.toml", &rung(selector)).map(|experiment| experiment.ladder.len())
    };
    assert_eq!(parse("regime = \"cached\", dropout = 0.5").expect("one procedure"), 1);
    let several = parse("regime = \"cached\"").expect_err("two procedures").to_string();
    assert_eq!(
        several,
        "test.toml:32: ladder.where: `regime=cached` chooses 2 procedures; name the levels of exactly one"
    );
    let unknown = parse("regime = \"frozen\"").expect_err("no such level").to_string();
    assert!(unknown.contains("unknown level `frozen`"), "{unknown}");
}

#[test]
fn the_gap_in_question_ends_at_one_step_behind_the_first() {
    let rungs = |ends: [bool; 3]| {
        let rung = |ends: bool| {
            format!(
                "[[ladder]]\nlabel = \"a step\"\ngap_ends = {ends}\nwhere = {{ regime = \"cached\", dropout = 0.5 }}\n"
            )
        };
        format!("{GOOD}\n{}", ends.map(rung).concat())
    };
    let parse = |ends| Experiment::parse("test.toml", &rungs(ends));
    let length = |ends| parse(ends).expect("a gap").gap().len();
    assert_eq!(length([false, true, false]), 2);
    assert_eq!(length([false, false, false]), 3);
    for (ends, line) in [([true, false, false], 32), ([false, true, true], 40)] {
        let message = parse(ends).expect_err("no gap").to_string();
        assert!(message.starts_with(&format!("test.toml:{line}: ladder: `gap_ends`")), "{message}");
    }
}

#[test]
fn cells_that_shuffle_and_convolve_by_definition_keep_the_names_they_had_before_there_was_a_choice()
{
    let with =
        |settings: &str| cells(&GOOD.replace("epochs = 4", &format!("epochs = 4\n{settings}")));
    let plain = with("convolution = \"direct\"");
    let json = serde_json::to_string(&plain[0].procedure).expect("JSON");
    assert!(!json.contains("shuffle") && !json.contains("convolution"), "{json}");
    for changed in [
        "convolution = \"direct\"\nshuffle = false",
        "convolution = \"winograd_f2\"",
        "convolution = \"winograd_f3\"",
        "convolution = \"winograd_f6\"",
        "convolution = \"winograd_f3_bfloat16\"",
    ] {
        assert!(
            plain.iter().zip(&with(changed)).all(|(plain, changed)| plain.id() != changed.id()),
            "{changed}"
        );
    }
}

#[test]
fn cells_that_evaluate_their_test_images_in_every_epoch_keep_the_names_they_had_before_there_was_a_choice()
 {
    let with =
        |settings: &str| cells(&GOOD.replace("epochs = 4", &format!("epochs = 4\n{settings}")));
    let (every, last) =
        (with("evaluate_test = \"every_epoch\""), with("evaluate_test = \"last_epoch\""));
    for ((plain, every), last) in cells(GOOD).iter().zip(&every).zip(&last) {
        let json = serde_json::to_string(&every).expect("JSON");
        assert!(!json.contains("evaluate_test"), "{json}");
        assert_eq!(plain.id(), every.id());
        assert_ne!(plain.id(), last.id());
        let back: Cell = serde_json::from_str(&serde_json::to_string(&last).expect("JSON"))
            .expect("the same cell");
        assert_eq!(&back, last);
    }
    // Where there is one epoch, the last is every one.
    let one =
        |settings: &str| cells(&GOOD.replace("epochs = 4", &format!("epochs = 1\n{settings}")));
    let shortened = Experiment::parse(
        "test.toml",
        &GOOD.replace("epochs = 4", "epochs = 4\nevaluate_test = \"last_epoch\""),
    )
    .expect("an experiment")
    .shortened(Some(1), None, &Selector::default())
    .cells(&inputs());
    let ids = |cells: &[Cell]| cells.iter().map(Cell::id).collect::<Vec<_>>();
    assert_eq!(ids(&one("evaluate_test = \"last_epoch\"")), ids(&one("")));
    assert_eq!(ids(&shortened), ids(&one("")));
}

#[test]
fn the_last_epoch_that_evaluates_test_images_is_that_of_all_phases() {
    let text = GOOD.replace(
        "epochs = 4\n",
        "epochs = 4\nevaluate_test = \"last_epoch\"\n[[phase]]\nepochs = 1\n[[phase]]\nepochs = 2\n",
    );
    let cell = &cells(&text)[0];
    let json = serde_json::to_string(&cell).expect("JSON");
    assert_eq!(json.matches("evaluate_test").count(), 1, "it is the whole cell's: {json}");
    let procedure = &cell.procedure;
    let after = |split: Split| {
        (0..4).filter(|epoch| procedure.evaluates_after(split, *epoch)).collect::<Vec<_>>()
    };
    assert_eq!(after(Split::Train), [0, 1, 2, 3]);
    assert_eq!(after(Split::Validation), [0, 1, 2, 3]);
    assert_eq!(after(Split::Test), [2]);
    let evaluations = |split: Split| {
        let phases = procedure.phases();
        phases.iter().map(|phase| procedure.evaluations_in(phase, split)).collect::<Vec<_>>()
    };
    assert_eq!(
        (evaluations(Split::Validation), evaluations(Split::Test)),
        (vec![1, 2], vec![0, 1])
    );
    for (statistic, has) in [
        (Statistic::Final, true),
        (Statistic::Last(1), true),
        (Statistic::Last(2), false),
        (Statistic::Best, false),
    ] {
        assert_eq!(procedure.has_statistic(Metric::TestAccuracy, statistic), has, "{statistic}");
        assert!(procedure.has_statistic(Metric::ValidationLoss, statistic), "{statistic}");
    }
}

#[test]
fn a_time_of_evaluation_that_does_not_exist_is_answered_with_those_that_do() {
    let message = say("epochs = 4", "evaluate_test = \"last\"");
    assert_eq!(
        message,
        "test.toml:12: evaluate_test: unknown variant `last`, expected `every_epoch` or `last_epoch`"
    );
}

fn provenance() -> BandProvenance {
    BandProvenance {
        creator: "me".into(),
        date: "2026-01-02".into(),
        commit: "abc".into(),
        machine: "m".into(),
    }
}

#[test]
fn recorded_bands_replace_old_ones_and_nothing_else() {
    let old = "# first\n[[audit]] # thawed?\nstatus = \"completed\"\n\n# about the band\n[[band]]\nmetric = \"test_loss\"\nstatistic = \"best\"\nlower = 0\nupper = 1\n";
    let provenance = provenance();
    let levels =
        [("regime".to_owned(), "cached".to_owned()), ("dropout".to_owned(), "0.5".to_owned())];
    let band = Band {
        selector: Selector::exactly(&levels),
        metric: Metric::ValidationAccuracy,
        statistic: Statistic::Last(3),
        lower: 0.25,
        upper: 0.5,
        per_seed: Some(PerSeed { seeds: vec![0, 4], values: vec![0.375, 0.25], tolerance: 0.01 }),
    };
    let text = Expectations::with_bands("x", old, &provenance, std::slice::from_ref(&band))
        .expect("a text");
    assert!(
        text.starts_with("# first\n[[audit]] # thawed?\n") && !text.contains("test_loss"),
        "{text}"
    );
    let read = Expectations::parse("x", &text).expect("expectations");
    assert_eq!((read.len(), read.is_empty()), (2, false));
    assert_eq!(
        (read.provenance, &read.bands[..], read.audits.len()),
        (Some(provenance.clone()), &[band][..], 1)
    );

    let again = Expectations::with_bands("x", &text, &provenance, &[]).expect("a text");
    assert!(!again.contains("[[band]]") && again.matches("[recorded]").count() == 1, "{again}");
}

#[test]
fn a_relation_refuses_keys_that_its_kind_does_not_have() {
    let say = |keys: &str| {
        let text = format!(
            "\n[[relation]]\nleft = {{ a = 1 }}\nright = {{ a = 2 }}\nmetric = \"test_loss\"\n{keys}\n"
        );
        Expectations::parse("x.expected.toml", &text).map(|_| ()).map_err(|error| error.to_string())
    };
    for keys in [
        "kind = \"equal_curve\"",
        "kind = \"equal_curve\"\ntolerance = 1e-6",
        "kind = \"interval_above\"\nstatistic = \"final\"",
        "kind = \"greater_by_at_least\"\nstatistic = \"final\"\nmargin = 0.05",
    ] {
        assert_eq!(say(keys), Ok(()), "{keys}");
    }
    insta::assert_snapshot!(
        [
            say("kind = \"equal_curve\"\ntolerence = 1e-6"),
            say("kind = \"equal_curve\"\nmargin = 0.05"),
            say("kind = \"interval_above\"\nstatistic = \"final\"\nmargin = 0.05"),
            say("kind = \"greater_by_at_least\"\nstatistic = \"final\""),
            say("kind = \"equal\""),
        ]
        .map(|said| said.expect_err("a message"))
        .join("\n")
    );
}

/// An experiment with these lines in `[procedure]`.
fn with_procedure(lines: &str) -> Result<Experiment, String> {
    let text = format!(
        "name = 'one'\nseeds = [0]\n[dataset]\nsource = 'folder'\n[base]\narchitecture = 'vgg16'\n[procedure]\n{lines}\n"
    );
    Experiment::parse("one.toml", &text).map_err(|error| error.to_string())
}

#[test]
fn what_32_bits_or_adam_cannot_do_is_refused() {
    let phases = |second: &str| {
        format!(
            "optimizer = 'adam'\n[[procedure.phase]]\n[[procedure.phase]]\noptimizer_state = 'kept'\n{second}"
        )
    };
    for (lines, words) in [
        ("loss_clip = 1e-8", "loss_clip = 0.00000001 is too small"),
        ("epsilon = 1e-50", "epsilon = 1e-50 is 0 in 32-bit floats"),
        (&phases("freeze = 'block_5'"), "trains what the phase before did not"),
        (&phases("head = 'fresh'"), "trains what the phase before did not"),
        ("cache = 'features'\nvariants = 4", "variants"),
        ("cache = 'features'\nvariants = 4\n[[procedure.phase]]", "variants"),
    ] {
        let refused = with_procedure(lines).expect_err(lines);
        assert!(refused.contains(words) && refused.contains("one.toml"), "{lines}: {refused}");
    }
    for lines in ["loss_clip = 1e-7", "epsilon = 1e-38", &phases("learning_rate = 1e-5")] {
        with_procedure(lines).unwrap_or_else(|error| panic!("{lines}: {error}"));
    }
    let few = with_procedure("").map(|_| ()).and_then(|()| {
        let text = "name = 'few'\nseeds = [0]\n[dataset]\nsource = 'synthetic'\ntest = 1\n[base]\narchitecture = 'mini_vgg'\n";
        Experiment::parse("few.toml", text).map(|_| ()).map_err(|error| error.to_string())
    });
    assert!(few.expect_err("one image").contains("test = 1 does not give each of the 2 classes"));
}

#[test]
fn ranges_in_which_nothing_is_drawn_are_no_augmentation() {
    let procedure = |lines: &str| {
        let experiment = with_procedure(lines).unwrap_or_else(|error| panic!("{error}"));
        experiment.procedures().next().map(|(_, procedure)| procedure.clone()).expect("one")
    };
    assert_eq!(procedure("augmentation = {}"), procedure("augmentation = 'none'"));
    assert_ne!(procedure("augmentation = { zoom = 0.1 }"), procedure("augmentation = 'none'"));
}

#[test]
fn a_band_that_nothing_can_lie_in_is_refused() {
    for (lower, upper) in [("0.95", "0.9"), ("nan", "1"), ("0", "nan"), ("inf", "1")] {
        let text = format!(
            "[[band]]\nmetric = \"test_loss\"\nstatistic = \"best\"\nlower = {lower}\nupper = {upper}\n"
        );
        let refused = Expectations::parse("x.expected.toml", &text).expect_err("no band");
        let message = refused.to_string();
        assert!(message.starts_with("x.expected.toml:1"), "{message}");
        assert!(message.contains("`lower` no larger than `upper`"), "{message}");
    }
}

#[test]
fn recorded_values_by_which_nothing_could_be_judged_are_refused() {
    let read = |per_seed: &str| {
        let text = format!(
            "[[band]]\nmetric = \"test_loss\"\nstatistic = \"best\"\nlower = 0\nupper = 1\nper_seed = {{ {per_seed} }}\n"
        );
        Expectations::parse("x.expected.toml", &text).map(|_| ()).map_err(|error| error.to_string())
    };
    for per_seed in [
        "seeds = [0, 1], values = [0.5, 0.25], tolerance = 0.0",
        "seeds = [], values = [], tolerance = 0.1",
    ] {
        assert_eq!(read(per_seed), Ok(()), "{per_seed}");
    }
    for (per_seed, words) in [
        ("seeds = [0, 1], values = [0.5], tolerance = 0.1", "lists of one length"),
        ("seeds = [0], values = [0.5, 0.5], tolerance = 0.1", "lists of one length"),
        ("seeds = [0], values = [nan], tolerance = 0.1", "finite numbers"),
        ("seeds = [0], values = [0.5], tolerance = nan", "a finite number of 0 or more"),
        ("seeds = [0], values = [0.5], tolerance = inf", "a finite number of 0 or more"),
        ("seeds = [0], values = [0.5], tolerance = -0.1", "a finite number of 0 or more"),
        ("seeds = [0, 0], values = [0.5, 0.5], tolerance = 0.1", "listed once each"),
        ("seeds = [0], values = [0.5], tolerance = 0.1, more = 1", "unknown field `more`"),
    ] {
        let message = read(per_seed).expect_err(per_seed);
        assert!(message.starts_with("x.expected.toml:"), "{message}");
        assert!(message.contains(words), "{per_seed}: {message}");
    }
}

#[test]
fn relations_by_which_nothing_could_be_judged_are_refused() {
    let read = |keys: &str| {
        let text = format!(
            "[[relation]]\nleft = {{ a = 1 }}\nright = {{ a = 2 }}\nmetric = \"test_loss\"\n{keys}\n"
        );
        Expectations::parse("x.expected.toml", &text).map(|_| ()).map_err(|error| error.to_string())
    };
    for number in ["nan", "inf", "-inf"] {
        let margin =
            format!("kind = \"greater_by_at_least\"\nstatistic = \"final\"\nmargin = {number}");
        let message = read(&margin).expect_err(number);
        assert!(message.contains("`margin` of a relation is a finite number"), "{message}");
    }
    for number in ["nan", "inf", "-0.1"] {
        let tolerance = format!("kind = \"equal_curve\"\ntolerance = {number}");
        let message = read(&tolerance).expect_err(number);
        assert!(message.contains("a finite number of 0 or more"), "{message}");
    }
    assert_eq!(read("kind = \"equal_curve\"\ntolerance = 0"), Ok(()));
}

#[test]
fn expectations_are_counted_and_speak_of_levels_that_there_are() {
    let known = Experiment::parse("test.toml", GOOD).expect("an experiment").known_levels();
    let band = "[[band]]\nwhere = { regime = \"cached\" }\nmetric = \"test_loss\"\nstatistic = \"best\"\nlower = 0\nupper = 1\n";
    let relation = "[[relation]]\nkind = \"equal_curve\"\nmetric = \"test_loss\"\nleft = { dropout = 0.0 }\nright = { dropout = 0.5 }\n";
    let audit = "[[audit]]\nwhere = { regime = \"thawed\" }\nstatus = \"thawed\"\n";
    let parse = |text: &str| Expectations::parse("x.expected.toml", text).expect("expectations");
    let text = [band, band, band, relation, relation, audit].concat();
    assert_eq!((parse(&text).len(), parse(&text).is_empty()), (6, false));
    assert_eq!((parse("").len(), parse("").is_empty()), (0, true));
    assert_eq!(parse(&text).check_selectors(&known), Ok(()));
    for (from, to) in [
        ("{ regime = \"cached\" }", "{ regime = \"chached\" }"),
        ("{ dropout = 0.0 }", "{ dropout = 0.1 }"),
        ("{ dropout = 0.5 }", "{ droput = 0.5 }"),
        ("{ regime = \"thawed\" }", "{ regime = \"thaw\" }"),
    ] {
        let unknown = parse(&text.replacen(from, to, 1)).check_selectors(&known);
        assert!(unknown.is_err(), "{to}");
    }
}

/// A matrix over all profiles, in the book's two procedures.
fn of_every_profile() -> Experiment {
    let names = Profile::ALL.map(|profile| format!("\"{}\"", profile.name())).join(", ");
    let text = format!(
        "name = \"profiles\"\nseeds = [0]\n[dataset]\nsource = \"folder\"\n[base]\narchitecture = \"vgg16\"\n[matrix]\nprofile = [{names}]\n\
         [matrix.regime]\ncached = {{ cache = \"features\" }}\nend_to_end = {{ augmentation = \"book\", freeze_by = \"container\" }}\n"
    );
    Experiment::parse("profiles.toml", &text).expect("an experiment")
}

#[test]
fn profiles_decide_what_the_same_arguments_mean() {
    let experiment = of_every_profile();
    let end_to_end: Vec<Procedure> = experiment
        .procedures()
        .filter(|(levels, _)| levels[1].1 == "end_to_end")
        .map(|(_, procedure)| procedure.clone())
        .collect();
    let shear = |procedure: &Procedure| match procedure.augmentation {
        Augmentation::Affine(ranges) => ranges.shear_radians,
        Augmentation::None => panic!("augmented"),
    };
    let degrees = 0.2f64.to_radians();
    assert_eq!(
        end_to_end.iter().map(shear).collect::<Vec<_>>(),
        [0.2, degrees, degrees, degrees, degrees]
    );
    assert_eq!(
        end_to_end.iter().map(|procedure| rmsprop(procedure).epsilon).collect::<Vec<_>>(),
        [1e-8, 1e-7, 1e-7, 1e-7, 1e-8]
    );
    assert_eq!(
        end_to_end.iter().map(|procedure| rmsprop(procedure).rho).collect::<Vec<_>>(),
        [0.9, 0.9, 0.9, 0.9, 0.99]
    );
    let (unheard, heard) = (OptimizerCollects::Everything, OptimizerCollects::Unfrozen);
    assert_eq!(
        end_to_end.iter().map(|procedure| procedure.optimizer_collects).collect::<Vec<_>>(),
        [unheard, heard, heard, heard, heard]
    );
    let partly =
        |procedure: &Procedure| procedure.validation_sampling == ValidationSampling::PrefetchedAway;
    assert_eq!(
        end_to_end.iter().map(partly).collect::<Vec<_>>(),
        [true, false, false, false, false]
    );
    let centers: Vec<_> = end_to_end
        .iter()
        .map(|procedure| (procedure.interpolation, procedure.transform_center))
        .collect();
    let (nearest, bilinear) = (Interpolation::Nearest, Interpolation::Bilinear);
    let (plus, minus) = (TransformCenter::PlusHalf, TransformCenter::MinusHalfAxesSwapped);
    assert_eq!(
        centers,
        [(nearest, plus), (nearest, plus), (bilinear, plus), (bilinear, minus), (nearest, plus)]
    );
    let of_profiles = Profile::ALL.map(Profile::resampling);
    assert_eq!(centers, of_profiles.map(|found| (found.interpolation, found.center)));
}

#[test]
fn what_profiles_agree_in_is_one_procedure_and_runs_once() {
    let experiment = of_every_profile();
    // Without augmentation, Keras 2.1.3 and 2.2 do the same with cached features.
    let cached: Vec<Procedure> = experiment
        .procedures()
        .filter(|(levels, _)| levels[1].1 == "cached")
        .map(|(_, procedure)| procedure.clone())
        .collect();
    assert_eq!(cached[1], cached[2]);
    assert!(cached[0] != cached[1] && cached[2] != cached[3]);
    assert_eq!(experiment.procedures().len(), 10);
    let inputs = Inputs {
        dataset: ContentHash::of_bytes(b"d"),
        weights: ContentHash::of_bytes(b"w"),
        classes: vec!["a".into(), "b".into()],
    };
    assert_eq!(experiment.cells(&inputs).len(), 9);
}

#[test]
fn what_is_set_by_name_stands_above_the_profile() {
    let text = "name = \"x\"\nseeds = [0]\n[dataset]\nsource = \"folder\"\n[base]\narchitecture = \"vgg16\"\n[procedure]\nepsilon = 1e-3\n\
                [matrix]\nnested_freeze = [\"honoured\"]\nprofile = [\"keras-2.0.8\"]\nfreeze_by = [\"container\", \"layers\"]\n";
    // Both ways of freezing come to the same where the flag is heard, which is a mistake in a
    // matrix.
    let error = Experiment::parse("x.toml", text).expect_err("twins").to_string();
    assert!(error.contains("freeze_by=container"), "{error}");
    let text = text.replace("[\"container\", \"layers\"]", "[\"container\"]");
    let experiment = Experiment::parse("x.toml", &text).expect("an experiment");
    let (_, procedure) = experiment.procedures().next().expect("a procedure");
    assert_eq!(
        (rmsprop(procedure).epsilon, procedure.optimizer_collects),
        (1e-3, OptimizerCollects::Unfrozen)
    );
    assert_eq!(procedure.loss_clip, 1e-7);
}

#[test]
fn the_shipped_experiments_can_be_read() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../experiments");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).expect("experiments") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if name.ends_with(".toml") && !name.ends_with(".expected.toml") {
            let text = std::fs::read_to_string(&path).expect("readable");
            let experiment =
                Experiment::parse(&name, &text).unwrap_or_else(|error| panic!("{error}"));
            names.push((experiment.name.clone(), experiment.procedures().len()));
        }
    }
    names.sort();
    names.retain(|(name, _)| name.starts_with("book"));
    let expected = [("book", 49), ("book-quick", 6), ("book-three-epochs", 2)];
    assert_eq!(names, expected.map(|(name, procedures)| (name.to_owned(), procedures)));
}

/// The section's third procedure: the head with the base frozen, then the last block with it.
const FINE_TUNING: &str = r#"
name = "fine-tuning"
seeds = [0]

[dataset]
source = "folder"

[base]
architecture = "vgg16"

[procedure]
epochs = 30
freeze_by = "container"
cache = "none"

[[phase]]

[[phase]]
epochs = 100
freeze = "block_5"
freeze_by = "layers"
learning_rate = 1e-5

[matrix]
profile = ["keras-2.0.8", "keras-2.2"]
"#;

#[test]
fn phases_follow_each_other_and_say_what_they_do_differently() {
    let cells = cells(FINE_TUNING);
    let [old, new] = [&cells[0], &cells[1]].map(|cell| &cell.procedure);
    assert_eq!((new.epochs, new.total_epochs(), new.frozen_blocks()), (30, 130, 5));
    let phases = new.phases();
    assert_eq!((phases[1].epochs(), phases[1].untouched_blocks), (30..130, 4));
    assert_eq!((phases[1].head, phases[1].optimizer_state), (Carried::Kept, Carried::Fresh));
    assert_eq!(
        (phases[1].procedure.optimizer.learning_rate(), rmsprop(phases[1].procedure).epsilon),
        (1e-5, 1e-7)
    );
    // Keras 2.0.8 does not hear of the flag on the base, so that nothing is untouched afterwards;
    // it hears of those on layers.
    assert_eq!(
        old.phases().iter().map(|phase| phase.procedure.frozen_blocks()).collect::<Vec<_>>(),
        [0, 4]
    );
    assert_eq!(old.phases().iter().map(|phase| phase.untouched_blocks).collect::<Vec<_>>(), [0, 0]);
    let text = serde_json::to_string(&cells[0]).expect("JSON");
    assert_eq!(serde_json::from_str::<Cell>(&text).expect("the same cell"), cells[0]);

    // A procedure with one phase is the procedure.
    let (one_phase, _) = FINE_TUNING.rsplit_once("[[phase]]").expect("two phases");
    let (none, _) = FINE_TUNING.split_once("[[phase]]").expect("two phases");
    let [alone, plain] = [one_phase, none].map(self::cells);
    assert_eq!(alone[0].id(), plain[0].id());

    let shorter = Experiment::parse("test.toml", FINE_TUNING).expect("an experiment").shortened(
        Some(2),
        None,
        &Selector::default(),
    );
    assert!(shorter.cells(&inputs()).iter().all(|cell| cell.procedure.total_epochs() == 4));
}

#[test]
fn phases_can_be_a_level_of_a_factor() {
    let text = "name = \"levels\"\nseeds = [0]\n[dataset]\nsource = \"folder\"\n[base]\narchitecture = \"vgg16\"\n[matrix.regime]\n\
                frozen = {}\n[[matrix.regime.tuned.phase]]\n[[matrix.regime.tuned.phase]]\nfreeze = \"block_5\"\n";
    let cells = cells(text);
    assert_eq!(cells.iter().map(|cell| cell.procedure.phases().len()).collect::<Vec<_>>(), [1, 2]);
    let twice = text
        .replace("[matrix.regime]", "[[phase]]\n[procedure]\n[[procedure.phase]]\n[matrix.regime]");
    let refused =
        Experiment::parse("test.toml", &twice).map(|_| ()).expect_err("two lists").to_string();
    assert_eq!(refused, "test.toml:7: phase: [procedure] has a `phase` as well; keep one of them");
}

#[test]
fn an_error_in_the_phases_of_a_level_stands_at_no_other_phase() {
    let text = GOOD
        .replace("epochs = 4\n", "epochs = 4\n[[phase]]\nepochs = 1\n[[phase]]\nepochs = 2\n")
        .replace("end_to_end = {}", "end_to_end = { phase = [{}, { epochs = 0 }] }");
    let refused = Experiment::parse("test.toml", &text).map(|_| ()).expect_err("no epoch");
    let level = 1 + text[..text.find("end_to_end").expect("a level")].matches('\n').count();
    let expected = format!("test.toml:{level}: phase 2: epochs = 0; set `epochs` to 1 or more");
    assert_eq!(refused.to_string(), expected);
}

#[test]
fn phases_that_make_no_sense_are_answered_with_their_place_and_a_remedy() {
    let say = |from: &str, to: &str| {
        assert!(FINE_TUNING.contains(from), "`{from}` is not in the text");
        Experiment::parse("tuning.toml", &FINE_TUNING.replacen(from, to, 1))
            .map(|_| ())
            .expect_err("a message")
            .to_string()
    };
    insta::assert_snapshot!(
        [
            say("epochs = 100", "epochs = 0"),
            say("block_5", "block_6"),
            say("freeze_by = \"layers\"\n", ""),
            say("epochs = 100", "epoch = 100"),
            say("epochs = 100", "epochs = 100\nimage_size = 200"),
            say("[[phase]]\n\n", "[[phase]]\nhead = \"fresh\"\n\n"),
            // The second phase trains what the cache of the first relies on.
            say("cache = \"none\"", "cache = \"features\""),
            // The second phase caches what the first has trained.
            say("[[phase]]\n\n[[phase]]", "[[phase]]\nfreeze = \"block_4\"\nfreeze_by = \"layers\"\n\n[[phase]]\ncache = \"features\""),
            say("learning_rate = 1e-5", "learning_rate = 1e-5\naugmentation = \"book\"\ncache = \"variants\"\nvariants = 101"),
        ]
        .join("\n")
    );
}

#[test]
fn activations_without_room_are_computed_unless_a_procedure_demands_them() {
    let cells = cells(GOOD);
    let with_room = |bytes: u64| {
        let facts = CostFacts { room_bytes: Some(bytes), ..facts(Sharing::ByContent) };
        Plan::new(&cells, &BTreeSet::new(), &facts, |_| false)
    };
    let extracted =
        |plan: &Plan| plan.steps.iter().filter(|step| matches!(step, Step::Extract(_))).count();
    let (roomy, narrow) = (with_room(u64::MAX), with_room(0));
    assert_eq!((extracted(&roomy), roomy.without_room.len()), (4, 0));
    // Plain features and variants are demanded by cached procedures, which come first.
    assert_eq!((extracted(&narrow), narrow.without_room.len()), (4, 0));
    let end_to_end: Vec<Cell> =
        cells.iter().filter(|cell| cell.procedure.cache == Cache::None).cloned().collect();
    let facts = CostFacts { room_bytes: Some(20 * 100 * 4), ..facts(Sharing::ByContent) };
    let plan = Plan::new(&end_to_end, &BTreeSet::new(), &facts, |_| false);
    assert_eq!(
        (extracted(&plan), plan.without_room.len()),
        (2, 2),
        "validation and plain training images fit, four variants with two seeds do not"
    );
    let augmented = end_to_end.iter().find(|cell| {
        cell.procedure.augmentation != Augmentation::None && cell.procedure.frozen_blocks() == 5
    });
    let fit = Step::Fit(augmented.expect("a cell").clone());
    assert_eq!(
        plan.cost(&fit, &facts).forward_multiply_adds,
        4 * 20 * 5,
        "each epoch runs through five blocks"
    );
    assert_eq!(
        Plan::new(&end_to_end, &BTreeSet::new(), &facts, |_| true).without_room.len(),
        0,
        "what is there is used"
    );
    let plain = |step: &Step| matches!(step, Step::Extract(extraction) if extraction.variants == Variants::Plain);
    let narrow = CostFacts { room_bytes: Some(2 * 20 * 100 * 4 * 4), ..facts };
    let plan = Plan::new(&end_to_end, &BTreeSet::new(), &narrow, plain);
    assert_eq!(
        plan.without_room.len(),
        0,
        "what is there takes nothing of the room for four variants with two seeds"
    );
}

#[test]
fn the_largest_number_of_variants_serves_the_smaller_ones() {
    let text = GOOD.replace(
        "cached_variants = { cache = \"variants\" }",
        "cached_variants = { cache = \"variants\", variants = 1 }\ntwo = { cache = \"variants\", variants = 2 }",
    );
    let text =
        text.replace("regime = \"cached_variants\"", "regime = [\"cached_variants\", \"two\"]");
    let cells = cells(&text);
    let variants = |plan: &Plan| -> Vec<usize> {
        let of_step = |step: &Step| match step {
            Step::Extract(extraction) if extraction.variants != Variants::Plain => {
                Some(extraction.variants.count())
            }
            _ => None,
        };
        plan.steps.iter().filter_map(of_step).collect()
    };
    assert_eq!(
        variants(&plan(&cells, &BTreeSet::new(), Sharing::ByContent)),
        [4, 4],
        "one extraction a seed, of an epoch each"
    );
    assert_eq!(variants(&plan(&cells, &BTreeSet::new(), Sharing::Literal)), [2, 2]);
    // Whoever shares an artifact looks for it in the same places, however long it trains.
    let [short, long] = [2, 9].map(|epochs| {
        let mut cell =
            cells.iter().find(|cell| cell.procedure.variants == 2).expect("a cell").clone();
        cell.procedure.epochs = epochs;
        training(&cell, Sharing::Literal)
            .expect("variants")
            .covering()
            .map(|artifact| artifact.key())
            .collect::<Vec<_>>()
    });
    assert_eq!(short, long);
    // Its own first, then those of 3 to 1,000 variants.
    let two = cells.iter().find(|cell| cell.procedure.variants == 2).expect("a cell");
    let own = training(two, Sharing::Literal).expect("variants").key();
    assert_eq!((short.len(), &short[0]), (999, &own));
}

#[test]
fn procedures_that_take_hours_can_have_fewer_seeds() {
    let text = format!(
        "{GOOD}\n[[seeds_for]]\nwhere = {{ regime = \"thawed\" }}\nseeds = [1]\n[[seeds_for]]\nwhere = {{ regime = \"cached\" }}\nseeds = [3, 2, 1, 0]\n"
    );
    let experiment = Experiment::parse("test.toml", &text).expect("an experiment");
    let seeds = |regime: &str| {
        let cells = experiment.cells(&inputs());
        cells
            .iter()
            .filter(|cell| cell.levels[0].1 == regime)
            .map(|cell| cell.seed)
            .collect::<BTreeSet<_>>()
    };
    assert_eq!(
        [seeds("thawed"), seeds("cached"), seeds("end_to_end")],
        [BTreeSet::from([1]), BTreeSet::from([0, 1, 2, 3]), BTreeSet::from([0, 1])]
    );
    let cached = experiment.procedures().find(|(levels, _)| levels[0].1 == "cached");
    let (cached, _) = cached.expect("a procedure");
    assert_eq!(experiment.seeds_of(cached), [0, 1, 2, 3], "ascending, as they are not typed");
    let narrowed = experiment.clone().shortened(None, Some(&[7]), &Selector::default());
    assert!(
        narrowed.cells(&inputs()).iter().all(|cell| cell.seed == 7),
        "seeds that are asked for by hand are those of all"
    );
    for (from, to, message) in [
        (
            "\"thawed\" }",
            "\"thaw\" }",
            "test.toml:32: seeds_for.where: unknown level `thaw` of `regime`",
        ),
        (
            "\"thawed\" }",
            "\"cached\", augmentation = \"keras-2.0.8\" }",
            "test.toml:32: seeds_for.where: `regime=cached augmentation=keras-2.0.8` chooses no procedure",
        ),
        (
            "seeds = [1]",
            "seeds = []",
            "test.toml:32: seeds: give at least one seed, and each only once",
        ),
    ] {
        let at = text.rfind("[[seeds_for]]\nwhere = { regime = \"thawed\"").expect("the entry");
        let (before, entry) = text.split_at(at);
        let refused =
            Experiment::parse("test.toml", &format!("{before}{}", entry.replacen(from, to, 1)))
                .map(|_| ())
                .expect_err("a message");
        assert!(refused.to_string().starts_with(message), "{refused}");
    }
}

/// A plain experiment with these lines in `[procedure]`.
fn with_settings(lines: &str) -> Result<Procedure, String> {
    let text = format!(
        "name = 'x'\nseeds = [0]\n[dataset]\nsource = 'folder'\n[base]\narchitecture = 'vgg16'\n[procedure]\n{lines}\n"
    );
    let experiment = Experiment::parse("x.toml", &text).map_err(|error| error.to_string())?;
    Ok(experiment.procedures().next().expect("a procedure").1.clone())
}

#[test]
fn a_phase_can_set_each_of_its_keys_for_itself_alone() {
    let phases = |keys: &str| {
        let lines = format!(
            "epochs = 4\noptimizer = 'sgd'\n[[procedure.phase]]\n[[procedure.phase]]\n{keys}"
        );
        let procedure = with_settings(&lines).expect(keys);
        procedure.phases().into_iter().map(|phase| phase.procedure.clone()).collect::<Vec<_>>()
    };
    let same = phases("");
    for keys in [
        "epochs = 3",
        "freeze = 'block_5'",
        "optimizer_collects = 'everything'",
        "cache = 'features'",
        "cache = 'variants'\naugmentation = 'book'",
        "augmentation = 'book'",
        "dropout = 0.25",
        "optimizer = 'adam'",
        "learning_rate = 1e-3",
        "momentum = 0.9",
        "weight_decay = 0.1",
        "schedule = 'cosine'",
        "warmup_epochs = 2",
        "batch_size = 7",
    ] {
        let changed = phases(keys);
        // The first carries the second in its list.
        let first = Procedure { later_phases: Vec::new(), ..changed[0].clone() };
        assert_eq!(first, Procedure { later_phases: Vec::new(), ..same[0].clone() }, "{keys}");
        assert_ne!(changed[1], same[1], "{keys}");
    }
}

#[test]
fn phases_share_a_cache_of_blocks_that_neither_trains() {
    let caches = |lines: &str| {
        let procedure = with_settings(lines).expect(lines);
        let caches = procedure.phases();
        caches
            .iter()
            .map(|phase| (phase.procedure.cache, phase.procedure.variants))
            .collect::<Vec<_>>()
    };
    let two = "[[procedure.phase]]\n[[procedure.phase]]";
    assert_eq!(caches(&format!("cache = 'features'\n{two}")), [(Cache::Features, 1); 2]);
    // A number of variants is that of each phase; without one, each has one an epoch.
    let variants = "epochs = 4\ncache = 'variants'\naugmentation = 'book'";
    assert_eq!(
        caches(&format!("{variants}\nvariants = 3\n{two}\nepochs = 9")),
        [(Cache::Variants, 3); 2]
    );
    assert_eq!(
        caches(&format!("{variants}\n{two}\nepochs = 9")),
        [(Cache::Variants, 4), (Cache::Variants, 9)]
    );
    assert_eq!(
        caches(&format!("{variants}\nvariants = 3\n{two}\ncache = 'none'")),
        [(Cache::Variants, 3), (Cache::None, 1)]
    );
}

#[test]
fn limits_on_gradients_are_of_what_was_chosen_where_there_is_one() {
    let clipping = |lines: &str| with_settings(lines).expect(lines).clipping;
    let each = Clipping { norm: 1.0, norm_of: ClipNormOf::EachTensor, value: 0.5 };
    assert_eq!(clipping("clip_norm = 1.0\nclip_norm_of = 'each_tensor'\nclip_value = 0.5"), each);
    assert_eq!(clipping("clip_norm_of = 'each_tensor'"), Clipping::default());
}

#[test]
fn what_an_optimizer_does_not_know_is_refused_with_a_remedy() {
    let say = |lines: &str| with_settings(lines).expect_err(lines);
    insta::assert_snapshot!(
        [
            say("momentum = 0.9"),
            say("weight_decay = 0.1"),
            say("optimizer = 'sgd'\nnesterov = true"),
            say("optimizer = 'sgd'\nmomentum = 1.0"),
            say("optimizer = 'adam'\nbeta_2 = 1.5"),
            say("optimizer = 'adamw'\nweight_decay = -0.1"),
            say("optimizer = 'lion'"),
            say("schedule = 'step'\nstep_epochs = 0"),
            say("schedule = 'step'\nstep_factor = 2.0"),
            say("schedule = 'step'\nstep_factor = 0.0"),
            say("clip_norm = -1.0"),
            say("freeze = 'none'\noptimizer_collects = 'everything_with_zero_gradients'"),
            say("[[procedure.phase]]\n[[procedure.phase]]\noptimizer = 'adam'\noptimizer_state = 'kept'"),
        ]
        .join("\n")
    );
}

#[test]
fn what_cannot_matter_to_an_optimizer_makes_no_other_procedure() {
    let procedure = |lines: &str| with_settings(lines).expect(lines);
    let plain = procedure("");
    assert_eq!(plain, procedure("beta_1 = 0.5\nmomentum_form = 'gradients'\nstep_epochs = 3"));
    let sgd = procedure("optimizer = 'sgd'");
    assert_eq!(sgd, procedure("optimizer = 'sgd'\nmomentum_form = 'gradients'\nrho = 0.5"));
    let adamw = procedure("optimizer = 'adamw'\nweight_decay = 0.01");
    assert_eq!(
        adamw,
        procedure("optimizer = 'adam'\nweight_decay = 0.01\nweight_decay_form = 'decoupled'")
    );
    // Without decay AdamW is Adam.
    assert_eq!(procedure("optimizer = 'adamw'"), procedure("optimizer = 'adam'"));
}

#[test]
fn names_that_nobody_can_see_or_choose_are_refused_with_their_line() {
    let named = |factor: &str, level: &str| {
        let text = format!("{GOOD}\n[matrix.{factor}]\n{level} = {{ hidden_units = 8 }}\n");
        Experiment::parse("test.toml", &text).map(|_| ()).map_err(|error| error.to_string())
    };
    let line = GOOD.lines().count() + 2;
    for (factor, level, expected) in [
        (r#""a\nb""#, "x", r"`a\nb` has a line break or another control character"),
        (r#""\u001b[2J""#, "x", r"`\u{1b}[2J` has a line break or another control character"),
        (r#""\u009b""#, "x", r"`\u{9b}` has a line break or another control character"),
        ("head", r#""a\tb""#, r"`a\tb` has a line break or another control character"),
        (r#""a=b""#, "x", "`a=b` has a `=`, and cells are chosen by FACTOR=LEVEL"),
    ] {
        let message = named(factor, level).expect_err("refused");
        assert!(message.starts_with(&format!("test.toml:{line}: matrix")), "{message}");
        assert!(message.contains(expected), "{message}");
    }
    for (factor, level) in [
        (r#""<script>alert(1)</script>""#, r#""../../x|`y`""#),
        (r#""@SUM(1)""#, r#""=1+1, חתול""#),
        (r#""\u202Elived""#, r#""-0.5""#),
    ] {
        named(factor, level).expect("every other name can be used");
    }
    let long = say("name = \"two-ways\"", &format!("name = \"{}\"", "x".repeat(201)));
    assert!(long.starts_with("test.toml:2: name: 201 characters are too many"), "{long}");
}

#[test]
fn bands_of_factors_and_levels_of_any_names_are_read_again() {
    let odd = [("=HYPERLINK(\"x\")<b>", "../|\u{202e}"), ("a b.c", "\"'''\\"), ("", "# x")];
    let levels = odd.map(|(factor, level)| (factor.to_owned(), level.to_owned()));
    let provenance = BandProvenance {
        creator: "<x>\u{1b}[2J\n\"\"\"\n[[band]]".to_owned(),
        date: "2026-01-01".to_owned(),
        commit: "c".to_owned(),
        machine: "m".to_owned(),
    };
    let band = Band {
        selector: Selector::exactly(&levels),
        metric: Metric::ValidationAccuracy,
        statistic: Statistic::Final,
        lower: 0.0,
        upper: 0.5,
        per_seed: None,
    };
    let text = Expectations::with_bands("x", "", &provenance, std::slice::from_ref(&band))
        .expect("a text");
    let read = Expectations::parse("x", &text).expect("expectations");
    assert_eq!((read.bands, read.provenance), (vec![band], Some(provenance)));
}

#[test]
fn experiments_larger_than_anyone_runs_are_refused_at_once() {
    let head =
        "name = \"many\"\n[dataset]\nsource = \"folder\"\n[base]\narchitecture = \"vgg16\"\n";
    let refused =
        |text: &str| Experiment::parse("test.toml", text).expect_err("too many").to_string();
    let list = |count: usize| format!("{:?}", (1..=count).collect::<Vec<_>>());
    let seeds = |count: usize| format!("seeds = {}\n{head}", list(count));
    // Ten factors of ten levels are ten thousand million procedures.
    let factors = ["epochs", "batch_size", "hidden_units", "image_size", "step_epochs"];
    let factors = factors.map(|factor| format!("{factor} = {}\n", list(10))).concat();
    assert_eq!(
        refused(&format!("seeds = [0]\n{head}[matrix]\n{factors}")),
        "test.toml:12: matrix.step_epochs: the levels combine to more than 10000 procedures; list fewer, or divide the experiment into several"
    );
    let message = refused(&format!("seeds = [0]\n{head}[matrix]\nepochs = {}", list(1_000_000)));
    assert!(message.starts_with("test.toml:8: matrix.epochs: the levels combine"), "{message}");
    let included: String =
        (0..10_010).map(|epochs| format!("[[include]]\nepochs = {}\n", epochs + 2)).collect();
    let message = refused(&format!("seeds = [0]\n{head}[matrix]\nepochs = [1]\n{included}"));
    assert!(message.contains(": include: the levels combine to more than"), "{message}");
    let many = seeds(1_000_000).replace("seeds = ", "\nseeds = ");
    assert_eq!(
        refused(&many),
        "test.toml:2: seeds: 1000000 cells, each a procedure with a seed, are more than the 100000 that an experiment may have; list fewer seeds or levels, or divide the experiment into several"
    );
    // What is allowed is understood in no time.
    let text = format!("{}[matrix]\nepochs = {}", seeds(10), list(10_000));
    let experiment = Experiment::parse("test.toml", &text).expect("an experiment");
    assert_eq!(experiment.cells(&inputs()).len(), 100_000);
}

#[test]
fn values_within_values_without_end_are_refused() {
    for deep in [
        format!("[matrix]\nepochs = {}1{}", "[".repeat(100_000), "]".repeat(100_000)),
        format!("[matrix]\nepochs = {}", "[".repeat(100_000)),
        format!("[matrix]\na = {}1{}", "{ b = ".repeat(100_000), " }".repeat(100_000)),
        format!("[matrix{}]\na = 1", ".b".repeat(100_000)),
        format!("[procedure]\naugmentation{} = 1", ".b".repeat(100_000)),
    ] {
        let text = format!("name = \"deep\"\nseeds = [0]\n{deep}");
        let message = Experiment::parse("test.toml", &text).expect_err("too deep").to_string();
        assert!(message.starts_with("test.toml:"), "{message}");
        assert!(message.len() < 1_000, "{} characters", message.len());
        Expectations::parse("test.toml", &text).expect_err("too deep");
        let _ = Expectations::with_bands("test.toml", &deep, &provenance(), &[]);
    }
}

#[test]
fn sizes_beyond_all_arithmetic_and_ranges_without_end_are_refused() {
    for (setting, expected) in [
        ("epochs = 9223372036854775807", "epochs = 9223372036854775807 is more than 1000000"),
        ("batch_size = 9223372036854775807", "set `batch_size` to 10000000 or fewer"),
        ("hidden_units = 9223372036854775807", "set `hidden_units` to 1000000 or fewer"),
        ("image_size = 9223372036854775807", "set `image_size` to 10000 or fewer"),
        ("augmentation = { rotation_degrees = inf }", "rotation_degrees = inf is not a number"),
        ("augmentation = { width_shift = nan }", "width_shift = NaN is not a number"),
        ("augmentation = { zoom = nan }", "zoom = NaN is not in [0, 1)"),
    ] {
        let message = with_settings(setting).expect_err(setting);
        assert!(message.contains(expected), "{message}");
    }
    // The records of other versions are read whatever they hold.
    let mut cell = cells(GOOD).remove(0);
    let later = r#"{"procedure":PROCEDURE,"head":"kept","optimizer_state":"fresh"}"#;
    cell.procedure.epochs = usize::MAX;
    let procedure = serde_json::to_string(&cell.procedure).expect("JSON");
    cell.procedure.later_phases =
        vec![serde_json::from_str(&later.replace("PROCEDURE", &procedure)).expect("a phase"); 2];
    assert_eq!(cell.procedure.total_epochs(), usize::MAX);
    assert_eq!(cell.procedure.phases()[2].epochs(), usize::MAX..usize::MAX);
}

#[test]
fn a_setting_out_of_its_range_is_named_with_its_own_line() {
    for (setting, reason) in [
        ("dropout = 1.0", "dropout = 1 is not in [0, 1)"),
        ("learning_rate = -1", "learning_rate = -1 is not a positive number"),
        ("rho = 1.5", "rho = 1.5 is not in [0, 1)"),
        ("clip_value = -1", "clip_value = -1 is not 0 or a positive number"),
        ("loss_clip = 0.5", "loss_clip = 0.5 is not in [0, 0.5)"),
        ("augmentation = { zoom = 1 }", "zoom = 1 is not in [0, 1)"),
        ("image_size = 31", "image_size = 31 leaves nothing of an image; vgg16 needs at least 32"),
        (
            "freeze = 'block_6'",
            "freeze = \"block_6\", but vgg16 has the blocks 1 to 5; name one of these, \"all\" or \"none\"",
        ),
    ] {
        let said = with_settings(&format!("epochs = 2\n{setting}")).expect_err(setting);
        assert_eq!(said, format!("x.toml:9: {reason}"));
    }
    let out_of_range = "dropout = 1 is not in [0, 1)";
    for (lines, expected) in [
        (
            "dropout = 0.5\n[[procedure.phase]]\n[[procedure.phase]]\ndropout = 1.0",
            format!("x.toml:11: phase 2: {out_of_range}"),
        ),
        (
            "dropout = 1.0\n[[procedure.phase]]\n[[procedure.phase]]",
            format!("x.toml:8: phase 1: {out_of_range}"),
        ),
        (
            "dropout = 0.5\n[matrix]\nregime.short.epochs = 3\ndropout = [1.0]",
            format!("x.toml:11: {out_of_range}"),
        ),
        (
            "dropout = 0.5\n[matrix]\nhead.wild = { dropout = 1.0 }\nregime.short.epochs = 3",
            format!("x.toml:10: {out_of_range}"),
        ),
        ("dropout = 1.0\n[matrix]\nregime.short.epochs = 3", format!("x.toml:8: {out_of_range}")),
    ] {
        assert_eq!(with_settings(lines).expect_err(lines), expected);
    }
    // What stands in no place of its own is said of `[procedure]`.
    let said = with_settings("optimizer_collects = 'everything'\nfreeze = 'none'");
    let expected = "x.toml:7: the cell `the only cell` contradicts itself: optimizer_collects = \"everything\" differs from \"unfrozen\" only when something is frozen; change one of these settings";
    assert_eq!(said.expect_err("nothing is frozen"), expected);
}

/// An experiment with labels.
fn labelled(labels: &str) -> String {
    format!(
        r#"
name = "labelled"
seeds = [0]

[dataset]
source = "folder"

[base]
architecture = "vgg16"

[procedure]
cache = "features"

[matrix]
dropout = [0.0, 0.5]

[matrix.pixels]
rescale = {{ preprocessing = "rescale" }}
caffe = {{ preprocessing = "caffe" }}

[[include]]
dropout = 0.25
pixels = "caffe"

[labels]
{labels}
"#
    )
}

#[test]
fn labels_are_words_for_factors_and_levels() {
    let text = labelled(
        "pixels = \"images as\"\n\"pixels=caffe\" = \"of the weights\"\n\"dropout=0.25\" = \"a little dropout\"",
    );
    let labelled = Experiment::parse("labelled.toml", &text).expect("an experiment");
    assert_eq!(labelled.labels.factor("pixels"), "images as");
    assert_eq!(labelled.labels.factor("dropout"), "dropout");
    let words: Vec<String> =
        labelled.procedures().map(|(levels, _)| labelled.labels.procedure(levels)).collect();
    assert_eq!(
        words,
        [
            "dropout 0.0 · rescale",
            "dropout 0.0 · of the weights",
            "dropout 0.5 · rescale",
            "dropout 0.5 · of the weights",
            "a little dropout · of the weights",
        ]
    );
}

#[test]
fn a_label_of_nothing_is_refused() {
    let refused = |labels: &str| {
        Experiment::parse("labelled.toml", &labelled(labels)).expect_err("refused").to_string()
    };
    assert_eq!(
        refused("pixel = \"images\""),
        "labelled.toml:26: labels: unknown factor `pixel`; did you mean `pixels`?"
    );
    assert_eq!(
        refused("\"pixels=torch\" = \"of PyTorch\""),
        "labelled.toml:26: labels: unknown level `torch` of `pixels`, expected one of `rescale`, `caffe`"
    );
    assert_eq!(
        refused("pixels = \" \""),
        "labelled.toml:26: labels: the label of `pixels` has no words; give some or remove it"
    );
}

#[test]
fn a_label_changes_no_cell() {
    let labels = "pixels = \"images as\"";
    let cells = |text: &str| {
        let experiment = Experiment::parse("labelled.toml", text).expect("an experiment");
        experiment.cells(&inputs()).iter().map(|cell| cell.id()).collect::<Vec<_>>()
    };
    let with = labelled(labels);
    assert_eq!(cells(&with), cells(&with.replace(labels, "")));
}
