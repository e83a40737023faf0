//! The state dicts in a pickle of PyTorch's: dictionaries and models that hold tensors, wherever they
//! stand. What stands elsewhere is counted.

use std::collections::BTreeSet;

use super::matching::matched;
use super::pickle::{Pickle, Place, Value};

/// Tensors of a file that stand in another place than the state dict, and are not compared.
#[derive(Clone, Debug, PartialEq)]
pub struct OtherTensors {
    /// The keys or groups under which they stand.
    pub place: String,
    /// Their names.
    pub names: Vec<String>,
    /// Whether they are an optimizer's.
    pub is_optimizer: bool,
}

impl OtherTensors {
    /// The place in words: tensors beside the keys of a file stand at no key.
    pub fn place_in_words(&self) -> String {
        in_words(&self.place)
    }
}

fn in_words(place: &str) -> String {
    if place.is_empty() { "the top level of the file".to_owned() } else { format!("`{place}`") }
}

/// Which state dict of a file is meant.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wanted<'a> {
    /// The one with the most tensors.
    Largest,
    /// The one at this place, if there are several.
    At(&'a str),
    /// The one at the place of another file's, where it is there.
    Like {
        /// The place in the other file.
        place: &'a str,
        /// The names of the other file's tensors.
        names: &'a [String],
    },
}

/// Containers within containers that are looked into.
const DEEPEST: usize = 256;

/// The state dict that is meant, and what stands beside it.
pub(super) struct StateDicts {
    pub(super) place: String,
    pub(super) tensors: Vec<(String, Place)>,
    pub(super) left_out: Vec<OtherTensors>,
    /// Number of tensors and storages that stand where thaw does not look.
    pub(super) unplaced: usize,
}

impl StateDicts {
    pub(super) fn of(pickle: &Pickle, wanted: Wanted<'_>) -> Result<Self, String> {
        let mut search = Search {
            pickle,
            found: Vec::new(),
            left_out: Vec::new(),
            visited: BTreeSet::new(),
            placed: BTreeSet::new(),
            visits: 0,
        };
        search.look_into(pickle.root, "", false, 0)?;
        let Search { mut found, mut left_out, placed, .. } = search;
        let unplaced = unplaced(pickle, &placed);
        found.sort_by(|one, other| one.0.cmp(&other.0));
        let chosen = choose(&found, wanted)?;
        let (place, tensors) = found.swap_remove(chosen);
        left_out.extend(found.into_iter().map(|(place, tensors)| OtherTensors {
            place,
            names: tensors.into_iter().map(|(name, _)| name).collect(),
            is_optimizer: false,
        }));
        Ok(Self { place, tensors, left_out, unplaced })
    }
}

/// The place of the state dict that is meant.
fn choose(found: &[StateDict], wanted: Wanted<'_>) -> Result<usize, String> {
    if found.is_empty() {
        return Err(
            "it holds no tensor that belongs to a model; save `model.state_dict()`".to_owned()
        );
    }
    let places = || {
        let mut words: Vec<String> = found
            .iter()
            .take(4)
            .map(|(place, tensors)| format!("{} ({} tensors)", in_words(place), tensors.len()))
            .collect();
        if found.len() > 4 {
            words.push(format!("{} more", found.len() - 4));
        }
        words.join(", ")
    };
    let at = |wanted: &str| found.iter().position(|(place, _)| place == wanted);
    let most = found.iter().map(|(_, tensors)| tensors.len()).max().unwrap_or(0);
    let largest: Vec<usize> =
        (0..found.len()).filter(|place| found[*place].1.len() == most).collect();
    match wanted {
        // A file that is a state dict has no places.
        Wanted::At(_) if found.len() == 1 && found[0].0.is_empty() => return Ok(0),
        Wanted::At(wanted) => {
            return at(wanted)
                .ok_or_else(|| format!("it has no state dict `{wanted}`, only {}", places()));
        }
        _ if found.len() == 1 => return Ok(0),
        Wanted::Like { place, names } => {
            let shared = |own: usize| {
                let own: Vec<String> = found[own].1.iter().map(|(name, _)| name.clone()).collect();
                matched(names, &own).pairs.len()
            };
            // At the top level may stand a loss or an accuracy, and the model at a key.
            let is_meant = |own: &usize| {
                !place.is_empty() || shared(*own) > 0 && shared(*own) >= shared(largest[0])
            };
            if let Some(own) = at(place).filter(is_meant) {
                return Ok(own);
            }
        }
        Wanted::Largest => {}
    }
    // An average of a model has its tensors, under a prefix, and one that counts.
    let names = |place: usize| -> BTreeSet<&str> {
        found[place].1.iter().map(|(name, _)| name.trim_start_matches("module.")).collect()
    };
    let largest_names = names(largest[0]);
    let rivals = (0..found.len()).any(|place| {
        place != largest[0] && found[place].1.len() > 1 && names(place).is_subset(&largest_names)
    });
    if largest.len() > 1 || rivals {
        return Err(format!(
            "it holds several state dicts of one kind: {}; say which with --state-dict, or save it in a file of its own",
            places()
        ));
    }
    Ok(largest[0])
}

