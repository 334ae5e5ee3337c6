//! Listeners: accept, TLS, HTTP/1.1 and HTTP/2, and how each reply is sent (latency, reset, truncation).

use crate::http::{Fate, Reply, Request};
use crate::route::{Answer, Service, answer};
use crate::state::State;
use http_body_util::BodyExt;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

/// A bound port and the service on it.
pub(crate) struct Listener {
    pub(crate) service: Service,
    pub(crate) socket: std::net::TcpListener,
    pub(crate) tls: Option<Arc<ServerConfig>>,
}

/// The most calls under way on one HTTP/2 connection.
const STREAMS: u32 = 1_000;

/// Accepts connections until the runtime ends.
pub(crate) async fn accept(listener: Listener, state: Arc<State>) {
    let Listener {
        service,
        socket,
        tls,
    } = listener;
    let listener = TcpListener::from_std(socket)
        .expect("the socket is set non-blocking and the runtime has I/O");
    let with_http2 = tls.as_deref().map(with_http2).map(TlsAcceptor::from);
    let http1_only = tls.map(TlsAcceptor::from);
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let acceptor = match service == Service::Arm && state.settings().arm_http2 {
                    true => with_http2.clone(),
                    false => http1_only.clone(),
                };
                tokio::spawn(connection(stream, acceptor, service, state.clone()));
            }
            // Out of file descriptors: let others finish rather than spin.
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
        }
    }
}

fn with_http2(tls: &ServerConfig) -> Arc<ServerConfig> {
    let mut tls = tls.clone();
    tls.alpn_protocols.insert(0, b"h2".to_vec());
    Arc::new(tls)
}

async fn connection(
    stream: TcpStream,
    acceptor: Option<TlsAcceptor>,
    service: Service,
    state: Arc<State>,
) {
    // Small replies in several writes would wait for delayed acknowledgements.
    let _ = stream.set_nodelay(true);
    let reset = Arc::new(Reset::default());
    let socket = Socket {
        stream,
        reset: reset.clone(),
    };
    let Some(acceptor) = acceptor else {
        return http(TokioIo::new(socket), false, service, None, reset, state).await;
    };
    // A client that does not trust the CA ends the handshake.
    let Ok(tls) = acceptor.accept(socket).await else {
        return;
    };
    let session = tls.get_ref().1;
    let is_http2 = session.alpn_protocol() == Some(b"h2");
    let certificate = session
        .peer_certificates()
        .and_then(|chain| chain.first())
        .map(|leaf| leaf.as_ref().to_vec());
    http(
        TokioIo::new(tls),
        is_http2,
        service,
        certificate,
        reset,
        state,
    )
    .await;
}

async fn http<I>(
    io: I,
    is_http2: bool,
    service: Service,
    certificate: Option<Vec<u8>>,
    reset: Arc<Reset>,
    state: Arc<State>,
) where
    I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let resets = reset.clone();
    let handler = service_fn(move |request: hyper::Request<Incoming>| {
        let state = state.clone();
        let certificate = certificate.clone();
        let reset = resets.clone();
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
            if reply.fate == Fate::Hang {
                std::future::pending::<()>().await;
            }
            if reply.fate == Fate::Reset {
                reset.ask();
                return Err(Ended);
            }
            Ok(response(reply))
        }
    });
    // An error here is a client that went away or a fault that was asked for.
    if is_http2 {
        let serving = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS)
            .serve_connection(io, handler);
        tokio::select! {
            _ = serving => {}
            () = reset.asked() => {}
        }
    } else {
        let _ = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .serve_connection(io, handler)
            .await;
    }
}

/// Whether a connection has to end with a reset, with every call under way on it.
#[derive(Default)]
struct Reset {
    is_asked: AtomicBool,
    notify: Notify,
}

impl Reset {
    fn ask(&self) {
        self.is_asked.store(true, Ordering::SeqCst);
        self.notify.notify_one();
    }

    async fn asked(&self) {
        self.notify.notified().await;
    }
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
    reset: Arc<Reset>,
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.reset.is_asked.load(Ordering::SeqCst) {
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
