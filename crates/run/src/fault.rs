//! Faults that can be injected into the execution of cells, to see that the guard guards.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thaw_spec::{ChannelOrder, OptimizerCollects, Procedure};

/// A bug, as somebody might make it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// The optimizer's ε is far too large.
    Epsilon,
    /// The freeze does not reach the optimizer.
    Freeze,
    /// Training images are shown class after class.
    Shuffle,
    /// Red and blue are exchanged.
    ChannelOrder,
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "epsilon" => Ok(Self::Epsilon),
            "freeze" => Ok(Self::Freeze),
            "shuffle" => Ok(Self::Shuffle),
            "channel-order" => Ok(Self::ChannelOrder),
            _ => Err("expected epsilon, freeze, shuffle or channel-order".to_owned()),
        }
    }
}

impl Fault {
    /// Changes a procedure as the bug would, in every phase.
    pub(crate) fn strike(self, procedure: &mut Procedure) {
        procedure.later_phases.iter_mut().for_each(|later| self.strike(&mut later.procedure));
        match self {
            Self::Epsilon => {
                procedure.optimizer.epsilon_mut().into_iter().for_each(|epsilon| *epsilon = 0.1)
            }
            Self::Freeze => {
                if procedure.frozen_blocks() > 0 {
                    procedure.optimizer_collects = OptimizerCollects::Everything;
                    procedure.cache = thaw_spec::Cache::None;
                }
            }
            Self::Shuffle => procedure.shuffle = false,
            Self::ChannelOrder => {
                let channels = &mut procedure.preprocessing.channels;
                *channels = if *channels == ChannelOrder::Rgb {
                    ChannelOrder::Bgr
                } else {
                    ChannelOrder::Rgb
                };
            }
        }
    }
}
