//! A simulated Azure for tests and demos, served over real sockets on the loopback interface.
//!
//! [`Fleet`] describes who and what exists; [`Simulator`] serves it: Entra ID, Azure Resource
//! Manager, the managed identity endpoints, OIDC issuers of pipelines, and a Kubernetes API per
//! cluster that verifies tokens. Everything over HTTPS is signed by a certificate
//! authority made at start. Nothing here is linked into the shipped binary.
//!
//! ```no_run
//! use azure_sim::{Fleet, FleetSpec, Simulator};
//!
//! let fleet = Fleet::generate(&FleetSpec { clusters: 3, ..FleetSpec::default() });
//! let simulator = Simulator::start(fleet);
//! println!("{}", simulator.authority_url());
//! ```

mod arm;
mod control;
mod entra;
mod faults;
mod fleet;
mod hold;
mod http;
mod jws;
mod kubernetes;
mod metadata;
mod peer;
mod pki;
mod record;
mod route;
mod server;
mod settings;
mod simulator;
mod state;
mod throttle;

#[cfg(unix)]
pub mod chromium;
pub mod fake_cli;

pub use faults::{Fault, Faults};
pub use fleet::{
    AKS_CLIENT_APP, AKS_SERVER_APP, ARC_CLIENT_APP, ARC_SERVER_APP, AZURE_CLI_APP,
    CertificateTrust, Change, Cluster, ClusterAuth, ClusterIdentity, ClusterProfile,
    ConnectedCluster, DenyAssignment, FederatedCredential, Fleet, FleetManager, FleetMember,
    FleetSpec, LIST_USER_CREDENTIAL, ManagedIdentity, ManagedNamespace, PowerState, PublicClient,
    REGIONS, Role, RoleAssignment, ServicePrincipal, Subscription, Tenant, User,
};
pub use hold::Hold;
pub use metadata::{FEDERATION_AUDIENCE, GITHUB_ISSUER, GITHUB_SUBJECT, PIPELINES_ISSUER};
pub use peer::{may_mount, peer, peer_for_more};
pub use record::{Counters, Recorded};
pub use route::Endpoint;
pub use settings::{GraphSettings, Settings, SignIn};
pub use simulator::{Files, Place, Simulator};
pub use throttle::{Bucket, Throttle};
