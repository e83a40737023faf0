//! thaw-train
