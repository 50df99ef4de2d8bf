"""Salesforce: closed-won opportunities in, status and references back."""
