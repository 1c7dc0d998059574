"""An issuer of tokens: a real HTTP server on 127.0.0.1 that publishes keys, and the private keys to sign with."""

from __future__ import annotations

import base64
import json
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from featurestore.definitions.server import Oidc

AUDIENCE = "shop"
HOUR = 3_600
RSA_KEY = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
OTHER_RSA_KEY = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
SMALL_RSA_KEY = rsa.generate_private_key(public_exponent=65_537, key_size=1_024)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
EC_384_KEY = ec.generate_private_key(ec.SECP384R1())
ED_KEY = ed25519.Ed25519PrivateKey.generate()


def jwk(private, kid, **more):
    """The public half, as a JWKS has it."""
    kinds = {rsa.RSAPrivateKey: RSAAlgorithm, ec.EllipticCurvePrivateKey: ECAlgorithm}
    kind = next((algorithm for key, algorithm in kinds.items() if isinstance(private, key)), OKPAlgorithm)
    return {**kind.to_jwk(private.public_key(), as_dict=True), "kid": kid, **more}


def pem(private):
    return private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@dataclass(kw_only=True)
class Issuer:
    """The running server, and what it answers.

    Attributes:
        answers: by path, (status, body); a body of None says nothing at all until the test ends.
        asked: the paths that were asked for.
    """

    port: int
    answers: dict = field(default_factory=dict)
    asked: list = field(default_factory=list)
    is_over: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def oidc(self):
        return Oidc(issuer=self.url, audience=AUDIENCE, jwks_url=f"{self.url}/keys")

    def publish(self, *keys):
        self.answers["/keys"] = 200, json.dumps({"keys": keys})

    def claims(self, **instead):
        """Claims of a good token; None leaves one out."""
        now = int(time.time())
        usual = {"iss": self.url, "aud": AUDIENCE, "sub": "someone", "iat": now, "exp": now + HOUR, "scope": "read:*"}
        return {name: value for name, value in {**usual, **instead}.items() if value is not None}

    def token(self, *, key=RSA_KEY, algorithm="RS256", kid="one", head=None, **instead):
        headers = {**({} if kid is None else {"kid": kid}), **(head or {})}
        return jwt.encode(self.claims(**instead), key, algorithm=algorithm, headers=headers)


def header(token):
    return f"Bearer {token}".encode()


def b64(value):
    """A part of a token, made by hand."""
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@contextmanager
def running_issuer():
    """An issuer whose key `one` is `RSA_KEY` and whose key `two` is `EC_KEY`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            issuer.asked.append(self.path)
            status, body = issuer.answers.get(self.path, (404, "{}"))
            if body is None:
                issuer.is_over.wait(120)
                return
            content = body.encode() if isinstance(body, str) else body
            self.send_response(status)
            if status in {301, 302, 307}:
                self.send_header("location", body)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *words):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    issuer = Issuer(port=server.server_port)
    issuer.publish(jwk(RSA_KEY, "one"), jwk(EC_KEY, "two"))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield issuer
    finally:
        issuer.is_over.set()
        server.shutdown()
        server.server_close()
        thread.join()
