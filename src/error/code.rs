//! Stable codes that tell scripts why something failed or was skipped.

use serde::{Serialize, Serializer};

use super::Kind;

/// Declares the codes: each variant with its name in reports and what it means.
macro_rules! codes {
    ($($variant:ident $name:literal $meaning:literal,)*) => {
        /// Why something failed or was skipped. Names are never changed, and new ones may be added.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $meaning] $variant,)*
        }

        /// All codes with their meaning, by name.
        pub const CODES: &[(Code, &str)] = &[$((Code::$variant, $meaning),)*];

        impl Code {
            /// Its name in reports.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

codes! {
    Ambiguous "ambiguous" "removing the entry would change what another one means",
    Canceled "canceled" "a person canceled the sign-in",
    Changed "changed" "the entry was added or changed after its removal was confirmed",
    Deferred "deferred" "Azure's limits allow the call only later than `--wait` lets it wait",
    Deleting "deleting" "the cluster is being deleted",
    Exists "exists" "the cluster exists, although the list of its subscription does not show it",
    Forbidden "forbidden" "the server refused: a role, a consent or what conditional access demands is missing",
    InUse "inUse" "a context that `sync` did not write uses the entry",
    Interrupted "interrupted" "the run was interrupted before the cluster was fetched",
    InvalidAnswer "invalidAnswer" "ARM's answer can't be used",
    InvalidInput "invalidInput" "a flag or a variable is invalid",
    LocalAccount "localAccount" "the cluster only has local accounts, and `--local-accounts` was not given",
    LocalAccountsDisabled "localAccountsDisabled" "the cluster's local accounts are disabled, so that it has no administrator's credential",
    MissingInput "missingInput" "the login mode needs a value that neither a flag nor the entry gives",
    Network "network" "the network failed",
    NotFound "notFound" "it does not exist (any more), or this account can't see it",
    NotInstalled "notInstalled" "a required program is not installed",
    NotSearched "notSearched" "the subscription was not searched, or not to its end",
    NotSelected "notSelected" "flags select other clusters",
    NotSignedIn "notSignedIn" "a person has to sign in, and could not be asked, or the sign-in was refused",
    Other "other" "anything else: see the text",
    OtherPlugin "otherPlugin" "another plugin or credential signs in the user",
    OtherTenant "otherTenant" "the cluster is in a tenant where the contexts' identity gets no tokens",
    ReadOnly "readOnly" "the file may not be written",
    Stopped "stopped" "the cluster is stopped, and ARM returns no kubeconfig",
    Throttled "throttled" "the service asked for a longer wait than the run had",
    Timeout "timeout" "the time limit was reached",
    Unavailable "unavailable" "the service failed (status 500 or above)",
    UnexpectedServer "unexpectedServer" "ARM's kubeconfig asks for tokens for an application that is not known to be the cluster's",
    UnreadableKubeconfig "unreadableKubeconfig" "a kubeconfig can't be read, so that contexts are unknown",
    UntrustedCertificate "untrustedCertificate" "the certificate of a server is not trusted",
}

impl From<Kind> for Code {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Usage | Kind::Variable => Self::InvalidInput,
            Kind::SignInNeeded => Self::NotSignedIn,
            Kind::Denied => Self::Forbidden,
            Kind::NotFound => Self::NotFound,
            Kind::Network => Self::Network,
            Kind::Untrusted => Self::UntrustedCertificate,
            Kind::Timeout => Self::Timeout,
            Kind::Canceled => Self::Canceled,
            Kind::NotInstalled => Self::NotInstalled,
            Kind::Other => Self::Other,
        }
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_words_in_camel_case_each_once_in_order() {
        let names: Vec<_> = CODES.iter().map(|(code, _)| code.name()).collect();
        assert!(names.is_sorted_by(|one, next| one < next), "{names:?}");
        for name in names {
            assert!(name.starts_with(|c: char| c.is_ascii_lowercase()), "{name}");
            assert!(name.chars().all(|c| c.is_ascii_alphabetic()), "{name}");
        }
    }
}
