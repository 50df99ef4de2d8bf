"""The virtual environment: made, kept, added to, made anew; with a package index of one tiny wheel."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from q2c.local import places
from q2c.local.stop import Stop
from q2c.local.venv import Venv

MAKE = """
import sys
from pathlib import Path
from q2c.local.venv import Venv
print(Venv(("requirements.txt",), Path(sys.argv[1])).make())
"""


def wheel(folder: Path, name: str, version: str) -> str:
    """Lays a wheel with one empty module into `folder`; returns its line for a requirements file."""
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}.py", "")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", f"{name}.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
    return f"{name}=={version} --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project that needs one package, and a pip that knows one folder of wheels."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    (tmp_path / "requirements.txt").write_text(wheel(wheels, "tiny", "1.0"))
    (tmp_path / "requirements-dev.txt").write_text(wheel(wheels, "small", "2.0"))
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    return tmp_path


@pytest.fixture(scope="module")
def empty_venv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With pip alone, made once: most tests begin with a copy of it."""
    folder = tmp_path_factory.mktemp("venv")
    assert Venv((), folder).make() == "made"
    return folder / ".venv"


@pytest.fixture
def with_venv(root: Path, empty_venv: Path) -> Path:
    shutil.copytree(empty_venv, root / ".venv", symlinks=True)
    return root


def has(root: Path, module: str) -> bool:
    done = subprocess.run([root / ".venv/bin/python", "-c", f"import {module}"], capture_output=True, check=False)
    return done.returncode == 0


def test_made_from_nothing_then_ready(root: Path) -> None:
    assert Venv(("requirements.txt",), root).make() == "made"
    assert has(root, "tiny")
    assert not has(root, "small")
    began = time.monotonic()
    assert Venv(("requirements.txt",), root).make() == "ready"
    assert time.monotonic() - began < 1


def test_what_tests_need_is_added(with_venv: Path) -> None:
    assert Venv(("requirements.txt",), with_venv).make() == "added to"
    both = Venv(("requirements.txt", "requirements-dev.txt"), with_venv)
    assert not both.ready()
    assert both.make() == "added to"
    assert has(with_venv, "small")
    # The demo is content with more than it needs.
    assert Venv(("requirements.txt",), with_venv).ready()


def test_changed_requirements_are_installed(with_venv: Path) -> None:
    Venv(("requirements.txt",), with_venv).make()
    (with_venv / "requirements.txt").write_text(wheel(with_venv / "wheels", "tiny", "1.1"))
    assert not Venv(("requirements.txt",), with_venv).ready()
    assert Venv(("requirements.txt",), with_venv).make() == "added to"
    assert (next((with_venv / ".venv/lib").glob("python*")) / "site-packages/tiny-1.1.dist-info").exists()


def test_an_install_that_was_killed_is_made_anew(root: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", MAKE, root], cwd=places.ROOT, start_new_session=True)
    while not (root / ".venv/q2c-being-made").exists():
        time.sleep(0.01)
    time.sleep(0.3)
    # The process alone: what it started ends with it, else it would write to what the next start removes.
    process.kill()
    process.wait()
    (root / ".venv/left-behind").touch()
    assert not Venv(("requirements.txt",), root).ready()
    assert Venv(("requirements.txt",), root).make() == "made"
    assert has(root, "tiny")
    assert not (root / ".venv/left-behind").exists()


def test_a_python_that_was_removed_is_noticed(with_venv: Path) -> None:
    venv = Venv(("requirements.txt",), with_venv)
    venv.make()
    for python in (with_venv / ".venv/bin").glob("python*"):
        python.unlink()
        python.symlink_to("/nowhere/python3")
    assert not venv.ready()
    assert venv.make() == "made"


def test_two_at_once_install_once(with_venv: Path) -> None:
    both = [
        subprocess.Popen([sys.executable, "-c", MAKE, with_venv], cwd=places.ROOT, stdout=subprocess.PIPE, text=True)
        for _ in "ab"
    ]
    assert sorted(process.communicate()[0].strip() for process in both) == ["added to", "ready"]


@pytest.fixture
def fast_failing_pip(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("PIP_TIMEOUT", "2")
    yield


@pytest.mark.usefixtures("fast_failing_pip")
def test_no_index(with_venv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:1/simple")
    with pytest.raises(Stop, match=r"No package index can be reached.*pip config set global.index-url"):
        Venv(("requirements.txt",), with_venv).make()


def test_an_index_without_the_package(with_venv: Path) -> None:
    for path in (with_venv / "wheels").iterdir():
        path.unlink()
    with pytest.raises(Stop, match=r"The package index has no tiny==1.0 for this Python"):
        Venv(("requirements.txt",), with_venv).make()


def test_another_file_than_the_locked_one(with_venv: Path) -> None:
    line = (with_venv / "requirements.txt").read_text()
    (with_venv / "requirements.txt").write_text(line[:-10] + "0" * 9 + "\n")
    with pytest.raises(Stop, match="hash is not the locked one"):
        Venv(("requirements.txt",), with_venv).make()


def test_python_without_venv(root: Path) -> None:
    """As Debian without python3-venv."""
    (root / "missing").mkdir()
    (root / "missing/ensurepip.py").write_text("raise ImportError('No module named ensurepip')\n")
    shutil.copytree(places.ROOT / "q2c/local", root / "q2c/local")
    (root / "q2c/__init__.py").touch()
    (root / "bin").mkdir()
    shutil.copy(places.ROOT / "bin/demo", root / "bin/demo")
    env = {**os.environ, "PYTHONPATH": str(root / "missing")}
    done = subprocess.run([root / "bin/demo"], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "cannot make virtual environments" in done.stderr
    assert "apt-get install python3-venv" in done.stderr
    assert "Traceback" not in done.stderr
