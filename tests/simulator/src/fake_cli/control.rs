//! The connection of the stand-ins to the simulator: plain HTTP to its control interface.

use super::Environment;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;

/// A simulator's control interface.
pub(super) struct Control {
    url: url::Url,
}

impl Control {
    pub(super) fn of(env: Environment<'_>) -> Result<Control, String> {
        let url = env("AZURE_SIM_CONTROL").ok_or("AZURE_SIM_CONTROL is not set")?;
        let url =
            url::Url::parse(&url).map_err(|error| format!("AZURE_SIM_CONTROL `{url}`: {error}"))?;
        Ok(Control { url })
    }

    /// Tells the simulator that a tool was started.
    pub(super) fn report(&self, tool: &str, arguments: &[String]) -> Result<(), String> {
        let mut query = vec![("arg", tool)];
        query.extend(arguments.iter().map(|a| ("arg", a.as_str())));
        self.get("cli-started", &query).map(|_| ())
    }

    /// Asks for a token. An inner error is Entra's, as text.
    pub(super) fn token(&self, query: &[(&str, &str)]) -> Result<Result<Value, String>, String> {
        self.ask("cli-token", query)
    }

    /// Asks for what an account sees. An inner error is a refusal to sign in, as text.
    pub(super) fn profile(&self, query: &[(&str, &str)]) -> Result<Result<Value, String>, String> {
        self.ask("cli-profile", query)
    }

    fn ask(&self, path: &str, query: &[(&str, &str)]) -> Result<Result<Value, String>, String> {
        let (status, body) = self.get(path, query)?;
        Ok(match status {
            200 => Ok(body),
            _ => {
                let text = body["error_description"]
                    .as_str()
                    .or_else(|| body["error"].as_str());
                Err(text.unwrap_or("no reason was given").to_owned())
            }
        })
    }

    fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<(u16, Value), String> {
        let host = self.url.host_str().unwrap_or_default();
        let port = self.url.port().unwrap_or(80);
        let query = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(query)
            .finish();
        let base = self.url.path().trim_end_matches('/');
        let failed = |error: std::io::Error| format!("{}: {error}", self.url);
        let mut stream = TcpStream::connect((host, port)).map_err(failed)?;
        write!(
            stream,
            "GET {base}/{path}?{query} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n"
        )
        .map_err(failed)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).map_err(failed)?;
        let (head, body) = answer
            .split_once("\r\n\r\n")
            .ok_or("the simulator answered no HTTP")?;
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|s| s.parse().ok())
            .ok_or("the simulator answered no status")?;
        Ok((status, serde_json::from_str(body).unwrap_or(Value::Null)))
    }
}
