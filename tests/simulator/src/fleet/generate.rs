//! Makes a fleet from a seed.

use super::identity::guid_from;
use super::{
    AKS_CLIENT_APP, ARC_CLIENT_APP, AZURE_CLI_APP, Cluster, ClusterAuth, ClusterProfile, Fleet,
    ManagedIdentity, PowerState, PublicClient, RoleAssignment, ServicePrincipal, Subscription,
    Tenant, User,
};

/// The size and the mix of a fleet. Ratios are fractions of the clusters, from 0 to 1, chosen
/// independently: a cluster may be private and stopped.
#[derive(Clone, Debug, PartialEq)]
pub struct FleetSpec {
    /// Seed of every name, id and choice.
    pub seed: u64,
    /// Tenants, at least one.
    pub tenants: usize,
    /// Subscriptions, distributed over the tenants; at least one.
    pub subscriptions: usize,
    /// Clusters, distributed over the subscriptions.
    pub clusters: usize,
    /// Regions, the first ones of [`REGIONS`]; at least one.
    pub regions: usize,
    /// Clusters with local accounts only.
    pub local_accounts: f64,
    /// Clusters with a private API server.
    pub private: f64,
    /// Stopped clusters.
    pub stopped: f64,
    /// Clusters whose provisioning failed.
    pub failed: f64,
    /// Clusters that share their name with another one.
    pub same_name: f64,
    /// Entra clusters whose default kubeconfig uses the `azure` auth-provider.
    pub azure_format: f64,
    /// Entra clusters with applications of their own and the `spn:` audience.
    pub legacy: f64,
    /// Each cluster has a CA certificate of its own, as in Azure; otherwise all have the simulator's.
    pub own_cas: bool,
}

impl Default for FleetSpec {
    fn default() -> Self {
        FleetSpec {
            seed: 1,
            tenants: 1,
            subscriptions: 1,
            clusters: 10,
            regions: REGIONS.len(),
            local_accounts: 0.0,
            private: 0.0,
            stopped: 0.0,
            failed: 0.0,
            same_name: 0.0,
            azure_format: 0.0,
            legacy: 0.0,
            own_cas: false,
        }
    }
}

const ORGANIZATIONS: &[&str] = &[
    "contoso",
    "fabrikam",
    "northwind",
    "adatum",
    "litware",
    "tailspin",
    "wingtip",
    "proseware",
];
/// The regions that clusters are in.
pub const REGIONS: &[&str] = &[
    "westeurope",
    "northeurope",
    "swedencentral",
    "eastus2",
    "uksouth",
];
const VERSIONS: &[&str] = &["1.31.9", "1.32.6", "1.33.2", "1.33.3"];
const TEAMS: &[&str] = &[
    "payments", "search", "ledger", "checkout", "fraud", "catalog", "mobile", "data", "edge",
    "platform",
];
const STAGES: &[&str] = &["dev", "test", "stage", "prod"];

/// SplitMix64: small, seedable and good enough to scatter names.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).expect("a remainder below a usize fits one")
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }

    fn guid(&mut self) -> String {
        uuid::Builder::from_random_bytes(
            ((u128::from(self.next()) << 64) | u128::from(self.next())).to_be_bytes(),
        )
        .into_uuid()
        .to_string()
    }

    /// Chooses `ratio` of `0..count`, in a shuffled order.
    fn choose(&mut self, count: usize, ratio: f64) -> Vec<usize> {
        let mut order: Vec<usize> = (0..count).collect();
        for i in (1..count).rev() {
            order.swap(i, self.below(i + 1));
        }
        let chosen = (0..=count)
            .find(|&n| n as f64 + 0.5 > ratio * count as f64)
            .unwrap_or(count);
        order.truncate(chosen);
        order
    }
}

