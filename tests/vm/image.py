# SPDX-License-Identifier: LGPL-2.1-or-later
"""The guest's image: a small Debian that is made once and kept, and tpmidd, which is put into it at each run.

All of it lies in the folder build-vm of the source tree: the build of tpmidd for the guest, and in build-vm/base a root file
system as a tar and a kernel, in a folder whose name is the digest of all that they were made of. Packages come from Debian by
the sources that this machine's apt has; nothing else comes from the network."""
import contextlib
import fcntl
import hashlib
import json
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts" / "lib"))
import build  # noqa: E402

TOOLS = ("qemu-system-x86_64", "mmdebstrap", "swtpm", "mke2fs", "debugfs", "e2fsck", "dpkg-deb", "apt-get", "tpm2_getcap")
SUITE = "bookworm"
KERNEL = "linux-image-cloud-amd64"
PACKAGES = (
    "systemd", "systemd-sysv", "udev", "dbus", "kmod",
    "libglib2.0-0", "libjson-glib-1.0-0", "libssl3", "libtss2-esys-3.0.2-0", "libtss2-mu0", "libtss2-rc0", "libtss2-tctildr0",
    "libtss2-tcti-device0",
)
NOT_WANTED = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*", "/usr/share/i18n/*",
              "/usr/share/bash-completion/*", "/usr/lib/udev/hwdb.d/*", "/usr/lib/x86_64-linux-gnu/gconv/*")
# With the apt of the tree: its lists are fresh, those of this machine may be old.
DOWNLOAD_KERNEL = """set -e
export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"
package=$(apt-cache depends %s | sed -n 's/^ *Depends: \\(linux-image-[0-9].*\\)$/\\1/p')
cd '%s'
apt-get -q -o APT::Sandbox::User=root download "$package"
"""
# Once the tree is complete: what neither boots nor speaks to a TPM.
SHRINK = 'rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/* "$1"/var/cache/debconf/* "$1"/var/log/*'
# Nothing here has to do with tpmidd, and an emulated boot is three seconds shorter without them.
MASKED = (
    "getty@tty1.service", "serial-getty@ttyS0.service", "systemd-logind.service", "systemd-user-sessions.service",
    "apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer", "e2scrub_reap.service", "fstrim.timer",
    "modprobe@dm_mod.service", "modprobe@drm.service", "modprobe@efi_pstore.service", "modprobe@fuse.service", "modprobe@loop.service",
    "modprobe@configfs.service", "dev-hugepages.mount", "dev-mqueue.mount", "sys-kernel-debug.mount", "sys-kernel-tracing.mount",
    "systemd-update-utmp.service", "systemd-update-utmp-runlevel.service", "systemd-pstore.service", "systemd-networkd.service",
    "systemd-networkd.socket", "proc-sys-fs-binfmt_misc.automount",
)
BUILD_FOLDER = ROOT / "build-vm"
BUILD_LIMIT = 1200  # seconds
TOOL_LIMIT = 300
DISK_SIZE = "700M"  # sparse
MEMORY_NEEDED = 1000  # MiB: the guest's 512, and QEMU around them
SPACE_NEEDED = 3000  # MiB, in each of the two folders


class ImageError(Exception):
    pass


class Lacking(ImageError):
    """This machine cannot make or run the guest; the text says why."""


def command(*words, limit=TOOL_LIMIT, **keywords):
    """Runs a tool to its end and returns its standard output."""
    try:
        result = subprocess.run(list(map(str, words)), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True, errors="replace", timeout=limit, **keywords)
    except subprocess.TimeoutExpired:
        raise ImageError(f"{words[0]} was not done after {limit} s") from None
    if result.returncode != 0:
        said = f"{result.stdout[-2000:]}{result.stderr[-4000:]}"
        raise ImageError(f"{' '.join(map(str, words))}: status {result.returncode}\n{said}")
    return result.stdout


def what_lacks():
    """Why this machine cannot run the guest at all; None if nothing is known against it."""
    if platform.machine() != "x86_64":
        return f"the guest is an x86-64 machine, this one is {platform.machine()}"
    if os.geteuid() != 0:
        return "root makes the guest's file system"
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        return f"no {', '.join(missing)}; scripts/deps --vm installs it"
    memory = memory_available()
    if memory < MEMORY_NEEDED:
        return f"the guest needs {MEMORY_NEEDED} MiB of memory, {memory} MiB are available"
    for folder in (tempfile.gettempdir(), ROOT):
        space = shutil.disk_usage(folder).free >> 20
        if space < SPACE_NEEDED:
            return f"the guest needs {SPACE_NEEDED} MiB in {folder}, {space} MiB are free"
    return None


def memory_available():
    """In MiB."""
    with open("/proc/meminfo") as file:
        return next(int(line.split()[1]) >> 10 for line in file if line.startswith("MemAvailable:"))


def sources():
    """Debian's own repositories among the apt sources of this machine, as lines of a sources.list."""
    lines = find_sources()
    if not lines:  # apt knows whose a repository is by its lists alone
        subprocess.run(["apt-get", "-q", "update"], stdin=subprocess.DEVNULL, capture_output=True, timeout=TOOL_LIMIT, check=False)
        lines = find_sources()
    if not lines:
        raise Lacking(f"apt has no Debian {SUITE} among its sources")
    return lines


def find_sources():
    entries = command("apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages",
                      "Origin: Debian", "Architecture: amd64")
    return sorted({f"deb {entry.strip()}" for entry in entries.splitlines() if entry.split()[1].startswith(SUITE)})


class Base:
    """The kept part: `root` is the tar, `kernel` the kernel, `made` the seconds that making them took (None: kept from before)."""

    def __init__(self):
        folder = BUILD_FOLDER / "base"
        lines = sources()
        recipe = repr([SUITE, KERNEL, PACKAGES, NOT_WANTED, DOWNLOAD_KERNEL, SHRINK, lines])
        self.folder = folder / hashlib.sha256(recipe.encode()).hexdigest()[:16]
        self.root, self.kernel = self.folder / "root.tar", self.folder / "vmlinuz"
        self.made = None
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder / "lock", "a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not self.folder.exists():
                started = time.monotonic()
                self.make(folder, lines)
                self.made = time.monotonic() - started

    def make(self, folder, lines):
        for old in folder.iterdir():
            if old.is_dir():
                shutil.rmtree(old)
        work = pathlib.Path(tempfile.mkdtemp(prefix="new-", dir=folder))
        options = [f"--dpkgopt=path-exclude={pattern}" for pattern in NOT_WANTED]
        hooks = [DOWNLOAD_KERNEL % (KERNEL, work), SHRINK]
        (work / "sources.list").write_text("\n".join(lines) + "\n")
        try:
            command("mmdebstrap", "--quiet", "--mode=root", "--variant=essential", "--format=tar", "--architectures=amd64",
                    f"--include={','.join(PACKAGES)}", "--aptopt=Acquire::Languages \"none\"", *options,
                    *(f"--customize-hook={hook}" for hook in hooks), SUITE, work / "root.tar", work / "sources.list", limit=BUILD_LIMIT)
            [package] = work.glob("linux-image-*.deb")
            command("dpkg-deb", "-x", package, work / "kernel")
            [kernel] = (work / "kernel" / "boot").glob("vmlinuz-*")
            kernel.rename(work / "vmlinuz")
            shutil.rmtree(work / "kernel")
            package.unlink()
            work.rename(self.folder)
        except (ImageError, OSError, ValueError) as error:
            shutil.rmtree(work, ignore_errors=True)
            raise Lacking(f"the image cannot be made: {error}") from None


def build_tpmidd():
    """A build whose prefix is the guest's /usr, of what is installed alone; returns its folder."""
    options = ["--prefix=/usr", "-Dwerror=true", "-Dtests=false"] if not (BUILD_FOLDER / "build.ninja").exists() else []
    build.update(BUILD_FOLDER, options, targets=["daemon/tpmidd"])
    targets = json.loads(command("meson", "introspect", "--targets", BUILD_FOLDER))
    installed = [os.path.relpath(target["filename"][0], BUILD_FOLDER) for target in targets if target["installed"]]
    build.update(BUILD_FOLDER, targets=installed)


def make(folder, disk):
    """Makes `disk` of the kept tree, with tpmidd and the guest's own units in it; works below `folder`. Returns the Base."""
    with ThreadPoolExecutor(1) as pool:  # most of the tree's making is waiting for the network and for dpkg
        built = pool.submit(build_tpmidd)
        base = Base()
        built.result()
    with tempfile.TemporaryDirectory(prefix="root-", dir=folder) as name:
        root = pathlib.Path(name, "root")
        root.mkdir()
        command("tar", "-C", root, "--numeric-owner", "-xf", base.root)
        command("meson", "install", "--no-rebuild", "--quiet", "-C", BUILD_FOLDER, "--destdir", root)
        shutil.copytree(pathlib.Path(__file__).parent / "guest", root, dirs_exist_ok=True)
        prepare(root)
        make_file_system(disk, DISK_SIZE, root)
    return base


def prepare(root):
    """What the scripts of a package do after its files are there."""
    command("ldconfig", "-r", root)
    command("systemd-sysusers", f"--root={root}")
    command("journalctl", "--update-catalog", f"--root={root}")
    command("systemctl", f"--root={root}", "enable", "tpmidd.service", "guest-shell.service", "guest-witness.service")
    command("systemctl", f"--root={root}", "mask", *MASKED)
    (root / "etc" / "machine-id").write_text("7b1d6d6f0f5c4b5e8d0f6f3c2a9e4d11\n")
    (root / "etc" / "hostname").write_text("guest\n")
    for name in ("etc", "var"):  # done above, so that no boot does it (ConditionNeedsUpdate=)
        (root / name / ".updated").write_text("")
        os.utime(root / name / ".updated", (time.time() + 60,) * 2)


def make_file_system(disk, size, root=None):
    command("mke2fs", "-q", "-t", "ext4", "-F", *(("-d", root) if root else ()), disk, size)


# Files of a guest that is switched off.


def debugfs(disk, *requests):
    """debugfs has no status for a request that failed: it says so on standard error, below its version."""
    for request in requests:
        result = subprocess.run(["debugfs", "-w", "-R", request, disk], capture_output=True, text=True, timeout=TOOL_LIMIT)
        complaint = "\n".join(result.stderr.splitlines()[1:])
        if result.returncode != 0 or complaint:
            raise ImageError(f"debugfs {request}: {complaint}")


def remove_file(disk, path):
    debugfs(disk, f"rm {path}")


def write_file(disk, path, content, folders=(), mode=0o644):
    """Root's, in place of what was there."""
    with contextlib.suppress(ImageError):
        remove_file(disk, path)
    with tempfile.NamedTemporaryFile() as local:
        local.write(content)
        local.flush()
        debugfs(disk, *(f"mkdir {folder}" for folder in folders), f"write {local.name} {path}", f"sif {path} mode 0{0o100000 | mode:o}")


def read_file(disk, path):
    """The content; None where there is no such file."""
    with tempfile.TemporaryDirectory() as folder:
        local = pathlib.Path(folder, "content")
        with contextlib.suppress(ImageError):
            debugfs(disk, f"dump {path} {local}")
        return local.read_bytes() if local.exists() else None
