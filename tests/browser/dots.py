"""A click on a dot of a chart."""

from watched import still_box

DOTS = ".stPlotlyChart .points path"
OPENED = "location.search.includes('case=')"


def click_dot(page, number: int, *, chart: int = 0) -> None:
    """Move to a dot of a chart and click it; Plotly takes a click only where the pointer rests.

    A chart that is drawn anew just then, as while the page is still filling, loses the click: then it is clicked again.
    """
    dot = page.locator(".stPlotlyChart").nth(chart).locator(".points path").nth(number)
    dot.wait_for(state="attached", timeout=60_000)
    for _ in range(4):
        box = still_box(page, dot)
        centre = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(*centre)
        page.wait_for_timeout(300)
        page.mouse.click(*centre)
        for _ in range(60):
            if page.evaluate(OPENED):
                return
            page.wait_for_timeout(200)
    raise AssertionError(f"Dot {number} opens no case")
