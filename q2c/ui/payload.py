"""A document as a person reads it: a tree that opens, and its raw text. Rendered here, no script needed."""

from __future__ import annotations

import json
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

# Past these a page gets slow and nobody reads on; the raw text below is whole.
OPEN_DEPTH = 2
ITEMS_MAX = 200
DEPTH_MAX = 24


def parsed(document: Any) -> Any:
    """Text or bytes that hold JSON become its value; what is no JSON stays text."""
    if isinstance(document, bytes):
        document = document.decode("utf-8", "replace")
    if isinstance(document, str):
        try:
            return json.loads(document)
        except (ValueError, RecursionError):
            return document
    return document


def raw(document: Any) -> str:
    """The document as indented text; text that is no JSON as it came."""
    value = parsed(document)
    if isinstance(value, str):
        return value
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def tree(document: Any) -> SafeString:
    """Nested <details>: objects and lists open and close, leaves stand beside their key."""
    return format_html('<div class="tree">{}</div>', _node(parsed(document), 0))


def _node(value: Any, depth: int) -> SafeString:
    if isinstance(value, dict):
        items: list[tuple[str, Any]] = [(str(key), item) for key, item in value.items()]
    elif isinstance(value, list | tuple):
        items = [(str(place), item) for place, item in enumerate(value)]
    else:
        return _leaf(value)
    if not items or depth >= DEPTH_MAX:
        return format_html('<span class="brace">{}</span>', _size(value))
    rows = format_html_join("", "{}", ((_row(key, item, depth),) for key, item in items[:ITEMS_MAX]))
    if len(items) > ITEMS_MAX:
        rest = format_html('<li class="more">{} more; the raw text has them all</li>', len(items) - ITEMS_MAX)
        return format_html("<ul>{}{}</ul>", rows, rest)
    return format_html("<ul>{}</ul>", rows)


def _row(key: str, value: Any, depth: int) -> SafeString:
    if isinstance(value, dict | list | tuple) and value and depth < DEPTH_MAX:
        return format_html(
            '<li><details{}><summary><span class="key">{}</span> <span class="brace">{}</span></summary>'
            "{}</details></li>",
            " open" if depth < OPEN_DEPTH - 1 else "",
            key,
            _size(value),
            _node(value, depth + 1),
        )
    return format_html('<li><span class="key">{}</span> {}</li>', key, _node(value, depth + 1))


def _size(value: Any) -> str:
    count = len(value)
    if isinstance(value, dict):
        return f"{{{count}}}" if count else "{}"
    return f"[{count}]"


def _leaf(value: Any) -> SafeString:
    if value is None:
        return format_html('<span class="leaf none">{}</span>', "null")
    if isinstance(value, bool):
        return format_html('<span class="leaf word">{}</span>', str(value).lower())
    if isinstance(value, str):
        return format_html('<span class="leaf text">{}</span>', value or '""')
    return format_html('<span class="leaf figure">{}</span>', str(value))
