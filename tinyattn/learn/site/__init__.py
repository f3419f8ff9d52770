"""The site: the lessons, the museum, the kernels side by side and a reference, as pages that ask no network for anything.

``tinyattn docs build`` makes it: Sphinx with MyST and furo from pages that `build` writes (the lessons as they ran, the reference from the
docstrings, the kernels from their source). Formulas are MathML when the pages are made; the search runs in the browser, also from ``file://``.
"""
