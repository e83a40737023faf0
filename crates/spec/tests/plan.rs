//! What the steps of a plan cost, what they need of each other, and what they are called.

use std::collections::{BTreeMap, BTreeSet};

use thaw_spec::{
    BaseCosts, Cell, ContentHash, Cost, CostFacts, Experiment, Extraction, Inputs, Plan, Sharing,
    Split, SplitCounts, Step, StepKind, Variants,
};

/// The cells of an experiment on a base of five blocks with these lines in `[procedure]`.
fn cells(architecture: &str, lines: &str) -> Vec<Cell> {
    let text = format!(
        "name = 'costs'\nseeds = [0]\n[dataset]\nsource = 'folder'\n[base]\narchitecture = '{architecture}'\n[procedure]\nepochs = 4\n{lines}\n"
    );
    let inputs = Inputs {
        dataset: ContentHash::of_bytes(b"images"),
        weights: ContentHash::of_bytes(b"weights"),
        classes: vec!["cats".into(), "dogs".into()],
    };
    Experiment::parse("costs.toml", &text).expect("an experiment").cells(&inputs)
}

/// Blocks and boundaries of which no two, and no two sums, are alike.
fn facts(sharing: Sharing) -> CostFacts {
    CostFacts {
        images: SplitCounts { train: 20, validation: 10, test: 4 },
        sharing,
        room_bytes: None,
        bases: BTreeMap::from([(
            150,
            BaseCosts {
                block_multiply_adds: vec![2, 3, 5, 7, 11],
                boundary_floats: vec![10, 20, 30, 40, 50, 60],
                feature_channels: 6,
            },
        )]),
    }
}

fn plan(cells: &[Cell], sharing: Sharing) -> Plan {
    Plan::new(cells, &BTreeSet::new(), &facts(sharing), |_| false)
}

#[test]
fn a_step_costs_what_the_base_costs_on_its_own_size_of_images() {
    let cells = cells("vgg16", "cache = 'features'\n[matrix]\nimage_size = [150, 224]");
    let mut facts = facts(Sharing::ByContent);
    let on_large = BaseCosts {
        block_multiply_adds: vec![200; 5],
        boundary_floats: vec![1000; 6],
        feature_channels: 6,
    };
    facts.bases.insert(224, on_large);
    let plan = Plan::new(&cells, &BTreeSet::new(), &facts, |_| false);
    let costs = |kind| {
        let steps = plan.steps.iter().filter(move |step| step.kind() == kind);
        steps.map(|step| plan.cost(step, &facts)).collect::<Vec<_>>()
    };
    let bytes: Vec<u64> = costs(StepKind::Extract).iter().map(|cost| cost.artifact_bytes).collect();
    // 20, 10 and 4 images of 60 and of 1,000 floats.
    let expected = [60, 1000].map(|floats| [20, 10, 4].map(|images| images * floats * 4));
    assert_eq!(bytes, expected.concat());
    let heads: Vec<u64> = costs(StepKind::Fit).iter().map(|cost| cost.head_multiply_adds).collect();
    assert_eq!(heads, [80 * 60 * 256, 80 * 1000 * 256]);
}

