"""Master data, policies, access and the flow's records, in Django's admin.

What people own is edited here, with a reason that its history keeps; what the flow owns can be read. A change that
lets waiting cases through says so, with the way to replay them.
"""

from q2c.admin import access, books, failures, flow, periods, platforms, selling

__all__ = ["access", "books", "failures", "flow", "periods", "platforms", "selling"]
