"""HTTPS, for which the server on this machine has a certificate of its own."""

import datetime
import ipaddress
import ssl
import threading
import time
from pathlib import Path

import pytest
from weights_server import HASTE, answering, redirecting, sending, shelf

from totalseg_mcp.engine.connection import LOOK_S
from totalseg_mcp.engine.download import download
from totalseg_mcp.engine.errors import NotReadyError
from totalseg_mcp.engine.sources import Patience
from totalseg_mcp.engine.watch import Watch, watching

x509 = pytest.importorskip("cryptography.x509")
CONTENT = bytes(range(251)) * 5_000
ONCE = Patience(silence_s=2.0, pauses_s=())


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> Path:
    """A certificate for 127.0.0.1, signed by itself, with its key."""
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .add_extension(here, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    file = tmp_path_factory.mktemp("tls") / "certificate.pem"
    file.write_bytes(signed.public_bytes(serialization.Encoding.PEM) + secret)
    return file


@pytest.fixture
def tls(certificate) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
def trusted(certificate, monkeypatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))


def test_a_download_by_https_is_resumed(tls, trusted, tmp_path):
    with answering(shelf(CONTENT, cut=1000), shelf(CONTENT), tls=tls) as server:
        download(server.url, tmp_path / "a", HASTE)
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=1000-"]


def test_a_server_that_nobody_vouches_for_is_not_believed(tls, tmp_path):
    with answering(shelf(CONTENT), tls=tls) as server:
        with pytest.raises(NotReadyError, match="CERTIFICATE_VERIFY_FAILED"):
            download(server.url, tmp_path / "a", ONCE)
        assert server.asked == []


def test_https_does_not_lead_to_http_on_this_machine(tls, trusted, tmp_path):
    with answering(shelf(CONTENT)) as plain:
        with (
            answering(redirecting(plain.url), tls=tls) as server,
            pytest.raises(NotReadyError, match="away from HTTPS"),
        ):
            download(server.url, tmp_path / "a", ONCE)
        assert plain.asked == []


def test_https_leads_to_https(tls, trusted, tmp_path):
    with (
        answering(shelf(CONTENT), tls=tls) as there,
        answering(redirecting(there.url), tls=tls) as server,
    ):
        download(server.url, tmp_path / "a", ONCE)
    assert (tmp_path / "a").read_bytes() == CONTENT


class StopError(Exception):
    pass


def test_an_https_server_that_is_silent_for_a_while_may_go_on(tls, trusted, tmp_path):
    with answering(sending(CONTENT, pause=lambda: time.sleep(2.5 * LOOK_S)), tls=tls) as server:
        download(server.url, tmp_path / "a", ONCE)
    assert (tmp_path / "a").read_bytes() == CONTENT


def test_a_stop_is_heard_while_an_https_server_is_silent(tls, trusted, tmp_path):
    silence, part = threading.Event(), tmp_path / "a"

    def stop() -> None:
        if part.exists() and part.stat().st_size:
            raise StopError

    with answering(sending(CONTENT, pause=silence.wait), tls=tls) as server:
        with watching(Watch(lambda _: None, stop)), pytest.raises(StopError):
            download(server.url, part, Patience(silence_s=600.0))
        silence.set()
