# SPDX-License-Identifier: LGPL-2.1-or-later
"""A software TPM behind a relay that can keep a command back: a chip that is slow, or a moment that a test chooses. Both die
with the test that made them."""
import pathlib
import socket
import struct
import subprocess
import threading
import time

CC_CREATE = 0x153  # TPM 2.0 Part 2, 6.5.2
CC_RSA_DECRYPT = 0x159
CC_READ_PUBLIC = 0x173
RC_OBJECT_MEMORY = 0x902  # Part 2, 6.6.3
ALG_RSA = 0x0001  # Part 2, 6.3
START_LIMIT = 20


def receive(sock, size):
    data = b""
    while len(data) < size:
        part = sock.recv(size - len(data))
        if not part:
            raise ConnectionError
        data += part
    return data


def receive_message(sock):
    """A command or a response: tag, size, code, the rest."""
    head = receive(sock, 10)
    return head + receive(sock, struct.unpack(">I", head[2:6])[0] - 10)


def code_of(command):
    return struct.unpack(">I", command[6:10])[0]


def refusal(code):
    """A response that is nothing but its code (Part 1, 18.3): TPM_ST_NO_SESSIONS, size, code."""
    return struct.pack(">HII", 0x8001, 10, code)


def makes_rsa_key(command):
    """TPM2_Create (Part 3, 12.1) whose inPublic is of type RSA."""
    if code_of(command) != CC_CREATE:
        return False
    at = 18 + struct.unpack(">I", command[14:18])[0]
    at += 2 + struct.unpack(">H", command[at:at + 2])[0] + 2
    return struct.unpack(">H", command[at:at + 2])[0] == ALG_RSA


class SoftwareTpm:
    """swtpm with its memory in folder/swtpm, which stays."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.path = self.folder / "t"
        self.process = None

    def start(self):
        (self.folder / "swtpm").mkdir(exist_ok=True)
        for path in (self.path, self.folder / "t.ctrl"):
            path.unlink(missing_ok=True)
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "swtpm", "socket", "--tpm2", "--tpmstate", f"dir={self.folder}/swtpm", "--server",
             f"type=unixio,path={self.path}", "--ctrl", f"type=unixio,path={self.path}.ctrl", "--flags", "not-need-init,startup-clear"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + START_LIMIT
        while not (self.path.exists() and pathlib.Path(f"{self.path}.ctrl").exists()):
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise RuntimeError("swtpm did not start")
            time.sleep(0.01)

    def kill(self):
        """As a power cut does it."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


class Relay:
    """Stands at folder/r in front of folder/t. hold(command, number) is asked, with the number of the command from 1, before
    the TPM sees it, and may return what is answered instead; after(command, number) before its answer goes back. What they raise
    ends the connection."""

    def __init__(self, folder, hold=None, after=None):
        self.folder = pathlib.Path(folder)
        self.hold = hold or (lambda command, number: None)
        self.after = after or (lambda command, number: None)
        self.codes = []
        self.lock = threading.Lock()
        self.listeners = [self.listen(self.folder / "r", self.serve_data), self.listen(self.folder / "r.ctrl", self.serve_control)]
        self.tcti = f"swtpm:path={self.folder}/r"

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        for listener in self.listeners:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    def listen(self, path, serve):
        path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(path))
        path.chmod(0o666)
        listener.listen(16)
        threading.Thread(target=self.accept, args=(listener, serve), daemon=True).start()
        return listener

    @staticmethod
    def accept(listener, serve):
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(client,), daemon=True).start()

    def connect(self, client, suffix):
        tpm = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            tpm.connect(f"{self.folder}/t{suffix}")
        except OSError:
            tpm.close()
            client.close()
            return None
        return tpm

    def serve_data(self, client):
        tpm = self.connect(client, "")
        if tpm is None:
            return
        with client, tpm:
            try:
                while True:
                    self.relay_command(client, tpm)
            except (OSError, ConnectionError):
                return

    def relay_command(self, client, tpm):
        command = receive_message(client)
        with self.lock:
            self.codes.append(code_of(command))
            number = len(self.codes)
        answer = self.hold(command, number)
        if answer is None:
            tpm.sendall(command)
            answer = receive_message(tpm)
        self.after(command, number)
        client.sendall(answer)

    def serve_control(self, client):
        tpm = self.connect(client, ".ctrl")
        if tpm is None:
            return
        back = threading.Thread(target=self.pump, args=(tpm, client), daemon=True)
        back.start()
        self.pump(client, tpm)
        back.join()
        client.close()
        tpm.close()

    @staticmethod
    def pump(source, target):
        try:
            while data := source.recv(4096):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            return
