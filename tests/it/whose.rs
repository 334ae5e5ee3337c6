//! Whose a cluster is: what `list` tells of its identities and of what guards it.

use azure_sim::{ClusterAuth, ClusterIdentity, ClusterProfile, Fleet, FleetSpec};
use serde_json::{Value, json};

use crate::{
    env::{AtATerminal, CLOUD, Size, TestEnv, run},
    snapshots::Page,
};

const GROUP_ADMIN: &str = "00000000-0000-4000-8000-0000000000aa";
const SERVICE_PRINCIPAL: &str = "00000000-0000-4000-8000-0000000000bb";

/// One cluster of each kind: system-assigned; user-assigned with its own kubelet identity, private and without local accounts;
/// a service principal and legacy Entra ID; local accounts only.
fn fleet() -> Fleet {
    let mut fleet = Fleet::generate(&FleetSpec {
        clusters: 4,
        private: 0.25,
        ..FleetSpec::default()
    });
    let private = fleet.clusters.iter().position(|one| one.private);
    fleet.clusters.swap(1, private.expect("a private cluster"));
    let subscription = fleet.subscriptions[0].id.clone();
    let identity = |name: &str| {
        format!(
            "/subscriptions/{subscription}/resourceGroups/rg-identities/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}"
        )
    };
    let [system, user, principal, local] = &mut fleet.clusters[..] else {
        panic!("four clusters");
    };
    system.profile.oidc_issuer = true;
    system.profile.workload_identity = true;
    user.disable_local_accounts = true;
    user.tags.insert("team".into(), "search & ads".into());
    user.profile = ClusterProfile {
        identity: ClusterIdentity::UserAssigned(vec![identity("id-aks-prod")]),
        kubelet_identity: Some(identity("id-kubelet")),
        azure_rbac: false,
        admin_groups: vec![GROUP_ADMIN.into()],
        no_public_fqdn: true,
        ..ClusterProfile::default()
    };
    principal.auth = ClusterAuth::legacy("principal");
    principal.profile.identity = ClusterIdentity::ServicePrincipal(SERVICE_PRINCIPAL.into());
    local.auth = ClusterAuth::Local;
    fleet
}

fn test_env() -> TestEnv {
    TestEnv::with_fleet(fleet())
}

fn listed(test_env: &TestEnv, args: &[&str]) -> Value {
    let args = [&["list", "-e", CLOUD, "-o", "json"], args].concat();
    run(&mut test_env.aad(&args)).json(0)["clusters"].take()
}

/// A cluster of a report, by its place in the fleet.
fn of<'r>(report: &'r Value, test_env: &TestEnv, at: usize) -> &'r Value {
    let id = &test_env.simulator.fleet().clusters[at].id;
    let mut rows = report.as_array().expect("clusters").iter();
    let is_it = |row: &&Value| {
        row["id"]
            .as_str()
            .is_some_and(|it| it.eq_ignore_ascii_case(id))
    };
    rows.find(is_it).expect("the cluster is listed")
}

