//! `spn`: by secret and by certificate, at the v2 and the v1 endpoint, and with proof of possession.

use azure_sim::{Endpoint, Fault};

use super::super::case::Case;
use super::super::certificates::PFX_PASSWORD;
use super::{at_server, from_kubectl, with_exec_info};

pub(super) fn cases() -> Vec<Case> {
    [
        by_secret(),
        by_certificate(),
        legacy(),
        proof_of_possession(),
    ]
    .concat()
}

fn spn(mode: &str) -> Case {
    at_server(Case::new(mode).args("-l spn"))
}

/// Ways to give client, tenant and secret.
fn ways() -> Vec<Case> {
    let base = spn("spn-secret");
    let flags = "--client-id {spn} --tenant-id {tenant} --client-secret {secret}";
    let wrong = "--client-id wrong --tenant-id wrong --client-secret wrong";
    vec![
        base.clone().named("flags").args(flags),
        base.clone().named("joined-flags").args("--client-id={spn} -t{tenant} --client-secret={secret}"),
        base.clone().named("last-flag-wins").args(wrong).args(flags),
        base.clone()
            .named("aad-env")
            .args("-t {tenant}")
            .envs("AAD_SERVICE_PRINCIPAL_CLIENT_ID={spn} AAD_SERVICE_PRINCIPAL_CLIENT_SECRET={secret}"),
        base.clone()
            .named("azure-env")
            .envs("AZURE_CLIENT_ID={spn} AZURE_TENANT_ID={tenant} AZURE_CLIENT_SECRET={secret}"),
        base.clone().named("azure-env-over-aad-env").envs(
            "AAD_SERVICE_PRINCIPAL_CLIENT_ID=wrong AAD_SERVICE_PRINCIPAL_CLIENT_SECRET=wrong \
             AZURE_CLIENT_ID={spn} AZURE_TENANT_ID={tenant} AZURE_CLIENT_SECRET={secret}",
        ),
        base.clone()
            .named("env-over-flags")
            .args(wrong)
            .envs("AZURE_CLIENT_ID={spn} AZURE_TENANT_ID={tenant} AZURE_CLIENT_SECRET={secret}"),
        base.clone()
            .named("flags-and-env")
            .args("--client-id {spn}")
            .envs("AZURE_TENANT_ID={tenant} AAD_SERVICE_PRINCIPAL_CLIENT_SECRET={secret}"),
        base.clone()
            .named("env-disabled")
            .args(flags)
            .args("--disable-environment-override")
            .envs("AZURE_CLIENT_ID=wrong AZURE_TENANT_ID=wrong AZURE_CLIENT_SECRET=wrong AAD_LOGIN_METHOD=msi"),
        base.clone()
            .named("terraform-env")
            .args("--use-azurerm-env-vars")
            .envs("ARM_CLIENT_ID={spn} ARM_TENANT_ID={tenant} ARM_CLIENT_SECRET={secret}"),
        base.clone().named("terraform-env-and-no-other").args("--use-azurerm-env-vars").envs(
            "ARM_CLIENT_ID={spn} ARM_TENANT_ID={tenant} ARM_CLIENT_SECRET={secret} \
             AZURE_CLIENT_ID=wrong AZURE_TENANT_ID=wrong AZURE_CLIENT_SECRET=wrong \
             AAD_SERVICE_PRINCIPAL_CLIENT_ID=wrong AAD_SERVICE_PRINCIPAL_CLIENT_SECRET=wrong",
        ),
        base.clone()
            .named("terraform-env-unasked")
            .args(flags)
            .envs("ARM_CLIENT_ID=wrong ARM_TENANT_ID=wrong ARM_CLIENT_SECRET=wrong"),
        base.clone()
            .named("terraform-env-disabled")
            .args(flags)
            .args("--use-azurerm-env-vars --disable-environment-override")
            .envs("ARM_CLIENT_ID=wrong ARM_TENANT_ID=wrong ARM_CLIENT_SECRET=wrong"),
        base.named("terraform-env-switched-off")
            .args(flags)
            .args("--use-azurerm-env-vars=false")
            .envs("ARM_CLIENT_ID=wrong ARM_TENANT_ID=wrong ARM_CLIENT_SECRET=wrong"),
    ]
}

/// What can happen to a request for a token: name and fault.
fn faults() -> Vec<(&'static str, Fault)> {
    let token = || Fault::on(Endpoint::Token);
    vec![
        ("throttled-once", token().throttled(1).times(1)),
        ("server-error-once", token().status(500).times(1)),
        ("unavailable-once", token().status(503).times(1)),
        ("malformed-answer", token().malformed()),
        (
            "html-answer",
            token().body(200, "text/html", "<html>proxy</html>"),
        ),
        (
            "forbidden",
            token().body(403, "text/html", "<html>blocked</html>"),
        ),
        (
            "no-token-in-answer",
            token().body(200, "application/json", "{\"token_type\":\"Bearer\"}"),
        ),
    ]
}

