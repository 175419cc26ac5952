"""Commands: they parse, call and print. What they do is done by functions elsewhere, which Python can call, too."""

__all__: list[str] = []
