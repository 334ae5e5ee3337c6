//! The parameters of a sign-in: one row each.
//!
//! Lives here: [`Param`] and [`PARAMS`]. A row drives the command-line flag,
//! its help, the variables that set it, what conversion writes and the
//! reference. Names and variables are Azure/kubelogin's (v0.2.19).

use super::{
    LoginMode,
    variable::{ROPC, SPN, Variable, always, pipelines, terraform, usual, workload},
};

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
    /// Variables for secrets and for what the machine supplies, and no others.
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
    /// Another, retired name of the flag.
    pub retired: Option<&'static str>,
    /// What the flag takes.
    pub takes: Takes,
    /// The variables, the last one that is set wins.
    pub variables: &'static [Variable],
    /// Whether the value is a secret: redacted, and never written by `sync`.
    pub secret: bool,
    /// Whether a variable may supply it to an entry with `--env-secrets-only`
    /// that does not name it: a secret, or what the machine has to say at the
    /// moment of use. None of these chooses who signs in.
    pub at_use: bool,
    /// The flag for the second sign-in of `sync` and `list`, that for Azure
    /// Resource Manager; none where both share the value or have no use for it.
    pub arm_flag: Option<&'static str>,
    /// What help says.
    pub help: &'static str,
}

const fn row(param: Param, flag: &'static str, takes: Takes, help: &'static str) -> ParamRow {
    ParamRow {
        param,
        flag,
        short: None,
        retired: None,
        takes,
        variables: &[],
        secret: false,
        at_use: false,
        arm_flag: None,
        help,
    }
}

