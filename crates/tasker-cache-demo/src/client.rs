//! A client of the service: one kept-alive HTTP connection, opened again when it is lost.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why there was no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// The service could not be reached.
    #[error("cannot connect: {0}")]
    Connect(#[from] std::io::Error),
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Http(#[from] hyper::Error),
    /// The service took too long.
    #[error("no answer within {} s", PATIENCE.as_secs())]
    Timeout(#[from] tokio::time::error::Elapsed),
}

/// An answer, whatever its status.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

/// One connection to the service at an address.
#[derive(Debug)]
pub(crate) struct Client {
    address: SocketAddr,
    connection: Option<SendRequest<Full<Bytes>>>,
}

impl Client {
    /// Makes a client that connects when it is first used.
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, connection: None }
    }

    /// Asks for `path`.
    ///
    /// # Errors
    ///
    /// If there is no answer. An answer of any status is none.
    pub(crate) async fn get(&mut self, path: &str) -> Result<Answer, ClientError> {
        self.send(Method::GET, path, Bytes::new()).await
    }

    /// Puts a JSON document to `path`.
    ///
    /// # Errors
    ///
    /// If there is no answer. An answer of any status is none.
    pub(crate) async fn put(&mut self, path: &str, json: Vec<u8>) -> Result<Answer, ClientError> {
        self.send(Method::PUT, path, json.into()).await
    }

    async fn send(
        &mut self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Answer, ClientError> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, self.address.to_string())
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body));
        #[expect(clippy::expect_used, reason = "the drive and the tests make up the paths")]
        let request = request.expect("paths are valid in a request");
        // Taken out while in use, so an exchange that fails or is dropped half-way leaves none.
        let mut connection = match self.connection.take() {
            Some(connection) if !connection.is_closed() => connection,
            _ => timeout(PATIENCE, connect(self.address)).await??,
        };
        let answer = timeout(PATIENCE, exchange(&mut connection, request)).await??;
        self.connection = Some(connection);
        Ok(answer)
    }
}

async fn connect(address: SocketAddr) -> Result<SendRequest<Full<Bytes>>, ClientError> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Ends with the sender. What breaks it reaches the sender too.
    tokio::spawn(connection);
    Ok(sender)
}

async fn exchange(
    connection: &mut SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
) -> Result<Answer, ClientError> {
    connection.ready().await?;
    let response = connection.send_request(request).await?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    Ok(Answer { status, body })
}
