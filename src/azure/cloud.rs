//! The Azure cloud that is used: a known one, or one that a file describes.

use std::path::Path;

use serde_json::{Map, Value};
use url::Url;

use crate::{
    clouds::{self, CLOUDS, CloudRow},
    error::{Failure, Kind, Result},
    host::{self, Host, http::require_tls},
    near,
    sentence::quoted,
};

mod tools;

pub(crate) use tools::ToolCloud;

/// The variable that names the file of a custom cloud.
pub(crate) const CUSTOM_CLOUD_VARIABLE: &str = "AZURE_ENVIRONMENT_FILEPATH";
/// The `--environment` of a custom cloud, which the file in `CUSTOM_CLOUD_VARIABLE` describes.
pub const CUSTOM_CLOUD: &str = "AzureStackCloud";
/// The largest file that is read for a custom cloud, in bytes: real ones have about 3 KB.
const CUSTOM_CLOUD_LIMIT: u64 = 1 << 20;

/// An Azure cloud: its Entra and ARM endpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cloud {
    name: String,
    /// The Entra endpoint, with a slash at its end.
    pub authority: Url,
    /// The ARM endpoint, with a slash at its end.
    pub arm: Url,
    /// The audience of ARM's tokens, without `/.default`. A slash at its end matters.
    pub arm_audience: String,
}

impl Cloud {
    /// Finds a cloud by name, the public one by default.
    ///
    /// `authority_host` replaces the cloud's Entra endpoint, but not ARM. Names are compared without case, as
    /// in kubelogin.
    ///
    /// # Errors
    /// [`Kind::Usage`] for an unknown name (the known ones are listed), for a custom cloud whose file is missing
    /// or invalid, and for an endpoint without TLS that is not on loopback.
    pub(crate) fn named(
        environment: Option<&str>,
        authority_host: Option<&str>,
        host: &Host,
    ) -> Result<Self> {
        let authority = Self::authority(environment, authority_host, host)?;
        Ok(match known(environment)? {
            Some(row) => Self {
                name: row.name.to_owned(),
                authority,
                arm: fixed(row.arm),
                arm_audience: row.arm_audience.to_owned(),
            },
            None => {
                let file = CustomCloud::read(host)?;
                Self {
                    name: CUSTOM_CLOUD.to_owned(),
                    authority,
                    arm: file.endpoint("resourceManagerEndpoint")?,
                    arm_audience: file.audience()?,
                }
            }
        })
    }

    /// Finds only the Entra endpoint, for a sign-in that does not call ARM: a custom cloud's file need not
    /// describe the rest.
    ///
    /// # Errors
    /// As [`Cloud::named`].
    pub(crate) fn authority(
        environment: Option<&str>,
        authority_host: Option<&str>,
        host: &Host,
    ) -> Result<Url> {
        if let Some(text) = authority_host {
            return authority_override(text);
        }
        match known(environment)? {
            Some(row) => Ok(fixed(row.authority)),
            None => CustomCloud::read(host)?.endpoint("activeDirectoryEndpoint"),
        }
    }

    /// The same cloud with another Entra endpoint.
    ///
    /// # Errors
    /// As [`Cloud::named`].
    pub(crate) fn with_authority(self, authority_host: &str) -> Result<Self> {
        Ok(Self {
            authority: authority_override(authority_host)?,
            ..self
        })
    }

    /// The value of `--environment` in an exec entry, as AKS writes it.
    pub(crate) fn environment_argument(&self) -> &str {
        &self.name
    }
}

/// The row of a known cloud; none for the custom cloud.
fn known(environment: Option<&str>) -> Result<Option<&'static CloudRow>> {
    let Some(name) = environment.map(str::trim).filter(|name| !name.is_empty()) else {
        return Ok(Some(&CLOUDS[0]));
    };
    if name.eq_ignore_ascii_case(CUSTOM_CLOUD) {
        return Ok(None);
    }
    clouds::find(name)
        .map(Some)
        .ok_or_else(|| {
            let names = CLOUDS.iter().map(|row| row.name);
            let quoted = quoted(names.clone());
            let all = format!(
                "use {} or `{CUSTOM_CLOUD}` (described by the file that `{CUSTOM_CLOUD_VARIABLE}` names)",
                quoted.join(", ")
            );
            Failure::usage(format!("`{name}` is not a known Azure cloud"))
                .hint(near::hint(name, names.chain([CUSTOM_CLOUD]), &all))
        })
}

fn fixed(url: &'static str) -> Url {
    Url::parse(url).expect("a test parses every URL of the table")
}

fn authority_override(text: &str) -> Result<Url> {
    endpoint(text).map_err(|why| why.context(format!("`{text}` is not a valid authority host")))
}

