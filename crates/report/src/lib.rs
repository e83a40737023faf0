//! thaw-report
