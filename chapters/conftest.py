"""What nbval does not compare between a chapter's stored outputs and a fresh run."""


def pytest_collectstart(collector):
    # like the pictures: the digits of a curve differ between processors; the claims beside it are asserted and printed
    if hasattr(collector, "skip_compare"):
        collector.skip_compare += ("application/vnd.plotly.v1+json",)
