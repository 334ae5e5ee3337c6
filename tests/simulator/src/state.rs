//! What all handlers share.

use crate::arm::Graph;
use crate::entra::Sessions;
use crate::faults::Faults;
use crate::fleet::{Change, Cluster, Fleet};
use crate::hold::Gates;
use crate::http::Reply;
use crate::jws::base64url;
use crate::kubernetes::Changed;
use crate::pki::{Authority, Issued};
use crate::record::Recorder;
use crate::route::Route;
use crate::settings::Settings;
use crate::throttle::Levels;
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

const POISON: &str =
    "a handler that panicked is a defect of the simulator, and the test has failed already";

/// Base URLs without a trailing slash.
#[derive(Clone, Debug)]
pub(crate) struct Addresses {
    pub(crate) entra: String,
    pub(crate) arm: String,
    pub(crate) kubernetes: String,
    pub(crate) metadata: String,
    pub(crate) service_fabric: String,
}

/// Secrets that the platform puts into a machine's environment.
#[derive(Clone, Debug)]
pub(crate) struct MachineSecrets {
    pub(crate) identity_header: String,
    pub(crate) msi_secret: String,
    pub(crate) pipelines_access_token: String,
    pub(crate) github_request_token: String,
}

pub(crate) struct State {
    fleet: RwLock<Fleet>,
    /// How often the fleet was opened for changes.
    fleet_version: AtomicU64,
    /// Where each cluster of the fleet is, by its id in lower case; made when first asked for.
    places: Mutex<Option<HashMap<String, usize>>>,
    settings: Mutex<Settings>,
    levels: Mutex<Levels>,
    sessions: Mutex<Sessions>,
    cluster_certificates: Mutex<HashMap<String, Arc<Issued>>>,
    cluster_cas: Mutex<HashMap<u64, Arc<str>>>,
    graph: Mutex<Graph>,
    kubernetes: Mutex<Changed>,
    pub(crate) recorder: Recorder,
    pub(crate) faults: Faults,
    pub(crate) gates: Gates,
    pub(crate) ca: Authority,
    pub(crate) addresses: Addresses,
    pub(crate) secrets: MachineSecrets,
    /// Audience of ARM, with the trailing slash that Azure's have.
    pub(crate) arm_audience: String,
}

impl State {
    pub(crate) fn new(fleet: Fleet, ca: Authority, addresses: Addresses) -> Self {
        State {
            fleet: RwLock::new(fleet),
            fleet_version: AtomicU64::default(),
            places: Mutex::default(),
            settings: Mutex::default(),
            levels: Mutex::default(),
            sessions: Mutex::default(),
            cluster_certificates: Mutex::default(),
            cluster_cas: Mutex::default(),
            graph: Mutex::default(),
            kubernetes: Mutex::default(),
            recorder: Recorder::default(),
            faults: Faults::default(),
            gates: Gates::default(),
            ca,
            addresses,
            secrets: MachineSecrets {
                identity_header: opaque("identity-header"),
                msi_secret: opaque("msi-secret"),
                pipelines_access_token: opaque("system-accesstoken"),
                github_request_token: opaque("actions-id-token"),
            },
            arm_audience: "https://management.azure-sim.test/".into(),
        }
    }

    pub(crate) fn fleet(&self) -> RwLockReadGuard<'_, Fleet> {
        self.fleet.read().expect(POISON)
    }

    pub(crate) fn fleet_mut(&self) -> RwLockWriteGuard<'_, Fleet> {
        let fleet = self.fleet.write().expect(POISON);
        *self.places.lock().expect(POISON) = None;
        self.fleet_version.fetch_add(1, Ordering::SeqCst);
        fleet
    }

    /// A number that changes when the fleet does.
    pub(crate) fn fleet_version(&self) -> u64 {
        self.fleet_version.load(Ordering::SeqCst)
    }

    /// A copy of the cluster with this ARM id, in any case.
    pub(crate) fn cluster(&self, id: &str) -> Option<Cluster> {
        let fleet = self.fleet();
        let mut places = self.places.lock().expect(POISON);
        let places = places.get_or_insert_with(|| {
            let ids = fleet.clusters.iter().map(|c| c.id.to_ascii_lowercase());
            ids.zip(0..).collect()
        });
        let at = *places.get(&id.to_ascii_lowercase())?;
        fleet.clusters.get(at).cloned()
    }

    /// The settings as they are now.
    pub(crate) fn settings(&self) -> Settings {
        self.settings.lock().expect(POISON).clone()
    }

    pub(crate) fn settings_mut(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().expect(POISON)
    }

    pub(crate) fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().expect(POISON)
    }

    pub(crate) fn levels(&self) -> MutexGuard<'_, Levels> {
        self.levels.lock().expect(POISON)
    }

    pub(crate) fn graph(&self) -> MutexGuard<'_, Graph> {
        self.graph.lock().expect(POISON)
    }

    /// What was changed in the clusters.
    pub(crate) fn kubernetes(&self) -> MutexGuard<'_, Changed> {
        self.kubernetes.lock().expect(POISON)
    }

    pub(crate) fn throttle(&self, route: &Route) -> Option<Reply> {
        let region = route.cluster.as_ref().and_then(|id| {
            let fleet = self.fleet();
            let cluster = fleet
                .clusters
                .iter()
                .find(|cluster| cluster.id.eq_ignore_ascii_case(id))?;
            Some(cluster.location.clone())
        });
        self.levels().take(route, region.as_deref(), Instant::now())
    }

    /// Seconds since the epoch by the simulator's clock.
    pub(crate) fn now(&self) -> i64 {
        let machine = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |d| d.as_secs());
        i64::try_from(machine).unwrap_or(i64::MAX) + self.settings_mut().clock_offset
    }

    /// The administrator's client certificate of a cluster, made when first asked for.
    pub(crate) fn cluster_certificate(&self, cluster: &Cluster) -> Arc<Issued> {
        let mut certificates = self.cluster_certificates.lock().expect(POISON);
        certificates
            .entry(cluster.id.to_ascii_lowercase())
            .or_insert_with(|| Arc::new(self.ca.client("masterclient", "system:masters")))
            .clone()
    }

    /// One of the CA certificates of clusters, as kubeconfigs hold it.
    pub(crate) fn cluster_ca(&self, number: u64) -> Arc<str> {
        let mut known = self.cluster_cas.lock().expect(POISON);
        known
            .entry(number)
            .or_insert_with(|| STANDARD.encode(self.ca.pem_of(number)).into())
            .clone()
    }

    /// Does an operation on a cluster; false if there is none.
    pub(crate) fn change(&self, cluster: &str, change: &Change) -> bool {
        let mut fleet = self.fleet_mut();
        if change.renews_certificates()
            && let Some(found) = fleet.cluster(cluster)
        {
            self.rotate_cluster_certificate(&found.id);
        }
        fleet.change(cluster, change)
    }

    /// Makes the cluster's next client certificate a new one; the old one no longer works.
    pub(crate) fn rotate_cluster_certificate(&self, cluster_id: &str) {
        self.cluster_certificates
            .lock()
            .expect(POISON)
            .remove(&cluster_id.to_ascii_lowercase());
    }
}

/// A random text that nobody can guess, marked with what it is so that a leak check can name it.
pub(crate) fn opaque(kind: &str) -> String {
    let mut bytes = [0_u8; 32];
    SystemRandom::new()
        .fill(&mut bytes)
        .expect("the system gives randomness");
    format!("sim-{kind}-{}", base64url(&bytes))
}