/// Every parameter. Conversion writes arguments in kubelogin's order, which
/// `super::settings` holds; the order here is that of the help.
pub static PARAMS: &[ParamRow] = &[
    ParamRow {
        short: Some('l'),
        variables: &[always("AAD_LOGIN_METHOD")],
        ..row(
            Param::Login,
            "login",
            Takes::Value("MODE"),
            "How to sign in",
        )
    },
    row(
        Param::ServerId,
        "server-id",
        Takes::Value("ID"),
        "Application id of the API server (Entra server application)",
    ),
    ParamRow {
        variables: &[
            usual("AAD_SERVICE_PRINCIPAL_CLIENT_ID"),
            usual("AZURE_CLIENT_ID"),
            terraform("ARM_CLIENT_ID"),
            workload("AZURE_CLIENT_ID"),
            pipelines("AZURESUBSCRIPTION_CLIENT_ID"),
        ],
        arm_flag: Some("arm-client-id"),
        ..row(
            Param::ClientId,
            "client-id",
            Takes::Value("ID"),
            "Application id that signs in, or a managed identity's client id",
        )
    },
    ParamRow {
        short: Some('t'),
        variables: &[
            usual("AZURE_TENANT_ID").sync(&[LoginMode::Spn, LoginMode::WorkloadIdentity]),
            terraform("ARM_TENANT_ID"),
            pipelines("AZURESUBSCRIPTION_TENANT_ID"),
        ],
        arm_flag: Some("arm-tenant-id"),
        ..row(
            Param::TenantId,
            "tenant-id",
            Takes::Value("ID"),
            "Entra tenant, by id or domain",
        )
    },
    ParamRow {
        short: Some('e'),
        ..row(
            Param::Environment,
            "environment",
            Takes::Value("CLOUD"),
            "Azure cloud: AzurePublicCloud, AzureUSGovernmentCloud, AzureChinaCloud, AzureBleuCloud or AzureStackCloud",
        )
    },
    ParamRow {
        variables: &[
            usual("AAD_SERVICE_PRINCIPAL_CLIENT_SECRET"),
            usual("AZURE_CLIENT_SECRET"),
            terraform("ARM_CLIENT_SECRET").sync(SPN),
        ],
        secret: true,
        at_use: true,
        arm_flag: Some("arm-client-secret"),
        ..row(
            Param::ClientSecret,
            "client-secret",
            Takes::Value("SECRET"),
            "Service principal's secret; better given by a variable",
        )
    },
    ParamRow {
        variables: &[
            usual("AAD_SERVICE_PRINCIPAL_CLIENT_CERTIFICATE"),
            usual("AZURE_CLIENT_CERTIFICATE_PATH"),
            terraform("ARM_CLIENT_CERTIFICATE_PATH").sync(SPN),
        ],
        arm_flag: Some("arm-client-certificate"),
        ..row(
            Param::ClientCertificate,
            "client-certificate",
            Takes::Value("FILE"),
            "Service principal's certificate and key, PEM or PFX",
        )
    },
    ParamRow {
        variables: &[
            usual("AAD_SERVICE_PRINCIPAL_CLIENT_CERTIFICATE_PASSWORD"),
            usual("AZURE_CLIENT_CERTIFICATE_PASSWORD"),
            terraform("ARM_CLIENT_CERTIFICATE_PASSWORD").sync(SPN),
        ],
        secret: true,
        at_use: true,
        arm_flag: Some("arm-client-certificate-password"),
        ..row(
            Param::ClientCertificatePassword,
            "client-certificate-password",
            Takes::Value("PASSWORD"),
            "Password of the PFX file; better given by a variable",
        )
    },
    ParamRow {
        variables: &[
            always("AAD_USER_PRINCIPAL_NAME").sync(ROPC),
            always("AZURE_USERNAME").sync(ROPC),
        ],
        arm_flag: Some("arm-username"),
        ..row(
            Param::Username,
            "username",
            Takes::Value("NAME"),
            "User's name for ropc",
        )
    },
    ParamRow {
        variables: &[
            always("AAD_USER_PRINCIPAL_PASSWORD").sync(ROPC),
            always("AZURE_PASSWORD").sync(ROPC),
        ],
        secret: true,
        at_use: true,
        arm_flag: Some("arm-password"),
        ..row(
            Param::Password,
            "password",
            Takes::Value("PASSWORD"),
            "User's password for ropc; better given by a variable",
        )
    },
    ParamRow {
        arm_flag: Some("arm-identity-resource-id"),
        ..row(
            Param::IdentityResourceId,
            "identity-resource-id",
            Takes::Value("ID"),
            "ARM id of a user-assigned managed identity",
        )
    },
    ParamRow {
        variables: &[workload("AZURE_FEDERATED_TOKEN_FILE")],
        at_use: true,
        arm_flag: Some("arm-federated-token-file"),
        ..row(
            Param::FederatedTokenFile,
            "federated-token-file",
            Takes::Value("FILE"),
            "File of the federated token for workloadidentity",
        )
    },
    ParamRow {
        variables: &[workload("AZURE_AUTHORITY_HOST")],
        ..row(
            Param::AuthorityHost,
            "authority-host",
            Takes::Value("URL"),
            "Entra endpoint to use in place of the cloud's, with a trailing slash",
        )
    },
    ParamRow {
        variables: &[pipelines("AZURESUBSCRIPTION_SERVICE_CONNECTION_ID")],
        arm_flag: Some("arm-azure-pipelines-service-connection-id"),
        ..row(
            Param::ServiceConnectionId,
            "azure-pipelines-service-connection-id",
            Takes::Value("ID"),
            "Service connection for azurepipelines",
        )
    },
    ParamRow {
        short: Some('s'),
        ..row(
            Param::Subscription,
            "subscription",
            Takes::Value("ID|NAME"),
            "Subscription that selects the account in azurecli",
        )
    },
    row(
        Param::Legacy,
        "legacy",
        Takes::Nothing,
        "Ask the v1 endpoint, whose tokens have `spn:` in their audience",
    ),
    row(
        Param::PopEnabled,
        "pop-enabled",
        Takes::Nothing,
        "Ask for a proof-of-possession token (with --pop-claims)",
    ),
    row(
        Param::PopClaims,
        "pop-claims",
        Takes::Value("K=V,..."),
        "Claims of the proof-of-possession token: at least u=<ARM id of the cluster>",
    ),
    ParamRow {
        arm_flag: Some("arm-redirect-url"),
        ..row(
            Param::RedirectUrl,
            "redirect-url",
            Takes::Value("URL"),
            "Where the browser returns to in interactive",
        )
    },
    ParamRow {
        arm_flag: Some("arm-login-hint"),
        ..row(
            Param::LoginHint,
            "login-hint",
            Takes::Value("NAME"),
            "Account to sign in with in devicecode and interactive: no other one's token is used",
        )
    },
    ParamRow {
        retired: Some("token-cache-dir"),
        ..row(
            Param::CacheDir,
            "cache-dir",
            Takes::Value("DIR"),
            "Directory of cached tokens",
        )
    },
    ParamRow {
        variables: &[always("AAD_TOKEN_STORE")],
        at_use: true,
        ..row(
            Param::TokenStore,
            "token-store",
            Takes::Value("STORE"),
            "How tokens are kept: auto (encrypted where the system can keep a key, else plain files), keyring, file or none",
        )
    },
    ParamRow {
        variables: &[always("AZURE_CLI_TIMEOUT")],
        at_use: true,
        ..row(
            Param::Timeout,
            "timeout",
            Takes::Value("DURATION"),
            "Time that getting a token may take, as in 90s or 1m30s",
        )
    },
    row(
        Param::UseAzureRmEnvVars,
        "use-azurerm-env-vars",
        Takes::Nothing,
        "Read Terraform's variables (ARM_CLIENT_ID and the like)",
    ),
    row(
        Param::DisableEnvironmentOverride,
        "disable-environment-override",
        Takes::Nothing,
        "Read no variables",
    ),
    row(
        Param::DisableInstanceDiscovery,
        "disable-instance-discovery",
        Takes::Nothing,
        "Do not ask the authority for its metadata",
    ),
    row(
        Param::EnvSecretsOnly,
        "env-secrets-only",
        Takes::Nothing,
        "Take from variables secrets and what the machine supplies, and only where no flag names them; `sync` writes it",
    ),
];

impl ParamRow {
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

    /// The second sign-in's flag with its dashes, where it has one of its own.
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
