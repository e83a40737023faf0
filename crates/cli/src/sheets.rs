//! Contact sheets of images that training shows.

use std::path::Path;

use thaw_data::{Purpose, Stream, Transform, resize};
use thaw_report::{Sheet, SheetRow};
use thaw_spec::{
    AffineRanges, Augmentation, DatasetSource, Experiment, Resampling, Split, SyntheticDataset,
    SyntheticTask,
};

use crate::arguments::Images;
use crate::error::CliError;
use crate::inputs::image_source;
use crate::selection::CellSelection;

/// The first training images of each class, as they are and as the experiment's first augmentation
/// shows them; nothing where nothing is augmented. Where they are photographs and no folder of them
/// is named, drawn animals stand in for them, fewer and smaller; whether they do is told.
pub(crate) fn augmented_sheet(
    selection: &CellSelection,
    experiment: &Experiment,
    data: Option<&Path>,
) -> Result<Option<(Sheet, bool)>, CliError> {
    const COLUMNS: usize = 9;
    const LARGEST_DRAWN: usize = 75;
    let augmented =
        experiment.procedures().find_map(|(_, procedure)| match procedure.augmentation {
            Augmentation::Affine(ranges) => Some((procedure, ranges)),
            Augmentation::None => None,
        });
    let Some((procedure, ranges)) = augmented else { return Ok(None) };
    let stands_in = data.is_none() && matches!(experiment.dataset, DatasetSource::Folder {});
    let (size, of_each) = if stands_in {
        (procedure.image_size.min(LARGEST_DRAWN), 1)
    } else {
        (procedure.image_size, 3)
    };
    let source = match stands_in {
        true => DatasetSource::Synthetic(SyntheticDataset {
            task: SyntheticTask::CatsAndDogs,
            seed: 0,
            size,
            train: 2,
            validation: 0,
            test: 0,
        }),
        false => experiment.dataset,
    };
    let images = Images { data: data.map(Path::to_owned) };
    let dataset = image_source(&source, &images, selection)?.open()?;
    let seed = experiment.seeds[0];
    let mut rows = Vec::new();
    for (label, class) in (0u32..).zip(dataset.classes()) {
        let of_class = (0..dataset.counts().train as usize)
            .filter(|&index| dataset.label(Split::Train, index) == label);
        for index in of_class.take(of_each) {
            let image = resize(&dataset.image(Split::Train, index)?, size, procedure.resize);
            let variants = (0..COLUMNS - 1).map(|epoch| {
                variant(&image, size, &ranges, procedure.resampling(), seed, epoch, index)
            });
            rows.push(SheetRow {
                label: class.clone(),
                images: std::iter::once(image.clone()).chain(variants).collect(),
            });
        }
    }
    let what = if stands_in { "drawn animals" } else { "train" };
    let title = format!(
        "{} · {what} · {size}×{size} · first as it is, then as in epochs 1, 2, … of training with seed {seed}",
        experiment.name
    );
    Ok(Some((Sheet { title, size, rows }, stands_in)))
}

/// An image as training shows it in an epoch, counted from 0.
pub(crate) fn variant(
    image: &[u8],
    size: usize,
    ranges: &AffineRanges,
    resampling: Resampling,
    seed: u64,
    epoch: usize,
    index: usize,
) -> Vec<u8> {
    let mut stream = Stream::new(seed, Purpose::Augment, epoch, index);
    Transform::draw(ranges, size, &mut stream).picture(image, size, size, resampling)
}
