//! `sync --admin`: administrators' credentials, in entries of their own and nowhere else.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use azure_sim::{
    Change, Cluster, ClusterAuth, Endpoint, Fault, Fleet, FleetSpec, Role, RoleAssignment,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::{
    env::{CLOUD, Ran, TestEnv, run},
    support::peer,
};

mod others;
mod removed;

fn test_env(clusters: usize) -> TestEnv {
    TestEnv::with_fleet(Fleet::generate(&FleetSpec {
        clusters,
        ..FleetSpec::default()
    }))
}

fn clusters(test_env: &TestEnv) -> Vec<Cluster> {
    test_env.simulator.fleet().clusters
}

fn sync(test_env: &TestEnv, args: &[&str]) -> Ran {
    run(&mut test_env.sync(&[&["--admin"], args].concat()))
}

/// A section of a kubeconfig by the entries' names.
fn entry(text: &str, section: &str, name: &str) -> Value {
    let config: Value = serde_saphyr::from_str(text).expect("YAML");
    let entries = config[section].as_array().expect("a list").iter();
    let mut named = entries.filter(|entry| entry["name"] == name);
    named.next().unwrap_or(&Value::Null).clone()
}

/// The row of a cluster in a report.
fn row<'r>(report: &'r Value, cluster: &Cluster) -> &'r Value {
    let rows = report["clusters"].as_array().expect("clusters").iter();
    let mut its = rows.filter(|row| row["id"] == *cluster.id);
    its.next().expect("a row")
}

/// The private key of an administrator, as it is in a kubeconfig, and as it is decoded.
fn keys(text: &str) -> Vec<String> {
    let config: Value = serde_saphyr::from_str(text).expect("YAML");
    let users = config["users"].as_array().expect("users").iter();
    let secret = |user: &Value, key: &str| user["user"][key].as_str().map(str::to_owned);
    let mut found: Vec<String> = Vec::new();
    for user in users {
        if let Some(key) = secret(user, "client-key-data") {
            let pem = STANDARD.decode(&key).expect("base64");
            let pem = String::from_utf8(pem).expect("PEM");
            found.extend(
                pem.lines()
                    .filter(|line| !line.starts_with("---"))
                    .map(str::to_owned),
            );
            found.push(key);
        }
        found.extend(secret(user, "token"));
    }
    assert!(!found.is_empty(), "no administrator's key");
    found
}

/// Everything in a directory, in one text.
fn contents(directory: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        match path.is_dir() {
            true => text += &contents(&path),
            false => text += &String::from_utf8_lossy(&fs::read(&path).unwrap_or_default()),
        }
    }
    text
}

#[test]
fn kubectl_gets_in_with_the_administrators_certificate_and_as_oneself_beside_it() {
    let Some(kubectl) = peer("kubectl") else {
        return;
    };
    let test_env = test_env(2);
    let [one, _] = &clusters(&test_env)[..] else {
        panic!("two clusters")
    };
    assert_eq!(run(&mut test_env.sync(&[])).code, 0);
    let before = test_env.kubeconfig_text();
    test_env.simulator.reset();
    let ran = sync(&test_env, &["-o", "json"]);
    let report = ran.json(0);
    assert_eq!(row(&report, one)["role"], "admin", "{report}");
    assert_eq!(row(&report, one)["action"], "added", "{report}");
    assert_eq!(report["tokens"], json!([]));
    let counters = test_env.simulator.counters();
    assert_eq!(counters.get(Endpoint::ListClusterAdminCredential), 2);
    assert_eq!(counters.get(Endpoint::ListClusterUserCredential), 0);
    assert!(ran.stderr.contains("az aks rotate-certs"), "{}", ran.stderr);

    let text = test_env.kubeconfig_text();
    let admin = format!("{}-admin", one.name);
    let mark = json!([{"extension": {"admin": true, "armId": one.id}, "name": "kubectl-aad"}]);
    let of = |section: &str, name: &str| entry(&text, section, name);
    assert_eq!(of("clusters", &admin)["cluster"]["extensions"], mark);
    assert_eq!(of("users", &admin)["user"]["extensions"], mark);
    assert_eq!(
        of("contexts", &admin)["context"],
        json!({"cluster": admin, "user": admin})
    );
    for section in ["clusters", "contexts"] {
        assert_eq!(of(section, &one.name), entry(&before, section, &one.name));
    }
    assert!(!text.contains("current-context: "), "{text}");
    let mode = fs::metadata(test_env.kubeconfig())
        .expect("written")
        .permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);

    let whoami = |context: &str| {
        let mut command = test_env.program(&kubectl);
        command.args(["auth", "whoami", "--context", context, "-o", "json"]);
        run(&mut command).json(0)["status"]["userInfo"].take()
    };
    assert_eq!(whoami(&admin)["groups"][0], "system:masters");
    assert_ne!(whoami(&one.name)["groups"][0], "system:masters");
}

