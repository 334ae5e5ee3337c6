//! Decodes one page of a listing and validates its `nextLink`.

use serde_json::Value;
use url::Url;

use crate::{
    error::{Failure, Result},
    host::http::origin,
};

/// One page.
#[derive(Debug)]
pub(super) struct Page {
    /// The items.
    pub items: Vec<Value>,
    /// The URL of the next page, not yet validated; none on the last page.
    pub next: Option<String>,
}

/// Reads `{"value":[…],"nextLink":"…"}`. An empty page is a page.
///
/// # Errors
/// When the bytes are not such an object. A `nextLink` of another type is an error too: ignoring it would
/// silently lose the rest of the listing.
pub(super) fn decode_page(body: &[u8]) -> Result<Page> {
    let unfit = |why: &str| Failure::new("ARM's answer is not a page of a listing").because(why);
    let mut body: Value =
        serde_json::from_slice(body).map_err(|why| unfit(&format!("it is not JSON: {why}")))?;
    let items = match body.get_mut("value").map(Value::take) {
        Some(Value::Array(items)) => items,
        Some(_) => return Err(unfit("`value` is not a list")),
        None => return Err(unfit("`value` is missing")),
    };
    let next = match body.get_mut("nextLink").map(Value::take) {
        None | Some(Value::Null) => None,
        Some(Value::String(link)) => Some(link).filter(|link| !link.is_empty()),
        Some(_) => return Err(unfit("`nextLink` is not text")),
    };
    Ok(Page { items, next })
}

/// Accepts a `nextLink` that stays on ARM: the token is sent with the request.
///
/// # Errors
/// When it is not a URL, or its scheme, host or port is not ARM's.
pub(super) fn check_next(link: &str, arm: &Url) -> Result<Url> {
    let refused = || Failure::new("refused to follow a listing away from ARM");
    let url = Url::parse(link)
        .map_err(|why| Failure::new("ARM's `nextLink` is not a URL").because(why))?;
    let same = url.scheme() == arm.scheme()
        && url.host() == arm.host()
        && url.port_or_known_default() == arm.port_or_known_default();
    if !same {
        return Err(refused().because(format!(
            "its `nextLink` leads to `{}`, and ARM is `{}`",
            origin(&url),
            origin(arm)
        )));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refused().because("its `nextLink` carries a user name"));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn arm() -> Url {
        Url::parse("https://management.azure.com/").expect("a URL")
    }

    #[test]
    fn the_last_page_has_no_next_link_or_an_empty_one() {
        for body in [
            r#"{"value":[1]}"#,
            r#"{"value":[1],"nextLink":null}"#,
            r#"{"value":[1],"nextLink":""}"#,
        ] {
            let page = decode_page(body.as_bytes()).expect("a page");
            assert_eq!((page.items.len(), page.next), (1, None));
        }
    }

    #[test]
    fn a_page_may_be_empty_and_still_have_a_next_one() {
        let page = decode_page(br#"{"value":[],"nextLink":"https://x/"}"#).expect("a page");
        assert!(page.items.is_empty());
        assert_eq!(page.next.as_deref(), Some("https://x/"));
    }

    #[test]
    fn what_is_not_a_page_is_an_error() {
        for body in [
            "",
            "[]",
            "{}",
            r#"{"value":{}}"#,
            r#"{"value":[],"nextLink":3}"#,
            "{\"value\":[",
        ] {
            assert!(decode_page(body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn a_next_link_stays_on_arm() {
        let passes = |link| check_next(link, &arm()).is_ok();
        assert!(passes("https://management.azure.com/x?$skiptoken=1"));
        assert!(passes("https://management.azure.com:443/x"));
        assert!(passes("https://MANAGEMENT.azure.com/x"));
        for foreign in [
            "http://management.azure.com/x",
            "https://management.azure.com:8443/x",
            "https://management.azure.com.evil.example/x",
            "https://evil.example/management.azure.com",
            "https://management.azure.com@evil.example/x",
            "https://user@management.azure.com/x",
            "//evil.example/x",
            "/relative",
            "",
        ] {
            assert!(!passes(foreign), "{foreign}");
        }
    }

    proptest! {
        #[test]
        fn decoding_a_page_never_panics(body: Vec<u8>) {
            let _ = decode_page(&body);
        }

        #[test]
        fn no_other_host_is_accepted(host in "[a-z0-9.-]{1,20}", path in "[ -~]{0,20}") {
            if let Ok(url) = check_next(&format!("https://{host}/{path}"), &arm()) {
                prop_assert_eq!(url.host_str(), Some("management.azure.com"));
            }
        }
    }
}
