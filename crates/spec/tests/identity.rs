//! The names of cells are promises: records, caches and checkpoints are found by them. Every
//! committed cell still has the name of its folder.

use std::path::{Path, PathBuf};

use thaw_spec::{CellManifest, ProcedureId, Split};

/// The folders of all committed cells, `results/**/cells/<cell>`.
fn cells(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder of results") {
        let path = entry.expect("an entry").path();
        if path.join("cell.json").is_file() {
            found.push(path);
        } else if path.is_dir() {
            cells(&path, found);
        }
    }
}

fn in_json(id: &ProcedureId) -> String {
    serde_json::to_value(id).expect("a name").as_str().expect("a string").to_owned()
}

#[test]
fn every_committed_cell_has_the_name_of_its_folder() {
    let mut folders = Vec::new();
    cells(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../results"), &mut folders);
    assert!(folders.len() > 400, "only {} cells were found", folders.len());
    for folder in folders {
        let text = std::fs::read_to_string(folder.join("cell.json")).expect("readable");
        let manifest: CellManifest = serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let name = folder.file_name().expect("a name").to_string_lossy();
        assert_eq!((manifest.cell.id().as_str(), manifest.id.as_str()), (&*name, &*name));
        assert_eq!(manifest.cell.procedure_id(), manifest.procedure_id, "{name}");
        assert_eq!(in_json(&manifest.procedure_id), manifest.procedure_id.to_string());
        assert_eq!(Split::ALL.map(|split| manifest.images_of(split)), manifest.images);
    }
}
