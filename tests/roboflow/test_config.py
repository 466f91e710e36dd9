"""Where key, workspace and address come from: argument, environment, the official SDK's file, default."""

import itertools
import json
import os
from pathlib import Path
from typing import Any

import pytest

from roboflow_evals_async import ConfigError, EvalsClient, InvalidArgumentError
from roboflow_evals_async.core.tasks import gather
from roboflow_evals_async.roboflow.config import Config, file_path, read_file, resolve
from roboflow_evals_async.testing import EvaluationSpec, Fault, StandIn, World

from .server import Answer, answering

DEFAULT_URL = "https://api.roboflow.com"


def written(folder: Path, content: Any) -> dict[str, str]:
    """An environment whose file has this content: bytes as they are, anything else as JSON."""
    path = folder / "settings.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return {"ROBOFLOW_CONFIG_DIR": str(path)}


def login(*slugs: str, default: str | None = None) -> dict[str, Any]:
    """The file as the official command writes it."""
    entries = {f"id-{slug}": {"url": slug, "name": slug.title(), "apiKey": f"key-of-{slug}"} for slug in slugs}
    return {"workspaces": entries, **({"RF_WORKSPACE": default} if default else {})}


def key_of(config: Config) -> str:
    """The key that was found."""
    return config.key.value


# -- the order ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [*itertools.product([True, False], repeat=3)])
def test_the_key_comes_from_the_first_place_that_has_one(tmp_path: Path, given: tuple[bool, bool, bool]) -> None:
    argument, environment, file = given
    environ = written(tmp_path, login("w", default="w") if file else {})
    if environment:
        environ["ROBOFLOW_API_KEY"] = "of-env"
    expected = "of-arg" if argument else "of-env" if environment else "key-of-w" if file else None
    if expected is None:
        with pytest.raises(ConfigError, match=r"^There is no API key\."):
            resolve(environ=environ)
    else:
        assert key_of(resolve(api_key="of-arg" if argument else None, environ=environ)) == expected


@pytest.mark.parametrize("given", [*itertools.product([True, False], repeat=4)])
def test_the_workspace_comes_from_the_first_place_that_has_one(
    tmp_path: Path, given: tuple[bool, bool, bool, bool]
) -> None:
    argument, sdk, ours, file = given
    environ = written(tmp_path, {"RF_WORKSPACE": "of-file"} if file else {})
    if sdk:
        environ["RF_WORKSPACE"] = "of-sdk"
    if ours:
        environ["ROBOFLOW_WORKSPACE"] = "of-ours"
    config = resolve(api_key="k", workspace="of-arg" if argument else None, environ=environ)
    names = ("of-arg", "of-sdk", "of-ours", "of-file")
    assert config.workspace == next((name for name, has in zip(names, given, strict=True) if has), None)


@pytest.mark.parametrize("given", [*itertools.product([True, False], repeat=6)])
def test_the_address_comes_from_the_first_place_that_has_one(tmp_path: Path, given: tuple[bool, ...]) -> None:
    """Every setting of the environment goes before every setting of the file; an address goes before a region."""
    base_url, region, env_url, env_region, file_url, file_region = given
    content = {"API_URL": "https://of.file"} if file_url else {}
    environ = written(tmp_path, {**content, **({"ROBOFLOW_REGION": "eu"} if file_region else {})})
    if env_url:
        environ["API_URL"] = "https://of.env"
    if env_region:
        environ["ROBOFLOW_REGION"] = "EU"
    config = resolve(
        api_key="k",
        base_url="https://of.arg" if base_url else None,
        region=" eu " if region else None,
        environ=environ,
    )
    places = ("https://of.arg", "https://api.roboflow.eu", "https://of.env") * 2
    places = (*places[:3], "https://api.roboflow.eu", "https://of.file", "https://api.roboflow.eu")
    assert config.base_url == next((place for place, has in zip(places, given, strict=True) if has), DEFAULT_URL)


