"""Fetching what somebody's address leads to, and nothing that is not theirs to see."""

import contextlib
import shutil
import socket
import ssl
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bookings.calendar_import import NETWORK, CannotRead, Network, checked_address, fetch, fetching
from bookings.calendar_import.fetching import is_public

CALENDAR = b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nEND:VCALENDAR\r\n"


class Server(ThreadingHTTPServer):
    """A server on this machine; `answers[path]` is a function of the request's handler."""

    daemon_threads = True

    def __init__(self, tls=None):
        super().__init__(("127.0.0.1", 0), Handler)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.answers, self.asked = {}, []
        self.port = self.server_address[1]
        self.address = f"http{'s' if tls else ''}://calendar.example.test:{self.port}"

    def handle_error(self, request, client_address):
        """Who hangs up, or does not like our certificate, is no news."""


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append((self.path, dict(self.headers)))
        with contextlib.suppress(OSError):
            self.server.answers[self.path](self)

    def answer(self, body=CALENDAR, status=200, **headers):
        self.send_response(status)
        for name, value in {"content_length": len(body), **headers}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


class Here(Network):
    """An internet that consists of the server on this machine."""

    def __init__(self, port, tls=None):
        self.port, self.resolved = port, []
        self.tls = tls or ssl.create_default_context()

    def resolve(self, host, port):
        self.resolved.append(host)
        return ["127.0.0.1"]

    def allows(self, address, port):
        return (address, port) == ("127.0.0.1", self.port)


@contextlib.contextmanager
def running(tls=None):
    server = Server(tls)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def server():
    with running() as server:
        yield server


@pytest.fixture
def here(server):
    return Here(server.port)


def refused(address, network=NETWORK, **more):
    with pytest.raises(CannotRead) as refusal:
        fetch(address, network=network, **more)
    return refusal.value.code


# --- What it fetches --------------------------------------------------------------------------------------------------


def test_a_file_and_what_it_is_known_by(server, here):
    server.answers["/a.ics?key=1&b=%C3%A9"] = lambda request: request.answer(ETag='"one"')
    answer = fetch(f"{server.address}/a.ics?key=1&b=é", network=here)
    assert answer == (CALENDAR, '"one"')
    [(_path, headers)] = server.asked
    assert headers["Host"] == f"calendar.example.test:{server.port}"
    assert headers["Accept-Encoding"] == "identity"
    assert "If-None-Match" not in headers


def test_nothing_where_nothing_is_new(server, here):
    server.answers["/"] = lambda request: request.answer(b"", 304)
    assert fetch(server.address, etag='"one"', network=here) == (None, '"one"')
    assert server.asked[0][1]["If-None-Match"] == '"one"'


def test_a_304_that_nobody_asked_for_is_an_error(server, here):
    server.answers["/"] = lambda request: request.answer(b"", 304)
    assert refused(server.address, here) == "status_304"


@pytest.mark.parametrize("etag", ["x" * 201, "caf\u00e9"])
def test_an_etag_that_cannot_be_kept_is_not(server, here, etag):
    server.answers["/"] = lambda request: request.answer(ETag=etag)
    assert fetch(server.address, network=here).etag == ""


def test_a_file_without_a_length_is_read_to_its_end(server, here):
    def answer(request):
        request.wfile.write(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nBEGIN\r\n4\r\n:VCA\r\n0\r\n\r\n"
        )

    server.answers["/"] = answer
    assert fetch(server.address, network=here).body == b"BEGIN:VCA"


def test_three_redirects_are_followed_and_each_is_resolved_anew(server, here):
    for hop in range(1, 4):
        server.answers[f"/{hop}"] = lambda request, hop=hop: request.answer(b"", 302, Location=f"/{hop + 1}")
    server.answers["/0"] = lambda request: request.answer(b"", 301, Location=f"http://other.test:{server.port}/1")
    server.answers["/4"] = lambda request: request.answer()
    assert fetch(f"{server.address}/1", network=here).body == CALENDAR
    assert refused(f"{server.address}/0", here) == "too_many_redirects"
    assert here.resolved[-3:] == ["other.test"] * 3


