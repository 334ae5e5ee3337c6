//! From a request to what it asks for, and from there through recording, faults and throttles to
//! the handler that answers it.

use crate::faults::Verdict;
use crate::hold::Gate;
use crate::http::{Reply, Request};
use crate::record::InFlight;
use crate::state::State;
use crate::{arm, control, entra, kubernetes, metadata};
use std::sync::Arc;
use std::time::Duration;

/// A listener's part of Azure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    Entra,
    Arm,
    Kubernetes,
    /// Plain HTTP: the metadata endpoints, the pipelines' OIDC endpoints and the control of the simulator.
    Metadata,
    /// Service Fabric's identity endpoint, with its own certificate.
    Fabric,
}

macro_rules! endpoints {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// A kind of request, as counted and as faults are set on.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Endpoint {
            $($(#[$doc])* $variant,)*
        }

        impl Endpoint {
            /// Every endpoint.
            pub const ALL: &'static [Endpoint] = &[$(Endpoint::$variant,)*];

            /// The name used by the control interface.
            pub fn name(self) -> &'static str {
                match self { $(Endpoint::$variant => $name,)* }
            }

            /// Finds an endpoint by its name.
            pub fn from_name(name: &str) -> Option<Endpoint> {
                Endpoint::ALL.iter().copied().find(|e| e.name() == name)
            }
        }
    };
}

endpoints! {
    /// Entra: instance discovery.
    InstanceDiscovery = "instance-discovery",
    /// Entra: OpenID configuration, v1 and v2.
    OpenIdConfiguration = "openid-configuration",
    /// Entra: signing keys.
    Keys = "keys",
    /// Entra: home realm discovery.
    UserRealm = "user-realm",
    /// Entra: start of a device code sign-in, v1 and v2.
    DeviceCode = "device-code",
    /// Entra: the sign-in page.
    Authorize = "authorize",
    /// Entra: the token endpoint, v1 and v2.
    Token = "token",
    /// ARM: the cloud's endpoints.
    CloudMetadata = "cloud-metadata",
    /// ARM: list of tenants.
    Tenants = "tenants",
    /// ARM: list of subscriptions.
    Subscriptions = "subscriptions",
    /// ARM: one subscription.
    Subscription = "subscription",
    /// ARM: list of resource groups.
    ResourceGroups = "resource-groups",
    /// ARM: list of clusters, of a subscription or a resource group.
    ManagedClusters = "managed-clusters",
    /// ARM: one cluster.
    ManagedCluster = "managed-cluster",
    /// ARM: the user's credential of a cluster.
    ListClusterUserCredential = "list-cluster-user-credential",
    /// ARM: the administrator's credential of a cluster.
    ListClusterAdminCredential = "list-cluster-admin-credential",
    /// ARM: list of Fleets, of a subscription or a resource group.
    Fleets = "fleets",
    /// ARM: one Fleet.
    Fleet = "fleet",
    /// ARM: list of a Fleet's members.
    FleetMembers = "fleet-members",
    /// ARM: the credential of a Fleet's hub.
    ListFleetCredentials = "list-fleet-credentials",
    /// ARM: list of a cluster's managed namespaces.
    ManagedNamespaces = "managed-namespaces",
    /// ARM: one managed namespace.
    ManagedNamespace = "managed-namespace",
    /// ARM: the credential of a managed namespace.
    ListNamespaceCredential = "list-namespace-credential",
    /// ARM: list of Arc-connected clusters, of a subscription or a resource group.
    ConnectedClusters = "connected-clusters",
    /// ARM: one Arc-connected cluster.
    ConnectedCluster = "connected-cluster",
    /// ARM: list of a subscription's resources of a type.
    Resources = "resources",
    /// ARM: a query of Azure Resource Graph.
    ResourceGraph = "resource-graph",
    /// The instance metadata service of virtual machines.
    Imds = "imds",
    /// App Service's identity endpoint.
    AppService = "app-service",
    /// Service Fabric's identity endpoint.
    ServiceFabric = "service-fabric",
    /// Arc's identity endpoint.
    Arc = "arc",
    /// Cloud Shell's identity endpoint.
    CloudShell = "cloud-shell",
    /// Azure Machine Learning's identity endpoint.
    AzureMl = "azure-ml",
    /// Azure Pipelines' OIDC endpoint.
    PipelinesOidc = "pipelines-oidc",
    /// GitHub Actions' OIDC endpoint.
    GitHubOidc = "github-oidc",
    /// A token that the fake `az` or `azd` asked for.
    DeveloperCli = "developer-cli",
    /// The API server of a cluster.
    Kubernetes = "kubernetes",
    /// The simulator's own control interface; not recorded.
    Control = "control",
    /// Anything else.
    Other = "other",
}

