//! The cache: shared artifacts and checkpoints, in a folder and, where workers have folders of their
//! own, in a store that they share.

use std::collections::BTreeSet;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use thaw_data::{Begun, DataError};
use thaw_spec::{Cell, CellId, ContentHash, Extraction, Split, Step, decoded_key};
use thaw_store::{Claimed, FolderStore, Store, StoreError};
use thaw_train::SharedCheckpoint;

use crate::RunError;

/// Kinds of artifacts, and their folders.
const PIXELS: &str = "pixels";
const ACTIVATIONS: &str = "activations";

/// The folders of what else is kept.
const CHECKPOINTS: &str = "checkpoints";
const PLANS: &str = "plans";
/// Notes on how far artifacts are written that were begun.
const BEGUN: &str = "begun";

/// The place of what is damaged.
const SET_ASIDE: &str = "set-aside";

/// The folder of what a GPU computes.
const GPU: &str = "cuda";

/// Where artifacts and checkpoints are kept. Files of the folder are mapped into memory; what the
/// store has is copied there first, and what is made there is copied to the store.
#[derive(Clone, Debug)]
pub struct Cache {
    root: PathBuf,
    /// Folder of the present device, below the root.
    device: &'static str,
    /// The store's place, as it was named, and the store.
    shared: Option<(PathBuf, Arc<dyn Store>)>,
}

impl Cache {
    /// A cache in a folder, which all workers share.
    #[must_use]
    pub fn in_folder(root: &Path) -> Self {
        Self { root: root.to_owned(), device: "", shared: None }
    }

    /// A cache in a folder, or, where `place` is a URL, in its store with copies in the folder `local`.
    ///
    /// # Errors
    /// When the URL leads to no store.
    pub fn open(place: &Path, local: &Path) -> Result<Self, RunError> {
        if let Some(folder) = thaw_store::folder(place)? {
            return Ok(Self::in_folder(&folder));
        }
        let store = thaw_store::open(place)?;
        Ok(Self { shared: Some((place.to_owned(), store)), ..Self::in_folder(local) })
    }

    /// Keeps what a GPU computes apart: other arithmetic, other last bits. Images are decoded by the
    /// processor all the same.
    pub(crate) fn of_gpu(&mut self) {
        self.device = GPU;
    }

    /// Where the workers find what is shared: the folder, or the URL of the store.
    #[must_use]
    pub fn place(&self) -> &Path {
        self.shared.as_ref().map_or(&self.root, |(place, _)| place)
    }

