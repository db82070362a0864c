//! Closed sets of words on the wire: one list of words serves JSON, printing, parsing and help texts.

use std::fmt;

/// A word that is not in the set where it was used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownValue {
    /// The word as it was given.
    pub value: String,
    /// The words that are possible, in the contract's order.
    pub expected: &'static [&'static str],
}

impl fmt::Display for UnknownValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}' is not one of {}", self.value, self.expected.join(", "))
    }
}

impl std::error::Error for UnknownValue {}

/// Declares an enum whose variants are fixed words on the wire.
///
/// The words are taken as token trees because other macros do not find the text in a captured literal.
macro_rules! wire_enum {
    (
        $(#[$outer:meta])*
        $name:ident { $( $(#[$inner:meta])* $variant:ident = $word:tt, )+ }
    ) => {
        $(#[$outer])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        pub enum $name {
            $( $(#[$inner])* #[serde(rename = $word)] $variant, )+
        }

        impl $name {
            /// Every word of this set, in the contract's order.
            pub const WORDS: &'static [&'static str] = &[ $( $word, )+ ];

            /// The word as it stands on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $word, )+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::UnknownValue;

            fn from_str(word: &str) -> Result<Self, Self::Err> {
                match word {
                    $( $word => Ok(Self::$variant), )+
                    _ => Err($crate::UnknownValue { value: word.to_owned(), expected: Self::WORDS }),
                }
            }
        }
    };
}

pub(crate) use wire_enum;

#[cfg(test)]
mod tests {
    use crate::{NetworkDriver, RestartPolicy};

    #[test]
    fn a_word_is_the_same_in_json_in_print_and_when_parsed() {
        assert_eq!(
            serde_json::to_string(&RestartPolicy::OnStartup).unwrap(),
            r#""on-startup""#
        );
        assert_eq!(RestartPolicy::OnStartup.to_string(), "on-startup");
        assert_eq!("on-startup".parse(), Ok(RestartPolicy::OnStartup));
    }

    #[test]
    fn an_unknown_word_is_refused_with_the_possible_ones() {
        let error = "bridge".parse::<NetworkDriver>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "'bridge' is not one of ipnet, host, vnet, disabled"
        );
    }
}