# --- What goes wrong --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [201, 204, 400, 401, 403, 404, 410, 500, 503])
def test_another_status_is_named(server, here, status):
    server.answers["/"] = lambda request: request.answer(b"", status)
    assert refused(server.address, here) == f"status_{status}"


def test_what_is_packed_is_not_unpacked(server, here):
    server.answers["/"] = lambda request: request.answer(b"\x1f\x8b", Content_Encoding="gzip")
    assert refused(server.address, here) == "encoded"


def test_more_than_two_megabytes_are_not_read(server, here):
    sent = []

    def endless(request):
        request.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        for _block in range(1000):
            request.wfile.write(b"x" * 100_000)
            sent.append(100_000)

    server.answers["/"] = endless
    assert refused(server.address, here) == "too_large"
    time.sleep(0.2)
    assert sum(sent) < 20_000_000
    exactly = b"x" * fetching.MOST_BYTES
    server.answers["/full"] = lambda request: request.answer(exactly)
    assert fetch(f"{server.address}/full", network=here).body == exactly


def test_half_a_file_is_none(server, here):
    server.answers["/"] = lambda request: request.answer(CALENDAR, content_length=len(CALENDAR) + 1)
    assert refused(server.address, here) == "unreachable"


@pytest.mark.parametrize(
    "raw",
    [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000, b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200],
)
def test_no_answer_of_a_server_is_our_error(server, here, raw):
    server.answers["/"] = lambda request: request.wfile.write(raw)
    assert refused(server.address, here) == "unreachable"


@pytest.mark.parametrize(
    "location", ["", "ftp://example.org/", "//", "http://[::1", "javascript:alert(1)", "http://a:b@c/"]
)
def test_a_redirect_to_nowhere_is_refused(server, here, location):
    server.answers["/"] = lambda request: request.answer(b"", 302, Location=location)
    assert refused(server.address, here) in ("address", "has_password", "unreachable", "too_many_redirects")


