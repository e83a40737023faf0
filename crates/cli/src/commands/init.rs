//! `thaw init`: an experiment file for a folder of images.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use thaw_data::{Dataset as _, Folder};
use thaw_spec::{Architecture, Experiment, PreprocessingName, Split, shell_word, visible};

use crate::error::{CliError, SUCCESS};
use crate::files::{file_stem_of, write_new};
use crate::places::refuse_file;
use crate::terminal::say;

#[derive(Debug, Args)]
pub(crate) struct Init {
    /// Folder with train/CLASS/IMAGE, validation/… and, if wanted, test/…
    #[arg(default_value = ".", value_name = "FOLDER")]
    folder: PathBuf,
    /// The base: vgg16, resnet50, mobilenet_v2, … (`mini_vgg` and `mini_resnet` bring their own weights)
    #[arg(long, default_value = "vgg16", value_name = "NAME")]
    base: Architecture,
    /// The file to write [default: the folder's name with .toml]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Images whose sizes are looked at.
const MEASURED_IMAGES: usize = 200;
/// The side that ImageNet's bases were trained with, in pixels.
const LARGEST_SIDE: u32 = 224;
/// Sides are multiples of this, the factor by which the bases shrink an image.
const SIDE_STEP: u32 = 32;

/// The regime of a base with batch normalisation that is frozen in name only, too.
const MOVING_STATISTICS: &str = r#"moving_statistics = { frozen_statistics = "moving" }           # PyTorch's `requires_grad = False` without `eval()`
"#;

/// What an experiment file says of a base.
struct BaseChoice {
    architecture: Architecture,
    trained_with: PreprocessingName,
    /// The name of its weights in the catalogue of `thaw fetch`, if they are there.
    fetched: Option<&'static str>,
    /// The file of its weights; nothing for weights that come with thaw.
    weights: Option<&'static str>,
    comment: &'static str,
}

/// The base of this name, and the weights that thaw can fetch for it.
fn base_choice(architecture: Architecture) -> BaseChoice {
    use PreprocessingName::{Caffe, Tf, Torch};
    let (trained_with, fetched, weights, comment) = match architecture {
        Architecture::Vgg16 => (
            Torch,
            Some("vgg16-torchvision"),
            Some("weights/vgg16.tv_in1k.safetensors"),
            "five blocks, 14.7 million weights; `thaw fetch vgg16-torchvision` downloads them",
        ),
        Architecture::Vgg19 => (
            Caffe,
            Some("vgg19-keras"),
            Some("weights/vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5"),
            "five blocks, 20.0 million weights; `thaw fetch vgg19-keras` downloads them",
        ),
        Architecture::Squeezenet1_0 => (
            Torch,
            Some("squeezenet1_0-torchvision"),
            Some("weights/squeezenet1_0-b66bff10.pth"),
            "four blocks, 0.7 million weights; `thaw fetch squeezenet1_0-torchvision` downloads them",
        ),
        Architecture::Resnet18 => (
            Torch,
            Some("resnet18-torchvision"),
            Some("weights/resnet18-f37072fd.pth"),
            "five blocks, 11.2 million weights; `thaw fetch resnet18-torchvision` downloads them",
        ),
        Architecture::Resnet50 => (
            Torch,
            Some("resnet50-torchvision"),
            Some("weights/resnet50-0676ba61.pth"),
            "five blocks, 23.5 million weights; `thaw fetch resnet50-torchvision` downloads them",
        ),
        Architecture::Resnet50Keras => (
            Caffe,
            Some("resnet50-keras"),
            Some("weights/resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5"),
            "five blocks, 23.6 million weights; `thaw fetch resnet50-keras` downloads them",
        ),
        Architecture::MobilenetV2 => (
            Torch,
            Some("mobilenet_v2-torchvision"),
            Some("weights/mobilenet_v2-b0353104.pth"),
            "five blocks, 2.2 million weights; `thaw fetch mobilenet_v2-torchvision` downloads them",
        ),
        Architecture::MobilenetV2Keras => (
            Tf,
            None,
            Some("mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5"),
            "five blocks, 2.3 million weights; Keras downloads them",
        ),
        Architecture::EfficientnetLite0 => (
            Tf,
            None,
            Some("efficientnet_lite0.safetensors"),
            "five blocks, 3.4 million weights; timm has them as tf_efficientnet_lite0",
        ),
        Architecture::EfficientnetLite0Timm => (
            Torch,
            None,
            Some("efficientnet_lite0.safetensors"),
            "five blocks, 3.4 million weights; timm has them as efficientnet_lite0",
        ),
        Architecture::MiniVgg => (
            Caffe,
            None,
            None,
            "four blocks, for images of 32 to 64 pixels; its weights come with thaw",
        ),
        Architecture::MiniResnet => (
            Torch,
            None,
            None,
            "four blocks with BatchNorm, for images of 32 to 64 pixels; its weights come with thaw",
        ),
    };
    BaseChoice { architecture, trained_with, fetched, weights, comment }
}

pub(crate) fn run(options: &Init) -> Result<ExitCode, CliError> {
    let remedy = "name a folder with train/<class>/<image> and validation/<class>/<image>";
    refuse_file(&options.folder, "a folder of images", remedy)?;
    let folder = Folder::scan(&options.folder)?;
    let base = base_choice(options.base);
    let output = options.output.clone().unwrap_or_else(|| default_output(&options.folder));
    let name = output
        .file_stem()
        .map_or_else(|| "experiment".to_owned(), |stem| file_stem_of(&stem.to_string_lossy()));
    let sides = folder.shorter_sides(MEASURED_IMAGES);
    let side = image_side(&sides, base.architecture);
    let text = experiment_text(&name, &folder, &base, side);
    // What is written is also understood.
    let experiment = Experiment::parse(&output.display().to_string(), &text)?;
    write_new(&output, text.as_bytes())?;

    let counts = folder.counts();
    say(&format!(
        "{}: {} classes ({}), {} training, {} validation and {} test images{}",
        options.folder.display(),
        folder.classes.len(),
        folder.classes.join(", "),
        counts.train,
        counts.validation,
        counts.test,
        median(&sides).map_or_else(String::new, |median| format!(
            ", the shorter side {median} pixels in the median"
        ))
    ));
    folder.remarks().iter().for_each(|remark| say(&format!("warning: {remark}")));
    say(&format!(
        "{}: {} procedures on {} at {side}×{side} pixels, 3 seeds each",
        output.display(),
        experiment.procedures().len(),
        base.architecture
    ));
    say("next:");
    let mut arguments = format!(
        "{} --data {}",
        shell_word(&output.to_string_lossy()),
        shell_word(&options.folder.to_string_lossy())
    );
    if let Some(entry) = base.fetched {
        say(&format!("  thaw fetch {entry}"));
    }
    if let Some(file) = base.weights {
        arguments += &format!(" --weights {file}");
    }
    say(&format!("  thaw plan {arguments}"));
    say(&format!("  thaw sweep {arguments} --only regime=cached"));
    Ok(ExitCode::from(SUCCESS))
}

/// The folder's name with `.toml`, in the current folder.
fn default_output(folder: &Path) -> PathBuf {
    let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let name = absolute.file_name().map_or_else(String::new, |name| name.to_string_lossy().into());
    let stem = file_stem_of(&name);
    PathBuf::from(if stem.is_empty() { "experiment".to_owned() } else { stem } + ".toml")
}

/// The side of the square that images are resized to: what most images fill, no more than the base
/// was trained with.
fn image_side(sides: &[u32], architecture: Architecture) -> u32 {
    let is_miniature = matches!(architecture, Architecture::MiniVgg | Architecture::MiniResnet);
    let largest = if is_miniature { 32 } else { LARGEST_SIDE };
    let filled = median(sides).unwrap_or(largest).min(largest);
    (filled / SIDE_STEP * SIDE_STEP).max(if largest == 32 { 32 } else { 2 * SIDE_STEP })
}

fn median(sides: &[u32]) -> Option<u32> {
    let mut sorted = sides.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied()
}

/// The text of the experiment file.
fn experiment_text(name: &str, folder: &Folder, base: &BaseChoice, side: u32) -> String {
    let counts = folder.counts();
    let has_batch_norm = base.architecture.has_batch_norm();
    let weights = base.weights.map_or_else(String::new, |file| format!(" --weights {file}"));
    let images: Vec<String> = Split::ALL
        .into_iter()
        .filter(|split| counts.of(*split) > 0)
        .map(|split| format!("{} {split}", counts.of(split)))
        .collect();
    format!(
        r#"# Cached features, a frozen base and an accidentally unfrozen one, on your images.
#
#   thaw plan {name}.toml --data FOLDER{weights}     what it costs
#   thaw sweep {name}.toml --data FOLDER{weights}    runs it; `--only regime=cached` runs a part
#
# Every key of [procedure] can be a factor of [matrix].

name = "{name}"
title = "{name}: which difference between the procedures makes which difference?"
seeds = [0, 1, 2] # more seeds, narrower intervals

[dataset]
source = "folder" # {images} images of the classes {classes}

[base]
architecture = "{architecture}" # {comment}
trained_with = "{trained_with}" # the preprocessing of its training

[procedure]
image_size = {side} # pixels
epochs = 30
batch_size = 20
learning_rate = 2e-5
hidden_units = 256
dropout = 0.5
# profile = "torch" # or {profiles}: the defaults of that library

[matrix.regime]
cached = {{ cache = "features" }}                               # the base runs once per image
{frozen} # the base runs in every epoch
accidentally_unfrozen = {{ optimizer_collects = "everything" }} # frozen in name only; costs most
{statistics}
[matrix]
augmentation = ["none", "book"]
preprocessing = ["rescale", "{trained_with}"] # division by 255, and what the weights were trained on

[[exclude]] # cached features hold each image once
regime = "cached"
augmentation = "book"

# The table of changes that a sweep ends with, one change at a time.

[[ladder]]
label = "cached features, pixels divided by 255"
where = {{ regime = "cached", preprocessing = "rescale" }}

[[ladder]]
label = "the base run end to end, frozen"
where = {{ regime = "frozen_end_to_end", augmentation = "none", preprocessing = "rescale" }}

[[ladder]]
label = "with augmentation"
where = {{ regime = "frozen_end_to_end", augmentation = "book", preprocessing = "rescale" }}

[[ladder]]
label = "with the preprocessing that the weights expect"
where = {{ regime = "frozen_end_to_end", augmentation = "book", preprocessing = "{trained_with}" }}

[[ladder]]
label = "the base accidentally unfrozen"
where = {{ regime = "accidentally_unfrozen", augmentation = "book", preprocessing = "{trained_with}" }}
"#,
        images = images.join(", "),
        classes = comment_words(&folder.classes),
        architecture = base.architecture,
        comment = base.comment,
        trained_with = base.trained_with.name(),
        profiles = if has_batch_norm {
            // In Keras 3 no frozen statistics move.
            "\"keras-2.0.8\", \"keras-2.1.3\", \"keras-2.2\""
        } else {
            "\"keras-2.0.8\", \"keras-2.1.3\", \"keras-2.2\", \"keras-3\""
        },
        frozen = if has_batch_norm {
            "frozen_end_to_end = { frozen_statistics = \"kept\" }            "
        } else {
            "frozen_end_to_end = {}                                       "
        },
        statistics = if has_batch_norm { MOVING_STATISTICS } else { "" },
    )
}

/// Class names for a comment: on one line, at most ten of them.
fn comment_words(classes: &[String]) -> String {
    const SHOWN: usize = 10;
    let shown: Vec<String> =
        classes.iter().take(SHOWN).map(|class| visible(class).into_owned()).collect();
    match classes.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
