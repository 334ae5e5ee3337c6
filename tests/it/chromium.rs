//! Signing in with a real browser: the page, its form, and the redirect to the program.
//!
//! It is driven by the DevTools protocol over a pair of pipes. The
//! browser is started by our own program, as a person's would be.

use std::{
    fs::File,
    io::{Read, Write},
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, channel},
};

use serde_json::{Value, json};

use crate::{
    env::{INTERACTIVE, TIMEOUT, TestEnv, finished, make_pipe, start},
    support::peer,
};

/// What the browser is started with: nothing that reaches beyond this machine.
const FLAGS: &str = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run \
    --disable-background-networking --disable-component-update --disable-sync \
    --disable-dev-shm-usage --no-proxy-server --ignore-certificate-errors --remote-debugging-pipe";

struct Browser {
    commands: File,
    messages: Receiver<Value>,
    session: Option<String>,
    sent: u64,
    loads: u64,
}

impl Browser {
    /// Meets the browser that the program is about to start.
    fn meet(pipes: &Pipes) -> Self {
        let commands = File::options()
            .write(true)
            .open(&pipes.commands)
            .expect("the browser reads commands");
        let mut answers = File::open(&pipes.answers).expect("the browser answers");
        let (sender, messages) = channel();
        std::thread::spawn(move || {
            let mut waiting = Vec::new();
            let mut chunk = [0; 64 << 10];
            while let Ok(count @ 1..) = answers.read(&mut chunk) {
                waiting.extend_from_slice(&chunk[..count]);
                while let Some(end) = waiting.iter().position(|byte| *byte == 0) {
                    let message: Vec<u8> = waiting.drain(..=end).collect();
                    let message = serde_json::from_slice(&message[..end]).expect("JSON");
                    if sender.send(message).is_err() {
                        return;
                    }
                }
            }
        });
        Self {
            commands,
            messages,
            session: None,
            sent: 0,
            loads: 0,
        }
    }

    fn next(&mut self) -> Value {
        let message = self
            .messages
            .recv_timeout(TIMEOUT)
            .expect("the browser says something");
        if message["method"] == "Page.loadEventFired" {
            self.loads += 1;
        }
        message
    }

    /// Sends a command and gives its result; what comes before it is passed over.
    fn call(&mut self, method: &str, params: Value) -> Value {
        self.sent += 1;
        let mut message = json!({ "id": self.sent, "method": method, "params": params });
        if let Some(session) = &self.session {
            message["sessionId"] = session.as_str().into();
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.commands
            .write_all(&bytes)
            .expect("the browser takes commands");
        loop {
            let message = self.next();
            if message["id"] == self.sent {
                // The page went on to the next one in the middle: that one's load is waited for.
                let went_on = message["error"]["message"]
                    .as_str()
                    .is_some_and(|text| text.contains("navigated or closed"));
                if went_on && method == "Runtime.evaluate" {
                    return Value::Null;
                }
                assert!(message.get("error").is_none(), "{method}: {message}");
                return message["result"].clone();
            }
        }
    }

    /// Takes hold of the one page that the program opened.
    fn take_page(&mut self) {
        self.call("Target.setDiscoverTargets", json!({ "discover": true }));
        let target = loop {
            let found = self.call("Target.getTargets", json!({}));
            let pages = found["targetInfos"].as_array().expect("a list").clone();
            let page = pages.into_iter().find(|target| target["type"] == "page");
            match page {
                Some(page) => break page["targetId"].clone(),
                None => drop(self.next()),
            }
        };
        let params = json!({ "targetId": target, "flatten": true });
        let attached = self.call("Target.attachToTarget", params);
        self.session = attached["sessionId"].as_str().map(str::to_owned);
        self.call("Page.enable", json!({}));
    }

    /// Runs an expression after each page that loads, until it gives something.
    fn when_loaded(&mut self, expression: &str) -> Value {
        loop {
            let loads = self.loads;
            let params = json!({ "expression": expression, "returnByValue": true });
            let found = self.call("Runtime.evaluate", params)["result"]["value"].clone();
            if !found.is_null() {
                return found;
            }
            while self.loads == loads {
                self.next();
            }
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It ends on its own once its pipes are closed; this is sooner.
        let _ = self
            .commands
            .write_all(b"{\"id\":0,\"method\":\"Browser.close\"}\0");
        while self.messages.recv_timeout(TIMEOUT).is_ok() {}
    }
}

struct Pipes {
    commands: PathBuf,
    answers: PathBuf,
}

/// A `BROWSER` that is Chromium with its commands in two pipes.
fn script(test_env: &TestEnv, chromium: &Path) -> Pipes {
    let home = test_env.home();
    let pipes = Pipes {
        commands: home.join("commands"),
        answers: home.join("answers"),
    };
    for path in [&pipes.commands, &pipes.answers] {
        make_pipe(path);
    }
    let text = format!(
        "#!/bin/sh\nexec '{}' {FLAGS} --user-data-dir='{}' \"$1\" 3<'{}' 4>'{}' 2>/dev/null\n",
        chromium.display(),
        home.join("profile").display(),
        pipes.commands.display(),
        pipes.answers.display(),
    );
    test_env.install_script("chromium-under-test", &text);
    pipes
}

#[test]
fn a_person_signs_in_with_a_real_browser() {
    let Some(chromium) = peer("chromium") else {
        return;
    };
    let test_env = TestEnv::new();
    let pipes = script(&test_env, &chromium);
    let env = [INTERACTIVE, ("BROWSER", "chromium-under-test")];
    let args = test_env.user_args("interactive", &[]);
    let child = start(&mut test_env.get_token_command(&args, &env));
    let mut browser = Browser::meet(&pipes);
    browser.take_page();
    let (name, password) = (json!(test_env.user.upn), json!(test_env.user.password));
    browser.when_loaded(&format!(
        "(() => {{ const name = document.getElementById('username'); if (!name) return null; \
         name.value = {name}; document.getElementById('password').value = {password}; \
         document.getElementById('submit').click(); return true; }})()"
    ));
    // The title is there before the text.
    let page = browser.when_loaded(
        "document.title === 'You are signed in' && document.readyState === 'complete' \
         ? document.body.innerText : null",
    );
    assert!(
        page.as_str().expect("text").contains("close this tab"),
        "{page}"
    );
    let ran = finished(child);
    test_env.check_for_leaks(&ran);
    assert_eq!(test_env.claims(&ran)["oid"], test_env.user.oid.as_str());
}
