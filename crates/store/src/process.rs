//! Processes and the machines that they run on, as far as the system tells.

use std::sync::OnceLock;

/// Name of this machine, as far as it tells.
pub(crate) fn host() -> String {
    let of_system = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let named = of_system.or_else(|| std::env::var("HOSTNAME").ok());
    let named = named.or_else(|| std::env::var("COMPUTERNAME").ok());
    named.map_or_else(|| "this machine".to_owned(), |name| name.trim().to_owned())
}

/// The space of process numbers, where the system tells it (Linux); empty elsewhere, so that a claim
/// is judged by its beats.
pub(crate) fn space() -> String {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok();
    let numbers = std::fs::read_link("/proc/self/ns/pid").ok();
    // Where the system hides the processes of others, it does not tell whether they live.
    let tells = std::fs::read_to_string("/proc/1/stat").is_ok();
    match (boot, numbers) {
        (Some(boot), Some(numbers)) if tells => format!("{} {}", boot.trim(), numbers.display()),
        _ => String::new(),
    }
}

/// When a process was started, in the system's ticks; nothing for one that is gone, or is only waiting
/// to be buried.
pub(crate) fn started(pid: u32) -> Option<String> {
    let fields = fields(pid)?;
    if matches!(fields.first()?.as_str(), "Z" | "X") {
        return None;
    }
    fields.get(19).cloned()
}

/// Whether a process was suspended, as Ctrl-Z and a debugger do it.
pub(crate) fn is_suspended(pid: u32) -> bool {
    let fields = fields(pid).unwrap_or_default();
    fields.first().is_some_and(|state| matches!(state.as_str(), "T" | "t"))
}

/// What the system tells of a process, from its state on.
fn fields(pid: u32) -> Option<Vec<String>> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in brackets may hold anything.
    let (_, behind) = text.rsplit_once(") ")?;
    Some(behind.split(' ').map(str::to_owned).collect())
}

/// This process in the name of a file: its number, when it was started, and the space of its number.
pub(crate) fn in_a_name() -> &'static str {
    static NAME: OnceLock<String> = OnceLock::new();
    NAME.get_or_init(|| {
        let pid = std::process::id();
        format!("{pid}-{}-{}-", started(pid).unwrap_or_default(), short_space())
    })
}

/// Whether the process of a name, as [`in_a_name`] gives it, lives; nothing where that cannot be told:
/// it is of another machine, or of a version that named none.
pub(crate) fn of_a_name_lives(name: &str) -> Option<bool> {
    let mut parts = name.splitn(4, '-');
    let (pid, start, space) = (parts.next()?.parse().ok()?, parts.next()?, parts.next()?);
    let is_of_here = parts.next().is_some() && !space.is_empty() && space == short_space();
    is_of_here.then(|| started(pid).is_some_and(|started| started == start))
}

/// The space of process numbers as letters and digits that no other machine has.
fn short_space() -> String {
    let space = space();
    let mut parts = space.split(' ');
    let boot = parts.next().unwrap_or_default();
    let numbers = parts.next().unwrap_or_default();
    let digits = |text: &str| text.chars().filter(char::is_ascii_hexdigit).collect::<String>();
    digits(boot).chars().take(8).chain(digits(numbers).chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_whether_its_process_lives() {
        let own = in_a_name();
        if short_space().is_empty() {
            assert_eq!(of_a_name_lives(&format!("{own}abc")), None);
            return;
        }
        assert_eq!(of_a_name_lives(&format!("{own}abc")), Some(true));
        let start = started(std::process::id()).expect("it runs");
        let another = own.replace(&start, "1");
        assert_eq!(of_a_name_lives(&format!("{another}abc")), Some(false));
        let elsewhere = own.replace(&short_space(), "0123456789ab");
        for unknown in [elsewhere.as_str(), "", "abc", "1-2", "x-y-z-w"] {
            assert_eq!(of_a_name_lives(unknown), None, "{unknown}");
        }
    }
}
