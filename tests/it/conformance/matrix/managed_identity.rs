//! `msi`: every kind of machine that has a managed identity.

use azure_sim::{Endpoint, Fault};

use super::super::case::Case;
use super::{at_server, with_exec_info};

/// A kind of machine: name, its variables, its endpoint.
const PLACES: &[(&str, &str, Endpoint)] = &[
    // kubelogin has no other way to another IMDS than a proxy; kubectl-aad has no way through a proxy.
    (
        "msi-imds",
        "HTTP_PROXY={metadata} AZURE_POD_IDENTITY_AUTHORITY_HOST={metadata}",
        Endpoint::Imds,
    ),
    (
        "msi-app-service",
        "IDENTITY_ENDPOINT={app-service} IDENTITY_HEADER={identity-header}",
        Endpoint::AppService,
    ),
    (
        "msi-service-fabric",
        "IDENTITY_ENDPOINT={service-fabric} IDENTITY_HEADER={identity-header} IDENTITY_SERVER_THUMBPRINT={thumbprint}",
        Endpoint::ServiceFabric,
    ),
    (
        "msi-arc",
        "IDENTITY_ENDPOINT={arc} IMDS_ENDPOINT={metadata}",
        Endpoint::Arc,
    ),
    (
        "msi-cloud-shell",
        "MSI_ENDPOINT={cloud-shell}",
        Endpoint::CloudShell,
    ),
    (
        "msi-azure-ml",
        "MSI_ENDPOINT={azure-ml} MSI_SECRET={msi-secret}",
        Endpoint::AzureMl,
    ),
];

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, variables, endpoint) in PLACES {
        let endpoint = *endpoint;
        let base =
            |part: &str| at_server(Case::new(*name).named(part).args("-l msi")).envs(variables);
        if endpoint == Endpoint::ServiceFabric {
            // kubelogin can't get past its certificate, and takes ten seconds over that.
            cases.extend([
                base("system"),
                base("client-id").args("--client-id {identity}"),
            ]);
            continue;
        }
        cases.extend(with_exec_info(&base("system")));
        cases.extend([
            base("client-id").args("--client-id {identity}"),
            base("client-id-env").env("AZURE_CLIENT_ID", "{identity}"),
            base("client-id-terraform-env")
                .args("--use-azurerm-env-vars")
                .env("ARM_CLIENT_ID", "{identity}"),
            base("client-id-env-disabled")
                .args("--disable-environment-override")
                .env("AZURE_CLIENT_ID", "44444444-4444-4444-8444-444444444444"),
            base("resource-id").args("--identity-resource-id {identity-resource}"),
            base("client-id-over-resource-id")
                .args("--client-id {identity} --identity-resource-id /subscriptions/none"),
            base("unknown-identity").args("--client-id 44444444-4444-4444-8444-444444444444"),
            base("tenant-too").args("-t {other-tenant}"),
            base("refused").arrange(move |test_env| {
                test_env.simulator.faults().add(Fault::on(endpoint).body(
                    403,
                    "application/json",
                    r#"{"error":"forbidden","error_description":"no"}"#,
                ));
            }),
            base("malformed-answer").arrange(move |test_env| {
                test_env
                    .simulator
                    .faults()
                    .add(Fault::on(endpoint).malformed());
            }),
            base("server-error-once").arrange(move |test_env| {
                test_env
                    .simulator
                    .faults()
                    .add(Fault::on(endpoint).status(500).times(1));
            }),
        ]);
    }
    let imds =
        |part: &str| at_server(Case::new(PLACES[0].0).named(part).args("-l msi")).envs(PLACES[0].1);
    cases.extend([
        imds("no-identity").arrange(|test_env| {
            test_env.simulator.faults().add(Fault::on(Endpoint::Imds).body(
                400,
                "application/json",
                r#"{"error":"invalid_request","error_description":"Identity not found"}"#,
            ));
        }),
        imds("not-ready-once")
            .arrange(|test_env| { test_env.simulator.faults().add(Fault::on(Endpoint::Imds).status(404).times(1)); }),
        imds("updating-once")
            .arrange(|test_env| { test_env.simulator.faults().add(Fault::on(Endpoint::Imds).status(410).times(1)); }),
        imds("throttled-once")
            .arrange(|test_env| { test_env.simulator.faults().add(Fault::on(Endpoint::Imds).throttled(1).times(1)); }),
        imds("docker-desktop").arrange(|test_env| {
            test_env.simulator.faults().add(Fault::on(Endpoint::Imds).body(
                403,
                "text/plain",
                "connecting to 169.254.169.254:80: dial tcp: a socket operation was attempted to an unreachable network",
            ));
        }),
    ]);
    // Which one counts where variables of several are set.
    let all = |part: &str, names: &[usize]| {
        names.iter().fold(
            at_server(Case::new("msi-order").named(part).args("-l msi")),
            |case, i| case.envs(PLACES[*i].1),
        )
    };
    cases.extend([
        all("app-service-before-azure-ml", &[5, 1]),
        all("app-service-before-imds", &[0, 1]),
        all("azure-ml-before-imds", &[0, 5]),
        all("cloud-shell-before-imds", &[0, 4]),
        all("cloud-shell-before-arc", &[3, 4]),
    ]);
    cases
}
