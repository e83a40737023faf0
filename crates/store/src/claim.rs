//! Who is making what: a claim names its owner, and beats as long as the owner lives.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::process::{host, space, started};

/// The folder of claims.
pub(crate) const CLAIMS: &str = "claims";

/// The key of a claim.
pub(crate) fn claim_key(name: &str) -> String {
    format!("{CLAIMS}/{name}.json")
}

/// A claim is renewed this often.
const BEAT: Duration = Duration::from_secs(15);

/// An owner on another machine that has not renewed its claim for this long is dead.
const SILENCE: Duration = Duration::from_secs(120);

/// Whether a claim was granted.
#[derive(Debug)]
pub enum Claimed {
    /// It is this worker's, until it is dropped.
    Ours(Claim),
    /// A living worker has it.
    Theirs(Owner),
}

/// A claim that is held; dropping it gives it back.
pub struct Claim {
    _held: Box<dyn Any + Send>,
    lost: Arc<AtomicBool>,
}

impl Claim {
    /// A claim that is given back when `held` is dropped, unless it is `lost` before.
    pub fn new(held: impl Any + Send, lost: Arc<AtomicBool>) -> Self {
        Self { _held: Box::new(held), lost }
    }

    /// Whether another worker has taken it over, because this one was silent for so long.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Claim")
    }
}

/// The process that holds a claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// Name of its machine.
    pub host: String,
    /// Its number there.
    pub pid: u32,
    /// When it claimed, in seconds since 1970.
    pub since_unix_seconds: u64,
    /// When it last renewed the claim, in seconds since 1970.
    pub beat_unix_seconds: u64,
    /// The space of process numbers that `pid` is from: a machine since it was started, or a
    /// container.
    space: String,
    /// When the process was started, so that another of the same number is told apart.
    started: String,
    /// What no other claim has.
    pub(crate) token: String,
}

impl fmt::Display for Owner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "process {} on {}", self.pid, self.host)
    }
}

impl Owner {
    /// This process.
    pub(crate) fn this_process() -> Self {
        use std::sync::atomic::{AtomicU64, Ordering};
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let pid = std::process::id();
        let started = started(pid).unwrap_or_default();
        let now = now_unix_seconds();
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        Self {
            host: host(),
            pid,
            since_unix_seconds: now,
            beat_unix_seconds: now,
            space: space(),
            token: format!("{pid}-{started}-{now}-{count}-{:016x}", random()),
            started,
        }
    }

    /// The owner that a claim names; nobody where it is no claim, such as one that was cut off by an
    /// older version.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    /// As a claim names it.
    pub(crate) fn written(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("names and numbers")
    }

    /// Whether the process lives: as the system says where it is from the same space, or else by how
    /// long it has been silent by the clock of the store, which all workers share. Where that cannot be
    /// told, by its last beat and the clock of this machine.
    pub(crate) fn lives(&self, silence: impl FnOnce() -> Option<Duration>) -> bool {
        if !self.space.is_empty() && self.space == space() {
            return started(self.pid).is_some_and(|started| started == self.started);
        }
        let by_own_clock =
            || Duration::from_secs(now_unix_seconds().saturating_sub(self.beat_unix_seconds));
        silence().unwrap_or_else(by_own_clock) < SILENCE
    }
}

/// Renews a claim on a thread of its own, until it is dropped or the claim is lost.
pub(crate) struct Beating {
    /// Dropped to end the beats.
    ends: Option<Sender<()>>,
    beats: Option<JoinHandle<()>>,
    /// What is done behind the last of them.
    then: Option<Box<dyn FnOnce() + Send>>,
}

impl Beating {
    /// Beats by a function that tells whether the claim is still its owner's.
    pub(crate) fn new(
        mut owner: Owner,
        lost: Arc<AtomicBool>,
        mut beat: impl FnMut(&Owner) -> bool + Send + 'static,
    ) -> Self {
        let (ends, ended) = channel::<()>();
        let beats = std::thread::spawn(move || {
            while ended.recv_timeout(BEAT) == Err(RecvTimeoutError::Timeout) {
                owner.beat_unix_seconds = now_unix_seconds();
                if !beat(&owner) {
                    lost.store(true, Ordering::Relaxed);
                    return;
                }
            }
        });
        Self { ends: Some(ends), beats: Some(beats), then: None }
    }

    /// Does something when it is dropped, behind the last beat.
    pub(crate) fn then(mut self, then: impl FnOnce() + Send + 'static) -> Self {
        self.then = Some(Box::new(then));
        self
    }
}

impl Drop for Beating {
    fn drop(&mut self) {
        drop(self.ends.take());
        if let Some(beats) = self.beats.take() {
            let _ = beats.join();
        }
        if let Some(then) = self.then.take() {
            then();
        }
    }
}

/// Seconds since 1970, in UTC; zero before.
pub fn now_unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
}

/// A number that other machines do not draw, whatever their clocks and process numbers.
fn random() -> u64 {
    use std::hash::{BuildHasher as _, RandomState};
    RandomState::new().hash_one("a claim")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_lives_and_others_are_judged_by_what_is_known_of_them() {
        let own = Owner::this_process();
        let never = || -> Option<Duration> { panic!("the system knows") };
        let lives = if own.space.is_empty() { own.lives(|| None) } else { own.lives(never) };
        assert!(lives);
        let another = Owner { started: "1".to_owned(), ..own.clone() };
        assert!(!another.lives(|| None) || own.space.is_empty(), "a process of the same number");
        let elsewhere = Owner { space: "another machine".to_owned(), ..own.clone() };
        assert!(elsewhere.lives(|| None), "it beat just now");
        let silent = Owner { beat_unix_seconds: own.beat_unix_seconds - 121, ..elsewhere.clone() };
        assert!(!silent.lives(|| None));
        // What the clocks of the two machines say does not matter where the store's can be read.
        let after = |seconds| move || Some(Duration::from_secs(seconds));
        for wrong in [own.beat_unix_seconds - 3600, own.beat_unix_seconds + 3600] {
            let owner = Owner { beat_unix_seconds: wrong, ..elsewhere.clone() };
            assert!(owner.lives(after(119)) && !owner.lives(after(120)));
        }
    }
}