@pytest.mark.parametrize("where", ["head", "body"])
def test_a_server_that_drips_is_left(server, here, monkeypatch, where):
    monkeypatch.setattr(fetching, "SECONDS", 1)

    def drip(request):
        request.wfile.write(b"HTTP/1.1 200 OK\r\n" + (b"" if where == "head" else b"\r\n"))
        for _byte in range(100):
            request.wfile.write(b"x")
            time.sleep(0.1)

    server.answers["/"] = drip
    began = time.monotonic()
    assert refused(server.address, here) == "too_slow"
    assert time.monotonic() - began < 3


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_server_that_says_nothing_is_left(monkeypatch, scheme):
    monkeypatch.setattr(fetching, "SECONDS", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        began = time.monotonic()
        assert refused(f"{scheme}://calendar.example.test:{port}/", Here(port)) == "too_slow"
    assert time.monotonic() - began < 3


def test_a_resolver_that_takes_for_ever_is_left(monkeypatch, here, server):
    monkeypatch.setattr(fetching, "SECONDS", 1)
    monkeypatch.setattr(here, "resolve", lambda host, port: time.sleep(5))
    assert refused(server.address, here) == "too_slow"


def test_redirects_share_one_time(server, here, monkeypatch):
    monkeypatch.setattr(fetching, "SECONDS", 1)

    def slowly(request):
        time.sleep(0.6)
        request.answer(b"", 302, Location="/")

    server.answers["/"] = slowly
    assert refused(server.address, here) == "too_slow"


def test_an_unknown_name_is_said_so(here, server, monkeypatch):
    def unknown(host, port):
        raise socket.gaierror

    monkeypatch.setattr(here, "resolve", unknown)
    assert refused(server.address, here) == "unknown_host"


def test_a_problem_never_names_the_address(server, here):
    server.answers["/secret-4711.ics"] = lambda request: request.answer(b"", 404)
    with pytest.raises(CannotRead) as problem:
        fetch(f"{server.address}/secret-4711.ics", network=here)
    assert "4711" not in repr(problem.value)
    assert problem.value.__cause__ is None


# --- Where it does not go ---------------------------------------------------------------------------------------------

TABLE = """
    0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.255 127.0.0.1 127.1.2.3 168.63.129.16
    169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.1 192.0.0.170 192.0.2.1 192.88.99.1 192.168.0.1 198.18.0.1
    198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255
    :: ::1 ::127.0.0.1 ::8.8.8.8 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:a9fe:a9fe 64:ff9b::127.0.0.1 64:ff9b::a00:1
    64:ff9b::169.254.169.254 64:ff9b:1::1 100::1 2001::1 2001:db8::1 2002:7f00:1:: 2002:a00:1:: 2002:c0a8:1:: 3fff::1
    fc00::1 fd00:ec2::254 fe80::1 fe80::1%eth0 fec0::1 ff02::1 5f00::1
"""
INSIDE = TABLE.split()
OUTSIDE = """
    1.1.1.1 8.8.8.8 93.184.216.34 100.63.255.255 100.128.0.1 172.32.0.1 2606:4700:4700::1111 ::ffff:8.8.8.8
    64:ff9b::808:808
"""


@pytest.mark.parametrize("address", INSIDE)
def test_addresses_of_no_public_place(address):
    assert not is_public(address)
    assert not NETWORK.allows(address, 443)


@pytest.mark.parametrize("address", OUTSIDE.split())
def test_addresses_of_the_internet(address):
    assert is_public(address)
    assert NETWORK.allows(address, 80)
    assert not any(NETWORK.allows(address, port) for port in (22, 25, 3306, 5432, 6379, 8000, 8080, 8443))


@pytest.mark.parametrize("address", ["", "localhost", "1.1.1", "999.1.1.1", "0x7f.1", "1.1.1.1 "])
def test_what_is_no_address_is_not_public(address):
    assert not is_public(address)


@pytest.fixture
def nobody_is_reached(monkeypatch):
    """Connecting to anything at all fails the test."""
    tried = []
    monkeypatch.setattr(fetching.socket, "create_connection", lambda address, **more: tried.append(address))
    yield
    assert tried == []


@pytest.mark.parametrize(
    "host",
    [
        *(f"[{ip}]" if ":" in ip else ip for ip in INSIDE if "%" not in ip and ip != "::"),
        *("localhost", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0", "127.0.0.1."),
    ],
)
@pytest.mark.usefixtures("nobody_is_reached")
def test_without_leave_no_place_inside_is_reached(host):
    # Some of these spellings are names to one system and addresses to another: what matters is that none is reached.
    assert refused(f"http://{host}/") in ("not_public", "unknown_host", "address")
    assert refused(f"https://{host}/") in ("not_public", "unknown_host", "address")


@pytest.mark.parametrize("port", [22, 8000, 5432, 8443])
@pytest.mark.usefixtures("nobody_is_reached")
def test_only_the_usual_ports_are_asked(port):
    assert refused(f"https://1.1.1.1:{port}/") == "not_public"


def test_the_same_server_is_not_reached_without_leave(server):
    server.answers["/"] = lambda request: request.answer()
    assert refused(f"http://127.0.0.1:{server.port}/") == "not_public"
    assert refused(f"http://localhost:{server.port}/") == "not_public"
    assert server.asked == []


@pytest.mark.parametrize("inside", ["127.0.0.1:1", "169.254.169.254", "[::1]", "10.0.0.1", "localhost:22"])
def test_a_redirect_does_not_lead_inside(server, here, inside):
    here.resolve = lambda host, port: ["127.0.0.1"] if host == "calendar.example.test" else NETWORK.resolve(host, port)
    server.answers["/"] = lambda request: request.answer(b"", 302, Location=f"http://{inside}/latest/meta-data/")
    assert refused(server.address, here) == "not_public"


def test_one_private_address_among_the_public_ones_is_enough(here, server):
    here.resolve = lambda host, port: ["127.0.0.1", "10.0.0.1"]
    assert refused(server.address, here) == "not_public"
    assert server.asked == []


def test_a_name_that_means_something_else_a_moment_later_changes_nothing(server, here, monkeypatch):
    """The name is asked for once, and the address that was checked is the one that is connected to."""
    server.answers["/"] = lambda request: request.answer()
    answers = iter([["127.0.0.1"]])
    here.resolve = lambda host, port: next(answers)
    connected, connect = [], socket.create_connection

    def watched(address, **more):
        connected.append(address)
        return connect(address, **more)

    monkeypatch.setattr(fetching.socket, "create_connection", watched)
    assert fetch(server.address, network=here).body == CALENDAR
    assert connected == [("127.0.0.1", server.port)]


# --- TLS --------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for calendar.example.test that its own maker has signed."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is needed to make a certificate")
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = str(folder / "key.pem"), str(folder / "certificate.pem")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", key, "-out", certificate]
        + ["-subj", "/CN=calendar.example.test", "-addext", "subjectAltName=DNS:calendar.example.test"],
        check=True,
        capture_output=True,
    )
    return certificate, key


@pytest.fixture
def secure(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    with running(context) as server:
        server.answers["/"] = lambda request: request.answer()
        yield server


def test_the_name_decides_whom_to_trust(secure, certificate):
    trusting = ssl.create_default_context(cafile=certificate[0])
    assert fetch(secure.address, network=Here(secure.port, trusting)).body == CALENDAR
    assert refused(f"https://another.example.test:{secure.port}/", Here(secure.port, trusting)) == "untrusted"
    assert refused(f"https://127.0.0.1:{secure.port}/", Here(secure.port, trusting)) == "untrusted"
    assert refused(secure.address, Here(secure.port)) == "untrusted"
    assert len(secure.asked) == 1


def test_nobody_leads_from_https_to_http(secure, certificate):
    secure.answers["/"] = lambda request: request.answer(b"", 302, Location=f"http://example.test:{secure.port}/")
    assert refused(secure.address, Here(secure.port, ssl.create_default_context(cafile=certificate[0]))) == "untrusted"


# --- What an address may be -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("https://example.org/a.ics", "https://example.org/a.ics"),
        ("  webcal://example.org/a.ics?x=1#top ", "https://example.org/a.ics?x=1"),
        ("HTTPS://Example.ORG:443/A.ics", "https://example.org/A.ics"),
        ("http://example.org:80", "http://example.org"),
        ("https://bücher.example/ä.ics", "https://xn--bcher-kva.example/ä.ics"),
        ("https://[2606:4700::1]/", "https://[2606:4700::1]/"),
    ],
)
def test_an_address_is_kept_in_one_form(typed, kept):
    assert checked_address(typed) == kept