fn by_secret() -> Vec<Case> {
    let mut cases: Vec<Case> = ways().iter().flat_map(with_exec_info).collect();
    for way in ways() {
        // The secret is wrong wherever the good one was given.
        let mut bad = way.named("bad-secret");
        for arg in &mut bad.args {
            *arg = arg.replace("{secret}", "not-the-secret");
        }
        for (_, value) in &mut bad.env {
            *value = value.replace("{secret}", "not-the-secret");
        }
        cases.push(bad);
    }
    let flags = |part: &str| spn("spn-secret").named("flags").named(part);
    let full =
        |part: &str| flags(part).args("--client-id {spn} -t {tenant} --client-secret {secret}");
    cases.extend([
        flags("no-client").args("-t {tenant} --client-secret {secret}"),
        flags("no-tenant").args("--client-id {spn} --client-secret {secret}"),
        flags("no-secret").args("--client-id {spn} -t {tenant}"),
        flags("empty-secret").args("--client-id {spn} -t {tenant} --client-secret="),
        flags("empty-env-secret")
            .args("--client-id {spn} -t {tenant} --client-secret {secret}")
            .env("AZURE_CLIENT_SECRET", ""),
        flags("empty-env-client")
            .args("--client-id {spn} -t {tenant} --client-secret {secret}")
            .env("AZURE_CLIENT_ID", ""),
        flags("unknown-tenant").args(
            "--client-id {spn} -t 11111111-1111-4111-8111-111111111111 --client-secret {secret}",
        ),
        flags("malformed-tenant")
            .arg("-t")
            .arg("not a tenant")
            .args("--client-id {spn} --client-secret {secret}"),
        flags("tenant-by-domain").args("--client-id {spn} -t {domain} --client-secret {secret}"),
        flags("tenant-of-another")
            .args("--client-id {spn} -t {other-tenant} --client-secret {secret}"),
        flags("unknown-client").args(
            "--client-id 22222222-2222-4222-8222-222222222222 -t {tenant} --client-secret {secret}",
        ),
        flags("client-in-capitals").args(
            "--client-id {spn} -t {tenant} --client-secret {secret} --environment AZURECLOUD",
        ),
    ]);
    cases.extend(faults().into_iter().map(|(name, fault)| {
        full(name).arrange(move |test_env| {
            test_env.simulator.faults().add(fault.clone());
        })
    }));
    cases
}

fn by_certificate() -> Vec<Case> {
    let spn = || spn("spn-certificate");
    let ids = "--client-id {spn} -t {tenant}";
    let mut cases: Vec<Case> = [
        "pkcs8.pem",
        "pkcs1.pem",
        "chain.pem",
        "no-key.pem",
        "no-certificate.pem",
        "mismatch.pem",
        "ec.pem",
        "rubbish.pem",
        "absent.pem",
        "old-bare.pfx",
        "old.pfx",
        "new-bare.pfx",
        "new.pfx",
        "rubbish.pfx",
        "absent.pfx",
    ]
    .iter()
    .flat_map(|file| {
        let case = spn()
            .named("flags")
            .named(file)
            .args(ids)
            .args(&format!("--client-certificate {{home}}/{file}"));
        let password = case
            .clone()
            .named("password")
            .args(&format!("--client-certificate-password {PFX_PASSWORD}"));
        let wrong = case
            .clone()
            .named("wrong-password")
            .args("--client-certificate-password wrong");
        match *file {
            "old.pfx" | "new.pfx" => vec![case.named("no-password"), password, wrong],
            "old-bare.pfx" | "pkcs8.pem" => vec![case, wrong],
            _ => vec![case],
        }
    })
    .collect();
    let good = spn()
        .named("flags")
        .named("good")
        .args(ids)
        .args("--client-certificate {home}/pkcs8.pem");
    cases.extend(with_exec_info(&good));
    cases.extend([
        spn()
            .named("aad-env")
            .args("-t {tenant}")
            .envs("AAD_SERVICE_PRINCIPAL_CLIENT_ID={spn} AAD_SERVICE_PRINCIPAL_CLIENT_CERTIFICATE={home}/pkcs8.pem"),
        spn().named("aad-env").named("password").args("-t {tenant}").envs(&format!(
            "AAD_SERVICE_PRINCIPAL_CLIENT_ID={{spn}} AAD_SERVICE_PRINCIPAL_CLIENT_CERTIFICATE={{home}}/old.pfx \
             AAD_SERVICE_PRINCIPAL_CLIENT_CERTIFICATE_PASSWORD={PFX_PASSWORD}"
        )),
        spn().named("azure-env").envs(
            "AZURE_CLIENT_ID={spn} AZURE_TENANT_ID={tenant} AZURE_CLIENT_CERTIFICATE_PATH={home}/pkcs8.pem",
        ),
        spn().named("azure-env").named("password").envs(&format!(
            "AZURE_CLIENT_ID={{spn}} AZURE_TENANT_ID={{tenant}} AZURE_CLIENT_CERTIFICATE_PATH={{home}}/old.pfx \
             AZURE_CLIENT_CERTIFICATE_PASSWORD={PFX_PASSWORD}"
        )),
        spn().named("terraform-env").args("--use-azurerm-env-vars").envs(&format!(
            "ARM_CLIENT_ID={{spn}} ARM_TENANT_ID={{tenant}} ARM_CLIENT_CERTIFICATE_PATH={{home}}/old.pfx \
             ARM_CLIENT_CERTIFICATE_PASSWORD={PFX_PASSWORD}"
        )),
        spn()
            .named("flags")
            .named("secret-too")
            .args(ids)
            .args("--client-certificate {home}/pkcs8.pem --client-secret {secret}"),
        spn().named("flags").named("env-secret-too").args(ids).args("--client-certificate {home}/pkcs8.pem").envs(
            "AZURE_CLIENT_SECRET={secret}",
        ),
        spn().named("flags").named("no-client").args("-t {tenant} --client-certificate {home}/pkcs8.pem"),
        spn().named("flags").named("no-tenant").args("--client-id {spn} --client-certificate {home}/pkcs8.pem"),
        spn().named("flags").named("relative-path").args(ids).args("--client-certificate pkcs8.pem"),
        spn().named("flags").named("not-registered").args(ids).args("--client-certificate {home}/pkcs8.pem").arrange(
            |test_env| {
                test_env.simulator.faults().add(Fault::on(Endpoint::Token).error(
                    401,
                    "invalid_client",
                    "AADSTS700027: The certificate with identifier used to sign the client assertion is not registered on application.",
                ));
            },
        ),
    ]);
    cases
}

