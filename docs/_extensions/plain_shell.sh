# Read by the shells of cells (BASH_ENV): the notebook's kernel asks programs for colors, which pages do not show.
unset FORCE_COLOR CLICOLOR CLICOLOR_FORCE
export TERM=dumb
