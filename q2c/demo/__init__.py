"""Tern Systems, the software company of the demo and of the scenarios: its master data, its people, its year.

`company.found()` puts the company into an empty database, `platforms.Platforms` into the sandboxes; `year.Year` then
lets its deals close and its invoices come, through the real flow, day by day. What is random is seeded.
"""
