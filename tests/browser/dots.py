"""A click on a dot of a chart."""

DOTS = ".stPlotlyChart .points path"


def click_dot(page, number: int) -> None:
    """Move to a dot and click it; Plotly takes a click only where the pointer rests."""
    dot = page.locator(DOTS).nth(number)
    dot.wait_for(state="attached", timeout=60_000)
    dot.scroll_into_view_if_needed()
    page.wait_for_timeout(1500)
    box = dot.bounding_box()
    centre = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(*centre)
    page.wait_for_timeout(300)
    page.mouse.click(*centre)
    page.wait_for_function("location.search.includes('case=')", timeout=20_000)
