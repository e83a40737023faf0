//! `activation(initial + left · right)`.

use std::ops::Range;

use pulp::Simd;

use super::{PanelColumns, StridedRows, in_even_groups, in_groups, load, store};
use crate::Activation;
use crate::arithmetic::{Arithmetic, WithArithmetic, run};
use crate::simd::prefetch_lines;

/// How many vectors after the present one those of a panel are fetched: the first rows that read it find
/// it in memory.
const VECTORS_AHEAD: usize = 32;

/// Initial values of the sums of a product.
#[derive(Clone, Copy, Debug)]
pub(crate) enum InitialSum<'a> {
    /// Zero.
    Zero,
    /// One number per column, such as a bias.
    Columns(&'a [f32]),
    /// The present values of the output.
    Output,
}

impl InitialSum<'_> {
    /// The part of it that belongs to some columns.
    pub(crate) fn columns(self, columns: Range<usize>) -> Self {
        match self {
            Self::Columns(values) => Self::Columns(&values[columns]),
            other => other,
        }
    }
}

/// `output = activation(initial + left · right)`; the output's rows begin `output_step` numbers
/// apart.
pub(crate) fn multiply(
    left: StridedRows<'_>,
    right: PanelColumns<'_>,
    initial: InitialSum<'_>,
    activation: Activation,
    output: &mut [f32],
    output_step: usize,
) {
    assert_eq!(
        left.segments * left.segment_length,
        right.panels.inner,
        "inner dimensions of a matrix product"
    );
    run(left.elements, Product { left, right, initial, activation, output, output_step });
}

pub(super) struct Product<'a> {
    pub(super) left: StridedRows<'a>,
    pub(super) right: PanelColumns<'a>,
    pub(super) initial: InitialSum<'a>,
    pub(super) activation: Activation,
    pub(super) output: &'a mut [f32],
    pub(super) output_step: usize,
}

impl WithArithmetic for Product<'_> {
    #[inline(always)]
    fn with_arithmetic<S: Simd, A: Arithmetic<S>>(mut self, simd: S, arithmetic: A) {
        let width = self.right.panels.width;
        for first in (0..self.right.columns).step_by(width) {
            let columns = first..self.right.columns.min(first + width);
            // Where there are 32 registers, up to 12 × 2 of them hold sums; where there are 16, 6 × 2
            // do. Half a panel needs half of them.
            match (S::F32_LANES == 8, columns.len() > S::F32_LANES) {
                (false, true) => in_even_groups!(self.left.rows, row,
                    R in 12 11 10 9 8 7 6 5 4 3 2 1 => self.block::<S, A, R, 2>(simd, arithmetic, row, &columns)),
                (false, false) => in_groups!(self.left.rows, row,
                    12 => self.block::<S, A, 12, 1>(simd, arithmetic, row, &columns), 4 => self.block::<S, A, 4, 1>(simd, arithmetic, row, &columns),
                    1 => self.block::<S, A, 1, 1>(simd, arithmetic, row, &columns)),
                (true, true) => in_groups!(self.left.rows, row,
                    6 => self.block::<S, A, 6, 2>(simd, arithmetic, row, &columns), 3 => self.block::<S, A, 3, 2>(simd, arithmetic, row, &columns),
                    1 => self.block::<S, A, 1, 2>(simd, arithmetic, row, &columns)),
                (true, false) => in_groups!(self.left.rows, row,
                    6 => self.block::<S, A, 6, 1>(simd, arithmetic, row, &columns), 1 => self.block::<S, A, 1, 1>(simd, arithmetic, row, &columns)),
            }
        }
    }
}

impl Product<'_> {
    /// `R` rows times `V` vectors of columns, summed in registers.
    #[inline(always)]
    fn block<S: Simd, A: Arithmetic<S>, const R: usize, const V: usize>(
        &mut self,
        simd: S,
        arithmetic: A,
        row: usize,
        columns: &Range<usize>,
    ) {
        let StridedRows { data, segments, segment_length, segment_step, .. } = self.left;
        let (panel, _) = self.right.panel::<S>(columns.start, V).as_chunks::<V>();
        let first: [S::f32s; V] = match self.initial {
            InitialSum::Zero | InitialSum::Output => [simd.splat_f32s(0.0); V],
            InitialSum::Columns(values) => load(simd, &values[columns.clone()]),
        };
        let mut sums = [first; R];
        if let InitialSum::Output = self.initial {
            for (index, sums) in sums.iter_mut().enumerate() {
                *sums =
                    load(simd, &self.output[(row + index) * self.output_step..][columns.clone()]);
            }
        }
        let starts: [usize; R] = self.left.starts(row);
        for segment in 0..segments {
            let rows: [&[f32]; R] = std::array::from_fn(|index| {
                &data[starts[index] + segment * segment_step..][..segment_length]
            });
            for (k, right) in panel[segment * segment_length..][..segment_length].iter().enumerate()
            {
                prefetch_lines(right, VECTORS_AHEAD);
                for (sums, row) in sums.iter_mut().zip(rows) {
                    let value = simd.splat_f32s(row[k]);
                    for (sum, right) in sums.iter_mut().zip(right) {
                        *sum = arithmetic.multiply_add(simd, value, *right, *sum);
                    }
                }
            }
        }
        self.activation.vectors(simd, sums.as_flattened_mut());
        for (index, sums) in sums.into_iter().enumerate() {
            store(
                simd,
                sums,
                &mut self.output[(row + index) * self.output_step..][columns.clone()],
            );
        }
    }
}