fn legacy() -> Vec<Case> {
    let spn = || spn("legacy-spn").args("--legacy --client-id {spn} -t {tenant}");
    let secret = spn().named("secret").args("--client-secret {secret}");
    let certificate = spn()
        .named("certificate")
        .args("--client-certificate {home}/pkcs8.pem");
    let mut cases = with_exec_info(&secret.clone().named("flags"));
    cases.extend(with_exec_info(&certificate.clone().named("flags")));
    cases.extend([
        spn()
            .named("secret")
            .named("bad-secret")
            .args("--client-secret wrong"),
        spn().named("secret").named("no-secret"),
        spn()
            .named("secret")
            .named("azure-env")
            .env("AZURE_CLIENT_SECRET", "{secret}"),
        spn()
            .named("secret")
            .named("terraform-env")
            .args("--use-azurerm-env-vars")
            .envs("ARM_CLIENT_ID={spn} ARM_TENANT_ID={tenant} ARM_CLIENT_SECRET={secret}"),
        secret.clone().named("domain").args("-t {domain}"),
        secret
            .clone()
            .named("unknown-tenant")
            .args("-t 11111111-1111-4111-8111-111111111111"),
        secret.clone().named("switched-off").args("--legacy=false"),
        secret
            .named("with-pop")
            .args("--pop-enabled --pop-claims u={cluster}"),
        certificate
            .clone()
            .named("chain")
            .args("--client-certificate {home}/chain.pem"),
        certificate.clone().named("pfx").args(&format!(
            "--client-certificate {{home}}/old.pfx --client-certificate-password {PFX_PASSWORD}"
        )),
        certificate
            .named("absent")
            .args("--client-certificate {home}/absent.pem"),
    ]);
    cases
}

fn proof_of_possession() -> Vec<Case> {
    let base = || spn("pop-spn").args("--client-id {spn} -t {tenant} --pop-enabled");
    let secret = base()
        .named("secret")
        .args("--client-secret {secret} --pop-claims u={cluster}");
    let certificate = base()
        .named("certificate")
        .args("--client-certificate {home}/pkcs8.pem --pop-claims u={cluster}");
    let mut cases = with_exec_info(&secret.clone().named("flags"));
    cases.extend(with_exec_info(&certificate.named("flags")));
    cases.extend([
        secret
            .clone()
            .named("arc-server")
            .args("--server-id {arc-server}"),
        base()
            .named("secret")
            .named("more-claims")
            .args("--client-secret {secret} --pop-claims u={cluster},x=y"),
        base()
            .named("secret")
            .named("blank-claims")
            .arg("--pop-claims")
            .arg("u = {cluster} , x = y")
            .args("--client-secret {secret}"),
        base()
            .named("secret")
            .named("no-u")
            .args("--client-secret {secret} --pop-claims x=y"),
        base()
            .named("secret")
            .named("empty-u")
            .args("--client-secret {secret} --pop-claims u="),
        base()
            .named("secret")
            .named("no-value")
            .args("--client-secret {secret} --pop-claims u"),
        base()
            .named("secret")
            .named("no-claims")
            .args("--client-secret {secret}"),
        base()
            .named("secret")
            .named("bad-secret")
            .args("--client-secret wrong --pop-claims u={cluster}"),
        base()
            .named("secret")
            .named("no-secret")
            .args("--pop-claims u={cluster}"),
        spn("pop-spn").named("secret").named("claims-only").args(
            "--client-id {spn} -t {tenant} --client-secret {secret} --pop-claims u={cluster}",
        ),
        from_kubectl(secret.named("switched-off").args("--pop-enabled=false")),
    ]);
    cases
}
