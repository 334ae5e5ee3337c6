//! The real kubectl against the clusters' API servers.

use super::{Home, peer};
use crate::client::{Call, arm_scope, service_token, start};
use azure_sim::{FleetSpec, Simulator};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// A cluster's kubeconfig, written to a file in the home.
fn kubeconfig(simulator: &Simulator, home: &Home, kind: &str) -> String {
    let token = service_token(simulator, 0, &arm_scope(simulator));
    let id = simulator.fleet().clusters[0].id.clone();
    let url = format!("{}{id}/{kind}?api-version=2025-02-01", simulator.arm_url());
    let answer = Call::new(simulator, "POST", &url)
        .bearer(&token)
        .send()
        .json();
    let text = STANDARD
        .decode(
            answer["kubeconfigs"][0]["value"]
                .as_str()
                .expect("a kubeconfig"),
        )
        .expect("base64");
    let file = home.path().join("kubeconfig");
    std::fs::write(&file, text).expect("the file is written");
    file.display().to_string()
}

#[test]
fn kubectl_gets_in_with_a_local_account() {
    let Some(kubectl) = peer("kubectl") else {
        return;
    };
    let simulator = start(FleetSpec {
        clusters: 1,
        local_accounts: 1.0,
        ..FleetSpec::default()
    });
    let mut home = Home::new(&simulator);
    let file = kubeconfig(&simulator, &home, "listClusterUserCredential");
    home.set("KUBECONFIG", &file);
    let namespaces = home.succeeds(&kubectl, &["get", "ns"]);
    assert!(
        namespaces.contains("kube-system") && namespaces.contains("Active"),
        "{namespaces}"
    );
    let version = home.succeeds(&kubectl, &["version"]);
    assert!(
        version.contains(&format!(
            "v{}",
            simulator.fleet().clusters[0].kubernetes_version
        )),
        "{version}"
    );
    assert!(
        home.succeeds(&kubectl, &["auth", "whoami"])
            .contains("masterclient")
    );
    assert!(
        home.succeeds(&kubectl, &["auth", "can-i", "get", "namespaces"])
            .contains("yes")
    );
}

#[test]
fn kubectl_gets_in_with_kubelogin_as_its_plugin() {
    let (Some(kubectl), Some(kubelogin)) = (peer("kubectl"), peer("kubelogin")) else {
        return;
    };
    let simulator = start(FleetSpec {
        clusters: 1,
        ..FleetSpec::default()
    });
    let mut home = Home::new(&simulator);
    let file = kubeconfig(&simulator, &home, "listClusterUserCredential");
    let principal = simulator.fleet().service_principals[0].clone();
    // What AKS writes, with the two flags that lead kubelogin to the simulator.
    let text = std::fs::read_to_string(&file).expect("the file is there").replace(
        "      - get-token\n",
        &format!("      - get-token\n      - --disable-instance-discovery\n      - --authority-host\n      - {}\n", simulator.authority_url()),
    );
    std::fs::write(&file, text).expect("the file is written");
    home.set("KUBECONFIG", &file);
    home.set(
        "PATH",
        &format!(
            "{}:/usr/bin:/bin",
            kubelogin.parent().expect("a directory").display()
        ),
    );
    home.set("AAD_LOGIN_METHOD", "spn");
    home.set("AZURE_CLIENT_ID", &principal.client_id);
    home.set("AZURE_CLIENT_SECRET", principal.secret());
    assert!(
        home.succeeds(&kubectl, &["get", "ns"])
            .contains("kube-system")
    );
    assert!(
        home.succeeds(&kubectl, &["auth", "whoami"])
            .contains(&principal.oid)
    );
}

#[test]
fn kubectl_is_refused_with_a_bad_token() {
    let Some(kubectl) = peer("kubectl") else {
        return;
    };
    let simulator = start(FleetSpec {
        clusters: 1,
        ..FleetSpec::default()
    });
    let mut home = Home::new(&simulator);
    let file = kubeconfig(&simulator, &home, "listClusterUserCredential");
    home.set("KUBECONFIG", &file);
    let output = home.run(&kubectl, &["--token", "nonsense", "get", "ns"]);
    assert!(!output.status.success());
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("must be logged in"),
        "{output:?}"
    );
}
