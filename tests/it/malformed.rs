//! Malformed kubeconfigs: a file is refused if and only if kubectl can't read it.

use std::{
    fs,
    process::Command,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use kubectl_aad::internals::Document;

use crate::support::peer;

/// Texts behind `apiVersion: v1` and `kind: Config`.
const REST: &[&str] = &[
    "clusters:\n- name: a\n  cluster: &x {server: https://a}\n- name: b\n  cluster: *x\n",
    "a: &x\nb: *x\n",
    "users:\n- name: a\n  user: {auth-provider: {name: azure, config: {a: 1}}}\n",
    "users:\n- name: a\n  user: {auth-provider: {name: azure, config: {a: null}}}\n",
    "users:\n- name: a\n  user: {auth-provider: azure}\n",
    "users:\n- name: a\n  user: {exec: {command: x, args: [a, null, ,b], apiVersion: client.authentication.k8s.io/v1beta1}}\n",
    "users:\n- name: a\n  user:\n    exec:\n      command: x\n      args: \n      - a\n      -\n      - ~\n      - b\n      apiVersion: client.authentication.k8s.io/v1beta1\n",
    "users:\n- name: a\n  user: {exec: {command: x, args: [1], apiVersion: client.authentication.k8s.io/v1beta1}}\n",
    "users:\n- name: a\n  user: {exec: {command: x, args: a, apiVersion: client.authentication.k8s.io/v1beta1}}\n",
    "users:\n- name: a\n  user: {as-user-extra: {a: [b]}}\n",
    "users:\n- name: a\n  user: {as-user-extra: {a: b}}\n",
    "users:\n- name: a\n  user: {as-groups: [a, 1]}\n",
    "a: @b\n",
    "users:\n- name: a\n  user: {client-key-data: TR==}\n",
    "users:\n- name: a\n  user: {client-key-data: ''}\n",
    "users:\n- name: a\n  user: {client-key-data: [1,2]}\n",
    "users:\n- name: a\n  user: {client-key-data: \"TQ\\n==\"}\n",
    "users:\n- name: a\n  user: {client-key-data: TQ}\n",
    "users:\n- name: a\n  user: {client-key-data: 'TQ= ='}\n",
    "users:\n- name: a\n  user: {client-key-data: \"__-_\"}\n",
    "a: *x\n",
    "users:\n- name: a\n  user: {token: !!binary '***'}\n",
    "a: `b\n",
    "a: \u{90}b\n",
    "clusters:\n- name: a\n  cluster: {server: https://a, certificate-authority-data: '***'}\n",
    "clusters:\n- name: a\n  cluster: {server: https://a, certificate-authority-data: 1234}\n",
    "Clusters:\n- Name: a\n  Cluster: {Server: https://a}\n",
    "current-context: null\n",
    "current-context: 1\n",
    "clusters:\n- name: a\n",
    "clusters:\n- name: a\n  cluster: null\n",
    "clusters:\n- name: a\n  cluster: x\n",
    "clusters: {a: b}\n",
    "clusters: a\n",
    "users:\n- name: a\n  user: {exec: {command: 1, apiVersion: client.authentication.k8s.io/v1beta1}}\n",
    "a: b: c\n",
    "a: b:\n",
    "preferences: {colors: yes}\n",
    "preferences: {colors: 'yes'}\n",
    "a: [b,,c]\n",
    "a: \u{1}\n",
    "a: \"\u{1}\"\n",
    "contexts:\n- name: a\n  context: {cluster: a, user: a, namespace: 1}\n",
    "contexts:\n- name: a\n  context: {cluster: a}\n- name: a\n  context: {cluster: b}\n",
    "-a: b\n",
    "a:\n    b: 1\n  c: 2\n",
    "a: \u{7f}\n",
    "...\n",
    "...\nfoo: [\n",
    "a: \"\\q\"\n",
    "a: \"\\/\"\n",
    "users: []\nusers: {}\n",
    "clusters: []\nclusters: []\n",
    "kind: Config\n",
    "clusters:\n- name: a\n  name: b\n  cluster: {server: https://a}\n",
    "a: \u{1f600}\n",
    "a: {'': 2}\n",
    "users:\n- name: a\n  user: {exec: {command: x, env: {A: b}, apiVersion: client.authentication.k8s.io/v1beta1}}\n",
    "users:\n- name: a\n  user: {exec: {command: x, env: [null,{name: A, value: null}], apiVersion: client.authentication.k8s.io/v1beta1}}\n",
    "users:\n- name: a\n  user: {exec: {command: x, env: [{name: A, value: 1}], apiVersion: client.authentication.k8s.io/v1beta1}}\n",
    "extensions: {a: 1}\n",
    "clusters:\n- name: a\n  cluster:\n    extensions:\n    - {name: a}\n",
    "clusters:\n- name: a\n  cluster:\n    extensions:\n    - null\n",
    "extensions:\n- name: a\n  extension: {x: 1}\n",
    "clusters:\n- name: a\n  cluster:\n    extensions:\n    - {name: a, extension: x}\n",
    "clusters:\n- name: a\n  cluster:\n    extensions:\n    - {name: a, extension: {x: 1}}\n    - {name: a, extension: {x: 2}}\n",
    "a: {b:c}\n",
    "a: {b, c}\n",
    "a: [b: c]\n",
    "a: {b: http://x}\n",
    "a: b\n---\n\tfoo\n",
    "...\n...\n",
    "]\n",
    "- b\n",
    "  x: 1\n",
    "--- x: [\n",
    "--- x\n",
    "---x\n",
    "a: b#c\n",
    "users:\n- name: a\n  user: {exec: {command: x, interactiveMode: foo, apiVersion: client.authentication.k8s.io/v1beta1}}\n",
    "clusters:\n- name: a\n  cluster: {server: https://a, insecure-skip-tls-verify: 'true'}\n",
    "clusters:\n- name: 0x1F\n  cluster: {server: https://a}\n",
    "1: 2\n",
    "a: {1: 2, true: 3}\n",
    "clusters:\n- null\n- name: a\n  cluster: {server: https://a}\n",
    "clusters:\n- foo\n",
    "a: |\nb: c\n",
    "a: |0\n  b\n",
    "a: |\n b\n",
    "a: |1\n  b\n",
    "a: x\u{2028}y\n",
    "clusters:\n- name: a\n  cluster: &x {server: https://a}\n- name: b\n  cluster:\n    <<: *x\n    proxy-url: http://p\n",
    "x: &x [1]\ny: {<<: *x}\n",
    "y: {<<: 5}\n",
    "x: &x {a: 1}\ny: {<<: [*x, {b: 2}]}\n",
    "a: x\u{feff}y\n",
    "clusters:\n- name: 1:30\n  cluster: {server: https://a}\n",
    "clusters:\n- name: 1e3\n  cluster: {server: https://a}\n",
    "clusters:\n- name: yes\n  cluster: {server: https://a}\n",
    "clusters:\n- name: 2026-01-01\n  cluster: {server: https://a}\n",
    "clusters:\n- name: .5\n  cluster: {server: https://a}\n",
    "clusters:\n- name: ''\n  cluster: {server: https://a}\n",
    "clusters:\n- name: .inf\n  cluster: {server: https://a}\n",
    "clusters:\n- name: [a]\n  cluster: {server: https://a}\n",
    "clusters:\n- name: N\n  cluster: {server: https://a}\n",
    "clusters:\n- cluster: {server: https://a}\n",
    "clusters:\n- cluster: {server: https://a}\n- cluster: {server: https://b}\n",
    "clusters:\n- name: null\n  cluster: {server: https://a}\n",
    "clusters:\n- name: 1\n  cluster: {server: https://a}\n",
    "clusters:\n- name: 010\n  cluster: {server: https://a}\n",
    "clusters:\n- name: on\n  cluster: {server: https://a}\n",
    "clusters:\n- name: +1\n  cluster: {server: https://a}\n",
    "clusters:\n- name: a\n  cluster: {server: https://a}\n- name: a\n  cluster: {server: https://b}\n",
    "clusters:\n- name: 1_000\n  cluster: {server: https://a}\n",
    "clusters:\n- name: y\n  cluster: {server: https://a}\n",
    "a: \u{85}b\n",
    "? [a]\n: b\n",
    "clusters:\n- name: \"a\\0\"\n",
    "a: {~: 2}\n",
    "a: !!omap [b: c]\n",
    "users:\n- name: a\n  user: {exec: {command: x, provideClusterInfo: 'true', apiVersion: client.authentication.k8s.io/v1beta1}}\n",
    "a: %b\n",
    "preferences: null\n",
    "preferences: x\n",
    "a: 'b\n  c'\n",
    "a: 'b\n",
    "? a\n: b\n",
    "---\nfoo: [\n",
    "x: &x [*x]\n",
    "a:\n  - b\n - c\n",
    "clusters:\n- name: a\n  cluster: {server: 1}\n",
    "clusters:\n-\tname: a\n",
    "\t\na: b\n",
    "\t# x\n",
    "a: b\t\n",
    "\t\n",
    "\t",
    " \t\n",
    "a: 'b'\n\t\nc: d\n",
    "a: [b]\n\t\nc: d\n",
    "a:\n \tb: c\n",
    "a: b\n\tc\n",
    "a: b\n \tc\n",
    "a:\n- \tb\n",
    "a:\n\t- b\n",
    "a:\tb\n",
    "clusters:\n- name: !!str 1\n  cluster: {server: https://a}\n",
    "clusters:\n- name: !foo a\n  cluster: {server: https://a}\n",
    "users:\n- name: a\n  user: {token: !!bool yes}\n",
    "users:\n- name: a\n  user: {token: !!float 5}\n",
    "users:\n- name: a\n  user: {token: !!int '5'}\n",
    "users:\n- name: a\n  user: {token: !!int 5}\n",
    "users:\n- name: a\n  user: {token: !!str 5}\n",
    "users:\n- name: a\n  user: {token: 0b102}\n",
    "users:\n- name: a\n  user: {token: 1__0}\n",
    "users:\n- name: a\n  user: {token: 00}\n",
    "users:\n- name: a\n  user: {token: 08}\n",
    "users:\n- name: a\n  user: {token: 0_8}\n",
    "users:\n- name: a\n  user: {token: 123456789012345678901234567890}\n",
    "users:\n- name: a\n  user: {token: }\n",
    "users:\n- name: a\n  user: {token: 12e3}\n",
    "users:\n- name: a\n  user: {token: 1.5.}\n",
    "users:\n- name: a\n  user: {token: 0x1f}\n",
    "users:\n- name: a\n  user: {token: .nan}\n",
    "users:\n- name: a\n  user: {token: null}\n",
    "users:\n- name: a\n  user: {token: 123}\n",
    "users:\n- name: a\n  user: {token: ~}\n",
    "users:\n- name: a\n  user: {token: 2026-01-01T00:00:00Z}\n",
    "users:\n- name: a\n  user: {token: 6dae42f8-4368-4678-94ff-3960e28e3630}\n",
    "users:\n- name: a\n  user: {token: -0x1F}\n",
    "a: [b,]\n",
    "users:\n- name: a\n  user: {token: !!timestamp 2026-01-01}\n",
    "---\nkind: Pod\n",
    "a: !!set {b, c}\n",
    "foo: bar\nclusters:\n- name: a\n  foo: bar\n  cluster: {server: https://a, foo: 1}\n",
    "users:\n- name: a\n  user: {token: a}\n- name: a\n  user: {token: b}\n",
];

/// Whole files.
const WHOLE: &[&str] = &[
    "kind: Config\n",
    "apiVersion: 1\nkind: Config\n",
    "apiVersion: v2\nkind: Config\n",
    "apiVersion: /v1\nkind: Config\n",
    "\u{feff}apiVersion: v1\nkind: Config\nclusters:\n- name: a\n  cluster: {server: https://a}\n",
    "# x\n",
    "apiVersion: v1\rkind: Config\r",
    "%FOO bar\n---\napiVersion: v1\nkind: Config\n",
    "%YAML 1.1\n---\napiVersion: v1\nkind: Config\n",
    "%YAML 1.2\n---\napiVersion: v1\nkind: Config\n",
    "",
    "{}\nx\n",
    "{\"apiVersion\":\"v1\"}{\"a\":1}",
    "{apiVersion: v1, kind: Config} x\n",
    "{\"apiVersion\":\"v1\",\"kind\":\"Config\",\"clusters\":[{\"name\":\"a\",\"cluster\":{\"server\":\"https://a\"}}],\"clusters\":[]}",
    "{\"apiVersion\":\"v1\",\"kind\":\"Config\",\"clusters\":null}",
    "apiVersion: ''\nkind: ''\n",
    "apiVersion: v1\nkind: config\n",
    "apiVersion: v1\n",
    "apiVersion: null\nkind: null\n",
    "apiVersion: v1\nkind: 1\n",
    "apiVersion: v1\nkind: Pod\n",
    "[]\n",
    "apiVersion: v1\nkind: List\nitems: []\n",
    "clusters: []\n",
    "null\n",
    "---\n---\napiVersion: v1\nkind: Config\nclusters:\n- name: a\n  cluster: {server: https://a}\n",
    "foo\n",
    "\t\napiVersion: v1\nkind: Config\n",
    "%TAG ! tag:x,2000:\n---\napiVersion: v1\nkind: Config\na: !b c\n",
    "~\n",
];

/// What kubectl reads and we refuse. It is rare.
const REFUSED_BY_US: &[&str] = &[
    // Decoded by kubectl, but not by most other programs.
    "clusters:\n- name: !!binary YQ==\n  cluster: {server: https://a}\n",
    // Deeper than any real kubeconfig.
    "a: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]\n",
    // Indented by a tab, within brackets.
    "a: [\n\tb]\n",
];

#[test]
fn a_file_is_refused_if_and_only_if_kubectl_cannot_read_it() {
    let Some(kubectl) = peer("kubectl") else {
        return;
    };
    let head = "apiVersion: v1\nkind: Config\n";
    let cases: Vec<(String, bool)> = REST
        .iter()
        .map(|rest| (format!("{head}{rest}"), false))
        .chain(WHOLE.iter().map(|text| ((*text).to_owned(), false)))
        .chain(
            REFUSED_BY_US
                .iter()
                .map(|rest| (format!("{head}{rest}"), true)),
        )
        .collect();
    let next = AtomicUsize::new(0);
    let faults = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                let home = tempfile::tempdir().expect("a directory");
                let path = home.path().join("config");
                while let Some((text, by_us)) = cases.get(next.fetch_add(1, Ordering::SeqCst)) {
                    fs::write(&path, text).expect("written");
                    let output = Command::new(&kubectl)
                        .env_clear()
                        .env("HOME", home.path())
                        .arg("--kubeconfig")
                        .arg(&path)
                        .args(["config", "view"])
                        .output()
                        .expect("kubectl runs");
                    let read = Document::parse(text);
                    if read.is_ok() != (output.status.success() && !by_us) {
                        faults.lock().expect("no panic").push(format!(
                            "{text:?}\nkubectl: {}\nours: {read:?}",
                            String::from_utf8_lossy(&output.stderr)
                        ));
                    }
                }
            });
        }
    });
    let faults = faults.into_inner().expect("no panic");
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
}

