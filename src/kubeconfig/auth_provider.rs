//! Reads the `azure` auth provider of kubectl before 1.26.

use crate::login::{Origin, Param, Settings};

/// The sign-in that an auth provider's `config` describes. `config-mode` absent or `0` means tokens with `spn:` in
/// their audience.
pub(crate) fn settings<'c>(config: impl Fn(&str) -> Option<&'c str>) -> Settings {
    let mut settings = Settings::new();
    for (key, param) in [
        ("apiserver-id", Param::ServerId),
        ("client-id", Param::ClientId),
        ("tenant-id", Param::TenantId),
        ("environment", Param::Environment),
    ] {
        if let Some(text) = config(key).filter(|text| !text.is_empty()) {
            settings.set(param, text, Origin::ExecEntry);
        }
    }
    if matches!(config("config-mode"), None | Some("" | "0")) {
        settings.set(Param::Legacy, "true", Origin::ExecEntry);
    }
    settings
}
