//! The real kubelogin, in every mode that it has.

use super::{Home, peer};
use crate::client::{Call, start};
use crate::developer_tools::Tools;
use azure_sim::chromium::Chromium;
use azure_sim::{
    AKS_CLIENT_APP, AKS_SERVER_APP, Endpoint, Fleet, FleetSpec, Place, SignIn, Simulator,
};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const FLEET: FleetSpec = FleetSpec {
    own_cas: false,
    regions: 1,
    seed: 1,
    tenants: 1,
    subscriptions: 1,
    clusters: 2,
    local_accounts: 0.0,
    private: 0.0,
    stopped: 0.0,
    failed: 0.0,
    same_name: 0.0,
    azure_format: 0.0,
    legacy: 0.0,
};

/// A kubelogin and its simulator.
struct Bench {
    simulator: Simulator,
    home: Home,
    kubelogin: PathBuf,
}

impl Bench {
    fn new() -> Option<Self> {
        let kubelogin = peer("kubelogin")?;
        let simulator = start(FLEET);
        let home = Home::new(&simulator);
        Some(Bench {
            simulator,
            home,
            kubelogin,
        })
    }

    fn tenant(&self) -> String {
        self.simulator.fleet().tenants[0].id.clone()
    }

    fn place(&mut self, place: Place) {
        let files = self
            .simulator
            .write_files(self.home.path())
            .expect("the files are written");
        for (name, value) in self.simulator.env_for(place, &files) {
            self.home.set(&name, &value);
        }
    }

    fn command(&self, mode: &str, args: &[&str]) -> Command {
        let mut command = self.home.command(&self.kubelogin);
        command.args(["get-token", "--login", mode, "--server-id", AKS_SERVER_APP]);
        command.args([
            "--authority-host",
            &self.simulator.authority_url(),
            "--disable-instance-discovery",
        ]);
        // A home directory for each call: kubelogin would use tokens of earlier ones.
        let home = self.home.path().join(uuid::Uuid::new_v4().to_string());
        std::fs::create_dir(&home).expect("a directory");
        command
            .env("HOME", &home)
            .arg("--cache-dir")
            .arg(home.join("cache"));
        command.args(args);
        command
    }

    /// The claims of the token that a mode gets.
    fn claims(&self, mode: &str, args: &[&str]) -> Value {
        let token = self.token(mode, args);
        self.simulator.claims(&token).expect("the token verifies")
    }

    fn token(&self, mode: &str, args: &[&str]) -> String {
        let output = self.command(mode, args).output().expect("kubelogin starts");
        token_of(&output)
    }
}

fn token_of(output: &std::process::Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "kubelogin: {stderr}");
    let credential: Value = serde_json::from_slice(&output.stdout).expect("an ExecCredential");
    credential["status"]["token"]
        .as_str()
        .expect("a token")
        .to_owned()
}

#[test]
fn kubelogin_signs_in_with_a_secret_new_and_legacy() {
    let Some(bench) = Bench::new() else { return };
    let principal = bench.simulator.fleet().service_principals[0].clone();
    let args = [
        "--client-id",
        &principal.client_id,
        "--client-secret",
        principal.secret(),
        "--tenant-id",
        &principal.tenant_id,
    ];
    let claims = bench.claims("spn", &args);
    assert_eq!(
        (claims["aud"].as_str(), claims["oid"].as_str()),
        (Some(AKS_SERVER_APP), Some(principal.oid.as_str()))
    );
    let legacy = bench.claims("spn", &[&args[..], &["--legacy"]].concat());
    assert_eq!(legacy["aud"], format!("spn:{AKS_SERVER_APP}"));

    let wrong = [
        "--client-id",
        &principal.client_id,
        "--client-secret",
        "wrong",
        "--tenant-id",
        &principal.tenant_id,
    ];
    let refused = bench
        .command("spn", &wrong)
        .output()
        .expect("kubelogin starts");
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("AADSTS7000215"));
}

