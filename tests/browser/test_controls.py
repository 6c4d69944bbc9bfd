"""Every slider and button of every figure changes what is drawn, by keyboard and by mouse."""

# the numbers of the curves and pictures in a figure, and whether each is shown
DRAWN = "p => JSON.stringify([p.data, p.layout.images, p.layout.title, p.layout.annotations, p.layout.shapes])"


def test_every_slider_changes_the_picture(visit):
    page = visit.page
    for figure in page.locator(".tulip-figure:has(.tulip-controls)").all():
        plot = figure.locator(".tulip-plot")
        for slider in figure.locator("input[type=range]").all():
            # by keyboard, to the far end and back
            slider.focus()
            states = []
            for key in ("Home", "End"):
                slider.press(key)
                page.wait_for_timeout(150)
                states.append((plot.evaluate(DRAWN), plot.inner_html(), slider.get_attribute("aria-valuetext")))
            first, last = states
            assert first[2] != last[2], "the slider does not say where it stands"
            assert first[0] != last[0], f"the slider leaves the numbers as they are: {plot.get_attribute('aria-label')}"
            assert first[1] != last[1], f"the slider leaves the drawing as it is: {plot.get_attribute('aria-label')}"
            # by mouse, to the middle
            box = slider.bounding_box()
            page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
            page.wait_for_timeout(150)
            assert slider.get_attribute("aria-valuetext") != last[2]
            assert plot.evaluate(DRAWN) != last[0]


def test_every_control_of_an_explorable_changes_what_it_shows(visit):
    """By keyboard from end to end, then by mouse or finger to the middle: the drawing and the words below it follow."""
    page = visit.page
    point = page.touchscreen.tap if page.viewport_size["width"] < 500 else page.mouse.click
    for explorable in page.locator(".tulip-explorable").all():
        for slider in explorable.locator("input[type=range]:enabled").all():
            name = slider.evaluate("s => s.labels[0].innerText")
            slider.focus()
            states = []
            for key in ("Home", "End"):
                slider.press(key)
                page.wait_for_timeout(150)
                states.append((slider.get_attribute("aria-valuetext"), drawing(explorable)))
            first, last = states
            assert first[0] != last[0], f"{name}: the slider does not say where it stands"
            assert first[1] != last[1], f"{name}: the slider leaves the drawing as it is"
            slider.scroll_into_view_if_needed()
            box = slider.bounding_box()
            point(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
            page.wait_for_timeout(150)
            assert slider.get_attribute("aria-valuetext") not in (first[0], last[0])
            assert drawing(explorable) not in (first[1], last[1])
        for choice in explorable.locator("select:visible").all():
            here = choice.input_value()
            for value in choice.evaluate("s => [...s.options].map(o => o.value)"):
                before = drawing(explorable)
                choice.select_option(value)
                page.wait_for_timeout(150)
                assert value == here or drawing(explorable) != before, f"choosing {value} changes nothing"
                here = value
            choice.select_option(index=0)
    visit.check()


def drawing(explorable) -> list[str]:
    """What is drawn: the shapes, and the pixels of a canvas."""
    return explorable.evaluate(
        "e => [...e.querySelectorAll('svg[aria-label]')].map(s => s.innerHTML)"
        ".concat([...e.querySelectorAll('canvas')].map(c => c.toDataURL()))"
    )


def test_widgets_are_shown(visit):
    page = visit.page
    for subarea in page.locator(".widget-subarea").all():
        assert subarea.locator(".jupyter-widgets").count() > 0
        assert "Error" not in subarea.inner_text()
