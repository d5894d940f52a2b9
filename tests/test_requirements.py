"""What is required, held against what napari brings: an install may add, and never move.

`make check-install` tries the same for real, in new environments.
"""

import importlib.metadata
import tomllib
from collections.abc import Iterator

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

# Extras for users; the others are for who trains or evaluates.
EXTRAS = ("all", "plot", "roi", "zarr", "bioimageio")
# Why an environment with napari need not move where we ask for more than napari does.
WHY_HIGHER = {
    "scikit-image": "0.23 is the first for numpy 2, which imagecodecs and onnx ask for anyway",
    "tifffile": "older ones drop the record of a result without a word",
}


def needed(name: str, extras: set[str]) -> Iterator[Requirement]:
    """Yield what an installed package requires here, with some of its extras."""
    for text in importlib.metadata.requires(name) or ():
        requirement = Requirement(text)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": e}) for e in {"", *extras}):
            yield requirement


def brought_by(name: str, extras: set[str]) -> dict[str, list[Requirement]]:
    """Return all that comes with a package, and what each is required as."""
    found: dict[str, list[Requirement]] = {}
    todo = [(name, frozenset(extras))]
    walked = set(todo)
    while todo:
        package, its_extras = todo.pop()
        for requirement in needed(package, set(its_extras)):
            key = canonicalize_name(requirement.name)
            found.setdefault(key, []).append(requirement)
            following = (key, frozenset(requirement.extras))
            if following not in walked and installed(key):
                walked.add(following)
                todo.append(following)
    return found


def installed(name: str) -> str | None:
    """Return the version of a package, or None."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def least(requirement: Requirement) -> Version:
    """Return the lowest version that a requirement allows."""
    bounds = [s.version for s in requirement.specifier if s.operator in {">=", "==", "~=", ">"}]
    return max((Version(b.removesuffix(".*")) for b in bounds), default=Version("0"))


@pytest.fixture(scope="module")
def napari_brings():
    return brought_by("napari", {"all"})


@pytest.fixture(scope="module")
def ours(root):
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    texts = [*project["dependencies"]]
    for extra in EXTRAS:
        texts += project["optional-dependencies"][extra]
    return [Requirement(text) for text in texts]


@pytest.fixture(scope="module")
def shared(ours, napari_brings):
    """What both require, and napari itself."""
    return [r for r in ours if canonicalize_name(r.name) in {*napari_brings, "napari"}]


def test_what_is_shared_is_known(shared, napari_brings):
    assert {r.name for r in shared} >= {"napari", "numpy", "npe2", "magicgui", "tifffile", "scipy"}
    assert len(napari_brings) > 50


def test_what_a_napari_environment_holds_satisfies_us(shared):
    moved = {
        str(r): version
        for r in shared
        if (version := installed(r.name)) and not r.specifier.contains(version, prereleases=True)
    }
    assert moved == {}


def test_nothing_is_bounded_from_above(shared):
    """A newer napari, numpy or Qt would be taken back."""
    assert [str(r) for r in shared if {s.operator for s in r.specifier} - {">="}] == []


def test_nothing_is_asked_to_be_newer_than_napari_asks(shared, napari_brings):
    higher = {
        r.name: str(r.specifier)
        for r in shared
        if r.name not in {"napari", *WHY_HIGHER}
        and least(r) > max(least(other) for other in napari_brings[canonicalize_name(r.name)])
    }
    assert higher == {}


def test_what_we_bring_moves_nothing(ours, napari_brings):
    """What our own packages require of those that napari brings holds for those, too."""
    new = {canonicalize_name(r.name): r.extras for r in ours} | {"ml-dtypes": set()}
    moved = []
    for name, extras in new.items():
        if name in napari_brings or not installed(name):
            continue
        for requirement in needed(name, extras):
            version = installed(requirement.name)
            wanted = requirement.specifier
            if version and not wanted.contains(version, prereleases=True):
                moved.append(f"{name} requires {requirement}, {version} is there")
    assert moved == []


@pytest.mark.parametrize(
    ("text", "version"), [("a", "0"), ("a>=1.2", "1.2"), ("a<3,>=2", "2"), ("a==1.*", "1")]
)
def test_the_lowest_version_is_read(text, version):
    assert least(Requirement(text)) == Version(version)
