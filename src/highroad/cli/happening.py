"""An event as one sentence for people; `--json` has the whole of it. Called by `watch` for `highroad events`."""

from __future__ import annotations

from datetime import datetime

from highroad.cli.output import clean
from highroad.client.problems import Json

_PREFIXES = ("dev.cdevents.", "dev.cdeventsx.highroad-")
_NOUNS = {"pipelinerun": "run", "testsuiterun": "tests", "change": "commit"}
_VERBS = {"rolledback": "rolled back", "signedin": "signed in", "merged": "pushed"}
_OUTCOMES = {"success": "succeeded", "failure": "failed", "error": "failed", "cancel": "cancelled"}


def sentence(event: Json) -> str:
    """`shop/web/production  deployment 27 failed: ...`, of what the event knows."""
    data = event.get("data") or {}
    custom, content = data.get("customData") or {}, (data.get("subject") or {}).get("content") or {}
    noun, verb = _type(str(event.get("type") or ""))
    place = "/".join(str(custom[key]) for key in ("project", "service", "environment") if custom.get(key))
    named = custom.get("number") or custom.get("process") or custom.get("name") or custom.get("label") or ""
    ended = custom.get("state") or _OUTCOMES.get(str(content.get("outcome")))
    commit = str(custom.get("commit") or "")[:7] if noun == "commit" else ""
    what = " ".join(str(each) for each in (noun, named, commit, ended or verb) if each)
    why = custom.get("reason") or content.get("errors") or custom.get("summary") or content.get("reason") or ""
    by = f"  ({custom['actor']})" if custom.get("actor") and verb in ("queued", "created", "changed", "deleted") else ""
    return clean(f"{place or event.get('subject') or ''}  {what}{f': {why}' if why else ''}{by}".replace("\n", " "))


def moment(instant: str, *, today: datetime | None = None) -> str:
    """The local time of day, with its date when that is not today's; the text itself when it is no instant."""
    try:
        then = datetime.fromisoformat(instant).astimezone()
    except ValueError:
        return clean(instant)
    same_day = then.date() == (today or datetime.now().astimezone()).date()
    return then.strftime("%H:%M:%S" if same_day else "%Y-%m-%d %H:%M:%S")


def _type(name: str) -> tuple[str, str]:
    """`deployment`, `finished` of `dev.cdeventsx.highroad-deployment.finished.0.1.0`."""
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    noun, _, rest = name.partition(".")
    verb = rest.partition(".")[0]
    return _NOUNS.get(noun, noun), _VERBS.get(verb, verb)
