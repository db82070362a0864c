//! What a daemon understands beyond 0.1.1, and how it says so.
//!
//! A daemon of 0.1.1 breaks at keys that it does not know. So ours names its extensions in a header of every answer,
//! and a client uses one only after an answer that named it: that costs no request of its own.

/// Something that a daemon understands and that 0.1.1 does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extension {
    /// The key `control` of [`ExecStartConfig`](crate::ExecStartConfig), and the messages that it allows.
    ExecControl,
    /// The key `upload` of [`ImageBuildConfig`](crate::ImageBuildConfig), and the frames that it announces.
    ContextUpload,
    /// The keys `cache` and `target` of [`ImageBuildConfig`](crate::ImageBuildConfig).
    BuildCache,
    /// The key `diagnostics` of [`ImageBuildConfig`](crate::ImageBuildConfig), and the frames that it asks for.
    BuildDiagnostics,
}

impl Extension {
    /// The header that names extensions.
    pub const HEADER: &'static str = "kleene-extensions";

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ExecControl => "exec-control",
            Self::ContextUpload => "context-upload",
            Self::BuildCache => "build-cache",
            Self::BuildDiagnostics => "build-diagnostics",
        }
    }

    /// The header's value for a daemon that understands them all.
    pub const HEADER_VALUE: &'static str = "exec-control, context-upload, build-cache, build-diagnostics";

    /// Whether a header with this value names it.
    pub fn is_named_in(self, header: &str) -> bool {
        header.split(',').any(|name| name.trim() == self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_names_extensions_between_commas() {
        for extension in [
            Extension::ExecControl,
            Extension::ContextUpload,
            Extension::BuildCache,
            Extension::BuildDiagnostics,
        ] {
            assert!(extension.is_named_in(Extension::HEADER_VALUE));
        }
        assert!(Extension::ExecControl.is_named_in("other ,exec-control"));
        assert!(!Extension::ExecControl.is_named_in(""));
        assert!(!Extension::ExecControl.is_named_in("exec-control-2"));
    }
}
