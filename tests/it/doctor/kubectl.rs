//! Faults of kubectl itself.

use std::fs;

use super::fault::Machine;

#[test]
fn aad001_kubectl_is_missing() {
    let mut machine = Machine::without("AAD001");
    machine.remove_kubectl();
    machine.finding(&["no directory of the `PATH` has a `kubectl`"]);
    let place = machine.env.path("bin");
    fs::create_dir(&place).expect("made");
    machine.install_kubectl(1, 35);
    let script = machine.env.bin("kubectl");
    fs::rename(script, place.join("kubectl")).expect("moved");
    machine.follow_and_check(&["add it"]);
}

#[test]
fn aad006_kubectl_is_too_old() {
    let machine = Machine::without("AAD006");
    machine.install_kubectl(1, 21);
    machine.finding(&["is kubectl v1.21.0", "az aks install-cli"]);
    machine.install_kubectl(1, 22);
    assert!(machine.findings().is_empty());
}