/// A place and its tensors by name.
type StateDict = (String, Vec<(String, Place)>);

/// A search for dictionaries and models that hold tensors.
struct Search<'a> {
    pickle: &'a Pickle,
    found: Vec<StateDict>,
    left_out: Vec<OtherTensors>,
    visited: BTreeSet<Place>,
    /// The tensors that stand in one of these.
    placed: BTreeSet<Place>,
    visits: usize,
}

/// Values that are looked into; a model has some thousand.
const MOST_VISITS: usize = 1_000_000;

impl Search<'_> {
    /// Looks for state dicts in a value.
    fn look_into(
        &mut self,
        value: Place,
        place: &str,
        is_optimizer: bool,
        depth: usize,
    ) -> Result<(), String> {
        self.visits += 1;
        if depth > DEEPEST || self.visits > MOST_VISITS {
            return Err("its content is nested too deeply; save `model.state_dict()`".to_owned());
        }
        if !self.visited.insert(value) {
            return Ok(());
        }
        let pickle = self.pickle;
        let mut tensors = Vec::new();
        let mut is_optimizer = is_optimizer;
        if is_tensor(pickle, value) {
            tensors.push(("tensor".to_owned(), value));
        } else if let Some(entries) = pickle.entries(value) {
            // What an optimizer calls the two halves of its own state dict.
            let has =
                |wanted: &str| entries.iter().any(|(key, _)| pickle.text(*key) == Some(wanted));
            is_optimizer |= has("state") && has("param_groups");
            // What is shared with an optimizer is the model's all the same.
            let named = entries.iter().map(|(key, value)| (self.key(*key), *value));
            let (of_optimizers, others): (Vec<_>, Vec<_>) =
                named.partition(|(key, _)| is_of_optimizer(key));
            for (key, value) in others {
                self.entry(&key, value, place, is_optimizer, depth, &mut tensors)?;
            }
            for (key, value) in of_optimizers {
                self.entry(&key, value, place, true, depth, &mut tensors)?;
            }
        } else if let Some(members) = pickle.list(value) {
            for (number, member) in members.iter().enumerate() {
                let key = number.to_string();
                self.entry(&key, *member, place, is_optimizer, depth, &mut tensors)?;
            }
        }
        if let (Value::Made { arguments, elements, state, .. }, false) =
            (pickle.value(value), is_tensor(pickle, value))
        {
            for member in elements.iter().chain([arguments]) {
                self.look_into(*member, place, is_optimizer, depth + 1)?;
            }
            match state {
                // A model that was saved whole.
                Some(state) if pickle.entries(*state).is_some() => {
                    self.tensors_of_model(*state, "", place, is_optimizer, &mut tensors, depth)?;
                }
                Some(state) => self.look_into(*state, place, is_optimizer, depth + 1)?,
                None => {}
            }
        }
        self.placed.extend(tensors.iter().map(|(_, tensor)| *tensor));
        if !tensors.is_empty() && is_optimizer {
            let names = tensors.into_iter().map(|(name, _)| name).collect();
            self.left_out.push(OtherTensors { place: place.to_owned(), names, is_optimizer });
        } else if !tensors.is_empty() {
            self.found.push((place.to_owned(), tensors));
        }
        Ok(())
    }

    /// A tensor of a dictionary, several in a tuple (as quantised layers keep them), or something to
    /// look into.
    fn entry(
        &mut self,
        key: &str,
        value: Place,
        place: &str,
        is_optimizer: bool,
        depth: usize,
        tensors: &mut Vec<(String, Place)>,
    ) -> Result<(), String> {
        let pickle = self.pickle;
        let members = pickle.list(value).unwrap_or_default();
        if is_tensor(pickle, value) {
            tensors.push((key.to_owned(), value));
            return Ok(());
        }
        if !tensors.is_empty() && members.iter().any(|member| is_tensor(pickle, *member)) {
            for (number, member) in members.iter().enumerate() {
                self.entry(
                    &format!("{key}.{number}"),
                    *member,
                    place,
                    is_optimizer,
                    depth + 1,
                    tensors,
                )?;
            }
            return Ok(());
        }
        let within = if place.is_empty() { key.to_owned() } else { format!("{place}/{key}") };
        self.look_into(value, &within, is_optimizer, depth + 1)
    }

    /// A dictionary's key in words.
    fn key(&self, key: Place) -> String {
        match self.pickle.value(key) {
            Value::Text(key) => key.clone(),
            Value::Whole(number) => number.to_string(),
            Value::List(members) => {
                let parts = members.iter().map(|member| match self.pickle.value(*member) {
                    Value::Text(text) => text.clone(),
                    Value::Whole(number) => number.to_string(),
                    _ => "?".to_owned(),
                });
                format!("({})", parts.collect::<Vec<_>>().join(", "))
            }
            _ => format!("key {key}"),
        }
    }

    /// Tensors of a module of PyTorch, or of one that TorchScript wrote, under the names of its state
    /// dict; what else its attributes hold is looked into.
    fn tensors_of_model(
        &mut self,
        state: Place,
        prefix: &str,
        place: &str,
        is_optimizer: bool,
        tensors: &mut Vec<(String, Place)>,
        depth: usize,
    ) -> Result<(), String> {
        self.visits += 1;
        if depth > DEEPEST || self.visits > MOST_VISITS {
            return Err("its modules are nested too deeply; save `model.state_dict()`".to_owned());
        }
        let pickle = self.pickle;
        for (key, value) in pickle.entries(state).unwrap_or_default() {
            let key = self.key(*key);
            let own_state = match pickle.value(*value) {
                Value::Made { state: Some(state), items, elements, .. }
                    if items.is_empty()
                        && elements.is_empty()
                        && pickle.entries(*state).is_some() =>
                {
                    Some(*state)
                }
                _ => None,
            };
            if ["_parameters", "_buffers", "_modules"].contains(&&*key) {
                self.tensors_of_model(*value, prefix, place, is_optimizer, tensors, depth + 1)?;
            } else if is_tensor(pickle, *value) {
                tensors.push((format!("{prefix}{key}"), *value));
            } else if let Some(own) = own_state {
                let prefix = format!("{prefix}{key}.");
                self.tensors_of_model(own, &prefix, place, is_optimizer, tensors, depth + 1)?;
            } else {
                let is_optimizer = is_optimizer || is_of_optimizer(&key);
                self.entry(&format!("{prefix}{key}"), *value, place, is_optimizer, depth, tensors)?;
            }
        }
        Ok(())
    }
}

