//! What other commands do with the administrator's entries: they leave them as they are, and show nothing of the key.

use super::*;

/// The entries of a kubeconfig that are marked as the administrator's, and the contexts that lead to them.
fn administrators(text: &str) -> Vec<Value> {
    let config: Value = serde_saphyr::from_str(text).expect("YAML");
    let entries = |section: &str| config[section].as_array().cloned().unwrap_or_default();
    let is_its = |entry: &Value, item: &str| {
        let marks = entry[item]["extensions"].as_array();
        let mut marks = marks.into_iter().flatten();
        marks.any(|mark| mark["extension"]["admin"] == true)
    };
    let mut clusters = entries("clusters");
    clusters.retain(|entry| is_its(entry, "cluster"));
    let mut users = entries("users");
    users.retain(|entry| is_its(entry, "user"));
    let (its, others): (Vec<_>, Vec<_>) = entries("contexts").into_iter().partition(|context| {
        let mut clusters = clusters.iter();
        clusters.any(|cluster| cluster["name"] == context["context"]["cluster"])
    });
    for other in others {
        let mut users = users.iter();
        assert!(
            users.all(|user| user["name"] != other["context"]["user"]),
            "{other} leads to an administrator's user"
        );
    }
    [clusters, users, its].concat()
}

/// Adds entries in front of those of a kubeconfig's section.
fn add(text: &str, section: &str, entry: &Value) -> String {
    let list = format!("{section}:\n");
    assert!(text.contains(&list), "{text}");
    text.replacen(&list, &format!("{list}- {entry}\n"), 1)
}

fn write(test_env: &TestEnv, text: &str) {
    fs::write(test_env.kubeconfig(), text).expect("written");
}

/// A user as az and kubelogin write it.
fn of_az(name: &str) -> Value {
    let args = [
        "get-token",
        "--login",
        "azurecli",
        "--server-id",
        azure_sim::AKS_SERVER_APP,
    ];
    let exec = json!({
        "apiVersion": "client.authentication.k8s.io/v1beta1", "command": "kubelogin", "args": args,
    });
    json!({"name": name, "user": {"exec": exec}})
}

#[test]
fn no_other_command_changes_the_entries_or_shows_the_key() {
    let test_env = test_env(2);
    let cluster = &clusters(&test_env)[0];
    let shows_nothing = |ran: &Ran, secrets: &[String]| {
        assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
        for secret in secrets {
            let shown = [&ran.stdout, &ran.stderr];
            assert!(
                shown.iter().all(|text| !text.contains(secret.as_str())),
                "an administrator's key is shown"
            );
        }
    };
    assert_eq!(sync(&test_env, &[]).code, 0);
    let first = test_env.kubeconfig_text();
    test_env
        .simulator
        .change(&cluster.id, &Change::RotateCa { etag: true });
    let plan = sync(&test_env, &["--dry-run", "-o", "diff"]);
    let done = sync(&test_env, &["-o", "diff"]);
    assert!(plan.stdout.contains("[redacted]"), "{}", plan.stdout);
    let second = test_env.kubeconfig_text();
    let secrets = [keys(&first), keys(&second)].concat();
    let undo = || run(&mut test_env.aad(&["undo", "-o", "diff"]));
    let undone = undo();
    assert_eq!(test_env.kubeconfig_text(), first);
    for ran in [plan, done, undone, undo()] {
        shows_nothing(&ran, &secrets);
    }
    assert_eq!(test_env.kubeconfig_text(), second);

    let before = administrators(&second);
    let template = ["--context-name", "{resource_group}-{name}", "-o", "diff"];
    let syncs: [&[&str]; 5] = [
        &["--dry-run", "-o", "diff"],
        &["-o", "diff"],
        &template,
        &["--adopt", "--ca-files", "-o", "diff"],
        &["--dry-run", "-o", "json"],
    ];
    let mut all: Vec<Ran> = Vec::new();
    for args in syncs {
        all.push(run(&mut test_env.sync(args)));
        assert_eq!(administrators(&test_env.kubeconfig_text()), before);
    }
    all.push(test_env.convert(&[
        "-l",
        "devicecode",
        "--environment",
        "AzurePublicCloud",
        "-o",
        "diff",
    ]));
    assert_eq!(administrators(&test_env.kubeconfig_text()), before);
    for _ in 0..2 {
        all.push(undo());
        assert_eq!(administrators(&test_env.kubeconfig_text()), before);
    }
    for ran in &all {
        shows_nothing(ran, &secrets);
    }
}

