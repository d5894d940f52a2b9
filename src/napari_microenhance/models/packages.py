"""Packages: a zip or a folder with a network in it, opened without trusting it.

Of a zip only the members that somebody asks for are extracted, into a folder of the
user's cache that is named after the zip's SHA-256.
"""

import hashlib
import os
import stat
import tempfile
import zipfile
import zlib
from collections import Counter
from pathlib import Path, PurePosixPath
from typing import IO, Final

import platformdirs

from napari_microenhance.errors import FileMissingError, ModelError
from napari_microenhance.unfinished import noted

__all__ = ["Package", "open_package", "sha256_of"]

BYTES_MOST: Final = 8 << 30
"""Of all members together, unpacked."""

BYTES_HARMLESS: Final = 64 << 20
"""Up to here any compression goes: a test image of zeros shrinks a thousandfold."""

RATIO_MOST: Final = 100
"""Unpacked bytes per packed byte beyond `BYTES_HARMLESS`; weights reach 2."""

MEMBERS_MOST: Final = 10_000

CHUNK: Final = 1 << 20

ENCRYPTED: Final = 0x1
"""Bit of a zip member's flags."""


class Package:
    """The files of a zip or a folder, by their names with forward slashes.

    Parameters
    ----------
    path : Path
        A zip, or a folder.

    Attributes
    ----------
    path : Path
    sha256 : str
        Of the zip; empty for a folder.
    names : tuple of str
        Of all files in a zip; empty for a folder, which is never searched.

    Raises
    ------
    FileMissingError
        If nothing is there.
    ModelError
        If it is no zip, one that leads out of its folder, or one that would unpack to
        more than a network can be.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.sha256 = ""
        self._members: dict[str, zipfile.ZipInfo] = {}
        if path.is_dir():
            return
        try:
            with zipfile.ZipFile(path) as archive:
                members = archive.infolist()
            self.sha256 = sha256_of(path)
        except FileNotFoundError as error:
            raise FileMissingError(f"There is no package {str(path)!r}.") from error
        except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
            raise ModelError(
                f"The package {path.name} is not a zip file, or it is truncated; download it again."
            ) from error
        except OSError as error:
            raise ModelError(
                f"The package {path.name} cannot be read: {error.strerror}."
            ) from error
        self._members = _checked(members, path.name)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all files in a zip."""
        return tuple(self._members)

    def holds(self, name: str) -> bool:
        """Whether there is a file of that name.

        Parameters
        ----------
        name : str
            With forward slashes.

        Returns
        -------
        bool
        """
        if self.path.is_dir():
            return _is_inside(name) and self._inside(name).is_file()
        return name in self._members

    def read(self, name: str, *, most: int = 16 << 20) -> bytes:
        """Return one file's bytes.

        Parameters
        ----------
        name : str
        most : int
            A longer file is refused, bytes.

        Raises
        ------
        ModelError
            If there is no such file, or it is longer or damaged.
        """
        path = self.extract(name, most=most)
        try:
            return path.read_bytes()
        except OSError as error:
            raise ModelError(
                f"{name} in the package {self.path.name} cannot be read: {error.strerror}."
            ) from error

    def extract(self, name: str, *, most: int = BYTES_MOST) -> Path:
        """Return the path of one file: in a folder itself, of a zip its copy in the cache.

        Parameters
        ----------
        name : str
        most : int
            A longer file is refused, bytes.

        Raises
        ------
        ModelError
            If there is no such file, it is longer or damaged, or the cache cannot be written.
        """
        if not self.holds(name):
            raise ModelError(f"The package {self.path.name} has no file {name!r}.")
        if self.path.is_dir():
            source = self._inside(name)
            _check_length(name, source.stat().st_size, most, self.path.name)
            return source
        member = self._members[name]
        _check_length(name, member.file_size, most, self.path.name)
        if member.flag_bits & ENCRYPTED:
            raise ModelError(f"The package {self.path.name} needs a password; unpack it yourself.")
        target = cache_folder(self.sha256).joinpath(*PurePosixPath(name).parts)
        if not _is_copy(target, member):
            self._unpack(member, target)
        return target

    def _inside(self, name: str) -> Path:
        """Return the path of a file that lies in the folder, links followed."""
        found = (self.path / name).resolve()
        if not found.is_relative_to(self.path.resolve()):
            raise _leads_out(name, self.path.name)
        return found

    def _unpack(self, member: zipfile.ZipInfo, target: Path) -> None:
        """Write a member's bytes; the file appears whole or not at all."""
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            handle, partial = tempfile.mkstemp(dir=target.parent, prefix=".unpacking-")
            try:
                with (
                    noted(Path(partial), target),
                    os.fdopen(handle, "wb") as copy,
                    zipfile.ZipFile(self.path) as archive,
                    archive.open(member) as packed,
                ):
                    _copy(packed, copy)
                os.replace(partial, target)
            finally:
                Path(partial).unlink(missing_ok=True)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
            raise ModelError(
                f"{member.filename} in the package {self.path.name} is damaged; download it again."
            ) from error
        except OSError as error:
            raise ModelError(
                f"{member.filename} of the package {self.path.name} cannot be unpacked: "
                f"{error.strerror}."
            ) from error


