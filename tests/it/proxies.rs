//! Proxies: which one is used, and the errors for one that does not work.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    path::Path,
    process::{Command, Stdio},
};

use azure_sim::Place;
use kubectl_aad::{Host, internals::Proxies};
use serde_json::{Value, json};

use crate::{
    env::{TestEnv, borrowed, run},
    support::peer,
};

/// A proxy that answers everything with these bytes; it lives as long as the test.
fn proxy_that_says(answer: &'static str) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let address = listener.local_addr().expect("bound");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut lines = BufReader::new(stream.try_clone().expect("a socket")).lines();
            while lines
                .next()
                .is_some_and(|line| line.is_ok_and(|line| !line.is_empty()))
            {}
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    address.to_string()
}

#[test]
fn a_proxy_that_is_away_or_says_no_is_named_without_its_password() {
    let test_env = TestEnv::new();
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let away = listener.local_addr().expect("bound").to_string();
    drop(listener);
    let asks = proxy_that_says("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
    let denies = proxy_that_says(
        "HTTP/1.1 403 Forbidden\r\ncontent-type: text/html\r\n\r\n<title>Not on the list</title>",
    );
    for (proxy, said) in [
        (&away, "through the proxy `http://"),
        (&asks, "requires a user name and a password"),
        (
            &denies,
            "refused a connection to `https://login.example.test`",
        ),
    ] {
        for variable in ["HTTPS_PROXY", "https_proxy"] {
            for given in [
                format!("http://someone:planted@{proxy}"),
                format!("u:planted@{proxy}"),
            ] {
                let ran =
                    test_env.at_authority("https://login.example.test", &[(variable, &given)]);
                assert_eq!(ran.code, 1, "{}", ran.stderr);
                for said in [said, &format!("`http://{proxy}` (from `{variable}`)")] {
                    assert!(ran.stderr.contains(said), "`{said}` in\n{}", ran.stderr);
                }
            }
        }
    }
    // What the proxy says of its refusal.
    let ran = test_env.at_authority(
        "https://login.example.test",
        &[("HTTPS_PROXY", &format!("http://{denies}"))],
    );
    for said in ["status 403 Forbidden", "titled `Not on the list`"] {
        assert!(ran.stderr.contains(said), "`{said}` in\n{}", ran.stderr);
    }
    // One that takes connections and says nothing, in little time.
    let silent = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let silent = format!("http://{}", silent.local_addr().expect("bound"));
    let env = [
        ("HTTPS_PROXY", silent.as_str()),
        ("AZURE_CLI_TIMEOUT", "1s"),
    ];
    let ran = test_env.at_authority("https://login.example.test", &env);
    let said = format!("through the proxy `{silent}` (from `HTTPS_PROXY`)");
    assert!(ran.stderr.contains(&said), "{}", ran.stderr);

    let socks = format!("socks5://u:planted@{away}");
    let ran = test_env.at_authority("https://login.example.test", &[("HTTPS_PROXY", &socks)]);
    let said = format!("`socks5h://{away}` (from `HTTPS_PROXY`)");
    assert!(ran.stderr.contains(&said), "{}", ran.stderr);
}

#[test]
fn a_proxy_variable_that_is_no_url_is_an_error_and_nothing_leaves_past_the_proxy() {
    let test_env = TestEnv::new();
    for (bad, why) in [
        ("http:\\\\planted:3128", "a backslash"),
        ("http://planted:3128 ", "a space"),
        ("\"http://planted:3128\"", "a quotation mark"),
        ("'http://planted:3128'", "not a URL"),
        ("http://planted:3128\r", "a line break"),
        ("http://planted:port", "not a URL"),
        ("ftp://planted", "its scheme is `ftp`"),
    ] {
        for variable in ["HTTPS_PROXY", "https_proxy"] {
            let ran = test_env.at_authority("https://login.example.test", &[(variable, bad)]);
            assert_eq!(ran.code, 2, "{bad:?}: {}", ran.stderr);
            for said in [
                &format!("error: `{variable}` does not name a usable proxy"),
                why,
                "hint: ",
            ] {
                assert!(ran.stderr.contains(said), "`{said}` in\n{}", ran.stderr);
            }
        }
        // What is reached without a proxy is reached: loopback, and services of the machine.
        let secret = ("AZURE_CLIENT_SECRET", test_env.principal.secret());
        let broken = [("HTTPS_PROXY", bad), ("HTTP_PROXY", bad), secret];
        let ran = test_env.get_token(&test_env.spn_args(&["--force-refresh"]), &broken);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
    }
    let machine = test_env.at(Place::VirtualMachine);
    let mut env: Vec<(&str, &str)> = borrowed(&machine);
    env.push(("HTTP_PROXY", "http://127.0.0.1:9"));
    let ran = test_env.get_token(&["-l", "msi"], &env);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

/// Asks Go's own package which proxy it takes, for each case that is a line of stdin.
const GO_ASKS: &str = r#"package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/url"
	"os"

	"golang.org/x/net/http/httpproxy"
)

func main() {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var c struct{ HTTP, HTTPS, No, URL string }
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			panic(err)
		}
		target, err := url.Parse(c.URL)
		if err != nil {
			panic(err)
		}
		config := httpproxy.Config{HTTPProxy: c.HTTP, HTTPSProxy: c.HTTPS, NoProxy: c.No}
		proxy, err := config.ProxyFunc()(target)
		switch {
		case err != nil:
			fmt.Println("error")
		case proxy == nil:
			fmt.Println("none")
		default:
			fmt.Println(proxy.Scheme + " " + proxy.User.String() + " " + proxy.Hostname() + " " + proxy.Port())
		}
	}
}
"#;

