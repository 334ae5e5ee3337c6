//! kubectl-aad
