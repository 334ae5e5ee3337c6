//! Entra: what each grant returns and rejects.

use crate::client::{Call, Response, aadsts, arm_scope, service_token, start, text, token};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair};
use azure_sim::{
    AKS_CLIENT_APP, AKS_SERVER_APP, AZURE_CLI_APP, CertificateTrust, Endpoint, FederatedCredential,
    FleetSpec, SignIn, Simulator,
};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use std::collections::HashMap;

const AKS_SCOPE: &str = "6dae42f8-4368-4678-94ff-3960e28e3630/.default";
const USER_SCOPE: &str =
    "6dae42f8-4368-4678-94ff-3960e28e3630/.default openid offline_access profile";

fn tenant(simulator: &Simulator, index: usize) -> String {
    simulator.fleet().tenants[index].id.clone()
}

#[test]
fn a_secret_gives_a_token_for_the_server_app_and_a_wrong_one_is_named() {
    let simulator = start(FleetSpec::default());
    let claims = simulator
        .claims(&service_token(&simulator, 0, AKS_SCOPE))
        .expect("the token verifies");
    let principal = simulator.fleet().service_principals[0].clone();
    assert_eq!(claims["aud"], AKS_SERVER_APP);
    assert_eq!(claims["tid"], principal.tenant_id.as_str());
    assert_eq!(claims["oid"], principal.oid.as_str());
    assert_eq!(
        claims["exp"]
            .as_i64()
            .zip(claims["iat"].as_i64())
            .map(|(e, i)| e - i),
        Some(3599)
    );

    let with = |client: &str, secret: &str, scope: &str| {
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_id", client),
            ("client_secret", secret),
            ("scope", scope),
        ];
        token(&simulator, &principal.tenant_id, &fields)
    };
    let wrong = with(&principal.client_id, "nope", AKS_SCOPE);
    assert_eq!((wrong.status, aadsts(&wrong)), (401, 7_000_215));
    assert_eq!(
        aadsts(&with(
            "11111111-0000-4000-8000-000000000000",
            "nope",
            AKS_SCOPE
        )),
        700_016
    );
    assert_eq!(
        aadsts(&with(
            &principal.client_id,
            principal.secret(),
            "22222222-0000-4000-8000-000000000000/.default"
        )),
        500_011
    );
    assert_eq!(
        aadsts(&with(&principal.client_id, principal.secret(), "openid")),
        1_002_012
    );
    assert_eq!(
        aadsts(&token(
            &simulator,
            "nowhere.example",
            &[("grant_type", "client_credentials")]
        )),
        90_002
    );
    assert_eq!(simulator.counters().tokens("client_credentials"), 6);
}

#[test]
fn the_v1_endpoint_speaks_in_text_and_prefixes_the_audience() {
    let simulator = start(FleetSpec::default());
    let principal = simulator.fleet().service_principals[0].clone();
    let url = format!(
        "{}{}/oauth2/token?api-version=1.0",
        simulator.authority_url(),
        principal.tenant_id
    );
    let answer = Call::new(&simulator, "POST", &url)
        .form(&[
            ("grant_type", "client_credentials"),
            ("client_id", &principal.client_id),
            ("client_secret", principal.secret()),
            ("resource", AKS_SERVER_APP),
        ])
        .send()
        .json();
    assert_eq!(answer["expires_in"], "3599");
    assert!(answer["expires_on"].is_string() && answer["not_before"].is_string());
    let claims = simulator
        .claims(&text(&answer, "access_token"))
        .expect("the token verifies");
    assert_eq!(claims["aud"], format!("spn:{AKS_SERVER_APP}"));
}

fn device_code(simulator: &Simulator, tenant: &str) -> Value {
    let url = format!(
        "{}{tenant}/oauth2/v2.0/devicecode",
        simulator.authority_url()
    );
    Call::new(simulator, "POST", &url)
        .form(&[("client_id", AZURE_CLI_APP), ("scope", USER_SCOPE)])
        .send()
        .json()
}

