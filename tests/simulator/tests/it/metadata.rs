//! Managed identity endpoints and pipelines' OIDC endpoints, each with its checks.

use crate::client::{Call, Response, start, text};
use azure_sim::{AKS_SERVER_APP, FleetSpec, Simulator};

fn imds(simulator: &Simulator, query: &str) -> Call {
    let url = format!(
        "{}/metadata/identity/oauth2/token?api-version=2018-02-01&{query}",
        simulator.imds_url()
    );
    Call::new(simulator, "GET", &url)
}

fn oid(simulator: &Simulator, answer: &Response) -> String {
    assert_eq!(answer.status, 200, "{}", answer.body);
    let claims = simulator
        .claims(&text(&answer.json(), "access_token"))
        .expect("the token verifies");
    assert_eq!(claims["aud"], AKS_SERVER_APP);
    text(&claims, "oid")
}

#[test]
fn imds_wants_its_header_and_knows_its_identities() {
    let simulator = start(FleetSpec::default());
    let [system, user] = simulator
        .fleet()
        .managed_identities
        .try_into()
        .expect("two identities");
    let resource = format!("resource={AKS_SERVER_APP}");
    assert_eq!(
        imds(&simulator, &resource).send().status,
        400,
        "without the Metadata header"
    );
    let ask = |more: &str| {
        imds(&simulator, &format!("{resource}{more}"))
            .header("metadata", "true")
            .send()
    };
    assert_eq!(oid(&simulator, &ask("")), system.object_id);
    assert!(ask("").json()["expires_in"].is_string());
    assert_eq!(
        oid(&simulator, &ask(&format!("&client_id={}", user.client_id))),
        user.object_id
    );
    assert_eq!(
        oid(&simulator, &ask(&format!("&object_id={}", user.object_id))),
        user.object_id
    );
    assert_eq!(
        oid(
            &simulator,
            &ask(&format!("&msi_res_id={}", user.resource_id))
        ),
        user.object_id
    );
    let unknown = ask("&client_id=00000000-0000-4000-8000-000000000000");
    assert_eq!(
        (
            unknown.status,
            text(&unknown.json(), "error_description").as_str()
        ),
        (400, "Identity not found")
    );
    simulator.update(|fleet| fleet.managed_identities.retain(|i| !i.system));
    assert_eq!(ask("").status, 400);
}

#[test]
fn app_service_and_service_fabric_check_their_secrets() {
    let simulator = start(FleetSpec::default());
    let system = simulator.fleet().managed_identities[0].object_id.clone();
    let url = format!(
        "{}?api-version=2019-08-01&resource={AKS_SERVER_APP}",
        simulator.app_service_endpoint()
    );
    assert_eq!(Call::new(&simulator, "GET", &url).send().status, 401);
    let header = simulator.app_service_header();
    assert_eq!(
        oid(
            &simulator,
            &Call::new(&simulator, "GET", &url)
                .header("x-identity-header", &header)
                .send()
        ),
        system
    );
    let fabric = format!(
        "{}?api-version=2019-07-01-preview&resource={AKS_SERVER_APP}",
        simulator.service_fabric_endpoint()
    );
    let untrusted = Call::new(&simulator, "GET", &fabric)
        .header("secret", &header)
        .try_send();
    assert!(
        untrusted.is_err(),
        "the certificate is not the CA's: clients pin it"
    );
    assert_eq!(simulator.service_fabric_thumbprint().len(), 40);
}

#[test]
fn arc_challenges_with_a_file_that_works_once() {
    let simulator = start(FleetSpec::default());
    let directory = tempfile::tempdir().expect("a directory");
    simulator.configure(|s| s.arc_key_directory = directory.path().to_owned());
    let url = format!(
        "{}?api-version=2020-06-01&resource={AKS_SERVER_APP}",
        simulator.arc_endpoint()
    );
    let ask = || Call::new(&simulator, "GET", &url).header("metadata", "true");
    let challenge = ask().send();
    assert_eq!(challenge.status, 401);
    let file = challenge
        .header("www-authenticate")
        .and_then(|h| h.strip_prefix("Basic realm="))
        .expect("a realm")
        .to_owned();
    let key = std::fs::read_to_string(file).expect("the key file");
    let basic = format!("Basic {key}");
    assert_eq!(ask().header("authorization", &basic).send().status, 200);
    assert_eq!(
        ask().header("authorization", &basic).send().status,
        403,
        "a key works once"
    );
}

#[test]
fn cloud_shell_answers_for_the_user_and_azure_ml_by_client_id() {
    let simulator = start(FleetSpec::default());
    let shell = Call::new(&simulator, "POST", &simulator.cloud_shell_endpoint())
        .header("metadata", "true")
        .form(&[("resource", AKS_SERVER_APP)])
        .send();
    assert_eq!(oid(&simulator, &shell), simulator.fleet().users[0].oid);
    let user = simulator.fleet().managed_identities[1].clone();
    let url = format!(
        "{}?api-version=2017-09-01&resource={AKS_SERVER_APP}&clientid={}",
        simulator.azure_ml_endpoint(),
        user.client_id
    );
    let secret = simulator.azure_ml_secret();
    assert_eq!(
        oid(
            &simulator,
            &Call::new(&simulator, "GET", &url)
                .header("secret", &secret)
                .send()
        ),
        user.object_id
    );
    assert_eq!(Call::new(&simulator, "GET", &url).send().status, 401);
}

#[test]
fn pipelines_get_assertions_for_their_token_only() {
    let simulator = start(FleetSpec::default());
    let url = format!(
        "{}?api-version=7.1&serviceConnectionId=my-connection",
        simulator.pipelines_oidc_url()
    );
    let ask = |token: &str| {
        Call::new(&simulator, "POST", &url)
            .header("x-tfs-fedauthredirect", "Suppress")
            .bearer(token)
            .send()
    };
    assert!(ask(&simulator.pipelines_access_token()).json()["oidcToken"].is_string());
    assert_eq!(ask("wrong").status, 401);
    assert_eq!(
        Call::new(&simulator, "POST", &url)
            .bearer("wrong")
            .send()
            .status,
        302
    );
    let url = format!(
        "{}&audience=api://AzureADTokenExchange",
        simulator.github_oidc_url()
    );
    let github = Call::new(&simulator, "GET", &url).header(
        "authorization",
        &format!("bearer {}", simulator.github_oidc_token()),
    );
    assert!(github.send().json()["value"].is_string());
}