/// Parses an endpoint and adds a slash at its end, so that paths can be joined.
fn endpoint(text: &str) -> Result<Url> {
    let mut url = Url::parse(text.trim())
        .map_err(|why| Failure::usage(format!("`{text}` is not a URL")).because(why))?;
    require_tls(&url)?;
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
        return Err(Failure::usage(format!(
            "`{text}` has more than a host and a path"
        )));
    }
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Ok(url)
}

/// A custom cloud's file, as Azure Stack's tools write and go-autorest reads it.
struct CustomCloud {
    path: String,
    fields: Map<String, Value>,
}

impl CustomCloud {
    fn read(host: &Host) -> Result<Self> {
        let path = host
            .var_os_nonempty(CUSTOM_CLOUD_VARIABLE)
            .map(Path::new)
            .ok_or_else(|| {
                Failure::usage(format!(
                    "the cloud `{CUSTOM_CLOUD}` is described by a file, and none is named"
                ))
                .because(format!("`{CUSTOM_CLOUD_VARIABLE}` is not set"))
                .hint(format!(
                    "set `{CUSTOM_CLOUD_VARIABLE}` to the cloud's JSON file, or choose another cloud with `--environment`"
                ))
            })?;
        let shown = path.display().to_string();
        let unreadable = |why: String| {
            Failure::usage(format!(
                "could not read the cloud `{CUSTOM_CLOUD}` from `{shown}`"
            ))
            .because(why)
            .hint(format!(
                "correct that file, or `{CUSTOM_CLOUD_VARIABLE}`, which names it"
            ))
        };
        let looked = host::file::look(path);
        let read = looked.and_then(|_| host::file::read_content(path, CUSTOM_CLOUD_LIMIT));
        let bytes = read.map_err(|why| {
            let failure = unreadable(why.to_string());
            match why.hint(path) {
                Some(hint) => failure.hint(hint),
                None => failure,
            }
        })?;
        let fields = decode_custom_cloud(&bytes).map_err(|why| unreadable(why.to_string()))?;
        Ok(Self {
            path: shown,
            fields,
        })
    }

    /// A field's text, if it is not empty.
    fn text(&self, field: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(field))
            .and_then(|(_, value)| value.as_str())
            .filter(|text| !text.trim().is_empty())
    }

    fn invalid(&self, why: &str) -> Failure {
        Failure::usage(format!(
            "the cloud `{CUSTOM_CLOUD}` in `{}` is not valid",
            self.path
        ))
        .because(why)
        .hint(format!(
            "correct that file, or `{CUSTOM_CLOUD_VARIABLE}`, which names it"
        ))
    }

    fn endpoint(&self, field: &str) -> Result<Url> {
        let text = self
            .text(field)
            .ok_or_else(|| self.invalid(&format!("`{field}` is missing")))?;
        endpoint(text).map_err(|why| self.invalid(&format!("`{field}`: {why}")))
    }

    fn audience(&self) -> Result<String> {
        ["serviceManagementEndpoint", "tokenAudience"]
            .iter()
            .find_map(|field| self.text(field))
            .map(str::to_owned)
            .ok_or_else(|| {
                self.invalid("`serviceManagementEndpoint` and `tokenAudience` are both missing")
            })
    }
}

