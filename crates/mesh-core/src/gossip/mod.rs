//! Who gets what: reconciliation, have and want, receipts (PROTOCOL.md section 9).

/// The limits of the exchange.
#[derive(Clone, Debug, Default)]
pub struct Config {}
