//! Azure Arc's challenge: whoever can read a file of the agent may have a token.

use std::path::{Path, PathBuf};

use reqwest::{RequestBuilder, header};

use crate::{
    error::{Failure, Kind, Result},
    host::{
        Host,
        file::{self, Unreadable},
        http::Answer,
    },
    secret::Secret,
};

/// The largest key file, in bytes (the agent's documentation).
const KEY_LIMIT: u64 = 4096;

/// Where the agent is installed.
pub(super) fn agent(host: &Host) -> PathBuf {
    if cfg!(windows) {
        let files = host.var("ProgramFiles").unwrap_or(r"C:\Program Files");
        Path::new(files).join(r"AzureConnectedMachineAgent\himds.exe")
    } else {
        "/opt/azcmagent/bin/himds".into()
    }
}

/// Where the agent puts its keys.
fn key_directory(host_data: Option<&str>) -> PathBuf {
    if cfg!(windows) {
        Path::new(host_data.unwrap_or(r"C:\ProgramData")).join(r"AzureConnectedMachineAgent\Tokens")
    } else {
        "/var/opt/azcmagent/tokens".into()
    }
}

/// Reads the key that a challenge names.
///
/// Only a small `.key` file directly in the agent's directory is read: whoever listens on the agent's port must not get
/// the content of another file.
///
/// # Errors
/// When the challenge or the file is not valid.
pub(super) fn key(host: &Host, answer: &Answer) -> Result<Secret> {
    let challenge = answer
        .header(header::WWW_AUTHENTICATE.as_str())
        .unwrap_or_default();
    let path = challenge
        .strip_prefix("Basic realm=")
        .map(|path| Path::new(path.trim_matches('"')))
        .ok_or_else(|| Failure::new("the Azure Arc agent sent an unknown challenge"))?;
    let directory = key_directory(host.var("ProgramData"));
    read_key(path, &directory)
}

fn read_key(path: &Path, directory: &Path) -> Result<Secret> {
    let refused = |why: &str| {
        Failure::new(format!(
            "refused to read `{}` for the Azure Arc agent: {why}",
            path.display()
        ))
    };
    if path.parent() != Some(directory) {
        return Err(refused("it is not in the agent's directory"));
    }
    if path.extension().is_none_or(|extension| extension != "key") {
        return Err(refused("it is not a `.key` file"));
    }
    let unreadable = |why: Unreadable| {
        let hint = match why {
            Unreadable::NotReadable { .. } | Unreadable::NotSearchable { .. } => {
                "run as a member of the group `himds`, or as an administrator"
            }
            _ => "check the Azure Arc agent with `azcmagent check`",
        };
        Failure::of(
            Kind::Denied,
            format!("could not read the agent's key `{}`", path.display()),
        )
        .because(why)
        .hint(hint)
    };
    if path.symlink_metadata().is_ok_and(|meta| !meta.is_file()) {
        return Err(refused("it is not a small file"));
    }
    let key = file::read_content(path, KEY_LIMIT).map_err(unreadable)?;
    String::from_utf8(key)
        .map(Secret::new)
        .map_err(|_| unreadable(Unreadable::NotText))
}

/// Answers the challenge.
///
/// # Errors
/// When the key can't be a header.
pub(super) fn with_key(request: RequestBuilder, key: &Secret) -> Result<RequestBuilder> {
    let mut value = header::HeaderValue::try_from(format!("Basic {}", key.expose()))
        .map_err(|_| Failure::new("the Azure Arc agent's key is not a valid header"))?;
    value.set_sensitive(true);
    Ok(request.header(header::AUTHORIZATION, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_small_key_file_of_the_agents_is_read() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let write = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).expect("written");
            path
        };
        let good = write("a.key", "k");
        assert_eq!(read_key(&good, dir.path()).expect("a key").expose(), "k");
        let other = tempfile::tempdir().expect("a temporary directory");
        assert!(read_key(&good, other.path()).is_err());
        let explanation = |path: &Path| read_key(path, dir.path()).expect_err("refused").render();
        let missing = explanation(&dir.path().join("missing.key"));
        assert!(missing.contains("there is no such file"), "{missing}");
        assert!(missing.contains("azcmagent check"), "{missing}");
        assert!(explanation(&write("empty.key", "")).contains("it is empty"));
        assert!(read_key(&write("a.txt", "k"), dir.path()).is_err());
        assert!(read_key(&write("big.key", &"k".repeat(5000)), dir.path()).is_err());
        assert!(read_key(&dir.path().join("../x/a.key"), dir.path()).is_err());
    }
}
