//! A regime is a point in a plane: where the freeze boundary lies, and whether activations at it
//! are cached.
//!
//! Keras adds a third coordinate, which ought not to exist: whether the declared boundary reaches
//! the optimizer.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Where the convolutional base stops being frozen.
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
    /// How many leading blocks of a base with `blocks` blocks are frozen.
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

impl<'de> Deserialize<'de> for FreezeBoundary {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.as_str() {
            "all" => Ok(Self::All),
            "none" => Ok(Self::None),
            other => match other.strip_prefix("block_").and_then(|block| block.parse().ok()) {
                Some(block) if block >= 1 => Ok(Self::Block(block)),
                _ => Err(de::Error::custom(format!(
                    "unknown freeze boundary `{other}`, expected `all`, `none` or `block_1`, `block_2`, …"
                ))),
            },
        }
    }
}

/// Which tensors of the base the optimizer takes hold of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OptimizerCollects {
    /// Those above the declared freeze boundary, as everybody expects.
    Unfrozen,
    /// All of them whatever was declared, as Keras before 2.1.0 did with a base nested in a
    /// `Sequential` model.
    Everything,
}

/// On what a person sets `trainable = False`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FreezeBy {
    /// On each layer of the base, which every library honours.
    Layers,
    /// On the base as a whole, nested in a `Sequential` model, as the book does: some libraries do
    /// not hear it.
    Container,
}

/// Whether a flag on a nested base reaches the optimizer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NestedFreeze {
    /// It does.
    Honoured,
    /// It does not: the optimizer collects every tensor of the base (Keras before 2.1.0).
    Ignored,
}

/// Whether the activations at the freeze boundary are computed once and kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cache {
    /// Nothing is kept: each batch runs through the frozen part again.
    None,
    /// The activations of each training image, once.
    Features,
    /// The activations of several augmented variants of each training image; epoch `e` uses variant
    /// `e mod variants`.
    Variants,
}
