"""Text, tables and figures as HTML, for the pages of ``acnn report`` and for notebooks."""

__all__: list[str] = []
