//! `workloadidentity` (a token file, GitHub Actions) and `azurepipelines`.

use azure_sim::{Endpoint, Fault};

use super::super::case::Case;
use super::{at_server, with_exec_info};

pub(super) fn cases() -> Vec<Case> {
    [token_file(), github(), pipelines()].concat()
}

const IDS: &str = "--client-id {spn} -t {tenant}";

fn refused(case: Case) -> Case {
    case.arrange(|test_env| {
        test_env.simulator.faults().add(Fault::on(Endpoint::Token).error(
            401,
            "invalid_client",
            "AADSTS700213: No matching federated identity record found for presented assertion subject.",
        ));
    })
}

fn token_file() -> Vec<Case> {
    let bare = |part: &str| {
        Case::new("workloadidentity")
            .named(part)
            .args("-l workloadidentity --server-id {server} --disable-instance-discovery")
            .file("token", "{federated}")
    };
    let base = |part: &str| bare(part).args("--authority-host {authority}/");
    let file = "--federated-token-file {home}/token";
    let flags = |part: &str| base("flags").named(part).args(IDS);
    let mut cases = with_exec_info(&base("flags").args(IDS).args(file).named("good"));
    cases.extend([
        bare("webhook-env").envs(
            "AZURE_CLIENT_ID={spn} AZURE_TENANT_ID={tenant} AZURE_FEDERATED_TOKEN_FILE={home}/token AZURE_AUTHORITY_HOST={authority}/",
        ),
        bare("webhook-env-over-flags")
            .args("--client-id wrong -t wrong --federated-token-file wrong --authority-host https://login.example/")
            .envs("AZURE_CLIENT_ID={spn} AZURE_TENANT_ID={tenant} AZURE_FEDERATED_TOKEN_FILE={home}/token AZURE_AUTHORITY_HOST={authority}/"),
        base("env-disabled")
            .args(IDS)
            .args(file)
            .args("--disable-environment-override")
            .envs("AZURE_CLIENT_ID=wrong AZURE_TENANT_ID=wrong AZURE_FEDERATED_TOKEN_FILE=wrong AZURE_AUTHORITY_HOST=wrong"),
        // In this mode the client id comes from AZURE_CLIENT_ID even with Terraform's variables.
        base("terraform-env")
            .args(file)
            .args("--use-azurerm-env-vars")
            .envs("ARM_CLIENT_ID=wrong ARM_TENANT_ID={tenant} AZURE_CLIENT_ID={spn} AZURE_TENANT_ID=wrong"),
        base("terraform-env-alone")
            .args(file)
            .args("--use-azurerm-env-vars")
            .envs("ARM_CLIENT_ID={spn} ARM_TENANT_ID={tenant}"),
        bare("authority-env-without-slash").args(IDS).args(file).env("AZURE_AUTHORITY_HOST", "{authority}"),
        flags("no-file"),
        flags("absent-file").args("--federated-token-file {home}/absent"),
        flags("empty-file").args("--federated-token-file {home}/empty").file("empty", ""),
        flags("rubbish-file").args("--federated-token-file {home}/rubbish").file("rubbish", "not a token"),
        flags("newline-in-file").args("--federated-token-file {home}/line").file("line", "{federated}\n"),
        flags("relative-file").args("--federated-token-file token"),
        base("flags").named("no-client").args("-t {tenant}").args(file),
        base("flags").named("no-tenant").args("--client-id {spn}").args(file),
        flags("unknown-tenant").args(file).args("-t 11111111-1111-4111-8111-111111111111"),
        refused(flags("not-registered").args(file)),
        flags("only-github-url").args(file).env("ACTIONS_ID_TOKEN_REQUEST_URL", "{github}"),
        flags("empty-github-token")
            .args(file)
            .env("ACTIONS_ID_TOKEN_REQUEST_URL", "{github}")
            .env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", ""),
    ]);
    cases
}