fn poll(simulator: &Simulator, tenant: &str, code: &str) -> Response {
    let fields = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
        ("client_id", AZURE_CLI_APP),
        ("device_code", code),
    ];
    token(simulator, tenant, &fields)
}

#[test]
fn a_device_code_is_pending_until_somebody_settles_it() {
    let simulator = start(FleetSpec::default());
    let (tenant, upn) = (
        tenant(&simulator, 0),
        simulator.fleet().users[0].upn.clone(),
    );
    let started = device_code(&simulator, &tenant);
    let code = text(&started, "device_code");
    assert!(text(&started, "message").contains(&text(&started, "user_code")));
    assert_eq!(
        (started["expires_in"].as_i64(), started["interval"].as_i64()),
        (Some(900), Some(5))
    );

    let pending = poll(&simulator, &tenant, &code);
    assert_eq!(
        (text(&pending.json(), "error").as_str(), aadsts(&pending)),
        ("authorization_pending", 70_016)
    );
    assert!(simulator.approve_device(&text(&started, "user_code"), &upn));
    let done = poll(&simulator, &tenant, &code).json();
    assert_eq!(
        simulator
            .claims(&text(&done, "access_token"))
            .expect("the token verifies")["upn"],
        upn.as_str()
    );
    assert!(done["refresh_token"].is_string() && done["id_token"].is_string());
    assert_eq!(
        text(&poll(&simulator, &tenant, &code).json(), "error"),
        "bad_verification_code"
    );

    let declined = device_code(&simulator, &tenant);
    assert!(simulator.decline_device(&text(&declined, "user_code")));
    let answer = poll(&simulator, &tenant, &text(&declined, "device_code"));
    assert_eq!(text(&answer.json(), "error"), "authorization_declined");
}

#[test]
fn a_device_code_expires_is_slowed_down_and_can_approve_itself() {
    let simulator = start(FleetSpec::default());
    let (tenant, upn) = (
        tenant(&simulator, 0),
        simulator.fleet().users[0].upn.clone(),
    );
    simulator.configure(|s| s.device_slow_down = true);
    let code = text(&device_code(&simulator, &tenant), "device_code");
    assert_eq!(
        text(&poll(&simulator, &tenant, &code).json(), "error"),
        "authorization_pending"
    );
    assert_eq!(
        text(&poll(&simulator, &tenant, &code).json(), "error"),
        "slow_down"
    );
    simulator.configure(|s| s.clock_offset = 901);
    assert_eq!(
        text(&poll(&simulator, &tenant, &code).json(), "error"),
        "expired_token"
    );

    simulator.configure(|s| {
        s.clock_offset = 0;
        s.device_slow_down = false;
        s.device_auto_approve = Some((3, upn));
    });
    let code = text(&device_code(&simulator, &tenant), "device_code");
    let statuses: Vec<u16> = (0..3)
        .map(|_| poll(&simulator, &tenant, &code).status)
        .collect();
    assert_eq!(statuses, [400, 400, 200]);
}

/// Signs the first user in with the device code flow; the answer.
fn sign_in(simulator: &Simulator, tenant: &str) -> Value {
    let started = device_code(simulator, tenant);
    assert!(simulator.approve_device(
        &text(&started, "user_code"),
        &simulator.fleet().users[0].upn
    ));
    poll(simulator, tenant, &text(&started, "device_code")).json()
}

fn refresh(simulator: &Simulator, tenant: &str, refresh_token: &str, scope: &str) -> Response {
    let fields = [
        ("grant_type", "refresh_token"),
        ("client_id", AZURE_CLI_APP),
        ("refresh_token", refresh_token),
        ("scope", scope),
    ];
    token(simulator, tenant, &fields)
}

