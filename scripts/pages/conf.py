"""Sphinx settings of the course's site; scripts/website.py prepares the sources and calls Sphinx
with them.
"""

from latex2mathml.converter import convert

project = "FCN and U-Net on Cityscapes"
author = "The authors of this course"
copyright = "the authors of this course, MIT license"
root_doc = "index"
extensions = ["myst_nb"]

html_theme = "furo"
html_title = project
html_copy_source = False
html_show_sphinx = False
html_use_index = False
html_show_search_summary = (
    False  # it fetches pages, which browsers forbid on file://; titles are enough
)
html_static_path = ["course.css"]
html_css_files = ["course.css"]

highlight_language = "text"  # where a block of code does not say what it is
nb_execution_mode = "off"  # the stored outputs are shown
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
# A line for Colab that begins with ! is no less readable
suppress_warnings = ["misc.highlighting_failure"]


def inline_math(self, node) -> None:
    """LaTeX as MathML, which browsers show by themselves: no script, nothing to load."""
    from docutils.nodes import SkipNode

    self.body.append(convert(node.astext()))
    raise SkipNode


def display_math(self, node) -> None:
    from docutils.nodes import SkipNode

    self.body.append(f'<p class="display-math">{convert(node.astext(), display="block")}</p>')
    raise SkipNode


def setup(app) -> None:
    app.add_html_math_renderer("mathml", (inline_math, None), (display_math, None))


html_math_renderer = "mathml"
