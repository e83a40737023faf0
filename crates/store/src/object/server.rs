//! The server behind a URL, and how it is reached.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::path::Path as Key;
use object_store::{BackoffConfig, ClientConfigKey, ObjectStore, ObjectStoreScheme, RetryConfig};
use tokio::runtime::Runtime;
use url::Url;

use super::words::said;
use crate::StoreError;

/// What a URL may begin with.
const KNOWN_PLACES: &str =
    "give a folder, or a URL that begins with s3://, gs://, az:// or file://";

/// The time of a whole answer is not limited, for artifacts are long; that of its pauses is.
const LIMITS: [(ClientConfigKey, &str); 2] =
    [(ClientConfigKey::Timeout, "30 days"), (ClientConfigKey::ReadTimeout, "30 seconds")];

/// A client of one kind of server, as the environment configures it.
macro_rules! client {
    ($builder:ty, $key:ty, $url:expr, $retry:expr) => {{
        let builder = <$builder>::from_env().with_url($url).with_retry($retry);
        let limited = LIMITS
            .into_iter()
            .fold(builder, |builder, (key, value)| builder.with_config(<$key>::Client(key), value));
        limited.build().map(|store| Arc::new(store) as Arc<dyn ObjectStore>)
    }};
}

/// The server that a URL names.
pub(super) struct Server<'a> {
    url: &'a str,
    scheme: ObjectStoreScheme,
    /// What all keys begin with.
    pub(super) root: Key,
}

impl<'a> Server<'a> {
    pub(super) fn of(url: &'a str) -> Result<Self, StoreError> {
        let parsed = Url::parse(url).map_err(|error| refused(url, error.to_string()))?;
        let (scheme, path) =
            ObjectStoreScheme::parse(&parsed).map_err(|_| refused(url, KNOWN_PLACES.to_owned()))?;
        let root = Key::parse(path.as_ref()).map_err(|error| refused(url, error.to_string()))?;
        Ok(Self { url, scheme, root })
    }

    /// A client that tries a request again for so long.
    pub(super) fn connect(&self, patience: Duration) -> Result<Arc<dyn ObjectStore>, StoreError> {
        // Whoever was first has chosen; there is no other here.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let retry = RetryConfig {
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(100),
                max_backoff: Duration::from_secs(10),
                base: 2.0,
            },
            max_retries: usize::MAX,
            retry_timeout: patience,
        };
        let url = self.url;
        let client = match self.scheme {
            ObjectStoreScheme::AmazonS3 => client!(AmazonS3Builder, AmazonS3ConfigKey, url, retry),
            ObjectStoreScheme::GoogleCloudStorage => {
                client!(GoogleCloudStorageBuilder, GoogleConfigKey, url, retry)
            }
            ObjectStoreScheme::MicrosoftAzure => {
                client!(MicrosoftAzureBuilder, AzureConfigKey, url, retry)
            }
            _ => return Err(refused(url, KNOWN_PLACES.to_owned())),
        };
        client.map_err(|error| refused(url, said(&error)))
    }
}

fn refused(url: &str, reason: String) -> StoreError {
    StoreError::Unreachable { place: PathBuf::from(url), action: "cannot be opened", reason }
}

/// Where requests are driven, on a thread of its own.
pub(super) fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("the system gives a process one more thread")
    })
}