#[test]
fn one_refresh_token_reaches_every_resource_and_tenant_of_its_user() {
    let simulator = start(FleetSpec {
        tenants: 3,
        ..FleetSpec::default()
    });
    let fleet = simulator.fleet();
    let signed_in = sign_in(&simulator, "organizations");
    let mut current = text(&signed_in, "refresh_token");
    for tenant in &fleet.tenants {
        for (scope, audience) in [
            (AKS_SCOPE.to_owned(), AKS_SERVER_APP.to_owned()),
            (arm_scope(&simulator), simulator.arm_audience()),
        ] {
            let answer = refresh(&simulator, &tenant.id, &current, &scope).json();
            let claims = simulator
                .claims(&text(&answer, "access_token"))
                .expect("the token verifies");
            assert_eq!(
                (claims["tid"].as_str(), claims["aud"].as_str()),
                (Some(tenant.id.as_str()), Some(audience.as_str()))
            );
            assert_eq!(claims["oid"], fleet.users[0].oid_in(&tenant.id).as_str());
            let next = text(&answer, "refresh_token");
            assert_ne!(next, current, "refresh tokens rotate");
            current = next;
        }
    }
}

#[test]
fn a_tenant_that_conditional_access_blocks_lets_no_person_in() {
    let simulator = start(FleetSpec {
        tenants: 2,
        ..FleetSpec::default()
    });
    let (home, other) = (tenant(&simulator, 0), tenant(&simulator, 1));
    let token = text(&sign_in(&simulator, &home), "refresh_token");
    simulator.update(|fleet| fleet.tenants[1].blocked = true);
    let refused = refresh(&simulator, &other, &token, AKS_SCOPE);
    assert_eq!(
        (text(&refused.json(), "error").as_str(), aadsts(&refused)),
        ("invalid_grant", 53_003)
    );
    assert_eq!(refresh(&simulator, &home, &token, AKS_SCOPE).status, 200);
}

#[test]
fn a_refresh_token_ends_by_age_by_revocation_and_at_a_tenant_that_wants_more() {
    let simulator = start(FleetSpec {
        tenants: 2,
        ..FleetSpec::default()
    });
    let (home, other) = (tenant(&simulator, 0), tenant(&simulator, 1));
    let token = text(&sign_in(&simulator, &home), "refresh_token");
    simulator.update(|fleet| fleet.tenants[1].mfa_required = true);
    let refused = refresh(&simulator, &other, &token, AKS_SCOPE);
    assert_eq!(
        (text(&refused.json(), "error").as_str(), aadsts(&refused)),
        ("interaction_required", 50_076)
    );
    assert!(refused.json()["claims"].is_string());
    assert_eq!(refresh(&simulator, &home, &token, AKS_SCOPE).status, 200);

    let as_other_client = [
        ("grant_type", "refresh_token"),
        ("client_id", AKS_CLIENT_APP),
        ("refresh_token", &token),
        ("scope", AKS_SCOPE),
    ];
    let mismatch = crate::client::token(&simulator, &home, &as_other_client).json();
    assert_eq!(
        (mismatch["error"].as_str(), mismatch["suberror"].as_str()),
        (Some("invalid_grant"), Some("client_mismatch"))
    );

    simulator.configure(|s| s.clock_offset = 91 * 86_400);
    assert_eq!(
        aadsts(&refresh(&simulator, &home, &token, AKS_SCOPE)),
        700_082
    );
    simulator.configure(|s| s.clock_offset = 0);
    simulator.revoke_refresh_tokens(&simulator.fleet().users[0].upn);
    assert_eq!(
        aadsts(&refresh(&simulator, &home, &token, AKS_SCOPE)),
        50_173
    );
}

#[test]
fn the_aks_client_may_not_ask_for_arm_and_missing_consent_is_said() {
    let simulator = start(FleetSpec::default());
    let ask = |client: &str, scope: &str| {
        let url = format!(
            "{}{}/oauth2/v2.0/devicecode",
            simulator.authority_url(),
            tenant(&simulator, 0)
        );
        Call::new(&simulator, "POST", &url)
            .form(&[("client_id", client), ("scope", scope)])
            .send()
    };
    assert_eq!(ask(AKS_CLIENT_APP, AKS_SCOPE).status, 200);
    assert_eq!(aadsts(&ask(AKS_CLIENT_APP, &arm_scope(&simulator))), 65_002);
    simulator.update(|fleet| {
        fleet
            .public_clients
            .iter_mut()
            .for_each(|c| c.consent_missing = true)
    });
    assert_eq!(aadsts(&ask(AZURE_CLI_APP, AKS_SCOPE)), 65_001);
}

