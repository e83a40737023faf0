//! Which images a validation pass of an older Keras looks at.

use thaw_data::{Purpose, Stream};
use thaw_spec::ValidationSampling;

/// The images that a validation pass (counted from 0) of Keras before 2.1.0 looks at: as many
/// batches as the split has, from an endless sequence of shuffled passes through the split, of
/// which [`ValidationSampling::DISCARDED_BATCHES`] are lost after each validation pass.
pub(crate) fn seen_in_validation_pass(
    images: usize,
    batch_size: usize,
    seed: u64,
    pass: usize,
) -> Vec<usize> {
    let batches = images.div_ceil(batch_size);
    let first = pass * (batches + ValidationSampling::DISCARDED_BATCHES);
    let through = |round: usize| Stream::new(seed, Purpose::Validate, round, 0).permutation(images);
    let last = first + batches - 1;
    let rounds = first / batches..=last / batches;
    let endless: Vec<Vec<usize>> = rounds
        .flat_map(|round| {
            through(round).chunks(batch_size).map(<[usize]>::to_vec).collect::<Vec<_>>()
        })
        .collect();
    endless.into_iter().skip(first % batches).take(batches).flatten().collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_validation_pass_of_keras_2_0_8_sees_some_images_twice_and_others_not() {
        // 50 batches of 20, of which each pass takes 50 and loses 10: the first sees every image,
        // as does every fifth after it, for 5 · 60 = 6 · 50.
        let distinct = |pass: usize| {
            let seen = seen_in_validation_pass(1000, 20, 0, pass);
            assert_eq!(seen.len(), 1000);
            seen.into_iter().collect::<BTreeSet<_>>().len()
        };
        assert_eq!((distinct(0), distinct(5)), (1000, 1000));
        // Pass 1 takes 40 batches of one round and 10 of the next, of whose 200 images 40 are
        // expected to be new: 840 ± 4.6. Pass 2 takes 30 and 20, of whose 400 images 160 are
        // expected to be new: 760 ± 7.6.
        assert!((822..=858).contains(&distinct(1)), "{}", distinct(1));
        assert!((730..=790).contains(&distinct(2)), "{}", distinct(2));
        assert_ne!(
            seen_in_validation_pass(1000, 20, 0, 1),
            seen_in_validation_pass(1000, 20, 1, 1)
        );
        // A last partial batch is a batch.
        assert_eq!(
            seen_in_validation_pass(45, 20, 0, 0).into_iter().collect::<BTreeSet<_>>().len(),
            45
        );
    }
}
