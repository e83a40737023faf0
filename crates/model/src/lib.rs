//! thaw-model
