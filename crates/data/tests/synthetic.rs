//! Synthetic pictures: the same everywhere, balanced, and told apart by shape alone.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};
use thaw_data::{Dataset, OnUnreadable, Pixels, Synthetic};
use thaw_spec::{Resize, Split, SyntheticDataset, SyntheticTask};

fn dataset(task: SyntheticTask, size: usize, train: u64) -> Synthetic {
    Synthetic::new(SyntheticDataset { task, seed: 7, size, train, validation: 100, test: 0 })
}

/// Digest of the first pictures of a split.
fn digest(synthetic: &Synthetic, count: usize) -> String {
    let mut hash = Sha256::new();
    for index in 0..count {
        hash.update(synthetic.image(Split::Train, index).expect("a picture").as_raw());
    }
    hash.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The digests were written by the first version of the generator. A change of pictures is a new
/// version: results on them are not comparable, and `GENERATOR_VERSION` has to be raised.
#[test]
fn pictures_are_the_same_on_every_machine() {
    assert_eq!(digest(&dataset(SyntheticTask::CatsAndDogs, 32, 40), 40), "e1431d14c9ca7e05");
    assert_eq!(digest(&dataset(SyntheticTask::Menagerie, 48, 40), 40), "d1a42d00f54b4be9");
}

#[test]
fn classes_follow_each_other_in_equal_shares() {
    for (task, train) in [(SyntheticTask::CatsAndDogs, 31), (SyntheticTask::Menagerie, 50)] {
        let synthetic = dataset(task, 16, train);
        let labels: Vec<u32> =
            (0..train as usize).map(|index| synthetic.label(Split::Train, index)).collect();
        assert!(labels.is_sorted());
        let mut counts = BTreeMap::new();
        labels.iter().for_each(|label| *counts.entry(label).or_insert(0u64) += 1);
        assert_eq!(counts.len(), synthetic.classes().len());
        let (fewest, most) =
            (counts.values().min().expect("classes"), counts.values().max().expect("classes"));
        assert!(most - fewest <= 1, "{counts:?}");
    }
}

/// The tenth cat is the same cat whether there are 20 or 100,000 images, and asking for the last
/// image costs no more than for the first.
#[test]
fn a_picture_does_not_depend_on_how_many_there_are() {
    let (few, many) = (
        dataset(SyntheticTask::CatsAndDogs, 32, 20),
        dataset(SyntheticTask::CatsAndDogs, 32, 100_000),
    );
    let picture =
        |synthetic: &Synthetic, index| synthetic.image(Split::Train, index).expect("a picture");
    assert_eq!(picture(&few, 9), picture(&many, 9));
    assert_eq!(picture(&few, 19), picture(&many, 50_009), "the tenth dog");
    assert_eq!(many.name(Split::Train, 99_999), "train/dogs/49999");
    assert_ne!(picture(&many, 99_999), picture(&many, 99_998));
    assert!(many.passed_over().is_empty() && many.remarks().is_empty());
}

#[test]
fn prepared_pixels_are_the_pictures() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let (synthetic, path) =
        (dataset(SyntheticTask::CatsAndDogs, 32, 300), folder.path().join("pixels"));
    let filter = Resize::Nearest;
    Pixels::prepare(&synthetic, Split::Train, 32, filter, OnUnreadable::Refuse, &path, &|_| ())
        .expect("prepared");
    let pixels = Pixels::open(&path, OnUnreadable::Refuse).expect("opened");
    for index in [0, 149, 150, 299] {
        assert_eq!(
            pixels.image(index),
            synthetic.image(Split::Train, index).expect("a picture").as_raw().as_slice()
        );
        assert_eq!(pixels.labels()[index], synthetic.label(Split::Train, index));
    }
}

/// Fraction of held-out pictures whose class is that of the nearer mean, by some description of a
/// picture.
fn nearest_mean_accuracy(describe: impl Fn(&image::RgbImage) -> Vec<f64>) -> f64 {
    let count = 1200;
    let synthetic = dataset(SyntheticTask::CatsAndDogs, 32, count as u64);
    let all: Vec<(u32, Vec<f64>)> = (0..count)
        .map(|index| {
            (
                synthetic.label(Split::Train, index),
                describe(&synthetic.image(Split::Train, index).expect("a picture")),
            )
        })
        .collect();
    let (fit, held_out): (Vec<_>, Vec<_>) =
        all.into_iter().enumerate().partition(|(index, _)| index % 2 == 0);
    let mean = |label: u32| {
        let members: Vec<&Vec<f64>> = fit
            .iter()
            .filter(|(_, (found, _))| *found == label)
            .map(|(_, (_, values))| values)
            .collect();
        let sum = |position: usize| {
            members.iter().map(|values| values[position]).sum::<f64>() / members.len() as f64
        };
        (0..members[0].len()).map(sum).collect::<Vec<f64>>()
    };
    let means = [mean(0), mean(1)];
    let distance =
        |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
    let correct = held_out.iter().filter(|(_, (label, values))| {
        let nearer = u32::from(distance(values, &means[1]) < distance(values, &means[0]));
        nearer == *label
    });
    correct.count() as f64 / held_out.len() as f64
}

/// Three standard errors of guessing on 600 pictures are 6.1 points.
#[test]
fn colour_and_brightness_do_not_tell_the_classes_apart() {
    let histogram = |picture: &image::RgbImage| {
        let mut bins = vec![0.0; 64];
        for pixel in picture.pixels() {
            bins[pixel.0.iter().fold(0, |bin, value| bin * 4 + usize::from(value / 64))] += 1.0;
        }
        bins
    };
    let thumbnail = |picture: &image::RgbImage| {
        let mut cells = vec![0.0; 48];
        for (x, y, pixel) in picture.enumerate_pixels() {
            let cell = (y / 8 * 4 + x / 8) as usize * 3;
            pixel
                .0
                .iter()
                .enumerate()
                .for_each(|(channel, value)| cells[cell + channel] += f64::from(*value));
        }
        cells
    };
    for (name, accuracy) in [
        ("colour histogram", nearest_mean_accuracy(histogram)),
        ("4×4 thumbnail", nearest_mean_accuracy(thumbnail)),
    ] {
        assert!((accuracy - 0.5).abs() < 0.061, "{name}: {accuracy}");
    }
}
