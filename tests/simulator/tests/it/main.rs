//! The simulator seen from outside: over its sockets, by this crate's own small client and by the
//! real tools that it stands opposite to.

mod arm;
mod binary;
mod client;
mod developer_tools;
mod entra;
mod faults;
mod kubernetes;
mod metadata;
mod peers;
