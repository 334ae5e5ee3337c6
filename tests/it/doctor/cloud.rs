//! Faults of the names of clouds, of a custom cloud's file and of the configuration file.

use std::{fs, os::unix::fs::PermissionsExt as _};

use super::fault::{Entry, Machine, OURS};

#[test]
fn aad047_a_cloud_is_not_known() {
    let mut machine = Machine::without("AAD047");
    let args = [
        "-l",
        "devicecode",
        "--client-id",
        "c",
        "--tenant-id",
        "t",
        "-e",
    ];
    let in_cloud = |machine: &Machine, cloud: &str| {
        machine.sign_in_by(&Entry {
            args: &[&args[..], &[cloud]].concat(),
            ..OURS
        });
    };
    in_cloud(&machine, "azureusgovernment");
    assert!(machine.findings().is_empty());
    in_cloud(&machine, "AzureUSGovernmentCluod");
    machine.follow_and_check(&[
        "`AzureUSGovernmentCluod` is not a known Azure cloud",
        "kubectl aad convert-kubeconfig --environment AzureUSGovernmentCloud --context x",
    ]);
    in_cloud(&machine, "AzureGermanCloud");
    machine.finding(&[
        "which was closed in October 2021",
        "kubectl config delete-context x",
    ]);
}

#[test]
fn aad047_the_file_of_a_custom_cloud_is_missing_or_not_safe() {
    let mut machine = Machine::without("AAD047");
    let file = machine.env.write("cloud.json", "{");
    machine.set("AZURE_ENVIRONMENT_FILEPATH", &file);
    machine.finding(&["could not read the cloud `AzureStackCloud`"]);
    let cloud = r#"{"activeDirectoryEndpoint":"http://login.example","resourceManagerEndpoint":"https://arm.example","tokenAudience":"a"}"#;
    fs::write(&file, cloud).expect("written");
    machine.finding(&["without TLS"]);
    fs::remove_file(&file).expect("written");
    machine.sign_in_by(&Entry {
        args: &["-l", "devicecode", "-e", "AzureStackCloud"],
        ..OURS
    });
    let finding = machine.finding(&["there is no such file", "unset AZURE_ENVIRONMENT_FILEPATH"]);
    machine.follow(&finding);
    machine.finding(&[
        "the context `x` can't sign in",
        "`AZURE_ENVIRONMENT_FILEPATH` is not set",
    ]);
}

#[test]
fn aad048_the_configuration_file_can_not_be_used() {
    let mut machine = Machine::without("AAD048");
    let directory = machine.env.path(".config/kubectl-aad");
    fs::create_dir_all(&directory).expect("made");
    let file = directory.join("config.yaml");
    fs::write(&file, "login: [azurecli").expect("written");
    machine.finding(&["the configuration file", "can't be used"]);
    fs::write(&file, "login: azurecli\n").expect("written");
    assert!(machine.findings().is_empty());
    fs::write(&file, "lgoin: azurecli\n").expect("written");
    machine.finding(&[
        "unknown key `lgoin`",
        "did you mean `login`?",
        "config.yaml:1",
    ]);
    fs::write(&file, "profiles:\n  work:\n    login: azurecli\n").expect("written");
    machine.set("AAD_PROFILE", "wrok");
    machine.follow_and_check(&["has no profile `wrok`", "unset AAD_PROFILE"]);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).expect("ours");
    machine.follow_and_check(&["other users may write to", "chmod go-w"]);
    machine.set("AAD_CONFIG", machine.env.path("nowhere"));
    machine.follow_and_check(&["unset AAD_CONFIG"]);
}
