//! The dialect that Kleene has had since 0.1, to the letter: eight instructions, one stage, variables as a POSIX shell
//! replaces them.

pub mod expand;
pub mod parse;
pub mod substitute;
