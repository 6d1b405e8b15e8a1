"""Settings of the node: where it stores, where it listens, what it bears; `core.settings_reader` reads them."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from core.addresses import is_loopback

_DRIVERS: Final = ("sqlite+aiosqlite", "postgresql+asyncpg")


class Section(BaseModel):
    """Settings that belong together; an unknown one is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _listed(value: object) -> object:
    """Split the text of a variable at its commas; a file has lists of its own."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


_HostNames = Annotated[tuple[Annotated[str, Field(min_length=1, max_length=255)], ...], BeforeValidator(_listed)]


def _networks_of(text: str) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    """Read addresses and networks with commas between them."""
    return tuple(ipaddress.ip_network(part, strict=False) for part in filter(None, map(str.strip, text.split(","))))


def _host_and_port(text: str) -> tuple[str, int]:
    """Read `turn.example.com:3478` or `[2001:db8::1]:3478`; without a port it is 3478 (RFC 8656)."""
    host, separator, port = text.strip().rpartition(":")
    if not separator or (host.count(":") and not host.startswith("[")):
        host, port = text.strip(), "3478"
    if not host.strip("[]") or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError(f"“{text[:50]}” is no host and port")
    return host.strip("[]"), int(port)


def _dns_servers(text: str) -> tuple[tuple[str, int], ...]:
    """Read `192.0.2.53, 192.0.2.54:5353, [2001:db8::53]:5353`."""
    servers = []
    for part in filter(None, map(str.strip, text.split(","))):
        host, port = part, "53"
        if part.startswith("["):
            host, _, port = part[1:].partition("]")
            port = port.removeprefix(":") or "53"
        elif part.count(":") == 1:
            host, _, port = part.partition(":")
        try:
            servers.append((str(ipaddress.ip_address(host)), int(port)))
        except ValueError as error:
            raise ValueError(f"“{part[:50]}” is no address of a DNS server") from error
        if not 1 <= servers[-1][1] <= 65535:
            raise ValueError(f"“{part[:50]}” has no port between 1 and 65535")
    return tuple(servers)


class SipSettings(Section):
    """SIP signalling."""

    port: int = Field(5060, ge=1, le=65535, description="UDP and TCP port.")
    tls_port: int | None = Field(None, ge=0, le=65535, description="TLS port; unset: the one above `port`; 0: none.")
    listen: _HostNames = Field(
        (), max_length=16, description="Addresses to listen on, IPv4 and IPv6; empty: the `listen` of all ports."
    )
    advertised_address: str = Field(
        "", max_length=255, description="Address phones see, where it differs from `listen`."
    )
    realm: str = Field("ramal", min_length=1, max_length=100, description="Digest realm; passwords are stored for it.")
    max_calls: int = Field(2000, ge=1, le=100_000, description="New calls above this are answered 503.")
    session_seconds: int = Field(
        1800,
        ge=0,
        le=86_400,
        description="Calls are refreshed within this time, or ended where the other end is gone; 0: only if the peer asks.",
    )
    min_session_seconds: int = Field(
        90, ge=5, le=86_400, description="The shortest such time a peer may ask for; below 90 only for tests."
    )
    unsolicited_mwi: bool = Field(
        default=False, description="Tell waiting messages also to phones that never subscribe to them."
    )
    ban_failures: int = Field(10, ge=0, le=1000, description="Wrong passwords that ban their address; 0: no bans.")
    ban_seconds: int = Field(600, ge=1, le=86_400, description="The first ban; each further one is four times as long.")
    ban_longest_seconds: int = Field(86_400, ge=1, le=31_536_000, description="No ban by itself is longer.")
    never_ban: str = Field("", max_length=2000, description="Addresses and networks, with commas between them.")
    trusted_networks: str = Field(
        "",
        max_length=2000,
        description="Networks, with commas between them, whose phones need no password: an edge that has asked them, a test bench.",
    )
    proxy_challenge: bool = Field(
        default=True, description="Ask callers for their password by 407, as proxies do; off: by 401, as Asterisk does."
    )
    stranger_rate: int = Field(
        300, ge=0, le=100_000, description="Messages a second of one address that nobody vouches for; 0: no limit."
    )
    stranger_burst: int = Field(2000, ge=10, le=1_000_000, description="So many of them may come at once.")
    ignore_scanners: bool = Field(default=False, description="Do not answer well-known scanners at all.")
    dns_servers: str = Field(
        "", max_length=500, description="DNS servers for SIP, with commas between them; empty: those of this machine."
    )

    @field_validator("never_ban", "trusted_networks")
    @classmethod
    def _networks(cls, text: str) -> str:
        for part in filter(None, map(str.strip, text.split(","))):
            try:
                network = ipaddress.ip_network(part, strict=False)
            except ValueError as error:
                raise ValueError(f"“{part[:50]}” is neither an address nor a network") from error
            if network.prefixlen == 0:
                raise ValueError("the whole Internet cannot be on the list")
        return text

    @field_validator("dns_servers")
    @classmethod
    def _addresses(cls, text: str) -> str:
        _dns_servers(text)
        return text

    @property
    def dns(self) -> tuple[tuple[str, int], ...]:
        """The addresses and ports of `dns_servers`."""
        return _dns_servers(self.dns_servers)

    @property
    def spared_networks(self) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
        """The networks of `never_ban`."""
        return _networks_of(self.never_ban)

    @property
    def trusted(self) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
        """The networks of `trusted_networks`."""
        return _networks_of(self.trusted_networks)


class MediaSettings(Section):
    """RTP."""

    first_port: int = Field(20_000, ge=1024, le=65_534, description="First RTP port; even.")
    last_port: int = Field(29_999, ge=1025, le=65_535, description="Last RTP port.")
    silence_seconds: int = Field(30, ge=5, le=3600, description="A party that sends nothing for so long has vanished.")
    backend: Literal["best", "io_uring", "epoll"] = Field(
        "best", description="How the engine talks to the kernel; best: io_uring where the kernel allows it, else epoll."
    )
    ice: Literal["lite", "full", "relay"] = Field(
        "lite",
        description="How browsers are reached; full: ours looks for ways, too (behind a NAT); relay: by the TURN server only.",
    )
    stun_server: str = Field("", max_length=255, description="host:port of a STUN server, for full ICE.")
    turn_server: str = Field("", max_length=255, description="host:port of a TURN server, for full ICE and relay.")
    turn_transport: Literal["udp", "tcp"] = Field("udp", description="How the TURN server is spoken to.")
    turn_username: str = Field("", max_length=255, description="User at the TURN server.")
    turn_password: str = Field("", max_length=255, description="Password at the TURN server.", repr=False)
    voice_from_anywhere: bool = Field(
        False,
        description="Take voice from hosts that neither the description nor the signalling named; strangers may then break in.",
    )

    @model_validator(mode="after")
    def _range_holds_calls(self) -> MediaSettings:
        if self.last_port - self.first_port < 7:
            raise ValueError("the RTP port range must hold at least 8 ports")
        return self

    @field_validator("stun_server", "turn_server")
    @classmethod
    def _server(cls, text: str) -> str:
        if text:
            _host_and_port(text)
        return text

    @model_validator(mode="after")
    def _relay_has_a_server(self) -> MediaSettings:
        if self.ice == "relay" and not self.turn_server:
            raise ValueError("“relay” needs a turn_server")
        return self

    @property
    def stun(self) -> tuple[str, int] | None:
        """Host and port of the STUN server."""
        return _host_and_port(self.stun_server) if self.stun_server else None

    @property
    def turn(self) -> tuple[str, int] | None:
        """Host and port of the TURN server."""
        return _host_and_port(self.turn_server) if self.turn_server else None

    @property
    def pairs(self) -> int:
        """How many pairs of ports there are, one for each leg."""
        return (self.last_port - self.first_port + 1) // 2


class WebSettings(Section):
    """Web app, API and event WebSocket."""

    port: int = Field(8080, ge=1, le=65535, description="HTTP port; SIP over WebSocket is at `/sip`.")
    tls_port: int | None = Field(
        None, ge=0, le=65535, description="HTTPS port; unset: 8443, or 2 above `port` where that was moved; 0: none."
    )
    public_url: str = Field("", max_length=255, description="How browsers reach it, where that is not `listen:port`.")


class TlsSettings(Section):
    """The certificate of SIP over TLS and of HTTPS; without one a self-signed one is made in the data folder."""

    certificate: Path | None = Field(None, description="PEM file with the certificate and its chain.")
    key: Path | None = Field(None, description="PEM file with its key; none: in the same file.")
    authorities: Path | None = Field(
        None, description="PEM file of the authorities that trunks' certificates must come from; none: the system's."
    )

    @model_validator(mode="after")
    def _key_has_certificate(self) -> TlsSettings:
        if self.key is not None and self.certificate is None:
            raise ValueError("a key is named without a certificate")
        return self


class MqttSettings(Section):
    """The broker that events go to."""

    embedded: bool = Field(default=True, description="Run a small broker inside; off: use `host`.")
    host: str = Field("127.0.0.1", min_length=1, max_length=255, description="Address of the broker.")
    port: int = Field(1883, ge=1, le=65535, description="Port of the broker, embedded or not.")
    username: str = Field("", max_length=255, description="User at the broker, embedded or not; empty: none.")
    password: str = Field(
        "",
        max_length=255,
        description="Password at the broker; an embedded one without any listens on loopback alone.",
        repr=False,
    )


class EmailSettings(Section):
    """The mail server that notices leave through; without a host they wait in the outbox."""

    host: str = Field("", max_length=255, description="SMTP server; empty: e-mails wait in the outbox.")
    port: int = Field(587, ge=1, le=65535, description="SMTP port.")
    username: str = Field("", max_length=255, description="SMTP user; empty: none.")
    password: str = Field("", max_length=255, description="SMTP password.", repr=False)
    sender: str = Field("ramal@localhost", max_length=255, description="From address.")
    encryption: Literal["none", "starttls", "tls"] = Field("starttls", description="How the connection is protected.")


class SpeechSettings(Section):
    """Speech recognition."""

    vosk_model: Path | None = Field(None, description="Folder of an unpacked Vosk model; none: no transcripts.")


class FacesSettings(Section):
    """The camera module."""

    detector_model: Path | None = Field(None, description="ONNX file of a YuNet detector; none: dlib's detector.")
    same_person_distance: float = Field(
        0.55, gt=0.2, lt=1.0, description="Descriptors nearer than this are one person."
    )
    frames_per_second: float = Field(5.0, gt=0.2, le=30, description="Frames analysed a second.")


class TraceSettings(Section):
    """The SIP trace: what `ramal trace` shows of the last days' calls."""

    enabled: bool = Field(default=True, description="Keep the SIP messages of calls, secrets masked.")
    megabytes: int = Field(256, ge=1, le=100_000, description="Room on the disk; the oldest messages make way.")
    days: float = Field(7.0, gt=0, le=365, description="Older messages are removed.")