    /// The folder of files that are mapped into memory.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        self.root.join(self.device)
    }

    /// The store of what is shared: beside the folder, or the folder itself.
    fn store(&self) -> Arc<dyn Store> {
        match &self.shared {
            Some((_, store)) => store.clone(),
            None => Arc::new(FolderStore::new(self.root.clone())),
        }
    }

    fn key(&self, path: &Path) -> String {
        let relative = path.strip_prefix(&self.root).unwrap_or(path);
        let parts: Vec<_> =
            relative.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        parts.join("/")
    }

    /// The names of the artifacts of a kind that the store has: a request, however many are looked for.
    fn listed(&self, kind: &str) -> Result<BTreeSet<String>, RunError> {
        let Some((_, store)) = &self.shared else { return Ok(BTreeSet::new()) };
        let folder = if kind == PIXELS { self.root.clone() } else { self.folder() };
        Ok(store.list(&self.key(&folder.join(kind)))?.into_iter().collect())
    }

    /// Copies a file from the store, unless it is in the folder; tells whether it is there now.
    pub(crate) fn obtain(&self, path: &Path) -> Result<bool, RunError> {
        // Cells that begin side by side wait for one copy.
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        match &self.shared {
            Some((_, store)) if !path.exists() => {
                let _copying = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
                Ok(path.exists() || store.download(&self.key(path), path)?)
            }
            _ => Ok(path.exists()),
        }
    }

    /// Copies a file of the folder from the store anew, in the place of one that is damaged; tells whether
    /// the store has it.
    pub(crate) fn renew(&self, path: &Path) -> Result<bool, RunError> {
        match &self.shared {
            Some((_, store)) => Ok(store.download(&self.key(path), path)?),
            None => Ok(false),
        }
    }

    /// Copies a file of the folder to the store.
    pub(crate) fn share(&self, path: &Path) -> Result<(), StoreError> {
        match &self.shared {
            Some((_, store)) => store.upload(path, &self.key(path)),
            None => Ok(()),
        }
    }

    /// Makes sure that the others have the artifact of a step that was found in the folder.
    pub(crate) fn share_found(&self, step: &Step) -> Result<(), RunError> {
        if self.shared.is_none() {
            return Ok(());
        }
        let (paths, kind) = self.candidates(step);
        let listed = self.listed(kind)?;
        match paths.iter().find(|path| path.exists()) {
            Some(found) if !paths.iter().any(|path| is_among(path, &listed)) => {
                Ok(self.share(found)?)
            }
            _ => Ok(()),
        }
    }

    /// Claims the making of a file.
    pub(crate) fn claim(&self, path: &Path) -> Result<Claimed, RunError> {
        let name = path.file_stem().map_or_else(String::new, |name| name.to_string_lossy().into());
        Ok(self.store().claim(&name)?)
    }

    /// The file of a split, decoded as a cell wants it.
    #[must_use]
    pub fn pixels_path(&self, cell: &Cell, split: Split) -> PathBuf {
        file(&self.root, PIXELS, &decoded_key(cell, split))
    }

    /// The file of activations.
    #[must_use]
    pub fn activations_path(&self, extraction: &Extraction) -> PathBuf {
        file(&self.folder(), ACTIVATIONS, &extraction.key())
    }

    /// The note on how far activations are written, whose file this will be.
    pub(crate) fn note_path(&self, path: &Path) -> PathBuf {
        let name = path.file_name().unwrap_or_default();
        self.folder().join(BEGUN).join(name).with_extension("json")
    }

    /// The files of activations, and of more variants that begin with them.
    fn covering_paths(&self, extraction: &Extraction) -> Vec<PathBuf> {
        extraction.covering().map(|covering| self.activations_path(&covering)).collect()
    }

    /// The file of activations that were made before, or of more variants that begin with them; copied
    /// from the store where it is not in the folder.
    pub(crate) fn kept_activations(
        &self,
        extraction: &Extraction,
    ) -> Result<Option<PathBuf>, RunError> {
        let paths = self.covering_paths(extraction);
        if let Some(path) = paths.iter().find(|path| path.exists()) {
            return Ok(Some(path.clone()));
        }
        let listed = self.listed(ACTIVATIONS)?;
        let Some(path) = paths.into_iter().find(|path| is_among(path, &listed)) else {
            return Ok(None);
        };
        Ok(self.obtain(&path)?.then_some(path))
    }

    /// Files of which each would be the artifact of a step, and the kind that they are of.
    fn candidates(&self, step: &Step) -> (Vec<PathBuf>, &'static str) {
        match step {
            Step::Decode { cell, split } => (vec![self.pixels_path(cell, *split)], PIXELS),
            Step::Extract(extraction) => (self.covering_paths(extraction), ACTIVATIONS),
            Step::Fit(_) => (Vec::new(), ACTIVATIONS),
        }
    }

    /// Whether a step's artifact was made before.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub fn has_artifact(&self, step: &Step) -> Result<bool, RunError> {
        let (paths, kind) = self.candidates(step);
        if paths.is_empty() || paths.iter().any(|path| path.exists()) {
            return Ok(!paths.is_empty());
        }
        let listed = self.listed(kind)?;
        Ok(paths.iter().any(|path| is_among(path, &listed)))
    }

    /// Tells which steps' artifacts are there now, for a plan or an estimate, which ask about many.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub fn kept(&self) -> Result<impl Fn(&Step) -> bool + use<>, RunError> {
        let listed = [self.listed(PIXELS)?, self.listed(ACTIVATIONS)?];
        let cache = self.clone();
        Ok(move |step: &Step| {
            let (paths, _) = cache.candidates(step);
            let is_there = |path: &PathBuf| {
                path.exists() || listed.iter().any(|listed| is_among(path, listed))
            };
            paths.iter().any(is_there)
        })
    }

    /// The folders of the cache, as the folder store names them: of files that are made there.
    fn folders(&self) -> Vec<String> {
        let devices = ["", GPU].map(Path::new);
        let kinds = ["", PIXELS, ACTIVATIONS, CHECKPOINTS, PLANS, BEGUN].map(Path::new);
        let all = devices.iter().flat_map(|device| kinds.iter().map(move |kind| device.join(kind)));
        all.map(|folder| folder.to_string_lossy().into_owned()).collect()
    }

    /// Removes what dead workers left behind in the folder: files that they had begun and nobody goes on
    /// with, and their claims; and the checkpoints of cells that have ended.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove_orphans(&self, ended: &BTreeSet<CellId>) -> Result<(), RunError> {
        let folder = FolderStore::new(self.root.clone());
        self.forget_notes()?;
        self.orphans()?.iter().try_for_each(|orphan| remove(orphan))?;
        // What is left are claims.
        folder.remove_orphans("")?;
        for device in ["", GPU] {
            let place = Path::new(device).join(CHECKPOINTS);
            for file in folder.list(&place.to_string_lossy())? {
                let id = Path::new(&file).file_stem().map(|stem| stem.to_string_lossy());
                if let Some(cell) = ended.iter().find(|cell| id.as_deref() == Some(cell.as_str())) {
                    self.forget_checkpoints(cell)?;
                }
            }
        }
        Ok(())
    }

    /// Files that dead workers had begun in the folder, and that nobody goes on with.
    ///
    /// # Errors
    /// When it cannot be listed.
    pub fn orphans(&self) -> Result<Vec<PathBuf>, RunError> {
        let folder = FolderStore::new(self.root.clone());
        let mut orphans = Vec::new();
        for name in self.folders() {
            orphans.extend(folder.orphans(&name)?);
        }
        // What was noted before its writer died is among these notes.
        let begun = self.begun_files()?;
        orphans.retain(|orphan| !begun.contains(orphan));
        Ok(orphans)
    }

    /// The notes on what was begun: each with the artifact that is to be made, and the unfinished file
    /// if it is there.
    fn begun(&self) -> Result<Vec<(PathBuf, PathBuf, Option<PathBuf>)>, RunError> {
        let folder = FolderStore::new(self.root.clone());
        let mut begun = Vec::new();
        for device in ["", GPU] {
            let activations = self.root.join(device).join(ACTIVATIONS);
            let place = Path::new(device).join(BEGUN);
            for name in folder.list(&place.to_string_lossy())? {
                let note = self.root.join(&place).join(&name);
                let artifact = activations.join(name).with_extension("safetensors");
                let file = Begun::read(&note).and_then(|begun| begun.file(&artifact));
                begun.push((note, artifact, file));
            }
        }
        Ok(begun)
    }

    /// The unfinished files in the folder that somebody goes on with.
    ///
    /// # Errors
    /// When it cannot be listed.
    pub fn begun_files(&self) -> Result<Vec<PathBuf>, RunError> {
        Ok(self.begun()?.into_iter().filter_map(|(_, _, file)| file).collect())
    }

    /// Bytes of these files.
    pub(crate) fn begun_bytes(&self) -> Result<u64, RunError> {
        let length = |file: &PathBuf| file.metadata().map_or(0, |metadata| metadata.len());
        Ok(self.begun_files()?.iter().map(length).sum())
    }

    /// Removes the notes on artifacts that are there, and on files that are not. One that cannot be
    /// removed, such as that of another user, harms nobody.
    fn forget_notes(&self) -> Result<(), RunError> {
        for (note, artifact, file) in self.begun()? {
            if artifact.exists() || file.is_none() {
                let _ = std::fs::remove_file(note);
            }
        }
        Ok(())
    }

    /// All artifacts and checkpoints in the folder.
    fn files(&self) -> Result<Vec<PathBuf>, RunError> {
        let folder = FolderStore::new(self.root.clone());
        let mut files = Vec::new();
        for device in ["", GPU] {
            for kind in [PIXELS, ACTIVATIONS, CHECKPOINTS] {
                let place = Path::new(device).join(kind);
                let names = folder.list(&place.to_string_lossy())?;
                files.extend(names.iter().map(|name| self.root.join(&place).join(name)));
            }
        }
        Ok(files)
    }

    /// Reads every artifact and checkpoint in the folder: how many are sound, and those that are
    /// damaged with the reason.
    ///
    /// # Errors
    /// When it cannot be listed.
    pub fn examine(&self) -> Result<(usize, Vec<(PathBuf, String)>), RunError> {
        let (mut sound, mut damaged) = (0, Vec::new());
        for file in self.files()? {
            match thaw_data::examine(&file) {
                Ok(()) => sound += 1,
                Err(DataError::DamagedArtifact { reason, .. }) => damaged.push((file, reason)),
                // Its cell has ended since it was listed.
                Err(DataError::Unreadable { source, .. }) if is_absent(&source) => {}
                Err(error) => damaged.push((file, error.to_string())),
            }
        }
        Ok((sound, damaged))
    }

    /// Moves a file of the folder to `set-aside/`, where nothing reads it, beside what was set aside
    /// before; returns its place, or nothing where the file is gone by then.
    ///
    /// # Errors
    /// When it cannot be moved.
    pub fn set_aside(&self, file: &Path) -> Result<Option<PathBuf>, RunError> {
        let folder = self.root.join(SET_ASIDE);
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let numbered = (2..).map(|number| folder.join(format!("{name}-{number}")));
        let mut names = std::iter::once(folder.join(&*name)).chain(numbered);
        let target =
            names.find(|target| !target.exists()).expect("there are more numbers than files");
        let moved = std::fs::create_dir_all(&folder).and_then(|()| std::fs::rename(file, &target));
        match moved {
            Ok(()) => Ok(Some(target)),
            Err(error) if is_absent(&error) => Ok(None),
            Err(source) => Err(RunError::Unwritable { path: target, source }),
        }
    }

    /// Removes the damaged artifacts among those of these steps, so that they are made again, or copies
    /// them again from the store where they are sound there; tells which they were and why.
    ///
    /// # Errors
    /// When one cannot be removed or copied.
    pub fn remove_damaged(&self, steps: &[Step]) -> Result<Vec<String>, RunError> {
        let mut removed = Vec::new();
        for step in steps {
            for path in self.candidates(step).0.iter().filter(|path| path.exists()) {
                // What cannot be read may be whole; opening it says why.
                if let Err(DataError::DamagedArtifact { reason, .. }) = thaw_data::examine(path) {
                    let is_damaged = || {
                        let examined = thaw_data::examine(path);
                        matches!(examined, Err(DataError::DamagedArtifact { .. }))
                    };
                    let what = if self.renew(path)? && !is_damaged() {
                        "copied again from the store"
                    } else {
                        self.discard(path)?;
                        "made again"
                    };
                    removed.push(format!(
                        "{}: the artifact is damaged ({reason}), so it is {what}",
                        path.display()
                    ));
                }
            }
        }
        Ok(removed)
    }

    /// Removes a file from the folder, and from the store that it is copied to.
    pub(crate) fn discard(&self, path: &Path) -> Result<(), RunError> {
        remove(path)?;
        match &self.shared {
            Some((_, store)) => Ok(store.remove(&self.key(path))?),
            None => Ok(()),
        }
    }

    /// The file of a cell's checkpoint.
    pub(crate) fn checkpoint_path(&self, cell: &CellId) -> PathBuf {
        self.folder().join(CHECKPOINTS).join(format!("{cell}.safetensors"))
    }

    /// Where a checkpoint is copied to.
    pub(crate) fn shared_checkpoint(&self, path: &Path) -> Option<SharedCheckpoint> {
        let (_, store) = self.shared.as_ref()?;
        Some(SharedCheckpoint { store: store.clone(), key: self.key(path) })
    }

    /// Removes the checkpoints of a cell, on whatever device it was trained, from the folder and the
    /// store.
    pub(crate) fn forget_checkpoints(&self, cell: &CellId) -> Result<(), RunError> {
        for device in ["", GPU] {
            let path = Self { device, ..self.clone() }.checkpoint_path(cell);
            self.discard(&path)?;
        }
        Ok(())
    }
}

