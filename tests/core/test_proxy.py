"""Proxies of the environment."""

from pathlib import Path

import pytest

from roboflow_evals_async import EvalsClient
from roboflow_evals_async.core.transport import proxy_for
from roboflow_evals_async.testing import StandIn


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize(
    ("environment", "address", "proxy"),
    [
        ({}, "https://api.roboflow.com", None),
        ({"https_proxy": "http://proxy:3128"}, "https://api.roboflow.com", "http://proxy:3128"),
        ({"https_proxy": "http://proxy:3128"}, "http://127.0.0.1:9", None),
        ({"all_proxy": "http://proxy:3128"}, "http://api.example.com", "http://proxy:3128"),
        ({"all_proxy": "http://proxy:3128", "no_proxy": "example.com"}, "http://api.example.com", None),
    ],
)
def test_the_environment_names_the_proxy(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], address: str, proxy: str | None
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert proxy_for(address) == proxy


async def test_calls_go_through_the_proxy_and_netrc_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password something\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    async with StandIn() as server:
        # The stand-in takes absolute request lines, as a proxy does: whatever the address, the call arrives there.
        monkeypatch.setenv("http_proxy", server.url)
        async with EvalsClient(
            api_key=server.api_key, workspace=server.workspace, base_url="http://api.example.invalid"
        ) as client:
            assert len(await client.evals(limit=1)) == 1
        assert [request.auth for request in server.requests] == ["bearer"]