fn github() -> Vec<Case> {
    let variables =
        "ACTIONS_ID_TOKEN_REQUEST_URL={github} ACTIONS_ID_TOKEN_REQUEST_TOKEN={github-token}";
    let base = |part: &str| {
        at_server(
            Case::new("workloadidentity-github")
                .named(part)
                .args("-l workloadidentity"),
        )
        .envs(variables)
    };
    let mut cases = with_exec_info(&base("flags").args(IDS));
    cases.extend([
        base("azure-env").envs("AZURE_CLIENT_ID={spn} AZURE_TENANT_ID={tenant}"),
        base("token-file-too")
            .args(IDS)
            .args("--federated-token-file {home}/token")
            .file("token", "{federated}"),
        base("env-disabled")
            .args(IDS)
            .args("--disable-environment-override"),
        base("no-client").args("-t {tenant}"),
        base("no-tenant").args("--client-id {spn}"),
        base("wrong-request-token")
            .args(IDS)
            .env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "wrong"),
        base("empty-answer").args(IDS).arrange(|test_env| {
            test_env
                .simulator
                .faults()
                .add(Fault::on(Endpoint::GitHubOidc).body(
                    200,
                    "application/json",
                    r#"{"value":""}"#,
                ));
        }),
        base("malformed-answer").args(IDS).arrange(|test_env| {
            test_env
                .simulator
                .faults()
                .add(Fault::on(Endpoint::GitHubOidc).malformed());
        }),
        base("forbidden").args(IDS).arrange(|test_env| {
            test_env
                .simulator
                .faults()
                .add(Fault::on(Endpoint::GitHubOidc).body(403, "text/plain", "no"));
        }),
        refused(base("not-registered").args(IDS)),
    ]);
    cases
}

fn pipelines() -> Vec<Case> {
    let system = "SYSTEM_ACCESSTOKEN={system-token} SYSTEM_OIDCREQUESTURI={pipelines}";
    let bare = |part: &str| {
        at_server(
            Case::new("azurepipelines")
                .named(part)
                .args("-l azurepipelines"),
        )
    };
    let base = |part: &str| bare(part).envs(system);
    let connection = "--azure-pipelines-service-connection-id 55555555-5555-4555-8555-555555555555";
    let mut cases = with_exec_info(&base("flags").args(IDS).args(connection));
    cases.extend([
        base("task-env").envs(
            "AZURESUBSCRIPTION_CLIENT_ID={spn} AZURESUBSCRIPTION_TENANT_ID={tenant} \
             AZURESUBSCRIPTION_SERVICE_CONNECTION_ID=55555555-5555-4555-8555-555555555555",
        ),
        base("flags-over-task-env").args(IDS).args(connection).envs(
            "AZURESUBSCRIPTION_CLIENT_ID=wrong AZURESUBSCRIPTION_TENANT_ID=wrong \
             AZURESUBSCRIPTION_SERVICE_CONNECTION_ID=wrong",
        ),
        base("azure-env-over-task-env").args(connection).envs(
            "AZURE_CLIENT_ID={spn} AZURE_TENANT_ID={tenant} \
             AZURESUBSCRIPTION_CLIENT_ID=wrong AZURESUBSCRIPTION_TENANT_ID=wrong",
        ),
        base("env-disabled")
            .args(connection)
            .args("--disable-environment-override")
            .envs("AZURESUBSCRIPTION_CLIENT_ID={spn} AZURESUBSCRIPTION_TENANT_ID={tenant}"),
        base("no-client").args("-t {tenant}").args(connection),
        base("no-tenant").args("--client-id {spn}").args(connection),
        base("no-connection").args(IDS),
        bare("no-system-token")
            .args(IDS)
            .args(connection)
            .env("SYSTEM_OIDCREQUESTURI", "{pipelines}"),
        bare("no-request-uri")
            .args(IDS)
            .args(connection)
            .env("SYSTEM_ACCESSTOKEN", "{system-token}"),
        base("wrong-system-token")
            .args(IDS)
            .args(connection)
            .env("SYSTEM_ACCESSTOKEN", "wrong"),
        base("malformed-answer")
            .args(IDS)
            .args(connection)
            .arrange(|test_env| {
                test_env
                    .simulator
                    .faults()
                    .add(Fault::on(Endpoint::PipelinesOidc).malformed());
            }),
        base("forbidden")
            .args(IDS)
            .args(connection)
            .arrange(|test_env| {
                test_env
                    .simulator
                    .faults()
                    .add(Fault::on(Endpoint::PipelinesOidc).body(403, "text/plain", "no"));
            }),
        base("unknown-tenant")
            .args(IDS)
            .args("-t 11111111-1111-4111-8111-111111111111")
            .args(connection),
        refused(base("not-registered").args(IDS).args(connection)),
    ]);
    cases
}
