//! Bodies that are too large for memory: archives of images.

use std::io;

use futures_util::stream;
use http_body_util::{BodyExt, Empty, StreamBody};
use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::client::conn::http1;
use hyper::{Method, Request, Response, header};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt};

use super::{Client, Route, parse, refusal};
use crate::failure::Failure;

const PIECE: usize = 64 << 10;

impl Client {
    /// GET, answered by a stream; each piece of it goes to `receive`. The daemon may take its time before it begins.
    pub async fn download(
        &self,
        route: Route,
        mut receive: impl AsyncFnMut(&[u8]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let empty = Empty::new().map_err(|never| match never {});
        let mut answer = self.stream(Method::GET, route, empty).await?;
        while let Some(frame) = answer.frame().await {
            let frame = frame.map_err(|error| self.link.broken(&error))?;
            if let Some(piece) = frame.data_ref() {
                receive(piece).await?;
            }
        }
        Ok(())
    }

    /// POST with all that can be read as body, answered by an object. `sent` is told how many bytes were sent.
    pub async fn upload<T: DeserializeOwned>(
        &self,
        route: Route,
        content: impl AsyncRead + Send + Unpin + 'static,
        sent: impl Fn(u64) + Send + 'static,
    ) -> Result<T, Failure> {
        let pieces = stream::try_unfold((content, 0), move |(mut content, mut total)| {
            let mut piece = Vec::with_capacity(PIECE);
            let told = &sent;
            let reading = async move {
                if content.read_buf(&mut piece).await? == 0 {
                    return Ok::<_, io::Error>(None);
                }
                total += piece.len() as u64;
                Ok(Some((Frame::data(Bytes::from(piece)), (content, total))))
            };
            told(total);
            reading
        });
        let answer = self
            .stream(Method::POST, route, StreamBody::new(Box::pin(pieces)))
            .await?;
        let body = answer.into_body().collect().await;
        parse(&body.map_err(|error| self.link.broken(&error))?.to_bytes())
    }

    /// A request without a time limit, since both bodies may be of any length.
    async fn stream<B>(&self, method: Method, route: Route, body: B) -> Result<Response<Incoming>, Failure>
    where
        B: Body<Data = Bytes, Error = io::Error> + Send + 'static,
    {
        let broken = |error| self.link.broken(&error);
        let stream = self.link.connect().await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        // Drives the connection; what goes wrong on it surfaces in the request below.
        tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(route.to_string())
            .header(header::HOST, self.link.authority())
            .header(header::ACCEPT, "*/*")
            .header(header::CONTENT_TYPE, "application/x-tar")
            .header(header::USER_AGENT, concat!("klee/", env!("CARGO_PKG_VERSION")))
            .body(body)
            .map_err(|error| Failure::BadValue(format!("cannot make a request for '{route}': {error}")))?;
        let answer = sender.send_request(request).await.map_err(broken)?;
        self.note_extensions(answer.headers());
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status();
        let body = answer.into_body().collect().await.map_err(broken)?.to_bytes();
        Err(refusal(status, &body))
    }
}
