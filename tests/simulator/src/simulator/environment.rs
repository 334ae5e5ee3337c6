//! Files and environment variables that point a client at the simulator, by product features only.

use super::Simulator;
use serde_json::json;
use std::io;
use std::path::{Path, PathBuf};

/// Files that [`Simulator::write_files`] wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The certificate authority, for `SSL_CERT_FILE` and `REQUESTS_CA_BUNDLE`.
    pub ca: PathBuf,
    /// The cloud's endpoints, for `AZURE_ENVIRONMENT_FILEPATH` with the cloud name `AzureStackCloud`.
    pub cloud: PathBuf,
}

/// Where a client runs, which decides what it finds in its environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// No platform: only what every client needs.
    Anywhere,
    /// A virtual machine with IMDS.
    VirtualMachine,
    /// App Service, Functions or Container Apps.
    AppService,
    /// Service Fabric.
    ServiceFabric,
    /// An Arc-enabled server.
    Arc,
    /// Cloud Shell.
    CloudShell,
    /// Azure Machine Learning.
    AzureMl,
    /// A GitHub Actions runner.
    GitHubActions,
    /// An Azure Pipelines agent.
    AzurePipelines,
    /// A machine with the fake `az` and `azd`.
    Developer,
}

impl Simulator {
    /// Writes `ca.pem` and `cloud.json` into a directory.
    ///
    /// # Errors
    /// Where the directory cannot be written.
    pub fn write_files(&self, directory: &Path) -> io::Result<Files> {
        std::fs::create_dir_all(directory)?;
        let files = Files {
            ca: directory.join("ca.pem"),
            cloud: directory.join("cloud.json"),
        };
        std::fs::write(&files.ca, self.ca_pem())?;
        std::fs::write(&files.cloud, self.cloud_json())?;
        Ok(files)
    }

    /// The cloud as Azure Stack tools read it: the JSON form of go-autorest's `Environment`.
    fn cloud_json(&self) -> String {
        let audience = self.arm_audience();
        let cloud = json!({
            "name": "AzureStackCloud",
            "managementPortalURL": "https://portal.azure-sim.test/",
            "publishSettingsURL": "https://portal.azure-sim.test/publishsettings/index",
            "serviceManagementEndpoint": audience,
            "resourceManagerEndpoint": format!("{}/", self.arm_url()),
            "activeDirectoryEndpoint": self.authority_url(),
            "galleryEndpoint": "https://gallery.azure-sim.test/",
            "keyVaultEndpoint": "https://vault.azure-sim.test/",
            "graphEndpoint": "https://graph.azure-sim.test/",
            "storageEndpointSuffix": "core.azure-sim.test",
            "keyVaultDNSSuffix": "vault.azure-sim.test",
            "serviceBusEndpointSuffix": "servicebus.azure-sim.test",
            "tokenAudience": audience,
            "resourceIdentifiers": { "graph": "https://graph.azure-sim.test/", "keyVault": "https://vault.azure-sim.test" },
        });
        format!("{cloud:#}\n")
    }

    /// The arguments of the calls of `az` that make this its active cloud.
    pub fn az_cloud_calls(&self, name: &str) -> [Vec<String>; 2] {
        let arm = format!("{}/", self.arm_url());
        let (authority, audience) = (self.authority_url(), self.arm_audience());
        let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect();
        [
            words(&[
                "cloud",
                "register",
                "--name",
                name,
                "--endpoint-resource-manager",
                &arm,
                "--endpoint-active-directory",
                &authority,
                "--endpoint-active-directory-resource-id",
                &audience,
            ]),
            words(&["cloud", "set", "--name", name]),
        ]
    }

    /// The environment of a client that runs at `place` and finds the simulator through `files`.
    pub fn env_for(&self, place: Place, files: &Files) -> Vec<(String, String)> {
        let path = |p: &Path| p.display().to_string();
        let mut variables = vec![
            ("SSL_CERT_FILE", path(&files.ca)),
            ("REQUESTS_CA_BUNDLE", path(&files.ca)),
            ("AZURE_ENVIRONMENT_FILEPATH", path(&files.cloud)),
            ("AZURE_AUTHORITY_HOST", self.authority_url()),
        ];
        variables.extend(match place {
            Place::Anywhere => vec![],
            Place::VirtualMachine => vec![("AZURE_POD_IDENTITY_AUTHORITY_HOST", self.imds_url())],
            Place::AppService => vec![
                ("IDENTITY_ENDPOINT", self.app_service_endpoint()),
                ("IDENTITY_HEADER", self.app_service_header()),
            ],
            Place::ServiceFabric => vec![
                ("IDENTITY_ENDPOINT", self.service_fabric_endpoint()),
                ("IDENTITY_HEADER", self.app_service_header()),
                (
                    "IDENTITY_SERVER_THUMBPRINT",
                    self.service_fabric_thumbprint(),
                ),
            ],
            Place::Arc => vec![
                ("IDENTITY_ENDPOINT", self.arc_endpoint()),
                ("IMDS_ENDPOINT", self.imds_url()),
            ],
            Place::CloudShell => vec![("MSI_ENDPOINT", self.cloud_shell_endpoint())],
            Place::AzureMl => vec![
                ("MSI_ENDPOINT", self.azure_ml_endpoint()),
                ("MSI_SECRET", self.azure_ml_secret()),
            ],
            Place::GitHubActions => vec![
                ("ACTIONS_ID_TOKEN_REQUEST_URL", self.github_oidc_url()),
                ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", self.github_oidc_token()),
            ],
            Place::AzurePipelines => vec![
                ("SYSTEM_OIDCREQUESTURI", self.pipelines_oidc_url()),
                ("SYSTEM_ACCESSTOKEN", self.pipelines_access_token()),
            ],
            Place::Developer => vec![("AZURE_SIM_CONTROL", self.control_url())],
        });
        variables
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }
}
