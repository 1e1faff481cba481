"""What a syslog collector gets: RFC 5424 over UDP, TCP and TLS."""

from __future__ import annotations

import json
import re
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from highroad.audit.addresses import parse
from highroad.audit.syslog import LARGEST_DATAGRAM, SyslogSender, message
from highroad.errors import Temporary
from tests.audit.collectors import tcp_collector, udp_collector

EVENT: dict[str, object] = {
    "id": "evt_1",
    "type": "dev.cdeventsx.highroad-user.signedin.0.1.0",
    "time": "2026-11-22T10:00:00.000000Z",
    "data": {"name": "Müllers"},
    "cursor": "7",
}
# RFC 5424, section 6: header, structured data, and the message behind a byte order mark.
FORM = re.compile(
    rb"<(\d{1,3})>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,6}Z) "
    rb"([!-~]{1,255}) ([!-~]{1,48}) ([!-~]{1,128}) ([!-~]{1,32})"
    rb' ((?:\[[!-~]+(?: [!-~]+="[^"\\\]]*")*\])+) \xef\xbb\xbf(.*)',
    re.DOTALL,
)


def read(text: bytes) -> tuple[int, bytes, object]:
    found = FORM.fullmatch(text)
    assert found is not None, text
    return int(found[1]), found[6], json.loads(found[8])


def framed(stream: bytes) -> list[bytes]:
    """The messages of a stream by octet counting (RFC 6587, 3.4.1)."""
    messages = []
    while stream:
        length, _, rest = stream.partition(b" ")
        messages.append(rest[: int(length)])
        stream = rest[int(length) :]
    return messages


def test_a_message_has_the_form_of_rfc_5424() -> None:
    assert read(message(EVENT, EVENT, "highroad.example.com")) == (13 * 8 + 6, b"user.signedin", EVENT)
    assert read(message(EVENT, EVENT, "höst name", refused=True))[0] == 13 * 8 + 4


def test_a_datagram_is_one_message() -> None:
    with udp_collector() as collector:
        with SyslogSender(parse(f"syslog+udp://127.0.0.1:{collector.port}"), "localhost") as sender:
            sender.send(EVENT, EVENT)
        assert read(collector.wait_for(bool)[0])[2] == EVENT


def test_what_no_datagram_can_hold_goes_without_its_data() -> None:
    large = {**EVENT, "data": "x" * LARGEST_DATAGRAM}
    with udp_collector() as collector:
        with SyslogSender(parse(f"syslog+udp://127.0.0.1:{collector.port}"), "localhost") as sender:
            sender.send(large, large)
        found = read(collector.wait_for(bool)[0])[2]
    assert found == {name: value for name, value in EVENT.items() if name != "data"}


def tcp_sender(port: int) -> SyslogSender:
    return SyslogSender(parse(f"syslog+tcp://127.0.0.1:{port}"), "localhost")


def test_over_tcp_messages_are_counted_and_a_closed_connection_is_opened_anew() -> None:
    with tcp_collector() as collector, tcp_sender(collector.port) as sender:
        sender.send(EVENT, EVENT)
        sender.send(EVENT, {"second": True})
        first = collector.wait_for(lambda got: bool(got) and len(framed(bytes(got[0]))) == 2)
        collector.hang_up()
        assert sender._socket is not None
        sender._socket.recv(1)  # until the end of the connection has arrived
        sender.send(EVENT, {"third": True})
        second = collector.wait_for(lambda got: len(got) == 2 and bool(got[1]))
    assert [read(each)[2] for each in framed(first[0])] == [EVENT, {"second": True}]
    assert read(framed(second[1])[0])[2] == {"third": True}


def certificate(directory: Path, name: str) -> Path:
    """A self-signed certificate and its key in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    at = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(at - timedelta(hours=1))
        .not_valid_after(at + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = directory / "server.pem"
    plain = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM) + pem)
    return file


def test_tls_is_spoken_with_a_collector_whose_certificate_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = certificate(tmp_path, "localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    with tcp_collector(context) as collector:
        sender = SyslogSender(parse(f"syslog+tls://localhost:{collector.port}"), "localhost")
        with pytest.raises(Temporary, match="certificate verify failed"):
            sender.send(EVENT, EVENT)
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
        with sender:
            sender.send(EVENT, EVENT)
            collector.wait_for(lambda got: bool(got) and bool(got[-1]))
            sender.send(EVENT, EVENT)
            got = collector.wait_for(lambda got: len(framed(bytes(got[-1]))) == 2)
    assert [read(each)[2] for each in framed(got[-1])] == [EVENT, EVENT]
    assert len(got) == 1, "one connection for both"


def test_nobody_listening_is_temporary() -> None:
    with pytest.raises(Temporary, match="cannot be reached"):
        SyslogSender(parse("syslog+tcp://127.0.0.1:1"), "localhost").send(EVENT, EVENT)
