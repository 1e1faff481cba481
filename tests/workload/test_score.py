"""Score files: the whole specification is read, and every flaw has a line, a column and a path."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest

from highroad.workload.document import BadYaml
from highroad.workload.model import Health, Limits, Volume, Workload
from highroad.workload.score import BadScore, read
from highroad.workload.source import FileLeavesSource, Source

MakeSource = Callable[..., Source]
HEAD = "apiVersion: score.dev/v1b1\nmetadata:\n  name: shop\n"
FULL = """\
apiVersion: score.dev/v1b1
metadata:
  name: example-workload
  team: payments
  annotations:
    prefix.com/Another-Key_Annotation.2: something else
service:
  ports:
    metrics: {port: 9090, protocol: TCP}
    http: {port: 80, targetPort: 8080}
    dns: {port: 53, protocol: UDP}
containers:
  proxy:
    image: registry/envoy:v1
    before:
      main: {ready: healthy}
  main:
    image: .
    command: [/bin/sh, -c]
    args: ["exec serve --port=$PORT"]
    variables:
      TEAM: ${metadata.team}
      DB: postgres://${resources.db.username}@${resources.db.host}/$${x}
    files:
      /etc/app.conf: {content: "name = ${metadata.name}", mode: "600"}
      /etc/raw.conf: {content: "${left.alone}", noExpand: true}
      /etc/logo.bin: {binaryContent: "ADBgwpA="}
      /etc/extra: {source: ./conf/extra.txt}
    volumes:
      /data: {source: "${resources.data}", path: sub, readOnly: true}
    resources:
      limits: {memory: 128M, cpu: "0.24"}
      requests: {memory: 10Mi, cpu: 100m}
    livenessProbe:
      httpGet: {path: /livez, port: 8080}
    readinessProbe:
      httpGet:
        host: shop.internal
        path: /readyz
        port: 8080
        httpHeaders:
        - {name: X-Probe, value: "1"}
resources:
  db: {type: postgres, class: large, id: shared.db, params: {extensions: [uuid], owner: "${metadata.team}"}}
  data: {type: volume}
