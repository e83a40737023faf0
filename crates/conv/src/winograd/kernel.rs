//! Kernels at the points: `G g Gᵀ`, and back.

use std::marker::PhantomData;
use std::ops::Range;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::transform::{
    Channels, F2, F3, F4, F6, Linear, MOST_STREAMS, Minimal, column, write_points,
};
use super::{TileSize, Variant, with_algorithm};
use crate::arithmetic::{Elements, Place};
use crate::product::Panels;
use crate::simd::{prefetch, vectorized};

/// How many vectors after the present one sums at many points are fetched.
const VECTORS_AHEAD: usize = 8;

/// A kernel `[3, 3, inputs, outputs]` at the points of an algorithm.
#[derive(Debug)]
pub(crate) struct TransformedKernel {
    pub(crate) variant: Variant,
    pub(super) panels: Panels,
}

impl TransformedKernel {
    pub(crate) fn new(variant: Variant, kernel: &[f32], inputs: usize, outputs: usize) -> Self {
        let panels =
            with_algorithm!(variant.tiles, transformed(variant.elements, kernel, inputs, outputs));
        Self { variant, panels }
    }
}

fn transformed<const P: usize, const M: usize, A: Minimal<P, M>>(
    elements: Elements,
    kernel: &[f32],
    inputs: usize,
    outputs: usize,
) -> Panels {
    let inner = match elements {
        Elements::Numbers => inputs,
        Elements::Pairs => inputs / 2,
    };
    let mut panels = Panels::room(P * P, inner, outputs);
    panels.fill(|columns, panel| {
        vectorized(FillPanel::<A::Kernel, P> {
            inner,
            kernel,
            inputs,
            outputs,
            columns,
            panel,
            matrix: PhantomData,
        });
    });
    panels
}

/// Writes some columns of all matrices, one matrix after the other.
struct FillPanel<'a, L, const P: usize> {
    /// Rows of a matrix: inputs, or pairs of them.
    inner: usize,
    kernel: &'a [f32],
    inputs: usize,
    outputs: usize,
    columns: Range<usize>,
    panel: &'a mut [f32],
    matrix: PhantomData<L>,
}

impl<L: Linear<P, 3>, const P: usize> WithSimd for FillPanel<'_, L, P> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { inner, kernel, inputs, outputs, columns, panel, .. } = self;
        let vectors = columns.len() / S::F32_LANES;
        let kernel = S::as_simd_f32s(kernel).0;
        let panel = S::as_mut_simd_f32s(panel).0;
        let (first, row, tap) =
            (columns.start / S::F32_LANES, outputs / S::F32_LANES, inputs * outputs / S::F32_LANES);
        for input in 0..inputs {
            let place = match (inner == inputs, input < inner) {
                (true, _) => Place::Number,
                (false, true) => Place::First,
                (false, false) => Place::Second,
            };
            for vector in 0..vectors {
                let source = &kernel[input * row + first + vector..];
                let mut rows = [[Channels::zero(simd); P]; 3];
                for row in 0..3 {
                    let mut taps = [Channels::zero(simd); 3];
                    for column in 0..3 {
                        taps[column].values = source[(3 * row + column) * tap];
                    }
                    rows[row] = L::times(taps);
                }
                let panel = &mut panel[input % inner * vectors + vector..];
                write_points::<S, L, P, 3>(simd, place, &rows, panel, inner * vectors);
            }
        }
    }
}

/// `Gᵀ U G` of the sums at the points, each `[inputs, outputs]` and `step` numbers behind the one
/// before: a gradient of the kernel.
pub(super) fn from_points<const P: usize, const M: usize, A: Minimal<P, M>>(
    sums: &[f32],
    step: usize,
    inputs: usize,
    outputs: usize,
) -> Vec<f32> {
    let mut kernel = vec![0f32; 9 * inputs * outputs];
    let mut taps: Vec<_> = kernel
        .chunks_exact_mut(inputs * outputs)
        .map(|tap| tap.chunks_exact_mut(outputs))
        .collect();
    let rows: Vec<[&mut [f32]; 9]> = (0..inputs)
        .map(|_| std::array::from_fn(|tap| taps[tap].next().expect("a row per tap and input")))
        .collect();
    rows.into_par_iter().enumerate().with_min_len(8).for_each(|(input, rows)| {
        let first = input * outputs;
        vectorized(WriteTaps::<A::KernelGradient, P> {
            sums,
            step,
            first,
            rows,
            matrix: PhantomData,
        });
    });
    kernel
}

/// Writes the taps of one input channel from the sums at the points.
struct WriteTaps<'a, 'b, L, const P: usize> {
    sums: &'a [f32],
    step: usize,
    first: usize,
    rows: [&'b mut [f32]; 9],
    matrix: PhantomData<L>,
}

impl<L: Linear<3, P>, const P: usize> WithSimd for WriteTaps<'_, '_, L, P> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { sums, step, first, rows, .. } = self;
        let sums = S::as_simd_f32s(sums).0;
        let (step, first) = (step / S::F32_LANES, first / S::F32_LANES);
        let vectors = rows[0].len() / S::F32_LANES;
        for vector in 0..vectors {
            let mut halves = [[Channels::zero(simd); 3]; P];
            for row in 0..P {
                let mut points = [Channels::zero(simd); P];
                for column in 0..P {
                    let sum = &sums[(P * row + column) * step + first + vector];
                    if P * P > MOST_STREAMS {
                        prefetch(sum, VECTORS_AHEAD);
                    }
                    points[column].values = *sum;
                }
                halves[row] = L::times(points);
            }
            for at in 0..3 {
                let taps = column::<S, L, 3, P>(simd, &halves, at);
                for (row, tap) in taps.into_iter().enumerate() {
                    S::as_mut_simd_f32s(rows[3 * row + at]).0[vector] = tap.values;
                }
            }
        }
    }
}
