//! Faults of `az`, `azd`, their accounts, managed identities and the browser.

use std::{fs, path::Path};

use azure_sim::Place;

use super::fault::{Entry, Machine, OURS, texts};

const BY_AZ: Entry<'_> = Entry {
    args: &["-l", "azurecli"],
    ..OURS
};

#[test]
fn aad020_az_is_missing() {
    let mut machine = Machine::without("AAD020");
    let az = machine.env.bin("az");
    let target = fs::read_link(&az).expect("a link");
    fs::remove_file(&az).expect("installed");
    machine.finding(&[
        "`az` is not on the `PATH`; `kubectl aad sync` needs it",
        "https://aka.ms/azure-cli",
        "kubectl aad sync -l devicecode",
    ]);
    machine.sign_in_by(&BY_AZ);
    machine.finding(&["the context `x` needs it"]);
    fs::copy(target, &az).expect("copied");
    let mode = |mode| fs::set_permissions(&az, std::os::unix::fs::PermissionsExt::from_mode(mode));
    mode(0o644).expect("ours");
    machine.follow_and_check(&["exists, but may not be executed", "chmod +x"]);
}

#[test]
fn aad020_az_is_not_missed_by_who_does_not_need_it() {
    let machine = Machine::without("AAD020");
    fs::remove_file(machine.env.bin("az")).expect("installed");
    machine.sign_in_by(&Entry {
        args: &["-l", "devicecode"],
        ..OURS
    });
    assert!(machine.findings().is_empty());
}

#[test]
fn aad020_several_contexts_need_az() {
    let machine = Machine::without("AAD020");
    fs::remove_file(machine.env.bin("az")).expect("installed");
    machine.sign_in_by(&BY_AZ);
    let text = machine.env.kubeconfig_text();
    let mut config: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let mut other = config["contexts"][0].clone();
    other["name"] = "y".into();
    let contexts = config["contexts"].as_array_mut().expect("a list");
    contexts.push(other);
    machine.write_kubeconfig(config.to_string());
    machine.finding(&["the contexts `x` and `y` need it"]);
}

#[test]
fn aad020_signing_in_in_another_mode_needs_no_az() {
    let mut machine = Machine::without("AAD020");
    fs::remove_file(machine.env.bin("az")).expect("installed");
    machine.follow_and_check(&["kubectl aad sync -l devicecode --environment AzureStackCloud"]);
}

#[test]
fn aad021_az_of_a_snap_and_of_windows_has_its_account_elsewhere() {
    let mut machine = Machine::without("AAD021");
    let profile = machine.env.path(".azure");
    let script = "#!/bin/sh\nexit 1\n";
    machine.env.install_script("snap", script);
    machine.env.install("az", &machine.env.bin("snap"));
    assert!(machine.findings().is_empty(), "its account is here");
    fs::remove_dir_all(&profile).expect("ours");
    machine.finding(&["az` is a snap", "has no account of it", "az login"]);

    let _ = fs::remove_file(machine.env.bin("az"));
    machine.env.install_script("az", script);
    machine.env.install_script("az.cmd", "");
    assert!(machine.findings().is_empty(), "this is not WSL");
    machine.set("WSL_DISTRO_NAME", "Debian");
    machine.finding(&["is the az of Windows"]);
}

#[test]
fn aad022_nobody_is_signed_in_to_az() {
    let mut machine = Machine::without("AAD022");
    machine.set("HOME", "");
    assert!(
        machine.findings().is_empty(),
        "az finds its files without it"
    );
    machine.variables.clear();
    machine.env.az(&["account", "clear"]);
    machine.follow_and_check(&[
        "nobody is signed in to `az` in the cloud `Simulated`",
        "az login",
    ]);
    // An entry names its own account.
    machine.sign_in_by(&Entry {
        variables: &[("AZURE_CONFIG_DIR", "~/other az")],
        ..BY_AZ
    });
    let finding = machine.finding(&["the context `x` needs an account"]);
    let command = finding["commands"][0].as_str().expect("a command");
    assert_eq!(command, "AZURE_CONFIG_DIR='~/other az' az login");
}

#[test]
fn aad023_az_shows_an_account_that_gets_no_token() {
    let mut machine = Machine::without("AAD023");
    let cache = machine.env.path(".azure/msal_token_cache.json");
    fs::remove_file(cache).expect("az wrote it");
    assert!(machine.doctor(&["AAD022"]).code == 0);
    machine.follow_and_check(&["there is no token for `kubectl aad sync`", "az login"]);
    assert!(
        !Path::new(&machine.env.path(".kube/cache")).exists(),
        "nothing is stored"
    );
}

