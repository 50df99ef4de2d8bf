"""Zuora: customers and subscriptions out, invoices in."""
