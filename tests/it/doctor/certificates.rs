//! Faults of trusted certificates and of those of service principals.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use super::fault::{Entry, Machine, OURS};
use crate::{env::run, support::peer};

#[test]
fn aad038_the_variable_names_no_certificates() {
    let mut machine = Machine::without("AAD038");
    let empty = machine.env.write("empty.pem", "");
    machine.set("SSL_CERT_FILE", &empty);
    let finding = machine.finding(&["`SSL_CERT_FILE` names", "contains no PEM certificate"]);
    assert!(
        !finding["advice"].to_string().contains("unset"),
        "the command says it: {finding}"
    );
    let der = machine.env.path("ca.der");
    if let Some(openssl) = peer("openssl") {
        let mut command = Command::new(openssl);
        let ca = &machine.env.files.ca;
        command
            .arg("x509")
            .arg("-in")
            .arg(ca)
            .args(["-outform", "der", "-out"]);
        assert_eq!(run(command.arg(&der)).code, 0);
        machine.set("SSL_CERT_FILE", &der);
        machine.finding(&["is a DER file, not PEM", "openssl x509 -inform der"]);
        machine.set("SSL_CERT_FILE", &empty);
    }
    machine.set("SSL_CERT_DIR", machine.env.path("nowhere"));
    machine.finding(&[
        "no trusted certificates were found",
        "unset SSL_CERT_FILE",
        "unset SSL_CERT_DIR",
    ]);
    machine.set("SSL_CERT_FILE", machine.env.files.ca.clone());
    machine.follow_and_check(&["`SSL_CERT_DIR` names the directory `"]);
    machine.set("SSL_CERT_FILE", machine.env.path("nowhere.pem"));
    machine.follow_and_check(&["nowhere.pem`, which can't be read"]);
}

/// What `openssl ca` needs to sign with a date in the past.
const CA: &str = "[ca]\ndefault_ca=x\n[x]\ndatabase=index\nserial=serial\nnew_certs_dir=.\npolicy=p\n\
                  default_md=sha256\n[p]\ncommonName=supplied\n";

/// A file with a certificate, valid until this time (`YYYYMMDDHHMMSSZ`), and its key.
fn certificate(openssl: &Path, directory: &Path, until: &str) -> PathBuf {
    for (name, text) in [("ca.cnf", CA), ("index", ""), ("serial", "01\n")] {
        fs::write(directory.join(name), text).expect("written");
    }
    let sign = format!(
        "ca -batch -notext -selfsign -config ca.cnf -keyfile key.pem -in request.pem -out leaf.pem \
         -startdate 20200101000000Z -enddate {until}"
    );
    for line in [
        "req -new -newkey rsa:2048 -nodes -keyout key.pem -out request.pem -subj /CN=leaf",
        &sign,
    ] {
        let mut command = Command::new(openssl);
        let ran = run(command.args(line.split_whitespace()).current_dir(directory));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
    }
    let both =
        ["leaf.pem", "key.pem"].map(|name| fs::read_to_string(directory.join(name)).expect("made"));
    let path = directory.join("both.pem");
    fs::write(&path, both.concat()).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("ours");
    path
}

#[test]
fn aad049_the_certificate_is_missing_expired_or_open_to_others() {
    let Some(openssl) = peer("openssl") else {
        return;
    };
    let mut machine = Machine::without("AAD049");
    let path = machine.env.path("both.pem");
    let shown = path.display().to_string();
    let args = ["-l", "spn", "--client-id", "c", "--tenant-id", "t"];
    machine.sign_in_by(&Entry {
        args: &[&args[..], &["--client-certificate", &shown]].concat(),
        ..OURS
    });
    machine.finding(&["the context `x` can't sign in", "there is no such file"]);
    certificate(&openssl, machine.env.home(), "20990101000000Z");
    assert!(machine.findings().is_empty());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("ours");
    machine.follow_and_check(&["other users can reach the private key", "chmod 600"]);
    certificate(&openssl, machine.env.home(), "20210101000000Z");
    machine.finding(&["with which the context `x` signs in, expired at 2021-01-01T00:00:00Z"]);
    fs::write(&path, fs::read(machine.env.path("leaf.pem")).expect("made")).expect("written");
    machine.finding(&["there is no private key in it"]);
    machine.set("AZURE_CLIENT_SECRET", "planted");
    assert!(machine.findings().is_empty(), "a secret comes first");
}