#[test]
fn each_kind_of_sync_updates_its_own_entries_and_leaves_the_others() {
    let test_env = test_env(1);
    let cluster = &clusters(&test_env)[0];
    let admin = format!("{}-admin", cluster.name);
    assert_eq!(sync(&test_env, &[]).code, 0);
    let first = test_env.kubeconfig_text();
    let report = run(&mut test_env.sync(&["-o", "json"])).json(0);
    assert_eq!(row(&report, cluster)["action"], "added", "{report}");
    assert_eq!(row(&report, cluster)["context"], *cluster.name);
    assert_eq!(
        (&report["gone"], &report["duplicates"]),
        (&json!([]), &json!([]))
    );
    test_env
        .simulator
        .change(&cluster.id, &Change::RotateCa { etag: false });

    let both = test_env.kubeconfig_text();
    for section in ["clusters", "users", "contexts"] {
        assert_eq!(
            entry(&both, section, &admin),
            entry(&first, section, &admin)
        );
    }
    let report = sync(&test_env, &["-o", "json"]).json(0);
    assert_eq!(row(&report, cluster)["action"], "updated", "{report}");
    let rotated = test_env.kubeconfig_text();
    assert_ne!(
        entry(&rotated, "users", &admin),
        entry(&both, "users", &admin)
    );
    for section in ["clusters", "contexts"] {
        assert_eq!(
            entry(&rotated, section, &cluster.name),
            entry(&both, section, &cluster.name)
        );
    }
    let list = run(&mut test_env.aad(&["list", "-e", CLOUD, "-o", "json"])).json(0);
    assert_eq!(row(&list, cluster)["roles"], json!(["user", "admin"]));
    assert_eq!(row(&list, cluster)["adminContext"], *admin);
    test_env.simulator.update(|fleet| fleet.clusters.clear());
    let report = run(&mut test_env.sync(&["-o", "json"])).json(0);
    let gone: Vec<_> = report["gone"]
        .as_array()
        .expect("gone")
        .iter()
        .map(|gone| gone["context"].clone())
        .collect();
    assert_eq!(gone, [json!(cluster.name)]);
}