#[test]
fn a_password_signs_in_unless_wrong_federated_or_not_enough() {
    let simulator = start(FleetSpec::default());
    let user = simulator.fleet().users[0].clone();
    let attempt = |password: &str| {
        let fields = [
            ("grant_type", "password"),
            ("client_id", AZURE_CLI_APP),
            ("username", user.upn.as_str()),
            ("password", password),
            ("scope", USER_SCOPE),
        ];
        token(&simulator, &tenant(&simulator, 0), &fields)
    };
    let realm = |upn: &str| {
        let url = format!(
            "{}common/UserRealm/{upn}?api-version=1.0",
            simulator.authority_url()
        );
        text(
            &Call::new(&simulator, "GET", &url).send().json(),
            "account_type",
        )
    };
    assert_eq!(attempt(&user.password).status, 200);
    assert_eq!(aadsts(&attempt("wrong")), 50_126);
    assert_eq!(realm(&user.upn), "Managed");
    simulator.update(|fleet| fleet.users[0].mfa_required = true);
    assert_eq!(aadsts(&attempt(&user.password)), 50_076);
    simulator.update(|fleet| fleet.users[0].federated = true);
    assert_eq!(realm(&user.upn), "Federated");
    assert_eq!(realm("nobody@elsewhere.example"), "Unknown");
}

/// A self-signed RSA certificate: DER, and its key.
fn certificate() -> (Vec<u8>, RsaKeyPair) {
    let key = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048)
        .expect("an RSA key");
    let params = rcgen::CertificateParams::new(vec!["app".to_owned()]).expect("valid names");
    let certificate = params.self_signed(&key).expect("a certificate");
    let pair = RsaKeyPair::from_pkcs8(&key.serialize_der()).expect("PKCS#8");
    (certificate.der().to_vec(), pair)
}

fn jwt(
    header: &Value,
    claims: &Value,
    key: &RsaKeyPair,
    padding: &'static dyn RsaEncoding,
) -> String {
    let input = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header.to_string()),
        URL_SAFE_NO_PAD.encode(claims.to_string())
    );
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(
        padding,
        &SystemRandom::new(),
        input.as_bytes(),
        &mut signature,
    )
    .expect("the key signs");
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn digest(algorithm: &'static aws_lc_rs::digest::Algorithm, bytes: &[u8]) -> Vec<u8> {
    aws_lc_rs::digest::digest(algorithm, bytes)
        .as_ref()
        .to_vec()
}

fn now() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("after 1970")
        .as_secs()
}

fn assert_client(simulator: &Simulator, assertion: &str) -> Response {
    let principal = simulator.fleet().service_principals[0].clone();
    let fields = [
        ("grant_type", "client_credentials"),
        ("client_id", principal.client_id.as_str()),
        (
            "client_assertion_type",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        ),
        ("client_assertion", assertion),
        ("scope", AKS_SCOPE),
    ];
    token(simulator, &principal.tenant_id, &fields)
}

