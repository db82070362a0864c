//! Containers without a network of Kleene's: those with the host's network stack, and those with none.
