//! Parses the ARM ids of clusters, and of what stands for one.

use crate::error::{Failure, Result};

/// The parts of an ARM id that stands for a cluster, each in the case it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClusterId {
    pub subscription_id: String,
    pub resource_group: String,
    /// The name of the cluster or Fleet Manager.
    pub name: String,
    /// The name of the managed namespace, if it is one.
    pub namespace: Option<String>,
    pub kind: IdKind,
}

/// What an ARM id names, and so what kind of list has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum IdKind {
    /// `…/managedClusters/N`.
    ManagedCluster,
    /// `…/fleets/N`: stands for the Fleet Manager's hub where its AKS cluster can't be seen.
    FleetManager,
    /// `…/managedClusters/N/managedNamespaces/NS`: stands for that namespace of the cluster.
    ManagedNamespace,
}

impl ClusterId {
    /// Parses `/subscriptions/S/resourceGroups/G/providers/Microsoft.ContainerService/managedClusters/N`, or the same with
    /// `fleets`, or with `/managedNamespaces/NS` behind it.
    ///
    /// # Errors
    /// If it is the id of something else, or a part is one that ARM does not allow: parts go into
    /// URLs and kubeconfigs.
    pub(crate) fn parse(id: &str) -> Result<Self> {
        let invalid = |why: &str| {
            Failure::new(format!("`{id}` is not the id of an AKS cluster")).because(why)
        };
        let parts: Vec<&str> = id.split('/').collect();
        let [
            "",
            subscriptions,
            subscription_id,
            groups,
            resource_group,
            providers,
            provider,
            resources,
            name,
            below @ ..,
        ] = &parts[..]
        else {
            return Err(invalid("its parts are not those of a cluster"));
        };
        let words = [
            (subscriptions, "subscriptions"),
            (groups, "resourceGroups"),
            (providers, "providers"),
            (provider, "Microsoft.ContainerService"),
        ];
        if let Some((_, word)) = words
            .iter()
            .find(|(is, should)| !is.eq_ignore_ascii_case(should))
        {
            return Err(invalid(&format!("`{word}` is not where it should be")));
        }
        let (kind, namespace) = IdKind::of(resources, below)
            .ok_or_else(|| invalid("`managedClusters` is not where it should be"))?;
        if uuid::Uuid::try_parse(subscription_id).is_err() {
            return Err(invalid("the subscription is not a GUID"));
        }
        if !is_resource_group(resource_group) {
            return Err(invalid(
                "the resource group's name is not one that Azure allows",
            ));
        }
        // A namespace's name is a stricter one (RFC 1123).
        if !is_cluster_name(name) || !namespace.is_none_or(is_cluster_name) {
            return Err(invalid("the cluster's name is not one that AKS allows"));
        }
        Ok(Self {
            subscription_id: (*subscription_id).to_owned(),
            resource_group: (*resource_group).to_owned(),
            name: (*name).to_owned(),
            namespace: namespace.map(str::to_owned),
            kind,
        })
    }

    /// The id of a cluster or Fleet Manager in lower case.
    pub(crate) fn key(&self) -> String {
        let resources = match self.kind {
            IdKind::FleetManager => "fleets",
            IdKind::ManagedCluster | IdKind::ManagedNamespace => "managedclusters",
        };
        format!(
            "/subscriptions/{}/resourcegroups/{}/providers/microsoft.containerservice/{resources}/{}",
            self.subscription_id, self.resource_group, self.name
        )
        .to_ascii_lowercase()
    }

    /// As [`ClusterId::parse`], for one kind.
    ///
    /// # Errors
    /// Also if it is of another kind.
    pub(crate) fn parse_as(id: &str, kind: &IdKind) -> Result<Self> {
        let parsed = Self::parse(id)?;
        match parsed.kind == *kind {
            true => Ok(parsed),
            false => Err(Failure::new(format!(
                "`{id}` is not the id of {}",
                kind.label()
            ))),
        }
    }
}

impl IdKind {
    /// The kind by the type of the resource and what is below its name; also the namespace's name.
    fn of<'p>(resources: &str, below: &[&'p str]) -> Option<(Self, Option<&'p str>)> {
        match (resources.to_ascii_lowercase().as_str(), below) {
            ("managedclusters", []) => Some((Self::ManagedCluster, None)),
            ("fleets", []) => Some((Self::FleetManager, None)),
            ("managedclusters", [namespaces, namespace])
                if namespaces.eq_ignore_ascii_case("managedNamespaces") =>
            {
                Some((Self::ManagedNamespace, Some(namespace)))
            }
            _ => None,
        }
    }

    fn label(&self) -> &'static str {
        match self {
            Self::ManagedCluster => "an AKS cluster",
            Self::FleetManager => "a Fleet Manager",
            Self::ManagedNamespace => "a managed namespace",
        }
    }
}

/// 1 to 90 letters, digits and `_-.()`, no dot at the end.
pub(super) fn is_resource_group(name: &str) -> bool {
    (1..=90).contains(&name.chars().count())
        && !name.ends_with('.')
        && name
            .chars()
            .all(|c| c.is_alphanumeric() || "_-.()".contains(c))
}

/// 1 to 63 ASCII letters, digits, `-` and `_`, a letter or digit at both ends.
fn is_cluster_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    bytes.len() <= 63
        && edge(bytes.first())
        && edge(bytes.last())
        && bytes
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SUBSCRIPTION: &str = "00000000-0000-0000-0000-00000000000a";

    #[test]
    fn an_id_of_something_else_is_refused() {
        let valid = format!(
            "/subscriptions/{SUBSCRIPTION}/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/n"
        );
        assert!(ClusterId::parse(&valid).is_ok());
        for invalid in [
            String::new(),
            "/".into(),
            valid.replace(SUBSCRIPTION, "s"),
            valid.replace("/g/", "/../"),
            valid.replace("/g/", "/g./"),
            valid.replace("/g/", "/a b/"),
            valid.replace("/n", "/.."),
            valid.replace("/n", "/-n"),
            valid.replace("managedClusters", "virtualMachines"),
            format!("{valid}/agentPools/x"),
            format!("{valid}/managedNamespaces"),
            format!("{valid}/managedNamespaces/.."),
            format!("{valid}/managedNamespaces/a/b"),
            format!("{valid}/"),
            format!("https://evil.example{valid}"),
        ] {
            assert!(ClusterId::parse(&invalid).is_err(), "{invalid}");
        }
    }

    proptest! {
        #[test]
        fn a_valid_id_is_parsed_in_any_case(
            group in r"[A-Za-z0-9_()-][A-Za-z0-9_.()-]{0,20}[A-Za-z0-9_()-]",
            name in "[A-Za-z0-9]([A-Za-z0-9_-]{0,40}[A-Za-z0-9])?",
            upper: bool,
        ) {
            let words = |word: &str| if upper { word.to_uppercase() } else { word.to_lowercase() };
            let id = format!(
                "/{}/{SUBSCRIPTION}/{}/{group}/{}/{}/{}/{name}",
                words("subscriptions"), words("resourceGroups"), words("providers"),
                words("Microsoft.ContainerService"), words("managedClusters"),
            );
            let parsed = ClusterId::parse(&id).expect("a valid id");
            prop_assert_eq!(parsed.resource_group, group);
            prop_assert_eq!(parsed.name, name);
            prop_assert_eq!(parsed.subscription_id, SUBSCRIPTION);
        }

        #[test]
        fn parsing_never_panics(text in ".{0,200}") {
            let _ = ClusterId::parse(&text);
        }
    }
}
