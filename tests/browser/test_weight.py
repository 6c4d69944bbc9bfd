"""What a reader downloads: at most 6 MB with the first page, and 400 kB with each later one."""

from pathlib import Path

from conftest import SITE, pages

FIRST, LATER, NOTEBOOK = 6_000_000, 400_000, 400_000


def test_a_reader_pays_once(visit, server):
    sizes: dict[str, int] = {}

    def count(answer):
        if answer.ok:
            sizes[answer.url.split("#")[0]] = len(answer.body())

    visit.page.on("requestfinished", lambda request: count(request.response()))
    seen: set[str] = set()
    report = []
    for number, path in enumerate(pages()):
        sizes.clear()
        page = visit.open(f"{server}/{path}")
        page.wait_for_timeout(
            1500 if number == 0 else 300
        )  # the first page fetches ahead half a second after it has loaded
        new = {address: size for address, size in sizes.items() if address not in seen}
        seen |= new.keys()
        total, limit = sum(new.values()), LATER if number else FIRST
        report.append(f"{total / 1000:8.0f} kB  {path}")
        heaviest = sorted(((size, address) for address, size in new.items()), reverse=True)[:5]
        assert total <= limit, f"{path}: {total} bytes, at most {limit}; the heaviest: {heaviest}"
    print("\n".join(report))


def test_any_page_may_be_the_first(server, browser):
    for path in pages():
        context = browser.new_context()
        page = context.new_page()
        total = []
        page.on("requestfinished", lambda request, total=total: total.append(len(request.response().body())))
        page.goto(f"{server}/{path}", wait_until="load")
        page.wait_for_timeout(1200)
        context.close()
        assert sum(total) <= FIRST, f"{path}: {sum(total)} bytes"


def test_notebooks_are_small():
    root = Path(SITE).parents[1]
    for notebook in sorted((root / "chapters").glob("*.ipynb")):
        assert notebook.stat().st_size <= NOTEBOOK, f"{notebook.name} is {notebook.stat().st_size} bytes"
