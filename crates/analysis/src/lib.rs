//! thaw-analysis
