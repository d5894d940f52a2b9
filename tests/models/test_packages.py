"""A zip or a folder is opened without trusting it."""

import hashlib
import os
import stat
import zipfile
from pathlib import Path

import pytest

from napari_microenhance.errors import FileMissingError, ModelError
from napari_microenhance.models import packages
from napari_microenhance.models.packages import cache_folder, open_package


def zipped(path: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def files_below(folder: Path) -> set[Path]:
    return {p for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a cache of this test's own."""
    folder = tmp_path / "cache"
    monkeypatch.setattr(packages.platformdirs, "user_cache_dir", lambda *_, **__: str(folder))
    return folder


def test_only_named_members_are_extracted_below_the_sha256(tmp_path, cache):
    path = zipped(tmp_path / "a.zip", {"net.onnx": b"abc", "deep/b.txt": b"b", "c.bin": b"c"})
    found = open_package(path).extract("net.onnx")
    assert found.read_bytes() == b"abc"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert files_below(cache) == {found} == {cache / "packages" / digest / "net.onnx"}
    assert open_package(path).sha256 == digest
    assert set(open_package(path).names) == {"net.onnx", "deep/b.txt", "c.bin"}


def test_opening_extracts_nothing(tmp_path, cache):
    open_package(zipped(tmp_path / "a.zip", {"a": b"a"}))
    assert not cache.exists()


def test_a_damaged_copy_in_the_cache_is_replaced_and_a_whole_one_is_kept(tmp_path, cache):
    path = zipped(tmp_path / "a.zip", {"net.onnx": b"abcdef"})
    first = open_package(path).extract("net.onnx")
    os.utime(first, (1, 1))
    again = open_package(path).extract("net.onnx")
    assert again.stat().st_mtime == 1  # not written a second time
    first.write_bytes(b"abcXef")  # of the same length
    mended = open_package(path).extract("net.onnx")
    assert mended.read_bytes() == b"abcdef"


@pytest.mark.parametrize(
    "name", ["../evil", "/etc/evil", "a/../../evil", "C:evil", "a\\..\\evil", "a/./b", "..", "a//b"]
)
def test_a_name_that_leads_out_refuses_the_whole_zip(tmp_path, cache, name):
    path = zipped(tmp_path / "a.zip", {"net.onnx": b"abc"})
    with zipfile.ZipFile(path, "a") as archive:
        info = zipfile.ZipInfo("x")
        info.filename = name
        archive.writestr(info, b"evil")
    before = files_below(tmp_path)
    with pytest.raises(ModelError, match="a path outside its own folder"):
        open_package(path).extract("net.onnx")
    assert files_below(tmp_path) == before


def test_a_link_in_a_zip_is_refused(tmp_path, cache):
    info = zipfile.ZipInfo("net.onnx")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(ModelError, match="a path outside"):
        open_package(tmp_path / "a.zip")


@pytest.mark.slow
def test_a_bomb_is_refused_before_anything_is_unpacked(tmp_path, cache):
    size = packages.BYTES_HARMLESS + 1
    path = zipped(tmp_path / "bomb.zip", {"net.onnx": b"abc", "zeros.bin": bytes(size)})
    assert path.stat().st_size < size // 500
    with pytest.raises(ModelError, match=r"would unpack from .* to .* nothing was unpacked"):
        open_package(path).extract("net.onnx")
    assert not cache.exists()


@pytest.mark.slow
def test_many_small_bombs_are_one(tmp_path, cache):
    part = bytes(packages.BYTES_HARMLESS // 2)
    path = zipped(tmp_path / "bomb.zip", {f"{i}.bin": part for i in range(3)})
    with pytest.raises(ModelError, match="would unpack"):
        open_package(path)


def test_more_bytes_than_a_network_can_have_are_refused(tmp_path, monkeypatch):
    path = zipped(tmp_path / "a.zip", {"net.onnx": b"abc"}, zipfile.ZIP_STORED)
    monkeypatch.setattr(packages, "BYTES_MOST", 2)
    with pytest.raises(ModelError, match="would unpack from 3 to 3 bytes"):
        open_package(path)


def test_a_test_image_of_zeros_is_no_bomb(tmp_path, cache):
    path = zipped(tmp_path / "a.zip", {"test.npy": bytes(4 << 20)})
    assert open_package(path).extract("test.npy").stat().st_size == 4 << 20


def test_too_many_files_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(packages, "MEMBERS_MOST", 2)
    with pytest.raises(ModelError, match="holds 3 files"):
        open_package(zipped(tmp_path / "a.zip", {"a": b"", "b": b"", "c": b""}))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_files_of_one_name_are_refused(tmp_path):
    path = zipped(tmp_path / "a.zip", {"net.onnx": b"abc"})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("net.onnx", b"another")
    with pytest.raises(ModelError, match=r"holds net\.onnx 2 times"):
        open_package(path)


def test_a_damaged_member_is_said_and_not_kept(tmp_path, cache):
    path = zipped(tmp_path / "a.zip", {"net.onnx": b"abcdefgh" * 20}, zipfile.ZIP_STORED)
    path.write_bytes(path.read_bytes().replace(b"abcdefgh", b"abcdefgX", 1))
    with pytest.raises(ModelError, match=r"net\.onnx in the package a\.zip is damaged"):
        open_package(path).extract("net.onnx")
    assert not files_below(cache)


def test_a_locked_member_is_said(tmp_path, cache):
    path = zipped(tmp_path / "a.zip", {"net.onnx": b"abc"}, zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    content[6] |= 1  # flags of the local header
    content[content.index(b"PK\x01\x02") + 8] |= 1  # and of the directory
    path.write_bytes(content)
    with pytest.raises(ModelError, match="password"):
        open_package(path).extract("net.onnx")


def test_what_is_missing_or_no_zip_is_said(tmp_path, cache):
    with pytest.raises(FileMissingError, match=r"none\.zip"):
        open_package(tmp_path / "none.zip")
    (tmp_path / "text.zip").write_bytes(b"not a zip")
    with pytest.raises(ModelError, match="not a zip file"):
        open_package(tmp_path / "text.zip")
    path = zipped(tmp_path / "a.zip", {"a": b"a"})
    with pytest.raises(ModelError, match=r"has no file 'net\.onnx'"):
        open_package(path).extract("net.onnx")


def test_a_long_file_is_not_read(tmp_path, cache):
    path = zipped(tmp_path / "a.zip", {"text.yaml": b"0123456789"})
    with pytest.raises(ModelError, match="has 10 bytes, at most 9"):
        open_package(path).read("text.yaml", most=9)
    assert not files_below(cache)


def test_a_folder_is_read_in_place_and_not_left(tmp_path, cache):
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / "net.onnx").write_bytes(b"abc")
    (tmp_path / "secret").write_bytes(b"s")
    package = open_package(folder)
    assert package.extract("net.onnx") == (folder / "net.onnx").resolve()
    assert package.read("net.onnx") == b"abc"
    assert not cache.exists()
    with pytest.raises(ModelError, match="has no file"):
        package.extract("../secret")
    (folder / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(ModelError, match="a path outside"):
        package.extract("link")


def test_the_cache_lies_in_the_users_own():
    assert cache_folder("f00").parts[-2:] == ("packages", "f00")
    assert "napari-microenhance" in cache_folder("f00").parts
