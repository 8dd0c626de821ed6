# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is in a TPM, asked by its own commands on swtpm's socket: no session, no password, nothing changed."""
import collections
import socket
import struct

LIMIT = 20  # seconds
NO_SESSIONS = 0x8001  # TPM_ST_NO_SESSIONS: TPM 2.0 Library Part 2, 6.9
CC_GET_CAPABILITY = 0x17A  # Part 2, 6.5.2, as all that follow
CC_NV_READ_PUBLIC = 0x169
CC_FLUSH_CONTEXT = 0x165
CAP_HANDLES = 1  # Part 2, 6.12
CAP_TPM_PROPERTIES = 6
NV, LOADED_SESSION, TRANSIENT, PERSISTENT = 0x01000000, 0x02000000, 0x80000000, 0x81000000  # Part 2, 7.2
PT_PERMANENT = 0x200  # Part 2, 6.13
PT_LOCKOUT_COUNTER = 0x20E
OWNER_AUTH_SET, ENDORSEMENT_AUTH_SET, LOCKOUT_AUTH_SET = 1, 2, 4  # Part 2, 8.6
NV_WRITTEN = 1 << 29  # Part 2, 13.4

# Commands that change what survives a restart of the TPM, or make a key: Part 2, 6.5.2.
CHANGES = {
    0x120: "EvictControl", 0x121: "HierarchyControl", 0x122: "NV_UndefineSpace", 0x124: "ChangeEPS", 0x125: "ChangePPS",
    0x126: "Clear", 0x127: "ClearControl", 0x129: "HierarchyChangeAuth", 0x12A: "NV_DefineSpace", 0x131: "CreatePrimary",
    0x134: "NV_Increment", 0x135: "NV_SetBits", 0x136: "NV_Extend", 0x137: "NV_Write", 0x138: "NV_WriteLock",
    0x139: "DictionaryAttackLockReset", 0x13A: "DictionaryAttackParameters", 0x153: "Create", 0x156: "Import",
    0x191: "CreateLoaded",
}
NAMES = {
    **CHANGES, 0x143: "SelfTest", 0x144: "Startup", 0x145: "Shutdown", 0x14E: "NV_Read", 0x14F: "NV_ReadLock",
    0x157: "Load", 0x15D: "Sign", 0x161: "ContextLoad", 0x162: "ContextSave", 0x165: "FlushContext", 0x169: "NV_ReadPublic",
    0x173: "ReadPublic", 0x176: "StartAuthSession", 0x17A: "GetCapability", 0x17B: "GetRandom", 0x17C: "GetTestResult",
    0x18A: "TestParms", 0x159: "RSA_Decrypt", 0x16C: "PolicyCommandCode", 0x18F: "PolicyNvWritten",
    0x174: "RSA_Encrypt", 0x151: "PolicySecret",
}

Inventory = collections.namedtuple("Inventory", "persistent nv transient sessions auth counter")


def name_of(code):
    return NAMES.get(code, f"command {code:#x}")


class Tpm:
    """One connection: swtpm serves one at a time, so that it is closed soon."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(LIMIT)
        self.socket.connect(str(path))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def receive(self, size):
        data = b""
        while len(data) < size:
            part = self.socket.recv(size - len(data))
            if not part:
                raise ConnectionError("swtpm closed the connection")
            data += part
        return data

    def call(self, code, parameters):
        """The response's parameters. Part 1, 18."""
        self.socket.sendall(struct.pack(">HII", NO_SESSIONS, 10 + len(parameters), code) + parameters)
        _tag, size, result = struct.unpack(">HII", self.receive(10))
        body = self.receive(size - 10)
        if result != 0:
            raise ConnectionError(f"the TPM answers {result:#x} to {name_of(code)}")
        return body

    def capability(self, capability, first):
        """The values of one answer; as many as 254 handles. Part 3, 30.2."""
        return self.call(CC_GET_CAPABILITY, struct.pack(">III", capability, first, 254))[5:]

    def handles(self, first):
        body = self.capability(CAP_HANDLES, first)
        count = struct.unpack(">I", body[:4])[0]
        return sorted(struct.unpack(f">{count}I", body[4:4 + 4 * count]))

    def property(self, which):
        body = self.call(CC_GET_CAPABILITY, struct.pack(">III", CAP_TPM_PROPERTIES, which, 1))[5:]
        found, value = struct.unpack(">II", body[4:12])
        if found != which:
            raise ConnectionError(f"the TPM has no property {which:#x}")
        return value

    def is_written(self, index):
        body = self.call(CC_NV_READ_PUBLIC, struct.pack(">I", index))
        return bool(struct.unpack(">I", body[8:12])[0] & NV_WRITTEN)


def look(path):
    """All that tpmidd could leave behind in the TPM at this socket."""
    with Tpm(path) as tpm:
        return Inventory(
            persistent=tpm.handles(PERSISTENT),
            nv={index: tpm.is_written(index) for index in tpm.handles(NV)},
            transient=tpm.handles(TRANSIENT),
            sessions=tpm.handles(LOADED_SESSION),
            auth=tpm.property(PT_PERMANENT) & (OWNER_AUTH_SET | ENDORSEMENT_AUTH_SET | LOCKOUT_AUTH_SET),
            counter=tpm.property(PT_LOCKOUT_COUNTER),
        )


def flush(path):
    """What the kernel's resource manager does when a program that holds /dev/tpmrm0 ends: what it had loaded goes."""
    with Tpm(path) as tpm:
        for handle in tpm.handles(TRANSIENT) + tpm.handles(LOADED_SESSION):
            tpm.call(CC_FLUSH_CONTEXT, struct.pack(">I", handle))
