# SPDX-License-Identifier: LGPL-2.1-or-later
"""A socket between a TCTI and the software TPM that counts the commands, and makes each as slow as a real chip's."""
import os
import socket
import threading
import time

HEADER = 10  # bytes: tag, size of all, command or response code. TPM 2.0 Library Part 1, 18


class Relay:
    """Stands in front of the TPM's unix socket `tpm`, at `path`; `delay` (seconds) is waited before each command goes on.
    A connection here is a connection there, so that one who opens the TPM shuts out others, as without the relay."""

    def __init__(self, path, tpm):
        self.path, self.tpm = str(path), str(tpm)
        self.delay = 0.0
        self.commands = 0
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(self.path)
        self.listener.listen()
        # The TCTI finds the control channel, which carries no commands, at this name.
        os.symlink(f"{self.tpm}.ctrl", f"{self.path}.ctrl")
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join(5)
        self.listener.close()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        with client, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as tpm:
            try:
                tpm.connect(self.tpm)
                while command := receive(client):
                    self.commands += 1
                    time.sleep(self.delay)
                    tpm.sendall(command)
                    client.sendall(receive(tpm))
            except OSError:
                return


def receive(source):
    """One command or response; nothing when the other side has closed."""
    message = b""
    size = HEADER
    while len(message) < size:
        part = source.recv(size - len(message))
        if not part:
            return b""
        message += part
        if len(message) == HEADER:
            size = int.from_bytes(message[2:6], "big")
    return message
