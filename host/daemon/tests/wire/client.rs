//! A client of the daemon, as plain as possible.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::SendRequest;
use hyper::header::CONTENT_TYPE;
use hyper::header::HeaderValue;
use hyper::{HeaderMap, Request};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{WebSocketStream, client_async};

/// No answer takes so long.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection of any kind.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Where a daemon listens, and how to speak there.
#[derive(Debug, Clone)]
pub struct Server {
    pub place: Place,
    pub tls: Option<Arc<ClientConfig>>,
}

#[derive(Debug, Clone)]
pub enum Place {
    Unix(PathBuf),
    Tcp(SocketAddr),
}

impl Server {
    pub async fn connect(&self) -> io::Result<Box<dyn Stream>> {
        let stream: Box<dyn Stream> = match &self.place {
            Place::Unix(path) => Box::new(UnixStream::connect(path).await?),
            Place::Tcp(address) => Box::new(TcpStream::connect(address).await?),
        };
        let Some(config) = &self.tls else {
            return Ok(stream);
        };
        let name = ServerName::try_from("localhost").unwrap();
        let secure = TlsConnector::from(config.clone()).connect(name, stream).await?;
        Ok(Box::new(secure))
    }
}

/// The answer to a request.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn content_type(&self) -> &str {
        self.headers[CONTENT_TYPE].to_str().unwrap()
    }

    /// The id of an id body.
    pub fn id(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", self.text);
        self.json()["id"].as_str().unwrap().to_owned()
    }

    /// Status and message of a failure.
    pub fn failure(&self) -> (u16, String) {
        assert_eq!(self.content_type(), "application/json");
        (self.status, self.json()["message"].as_str().unwrap().to_owned())
    }

    /// Pointer and detail of the only error of a 422.
    pub fn mistake(&self) -> (String, String) {
        assert_eq!(self.status, 422, "{}", self.text);
        assert_eq!(self.content_type(), "application/json; charset=utf-8");
        let body = self.json();
        let errors = body["errors"].as_array().unwrap();
        assert_eq!(errors.len(), 1, "{}", self.text);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&errors[0]["source"]["pointer"]), text(&errors[0]["detail"]))
    }
}

/// Shorthand for what [`Answer::failure`] is compared with.
pub fn failure(status: u16, message: &str) -> (u16, String) {
    (status, message.to_owned())
}

/// A request's body with its media type.
pub type Body<'a> = Option<(&'a str, String)>;

/// A connection for one request after the other.
pub struct Client(SendRequest<Full<Bytes>>);

impl Client {
    pub async fn connect(server: &Server) -> Self {
        Self::over(server.connect().await.unwrap()).await
    }

    pub async fn over(stream: Box<dyn Stream>) -> Self {
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(connection);
        Self(sender)
    }

    /// Like a browser on behalf of a web page.
    pub async fn request_of_a_page(&mut self, path: &str) -> u16 {
        let request = Request::post(path)
            .header("host", "localhost")
            .header("origin", "http://localhost")
            .body(Full::default())
            .unwrap();
        self.0.send_request(request).await.unwrap().status().as_u16()
    }

    /// Whether there is an answer is up to the daemon.
    pub async fn try_request(&mut self, method: &str, path: &str, body: Body<'_>) -> hyper::Result<Answer> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "localhost");
        if let Some((media_type, _)) = &body {
            request = request.header(CONTENT_TYPE, *media_type);
        }
        let body = Full::<Bytes>::from(body.map(|(_, text)| text).unwrap_or_default());
        let response = timeout(PATIENCE, self.0.send_request(request.body(body).unwrap()))
            .await
            .unwrap()?;
        let (head, body) = response.into_parts();
        let bytes = body.collect().await?.to_bytes();
        Ok(Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        })
    }

    pub async fn request(&mut self, method: &str, path: &str, body: Body<'_>) -> Answer {
        self.try_request(method, path, body).await.unwrap()
    }
}

/// One request on a connection of its own.
pub async fn request(server: &Server, method: &str, path: &str, body: Body<'_>) -> Answer {
    Client::connect(server).await.request(method, path, body).await
}

/// A WebSocket.
pub struct Conversation(WebSocketStream<Box<dyn Stream>>);

/// How a conversation was closed.
#[derive(Debug, PartialEq)]
pub struct Close {
    pub code: u16,
    /// Null if there is none.
    pub reason: Value,
}

impl Conversation {
    /// Opens a WebSocket and offers to compress, as the client of 0.1.1 does.
    pub async fn open(server: &Server, path: &str) -> Self {
        let stream = server.connect().await.unwrap();
        let mut request = format!("ws://localhost{path}").into_client_request().unwrap();
        let offer = HeaderValue::from_static("permessage-deflate; client_max_window_bits");
        request.headers_mut().insert("sec-websocket-extensions", offer);
        let (socket, response) = client_async(request, stream).await.unwrap();
        assert!(!response.headers().contains_key("sec-websocket-extensions"));
        Self(socket)
    }

    pub async fn say(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    pub async fn type_in(&mut self, bytes: &'static [u8]) {
        self.0.send(Message::binary(bytes)).await.unwrap();
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        // A daemon that has hung up has said why.
        let _ = self.0.send(Message::binary(bytes.to_vec())).await;
    }

    pub async fn ping(&mut self) {
        self.0.send(Message::Ping("x".into())).await.unwrap();
    }

    /// The next frame, however long it takes.
    pub async fn wait(&mut self) -> Message {
        self.0.next().await.unwrap().unwrap()
    }

    /// The next frame, if it is not a close frame.
    pub async fn hear(&mut self) -> Message {
        timeout(PATIENCE, self.0.next())
            .await
            .expect("nothing was said")
            .unwrap()
            .unwrap()
    }

    /// The client closes, and waits for the confirmation.
    pub async fn leave(mut self) {
        self.0.close(None).await.unwrap();
        while timeout(PATIENCE, self.0.next())
            .await
            .unwrap()
            .is_some_and(|frame| frame.is_ok())
        {}
    }

    /// The texts of all frames, and how the daemon closed.
    pub async fn hear_out(mut self) -> (Vec<String>, Close) {
        let mut texts = Vec::new();
        loop {
            match self.hear().await {
                Message::Text(text) => texts.push(text.to_string()),
                Message::Binary(bytes) => texts.push(format!("binary {bytes:?}")),
                Message::Close(frame) => {
                    let frame = frame.expect("closed without a code");
                    let reason = match frame.reason.as_str() {
                        "" => Value::Null,
                        text => serde_json::from_str(text).unwrap(),
                    };
                    return (
                        texts,
                        Close {
                            code: frame.code.into(),
                            reason,
                        },
                    );
                }
                _ => {}
            }
        }
    }
}
