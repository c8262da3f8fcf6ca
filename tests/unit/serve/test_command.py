import contextlib
import socket

from ppcls.cli.serve import listen


def test_answers_do_not_wait_for_acknowledgements() -> None:
    with contextlib.ExitStack() as opened:
        listening = opened.enter_context(listen("127.0.0.1", 0))
        opened.enter_context(socket.create_connection(listening.getsockname()))
        accepted = opened.enter_context(listening.accept()[0])
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
