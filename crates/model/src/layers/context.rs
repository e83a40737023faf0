//! What layers compute with: the tensors of their base, by name, and what is kept of them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use candle_core::{Device, Tensor, Var};
use thaw_conv::{Algorithm, BufferPool, Maps, with_values};
use thaw_spec::{MovingStatistics, TensorRole};

use super::TensorSpec;
use super::convolution::PreparedConvolution;
use crate::{ModelError, Weights};

/// A tensor of a base.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Name in the weights file.
    pub name: String,
    /// Block that the tensor belongs to, counted from 0.
    pub block: usize,
    /// What the tensor is for.
    pub role: TensorRole,
    /// Value when it was loaded.
    pub original: Tensor,
    /// Value when the present phase began, where an earlier phase could change it.
    pub carried: Option<Tensor>,
    /// Present value, when training may change it: an optimizer a weight, a forward pass a statistic.
    pub variable: Option<Var>,
}

impl Parameter {
    /// Value at the start of the present phase.
    pub fn start(&self) -> &Tensor {
        self.carried.as_ref().unwrap_or(&self.original)
    }

    /// Present value.
    pub fn value(&self) -> &Tensor {
        self.variable.as_ref().map_or(self.start(), Var::as_tensor)
    }

    /// Whether training may change it, or might in an earlier phase.
    pub fn was_variable(&self) -> bool {
        self.variable.is_some() || self.carried.is_some()
    }

    /// Whether an optimizer holds it, or did in an earlier phase.
    pub fn was_trained(&self) -> bool {
        self.was_variable() && self.role == TensorRole::Weight
    }

    /// The variable that an optimizer holds.
    pub fn trained(&self) -> Option<&Var> {
        self.variable.as_ref().filter(|_| self.role == TensorRole::Weight)
    }

    /// Begins a phase in which it is variable or not, from a value that an earlier phase may have
    /// given it.
    pub(crate) fn begin(
        &mut self,
        carried: Option<Tensor>,
        is_variable: bool,
    ) -> candle_core::Result<()> {
        self.carried = carried;
        // A variable gets storage of its own: it is changed in place, and what it was must stay.
        self.variable = is_variable.then(|| Var::from_tensor(&self.start().copy()?)).transpose()?;
        Ok(())
    }
}

/// The tensors of a base and the memory that its layers share.
#[derive(Debug)]
pub struct Context {
    parameters: Vec<Parameter>,
    /// Places of the parameters by name.
    places: HashMap<String, usize>,
    /// Constant convolutions in the layout of their products, by the name of the kernel.
    prepared: HashMap<String, OnceLock<Arc<PreparedConvolution>>>,
    /// How moving statistics follow a batch's.
    pub(crate) moving: MovingStatistics,
    /// How often each statistic has moved, in the order of the parameters.
    updates: Vec<AtomicUsize>,
    pub(crate) algorithm: Algorithm,
    /// Memory of activations.
    pub(crate) buffers: Arc<BufferPool>,
    /// Memory of what the next layer alone reads, so that few live at once: gradients, and outputs that are
    /// not kept.
    pub(crate) transient: Arc<BufferPool>,
}

impl Context {
    /// The tensors that each block's layers ask for, constants at first.
    pub(crate) fn new(
        blocks: impl IntoIterator<Item = Vec<TensorSpec>>,
        weights: &Weights,
        moving: MovingStatistics,
        algorithm: Algorithm,
        device: &Device,
    ) -> Result<Self, ModelError> {
        let mut parameters = Vec::new();
        for (block, tensors) in blocks.into_iter().enumerate() {
            for TensorSpec { name, role, .. } in tensors {
                let original = weights.get(&name)?.to_device(device)?;
                let (carried, variable) = (None, None);
                parameters.push(Parameter { name, block, role, original, carried, variable });
            }
        }
        Ok(Self::of(parameters, moving, algorithm))
    }

    /// These tensors.
    pub(super) fn of(
        parameters: Vec<Parameter>,
        moving: MovingStatistics,
        algorithm: Algorithm,
    ) -> Self {
        let names = || parameters.iter().map(|parameter| parameter.name.clone());
        let places = names().zip(0..).collect();
        let prepared = names().map(|name| (name, OnceLock::new())).collect();
        let updates = parameters.iter().map(|_| AtomicUsize::new(0)).collect();
        let (buffers, transient) = (Arc::default(), Arc::new(BufferPool::of_few()));
        Self { parameters, places, prepared, moving, updates, algorithm, buffers, transient }
    }

