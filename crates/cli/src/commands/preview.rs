//! `thaw preview`: a sheet of a dataset's images, as they are or augmented.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use thaw_data::{Transform, decode, resize, write_png};
use thaw_report::{Sheet, SheetRow};
use thaw_spec::{
    AffineRanges, Augmentation, AugmentationSetting, Profile, Resize, ShearUnit, Split,
};

use crate::arguments::{Images, finite};
use crate::error::{CliError, SUCCESS};
use crate::files::write_whole;
use crate::inputs::image_source;
use crate::selection::CellSelection;
use crate::sheets::variant;
use crate::terminal::say;

#[derive(Debug, Args)]
pub(crate) struct Preview {
    /// The experiment file [default: the miniature, which is part of the program]
    experiment: Option<PathBuf>,
    #[command(flatten)]
    images: Images,
    /// The picture to write
    #[arg(long, default_value = "preview.png", value_name = "FILE")]
    output: PathBuf,
    /// Which images: train, validation or test
    #[arg(long, default_value = "train")]
    split: Split,
    /// Side of the images, in pixels [default: as the experiment has it]
    #[arg(long, value_name = "PIXELS", value_parser = clap::value_parser!(u16).range(8..=2048))]
    size: Option<u16>,
    /// Images per class, or with augmentation per image, beside each other
    #[arg(long, default_value_t = 12, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    columns: u16,
    /// Rows per class
    #[arg(long, default_value_t = 4, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    rows: u16,
    /// The seed of the augmentation
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Show each image first as it is, then augmented: none, book or keras-2.0.8
    #[arg(long, default_value = "none", value_name = "NAME")]
    augmentation: AugmentationSetting,
    #[command(flatten)]
    ranges: Ranges,
    /// Resize and transform as this library does: keras-2.0.8, keras-2.1.3, keras-2.2, keras-3 or
    /// torch [default: as the experiment has it; with --image: keras-2.0.8]
    #[arg(long, value_name = "NAME")]
    profile: Option<Profile>,
    #[command(flatten)]
    explicit: Explicit,
}

/// What speaks of a dataset, and not of one image.
const OF_A_DATASET: [&str; 12] = [
    "experiment",
    "data",
    "augmentation",
    "rotation_degrees",
    "width_shift",
    "height_shift",
    "shear_radians",
    "horizontal_flip",
    "split",
    "columns",
    "rows",
    "seed",
];

/// One image and one transformation, to be compared with another program's.
#[derive(Debug, Args)]
pub(crate) struct Explicit {
    /// Show this image alone, transformed by what follows
    #[arg(long, value_name = "FILE", conflicts_with_all = OF_A_DATASET)]
    image: Option<PathBuf>,
    /// Rotate by so many degrees
    #[arg(
        long,
        value_name = "DEGREES",
        default_value_t = 0.0,
        requires = "image",
        conflicts_with_all = OF_A_DATASET,
        allow_negative_numbers = true,
        value_parser = finite
    )]
    theta: f64,
    /// Shift along the rows, in pixels
    #[arg(
        long,
        value_name = "PIXELS",
        default_value_t = 0.0,
        requires = "image",
        conflicts_with_all = OF_A_DATASET,
        allow_negative_numbers = true,
        value_parser = finite
    )]
    tx: f64,
    /// Shift along the columns, in pixels
    #[arg(
        long,
        value_name = "PIXELS",
        default_value_t = 0.0,
        requires = "image",
        conflicts_with_all = OF_A_DATASET,
        allow_negative_numbers = true,
        value_parser = finite
    )]
    ty: f64,
    /// Shear, in the profile's unit
    #[arg(
        long,
        value_name = "ANGLE",
        default_value_t = 0.0,
        requires = "image",
        conflicts_with_all = OF_A_DATASET,
        allow_negative_numbers = true,
        value_parser = finite
    )]
    shear: f64,
    /// Zoom of the columns, if other than that of the rows (--zoom)
    #[arg(
        long,
        value_name = "FACTOR",
        requires = "image",
        conflicts_with_all = OF_A_DATASET,
        value_parser = factor
    )]
    zoom_columns: Option<f64>,
    /// Exchange left and right afterwards
    #[arg(long, requires = "image", conflicts_with_all = OF_A_DATASET)]
    flip: bool,
}

/// Ranges of an augmentation; each takes the place of the named augmentation's.
#[derive(Debug, Args)]
pub(crate) struct Ranges {
    /// Rotate by up to so many degrees
    #[arg(long, value_name = "DEGREES", value_parser = finite)]
    rotation_degrees: Option<f64>,
    /// Shift left or right by up to this fraction of the width
    #[arg(long, value_name = "FRACTION", value_parser = finite)]
    width_shift: Option<f64>,
    /// Shift up or down by up to this fraction of the height
    #[arg(long, value_name = "FRACTION", value_parser = finite)]
    height_shift: Option<f64>,
    /// Shear by up to so many radians
    #[arg(long, value_name = "RADIANS", value_parser = finite)]
    shear_radians: Option<f64>,
    /// Zoom each axis by 1 ± up to this; with --image: by this factor
    #[arg(long, value_name = "NUMBER", value_parser = finite)]
    zoom: Option<f64>,
    /// Mirror every second image
    #[arg(long, value_name = "YES_OR_NO", action = clap::ArgAction::Set)]
    horizontal_flip: Option<bool>,
}

/// Why a factor is not 0.
const NO_ZOOM: &str = "a zoom of 0 shows nothing, and 1 leaves an image as it is";

/// A factor of a zoom.
fn factor(text: &str) -> Result<f64, String> {
    let factor = finite(text)?;
    if factor == 0.0 { Err(NO_ZOOM.to_owned()) } else { Ok(factor) }
}

pub(crate) fn run(options: &Preview) -> Result<ExitCode, CliError> {
    if let Some(image) = &options.explicit.image {
        return transform(image, options);
    }
    let selection = CellSelection::plain(options.experiment.clone());
    let experiment = selection.load()?;
    let dataset = image_source(&experiment.dataset, &options.images, &selection)?.open()?;
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
    // Without a profile, as the experiment's procedures are augmented where one is so named.
    let is_trained = |unit: &ShearUnit| {
        let named = options.augmentation.resolve(*unit);
        experiment.procedures().any(|(_, procedure)| procedure.augmentation == named)
    };
    let trained = || [ShearUnit::Radians, ShearUnit::Degrees].into_iter().find(is_trained);
    let unit = options.profile.map(Profile::shear_unit).or_else(trained);
    let named = options.augmentation.resolve(unit.unwrap_or(ShearUnit::Radians));
    let augmentation = options.ranges.over(named);
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
    write_whole(&options.output, &Sheet { title, size, rows }.png()?)?;
    say(&format!("written: {}", options.output.display()));
    Ok(ExitCode::from(SUCCESS))
}

/// Writes one image, transformed as the arguments say.
fn transform(path: &Path, options: &Preview) -> Result<ExitCode, CliError> {
    let Explicit { theta, tx, ty, shear, zoom_columns, flip, .. } = &options.explicit;
    let zoom_rows = options.ranges.zoom.unwrap_or(1.0);
    if zoom_rows == 0.0 {
        let message = format!("--zoom is a factor with --image: {NO_ZOOM}");
        return Err(CliError::Usage { message });
    }
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
