//! What the duration of an epoch says about the work that was done in it.

use crate::estimate::Sample;

/// Use of the base in an epoch, as the epoch's duration tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// The base is not run.
    Nothing,
    /// The base is run forwards.
    Forward,
    /// The base is run forwards and backwards, to its first layer.
    ForwardAndBackward,
}

/// The duration of an epoch in units of the time that the base takes for the training images,
/// forwards.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// Measured duration of an epoch.
    pub forward_passes: f64,
    /// Expected duration with a frozen base that runs in every epoch.
    pub frozen: f64,
    /// Expected duration with a base that is trained as a whole.
    pub trained: f64,
    /// Use of the base whose expected duration is nearest to the measured one.
    pub work: Work,
}

/// Judges the duration of an epoch, in seconds, by that of one forward pass of the base over the
/// training images on the same machine. `validation_share` is the number of validation images,
/// which every epoch passes forwards, divided by that of the training images.
///
/// A backward pass costs about two forward ones, since each layer has gradients by its inputs and
/// by its weights: an epoch with a frozen base takes 1 + v passes, one that trains it 3 + v. What
/// lies between is told apart at the geometric mean, and half a frozen epoch from none.
pub fn pace(epoch_seconds: f64, forward_seconds: f64, validation_share: f64) -> Pace {
    let forward_passes = epoch_seconds / forward_seconds;
    let (frozen, trained) = (1.0 + validation_share, 3.0 + validation_share);
    let work = match forward_passes {
        passes if passes < frozen / 2.0 => Work::Nothing,
        passes if passes < (frozen * trained).sqrt() => Work::Forward,
        _ => Work::ForwardAndBackward,
    };
    Pace { forward_passes, frozen, trained, work }
}

/// Median duration of the epochs after the first, which includes the start, in seconds; nothing
/// when the log has no durations, or only such as are rounded to zero.
pub fn typical_seconds(seconds: &[f64]) -> Option<f64> {
    let later = seconds.get(1..).filter(|later| !later.is_empty()).unwrap_or(seconds);
    let median = Sample::new(later.to_vec())?.median();
    (median > 0.0).then_some(median)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_tells_what_it_did() {
        // 2,000 training and 1,000 validation images, a forward pass of 10 seconds.
        let work = |seconds: f64| pace(seconds, 10.0, 0.5).work;
        assert_eq!(
            [2.0, 15.0, 22.0, 30.0, 35.0].map(work),
            [
                Work::Nothing,
                Work::Forward,
                Work::Forward,
                Work::ForwardAndBackward,
                Work::ForwardAndBackward
            ]
        );
        assert_eq!(typical_seconds(&[90.0, 71.0, 72.0, 73.0]), Some(72.0));
        assert_eq!(typical_seconds(&[90.0, 71.0, 74.0]), Some(72.5));
        assert_eq!(typical_seconds(&[90.0]), Some(90.0));
        assert_eq!(typical_seconds(&[]), None);
        assert_eq!(typical_seconds(&[1.0, 0.0, 0.0]), None);
    }
}
