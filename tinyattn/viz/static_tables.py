"""Arrays as HTML tables, for those who read a page without its script."""
import html

import numpy as np


def number(value, digits=4):
    """A number as the pages' script writes it (`number` in shell.js)."""
    if not np.isfinite(value):
        return "NaN" if np.isnan(value) else "∞" if value > 0 else "−∞"
    if value < 0:
        return "−" + number(-value, digits)
    if value == 0 or 1e-4 <= value < 1e6:
        return np.format_float_positional(float(f"{value:.{digits}g}"), trim="-")
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa}e{int(exponent):+d}"


def table(name, words, array):
    """A figure with a table for each of the array's planes: `name` and what it is in words above."""
    array = np.asarray(array)
    planes = array.reshape(-1, *((1, 1) + array.shape)[-2:])
    made = []
    for plane in planes:
        head = "".join(f'<th scope="col">{i}</th>' for i in range(plane.shape[1]))
        cells = ["".join(f"<td>{number(value)}</td>" for value in row) for row in plane]
        rows = "".join(f'<tr><th scope="row">{i}</th>{row}</tr>' for i, row in enumerate(cells))
        made.append(f"<table><thead><tr><td></td>{head}</tr></thead><tbody>{rows}</tbody></table>")
    caption = f"<b>{html.escape(name)}</b> {html.escape(words)}"
    return f'<figure class="grid"><figcaption>{caption}</figcaption>{"".join(made)}</figure>'
