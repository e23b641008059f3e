"""Rendering: numbers as people read them, and everything escaped."""

from __future__ import annotations

from importlib import resources

import jinja2
import pytest

from pages import rendering


@pytest.mark.parametrize(
    ("filter_", "value", "text"),
    [
        ("count", 0, "0"),
        ("count", 1234567, "1\u202f234\u202f567"),
        ("count", -5, "\u22125"),
        ("number", None, "\u2013"),
        ("number", 0.0, "0"),
        ("number", 0.04999, "0.05"),
        ("number", 99.97, "100"),
        ("number", 1234.5, "1\u202f234"),
        ("number", -23.456, "\u221223.5"),
        ("clock", 0.0, "0:00"),
        ("clock", 3599.9, "59:59"),
        ("clock", 36005.0, "10:00:05"),
        ("lasting", 59.94, "59.9 s"),
        ("lasting", 61.0, "1:01"),
        ("amount", 999, "999 B"),
        ("amount", 1_234_000, "1.2 MB"),
        ("amount", 5e15, "5000.0 TB"),
        ("words", "low_bit_rate", "low bit rate"),
        ("percent", 0.031, "3.1 %"),
        ("percent", 0.62, "62 %"),
        ("percent", 0, "0 %"),
    ],
)
def test_values_as_people_read_them(filter_, value, text):
    assert rendering.environment().filters[filter_](value) == text


def test_templates_escape_and_miss_nothing():
    environment = rendering.environment()
    assert environment.from_string("{{ x }}").render(x="<b>&'\"") == "&lt;b&gt;&amp;&#39;&#34;"
    script = environment.from_string("{{ x|tojson }}").render(x="</script><!--\u2028")
    assert not set("<>\u2028") & set(script)
    with pytest.raises(jinja2.UndefinedError):
        environment.from_string("{{ nothing }}").render()


def test_every_template_compiles_and_marks_nothing_as_safe():
    environment = rendering.environment()
    for name in environment.list_templates():
        environment.get_template(name)
        source = (resources.files("pages") / "templates" / name).read_text("utf-8")
        assert "|safe" not in source.replace(" ", ""), name
        assert "autoescape" not in source, name
