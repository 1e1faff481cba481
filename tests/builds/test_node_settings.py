"""Which settings of a repository keep its package tool from the shared cache."""

from __future__ import annotations

import pytest

from highroad.builds.node_settings import harmless

HARMLESS = [
    (".npmrc", "# ours\nregistry=https://npm.example\n@acme:registry = https://npm.example\nlegacy-peer-deps=true\n"),
    (".npmrc", "//npm.example/:_authToken=${NPM_TOKEN}\n\n; end"),
    (
        ".yarnrc",
        '# ours\nregistry "https://npm.example"\n"@acme:registry" "https://npm.example"\nyarn-path ".yarn/y.js"',
    ),
    (".yarnrc.yml", "nodeLinker: node-modules\n\nyarnPath: .yarn/releases/yarn-4.5.0.cjs\n"),
    (".yarnrc.yml", "npmScopes:\n  acme:\n    npmRegistryServer: https://npm.example\n"),
    ("pnpm-workspace.yaml", "packages:\n- 'packages/*'\n  # all\ncatalog:\n  react: ^19\n"),
    ("package.json", '{"plugins": 1}'),
]
NOT_KNOWN = [
    (".npmrc", "git=./evil"),
    (".npmrc", "registry=https://npm.example\nscript-shell = ./evil"),
    (".npmrc", '"git"=./evil'),
    (".npmrc", "[section]"),
    (".npmrc", "//npm.example/:tokenHelper=/evil"),
    (".npmrc", "; note\rgit=./evil"),
    (".yarnrc", 'script-shell "./evil"'),
    (".yarnrc.yml", "plugins:\n  - ./evil.cjs\n"),
    (".yarnrc.yml", "  nodeLinker: node-modules\n  plugins: [./evil.cjs]\n"),
    (".yarnrc.yml", '"plugins": [./evil.cjs]'),
    (".yarnrc.yml", "{plugins: [./evil.cjs]}"),
    (".yarnrc.yml", "nodeLinker: a\u2028plugins: [./evil.cjs]"),
    (".yarnrc.yml", "cacheFolder: /elsewhere"),
    ("pnpm-workspace.yaml", "configDependencies:\n  evil: 1.0.0+sha512-x\n"),
    ("pnpm-workspace.yaml", "packages: []\n? pnpmfile\n: ./evil.cjs\n"),
]


@pytest.mark.parametrize(("name", "text"), HARMLESS)
def test_what_says_where_packages_are_is_harmless(name: str, text: str) -> None:
    assert harmless({name: text.encode()})
    assert harmless({f"packages/a/{name}": text.encode()})


@pytest.mark.parametrize(("name", "text"), NOT_KNOWN)
def test_what_may_start_a_program_is_not(name: str, text: str) -> None:
    assert not harmless({name: text.encode(), "package.json": b"{}"})
    assert not harmless({f"packages/a/{name}": text.encode()})


def test_what_is_no_text_is_not() -> None:
    assert not harmless({".npmrc": b"\xff\xfe"})
