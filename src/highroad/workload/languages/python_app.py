"""Finds the application object and the framework in Python source, by parsing it and never by running it.

`python` asks it where to start: `main.py` holds `app = FastAPI()`, so `uvicorn main:app` serves it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from highroad.workload.source import Source

Gateway = Literal["asgi", "wsgi"]

_ASGI = frozenset(
    ["FastAPI", "Starlette", "Litestar", "Quart", "FastHTML", "ASGI", "BlackSheep", "get_asgi_application"]
)
_WSGI = frozenset(["Flask", "Bottle", "WSGI", "Eve", "Dash", "get_wsgi_application", "default_app"])
# Modules whose import says that a plain script listens, although it names no PORT.
_SERVERS = frozenset(
    [
        "http.server",
        "socketserver",
        "aiohttp.web",
        "aiohttp",
        "tornado.web",
        "tornado",
        "sanic",
        "cherrypy",
        "waitress",
        "uvicorn",
    ]
)
_SERVERS |= frozenset(["hypercorn", "wsgiref.simple_server", "bottle", "gradio", "nicegui", "falcon"])
FILES = (
    "main.py",
    "app.py",
    "wsgi.py",
    "asgi.py",
    "server.py",
    "application.py",
    "api.py",
    "start.py",
    "run.py",
    "bot.py",
    "hello.py",
)
_INNER = ("main.py", "app.py", "__init__.py", "wsgi.py", "asgi.py", "server.py")
_SKIPPED = frozenset(
    ["tests", "test", "docs", "node_modules", "venv", "env", "build", "dist", "migrations", "scripts", "examples"]
)


@dataclass(frozen=True, slots=True)
class App:
    """`module:name` serves, seen from `directory` (`""` or `src`); `factory` when it is a function that makes it."""

    file: str
    directory: str
    module: str
    name: str
    gateway: Gateway
    framework: str
    factory: bool = False

    @property
    def target(self) -> str:
        return f"{self.module}:{self.name}"


@dataclass(frozen=True, slots=True)
class Script:
    """A file that is started as it is; `listens` when it reads PORT or imports a server."""

    file: str
    listens: bool
    streamlit: bool = False


def find_app(source: Source) -> App | None:
    """The first application object in the usual files."""
    for directory, file in _candidates(source):
        text = source.read(file)
        tree = _parse(text) if text else None
        if tree is not None and (found := _application(tree)):
            name, framework, factory = found
            module = file.removeprefix(f"{directory}/" if directory else "").removesuffix(".py").replace("/", ".")
            gateway: Gateway = "asgi" if framework in _ASGI else "wsgi"
            return App(file, directory, module.removesuffix(".__init__"), name, gateway, framework, factory)
    return None


def find_script(source: Source) -> Script | None:
    """The first of the usual files, whatever it does."""
    file = source.first(*FILES, *(f"src/{name}" for name in FILES))
    if file is None:
        return None
    text = source.read(file) or ""
    imported = _imports(_parse(text))
    listens = "PORT" in text or bool(imported & _SERVERS)
    return Script(file, listens, streamlit="streamlit" in imported)


def _candidates(source: Source) -> Iterator[tuple[str, str]]:
    """(directory on the path, file), files of the root before packages before `src`."""
    for directory in ("", "src"):
        names = source.names(directory)
        prefix = f"{directory}/" if directory else ""
        yield from ((directory, f"{prefix}{name}") for name in FILES if name in names)
        for package in names:
            if package not in _SKIPPED and not package.startswith("_") and package.isidentifier():
                inner = source.names(prefix + package)
                if package == "src" and "__init__.py" not in inner:
                    continue  # a directory of modules, which comes last, and not a package
                yield from ((directory, f"{prefix}{package}/{name}") for name in _INNER if name in inner)


def _parse(text: str) -> ast.Module | None:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None  # a file for another Python, or broken: the start command then comes from elsewhere or is asked for


def _application(tree: ast.Module) -> tuple[str, str, bool] | None:
    """(name, framework, factory) of a module-level object, else of a function named as a factory."""
    for node in tree.body:
        value = node.value if isinstance(node, (ast.Assign, ast.AnnAssign)) else None
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        called = _called(value)
        if called in _ASGI | _WSGI:
            return next(((each.id, called, False) for each in targets if isinstance(each, ast.Name)), None)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and (gateway := _gateway(node)):
            return node.name, gateway, False
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name in ("create_app", "make_app", "build_app", "get_app"):
            made = next((name for each in ast.walk(node) if (name := _called(each)) in _ASGI | _WSGI), None)
            if made:
                return node.name, made, True
    return None


def _gateway(function: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """`ASGI` for `async def app(scope, receive, send)`, `WSGI` for `def app(environ, start_response)`; else
    empty."""
    names = tuple(each.arg for each in function.args.args)
    if isinstance(function, ast.AsyncFunctionDef):
        return "ASGI" if names == ("scope", "receive", "send") else ""
    return "WSGI" if len(names) == 2 and names[1] == "start_response" else ""


def _called(node: ast.AST | None) -> str:
    """The last name of what a call calls: `flask.Flask(...)` is `Flask`."""
    if not isinstance(node, ast.Call):
        return ""
    return (
        node.func.attr
        if isinstance(node.func, ast.Attribute)
        else node.func.id
        if isinstance(node.func, ast.Name)
        else ""
    )


def _imports(tree: ast.Module | None) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names