fn is_absent(error: &io::Error) -> bool {
    error.kind() == ErrorKind::NotFound
}

/// Removes a file, if it is there.
fn remove(path: &Path) -> Result<(), RunError> {
    match std::fs::remove_file(path) {
        Err(source) if !is_absent(&source) => {
            Err(RunError::Unwritable { path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}

fn file(folder: &Path, kind: &str, key: &ContentHash) -> PathBuf {
    folder.join(kind).join(format!("{}.safetensors", key.short()))
}

/// Whether the name of a file is among those that a store has.
fn is_among(path: &Path, listed: &BTreeSet<String>) -> bool {
    path.file_name().is_some_and(|name| listed.contains(&*name.to_string_lossy()))
}

#[cfg(test)]
mod tests {
    use thaw_data::Synthetic;
    use thaw_model::Weights;
    use thaw_spec::{DatasetSource, Experiment};

    use super::*;
    use crate::{Artifact, Executor as _, RealExecutor, RunInputs};

    const EXPERIMENT: &str = r#"
name = "test"
seeds = [0]
[dataset]
source = "synthetic"
train = 8
validation = 8
test = 0
[base]
architecture = "mini_vgg"
[procedure]
image_size = 32
epochs = 1
"#;

    /// A cache in the folder `copies`, with a store in the folder `store`.
    fn cache(root: &Path) -> Cache {
        let store = Arc::new(FolderStore::new(root.join("store")));
        let shared = Some((PathBuf::from("s3://bucket"), store as Arc<dyn Store>));
        Cache { shared, ..Cache::in_folder(&root.join("copies")) }
    }

    fn inputs(root: &Path) -> RunInputs {
        let experiment = Experiment::parse("test.toml", EXPERIMENT).expect("an experiment");
        let DatasetSource::Synthetic(drawn) = experiment.dataset else { panic!("drawn images") };
        let weights = Weights::shipped(experiment.architecture).expect("shipped").expect("weights");
        let dataset = Box::new(Synthetic::new(drawn));
        RunInputs::new(&experiment, dataset, weights, cache(root)).expect("inputs")
    }

    /// Flips a bit; the time of the change is another than that of any whole file.
    fn damage(file: &Path) {
        let mut bytes = std::fs::read(file).expect("a file");
        *bytes.last_mut().expect("a byte") ^= 1;
        std::fs::write(file, bytes).expect("damaged");
        let later = std::time::SystemTime::now() + std::time::Duration::from_secs(3600);
        let file = std::fs::File::options().append(true).open(file).expect("a file");
        file.set_modified(later).expect("a later time");
    }

    #[test]
    fn a_damaged_copy_is_copied_again_and_what_is_damaged_in_the_store_too_goes() {
        let root = tempfile::tempdir().expect("a folder");
        let inputs = inputs(root.path());
        let executor = RealExecutor::new(&inputs, 1);
        let (cell, split) = (inputs.cells[0].clone(), Split::Validation);
        let copy = inputs.cache.pixels_path(&cell, split);
        let original = root.path().join("store").join(inputs.cache.key(&copy));
        let step = Step::Decode { cell, split };
        let make = || executor.make(&step, &|_| {});
        make().expect("made");
        let whole = std::fs::read(&original).expect("it is shared");
        let are_whole =
            || [&copy, &original].iter().all(|file| std::fs::read(file).expect("a file") == whole);
        damage(&copy);
        assert!(matches!(make().expect("copied again"), Artifact::Kept(_)));
        assert!(are_whole());
        // A sweep looks before it begins.
        damage(&copy);
        let steps = std::slice::from_ref(&step);
        let said = inputs.cache.remove_damaged(steps).expect("copied again");
        assert!(said[0].ends_with("so it is copied again from the store"), "{said:?}");
        assert!(are_whole());
        // The next copy is another file by its time.
        std::thread::sleep(std::time::Duration::from_millis(50));
        damage(&original);
        damage(&copy);
        make().expect_err("damaged");
        assert!(!copy.exists() && !original.exists());
    }

    #[test]
    fn what_goes_while_a_cache_is_examined_is_no_damage() {
        let root = tempfile::tempdir().expect("a folder");
        let cache = Cache::in_folder(root.path());
        let checkpoints = root.path().join(CHECKPOINTS);
        let whole = checkpoints.join("whole.safetensors");
        std::fs::create_dir_all(&checkpoints).expect("a folder");
        // A file without tensors.
        std::fs::write(&whole, b"\x02\0\0\0\0\0\0\0{}").expect("written");
        std::thread::scope(|scope| {
            let others = scope.spawn(|| {
                for number in 0..2000 {
                    let other = checkpoints.join(format!("{number}.safetensors"));
                    std::fs::hard_link(&whole, &other).expect("a link");
                    std::fs::remove_file(&other).expect("removed");
                }
            });
            while !others.is_finished() {
                assert_eq!(cache.examine().expect("listed").1, Vec::new());
            }
        });
        assert_eq!(cache.examine().expect("listed"), (1, Vec::new()));
        let gone = checkpoints.join("gone.safetensors");
        assert_eq!(cache.set_aside(&gone).expect("nothing is left to do"), None);
    }
}
