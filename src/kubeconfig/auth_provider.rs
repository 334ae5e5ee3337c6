//! The `azure` auth provider, which signed in with a device code until kubectl 1.26 removed it.

use crate::login::{LoginMode, Origin, Param, Settings};

/// The provider's `name` in a user's `auth-provider`.
pub(super) const NAME: &str = "azure";

/// What the provider's `config` says. Its user signs in with `devicecode`.
pub(super) fn settings<'a>(config: impl Fn(&str) -> Option<&'a str>) -> Settings {
    let text = |key| config(key).filter(|text| !text.is_empty());
    let mut settings = Settings::new();
    settings.set(
        Param::Login,
        LoginMode::DeviceCode.name(),
        Origin::ExecEntry,
    );
    for (key, param) in [
        ("apiserver-id", Param::ServerId),
        ("client-id", Param::ClientId),
        ("tenant-id", Param::TenantId),
        ("environment", Param::Environment),
    ] {
        if let Some(text) = text(key) {
            settings.set(param, text, Origin::ExecEntry);
        }
    }
    // Only `1` means tokens without `spn:` in their audience.
    if matches!(text("config-mode"), None | Some("0")) {
        settings.set(Param::Legacy, "true", Origin::ExecEntry);
    }
    settings
}