@pytest.mark.parametrize(
    ("region", "stage", "url"),
    [
        ("us", "prod", DEFAULT_URL),
        ("eu", "prod", "https://api.roboflow.eu"),
        ("us", "staging", "https://api.roboflow.one"),
        ("EU", " Staging ", "https://api.roboflow-eu.one"),
        ("eu", "", "https://api.roboflow.eu"),
    ],
)
def test_the_official_hosts(tmp_path: Path, region: str, stage: str, url: str) -> None:
    for environ in (
        {"ROBOFLOW_ENVIRONMENT": stage, "ROBOFLOW_REGION": region},
        written(tmp_path, {"ROBOFLOW_ENVIRONMENT": stage, "ROBOFLOW_REGION": region}),
    ):
        assert resolve(api_key="k", environ=environ).base_url == url


@pytest.mark.parametrize("region", ["mars", "us-east-1", ""])
def test_an_unknown_region_is_refused_and_not_taken_for_the_us(region: str) -> None:
    if region:
        for arguments, environ in (({"region": region}, {}), ({}, {"ROBOFLOW_REGION": region})):
            with pytest.raises(ConfigError, match=f"region '{region}' .* is unknown"):
                resolve(api_key="k", environ=environ, **arguments)
    else:
        assert resolve(api_key="k", region=region, environ={}).base_url == DEFAULT_URL


@pytest.mark.parametrize(
    "name", ["ROBOFLOW_API_KEY", "RF_WORKSPACE", "ROBOFLOW_WORKSPACE", "API_URL", "ROBOFLOW_REGION"]
)
def test_an_empty_variable_counts_as_unset(tmp_path: Path, name: str) -> None:
    file = {**login("w", default="w"), "API_URL": "https://of.file"}
    environ = {**written(tmp_path, file), name: ""}
    config = resolve(environ=environ)
    assert (key_of(config), config.workspace, config.base_url) == ("key-of-w", "w", "https://of.file")


# -- the file ----------------------------------------------------------------------------------------------------------


def test_the_key_is_that_of_the_workspace_asked_for(tmp_path: Path) -> None:
    environ = written(tmp_path, login("a", "b", default="a"))
    assert key_of(resolve(environ=environ)) == "key-of-a"
    assert key_of(resolve(workspace="b", environ=environ)) == "key-of-b"
    assert key_of(resolve(environ={**environ, "RF_WORKSPACE": "b"})) == "key-of-b"
    assert resolve(workspace="b", environ=environ).workspace == "b"
    # As the official SDK does: the default workspace's key, where the one asked for has none of its own.
    assert key_of(resolve(workspace="c", environ=environ)) == "key-of-a"


BROKEN_SHAPES: dict[str, Any] = {
    "workspaces a text": {"workspaces": "w"},
    "workspaces a list": {"workspaces": [{"url": "w", "apiKey": "k"}]},
    "workspaces null": {"workspaces": None},
    "an entry that is a text": {"workspaces": {"id": "w"}},
    "an entry without a key": {"workspaces": {"id": {"url": "w"}}},
    "an entry with a null key": {"workspaces": {"id": {"url": "w", "apiKey": None}}},
    "an entry with a blank key": {"workspaces": {"id": {"url": "w", "apiKey": " "}}},
    "an entry with a number for a key": {"workspaces": {"id": {"url": "w", "apiKey": 7}}},
    "an entry without a workspace": {"workspaces": {"id": {"apiKey": "k"}}},
    "an entry with a list for a workspace": {"workspaces": {"id": {"url": ["w"], "apiKey": "k"}}},
    "RF_WORKSPACE a number": {"RF_WORKSPACE": 7, "workspaces": {}},
    "RF_WORKSPACE not among them": {"RF_WORKSPACE": "w", "workspaces": login("other")["workspaces"]},
    "empty": {},
}


