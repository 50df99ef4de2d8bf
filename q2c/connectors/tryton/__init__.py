"""Tryton as a general ledger."""
