//! Faults of proxies, of the way to Azure and of the clock.

use azure_sim::{Endpoint, Fault};
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc2822};

use super::fault::{Entry, Machine, OURS};

#[test]
fn aad035_a_variable_names_no_proxy() {
    let mut machine = Machine::without("AAD035");
    machine.set("HTTPS_PROXY", "http://ann:planted@pro xy:3128");
    let finding = machine.finding(&["`HTTPS_PROXY` does not name a usable proxy: it has a space"]);
    assert!(!finding.to_string().contains("planted"));
    assert!(
        !finding["advice"].to_string().contains("export"),
        "the command says it: {finding}"
    );
    machine.follow_and_check(&["unset HTTPS_PROXY"]);
}

#[test]
fn aad036_the_proxy_catches_the_metadata_service() {
    let mut machine = Machine::without("AAD036");
    machine.set("HTTP_PROXY", "http://ann:planted@127.0.0.1:9");
    machine.set("no_proxy", "localhost");
    assert!(machine.findings().is_empty(), "nobody asks there");
    let entry = Entry {
        args: &["-l", "msi"],
        ..OURS
    };
    machine.sign_in_by(&entry);
    assert!(
        machine.findings().is_empty(),
        "we never use the proxy there"
    );
    machine.sign_in_by(&Entry {
        command: "kubelogin",
        ..entry
    });
    let finding = machine.finding(&["kubelogin for the context `x`", "`HTTP_PROXY`"]);
    assert!(!finding.to_string().contains("planted"), "{finding:#}");
    machine.follow_and_check(&["export no_proxy=localhost,169.254.169.254"]);
    // What mends another fault of the list mends this one, too.
    machine.set("no_proxy", "10.*");
    let both = machine.doctor(&["AAD036", "AAD037", "-o", "json"]).json(1);
    let commands = both["findings"].as_array().expect("a list").iter();
    let commands: Vec<_> = commands.map(|finding| &finding["commands"][0]).collect();
    assert_eq!(commands, ["export no_proxy=10.0.0.0/8,169.254.169.254"; 2]);
}

#[test]
fn aad036_az_asks_the_metadata_service_for_a_managed_identity() {
    let mut machine = Machine::without("AAD036");
    machine.set("HTTP_PROXY", "http://127.0.0.1:9");
    machine.env.az(&["account", "clear"]);
    machine.env.az(&["login", "--identity"]);
    machine.follow_and_check(&[
        "az for `kubectl aad sync`",
        "export NO_PROXY=169.254.169.254",
    ]);
}

#[test]
fn aad037_parts_of_no_proxy_have_no_effect() {
    let mut machine = Machine::without("AAD037");
    machine.set(
        "NO_PROXY",
        "10.*,a.example b.example,https://c.example,.d.example",
    );
    assert!(machine.findings().is_empty(), "there is no proxy");
    machine.set("HTTPS_PROXY", "http://127.0.0.1:9");
    machine.follow_and_check(&[
        "`10.*`",
        "export NO_PROXY=10.0.0.0/8,a.example,b.example,c.example,.d.example",
    ]);
    machine.set("NO_PROXY", "*.d.example");
    machine.follow_and_check(&[
        "`NO_PROXY` has what az does not understand: `*.d.example`",
        "export NO_PROXY=.d.example",
    ]);
    machine.set("https_proxy", "http://ann:planted@127.0.0.1:8");
    let finding = machine.finding(&["`HTTPS_PROXY` and `https_proxy` differ"]);
    assert!(!finding.to_string().contains("planted"), "{finding:#}");
    machine.follow_and_check(&["export https_proxy=\\\"$HTTPS_PROXY\\\""]);
}

#[test]
fn aad039_the_clock_is_wrong() {
    let machine = Machine::without("AAD039");
    machine.env.install_script("timedatectl", "");
    for (minutes, said) in [
        (12, "the clock is 12 minutes behind"),
        (-180, "the clock is 3 hours ahead of"),
    ] {
        let theirs = OffsetDateTime::now_utc()
            + Duration::minutes(minutes)
            + Duration::seconds(20 * minutes.signum());
        let date = theirs
            .format(&Rfc2822)
            .expect("a date")
            .replace("+0000", "GMT");
        let faults = machine.env.simulator.faults();
        let fault = Fault::on(Endpoint::OpenIdConfiguration)
            .body(200, "application/json", "{}")
            .header("date", date);
        let id = faults.add(fault);
        machine.finding(&[said, "sudo timedatectl set-ntp true"]);
        faults.remove(id);
        assert!(machine.findings().is_empty());
    }
}

#[test]
fn aad040_entra_or_arm_can_not_be_reached() {
    let machine = Machine::without("AAD040");
    for (endpoint, service) in [
        (Endpoint::OpenIdConfiguration, "Entra ID can't be reached"),
        (
            Endpoint::CloudMetadata,
            "Azure Resource Manager can't be reached",
        ),
    ] {
        let faults = machine.env.simulator.faults();
        let id = faults.add(Fault::on(endpoint).reset());
        let finding = machine.finding(&[service, "https://127.0.0.1:"]);
        assert_eq!(finding["severity"], "note");
        faults.remove(id);
        assert!(machine.findings().is_empty());
    }
    // An answer of any kind shows that it can be reached.
    let fault = Fault::on(Endpoint::OpenIdConfiguration).status(404);
    machine.env.simulator.faults().add(fault);
    assert!(machine.findings().is_empty());
}

#[test]
fn the_network_is_left_alone_if_asked_to() {
    let machine = Machine::new();
    machine.env.simulator.reset();
    let ran = machine.doctor(&["--offline"]);
    assert_eq!(ran.code, 0, "{}", ran.stdout);
    assert_eq!(machine.env.simulator.counters().total(), 0);
    assert!(machine.env.simulator.tool_starts().is_empty());
    let said = "--offline leaves out AAD023, AAD026, AAD039, AAD040, AAD041";
    assert!(ran.stdout.contains(said), "{}", ran.stdout);
}
