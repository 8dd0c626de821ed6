# SPDX-License-Identifier: LGPL-2.1-or-later
"""A device that is switched off: its disk, and the memory of its TPM."""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import image
from processes import END_LIMIT, end, spawn, wait_for


class Device:
    """What stays when the power goes: the disk, the TPM's memory, and for some devices a disk of its own for /persist."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.disk, self.tpm, self.persist = self.folder / "disk", self.folder / "tpm", self.folder / "persist"

    @classmethod
    def new(cls, folder, disk):
        device = cls(folder)
        device.folder.mkdir(parents=True)
        copy_disk(disk, device.disk)
        device.tpm.mkdir()
        return device

    def branch(self, folder):
        """The same device, whose history takes another course from here on."""
        device = Device.new(folder, self.disk)
        shutil.copytree(self.tpm, device.tpm, dirs_exist_ok=True)
        if self.persist.exists():
            copy_disk(self.persist, device.persist)
        return device

    def keep(self):
        """Remembers how the device is now."""
        self.forget()
        self.branch(self.folder / "kept")

    def forget(self):
        shutil.rmtree(self.folder / "kept", ignore_errors=True)

    def put_back(self):
        """The device is again as keep() found it."""
        kept = Device(self.folder / "kept")
        shutil.rmtree(self.tpm)
        for source, target in ((kept.disk, self.disk), (kept.tpm, self.tpm), (kept.persist, self.persist)):
            if source.exists():
                os.replace(source, target)

    def add_persist(self):
        image.make_file_system(self.persist, "32M")

    def swap_tpm(self):
        shutil.rmtree(self.tpm)
        self.tpm.mkdir()

    def tpm_tool(self, *words):
        """Runs a tool on the TPM of a device that is off; on a copy of its memory, unless the tool is to change it."""
        with tempfile.TemporaryDirectory(prefix="tpm-") as folder:
            memory = self.tpm
            if words[0] == "tpm2_getcap":
                memory = shutil.copytree(self.tpm, pathlib.Path(folder, "memory"))
            path = pathlib.Path(folder, "s")
            process = spawn(["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={memory}", "--server", f"type=unixio,path={path}",
                             "--ctrl", f"type=unixio,path={path}.ctrl", "--flags", "not-need-init,startup-clear"],
                            pathlib.Path(folder, "log"))
            try:
                wait_for(lambda: path.exists() and pathlib.Path(f"{path}.ctrl").exists(), END_LIMIT, "swtpm")
                return image.command(words[0], "-T", f"swtpm:path={path}", *words[1:], limit=END_LIMIT)
            finally:
                end(process)

    def lockout_counter(self):
        return int(re.search(r"TPM2_PT_LOCKOUT_COUNTER: (\w+)", self.tpm_tool("tpm2_getcap", "properties-variable"))[1], 16)

    def certificate(self):
        """The device certificate on the disk of a device that lost power, None where there is none. The disk stays as it is."""
        with tempfile.TemporaryDirectory(prefix="disk-") as folder:
            disk = copy_disk(self.disk, pathlib.Path(folder, "disk"))
            subprocess.run(["e2fsck", "-fy", disk], capture_output=True, timeout=image.TOOL_LIMIT, check=False)
            return image.read_file(disk, "/config/device.cert.pem")


def copy_disk(source, target):
    image.command("cp", "--sparse=always", "--reflink=auto", source, target)
    return target
