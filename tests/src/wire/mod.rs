//! A client of the daemon that knows nothing but bytes on a socket: HTTP and WebSocket frames are written and read by
//! hand, as the original client sends them. It shares no code with the daemon or with `klee`, so that a mistake in a
//! library that both use cannot hide.

mod http;
mod websocket;

pub use http::{Answer, Client, original_request};
pub use websocket::{Close, Conversation, Frame, opcode};
