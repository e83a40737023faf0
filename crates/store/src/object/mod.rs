//! A store in a bucket of an object store: `s3://`, `gs://`, `az://`.

mod server;
mod words;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use futures_util::StreamExt as _;
use object_store::path::Path as Key;
use object_store::{
    Error, ObjectMeta, ObjectStore as Remote, ObjectStoreExt as _, PutMode, PutOptions,
    UpdateVersion, WriteMultipart,
};

use self::server::{Server, runtime};
use self::words::{is_absent, said};
use crate::claim::{Beat, Beating, CLAIMS, claim_key};
use crate::whole::{UNFINISHED, Unfinished};
use crate::{Claim, Claimed, Owner, Store, StoreError};

/// A file is uploaded in parts of so many bytes.
const PART_BYTES: usize = 16 << 20;

/// What fails in a way that the requests themselves do not mend is tried so often.
const ATTEMPTS: u64 = 5;

/// So many parts of a file are under way at a time.
const PARTS: usize = 4;

/// Keeps each key as an object below a URL. Credentials, region and endpoint come from the
/// environment, as the variables of the crate `object_store` say (`AWS_…`, `GOOGLE_…`, `AZURE_…`).
/// A request that fails is tried again for up to three minutes, with growing pauses; the first of a
/// process for a quarter of a minute, so that a wrong address is heard of.
#[derive(Clone, Debug)]
pub struct ObjectStore {
    url: String,
    root: Key,
    patient: Arc<dyn Remote>,
    impatient: Arc<dyn Remote>,
    /// Whether it has answered before.
    answered: Arc<AtomicBool>,
    /// How far its clock is ahead of this machine's, in seconds.
    ahead_seconds: Arc<OnceLock<i64>>,
}

impl ObjectStore {
    /// A store below a URL.
    ///
    /// # Errors
    /// When the URL names no object store, or the environment does not say how to reach it.
    pub fn new(url: &str) -> Result<Self, StoreError> {
        let server = Server::of(url)?;
        Ok(Self {
            url: url.trim_end_matches('/').to_owned(),
            root: server.root.clone(),
            patient: server.connect(Duration::from_secs(180))?,
            impatient: server.connect(Duration::from_secs(15))?,
            answered: Arc::default(),
            ahead_seconds: Arc::default(),
        })
    }

    fn key(&self, key: &str) -> Key {
        let parts = key.split('/').filter(|part| !part.is_empty() && *part != "..");
        parts.fold(self.root.clone(), |key, part| key.join(part))
    }

    /// Does a request, and remembers that the store answers.
    fn ask<T, F>(&self, request: impl FnOnce(Arc<dyn Remote>) -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let has_answered = self.answered.load(Ordering::Relaxed);
        let remote = if has_answered { &self.patient } else { &self.impatient };
        let answer = runtime().block_on(request(remote.clone()));
        if answer.is_ok() {
            self.answered.store(true, Ordering::Relaxed);
        }
        answer
    }

    fn unreachable(&self, key: &str, action: &'static str) -> impl FnOnce(Error) -> StoreError {
        let place = self.place(key);
        move |error| StoreError::Unreachable { place, action, reason: said(&error) }
    }

    /// Bytes and what the store knows of them.
    fn read(&self, key: &str) -> Result<Option<(Vec<u8>, ObjectMeta)>, StoreError> {
        let path = self.key(key);
        let answer = self.ask(|remote| async move {
            let found = remote.get(&path).await?;
            let meta = found.meta.clone();
            Ok((found.bytes().await?.to_vec(), meta))
        });
        match answer {
            Ok(found) => Ok(Some(found)),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(self.unreachable(key, "cannot read")(error)),
        }
    }

    /// Puts bytes where there are none, or in place of a version.
    fn put_if(&self, key: &str, bytes: Vec<u8>, mode: PutMode) -> Result<UpdateVersion, Error> {
        let path = self.key(key);
        let options = PutOptions { mode, ..PutOptions::default() };
        self.ask(|remote| async move { remote.put_opts(&path, bytes.into(), options).await })
            .map(UpdateVersion::from)
    }

    /// An object that is there for a moment.
    fn probe(&self) -> String {
        format!("{CLAIMS}/{UNFINISHED}{}", Owner::this_process().token)
    }

    /// How long ago the store says that an object was written, by its own clock.
    fn silence(&self, meta: &ObjectMeta) -> Option<Duration> {
        let ahead = match self.ahead_seconds.get() {
            Some(ahead) => *ahead,
            None => {
                let ahead = self.seconds_ahead()?;
                *self.ahead_seconds.get_or_init(|| ahead)
            }
        };
        let now = seconds(SystemTime::now()) + ahead;
        Some(Duration::from_secs(now.saturating_sub(meta.last_modified.timestamp()).max(0) as u64))
    }

