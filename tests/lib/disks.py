# SPDX-License-Identifier: Apache-2.0
# Copyright the godwit authors
"""Real file systems of a test's own, and how they fill.

    private_mounts()                        once: what is mounted from here on goes with this process
    disk = Disk.make("btrfs", directory)    mounted at directory/disk; raises Impossible, which says why
    disk.fill(leave, rng); disk.free()      somebody else's files take the room, all but `leave` bytes
    disk.close()

A kind is "xfs" (with reflinks), "btrfs", "ext4" (each in a sparse file, over a loop device), "tmpfs", or
"plain": a directory of whatever is there, which cannot be filled.
"""
import ctypes
import errno
import os
import subprocess

MiB = 1 << 20
SIZE = 1024 * MiB
KINDS = ("xfs", "btrfs", "ext4", "tmpfs")

MAKE = {
    "xfs": ["mkfs.xfs", "-q", "-m", "reflink=1"],
    "btrfs": ["mkfs.btrfs", "-q", "-f"],
    "ext4": ["mkfs.ext4", "-q", "-F"],
}
CLONE_NEWNS, MS_REC, MS_PRIVATE = 0x20000, 0x4000, 1 << 18


class Impossible(Exception):
    """This machine does not let us have that file system."""


def private_mounts():
    """Mounts in a namespace of our own: whatever ends this process, none is left behind."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) != 0 or \
            libc.mount(b"none", b"/", None, ctypes.c_ulong(MS_REC | MS_PRIVATE), None) != 0:
        raise Impossible("no mounts of our own: " + os.strerror(ctypes.get_errno()))


def _run(argv):
    try:
        r = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    except FileNotFoundError:
        raise Impossible(argv[0] + " is not installed")
    if r.returncode != 0:
        raise Impossible("%s: %s" % (argv[0], (r.stderr or r.stdout).strip()))


class Disk:
    def __init__(self, kind, path, mounted):
        self.kind, self.path, self.mounted = kind, path, mounted
        self.full = False
        self.image = None

    @classmethod
    def make(cls, kind, directory, size=SIZE):
        path = os.path.join(directory, "disk")
        os.makedirs(path)
        disk = cls(kind, path, kind != "plain")
        if kind == "tmpfs":
            _run(["mount", "-t", "tmpfs", "-o", "size=%d" % size, "godwit-torture", path])
        elif kind != "plain":
            disk.image = path + "." + kind
            with open(disk.image, "wb") as f:
                f.truncate(size)
            _run([*MAKE[kind], disk.image])
            _run(["mount", "-o", "loop", disk.image, path])
        return disk

    @property
    def ballast(self):
        return os.path.join(self.path, "ballast")

    def fill(self, leave, rng):
        """What is free on paper and what can be had differ (btrfs), so take until there is nothing,
        and give back."""
        self.full = True
        os.makedirs(self.ballast, exist_ok=True)
        for size in (64 * MiB, 4 * MiB, 256 * 1024, 4096):
            while self._take("%d" % rng.getrandbits(64), size):
                pass
        if leave > 0:
            for name in sorted(os.listdir(self.ballast)):
                path = os.path.join(self.ballast, name)
                size = os.stat(path).st_size
                os.truncate(path, max(0, size - leave))
                leave -= min(size, leave)
                if leave == 0:
                    break

    def _take(self, name, size):
        path = os.path.join(self.ballast, name)
        try:
            with open(path, "wb") as f:
                os.posix_fallocate(f.fileno(), 0, size)
        except OSError as e:
            return self._no_room(e, path)
        return True

    @staticmethod
    def _no_room(e, path):
        if e.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise e
        try:
            os.unlink(path)
        except OSError as again:  # btrfs may want room for that as well; an empty file harms nobody
            if again.errno not in (errno.ENOSPC, errno.ENOENT):
                raise
        return False

    def free(self):
        if self.full:
            subprocess.run(["rm", "-rf", self.ballast], check=True)
            self.full = False

    def busy(self):
        """Does a process that was killed still hold a file of it?"""
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                held = [os.readlink("/proc/%s/fd/%s" % (pid, fd))
                        for fd in os.listdir("/proc/%s/fd" % pid)]
            except OSError:
                continue
            if any(h.startswith(self.path + "/") for h in held):
                return True
        return False

    def close(self):
        if self.mounted:
            subprocess.run(["umount", self.path], check=True)
            self.mounted = False
        if self.image:
            os.unlink(self.image)
            self.image = None
