"""The addresses of this machine, among those of the nodes."""

import contextlib
import fcntl
import os
import socket
import struct

from ppcls.errors import ConfigError

SIOCGIFADDR = 0x8915  # Linux: the address of an interface


def is_own_address(address: str) -> bool:
    """Return whether this machine can listen on `address`. Raises ConfigError for a name that has no address."""
    try:
        with socket.socket() as probe:
            probe.bind((address, 0))
    except socket.gaierror as error:
        raise ConfigError(f"--master_addr: '{address}' has no address ({error.strerror}); give an IPv4 one") from error
    except OSError:
        return False
    return True


def talk_through(address: str) -> None:
    """Let CPU ranks talk through the interface that has `address`; Gloo would take the one of the machine's name."""
    for _, name in socket.if_nameindex():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
            found = fcntl.ioctl(probe, SIOCGIFADDR, struct.pack("256s", name.encode()))
            if socket.inet_ntoa(found[20:24]) == socket.gethostbyname(address):
                os.environ.setdefault("GLOO_SOCKET_IFNAME", name)
