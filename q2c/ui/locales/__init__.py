"""English phrases with the reader's dates and numbers, for what Django itself writes: the admin.

A language "en-de" is English with German formats; its phrases are those of "en". The forms are those of
q2c/ui/formats.py, so that a page has one of each.
"""
