"""The company of the engine's stories, for figures of real steps."""

from tests.engine.conftest import books, company

__all__ = ["books", "company"]
