//! Who is making what: a claim names its owner, and beats as long as the owner lives.

use std::any::Any;
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// A claim is renewed this often.
pub(crate) const BEAT: Duration = Duration::from_secs(15);

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
}

impl Claim {
    /// A claim that is given back when `held` is dropped.
    pub fn new(held: impl Any + Send) -> Self {
        Self { _held: Box::new(held) }
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
            token: format!("{pid}-{started}-{now}-{count}"),
            started,
        }
    }

    pub(crate) fn beats(&mut self) {
        self.beat_unix_seconds = now_unix_seconds();
    }

    /// Whether the process lives: as the system says where it is from the same space, or else by its
    /// last beat.
    pub(crate) fn lives(&self) -> bool {
        if !self.space.is_empty() && self.space == space() {
            return started(self.pid).is_some_and(|started| started == self.started);
        }
        now_unix_seconds().saturating_sub(self.beat_unix_seconds) < SILENCE.as_secs()
    }
}

/// Seconds since 1970, in UTC; zero before.
pub fn now_unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
}

/// Name of this machine, as far as it tells.
fn host() -> String {
    let of_system = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let named = of_system.or_else(|| std::env::var("HOSTNAME").ok());
    let named = named.or_else(|| std::env::var("COMPUTERNAME").ok());
    named.map_or_else(|| "this machine".to_owned(), |name| name.trim().to_owned())
}

/// The space of process numbers, where the system tells it (Linux); empty elsewhere, so that a claim
/// is judged by its beats.
fn space() -> String {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok();
    let numbers = std::fs::read_link("/proc/self/ns/pid").ok();
    match (boot, numbers) {
        (Some(boot), Some(numbers)) => format!("{} {}", boot.trim(), numbers.display()),
        _ => String::new(),
    }
}

/// When a process was started, in the system's ticks; nothing for one that is gone, or is only waiting
/// to be buried.
fn started(pid: u32) -> Option<String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in brackets may hold anything.
    let (_, behind) = text.rsplit_once(") ")?;
    let fields: Vec<&str> = behind.split(' ').collect();
    if matches!(*fields.first()?, "Z" | "X") {
        return None;
    }
    fields.get(19).map(|ticks| (*ticks).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_lives_and_others_are_judged_by_what_is_known_of_them() {
        let own = Owner::this_process();
        assert!(own.lives());
        let another = Owner { started: "1".to_owned(), ..own.clone() };
        assert!(!another.lives() || own.space.is_empty(), "a process of the same number");
        let elsewhere = Owner { space: "another machine".to_owned(), ..own.clone() };
        assert!(elsewhere.lives(), "it beat just now");
        let silent = Owner { beat_unix_seconds: own.beat_unix_seconds - 121, ..elsewhere };
        assert!(!silent.lives());
    }
}
