"""As the project's, without structured lines."""
