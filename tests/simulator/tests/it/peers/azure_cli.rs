//! The real Azure CLI, with the simulator registered as a custom cloud.

use super::{Home, peer};
use crate::client::start;
use azure_sim::{AKS_SERVER_APP, Endpoint, FleetSpec, ServicePrincipal, Simulator};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// A home directory in which az knows only the simulator.
fn registered(simulator: &Simulator, az: &Path) -> Home {
    let mut home = Home::new(simulator);
    home.set(
        "AZURE_CONFIG_DIR",
        &home.path().join("azure").display().to_string(),
    );
    home.set("AZURE_CORE_COLLECT_TELEMETRY", "false");
    home.set("AZURE_CORE_INSTANCE_DISCOVERY", "false");
    // Otherwise a sign-in ends with a question on the terminal.
    home.set("AZURE_CORE_LOGIN_EXPERIENCE_V2", "false");
    home.set("AZURE_CORE_NO_COLOR", "true");
    let arm = simulator.arm_url();
    home.succeeds(
        az,
        &[
            "cloud",
            "register",
            "--name",
            "Simulator",
            "--endpoint-resource-manager",
            &arm,
        ],
    );
    home.succeeds(az, &["cloud", "set", "--name", "Simulator"]);
    home
}

fn json(home: &Home, az: &Path, args: &[&str]) -> Value {
    let printed = home.succeeds(az, args);
    serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed}"))
}

/// The words that sign in as a service principal.
fn sign_in<'a>(principal: &'a ServicePrincipal, secret: &'a str) -> [&'a str; 8] {
    let ServicePrincipal {
        client_id,
        tenant_id,
        ..
    } = principal;
    let mode = "--service-principal";
    [
        "login", mode, "-u", client_id, "-p", secret, "--tenant", tenant_id,
    ]
}

fn length(value: &Value) -> usize {
    value.as_array().map_or(0, Vec::len)
}

#[test]
fn az_signs_in_as_a_service_principal_and_lists_clusters() {
    let Some(az) = peer("az") else { return };
    let simulator = start(FleetSpec {
        clusters: 31,
        ..FleetSpec::default()
    });
    let home = registered(&simulator, &az);
    let principal = simulator.fleet().service_principals[0].clone();
    // First, because az uses the token of an earlier sign-in.
    let wrong = home.run(&az, &sign_in(&principal, "wrong"));
    assert!(!wrong.status.success());
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("AADSTS7000215"));
    let login = sign_in(&principal, principal.secret());
    assert_eq!(length(&json(&home, &az, &login)), 1);
    simulator.configure(|s| s.cluster_pages = vec![11, 0, 16]);
    let clusters = json(&home, &az, &["aks", "list"]);
    assert_eq!(length(&clusters), 31);
    assert_eq!(
        simulator.counters().get(Endpoint::ManagedClusters),
        4,
        "az follows every nextLink"
    );
    assert!(
        clusters[0]["aadProfile"]["managed"] == true
            && clusters[0]["powerState"]["code"] == "Running"
    );
    let cluster = simulator.fleet().clusters[0].clone();
    let shown = json(
        &home,
        &az,
        &[
            "aks",
            "show",
            "-n",
            &cluster.name,
            "-g",
            &cluster.resource_group,
        ],
    );
    assert_eq!(shown["fqdn"], cluster.fqdn.as_str());
}

#[test]
fn az_asks_resource_graph_page_by_page() {
    let Some(az) = peer("az") else { return };
    let simulator = start(FleetSpec {
        clusters: 5,
        ..FleetSpec::default()
    });
    let home = registered(&simulator, &az);
    let principal = simulator.fleet().service_principals[0].clone();
    home.succeeds(&az, &sign_in(&principal, principal.secret()));
    // `az graph` is an extension, which is not part of az.
    let page = |skip_token: Option<&str>| {
        let body = serde_json::json!({
            "query": "resources | where type =~ 'Microsoft.ContainerService/managedClusters' | project id | order by id asc",
            "options": { "$top": 3, "$skipToken": skip_token },
        });
        let url = "/providers/Microsoft.ResourceGraph/resources?api-version=2021-03-01";
        let body = body.to_string();
        let words = ["rest", "--method", "post", "--url", url, "--body", &body];
        json(&home, &az, &words)
    };
    let first = page(None);
    assert_eq!(length(&first["data"]), 3);
    assert_eq!(first["totalRecords"], 5);
    let last = page(first["$skipToken"].as_str());
    assert_eq!(length(&last["data"]), 2);
    assert!(last.get("$skipToken").is_none());
}

