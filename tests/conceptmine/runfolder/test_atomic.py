"""A file or folder is whole under its name, or it is not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from conceptmine.runfolder.atomic import atomic_folder, atomic_path, remove_partial, write_bytes


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "table"
    write_bytes(target, b"old")
    with pytest.raises(KeyboardInterrupt), atomic_path(target) as partial:
        partial.write_bytes(b"half of the n")
        raise KeyboardInterrupt
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_write_replaces_the_file(tmp_path: Path) -> None:
    target = tmp_path / "table"
    write_bytes(target, b"old")
    write_bytes(target, b"new")
    assert target.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [target]


def test_files_get_the_permissions_that_other_files_get(tmp_path: Path) -> None:
    write_bytes(tmp_path / "ours", b"")
    (tmp_path / "plain").write_bytes(b"")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_folder_appears_when_it_is_complete_and_replaces_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "store"
    for content in ("old", "new"):
        with atomic_folder(target) as partial:
            (partial / content).write_text(content)
            assert not (target / content).exists()
    assert [path.name for path in target.iterdir()] == ["new"]
    assert list(tmp_path.iterdir()) == [target]


def test_a_failed_folder_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), atomic_folder(tmp_path / "store") as partial:
        (partial / "file").write_text("x")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_writer_left_is_found_at_any_depth(tmp_path: Path) -> None:
    (tmp_path / "scratch" / ".store.77.partial").mkdir(parents=True)
    (tmp_path / "scratch" / ".store.77.partial" / "block1.bin").write_bytes(b"x")
    (tmp_path / ".games.parquet.77.partial").write_bytes(b"x")
    (tmp_path / "games.parquet").write_bytes(b"x")
    assert remove_partial(tmp_path) == 2
    assert {path.name for path in tmp_path.rglob("*")} == {"scratch", "games.parquet"}