/// What a request asks for.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) endpoint: Endpoint,
    /// As in the path: a GUID, a domain, `organizations` or `common`.
    pub(crate) tenant: Option<String>,
    pub(crate) subscription: Option<String>,
    pub(crate) resource_group: Option<String>,
    /// ARM id of a cluster or Fleet, or the key in an API server's URL.
    pub(crate) cluster: Option<String>,
    /// Grant type of a token request, in its v2 name.
    pub(crate) grant: Option<String>,
}

impl Route {
    fn to(endpoint: Endpoint) -> Self {
        Route {
            endpoint,
            tenant: None,
            subscription: None,
            resource_group: None,
            cluster: None,
            grant: None,
        }
    }

    pub(crate) fn of(service: Service, request: &Request) -> Route {
        match service {
            Service::Entra => Self::entra(request),
            Service::Arm => Self::arm(request),
            Service::Kubernetes => {
                let mut route = Self::to(Endpoint::Kubernetes);
                if let ["clusters", key, ..] = request.parts().as_slice() {
                    route.cluster = Some((*key).to_owned());
                }
                route
            }
            Service::Metadata => Self::to(metadata::endpoint(request)),
            Service::Fabric => Self::to(Endpoint::ServiceFabric),
        }
    }

    fn entra(request: &Request) -> Route {
        let (endpoint, tenant) = match request.parts().as_slice() {
            ["common", "discovery", "instance"] => (Endpoint::InstanceDiscovery, None),
            ["common", "UserRealm" | "userrealm", _] => (Endpoint::UserRealm, None),
            [tenant, ".well-known", "openid-configuration"]
            | [tenant, "v2.0", ".well-known", "openid-configuration"] => {
                (Endpoint::OpenIdConfiguration, Some(*tenant))
            }
            [tenant, "discovery", "keys"] | [tenant, "discovery", "v2.0", "keys"] => {
                (Endpoint::Keys, Some(*tenant))
            }
            [tenant, "oauth2", "devicecode"] | [tenant, "oauth2", "v2.0", "devicecode"] => {
                (Endpoint::DeviceCode, Some(*tenant))
            }
            [tenant, "oauth2", "authorize"]
            | [tenant, "oauth2", "v2.0", "authorize"]
            | [tenant, "login"] => (Endpoint::Authorize, Some(*tenant)),
            [tenant, "oauth2", "token"] | [tenant, "oauth2", "v2.0", "token"] => {
                (Endpoint::Token, Some(*tenant))
            }
            _ => (Endpoint::Other, None),
        };
        let mut route = Self::to(endpoint);
        route.tenant = tenant.map(str::to_owned);
        if endpoint == Endpoint::Token {
            route.grant = request.form("grant_type").map(|grant| match grant {
                // MSAL for Go and the v1 endpoint use the short name.
                "device_code" => entra::DEVICE_CODE_GRANT.to_owned(),
                other => other.to_owned(),
            });
        }
        route
    }

