"""Commands: they parse, call and print. The work is done by functions elsewhere, which Python can call, too."""

__all__: list[str] = []
