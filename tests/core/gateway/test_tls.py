"""The gateway with a certificate of its own, on a real Envoy."""

import asyncio
import json
import ssl
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from core.errors import Unavailable
from core.gateway.base import RouteState
from core.gateway.envoy import EnvoyGateway
from tests.core.gateway.certificates import Pair
from tests.core.gateway.http2 import CONNECT_PROTOCOL, http2
from tests.core.gateway.parts import DOMAIN, PodServer, Site, live, other, refused
from tests.helpers import until

HOST = f"abc-80.{DOMAIN}"


@pytest.fixture
def pair() -> Pair:
    return Pair()


@pytest.fixture
async def secure(site: Site, pod: PodServer, pair: Pair, tmp_path: Path) -> EnvoyGateway:
    """Open with TLS, with the pod live as `abc-80`."""
    made = site.gateway(tls=pair.write(tmp_path))
    await made.open([live("abc", pod.upstream)])
    return made


class Visit:
    """One connection to the gateway, for one request after another."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def get(self, path: str = "/") -> dict:
        self.writer.write(f"GET {path} HTTP/1.1\r\nhost: {HOST}\r\n\r\n".encode())
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = next(line.split()[1] for line in head.splitlines() if line.startswith("content-length"))
        return json.loads(await self.reader.readexactly(int(length)))


@asynccontextmanager
async def visit(site: Site, context: ssl.SSLContext) -> AsyncIterator[Visit]:
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port, ssl=context, server_hostname=HOST)
    try:
        yield Visit(reader, writer)
    finally:
        writer.transport.abort()


async def shown(site: Site) -> bytes | None:
    """The certificate that a new visitor is shown."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    async with visit(site, context) as found:
        return found.writer.get_extra_info("ssl_object").getpeercert(binary_form=True)


async def test_visitors_come_by_https_and_pods_are_told(secure: EnvoyGateway, site: Site, pair: Pair) -> None:
    async with visit(site, pair.trusting()) as visitor:
        headers = (await visitor.get())["headers"]
    assert (headers["host"], headers["x-forwarded-proto"]) == (HOST, "https")
    assert secure.url("abc", 80) == f"https://{HOST}:{site.port}"
    assert await secure.probe("abc", 80) == 200
    await secure.apply([other("abc", RouteState.SLEEPING)])
    assert await secure.probe("abc", 80) is None


async def test_old_tls_and_plain_http_are_refused(secure: EnvoyGateway, site: Site, pair: Pair) -> None:
    old = pair.trusting()
    old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2
    async with visit(site, old) as visitor:
        assert (await visitor.get())["pod"] == "pod"
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        async with visit(site, old):
            pass
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(f"GET / HTTP/1.1\r\nhost: {HOST}\r\n\r\n".encode())
    assert b"200" not in await reader.read()
    writer.close()


async def test_browsers_speak_http_2(secure: EnvoyGateway, site: Site, pair: Pair) -> None:
    async with http2(site.port, pair.trusting("h2", "http/1.1"), HOST) as browser:
        browser.ask(method="GET", scheme="https", authority=f"ABC-80.{DOMAIN}:{site.port}", path="/a?b=c")
        told = json.loads(await browser.until(b"}}"))
    assert (told["path"], told["headers"]["x-forwarded-proto"]) == ("/a?b=c", "https")
    assert told["headers"]["host"] == HOST


async def test_a_websocket_over_http_2_reaches_the_pod_and_is_counted_as_one(
    secure: EnvoyGateway, site: Site, pair: Pair
) -> None:
    async with http2(site.port, pair.trusting("h2"), HOST) as browser:
        fields = {"scheme": "https", "authority": HOST, "path": "/socket", "sec_websocket_version": "13"}
        browser.ask(method="CONNECT", protocol="websocket", end=False, **fields)
        browser.send(b"\x81\x82\0\0\0\0hi")
        assert b"pod: hi" in await browser.until(b"pod: hi")
        assert CONNECT_PROTOCOL in browser.settings
        found = (await secure.traffic()).ports["abc-80"]
        assert (found.upgrades, found.upgraded, found.in_flight, found.completed) == (1, 1, 0, 0)


async def test_a_proxy_is_what_the_gateway_is_not(secure: EnvoyGateway, site: Site, pair: Pair) -> None:
    async with http2(site.port, pair.trusting("h2"), HOST) as stranger:
        stranger.ask(method="CONNECT", authority=f"{HOST}:80")
        assert await stranger.until(b"\n") == b"There is nothing at this address.\n"


def _in_place(pair: Pair, files: tuple[Path, Path]) -> None:
    files[0].write_text(pair.pem)
    files[1].write_text(pair.key_pem())


def _by_rename(pair: Pair, files: tuple[Path, Path]) -> None:
    for file, text in zip(files, (pair.pem, pair.key_pem()), strict=True):
        new = file.with_suffix(".tmp")
        new.write_text(text)
        new.replace(file)


def _by_link(pair: Pair, files: tuple[Path, Path]) -> None:
    for number, (file, text) in enumerate(zip(files, (pair.pem, pair.key_pem()), strict=True)):
        target = file.parent / f"{pair.certificate.serial_number}-{number}"
        target.write_text(text)
        file.unlink()
        file.symlink_to(target)


