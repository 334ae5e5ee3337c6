//! Listeners: accept, TLS, HTTP/1.1, and how each reply is sent (latency, reset, truncation).

use crate::http::{Fate, Reply, Request};
use crate::route::{Answer, Service, answer};
use crate::state::State;
use http_body_util::BodyExt;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

/// A bound port and the service on it.
pub(crate) struct Listener {
    pub(crate) service: Service,
    pub(crate) socket: std::net::TcpListener,
    pub(crate) tls: Option<Arc<ServerConfig>>,
}

/// Accepts connections until the runtime ends.
pub(crate) async fn accept(listener: Listener, state: Arc<State>) {
    let Listener {
        service,
        socket,
        tls,
    } = listener;
    let listener = TcpListener::from_std(socket)
        .expect("the socket is set non-blocking and the runtime has I/O");
    let acceptor = tls.map(TlsAcceptor::from);
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(connection(stream, acceptor.clone(), service, state.clone()));
            }
            // Out of file descriptors: let others finish rather than spin.
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
        }
    }
}

async fn connection(
    stream: TcpStream,
    acceptor: Option<TlsAcceptor>,
    service: Service,
    state: Arc<State>,
) {
    // Small replies in several writes would wait for delayed acknowledgements.
    let _ = stream.set_nodelay(true);
    let reset = Arc::new(AtomicBool::new(false));
    let socket = Socket {
        stream,
        reset: reset.clone(),
    };
    let Some(acceptor) = acceptor else {
        return http(TokioIo::new(socket), service, None, reset, state).await;
    };
    // A client that does not trust the CA ends the handshake.
    let Ok(tls) = acceptor.accept(socket).await else {
        return;
    };
    let certificate = tls
        .get_ref()
        .1
        .peer_certificates()
        .and_then(|chain| chain.first())
        .map(|leaf| leaf.as_ref().to_vec());
    http(TokioIo::new(tls), service, certificate, reset, state).await;
}

async fn http<I>(
    io: I,
    service: Service,
    certificate: Option<Vec<u8>>,
    reset: Arc<AtomicBool>,
    state: Arc<State>,
) where
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
{
    let handler = service_fn(|request: hyper::Request<Incoming>| {
        let state = state.clone();
        let certificate = certificate.clone();
        let reset = reset.clone();
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.map_err(|_| Ended)?.to_bytes();
            let request = Request::new(head.method, &head.uri, head.headers, body, certificate);
            let Answer {
                latency,
                reply,
                gates,
                in_flight,
            } = answer(&state, service, &request);
            if !latency.is_zero() {
                tokio::time::sleep(latency).await;
            }
            for gate in gates {
                gate.pass().await;
            }
            drop(in_flight);
            if reply.fate == Fate::Reset {
                reset.store(true, Ordering::SeqCst);
                return Err(Ended);
            }
            Ok(response(reply))
        }
    });
    // An error here is a client that went away or a fault that was asked for.
    let _ = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(io, handler)
        .await;
}

/// Ends the connection.
#[derive(Debug)]
struct Ended;

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("connection ended")
    }
}

impl std::error::Error for Ended {}

fn response(reply: Reply) -> hyper::Response<ReplyBody> {
    let mut builder = hyper::Response::builder().status(reply.status);
    for (name, value) in &reply.headers {
        builder = builder.header(*name, value);
    }
    builder = builder.header("content-length", reply.body.len());
    let body = match reply.fate {
        Fate::Truncated => ReplyBody {
            left: Some(reply.body.slice(..reply.body.len() / 2)),
            breaks: true,
        },
        _ => ReplyBody {
            left: Some(reply.body),
            breaks: false,
        },
    };
    builder
        .body(body)
        .expect("handlers write valid status codes and header values")
}

/// A body, or half of one.
struct ReplyBody {
    left: Option<Bytes>,
    breaks: bool,
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Ended;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Ended>>> {
        match self.left.take() {
            Some(bytes) if !bytes.is_empty() => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            _ if self.breaks => Poll::Ready(Some(Err(Ended))),
            _ => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        !self.breaks && self.left.as_ref().is_none_or(Bytes::is_empty)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.left {
            Some(bytes) if !self.breaks => SizeHint::with_exact(bytes.len() as u64),
            _ => SizeHint::default(),
        }
    }
}

/// A TCP stream that can be made to end with a reset instead of an orderly close.
struct Socket {
    stream: TcpStream,
    reset: Arc<AtomicBool>,
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.reset.load(Ordering::SeqCst) {
            // If this fails the client sees an early end, which is a fault, too.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
