//! Where in the text of an experiment a setting has its value from.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The byte offset of the value that a setting of a cell, or of one of its phases, has from the file:
/// from the phase, the last level that sets it, or `[procedure]`.
pub(crate) fn place_of_setting(
    text: &str,
    setting: &str,
    phase: Option<usize>,
    levels: &[(String, String)],
) -> Option<usize> {
    let file = DeValue::Table(DeTable::parse(text).ok()?.into_inner());
    let table = |name: &str| file.get(name).map(Spanned::get_ref);
    let level = |(factor, level): &(String, String)| {
        let matrix = table("matrix")?;
        match matrix.get(factor)?.get_ref() {
            // A list of the values of one setting.
            DeValue::Array(_) => (factor == setting).then_some(matrix),
            levels => levels.get(level).map(Spanned::get_ref),
        }
    };
    let mut tables: Vec<&DeValue<'_>> = levels.iter().rev().filter_map(level).collect();
    tables.push(&file);
    tables.extend(table("procedure"));
    let in_phase = || {
        let phases = tables.iter().find_map(|table| table.get("phase"))?;
        phases.get_ref().get(phase?)?.get_ref().get(setting)
    };
    let found = in_phase().or_else(|| tables.iter().find_map(|table| table.get(setting)));
    found.map(|value| value.span().start)
}