#[test]
fn an_administrators_key_is_not_shown_and_not_kept_with_arms_answers() {
    let test_env = test_env(2);
    let cluster = &clusters(&test_env)[0];
    let ran = sync(&test_env, &["-v", "9"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let secrets = keys(&test_env.kubeconfig_text());
    test_env
        .simulator
        .change(&cluster.id, &Change::RotateCa { etag: true });
    let mut shown = ran.stderr + &ran.stdout;
    for args in [
        &["--dry-run", "-o", "json"][..],
        &["-o", "yaml"],
        &["--refresh", "-o", "wide"],
    ] {
        let ran = sync(&test_env, args);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        shown += &(ran.stdout + &ran.stderr);
    }
    let list = run(&mut test_env.aad(&["list", "-e", CLOUD, "-o", "json"]));
    shown += &(list.stdout + &list.stderr);
    let kept = contents(&test_env.home().join(".kube/cache/kubectl-aad/arm"));
    for secret in secrets.iter().chain(&keys(&test_env.kubeconfig_text())) {
        assert!(
            !shown.contains(secret.as_str()),
            "an administrator's key is shown"
        );
        assert!(
            !kept.contains(secret.as_str()),
            "an administrator's key is kept"
        );
    }
}

#[test]
fn who_may_not_have_the_credential_is_told_the_role_that_is_missing() {
    let test_env = test_env(1);
    let cluster = clusters(&test_env)[0].clone();
    test_env.simulator.update(|fleet| {
        for principal in &mut fleet.service_principals {
            principal.roles = vec![RoleAssignment::new("/", Role::ClusterUser)];
        }
        for user in &mut fleet.users {
            user.roles = vec![RoleAssignment::new("/", Role::ClusterUser)];
        }
    });
    let report = sync(&test_env, &["-o", "json"]).json(1);
    let failed = row(&report, &cluster);
    assert_eq!(
        (&failed["action"], &failed["code"]),
        (&json!("failed"), &json!("forbidden"))
    );
    let hint = failed["hint"].as_str().expect("a hint");
    assert!(
        hint.contains("`Azure Kubernetes Service Cluster Admin Role`"),
        "{hint}"
    );
    assert_eq!(run(&mut test_env.sync(&[])).code, 0, "as oneself");
}

#[test]
fn a_cluster_without_local_accounts_fails_alone_and_is_not_asked_for() {
    let test_env = test_env(2);
    let [on, off] = &clusters(&test_env)[..] else {
        panic!("two clusters")
    };
    let disable = |fleet: &mut Fleet| fleet.clusters[1].disable_local_accounts = true;
    test_env.simulator.update(disable);
    let report = sync(&test_env, &["-o", "json"]).json(3);
    let failed = row(&report, off);
    assert_eq!(failed["code"], "localAccountsDisabled", "{failed}");
    assert!(
        failed["hint"]
            .as_str()
            .is_some_and(|hint| hint.contains("--admin")),
        "{failed}"
    );
    assert_eq!(row(&report, on)["action"], "added");
    let counters = test_env.simulator.counters();
    assert_eq!(counters.get(Endpoint::ListClusterAdminCredential), 1);

    // They were disabled after the listing.
    let refused = Fault::on(Endpoint::ListClusterAdminCredential).cluster(&on.id).error(
        400,
        "BadRequest",
        "Getting static credential is not allowed because this cluster is set to disable local accounts.",
    );
    test_env.simulator.faults().add(refused);
    let report = sync(&test_env, &["-o", "json"]).json(1);
    assert_eq!(
        row(&report, on)["code"],
        "localAccountsDisabled",
        "{report}"
    );
    assert_eq!(row(&report, on)["hint"], failed["hint"]);
    assert_eq!(row(&report, on)["context"], format!("{}-admin", on.name));
}

#[test]
fn an_answer_without_an_administrators_credential_is_refused() {
    let test_env = test_env(1);
    let cluster = &clusters(&test_env)[0];
    let user = "apiVersion: v1\nkind: Config\nclusters:\n- name: c\n  cluster: {server: 'https://c:443'}\ncontexts:\n- name: c\n  context: {cluster: c, user: u}\ncurrent-context: c\nusers:\n- name: u\n  user:\n    exec: {apiVersion: client.authentication.k8s.io/v1, command: kubelogin, args: [get-token]}\n";
    let body = json!({"kubeconfigs": [{"name": "clusterAdmin", "value": STANDARD.encode(user)}]});
    let fault = Fault::on(Endpoint::ListClusterAdminCredential).body(
        200,
        "application/json",
        body.to_string(),
    );
    test_env.simulator.faults().add(fault);
    let report = sync(&test_env, &["-o", "json"]).json(1);
    assert_eq!(row(&report, cluster)["code"], "invalidAnswer", "{report}");
}

#[test]
fn clusters_without_entra_id_have_an_administrator_too() {
    let test_env = test_env(1);
    let cluster = clusters(&test_env)[0].clone();
    let local = Change::SignIn(ClusterAuth::Local);
    test_env.simulator.change(&cluster.id, &local);
    let report = sync(&test_env, &["-o", "json"]).json(0);
    assert_eq!(
        row(&report, &cluster)["context"],
        format!("{}-admin", cluster.name)
    );
}

#[test]
fn a_directory_gets_files_of_the_administrators_own() {
    let test_env = test_env(1);
    let name = &clusters(&test_env)[0].name;
    let directory = test_env.path("out");
    let output = directory.display().to_string();
    assert_eq!(run(&mut test_env.sync(&["--output-dir", &output])).code, 0);
    let of_user = directory.join(format!("{name}.yaml"));
    let before = fs::read_to_string(&of_user).expect("a file");
    for action in ["added", "unchanged"] {
        let report = sync(&test_env, &["--output-dir", &output, "-o", "json"]).json(0);
        assert_eq!(report["clusters"][0]["action"], action, "{report}");
    }
    assert_eq!(fs::read_to_string(&of_user).expect("a file"), before);
    let of_admin = directory.join(format!("{name}-admin.yaml"));
    let mode = fs::metadata(&of_admin).expect("a file").permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);
    keys(&fs::read_to_string(&of_admin).expect("a file"));
    let report = run(&mut test_env.sync(&["--output-dir", &output, "-o", "json"])).json(0);
    assert_eq!(report["clusters"][0]["action"], "unchanged", "{report}");
    assert_eq!(fs::read_dir(&directory).expect("a directory").count(), 2);
}
