//! The program: what it prints and writes, and its control over HTTP.

use crate::client::{Call, start, text};
use azure_sim::{AKS_CLIENT_APP, FleetSpec, Simulator};
use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Starts the program and reads the variables that it prints.
fn launch(directory: &Path) -> (Child, HashMap<String, String>) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_azure-sim"))
        .args([
            "--clusters",
            "7",
            "--subscriptions=2",
            "--tenants",
            "2",
            "--dir",
        ])
        .arg(directory)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let mut variables = HashMap::new();
    while let Some(line) = lines.next().and_then(Result::ok) {
        if let Some((name, value)) = line.strip_prefix("export ").and_then(|l| l.split_once('=')) {
            variables.insert(name.to_owned(), value.trim_matches('\'').to_owned());
        }
        if line.starts_with("# control ") {
            break;
        }
    }
    // Nobody reads further output, which must not block.
    std::thread::spawn(move || lines.for_each(drop));
    (child, variables)
}

#[test]
fn the_program_serves_until_it_is_interrupted() {
    let directory = tempfile::tempdir().expect("a directory");
    let (mut child, variables) = launch(directory.path());
    let cloud =
        std::fs::read_to_string(&variables["AZURE_ENVIRONMENT_FILEPATH"]).expect("the cloud file");
    let cloud: serde_json::Value = serde_json::from_str(&cloud).expect("JSON");
    assert_eq!(
        text(&cloud, "activeDirectoryEndpoint"),
        variables["AZURE_AUTHORITY_HOST"]
    );
    let ca = std::fs::read_to_string(&variables["SSL_CERT_FILE"]).expect("the CA file");
    assert!(ca.starts_with("-----BEGIN CERTIFICATE-----"));
    // The client of any simulator will do: the control interface is plain HTTP.
    let lender = start(FleetSpec::default());
    let identities = Call::new(
        &lender,
        "GET",
        &format!("{}/identities", variables["AZURE_SIM_CONTROL"]),
    )
    .send()
    .json();
    assert_eq!(identities["users"].as_array().map(Vec::len), Some(2));
    #[cfg(unix)]
    {
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it runs");
        assert_eq!(child.wait().expect("the program ends").code(), Some(0));
    }
    #[cfg(windows)]
    child.kill().expect("it runs");
}

#[test]
fn the_program_refuses_what_it_does_not_know() {
    let run = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_azure-sim"))
            .args(args)
            .output()
            .expect("the program starts");
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let (code, stderr) = run(&["--nonsense", "1"]);
    assert_eq!(code, Some(2));
    assert!(
        stderr.starts_with("error: unknown option `--nonsense`"),
        "{stderr}"
    );
    assert!(
        run(&["--private", "2"])
            .1
            .contains("a fraction from 0 to 1")
    );
    assert_eq!(run(&["--help"]).0, Some(0));
}

fn control(simulator: &Simulator, path: &str) -> (u16, serde_json::Value) {
    let answer = Call::new(
        simulator,
        "GET",
        &format!("{}/{path}", simulator.control_url()),
    )
    .send();
    (answer.status, answer.json())
}

#[test]
fn other_processes_control_a_simulator_over_http() {
    let simulator = start(FleetSpec::default());
    let tenant = simulator.fleet().tenants[0].id.clone();
    let device_code = |status: u16| {
        let url = format!(
            "{}{tenant}/oauth2/v2.0/devicecode",
            simulator.authority_url()
        );
        let fields = [
            ("client_id", AKS_CLIENT_APP),
            ("scope", "6dae42f8-4368-4678-94ff-3960e28e3630/.default"),
        ];
        let answer = Call::new(&simulator, "POST", &url).form(&fields).send();
        assert_eq!(answer.status, status);
        answer.json()
    };
    let user_code = text(&device_code(200), "user_code");
    assert_eq!(
        control(&simulator, "device").1["pending"][0],
        user_code.as_str()
    );
    assert_eq!(control(&simulator, "device/approve?user_code=WRONG").0, 404);
    assert_eq!(control(&simulator, "device/approve?user=nobody").0, 400);
    assert_eq!(
        control(&simulator, &format!("device/approve?user_code={user_code}")).0,
        200
    );
    assert!(simulator.pending_user_codes().is_empty());
    assert_eq!(
        control(&simulator, "counters").1["requests"]["device-code"],
        1
    );

    assert_eq!(
        control(&simulator, "fault?endpoint=device-code&status=503&times=1").0,
        200
    );
    assert_eq!(control(&simulator, "fault?endpoint=no-such-thing").0, 400);
    device_code(503);
    device_code(200);
    assert_eq!(
        control(&simulator, "requests").1.as_array().map(Vec::len),
        Some(3)
    );
    control(&simulator, "reset");
    assert_eq!(simulator.counters().total(), 0);
    assert_eq!(control(&simulator, "sign-in?outcome=perhaps").0, 400);
    assert_eq!(control(&simulator, "sign-in?outcome=cancel").0, 200);
    assert_eq!(control(&simulator, "no-such-control").0, 404);
}

#[test]
fn other_processes_change_the_fleet_over_http() {
    let simulator = start(FleetSpec::default());
    let before = simulator.fleet().clusters[0].clone();
    let change = |what: &str| {
        control(
            &simulator,
            &format!("change?cluster={}&what={what}", before.uid),
        )
        .0
    };
    assert_eq!(change("stop"), 200);
    assert_eq!(change("tag&name=team&value=search"), 200);
    assert_eq!(change("explode"), 400);
    let after = simulator.fleet().clusters[0].clone();
    assert_eq!(after.power_state.code(), "Stopped");
    assert_eq!(after.tags["team"], "search");
    assert_ne!(after.etag, before.etag);
    let listed = control(&simulator, "fleet").1;
    assert_eq!(text(&listed["clusters"][0], "eTag"), after.etag);
    assert_eq!(change("recreate"), 200);
    assert_eq!(change("start"), 404, "it has another UID now");
    let subscription = simulator.fleet().subscriptions[0].id.clone();
    let create = format!("create?subscription={subscription}&name=new");
    let made = text(&control(&simulator, &create).1, "id");
    assert_eq!(control(&simulator, &create).0, 400);
    assert_eq!(control(&simulator, "change?cluster=new&what=delete").0, 200);
    assert!(simulator.fleet().cluster(&made).is_none());
    let hide = format!("subscription?id={subscription}&hidden=true");
    assert_eq!(control(&simulator, &hide).0, 200);
    assert!(simulator.fleet().subscriptions[0].hidden);
    assert_eq!(control(&simulator, "graph?refused=perhaps").0, 400);
    assert_eq!(
        control(&simulator, "graph?refused=true&frozen=true&page=3").0,
        200
    );
    simulator.configure(|settings| {
        assert!(settings.graph.refused);
        assert_eq!(settings.graph.page, 3);
    });
}
