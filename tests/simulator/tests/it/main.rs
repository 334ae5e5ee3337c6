//! Tests the simulator over its sockets, with a small client and with the real tools.

mod arm;
mod binary;
mod changes;
mod client;
mod developer_tools;
mod entra;
mod faults;
mod fleet_manager;
mod graph;
mod kubernetes;
mod metadata;
mod peers;