#[test]
fn contexts_of_others_at_the_administrators_entries_are_not_taken_over() {
    let test_env = test_env(1);
    let name = clusters(&test_env)[0].name.clone();
    let admin = format!("{name}-admin");
    assert_eq!(sync(&test_env, &[]).code, 0);
    let text = test_env.kubeconfig_text();
    let server = &entry(&text, "clusters", &admin)["cluster"]["server"];
    let cluster = json!({"name": name, "cluster": {"server": server}});
    let context = |name: &str, cluster: &str, user: &str| json!({"name": name, "context": {"cluster": cluster, "user": user}});
    // One of az, one that a person led to the administrator's address, and one that uses the administrator's user.
    let mine = context("mine", &admin, "clusterUser_rg_one");
    let mixed = context("mixed", &name, &admin);
    let text = add(&text, "clusters", &cluster);
    let text = add(&text, "users", &of_az("clusterUser_rg_one"));
    let text = [&mine, &mixed, &context(&name, &name, "clusterUser_rg_one")]
        .into_iter()
        .fold(text, |text, entry| add(&text, "contexts", entry));
    write(&test_env, &text);
    let report = run(&mut test_env.sync(&["--adopt", "-o", "json"])).json(0);
    assert_eq!(report["clusters"][0]["action"], "adopted", "{report}");
    assert_eq!(report["clusters"][0]["context"], *name, "{report}");
    let new = test_env.kubeconfig_text();
    for (section, of) in [
        ("clusters", &admin[..]),
        ("users", &admin),
        ("contexts", &admin),
        ("contexts", "mine"),
        ("contexts", "mixed"),
        ("users", "clusterUser_rg_one"),
    ] {
        assert_eq!(entry(&new, section, of), entry(&text, section, of), "{of}");
    }
    let left = report["notAdopted"].as_array().expect("a list").iter();
    let left: Vec<_> = left.map(|one| &one["context"]).collect();
    assert_eq!(left, ["mixed"], "{report}");
    let ran = sync(&test_env, &["--adopt", "-o", "json"]).json(0);
    assert_eq!(ran["clusters"][0]["action"], "unchanged", "{ran}");
    assert_eq!(ran["clusters"][0]["context"], *admin, "{ran}");
    assert_eq!(test_env.kubeconfig_text(), new);
}

#[test]
fn a_cluster_without_entra_id_gets_a_user_of_its_own_beside_the_administrators() {
    let test_env = test_env(1);
    let cluster = clusters(&test_env)[0].clone();
    let local = Change::SignIn(ClusterAuth::Local);
    test_env.simulator.change(&cluster.id, &local);
    assert_eq!(sync(&test_env, &[]).code, 0);
    let text = test_env.kubeconfig_text();
    let before = administrators(&text);
    let user = entry(&text, "users", &format!("{}-admin", cluster.name)).to_string();
    let of_people = ["--local-accounts", "-o", "diff"];
    for without_user in [false, true] {
        let ran = run(&mut test_env.sync(&of_people));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let new = test_env.kubeconfig_text();
        let context = entry(&new, "contexts", &cluster.name);
        assert_eq!(context["context"]["user"], *cluster.name);
        if without_user {
            assert!(entry(&new, "users", &format!("{}-admin", cluster.name)).is_null());
            break;
        }
        assert_eq!(administrators(&new), before, "{user}");
        for secret in keys(&new) {
            assert!(!ran.stdout.contains(&secret), "a key is shown");
        }
        // A person removes both users: the context of the administrator is nobody else's.
        let mut config: Value = serde_saphyr::from_str(&new).expect("YAML");
        config["users"] = json!([]);
        write(&test_env, &config.to_string());
    }
}

#[test]
fn certificate_authorities_in_files_stay_while_the_administrators_entries_name_them() {
    let test_env = test_env(1);
    let cluster = clusters(&test_env)[0].clone();
    assert_eq!(sync(&test_env, &["--ca-files"]).code, 0);
    let before = administrators(&test_env.kubeconfig_text());
    let path = before[0]["cluster"]["certificate-authority"].as_str();
    let path = test_env.path(".kube").join(path.expect("a file"));
    let held = fs::read(&path).expect("there");
    test_env
        .simulator
        .change(&cluster.id, &Change::RotateCa { etag: true });
    for args in [
        &["--ca-files"][..],
        &["--refresh"],
        &["--adopt", "--ca-files"],
    ] {
        let ran = run(&mut test_env.sync(args));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert_eq!(administrators(&test_env.kubeconfig_text()), before);
        assert_eq!(fs::read(&path).expect("still there"), held);
    }
}

#[test]
fn a_persons_context_gets_the_name_of_the_template_whoever_comes_first() {
    let template = ["--context-name", "{resource_group}-{name}"];
    let names = |admin_first: bool| {
        let test_env = test_env(1);
        let of_people = || run(&mut test_env.sync(&template)).code;
        let of_administrators = || sync(&test_env, &template).code;
        match admin_first {
            true => assert_eq!([of_administrators(), of_people()], [0, 0]),
            false => assert_eq!([of_people(), of_administrators()], [0, 0]),
        }
        let list = run(&mut test_env.aad(&["list", "-e", CLOUD, "-o", "json"])).json(0);
        let row = &list["clusters"][0];
        let name = format!(
            "{}-{}",
            row["resourceGroup"]
                .as_str()
                .expect("a group")
                .to_lowercase(),
            row["name"].as_str().expect("a name")
        );
        assert_eq!(row["context"], *name);
        assert_eq!(row["adminContext"], format!("{name}-admin"));
        // What a template of the administrator's own says is the name.
        assert_eq!(sync(&test_env, &["--context-name", "Admin.{name}"]).code, 0);
        let list = run(&mut test_env.aad(&["list", "-e", CLOUD, "-o", "json"])).json(0);
        let row = &list["clusters"][0];
        assert_eq!(row["context"], *name);
        let cluster = row["name"].as_str().expect("a name");
        assert_eq!(row["adminContext"], format!("Admin.{cluster}"));
    };
    names(true);
    names(false);
}
