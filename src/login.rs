//! How to sign in: the login modes and their parameters, declared once, and what a command's flags make of them.

pub(crate) mod command;
pub(crate) mod duration;
pub(crate) mod exec_args;
mod mode;
mod param;
mod place;
pub(crate) mod resolve;
pub(crate) mod settings;
mod sign_in;
mod variable;

pub(crate) use command::CommandLine;
pub(crate) use exec_args::ExecArgs;
pub use mode::{LoginMode, MODES};
pub(crate) use mode::{ModeParam, ModeRow, Principal, ValueSource};
pub(crate) use param::{ACCOUNT_PARAMS, ACCOUNTS_OF_PEOPLE, ParamRow};
pub use param::{PARAMS, Param, Takes};
pub(crate) use place::Place;
pub(crate) use resolve::no_effect;
pub(crate) use settings::{Origin, Precedence, Settings};
pub(crate) use sign_in::*;
pub(crate) use variable::Variable;
pub use variable::{PLATFORM_VARIABLES, When};

/// The server application of every AKS-managed Entra cluster, in every cloud.
pub(crate) const AKS_SERVER_ID: &str = "6dae42f8-4368-4678-94ff-3960e28e3630";
/// AKS's own public client, in every cloud. Its tokens for [`AKS_SERVER_ID`] are what kubelogin's documentation and every
/// kubeconfig of an AKS-managed Entra cluster use in `devicecode`, `interactive` and `ropc`
/// (<https://azure.github.io/kubelogin/concepts/aks.html>).
pub(crate) const AKS_CLIENT_ID: &str = "80faf920-1908-4b52-b5ef-a8e7bedfc67a";
/// The Azure CLI's public client: the one that gets both ARM and AKS tokens
/// from a single sign-in.
pub(crate) const AZURE_CLI_CLIENT_ID: &str = "04b07795-8ddb-461a-bbee-02f9e1bf7b46";
