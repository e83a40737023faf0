//! thaw-data