@pytest.mark.parametrize("replace", [_in_place, _by_rename, _by_link])
async def test_replaced_files_are_taken_without_a_dropped_connection(
    secure: EnvoyGateway, site: Site, pair: Pair, tmp_path: Path, replace
) -> None:
    assert await shown(site) == pair.der
    async with visit(site, pair.trusting()) as visitor:
        assert (await visitor.get())["pod"] == "pod"
        new = Pair()
        replace(new, (tmp_path / "tls.crt", tmp_path / "tls.key"))
        await until(lambda: _shows(site, new))
        assert (await visitor.get())["pod"] == "pod"
    assert await secure.probe("abc", 80) == 200


async def test_files_that_do_not_fit_leave_the_former_ones_in_place(
    secure: EnvoyGateway, site: Site, pair: Pair, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "tls.crt").write_text(Pair().pem)
    await until(lambda: "does not belong to" in caplog.text)
    assert await shown(site) == pair.der
    (tmp_path / "tls.crt").unlink()
    await until(lambda: "cannot be read" in caplog.text)
    assert await shown(site) == pair.der


async def test_a_certificate_that_changed_while_nobody_was_there_is_taken_by_the_adopted_envoy(
    secure: EnvoyGateway, site: Site, pod: PodServer, tmp_path: Path
) -> None:
    pid = site.pid
    await secure.detach()
    new = Pair()
    again = site.gateway(tls=new.write(tmp_path))
    await again.open([live("abc", pod.upstream)])
    await until(lambda: _shows(site, new))
    assert site.pid == pid


async def test_with_and_without_tls_are_two_envoys_and_the_one_lets_its_visitors_finish(
    secure: EnvoyGateway, site: Site, pod: PodServer, pair: Pair
) -> None:
    pid = site.pid
    async with visit(site, pair.trusting()) as visitor:
        visitor.writer.write(f"GET /wait HTTP/1.1\r\nhost: {HOST}\r\n\r\n".encode())
        await pod.waiting.wait()
        await secure.detach()
        opening = asyncio.create_task(site.gateway().open([live("abc", pod.upstream)]))
        await until(lambda: refused(site.port))
        pod.release.set()
        assert (await visitor.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
    await opening
    assert site.pid != pid
    assert (await site.get("abc-80")).status == 200


async def test_the_key_is_for_this_user_only_and_gone_with_the_gateway(secure: EnvoyGateway, site: Site) -> None:
    file = site.directory / "tls.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "BEGIN" not in (site.directory / "bootstrap.json").read_text()
    await secure.close()
    assert not file.exists()


_ODD = [Pair(ec.generate_private_key(curve)) for curve in (ec.SECP256K1(), ec.BrainpoolP256R1())]


async def test_what_is_wrong_with_the_files_is_said_with_the_setting(site: Site, tmp_path: Path) -> None:
    pair = Pair()
    cert, key = pair.write(tmp_path)
    weak = Pair(rsa.generate_private_key(65537, 1024))
    wrong: list[tuple[str, str | None, str | None]] = [
        (r"PODKEEPER_TLS_CERT: .*tls\.crt cannot be read: no such file", None, pair.key_pem()),
        (r"PODKEEPER_TLS_KEY: .*tls\.key cannot be read: no such file", pair.pem, None),
        ("PODKEEPER_TLS_CERT: .* is not a certificate", "hello", pair.key_pem()),
        ("PODKEEPER_TLS_CERT: .* is not a certificate", pair.key_pem(), pair.pem),
        ("PODKEEPER_TLS_KEY: .* is not a private key", pair.pem, "hello"),
        ("PODKEEPER_TLS_KEY: .* is locked with a password", pair.pem, pair.key_pem(b"x")),
        ("PODKEEPER_TLS_KEY: .* does not belong to .* PODKEEPER_TLS_CERT", pair.pem, Pair().key_pem()),
        ("PODKEEPER_TLS_KEY: .* has 1024 bits", weak.pem, weak.key_pem()),
        *(("PODKEEPER_TLS_KEY: .* of a kind that browsers do not take", odd.pem, odd.key_pem()) for odd in _ODD),
    ]
    for words, certificate, secret in wrong:
        for file, text in ((cert, certificate), (key, secret)):
            file.unlink(missing_ok=True)
            if text is not None:
                file.write_text(text)
        with pytest.raises(Unavailable, match=words):
            await site.gateway(tls=(cert, key)).open([])
    assert not (site.directory / "gateway.json").exists()


@pytest.mark.parametrize("key", [ec.generate_private_key(ec.SECP384R1()), rsa.generate_private_key(65537, 2048)])
async def test_every_key_that_we_take_envoy_takes(site: Site, tmp_path: Path, key) -> None:
    pair = Pair(key)
    await site.gateway(tls=pair.write(tmp_path)).open([])
    assert await shown(site) == pair.der


async def test_remarks_beside_the_certificates_may_be_in_any_encoding(
    secure: EnvoyGateway, site: Site, tmp_path: Path
) -> None:
    for _ in range(2):
        new = Pair()
        for file, text in ((tmp_path / "tls.crt", new.pem), (tmp_path / "tls.key", new.key_pem())):
            file.write_bytes("subject=CN = Müller\n".encode("latin-1") + text.encode())
        await until(lambda new=new: _shows(site, new))


async def _shows(site: Site, pair: Pair) -> bool:
    return await shown(site) == pair.der
