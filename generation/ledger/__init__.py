"""The ledger: every paid call, written down before it is made, in a database that several workers share."""