    fn arm(request: &Request) -> Route {
        let lower: Vec<String> = request
            .segments
            .iter()
            .map(|s| s.to_ascii_lowercase())
            .collect();
        let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
        let endpoint = match lower.as_slice() {
            ["metadata", "endpoints"] => Endpoint::CloudMetadata,
            ["tenants"] => Endpoint::Tenants,
            ["subscriptions"] => Endpoint::Subscriptions,
            ["subscriptions", _] => Endpoint::Subscription,
            ["subscriptions", _, "resourcegroups"] => Endpoint::ResourceGroups,
            ["subscriptions", _, "resources"] => Endpoint::Resources,
            ["subscriptions", _, "resourcegroups", _, rest @ ..] => resource(rest),
            ["subscriptions", _, rest @ ..] => match resource(rest) {
                list @ (Endpoint::ManagedClusters
                | Endpoint::Fleets
                | Endpoint::ConnectedClusters) => list,
                _ => Endpoint::Other,
            },
            ["providers", "microsoft.resourcegraph", "resources"] => Endpoint::ResourceGraph,
            _ => Endpoint::Other,
        };
        let mut route = Self::to(endpoint);
        let segment = |i: usize| request.segments.get(i).cloned();
        if lower.first() == Some(&"subscriptions") {
            route.subscription = segment(1);
        }
        if lower.get(2) == Some(&"resourcegroups") {
            route.resource_group = segment(3);
        }
        if lower.len() > 7 {
            route.cluster = Some(format!("/{}", request.segments[..8].join("/")));
        }
        route
    }
}

/// What a path in lower case below a resource group, or a list of a subscription, is about.
fn resource(path: &[&str]) -> Endpoint {
    let path = match path {
        ["providers", "microsoft.containerservice", path @ ..] => path,
        ["providers", "microsoft.kubernetes", "connectedclusters"] => {
            return Endpoint::ConnectedClusters;
        }
        ["providers", "microsoft.kubernetes", "connectedclusters", _] => {
            return Endpoint::ConnectedCluster;
        }
        _ => return Endpoint::Other,
    };
    match path {
        ["managedclusters"] => Endpoint::ManagedClusters,
        ["managedclusters", _] => Endpoint::ManagedCluster,
        ["managedclusters", _, "listclusterusercredential"] => Endpoint::ListClusterUserCredential,
        ["managedclusters", _, "listclusteradmincredential"] => {
            Endpoint::ListClusterAdminCredential
        }
        ["managedclusters", _, "managednamespaces"] => Endpoint::ManagedNamespaces,
        ["managedclusters", _, "managednamespaces", _] => Endpoint::ManagedNamespace,
        [
            "managedclusters",
            _,
            "managednamespaces",
            _,
            "listcredential",
        ] => Endpoint::ListNamespaceCredential,
        ["fleets"] => Endpoint::Fleets,
        ["fleets", _] => Endpoint::Fleet,
        ["fleets", _, "members"] => Endpoint::FleetMembers,
        ["fleets", _, "listcredentials"] => Endpoint::ListFleetCredentials,
        _ => Endpoint::Other,
    }
}

/// A reply, how long to delay it, and the mark that it is in flight.
pub(crate) struct Answer {
    pub(crate) latency: Duration,
    pub(crate) reply: Reply,
    /// What holds the reply back until a test opens it.
    pub(crate) gates: Vec<Arc<Gate>>,
    pub(crate) in_flight: Option<InFlight>,
}

/// Answers a request.
pub(crate) fn answer(state: &Arc<State>, service: Service, request: &Request) -> Answer {
    let route = Route::of(service, request);
    if route.endpoint == Endpoint::Control {
        return Answer {
            latency: Duration::ZERO,
            reply: control::handle(state, request),
            gates: Vec::new(),
            in_flight: None,
        };
    }
    let in_flight = state.recorder.begin(route.endpoint);
    let Verdict { latency, effect } = state.faults.judge(&route, state);
    let reply = match effect {
        Some(effect) if effect.comes_first() => effect.reply(service),
        effect => {
            let reply = match state.throttle(&route) {
                Some(refusal) => refusal,
                None => dispatch(state, service, &route, request),
            };
            match effect {
                Some(effect) => effect.spoil(reply),
                None => reply,
            }
        }
    };
    state.recorder.finish(&route, request, &reply);
    Answer {
        latency,
        reply,
        gates: state.gates.before(&route, state),
        in_flight: Some(in_flight),
    }
}

fn dispatch(state: &Arc<State>, service: Service, route: &Route, request: &Request) -> Reply {
    match service {
        Service::Entra => entra::handle(state, route, request),
        Service::Arm => arm::handle(state, route, request),
        Service::Kubernetes => kubernetes::handle(state, route, request),
        Service::Metadata | Service::Fabric => metadata::handle(state, route, request),
    }
}
