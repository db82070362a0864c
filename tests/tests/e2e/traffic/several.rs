//! Containers on several networks, and many containers at once.
