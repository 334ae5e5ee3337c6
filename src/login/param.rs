//! The parameters of a sign-in: one row each.
//!
//! A row gives the flag, its help, its variables, what conversion and `sync` do with it, and the
//! reference. Names and variables are Azure/kubelogin's (v0.2.19).

use super::{
    LoginMode,
    mode::ValueSource::{self, Kept, Needed, Omitted, Unwritten},
    variable::{ReadIn, Variable, always, pipelines, terraform, usual, workload},
};

const SPN: ReadIn = ReadIn::Modes(&[LoginMode::Spn]);
const ROPC: ReadIn = ReadIn::Modes(&[LoginMode::Ropc]);

/// One parameter of a sign-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Param {
    /// The login mode.
    Login,
    /// The application whose tokens the API server accepts.
    ServerId,
    /// The application that signs in.
    ClientId,
    /// The Entra tenant.
    TenantId,
    /// The cloud.
    Environment,
    /// A service principal's secret.
    ClientSecret,
    /// A service principal's certificate file.
    ClientCertificate,
    /// The password of the certificate file.
    ClientCertificatePassword,
    /// A user's name, for `ropc`.
    Username,
    /// A user's password, for `ropc`.
    Password,
    /// A user-assigned managed identity's ARM id.
    IdentityResourceId,
    /// The file of a federated token.
    FederatedTokenFile,
    /// The Entra endpoint to use in place of the cloud's.
    AuthorityHost,
    /// An Azure Pipelines service connection.
    ServiceConnectionId,
    /// The subscription that `az` selects its account by.
    Subscription,
    /// Tokens of the v1 endpoint, with `spn:` in their audience.
    Legacy,
    /// Proof-of-possession tokens.
    PopEnabled,
    /// The claims of a proof-of-possession token.
    PopClaims,
    /// Where the browser returns to.
    RedirectUrl,
    /// The account to suggest.
    LoginHint,
    /// Where tokens are kept.
    CacheDir,
    /// How tokens are kept.
    TokenStore,
    /// How long a sign-in may take.
    Timeout,
    /// Terraform's variables in place of the usual ones.
    UseAzureRmEnvVars,
    /// No variables at all.
    DisableEnvironmentOverride,
    /// No look-up of the authority's metadata.
    DisableInstanceDiscovery,
    /// Only variables for secrets and for what the platform supplies.
    EnvSecretsOnly,
}

/// What a flag takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// One value; the name shown for it in help.
    Value(&'static str),
    /// Nothing: its presence says `true` (`--flag=false` says the opposite).
    Nothing,
}

/// One parameter's row.
#[derive(Debug)]
pub struct ParamRow {
    /// Which parameter.
    pub param: Param,
    /// The long flag, without dashes.
    pub flag: &'static str,
    /// The short flag.
    pub short: Option<char>,
    /// A former name of the flag, which is still accepted.
    pub retired: Option<&'static str>,
    /// What the flag takes.
    pub takes: Takes,
    /// The variables; the last one that is set wins.
    pub variables: &'static [Variable],
    /// Whether the value is a secret: redacted, and never written by `sync`.
    pub secret: bool,
    /// Whether a variable may give it to an entry with `--env-secrets-only` that does not name it:
    /// a secret, or a value that the machine has at the moment of use. None of these chooses who
    /// signs in.
    pub at_use: bool,
    /// Whether the value belongs to the machine: `sync` writes it only if a flag gave it.
    pub(crate) per_machine: bool,
    /// Whether a person may add it to an entry that `sync` wrote, and the next `sync` keeps it: it
    /// says neither who signs in nor where.
    pub(crate) kept_by_sync: bool,
    /// Its flag for the second sign-in of `sync` and `list`, to Azure Resource Manager.
    pub arm_flag: Option<&'static str>,
    /// Whether both sign-ins of `sync` and `list` share the value.
    pub(crate) shared_with_arm: bool,
    /// If every mode has it: where conversion takes its value from, as in `ModeParam::kubelogin`.
    pub(crate) every_mode: Option<ValueSource>,
    /// Its position among the arguments of an entry: kubelogin's, then ours, so that both programs
    /// write equal entries.
    pub(crate) kubelogin_position: u8,
    /// What help says.
    pub help: &'static str,
}

