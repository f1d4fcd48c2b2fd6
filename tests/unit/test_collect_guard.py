import asyncio
import socket
from typing import Any

import pytest

from loopback import Answer, Loopback, Request
from zoo.collect.fetch import Client, FetchError, parse
from zoo.collect.guard import PrivateAddressError, guarded_socket, is_public
from zoo.collect.options import Options

PRIVATE = {
    "loopback": ["127.0.0.1", "127.255.255.254", "::1"],
    "private": ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "fd00:ec2::254", "fc00::1", "fec0::1"],
    "link-local": ["169.254.169.254", "fe80::1", "fe80::1%eth0"],
    "CGNAT": ["100.64.0.1", "100.127.255.255"],
    "unspecified": ["0.0.0.0", "0.1.2.3", "::"],
    "multicast": ["224.0.0.1", "239.1.1.1", "ff02::1", "ff0e::1"],
    "reserved": ["240.0.0.1", "255.255.255.255", "192.0.0.8", "192.0.0.170", "198.18.0.1", "192.0.2.1", "4000::1"],
    "documentation": ["2001:db8::1", "203.0.113.5", "100::1"],
    "IPv4-mapped": ["::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:a9fe:a9fe"],
    "IPv4-compatible": ["::127.0.0.1", "::10.0.0.1"],
    "IPv4-translated": ["::ffff:0:127.0.0.1", "::ffff:0:8.8.8.8"],
    "6to4": ["2002:7f00:1::", "2002:a00:1::1", "2002:a9fe:a9fe::"],
    "Teredo": ["2001:0:7f00:1::", "2001:0:808:808:0:0:80ff:fffe"],  # its server's, its client's
    "NAT64": ["64:ff9b::7f00:1", "64:ff9b::10.0.0.1", "64:ff9b:1::7f00:1", "64:ff9b:1::808:808"],
}


@pytest.mark.parametrize("address", [one for group in PRIVATE.values() for one in group])
def test_an_address_of_no_public_network_is_private(address):
    assert not is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "8.8.8.8",
        "1.1.1.1",
        "100.63.255.255",
        "172.32.0.1",
        "2606:4700::1111",
        "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8",
        "2002:808:808::1",
        "2001:0:808:808:0:0:f7f7:f7f7",
    ],
)
def test_an_address_of_the_internet_is_public(address):
    assert is_public(address)


def test_a_socket_to_a_private_network_is_not_even_made(monkeypatch):
    made = []
    monkeypatch.setattr(socket, "socket", lambda *arguments: made.append(arguments))
    with pytest.raises(PrivateAddressError, match=r"10\.0\.0\.1 is not a public address"):
        guarded_socket(False)((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.1", 80)))
    with pytest.raises(PrivateAddressError):
        guarded_socket(False)((socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("fe80::1", 80, 0, 2)))
    assert made == []
    guarded_socket(False)((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("8.8.8.8", 80)))
    guarded_socket(True)((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.1", 80)))
    assert len(made) == 2


# through a client


class Pictures(Loopback):
    def answer(self, request: Request) -> Answer:
        return Answer(body=b"here I am")


def get(url: str, **options: Any) -> object:
    async def ask() -> object:
        async with Client(Options(**options)) as client:
            return await client.read(parse(url), limit=1000)

    return asyncio.run(ask())


@pytest.fixture
def server(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with Pictures() as running:
        yield running


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f.1", "0x7f000001", "0177.0.0.1", "0", "127.0.0.1."]
)
def test_a_client_does_not_ask_its_own_machine_however_that_is_written(server, host):
    port = server.endpoint.rpartition(":")[2]
    with pytest.raises(FetchError, match=r"is not a public address|not an address|no such host") as caught:
        get(f"http://{host}:{port}/")
    assert caught.value.status == "blocked" or caught.value.reason == "no such host"
    assert not caught.value.again
    assert server.requests == []


@pytest.mark.parametrize("host", ["[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::]"])
def test_a_client_does_not_ask_its_own_machine_by_version_6(server, host):
    port = server.endpoint.rpartition(":")[2]
    with pytest.raises(FetchError, match="is not a public address") as caught:
        get(f"http://{host}:{port}/")
    assert caught.value.status == "blocked"
    assert server.requests == []


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["10.0.0.1", "127.0.0.1"], ["169.254.169.254"]])
def test_a_name_that_leads_into_a_private_network_is_not_followed(server, monkeypatch, addresses):
    port = int(server.endpoint.rpartition(":")[2])

    def resolve(host: Any, *rest: Any, **named: Any) -> list[Any]:
        assert host in ("pictures.example", *addresses)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(FetchError, match="is not a public address") as caught:
        get(f"http://pictures.example:{port}/")
    assert caught.value.status == "blocked"
    assert server.requests == []


def test_who_asks_for_it_reaches_private_addresses(server):
    assert get(f"{server.endpoint}/", allow_private=True) == b"here I am"


def test_a_proxy_may_be_private_and_what_is_asked_of_it_may_not(server, monkeypatch):
    monkeypatch.setenv("http_proxy", server.endpoint)
    monkeypatch.setenv("no_proxy", "")
    assert get("http://pictures.example/1.jpg") == b"here I am"
    assert server.requests[0].path == "http://pictures.example/1.jpg"
    for host in ("127.0.0.1", "10.0.0.1", "[::1]", "169.254.169.254", "localhost", "printer.local", "x.internal"):
        with pytest.raises(FetchError, match="is not a public address") as caught:
            get(f"http://{host}/")
        assert caught.value.status == "blocked"
    assert len(server.requests) == 1
