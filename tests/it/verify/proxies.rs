//! Proxies, those of the environment and those that an entry names.

use std::{net::TcpStream, thread};

use super::*;

/// A proxy on loopback, and what it was asked. It connects to what it is asked for, or gives this answer.
fn proxy(answer: Option<&'static str>) -> (String, std::sync::mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound").to_string();
    let (asked, asks) = std::sync::mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { return };
            let asked = asked.clone();
            thread::spawn(move || serve(stream, answer, &asked));
        }
    });
    (address, asks)
}

fn serve(mut stream: TcpStream, answer: Option<&str>, asked: &std::sync::mpsc::Sender<String>) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return,
        }
    }
    let head = String::from_utf8(head).expect("text");
    let target = head.split(' ').nth(1).expect("a place").to_owned();
    let _ = asked.send(head);
    if let Some(answer) = answer {
        let _ = stream.write_all(answer.as_bytes());
        return;
    }
    let Ok(mut server) = TcpStream::connect(target) else {
        return;
    };
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
    let (mut from, mut to) = (server.try_clone(), stream.try_clone());
    if let (Ok(from), Ok(to)) = (&mut from, &mut to) {
        thread::scope(|scope| {
            scope.spawn(|| std::io::copy(from, to));
            let _ = std::io::copy(&mut stream, &mut server);
            let _ = server.shutdown(std::net::Shutdown::Both);
        });
    }
}

fn with_proxy(test_env: &TestEnv, url: &str) {
    edit_cluster(test_env, |cluster| cluster["proxy-url"] = url.into());
}

#[test]
fn the_proxy_of_an_entry_is_used_with_its_password_and_without_no_proxy() {
    let test_env = synced(1);
    let (address, asks) = proxy(None);
    with_proxy(&test_env, &format!("http://ada:p%40ss@{address}"));
    let mut command = command(&test_env, &["-o", "json"]);
    let report = run(command.env("NO_PROXY", "*")).json(0);
    let row = only(&report);
    assert_eq!(row["verdict"], "ok");
    assert_eq!(
        rows_of(&row["steps"], "step"),
        ["tcp", "proxy", "tls", "http"]
    );
    let asked = asks.recv().expect("it was asked");
    assert!(asked.starts_with("CONNECT 127.0.0.1:"), "{asked}");
    let login = STANDARD.encode("ada:p@ss");
    assert!(
        asked.to_lowercase().contains("proxy-authorization: basic "),
        "{asked}"
    );
    assert!(asked.contains(&login), "{asked}");
}

#[test]
fn a_proxy_that_is_away_refuses_or_can_not_be_read_is_named_without_its_password() {
    let test_env = synced(1);
    let (address, _asks) = proxy(Some("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"));
    for (url, reason) in [
        (format!("http://u:hunter2@{address}"), "407"),
        (
            format!("http://u:hunter2@127.0.0.1:{}", closed_port()),
            "the connection was refused",
        ),
        (
            format!("socks5://u:hunter2@127.0.0.1:{}", closed_port()),
            "the connection was refused",
        ),
    ] {
        with_proxy(&test_env, &url);
        let report = report(&test_env, &[], 1);
        let row = only(&report);
        assert_eq!(row["verdict"], "proxy", "{row}");
        assert!(
            row["reason"].as_str().expect("a reason").contains(reason),
            "{row}"
        );
        assert!(
            row["hint"].as_str().expect("a hint").contains("proxy-url"),
            "{row}"
        );
        assert!(!report.to_string().contains("hunter2"), "{report}");
    }
    with_proxy(&test_env, "ftp://u:hunter2@proxy");
    let broken = report(&test_env, &[], 1);
    assert_eq!(only(&broken)["verdict"], "brokenEntry");
    assert!(!broken.to_string().contains("hunter2"), "{broken}");
    assert_eq!(sent_tokens(&test_env), 0);
}

#[test]
fn the_environments_proxy_is_used_but_not_for_loopback() {
    let test_env = synced(1);
    let away = format!("http://127.0.0.1:{}", closed_port());
    let with_variable = |test_env: &TestEnv, code| {
        let mut command = command(test_env, &["-o", "json", "--timeout", "5s"]);
        let ran = run(command.env("HTTPS_PROXY", &away));
        only(&ran.json(code)).clone()
    };
    assert_eq!(with_variable(&test_env, 0)["verdict"], "ok");
    edit_cluster(&test_env, |cluster| {
        cluster["server"] = "https://a.example".into()
    });
    let row = with_variable(&test_env, 1);
    assert_eq!(row["verdict"], "proxy", "{row}");
    assert!(
        row["hint"]
            .as_str()
            .expect("a hint")
            .contains("`HTTPS_PROXY`"),
        "{row}"
    );
}

/// SOCKS5 (RFC 1928) by hand, without a password.
#[test]
fn a_socks_proxy_looks_the_name_up() {
    let test_env = synced(1);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    let port = url::Url::parse(&test_env.simulator.kubernetes_url())
        .expect("a URL")
        .port()
        .expect("a port");
    let served = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        let mut hello = [0; 3];
        stream.read_exact(&mut hello).expect("a greeting");
        stream.write_all(&[5, 0]).expect("written");
        let mut head = [0; 5];
        stream.read_exact(&mut head).expect("a request");
        let mut name = vec![0; usize::from(head[4]) + 2];
        stream.read_exact(&mut name).expect("a name and a port");
        let mut server = TcpStream::connect(("127.0.0.1", port)).expect("the simulator listens");
        stream
            .write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0])
            .expect("written");
        let (mut from, mut to) = (
            server.try_clone().expect("one"),
            stream.try_clone().expect("one"),
        );
        thread::spawn(move || std::io::copy(&mut from, &mut to));
        let _ = std::io::copy(&mut stream, &mut server);
        let _ = server.shutdown(std::net::Shutdown::Both);
        name
    });
    edit_cluster(&test_env, |cluster| {
        let server = cluster["server"].as_str().expect("an address");
        cluster["server"] = server.replace("127.0.0.1", "aks.invalid").into();
        cluster["tls-server-name"] = "localhost".into();
        cluster["proxy-url"] = format!("socks5://{address}").into();
    });
    let report = report(&test_env, &[], 0);
    assert_eq!(only(&report)["verdict"], "ok", "{report}");
    let name = served.join().expect("no panic");
    assert_eq!(&name[..name.len() - 2], b"aks.invalid");
}