/// Decodes a custom cloud's JSON object, with or without a byte order mark: PowerShell writes one.
///
/// # Errors
/// When the bytes are not a JSON object.
pub(crate) fn decode_custom_cloud(bytes: &[u8]) -> Result<Map<String, Value>> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(Failure::of(Kind::Usage, "it is not a JSON object")),
        Err(why) => Err(Failure::of(Kind::Usage, "it is not JSON").because(why)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::EXIT_USAGE;

    fn nowhere() -> Host {
        Host::with_env::<&str, &str>([])
    }

    fn custom(content: &str) -> (tempfile::TempDir, Host) {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("cloud.json");
        std::fs::write(&path, content).expect("a written file");
        let host = Host::with_env([(CUSTOM_CLOUD_VARIABLE, path)]);
        (dir, host)
    }

    fn refused(content: &str) -> String {
        let (_dir, host) = custom(content);
        let failure = Cloud::named(Some(CUSTOM_CLOUD), None, &host).expect_err("an invalid file");
        assert_eq!(failure.exit_code(), EXIT_USAGE);
        failure.render()
    }

    const VALID: &str = r#"{"name":"AzureStackCloud","activeDirectoryEndpoint":"https://login.example/adfs",
        "resourceManagerEndpoint":"https://arm.example:8443","tokenAudience":"https://audience.example/x"}"#;

    #[test]
    fn every_name_of_a_cloud_finds_it_whatever_its_case() {
        for row in CLOUDS {
            for name in row.aliases.iter().chain([&row.name]) {
                for spelled in [(*name).to_owned(), name.to_uppercase(), name.to_lowercase()] {
                    let cloud = Cloud::named(Some(&spelled), None, &nowhere()).expect("a cloud");
                    assert_eq!(cloud.environment_argument(), row.name);
                    assert_eq!(cloud.arm.as_str(), row.arm);
                    assert_eq!(cloud.authority.as_str(), row.authority);
                }
            }
        }
    }

    #[test]
    fn no_name_and_an_empty_name_mean_the_public_cloud() {
        for name in [None, Some(""), Some(" ")] {
            let cloud = Cloud::named(name, None, &nowhere()).expect("a cloud");
            assert_eq!(cloud.environment_argument(), "AzurePublicCloud");
        }
    }

    #[test]
    fn an_unknown_name_is_a_usage_error_that_lists_the_known_ones() {
        let failure =
            Cloud::named(Some("AzureMoonCloud"), None, &nowhere()).expect_err("no such cloud");
        assert_eq!(failure.exit_code(), EXIT_USAGE);
        let shown = failure.render();
        for name in CLOUDS.iter().map(|row| row.name).chain([CUSTOM_CLOUD]) {
            assert!(shown.contains(name), "{name} is missing in {shown}");
        }
    }

    #[test]
    fn the_authority_host_replaces_only_the_authority() {
        let cloud = Cloud::named(
            Some("AzureChinaCloud"),
            Some("https://login.example/sub"),
            &nowhere(),
        )
        .expect("a cloud");
        assert_eq!(cloud.authority.as_str(), "https://login.example/sub/");
        assert_eq!(cloud.arm.as_str(), "https://management.chinacloudapi.cn/");
    }

    #[test]
    fn a_custom_cloud_may_have_any_authority() {
        let (_dir, host) = custom(&VALID.replace(
            "https://login.example/adfs",
            "https://login.sovcloud-identity.de",
        ));
        let cloud = Cloud::named(Some(CUSTOM_CLOUD), None, &host).expect("a cloud");
        assert_eq!(cloud.arm.as_str(), "https://arm.example:8443/");
    }

    #[test]
    fn an_authority_host_without_tls_is_refused_except_on_loopback() {
        let with = |authority| Cloud::named(None, Some(authority), &nowhere());
        assert!(with("http://login.example/").is_err());
        assert!(with("login.example").is_err());
        assert!(with("https://user@login.example/").is_err());
        assert!(with("http://127.0.0.1:8080/").is_ok());
    }

    #[test]
    fn a_custom_cloud_is_read_with_or_without_a_byte_order_mark() {
        for content in [VALID.to_owned(), format!("\u{feff}{VALID}")] {
            let (_dir, host) = custom(&content);
            let cloud = Cloud::named(Some("azurestackcloud"), None, &host).expect("a cloud");
            assert_eq!(cloud.environment_argument(), CUSTOM_CLOUD);
            assert_eq!(cloud.authority.as_str(), "https://login.example/adfs/");
            assert_eq!(cloud.arm.as_str(), "https://arm.example:8443/");
            assert_eq!(cloud.arm_audience, "https://audience.example/x");
        }
    }

    #[test]
    fn an_invalid_custom_cloud_says_what_is_wrong() {
        assert!(refused("not json").contains("not JSON"));
        assert!(refused("[1]").contains("not a JSON object"));
        assert!(refused("{}").contains("`activeDirectoryEndpoint` is missing"));
        let plain = VALID.replace("https://arm.example", "http://arm.example");
        let shown = refused(&plain);
        assert!(shown.contains("`resourceManagerEndpoint`"), "{shown}");
        assert!(shown.contains("without TLS"), "{shown}");
        let silent = VALID.replace("tokenAudience", "somethingElse");
        assert!(refused(&silent).contains("are both missing"));
    }

    #[test]
    fn a_custom_cloud_without_its_file_names_the_variable() {
        let failure = Cloud::named(Some(CUSTOM_CLOUD), None, &nowhere()).expect_err("no file");
        assert!(failure.render().contains(CUSTOM_CLOUD_VARIABLE));
        let host = Host::with_env([(CUSTOM_CLOUD_VARIABLE, "/nonexistent/cloud.json")]);
        let failure = Cloud::named(Some(CUSTOM_CLOUD), None, &host).expect_err("no file");
        assert!(failure.render().contains("/nonexistent/cloud.json"));
    }

    #[test]
    fn a_sign_in_needs_only_the_authority_of_a_custom_cloud() {
        let (_dir, host) = custom(r#"{"activeDirectoryEndpoint":"https://login.example/"}"#);
        let authority = Cloud::authority(Some(CUSTOM_CLOUD), None, &host).expect("an authority");
        assert_eq!(authority.as_str(), "https://login.example/");
        assert!(Cloud::named(Some(CUSTOM_CLOUD), None, &host).is_err());
    }
}