/// Makes a key, a certificate and PKCS#12 files with the real openssl.
fn openssl(directory: &Path) -> Option<()> {
    let openssl = peer("openssl")?;
    let run = |args: &[&str]| {
        let output = Command::new(&openssl)
            .args(args)
            .current_dir(directory)
            .output()
            .expect("openssl starts");
        assert!(
            output.status.success(),
            "openssl {args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    };
    run(&[
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "cert.pem",
        "-days", "30", "-subj", "/CN=app",
    ]);
    let mut both = std::fs::read(directory.join("key.pem")).expect("the key");
    both.extend(std::fs::read(directory.join("cert.pem")).expect("the certificate"));
    std::fs::write(directory.join("both.pem"), both).expect("the file is written");
    run(&[
        "pkcs12",
        "-export",
        "-legacy",
        "-inkey",
        "key.pem",
        "-in",
        "cert.pem",
        "-out",
        "app.pfx",
        "-passout",
        "pass:hunter2",
    ]);
    Some(())
}

#[test]
fn kubelogin_signs_in_with_a_certificate_of_either_form() {
    let Some(bench) = Bench::new() else { return };
    let Some(()) = openssl(bench.home.path()) else {
        return;
    };
    let principal = bench.simulator.fleet().service_principals[0].clone();
    let common = [
        "--client-id",
        principal.client_id.as_str(),
        "--tenant-id",
        &principal.tenant_id,
    ];
    let with = |more: &[&str]| bench.claims("spn", &[&common[..], more].concat())["aud"].clone();
    assert_eq!(with(&["--client-certificate", "both.pem"]), AKS_SERVER_APP);
    assert_eq!(
        with(&[
            "--client-certificate",
            "app.pfx",
            "--client-certificate-password",
            "hunter2"
        ]),
        AKS_SERVER_APP
    );
    let legacy = with(&[
        "--client-certificate",
        "app.pfx",
        "--client-certificate-password",
        "hunter2",
        "--legacy",
    ]);
    assert_eq!(legacy, format!("spn:{AKS_SERVER_APP}"));
}

#[test]
fn kubelogin_signs_in_with_a_device_code_new_and_legacy() {
    let Some(bench) = Bench::new() else { return };
    let upn = bench.simulator.fleet().users[0].upn.clone();
    bench.simulator.configure(|s| {
        s.device_interval = 1;
        s.device_auto_approve = Some((2, upn.clone()));
    });
    let tenant = bench.tenant();
    let args = ["--client-id", AKS_CLIENT_APP, "--tenant-id", &tenant];
    let claims = bench.claims("devicecode", &args);
    assert_eq!(
        (claims["aud"].as_str(), claims["upn"].as_str()),
        (Some(AKS_SERVER_APP), Some(upn.as_str()))
    );
    let polls = bench
        .simulator
        .counters()
        .tokens("urn:ietf:params:oauth:grant-type:device_code");
    assert!(polls >= 2, "{polls} polls");
    let legacy = bench.claims("devicecode", &[&args[..], &["--legacy"]].concat());
    assert_eq!(legacy["aud"], format!("spn:{AKS_SERVER_APP}"));
}

#[test]
fn kubelogin_shows_a_declined_device_code() {
    let Some(bench) = Bench::new() else { return };
    bench.simulator.configure(|s| s.device_interval = 1);
    let tenant = bench.tenant();
    let child = bench
        .command(
            "devicecode",
            &["--client-id", AKS_CLIENT_APP, "--tenant-id", &tenant],
        )
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("kubelogin starts");
    let code = bench.simulator.wait_for_user_code(Duration::from_secs(30));
    assert!(bench.simulator.decline_device(&code));
    let output = child.wait_with_output().expect("kubelogin ends");
    assert!(!output.status.success());
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        stderr.contains(&code) && stderr.contains("RESPONSE 400"),
        "{stderr}"
    );
}

#[test]
fn kubelogin_signs_in_with_a_password() {
    let Some(bench) = Bench::new() else { return };
    let user = bench.simulator.fleet().users[0].clone();
    let tenant = bench.tenant();
    let args = [
        "--client-id",
        AKS_CLIENT_APP,
        "--tenant-id",
        &tenant,
        "--username",
        &user.upn,
        "--password",
        &user.password,
    ];
    assert_eq!(bench.claims("ropc", &args)["upn"], user.upn.as_str());
    assert_eq!(bench.simulator.counters().get(Endpoint::UserRealm), 1);
}

#[test]
fn kubelogin_federates_from_a_file_github_and_pipelines() {
    let Some(mut bench) = Bench::new() else {
        return;
    };
    let principal = bench.simulator.fleet().service_principals[0].clone();
    let assertion = bench
        .simulator
        .workload_identity_token("https://oidc.example/", "system:serviceaccount:ns:app");
    std::fs::write(bench.home.path().join("token"), assertion).expect("the file is written");
    let common = [
        "--client-id",
        principal.client_id.as_str(),
        "--tenant-id",
        &principal.tenant_id,
    ];
    let from_file = bench.claims(
        "workloadidentity",
        &[&common[..], &["--federated-token-file", "token"]].concat(),
    );
    assert_eq!(from_file["oid"], principal.oid.as_str());
    bench.place(Place::GitHubActions);
    assert_eq!(
        bench.claims("workloadidentity", &common)["oid"],
        principal.oid.as_str()
    );
    assert_eq!(bench.simulator.counters().get(Endpoint::GitHubOidc), 1);
    bench.place(Place::AzurePipelines);
    let pipelines = bench.claims(
        "azurepipelines",
        &[
            &common[..],
            &["--azure-pipelines-service-connection-id", "connection"],
        ]
        .concat(),
    );
    assert_eq!(pipelines["oid"], principal.oid.as_str());
    assert_eq!(bench.simulator.counters().get(Endpoint::PipelinesOidc), 1);
}

#[test]
fn kubelogin_finds_the_managed_identity_of_every_platform() {
    for place in [
        Place::VirtualMachine,
        Place::AppService,
        Place::ServiceFabric,
        Place::CloudShell,
        Place::AzureMl,
    ] {
        let Some(mut bench) = Bench::new() else {
            return;
        };
        bench.place(place);
        if place == Place::VirtualMachine {
            // kubelogin has a fixed address for IMDS, but uses a proxy for it.
            bench.home.set("HTTP_PROXY", &bench.simulator.imds_url());
        }
        if place == Place::ServiceFabric {
            // kubelogin ignores the thumbprint, so the certificate has to be trusted.
            let roots = bench.home.path().join("fabric.pem");
            let both = bench.simulator.service_fabric_pem() + &bench.simulator.ca_pem();
            std::fs::write(&roots, both).expect("the file is written");
            bench
                .home
                .set("SSL_CERT_FILE", &roots.display().to_string());
        }
        let identities = bench.simulator.fleet().managed_identities;
        if place == Place::AzureMl {
            // Azure ML's endpoint requires a client id.
            bench
                .home
                .set("DEFAULT_IDENTITY_CLIENT_ID", &identities[1].client_id);
        }
        let oid = bench.claims("msi", &[])["oid"]
            .as_str()
            .expect("an object id")
            .to_owned();
        let expected = match place {
            Place::CloudShell => bench.simulator.fleet().users[0].oid.clone(),
            Place::AzureMl => identities[1].object_id.clone(),
            _ => identities[0].object_id.clone(),
        };
        assert_eq!(oid, expected, "{place:?}");
        if matches!(place, Place::VirtualMachine | Place::AppService) {
            let by_client = bench.claims("msi", &["--client-id", &identities[1].client_id]);
            assert_eq!(
                by_client["oid"],
                identities[1].object_id.as_str(),
                "{place:?}"
            );
            let by_resource = bench.claims(
                "msi",
                &["--identity-resource-id", &identities[1].resource_id],
            );
            assert_eq!(
                by_resource["oid"],
                identities[1].object_id.as_str(),
                "{place:?}"
            );
        }
    }
}

#[test]
fn kubelogin_answers_arcs_challenge() {
    let Some(mut bench) = Bench::new() else {
        return;
    };
    // Clients take key files from the agent's own directory only.
    let directory = Path::new("/var/opt/azcmagent/tokens");
    if std::fs::create_dir_all(directory).is_err() {
        eprintln!("not shown: {} cannot be made", directory.display());
        return;
    }
    bench.place(Place::Arc);
    let system = bench.simulator.fleet().managed_identities[0]
        .object_id
        .clone();
    assert_eq!(bench.claims("msi", &[])["oid"], system.as_str());
    assert_eq!(bench.simulator.counters().get(Endpoint::Arc), 2);
}

#[test]
fn kubelogin_runs_the_stand_ins_for_az_and_azd() {
    let Some(mut bench) = Bench::new() else {
        return;
    };
    let tools = Tools::new(&bench.simulator);
    for (name, value) in tools.environment() {
        bench.home.set(name, &value);
    }
    bench
        .home
        .set("PATH", &format!("{}:/usr/bin:/bin", tools.path().display()));
    let upn = bench.simulator.fleet().users[0].upn.clone();
    assert!(tools.run("az", "login").status.success());
    assert!(tools.run("azd", "auth login").status.success());
    assert_eq!(bench.claims("azurecli", &[])["upn"], upn.as_str());
    assert_eq!(
        bench.claims("azd", &["--tenant-id", &bench.tenant()])["upn"],
        upn.as_str()
    );
    assert!(tools.run("az", "logout").status.success());
    let refused = bench
        .command("azurecli", &[])
        .output()
        .expect("kubelogin starts");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("az login"));
}

