//! What each Entra error code means to a person, and what to do about it.
//!
//! Codes are documented at
//! <https://learn.microsoft.com/entra/identity-platform/reference-error-codes>.

use crate::error::Kind;

/// The meaning of a code.
#[derive(Debug)]
pub struct Remedy {
    /// The number after `AADSTS`.
    pub code: u32,
    /// The kind of error.
    pub kind: Kind,
    /// What it means, in a few words.
    pub meaning: &'static str,
    /// What a person does next.
    pub hint: &'static str,
    /// What to do if an application signs in, if that differs.
    application: Option<&'static str>,
}

const fn row(code: u32, kind: Kind, meaning: &'static str, hint: &'static str) -> Remedy {
    Remedy {
        code,
        kind,
        meaning,
        hint,
        application: None,
    }
}

const fn sign_in(code: u32, meaning: &'static str) -> Remedy {
    row(code, Kind::SignInNeeded, meaning, SIGN_IN)
}

const fn denied(code: u32, meaning: &'static str) -> Remedy {
    row(code, Kind::Denied, meaning, ASK_ADMIN)
}

const fn not_found(code: u32, meaning: &'static str) -> Remedy {
    row(code, Kind::NotFound, meaning, CHECK_TENANT)
}

const fn usage(code: u32, meaning: &'static str) -> Remedy {
    row(code, Kind::Usage, meaning, GIVE_TENANT)
}

impl Remedy {
    /// The same row with another hint than its kind has.
    const fn hint(mut self, hint: &'static str) -> Self {
        self.hint = hint;
        self
    }

    /// The same row with another hint for applications.
    const fn application(mut self, hint: &'static str) -> Self {
        self.application = Some(hint);
        self
    }

    /// What to do if an application signs in, for which no person can sign in.
    pub fn application_hint(&self) -> &'static str {
        match self.application {
            Some(hint) => hint,
            None if self.kind == Kind::SignInNeeded => ASK_ADMIN_OF_APPLICATION,
            None => self.hint,
        }
    }
}

/// What to do about an error of an application that has no row.
pub(crate) const ASK_ADMIN_OF_APPLICATION: &str =
    "ask an administrator: the tenant's sign-in log, under service principals, has the details";

const SIGN_IN: &str =
    "sign in again in a terminal, with `-l interactive` or `-l devicecode` (with az: `az login`)";
const CHECK_CLIENT: &str =
    "check `--client-id` and `--tenant-id`, and that the application exists in that tenant";
const CHECK_TENANT: &str = "check `--tenant-id`, and `--environment` if it is in another cloud";
const GIVE_TENANT: &str = "give the tenant with `--tenant-id`";
const ASK_ADMIN: &str = "ask an administrator of the tenant";