    /// How far the clock of the store is ahead; nothing where it cannot be written to.
    fn seconds_ahead(&self) -> Option<i64> {
        let probe = self.probe();
        self.put(&probe, b"now").ok()?;
        let path = self.key(&probe);
        let meta = self.ask(|remote| async move { remote.head(&path).await }).ok()?;
        let here = seconds(SystemTime::now());
        // It is in nobody's way.
        let _ = self.remove(&probe);
        Some(meta.last_modified.timestamp() - here)
    }

    /// The claim of a name, with the version that it is.
    fn claimed(&self, name: &str) -> Result<Option<Standing>, StoreError> {
        let Some((bytes, meta)) = self.read(&claim_key(name))? else { return Ok(None) };
        let version = UpdateVersion { e_tag: meta.e_tag.clone(), version: meta.version.clone() };
        Ok(Some(Standing { owner: Owner::parse(&bytes), meta, version }))
    }

    fn lives(&self, standing: &Standing) -> bool {
        let owner = standing.owner.as_ref();
        owner.is_some_and(|owner| owner.lives(|| self.silence(&standing.meta)))
    }

    fn held(&self, name: &str, owner: Owner, version: UpdateVersion) -> Claimed {
        let token = owner.token.clone();
        let (store, named, mut version) = (self.clone(), name.to_owned(), version);
        let beat = move |owner: &Owner| {
            let update = PutMode::Update(version.clone());
            match store.put_if(&claim_key(&named), owner.written(), update) {
                Ok(next) => {
                    version = next;
                    Beat::Renewed
                }
                // Whoever took it over, thinking this process dead, keeps it. An answer that was lost
                // looks the same from here, unless one looks.
                Err(Error::Precondition { .. } | Error::NotFound { .. }) => {
                    match store.claimed(&named) {
                        Ok(Some(it)) if it.is_of(&owner.token) => {
                            version = it.version;
                            Beat::Renewed
                        }
                        Ok(_) => Beat::Lost,
                        Err(_) => Beat::Unknown,
                    }
                }
                Err(_) => Beat::Unknown,
            }
        };
        let beating = Beating::new(owner, beat);
        let (store, name) = (self.clone(), name.to_owned());
        let give_back = move || {
            if store.claimed(&name).is_ok_and(|held| held.is_some_and(|it| it.is_of(&token))) {
                let _ = store.remove(&claim_key(&name));
            }
        };
        Claimed::Ours(Claim::new(beating.then(give_back)))
    }
}

/// A claim as it stands in the store.
struct Standing {
    /// Whose it is; nobody's where it cannot be read.
    owner: Option<Owner>,
    meta: ObjectMeta,
    version: UpdateVersion,
}

impl Standing {
    fn is_of(&self, token: &str) -> bool {
        self.owner.as_ref().is_some_and(|owner| owner.token == token)
    }
}

