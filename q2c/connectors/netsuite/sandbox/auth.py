"""Who asks: OAuth 1.0a with HMAC-SHA256 and OAuth 2.0 client credentials, both signatures really verified."""

from __future__ import annotations

import base64
import hashlib
import hmac
import threading
from collections import OrderedDict
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import jwt

from q2c import keys
from q2c.connectors.http import machine_time_s
from q2c.connectors.netsuite.sandbox.words import refused
from q2c.connectors.sandbox_kit import Answer, Refused, Request, Store
from q2c.connectors.sandbox_kit.certificates import public_key

TOKEN_PATH = "/services/rest/auth/oauth2/v1/token"  # noqa: S105
ALGORITHMS = ["PS256", "PS384", "PS512", "ES256", "ES384", "ES512"]
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
SCOPE = "rest_webservices"
TOKEN_S = 3600
# How far the clock of a caller may be off.
SKEW_S = 300
NONCES_MAX = 50_000

_nonces: OrderedDict[tuple[str, str, str], None] = OrderedDict()
_lock = threading.Lock()


def admit(request: Request, store: Store) -> None:
    """Before each call but the one for a token. Raises Refused with 401."""
    if request.operation == "token":
        return
    scheme, _, rest = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "oauth":
        _signed(request, store, rest)
    elif scheme.lower() == "bearer":
        found = store.get("bearer", keys.fingerprint(rest.strip().encode()).hex())
        if found is None or found.body["expires"] < machine_time_s():
            raise refused("login")
    else:
        raise refused("login")


# OAuth 1.0a


def _signed(request: Request, store: Store, header: str) -> None:
    """RFC 5849, written anew here: the client signs with oauthlib, so the two check each other."""
    given = _parameters(header)
    found = store.get("tba", given.get("oauth_token", ""))
    account = str(store.setting("account", ""))
    if (
        found is None
        or found.body["consumer_key"] != given.get("oauth_consumer_key")
        or given.get("oauth_signature_method") != "HMAC-SHA256"
        or (account and given.get("realm") != account)
    ):
        raise refused("login")
    stamp = given.get("oauth_timestamp", "")
    if not stamp.isdigit() or abs(int(stamp) - machine_time_s()) > SKEW_S:
        raise refused("login")
    key = f"{_escaped(found.body['consumer_secret'])}&{_escaped(found.body['token_secret'])}".encode()
    digest = hmac.new(key, base_string(request, given).encode(), hashlib.sha256).digest()
    if not hmac.compare_digest(base64.b64encode(digest).decode(), given.get("oauth_signature", "")):
        raise refused("login")
    if not _is_first(given["oauth_token"], stamp, given.get("oauth_nonce", "")):
        raise refused("login")


def _parameters(header: str) -> dict[str, str]:
    found = {}
    for part in header.split(","):
        name, _, value = part.strip().partition("=")
        found[name] = unquote(value.strip('"'))
    return found


def base_string(request: Request, oauth: dict[str, str]) -> str:
    """Method, address and parameters, as both sides write them down to sign."""
    parts = urlsplit(_address(request))
    host = parts.netloc.lower()
    for scheme, port in (("http", ":80"), ("https", ":443")):
        if parts.scheme == scheme:
            host = host.removesuffix(port)
    pairs = [(name, value) for name, value in oauth.items() if name not in ("realm", "oauth_signature")]
    pairs += parse_qsl(parts.query, keep_blank_values=True)
    if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        pairs += parse_qsl(request.body.decode(), keep_blank_values=True)
    listed = "&".join(f"{name}={value}" for name, value in sorted((_escaped(n), _escaped(v)) for n, v in pairs))
    return "&".join((request.method, _escaped(f"{parts.scheme}://{host}{parts.path}"), _escaped(listed)))


def _address(request: Request) -> str:
    """As the caller wrote it: the path variables of WSGI have lost their percent signs."""
    raw = request.environ.get("RAW_URI", "")
    if not raw.startswith("/"):
        return request.url
    return f"{request.environ['wsgi.url_scheme']}://{request.environ.get('HTTP_HOST', 'localhost')}{raw}"


def _escaped(text: str) -> str:
    return quote(text, safe="~")


def _is_first(token: str, stamp: str, nonce: str) -> bool:
    """A signature is good once."""
    with _lock:
        if not nonce or (token, stamp, nonce) in _nonces:
            return False
        _nonces[token, stamp, nonce] = None
        if len(_nonces) > NONCES_MAX:
            _nonces.popitem(last=False)
    return True


# OAuth 2.0


def token(request: Request, store: Store) -> Answer:
    """POST …/oauth2/v1/token: a certificate's signature for an hour's token."""
    form = request.form()
    if form.get("grant_type") != "client_credentials":
        raise _denied("unsupported_grant_type", "The grant type is not supported.")
    if form.get("client_assertion_type") != ASSERTION:
        raise _denied("invalid_request", "The client assertion type is not supported.")
    claims = _claims(request, store, form.get("client_assertion", ""))
    value = keys.new_secret("ns")
    expires = int(machine_time_s()) + int(store.setting("token_s", TOKEN_S))
    store.add("bearer", keys.fingerprint(value.encode()).hex(), {"client_id": claims["iss"], "expires": expires})
    # The vendor prints the lifetime as text in one place and as a number in another.
    body = {"access_token": value, "expires_in": str(store.setting("token_s", TOKEN_S)), "token_type": "Bearer"}
    return Answer(200, body, {"Cache-Control": "no-store"})


def _claims(request: Request, store: Store, assertion: str) -> dict[str, Any]:
    try:
        header = jwt.get_unverified_header(assertion)
    except jwt.PyJWTError:
        raise _denied("invalid_request", "The client assertion is no JWT.") from None
    certificate = store.get("certificate", str(header.get("kid", "")))
    if certificate is None or header.get("alg") not in ALGORITHMS:
        raise _denied("invalid_client", "The certificate or the algorithm is not accepted.")
    try:
        claims: dict[str, Any] = jwt.decode(
            assertion, public_key(certificate.body["public_key"]), algorithms=ALGORITHMS,
            options={"verify_aud": False, "require": ["iss", "aud", "iat", "exp", "scope"]}, leeway=30,
        )  # fmt: skip
    except (jwt.PyJWTError, TypeError, ValueError) as error:
        raise _denied("invalid_grant", f"The client assertion is not valid: {error}") from None
    if claims["iss"] != certificate.body["client_id"]:
        raise _denied("invalid_client", "The integration is not the one of the certificate.")
    audiences = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
    if request.base_url + TOKEN_PATH not in audiences:
        raise _denied("invalid_grant", "The audience is not this token address.")
    if int(claims["exp"]) - int(claims["iat"]) > TOKEN_S:
        raise _denied("invalid_grant", "The client assertion lives longer than 60 minutes.")
    scope = claims["scope"]
    scopes = scope if isinstance(scope, list) else [part.strip() for part in str(scope).split(",")]
    if SCOPE not in scopes:
        raise _denied("invalid_scope", "The scope rest_webservices is missing.")
    return claims


def _denied(code: str, text: str) -> Refused:
    return Refused(Answer(400, {"error": code, "error_description": text}))
