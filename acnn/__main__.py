"""python -m acnn"""

from acnn.cli.main import app

app()
