"""What a webhook gets is a CloudEvent that the CloudEvents library reads, signed as Standard Webhooks want."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from standardwebhooks import Webhook

from highroad.audit.addresses import Address, AddressRefused, parse
from highroad.audit.webhook import Gone, Mode, RetryLater, WebhookSender, new_secret, sign
from highroad.errors import Temporary
from tests.audit.collectors import Receiver, Request, receiver

SECRET = new_secret(bytes(range(32)))
EVENT: dict[str, object] = {
    "specversion": "1.0",
    "id": "evt_1",
    "source": "http://localhost:8080",
    "type": "dev.cdevents.service.deployed.0.3.0",
    "subject": 'web "of" 100 % Müllers',
    "time": "2026-11-22T10:00:00.000000Z",
    "datacontenttype": "application/json",
    "data": {"subject": {"content": {"name": "Müllers"}}},
    "cursor": "7",
}


@pytest.fixture
def collector() -> Iterator[Receiver]:
    with receiver() as made:
        yield made


def deliver(collector: Receiver, mode: Mode = "structured", **more: Any) -> Request:
    with WebhookSender(parse(collector.url), mode, (SECRET,), **more) as sender:
        sender.send(EVENT, datetime.now(UTC))
    return collector.requests[-1]


@pytest.mark.parametrize("mode", ["structured", "binary"])
def test_the_cloudevents_library_reads_what_was_sent(collector: Receiver, mode: Mode) -> None:
    request = deliver(collector, mode)
    read = from_http_event(HTTPMessage(headers=request.headers, body=request.body))
    assert {**read.get_attributes(), "time": EVENT["time"], "data": read.get_data()} == EVENT
    assert read.get_time() == datetime.fromisoformat(str(EVENT["time"]))
    assert request.path == "/in"


@pytest.mark.parametrize("mode", ["structured", "binary"])
def test_the_signature_holds_by_the_library_of_standard_webhooks(collector: Receiver, mode: Mode) -> None:
    request = deliver(collector, mode)
    assert Webhook(SECRET).verify(request.body, request.headers) == json.loads(request.body)
    assert request.headers["webhook-id"] == "evt_1"


def test_the_signature_is_that_of_the_specifications_example() -> None:
    body, secret = b'{"test": 2432232314}', "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    found = sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_while_a_secret_is_replaced_both_verify(collector: Receiver) -> None:
    other = new_secret(bytes(range(1, 33)))
    with WebhookSender(parse(collector.url), "structured", (SECRET, other)) as sender:
        sender.send(EVENT, datetime.now(UTC))
    request = collector.requests[-1]
    for secret in (SECRET, other):
        assert Webhook(secret).verify(request.body, request.headers)


def test_the_authorization_is_sent_when_there_is_one(collector: Receiver) -> None:
    assert "authorization" not in deliver(collector).headers
    assert deliver(collector, authorization="Splunk 1234").headers["authorization"] == "Splunk 1234"


@pytest.mark.parametrize("status", [301, 400, 404, 500, 503])
def test_what_was_not_taken_is_tried_again(collector: Receiver, status: int) -> None:
    collector.answer = lambda _request: (status, {"location": collector.url})
    with pytest.raises(Temporary, match=str(status)):
        deliver(collector)
    assert len(collector.requests) == 1, "a redirect is not followed"


def test_gone_is_for_good_and_a_wish_to_wait_is_heard(collector: Receiver) -> None:
    collector.answer = lambda _request: (410, {})
    with pytest.raises(Gone):
        deliver(collector)
    collector.answer = lambda _request: (429, {"retry-after": "120"})
    with pytest.raises(RetryLater) as raised:
        deliver(collector)
    assert raised.value.seconds == 120


def sender_to(address: Address) -> WebhookSender:
    return WebhookSender(address, "structured", (SECRET,))


def test_nobody_listening_is_temporary_and_a_metadata_service_is_refused() -> None:
    with pytest.raises(Temporary, match="cannot be reached"):
        sender_to(parse("http://127.0.0.1:1/")).send(EVENT, datetime.now(UTC))
    with pytest.raises(AddressRefused, match="metadata"):
        sender_to(Address("webhook", "http", "169.254.169.254", 80, "/")).send(EVENT, datetime.now(UTC))


def test_no_secret_is_in_what_a_sender_says_of_itself() -> None:
    sender = WebhookSender(parse("https://example.com/"), "structured", (SECRET,), authorization="Splunk 1234")
    assert "whsec" not in repr(sender)
    assert "1234" not in repr(sender)
