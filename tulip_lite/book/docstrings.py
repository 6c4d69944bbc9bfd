"""How the book shows docstrings: a Sphinx extension that turns the package's prose into reStructuredText.

A docstring here is prose: `backticks` around code, "name: text" where a parameter is described, "Returns …" and
"ValueError if …" where they are said, an indented block where lines must stay as they are. In the book's API pages the
parameters, the result and the errors of a function become a list below the prose, with the types of its signature.
"""

from __future__ import annotations

import inspect
import pkgutil
import re
import sys
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

PACKAGE = __name__.partition(".")[0]
BLOCK = re.compile(r"(?:\n[ \t]*)+\n")
# a list that follows its introduction on the next line: RST wants an empty line between them
LIST = re.compile(r"^(?!- | )(.+)\n(?=- )", re.MULTILINE)
CODE = re.compile(r'`([^`\n]+)`|("[\w.-]*")')
ERROR = r"[A-Z]\w*(?:Error|Warning)"


def setup(app: Sphinx) -> dict[str, bool]:
    """Sphinx calls this when the extension is loaded."""
    app.connect("autodoc-process-docstring", _process)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _process(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    module = sys.modules.get(name if what == "module" else getattr(obj, "__module__", None) or "")
    lines[:] = to_rst("\n".join(lines), _parameters(obj), vars(module) if module else {}).splitlines()
    lines.append("")


def _parameters(obj: Any) -> tuple[str, ...]:
    try:
        return tuple(inspect.signature(obj).parameters)
    except (TypeError, ValueError):  # a module, a property
        return ()


def to_rst(text: str, parameters: tuple[str, ...] = (), scope: dict[str, Any] | None = None) -> str:
    """reStructuredText of a docstring.

    text: the docstring without common indentation. parameters: the names that the signature has; only they start the
    description of a parameter. scope: the module's names; code that names a documented one, or a module of the
    package, becomes a link.
    """
    name = "|".join(map(re.escape, parameters)) or "(?!)"
    # a parameter is no link, even where a module has its name
    scope = {**(scope or {}), **dict.fromkeys(parameters, 0)}
    # a field starts a line or follows a sentence and runs to the next one, or to the end of the paragraph
    start = re.compile(rf"(?:^|(?<=[.;] ))(?=(?:(?:{name})(?:, (?:{name}))*: )|Returns |{ERROR}[ ,])", re.MULTILINE)
    prose, fields = [], []
    for block in BLOCK.split(LIST.sub(r"\1\n\n", text.strip("\n"))):
        if block.startswith(" "):
            prose.append(".. code-block:: text\n\n" + block)  # as it stands
            continue
        first, *described = start.split(re.sub(r"\n +", " ", block)) if start.search(block) else [block]
        if first.strip():
            prose.append(_inline(first, scope).strip())
        fields += [field for each in described for field in _field(" ".join(each.split()), scope)]
    described = {field.split(":")[1].removeprefix("param "): field for field in fields if field.startswith(":param")}
    if fields:  # Sphinx would put the parameters without a description last
        others = [field for field in fields if not field.startswith(":param")]
        own = [name for name in parameters if name not in ("self", "cls")]
        fields = [described.get(name, f":param {name}:") for name in own] + others
    return "\n\n".join([*prose, "\n".join(fields)])


def _field(text: str, scope: dict[str, Any]) -> list[str]:
    """The lines of an RST field list for "Returns …", "ValueError if …" or "name, name: …"."""
    text = text.removesuffix(";")
    if text.startswith("Returns "):
        return [f":returns: {_inline(text.removeprefix('Returns '), scope)}"]
    if error := re.match(rf"({ERROR}(?: or {ERROR})*)[ ,]+(.*)", text):
        return [f":raises {error[1]}: {_inline(error[2], scope)}"]
    names, about = text.split(": ", 1)
    return [f":param {name}: {_inline(about, scope)}" for name in names.split(", ")]


def _inline(text: str, scope: dict[str, Any]) -> str:
    """Prose with `code` and "strings" as RST literals or links, and the signs that RST would read as markup escaped."""
    parts = CODE.split(text)
    for i in range(0, len(parts), 3):
        parts[i] = re.sub(r"([\\|]|_(?!\w)|(?<=\s)\*(?=\s))", r"\\\1", parts[i])
    for i in range(1, len(parts), 3):
        code = parts[i] or parts[i + 1]
        target = parts[i] and _target(parts[i], scope)
        parts[i], parts[i + 1] = (f":py:obj:`{code} <{target}>`" if target else f"``{code}``"), ""
    return "".join(parts)


def _target(code: str, scope: dict[str, Any]) -> str | None:
    """The full name of the documented function, class or module of this package that `code` names, or None."""
    code = code.removesuffix("()")
    try:
        # a word alone may be anything: it must be a name of the module itself
        found = pkgutil.resolve_name(f"{PACKAGE}.{code}") if "." in code and code not in scope else scope[code]
    except (ImportError, AttributeError, ValueError, KeyError):  # no name of ours
        return None
    if not isinstance(found, (ModuleType, FunctionType, type)):
        return None
    name = found.__name__ if isinstance(found, ModuleType) else f"{found.__module__}.{found.__qualname__}"
    return name if found.__doc__ and name.startswith(f"{PACKAGE}.") and "._" not in name else None
