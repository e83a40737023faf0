//! What the errors of an object store come to, in the server's own words where it has any.

use std::error::Error as _;

use object_store::Error;

/// Whether an object is not there; an absent bucket is another matter.
pub(super) fn is_absent(error: &Error) -> bool {
    const ABSENT_BUCKETS: [&str; 3] =
        ["NoSuchBucket", "ContainerNotFound", "The specified bucket does not exist"];
    matches!(error, Error::NotFound { .. })
        && !ABSENT_BUCKETS.iter().any(|name| told(error).contains(name))
}

/// An error with everything that is behind it.
fn told(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(behind) = source {
        let more = behind.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = behind.source();
    }
    text
}

/// What an error comes to: the server's own words where it has any.
pub(super) fn said(error: &Error) -> String {
    let text = told(error);
    let inside = |tag: &str| {
        let (_, behind) = text.split_once(&format!("<{tag}>"))?;
        Some(behind.split_once(&format!("</{tag}>"))?.0.trim().to_owned())
    };
    if let (Some(code), Some(message)) = (inside("Code"), inside("Message")) {
        let message = message.trim_end_matches('.');
        return format!("the server says {code}: {message}");
    }
    if text.contains("169.254.169.254") || text.contains("metadata.google.internal") {
        return "there are no credentials: no variable of the environment gives any (such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY), nor does the machine's cloud".to_owned();
    }
    if text.contains("URL scheme is not allowed") {
        return "its address has no TLS; where that is meant, set AWS_ALLOW_HTTP=true (or GOOGLE_…, AZURE_…)".to_owned();
    }
    // The last is the cause; what stands before it says what was attempted.
    let mut cause: &dyn std::error::Error = error;
    while let Some(behind) = cause.source() {
        cause = behind;
    }
    format!("the server cannot be reached ({cause})")
}
