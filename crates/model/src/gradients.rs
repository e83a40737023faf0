//! The gradients of one step.

use candle_core::backprop::GradStore;
use candle_core::{Result, Tensor, TensorId};
use thaw_conv::add_dense_weights_gradient;

/// Gradients by variable. That of a dense layer's weights stays a product of two small matrices:
/// written out it would be as large as the weights, and moving it to memory and back costs more
/// than computing it.
#[derive(Debug)]
pub struct Gradients {
    /// Gradients that are written out, by variable.
    pub store: GradStore,
    products: Vec<(TensorId, OuterProduct)>,
}

/// `inputᵀ · gradient`, the gradient of a dense layer's weights `[inputs, outputs]`.
#[derive(Debug)]
pub(crate) struct OuterProduct {
    /// Input of the layer, `[batch, inputs]`.
    pub(crate) input: Tensor,
    /// Gradient before the activation, `[batch, outputs]`.
    pub(crate) gradient: Vec<f32>,
    pub(crate) outputs: usize,
}

impl OuterProduct {
    /// Adds some rows, from the given one on.
    pub(crate) fn add_rows(&self, input: &[f32], first_row: usize, result: &mut [f32]) {
        add_dense_weights_gradient(input, &self.gradient, self.outputs, first_row, result);
    }
}

impl Gradients {
    /// Gradients of a loss by all variables of Candle's graph.
    ///
    /// # Errors
    /// When Candle has no gradient for an operation.
    pub fn of(loss: &Tensor) -> Result<Self> {
        Ok(Self { store: loss.backward()?, products: Vec::new() })
    }

    pub(crate) fn insert_product(&mut self, variable: &Tensor, product: OuterProduct) {
        self.products.push((variable.id(), product));
    }

    pub(crate) fn product(&self, variable: &Tensor) -> Option<&OuterProduct> {
        self.products.iter().find(|(id, _)| *id == variable.id()).map(|(_, product)| product)
    }
}