/// The codes that occur in practice, sorted.
pub static REMEDIES: &[Remedy] = &[
    sign_in(
        16000,
        "the signed-in account does not exist in this tenant, or several are signed in",
    )
    .hint(
        "choose the account with `--login-hint`, or sign in again with an account of the \
        tenant",
    ),
    not_found(50001, "the server application is not in this tenant").hint(
        "check `--server-id`: AKS-managed clusters have \
        `6dae42f8-4368-4678-94ff-3960e28e3630`",
    ),
    denied(50011, "the application has no such redirect URL")
        .hint("omit `--redirect-url`, or register it in the application, for a public client"),
    denied(
        50020,
        "the account is from another tenant and not a guest in this one",
    )
    .hint("sign in with an account of the tenant, or have the account invited as a guest")
    .application(ASK_ADMIN_OF_APPLICATION),
    not_found(50034, "the account does not exist in this tenant")
        .hint("check `--username` and `--tenant-id`"),
    denied(50053, "the account is locked"),
    sign_in(50055, "the password has expired")
        .hint("change the password at https://myaccount.microsoft.com and try again"),
    denied(50057, "the account is disabled"),
    sign_in(50058, "no one is signed in"),
    usage(50059, "no tenant was named and none could be found"),
    sign_in(50074, "multi-factor authentication is required"),
    sign_in(50076, "multi-factor authentication is required"),
    sign_in(50078, "the multi-factor authentication has expired"),
    sign_in(
        50079,
        "the account must set up multi-factor authentication first",
    )
    .hint("sign in once in a browser (`-l interactive`) and follow the instructions"),
    denied(50105, "the account is not assigned to the application")
        .hint("ask an administrator to assign the account, or a group of it, to the application"),
    denied(50126, "the user name or the password is wrong")
        .hint("check the name and the password; federated accounts can't sign in with `ropc`")
        .application(ASK_ADMIN_OF_APPLICATION),
    not_found(50128, "there is no such tenant"),
    denied(50131, "conditional access refused this device or location"),
    sign_in(
        50132,
        "the sign-in was ended by a changed or expired password",
    ),
    sign_in(50133, "the sign-in was ended by a changed password"),
    sign_in(50158, "a further check outside Entra ID is required"),
    sign_in(50173, "the sign-in was revoked"),
    not_found(51004, "the account does not exist in this tenant")
        .hint("check `--tenant-id`, or have the account invited as a guest"),
    denied(53000, "conditional access requires a compliant device")
        .hint("sign in on a device that your organization manages, with `-l interactive`")
        .application(ASK_ADMIN_OF_APPLICATION),
    denied(53001, "conditional access requires a domain-joined device")
        .hint("sign in on a device that your organization manages, with `-l interactive`")
        .application(ASK_ADMIN_OF_APPLICATION),
    denied(53003, "conditional access blocked the sign-in")
        .hint(
            "the tenant's sign-in log names the policy; `-l interactive` passes policies that \
            block device codes",
        )
        .application(ASK_ADMIN_OF_APPLICATION),
    denied(65001, "nobody has consented to this application")
        .hint(
            "ask an administrator to consent to the application, or sign in once with `-l \
            interactive`",
        )
        .application("ask an administrator to grant the application its permissions"),
    denied(
        65002,
        "this first-party application may not get tokens for this resource",
    )
    .hint(
        "use the Azure CLI's client id `04b07795-8ddb-461a-bbee-02f9e1bf7b46` with \
        `--client-id`",
    ),
    denied(65004, "consent was declined")
        .hint("sign in again and consent, or ask an administrator to")
        .application("ask an administrator to grant the application its permissions"),
    sign_in(70008, "the sign-in or its code has expired"),
    usage(70011, "the scope is not valid").hint("check `--server-id`"),
    denied(
        70021,
        "no federated credential of the application matches this token",
    )
    .hint(
        "compare issuer, subject and audience of the federated credential with those of \
        the token",
    ),
    sign_in(70043, "the sign-in is older than the tenant allows"),
    not_found(90002, "there is no such tenant"),
    usage(90013, "the request is not valid").hint("check the flags of the sign-in"),
    usage(90019, "no tenant was named"),
    denied(90072, "the account is not a guest in this tenant")
        .hint("have the account invited as a guest, or sign in with an account of the tenant")
        .application(ASK_ADMIN_OF_APPLICATION),
    denied(90094, "an administrator must consent to this application"),
    not_found(500_011, "the server application is not in this tenant").hint(
        "check `--server-id` and `--tenant-id`; a tenant without AKS clusters may not \
        have it",
    ),
    denied(500_133, "the assertion is not valid yet, or has expired")
        .hint("check this machine's clock, or renew the federated token"),
    denied(
        501_051,
        "the application is not assigned to the server application, which requires it",
    )
    .hint("ask an administrator to assign the application a role of the server application"),
    denied(530_003, "conditional access requires a managed device")
        .hint("sign in on a device that your organization manages, with `-l interactive`")
        .application(ASK_ADMIN_OF_APPLICATION),
    not_found(700_016, "the application is not in this tenant").hint(CHECK_CLIENT),
    denied(700_024, "the assertion is not valid yet, or has expired")
        .hint("check this machine's clock, or renew the federated token"),
    denied(
        700_027,
        "the certificate is not registered for the application",
    )
    .hint("upload the certificate to the application, or check `--client-certificate`"),
    sign_in(
        700_082,
        "the sign-in has expired, because it was not used for too long",
    ),
    denied(
        700_211,
        "no federated credential of the application has the issuer of the token",
    )
    .hint(
        "compare the issuer of the federated credential with that of the token; a \
        recreated cluster has another one (`az aks show --query \
        oidcIssuerProfile.issuerUrl`)",
    ),
    denied(
        700_212,
        "no federated credential of the application has the audience of the token",
    )
    .hint(
        "give the federated credential the audience `api://AzureADTokenExchange`, and \
        compare it with that of the token",
    ),
    denied(
        700_213,
        "no federated credential of the application matches the token's subject",
    )
    .hint(
        "compare issuer, subject and audience of the federated credential with those of \
        the token",
    ),
    not_found(
        900_023,
        "the tenant that was named is neither a tenant id nor a domain",
    )
    .hint("check `--tenant-id`"),
    denied(7_000_112, "the application is disabled"),
    denied(7_000_215, "the client secret is wrong").hint("give the secret's value, not its id"),
    denied(7_000_218, "the application is not a public client")
        .hint("allow public client flows in the application, or use `-l spn`"),
    denied(7_000_222, "the client secret has expired")
        .hint("create a new secret for the application and use it instead"),
    not_found(
        7_000_229,
        "the application has no service principal in this tenant",
    )
    .hint(
        "check `--tenant-id`, or ask an administrator to add it there (`az ad sp create \
        --id` and the client id)",
    ),
];

/// The row of a code.
pub(crate) fn remedy(code: u32) -> Option<&'static Remedy> {
    REMEDIES.iter().find(|row| row.code == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_sorted_and_worded_as_errors_are() {
        assert!(REMEDIES.windows(2).all(|pair| pair[0].code < pair[1].code));
        for row in REMEDIES {
            for text in [row.meaning, row.hint, row.application_hint()] {
                assert!(!text.is_empty() && !text.ends_with('.'), "{}", row.code);
                let first = text.chars().next().expect("not empty");
                assert!(!first.is_uppercase(), "{}", row.code);
            }
        }
    }

    #[test]
    fn applications_are_not_told_to_sign_in_as_people_do() {
        for row in REMEDIES {
            let hint = row.application_hint();
            for word in [
                "sign in",
                "interactive",
                "devicecode",
                "az login",
                "browser",
            ] {
                assert!(!hint.contains(word), "{}: {hint}", row.code);
            }
        }
    }
}
