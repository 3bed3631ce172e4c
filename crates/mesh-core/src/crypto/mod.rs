//! Identities, seals, sessions.