#[test]
fn a_certificate_assertion_must_be_signed_addressed_and_in_time() {
    let simulator = start(FleetSpec::default());
    let (der, key) = certificate();
    let (other_der, other_key) = certificate();
    let principal = simulator.fleet().service_principals[0].clone();
    let audience = format!(
        "{}{}/oauth2/v2.0/token",
        simulator.authority_url(),
        principal.tenant_id
    );
    let s256 = URL_SAFE_NO_PAD.encode(digest(&aws_lc_rs::digest::SHA256, &der));
    let s1 = URL_SAFE_NO_PAD.encode(digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, &der));
    let header =
        json!({ "alg": "PS256", "typ": "JWT", "x5t#S256": s256, "x5c": [STANDARD.encode(&der)] });
    let claims = json!({
        "aud": audience, "iss": principal.client_id, "sub": principal.client_id, "jti": "once", "nbf": now(), "exp": now() + 600,
    });
    let with = |name: &str, value: Value| {
        let mut changed = claims.clone();
        changed[name] = value;
        changed
    };
    let ps256 =
        |claims: &Value| assert_client(&simulator, &jwt(&header, claims, &key, &RSA_PSS_SHA256));

    assert_eq!(ps256(&claims).status, 200);
    let rs256 = json!({ "alg": "RS256", "typ": "JWT", "x5t": s1, "x5c": [STANDARD.encode(&der)] });
    assert_eq!(
        assert_client(&simulator, &jwt(&rs256, &claims, &key, &RSA_PKCS1_SHA256)).status,
        200
    );
    assert_eq!(
        aadsts(&assert_client(
            &simulator,
            &jwt(&header, &claims, &other_key, &RSA_PSS_SHA256)
        )),
        700_027
    );
    assert_eq!(
        aadsts(&ps256(&with("aud", "https://elsewhere.example".into()))),
        700_023
    );
    assert_eq!(aadsts(&ps256(&with("sub", "somebody".into()))), 700_027);
    assert_eq!(aadsts(&ps256(&with("exp", (now() - 900).into()))), 700_024);
    let lying = json!({ "alg": "PS256", "typ": "JWT", "x5t#S256": s256, "x5c": [STANDARD.encode(&other_der)] });
    assert_eq!(
        aadsts(&assert_client(
            &simulator,
            &jwt(&lying, &claims, &other_key, &RSA_PSS_SHA256)
        )),
        700_027
    );

    // A certificate registered by its DER need not be sent; another one is rejected.
    simulator.update(|fleet| {
        fleet.service_principals[0].certificates = vec![CertificateTrust::Der(der.clone())]
    });
    let short = json!({ "alg": "PS256", "typ": "JWT", "x5t#S256": s256 });
    assert_eq!(
        assert_client(&simulator, &jwt(&short, &claims, &key, &RSA_PSS_SHA256)).status,
        200
    );
    let thumbprint: String = digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, &other_der)
        .iter()
        .map(|b| format!("{b:02X}"))
        .collect();
    simulator.update(|fleet| {
        fleet.service_principals[0].certificates = vec![CertificateTrust::Thumbprint(thumbprint)]
    });
    assert_eq!(aadsts(&ps256(&claims)), 700_027);
}

#[test]
fn a_federated_assertion_must_match_what_is_registered() {
    let simulator = start(FleetSpec::default());
    let issuer = "https://oidc.example/cluster";
    let assertion = simulator.workload_identity_token(issuer, "system:serviceaccount:ns:app");
    assert_eq!(assert_client(&simulator, &assertion).status, 200);
    let exact = |subject: &str| {
        simulator.update(|fleet| {
            fleet.service_principals[0].federated = vec![FederatedCredential::Exact {
                issuer: issuer.into(),
                subject: subject.into(),
                audience: "api://AzureADTokenExchange".into(),
            }];
        });
    };
    exact("system:serviceaccount:ns:app");
    assert_eq!(assert_client(&simulator, &assertion).status, 200);
    exact("system:serviceaccount:ns:other");
    assert_eq!(aadsts(&assert_client(&simulator, &assertion)), 70_021);
    // Any certificate is accepted, so only the signature can be wrong.
    simulator.update(|fleet| {
        fleet.service_principals[0].federated = vec![FederatedCredential::Any];
    });
    let mut forged = assertion.clone();
    forged.truncate(forged.len() - 4);
    forged.push_str("AAAA");
    assert_eq!(aadsts(&assert_client(&simulator, &forged)), 700_030);
    assert_eq!(assert_client(&simulator, &assertion).status, 200);
}

