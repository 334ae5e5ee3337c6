//! Azure's control plane: the clouds, ARM, and the fleet that it knows of.
//!
//! Lives here: [`Cloud`] with its endpoints, [`Arm`] with paging, throttling
//! and retry, and [`fleet`], the walk from tenants to user kubeconfigs. Tokens
//! come through [`TokenSource`](crate::auth::TokenSource) alone; nothing here
//! signs in, reads a kubeconfig's content or prints.

pub(crate) mod arm;
pub(crate) mod cloud;
pub mod fleet;

pub use arm::Arm;
pub use cloud::Cloud;
pub use fleet::ClusterRef;