const fn value(
    kubelogin_position: u8,
    param: Param,
    flag: &'static str,
    name: &'static str,
) -> ParamRow {
    ParamRow {
        param,
        flag,
        short: None,
        retired: None,
        takes: Takes::Value(name),
        variables: &[],
        secret: false,
        at_use: false,
        per_machine: false,
        kept_by_sync: false,
        arm_flag: None,
        shared_with_arm: false,
        every_mode: None,
        kubelogin_position,
        help: "",
    }
}

const fn switch(kubelogin_position: u8, param: Param, flag: &'static str) -> ParamRow {
    ParamRow {
        takes: Takes::Nothing,
        ..value(kubelogin_position, param, flag, "")
    }
}

/// Those that say who signs in, the most telling first. A person's client application does not.
pub(crate) const ACCOUNT_PARAMS: [Param; 3] = [Param::LoginHint, Param::Username, Param::ClientId];

/// Those that name a person's account.
pub(crate) const ACCOUNTS_OF_PEOPLE: [Param; 2] = [Param::LoginHint, Param::Username];

/// Every parameter, in the order of help.
pub static PARAMS: &[ParamRow] = &[
    ParamRow {
        short: Some('l'),
        variables: &[always("AAD_LOGIN_METHOD")],
        every_mode: Some(Unwritten),
        help: "How to sign in",
        ..value(0, Param::Login, "login", "MODE")
    },
    ParamRow {
        every_mode: Some(Needed),
        help: "Application id of the API server (Entra server application)",
        ..value(1, Param::ServerId, "server-id", "ID")
    },
    ParamRow {
        variables: &[
            usual("AAD_SERVICE_PRINCIPAL_CLIENT_ID"),
            usual("AZURE_CLIENT_ID"),
            terraform("ARM_CLIENT_ID"),
            workload("AZURE_CLIENT_ID"),
            pipelines("AZURESUBSCRIPTION_CLIENT_ID"),
        ],
        arm_flag: Some("arm-client-id"),
        help: "Client id of the application or managed identity that signs in",
        ..value(4, Param::ClientId, "client-id", "ID")
    },
    ParamRow {
        short: Some('t'),
        variables: &[
            usual("AZURE_TENANT_ID").sync(ReadIn::Modes(&[
                LoginMode::Spn,
                LoginMode::WorkloadIdentity,
            ])),
            terraform("ARM_TENANT_ID"),
            pipelines("AZURESUBSCRIPTION_TENANT_ID"),
        ],
        arm_flag: Some("arm-tenant-id"),
        help: "Entra tenant, by id or domain",
        ..value(6, Param::TenantId, "tenant-id", "ID")
    },
    ParamRow {
        short: Some('e'),
        shared_with_arm: true,
        help: "Azure cloud",
        ..value(8, Param::Environment, "environment", "CLOUD")
    },
    ParamRow {
        variables: &[
            usual("AAD_SERVICE_PRINCIPAL_CLIENT_SECRET"),
            usual("AZURE_CLIENT_SECRET"),
            terraform("ARM_CLIENT_SECRET").sync(SPN),
        ],
        secret: true,
        at_use: true,
        kept_by_sync: true,
        arm_flag: Some("arm-client-secret"),
        help: "Secret of the service principal; prefer the variable",
        ..value(12, Param::ClientSecret, "client-secret", "SECRET")
    },
    ParamRow {
        variables: &[
            usual("AAD_SERVICE_PRINCIPAL_CLIENT_CERTIFICATE"),
            usual("AZURE_CLIENT_CERTIFICATE_PATH"),
            terraform("ARM_CLIENT_CERTIFICATE_PATH").sync(SPN),
        ],
        arm_flag: Some("arm-client-certificate"),
        help: "Certificate and key of the service principal, PEM or PFX",
        ..value(13, Param::ClientCertificate, "client-certificate", "FILE")
    },
    ParamRow {
        variables: &[
            usual("AAD_SERVICE_PRINCIPAL_CLIENT_CERTIFICATE_PASSWORD"),
            usual("AZURE_CLIENT_CERTIFICATE_PASSWORD"),
            terraform("ARM_CLIENT_CERTIFICATE_PASSWORD").sync(SPN),
        ],
        secret: true,
        at_use: true,
        kept_by_sync: true,
        arm_flag: Some("arm-client-certificate-password"),
        help: "Password of the PFX file; prefer the variable",
        ..value(
            14,
            Param::ClientCertificatePassword,
            "client-certificate-password",
            "PASSWORD",
        )
    },
    ParamRow {
        variables: &[
            always("AAD_USER_PRINCIPAL_NAME").sync(ROPC),
            always("AZURE_USERNAME").sync(ROPC),
        ],
        arm_flag: Some("arm-username"),
        help: "User name for ropc",
        ..value(15, Param::Username, "username", "NAME")
    },
    ParamRow {
        variables: &[
            always("AAD_USER_PRINCIPAL_PASSWORD").sync(ROPC),
            always("AZURE_PASSWORD").sync(ROPC),
        ],
        secret: true,
        at_use: true,
        kept_by_sync: true,
        arm_flag: Some("arm-password"),
        help: "Password for ropc; prefer the variable",
        ..value(16, Param::Password, "password", "PASSWORD")
    },
    ParamRow {
        arm_flag: Some("arm-identity-resource-id"),
        help: "ARM id of a user-assigned managed identity",
        ..value(5, Param::IdentityResourceId, "identity-resource-id", "ID")
    },
    ParamRow {
        variables: &[workload("AZURE_FEDERATED_TOKEN_FILE")],
        at_use: true,
        arm_flag: Some("arm-federated-token-file"),
        help: "File with the federated token for workloadidentity",
        ..value(
            10,
            Param::FederatedTokenFile,
            "federated-token-file",
            "FILE",
        )
    },
    ParamRow {
        variables: &[workload("AZURE_AUTHORITY_HOST")],
        shared_with_arm: true,
        every_mode: Some(Omitted),
        help: "Entra endpoint to use instead of the cloud's, with a trailing slash",
        ..value(9, Param::AuthorityHost, "authority-host", "URL")
    },
    ParamRow {
        variables: &[pipelines("AZURESUBSCRIPTION_SERVICE_CONNECTION_ID")],
        arm_flag: Some("arm-azure-pipelines-service-connection-id"),
        help: "Service connection for azurepipelines",
        ..value(
            11,
            Param::ServiceConnectionId,
            "azure-pipelines-service-connection-id",
            "ID",
        )
    },
    ParamRow {
        short: Some('s'),
        help: "Subscription that selects the account in azurecli",
        ..value(7, Param::Subscription, "subscription", "ID|NAME")
    },
    ParamRow {
        help: "Use the v1 endpoint, whose tokens have `spn:` in their audience",
        ..switch(17, Param::Legacy, "legacy")
    },
    ParamRow {
        help: "Request a proof-of-possession token (with --pop-claims)",
        ..switch(18, Param::PopEnabled, "pop-enabled")
    },
    ParamRow {
        help: "Claims of the proof-of-possession token: at least u=<ARM id of the cluster>",
        ..value(19, Param::PopClaims, "pop-claims", "K=V,...")
    },
    ParamRow {
        arm_flag: Some("arm-redirect-url"),
        kept_by_sync: true,
        help: "Redirect URL for interactive",
        ..value(21, Param::RedirectUrl, "redirect-url", "URL")
    },
    ParamRow {
        arm_flag: Some("arm-login-hint"),
        help: "Account for devicecode and interactive; tokens of other accounts are not used",
        ..value(22, Param::LoginHint, "login-hint", "NAME")
    },
    ParamRow {
        retired: Some("token-cache-dir"),
        kept_by_sync: true,
        shared_with_arm: true,
        every_mode: Some(Kept),
        help: "Directory of the token cache",
        ..value(2, Param::CacheDir, "cache-dir", "DIR")
    },
    ParamRow {
        variables: &[always("AAD_TOKEN_STORE")],
        at_use: true,
        per_machine: true,
        kept_by_sync: true,
        shared_with_arm: true,
        every_mode: Some(Kept),
        help: "How tokens are stored: auto (encrypted if the system can keep a key, else plain files), keyring, file or none",
        ..value(3, Param::TokenStore, "token-store", "STORE")
    },
    ParamRow {
        variables: &[always("AZURE_CLI_TIMEOUT")],
        at_use: true,
        per_machine: true,
        kept_by_sync: true,
        shared_with_arm: true,
        every_mode: Some(Omitted),
        help: "How long getting a token may take, such as 90s or 1m30s",
        ..value(23, Param::Timeout, "timeout", "DURATION")
    },
    ParamRow {
        shared_with_arm: true,
        every_mode: Some(Unwritten),
        help: "Read Terraform's variables (ARM_CLIENT_ID and the like)",
        ..switch(24, Param::UseAzureRmEnvVars, "use-azurerm-env-vars")
    },
    ParamRow {
        shared_with_arm: true,
        every_mode: Some(Unwritten),
        help: "Do not read environment variables",
        ..switch(
            20,
            Param::DisableEnvironmentOverride,
            "disable-environment-override",
        )
    },
    ParamRow {
        kept_by_sync: true,
        shared_with_arm: true,
        every_mode: Some(Omitted),
        help: "No effect; accepted for compatibility with kubelogin: the authority's metadata is never requested",
        ..switch(
            25,
            Param::DisableInstanceDiscovery,
            "disable-instance-discovery",
        )
    },
    ParamRow {
        every_mode: Some(Omitted),
        help: "Read from variables only secrets and what the platform supplies, and only if no flag gives them; `sync` writes this flag",
        ..switch(26, Param::EnvSecretsOnly, "env-secrets-only")
    },
];