fn authorize_url(simulator: &Simulator, redirect: &str, extra: &[(&str, &str)]) -> String {
    let base = format!(
        "{}{}/oauth2/v2.0/authorize",
        simulator.authority_url(),
        tenant(simulator, 0)
    );
    let challenge = URL_SAFE_NO_PAD.encode(digest(&aws_lc_rs::digest::SHA256, b"the-verifier"));
    let mut pairs = vec![
        ("client_id", AZURE_CLI_APP),
        ("response_type", "code"),
        ("redirect_uri", redirect),
        ("scope", USER_SCOPE),
        ("state", "my state"),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ];
    pairs.extend_from_slice(extra);
    url::Url::parse_with_params(&base, pairs)
        .expect("a valid URL")
        .to_string()
}

fn redirected(answer: &Response) -> HashMap<String, String> {
    assert_eq!(answer.status, 302, "{}", answer.body);
    let location = answer
        .header("location")
        .expect("a redirect has a location");
    url::Url::parse(location)
        .expect("a URL")
        .query_pairs()
        .into_owned()
        .collect()
}

fn redeem(simulator: &Simulator, code: &str, redirect: &str, verifier: &str) -> Response {
    let fields = [
        ("grant_type", "authorization_code"),
        ("client_id", AZURE_CLI_APP),
        ("code", code),
        ("redirect_uri", redirect),
        ("code_verifier", verifier),
        ("scope", USER_SCOPE),
    ];
    token(simulator, &tenant(simulator, 0), &fields)
}

#[test]
fn an_authorization_code_works_once_with_its_verifier_and_redirect() {
    let simulator = start(FleetSpec::default());
    let upn = simulator.fleet().users[0].upn.clone();
    simulator.configure(|s| s.sign_in = SignIn::As(upn.clone()));
    let redirect = "http://localhost:41234";
    let code = || {
        redirected(&Call::new(&simulator, "GET", &authorize_url(&simulator, redirect, &[])).send())
            ["code"]
            .clone()
    };

    let back =
        redirected(&Call::new(&simulator, "GET", &authorize_url(&simulator, redirect, &[])).send());
    assert_eq!(back["state"], "my state");
    let first = redeem(&simulator, &back["code"], redirect, "the-verifier").json();
    assert_eq!(
        simulator
            .claims(&text(&first, "access_token"))
            .expect("the token verifies")["upn"],
        upn.as_str()
    );
    assert_eq!(
        aadsts(&redeem(&simulator, &back["code"], redirect, "the-verifier")),
        54_005
    );
    assert_eq!(
        aadsts(&redeem(&simulator, &code(), redirect, "another-verifier")),
        501_481
    );
    assert_eq!(
        aadsts(&redeem(
            &simulator,
            &code(),
            "http://localhost:5",
            "the-verifier"
        )),
        50_011
    );
    let foreign = Call::new(
        &simulator,
        "GET",
        &authorize_url(&simulator, "https://evil.example", &[]),
    )
    .send();
    assert_eq!(foreign.status, 400);
    assert!(foreign.body.contains("AADSTS50011"));
}

#[test]
fn the_sign_in_page_checks_the_password_and_tells_cancel_from_declined() {
    let simulator = start(FleetSpec::default());
    let user = simulator.fleet().users[0].clone();
    let url = authorize_url(
        &simulator,
        "http://localhost:1",
        &[("login_hint", &user.upn), ("response_mode", "form_post")],
    );
    let page = Call::new(&simulator, "GET", &url).send();
    assert!(
        page.body.contains(&format!("value=\"{}\"", user.upn)),
        "the hint is filled in"
    );

    let parameters: Vec<(String, String)> = url::Url::parse(&url)
        .expect("a URL")
        .query_pairs()
        .into_owned()
        .collect();
    let submit = |extra: &[(&str, &str)]| {
        let mut fields: Vec<(&str, &str)> = parameters
            .iter()
            .map(|(k, v)| (k.as_str(), v.as_str()))
            .collect();
        fields.extend_from_slice(extra);
        let url = format!(
            "{}{}/login",
            simulator.authority_url(),
            tenant(&simulator, 0)
        );
        Call::new(&simulator, "POST", &url).form(&fields).send()
    };
    assert!(
        submit(&[("username", &user.upn), ("password", "wrong")])
            .body
            .contains("incorrect")
    );
    let good = submit(&[
        ("username", &user.upn),
        ("password", &user.password),
        ("action", "sign-in"),
    ]);
    assert!(
        good.body.contains("action=\"http://localhost:1\"") && good.body.contains("name=\"code\"")
    );
    assert!(good.body.contains("name=\"state\" value=\"my state\""));
    assert!(
        submit(&[("action", "cancel")])
            .body
            .contains("error_subcode")
    );
    assert!(
        submit(&[("action", "decline")])
            .body
            .contains("AADSTS65004")
    );
}

