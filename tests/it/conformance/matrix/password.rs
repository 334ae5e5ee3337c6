//! `ropc`: a user's name and password.

use azure_sim::{Endpoint, Fault};

use super::super::case::Case;
use super::{at_server, with_exec_info};

pub(super) fn cases() -> Vec<Case> {
    let base = |mode: &str, part: &str| at_server(Case::new(mode).named(part).args("-l ropc"));
    let ropc = |part: &str| base("ropc", part);
    let ids = "--client-id {client} -t {tenant}";
    let user = "--username {user} --password {password}";
    let flags = |part: &str| ropc("flags").named(part).args(ids);
    let mut cases = with_exec_info(&ropc("flags").args(ids).args(user).named("good"));
    cases.extend([
        ropc("aad-env")
            .named("good")
            .args(ids)
            .envs("AAD_USER_PRINCIPAL_NAME={user} AAD_USER_PRINCIPAL_PASSWORD={password}"),
        ropc("azure-env")
            .named("good")
            .envs("AZURE_CLIENT_ID={client} AZURE_TENANT_ID={tenant} AZURE_USERNAME={user} AZURE_PASSWORD={password}"),
        ropc("azure-env-over-aad-env").named("good").args(ids).envs(
            "AAD_USER_PRINCIPAL_NAME=wrong AAD_USER_PRINCIPAL_PASSWORD=wrong AZURE_USERNAME={user} AZURE_PASSWORD={password}",
        ),
        ropc("env-over-flags")
            .named("good")
            .args(ids)
            .args("--username wrong --password wrong")
            .envs("AZURE_USERNAME={user} AZURE_PASSWORD={password}"),
        ropc("env-disabled")
            .named("good")
            .args(ids)
            .args(user)
            .args("--disable-environment-override")
            .envs("AZURE_USERNAME=wrong AZURE_PASSWORD=wrong"),
        ropc("terraform-env")
            .named("good")
            .args("--use-azurerm-env-vars")
            .args(user)
            .envs("ARM_CLIENT_ID={client} ARM_TENANT_ID={tenant}"),
        flags("bad-password").args("--username {user} --password wrong"),
        flags("unknown-user").args("--username nobody@{domain} --password wrong"),
        flags("unknown-domain").args("--username nobody@nowhere.example --password wrong"),
        flags("federated-user").args("--username {federated-user} --password Passw0rd-{federated-user}"),
        flags("mfa-user").args("--username {mfa-user} --password Passw0rd-{mfa-user}"),
        flags("disabled-user").args("--username {disabled-user} --password Passw0rd-{disabled-user}"),
        flags("no-username").args("--password {password}"),
        flags("no-password").args("--username {user}"),
        flags("empty-env-password").args(user).env("AZURE_PASSWORD", ""),
        ropc("flags").named("no-client").args("-t {tenant}").args(user),
        ropc("flags").named("no-tenant").args("--client-id {client}").args(user),
        ropc("flags").named("tenant-by-domain").args("--client-id {client} -t {domain}").args(user),
        ropc("flags").named("organizations").args("--client-id {client} -t organizations").args(user),
        ropc("flags").named("unknown-tenant").args("--client-id {client} -t 11111111-1111-4111-8111-111111111111").args(user),
        flags("legacy").args(user).args("--legacy"),
        flags("realm-unavailable").args(user).arrange(|test_env| {
            test_env.simulator.faults().add(Fault::on(Endpoint::UserRealm).body(403, "text/html", "<html>blocked</html>"));
        }),
        flags("consent-missing").args(user).arrange(|test_env| {
            test_env.simulator.faults().add(Fault::on(Endpoint::Token).error(
                400,
                "invalid_grant",
                "AADSTS65001: The user or administrator has not consented to use the application.",
            ));
        }),
    ]);
    let pop = |part: &str| {
        base("pop-ropc", "flags")
            .named(part)
            .args(ids)
            .args("--pop-enabled")
    };
    cases.extend([
        pop("good").args(user).args("--pop-claims u={cluster}"),
        pop("no-claims").args(user),
        pop("bad-password").args("--username {user} --password wrong --pop-claims u={cluster}"),
        pop("no-username").args("--password {password} --pop-claims u={cluster}"),
        pop("no-password").args("--username {user} --pop-claims u={cluster}"),
        pop("azure-env")
            .args("--pop-claims u={cluster}")
            .envs("AZURE_USERNAME={user} AZURE_PASSWORD={password}"),
    ]);
    cases
}
