//! Who is signed in to az, by its profile (`azureProfile.json` of az 2.91, `azure.cli.core._profile`).

use std::{collections::BTreeSet, path::Path};

use serde_json::Value;

use crate::host::file::{self, Unreadable};

/// The largest profile that is read, in bytes: it has about 1 KB a subscription.
const LIMIT: u64 = 64 << 20;

/// Who is signed in to az in a cloud.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) enum Account {
    SignedIn {
        /// Whether it is the managed identity of this machine.
        managed: bool,
    },
    Nobody {
        cloud: String,
        /// The clouds in which somebody is signed in.
        others: Vec<String>,
    },
    /// Why the profile can't be read.
    Unreadable(String),
    /// The cloud is not known.
    Unknown,
}

impl Account {
    /// Reads the profile in az's directory.
    pub(super) fn read(directory: &Path, cloud: &str) -> Self {
        match file::read_regular(&directory.join("azureProfile.json"), LIMIT) {
            Ok(bytes) => Self::of(&bytes, cloud),
            Err(Unreadable::Missing { .. } | Unreadable::DanglingLink { .. }) => {
                Self::of(b"{}", cloud)
            }
            Err(why) => Self::Unreadable(why.to_string()),
        }
    }

    fn of(profile: &[u8], cloud: &str) -> Self {
        let profile = profile.strip_prefix(b"\xef\xbb\xbf").unwrap_or(profile);
        let profile: Value = match serde_json::from_slice(profile) {
            Ok(profile) => profile,
            Err(_) => return Self::Unreadable("it is not JSON".to_owned()),
        };
        let list = profile.get("subscriptions").and_then(Value::as_array);
        let list = list.map_or(&[][..], Vec::as_slice);
        let cloud_of = |one: &Value| Some(one.get("environmentName")?.as_str()?.to_owned());
        let own = |one: &&Value| cloud_of(one).as_deref() == Some(cloud);
        match list.iter().find(own) {
            Some(one) => Self::SignedIn {
                managed: one
                    .pointer("/user/assignedIdentityInfo")
                    .is_some_and(Value::is_string),
            },
            None => Self::Nobody {
                cloud: cloud.to_owned(),
                others: list
                    .iter()
                    .filter_map(cloud_of)
                    .collect::<BTreeSet<_>>()
                    .into_iter()
                    .collect(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_counts_in_its_own_cloud() {
        let profile = r#"{"subscriptions":[{"environmentName":"AzureCloud","user":{"name":"a"}},
            {"environmentName":"Mine","user":{"assignedIdentityInfo":"MSI"}}]}"#;
        let profile = format!("\u{feff}{profile}");
        let of = |cloud| Account::of(profile.as_bytes(), cloud);
        assert_eq!(of("AzureCloud"), Account::SignedIn { managed: false });
        assert_eq!(of("Mine"), Account::SignedIn { managed: true });
        assert_eq!(
            of("AzureChinaCloud"),
            Account::Nobody {
                cloud: "AzureChinaCloud".into(),
                others: vec!["AzureCloud".into(), "Mine".into()],
            }
        );
        assert!(matches!(Account::of(b"{", "x"), Account::Unreadable(_)));
    }
}
