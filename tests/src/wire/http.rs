//! One request per connection, and its answer to the last byte.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::websocket::Conversation;

/// A request that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(10);

/// A client of the daemon that listens at a UNIX socket.
#[derive(Debug, Clone)]
pub struct Client {
    socket: PathBuf,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Names in lower case, in the order in which they came.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// From the connection until the last byte.
    pub elapsed: Duration,
}

/// A request as the original client writes it, header by header.
#[must_use]
pub fn original_request(method: &str, path: &str, body: Option<&str>) -> Vec<u8> {
    let mut head = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\naccept: */*\r\naccept-encoding: gzip, deflate\r\nconnection: keep-alive\r\nuser-agent: python-httpx/0.27.2\r\n"
    );
    match body {
        Some(body) => {
            let length = body.len();
            head += &format!("content-length: {length}\r\ncontent-type: application/json\r\n\r\n{body}");
        }
        None if method == "POST" => head += "content-length: 0\r\n\r\n",
        None => head += "\r\n",
    }
    head.into_bytes()
}

impl Client {
    /// A client of the daemon at this socket.
    #[must_use]
    pub fn new(socket: impl AsRef<Path>) -> Self {
        Self {
            socket: socket.as_ref().to_owned(),
        }
    }

    /// A connection on which nothing is said yet.
    ///
    /// # Errors
    /// If nobody listens.
    pub fn open(&self) -> io::Result<UnixStream> {
        let stream = UnixStream::connect(&self.socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(stream)
    }

    /// Sends these bytes and reads one answer. An answer that comes before everything is sent counts.
    ///
    /// # Errors
    /// If there is none in time, or it is not HTTP.
    pub fn try_exchange(&self, request: &[u8]) -> io::Result<Answer> {
        let began = Instant::now();
        let mut stream = self.open()?;
        match stream.write_all(request) {
            Err(error)
                if !matches!(
                    error.kind(),
                    io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
                ) =>
            {
                return Err(error);
            }
            _ => {}
        }
        let has_body = !request.starts_with(b"HEAD ");
        let mut answer = Answer::read(&mut BufReader::new(stream), has_body)?;
        answer.elapsed = began.elapsed();
        Ok(answer)
    }

    /// As [`Client::try_exchange`].
    ///
    /// # Panics
    /// Where that fails.
    #[track_caller]
    pub fn exchange(&self, request: &[u8]) -> Answer {
        match self.try_exchange(request) {
            Ok(answer) => answer,
            Err(error) => panic!(
                "no answer to {}: {error}",
                String::from_utf8_lossy(&request[..request.len().min(300)])
            ),
        }
    }

    /// A request without a body.
    ///
    /// # Panics
    /// As [`Client::exchange`].
    #[track_caller]
    pub fn request(&self, method: &str, path: &str) -> Answer {
        self.exchange(&original_request(method, path, None))
    }

    /// GET.
    ///
    /// # Panics
    /// As [`Client::exchange`].
    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        self.request("GET", path)
    }

    /// POST without a body.
    ///
    /// # Panics
    /// As [`Client::exchange`].
    #[track_caller]
    pub fn post(&self, path: &str) -> Answer {
        self.request("POST", path)
    }

    /// DELETE.
    ///
    /// # Panics
    /// As [`Client::exchange`].
    #[track_caller]
    pub fn delete(&self, path: &str) -> Answer {
        self.request("DELETE", path)
    }

    /// POST with a JSON body.
    ///
    /// # Panics
    /// As [`Client::exchange`].
    #[track_caller]
    pub fn send(&self, path: &str, body: &Value) -> Answer {
        self.exchange(&original_request("POST", path, Some(&body.to_string())))
    }

    /// A WebSocket, with the handshake of the original client.
    ///
    /// # Panics
    /// If the daemon does not agree, or agrees to more than was allowed.
    #[must_use]
    #[track_caller]
    pub fn converse(&self, path: &str) -> Conversation {
        match self.open().and_then(|stream| Conversation::open(stream, path)) {
            Ok(conversation) => conversation,
            Err(error) => panic!("no conversation at {path}: {error}"),
        }
    }
}

impl Answer {
    /// Reads an answer; one to HEAD has no body.
    ///
    /// # Errors
    /// If it breaks off, or is not HTTP.
    pub fn read(stream: &mut impl BufRead, has_body: bool) -> io::Result<Self> {
        let line = read_line(stream)?;
        let mut words = line.splitn(3, ' ');
        let (version, status) = (words.next(), words.next().and_then(|word| word.parse().ok()));
        let (Some("HTTP/1.1"), Some(status)) = (version, status) else {
            return Err(wrong(format!("not a status line: '{line}'")));
        };
        let mut headers = Vec::new();
        loop {
            let line = read_line(stream)?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line
                .split_once(':')
                .ok_or_else(|| wrong(format!("not a header: '{line}'")))?;
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut answer = Self {
            status,
            headers,
            body: Vec::new(),
            elapsed: Duration::ZERO,
        };
        if has_body && !matches!(status, 101 | 204 | 304) {
            answer.body = answer.read_body(stream)?;
        }
        Ok(answer)
    }

    fn read_body(&self, stream: &mut impl BufRead) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        if self.header("transfer-encoding") == Some("chunked") {
            loop {
                let size = read_line(stream)?;
                let size =
                    u64::from_str_radix(&size, 16).map_err(|_| wrong(format!("not a size: '{size}'")))?;
                stream.by_ref().take(size).read_to_end(&mut body)?;
                read_line(stream)?;
                if size == 0 {
                    return Ok(body);
                }
            }
        }
        match self.header("content-length").map(str::parse::<usize>) {
            Some(Ok(length)) => {
                body.resize(length, 0);
                stream.read_exact(&mut body)?;
            }
            Some(Err(_)) => return Err(wrong("the content length is no number".to_owned())),
            None => {
                stream.read_to_end(&mut body)?;
            }
        }
        Ok(body)
    }

    /// The first header of a name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// If it is none.
    #[must_use]
    #[track_caller]
    pub fn json(&self) -> Value {
        match serde_json::from_slice(&self.body) {
            Ok(value) => value,
            Err(error) => panic!("{error}: {} {}", self.status, self.text()),
        }
    }

    /// The body of a success with this status and the media type of the contract.
    ///
    /// # Panics
    /// If it is another answer.
    #[track_caller]
    pub fn success(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), Some("application/json"));
        self.json()
    }

    /// The id of an id body, which has no other key.
    ///
    /// # Panics
    /// If it is another answer.
    #[track_caller]
    pub fn id(&self, status: u16) -> String {
        let body = self.success(status);
        match body.as_object().map(|object| (object.len(), &body["id"])) {
            Some((1, Value::String(id))) => id.clone(),
            _ => panic!("not an id body: {body}"),
        }
    }

    /// The message of an error body, which has no other key.
    ///
    /// # Panics
    /// If it is another answer.
    #[track_caller]
    pub fn failure(&self) -> (u16, String) {
        assert_eq!(
            self.header("content-type"),
            Some("application/json"),
            "{} {}",
            self.status,
            self.text()
        );
        let body = self.json();
        match body.as_object().map(|object| (object.len(), &body["message"])) {
            Some((1, Value::String(message))) => (self.status, message.clone()),
            _ => panic!("not an error body: {} {body}", self.status),
        }
    }

    /// Pointers and details of a 422.
    ///
    /// # Panics
    /// If it is another answer.
    #[must_use]
    #[track_caller]
    pub fn mistakes(&self) -> Vec<(String, String)> {
        assert_eq!(self.status, 422, "{}", self.text());
        assert_eq!(
            self.header("content-type"),
            Some("application/json; charset=utf-8")
        );
        let body = self.json();
        let Some(errors) = body["errors"].as_array() else {
            panic!("no errors: {body}")
        };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        errors
            .iter()
            .map(|error| {
                assert_eq!(error["title"], "Invalid value", "{body}");
                (text(&error["source"]["pointer"]), text(&error["detail"]))
            })
            .collect()
    }
}

fn read_line(stream: &mut impl BufRead) -> io::Result<String> {
    let mut line = Vec::new();
    stream.read_until(b'\n', &mut line)?;
    match line.strip_suffix(b"\r\n") {
        Some(line) => Ok(String::from_utf8_lossy(line).into_owned()),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

fn wrong(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> io::Result<Answer> {
        Answer::read(&mut text.as_bytes(), true)
    }

    #[test]
    fn a_request_is_written_as_the_original_client_does() {
        let request = original_request("POST", "/containers/prune", None);
        let request = String::from_utf8(request).unwrap();
        assert!(request.starts_with("POST /containers/prune HTTP/1.1\r\nhost: localhost\r\naccept: */*\r\n"));
        assert!(request.ends_with("user-agent: python-httpx/0.27.2\r\ncontent-length: 0\r\n\r\n"));
    }

    #[test]
    fn a_body_of_known_length_is_read() {
        let answer = read("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: y\r\n\r\n[]rest").unwrap();
        assert_eq!((answer.status, answer.text().as_str()), (200, "[]"));
        assert_eq!(answer.header("x"), Some("y"));
    }

    #[test]
    fn a_body_in_chunks_is_read() {
        let answer =
            read("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n");
        assert_eq!(answer.unwrap().text(), "abc");
    }

    #[test]
    fn an_answer_that_breaks_off_is_an_error() {
        for text in [
            "",
            "HTTP/1.1 200 OK\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n[]",
            "200\r\n\r\n",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
