//! Whose credential entries of a kubeconfig hold.

/// The two credentials that AKS gives out for a cluster.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Role {
    /// `listClusterUserCredential`: people sign in as themselves, unless the cluster has local accounts only.
    #[default]
    User,
    /// `listClusterAdminCredential`: a certificate of the group `system:masters`, the same for everybody who asks.
    Admin,
}
