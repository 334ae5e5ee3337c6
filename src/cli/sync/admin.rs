//! The flag of `sync` that fetches administrators' credentials.

use clap::{Arg, ArgMatches};

use super::switch;
use crate::fleet::Role;

pub(super) fn flag() -> Arg {
    switch(
        "admin",
        "Fetch the administrator's credential of each cluster, into contexts of their own: NAME-admin",
    )
    .long_help(
        "Fetch the administrator's credential of each cluster (`listClusterAdminCredential`) instead of the user's, into contexts of \
         their own, NAME-admin. It is a certificate and belongs to no person: whoever can read the kubeconfig is an administrator, \
         until the cluster's certificates are rotated. Other contexts stay as they are, and a sync without the flag leaves these alone",
    )
}

/// Whose credentials are wanted.
pub(super) fn role(matches: &ArgMatches) -> Role {
    match matches.get_flag("admin") {
        true => Role::Admin,
        false => Role::User,
    }
}

/// What a person has to know who fetches administrators' credentials.
pub(super) const WARNING: &str = "\
warning: `--admin` fetches certificates that belong to no person: whoever can read the kubeconfig is an administrator of these \
clusters, also people who have left, until the certificates are rotated with `az aks rotate-certs`";
