//! What a file must be.

use std::fmt;
use std::io::{self, Read};

use md5::Md5;
use serde::{Deserialize, Deserializer, de};
use sha2::{Digest, Sha256};

/// Checksum of a file's content. Written `md5:…`, `sha256:…`, `sha256-start:…`, or `hub`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// MD5, in hexadecimal digits; where nothing better was published.
    Md5(String),
    /// SHA-256, in hexadecimal digits.
    Sha256(String),
    /// The first digits of the SHA-256, in hexadecimal; where no more was published. It tells a damaged
    /// file, not a forged one.
    Sha256Start(String),
    /// The SHA-256 that the Hugging Face hub names in the header `X-Linked-ETag` when it is asked
    /// for the file.
    Hub,
}

impl Checksum {
    /// Whether a file is the right one; if not, what it is instead. [`Checksum::Hub`] has to be
    /// resolved first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn compare(&self, file: &mut impl Read) -> io::Result<Result<(), String>> {
        let (expected, actual) = match self {
            Self::Md5(expected) => (expected, digest::<Md5>(file)?),
            Self::Sha256(expected) => (expected, digest::<Sha256>(file)?),
            Self::Sha256Start(expected) => (expected, digest::<Sha256>(file)?),
            Self::Hub => return Ok(Err("unknown: the server named none".to_owned())),
        };
        let is_right = match self {
            Self::Sha256Start(_) => actual.starts_with(expected),
            Self::Md5(_) | Self::Sha256(_) | Self::Hub => actual == *expected,
        };
        Ok(if is_right { Ok(()) } else { Err(actual) })
    }
}

fn digest<D: Digest>(file: &mut impl Read) -> io::Result<String> {
    let mut digest = D::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect());
        }
        digest.update(&buffer[..count]);
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Md5(digits) => write!(formatter, "MD5 {digits}"),
            Self::Sha256(digits) => write!(formatter, "SHA-256 {digits}"),
            Self::Sha256Start(digits) => write!(formatter, "a SHA-256 that begins with {digits}"),
            Self::Hub => formatter.write_str("the SHA-256 that the hub names"),
        }
    }
}

impl<'de> Deserialize<'de> for Checksum {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let is_hex = |digits: &str, length| {
            digits.len() == length && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
        };
        match text.split_once(':') {
            Some(("md5", digits)) if is_hex(digits, 32) => Ok(Self::Md5(digits.to_owned())),
            Some(("sha256", digits)) if is_hex(digits, 64) => Ok(Self::Sha256(digits.to_owned())),
            Some(("sha256-start", digits)) if digits.len() >= 8 && is_hex(digits, digits.len()) => {
                Ok(Self::Sha256Start(digits.to_owned()))
            }
            None if text == "hub" => Ok(Self::Hub),
            _ => Err(de::Error::custom(format!(
                "`{text}` is no checksum; write md5:…, sha256:…, sha256-start:… or hub"
            ))),
        }
    }
}