    /// The same with every tensor a constant of its present value, so that what is made of a kernel is
    /// made once for all images of an evaluation.
    pub(crate) fn as_constants(&self) -> Self {
        let constant = |parameter: &Parameter| Parameter {
            carried: Some(parameter.value().detach()),
            variable: None,
            ..parameter.clone()
        };
        let parameters = self.parameters.iter().map(constant).collect();
        let prepared = self.prepared.keys().map(|name| (name.clone(), OnceLock::new())).collect();
        Self {
            parameters,
            places: self.places.clone(),
            prepared,
            moving: self.moving,
            updates: Vec::new(),
            algorithm: self.algorithm,
            buffers: self.buffers.clone(),
            transient: self.transient.clone(),
        }
    }

    /// Whether training may change a tensor of a block.
    pub(crate) fn has_variable(&self, block: usize) -> bool {
        let mut of_block = self.parameters.iter().filter(|parameter| parameter.block == block);
        of_block.any(|parameter| parameter.variable.is_some())
    }

    /// The tensors in the order of their layers.
    pub(crate) fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// The tensors, to be changed: what was made of them is forgotten.
    pub(crate) fn parameters_mut(&mut self) -> &mut [Parameter] {
        self.prepared.values_mut().for_each(|prepared| *prepared = OnceLock::new());
        &mut self.parameters
    }

    /// Counts that a statistic moves once more: the number of this time, from 1 on.
    pub(crate) fn next_update(&self, name: &str) -> usize {
        self.updates[self.places[name]].fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Says how often the statistics of a block have moved.
    pub(crate) fn set_updates(&self, block: usize, updates: usize) {
        for (parameter, known) in self.parameters.iter().zip(&self.updates) {
            if parameter.block == block {
                known.store(updates, Ordering::Relaxed);
            }
        }
    }

    /// A tensor that a layer asked for.
    pub(crate) fn parameter(&self, name: &str) -> &Parameter {
        &self.parameters[self.places[name]]
    }

    /// The present value of a tensor.
    pub(crate) fn value(&self, name: &str) -> &Tensor {
        self.parameter(name).value()
    }

    /// The numbers of a tensor.
    pub(crate) fn numbers(&self, name: &str) -> Result<Vec<f32>, ModelError> {
        Ok(with_values(self.value(name), <[f32]>::to_vec)?)
    }

    /// What is made of a kernel and of other tensors of its layer. It is made once where all of them
    /// are constant, and forgotten when [`Context::parameters_mut`] may make one variable.
    pub(crate) fn prepared(
        &self,
        kernel: &str,
        tensors: impl FnOnce() -> Vec<TensorSpec>,
        make: impl FnOnce() -> Result<PreparedConvolution, ModelError>,
    ) -> Result<Arc<PreparedConvolution>, ModelError> {
        let kept = &self.prepared[kernel];
        if let Some(prepared) = kept.get() {
            return Ok(prepared.clone());
        }
        let prepared = Arc::new(make()?);
        if tensors().iter().all(|tensor| self.parameter(&tensor.name).variable.is_none()) {
            // Another thread may have been first.
            return Ok(kept.get_or_init(|| prepared).clone());
        }
        Ok(prepared)
    }

    /// Copies a tensor into feature maps.
    pub(crate) fn maps(&self, tensor: &Tensor) -> Result<Maps, ModelError> {
        Self::maps_from(&self.buffers, tensor)
    }

    /// Copies a gradient into feature maps.
    pub(crate) fn gradient_maps(&self, gradient: &Tensor) -> Result<Maps, ModelError> {
        Self::maps_from(&self.transient, gradient)
    }

    fn maps_from(buffers: &Arc<BufferPool>, tensor: &Tensor) -> Result<Maps, ModelError> {
        let (batch, height, width, channels) = tensor.dims4()?;
        let mut maps = Maps::new(buffers, [batch, height, width, channels]);
        with_values(&tensor.contiguous()?, |values| maps.values_mut().copy_from_slice(values))?;
        Ok(maps)
    }
}
