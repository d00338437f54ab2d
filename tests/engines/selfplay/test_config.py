"""Campaign files: what is valid is read as it stands, what is not is refused in one sentence."""

from __future__ import annotations

import json
from dataclasses import MISSING, fields, replace
from pathlib import Path
from typing import Any

import pytest

from engines.selfplay import Campaign, campaign, read_campaign
from engines.selfplay.config import NetworkSize, campaign_of

SHIPPED = Path(campaign.__file__).with_name("small.toml")
NUMBERS = [entry for entry in fields(Campaign) if "least" in entry.metadata]


def toml(settings: dict[str, Any]) -> str:
    """The settings as a TOML file has them; JSON writes their values alike."""
    network = settings.pop("network", {})
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    lines += ["[network]", *(f"{name} = {value}" for name, value in network.items())]
    return "\n".join(lines)


def read(folder: Path, text: str) -> Campaign:
    path = folder / "campaign.toml"
    path.write_text(text, encoding="utf-8")
    return read_campaign(path)


def refusal(folder: Path, text: str) -> str:
    """Why the file is refused: one sentence that begins with its name."""
    with pytest.raises(ValueError) as refused:
        read(folder, text)
    said = str(refused.value)
    assert "\n" not in said
    assert said.startswith(str(folder / "campaign.toml"))
    return said.removeprefix(str(folder / "campaign.toml"))


def test_the_shipped_campaign_is_valid() -> None:
    shipped = read_campaign(SHIPPED)
    assert shipped.name == "ladder"
    assert shipped.checkpoints[0] == 0
    assert shipped.network == NetworkSize(filters=32, blocks=4, se_channels=8)


def test_an_empty_file_is_a_campaign_of_defaults(tmp_path: Path) -> None:
    assert read(tmp_path, "") == Campaign()


def test_settings_come_back_from_toml_and_from_json(tmp_path: Path) -> None:
    other = Campaign(
        name="other-1.2",
        seed=7,
        network=NetworkSize(filters=16, blocks=2, se_channels=4),
        search="alphazero",
        full_share=1.0,
        resign_errors=0.0,
        learning_rate=1e-3,
        mirrored=False,
        checkpoints=(5, 60_000),
        save_every_seconds=3.5,
    )
    for settings in (Campaign(), other, read_campaign(SHIPPED)):
        assert campaign_of(json.loads(json.dumps(settings.as_json()))) == settings
        assert read(tmp_path, toml(settings.as_json())) == settings
    assert not [
        entry.name
        for entry in fields(Campaign)
        if entry.default is not MISSING and isinstance(entry.default, float) and "least" not in entry.metadata
    ], "every number has a range"


@pytest.mark.parametrize("entry", NUMBERS, ids=[entry.name for entry in NUMBERS])
def test_numbers_have_ranges_that_are_named(entry: Any, tmp_path: Path) -> None:
    name, least, most = entry.name, entry.metadata["least"], entry.metadata["most"]
    whole = isinstance(entry.default, int)
    if entry.metadata["above"]:
        assert f": {name} is {least}: it must be above {least}" in refusal(tmp_path, f"{name} = {least}")
        assert getattr(read(tmp_path, f"{name} = {least + (1 if whole else 1e-6)}"), name) > least
    else:
        assert getattr(read(tmp_path, f"{name} = {least}"), name) == least
        assert f": {name} is {least - 1}: it must be {least} or more" in refusal(tmp_path, f"{name} = {least - 1}")
    assert getattr(read(tmp_path, f"{name} = {most}"), name) == most
    assert refusal(tmp_path, f"{name} = {most + 1}").endswith(f", at most {most}")
    for value in ("true", "'many'", "[1]", "nan", "inf", "-inf"):
        assert f": {name} is " in (said := refusal(tmp_path, f"{name} = {value}"))
        assert said.endswith(f"it must be a {'whole' if whole else 'finite'} number")
    if whole:
        assert refusal(tmp_path, f"{name} = {entry.default}.0").endswith("it must be a whole number")
    else:
        assert getattr(read(tmp_path, f"{name} = {max(1, least) if most >= 1 else 0}"), name) in (0, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("games_at_once = ", " is no TOML ("),
        ("\x00", " is no TOML ("),
        ("seed = 1\nseed = 2", " is no TOML ("),
        (
            "game_at_once = 3",
            ": game_at_once is no setting of a campaign: known are name, seed, network, games_at_once",
        ),
        ("[network]\nwidth = 7", ": network.width is no setting of a campaign: known are filters, blocks, se_channels"),
        ("[network]\nfilters = 7", ": filters is 7: it must be 8 or more"),
        ("[network]\nblocks = 1.5", ": blocks is 1.5: it must be a whole number"),
        ("network = 3", ": network is 3: it must be a table with filters, blocks and se_channels"),
        ("search = 'minimax'", ": search is 'minimax': choose one of gumbel, alphazero"),
        ("search = 3", ": search is 3: choose one of"),
        ("mirrored = 1", ": mirrored is 1: it must be true or false"),
        ("overlapped = 'no'", ": overlapped is 'no': it must be true or false"),
        ("checkpoints = [100, 50]", ": checkpoints: give whole numbers from 0 up, each above the one before"),
        ("checkpoints = [0, 0]", ": checkpoints: give whole numbers"),
        ("checkpoints = [-1]", ": checkpoints: give whole numbers"),
        ("checkpoints = [1.0]", ": checkpoints: give whole numbers"),
        ("checkpoints = [true]", ": checkpoints: give whole numbers"),
        ("checkpoints = ['a']", ": checkpoints: give whole numbers"),
        ("checkpoints = 5", ": checkpoints: give a list of whole numbers"),
        ("name = '../elsewhere'", ": name is '../elsewhere': it begins the names of files"),
        ("name = ''", ": name is '': "),
        ("name = 'a b'", ": name is 'a b': "),
        ("name = '.hidden'", ": name is '.hidden': "),
        ("name = 3", ": name is 3: "),
    ],
)
def test_a_bad_file_is_refused_in_one_sentence_that_names_file_and_field(
    text: str, message: str, tmp_path: Path
) -> None:
    assert refusal(tmp_path, text).startswith(message)


def test_no_file_a_folder_and_no_text_are_refused(tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "none.toml", "No such file or directory"), (tmp_path, "Is a directory")):
        with pytest.raises(ValueError, match=f"cannot be read \\({reason}\\): give a campaign in TOML"):
            read_campaign(path)
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match=r"binary\.toml is no text: give a campaign in TOML"):
        read_campaign(binary)


def test_values_given_in_python_are_checked_alike() -> None:
    for wrong in ({"batch_size": 0}, {"full_share": 0.0}, {"replay_ratio": float("nan")}, {"search": "none"}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            replace(Campaign(), **wrong)
    with pytest.raises(ValueError, match="filters is True"):
        NetworkSize(filters=True)
