//! What end-to-end tests share.

use std::path::Path;

pub(crate) use azure_sim::{may_mount, peer, peer_for_more};

/// The root of the repository.
pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A user of kubelogin.
pub(crate) fn user(name: &str) -> String {
    format!(
        "- name: {name}\n  user:\n    exec:\n      apiVersion: client.authentication.k8s.io/v1beta1\n      args:\n      - get-token\n      - --login\n      - devicecode\n      - --server-id\n      - server\n      - --client-id\n      - client\n      - --tenant-id\n      - tenant\n      command: kubelogin # the old one\n      env: null\n      provideClusterInfo: false\n"
    )
}

/// A kubeconfig with `count` users, each with its own context.
pub(crate) fn kubeconfig(count: usize) -> String {
    let mut text = "apiVersion: v1\nkind: Config\nclusters:\n".to_owned();
    for i in 0..count {
        text.push_str(&format!(
            "- name: c{i}\n  cluster: {{server: https://c{i}}} # mine\n"
        ));
    }
    text.push_str("contexts:\n");
    for i in 0..count {
        text.push_str(&format!(
            "- name: x{i}\n  context: {{cluster: c{i}, user: u{i}}}\n"
        ));
    }
    text.push_str("current-context: x0\nusers:\n");
    for i in 0..count {
        text.push_str(&user(&format!("u{i}")));
    }
    text
}
