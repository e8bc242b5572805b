"""A node as the router sees it. usage: node.py NAME PORT READY [PEM]

Answers on PORT behind a PROXY header (version 2) with its name, the client's address and the TLS that the header names;
on port 9001 /readyz says 200 while the file READY exists. With PEM (certificate and key) both speak TLS.
"""

import json
import os
import socket
import ssl
import struct
import sys
import threading

NAME, PORT, READY = sys.argv[1], int(sys.argv[2]), sys.argv[3]
TLS = None
if len(sys.argv) > 4:
    TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    TLS.load_cert_chain(sys.argv[4])

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
SSL, SSL_VERSION = 0x20, 0x21


def exactly(connection, count):
    data = b""
    while len(data) < count:
        more = connection.recv(count - len(data))
        if not more:
            raise ConnectionError("the header ends too early")
        data += more
    return data


def values(data):
    while data:
        kind, length = struct.unpack("!BH", data[:3])
        yield kind, data[3 : 3 + length]
        data = data[3 + length :]


def header(connection):
    fixed = exactly(connection, 16)
    if fixed[:12] != SIGNATURE or fixed[12] != 0x21:
        raise ConnectionError("no PROXY header")
    rest = exactly(connection, struct.unpack("!H", fixed[14:])[0])
    family, size = (socket.AF_INET, 4) if fixed[13] >> 4 == 1 else (socket.AF_INET6, 16)
    client = socket.inet_ntop(family, rest[:size])
    tls = dict(values(rest[2 * size + 4 :])).get(SSL, b"")
    version = dict(values(tls[5:])).get(SSL_VERSION, b"").decode()
    return {"node": NAME, "client": client, "tls": version}


def answer(connection, status, body):
    connection.recv(65536)
    head = f"HTTP/1.1 {status} -\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    connection.sendall(head.encode() + body.encode())


def s3(connection):
    said = header(connection)
    if TLS:
        connection = TLS.wrap_socket(connection, server_side=True)
    answer(connection, 200, json.dumps(said))


def health(connection):
    if TLS:
        connection = TLS.wrap_socket(connection, server_side=True)
    answer(connection, 200 if os.path.exists(READY) else 503, "")


def serve(port, handle):
    def one(connection):
        with connection:
            try:
                connection.settimeout(5)
                handle(connection)
            except OSError as error:
                print(f"{NAME}:{port}: {error}", flush=True)

    listener = socket.create_server(("0.0.0.0", port))
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=one, args=(connection,), daemon=True).start()


threading.Thread(target=serve, args=(9001, health), daemon=True).start()
serve(PORT, s3)
