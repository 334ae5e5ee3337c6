//! `interactive`: the browser of this machine, played by a stand-in.

use azure_sim::{Endpoint, Fault, SignIn};

use super::super::case::Case;
use super::{at_server, from_kubectl, with_exec_info};

pub(super) fn cases() -> Vec<Case> {
    let bare = |mode: &str, part: &str| {
        at_server(Case::new(mode).named(part).args("-l interactive")).env("DISPLAY", ":0")
    };
    let base = |part: &str| from_kubectl(bare("interactive", part));
    let ids = "--client-id {client} -t {tenant}";
    let flags = |part: &str| base("flags").named(part).args(ids);
    let mut cases = with_exec_info(&bare("interactive", "flags").args(ids).named("signed-in"));
    cases.extend([
        base("azure-env")
            .named("signed-in")
            .envs("AZURE_CLIENT_ID={client} AZURE_TENANT_ID={tenant}"),
        base("env-disabled")
            .named("signed-in")
            .args(ids)
            .args("--disable-environment-override")
            .envs("AZURE_CLIENT_ID=wrong AZURE_TENANT_ID=wrong"),
        base("terraform-env")
            .named("signed-in")
            .args("--use-azurerm-env-vars")
            .envs("ARM_CLIENT_ID={client} ARM_TENANT_ID={tenant}"),
        flags("login-hint").args("--login-hint {user}"),
        base("flags")
            .named("tenant-by-domain")
            .args("--client-id {client} -t {domain}"),
        base("flags").named("no-client").args("-t {tenant}"),
        base("flags")
            .named("no-tenant")
            .args("--client-id {client}"),
        flags("no-desktop").args("--timeout 5s").env("DISPLAY", ""),
        flags("redirect-url-nonsense").args("--redirect-url nonsense"),
        flags("redirect-url-elsewhere").args("--redirect-url https://app.example/back"),
        flags("cancelled").arrange(|test_env| {
            test_env
                .simulator
                .configure(|settings| settings.sign_in = SignIn::Cancel)
        }),
        flags("consent-declined").arrange(|test_env| {
            test_env
                .simulator
                .configure(|settings| settings.sign_in = SignIn::DeclineConsent)
        }),
        flags("code-refused").arrange(|test_env| {
            test_env
                .simulator
                .faults()
                .add(Fault::on(Endpoint::Token).error(
                    400,
                    "invalid_grant",
                    "AADSTS70008: The provided authorization code has expired.",
                ));
        }),
        flags("no-refresh-token").arrange(|test_env| {
            test_env
                .simulator
                .configure(|settings| settings.no_refresh_tokens = true)
        }),
    ]);
    let pop = |part: &str| from_kubectl(bare("pop-interactive", part)).args(ids);
    cases.extend([
        pop("flags").named("signed-in").args("--pop-enabled --pop-claims u={cluster}"),
        pop("flags").named("arc").args("--pop-enabled --pop-claims u={cluster} --server-id {arc-server} --client-id {arc-client}"),
        pop("flags").named("no-claims").args("--pop-enabled"),
        pop("flags").named("cancelled").args("--pop-enabled --pop-claims u={cluster}").arrange(|test_env| {
            test_env.simulator.configure(|settings| settings.sign_in = SignIn::Cancel);
        }),
    ]);
    cases
}
