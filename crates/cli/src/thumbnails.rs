//! What the report's page says of the validation images themselves: their names and small pictures.

use std::collections::BTreeMap;
use std::path::Path;

use thaw_analysis::{CellRun, Measurements, ResultsFolder};
use thaw_data::{Dataset, resize};
use thaw_report::{PageImages, data_url, jpeg};
use thaw_spec::{DatasetSource, Experiment, Resize, Split};

use crate::arguments::Images;
use crate::error::CliError;
use crate::inputs::image_source;
use crate::selection::CellSelection;
use crate::terminal::say_on_stderr;

/// Pictures that a page has at most: those on which the cells disagree most.
const MOST: usize = 96;
/// Side of a picture, in pixels.
const SIDE: usize = 64;

/// The validation images of the runs. Photographs become part of the page only when they are named,
/// and only when they are those that the runs saw.
pub(crate) fn page_images(
    selection: &CellSelection,
    experiment: &Experiment,
    folder: &ResultsFolder,
    accuracy: &Measurements<'_>,
    data: Option<&Path>,
) -> Result<PageImages, CliError> {
    let runs = || accuracy.results().procedures.iter().flat_map(|procedure| &procedure.runs);
    let Some(run) = runs().find(|run| accuracy.outcomes(run).is_some()) else {
        return Ok(PageImages::default());
    };
    let mut predictions = folder.read_predictions(&run.manifest.id)?.unwrap_or_default();
    predictions.retain(|prediction| prediction.split == Split::Validation);
    predictions.sort_by_key(|prediction| prediction.image);
    let labels = predictions.iter().map(|prediction| prediction.label).collect();
    let unnamed = PageImages { labels, ..PageImages::default() };
    if data.is_none() && matches!(experiment.dataset, DatasetSource::Folder {}) {
        return Ok(unnamed);
    }
    let images = Images { data: data.map(Path::to_owned) };
    let dataset = image_source(&experiment.dataset, &images, selection)?.open()?;
    if dataset.content_hash()? != run.cell().inputs.dataset {
        say_on_stderr(
            "warning: these are not the images that the runs saw, so the page shows none of them",
        );
        return Ok(unnamed);
    }
    let count = dataset.counts().validation as usize;
    if unnamed.labels.len() != count {
        say_on_stderr(
            "warning: the runs passed over validation images that they could not read and numbered the others, so the page names none of them",
        );
        return Ok(unnamed);
    }
    let mut thumbnails = BTreeMap::new();
    for image in most_disputed(runs(), accuracy, count) {
        thumbnails.insert(image as u32, thumbnail(dataset.as_ref(), image)?);
    }
    Ok(PageImages {
        classes: Some(dataset.classes().to_vec()),
        names: Some((0..count).map(|image| dataset.name(Split::Validation, image)).collect()),
        thumbnails,
        ..unnamed
    })
}

/// The images on which about half of the runs are right, the most disputed first.
fn most_disputed<'a>(
    runs: impl Iterator<Item = &'a CellRun>,
    accuracy: &Measurements<'_>,
    count: usize,
) -> Vec<usize> {
    let mut right = vec![0.0; count];
    let mut total = 0.0;
    for outcomes in runs.filter_map(|run| accuracy.outcomes(run)) {
        total += 1.0;
        for (image, value) in outcomes {
            if let Some(right) = right.get_mut(*image as usize) {
                *right += f64::from(*value);
            }
        }
    }
    let dispute = |image: usize| right[image] * (total - right[image]);
    let mut images: Vec<usize> = (0..count).filter(|image| dispute(*image) > 0.0).collect();
    images.sort_by(|one, other| dispute(*other).total_cmp(&dispute(*one)));
    images.truncate(MOST);
    images
}

fn thumbnail(dataset: &dyn Dataset, image: usize) -> Result<String, CliError> {
    let pixels = resize(&dataset.image(Split::Validation, image)?, SIDE, Resize::Bilinear);
    let side = SIDE as u32;
    Ok(data_url(&jpeg(&pixels, (side, side))?))
}
