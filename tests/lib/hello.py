# SPDX-License-Identifier: Apache-2.0
"""The bytes of a real ClientHello, without a connection."""
import ssl


def hello(name="api.openai.com"):
    """A real ClientHello, as Python's ssl makes it."""
    context = ssl.create_default_context()
    context.check_hostname = name is not None
    context.verify_mode = ssl.CERT_NONE if name is None else ssl.CERT_REQUIRED
    out = ssl.MemoryBIO()
    try:
        context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=name).do_handshake()
    except ssl.SSLWantReadError:
        pass
    return out.read()
