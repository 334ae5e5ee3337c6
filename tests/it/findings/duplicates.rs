//! Contexts of others for clusters of the fleet.

use super::*;

/// The kubeconfig that `az aks get-credentials` and `kubelogin convert-kubeconfig -l azurecli` leave.
fn of_az(server: &str, name: &str) -> String {
    format!(
        "apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: Q0E=
    server: {server}
  name: {name}
contexts:
- context:
    cluster: {name}
    namespace: shop
    user: clusterUser_rg_{name}
  name: {name}
- context:
    cluster: {name}
    user: clusterAdmin_rg_{name}
  name: {name}-admin
current-context: {name}
kind: Config
preferences: {{}}
users:
- name: clusterUser_rg_{name}
  user:
    exec:
      apiVersion: client.authentication.k8s.io/v1beta1
      args:
      - get-token
      - --login
      - azurecli
      - --server-id
      - 6dae42f8-4368-4678-94ff-3960e28e3630
      command: kubelogin
      env: null
      provideClusterInfo: false
- name: clusterAdmin_rg_{name}
  user:
    client-certificate-data: Q0E=
    client-key-data: Q0E=
"
    )
}

/// The server that a sync writes for the only cluster.
fn server(test_env: &TestEnv) -> String {
    let file = test_env.path("probe");
    let name = file.to_str().expect("UTF-8");
    sync(test_env, &["--kubeconfig", name]);
    let text = fs::read_to_string(&file).expect("written");
    let line = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("server: "));
    line.expect("a server").to_owned()
}

#[test]
fn contexts_of_az_for_clusters_of_the_fleet_are_told_when_a_second_one_is_added() {
    let test_env = test_env(1, 1);
    let Some(kubectl) = kubectl(&test_env) else {
        return;
    };
    let cluster = test_env.simulator.fleet().clusters.remove(0);
    let server = server(&test_env);
    fs::create_dir_all(test_env.path(".kube")).expect("made");
    let text = of_az(
        &format!("{server}/").replace("https://", "HTTPS://"),
        &cluster.name,
    );
    fs::write(test_env.kubeconfig(), text).expect("written");
    let synced = sync(&test_env, &[]);
    let report = synced.json(0);
    let ours = report["clusters"][0]["context"].as_str().expect("a name");
    assert_ne!(ours, cluster.name);
    let theirs = format!("{server}/").replace("https://", "HTTPS://");
    assert_eq!(
        report["duplicates"],
        json!([
            {"context": cluster.name, "server": theirs, "id": cluster.id, "ours": ours, "admin": false, "adoptable": true},
            {"context": format!("{}-admin", cluster.name), "server": theirs, "id": cluster.id, "ours": ours, "admin": true, "adoptable": false},
        ])
    );
    assert_eq!(action(&report), "kept");
    let hint = hinted(&synced, "to keep only the old one, as sync's");
    // In JSON they stay; for people they are news once.
    let again = sync(&test_env, &[]);
    assert_eq!(again.json(0)["duplicates"], report["duplicates"]);
    assert!(!again.stderr.contains("hint"), "{}", again.stderr);
    let words = hint.strip_prefix("kubectl aad ").expect("our command");
    let words: Vec<_> = words.split(' ').collect();
    let adopted = run(&mut test_env.aad(&words)).json(0);
    assert_eq!(adopted["summary"]["adopted"], 1, "{adopted}");
    assert!(kubectl.says(&["get", "ns"]).contains("kube-system"));
    let after = sync(&test_env, &[]).json(0);
    assert_eq!(after["summary"]["unchanged"], 1);
    assert_eq!(after["clusters"][0]["context"], *cluster.name);
    assert_eq!(after["duplicates"], json!([]));
}

/// As [`of_az`], for a user that names an account: a sync with another sign-in does not take it over.
fn of_ada(server: &str, name: &str) -> String {
    let account = "      - azurecli\n      - --login-hint\n      - ada@contoso.example\n";
    of_az(server, name).replace(
        "      - azurecli\n",
        &account.replace("azurecli", "interactive"),
    )
}

#[test]
fn a_context_that_signs_in_as_somebody_else_is_replaced_with_the_commands_that_are_hinted() {
    let test_env = test_env(1, 1);
    let Some(kubectl) = kubectl(&test_env) else {
        return;
    };
    let cluster = test_env.simulator.fleet().clusters.remove(0);
    let server = server(&test_env);
    fs::create_dir_all(test_env.path(".kube")).expect("made");
    fs::write(test_env.kubeconfig(), of_ada(&server, &cluster.name)).expect("written");
    let synced = sync(&test_env, &[]);
    assert!(!synced.stderr.contains("--adopt"), "{}", synced.stderr);
    let hint = hinted(&synced, "under the old name");
    assert!(!hint.contains("-admin"), "{hint}");
    kubectl.type_in(hint);
    assert!(kubectl.says(&["get", "ns"]).contains("kube-system"));
    let after = sync(&test_env, &[]).json(0);
    assert_eq!(after["summary"]["unchanged"], 1);
    assert_eq!(after["clusters"][0]["context"], *cluster.name);
    let left = after["duplicates"].as_array().expect("a list");
    assert_eq!(left.len(), 1, "only the administrator's: {left:?}");
}

#[test]
fn the_old_context_can_be_converted_with_the_command_that_is_hinted() {
    let test_env = test_env(1, 1);
    let cluster = test_env.simulator.fleet().clusters.remove(0);
    let server = server(&test_env);
    fs::create_dir_all(test_env.path(".kube")).expect("made");
    fs::write(test_env.kubeconfig(), of_ada(&server, &cluster.name)).expect("written");
    let synced = sync(&test_env, &[]);
    let command = hinted(&synced, "without kubelogin");
    let words = command.strip_prefix("kubectl aad ").expect("our command");
    let words: Vec<_> = words.split(' ').collect();
    let converted = run(&mut test_env.aad(&words));
    assert_eq!(converted.code, 0, "{}", converted.stderr);
    assert!(!test_env.kubeconfig_text().contains("command: kubelogin"));
}

#[test]
fn a_persons_own_context_for_our_entries_and_other_servers_are_no_duplicates() {
    let test_env = test_env(1, 1);
    let Some(kubectl) = kubectl(&test_env) else {
        return;
    };
    let synced = sync(&test_env, &[]).json(0);
    let name = synced["clusters"][0]["context"].as_str().expect("a name");
    let own = ["--cluster", name, "--user", name, "--namespace", "shop"];
    kubectl.says(&[&["config", "set-context", "shop"], &own[..]].concat());
    let elsewhere = of_az("https://elsewhere.example:443", "elsewhere");
    let path = test_env.write("elsewhere", &elsewhere);
    let list = format!("{}:{}", test_env.kubeconfig().display(), path.display());
    let synced = run(test_env.sync(&["-o", "json"]).env("KUBECONFIG", list));
    assert_eq!(synced.json(0)["duplicates"], json!([]));
}