"""


def score(tree: MakeSource, text: str | bytes, **files: str) -> Workload:
    return read(tree({"score.yaml": text, **files}), "score.yaml")


def flaws(tree: MakeSource, text: str) -> list[str]:
    with pytest.raises(BadScore) as caught:
        score(tree, text)
    return [f"{error.pointer}: {error.detail}" for error in caught.value.errors]


@pytest.fixture
def full(tree: MakeSource) -> Workload:
    return read(tree({"score.yaml": FULL, "conf/extra.txt": "extra"}), "score.yaml")


def test_the_probed_container_gets_the_routes_and_the_port(full: Workload) -> None:
    assert full.http is not None
    assert (full.http.name, full.http.port) == ("main", 8080)
    assert full.http.command == "/bin/sh -c 'exec serve --port=$PORT'"
    assert full.http.health == Health(kind="http", path="/readyz", headers={"X-Probe": "1", "Host": "shop.internal"})


def test_a_foreign_image_is_kept_for_a_container_target(full: Workload) -> None:
    assert full.image == "registry/envoy:v1"
    proxy, main = full.processes
    assert (proxy.image, main.image) == ("registry/envoy:v1", None)
    assert proxy.before == {"main": "healthy"}


def test_amounts_are_read(full: Workload) -> None:
    main = full.processes[1]
    assert main.limits == Limits(memory=128_000_000, cpu=0.24)
    assert main.requests == Limits(memory=10 * 2**20, cpu=0.1)


def test_metadata_is_resolved_and_resources_wait_for_deployment(full: Workload) -> None:
    assert full.processes[1].variables == {
        "TEAM": "payments",
        "DB": "postgres://${resources.db.username}@${resources.db.host}/$${x}",
    }
    assert full.resources[0].params == {"extensions": ["uuid"], "owner": "payments"}


def test_files_are_read_and_what_must_not_be_expanded_is_binary(full: Workload) -> None:
    conf, raw, logo, extra = full.processes[1].files
    assert (conf.content, conf.mode, conf.binary) == ("name = example-workload", "0600", False)
    assert (base64.b64decode(raw.content), raw.binary) == (b"${left.alone}", True)
    assert (logo.content, logo.binary) == ("ADBgwpA=", True)
    assert extra.content == "extra"


def test_volumes_and_resources_are_kept_as_asked(full: Workload) -> None:
    assert full.processes[1].volumes == (Volume("/data", "${resources.data}", "sub", read_only=True),)
    db, data = full.resources
    assert (db.type, db.cls, db.id) == ("postgres", "large", "shared.db")
    assert (data.type, data.cls) == ("volume", "default")


def test_the_deprecated_lists_of_files_and_volumes_are_valid(tree: MakeSource) -> None:
    text = HEAD + (
        "containers:\n  main:\n    image: .\n    files:\n    - {target: /a, content: x}\n"
        "    volumes:\n    - {target: /b, source: some-volume}\n"
    )
    main = score(tree, text).processes[0]
    assert (main.files[0].target, main.volumes[0].source) == ("/a", "some-volume")


def test_an_exec_probe_counts_before_http(tree: MakeSource) -> None:
    text = HEAD + (
        "service: {ports: {www: {port: 80}}}\ncontainers:\n  main:\n    image: .\n    readinessProbe:\n"
        "      httpGet: {path: /, port: 80}\n      exec: {command: [check, 'a b']}\n"
    )
    assert score(tree, text).processes[0].health == Health(kind="command", command="check 'a b'")


def test_an_https_probe_falls_back_to_connecting_and_says_so(tree: MakeSource) -> None:
    probe = "readinessProbe: {httpGet: {scheme: HTTPS, path: /, port: 80}}"
    text = HEAD + f"service: {{ports: {{www: {{port: 80}}}}}}\ncontainers:\n  main:\n    image: .\n    {probe}\n"
    workload = score(tree, text)
    assert workload.processes[0].health.kind == "tcp"
    assert any("HTTPS" in reason.what for reason in workload.reasons)


def test_without_ports_nothing_listens(tree: MakeSource) -> None:
    workload = score(tree, HEAD + "containers:\n  main: {image: ., command: [work]}\n")
    assert workload.http is None
    assert workload.processes[0].health.kind == "none"


def test_a_command_without_a_shell_that_hopes_for_port_is_pointed_out(tree: MakeSource) -> None:
    workload = score(tree, HEAD + "containers:\n  main: {image: ., command: [serve, $PORT]}\n")
    assert workload.processes[0].command == "serve '$PORT'"
    assert any("$PORT stays as it is" in reason.what for reason in workload.reasons)


def test_an_unknown_field_is_named_with_its_line_and_the_likely_one(tree: MakeSource) -> None:
    assert flaws(tree, HEAD + "containers:\n  web:\n    imgae: .\n") == [
        "score.yaml:5:3: containers.web: needs a field 'image'",
        "score.yaml:6:5: containers.web.imgae: is not a known field; did you mean 'image'?",
    ]


@pytest.mark.parametrize(
    ("text", "flaw"),
    [
        (
            "apiVersion: v2\nmetadata: {name: ab}\ncontainers: {ab: {image: .}}",
            "1:1: apiVersion: must be 'score.dev/v1b1'",
        ),
        (HEAD, "1:1: the file needs a field 'containers'"),
        (HEAD + "containers: {}\n", "4:1: containers: needs at least one entry"),
        (HEAD + "containers:\n  web: {image: 3}\n", '5:9: containers.web.image: must be text: write it in quotes, "3"'),
        (HEAD + "containers:\n  Web: {image: .}\n", "5:3: containers.Web: the name 'Web' cannot be used here"),
        (HEAD + "containers:\n  ab: {image: ., args: [x]}\n", "args: needs a command in front"),
        (
            HEAD + "containers:\n  ab: {image: ., variables: {A: 1}}\n",
            'variables.A: must be text: write it in quotes, "1"',
        ),
        (
            HEAD + "containers:\n  ab:\n    image: .\n    resources: {limits: {memory: 12 gigs}}\n",
            "7:26: containers.ab.resources.limits.memory: ",
        ),
        (
            HEAD + "containers:\n  ab: {image: ., resources: {limits: {cpu: '0'}}}\n",
            "limits.cpu: '0' cannot be used here",
        ),
        (
            HEAD + "containers:\n  ab: {image: ., files: {/a: {}}}\n",
            "needs exactly one of content, binaryContent, source",
        ),
        (
            HEAD + "containers:\n  ab: {image: ., files: {/a/../b: {content: x}}}\n",
            "must be an absolute path without '..'",
        ),
        (
            HEAD + "containers:\n  ab: {image: ., files: {/a: {source: nope}}}\n",
            "there is no file 'nope' in the source",
        ),
        (HEAD + "containers:\n  ab: {image: ., files: {/a: {binaryContent: 'AAA'}}}\n", "is not base64"),
        (HEAD + "containers:\n  ab: {image: ., before: {cd: {ready: started}}}\n", "there is no container 'cd'"),
        (HEAD + "containers:\n  ab: {image: ., before: {ab: {ready: started}}}\n", "waits for itself in a circle"),
        (HEAD + "service: {ports: {www: {port: 99999}}}\ncontainers: {ab: {image: .}}\n", "must be at most 65535"),
        (HEAD + "containers: [a]\n", "containers: must be a mapping, not a list"),
        ("[]", "1:1: must be a mapping, not a list"),
        ("", "the file is empty"),
    ],
)
def test_a_flaw_is_named_with_its_place(tree: MakeSource, text: str, flaw: str) -> None:
    assert any(flaw in each for each in flaws(tree, text)), flaws(tree, text)


@pytest.mark.parametrize(
    ("placeholder", "flaw"),
    [
        ("${resources.cache.host}", "refers to an unknown resource 'cache'; did you mean 'caches'?"),
        ("${metadata.nmae}", "unknown key 'nmae' of metadata; did you mean 'name'?"),
        ("${metadata.name.first}", "unknown key 'first'"),
        ("${metadata}", "needs a name behind 'metadata.'"),
        ("${resource.caches.host}", "did you mean 'resources'?"),
        ("${HOME}", "write $$ for a plain dollar sign"),
    ],
)
def test_an_unknown_placeholder_is_refused_where_it_stands(tree: MakeSource, placeholder: str, flaw: str) -> None:
    container = f"  ab:\n    image: .\n    variables:\n      X: {placeholder}\n"
    text = f"{HEAD}containers:\n{container}resources: {{caches: {{type: redis}}}}\n"
    (found,) = flaws(tree, text)
    assert found.startswith("score.yaml:8:7: containers.ab.variables.X: the placeholder ${")
    assert flaw in found


def test_metadata_cannot_be_multiplied_into_gigabytes(tree: MakeSource) -> None:
    text = f"apiVersion: score.dev/v1b1\nmetadata: {{name: ab, big: {'x' * 100_000}}}\n"
    text += f"containers: {{ab: {{image: ., variables: {{X: '{'${metadata.big}' * 1000}'}}}}}}\n"
    assert "expand to more than 1 MiB" in flaws(tree, text)[0]


def test_the_error_says_how_many_more_there_are_and_where_to_look(tree: MakeSource) -> None:
    with pytest.raises(BadScore) as caught:
        score(tree, HEAD + "containers:\n  ab: {image: ., a: 1, b: 2}\n")
    assert "(and 1 more)" in caught.value.detail
    assert "score.yaml:5" in caught.value.next_step


def test_broken_yaml_names_the_line(tree: MakeSource) -> None:
    with pytest.raises(BadYaml, match=r"score\.yaml:5:"):
        score(tree, HEAD + "containers: {ab: {image: .}\nx: [\n")


def test_a_file_from_outside_of_the_source_is_refused(tree: MakeSource) -> None:
    source = tree({"score.yaml": HEAD + "containers:\n  ab: {image: ., files: {/a: {source: ../../etc/passwd}}}\n"})
    with pytest.raises(FileLeavesSource):
        read(source, "score.yaml")
