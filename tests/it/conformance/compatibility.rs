//! The differences that are wanted: the rows of `docs/kubelogin-compat.md`, section "get-token",
//! and how each is recognized.
//!
//! A row says to people what a matcher says to the test; each
//! needs the other, by its id.

use std::fs;

use super::case::Case;
use super::difference::Difference;
use super::observation::Exit;
use crate::support::repository;

/// The section of the document that lists the differences of `get-token`.
const SECTION: &str = "## get-token";

/// The ids of the section's rows, in the order of the document.
///
/// # Panics
/// If the document or the section is missing, or a row leaves a column empty.
pub(super) fn listed() -> Vec<String> {
    let file = repository().join("docs/kubelogin-compat.md");
    let text = fs::read_to_string(&file).expect("docs/kubelogin-compat.md can be read");
    let lines: Vec<&str> = text
        .lines()
        .skip_while(|line| *line != SECTION)
        .skip(1)
        .take_while(|line| !line.starts_with("## "))
        .collect();
    assert!(
        !lines.is_empty(),
        "docs/kubelogin-compat.md has no section `{SECTION}`"
    );
    lines
        .iter()
        .filter_map(|line| line.strip_prefix("| `"))
        .map(|row| {
            let cells: Vec<&str> = row
                .trim_end_matches('|')
                .split(" | ")
                .map(str::trim)
                .collect();
            assert!(
                cells.len() == 5 && cells.iter().all(|cell| !cell.is_empty()),
                "a row needs five cells: {row}"
            );
            cells[0].trim_end_matches('`').to_owned()
        })
        .collect()
}

/// Recognises one listed difference.
pub(super) struct Matcher {
    /// The row's id.
    pub(super) id: &'static str,
    /// Whether a difference in a case is this one.
    pub(super) explains: fn(&Case, &Difference) -> bool,
}

