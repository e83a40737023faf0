//! `thaw preview`: a sheet of a dataset's images, as they are or augmented.

use std::path::Path;
use std::process::ExitCode;

use thaw_data::{Purpose, Stream, Transform, decode, resize, write_png};
use thaw_report::{Sheet, SheetRow};
use thaw_spec::{
    AffineRanges, Augmentation, DatasetSource, Experiment, Profile, Resampling, Resize, ShearUnit,
    Split, SyntheticDataset, SyntheticTask,
};

use crate::arguments::{Explicit, Images, Preview, Ranges};
use crate::error::{CliError, SUCCESS};
use crate::selection::CellSelection;
use crate::sweep_inputs::open_dataset;
use crate::terminal::say;

pub(crate) fn run(options: &Preview) -> Result<ExitCode, CliError> {
    if let Some(image) = &options.explicit.image {
        return transform(image, options);
    }
    let selection = CellSelection::plain(options.experiment.clone());
    let experiment = selection.load()?;
    let dataset = open_dataset(&experiment.dataset, &options.images, &selection)?;
    let first = experiment.procedures().next().map(|(_, procedure)| procedure);
    let as_trained = first.map_or(48, |procedure| procedure.image_size);
    let filter = options
        .profile
        .map(Profile::resize)
        .or(first.map(|procedure| procedure.resize))
        .unwrap_or(Resize::Nearest);
    let resampling = options
        .profile
        .map(Profile::resampling)
        .or(first.map(|procedure| procedure.resampling()))
        .unwrap_or_default();
    let size = options.size.map_or(as_trained, usize::from);
    let augmentation = options.ranges.over(
        options
            .augmentation
            .resolve(options.profile.map_or(ShearUnit::Radians, Profile::shear_unit)),
    );
    let count = dataset.counts().of(options.split) as usize;
    if count == 0 {
        return Err(CliError::Usage {
            message: format!("--split {}: the dataset has no such images", options.split),
        });
    }
    let shown = |index: usize| {
        Ok::<_, CliError>(resize(&dataset.image(options.split, index)?, size, filter))
    };
    let mut rows = Vec::new();
    for (label, class) in (0u32..).zip(dataset.classes()) {
        let of_class: Vec<usize> =
            (0..count).filter(|&index| dataset.label(options.split, index) == label).collect();
        let columns = usize::from(options.columns);
        for row in 0..usize::from(options.rows) {
            let mut images = Vec::new();
            match augmentation {
                Augmentation::None => {
                    for &index in of_class.iter().skip(row * columns).take(columns) {
                        images.push(shown(index)?);
                    }
                }
                Augmentation::Affine(ranges) => {
                    let Some(&index) = of_class.get(row) else { break };
                    let image = shown(index)?;
                    images.push(image.clone());
                    images.extend((1..columns).map(|epoch| {
                        variant(&image, size, &ranges, resampling, options.seed, epoch - 1, index)
                    }));
                }
            }
            if !images.is_empty() {
                rows.push(SheetRow { label: class.clone(), images });
            }
        }
    }
    let augmented = match augmentation {
        Augmentation::None => String::new(),
        Augmentation::Affine(_) => format!(
            " · first as it is, then as in epochs 1, 2, … of training with seed {}",
            options.seed
        ),
    };
    let title = format!("{} · {} · {size}×{size}{augmented}", experiment.name, options.split);
    Sheet { title, size, rows }.write(&options.output)?;
    say(&format!("written: {}", options.output.display()));
    Ok(ExitCode::from(SUCCESS))
}

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
    let dataset = open_dataset(&source, &Images { data: data.map(Path::to_owned) }, selection)?;
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
fn variant(
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

/// Writes one image, transformed as the arguments say.
fn transform(path: &Path, options: &Preview) -> Result<ExitCode, CliError> {
    let Explicit { theta, tx, ty, shear, zoom_columns, flip, .. } = &options.explicit;
    let zoom_rows = options.ranges.zoom.unwrap_or(1.0);
    let profile = options.profile.unwrap_or(Profile::Keras2_0_8);
    let image = decode(path)?;
    let (mut width, mut height) = (image.width() as usize, image.height() as usize);
    let mut pixels = image.as_raw().clone();
    if let Some(size) = options.size.map(usize::from) {
        pixels = resize(&image, size, profile.resize());
        (width, height) = (size, size);
    }
    let transform = Transform {
        rotation: theta.to_radians(),
        shift_rows: *tx,
        shift_columns: *ty,
        shear: match profile.shear_unit() {
            ShearUnit::Radians => *shear,
            ShearUnit::Degrees => shear.to_radians(),
        },
        zoom_rows,
        zoom_columns: zoom_columns.unwrap_or(zoom_rows),
        flip: *flip,
    };
    write_png(
        &options.output,
        &transform.picture(&pixels, height, width, profile.resampling()),
        width,
        height,
    )?;
    say(&format!(
        "written: {} ({width}×{height}, as {} transforms)",
        options.output.display(),
        profile.name()
    ));
    Ok(ExitCode::from(SUCCESS))
}

impl Ranges {
    /// The named augmentation with the ranges given beside it.
    fn over(&self, named: Augmentation) -> Augmentation {
        let mut ranges = match named {
            Augmentation::None => AffineRanges::default(),
            Augmentation::Affine(ranges) => ranges,
        };
        let given = [
            (&mut ranges.rotation_degrees, self.rotation_degrees),
            (&mut ranges.width_shift, self.width_shift),
            (&mut ranges.height_shift, self.height_shift),
            (&mut ranges.shear_radians, self.shear_radians),
            (&mut ranges.zoom, self.zoom),
        ];
        for (range, given) in given {
            *range = given.unwrap_or(*range);
        }
        ranges.horizontal_flip = self.horizontal_flip.unwrap_or(ranges.horizontal_flip);
        if ranges == AffineRanges::default() {
            Augmentation::None
        } else {
            Augmentation::Affine(ranges)
        }
    }
}
