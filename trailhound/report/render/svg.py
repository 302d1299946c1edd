"""A drawing made by a library, filtered for the page: only listed elements and attributes."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from markupsafe import Markup, escape

from trailhound.report.render.visible import visible

_NAMESPACE = "{http://www.w3.org/2000/svg}"
_ELEMENTS = {"svg", "g", "path", "rect", "line", "circle", "text", "tspan", "title"}
_ATTRIBUTES = {
    "viewBox",
    "d",
    "x",
    "y",
    "x1",
    "x2",
    "y1",
    "y2",
    "cx",
    "cy",
    "r",
    "rx",
    "ry",
    "width",
    "height",
    "dx",
    "dy",
    "transform",
    "fill",
    "fill-opacity",
    "stroke",
    "stroke-width",
    "stroke-opacity",
    "stroke-dasharray",
    "stroke-linecap",
    "stroke-linejoin",
    "stroke-miterlimit",
    "opacity",
    "font-size",
    "font-weight",
    "text-anchor",
}
_VALUE = re.compile(r"[-\w\s.,#()%+]*")
"""Allowed values of attributes: numbers, names, path commands, colours. A `url(…)` can't have a
colon, a slash or a quote."""


def sanitized_svg(drawing: str, name: str, title: str, description: str) -> Markup:
    """The SVG as an image with a title and a description; everything unlisted is removed.

    `name` makes its ids unique in the page. Raises `ValueError` for text that is not an SVG.

    >>> str(sanitized_svg('<svg xmlns="http://www.w3.org/2000/svg" onload="x()"><script/></svg>',
    ...     "a", "T", "D"))[-61:]
    '<title id="a-title">T</title><desc id="a-desc">D</desc></svg>'
    """
    try:
        root = ElementTree.fromstring(drawing)  # noqa: S314 - our own library's, without a DTD
    except ElementTree.ParseError as error:
        raise ValueError(f"the chart {name} is no SVG: {error}") from None
    opening = Markup('<svg class="chart" role="img" aria-labelledby="{0}-title {0}-desc"').format(
        name
    )
    labels = Markup('<title id="{0}-title">{1}</title><desc id="{0}-desc">{2}</desc>').format(
        name, visible(title), visible(description, 2_000)
    )
    inside = Markup().join(_rebuilt(child) for child in root)
    return opening + _attributes(root) + Markup(">") + labels + inside + Markup("</svg>")


def _rebuilt(element: ElementTree.Element) -> Markup:
    tag = element.tag.removeprefix(_NAMESPACE) if isinstance(element.tag, str) else ""
    if tag not in _ELEMENTS:
        return Markup()
    inside = Markup().join(
        _rebuilt(child) + escape(visible((child.tail or "").strip())) for child in element
    )
    text = escape(visible((element.text or "").strip()))
    shell = Markup("<{0}{1}>{2}{3}</{0}>")
    return shell.format(tag, _attributes(element), text, inside)


def _attributes(element: ElementTree.Element) -> Markup:
    kept = [
        Markup(' {}="{}"').format(name, value)
        for name, value in element.attrib.items()
        if name in _ATTRIBUTES and _VALUE.fullmatch(value)
    ]
    return Markup().join(kept)
