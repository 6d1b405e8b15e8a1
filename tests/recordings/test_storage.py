"""The store: locations cannot lead out of it, and its troubles are told apart."""

import os
from pathlib import Path

import pytest

from recordings.errors import AudioMissingError, BadLocationError, StoreUnavailableError
from recordings.storage import RecordingStore, checked_location


@pytest.mark.parametrize(
    "location",
    [
        "",
        "/etc/passwd",
        "..",
        "../x.wav",
        "a/../../x.wav",
        "a/./x.wav",
        "a//x.wav",
        "a/",
        ".hidden",
        "a\\..\\x.wav",
        "file:///etc/passwd",
        "http://host/x.wav",
        "x\x00.wav",
        "x\n.wav",
        "a/" * 300 + "x.wav",
        "é.wav",
        "%2e%2e/x.wav",
    ],
)
def test_a_location_that_is_no_plain_relative_url_is_refused(tmp_path: Path, location: str) -> None:
    store = RecordingStore(tmp_path)
    with pytest.raises(BadLocationError):
        checked_location(location)
    for refused in (store.size, store.delete):
        with pytest.raises(BadLocationError):
            refused(location)


def test_a_symbolic_link_does_not_lead_out_of_the_store(tmp_path: Path) -> None:
    secret = tmp_path / "secret.wav"
    secret.write_bytes(b"secret")
    store = RecordingStore(tmp_path / "recordings")
    store.prepare()
    os.symlink(tmp_path, tmp_path / "recordings" / "out")
    with pytest.raises(BadLocationError, match="leads out"):
        store.size("out/secret.wav")


def test_a_folder_that_is_itself_a_link_is_a_store(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    os.symlink(tmp_path / "disk", tmp_path / "recordings")
    store = RecordingStore(tmp_path / "recordings")
    store.prepare()
    (tmp_path / "disk" / "a.wav").write_bytes(b"12345")
    assert store.size("a.wav") == 5
    assert list(store.list()) == ["a.wav"]


def test_a_missing_file_is_missing_and_a_folder_is_no_file(tmp_path: Path) -> None:
    store = RecordingStore(tmp_path)
    (tmp_path / "folder.wav").mkdir()
    with pytest.raises(AudioMissingError):
        store.size("nothing.wav")
    with pytest.raises(AudioMissingError), store.open("folder.wav"):
        pass
    with pytest.raises(AudioMissingError), store.open("nothing.wav/x.wav"):
        pass
    store.delete("nothing.wav")


def test_a_store_that_cannot_be_created_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreUnavailableError, match="cannot be used: Not a directory"):
        RecordingStore(tmp_path / "file" / "recordings").prepare()


def test_preparing_twice_keeps_what_is_there(tmp_path: Path) -> None:
    store = RecordingStore(tmp_path / "recordings")
    store.prepare()
    (tmp_path / "recordings" / "a.wav").write_bytes(b"x")
    store.prepare()
    store.check()
    assert store.size("a.wav") == 1
