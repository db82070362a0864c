//! A daemon that follows a script and remembers what it was asked, and a way to run `klee` against it.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::serve::Listener;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::{TcpListener, UnixListener};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// One step of a scripted conversation.
#[derive(Debug, Clone)]
pub enum Step {
    /// Send a text frame.
    Text(String),
    /// Send a binary frame.
    Binary(Vec<u8>),
    /// Wait for a frame of the client, other than a ping, and remember it.
    Await,
    /// Close with a code and a reason.
    Close(u16, String),
    /// Drop the connection without a word.
    HangUp,
}

/// A starting message.
pub fn starting(data: &str) -> Step {
    Step::Text(json!({"data": data, "message": "", "msg_type": "starting"}).to_string())
}

/// A text frame.
pub fn text(text: &str) -> Step {
    Step::Text(text.to_owned())
}

/// A close frame with a message of the interface.
pub fn close(code: u16, msg_type: &str, data: &str, message: &str) -> Step {
    Step::Close(
        code,
        json!({"data": data, "message": message, "msg_type": msg_type}).to_string(),
    )
}

#[derive(Debug, Default)]
struct Script {
    answers: HashMap<String, (u16, String)>,
    conversations: HashMap<String, Vec<Step>>,
    knows_only_0_1_1: bool,
    log: Mutex<Vec<String>>,
}

impl Script {
    fn remember(&self, line: String) {
        self.log.lock().unwrap().push(line);
    }
}

/// The script of a daemon that does not run yet.
#[derive(Debug, Default)]
pub struct Rehearsal {
    script: Script,
}

impl Rehearsal {
    /// Answers `request` ("GET /images/list") with a status and a JSON body.
    pub fn answer(mut self, request: &str, status: u16, body: Value) -> Self {
        self.script
            .answers
            .insert(request.to_owned(), (status, body.to_string()));
        self
    }

    /// Answers `request` with a status and anything as a body.
    pub fn answer_raw(mut self, request: &str, status: u16, body: &str) -> Self {
        self.script
            .answers
            .insert(request.to_owned(), (status, body.to_owned()));
        self
    }

    /// Holds a conversation at `path` ("/exec/start"); the client's first frame is awaited before `steps`.
    pub fn converse(mut self, path: &str, steps: impl IntoIterator<Item = Step>) -> Self {
        self.script
            .conversations
            .insert(path.to_owned(), steps.into_iter().collect());
        self
    }

    /// Does not name the extensions of today's daemon.
    pub fn of_0_1_1(mut self) -> Self {
        self.script.knows_only_0_1_1 = true;
        self
    }

    /// Begins to listen.
    pub fn start(self) -> Daemon {
        self.start_on(|socket| {
            let listener = UnixListener::bind(socket).unwrap();
            (listener, format!("http://{}", socket.display()))
        })
    }

    /// Begins to listen at a TCP port of 127.0.0.1.
    pub fn start_on_tcp(self) -> Daemon {
        self.start_on(|_| {
            let (sockets, address) = tcp();
            (sockets, format!("http://{address}"))
        })
    }

    /// Begins to listen and to speak TLS at a UNIX socket.
    pub fn start_with_tls(self, acceptor: TlsAcceptor) -> Daemon {
        self.start_on(|socket| {
            let url = format!("https://{}", socket.display());
            let sockets = UnixListener::bind(socket).unwrap();
            (Secured { sockets, acceptor }, url)
        })
    }

    /// Begins to listen and to speak TLS at a TCP port of 127.0.0.1.
    pub fn start_with_tls_on_tcp(self, acceptor: TlsAcceptor) -> Daemon {
        self.start_on(|_| {
            let (sockets, address) = tcp();
            (Secured { sockets, acceptor }, format!("https://{address}"))
        })
    }

    fn start_on<L: Listener<Addr: fmt::Debug>>(self, listen: impl FnOnce(&Path) -> (L, String)) -> Daemon {
        let directory = TempDir::new().unwrap();
        let socket = directory.path().join("kleened.sock");
        let script = Arc::new(self.script);
        let runtime = Runtime::new().unwrap();
        let (listener, url) = {
            let _context = runtime.enter();
            listen(&socket)
        };
        let router = Router::new().fallback(respond).with_state(Arc::clone(&script));
        runtime.spawn(async move { axum::serve(listener, router).await });
        Daemon {
            script,
            url,
            directory,
            _runtime: runtime,
        }
    }
}

/// A TCP port of 127.0.0.1, within a runtime.
fn tcp() -> (TcpListener, SocketAddr) {
    let sockets = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    sockets.set_nonblocking(true).unwrap();
    let address = sockets.local_addr().unwrap();
    (TcpListener::from_std(sockets).unwrap(), address)
}

/// Sockets on which TLS is spoken. A client that breaks off leaves without having been one.
struct Secured<L> {
    sockets: L,
    acceptor: TlsAcceptor,
}