class Settings(Section):
    """Everything a node needs to know before it starts."""

    data: Path = Field(Path("var"), description="Folder of database, journal, recordings and prompts.")
    database_url: str = Field("", max_length=500, description="Empty: SQLite in the data folder.", repr=False)
    node: str = Field("node1", pattern="^[a-z0-9-]{1,32}$", description="This node's name; unique in a cluster.")
    listen: str = Field("127.0.0.1", min_length=1, max_length=255, description="Address all ports are bound to.")
    log_format: Literal["console", "json"] = Field("console", description="How log lines look.")
    sip: SipSettings = SipSettings()
    media: MediaSettings = MediaSettings()
    web: WebSettings = WebSettings()
    tls: TlsSettings = TlsSettings()
    mqtt: MqttSettings = MqttSettings()
    email: EmailSettings = EmailSettings()
    speech: SpeechSettings = SpeechSettings()
    faces: FacesSettings = FacesSettings()
    trace: TraceSettings = TraceSettings()

    @field_validator("database_url")
    @classmethod
    def _database_we_can_use(cls, url: str) -> str:
        if url and _driver(url) not in _DRIVERS:
            raise ValueError("it is neither postgresql+asyncpg://user:password@host/name nor sqlite+aiosqlite:///file")
        return url

    @property
    def effective_database_url(self) -> str:
        """The database, SQLite in the data folder unless one is named."""
        return self.database_url or f"sqlite+aiosqlite:///{self.data / 'ramal.sqlite3'}"

    @property
    def sip_address(self) -> str:
        """The address phones are told."""
        return self.sip.advertised_address or self.listen

    @property
    def sip_hosts(self) -> tuple[str, ...]:
        """The addresses that SIP listens on, each once."""
        return tuple(dict.fromkeys(self.sip.listen)) or (self.listen,)

    @property
    def sip_tls_port(self) -> int:
        """The port of SIP over TLS; 0: none."""
        chosen = self.sip.tls_port
        return chosen if chosen is not None else (self.sip.port + 1) % 65536

    @property
    def web_tls_port(self) -> int:
        """The port of HTTPS; 0: none."""
        if self.web.tls_port is not None:
            return self.web.tls_port
        port = self.web.port + 2 if self.web.port != 8080 else 8443
        return port if port < 65536 else 0

    @property
    def mqtt_address(self) -> str:
        """Where the embedded broker listens: who calls whom is nobody's business on the network that has no password."""
        return self.listen if self.mqtt.password or is_loopback(self.listen) else "127.0.0.1"

    @property
    def web_url(self) -> str:
        """Where the web app is."""
        host = f"[{self.listen}]" if ":" in self.listen else self.listen
        return self.web.public_url or f"http://{host}:{self.web.port}"


def _driver(url: str) -> str:
    """Return the name of a database URL's driver, or nothing where it is no such URL."""
    # SQLAlchemy is loaded for those who name a database only.
    from sqlalchemy.engine import make_url  # noqa: PLC0415
    from sqlalchemy.exc import ArgumentError  # noqa: PLC0415

    try:
        return make_url(url).drivername
    except (ArgumentError, ValueError):
        return ""
