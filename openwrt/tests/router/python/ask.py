"""Asks over TLS, and prints the answer's body, or nothing if there is none. usage: ask.py ADDRESS PORT NAME"""

import socket
import ssl
import sys

address, port, name = sys.argv[1], int(sys.argv[2]), sys.argv[3]
# Whose certificate it is, is not what these tests are about.
context = ssl._create_unverified_context()
try:
    with socket.create_connection((address, port), timeout=10) as plain:
        with context.wrap_socket(plain, server_hostname=name) as connection:
            connection.sendall(f"GET / HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
            answer = b""
            while more := connection.recv(65536):
                answer += more
    print(answer.partition(b"\r\n\r\n")[2].decode())
except OSError as error:
    print(error, file=sys.stderr)