impl ParamRow {
    /// Whether every mode has it.
    pub fn is_in_every_mode(&self) -> bool {
        self.every_mode.is_some()
    }

    /// Whether the value is the path of a file or a directory.
    pub fn is_path(&self) -> bool {
        matches!(self.takes, Takes::Value("FILE" | "DIR"))
    }

    /// The names of the variables that set it, each once, in their order.
    pub fn variable_names(&self) -> Vec<&'static str> {
        let mut names = Vec::new();
        for variable in self.variables {
            if !names.contains(&variable.name) {
                names.push(variable.name);
            }
        }
        names
    }
}

impl Param {
    /// This parameter's row.
    pub fn row(self) -> &'static ParamRow {
        PARAMS
            .iter()
            .find(|row| row.param == self)
            .expect("every parameter has a row: a test holds it")
    }

    /// The long flag with its dashes.
    pub fn dashed(self) -> String {
        format!("--{}", self.row().flag)
    }

    /// The flag of the second sign-in with its dashes: its own, if it has one.
    pub fn arm_dashed(self) -> String {
        format!("--{}", self.row().arm_flag.unwrap_or(self.row().flag))
    }

    /// Finds the parameter that a long flag (without dashes) sets.
    pub fn from_flag(flag: &str) -> Option<Self> {
        PARAMS
            .iter()
            .find(|row| row.flag == flag || row.retired == Some(flag))
            .map(|row| row.param)
    }

    /// Finds the parameter that a short flag sets.
    pub fn from_short(short: char) -> Option<Self> {
        PARAMS
            .iter()
            .find(|row| row.short == Some(short))
            .map(|row| row.param)
    }
}