def open_package(path: str | os.PathLike[str]) -> Package:
    """Open a zip or a folder; nothing is extracted yet.

    Parameters
    ----------
    path : str or path

    Returns
    -------
    Package
        It says what is raised.
    """
    return Package(Path(path))


def cache_folder(sha256: str) -> Path:
    """Return where the members of a zip are extracted to."""
    return Path(platformdirs.user_cache_dir("napari-microenhance", appauthor=False)) / (
        f"packages/{sha256}"
    )


def sha256_of(*paths: Path) -> str:
    """Return the SHA-256 of one file, or of several one after the other.

    Parameters
    ----------
    *paths : Path

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
    return digest.hexdigest()


def _checked(infos: list[zipfile.ZipInfo], package: str) -> dict[str, zipfile.ZipInfo]:
    """Return the members by name once none leads out and all together are of a sane size."""
    if len(infos) > MEMBERS_MOST:
        raise ModelError(
            f"The package {package} holds {len(infos):,} files, at most {MEMBERS_MOST:,} are "
            "accepted; it is not a model."
        )
    for info in infos:
        if not _is_inside(info.filename.rstrip("/")) or stat.S_ISLNK(info.external_attr >> 16):
            raise _leads_out(info.filename, package)
    files = [info for info in infos if not info.is_dir()]
    name, count = Counter(info.filename for info in files).most_common(1)[0] if files else ("", 0)
    if count > 1:
        raise ModelError(
            f"The package {package} holds {name} {count} times; only one can be meant."
        )
    total = sum(info.file_size for info in files)
    packed = sum(info.compress_size for info in files)
    too_dense = [i for i in files if _is_dense(i.file_size, i.compress_size)]
    if total > BYTES_MOST or _is_dense(total, packed) or too_dense:
        raise ModelError(
            f"The package {package} would unpack from {packed:,} to {total:,} bytes, which no "
            "model needs; nothing was unpacked."
        )
    return {info.filename: info for info in files}


def _is_dense(size: int, packed: int) -> bool:
    """Whether so few bytes unpack to so many that it is a trap."""
    return size > BYTES_HARMLESS and size > RATIO_MOST * packed


def _is_inside(name: str) -> bool:
    """Whether a member's name stays in the folder that it is extracted to, on any system."""
    parts = name.split("/")
    return not any(part in ("", ".", "..") or set(part) & set('\\:\0<>"|?*') for part in parts)


def _leads_out(name: str, package: str) -> ModelError:
    """Return the sentence for a name that could be written outside the cache."""
    return ModelError(
        f"The package {package} holds {name!r}, a path outside its own folder; nothing was "
        "unpacked."
    )


def _check_length(name: str, length: int, most: int, package: str) -> None:
    """Raise if a file is longer than what it is read for can be."""
    if length > most:
        raise ModelError(
            f"{name} in the package {package} has {length:,} bytes, at most {most:,} are accepted."
        )


def _is_copy(target: Path, member: zipfile.ZipInfo) -> bool:
    """Whether an earlier copy of a member is still whole."""
    if not target.is_file() or target.stat().st_size != member.file_size:
        return False
    found = 0
    with target.open("rb") as file:
        while chunk := file.read(CHUNK):
            found = zlib.crc32(chunk, found)
    return found == member.CRC


def _copy(packed: IO[bytes], copy: IO[bytes]) -> None:
    """Copy a member; zipfile itself never gives more bytes than the declared size."""
    while chunk := packed.read(CHUNK):
        copy.write(chunk)