impl Fleet {
    /// Makes the fleet that `spec` describes. Equal specs give equal fleets.
    pub fn generate(spec: &FleetSpec) -> Fleet {
        let mut random = Random(spec.seed);
        let tenants: Vec<Tenant> = (0..spec.tenants.max(1))
            .map(|i| tenant(i, &mut random))
            .collect();
        let subscriptions: Vec<Subscription> = (0..spec.subscriptions.max(1))
            .map(|i| subscription(i, &tenants[i % tenants.len()], &mut random))
            .collect();
        let regions = &REGIONS[..spec.regions.clamp(1, REGIONS.len())];
        let mut clusters: Vec<Cluster> = (0..spec.clusters)
            .map(|i| {
                cluster(
                    i,
                    regions,
                    &subscriptions[i % subscriptions.len()],
                    &mut random,
                )
            })
            .collect();
        apply_ratios(spec, &mut clusters, &mut random);
        if spec.own_cas {
            for (number, cluster) in (1..).zip(&mut clusters) {
                cluster.ca = number;
            }
        }

        let users = tenants
            .iter()
            .enumerate()
            .map(|(i, t)| {
                let name = if i == 0 { "ada" } else { "grace" };
                let mut user = User::new(format!("{name}@{}", t.domain), random.guid(), &t.id);
                if i == 0 {
                    user.tenants = tenants.iter().map(|t| t.id.clone()).collect();
                }
                user
            })
            .collect();
        let service_principals = tenants
            .iter()
            .map(|t| ServicePrincipal::new(random.guid(), random.guid(), &t.id))
            .collect();
        let managed_identities = managed_identities(&tenants[0], &subscriptions[0], &mut random);
        Fleet {
            users,
            service_principals,
            managed_identities,
            public_clients: public_clients(),
            resources: Vec::new(),
            fleet_managers: Vec::new(),
            connected_clusters: Vec::new(),
            managed_namespaces: Vec::new(),
            deny_assignments: Vec::new(),
            tenants,
            subscriptions,
            clusters,
        }
    }
}

fn tenant(index: usize, random: &mut Random) -> Tenant {
    let base = ORGANIZATIONS[index % ORGANIZATIONS.len()];
    let name = match index / ORGANIZATIONS.len() {
        0 => base.to_owned(),
        round => format!("{base}{round}"),
    };
    Tenant {
        id: random.guid(),
        domain: format!("{name}.onmicrosoft.com"),
        display_name: name[..1].to_uppercase() + &name[1..],
        mfa_required: false,
        blocked: false,
    }
}

fn subscription(index: usize, tenant: &Tenant, random: &mut Random) -> Subscription {
    Subscription {
        id: random.guid(),
        name: format!("{} {:02}", tenant.display_name, index + 1),
        tenant_id: tenant.id.clone(),
        home_tenant_id: None,
        state: "Enabled".into(),
        hidden: false,
    }
}

fn cluster(
    index: usize,
    regions: &[&str],
    subscription: &Subscription,
    random: &mut Random,
) -> Cluster {
    let location = random.pick(regions);
    let team = random.pick(TEAMS);
    let stage = random.pick(STAGES);
    let name = format!("aks-{team}-{stage}-{index:04}");
    let resource_group = format!("rg-{team}-{stage}");
    let mut cluster = Cluster::new(&name, &resource_group, subscription);
    cluster.uid = format!("{:016x}{:08x}", random.next(), random.next() >> 32);
    cluster.address = cluster.uid.clone();
    cluster.etag = random.guid();
    cluster.location = location.into();
    cluster.kubernetes_version = random.pick(VERSIONS).into();
    cluster.settle_names();
    cluster
}

impl Cluster {
    /// A running cluster with managed Entra ID; all of its values follow from its ARM id.
    pub(super) fn new(name: &str, resource_group: &str, subscription: &Subscription) -> Cluster {
        let made = guid_from(&format!("{} {resource_group} {name}", subscription.id));
        let uid = made.replace('-', "")[..24].to_owned();
        let mut cluster = Cluster {
            id: String::new(),
            address: uid.clone(),
            uid,
            ca: 0,
            etag: guid_from(&made),
            name: name.to_owned(),
            resource_group: resource_group.to_owned(),
            subscription_id: subscription.id.clone(),
            tenant_id: subscription.tenant_id.clone(),
            location: REGIONS[0].into(),
            kubernetes_version: VERSIONS[0].into(),
            power_state: PowerState::Running,
            provisioning_state: "Succeeded".into(),
            auth: ClusterAuth::managed(),
            disable_local_accounts: false,
            azure_format: false,
            private: false,
            fqdn: String::new(),
            private_fqdn: String::new(),
            tags: [("stage".to_owned(), "simulated".to_owned())].into(),
            profile: ClusterProfile::default(),
        };
        cluster.settle_names();
        cluster
    }

