//! Who is making what: a claim names its owner, and beats as long as the owner lives.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::process::{host, is_suspended, space, started};

/// The folder of claims.
pub(crate) const CLAIMS: &str = "claims";

/// The key of a claim.
pub(crate) fn claim_key(name: &str) -> String {
    format!("{CLAIMS}/{name}.json")
}

/// A claim is renewed this often.
const BEAT: Duration = Duration::from_secs(15);

/// An owner that has not renewed its claim for this long is dead, or cannot go on, as one that is
/// suspended.
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
pub struct Claim(Beating);

impl Claim {
    /// A claim that beats, and is given back when it is dropped, unless it is lost before.
    pub(crate) fn new(beating: Beating) -> Self {
        Self(beating)
    }

    /// Whether another worker has taken it over, because this one was silent for so long, as a machine
    /// is that sleeps.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.0.is_lost()
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

    /// Whether the process lives and goes on. One of the same space does as long as the system says so, unless
    /// it was suspended so long ago that another's would count as dead. Another's silence is told by the
    /// clock of the store, which all workers share, or where that cannot be asked, by its last beat and the
    /// clock of this machine.
    pub(crate) fn lives(&self, silence: impl FnOnce() -> Option<Duration>) -> bool {
        let by_own_clock =
            || Duration::from_secs(now_unix_seconds().saturating_sub(self.beat_unix_seconds));
        if !self.space.is_empty() && self.space == space() {
            let is_there = started(self.pid).is_some_and(|started| started == self.started);
            return is_there && !(is_suspended(self.pid) && by_own_clock() >= SILENCE);
        }
        silence().unwrap_or_else(by_own_clock) < SILENCE
    }
}

/// What became of a beat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beat {
    /// The claim is renewed.
    Renewed,
    /// The store did not answer; the next beat makes up for it.
    Unknown,
    /// The claim is another's.
    Lost,
}

/// Renews a claim on a thread of its own, until it is dropped or the claim is lost.
pub(crate) struct Beating {
    /// Asks for a beat now, and where to say that there was one; dropped to end the beats.
    asks: Option<Sender<Sender<()>>>,
    beats: Option<JoinHandle<()>>,
    /// When it last beat, in seconds since 1970.
    last_unix_seconds: Arc<AtomicU64>,
    lost: Arc<AtomicBool>,
    /// What is done behind the last of them.
    then: Option<Box<dyn FnOnce() + Send>>,
}

impl Beating {
    /// Beats by a function.
    pub(crate) fn new(
        mut owner: Owner,
        mut beat: impl FnMut(&Owner) -> Beat + Send + 'static,
    ) -> Self {
        let (asks, asked) = channel::<Sender<()>>();
        let lost = Arc::new(AtomicBool::new(false));
        let last_unix_seconds = Arc::new(AtomicU64::new(now_unix_seconds()));
        let (is_lost, last) = (lost.clone(), last_unix_seconds.clone());
        let beats = std::thread::spawn(move || {
            loop {
                let asker = match asked.recv_timeout(BEAT) {
                    Ok(asker) => Some(asker),
                    Err(RecvTimeoutError::Timeout) => None,
                    Err(RecvTimeoutError::Disconnected) => return,
                };
                owner.beat_unix_seconds = now_unix_seconds();
                match beat(&owner) {
                    Beat::Renewed => last.store(owner.beat_unix_seconds, Ordering::Relaxed),
                    Beat::Unknown => {}
                    Beat::Lost => {
                        is_lost.store(true, Ordering::Relaxed);
                        // Whoever asked is told by the end of this thread.
                        return;
                    }
                }
                if let Some(asker) = asker {
                    let _ = asker.send(());
                }
            }
        });
        Self { asks: Some(asks), beats: Some(beats), last_unix_seconds, lost, then: None }
    }

    /// Whether the claim is another's. Where the last beat is long past, because the machine slept and
    /// its time did not go on, it beats first.
    fn is_lost(&self) -> bool {
        let last = self.last_unix_seconds.load(Ordering::Relaxed);
        let silence = Duration::from_secs(now_unix_seconds().saturating_sub(last));
        if silence >= SILENCE / 2
            && let Some(asks) = &self.asks
        {
            let (asker, answer) = channel();
            if asks.send(asker).is_ok() {
                let _ = answer.recv();
            }
        }
        self.lost.load(Ordering::Relaxed)
    }

    /// Does something when it is dropped, behind the last beat.
    pub(crate) fn then(mut self, then: impl FnOnce() + Send + 'static) -> Self {
        self.then = Some(Box::new(then));
        self
    }
}

impl Drop for Beating {
    fn drop(&mut self) {
        drop(self.asks.take());
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
    fn a_claim_is_looked_at_when_its_last_beat_is_long_past() {
        // Beats by themselves come after fifteen seconds only.
        for beat in [Beat::Renewed, Beat::Unknown, Beat::Lost] {
            let beating = Beating::new(Owner::this_process(), move |_| beat);
            assert!(!beating.is_lost(), "it beat just now");
            let before = now_unix_seconds() - 3600;
            beating.last_unix_seconds.store(before, Ordering::Relaxed);
            assert_eq!(beating.is_lost(), beat == Beat::Lost);
            assert_eq!(beating.is_lost(), beat == Beat::Lost, "and again, with nobody to answer");
            let last = beating.last_unix_seconds.load(Ordering::Relaxed);
            assert_eq!(last > before, beat == Beat::Renewed, "a beat that failed is none");
        }
    }

    #[test]
    fn this_process_lives_and_others_are_judged_by_what_is_known_of_them() {
        let own = Owner::this_process();
        let never = || -> Option<Duration> { panic!("the system knows") };
        let lives = |owner: &Owner| {
            if own.space.is_empty() { owner.lives(|| None) } else { owner.lives(never) }
        };
        assert!(lives(&own));
        let slept = Owner { beat_unix_seconds: own.beat_unix_seconds - 121, ..own.clone() };
        assert!(lives(&slept) || own.space.is_empty(), "it goes on, as a laptop that slept does");
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

    #[test]
    #[cfg(unix)]
    fn a_suspended_process_lives_for_two_minutes() {
        use std::process::Command;

        let own = Owner::this_process();
        if own.space.is_empty() {
            return;
        }
        let mut child = Command::new("sleep").arg("600").spawn().expect("a process");
        let pid = child.id();
        let signal = |name: &str| {
            Command::new("kill").args([name, &pid.to_string()]).status().expect("a signal");
        };
        let started = started(pid).expect("it runs");
        let before = |seconds: u64| Owner {
            pid,
            started: started.clone(),
            beat_unix_seconds: own.beat_unix_seconds - seconds,
            ..own.clone()
        };
        assert!(before(3600).lives(|| None), "it is there");
        signal("-STOP");
        while !is_suspended(pid) {
            std::thread::yield_now();
        }
        assert!(before(60).lives(|| None) && !before(121).lives(|| None));
        signal("-KILL");
        child.wait().expect("it has ended");
        assert!(!before(0).lives(|| None));
    }
}