#[test]
fn aad024_az_is_set_to_another_cloud_than_the_clusters() {
    let mut machine = Machine::without("AAD024");
    machine.sign_in_by(&Entry {
        server: "https://x.hcp.usgovvirginia.cx.aks.containerservice.azure.us:443",
        ..BY_AZ
    });
    machine.follow_and_check(&[
        "`az` is set to the cloud `Simulated`",
        "the context `x` is in `AzureUSGovernmentCloud`",
        "az cloud set --name AzureUSGovernment",
    ]);
    machine.set("AZURE_CLOUD_NAME", "AzureCloud");
    let finding = machine.finding(&[]);
    let commands = texts(&finding["commands"]);
    let expected = ["export AZURE_CLOUD_NAME=AzureUSGovernment", "az login"];
    assert_eq!(
        commands, expected,
        "az signs in to the cloud that is wanted"
    );
    machine.set("AZURE_CLOUD_NAME", "Nonsense");
    machine.finding(&[
        "the cloud `Nonsense` of `az` is not known",
        "`AZURE_CLOUD_NAME`",
        "unset it",
    ]);
}

#[test]
fn aad025_azd_is_missing_or_has_no_account() {
    let mut machine = Machine::without("AAD025");
    machine.sign_in_by(&Entry {
        args: &["-l", "azd"],
        ..OURS
    });
    let finding = machine.finding(&[
        "`azd` is not on the `PATH`; the context `x` needs it",
        "kubectl aad convert-kubeconfig -l devicecode",
    ]);
    assert_eq!(
        texts(&finding["commands"]),
        [""; 0],
        "`sync` would leave it"
    );
    machine.env.install_azd();
    machine.follow_and_check(&["nobody is signed in to `azd`", "azd auth login"]);
}

#[test]
fn aad026_a_managed_identity_is_not_used() {
    let mut machine = Machine::without("AAD026");
    for (name, value) in machine.env.at(Place::VirtualMachine) {
        if name == "AZURE_POD_IDENTITY_AUTHORITY_HOST" {
            machine.set("AZURE_POD_IDENTITY_AUTHORITY_HOST", value);
        }
    }
    assert!(machine.findings().is_empty(), "az has an account");
    machine.env.az(&["account", "clear"]);
    let finding = machine.finding(&["kubectl aad sync -l msi --arm-login msi"]);
    assert_eq!(finding["severity"], "note");
    assert_eq!(machine.doctor(&["AAD026"]).code, 0);
    machine.follow_and_check(&["--environment AzureStackCloud"]);
}

#[test]
fn aad041_there_is_no_managed_identity_service() {
    let mut machine = Machine::without("AAD041");
    machine.sign_in_by(&Entry {
        args: &["-l", "msi"],
        ..OURS
    });
    for (name, value) in machine.env.at(Place::VirtualMachine) {
        if name == "AZURE_POD_IDENTITY_AUTHORITY_HOST" {
            machine.set("AZURE_POD_IDENTITY_AUTHORITY_HOST", value);
        }
    }
    assert!(machine.findings().is_empty(), "there is one");
    machine.set("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:1");
    machine.finding(&[
        "there is no token for the context `x`",
        "there is no managed identity service here",
    ]);
}

#[test]
fn aad027_a_desktop_has_no_program_that_opens_pages() {
    let mut machine = Machine::without("AAD027");
    machine.sign_in_by(&Entry {
        args: &["-l", "interactive", "--client-id", "c", "--tenant-id", "t"],
        ..OURS
    });
    let empty = machine.env.path("empty");
    machine.set("PATH", empty);
    machine.set("DISPLAY", ":0");
    machine.finding(&["`xdg-open`, which opens the browser, is not on the `PATH`"]);
    machine.set("WSL_DISTRO_NAME", "Debian");
    machine.finding(&["`wslview`, which opens the browser of Windows"]);
}

#[test]
fn aad027_no_browser_can_be_opened() {
    let mut machine = Machine::without("AAD027");
    machine.sign_in_by(&Entry {
        args: &["-l", "interactive", "--client-id", "c", "--tenant-id", "t"],
        ..OURS
    });
    machine.set("SSH_CONNECTION", "a 1 b 2");
    machine.finding(&["this is a connection by SSH without a display"]);
    machine.set("BROWSER", "nowhere");
    machine.finding(&["`BROWSER` names `nowhere`, which is not on the `PATH`"]);
    machine.set("BROWSER", "sh");
    assert!(machine.findings().is_empty());
    machine.set("BROWSER", "");
    machine.follow_and_check(&["kubectl aad convert-kubeconfig -l devicecode --context x"]);
}
