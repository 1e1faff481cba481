"""How `make docs` builds these pages into `site/`: Sphinx with MyST, so that a page is plain Markdown.

Built with warnings as errors: a link to a page, heading or file that does not exist fails the build.
"""

from __future__ import annotations

from datetime import UTC, datetime

import highroad

project = "Highroad"
author = "The Highroad authors"
copyright = f"{datetime.now(UTC).year}, {author}. Apache-2.0"  # the name is Sphinx's
release = highroad.__version__

extensions = ["myst_parser"]
exclude_patterns = ["conf.py"]
myst_heading_anchors = 3
myst_enable_extensions = ["deflist"]
nitpicky = True

html_theme = "furo"
html_title = "Highroad"
html_copy_source = False
html_show_sphinx = False
# Nothing is fetched from elsewhere: the site can be read on a machine without a network.
html_theme_options = {"source_edit_link": "", "source_view_link": ""}