/// Whether a key is an optimizer's, such as `optimizer_states` or `G_optim`.
fn is_of_optimizer(key: &str) -> bool {
    let lower = key.to_lowercase();
    let mut words = lower.split(|sign: char| !sign.is_alphanumeric());
    words.any(|word| ["optim", "optims", "optimizer", "optimizers", "optimiser"].contains(&word))
}

/// Tensors, and storages by themselves, that stand in no state dict.
fn unplaced(pickle: &Pickle, placed: &BTreeSet<Place>) -> usize {
    let mut within: BTreeSet<Place> = BTreeSet::new();
    for value in 0..pickle.len() {
        if let (true, Some((_, arguments))) = (is_tensor(pickle, value), call(pickle, value)) {
            within.extend(arguments.iter().copied());
            // Those of a subclass stand one deeper.
            within.extend(
                arguments.iter().filter_map(|argument| pickle.list(*argument)).flatten().copied(),
            );
        }
    }
    let is_alone = |value: &Place| {
        let holds_numbers = is_tensor(pickle, *value) || storage_of(pickle, *value).is_some();
        holds_numbers && !placed.contains(value) && !within.contains(value)
    };
    (0..pickle.len()).filter(is_alone).count()
}

/// The function that would make a value, and what it would be given.
pub(super) fn call(pickle: &Pickle, value: Place) -> Option<(&str, &[Place])> {
    let Value::Made { function, arguments, .. } = pickle.value(value) else { return None };
    Some((pickle.global(*function)?, pickle.list(*arguments)?))
}

fn is_tensor(pickle: &Pickle, value: Place) -> bool {
    call(pickle, value).is_some_and(|(function, _)| {
        let last = function.rsplit('.').next().unwrap_or(function);
        last.starts_with("_rebuild_")
            || ["_reconstruct", "_frombuffer", "UninitializedParameter"].contains(&last)
    })
}

/// A storage's class and key.
pub(super) fn storage_of(pickle: &Pickle, storage: Place) -> Option<(&str, &str)> {
    let Value::Persistent(id) = pickle.value(storage) else { return None };
    let [_, class, key, ..] = pickle.list(*id)? else { return None };
    Some((pickle.global(*class)?, pickle.text(*key)?))
}
