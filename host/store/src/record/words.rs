//! Enumerations that are words in the database and in the API.

/// A word that is none of those which are possible.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is not one of: {possible}")]
pub struct ParseRecordError {
    /// What was given.
    pub text: String,
    /// What is possible.
    pub possible: &'static str,
}

/// Gives an enumeration its words, in both directions.
macro_rules! words {
    ($type:ty, $($variant:ident = $word:literal),+) => {
        impl $type {
            /// The word for it.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),+
                }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $type {
            type Err = $crate::record::ParseRecordError;

            fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err($crate::record::ParseRecordError {
                        text: text.to_owned(),
                        possible: concat!($($word, " ",)+).trim_ascii_end(),
                    }),
                }
            }
        }
    };
}
pub(crate) use words;
