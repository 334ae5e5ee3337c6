//! The known Azure clouds, a row each. A new cloud is one row.

/// A known cloud.
#[derive(Debug)]
pub struct CloudRow {
    /// The name that AKS and kubelogin use.
    pub name: &'static str,
    /// Other names that are accepted: those of `az` and kubelogin.
    pub aliases: &'static [&'static str],
    /// The Entra endpoint.
    pub authority: &'static str,
    /// Every host of that endpoint. They share tokens and sign-ins, and the first names them all in the token
    /// cache. They are those of MSAL (its instance metadata, and `TrustedHost` of MSAL Go 1.9).
    pub authority_hosts: &'static [&'static str],
    /// The ARM endpoint.
    pub arm: &'static str,
    /// The audience of ARM's tokens. A slash at its end matters.
    pub arm_audience: &'static str,
    /// The domains of AKS's API servers; empty if they are not known.
    pub api_servers: &'static [&'static str],
    /// Microsoft Graph; empty if it is not known.
    pub graph: &'static str,
}

/// Every known cloud, in the order of help and error messages.
///
/// The endpoints are those of `azcore/cloud` and `az cloud list`. Both still use `login.chinacloudapi.cn`, and
/// a cached sign-in is only found if this program uses the same.
pub static CLOUDS: &[CloudRow] = &[
    CloudRow {
        name: "AzurePublicCloud",
        aliases: &["AzureCloud", "AzurePublic"],
        authority: "https://login.microsoftonline.com/",
        authority_hosts: &[
            "login.microsoftonline.com",
            "login.windows.net",
            "login.microsoft.com",
            "sts.windows.net",
        ],
        arm: "https://management.azure.com/",
        arm_audience: "https://management.core.windows.net/",
        api_servers: &["azmk8s.io"],
        graph: "https://graph.microsoft.com",
    },
    CloudRow {
        name: "AzureUSGovernmentCloud",
        aliases: &["AzureUSGovernment"],
        authority: "https://login.microsoftonline.us/",
        authority_hosts: &["login.microsoftonline.us", "login.usgovcloudapi.net"],
        arm: "https://management.usgovcloudapi.net/",
        arm_audience: "https://management.core.usgovcloudapi.net/",
        api_servers: &["azmk8s.us", "containerservice.azure.us"],
        graph: "https://graph.microsoft.us",
    },
    CloudRow {
        name: "AzureChinaCloud",
        aliases: &[],
        authority: "https://login.chinacloudapi.cn/",
        authority_hosts: &["login.partner.microsoftonline.cn", "login.chinacloudapi.cn"],
        arm: "https://management.chinacloudapi.cn/",
        arm_audience: "https://management.core.chinacloudapi.cn/",
        api_servers: &["azmk8s.cn", "azk8s.cn"],
        graph: "https://microsoftgraph.chinacloudapi.cn",
    },
    // As in `az` 2.91.
    CloudRow {
        name: "AzureBleuCloud",
        aliases: &[],
        authority: "https://login.sovcloud-identity.fr/",
        authority_hosts: &["login.sovcloud-identity.fr"],
        arm: "https://management.sovcloud-api.fr/",
        arm_audience: "https://management.sovcloud-api.fr/",
        api_servers: &[],
        graph: "",
    },
];

/// The names of all clouds, for help.
pub fn names() -> String {
    let known: Vec<_> = CLOUDS.iter().map(|row| row.name).collect();
    format!("{} or AzureStackCloud", known.join(", "))
}

/// Finds a cloud by one of its names, whatever their case.
pub(crate) fn find(name: &str) -> Option<&'static CloudRow> {
    let same = |other: &str| other.eq_ignore_ascii_case(name);
    CLOUDS
        .iter()
        .find(|row| same(row.name) || row.aliases.iter().any(|alias| same(alias)))
}

/// Finds the cloud of an API server by its host in lower case, where AKS named it.
pub(crate) fn of_api_server(host: &str) -> Option<&'static CloudRow> {
    let below = |domain: &&str| {
        host.strip_suffix(*domain)
            .is_some_and(|rest| rest.ends_with('.'))
    };
    CLOUDS.iter().find(|row| row.api_servers.iter().any(below))
}

/// Finds the cloud of an Entra endpoint by its host.
pub(crate) fn of_authority_host(host: &str) -> Option<&'static CloudRow> {
    CLOUDS
        .iter()
        .find(|row| row.authority_hosts.contains(&host))
}

/// Other Entra endpoints: of Delos and GovSG, only these are known.
const OTHER_AUTHORITY_HOSTS: &[&str] =
    &["login.sovcloud-identity.de", "login.sovcloud-identity.sg"];

/// The host that stands for all hosts of the same Entra endpoint, if this is one of a known endpoint.
pub(crate) fn canonical_authority_host(host: &str) -> Option<&'static str> {
    match of_authority_host(host) {
        Some(row) => Some(row.authority_hosts[0]),
        None => OTHER_AUTHORITY_HOSTS
            .iter()
            .copied()
            .find(|other| *other == host),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_api_server_is_in_the_cloud_of_its_domain() {
        let cloud = |host| of_api_server(host).map(|row| row.name);
        for (host, name) in [
            ("x.hcp.westeurope.azmk8s.io", "AzurePublicCloud"),
            (
                "x.hcp.usgovvirginia.cx.aks.containerservice.azure.us",
                "AzureUSGovernmentCloud",
            ),
            (
                "x.hcp.chinanorth3.cx.prod.service.azk8s.cn",
                "AzureChinaCloud",
            ),
        ] {
            assert_eq!(cloud(host), Some(name));
        }
        for host in [
            "10.0.0.1",
            "azmk8s.io",
            "x.notazmk8s.io",
            "azmk8s.io.example",
        ] {
            assert_eq!(cloud(host), None);
        }
    }

    #[test]
    fn every_authority_host_is_of_one_cloud() {
        let mut all = CLOUDS
            .iter()
            .flat_map(|row| row.authority_hosts)
            .collect::<Vec<_>>();
        all.extend(OTHER_AUTHORITY_HOSTS);
        for host in &all {
            assert!(canonical_authority_host(host).is_some(), "{host}");
            assert_eq!(
                all.iter().filter(|other| *other == host).count(),
                1,
                "{host}"
            );
        }
        for row in CLOUDS {
            let host = row
                .authority
                .trim_start_matches("https://")
                .trim_end_matches('/');
            assert_eq!(canonical_authority_host(host), Some(row.authority_hosts[0]));
        }
    }
}
