//! Tensors of two files that are the same under names that differ by what stands before all of them:
//! wrappers of PyTorch, or the model that a base is part of.

use std::collections::{BTreeMap, BTreeSet};

/// What PyTorch puts before all names of a model that is part of something: of a data-parallel or a
/// compiled one, of a trainer's, of a checkpoint with other things in it.
const WRAPPERS: [&str; 4] = ["module.", "_orig_mod.", "model.", "state_dict."];

/// What stands before all names, wrapper in wrapper.
pub(crate) fn wrapper(names: &[String]) -> String {
    let mut found = String::new();
    loop {
        let is_before_all = |wrapper: &&&str| {
            let prefix = format!("{found}{wrapper}");
            !names.is_empty() && names.iter().all(|name| name.starts_with(&prefix))
        };
        match WRAPPERS.iter().find(is_before_all) {
            Some(wrapper) => found.push_str(wrapper),
            None => return found,
        }
    }
}

/// Names of two files that are one tensor's.
type Pairs = Vec<(String, String)>;

/// The pairs of names of two files that are one tensor's, and how that was seen.
#[derive(Debug, Default)]
pub(crate) struct Matching {
    pub(crate) pairs: Pairs,
    /// What stands before the names of either file alone.
    pub(crate) prefixes: [String; 2],
    /// Prefixes between which the names cannot tell.
    pub(crate) undecided: Vec<String>,
}

/// Finds the pairs: names that are equal; or else those that are when what stands before all or
/// before most of them in one file is taken away.
pub(crate) fn matched(before: &[String], after: &[String]) -> Matching {
    let equal = pairs(before, after, "", "");
    let fewest = before.len().min(after.len());
    if equal.len() == fewest {
        return Matching { pairs: equal, ..Matching::default() };
    }
    let wrappers = [wrapper(before), wrapper(after)];
    let mut candidates: Vec<[String; 2]> = vec![
        wrappers.clone(),
        [wrappers[0].clone(), String::new()],
        [String::new(), wrappers[1].clone()],
    ];
    candidates.extend(nesting(before, after).into_iter().map(|prefix| [String::new(), prefix]));
    candidates.extend(nesting(after, before).into_iter().map(|prefix| [prefix, String::new()]));
    candidates.retain(|prefixes| prefixes.iter().any(|prefix| !prefix.is_empty()));
    let mut best: Vec<([String; 2], Pairs)> = Vec::new();
    for prefixes in candidates {
        let found = pairs(before, after, &prefixes[0], &prefixes[1]);
        let most = best.first().map_or(equal.len(), |(_, pairs)| pairs.len());
        if found.len() > most {
            best = vec![(prefixes, found)];
        } else if found.len() == most
            && found.len() > equal.len()
            && !best.iter().any(|(_, pairs)| *pairs == found)
        {
            best.push((prefixes, found));
        }
    }
    match best.len() {
        0 => Matching { pairs: equal, ..Matching::default() },
        1 => {
            let (prefixes, pairs) = best.swap_remove(0);
            Matching { pairs, prefixes, undecided: Vec::new() }
        }
        _ => Matching {
            pairs: equal,
            undecided: best.into_iter().map(|(prefixes, _)| prefixes.concat()).collect(),
            ..Matching::default()
        },
    }
}

/// A name without what says nothing: Keras repeats a layer's name and numbers a graph's outputs.
fn plain(name: &str) -> String {
    let mut segments: Vec<&str> = name.strip_suffix(":0").unwrap_or(name).split('/').collect();
    segments.dedup();
    segments.join("/")
}

/// Names of two files that are equal without their prefixes; one that lacks its prefix has no pair.
fn pairs(before: &[String], after: &[String], prefix_before: &str, prefix_after: &str) -> Pairs {
    let find = |reduce: &dyn Fn(&str) -> String| -> Option<Pairs> {
        let own = |names: &[String], prefix: &str| -> Option<BTreeMap<String, String>> {
            let with_prefix = names
                .iter()
                .filter_map(|name| Some((reduce(name.strip_prefix(prefix)?), name.clone())));
            let own: BTreeMap<String, String> = with_prefix.collect();
            let count = names.iter().filter(|name| name.starts_with(prefix)).count();
            (own.len() == count).then_some(own)
        };
        let (before, after) = (own(before, prefix_before)?, own(after, prefix_after)?);
        Some(
            before
                .into_iter()
                .filter_map(|(key, name)| Some((name, after.get(&key)?.clone())))
                .collect(),
        )
    };
    let as_they_are = find(&str::to_owned).unwrap_or_default();
    let plainly = find(&plain).unwrap_or_default();
    if plainly.len() > as_they_are.len() { plainly } else { as_they_are }
}

/// What may stand before the names of a part in those of a whole.
fn nesting(part: &[String], whole: &[String]) -> BTreeSet<String> {
    // Every name of the part would have it; those of three are looked at, lest a long list take long.
    let looked_at = [part.first(), part.get(part.len() / 2), part.last()].into_iter().flatten();
    let prefixes_of = |name: &String| -> BTreeSet<String> {
        let name = plain(name);
        let before = |other: &String| {
            let bare = other.strip_suffix(":0").unwrap_or(other);
            let prefix = bare.strip_suffix(name.as_str()).or_else(|| {
                let plain = plain(bare);
                let length = plain.strip_suffix(name.as_str())?.len();
                bare.get(..length).filter(|prefix| plain.starts_with(prefix))
            })?;
            prefix.ends_with(['.', '/']).then(|| prefix.to_owned())
        };
        whole.iter().filter_map(before).collect()
    };
    looked_at.flat_map(prefixes_of).collect()
}
