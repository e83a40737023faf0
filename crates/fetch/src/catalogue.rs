//! The catalogue, which is data.

use std::sync::LazyLock;

use serde::Deserialize;

use crate::Checksum;

/// Use of a file once it is downloaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DownloadKind {
    /// A weights file, kept as it is.
    Weights,
    /// The archive of photographs from which the book's split is made.
    CatsAndDogs,
}

/// A file of the catalogue.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogueEntry {
    /// Name by which a person asks for it.
    pub name: String,
    /// Use of the file once it is downloaded.
    pub kind: DownloadKind,
    /// Description in one line.
    pub title: String,
    /// File name under which it is kept.
    pub file: String,
    /// Address at which it is published.
    pub url: String,
    /// Length in bytes, where it is known.
    pub size: Option<u64>,
    /// Checksum that its content must have.
    pub checksum: Checksum,
    /// Terms under which it may be used.
    pub licence: String,
    /// Name of the preprocessing that weights were trained on.
    pub preprocessing: Option<String>,
}

/// All files of the catalogue.
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
