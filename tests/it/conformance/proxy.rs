//! The proxy that both programs are told to use. It notes where they connect to, leads connections
//! to Entra to the simulated one, and refuses all others.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

pub(super) struct Proxy {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// Starts one that leads to the Entra at `entra` (`host:port`); it lives as long as the test.
    pub(super) fn start(entra: String) -> Self {
        let listener =
            TcpListener::bind(("127.0.0.1", 0)).expect("the loopback interface has a free port");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let notes = asked.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (notes, entra) = (notes.clone(), entra.clone());
                // A connection that breaks is its client's to report.
                thread::spawn(move || drop(lead(stream, &entra, &notes)));
            }
        });
        Proxy {
            url: format!("http://{address}"),
            asked,
        }
    }

    /// Its address, as a proxy.
    pub(super) fn url(&self) -> String {
        self.url.clone()
    }

    /// Where somebody wanted to go since this was last asked: `METHOD host:port`.
    pub(super) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().expect("no holder panics"))
    }
}

/// Answers one request to be led somewhere.
fn lead(mut stream: TcpStream, entra: &str, notes: &Mutex<Vec<String>>) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut words = first.split_whitespace();
    let (method, target) = (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    );
    notes
        .lock()
        .expect("no holder panics")
        .push(format!("{method} {target}"));
    // The head ends with an empty line.
    let mut line = String::new();
    while reader.read_line(&mut line)? > 2 {
        line.clear();
    }
    if method != "CONNECT" || !target.starts_with("login.") || target.contains("example") {
        return stream.write_all(
            b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        );
    }
    let azure = TcpStream::connect(entra)?;
    stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    let (mut there, mut back) = (azure.try_clone()?, stream.try_clone()?);
    let returning = thread::spawn(move || {
        let copied = io::copy(&mut { azure }, &mut back);
        // Both ends of the tunnel close together; the other may be closed already.
        let _ = back.shutdown(Shutdown::Both);
        copied
    });
    io::copy(&mut reader, &mut there)?;
    // As above.
    let _ = there.shutdown(Shutdown::Both);
    returning.join().expect("copying does not panic").map(drop)
}
