use super::*;

const CONFIG: &str = "\
clusters:
- name: a
  cluster:
    server: https://a
    certificate-authority: ../ca/./a.crt
    proxy-url: http://proxy:3128
    tls-server-name: a.internal
    extensions: [{name: kubectl-aad, extension: {armId: /A}}]
- name: b
  cluster: {server: 'https://b', certificate-authority: /ca/b.crt}
- name: blank
  cluster: {server: ' '}
contexts:
- name: blank
  context: {cluster: blank, user: u}
- name: a
  context: {cluster: a, user: u, namespace: web, extensions: [{name: theirs, extension: {x: 1}}]}
- name: b
  context: {cluster: b, user: b}
- name: anonymous
  context: {cluster: b}
- name: without cluster
  context: {user: u}
- name: without user
  context: {cluster: b, user: gone}
- name: nowhere
  context: {cluster: gone, user: u}
current-context: b
users:
- name: u
  user:
    exec: {apiVersion: client.authentication.k8s.io/v1, command: ./bin/plugin, args: [get-token], env: [{name: A, value: b}], interactiveMode: IfAvailable}
- name: b
  user: {client-certificate: b.crt, client-key: '', tokenFile: /t}
";

fn only(context: &str, namespace: Option<&str>) -> Result<Value> {
    let path = Path::new("/home/ada/.kube/config");
    let files = [Document::parse_file(path, CONFIG).expect("a kubeconfig")];
    let text = Kubeconfigs::of(&files).only(context, namespace)?;
    let document = Document::parse(&text).expect("a kubeconfig");
    Ok(Value::Object(document.root().clone()))
}

#[cfg(unix)]
#[test]
fn everything_stays_as_written_and_relative_paths_are_those_of_the_file() {
    let small = only("a", None).expect("it exists");
    assert_eq!(
        small,
        json!({
            "apiVersion": "v1",
            "clusters": [{"cluster": {
                "server": "https://a",
                "certificate-authority": "/home/ada/ca/a.crt",
                "proxy-url": "http://proxy:3128",
                "tls-server-name": "a.internal",
                "extensions": [{"name": "kubectl-aad", "extension": {"armId": "/A"}}],
            }, "name": "a"}],
            "contexts": [{"context": {
                "cluster": "a", "user": "u", "namespace": "web",
                "extensions": [{"name": "theirs", "extension": {"x": 1}}],
            }, "name": "a"}],
            "current-context": "a",
            "kind": "Config",
            "users": [{"name": "u", "user": {"exec": {
                "apiVersion": "client.authentication.k8s.io/v1",
                "command": "/home/ada/.kube/bin/plugin",
                "args": ["get-token"],
                "env": [{"name": "A", "value": "b"}],
                "interactiveMode": "IfAvailable",
            }}}],
        })
    );
    let user = &only("b", None).expect("it exists")["users"][0]["user"];
    let expected =
        json!({"client-certificate": "/home/ada/.kube/b.crt", "client-key": "", "tokenFile": "/t"});
    assert_eq!(*user, expected);
}

#[test]
fn a_namespace_replaces_that_of_the_context_and_nothing_else() {
    let mut small = only("a", Some("kube-system")).expect("it exists");
    let namespace = small.pointer_mut("/contexts/0/context/namespace");
    assert_eq!(namespace.expect("set").take(), "kube-system");
    let mut as_written = only("a", None).expect("it exists");
    let namespace = as_written.pointer_mut("/contexts/0/context/namespace");
    assert_eq!(namespace.expect("set").take(), "web");
    assert_eq!(small, as_written);
}

#[test]
fn a_context_that_leads_nowhere_is_an_error_that_names_it_and_a_remedy() {
    for (context, why) in [
        ("without cluster", "names no cluster"),
        (
            "without user",
            "names the user `gone`, which does not exist",
        ),
        ("nowhere", "names the cluster `gone`, which does not exist"),
        (
            "blank",
            "leads nowhere: the cluster `blank` has no `server`",
        ),
    ] {
        let failure = only(context, None).expect_err("it leads nowhere");
        assert_eq!(failure.message(), format!("the context `{context}` {why}"));
        let hint = failure.hint_text().expect("a remedy");
        assert!(hint.contains("kubectl config delete-context"), "{hint}");
    }
    let failure = only("c", None).expect_err("there is none");
    assert_eq!(failure.message(), "there is no context `c`");
    let anonymous = only("anonymous", None).expect("kubectl uses it without a user");
    assert_eq!(anonymous["users"], json!([]));
}

#[test]
fn paths_are_cleaned_as_go_does() {
    for (path, clean) in [
        ("/a/./b/../c", "/a/c"),
        ("/../a", "/a"),
        ("a/../../b", "../b"),
        ("./a", "a"),
    ] {
        assert_eq!(cleaned(Path::new(path)), Path::new(clean), "{path}");
    }
}
