//! Who searched where, and what to do if nothing was found.

use crate::{
    error::{Failure, Kind},
    fleet::{Subscription, Tenants},
    login::{LoginMode, Principal},
    ops::fleet_request::FleetRequest,
    sentence,
};

/// Who searched, and where.
#[derive(Debug, Clone)]
pub(crate) struct Search {
    /// A person's sign-in name or an application's id, if ARM's token tells.
    pub(crate) account: Option<String>,
    pub(crate) mode: LoginMode,
    /// The tenants that were searched, by name, or by id or domain if no name is known.
    pub(crate) tenants: Vec<String>,
    /// How many subscriptions were searched.
    pub(crate) subscriptions: usize,
}

impl Search {
    /// What to check if there is no cluster.
    pub(crate) fn no_cluster(&self) -> String {
        let subscriptions = match self.subscriptions {
            1 => "1 subscription".to_owned(),
            count => format!("{count} subscriptions"),
        };
        format!(
            "{} sees no AKS cluster in {subscriptions}{}: if you expect one, check the account, its roles and `--tenant-id`",
            self.who(),
            self.place()
        )
    }

    /// Why nothing can be searched although the sign-in succeeded: no subscription is visible, or none of `known` is
    /// enabled.
    pub(super) fn no_subscription(
        &self,
        request: &FleetRequest,
        known: &[Subscription],
    ) -> Failure {
        let who = self.who();
        if !known.is_empty() {
            let states: Vec<_> = known
                .iter()
                .map(|one| format!("{} ({})", one.name, one.state))
                .collect();
            return Failure::of(
                Kind::NotFound,
                format!("{who} sees no enabled subscription"),
            )
            .because(format!("it sees {}", sentence::some_of(&states)))
            .hint("enable one in Azure, or choose another account");
        }
        Failure::of(
            Kind::NotFound,
            format!("{who} sees no subscription{}", self.place()),
        )
        .hint(self.what_to_check(request))
    }

    fn what_to_check(&self, request: &FleetRequest) -> String {
        let account = match (request.account_command(), self.mode.row().principal) {
            (Some(command), _) => Some(format!("check the account with `{command}`")),
            (None, Principal::Person) => {
                Some("choose another account with `--account NAME`".to_owned())
            }
            (None, _) => None,
        };
        let tenant = match request.scope.tenants {
            Tenants::Every => Some("name the tenant of the subscription with `--tenant-id`"),
            Tenants::Named(_) => Some("check `--tenant-id`"),
            Tenants::Own => None,
        };
        let role = "ask for a role on a subscription, such as `Reader`".to_owned();
        let parts = [account, Some(role), tenant.map(str::to_owned)];
        parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
    }

    fn who(&self) -> String {
        match &self.account {
            Some(account) => format!("`{account}` (`{}`)", self.mode),
            None => format!("the account of `{}`", self.mode),
        }
    }

    fn place(&self) -> String {
        match self.tenants.len() {
            0 => String::new(),
            1 => format!(" of tenant {}", sentence::some_of(&self.tenants)),
            _ => format!(" of the tenants {}", sentence::some_of(&self.tenants)),
        }
    }
}