/// Every listed difference.
pub(super) const MATCHERS: &[Matcher] = &[
    Matcher {
        id: "no-openid-configuration",
        explains: |_, difference| {
            only_kubelogin(difference, |call| {
                call.ends_with("/v2.0/.well-known/openid-configuration")
            })
        },
    },
    Matcher {
        id: "no-instance-discovery",
        explains: |case, difference| {
            !case.has_arg("--disable-instance-discovery")
                && only_kubelogin(difference, |call| {
                    call.ends_with("/common/discovery/instance")
                        || call == "outside CONNECT login.microsoftonline.com:443"
                })
        },
    },
    Matcher {
        id: "tenant-as-given",
        explains: |case, difference| {
            case.has("tenant-by-domain")
                && either_calls(difference, |call| call.contains("/oauth2/v2.0/"))
        },
    },
    Matcher {
        id: "unknown-tenant",
        explains: |case, difference| {
            case.has("unknown-tenant") && matches!(difference, Difference::OnlyWeCall(_))
        },
    },
    Matcher {
        id: "application-scope",
        explains: |_, difference| match difference {
            Difference::Field {
                call,
                name,
                kubelogin: Some(theirs),
                ours: Some(our),
            } => {
                name == "form.scope"
                    && call.ends_with("/token client_credentials")
                    && *theirs == format!("{our} offline_access openid profile")
            }
            _ => false,
        },
    },
    Matcher {
        id: "client-info",
        explains: |_, difference| {
            matches!(
                difference,
                Difference::Field { call, name, kubelogin: Some(theirs), ours: None }
                    if name == "form.client_info" && theirs == "1" && call.ends_with("/token client_credentials")
            )
        },
    },
    Matcher {
        id: "device-grant",
        explains: |_, difference| {
            matches!(
                difference,
                Difference::Field { name, kubelogin: Some(theirs), ours: Some(our), .. }
                    if name == "form.grant_type"
                        && theirs == "device_code"
                        && our == "urn:ietf:params:oauth:grant-type:device_code"
            )
        },
    },
    Matcher {
        id: "telemetry",
        explains: |_, difference| {
            field(difference, |name| {
                name.starts_with("header.x-client-")
                    || [
                        "header.client-request-id",
                        "header.return-client-request-id",
                        "header.x-ms-client-request-id",
                    ]
                    .contains(&name)
            })
        },
    },
    Matcher {
        id: "json-without-body",
        explains: |_, difference| {
            matches!(
                difference,
                Difference::Field { call, name, ours: None, .. }
                    if call == "GET /github/oidc" && name == "header.content-type"
            )
        },
    },
    Matcher {
        id: "empty-client-id",
        explains: |_, difference| {
            matches!(
                difference,
                Difference::Field { name, kubelogin: Some(theirs), ours: None, .. }
                    if name == "query.clientid" && theirs.is_empty()
            )
        },
    },
    Matcher {
        id: "aks-client",
        explains: |case, difference| {
            case.has("no-client")
                && (only_we_succeed(difference) || matches!(difference, Difference::OnlyWeCall(_)))
        },
    },
    Matcher {
        id: "cli-characters",
        explains: |case, difference| {
            [
                "tenant-malformed",
                "subscription-malformed",
                "server-malformed",
            ]
            .iter()
            .any(|part| case.has(part))
                && (only_we_succeed(difference)
                    || matches!(difference, Difference::OnlyWeCall(call) if call.starts_with("run az")))
        },
    },
    Matcher {
        id: "subscription-alone",
        explains: |case, difference| {
            case.has("subscription-and-tenant")
                && matches!(
                    difference,
                    Difference::Field { call, name, ours: None, .. } if call == "run az" && name == "arg.--tenant"
                )
        },
    },
    Matcher {
        id: "unknown-cloud",
        explains: |case, difference| case.has("cloud-NoSuchCloud") && refused_early(difference),
    },
    Matcher {
        id: "sovereign-cloud",
        explains: |case, difference| {
            case.has("cloud-AzureBleuCloud")
                && either_calls(difference, |call| {
                    call == "outside CONNECT login.microsoftonline.com:443"
                        || call == "outside CONNECT login.sovcloud-identity.fr:443"
                })
        },
    },
    Matcher {
        id: "custom-cloud",
        explains: |case, difference| case.has("cloud-AzureStackCloud") && refused_early(difference),
    },
    Matcher {
        id: "exec-info-first",
        explains: |case, difference| {
            case.has("exec-info")
                && only_kubelogin(difference, |call| {
                    call.ends_with("/token client_credentials")
                })
        },
    },
    Matcher {
        id: "surplus-words",
        explains: |case, difference| {
            (case.has("word-after") || case.has("after-two-dashes")) && refused_early(difference)
        },
    },
    Matcher {
        id: "pipeline",
        explains: |case, difference| case.has("ci") && refused_early(difference),
    },
    Matcher {
        id: "service-fabric",
        explains: |case, difference| {
            case.is_of("msi-service-fabric")
                && (only_we_succeed(difference) || matches!(difference, Difference::OnlyWeCall(_)))
        },
    },
    Matcher {
        id: "token-file-blanks",
        explains: |case, difference| {
            (case.has("newline-in-file") && only_we_succeed(difference))
                || (case.has("empty-file")
                    && only_kubelogin(difference, |call| {
                        call.ends_with("/token client_credentials")
                    }))
        },
    },
    Matcher {
        id: "pop-expiry",
        explains: |_, difference| {
            matches!(
                difference,
                Difference::Credential { name, kubelogin: Some(theirs), ours: Some(our) }
                    if name == "expirationTimestamp"
                        && theirs == "the token's"
                        && our == "14 minutes after the proof"
            )
        },
    },
    Matcher {
        id: "certificate-chain",
        explains: |case, difference| {
            (case.has("chain") || case.has("chain.pem"))
                && field(difference, |name| {
                    name == "form.client_assertion.header.x5c"
                })
        },
    },
    Matcher {
        id: "certificate-key",
        explains: |case, difference| case.has("pkcs1.pem") && reads_the_file(difference),
    },
    Matcher {
        id: "certificate-pfx",
        explains: |case, difference| {
            (case.has("new.pfx") || case.has("new-bare.pfx")) && reads_the_file(difference)
        },
    },
    Matcher {
        id: "assertion-issued-at",
        explains: |_, difference| {
            matches!(
                difference,
                Difference::Field { name, kubelogin: None, .. } if name == "form.client_assertion.claims.iat"
            )
        },
    },
    Matcher {
        id: "assertion-life",
        explains: |case, difference| {
            case.is_of("legacy-spn")
                && matches!(
                    difference,
                    Difference::Field { name, kubelogin: Some(theirs), ours: Some(our), .. }
                        if name == "form.client_assertion.lifetime" && theirs == "86400 s" && our == "600 s"
                )
        },
    },
    Matcher {
        id: "federated-user",
        explains: |case, difference| {
            case.has("federated-user")
                && only_kubelogin(difference, |call| call.starts_with("outside CONNECT adfs."))
        },
    },
    Matcher {
        id: "unknown-realm",
        explains: |case, difference| {
            case.has("unknown-domain") && matches!(difference, Difference::OnlyWeCall(_))
        },
    },
    Matcher {
        id: "redirect-url",
        explains: |case, difference| {
            (case.has("redirect-url-nonsense") || case.has("redirect-url-elsewhere"))
                && refused_early(difference)
        },
    },
    Matcher {
        id: "no-desktop",
        explains: |case, difference| case.has("no-desktop") && refused_early(difference),
    },
];

fn field(difference: &Difference, is: impl Fn(&str) -> bool) -> bool {
    matches!(difference, Difference::Field { name, .. } if is(name))
}

/// Only kubelogin sends such a request.
fn only_kubelogin(difference: &Difference, such: impl Fn(&str) -> bool) -> bool {
    matches!(difference, Difference::OnlyKubeloginCalls(call) if such(call))
}

/// One of the two sends such a request, and the other does not.
fn either_calls(difference: &Difference, such: impl Fn(&str) -> bool) -> bool {
    matches!(difference, Difference::OnlyKubeloginCalls(call) | Difference::OnlyWeCall(call) if such(call))
}

/// kubelogin fails where kubectl-aad gets a token.
fn only_we_succeed(difference: &Difference) -> bool {
    matches!(
        difference,
        Difference::Exit {
            kubelogin: Exit::Failed,
            ours: Exit::Done
        }
    )
}

/// Only kubectl-aad can read a file, so only it continues and asks for a token.
fn reads_the_file(difference: &Difference) -> bool {
    only_we_succeed(difference) || matches!(difference, Difference::OnlyWeCall(_))
}

/// kubectl-aad fails, and asks for nothing, where kubelogin gets a token.
fn refused_early(difference: &Difference) -> bool {
    matches!(
        difference,
        Difference::Exit {
            kubelogin: Exit::Done,
            ours: Exit::Failed
        } | Difference::OnlyKubeloginCalls(_)
    )
}
