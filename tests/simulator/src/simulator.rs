//! A running simulator: start, stop, addresses, and what tests change and read.

mod environment;

pub use environment::{Files, Place};

use crate::arm::Graph;
use crate::entra::{DeviceOutcome, Sessions, verify};
use crate::faults::{Fault, Faults};
use crate::fleet::{Change, Fleet};
use crate::hold::Hold;
use crate::kubernetes::Changed;
use crate::metadata::{FEDERATION_AUDIENCE, TOKEN_PATH, workload_identity_token};
use crate::pki::{Authority, SelfSigned, self_signed};
use crate::record::{Counters, Recorded};
use crate::route::{Endpoint, Service};
use crate::server::{Listener, accept};
use crate::settings::Settings;
use crate::state::{Addresses, State};
use crate::throttle::Throttle;
use serde_json::Value;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// A simulated Azure that is being served. Dropping it ends it and frees its ports.
///
/// The interface is blocking and works in plain tests and inside an async runtime alike: the
/// simulator runs on its own thread and runtime.
pub struct Simulator {
    state: Arc<State>,
    service_fabric: SelfSigned,
    silent: (TcpListener, SocketAddr),
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

fn bind() -> (TcpListener, SocketAddr) {
    let socket =
        TcpListener::bind(("127.0.0.1", 0)).expect("the loopback interface has a free port");
    socket
        .set_nonblocking(true)
        .expect("a TCP socket can be made non-blocking");
    let address = socket.local_addr().expect("a bound socket has an address");
    (socket, address)
}

impl Simulator {
    /// Serves a fleet on ports that the kernel chooses.
    ///
    /// # Panics
    /// If no port can be bound or no thread started.
    pub fn start(fleet: Fleet) -> Simulator {
        let ca = Authority::generate();
        let service_fabric = self_signed();
        let sockets: [_; 5] = std::array::from_fn(|_| bind());
        let https = |i: usize| format!("https://{}", sockets[i].1);
        let addresses = Addresses {
            entra: https(0),
            arm: https(1),
            kubernetes: https(2),
            service_fabric: https(3),
            metadata: format!("http://{}", sockets[4].1),
        };
        let (tls, cluster_tls) = (ca.tls(false), ca.tls(true));
        let state = Arc::new(State::new(fleet, ca, addresses));
        let services = [
            (Service::Entra, Some(tls.clone())),
            (Service::Arm, Some(tls)),
            (Service::Kubernetes, Some(cluster_tls)),
            (Service::Fabric, Some(service_fabric.tls.clone())),
            (Service::Metadata, None),
        ];
        let listeners: Vec<Listener> = services
            .into_iter()
            .zip(sockets)
            .map(|((service, tls), (socket, _))| Listener {
                service,
                socket,
                tls,
            })
            .collect();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("azure-sim".into())
            .spawn({
                let state = state.clone();
                move || serve(listeners, &state, stopped)
            })
            .expect("the system starts a thread");
        Simulator {
            state,
            service_fabric,
            silent: bind(),
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// Entra's authority host: `https://127.0.0.1:PORT/`.
    pub fn authority_url(&self) -> String {
        format!("{}/", self.state.addresses.entra)
    }

    /// ARM's endpoint, without a trailing slash.
    pub fn arm_url(&self) -> String {
        self.state.addresses.arm.clone()
    }

    /// The audience of ARM's tokens.
    pub fn arm_audience(&self) -> String {
        self.state.arm_audience.clone()
    }

    /// Base of the API servers' URLs: a cluster is at `/clusters/<uid>` (its index and ARM name work too).
    pub fn kubernetes_url(&self) -> String {
        self.state.addresses.kubernetes.clone()
    }

    /// An API server that accepts connections and never says a word.
    pub fn silent_url(&self) -> String {
        format!("https://{}", self.silent.1)
    }

    /// An API server that refuses connections: port 1 is given to nobody.
    pub fn refusing_url(&self) -> String {
        "https://127.0.0.1:1".to_owned()
    }

    /// Host of IMDS, for `AZURE_POD_IDENTITY_AUTHORITY_HOST`, without a trailing slash.
    pub fn imds_url(&self) -> String {
        self.state.addresses.metadata.clone()
    }

    /// `IDENTITY_ENDPOINT` of App Service.
    pub fn app_service_endpoint(&self) -> String {
        format!("{}/msi/token", self.state.addresses.metadata)
    }

    /// `IDENTITY_HEADER` of App Service and Service Fabric.
    pub fn app_service_header(&self) -> String {
        self.state.secrets.identity_header.clone()
    }

    /// `IDENTITY_ENDPOINT` of Service Fabric; its certificate is self-signed.
    pub fn service_fabric_endpoint(&self) -> String {
        format!("{}{TOKEN_PATH}", self.state.addresses.service_fabric)
    }

    /// `IDENTITY_SERVER_THUMBPRINT` of Service Fabric: SHA-1 in upper-case hexadecimal.
    pub fn service_fabric_thumbprint(&self) -> String {
        self.service_fabric.thumbprint.clone()
    }

    /// Service Fabric's certificate, for clients that do not pin it.
    pub fn service_fabric_pem(&self) -> String {
        self.service_fabric.pem.clone()
    }

    /// `IDENTITY_ENDPOINT` of Arc.
    pub fn arc_endpoint(&self) -> String {
        format!("{}/arc{TOKEN_PATH}", self.state.addresses.metadata)
    }

    /// `MSI_ENDPOINT` of Cloud Shell.
    pub fn cloud_shell_endpoint(&self) -> String {
        format!("{}/cloud-shell/token", self.state.addresses.metadata)
    }

    /// `MSI_ENDPOINT` of Azure Machine Learning.
    pub fn azure_ml_endpoint(&self) -> String {
        format!("{}/azure-ml/token", self.state.addresses.metadata)
    }

    /// `MSI_SECRET` of Azure Machine Learning.
    pub fn azure_ml_secret(&self) -> String {
        self.state.secrets.msi_secret.clone()
    }

    /// `SYSTEM_OIDCREQUESTURI` of Azure Pipelines.
    pub fn pipelines_oidc_url(&self) -> String {
        format!("{}/pipelines/oidc", self.state.addresses.metadata)
    }

    /// `SYSTEM_ACCESSTOKEN` of Azure Pipelines.
    pub fn pipelines_access_token(&self) -> String {
        self.state.secrets.pipelines_access_token.clone()
    }

    /// `ACTIONS_ID_TOKEN_REQUEST_URL` of GitHub Actions.
    pub fn github_oidc_url(&self) -> String {
        format!(
            "{}/github/oidc?api-version=2.0",
            self.state.addresses.metadata
        )
    }

    /// `ACTIONS_ID_TOKEN_REQUEST_TOKEN` of GitHub Actions.
    pub fn github_oidc_token(&self) -> String {
        self.state.secrets.github_request_token.clone()
    }

    /// Where other processes control the simulator (`AZURE_SIM_CONTROL`).
    pub fn control_url(&self) -> String {
        format!("{}/_sim", self.state.addresses.metadata)
    }

    /// The certificate authority that signs everything but Service Fabric.
    pub fn ca_pem(&self) -> String {
        self.state.ca.pem()
    }

    /// The fleet as it is now.
    pub fn fleet(&self) -> Fleet {
        self.state.fleet().clone()
    }

    /// Changes the fleet while it is served.
    pub fn update<T>(&self, change: impl FnOnce(&mut Fleet) -> T) -> T {
        change(&mut self.state.fleet_mut())
    }

    /// Does an operation on a cluster (ARM id, UID or unique name).
    ///
    /// # Panics
    /// If there is no such cluster.
    pub fn change(&self, cluster: &str, change: &Change) {
        assert!(self.state.change(cluster, change), "no cluster {cluster}");
    }

    /// Makes Resource Graph answer from the fleet as it is now, whatever changes later.
    pub fn freeze_graph(&self) {
        let now = self.fleet();
        self.state.graph().set_snapshot(Some(now));
    }

    /// Lets Resource Graph see the fleet as it is.
    pub fn thaw_graph(&self) {
        self.state.graph().set_snapshot(None);
    }

    /// Changes the settings.
    pub fn configure(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.state.settings_mut());
    }

    /// The rules of faults.
    pub fn faults(&self) -> Faults {
        self.state.faults.clone()
    }

    /// Holds back the replies to the requests that `which` matches, until the hold is dropped. The
    /// effect and the schedule of the fault do not matter.
    pub fn hold(&self, which: Fault) -> Hold {
        self.state.gates.hold(which)
    }

    /// Sets the throttles, with full buckets.
    pub fn throttle(&self, throttle: Throttle) {
        self.state.levels().set(throttle);
    }

    /// The counts of requests so far.
    pub fn counters(&self) -> Counters {
        self.state.recorder.counters()
    }

    /// The requests so far, in the order they were answered.
    pub fn requests(&self) -> Vec<Recorded> {
        self.state.recorder.requests()
    }

    /// The requests to one endpoint so far.
    pub fn requests_to(&self, endpoint: Endpoint) -> Vec<Recorded> {
        self.requests()
            .into_iter()
            .filter(|r| r.endpoint == endpoint)
            .collect()
    }

    /// The requests so far that changed something in a cluster, or would have without a dry run.
    pub fn cluster_changes(&self) -> Vec<Recorded> {
        let mut requests = self.requests();
        requests.retain(Recorded::changes_a_cluster);
        requests
    }

    /// The command lines that the fake `az` and `azd` were started with, tool name first.
    pub fn tool_starts(&self) -> Vec<Vec<String>> {
        self.state.recorder.tool_starts()
    }

    /// Clears the counters and the recording.
    pub fn reset(&self) {
        self.state.recorder.reset();
    }

    /// Resets everything but the fleet: sessions, recording, faults and settings.
    pub fn restart(&self) {
        *self.state.settings_mut() = Settings::default();
        *self.state.sessions() = Sessions::default();
        *self.state.graph() = Graph::default();
        *self.state.kubernetes() = Changed::default();
        self.state.faults.clear();
        self.state.recorder.reset();
    }

    /// User codes of device code sign-ins that wait for a person, oldest first.
    pub fn pending_user_codes(&self) -> Vec<String> {
        self.state.sessions().pending_user_codes()
    }

    /// Waits until a device code sign-in is pending; its user code.
    ///
    /// # Panics
    /// If there is none within `limit`.
    pub fn wait_for_user_code(&self, limit: Duration) -> String {
        let end = Instant::now() + limit;
        loop {
            if let Some(code) = self.pending_user_codes().into_iter().next() {
                return code;
            }
            assert!(
                Instant::now() < end,
                "no device code sign-in was started within {limit:?}"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Approves a device code sign-in as a user; false if none is pending with that code.
    pub fn approve_device(&self, user_code: &str, upn: &str) -> bool {
        self.state
            .sessions()
            .settle_device(user_code, &DeviceOutcome::Approved(upn.to_owned()))
    }

    /// Declines a device code sign-in.
    pub fn decline_device(&self, user_code: &str) -> bool {
        self.state
            .sessions()
            .settle_device(user_code, &DeviceOutcome::Declined)
    }

    /// Revokes every refresh token of a user (AADSTS50173 from then on).
    pub fn revoke_refresh_tokens(&self, upn: &str) {
        self.state.sessions().revoke(upn);
    }

    /// A service account token as workload identity finds it in a file.
    pub fn workload_identity_token(&self, issuer: &str, subject: &str) -> String {
        workload_identity_token(&self.state, issuer, subject, FEDERATION_AUDIENCE)
    }

    /// The claims of an access token, after checking its signature, issuer and time.
    ///
    /// # Errors
    /// What is wrong with the token.
    pub fn claims(&self, token: &str) -> Result<Value, String> {
        verify(&self.state, token).map(|token| token.claims)
    }

    /// Gives a cluster a new administrator's certificate and token; the old ones stop working.
    pub fn rotate_cluster_certificate(&self, cluster_id: &str) {
        self.state.rotate_cluster_certificate(cluster_id);
    }
}

fn serve(listeners: Vec<Listener>, state: &Arc<State>, stopped: oneshot::Receiver<()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("azure-sim-io")
        .enable_all()
        .build()
        .expect("the system starts a runtime");
    for listener in listeners {
        runtime.spawn(accept(listener, state.clone()));
    }
    // Ends when told to, and also when the simulator has died without telling it.
    let _ = runtime.block_on(stopped);
    runtime.shutdown_timeout(Duration::from_secs(1));
}

impl Drop for Simulator {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            // A panic there has been printed, and dropping must not panic on top.
            let _ = thread.join();
        }
        for file in self.state.sessions().arc_files.drain(..) {
            let _ = std::fs::remove_file(file);
        }
    }
}