@pytest.mark.parametrize("content", BROKEN_SHAPES.values(), ids=BROKEN_SHAPES.keys())
def test_a_file_of_another_shape_has_no_key_and_breaks_nothing(tmp_path: Path, content: Any) -> None:
    environ = written(tmp_path, content)
    with pytest.raises(ConfigError, match=r"^There is no API key") as caught:
        resolve(environ=environ)
    assert "roboflow login" in str(caught.value)
    assert key_of(resolve(api_key="k", environ=environ)) == "k"


@pytest.mark.parametrize("content", [b"", b"not JSON", b"[]", b'"text"', b"null", b"\xff\xfe", b'{"workspaces": '])
def test_a_file_that_is_no_json_object_is_one_clear_line(tmp_path: Path, content: bytes) -> None:
    environ = written(tmp_path, content)
    with pytest.raises(ConfigError, match=r"settings\.json cannot be read: it is no JSON object\. Mend") as caught:
        resolve(environ=environ)
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_broken_file_is_not_read_by_who_needs_nothing_of_it(tmp_path: Path) -> None:
    environ = written(tmp_path, b"not JSON")
    assert resolve(api_key="k", workspace="w", base_url="http://localhost", environ=environ).workspace == "w"
    environ |= {"ROBOFLOW_API_KEY": "k", "RF_WORKSPACE": "w", "API_URL": "http://localhost"}
    assert resolve(environ=environ).base_url == "http://localhost"


def test_a_folder_in_place_of_the_file_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot be read: Is a directory\."):
        resolve(environ={"ROBOFLOW_CONFIG_DIR": str(tmp_path)})


@pytest.mark.skipif(os.name == "nt", reason="the folders of other systems")
def test_the_file_is_where_the_official_command_keeps_it(tmp_path: Path) -> None:
    """`ROBOFLOW_CONFIG_DIR` names, despite its name, the file."""
    environ = {"HOME": str(tmp_path)}
    assert file_path(environ) == tmp_path / ".config" / "roboflow" / "config.json"
    assert file_path({**environ, "ROBOFLOW_CONFIG_DIR": "/a/file"}) == Path("/a/file")
    assert file_path({**environ, "ROBOFLOW_CONFIG_DIR": ""}) == file_path(environ)
    assert read_file(environ) == {}
    folder = tmp_path / ".config" / "roboflow"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(login("w", default="w")))
    assert key_of(resolve(environ=environ)) == "key-of-w"


def test_the_file_of_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    from roboflow_evals_async.roboflow import config

    class Windows:
        """An `os` of that name."""

        name = "nt"

    monkeypatch.setattr(config, "os", Windows)
    assert file_path({"USERPROFILE": "home", "HOME": "other"}) == Path("home", "roboflow", "config.json")
    assert file_path({"HOME": "other"}) is None


@pytest.mark.parametrize("environ", [{}, {"HOME": ""}, {"HOME": "/dev/null"}, {"HOME": "/no/such/folder"}])
def test_no_home_means_no_file(environ: dict[str, str]) -> None:
    assert read_file(environ) == {}
    assert key_of(resolve(api_key="k", environ=environ)) == "k"


def test_a_workspace_without_a_key_is_one_clear_line() -> None:
    with pytest.raises(ConfigError) as caught:
        resolve(environ={"RF_WORKSPACE": "chess"})
    assert str(caught.value).startswith("There is no API key for workspace 'chess'. Set ROBOFLOW_API_KEY")
    assert "\n" not in str(caught.value)


def test_the_environment_of_the_process_is_read_if_none_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RF_WORKSPACE", "ROBOFLOW_WORKSPACE", "API_URL", "ROBOFLOW_REGION", "ROBOFLOW_CONFIG_DIR", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ROBOFLOW_API_KEY", "of-env")
    monkeypatch.setenv("API_URL", "http://localhost:9")
    assert (key_of(resolve()), resolve().base_url) == ("of-env", "http://localhost:9")
    assert resolve().workspace is None
    assert repr(EvalsClient()) == "<EvalsClient of http://localhost:9>"


