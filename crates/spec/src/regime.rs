//! A regime is a point in a plane: where the freeze boundary lies, and whether activations at it
//! are cached.
//!
//! Keras adds a third coordinate, which ought not to exist: whether the declared boundary reaches
//! the optimizer.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::UnknownName;

/// Position at which the convolutional base stops being frozen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FreezeBoundary {
    /// Every tensor of the base is frozen.
    All,
    /// Blocks from this one on (counted from 1) are trained, those before it are frozen.
    Block(usize),
    /// No tensor is frozen: the whole base is trained.
    None,
}

impl FreezeBoundary {
    /// Number of leading blocks that are frozen in a base of `blocks` blocks.
    pub fn frozen_blocks(self, blocks: usize) -> usize {
        match self {
            Self::All => blocks,
            Self::Block(first_trained) => (first_trained - 1).min(blocks),
            Self::None => 0,
        }
    }
}

impl fmt::Display for FreezeBoundary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => formatter.write_str("all"),
            Self::Block(block) => write!(formatter, "block_{block}"),
            Self::None => formatter.write_str("none"),
        }
    }
}

impl Serialize for FreezeBoundary {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for FreezeBoundary {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        match name {
            "all" => Ok(Self::All),
            "none" => Ok(Self::None),
            other => match other.strip_prefix("block_").and_then(|block| block.parse().ok()) {
                Some(block) if block >= 1 => Ok(Self::Block(block)),
                _ => Err(UnknownName::new(
                    "freeze boundary",
                    other,
                    "`all`, `none` or `block_1`, `block_2`, …",
                )),
            },
        }
    }
}

impl<'de> Deserialize<'de> for FreezeBoundary {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// Tensors of the base that the optimizer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OptimizerCollects {
    /// The tensors above the declared freeze boundary, as everybody expects.
    Unfrozen,
    /// All tensors whatever was declared, as Keras before 2.1.0 held them for a base nested in a
    /// `Sequential` model.
    Everything,
    /// All tensors, of which those below the freeze boundary have gradients of zeros instead of none,
    /// as `zero_grad(set_to_none=False)` leaves them in PyTorch (the default before 2.0) after
    /// `requires_grad = False`: momentum and weight decay go on moving them.
    EverythingWithZeroGradients,
}

/// What becomes of the base's activations before the head's layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pooling {
    /// They are put in a row: `Flatten`, as in the book.
    #[default]
    Flatten,
    /// They are averaged over height and width: `GlobalAveragePooling2D`, and torchvision's
    /// classifiers.
    Average,
}

/// Object on which a person sets `trainable = False`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FreezeBy {
    /// Each layer of the nested base, whose weights every library then leaves out of the optimizer.
    Layers,
    /// The base as a whole, nested in a `Sequential` model, as in the book: some libraries ignore
    /// it.
    Container,
}

/// Treatment of a freeze that is declared on a nested base.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NestedFreeze {
    /// The optimizer leaves the base out.
    Honoured,
    /// The optimizer collects every tensor of the base (Keras before 2.1.0).
    Ignored,
}

/// Caching of the activations at the freeze boundary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cache {
    /// No caching: each batch runs through the frozen part again.
    None,
    /// Caching of the activations of each training image, computed once.
    Features,
    /// Caching of the activations of several augmented variants of each training image; epoch `e`
    /// uses variant `e mod variants`.
    Variants,
}