@pytest.mark.parametrize(
    ("typed", "problem"),
    [
        *(
            (bad, "address")
            for bad in ("", "example.org", "/a.ics", "file:///etc/passwd", "gopher://x", "https://", "https:///a")
        ),
        *(
            (bad, "address")
            for bad in ("https://a b/", "https://a\\b/", "https://a\n.b/", "https://a:99999/", "https://[::1")
        ),
        ("https://" + "x" * 1000 + ".org/", "address"),
        ("https://" + "ä" * 70 + ".org/", "address"),
        ("https://a..b/", "address"),
        ("https://ann:secret@example.org/", "has_password"),
        ("https://ann@example.org/", "has_password"),
        ("http://localhost/a.ics", "not_public"),
        ("http://localhost./", "not_public"),
        ("https://intranet:443/", "not_public"),
        ("https://127.0.0.1/", "not_public"),
        ("https://10.0.0.1./", "not_public"),
        ("https://127.1/", "not_public"),
        ("http://2130706433/", "not_public"),
        ("https://[::1]/", "not_public"),
        ("https://[::ffff:10.0.0.1]/", "not_public"),
        ("https://example.org\u202e/", "address"),
        ("https://example.org/\0", "address"),
        ("https://\ud800/", "address"),
    ],
)
def test_what_is_no_address_of_a_calendar_is_refused(typed, problem):
    with pytest.raises(CannotRead) as refusal:
        checked_address(typed)
    assert refusal.value.code == problem


def test_an_address_is_as_long_as_it_is_kept():
    """A name in other letters grows when it is written in these."""
    address = "https://ü.example.com/" + "a" * 978
    assert len(address) == 1000
    with pytest.raises(CannotRead) as refusal:
        checked_address(address)
    assert refusal.value.code == "address"
    assert len(checked_address(address[:-10])) <= 1000