#[test]
fn a_pop_token_is_bound_to_the_key_that_was_named() {
    let simulator = start(FleetSpec::default());
    let principal = simulator.fleet().service_principals[0].clone();
    let cnf = URL_SAFE_NO_PAD.encode(r#"{"kid":"a-thumbprint","xms_ksl":"sw"}"#);
    let fields = [
        ("grant_type", "client_credentials"),
        ("client_id", principal.client_id.as_str()),
        ("client_secret", principal.secret()),
        ("scope", AKS_SCOPE),
        ("token_type", "pop"),
        ("req_cnf", &cnf),
    ];
    let answer = token(&simulator, &principal.tenant_id, &fields).json();
    assert_eq!(
        simulator
            .claims(&text(&answer, "access_token"))
            .expect("the token verifies")["cnf"]["kid"],
        "a-thumbprint"
    );
}

#[test]
fn an_answer_holds_only_what_was_asked_for() {
    let simulator = start(FleetSpec::default());
    let user = simulator.fleet().users[0].clone();
    let ask = |scope: &str, more: &[(&str, &str)]| {
        let mut fields = vec![
            ("grant_type", "password"),
            ("client_id", AZURE_CLI_APP),
            ("username", user.upn.as_str()),
            ("password", user.password.as_str()),
            ("scope", scope),
        ];
        fields.extend_from_slice(more);
        token(&simulator, &tenant(&simulator, 0), &fields).json()
    };
    let bare = ask(AKS_SCOPE, &[]);
    let extras = ["refresh_token", "id_token", "client_info"];
    assert!(
        extras.iter().all(|name| bare.get(*name).is_none()),
        "{bare}"
    );
    let full = ask(USER_SCOPE, &[("client_info", "1")]);
    assert!(extras.iter().all(|name| full[*name].is_string()), "{full}");
    simulator.configure(|s| (s.refresh_in, s.user_token_lifetime) = (Some(1000), 4000));
    let proactive = ask(AKS_SCOPE, &[]);
    assert_eq!(
        (
            proactive["refresh_in"].as_i64(),
            proactive["expires_in"].as_i64()
        ),
        (Some(1000), Some(4000))
    );
}

#[test]
fn discovery_names_this_host_and_refuses_others() {
    let simulator = start(FleetSpec::default());
    let authority = simulator.authority_url();
    let get = |url: String| Call::new(&simulator, "GET", &url).send();
    let ask = |endpoint: &str| {
        get(format!(
            "{authority}common/discovery/instance?api-version=1.1&authorization_endpoint={endpoint}"
        ))
    };
    let known = ask(&format!("{authority}organizations/oauth2/v2.0/authorize")).json();
    assert!(text(&known, "tenant_discovery_endpoint").starts_with(&authority));
    assert_eq!(
        text(&ask("https://evil.example/x").json(), "error"),
        "invalid_instance"
    );
    let domain = simulator.fleet().tenants[0].domain.clone();
    let document = get(format!(
        "{authority}{domain}/v2.0/.well-known/openid-configuration"
    ))
    .json();
    assert_eq!(
        document["issuer"],
        format!("{authority}{}/v2.0", tenant(&simulator, 0))
    );
    let keys = get(text(&document, "jwks_uri")).json();
    assert!(keys["keys"].as_array().is_some_and(|k| !k.is_empty()));
    assert_eq!(simulator.counters().get(Endpoint::InstanceDiscovery), 2);
}