#[test]
fn az_signs_a_person_in_by_device_code_into_every_tenant_and_kubectl_follows() {
    let (Some(az), Some(kubelogin), Some(kubectl)) =
        (peer("az"), peer("kubelogin"), peer("kubectl"))
    else {
        return;
    };
    let simulator = start(FleetSpec {
        tenants: 2,
        subscriptions: 3,
        clusters: 4,
        ..FleetSpec::default()
    });
    let mut home = registered(&simulator, &az);
    let user = simulator.fleet().users[0].clone();
    simulator.configure(|s| {
        s.device_interval = 1;
        s.device_auto_approve = Some((1, user.upn.clone()));
    });
    let subscriptions = json(&home, &az, &["login", "--use-device-code"]);
    assert_eq!(length(&subscriptions), 3, "one sign-in, both tenants");
    assert_eq!(
        simulator
            .counters()
            .tokens("urn:ietf:params:oauth:grant-type:device_code"),
        1
    );
    let token = json(
        &home,
        &az,
        &[
            "account",
            "get-access-token",
            "--resource",
            AKS_SERVER_APP,
            "--tenant",
            &simulator.fleet().tenants[1].id,
        ],
    );
    let claims = simulator
        .claims(token["accessToken"].as_str().expect("a token"))
        .expect("the token verifies");
    assert_eq!(
        claims["oid"],
        user.oid_in(&simulator.fleet().tenants[1].id).as_str()
    );

    let directories: Vec<PathBuf> = [&az, &kubelogin]
        .iter()
        .filter_map(|p| p.parent().map(Path::to_owned))
        .chain(["/usr/bin".into(), "/bin".into()])
        .collect();
    let path = std::env::join_paths(directories).expect("paths without colons");
    home.set("PATH", &path.to_string_lossy());
    let kubeconfig = home.path().join("kubeconfig").display().to_string();
    home.set("KUBECONFIG", &kubeconfig);
    let cluster = simulator.fleet().clusters[0].clone();
    home.succeeds(
        &az,
        &["account", "set", "--subscription", &cluster.subscription_id],
    );
    home.succeeds(
        &az,
        &[
            "aks",
            "get-credentials",
            "-n",
            &cluster.name,
            "-g",
            &cluster.resource_group,
        ],
    );
    home.succeeds(&kubelogin, &["convert-kubeconfig", "-l", "azurecli"]);
    assert!(
        home.succeeds(&kubectl, &["get", "ns"])
            .contains("kube-system")
    );
    assert!(
        home.succeeds(&kubectl, &["auth", "whoami"])
            .contains(&user.upn)
    );
}

#[test]
fn az_reads_managed_namespaces_and_merges_their_credential() {
    let (Some(az), Some(kubectl)) = (peer("az"), peer("kubectl")) else {
        return;
    };
    let simulator = start(FleetSpec::default());
    let cluster = simulator.update(|fleet| {
        let cluster = fleet.clusters[0].clone();
        for name in ["team-a", "team-b", "team-c", "team-d"] {
            fleet.create_managed_namespace(&cluster.id, name);
        }
        cluster
    });
    let mut home = registered(&simulator, &az);
    let principal = simulator.fleet().service_principals[0].clone();
    home.succeeds(&az, &sign_in(&principal, principal.secret()));
    let all = json(&home, &az, &["aks", "namespace", "list"]);
    assert_eq!(length(&all), 4);
    let place = [
        "-g",
        &cluster.resource_group,
        "--cluster-name",
        &cluster.name,
    ];
    let with = |words: &[&str]| {
        [&["aks", "namespace"], words, &place]
            .concat()
            .iter()
            .map(|w| (*w).to_owned())
            .collect::<Vec<_>>()
    };
    let run = |home: &Home, words: &[&str]| {
        let words = with(words);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        home.succeeds(&az, &words)
    };
    let listed: Value = serde_json::from_str(&run(&home, &["list"])).expect("JSON");
    assert_eq!(length(&listed), 4);
    let kubeconfig = home.path().join("kubeconfig").display().to_string();
    home.set("KUBECONFIG", &kubeconfig);
    run(&home, &["get-credentials", "--name", "team-b"]);
    let shown = home.succeeds(
        &kubectl,
        &["config", "view", "--minify", "-o", "jsonpath={..namespace}"],
    );
    assert_eq!(shown, "team-b");
}
