"""Plots for a terminal."""

from collections.abc import Mapping, Sequence

import plotext

Points = Sequence[tuple[float, float]]
_WIDTH, _HEIGHT = 90, 18


def plot(title: str, x: str, y: str, lines: Mapping[str, Points], *, decades: bool = False) -> str:
    """One line for each name, as text; with ``decades`` the way from 1 to 10 is as long as that from 10 to 100."""
    plotext.clear_figure()
    plotext.theme("clear")
    plotext.plotsize(_WIDTH, _HEIGHT)
    plotext.title(title)
    plotext.xlabel(x)
    plotext.ylabel(y)
    plotext.xscale("log" if decades else "linear")
    for (name, points), marker in zip(lines.items(), "●○■□▲△", strict=False):
        across, up = zip(*sorted(points), strict=True)
        plotext.plot(list(across), list(up), label=name, marker=marker)
    # Nothing costs less than nothing, and an axis that starts elsewhere makes mountains of noise.
    plotext.ylim(0, None)
    return str(plotext.uncolorize(plotext.build()))
