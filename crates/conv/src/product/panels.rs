//! The right sides of products in the order in which they are read.

use std::ops::Range;

use pulp::Simd;
use rayon::prelude::*;

use crate::buffer::{Buffer, BufferPool};
use crate::simd::lanes;

/// Numbers of panels from which on several threads fill them.
const PARALLEL_FILL: usize = 1 << 16;

/// The right sides of products, laid out in the order in which they are read: panels of two vectors
/// of columns, in each the matrices one after the other, row after row. The last panel is half as
/// wide if that is enough, and filled up with zeros.
#[derive(Debug)]
pub(crate) struct Panels {
    storage: Buffer,
    matrices: usize,
    pub(super) inner: usize,
    columns: usize,
    pub(super) width: usize,
}

/// Some columns of one of the matrices of [`Panels`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct PanelColumns<'a> {
    pub(super) panels: &'a Panels,
    matrix: usize,
    /// A multiple of the panels' width.
    first_column: usize,
    pub(super) columns: usize,
}

impl Panels {
    /// Lays out the matrix whose element in row `k` and column `n` is `data[k · inner_step + n ·
    /// column_step]`.
    pub(crate) fn pack(
        data: &[f32],
        inner: usize,
        columns: usize,
        inner_step: usize,
        column_step: usize,
    ) -> Self {
        Self::pack_for(lanes(), data, inner, columns, inner_step, column_step)
    }

    /// Implements [`Panels::pack`] for vectors of some width.
    pub(super) fn pack_for(
        lanes: usize,
        data: &[f32],
        inner: usize,
        columns: usize,
        inner_step: usize,
        column_step: usize,
    ) -> Self {
        let mut panels = Self::room_for(lanes, 1, inner, columns);
        panels.fill(|columns, values| {
            for (k, row) in
                values.chunks_exact_mut(columns.len().next_multiple_of(lanes)).enumerate()
            {
                row[columns.len()..].fill(0.0);
                if column_step == 1 {
                    row[..columns.len()].copy_from_slice(&data[k * inner_step..][columns.clone()]);
                } else {
                    for (value, column) in row.iter_mut().zip(columns.clone()) {
                        *value = data[k * inner_step + column * column_step];
                    }
                }
            }
        });
        panels
    }

    /// Room for some matrices of `inner` rows and `columns` columns, with numbers of any value.
    pub(crate) fn room(matrices: usize, inner: usize, columns: usize) -> Self {
        Self::room_for(lanes(), matrices, inner, columns)
    }

    fn room_for(lanes: usize, matrices: usize, inner: usize, columns: usize) -> Self {
        let length = matrices * inner * columns.next_multiple_of(lanes);
        let storage = BufferPool::of_kernels().take(length);
        Self { storage, matrices, inner, columns, width: 2 * lanes }
    }

    /// Lets `fill(columns, panel)` write each panel, in parallel where that is worth it: all
    /// matrices one after the other, each with `inner` rows of as many whole vectors as the columns
    /// need.
    pub(crate) fn fill(&mut self, fill: impl Fn(Range<usize>, &mut [f32]) + Sync) {
        let panel = (self.matrices * self.inner * self.width).max(1);
        let storage = &mut self.storage[..];
        let write = |(number, values): (usize, &mut [f32])| {
            let first = number * self.width;
            fill(first..self.columns.min(first + self.width), values);
        };
        if storage.len() > PARALLEL_FILL {
            storage.par_chunks_mut(panel).enumerate().for_each(write);
        } else {
            storage.chunks_mut(panel).enumerate().for_each(write);
        }
    }

    /// All columns of one of the matrices.
    pub(crate) fn matrix(&self, matrix: usize) -> PanelColumns<'_> {
        PanelColumns { panels: self, matrix, first_column: 0, columns: self.columns }
    }

    /// Groups of whole panels, of about `width` columns each.
    pub(crate) fn column_groups(&self, width: usize) -> impl Iterator<Item = Range<usize>> {
        let width = width.next_multiple_of(self.width);
        (0..self.columns).step_by(width).map(move |first| first..self.columns.min(first + width))
    }
}

impl<'a> PanelColumns<'a> {
    /// The part of it in one of [`Panels::column_groups`].
    pub(crate) fn columns(self, columns: Range<usize>) -> Self {
        Self { first_column: columns.start, columns: columns.len(), ..self }
    }

    /// The panel that begins with a column, counted from the first of these, `vectors` vectors
    /// wide.
    pub(super) fn panel<S: Simd>(self, column: usize, vectors: usize) -> &'a [S::f32s] {
        let Panels { storage, matrices, inner, .. } = self.panels;
        let (length, column) = (inner * vectors, self.first_column + column);
        &S::as_simd_f32s(
            &storage[inner * (matrices * column + self.matrix * vectors * S::F32_LANES)..],
        )
        .0[..length]
    }
}
