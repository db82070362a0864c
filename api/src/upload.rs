//! Build contexts that the daemon does not see and that clients send: our extension
//! [`ContextUpload`](crate::Extension::ContextUpload).
//!
//! After the opening of `/images/build`, binary frames carry a tar archive, plain or compressed by gzip, xz or zstd, and a
//! text frame [`UploadControl::End`] ends it. No binary frame at all is an empty context. Then the conversation goes on as
//! without an upload.

use serde::{Deserialize, Serialize};

use crate::exec::Yes;

/// That a build context is uploaded, and what comes with it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ContextUpload {
    /// The text of the Dockerfile. The context is taken as it is then, as its sender has left out what is ignored. Absent or
    /// null: the Dockerfile is in the context, whose ignore file holds.
    #[serde(default)]
    pub dockerfile: Option<String>,
}

/// A text frame from a client that uploads a build context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum UploadControl {
    /// The archive is complete: `{"end":true}`.
    End(Yes),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upload_need_not_say_anything() {
        let upload: ContextUpload = serde_json::from_str("{}").unwrap();
        assert_eq!(upload, ContextUpload::default());
    }

    #[test]
    fn the_end_has_one_key() {
        let text = serde_json::to_string(&UploadControl::End(Yes)).unwrap();
        assert_eq!(text, r#"{"end":true}"#);
        assert!(serde_json::from_str::<UploadControl>(&text).is_ok());
        assert!(serde_json::from_str::<UploadControl>(r#"{"end":false}"#).is_err());
    }
}