impl<L: Listener> Listener for Secured<L> {
    type Io = TlsStream<L::Io>;
    type Addr = L::Addr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = Listener::accept(&mut self.sockets).await;
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.sockets.local_addr()
    }
}

/// A scripted daemon; listens until it is dropped.
pub struct Daemon {
    script: Arc<Script>,
    url: String,
    directory: TempDir,
    _runtime: Runtime,
}

impl Daemon {
    /// A daemon with a script to write.
    pub fn rehearse() -> Rehearsal {
        Rehearsal::default()
    }

    /// A `klee` that will talk to this daemon, in an otherwise empty environment.
    pub fn klee(&self, arguments: &[&str]) -> Command {
        let mut command = klee(arguments);
        command.env("KLEE_HOST", &self.url);
        command
    }

    /// Where it listens, as klee is told.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// `text` with what differs from run to run replaced by words.
    pub fn anonymous(&self, text: impl fmt::Display) -> String {
        let place = self
            .url
            .trim_start_matches("https://")
            .trim_start_matches("http://");
        let text = text.to_string().replace(place, "<daemon>");
        text.replace(&self.directory.path().display().to_string(), "<directory>")
    }

    /// Runs `klee` with nothing on standard input.
    pub fn run(&self, arguments: &[&str]) -> Ending {
        self.run_with_input(arguments, "")
    }

    /// Runs `klee` with `input` on standard input.
    pub fn run_with_input(&self, arguments: &[&str], input: &str) -> Ending {
        let mut child = self
            .klee(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A klee that does not read its input may be gone already.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        Ending::of(child.wait_with_output().unwrap())
    }

    /// Everything that was asked so far: request lines with their bodies, frames as `text …` or `binary …`.
    pub fn requests(&self) -> String {
        self.script.log.lock().unwrap().join("\n")
    }
}

/// A `klee` in an empty environment, whose user has no home with files in it.
pub fn klee(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_klee"));
    command.args(arguments).env_clear().env("HOME", "/nonexistent");
    command
}

/// Runs a `klee` that needs no daemon.
pub fn run(arguments: &[&str]) -> Ending {
    Ending::of(klee(arguments).stdin(Stdio::null()).output().unwrap())
}

/// How a command ended: its exit code and what it printed.
pub struct Ending {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ending {
    pub fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) => writeln!(f, "exit: {code}")?,
            None => writeln!(f, "killed")?,
        }
        write!(
            f,
            "----- stdout -----\n{}----- stderr -----\n{}",
            self.stdout, self.stderr
        )
    }
}

async fn respond(State(script): State<Arc<Script>>, request: Request) -> Response {
    let names_extensions = !script.knows_only_0_1_1;
    let mut response = follow_script(script, request).await;
    if names_extensions {
        response.headers_mut().insert(
            "kleene-extensions",
            HeaderValue::from_static("exec-control, context-upload, build-cache, build-diagnostics"),
        );
    }
    response
}

async fn follow_script(script: Arc<Script>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    if let Some(steps) = script.conversations.get(&path).cloned() {
        return match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
            Ok(upgrade) => upgrade.on_upgrade(move |socket| follow(script, path, steps, socket)),
            Err(rejection) => rejection.into_response(),
        };
    }

    let line = format!("{} {}", parts.method, parts.uri);
    let body = to_bytes(body, 1 << 20).await.unwrap();
    script.remember(
        format!("{line} {}", String::from_utf8_lossy(&body))
            .trim_end()
            .to_owned(),
    );
    match script.answers.get(&line) {
        Some((status, body)) => Response::builder()
            .status(StatusCode::from_u16(*status).unwrap())
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body.clone()))
            .unwrap(),
        None => (StatusCode::NOT_FOUND, "not found").into_response(),
    }
}

async fn follow(script: Arc<Script>, path: String, steps: Vec<Step>, mut socket: WebSocket) {
    let first = next_frame(&mut socket).await;
    script.remember(format!("{path} {first}"));
    for step in steps {
        let message = match step {
            Step::Text(text) => Message::text(text),
            Step::Binary(bytes) => Message::binary(bytes),
            Step::Await => {
                let frame = next_frame(&mut socket).await;
                script.remember(frame);
                continue;
            }
            Step::Close(code, reason) => Message::Close(Some(CloseFrame {
                code,
                reason: reason.into(),
            })),
            Step::HangUp => return,
        };
        if socket.send(message).await.is_err() {
            return;
        }
    }
    // Until the client has answered the close frame.
    while let Some(Ok(_)) = socket.recv().await {}
}

async fn next_frame(socket: &mut WebSocket) -> String {
    loop {
        match socket.recv().await {
            Some(Ok(Message::Text(text))) => return format!("text {text}"),
            Some(Ok(Message::Binary(bytes))) => {
                return format!("binary {:?}", bytes.escape_ascii().to_string());
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Ok(Message::Close(Some(CloseFrame { code, reason })))) => {
                return format!("close {code} {reason}");
            }
            Some(Ok(Message::Close(None))) | Some(Err(_)) | None => return "gone".to_owned(),
        }
    }
}
