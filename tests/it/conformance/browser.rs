//! A stand-in for the browser: an `xdg-open` that passes the address to the test, which signs in there
//! and takes the answer back to the program's loopback address, as a browser would.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::thread::{self, JoinHandle};

use crate::env::{TestEnv, make_pipe};

/// A browser that waits for an address.
pub(super) struct StandIn {
    pipe: PathBuf,
    thread: Option<JoinHandle<()>>,
}

/// Installs `xdg-open` and waits for what it is called with.
pub(super) fn stand_in(test_env: &TestEnv) -> StandIn {
    let pipe = test_env.path("browser");
    make_pipe(&pipe);
    test_env.install_script(
        "xdg-open",
        &format!("#!/bin/sh\nprintf '%s\\n' \"$1\" > '{}'\n", pipe.display()),
    );
    let ca = test_env.simulator.ca_pem();
    // Open both ways: this end neither waits for a writer nor ends with one.
    let reader = OpenOptions::new()
        .read(true)
        .write(true)
        .open(&pipe)
        .expect("the pipe was made");
    let thread = thread::spawn(move || serve(reader, ca.as_bytes()));
    StandIn {
        pipe,
        thread: Some(thread),
    }
}

impl StandIn {
    /// Closes the browser: the program has ended.
    pub(super) fn end(mut self) {
        let mut writer = OpenOptions::new()
            .write(true)
            .open(&self.pipe)
            .expect("the pipe still stands");
        writer.write_all(b"\n").expect("the pipe has a reader");
        if let Some(thread) = self.thread.take() {
            thread
                .join()
                .expect("the browser's stand-in does not panic");
        }
    }
}

fn serve(pipe: File, ca: &[u8]) {
    for line in BufReader::new(pipe).lines().map_while(Result::ok) {
        if line.is_empty() {
            return;
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("the system starts a runtime");
        // A program that has stopped listening sees no answer: its exit tells.
        let _ = runtime.block_on(visit(&line, ca));
    }
}

/// Opens the sign-in page, on which the simulator signs in at once, and follows where it leads.
async fn visit(address: &str, ca: &[u8]) -> Result<(), reqwest::Error> {
    let client = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([reqwest::Certificate::from_pem(ca)?])
        .build()?;
    let page = client.get(address).send().await?.text().await?;
    if let Some(action) = attribute(&page, "action=\"") {
        let fields: Vec<(String, String)> = page
            .split("<input")
            .filter_map(|input| Some((attribute(input, "name=\"")?, attribute(input, "value=\"")?)))
            .collect();
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(fields);
        client
            .post(action)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body.finish())
            .send()
            .await?;
    }
    Ok(())
}

fn attribute(html: &str, start: &str) -> Option<String> {
    let (_, rest) = html.split_once(start)?;
    let (value, _) = rest.split_once('"')?;
    Some(
        value
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&quot;", "\"")
            .replace("&#39;", "'")
            .replace("&amp;", "&"),
    )
}
