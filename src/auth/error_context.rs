//! Adds to an error which token was wanted and which variables were involved.

use crate::{
    error::{Failure, Kind},
    login::{Param, SignIn},
};

/// Adds the mode, the tenant (empty if none was named) and the variables to an error of this sign-in.
pub(super) fn add(failure: Failure, sign_in: &SignIn, tenant: &str) -> Failure {
    let failure = with_variables(failure, sign_in);
    if matches!(failure.kind(), Kind::Usage | Kind::Variable) {
        return failure;
    }
    let mode = sign_in.login.mode();
    failure.context(match tenant {
        "" => format!("could not get a token with `{mode}`"),
        tenant => format!("could not get a token for tenant `{tenant}` with `{mode}`"),
    })
}

/// Names the variables that may have caused the error. If nobody answered, who signs in and with which secret did not
/// matter.
fn with_variables(failure: Failure, sign_in: &SignIn) -> Failure {
    let kind = failure.kind();
    let names: Vec<String> = sign_in
        .variables
        .iter()
        .filter(|(param, _)| match param {
            Param::Timeout => kind == Kind::Timeout,
            Param::TokenStore => false,
            _ if kind == Kind::Variable => false,
            // They decide which host was called.
            Param::AuthorityHost | Param::Environment => true,
            _ => !matches!(
                kind,
                Kind::Network
                    | Kind::Untrusted
                    | Kind::Timeout
                    | Kind::Canceled
                    | Kind::NotInstalled
            ),
        })
        .map(|(_, name)| format!("`{name}`"))
        .collect();
    match names.as_slice() {
        [] => failure,
        [name] => failure.because(format!("the environment variable {name} was used")),
        names => failure.because(format!(
            "the environment variables {} were used",
            names.join(", ")
        )),
    }
}
