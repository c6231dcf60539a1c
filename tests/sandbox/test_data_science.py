"""The profile data_science; needs the extra of that name."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from ael.errors import AelError
from ael.sandbox.contract import CodeFailure, CodeRequest, CodeSource, PackageSet
from ael.sandbox.pool import KernelSandbox

pytest.importorskip("numpy")
pytest.importorskip("pandas")

PROFILE = PackageSet(profile="data_science")


@pytest.fixture
async def sandbox() -> AsyncIterator[KernelSandbox]:
    made = KernelSandbox()
    yield made
    await made.close()


async def no_tools(name: str, params: object) -> None:
    raise AssertionError(name)


async def blob_of(sandbox: KernelSandbox, code: str) -> bytes:
    (facts,) = await sandbox.check(PROFILE, [CodeSource(step_id="s", source=code)])
    assert not facts.problems, facts.problems
    return facts.blob


async def run(sandbox: KernelSandbox, blob: bytes, seed: int = 1) -> object:
    async with sandbox.session("e", PROFILE) as session:
        return (await session.run(CodeRequest(blob=blob, seed=seed), no_tools)).result


FRAMES = """
import numpy as np
import pandas as pd
frame = pd.DataFrame({"group": ["a", "b", "a"], "value": [1.5, 2.0, 2.5], "day": pd.to_datetime(["2024-01-01"] * 3)})
means = frame.groupby("group")["value"].mean()
wide = frame.merge(pd.DataFrame({"group": ["a", "b"], "name": ["Ada", "Bo"]}), on="group")
solved = np.linalg.solve(np.array([[2.0, 0.0], [0.0, 4.0]]), np.array([2.0, 2.0]))
return {
    "means": means.to_dict(),
    "names": wide["name"].tolist(),
    "solved": solved.tolist(),
    "text": frame["day"].dt.strftime("%d.%m.%Y").iloc[0],
    "pivot": frame.pivot_table(index="group", values="value", aggfunc="sum")["value"].tolist(),
}
"""


async def test_numpy_and_pandas_work_also_in_executions_at_once(sandbox: KernelSandbox) -> None:
    blob = await blob_of(sandbox, FRAMES)
    for result in await asyncio.gather(*(run(sandbox, blob) for _ in range(8))):
        assert result == {
            "means": {"a": 2.0, "b": 2.0},
            "names": ["Ada", "Bo", "Ada"],
            "solved": [1.0, 0.5],
            "text": "01.01.2024",
            "pivot": [4.0, 2.0],
        }


CHANCE = """
import numpy as np
return [
    int(np.random.default_rng().integers(1 << 40)),
    int(np.random.rand() * 1e9),
    int(np.random.SeedSequence().entropy % 2**60),
    int(np.random.Generator(np.random.PCG64()).integers(1 << 40)),
]
"""


async def test_every_generator_without_a_seed_follows_the_executions(sandbox: KernelSandbox) -> None:
    blob = await blob_of(sandbox, CHANCE)
    first, again, other = await run(sandbox, blob, 7), await run(sandbox, blob, 7), await run(sandbox, blob, 8)
    assert first == again
    assert first != other


@pytest.mark.parametrize(
    "code",
    [
        "import numpy as np\nreturn np.fromfile('/etc/passwd', dtype='u1').tolist()",
        "import pandas as pd\nreturn pd.read_csv('/etc/passwd').to_dict()",
        "import pandas as pd\nreturn pd.read_json('http://127.0.0.1:1/').to_dict()",
        "import numpy as np\nnp.save('/tmp/x', np.zeros(1))\nreturn 1",
    ],
)
async def test_what_they_offer_beyond_computing_ends_at_the_kernel(sandbox: KernelSandbox, code: str) -> None:
    blob = await blob_of(sandbox, code)
    with pytest.raises(CodeFailure) as caught:
        await run(sandbox, blob)
    assert isinstance(caught.value.error, AelError)
    assert caught.value.error.code in {"CODE_SECURITY", "CODE_RUNTIME"}
