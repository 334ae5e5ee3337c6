//! What a merge is asked for beyond the clusters.

/// What a sync is to do with the clusters' entries, beside adding and updating them. The default is nothing else.
#[derive(Debug, Clone, Default)]
pub struct MergeOptions {
    /// The namespace of contexts that have none: a DNS label (RFC 1123).
    pub(crate) namespace: Option<String>,
}
