//! `devicecode`: at the v2 and the v1 endpoint.

use azure_sim::{Endpoint, Fault};

use super::super::case::Case;
use super::{at_server, from_kubectl, with_exec_info};

pub(super) fn cases() -> Vec<Case> {
    [
        current("devicecode"),
        current("legacy-devicecode"),
        defaults(),
    ]
    .concat()
}

fn current(mode: &str) -> Vec<Case> {
    let bare = |part: &str| {
        let case = at_server(Case::new(mode).named(part).args("-l devicecode"));
        if mode == "legacy-devicecode" {
            case.args("--legacy")
        } else {
            case
        }
    };
    let base = |part: &str| from_kubectl(bare(part));
    let ids = "--client-id {client} -t {tenant}";
    let flags = |part: &str| base("flags").named(part).args(ids);
    let mut cases = with_exec_info(&bare("flags").args(ids).named("approved"));
    cases.extend([
        base("azure-env").named("approved").envs("AZURE_CLIENT_ID={client} AZURE_TENANT_ID={tenant}"),
        base("aad-env").named("approved").args("-t {tenant}").envs("AAD_SERVICE_PRINCIPAL_CLIENT_ID={client}"),
        base("env-over-flags")
            .named("approved")
            .args("--client-id wrong -t wrong")
            .envs("AZURE_CLIENT_ID={client} AZURE_TENANT_ID={tenant}"),
        base("env-disabled")
            .named("approved")
            .args(ids)
            .args("--disable-environment-override")
            .envs("AZURE_CLIENT_ID=wrong AZURE_TENANT_ID=wrong"),
        base("terraform-env")
            .named("approved")
            .args("--use-azurerm-env-vars")
            .envs("ARM_CLIENT_ID={client} ARM_TENANT_ID={tenant}"),
        base("flags").named("tenant-by-domain").args("--client-id {client} -t {domain}"),
        base("flags").named("any-organization").args("--client-id {client} -t organizations"),
        base("flags").named("no-client").args("-t {tenant}"),
        base("flags").named("no-client-other-server").args("-t {tenant} --server-id 33333333-3333-4333-8333-333333333333"),
        base("flags").named("empty-client").args("-t {tenant} --client-id="),
        base("env-over-flags").named("empty-client").args(ids).env("AZURE_CLIENT_ID", ""),
        base("flags").named("no-tenant").args("--client-id {client}"),
        base("flags").named("unknown-tenant").args("--client-id {client} -t 11111111-1111-4111-8111-111111111111"),
        base("flags").named("unknown-client").args("-t {tenant} --client-id 22222222-2222-4222-8222-222222222222"),
        flags("unknown-server").args("--server-id 33333333-3333-4333-8333-333333333333"),
        flags("ci").args("--timeout 5s").env("CI", "true"),
        flags("declined").arrange(|test_env| {
            test_env.simulator.faults().add(Fault::on(Endpoint::Token).error(
                400,
                "authorization_declined",
                "AADSTS70017: The end user denied the authorization request.",
            ));
        }),
        flags("expired").arrange(|test_env| {
            test_env.simulator.faults().add(Fault::on(Endpoint::Token).error(
                400,
                "expired_token",
                "AADSTS70020: The provided value for the 'device_code' parameter is not valid: it has expired.",
            ));
        }),
        flags("unknown-code").arrange(|test_env| {
            test_env.simulator.faults().add(Fault::on(Endpoint::Token).error(
                400,
                "bad_verification_code",
                "AADSTS70019: The device code was not recognised.",
            ));
        }),
        flags("mfa-demanded").arrange(|test_env| {
            test_env.simulator.faults().add(Fault::on(Endpoint::Token).error(
                400,
                "interaction_required",
                "AADSTS50076: Due to a configuration change you must use multi-factor authentication.",
            ));
        }),
        flags("pending-twice").arrange(|test_env| {
            let upn = test_env.user.upn.clone();
            test_env.simulator.configure(|settings| settings.device_auto_approve = Some((3, upn)));
        }),
        flags("slow-down").arrange(|test_env| {
            test_env.simulator.faults().add(
                Fault::on(Endpoint::Token).error(400, "slow_down", "AADSTS70018: polled too soon").times(1),
            );
        }),
        flags("disabled-user").arrange(|test_env| {
            let upn = test_env.user.upn.replace(&test_env.user.upn[..test_env.user.upn.find('@').unwrap_or(0)], "disabled");
            test_env.simulator.configure(|settings| settings.device_auto_approve = Some((1, upn)));
        }),
        flags("no-refresh-token").arrange(|test_env| test_env.simulator.configure(|settings| settings.no_refresh_tokens = true)),
        flags("device-endpoint-forbidden").arrange(|test_env| {
            test_env.simulator.faults().add(Fault::on(Endpoint::DeviceCode).body(403, "text/html", "<html>blocked</html>"));
        }),
        flags("device-answer-malformed").arrange(|test_env| {
            test_env.simulator.faults().add(Fault::on(Endpoint::DeviceCode).malformed());
        }),
    ]);
    cases
}

/// `devicecode` is what both do when no mode is named.
fn defaults() -> Vec<Case> {
    vec![from_kubectl(
        at_server(Case::new("devicecode").named("default-mode"))
            .args("--client-id {client} -t {tenant}"),
    )]
}
