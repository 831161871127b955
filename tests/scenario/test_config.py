"""Bad configuration: one line that names the key and says what is accepted."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fpsim import load
from fpsim.scenario import available, load_scenario, parse_assignments, run, scenario_from
from fpsim.support.errors import ConfigError, DomainError

BAD = {
    "sgd.learning_rate": (-1, "sgd.learning_rate = -1", "greater than 0"),
    "sgd.learning_rat": (0.1, "unknown key; did you mean learning_rate?", "batch_size"),
    "sgd.sampling": ("epoch", "sgd.sampling = 'epoch'", "'epochs'"),
    "start.offset.mean": ([1, 2, 3], "start.offset.mean has 3 entries", "one number or up to 2"),
    "typo": (1, "typo: unknown key", "sgd"),
    "sgd": (3, "sgd = 3", "dictionary"),
    "theory.laws": (["magic"], "theory.laws.0 = 'magic'", "mean-field"),
    "time.end": (float("inf"), "time.end = inf", "finite"),
    "time.records": (1000, "time.records = 1000", "200 steps"),
    "network.bottleneck": (17, "network.bottleneck = 17", "less than or equal to 16"),
    "ensemble.replicas": (3, "ensemble.replicas = 3", "greater than or equal to 100"),
}


@pytest.mark.parametrize("key", BAD)
def test_bad_key_or_value_is_named(key):
    value, names, accepts = BAD[key]
    with pytest.raises(ConfigError) as caught:
        load_scenario("digits-bottleneck", changes={key: value})
    message = str(caught.value)
    assert names in message
    assert accepts in message
    assert "\n" not in message


def test_unknown_scenario_suggests_the_nearest():
    with pytest.raises(ConfigError, match=r"unknown; did you mean digits-bottleneck\?"):
        load_scenario("digits-botleneck")


def test_file_that_is_no_toml(tmp_path):
    path = tmp_path / "bad.toml"
    path.write_text("[sgd\nlearning_rate=1")
    with pytest.raises(ConfigError, match="not a TOML file"):
        load_scenario(str(path))
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not a TOML file"):
        load_scenario(str(path))


@pytest.mark.parametrize("name", available())
def test_resolved_configuration_reads_back_equal(name):
    for quick in (False, True):
        scenario = load_scenario(name, quick=quick)
        assert scenario_from(tomllib.loads(scenario.config)) == scenario
        assert scenario.purpose


def test_quick_changes_what_it_says():
    full, quick = (load_scenario("digits-bottleneck", quick=q) for q in (False, True))
    assert quick.parameters.ensemble.replicas < full.parameters.ensemble.replicas == 50_000
    assert quick.parameters.sgd == full.parameters.sgd
    assert "ensemble.replicas = 5000 (was: 50000)" in quick.changed


def test_assignments_are_toml_and_bare_words_are_strings():
    assert parse_assignments(["a.b=0.5", "c=tanh", "d=[1, 2]", "e=true"]) == {
        "a.b": 0.5,
        "c": "tanh",
        "d": [1, 2],
        "e": True,
    }
    with pytest.raises(ConfigError, match="key=value"):
        parse_assignments(["a.b"])


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
sections = ["sgd", "problem", "ensemble", "quick", "scenario", "name", "title", "description", "seed"]


@given(st.dictionaries(st.sampled_from(sections) | st.text(max_size=6), json_like, max_size=4))
@example({"quick": {"": {"": None}}})
def test_any_mapping_gives_a_scenario_or_a_config_error(raw):
    for quick in (False, True):
        try:
            scenario = scenario_from({"scenario": "momentum", **raw}, quick=quick)
        except ConfigError as error:
            assert str(error)
        else:
            assert scenario_from(tomllib.loads(scenario.config)).parameters == scenario.parameters


def test_quick_values_are_values():
    for nothing in (None, [1, None], {"a": [None]}, "many"):
        with pytest.raises(ConfigError, match=r"ensemble.replicas"):
            scenario_from({"scenario": "momentum", "quick": {"ensemble": {"replicas": nothing}}})


def test_a_section_in_part_keeps_the_rest():
    """And a table of named parts is replaced as a whole."""
    sgd = scenario_from({"scenario": "bottleneck", "sgd": {"batch_size": 3}}).parameters.sgd
    assert (sgd.batch_size, sgd.temperature) == (3, 0.002)
    starts = scenario_from({"scenario": "bottleneck", "start": {"mine": {"std": 0.2}}}).parameters.start
    assert list(starts) == ["mine"]


def test_integers_beyond_64_bits_are_refused():
    for key, value in {"seed": 2**64, "sgd.batch_size": -(2**70)}.items():
        with pytest.raises(ConfigError, match=f"{key} = .*integers of 64 bits"):
            load_scenario("digits-bottleneck", changes={key: value})


WRONG_TYPES = {
    "a number for a name": lambda: load_scenario(3),
    "a number for changes": lambda: load_scenario("momentum", changes=3),
    "a name for a scenario": lambda: run("momentum"),
    "a mapping for a scenario": lambda: run({"kind": "momentum"}),
    "a number for a file": lambda: load(3),
}


@pytest.mark.parametrize("case", WRONG_TYPES)
def test_wrong_types_are_told_in_one_line(case):
    with pytest.raises(DomainError, match=r"^\w+ is .*: .* accepted.*$"):
        WRONG_TYPES[case]()


def test_a_path_is_as_good_as_its_name(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('scenario = "momentum"\nname = "mine"\n')
    assert load_scenario(path) == load_scenario(str(path))
