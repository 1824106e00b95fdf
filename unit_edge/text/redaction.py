"""What of an address, a pipeline or an error may be shown: the one table of what is secret, and its use."""

from __future__ import annotations

import re
from urllib.parse import unquote

HIDDEN = "***"

SECRET_NAMES = frozenset(
    (
        *("user", "userid", "username", "login", "proxyid", "proxy"),
        *("pass", "passwd", "password", "passphrase", "pwd", "pw", "pin", "otp"),
        *("key", "apikey", "accesskey", "streamkey", "keyid", "keypairid", "streamid"),
        *("auth", "authorization", "credential", "credentials", "secret", "token", "jwt"),
        *("sig", "signature", "hmac", "policy", "hdnts", "hdnea"),
        *("session", "sessionid", "sid", "cookie", "cookies", "headers"),
    )
)
"""Parameters of URLs and properties of pipelines whose values are hidden: the whole name (without - _ and .)
or the last word of it, as in x-amz-signature and access_key."""

SECRET_FRAGMENTS = (
    *("passw", "passphrase", "secret", "token", "signature", "credential", "authoriz", "cookie"),
    *("sessid", "sessionid"),
)
"""What makes a name secret wherever it stands in it."""

SECRET_HEADERS = ("authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key", "x-auth-token")
"""HTTP headers whose values are hidden."""

KEY_IN_PATH = ("rtmp", "rtmps", "rtmpe", "rtmpt", "rtmpte", "rtmpts")
"""Schemes of URLs in which what follows HOST/APPLICATION/ is who may send: a stream key."""

ADDRESS_SCHEMES = (*("rtsp", "rtsps", "rtspt", "rtspu", "http", "https", "udp", "tcp", "srt"), *KEY_IN_PATH)
"""Schemes that addresses have which may hold a password, known as inputs and outputs or not."""

_VALUE = r"""(?:\(\w+\)\s*)?(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\\?<[^>]*>|(?:\\.|[^\s&"'])+)"""
_PARAMETER = re.compile(rf"(?<![\w%.-])([A-Za-z_][\w%.-]*?)(\s*(?:=|%3[Dd])\s*)({_VALUE})")
_HEADER = re.compile(rf"(?i)\b({'|'.join(SECRET_HEADERS)})(\s*:\s*)[^\"'\n]+")
_SCHEME_OF_AUTHORIZATION = re.compile(r"(?i)\b(bearer|basic|digest)(\s+)[\w.~+/=-]{6,}")
# to the last @ before another address, for a password may hold one, and blanks and slashes
_USER = re.compile(r"(:/{1,2})(?:(?!:/)[^\n])*@")
_USER_WITHOUT_SCHEME = re.compile(r"(?<![\w/.%+-])[\w.%+-]+:[^\s@/]\S*@(?=[\w\[*:/])")
_KEY = re.compile(
    rf"(?i)\b((?:{'|'.join(KEY_IN_PATH)}):(?://|/(?!/))[^\s/]*/+[^\s/\"'`?]+/+)[^\s\"'`]+?(?=[:;,.)]*(?:[\s\"'`]|$))"
)
_URL = re.compile(r"[A-Za-z][\w+.-]*:(?://|/?[^\s/]*@)")
_LIKE_ADDRESS = re.compile(r"[^@\n]*:[^\n]*@")
_ENDS_A_CLAUSE = (":", ";", ",")


def redact(text: str) -> str:
    """A text without the user names, passwords, tokens and stream keys of addresses and pipelines in it."""
    text = _HEADER.sub(rf"\1\2{HIDDEN}", text)
    text = _SCHEME_OF_AUTHORIZATION.sub(rf"\1\2{HIDDEN}", text)
    text = _PARAMETER.sub(_parameter, text)
    text = _USER.sub(rf"\1{HIDDEN}@", text)
    text = _USER_WITHOUT_SCHEME.sub(f"{HIDDEN}@", text)
    return _KEY.sub(rf"\1{HIDDEN}", text)


def redact_address(text: str) -> str:
    """The same of a text that is one address and nothing else, blanks in it included."""
    return redact(re.sub(r"\s", "%20", text) if _URL.match(text) else text)


def is_secret(name: str) -> bool:
    """Whether the value of a parameter or property isn't to be shown."""
    name = unquote(name).strip()
    words = re.split(r"[-_.]", re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower())
    whole = "".join(words)
    return (
        whole in SECRET_NAMES
        or words[-1] in SECRET_NAMES
        or any(fragment in whole for fragment in SECRET_FRAGMENTS)
    )


def looks_like_address(text: str) -> bool:
    """Whether a text that is no URL looks like one that was mistyped: one slash, or no scheme."""
    if text.startswith(("./", "../", "/")):
        return False
    scheme = re.match(r"([A-Za-z]+):/?(?!/)", text)
    misspelt = scheme is not None and scheme[1].lower() in ADDRESS_SCHEMES
    return misspelt or _LIKE_ADDRESS.match(text) is not None


def _parameter(found: re.Match[str]) -> str:
    name, equals, value = found.groups()
    if not is_secret(name):
        # an address, or more parameters, may be in a value
        return f"{name}{equals}{_PARAMETER.sub(_parameter, value)}"
    end = value[-1] if value[-1] in _ENDS_A_CLAUSE else ""
    # the @ may be of the host's, in front of which all is hidden
    return f"{name}{equals}{HIDDEN}{f'@{HIDDEN}' if '@' in value else ''}{end}"