    /// Derives what follows from name, group and subscription.
    fn settle_names(&mut self) {
        self.id = format!(
            "/subscriptions/{}/resourceGroups/{}/providers/Microsoft.ContainerService/managedClusters/{}",
            self.subscription_id, self.resource_group, self.name
        );
        self.settle_addresses();
    }

    /// Derives the API server's names from its address.
    pub(super) fn settle_addresses(&mut self) {
        let prefix = format!("{}-{}", self.name.to_ascii_lowercase(), &self.address[..8]);
        self.fqdn = format!("{prefix}.hcp.{}.azmk8s.io", self.location);
        self.private_fqdn = if self.private {
            format!(
                "{prefix}.{}.privatelink.{}.azmk8s.io",
                guid_from(&self.uid),
                self.location
            )
        } else {
            String::new()
        };
    }
}

fn apply_ratios(spec: &FleetSpec, clusters: &mut [Cluster], random: &mut Random) {
    let count = clusters.len();
    for i in random.choose(count, spec.local_accounts) {
        clusters[i].auth = ClusterAuth::Local;
    }
    for i in random.choose(count, spec.private) {
        clusters[i].private = true;
    }
    for i in random.choose(count, spec.stopped) {
        clusters[i].power_state = PowerState::Stopped;
    }
    for i in random.choose(count, spec.failed) {
        clusters[i].provisioning_state = "Failed".into();
    }
    let aad: Vec<usize> = (0..count).filter(|&i| clusters[i].is_aad()).collect();
    for i in random.choose(aad.len(), spec.azure_format) {
        clusters[aad[i]].azure_format = true;
    }
    for i in random.choose(aad.len(), spec.legacy) {
        let uid = clusters[aad[i]].uid.clone();
        clusters[aad[i]].auth = ClusterAuth::legacy(&uid);
        clusters[aad[i]].azure_format = true;
    }
    share_names(random.choose(count, spec.same_name), clusters);
    clusters.iter_mut().for_each(Cluster::settle_names);
}

/// Gives the chosen clusters names in threes: two in different groups, and a third that shares even
/// the group's name if it is in another subscription.
fn share_names(mut chosen: Vec<usize>, clusters: &mut [Cluster]) {
    if chosen.len() == 1 {
        chosen.extend((0..clusters.len()).find(|i| !chosen.contains(i)));
    }
    let mut threes: Vec<Vec<usize>> = chosen.chunks(3).map(<[usize]>::to_vec).collect();
    if threes.len() > 1 && threes.last().is_some_and(|last| last.len() == 1) {
        let lone = threes.pop().unwrap_or_default();
        threes[0].extend(lone);
    }
    for (n, members) in threes.iter().enumerate() {
        for (place, &i) in members.iter().enumerate() {
            clusters[i].name = format!("shared-{n}");
            let elsewhere = clusters[members[0]].subscription_id != clusters[i].subscription_id;
            let letter = match place {
                2 if elsewhere => 'a',
                place => ['a', 'b', 'c', 'd'][place],
            };
            clusters[i].resource_group = format!("rg-shared-{n}-{letter}");
        }
    }
}

fn managed_identities(
    tenant: &Tenant,
    subscription: &Subscription,
    random: &mut Random,
) -> Vec<ManagedIdentity> {
    let group = format!("/subscriptions/{}/resourceGroups/rg-build", subscription.id);
    [
        (
            true,
            format!("{group}/providers/Microsoft.Compute/virtualMachines/agent-01"),
        ),
        (
            false,
            format!("{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-deploy"),
        ),
    ]
    .into_iter()
    .map(|(system, resource_id)| ManagedIdentity {
        client_id: random.guid(),
        object_id: random.guid(),
        resource_id,
        tenant_id: tenant.id.clone(),
        system,
        roles: vec![RoleAssignment::owner_of_all()],
    })
    .collect()
}