#[test]
fn kubelogins_proof_of_possession_opens_the_cluster_it_names_only() {
    let Some(bench) = Bench::new() else { return };
    let fleet = bench.simulator.fleet();
    let principal = fleet.service_principals[0].clone();
    let user = fleet.users[0].clone();
    let claim = format!("u={}", fleet.clusters[0].id);
    let pop = [
        "--pop-enabled",
        "--pop-claims",
        &claim,
        "--tenant-id",
        &principal.tenant_id,
    ];
    let by_secret = [
        "--client-id",
        principal.client_id.as_str(),
        "--client-secret",
        principal.secret(),
    ];
    let by_password = [
        "--client-id",
        AKS_CLIENT_APP,
        "--username",
        &user.upn,
        "--password",
        &user.password,
    ];
    for (mode, credential) in [("spn", &by_secret[..]), ("ropc", &by_password[..])] {
        let proof = bench.token(mode, &[&pop[..], credential].concat());
        let open = |index: usize| {
            let url = format!(
                "{}/clusters/{}/version",
                bench.simulator.kubernetes_url(),
                fleet.clusters[index].uid
            );
            Call::new(&bench.simulator, "GET", &url)
                .bearer(&proof)
                .send()
                .status
        };
        assert_eq!((open(0), open(1)), (200, 401), "{mode}");
        bench.simulator.configure(|s| s.clock_offset = 16 * 60);
        assert_eq!(open(0), 401, "{mode}: a proof is good for 15 minutes");
        bench.simulator.configure(|s| s.clock_offset = 0);
    }
}

