//! What stands between this program and a token: services, proxies, certificates and other
//! programs that answer late, wrong or not at all, and what a person is told then.

use std::{fs, os::unix::fs::PermissionsExt as _};

use azure_sim::{Endpoint, Fault, Place};
use serde_json::{Value, json};

use crate::{get_token::Scene, world::Ran};

/// When the token of a run's answer ends, in Unix seconds.
fn expires_on(ran: &Ran) -> i64 {
    let credential = ran.json(0);
    let text = credential["status"]["expirationTimestamp"]
        .as_str()
        .expect("a timestamp");
    let format = &time::format_description::well_known::Rfc3339;
    time::OffsetDateTime::parse(text, format)
        .expect("RFC 3339")
        .unix_timestamp()
}

fn now() -> i64 {
    time::OffsetDateTime::now_utc().unix_timestamp()
}

impl Scene {
    /// The variables of a place, as [`Scene::get_token`] takes them.
    fn at(&self, place: Place) -> Vec<(String, String)> {
        self.world
            .simulator
            .env_for(place, &self.world.files)
            .into_iter()
            .collect()
    }

    fn msi(&self, args: &[&str]) -> Ran {
        let env = self.at(Place::VirtualMachine);
        let env: Vec<(&str, &str)> = env.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        self.get_token(&[&["-l", "msi"], args].concat(), &env)
    }

    /// Puts a program in the place of `az` or `azd`.
    fn program_is(&self, name: &str, script: &str) {
        let path = self.world.home().join("bin").join(name);
        let _ = fs::remove_file(&path);
        fs::write(&path, script).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("ours");
    }
}

#[test]
fn a_token_is_served_no_longer_than_any_of_its_three_expiries() {
    let scene = Scene::new();
    let real = scene.msi(&["--force-refresh"]);
    let token = real.json(0)["status"]["token"]
        .as_str()
        .expect("a token")
        .to_owned();
    let soon = now() + 600;
    let imds = |left: Value, on: Value, token: &str| {
        let body = json!({
            "access_token": token, "expires_in": left, "expires_on": on,
            "resource": "x", "token_type": "Bearer",
        });
        scene.world.simulator.faults().clear();
        scene
            .world
            .simulator
            .faults()
            .add(Fault::on(Endpoint::Imds).body(200, "application/json", body.to_string()));
        scene.msi(&["--force-refresh"])
    };
    // A token of IMDS's cache: `expires_in` still says what it said at its issuance.
    let cached = imds("86400".into(), soon.to_string().into(), "opaque");
    assert_eq!(expires_on(&cached), soon);
    let short = imds("300".into(), (soon + 9_000).to_string().into(), "opaque");
    assert!(expires_on(&short) <= now() + 300);
    // The token's own `exp`.
    let own = imds(
        "864000".into(),
        (now() + 864_000).to_string().into(),
        &token,
    );
    assert_eq!(expires_on(&own), expires_on(&real));

    let later = now() + 864_000;
    scene.program_is(
        "az",
        &format!("#!/bin/sh\necho '{{\"accessToken\":\"{token}\",\"expires_on\":{later}}}'\n"),
    );
    let az = scene.get_token(&["-l", "azurecli", "--force-refresh"], &[]);
    assert_eq!(expires_on(&az), expires_on(&real));
    scene.program_is(
        "azd",
        &format!(
            "#!/bin/sh\necho '{{\"token\":\"{token}\",\"expiresOn\":\"2099-01-01T00:00:00Z\"}}'\n"
        ),
    );
    let azd = scene.get_token(&["-l", "azd", "--force-refresh"], &[]);
    assert_eq!(expires_on(&azd), expires_on(&real));
}