# -- the key -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["  key-1\n", "key-1\r\n", "\tkey-1"])
def test_blanks_around_a_key_are_dropped(key: str) -> None:
    assert key_of(resolve(api_key=key, environ={})) == "key-1"
    assert key_of(resolve(environ={"ROBOFLOW_API_KEY": key})) == "key-1"


@pytest.mark.parametrize("key", ["a b", "a\nb", "a\r\nX-Header: 1", "schlüssel", "a\x00b", "“key”"])
def test_a_key_that_cannot_be_one_is_refused_without_being_shown(key: str) -> None:
    for arguments, environ in (({"api_key": key}, {}), ({}, {"ROBOFLOW_API_KEY": key})):
        with pytest.raises(ConfigError, match=r"characters that no key has\. Copy it again\.") as caught:
            resolve(environ=environ, **arguments)
        assert key not in str(caught.value)
        assert key not in repr(caught.value)


@pytest.mark.parametrize("key", ["", " ", "\n"])
def test_an_empty_key_given_is_refused_and_nothing_else_is_tried(key: str) -> None:
    with pytest.raises(ConfigError, match="is empty"):
        resolve(api_key=key, environ={"ROBOFLOW_API_KEY": "of-env"})


# -- the workspace, asked for ------------------------------------------------------------------------------------------


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process without any setting."""
    for name in ("RF_WORKSPACE", "ROBOFLOW_WORKSPACE", "ROBOFLOW_CONFIG_DIR", "HOME"):
        monkeypatch.delenv(name, raising=False)


WORLD = World(workspace="found-me", evaluations=[EvaluationSpec()])
(ID,) = WORLD.eval_ids


@pytest.mark.usefixtures("bare")
async def test_an_unknown_workspace_is_asked_for_once() -> None:
    async with StandIn(WORLD) as stand_in:
        async with EvalsClient(api_key=stand_in.api_key, base_url=stand_in.url, max_attempts=1) as client:
            view = client.with_options(timeout=5)
            await gather([lambda: client.map_results(ID), lambda: view.eval(ID), client.workspace, view.evals] * 3)
            assert await client.workspace() == await view.workspace() == "found-me"
            assert len(await client.image_predictions(ID).collect()) == 2
        paths = [request.path for request in stand_in.requests]
        assert paths.count("/") == 1
        assert paths[0] == "/"
        assert {path.split("/")[1] for path in paths[1:]} == {"found-me"}


@pytest.mark.usefixtures("bare")
async def test_a_workspace_that_is_known_is_not_asked_for() -> None:
    async with StandIn(WORLD) as stand_in:
        async with EvalsClient(api_key=stand_in.api_key, base_url=stand_in.url, workspace="found-me") as client:
            assert await client.workspace() == "found-me"
        assert stand_in.requests == []


@pytest.mark.usefixtures("bare")
async def test_asking_for_the_workspace_may_fail_and_be_tried_again() -> None:
    async with StandIn(WORLD) as stand_in:
        stand_in.faults.script(lambda request: request.path == "/", Fault.server_error(500))
        async with EvalsClient(api_key=stand_in.api_key, base_url=stand_in.url, max_attempts=1) as client:
            with pytest.raises(Exception, match="500"):
                await client.eval(ID)
            assert (await client.eval(ID)).eval_id == ID


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize("said", [{"workspace": ""}, {"workspace": ".."}, {"workspace": None}, {}])
async def test_a_server_that_names_no_workspace_is_an_error(said: dict[str, Any]) -> None:
    from roboflow_evals_async import EvalsError

    async with answering(Answer(said), workspace=None) as (client, server):
        with pytest.raises(EvalsError):
            await client.eval(ID)
    assert server.targets == ["/"]


@pytest.mark.parametrize("workspace", [" ", ".", "..", "a\nb"])
def test_a_workspace_that_names_nothing_is_refused(workspace: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        EvalsClient(api_key="k", workspace=workspace, base_url="http://localhost")
    assert caught.value.field == "workspace"