/// A sign-in in a browser, begun by kubelogin.
struct BrowserSignIn {
    bench: Bench,
    kubelogin: Child,
    url: String,
}

impl BrowserSignIn {
    /// Starts kubelogin with a browser that writes the address to a file, and reads it.
    fn start(args: &[&str]) -> Option<Self> {
        let mut bench = Bench::new()?;
        let file = bench.home.path().join("opened");
        let script = bench.home.path().join("xdg-open");
        let text = format!("#!/bin/sh\necho \"$1\" > {}\n", file.display());
        std::fs::write(&script, text).expect("the script is written");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&script, mode).expect("the script can be run");
        bench.home.set(
            "PATH",
            &format!("{}:/usr/bin:/bin", bench.home.path().display()),
        );
        let (user, tenant) = (bench.simulator.fleet().users[0].upn.clone(), bench.tenant());
        let kubelogin = bench
            .command(
                "interactive",
                &[
                    "--client-id",
                    AKS_CLIENT_APP,
                    "--tenant-id",
                    &tenant,
                    "--login-hint",
                    &user,
                ],
            )
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("kubelogin starts");
        let end = Instant::now() + Duration::from_secs(30);
        let url = loop {
            match std::fs::read_to_string(&file) {
                Ok(url) if url.ends_with('\n') => break url.trim().to_owned(),
                _ => assert!(Instant::now() < end, "kubelogin opened no browser"),
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        Some(BrowserSignIn {
            bench,
            kubelogin,
            url,
        })
    }

    /// Signs the first user in without showing the page, and returns the token.
    fn walk(self) -> (Bench, String) {
        let simulator = &self.bench.simulator;
        let upn = simulator.fleet().users[0].upn.clone();
        simulator.configure(|s| s.sign_in = SignIn::As(upn));
        let page = Call::new(simulator, "GET", &self.url).send();
        let fields = inputs(&page.body);
        let fields: Vec<(&str, &str)> = fields
            .iter()
            .map(|(k, v)| (k.as_str(), v.as_str()))
            .collect();
        let redirect = url::Url::parse(&self.url).expect("a URL");
        let redirect = redirect
            .query_pairs()
            .find(|(k, _)| k == "redirect_uri")
            .expect("a redirect URI")
            .1
            .into_owned();
        let ended = Call::new(simulator, "POST", &redirect).form(&fields).send();
        assert_eq!(ended.status, 200, "{}", ended.body);
        let token = token_of(&self.kubelogin.wait_with_output().expect("kubelogin ends"));
        (self.bench, token)
    }
}

#[test]
fn kubelogin_signs_in_through_a_browser() {
    let Some(sign_in) = BrowserSignIn::start(&[]) else {
        return;
    };
    assert!(sign_in.url.contains("login_hint="), "{}", sign_in.url);
    let (bench, token) = sign_in.walk();
    let upn = bench.simulator.fleet().users[0].upn.clone();
    assert_eq!(
        bench.simulator.claims(&token).expect("the token verifies")["upn"],
        upn.as_str()
    );
    assert_eq!(bench.simulator.counters().tokens("authorization_code"), 1);
}

#[test]
fn kubelogin_signs_in_through_a_browser_with_proof_of_possession() {
    let cluster = Fleet::generate(&FLEET).clusters[0].clone();
    let claim = format!("u={}", cluster.id);
    let Some(sign_in) = BrowserSignIn::start(&["--pop-enabled", "--pop-claims", &claim]) else {
        return;
    };
    let (bench, proof) = sign_in.walk();
    let url = format!(
        "{}/clusters/{}/version",
        bench.simulator.kubernetes_url(),
        cluster.uid
    );
    assert_eq!(
        Call::new(&bench.simulator, "GET", &url)
            .bearer(&proof)
            .send()
            .status,
        200
    );
}

#[test]
fn somebody_signs_in_for_kubelogin_in_a_real_chromium() {
    let Some(chromium) = peer("chromium") else {
        return;
    };
    let Some(sign_in) = BrowserSignIn::start(&[]) else {
        return;
    };
    let user = sign_in.bench.simulator.fleet().users[0].clone();
    let directory = tempfile::tempdir().expect("a directory");
    let mut browser = Chromium::start(&chromium, directory.path()).expect("chromium starts");
    browser.open(&sign_in.url).expect("the page opens");
    browser
        .fill("password", "wrong")
        .expect("the page has a password field");
    assert_eq!(
        browser
            .evaluate("document.getElementById('username').value")
            .expect("a value"),
        user.upn.as_str()
    );
    browser.click("submit").expect("the form is sent");
    browser
        .wait_until(
            "document.getElementById('error') !== null",
            Duration::from_secs(30),
        )
        .expect("a complaint");
    browser
        .fill("password", &user.password)
        .expect("the page has a password field");
    browser.click("submit").expect("the form is sent");
    browser
        .wait_until(
            "document.body.innerText.includes('Authentication complete')",
            Duration::from_secs(30),
        )
        .expect("kubelogin's page");
    let token = token_of(
        &sign_in
            .kubelogin
            .wait_with_output()
            .expect("kubelogin ends"),
    );
    assert_eq!(
        sign_in
            .bench
            .simulator
            .claims(&token)
            .expect("the token verifies")["upn"],
        user.upn.as_str()
    );
}

#[test]
fn kubelogin_reports_a_sign_in_that_is_canceled_in_a_real_chromium() {
    let Some(chromium) = peer("chromium") else {
        return;
    };
    let Some(sign_in) = BrowserSignIn::start(&[]) else {
        return;
    };
    let directory = tempfile::tempdir().expect("a directory");
    let mut browser = Chromium::start(&chromium, directory.path()).expect("chromium starts");
    browser.open(&sign_in.url).expect("the page opens");
    browser
        .click("cancel")
        .expect("the page has a cancel button");
    let output = sign_in
        .kubelogin
        .wait_with_output()
        .expect("kubelogin ends");
    assert!(!output.status.success());
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("user canceled the authentication"),
        "{output:?}"
    );
}

/// The hidden fields of a form that submits itself.
fn inputs(page: &str) -> Vec<(String, String)> {
    let attribute = |tag: &str, name: &str| {
        let rest = tag.split_once(&format!("{name}=\""))?.1;
        Some(rest.split_once('"')?.0.replace("&amp;", "&"))
    };
    page.split("<input ")
        .skip(1)
        .filter_map(|tag| Some((attribute(tag, "name")?, attribute(tag, "value")?)))
        .collect()
}
