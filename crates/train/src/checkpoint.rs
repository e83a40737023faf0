//! Checkpoints: everything a run needs to go on as if it had never stopped, in one safetensors file.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use candle_core::{Device, Tensor, Var};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use tempfile::NamedTempFile;
use thaw_model::RmsProp;
use thaw_spec::{CellId, EpochRecord};

use crate::TrainError;

/// Where checkpoints lie and how often they are written.
#[derive(Clone, Debug)]
pub struct CheckpointPolicy {
    /// The file. It is removed when the run is complete.
    pub path: PathBuf,
    /// Epochs that end sooner than this after the last checkpoint go without one. What is lost is only time.
    pub interval: Duration,
}

/// The name of a variable's running mean of squared gradients.
fn accumulator_name(variable: &str) -> String {
    format!("rmsprop.{variable}")
}

/// Writes variables, accumulators and the records so far, under a temporary name first.
pub(crate) fn save(
    path: &Path,
    cell: &CellId,
    variables: &[(String, Var)],
    optimizer: &RmsProp,
    records: &[EpochRecord],
) -> Result<(), TrainError> {
    let io = |action: &'static str| move |source: std::io::Error| TrainError::CheckpointIo { path: path.to_owned(), action, source };
    let mut tensors: Vec<(String, Vec<usize>, Vec<f32>)> = Vec::with_capacity(variables.len() * 2);
    for ((name, variable), accumulator) in variables.iter().zip(optimizer.accumulators()?) {
        tensors.push((name.clone(), variable.dims().to_vec(), variable.flatten_all()?.to_vec1()?));
        tensors.push((accumulator_name(name), variable.dims().to_vec(), accumulator));
    }
    let views = tensors.iter().map(|(name, shape, values)| {
        let view = TensorView::new(Dtype::F32, shape.clone(), bytemuck::cast_slice(values)).expect("values fill their shape");
        (name, view)
    });
    let records = serde_json::to_string(records).expect("records are numbers");
    let metadata = HashMap::from([("cell".to_owned(), cell.to_string()), ("records".to_owned(), records)]);
    let bytes = safetensors::serialize(views, Some(metadata)).map_err(|error| damaged(path, error.to_string()))?;
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(io("cannot make the checkpoint folder"))?;
    let mut file = NamedTempFile::new_in(folder).map_err(io("cannot write the checkpoint"))?;
    std::io::Write::write_all(&mut file, &bytes).and_then(|()| file.as_file().sync_all()).map_err(io("cannot write the checkpoint"))?;
    file.persist(path).map_err(|error| io("cannot write the checkpoint")(error.error))?;
    Ok(())
}

/// Reads a checkpoint back into variables and optimizer; returns the records so far, none when there is no checkpoint.
pub(crate) fn restore(
    path: &Path,
    cell: &CellId,
    variables: &[(String, Var)],
    optimizer: &mut RmsProp,
    device: &Device,
) -> Result<Vec<EpochRecord>, TrainError> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(TrainError::CheckpointIo { path: path.to_owned(), action: "cannot read the checkpoint", source }),
    };
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|error| damaged(path, error.to_string()))?;
    let tensors = SafeTensors::deserialize(&bytes).map_err(|error| damaged(path, error.to_string()))?;
    let metadata = header.metadata().clone().unwrap_or_default();
    if metadata.get("cell").map(String::as_str) != Some(cell.as_str()) {
        return Err(damaged(path, "it belongs to another cell".to_owned()));
    }
    let records = metadata.get("records").and_then(|records| serde_json::from_str(records).ok());
    let records: Vec<EpochRecord> = records.ok_or_else(|| damaged(path, "it has no records".to_owned()))?;
    let read = |name: &str, shape: &[usize]| -> Result<Vec<f32>, TrainError> {
        let view = tensors.tensor(name).map_err(|error| damaged(path, error.to_string()))?;
        if view.shape() != shape || view.dtype() != Dtype::F32 {
            return Err(damaged(path, format!("`{name}` has another shape or type")));
        }
        Ok(view.data().chunks_exact(4).map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])).collect())
    };
    let mut accumulators = Vec::with_capacity(variables.len());
    for (name, variable) in variables {
        variable.set(&Tensor::from_vec(read(name, variable.dims())?, variable.dims(), device)?)?;
        accumulators.push(read(&accumulator_name(name), variable.dims())?);
    }
    optimizer.restore(accumulators)?;
    Ok(records)
}

fn damaged(path: &Path, reason: String) -> TrainError {
    TrainError::Checkpoint { path: path.to_owned(), reason }
}
