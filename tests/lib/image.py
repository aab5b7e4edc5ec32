"""The container image: built by buildah without a container engine, and run.

The base image comes from debootstrap, so that no image registry is needed; it
is kept in the cache of downloads. Storage is a directory of the caller's.
"""

import contextlib
import os
import shutil
import signal
import subprocess
from pathlib import Path

from lib import process
from lib.tables import ROOT

BASE_NAME = "docker.io/library/debian:bookworm-slim"
BUILD_SECONDS = 900
MIRROR = "apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Codename: bookworm'"
# What the name's owner leaves out of the slim image, and what no image needs.
SLIM = ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale")


def cache() -> Path:
    return Path(os.environ.get("ELEUSIS_CACHE") or ROOT / "var" / "cache")


def root_is_a_mount() -> bool:
    """buildah cannot unpack a layer in a plain chroot, whose root is no mount."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return any(line.split()[4] == "/" for line in lines)


def run(*command: str | Path, **more) -> str:
    """Its output; AssertionError with all it said when it fails."""
    done = subprocess.run(
        command,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        **more,
    )
    assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout[-6000:]}"
    return done.stdout


def base_tar(scratch: Path) -> Path:
    """A minimal Debian 12 as an archive, made once."""
    kept = cache() / "base-bookworm.tar"
    if kept.exists():
        return kept
    root = scratch / "base"
    mirrors = run("sh", "-c", MIRROR).splitlines()
    run("debootstrap", "--variant=minbase", "bookworm", root, *mirrors[:1], timeout=BUILD_SECONDS)
    for path in SLIM:
        shutil.rmtree(root / path, ignore_errors=True)
    (root / "var/cache/apt/archives/partial").mkdir(parents=True)
    (root / "var/lib/apt/lists/partial").mkdir(parents=True)
    made = scratch / "base.tar"
    run("tar", "-C", root, "--one-file-system", "--exclude=./dev/*", "-cf", made, ".")
    kept.parent.mkdir(parents=True, exist_ok=True)
    os.replace(shutil.copy(made, kept.with_suffix(".new")), kept)
    return kept


class Builder:
    """buildah with a storage of its own."""

    def __init__(self, scratch: Path):
        self.scratch = scratch
        self.storage = scratch / "storage"
        self.command = [
            "buildah", "--root", str(self.storage), "--runroot", str(scratch / "runroot"),
            "--storage-driver", "vfs",
        ]  # fmt: skip
        self.env = os.environ | {"BUILDAH_ISOLATION": "chroot", "TMPDIR": str(scratch)}

    def buildah(self, *args: str | Path) -> str:
        return run(*self.command, *map(str, args), env=self.env, timeout=BUILD_SECONDS)

    def base(self) -> None:
        """The base image, under the name that the Dockerfile asks for."""
        container = self.buildah("--log-level", "error", "from", "scratch").strip()
        self.buildah("add", "--quiet", container, base_tar(self.scratch), "/")
        self.buildah("commit", "--quiet", "--disable-compression", "--rm", container, BASE_NAME)

    def build(self, tag: str) -> None:
        self.buildah(
            "bud", "--network", "host", "--pull-never", "--layers=false", "--format", "docker",
            *kore_options(), "-t", tag, "-f", ROOT / "Dockerfile", ROOT,
        )  # fmt: skip

    def remove(self) -> None:
        with contextlib.suppress(AssertionError):
            self.buildah("rm", "--all")
        shutil.rmtree(self.scratch, ignore_errors=True)


def kore_options() -> list[str]:
    """Kore's package as `./dev` has it already; else the build fetches it."""
    given = os.environ.get("KORE_DEB")
    found = [Path(given)] if given else sorted(cache().glob("kore_*.deb"))
    if not found:
        return []
    where, name = found[0].resolve().parent, found[0].name
    return ["-v", f"{where}:/cache:ro", "--build-arg", f"KORE_DEB=/cache/{name}"]


class Container:
    """A container of an image with the settings, capabilities and limits given."""

    def __init__(self, builder: Builder, image: str, env: dict, volumes: dict, caps: list[str]):
        self.builder = builder
        self.options = ["--network", "host"]
        for name, value in env.items():
            self.options += ["-e", f"{name}={value}"]
        for outside, inside in volumes.items():
            self.options += ["-v", f"{outside}:{inside}"]
        added = [option for cap in caps for option in ("--cap-add", f"CAP_{cap}")]
        self.name = builder.buildah(
            "from", "--pull-never", "--ulimit", "nofile=20000:20000", "--cap-drop", "all", *added,
            image,
        ).strip()  # fmt: skip
        self.root = Path(builder.buildah("mount", self.name).strip())

    def command(self, *args: str) -> list[str]:
        return [*self.builder.command, "run", *self.options, self.name, "--", *args]

    def run(self, *args: str, input: str | None = None) -> subprocess.CompletedProcess:
        return subprocess.run(
            self.command(*args),
            env=self.builder.env,
            input=input or "",
            capture_output=True,
            text=True,
            timeout=120,
        )

    def start(self, output: Path, *args: str) -> subprocess.Popen:
        with output.open("wb") as out:
            return subprocess.Popen(
                self.command(*args),
                env=self.builder.env,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )


def descendants(pid: int) -> list[int]:
    found = [pid]
    for one in found:
        found += process.children(one)
    return found[1:]


def kore_parent(pid: int) -> int:
    """Kore's parent below a `buildah run`; 0 when there is none."""
    return next((p for p in descendants(pid) if "kore [parent]" in process.title(p)), 0)


def stop(child: subprocess.Popen, seconds: float) -> int:
    """SIGTERM as an engine sends it, to the container's first program; the status."""
    inner = kore_parent(child.pid)
    for pid in [inner] if inner else reversed(descendants(child.pid)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    return child.wait(seconds)
