//! The real kubectl against the clusters' API servers.

use super::{Home, peer};
use crate::client::{Call, arm_scope, service_token, start};
use azure_sim::{Endpoint, Fault, FleetSpec, Simulator};
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

/// A cluster with an administrator's kubeconfig in the environment of `home`.
fn local_cluster() -> (Simulator, Home) {
    let simulator = start(FleetSpec {
        clusters: 1,
        local_accounts: 1.0,
        ..FleetSpec::default()
    });
    let mut home = Home::new(&simulator);
    let file = kubeconfig(&simulator, &home, "listClusterUserCredential");
    home.set("KUBECONFIG", &file);
    (simulator, home)
}

#[test]
fn kubectl_gets_objects_in_each_form() {
    let Some(kubectl) = peer("kubectl") else {
        return;
    };
    let (simulator, home) = local_cluster();
    let version = simulator.fleet().clusters[0].kubernetes_version.clone();
    let get = |args: &str| {
        let args: Vec<&str> = std::iter::once("get").chain(args.split(' ')).collect();
        home.succeeds(&kubectl, &args)
    };
    let nodes = get("nodes");
    let header = nodes.lines().next().expect("a header");
    assert_eq!(
        header.split_whitespace().collect::<Vec<_>>(),
        ["NAME", "STATUS", "ROLES", "AGE", "VERSION"]
    );
    assert!(
        nodes.contains("Ready") && nodes.contains(&version),
        "{nodes}"
    );
    assert!(get("no -o wide").contains("INTERNAL-IP"));
    assert!(get("nodes -o name").starts_with("node/aks-system-"));
    let list: serde_json::Value =
        serde_json::from_str(&get("nodes -o json")).expect("kubectl writes JSON");
    assert_eq!(list["items"][0]["kind"], "Node");
    assert!(get("nodes -o yaml").contains("kubeletVersion"));
    let pods = get("pods -A");
    assert!(
        pods.contains("kube-system") && pods.contains("coredns-"),
        "{pods}"
    );
    assert!(get("deploy -n kube-system").contains("1/1"));
    assert!(get("pods -A -w").contains("metrics-server-"));
    let pod = get("pods -n kube-system -o name");
    let pod = pod.lines().next().expect("a pod");
    let log = home.succeeds(&kubectl, &["logs", "-n", "kube-system", pod]);
    assert!(log.contains("is ready"), "{log}");
    let missing = home.run(&kubectl, &["get", "node", "absent"]);
    assert_eq!(
        String::from_utf8_lossy(&missing.stderr),
        "Error from server (NotFound): nodes \"absent\" not found\n"
    );
}

#[test]
fn what_kubectl_changes_stays_changed_and_is_recorded() {
    let Some(kubectl) = peer("kubectl") else {
        return;
    };
    let (simulator, home) = local_cluster();
    let run = |args: &str| {
        let args: Vec<&str> = args.split(' ').collect();
        home.succeeds(&kubectl, &args)
    };
    let manifest = home.path().join("cm.yaml");
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: applied\ndata:\n  x: one\n";
    std::fs::write(&manifest, text).expect("the manifest is written");
    let file = manifest.display();
    let create = format!("create -f {file}");
    let create: Vec<&str> = create.split(' ').collect();
    home.succeeds(&kubectl, &create);
    assert!(run("get cm applied -o yaml").contains("x: one"));
    let twice = home.run(&kubectl, &create);
    let twice = String::from_utf8_lossy(&twice.stderr).into_owned();
    assert!(twice.contains("already exists"), "{twice}");
    run(&format!("delete -f {file}"));
    let apply = format!("apply -f {file}");
    assert_eq!(run(&apply), "configmap/applied created\n");
    assert_eq!(run(&apply), "configmap/applied unchanged\n");

    let node = run("get nodes -o name");
    let node = node.lines().next().expect("a node").to_owned();
    run(&format!("cordon {node}"));
    assert!(run("get nodes").contains("SchedulingDisabled"));
    run("scale deployment/coredns -n kube-system --replicas=3");
    assert!(run("get deploy -n kube-system").contains("3/3"));
    run("label ns default team=search");
    assert!(run("get ns default -o yaml").contains("team: search"));

    let before = simulator.cluster_changes().len();
    let pods = run("get pods -n kube-system -o name");
    let pod = pods.lines().next().expect("a pod");
    run(&format!("delete {pod} -n kube-system --dry-run=server"));
    assert_eq!(run("get pods -n kube-system -o name"), pods);
    run(&format!("delete {pod} -n kube-system"));
    assert!(!run("get pods -n kube-system -o name").contains(pod));
    let changes = &simulator.cluster_changes()[before..];
    assert!(
        changes
            .iter()
            .all(|r| r.method == "DELETE" && r.status == 200),
        "{changes:?}"
    );
    assert_eq!(changes.len(), 2, "{changes:?}");
}

#[test]
fn a_cluster_can_hang_refuse_and_reject() {
    let Some(kubectl) = peer("kubectl") else {
        return;
    };
    let (simulator, home) = local_cluster();
    let id = simulator.fleet().clusters[0].uid.clone();
    // kubectl takes it from the root of the server, not from the cluster's URL.
    let raw = format!("/clusters/{id}/api");
    let fails = |args: &[&str]| {
        let output = home.run(&kubectl, args);
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let with = |fault: Fault, args: &[&str]| {
        simulator.faults().clear();
        simulator.faults().add(fault.cluster(&id));
        fails(args)
    };
    let fault = || Fault::on(Endpoint::Kubernetes);
    let unauthorized = with(fault().status(401), &["get", "nodes"]);
    assert!(
        unauthorized.contains("You must be logged in"),
        "{unauthorized}"
    );
    let forbidden = with(fault().status(403), &["get", "nodes"]);
    assert!(
        forbidden.to_lowercase().contains("forbidden"),
        "{forbidden}"
    );
    let reset = with(fault().reset(), &["delete", "--raw", &raw]);
    assert!(
        reset.contains("connection reset") || reset.contains("EOF"),
        "{reset}"
    );
    let hanging = with(
        fault().hang(),
        &["get", "--raw", &raw, "--request-timeout=1s"],
    );
    let is_late = ["timeout", "deadline exceeded"]
        .iter()
        .any(|why| hanging.to_lowercase().contains(why));
    assert!(is_late, "{hanging}");
    simulator.faults().clear();
    let refused = fails(&["get", "nodes", "-s", &simulator.refusing_url()]);
    assert!(refused.contains("refused"), "{refused}");
}
