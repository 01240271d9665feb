"""Fetching a file from an address that somebody typed, from inside a network that this somebody must not see.

The name is resolved here, every address it has must be public, and the connection goes to the very address that was
checked: a name that means something else a moment later changes nothing. Every redirect begins anew. The name still
decides about TLS. Time and size are limited as a whole, whatever the pace of the other side.
"""

import http.client
import io
import ipaddress
import queue
import socket
import ssl
import threading
import time
from functools import cached_property
from typing import NamedTuple
from urllib.parse import SplitResult, urljoin, urlsplit, urlunsplit

from bookings.calendar_import.problems import CannotRead

SECONDS = 10
MOST_BYTES = 2 * 1024 * 1024
MOST_REDIRECTS = 3
LONGEST_ADDRESS = 1000
LONGEST_ETAG = 120  # beside the name of a time zone
PORTS = {"http": 80, "https": 443}
REDIRECTS = {301, 302, 303, 307, 308}
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# Global on paper, and not out there: Azure's host service, relays of 6to4, addresses that carry an IPv4 address inside.
_NOT_OUT_THERE = [
    ipaddress.ip_network(network)
    for network in (
        "168.63.129.16/32",
        "192.88.99.0/24",
        "192.0.0.0/24",
        "64:ff9b:1::/48",
        "::/96",
        "2001::/23",
        "3fff::/20",
    )
]


class Answer(NamedTuple):
    """`body` is None where nothing has changed."""

    body: bytes | None
    etag: str


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet's, also where it is an IPv4 address inside an IPv6 one."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if ip.version == 6:
        if ip.scope_id is not None:
            return False
        inner = (
            ip.ipv4_mapped or ip.sixtofour or (ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else None)
        )
        if inner is not None:
            return is_public(str(inner))
    if any(ip.version == network.version and ip in network for network in _NOT_OUT_THERE):
        return False
    return ip.is_global and not (
        ip.is_private
        or ip.is_loopback
        or ip.is_link_local
        or ip.is_multicast
        or ip.is_reserved
        or ip.is_unspecified
        or getattr(ip, "is_site_local", False)
    )


class Network:
    """What is outside, as far as we go there. Tests have another, of which this machine is a part."""

    def resolve(self, host: str, port: int) -> list[str]:
        """Every address of `host`."""
        return [info[4][0] for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]

    def allows(self, address: str, port: int) -> bool:
        return port in PORTS.values() and is_public(address)

    @cached_property
    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context()


NETWORK = Network()


def checked_address(text: str) -> str:
    """The address in the form in which it is kept. Refuses what is none before anything is asked over the network."""
    parts = _checked(text)
    if not _may_be_outside(parts.hostname):
        raise CannotRead("not_public")
    return urlunsplit(parts)


def fetch(address: str, *, etag: str = "", network: Network = NETWORK) -> Answer:
    """The file at `address`, or word that it is still the one of `etag`."""
    deadline = time.monotonic() + SECONDS
    try:
        for _hop in range(MOST_REDIRECTS + 1):
            parts = _checked(address)
            status, headers, body = _get(parts, etag, network, deadline)
            if status not in REDIRECTS:
                break
            address = urljoin(urlunsplit(parts), headers.get("Location", ""))
            if parts.scheme == "https" and urlsplit(address).scheme == "http":
                raise CannotRead("untrusted")
        else:
            raise CannotRead("too_many_redirects")
    except TimeoutError:
        raise CannotRead("too_slow") from None
    except ssl.SSLCertVerificationError:
        raise CannotRead("untrusted") from None
    except (OSError, http.client.HTTPException, ValueError):
        raise CannotRead("unreachable") from None
    if status == 304 and etag:
        return Answer(None, etag)
    if status != 200:
        raise CannotRead(f"status_{status}")
    new_etag = headers.get("ETag", "")
    is_usable = len(new_etag) <= LONGEST_ETAG and new_etag.isascii() and new_etag.isprintable()
    return Answer(body, new_etag if is_usable else "")


