//! What tests may change about the simulated Azure while it runs.

use std::path::PathBuf;

/// Behavior of the simulated Azure. Times are in seconds.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Moves the simulator's clock against the machine's.
    pub clock_offset: i64,
    /// `expires_in` of a service principal's token.
    pub service_token_lifetime: i64,
    /// `expires_in` of a user's token.
    pub user_token_lifetime: i64,
    /// `expires_in` of a managed identity's token.
    pub managed_identity_token_lifetime: i64,
    /// `refresh_in` of tokens, if any.
    pub refresh_in: Option<i64>,
    /// How long a refresh token is valid; after that it is rejected with AADSTS700082.
    pub refresh_token_lifetime: i64,
    /// A refresh token works once; the second use is rejected with AADSTS70000. Entra itself keeps accepting it.
    pub single_use_refresh_tokens: bool,
    /// Answers have no refresh token, as for an application without `offline_access`.
    pub no_refresh_tokens: bool,
    /// `interval` of device code answers. Zero lets tests poll without waiting.
    pub device_interval: u64,
    /// `expires_in` of device codes.
    pub device_expires_in: i64,
    /// Polling sooner than the interval is answered `slow_down`.
    pub device_slow_down: bool,
    /// Approves each device code for a user after this many polls.
    pub device_auto_approve: Option<(u32, String)>,
    /// What happens on the sign-in page.
    pub sign_in: SignIn,
    /// Sizes of pages of clusters, repeated. A zero is an empty page with a `nextLink`.
    pub cluster_pages: Vec<usize>,
    /// Size of pages of subscriptions and tenants.
    pub subscription_page: usize,
    /// Host put into every `nextLink` in place of ARM's own, such as `https://evil.example`.
    pub foreign_next_link: Option<String>,
    /// New connections to ARM may use HTTP/2, as Azure's do. An inspecting proxy allows only HTTP/1.1.
    pub arm_http2: bool,
    /// Claims that ARM requires: a token requested without them is answered with 401 `insufficient_claims`.
    pub arm_claims_challenge: Option<String>,
    /// Azure Resource Graph.
    pub graph: GraphSettings,
    /// Directory of the Arc agent's key files.
    pub arc_key_directory: PathBuf,
    /// Public client ids that are not registered are refused (AADSTS700016).
    pub registered_clients_only: bool,
    /// The sign-in page offers consent, which people can decline.
    pub ask_consent: bool,
}

/// Behavior of Azure Resource Graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphSettings {
    /// Every query is refused with 403, as where a policy blocks the service.
    pub refused: bool,
    /// The cloud has no Resource Graph: 404.
    pub absent: bool,
    /// Every page but the last says `resultTruncated` and has no `$skipToken`.
    pub truncated: bool,
    /// Ids are in lower case.
    pub lower_case_ids: bool,
    /// `resources` has a column `eTag`. Whether Azure's has one for clusters is not known.
    pub etags: bool,
    /// Subscriptions that are left out without a word.
    pub hidden_subscriptions: Vec<String>,
    /// The most subscriptions that a query of a tenant reaches.
    pub subscription_limit: usize,
    /// Queries of a user in each window of 5 seconds, by the simulator's clock.
    pub quota: Option<u32>,
    /// The most rows of a page, whatever `$top` says.
    pub page: usize,
    /// The largest reply in bytes; a larger one is refused.
    pub largest_reply: usize,
}

impl Default for GraphSettings {
    fn default() -> Self {
        GraphSettings {
            refused: false,
            absent: false,
            truncated: false,
            lower_case_ids: false,
            etags: false,
            hidden_subscriptions: Vec::new(),
            subscription_limit: 10_000,
            quota: Some(15),
            page: 1000,
            largest_reply: 16 * 1024 * 1024,
        }
    }
}

/// The outcome of the sign-in page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignIn {
    /// The page is shown, to a person or a browser under test.
    Page,
    /// This user is signed in at once.
    As(String),
    /// The user cancels.
    Cancel,
    /// The user declines consent (AADSTS65004).
    DeclineConsent,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            clock_offset: 0,
            service_token_lifetime: 3599,
            user_token_lifetime: 5302,
            managed_identity_token_lifetime: 86_400,
            refresh_in: None,
            refresh_token_lifetime: 90 * 86_400,
            single_use_refresh_tokens: false,
            no_refresh_tokens: false,
            device_interval: 5,
            device_expires_in: 900,
            device_slow_down: false,
            device_auto_approve: None,
            sign_in: SignIn::Page,
            cluster_pages: vec![14, 11, 16],
            subscription_page: 50,
            foreign_next_link: None,
            arm_http2: true,
            arm_claims_challenge: None,
            graph: GraphSettings::default(),
            arc_key_directory: PathBuf::from("/var/opt/azcmagent/tokens"),
            registered_clients_only: true,
            ask_consent: false,
        }
    }
}