#[test]
fn a_file_that_kubectl_cannot_read_is_not_changed_and_the_error_names_the_field() {
    let entry = "exec: {command: kubelogin, args: [get-token, --server-id, s]}";
    for (text, what) in [
        (
            format!("users:\n- name: u\n  user: {{{entry}}}\n- name: u\n  user: {{}}\n"),
            "`users` has two entries with the same name, at indexes 0 and 1",
        ),
        (
            format!("kind: config\nusers:\n- name: u\n  user: {{{entry}}}\n"),
            "its `kind` is not `Config`",
        ),
        (
            format!("users:\n- name: u\n  user: {{{entry}, token: 0x1F}}\n"),
            "`users[0].user.token` is a number, not a string",
        ),
        (
            format!("users:\n- name: 1_000\n  user: {{{entry}}}\n"),
            "`users[0].name` is a number, not a string",
        ),
    ] {
        let home = tempfile::tempdir().expect("a directory");
        let path = home.path().join("config");
        fs::write(&path, &text).expect("written");
        let output = Command::new(env!("CARGO_BIN_EXE_kubectl-aad"))
            .env_clear()
            .env("HOME", home.path())
            .current_dir(home.path())
            .args(["convert-kubeconfig", "--kubeconfig", "config", "-l", "msi"])
            .output()
            .expect("the program runs");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert_eq!(
            stderr,
            format!(
                "error: could not use the kubeconfig `config`\ncaused by: kubectl can't read it: {what}\n\
                 hint: correct it by hand; `kubectl --kubeconfig config config view` shows whether kubectl can read it\n"
            )
        );
        assert_eq!(fs::read_to_string(&path).expect("read"), text);
    }
}
