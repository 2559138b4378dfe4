"""The ledger's law: what is checked and changed in one atomic step, from a ledger to its root."""
