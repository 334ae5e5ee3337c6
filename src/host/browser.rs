//! Opens a web page in the browser. The URL becomes a program's argument, so it must not hold a secret.

use std::{process::Stdio, time::Duration};

use url::Url;

use super::Host;
use crate::error::{Failure, Kind, Result};

/// How long a program may take to fail. One that runs longer is the browser itself.
const FAILS_WITHIN: Duration = Duration::from_secs(2);

impl Host {
    /// Opens a page with the first program that works: those in `BROWSER` (separated by colons, `%s` for
    /// the URL), else the desktop's own.
    ///
    /// # Errors
    /// If there is none, or all fail.
    pub async fn open_browser(&self, url: &Url) -> Result<()> {
        let mut why = Failure::of(Kind::NotInstalled, "no browser was found on this machine");
        for command in self.browsers(url.as_str()) {
            let Some((program, args)) = command.split_first() else {
                continue;
            };
            match self.start_browser(program, args).await {
                Ok(()) => return Ok(()),
                Err(failure) => why = failure,
            }
        }
        Err(why)
    }

    /// Whether there is a program that opens pages. It may still fail.
    pub fn has_browser(&self) -> bool {
        self.browsers("")
            .iter()
            .filter_map(|command| command.first())
            .any(|program| self.find_program(program).is_some())
    }

    fn browsers(&self, url: &str) -> Vec<Vec<String>> {
        if let Some(list) = self.var_nonempty("BROWSER") {
            let separator = if cfg!(windows) { ';' } else { ':' };
            return list
                .split(separator)
                .filter(|entry| !entry.trim().is_empty())
                .map(|entry| with_url(entry, url))
                .collect();
        }
        let plain = |program: &str| vec![program.to_owned(), url.to_owned()];
        if cfg!(windows) {
            return vec![vec![
                "rundll32".to_owned(),
                "url.dll,FileProtocolHandler".to_owned(),
                url.to_owned(),
            ]];
        }
        if cfg!(target_os = "macos") {
            return vec![plain("open")];
        }
        let wsl = self.var_nonempty("WSL_DISTRO_NAME").is_some();
        let desktop = ["DISPLAY", "WAYLAND_DISPLAY"]
            .iter()
            .any(|name| self.var_nonempty(name).is_some());
        let mut found = Vec::new();
        if wsl {
            found.push(plain("wslview"));
        }
        // Without a desktop, xdg-open would start a browser for terminals.
        if desktop {
            found.push(plain("xdg-open"));
        }
        found
    }

    async fn start_browser(&self, program: &str, args: &[String]) -> Result<()> {
        let path = self.find_program(program).ok_or_else(|| {
            Failure::of(
                Kind::NotInstalled,
                format!("`{program}` is not on the `PATH`"),
            )
        })?;
        let mut command = tokio::process::Command::from(self.command(&path));
        // If it is the browser itself, Ctrl-C must not end it.
        #[cfg(unix)]
        command.process_group(0);
        let mut child = command
            .args(args)
            // kubectl reads standard output, which a browser's output would break.
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|e| Failure::new(format!("could not run `{program}`")).because(e))?;
        match tokio::time::timeout(FAILS_WITHIN, child.wait()).await {
            Ok(Ok(status)) if !status.success() => {
                Err(Failure::new(format!("`{program}` failed: {status}")))
            }
            Ok(Err(e)) => Err(Failure::new(format!("could not run `{program}`")).because(e)),
            Ok(Ok(_)) | Err(_) => Ok(()),
        }
    }
}

/// The program and arguments of a `BROWSER` entry.
fn with_url(entry: &str, url: &str) -> Vec<String> {
    let mut words: Vec<String> = entry
        .split_whitespace()
        .map(|word| word.replace("%s", url))
        .collect();
    if !entry.contains("%s") {
        words.push(url.to_owned());
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_browser_variable_names_programs_with_and_without_a_place_for_the_address() {
        let host = Host::with_env([("BROWSER", "one:two --new %s")]);
        if cfg!(unix) {
            assert_eq!(
                host.browsers("u"),
                [vec!["one", "u"], vec!["two", "--new", "u"]]
            );
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn without_a_desktop_nothing_is_tried() {
        assert!(Host::with_env::<&str, &str>([]).browsers("u").is_empty());
        let desktop = Host::with_env([("DISPLAY", ":0")]);
        assert_eq!(desktop.browsers("u"), [["xdg-open", "u"]]);
    }
}