fn copy_directory(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    for entry in fs::read_dir(from).expect("a directory") {
        let from = entry.expect("an entry").path();
        let to = to.join(from.file_name().expect("a name"));
        if from.is_dir() {
            copy_directory(&from, &to);
        } else {
            fs::copy(&from, &to).expect("copied");
        }
    }
}

/// Go's answers to the cases, by the copy of `golang.org/x/net` that Go itself has.
fn ask_go(go: &Path, directory: &Path, cases: &[Value]) -> Vec<String> {
    let root = run(Command::new(go).args(["env", "GOROOT"]));
    let vendored = Path::new(root.stdout.trim()).join("src/vendor/golang.org");
    let vendor = directory.join("vendor");
    copy_directory(&vendored, &vendor.join("golang.org"));
    fs::write(directory.join("main.go"), GO_ASKS).expect("written");
    let module = "module ask\n\ngo 1.21\n\nrequire (\n\tgolang.org/x/net v0.1.0\n\tgolang.org/x/text v0.1.0\n)\n";
    fs::write(directory.join("go.mod"), module).expect("written");
    let packages = "# golang.org/x/net v0.1.0\n## explicit; go 1.25\ngolang.org/x/net/http/httpproxy\ngolang.org/x/net/idna\n\
                    # golang.org/x/text v0.1.0\n## explicit; go 1.25\ngolang.org/x/text/secure/bidirule\n\
                    golang.org/x/text/transform\ngolang.org/x/text/unicode/bidi\ngolang.org/x/text/unicode/norm\n";
    fs::write(vendor.join("modules.txt"), packages).expect("written");
    let mut process = Command::new(go)
        .args(["run", "-mod=vendor", "."])
        .env("GOFLAGS", "")
        .env("GOTOOLCHAIN", "local")
        .current_dir(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("go starts");
    let mut stdin = process.stdin.take().expect("it was asked for");
    let lines: String = cases.iter().map(|case| format!("{case}\n")).collect();
    let writer = std::thread::spawn(move || stdin.write_all(lines.as_bytes()));
    let output = process.wait_with_output().expect("it ends");
    writer.join().expect("no panic").expect("written");
    assert!(output.status.success(), "go run failed");
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines().map(str::to_owned).collect()
}

#[test]
fn proxies_are_chosen_as_go_chooses_them() {
    let Some(go) = peer("go") else {
        return;
    };
    let proxies = [
        "",
        "http://proxy:3128",
        "proxy:3128",
        "proxy",
        "10.0.0.1:8080",
        "https://proxy",
        "HTTP://Proxy:1",
        "socks5://proxy",
        "socks5h://u:p@proxy:9",
        "http://u:p%40ss@proxy:1",
        "u:p@ss@proxy:1",
        "http://[::1]:3128",
        "http://proxy/path?query",
        "http://proxy:",
        "ftp://proxy:21",
        "socks4://proxy",
        "//proxy:1",
        "http:proxy",
        "http:\\\\proxy:1",
        "http://proxy:1 ",
        " http://proxy:1",
        "http://proxy:1\r",
        "\"http://proxy:1\"",
        "'http://proxy:1'",
        "http://pro xy:1",
        "http://proxy:x",
        "http://proxy:99999",
        "http://",
        "://proxy",
        "http://u:p#x@proxy",
        "http://%zz@proxy",
        "localhost:3128",
        "http://proxy_1:2",
        "http:///proxy",
        "proxy:3128/",
    ];
    let bypasses = [
        "",
        "*",
        "a,*",
        "*.example.com",
        ".example.com",
        "example.com",
        "login.example.com:443",
        "login.example.com:80",
        "login.example.com:",
        ":443",
        " login.example.com ",
        "LOGIN.EXAMPLE.COM",
        "ample.com",
        "*example.com",
        "*.com:443",
        "10.0.0.0/8",
        "10.1.2.3",
        "10.1.2.3:443",
        "10.1.2.3:444",
        "10.1.2.3/33",
        "10.1.2.3/",
        "10.01.2.3",
        "fd00::/8",
        "[fd00::1]:443",
        "[fd00::1]",
        "fd00::1",
        "::ffff:10.1.2.3",
        "::ffff:10.0.0.0/104",
        "0.0.0.0/0",
        "::/0",
        "bücher.example",
        "*.bücher.example",
        ",,",
        "**",
        ".",
        "*.",
        "127.0.0.1",
        "example.com.",
        "exa mple.com",
        "[login.example.com]:443",
    ];
    let urls = [
        "https://login.example.com/x",
        "https://example.com",
        "https://example.com:8443",
        "https://10.1.2.3",
        "https://[fd00::1]",
        "https://[::ffff:10.1.2.3]/",
        "http://192.0.2.7/",
        "https://localhost",
        "https://127.0.0.9",
        "https://[::1]",
        "http://localhost:80",
        "https://www.xn--bcher-kva.example",
        "https://1.2.3.4:443",
    ];
    let mut cases = Vec::new();
    let mut case = |http: &str, https: &str, no: &str, url: &str| {
        cases.push(json!({"HTTP": http, "HTTPS": https, "No": no, "URL": url}));
    };
    for url in urls {
        proxies.iter().for_each(|proxy| case(proxy, proxy, "", url));
        for no in bypasses {
            case("http://plain:1", "http://proxy:1", no, url);
            bypasses
                .iter()
                .for_each(|more| case("", "proxy", &format!("{no},{more}"), url));
        }
    }
    let directory = tempfile::tempdir().expect("a temporary directory");
    let answers = ask_go(&go, directory.path(), &cases);
    assert_eq!(answers.len(), cases.len());
    let mut refused = std::collections::BTreeSet::new();
    for (case, go) in cases.iter().zip(answers) {
        let text = |name: &str| case[name].as_str().expect("text");
        let (http, https) = (text("HTTP"), text("HTTPS"));
        let host = Host::with_env([
            ("HTTP_PROXY", http),
            ("HTTPS_PROXY", https),
            ("NO_PROXY", text("No")),
        ]);
        let url = url::Url::parse(text("URL")).expect("a URL");
        let ours = match Proxies::from_env(&host).of(&url) {
            Ok(None) => "none".to_owned(),
            Ok(Some(proxy)) => {
                let url = proxy.url();
                let user = match (url.username(), url.password()) {
                    ("", None) => String::new(),
                    (user, None) => user.to_owned(),
                    (user, Some(password)) => format!("{user}:{password}"),
                };
                let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
                let port = url.port().map(|port| port.to_string()).unwrap_or_default();
                format!("{} {user} {host} {port}", url.scheme())
            }
            // Go takes such a value for no proxy, or for one that nothing can reach.
            Err(_) => {
                refused.insert(if url.scheme() == "http" { http } else { https }.to_owned());
                continue;
            }
        };
        let go = go.to_lowercase().replace("socks5 ", "socks5h ");
        // Where Go leaves the port to the scheme, it is written out here.
        let same = ours == go || ours == format!("{go}1080");
        assert!(same, "{case}: Go takes `{go}`, and we `{ours}`");
    }
    let expected = [
        "ftp://proxy:21",
        "socks4://proxy",
        "//proxy:1",
        "http:proxy",
        "http:\\\\proxy:1",
        "http://proxy:1 ",
        " http://proxy:1",
        "http://proxy:1\r",
        "\"http://proxy:1\"",
        "'http://proxy:1'",
        "http://pro xy:1",
        "http://proxy:x",
        "http://proxy:99999",
        "http://",
        "://proxy",
        "http://u:p#x@proxy",
        "http:///proxy",
        "http://%zz@proxy",
    ];
    assert_eq!(refused, expected.iter().map(|s| (*s).to_owned()).collect());
}
