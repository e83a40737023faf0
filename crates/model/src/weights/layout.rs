//! The two layouts of a kernel: torchvision's files hold `[output, input, height, width]`, a base
//! computes with `[height, width, input, output]`.

/// A tensor in torchvision's layout: kernels as `[output, input, height, width]`.
pub(crate) type RawTensor = (Vec<usize>, Vec<f32>);

/// `[height, width, input, output]` to `[output, input, height, width]`.
pub(crate) fn to_oihw(values: &[f32], shape: &[usize]) -> Vec<f32> {
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
