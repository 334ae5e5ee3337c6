//! The command line.

pub mod get_token;