fn public_clients() -> Vec<PublicClient> {
    let mut aks = PublicClient::new(AKS_CLIENT_APP, "Azure Kubernetes Service AAD Client");
    // What Entra is expected to say when the AKS client asks for ARM; the first-party
    // pre-authorization for it was never seen.
    aks.not_preauthorized = vec!["arm".into()];
    vec![
        PublicClient::new(AZURE_CLI_APP, "Microsoft Azure CLI"),
        aks,
        PublicClient::new(ARC_CLIENT_APP, "Arc Kubernetes Client"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn equal_specs_give_equal_fleets_and_seeds_matter() {
        let spec = FleetSpec {
            clusters: 40,
            subscriptions: 3,
            tenants: 2,
            same_name: 0.3,
            ..FleetSpec::default()
        };
        let one = Fleet::generate(&spec);
        let two = Fleet::generate(&spec);
        assert_eq!(one.clusters, two.clusters);
        assert_eq!(one.users, two.users);
        let other = Fleet::generate(&FleetSpec { seed: 2, ..spec });
        assert_ne!(one.clusters, other.clusters);
    }

    #[test]
    fn ratios_are_kept_and_ids_stay_unique() {
        let fleet = Fleet::generate(&FleetSpec {
            clusters: 200,
            subscriptions: 5,
            tenants: 2,
            local_accounts: 0.1,
            stopped: 0.05,
            same_name: 0.2,
            legacy: 0.1,
            ..FleetSpec::default()
        });
        assert_eq!(fleet.clusters.iter().filter(|c| !c.is_aad()).count(), 20);
        assert_eq!(
            fleet
                .clusters
                .iter()
                .filter(|c| c.power_state == PowerState::Stopped)
                .count(),
            10
        );
        assert_eq!(
            fleet
                .clusters
                .iter()
                .filter(|c| c.name.starts_with("shared-"))
                .count(),
            40
        );
        let ids: HashSet<_> = fleet
            .clusters
            .iter()
            .map(|c| c.id.to_ascii_lowercase())
            .collect();
        assert_eq!(ids.len(), 200);
    }

    #[test]
    fn a_large_fleet_fills_every_subscription_and_only_the_regions_it_may() {
        let spec = FleetSpec {
            clusters: 2000,
            subscriptions: 40,
            tenants: 3,
            regions: 2,
            ..FleetSpec::default()
        };
        let fleet = Fleet::generate(&spec);
        for subscription in &fleet.subscriptions {
            let of_it = |c: &&Cluster| c.subscription_id == subscription.id;
            assert_eq!(fleet.clusters.iter().filter(of_it).count(), 50);
        }
        let regions: HashSet<_> = fleet.clusters.iter().map(|c| c.location.as_str()).collect();
        assert_eq!(regions, HashSet::from([REGIONS[0], REGIONS[1]]));
        let owners: HashSet<_> = fleet.subscriptions.iter().map(|s| &s.tenant_id).collect();
        assert_eq!(owners.len(), 3);
    }

    #[test]
    fn the_first_user_is_in_every_tenant_with_an_object_id_in_each() {
        let fleet = Fleet::generate(&FleetSpec {
            tenants: 3,
            ..FleetSpec::default()
        });
        let user = &fleet.users[0];
        let oids: HashSet<_> = fleet.tenants.iter().map(|t| user.oid_in(&t.id)).collect();
        assert_eq!(oids.len(), 3);
    }

    #[test]
    fn a_role_on_a_group_reveals_its_subscription_but_covers_only_the_group() {
        let group = RoleAssignment::new(
            "/subscriptions/S/resourceGroups/rg",
            super::super::Role::Reader,
        );
        assert!(group.reveals("/subscriptions/s"));
        assert!(!group.covers("/subscriptions/s"));
        assert!(group.covers("/subscriptions/s/resourcegroups/RG/providers/x"));
        assert!(!group.covers("/subscriptions/s/resourcegroups/rg2"));
    }
}