#[test]
fn a_fit_costs_its_passes_through_the_base_and_its_head() {
    // By hand: 20 training images in 4 epochs are 80 passes, 10 and 4 evaluated ones are 56. All
    // blocks take 28 multiply-adds, the last 11 and those before it 17. The head multiplies the 60
    // floats, or the 6 channels, by its 256 units.
    let head = 80 * 60 * 256;
    for (architecture, lines, sharing, [forward, trained, head]) in [
        ("vgg16", "", Sharing::Literal, [80 * 28, 0, head]),
        // Activations of the frozen base are kept.
        ("vgg16", "", Sharing::ByContent, [0, 0, head]),
        ("vgg16", "cache = 'features'", Sharing::Literal, [0, 0, head]),
        ("vgg16", "pooling = 'average'", Sharing::ByContent, [0, 0, 80 * 6 * 256]),
        ("vgg16", "hidden_units = 0", Sharing::ByContent, [0, 0, 80 * 60]),
        // The whole base is trained, and evaluated from the pixels on.
        ("vgg16", "freeze = 'none'", Sharing::ByContent, [56 * 28, 80 * 28, head]),
        // 40 passes over the validation images, and one over the 4 test images.
        (
            "vgg16",
            "freeze = 'none'\nevaluate_test = 'last_epoch'",
            Sharing::ByContent,
            [44 * 28, 80 * 28, head],
        ),
        ("vgg16", "freeze = 'block_5'", Sharing::ByContent, [56 * 11, 80 * 11, head]),
        ("vgg16", "freeze = 'block_5'", Sharing::Literal, [80 * 17 + 56 * 11, 80 * 11, head]),
        // One pass makes the features of all epochs, in the batches of the first.
        (
            "resnet18",
            "cache = 'features'\nfrozen_statistics = 'batch'",
            Sharing::ByContent,
            [20 * 28, 0, head],
        ),
        // Moving statistics touch every block, so that evaluation runs through all of them.
        ("resnet18", "frozen_statistics = 'moving'", Sharing::ByContent, [136 * 28, 0, head]),
        // Two phases, the second over 3 epochs.
        (
            "vgg16",
            "[[procedure.phase]]\n[[procedure.phase]]\nepochs = 3\nfreeze = 'block_5'",
            Sharing::Literal,
            [80 * 28 + 60 * 17 + 42 * 11, 60 * 11, (80 + 60) * 60 * 256],
        ),
        (
            "vgg16",
            "evaluate_test = 'last_epoch'\n[[procedure.phase]]\n[[procedure.phase]]\nepochs = 3\nfreeze = 'block_5'",
            Sharing::Literal,
            [80 * 28 + 60 * 17 + 34 * 11, 60 * 11, (80 + 60) * 60 * 256],
        ),
    ] {
        let cells = cells(architecture, lines);
        let plan = plan(&cells, sharing);
        let cost = plan.cost(&Step::Fit(cells[0].clone()), &facts(sharing));
        let expected = Cost {
            forward_multiply_adds: forward,
            trained_multiply_adds: trained,
            head_multiply_adds: head,
            ..Cost::default()
        };
        assert_eq!(cost, expected, "{architecture} {lines} {sharing:?}");
    }
}

#[test]
fn artifacts_cost_the_pixels_they_decode_and_the_passes_they_extract() {
    let variants = "cache = 'variants'\naugmentation = 'book'\nvariants = 3\nfreeze = 'block_4'";
    let cells = cells("vgg16", variants);
    let plan = plan(&cells, Sharing::Literal);
    let costs: Vec<Cost> =
        plan.steps.iter().map(|step| plan.cost(step, &facts(Sharing::Literal))).collect();
    // 150 × 150 pixels of 3 bytes; three blocks of 2, 3 and 5 multiply-adds put out 40 floats of 4
    // bytes, of training images in three variants.
    let decoded = |images: u64| Cost {
        decoded_images: images,
        artifact_bytes: images * 67_500,
        ..Cost::default()
    };
    let extracted = |passes: u64| Cost {
        forward_multiply_adds: passes * 10,
        artifact_bytes: passes * 160,
        ..Cost::default()
    };
    assert_eq!(
        costs[..6],
        [decoded(20), extracted(60), decoded(10), extracted(10), decoded(4), extracted(4)]
    );
}

#[test]
fn costs_add_up_field_by_field() {
    let cost = |numbers: [u64; 5]| Cost {
        decoded_images: numbers[0],
        forward_multiply_adds: numbers[1],
        trained_multiply_adds: numbers[2],
        head_multiply_adds: numbers[3],
        artifact_bytes: numbers[4],
    };
    assert_eq!(cost([1, 2, 3, 4, 5]) + cost([10, 20, 30, 40, 50]), cost([11, 22, 33, 44, 55]));
}

#[test]
fn steps_need_the_artifacts_that_were_made_before_them() {
    let cached = cells("vgg16", "cache = 'features'");
    let pixels = cells("vgg16", "freeze = 'none'");
    let both: Vec<Cell> = cached.iter().chain(&pixels).cloned().collect();
    let plan = plan(&both, Sharing::Literal);
    let fit = |cell: &Cell| format!("fit-{}", cell.id());
    let ids: Vec<String> = plan.steps.iter().map(Step::id).collect();
    assert_eq!([&ids[6], &ids[7]], [&fit(&cached[0]), &fit(&pixels[0])]);
    // Decoding and extraction of training, validation and test images by turns.
    assert_eq!(
        plan.needs(Sharing::Literal),
        [vec![], vec![0], vec![], vec![2], vec![], vec![4], vec![0, 1, 2, 3, 4, 5], vec![0, 2, 4]]
    );
    for (step, id) in plan.steps.iter().zip(&ids) {
        let expected = match step {
            Step::Decode { .. } => (StepKind::Decode, "decode"),
            Step::Extract(_) => (StepKind::Extract, "extract"),
            Step::Fit(_) => (StepKind::Fit, "fit"),
        };
        let (kind, name) = id.split_once('-').expect("a kind and a name");
        assert_eq!((step.kind(), kind), expected);
        let made = step.artifact().map_or(step.cell().id().to_string(), |key| key.short().into());
        assert_eq!(name, made);
    }
    let kinds: BTreeSet<&str> = ids.iter().filter_map(|id| id.split('-').next()).collect();
    assert_eq!(kinds, BTreeSet::from(["decode", "extract", "fit"]));
}

