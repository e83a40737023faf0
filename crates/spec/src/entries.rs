//! Tables whose keys a person chooses: entries in the order of the file, each key with its place.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{self, MapAccess};
use serde::{Deserialize, Deserializer};
use toml::Spanned;

/// Reads a table entry by entry. `expecting` stands in the message for what is no table.
pub(crate) fn entries<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
    expecting: &'static str,
) -> Result<Vec<(Spanned<String>, T)>, D::Error> {
    struct Visitor<T> {
        expecting: &'static str,
        value: PhantomData<T>,
    }
    impl<'de, T: Deserialize<'de>> de::Visitor<'de> for Visitor<T> {
        type Value = Vec<(Spanned<String>, T)>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str(self.expecting)
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut entries = Vec::new();
            while let Some(entry) = map.next_entry()? {
                entries.push(entry);
            }
            Ok(entries)
        }
    }
    deserializer.deserialize_map(Visitor { expecting, value: PhantomData })
}
