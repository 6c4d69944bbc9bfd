"""The commit that a card names."""

import re
import subprocess

from tulip_lite.results import provenance
from tulip_lite.storage import places


def test_the_commit_is_dirty_where_the_code_differs_and_not_where_results_do(tmp_path, monkeypatch):
    def git(*command):
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *command], cwd=tmp_path, check=True)

    (tmp_path / "data" / "results").mkdir(parents=True)
    for name in ("code.py", "data/results/card.json"):
        (tmp_path / name).write_text("1")
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "first")
    monkeypatch.setattr(places, "FOLDER", tmp_path / "data")
    (tmp_path / "data" / "results" / "card.json").write_text("2")
    (tmp_path / "new.py").write_text("3")
    clean = provenance.origin()["commit"]
    assert re.fullmatch("[0-9a-f]{12}", clean)
    (tmp_path / "code.py").write_text("2")
    assert provenance.origin()["commit"] == clean + "-dirty"
    monkeypatch.setattr(places, "FOLDER", tmp_path.parent)
    assert provenance.origin()["commit"] == "unknown"
