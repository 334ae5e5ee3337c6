//! A browser that the test itself acts as.

#[cfg(unix)]
use std::path::PathBuf;

use super::TestEnv;

/// Installs a browser that passes its address to the test; returns its name and the file that
/// the address is in.
#[cfg(unix)]
pub(crate) fn browser_that_tells(test_env: &TestEnv) -> (String, PathBuf) {
    let address = test_env.home().join("address");
    let text = format!(
        "#!/bin/sh\nprintf %s \"$1\" > '{0}.new' && mv '{0}.new' '{0}'\n",
        address.display()
    );
    test_env.install_script("tell", &text);
    ("tell".to_owned(), address)
}

/// Follows the sign-in page's answer to the program: posts the form as a browser would.
pub(crate) fn walk(test_env: &TestEnv, address: &str) -> String {
    let ca = test_env.simulator.ca_pem();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let client = reqwest::Client::builder()
            .tls_certs_only([reqwest::Certificate::from_pem(ca.as_bytes()).expect("PEM")])
            .no_proxy()
            .build()
            .expect("a client");
        let page = client.get(address).send().await.expect("the page");
        let page = page.text().await.expect("text");
        let (action, fields) = form_of(&page);
        assert!(action.starts_with("http://localhost:"), "{action}");
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(&fields);
        let body = body.finish();
        // A stranger who does not know the state changes nothing.
        let stranger = client.post(&action).body("code=x&state=y").send().await;
        assert_eq!(stranger.expect("an answer").status().as_u16(), 400);
        let answer = client.post(&action).body(body).send().await;
        answer.expect("an answer").text().await.expect("text")
    })
}

fn form_of(page: &str) -> (String, Vec<(String, String)>) {
    let attribute = |tag: &str, name: &str| {
        let start = tag.find(&format!("{name}=\""))? + name.len() + 2;
        let value = &tag[start..];
        let value = &value[..value.find('"')?];
        Some(
            value
                .replace("&quot;", "\"")
                .replace("&#39;", "'")
                .replace("&amp;", "&"),
        )
    };
    let tags: Vec<&str> = page.split('<').collect();
    let form = tags
        .iter()
        .find(|tag| tag.starts_with("form"))
        .expect("a form");
    let fields = tags
        .iter()
        .filter(|tag| tag.starts_with("input"))
        .filter_map(|tag| Some((attribute(tag, "name")?, attribute(tag, "value")?)))
        .collect();
    (attribute(form, "action").expect("an action"), fields)
}
