//! The two layouts of a kernel: torchvision's files hold `[output, input, height, width]`, a base
//! computes with `[height, width, input, output]`.

/// A tensor in torchvision's layout: kernels as `[output, input, height, width]`.
pub(crate) type RawTensor = (Vec<usize>, Vec<f32>);

/// `[height, width, input, output]` to `[output, input, height, width]`.
pub(crate) fn to_oihw(values: &[f32], shape: &[usize]) -> Vec<f32> {
    // Of a shape with an extent of 0 the others may be anything.
    if values.is_empty() {
        return Vec::new();
    }
    let (taps, inputs, outputs) = (shape[0] * shape[1], shape[2], shape[3]);
    let mut result = Vec::with_capacity(values.len());
    for output in 0..outputs {
        for input in 0..inputs {
            result.extend((0..taps).map(|tap| values[(tap * inputs + input) * outputs + output]));
        }
    }
    result
}

/// `[output, input, height, width]` to `[height, width, input, output]`.
pub(crate) fn to_hwio(values: &[f32], shape: &[usize]) -> Vec<f32> {
    let (outputs, inputs, taps) = (shape[0], shape[1], shape[2] * shape[3]);
    let mut result = Vec::with_capacity(values.len());
    for tap in 0..taps {
        for input in 0..inputs {
            result
                .extend((0..outputs).map(|output| values[(output * inputs + input) * taps + tap]));
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_nothing_no_shape_makes_more() {
        let huge = 1 << 40;
        for shape in [[0, 1, 1, huge], [huge, huge, 0, 1], [0, huge, huge, huge]] {
            assert!(to_oihw(&[], &shape).is_empty());
        }
        let values = [1.0, 2.0, 3.0, 4.0];
        assert_eq!(to_oihw(&values, &[1, 1, 2, 2]), [1.0, 3.0, 2.0, 4.0]);
    }
}