#[test]
fn what_is_evaluated_in_every_epoch_is_extracted_where_a_block_stays_as_it_was() {
    for (freeze, blocks) in [("all", Some(5)), ("block_3", Some(2)), ("none", None)] {
        let cell = &cells("vgg16", &format!("freeze = '{freeze}'"))[0];
        let phase = cell.procedure.phases()[0];
        for split in [Split::Validation, Split::Test] {
            let extraction = Extraction::for_evaluation(cell, &phase, split);
            assert_eq!(extraction.as_ref().map(|extraction| extraction.blocks), blocks, "{freeze}");
            assert!(extraction.is_none_or(|extraction| extraction.variants == Variants::Plain
                && extraction.split == split
                && extraction.is_demanded(&phase)));
        }
    }
}

#[test]
fn seeds_of_a_thawed_cell_share_decoded_images_and_what_frozen_blocks_say_of_evaluated_ones() {
    let seeds = |seed: u64, line: &str| -> Cell { Cell { seed, ..cells("vgg16", line).remove(0) } };
    let lines = ["freeze = 'block_5'", "freeze = 'block_5'\nevaluate_test = 'last_epoch'"];
    for (sharing, trained_on) in [(Sharing::ByContent, 1), (Sharing::Literal, 0)] {
        let all: Vec<Cell> =
            lines.iter().flat_map(|line| (0..3).map(|seed| seeds(seed, line))).collect();
        let plan = plan(&all, sharing);
        assert_eq!(plan.fits().count(), 6);
        let count = |kind: StepKind| plan.steps.iter().filter(|step| step.kind() == kind).count();
        assert_eq!(count(StepKind::Decode), 3, "one for each split");
        assert_eq!(count(StepKind::Extract), 2 + trained_on, "validation and test images");
    }
    // Augmented training images are another seed's; those that are evaluated are the same.
    let augmented: Vec<Cell> =
        (0..3).map(|seed| seeds(seed, "freeze = 'block_5'\naugmentation = 'book'")).collect();
    let plan = plan(&augmented, Sharing::ByContent);
    let extracted = |split: Split| {
        let of_split =
            |step: &&Step| matches!(step, Step::Extract(extraction) if extraction.split == split);
        plan.steps.iter().filter(of_split).count()
    };
    assert_eq!(Split::ALL.map(extracted), [3, 1, 1]);
}

#[test]
fn phases_that_evaluate_no_test_images_need_none_of_their_activations() {
    let phases = "[[procedure.phase]]\n[[procedure.phase]]\nfreeze = 'block_5'";
    for (line, expected) in
        [("", [Some(5), Some(4)]), ("evaluate_test = 'last_epoch'\n", [None, Some(4)])]
    {
        let cell = &cells("vgg16", &format!("{line}{phases}"))[0];
        let phases = cell.procedure.phases();
        let blocks = phases.iter().map(|phase| {
            Extraction::for_evaluation(cell, phase, Split::Test).map(|extraction| extraction.blocks)
        });
        assert_eq!(blocks.collect::<Vec<_>>(), expected, "{line}");
    }
}

#[test]
fn what_an_extraction_leaves_to_a_default_is_no_part_of_its_name() {
    let json = |lines: &str, phase: usize| {
        let cell = &cells("vgg16", lines)[0];
        let phases = cell.procedure.phases();
        let extraction = Extraction::for_training(cell, &phases[phase], Sharing::ByContent);
        serde_json::to_string(&extraction.expect("activations").variants).expect("JSON")
    };
    let first = json("augmentation = 'book'", 0);
    assert!(!first.contains("warp") && !first.contains("first"), "{first}");
    let bilinear = json("augmentation = 'book'\ninterpolation = 'bilinear'", 0);
    assert!(bilinear.contains("\"warp\":{\"interpolation\":\"bilinear\""), "{bilinear}");
    let second = json("augmentation = 'book'\n[[procedure.phase]]\n[[procedure.phase]]", 1);
    assert!(second.contains("\"first\":4,\"count\":4"), "{second}");
}
