//! The catalogue, which is data.

use std::sync::LazyLock;

use serde::Deserialize;

use crate::Checksum;

/// What is done with a file once it is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DownloadKind {
    /// It is kept as it is.
    Weights,
    /// It is an archive that the book's split is made from.
    CatsAndDogs,
}

/// Something that can be fetched.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogueEntry {
    /// What a person types.
    pub name: String,
    /// What is done with it.
    pub kind: DownloadKind,
    /// What it is.
    pub title: String,
    /// The file's name.
    pub file: String,
    /// Where it is published.
    pub url: String,
    /// How many bytes it has, where that is known.
    pub size: Option<u64>,
    /// What it must be.
    pub checksum: Checksum,
    /// Under which terms it may be used.
    pub licence: String,
    /// The preprocessing that weights were trained on.
    pub preprocessing: Option<String>,
}

/// All entries.
pub fn catalogue() -> &'static [CatalogueEntry] {
    #[derive(Deserialize)]
    struct Catalogue {
        entry: Vec<CatalogueEntry>,
    }
    static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| {
        toml::from_str(include_str!("catalogue.toml")).expect("the embedded catalogue is tested")
    });
    &CATALOGUE.entry
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_has_an_address_of_its_own_and_a_checksum() {
        let names: std::collections::BTreeSet<&str> =
            catalogue().iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(names.len(), catalogue().len());
        assert!(
            catalogue()
                .iter()
                .all(|entry| entry.url.starts_with("https://") && !entry.licence.is_empty())
        );
    }
}
