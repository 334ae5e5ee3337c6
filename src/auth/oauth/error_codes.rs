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

impl Remedy {
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
const ASK_ADMIN: &str = "ask an administrator of the tenant";

/// The codes that occur in practice, sorted.
pub static REMEDIES: &[Remedy] = &[
    row(
        16000,
        Kind::SignInNeeded,
        "the signed-in account does not exist in this tenant, or several are signed in",
        "choose the account with `--login-hint`, or sign in again with an account of the tenant",
    ),
    row(
        50001,
        Kind::NotFound,
        "the server application is not in this tenant",
        "check `--server-id`: AKS-managed clusters have `6dae42f8-4368-4678-94ff-3960e28e3630`",
    ),
    row(
        50011,
        Kind::Denied,
        "the application has no such redirect URL",
        "omit `--redirect-url`, or register it in the application, for a public client",
    ),
    row(
        50020,
        Kind::Denied,
        "the account is from another tenant and not a guest in this one",
        "sign in with an account of the tenant, or have the account invited as a guest",
    )
    .application(ASK_ADMIN_OF_APPLICATION),
    row(
        50034,
        Kind::NotFound,
        "the account does not exist in this tenant",
        "check `--username` and `--tenant-id`",
    ),
    row(50053, Kind::Denied, "the account is locked", ASK_ADMIN),
    row(
        50055,
        Kind::SignInNeeded,
        "the password has expired",
        "change the password at https://myaccount.microsoft.com and try again",
    ),
    row(50057, Kind::Denied, "the account is disabled", ASK_ADMIN),
    row(50058, Kind::SignInNeeded, "no one is signed in", SIGN_IN),
    row(
        50059,
        Kind::Usage,
        "no tenant was named and none could be found",
        "give the tenant with `--tenant-id`",
    ),
    row(
        50074,
        Kind::SignInNeeded,
        "multi-factor authentication is required",
        SIGN_IN,
    ),
    row(
        50076,
        Kind::SignInNeeded,
        "multi-factor authentication is required",
        SIGN_IN,
    ),
    row(
        50078,
        Kind::SignInNeeded,
        "the multi-factor authentication has expired",
        SIGN_IN,
    ),
    row(
        50079,
        Kind::SignInNeeded,
        "the account must set up multi-factor authentication first",
        "sign in once in a browser (`-l interactive`) and follow the instructions",
    ),
    row(
        50105,
        Kind::Denied,
        "the account is not assigned to the application",
        "ask an administrator to assign the account, or a group of it, to the application",
    ),
    row(
        50126,
        Kind::Denied,
        "the user name or the password is wrong",
        "check the name and the password; federated accounts can't sign in with `ropc`",
    )
    .application(ASK_ADMIN_OF_APPLICATION),
    row(
        50128,
        Kind::NotFound,
        "there is no such tenant",
        "check `--tenant-id`, and `--environment` if it is in another cloud",
    ),
    row(
        50131,
        Kind::Denied,
        "conditional access refused this device or location",
        ASK_ADMIN,
    ),
    row(
        50132,
        Kind::SignInNeeded,
        "the sign-in was ended by a changed or expired password",
        SIGN_IN,
    ),
    row(
        50133,
        Kind::SignInNeeded,
        "the sign-in was ended by a changed password",
        SIGN_IN,
    ),
    row(
        50158,
        Kind::SignInNeeded,
        "a further check outside Entra ID is required",
        SIGN_IN,
    ),
    row(
        50173,
        Kind::SignInNeeded,
        "the sign-in was revoked",
        SIGN_IN,
    ),
    row(
        51004,
        Kind::NotFound,
        "the account does not exist in this tenant",
        "check `--tenant-id`, or have the account invited as a guest",
    ),
    row(
        53000,
        Kind::Denied,
        "conditional access requires a compliant device",
        "sign in on a device that your organization manages, with `-l interactive`",
    )
    .application(ASK_ADMIN_OF_APPLICATION),
    row(
        53001,
        Kind::Denied,
        "conditional access requires a domain-joined device",
        "sign in on a device that your organization manages, with `-l interactive`",
    )
    .application(ASK_ADMIN_OF_APPLICATION),
    row(
        53003,
        Kind::Denied,
        "conditional access blocked the sign-in",
        "the tenant's sign-in log names the policy; `-l interactive` passes policies that block device codes",
    )
    .application(ASK_ADMIN_OF_APPLICATION),
    row(
        65001,
        Kind::Denied,
        "nobody has consented to this application",
        "ask an administrator to consent to the application, or sign in once with `-l interactive`",
    )
    .application("ask an administrator to grant the application its permissions"),
    row(
        65002,
        Kind::Denied,
        "this first-party application may not get tokens for this resource",
        "use the Azure CLI's client id `04b07795-8ddb-461a-bbee-02f9e1bf7b46` with `--client-id`",
    ),
    row(
        65004,
        Kind::Denied,
        "consent was declined",
        "sign in again and consent, or ask an administrator to",
    )
    .application("ask an administrator to grant the application its permissions"),
    row(
        70008,
        Kind::SignInNeeded,
        "the sign-in or its code has expired",
        SIGN_IN,
    ),
    row(
        70011,
        Kind::Usage,
        "the scope is not valid",
        "check `--server-id`",
    ),
    row(
        70021,
        Kind::Denied,
        "no federated credential of the application matches this token",
        "compare issuer, subject and audience of the federated credential with those of the token",
    ),
    row(
        70043,
        Kind::SignInNeeded,
        "the sign-in is older than the tenant allows",
        SIGN_IN,
    ),
    row(
        90002,
        Kind::NotFound,
        "there is no such tenant",
        "check `--tenant-id`, and `--environment` if it is in another cloud",
    ),
    row(
        90013,
        Kind::Usage,
        "the request is not valid",
        "check the flags of the sign-in",
    ),
    row(
        90019,
        Kind::Usage,
        "no tenant was named",
        "give the tenant with `--tenant-id`",
    ),
    row(
        90072,
        Kind::Denied,
        "the account is not a guest in this tenant",
        "have the account invited as a guest, or sign in with an account of the tenant",
    )
    .application(ASK_ADMIN_OF_APPLICATION),
    row(
        90094,
        Kind::Denied,
        "an administrator must consent to this application",
        ASK_ADMIN,
    ),
    row(
        500_011,
        Kind::NotFound,
        "the server application is not in this tenant",
        "check `--server-id` and `--tenant-id`; a tenant without AKS clusters may not have it",
    ),
    row(
        500_133,
        Kind::Denied,
        "the assertion is not valid yet, or has expired",
        "check this machine's clock, or renew the federated token",
    ),
    row(
        501_051,
        Kind::Denied,
        "the application is not assigned to the server application, which requires it",
        "ask an administrator to assign the application a role of the server application",
    ),
    row(
        530_003,
        Kind::Denied,
        "conditional access requires a managed device",
        "sign in on a device that your organization manages, with `-l interactive`",
    )
    .application(ASK_ADMIN_OF_APPLICATION),
    row(
        700_016,
        Kind::NotFound,
        "the application is not in this tenant",
        CHECK_CLIENT,
    ),
    row(
        700_024,
        Kind::Denied,
        "the assertion is not valid yet, or has expired",
        "check this machine's clock, or renew the federated token",
    ),
    row(
        700_027,
        Kind::Denied,
        "the certificate is not registered for the application",
        "upload the certificate to the application, or check `--client-certificate`",
    ),
    row(
        700_082,
        Kind::SignInNeeded,
        "the sign-in has expired, because it was not used for too long",
        SIGN_IN,
    ),
    row(
        700_211,
        Kind::Denied,
        "no federated credential of the application has the issuer of the token",
        "compare the issuer of the federated credential with that of the token; a recreated cluster has another one (`az aks show --query oidcIssuerProfile.issuerUrl`)",
    ),
    row(
        700_212,
        Kind::Denied,
        "no federated credential of the application has the audience of the token",
        "give the federated credential the audience `api://AzureADTokenExchange`, and compare it with that of the token",
    ),
    row(
        700_213,
        Kind::Denied,
        "no federated credential of the application matches the token's subject",
        "compare issuer, subject and audience of the federated credential with those of the token",
    ),
    row(
        900_023,
        Kind::NotFound,
        "the tenant that was named is neither a tenant id nor a domain",
        "check `--tenant-id`",
    ),
    row(
        7_000_112,
        Kind::Denied,
        "the application is disabled",
        ASK_ADMIN,
    ),
    row(
        7_000_215,
        Kind::Denied,
        "the client secret is wrong",
        "give the secret's value, not its id",
    ),
    row(
        7_000_218,
        Kind::Denied,
        "the application is not a public client",
        "allow public client flows in the application, or use `-l spn`",
    ),
    row(
        7_000_222,
        Kind::Denied,
        "the client secret has expired",
        "create a new secret for the application and use it instead",
    ),
    row(
        7_000_229,
        Kind::NotFound,
        "the application has no service principal in this tenant",
        "check `--tenant-id`, or ask an administrator to add it there (`az ad sp create --id` and the client id)",
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
