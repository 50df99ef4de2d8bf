"""Avalara AvaTax, REST v2: the tax on a deal, estimated and never recorded."""
