"""Certificates to try the gateway with."""

import datetime
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from tests.core.gateway.parts import DOMAIN

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class Pair:
    """A certificate for all pods (or one other name), signed by itself, and its key."""

    def __init__(self, key: PrivateKey | None = None, name: str = f"*.{DOMAIN}") -> None:
        self.key = key or ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
        now = datetime.datetime.now(datetime.UTC)
        self.certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self.key, hashes.SHA256())
        )

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    def key_pem(self, password: bytes | None = None) -> str:
        lock = BestAvailableEncryption(password) if password else NoEncryption()
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock).decode()

    def write(self, directory: Path) -> tuple[Path, Path]:
        files = directory / "tls.crt", directory / "tls.key"
        files[0].write_text(self.pem)
        files[1].write_text(self.key_pem())
        return files

    def trusting(self, *protocols: str) -> ssl.SSLContext:
        """A visitor who trusts this certificate and no other."""
        context = ssl.create_default_context(cadata=self.pem)
        context.set_alpn_protocols(list(protocols or ("http/1.1",)))
        return context