impl Store for ObjectStore {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.read(key)?.map(|(bytes, _)| bytes))
    }

    fn put(&self, key: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.put_if(key, bytes.to_vec(), PutMode::Overwrite)
            .map(drop)
            .map_err(self.unreachable(key, "cannot write"))
    }

    fn remove(&self, key: &str) -> Result<(), StoreError> {
        let path = self.key(key);
        match self.ask(|remote| async move { remote.delete(&path).await }) {
            Err(error) if !is_absent(&error) => Err(self.unreachable(key, "cannot remove")(error)),
            _ => Ok(()),
        }
    }

    fn list(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let path = self.key(prefix);
        let list = {
            let path = path.clone();
            self.ask(|remote| async move { remote.list_with_delimiter(Some(&path)).await })
        };
        let list = list.map_err(self.unreachable(prefix, "cannot list"))?;
        let objects = list.objects.into_iter().map(|object| object.location);
        let mut names: Vec<String> = list
            .common_prefixes
            .into_iter()
            .chain(objects)
            .filter_map(|key| Some(key.prefix_match(&path)?.next()?.as_ref().to_owned()))
            .filter(|name| !name.starts_with('.'))
            .collect();
        names.sort();
        names.dedup();
        Ok(names)
    }

    fn has(&self, key: &str) -> Result<bool, StoreError> {
        let path = self.key(key);
        match self.ask(|remote| async move { remote.head(&path).await }) {
            Ok(_) => Ok(true),
            // The answer to this has no body, so it does not tell an absent object from an absent bucket.
            Err(Error::NotFound { .. }) => Ok(self.get(key)?.is_some()),
            Err(error) => Err(self.unreachable(key, "cannot look for it")(error)),
        }
    }

    fn prepare(&self) -> Result<(), StoreError> {
        let probe = self.probe();
        let put = |mode| self.put_if(&probe, b"is this here once?".to_vec(), mode);
        let unreachable = || self.unreachable("", "cannot write into it");
        let first = put(PutMode::Create).map_err(unreachable())?;
        let again = put(PutMode::Create);
        let renewed = put(PutMode::Update(first.clone()));
        let mut outdated = first;
        outdated.e_tag = outdated.e_tag.map(|_| "\"00000000000000000000000000000000\"".to_owned());
        // Some stores count instead.
        outdated.version = outdated.version.map(|_| "1".to_owned());
        let outdated = put(PutMode::Update(outdated));
        self.remove(&probe)?;
        renewed.map_err(unreachable())?;
        for (answer, header) in [(again, "If-None-Match"), (outdated, "If-Match")] {
            match answer {
                Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => {}
                Err(error) => return Err(unreachable()(error)),
                Ok(_) => {
                    return Err(StoreError::Unreachable {
                        place: self.place(""),
                        action: "cannot keep claims",
                        reason: format!(
                            "it writes an object whatever {header} asks, so that two workers would train the same cell; use another server"
                        ),
                    });
                }
            }
        }
        Ok(())
    }

    fn download(&self, key: &str, path: &Path) -> Result<bool, StoreError> {
        let unwritable = |source| StoreError::Unwritable {
            place: path.to_owned(),
            action: "cannot write",
            source,
        };
        // A transfer that breaks off in the middle begins anew.
        let mut attempt = 1;
        loop {
            let from = self.key(key);
            let mut file = Unfinished::create(path).map_err(unwritable)?;
            let to = &mut file;
            let answer = self.ask(|remote| async move {
                let found = match remote.get(&from).await {
                    Err(error) if is_absent(&error) => return Ok(None),
                    found => found?,
                };
                let mut parts = found.into_stream();
                while let Some(part) = parts.next().await {
                    if let Err(error) = to.write_all(&part?) {
                        return Ok(Some(Err(error)));
                    }
                }
                Ok(Some(Ok(())))
            });
            match answer {
                Ok(None) => return Ok(false),
                Ok(Some(written)) => {
                    written.and_then(|()| file.finish()).map_err(unwritable)?;
                    return Ok(true);
                }
                Err(_) if attempt < ATTEMPTS => attempt += 1,
                Err(error) => return Err(self.unreachable(key, "cannot read")(error)),
            }
        }
    }

    fn upload(&self, path: &Path, key: &str) -> Result<(), StoreError> {
        let unreadable = |source| StoreError::Unreadable {
            place: path.to_owned(),
            action: "cannot read",
            source,
        };
        let mut file = std::fs::File::open(path).map_err(unreadable)?;
        if file.metadata().map_err(unreadable)?.len() <= PART_BYTES as u64 {
            return self.put(key, &std::fs::read(path).map_err(unreadable)?);
        }
        let to = self.key(key);
        let answer = self.ask(|remote| async move {
            let mut upload =
                WriteMultipart::new_with_chunk_size(remote.put_multipart(&to).await?, PART_BYTES);
            let mut part = vec![0; PART_BYTES];
            let given_up = loop {
                if let Err(error) = upload.wait_for_capacity(PARTS).await {
                    break Err(error);
                }
                match io::Read::read(&mut file, &mut part) {
                    Ok(0) => return upload.finish().await.map(|_| Ok(())),
                    Ok(length) => upload.write(&part[..length]),
                    Err(error) => break Ok(Err(error)),
                }
            };
            // The store forgets the parts that are there already.
            let _ = upload.abort().await;
            given_up
        });
        answer.map_err(self.unreachable(key, "cannot write"))?.map_err(unreadable)
    }

    fn claim(&self, name: &str) -> Result<Claimed, StoreError> {
        let key = claim_key(name);
        let unreachable = || self.unreachable(&key, "cannot claim");
        let owner = Owner::this_process();
        let mut mode = PutMode::Create;
        let mut attempts = 0;
        loop {
            attempts += 1;
            let error = match self.put_if(&key, owner.written(), mode) {
                Ok(version) => return Ok(self.held(name, owner, version)),
                Err(error) => error,
            };
            mode = match self.claimed(name)? {
                // The answer was lost, not the claim.
                Some(standing) if standing.is_of(&owner.token) => {
                    return Ok(self.held(name, owner, standing.version));
                }
                Some(standing) if self.lives(&standing) => {
                    let theirs = standing.owner.ok_or_else(|| unreachable()(error))?;
                    return Ok(Claimed::Theirs(theirs));
                }
                standing => {
                    let was_refused =
                        matches!(error, Error::AlreadyExists { .. } | Error::Precondition { .. });
                    // Others may be faster a few times; a server that refuses for ever is broken.
                    if !was_refused || attempts == ATTEMPTS {
                        return Err(unreachable()(error));
                    }
                    std::thread::sleep(Duration::from_millis(50 * attempts));
                    standing.map_or(PutMode::Create, |dead| PutMode::Update(dead.version))
                }
            };
        }
    }

    fn claimed_by(&self, name: &str) -> Result<Option<Owner>, StoreError> {
        let standing = self.claimed(name)?;
        Ok(standing.filter(|standing| self.lives(standing)).and_then(|standing| standing.owner))
    }

    fn place(&self, key: &str) -> PathBuf {
        let key = key.trim_matches('/');
        PathBuf::from(if key.is_empty() { self.url.clone() } else { format!("{}/{key}", self.url) })
    }
}

fn seconds(time: SystemTime) -> i64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs() as i64)
}
