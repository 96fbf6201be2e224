"""Let the built book ask nobody else for anything, and carry nothing it does not use.

MathJax comes from the Python package `sphinx-mathjax-offline`: of its 24 MB the book
needs one script, the fonts and the TeX extensions. The icons come from the theme's
font, so its script of 1.5 MB, which also rewrites every `<i>`, is emptied. Scripts wait
until the page is there, MathJax last. The theme's has the page laid out once for every
listing, to see whether it scrolls; `book.js` asks them all at once, so that goes, too.
"""

import shutil
from importlib.util import find_spec
from pathlib import Path

from sphinx.builders.html._assets import _JavaScript

MATHJAX = (
    "tex-chtml.js",
    "output/chtml/fonts/woff-v2",
    "input/tex/extensions",
)
LAST = 1000  # Sphinx sorts the scripts of a page by their priority
UNUSED = (
    "**/*.map",
    "locales",
    "images/logo_*.svg",
    "vendor/fontawesome/webfonts/fa-[!s]*",
    "vendor/fontawesome/webfonts/*.ttf",
    "*-macros.html",
)
TAB_STOPS = (  # the theme sets them one by one
    ".forEach(e=>{e.tabIndex=e.scrollWidth>e.clientWidth"
    "||e.scrollHeight>e.clientHeight?0:-1})"
)


def use_mathjax(app, config):
    """Point Sphinx to the copy of MathJax inside the book."""
    config.mathjax_path = "mathjax/tex-chtml.js"


def copy_mathjax(app):
    """Copy what the book uses of MathJax into its folder."""
    home = find_spec("sphinx-mathjax-offline").submodule_search_locations[0]
    for part in MATHJAX:
        source = Path(home, "static", "mathjax", part)
        target = Path(app.outdir, "_static", "mathjax", part)
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)


def defer_scripts(app, pagename, templatename, context, doctree):
    """Let a page be shown before its scripts run, and `book.js` speak to MathJax."""
    if pagename == "search":  # its own scripts need the others at once
        return

    def wait(script):
        """Return the script, put off unless the page's own lines ask for it."""
        name = str(script.filename or "")
        if not name.endswith(".js") or name.endswith("documentation_options.js"):
            return script
        priority = LAST if "mathjax/" in name else script.priority
        return _JavaScript(
            name, priority=priority, **{**script.attributes, "defer": "defer"}
        )

    context["script_files"] = [wait(script) for script in context["script_files"]]


def remove_unused(app, exception):
    """Take out of the built book what no page asks for."""
    if exception:
        return
    static = Path(app.outdir, "_static")
    for path in {path for pattern in UNUSED for path in static.glob(pattern)}:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    icons = static / "scripts" / "fontawesome.js"
    icons.write_text("/* The icons come from the theme's font. */\n")
    theme = static / "scripts" / "pydata-sphinx-theme.js"
    theme.write_text(theme.read_text("utf-8").replace(TAB_STOPS, ""), "utf-8")


def setup(app):
    """Register with Sphinx."""
    app.setup_extension("sphinx.ext.mathjax")
    app.add_config_value("comments_config", {}, "html")  # Jupyter Book sets it unasked
    app.connect("config-inited", use_mathjax)
    app.connect("builder-inited", copy_mathjax)
    app.connect("html-page-context", defer_scripts, priority=900)
    app.connect("build-finished", remove_unused)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