def _checked(text) -> SplitResult:
    text = text.strip()
    if text.lower().startswith(("webcal://", "webcals://")):
        text = "https://" + text.partition("://")[2]
    if len(text) > LONGEST_ADDRESS or not text.isprintable() or " " in text or "\\" in text:
        raise CannotRead("address")
    try:
        parts = urlsplit(text)
        port = parts.port
        host = (parts.hostname or "").encode("idna").decode()
    except (ValueError, UnicodeError):
        raise CannotRead("address") from None
    if parts.scheme not in PORTS or not host:
        raise CannotRead("address")
    if "@" in parts.netloc:
        raise CannotRead("has_password")
    netloc = f"[{host}]" if ":" in host else host
    if port is not None and port != PORTS[parts.scheme]:
        netloc += f":{port}"
    parts = parts._replace(netloc=netloc, fragment="")
    if len(urlunsplit(parts)) > LONGEST_ADDRESS:  # a name in other letters is longer in these
        raise CannotRead("address")
    return parts


def _may_be_outside(host):
    """What the host says by itself: an address is public or not, and a name without a dot is one of the inside."""
    host = host.rstrip(".")
    is_address = ":" in host or host.rpartition(".")[2].isdigit()
    return is_public(host) if is_address else "." in host


def _get(parts, etag, network, deadline):
    """(status, headers, body) of one request; the body only of a 200."""
    port = parts.port or PORTS[parts.scheme]
    connection = http.client.HTTPConnection(parts.hostname, port)
    connection.sock = connected = _connect(parts.hostname, port, parts.scheme == "https", network, deadline)
    try:
        headers = {
            "Host": parts.netloc,
            "User-Agent": "mentorbook (calendar import)",
            "Accept": "text/calendar, */*;q=0.1",
            "Accept-Encoding": "identity",
            "Connection": "close",
        }
        if etag:
            headers["If-None-Match"] = etag
        target = urlunsplit(("", "", parts.path or "/", parts.query, ""))
        connection.request("GET", _ascii(target), headers=headers)
        response = connection.getresponse()
        return response.status, response.headers, _body(response) if response.status == 200 else b""
    finally:
        connected.end()


def _ascii(target):
    """What people paste may contain letters that do not belong into a request; a server reads them so."""
    return "".join(c if c.isascii() else "".join(f"%{byte:02X}" for byte in c.encode()) for c in target)


def _body(response):
    if response.headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
        raise CannotRead("encoded")  # never unpacked, so nothing can grow
    pieces, size = [], 0
    while piece := response.read1(65536):
        pieces.append(piece)
        size += len(piece)
        if size > MOST_BYTES:
            raise CannotRead("too_large")
    if response.length:
        raise CannotRead("unreachable")  # it promised more than it sent
    return b"".join(pieces)


def _connect(host, port, is_tls, network, deadline):
    addresses = list(dict.fromkeys(_resolve(host, port, network, deadline)))
    if not all(network.allows(address, port) for address in addresses):
        raise CannotRead("not_public")
    error = CannotRead("unknown_host")
    for address in addresses:
        try:
            # An address, not a name: nothing is looked up again.
            plain = socket.create_connection((address, port), timeout=_left(deadline))
        except OSError as failure:
            error = failure
            continue
        try:
            plain.settimeout(_left(deadline))
            return _Timed(network.tls.wrap_socket(plain, server_hostname=host) if is_tls else plain, deadline)
        except BaseException:
            plain.close()
            raise
    raise error


def _resolve(host, port, network, deadline):
    """The addresses of a name. The resolver of the system knows no deadline, so it is asked from a thread that may
    stay behind."""
    answers = queue.SimpleQueue()

    def ask():
        try:
            answers.put(network.resolve(host, port))
        except (OSError, UnicodeError):
            answers.put([])

    threading.Thread(target=ask, name="resolve", daemon=True).start()
    try:
        return answers.get(timeout=_left(deadline))
    except queue.Empty:
        raise TimeoutError from None


def _left(deadline):
    """The seconds that are left; there is always an end to waiting."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


class _Timed:
    """A socket for http.client that gives every step no longer than what is left of the whole."""

    def __init__(self, connected, deadline):
        self._socket = connected
        self._deadline = deadline

    def sendall(self, sent):
        self._socket.settimeout(_left(self._deadline))
        self._socket.sendall(sent)

    def makefile(self, mode):
        return io.BufferedReader(_Incoming(self._socket, self._deadline))

    def close(self):
        """http.client is done with sending, and goes on reading; `end` ends both."""

    def end(self):
        self._socket.close()


class _Incoming(io.RawIOBase):
    def __init__(self, connected, deadline):
        self._socket = connected
        self._deadline = deadline

    def readable(self):
        return True

    def readinto(self, buffer):
        self._socket.settimeout(_left(self._deadline))
        return self._socket.recv_into(buffer)
