//! Addresses as they may be shown: what is said ends up on screens and in logs.

use ureq::http::Uri;
use ureq::http::uri::Authority;

/// An address without the user and the password that it may hold.
pub(crate) fn shown(url: &str) -> String {
    without_secret(url, url)
}

/// What is said of an address, without the user and the password that the address may hold.
pub(crate) fn without_secret(text: &str, url: &str) -> String {
    secret(url).map_or_else(|| text.to_owned(), |secret| text.replace(&secret, ""))
}

/// User and password of an address, with the `@` behind them.
fn secret(url: &str) -> Option<String> {
    let uri = url.parse::<Uri>().ok();
    let authority = uri.as_ref().and_then(Uri::authority).filter(|authority| names_host(authority));
    let (secret, _) = match authority {
        Some(authority) => authority.as_str().rsplit_once('@')?,
        // A password with a `/` in it, for example, ends nowhere but before the last `@`.
        None => url.split_once("://").map_or(url, |(_, rest)| rest).rsplit_once('@')?,
    };
    Some(format!("{secret}@"))
}

/// Whether a host stands behind the user, with a port or without one.
fn names_host(authority: &Authority) -> bool {
    let text = authority.as_str();
    let host = text.rsplit_once('@').map_or(text, |(_, host)| host);
    host == authority.host() || authority.port().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_user_and_password() {
        for (url, expected) in [
            ("http://user:secret@127.0.0.1:1/x.h5", "http://127.0.0.1:1/x.h5"),
            ("HTTPS://user@host", "HTTPS://host"),
            ("http://us%40er:sec%2Fret@[::1]:80/@x", "http://[::1]:80/@x"),
            ("http://us@er:secret@host/x?a=b", "http://host/x?a=b"),
            // What is no address, for want of a scheme or for a character in the password.
            ("user:secret@host", "host"),
            ("user:secret@host/x", "host/x"),
            ("http://user:sec/ret@host/x", "http://host/x"),
            ("http://user:sec#ret@host/x", "http://host/x"),
            ("http://user:sec ret@host/x", "http://host/x"),
        ] {
            assert_eq!(shown(url), expected, "{url}");
            let said = format!("bad uri: {url} is wrong");
            assert_eq!(without_secret(&said, url), format!("bad uri: {expected} is wrong"));
        }
        for url in ["https://host/@scope/x@1.h5?a=b@c", "http://[::1]/@x", "http://host:1", "host"]
        {
            assert_eq!(shown(url), url);
        }
    }
}
