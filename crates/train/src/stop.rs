//! A request to stop, such as a signal brings.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Asks work to stop at the end of its batch. All copies are one request.
///
/// # Example
/// ```
/// let stop = thaw_train::Stop::default();
/// let elsewhere = stop.clone();
/// assert!(!stop.is_requested());
/// elsewhere.request();
/// assert!(stop.is_requested());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Asks; safe in a handler of signals.
    pub fn request(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether somebody has asked.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
