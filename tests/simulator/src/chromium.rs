//! A real headless Chromium, driven through its debugging pipe, for tests in which somebody signs
//! in on a page. Nothing else of the simulator depends on it.

use serde_json::{Value, json};
use std::io::{self, BufRead, BufReader, PipeReader, PipeWriter, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running browser with one page. Dropping it ends it.
pub struct Chromium {
    child: Child,
    commands: PipeWriter,
    answers: BufReader<PipeReader>,
    last_id: u64,
    session: String,
}

impl Chromium {
    /// Starts the browser at `program` with a profile in `directory`, which must exist. Certificates
    /// are not checked: a test's authority is in no browser's store.
    ///
    /// # Errors
    /// Where the browser does not start or does not speak its protocol.
    pub fn start(program: &Path, directory: &Path) -> io::Result<Chromium> {
        let (its_commands, commands) = io::pipe()?;
        let (answers, its_answers) = io::pipe()?;
        // The browser's pipe is its descriptors 3 and 4, which only a shell can set without unsafe code.
        let child = Command::new("sh")
            .args(["-c", r#"exec "$0" "$@" 3<&0 4>&1 </dev/null >/dev/null"#])
            .arg(program)
            .args([
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
            ])
            .args([
                "--no-proxy-server",
                "--ignore-certificate-errors",
                "--disable-background-networking",
            ])
            .arg(format!(
                "--user-data-dir={}",
                directory.join("profile").display()
            ))
            .args(["--remote-debugging-pipe", "about:blank"])
            .current_dir(directory)
            .env("HOME", directory)
            .stdin(its_commands)
            .stdout(its_answers)
            .stderr(Stdio::null())
            .spawn()?;
        let mut browser = Chromium {
            child,
            commands,
            answers: BufReader::new(answers),
            last_id: 0,
            session: String::new(),
        };
        let target =
            browser.call("Target.createTarget", &json!({ "url": "about:blank" }))?["targetId"]
                .clone();
        let attached = browser.call(
            "Target.attachToTarget",
            &json!({ "targetId": target, "flatten": true }),
        )?;
        browser.session = attached["sessionId"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        Ok(browser)
    }

    /// Sends one command; its result.
    fn call(&mut self, method: &str, params: &Value) -> io::Result<Value> {
        self.last_id += 1;
        let mut message = json!({ "id": self.last_id, "method": method, "params": params });
        if !self.session.is_empty() {
            message["sessionId"] = self.session.clone().into();
        }
        self.commands.write_all(format!("{message}\0").as_bytes())?;
        loop {
            let mut bytes = Vec::new();
            if self.answers.read_until(0, &mut bytes)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            bytes.pop();
            let answer: Value = serde_json::from_slice(&bytes).map_err(io::Error::other)?;
            if answer["id"] != self.last_id {
                continue;
            }
            if let Some(error) = answer.get("error") {
                return Err(io::Error::other(format!("{method}: {error}")));
            }
            return Ok(answer["result"].clone());
        }
    }

    /// Goes to an address.
    ///
    /// # Errors
    /// Where the browser is gone.
    pub fn open(&mut self, url: &str) -> io::Result<()> {
        self.call("Page.navigate", &json!({ "url": url }))
            .map(|_| ())
    }

    /// The value of an expression on the page; null where it throws or the page is just changing.
    ///
    /// # Errors
    /// Where the browser is gone.
    pub fn evaluate(&mut self, expression: &str) -> io::Result<Value> {
        match self.call(
            "Runtime.evaluate",
            &json!({ "expression": expression, "returnByValue": true }),
        ) {
            Ok(result) => Ok(result["result"]["value"].clone()),
            Err(error) if error.kind() == io::ErrorKind::Other => Ok(Value::Null),
            Err(error) => Err(error),
        }
    }

    /// Waits until an expression on the page is true.
    ///
    /// # Errors
    /// [`io::ErrorKind::TimedOut`], with the page's text, when it is not within `limit`.
    pub fn wait_until(&mut self, expression: &str, limit: Duration) -> io::Result<()> {
        let end = Instant::now() + limit;
        while self.evaluate(expression)? != true {
            if Instant::now() > end {
                let text = self.text()?;
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    format!("`{expression}` on a page that says: {text}"),
                ));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Writes into the field with an id.
    ///
    /// # Errors
    /// Where there is no such field within half a minute.
    pub fn fill(&mut self, id: &str, text: &str) -> io::Result<()> {
        let (id, text) = (json!(id), json!(text));
        self.wait_until(
            &format!("document.getElementById({id}) !== null"),
            Duration::from_secs(30),
        )?;
        self.evaluate(&format!("document.getElementById({id}).value = {text}"))
            .map(|_| ())
    }

    /// Presses the button with an id.
    ///
    /// # Errors
    /// Where there is no such button within half a minute.
    pub fn click(&mut self, id: &str) -> io::Result<()> {
        let id = json!(id);
        self.wait_until(
            &format!("document.getElementById({id}) !== null"),
            Duration::from_secs(30),
        )?;
        self.evaluate(&format!("document.getElementById({id}).click()"))
            .map(|_| ())
    }

    /// What the page says.
    ///
    /// # Errors
    /// Where the browser is gone.
    pub fn text(&mut self) -> io::Result<String> {
        Ok(self
            .evaluate("document.body.innerText")?
            .as_str()
            .unwrap_or_default()
            .to_owned())
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // Asked to close it takes its helpers with it; killed, it may leave some.
        self.session.clear();
        let closed = self.call("Browser.close", &json!({}));
        if closed.is_err() {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}