#[test]
fn list_tells_whose_each_cluster_is_however_it_is_found() {
    let test_env = test_env();
    for mode in ["list", "graph", "auto"] {
        let report = listed(&test_env, &["--discovery", mode]);
        let at = |at: usize| of(&report, &test_env, at);
        let (system, user, principal, local) = (at(0), at(1), at(2), at(3));

        assert_eq!(system["identity"]["type"], "SystemAssigned", "{mode}");
        assert!(system["identity"]["principalId"].is_string(), "{system}");
        assert_eq!(system["identity"]["userAssigned"], json!([]));
        assert_eq!(system["servicePrincipal"], Value::Null, "{system}");
        assert_eq!(system["entra"]["mode"], "managed");
        assert_eq!(system["entra"]["azureRbac"], true);
        assert_eq!(
            (&system["localAccounts"], &system["private"]),
            (&json!(true), &json!(false))
        );
        let issuer = system["oidcIssuer"].as_str().expect("an issuer");
        assert!(issuer.starts_with("https://"), "{issuer}");
        assert_eq!(system["workloadIdentity"], true);
        let kubelet = &system["kubeletIdentity"];
        assert!(
            kubelet["resourceId"]
                .as_str()
                .is_some_and(|id| id.ends_with("-agentpool"))
        );
        assert!(kubelet["clientId"].is_string() && kubelet["objectId"].is_string());

        let assigned = &user["identity"]["userAssigned"][0];
        assert_eq!(user["identity"]["type"], "UserAssigned");
        assert!(
            assigned["resourceId"]
                .as_str()
                .is_some_and(|id| id.ends_with("/id-aks-prod"))
        );
        assert!(assigned["clientId"].is_string() && assigned["principalId"].is_string());
        assert!(
            user["kubeletIdentity"]["resourceId"]
                .as_str()
                .is_some_and(|id| id.ends_with("/id-kubelet"))
        );
        assert_eq!(user["entra"]["azureRbac"], false);
        assert_eq!(user["entra"]["adminGroups"], json!([GROUP_ADMIN]));
        assert_eq!(
            [
                &user["localAccounts"],
                &user["private"],
                &user["publicFqdn"]
            ],
            [&json!(false), &json!(true), &json!(false)]
        );
        assert!(user["privateFqdn"].is_string(), "{user}");
        assert_eq!(user["tags"]["team"], "search & ads");

        assert_eq!(
            principal["servicePrincipal"],
            json!({"clientId": SERVICE_PRINCIPAL})
        );
        assert_eq!(
            (&principal["identity"], &principal["kubeletIdentity"]),
            (&Value::Null, &Value::Null)
        );
        assert_eq!(principal["entra"]["mode"], "legacy");
        assert!(principal["entra"]["serverAppId"].is_string(), "{principal}");

        assert_eq!(local["entra"]["mode"], "none");
        assert_eq!(
            (&local["entra"]["azureRbac"], &local["entra"]["tenantId"]),
            (&Value::Null, &Value::Null)
        );
    }
}

#[test]
fn list_tells_whose_credentials_the_kubeconfig_holds() {
    let test_env = test_env();
    let roles = |at: usize| of(&listed(&test_env, &[]), &test_env, at)["roles"].clone();
    assert_eq!(roles(0), json!([]));
    assert_eq!(run(&mut test_env.sync(&[])).code, 0);
    assert_eq!((roles(0), roles(3)), (json!(["user"]), json!([])));
    // What `az aks get-credentials --admin` writes: other names, the address that ARM lists.
    let fqdn = test_env.simulator.fleet().clusters[3].fqdn.clone();
    let foreign = test_env.path("foreign");
    let text = format!(
        "apiVersion: v1\nkind: Config\nclusters:\n- name: az\n  cluster: {{server: 'https://{fqdn}:443'}}\ncontexts:\n- name: az-admin\n  context: {{cluster: az, user: clusterAdmin_rg_az}}\nusers:\n- name: clusterAdmin_rg_az\n  user: {{token: planted}}\n"
    );
    std::fs::write(&foreign, text).expect("written");
    let report = listed(&test_env, &["--kubeconfig", &foreign.display().to_string()]);
    let row = of(&report, &test_env, 3);
    assert_eq!(
        (&row["roles"], &row["context"]),
        (&json!(["admin"]), &Value::Null)
    );
    assert_eq!(of(&report, &test_env, 0)["roles"], json!([]));
}

#[test]
fn a_wide_list_is_a_table_where_there_is_room_and_a_block_a_cluster_elsewhere() {
    let test_env = test_env();
    assert_eq!(run(&mut test_env.sync(&[])).code, 0);
    let mut page = Page::new(&test_env);
    page.note("a pipe").run(&format!("list -e {CLOUD} -o wide"));
    for size in [Size::SMALL, Size::LARGE] {
        let command = test_env.typed(&["list", "-e", CLOUD, "-o", "wide"]);
        let seen = AtATerminal::start(command, size).finish();
        assert_eq!(seen.code, 0, "{}", seen.raw);
        page.note(&format!("{} columns", size.columns));
        page.add(&seen.screen.text());
        for line in seen.screen.lines {
            assert!(line.chars().count() <= size.columns.into(), "{line}");
        }
    }
    page.assert("list_wide");
}
