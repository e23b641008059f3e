from __future__ import annotations

import dataclasses
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.rights.policy import REGIMES
from filters.rights.precedence import VERDICTS, Gap, Match, Question, decide, strictest
from filters.rights.records import COMPONENTS, REFUSALS, USES
from tests.filters.rights.said import WORKS, day, entries, say

FILM, PART, DUCK, MIA = (Match(name, "sha256") for name in ("film", "part", "duck", "mia"))
FACE, VOICE = Match("mia", "face"), Match("mia", "voice")
NAMED = Match("film", "text", words="'the film' in a title")


def ask(regime: str = "opt-out", **more: Any) -> Question:
    return Question(**{"use": "train", "regime": regime, "at": day(20), **more})


def yes(name: str = "yes", **more: Any) -> Any:
    return say(name, "grant", **more)


def no(name: str = "no", **more: Any) -> Any:
    return say(name, "opt_out", **more)


def consent(*components: str, name: str = "yes", **more: Any) -> Any:
    return yes(name, **{"party": "mia", "work": "mia", "components": list(components), **more})


CASES: dict[str, tuple[list[Any], list[Match], dict[str, Any], str, tuple[str, ...]]] = {
    # name: statements, matches, question, verdict, entries that decided
    "nobody said anything": ([], [FILM], {}, "allow", ()),
    "a refusal": ([no()], [FILM], {}, "deny", ("no",)),
    "a refusal for another use": ([no(uses=["display"])], [FILM], {}, "allow", ()),
    "a refusal above": ([no(work="saga")], [PART], {}, "deny", ("no",)),
    "a refusal below": ([no(work="part")], [FILM], {}, "allow", ()),
    "a refusal of everything an owner has": ([no(work=None)], [PART], {}, "deny", ("no",)),
    "a refusal of everything by somebody else": ([no(work=None, party="bolt")], [PART], {}, "allow", ()),
    "a refusal elsewhere": ([no(territories=["FR"])], [FILM], {"territories": frozenset(["DE"])}, "allow", ()),
    "a refusal somewhere among it": (
        [no(territories=["FR"])],
        [FILM],
        {"territories": frozenset(["DE", "FR"])},
        "deny",
        ("no",),
    ),
    "a refusal somewhere, asked for the world": ([no(territories=["FR"])], [FILM], {}, "deny", ("no",)),
    "a refusal of the sound": ([no(components=["sound"])], [FILM], {}, "deny", ("no",)),
    "a refusal of the sound where the picture was found": (
        [no(components=["sound"])],
        [Match("film", "fingerprint", component="picture")],
        {},
        "allow",
        (),
    ),
    "a refusal by somebody unverified": ([no(party="shady")], [FILM], {}, "deny", ("no",)),
    "a refusal that lapsed": ([no(valid_until=day(10))], [FILM], {}, "allow", ()),
    "a refusal that lapses just now": ([no(valid_until=day(20))], [FILM], {}, "allow", ()),
    "a refusal that begins just now": ([no(valid_from=day(20))], [FILM], {}, "deny", ("no",)),
    "a refusal to come": ([no(valid_from=day(21))], [FILM], {}, "allow", ()),
    "a refusal of before it was said": ([no(on=25)], [FILM], {}, "deny", ("no",)),
    "a grant lifts its own party's refusal": ([no(), yes(on=2)], [FILM], {}, "allow", ("yes",)),
    "a grant lifts nobody else's": ([no(party="bolt"), yes(on=2)], [FILM], {}, "deny", ("no",)),
    "the newest counts": ([no(on=3), yes(on=2)], [FILM], {}, "deny", ("no",)),
    "the more specific counts": ([no(on=1, work="part"), yes(on=2, work="film")], [PART], {}, "deny", ("no",)),
    "the more specific counts, granted": (
        [no(on=2, work="saga"), yes(on=1, work="part")],
        [PART],
        {},
        "allow",
        ("yes",),
    ),
    "the whole catalogue is least specific": (
        [no(on=2, work=None), yes(on=1, work="saga")],
        [PART],
        {},
        "allow",
        ("yes",),
    ),
    "a tie": ([no(), yes()], [FILM], {}, "deny", ("no", "yes")),
    "an unverified grant": ([no(party="shady"), yes(party="shady", on=2)], [FILM], {}, "deny", ("no",)),
    "a grant through who represents": ([no(), yes(on=2, through="agent")], [FILM], {}, "allow", ("yes",)),
    "a grant through somebody else": ([no(), yes(on=2, through="bolt")], [FILM], {}, "deny", ("no",)),
    "a grant elsewhere": (
        [no(), yes(on=2, territories=["FR"])],
        [FILM],
        {"territories": frozenset(["DE", "FR"])},
        "deny",
        ("no",),
    ),
    "a grant for a product": ([no(), yes(on=2, products=["shoes"])], [FILM], {}, "deny", ("no",)),
    "a grant for the product": ([no(), yes(on=2, products=["shoes"])], [FILM], {"product": "shoes"}, "allow", ("yes",)),
    "a grant for the recipient": ([no(), yes(on=2, recipients=["x"])], [FILM], {"recipient": "x"}, "allow", ("yes",)),
    "a grant for another language": ([no(), yes(on=2, languages=["fr"])], [FILM], {"language": "de"}, "deny", ("no",)),
    "a grant that lapsed": ([no(), yes(on=2, valid_until=day(20))], [FILM], {}, "deny", ("no",)),
    "a grant to come": ([no(), yes(on=2, valid_from=day(21))], [FILM], {}, "deny", ("no",)),
    "a hold": ([say("h", "hold"), yes(on=2)], [FILM], {}, "deny", ("h",)),
    "a hold above, a grant on it": ([say("h", "hold", work="saga"), yes(on=2)], [FILM], {}, "deny", ("h",)),
    "a hold replaced by its party's grant": (
        [say("h", "hold"), yes(on=2, supersedes="h")],
        [FILM],
        {},
        "allow",
        ("yes",),
    ),
    "a hold replaced by another's grant": (
        [say("h", "hold"), yes(on=2, supersedes="h", party="bolt")],
        [FILM],
        {},
        "deny",
        ("h",),
    ),
    "a hold replaced by a grant that lapsed": (
        [say("h", "hold"), yes(on=2, supersedes="h", valid_until=day(9))],
        [FILM],
        {},
        "deny",
        ("h",),
    ),
    "a minor": ([yes(work="kid", components=["likeness"])], [Match("kid", "face")], {}, "deny", ()),
    "a correction": ([no(), no("not so", on=2, supersedes="no", uses=["display"])], [FILM], {}, "allow", ()),
    "a correction by somebody unverified": (
        [no(party="shady"), no("not so", party="shady", on=2, supersedes="no", uses=["display"])],
        [FILM],
        {},
        "deny",
        ("no",),
    ),
    "two that replace each other": (
        [no("a", supersedes="b"), no("b", supersedes="a")],
        [FILM],
        {},
        "deny",
        ("a", "b"),
    ),
    "a revoke ends the grant it names": (
        [no(), yes(on=2), say("r", "revoke", on=3, target="yes", uses=["display"])],
        [FILM],
        {},
        "deny",
        ("no",),
    ),
    "a revoke to come": (
        [no(), yes(on=2), say("r", "revoke", on=3, target="yes", valid_from=day(21))],
        [FILM],
        {},
        "allow",
        ("yes",),
    ),
    "a revoke refuses, too": ([yes(), say("r", "revoke", on=3, target="yes")], [FILM], {}, "deny", ("r",)),
    "a revoke above ends what is below": (
        [yes(work="part"), say("r", "revoke", on=3, work="saga")],
        [PART],
        {},
        "deny",
        ("r",),
    ),
    "a grant after a revoke": ([yes("old"), say("r", "revoke", on=3), yes(on=4)], [FILM], {}, "allow", ("yes",)),
    "a revoked likeness": (
        [yes(party="mia", work="mia"), say("r", "revoke", "mia", "mia", 3), yes("new", party="mia", work="mia", on=4)],
        [MIA],
        {},
        "deny",
        ("r",),
    ),
    "a revoked likeness is revoked at once": (
        [yes(party="mia", work="mia"), say("r", "revoke", "mia", "mia", 3, valid_from=day(30), valid_until=day(31))],
        [MIA],
        {},
        "deny",
        ("r",),
    ),
    "all that a person consented to is revoked at once": (
        [yes(party="mia", work="mia"), say("r", "revoke", "mia", None, 3, valid_from=day(30), valid_until=day(31))],
        [MIA],
        {},
        "deny",
        ("r",),
    ),
    "a revoked likeness, consented anew by name": (
        [say("r", "revoke", "mia", "mia", 3), yes(party="mia", work="mia", on=4, supersedes="r")],
        [MIA],
        {},
        "allow",
        ("yes",),
    ),
    "a voice is refused, a face was seen": (
        [no(party="mia", work="mia", components=["voice"])],
        [FACE],
        {},
        "allow",
        (),
    ),
    "a voice is refused, a voice was heard": (
        [no(party="mia", work="mia", components=["voice"])],
        [FACE, VOICE],
        {},
        "deny",
        ("no",),
    ),
    "a face is refused, of a person who may be seen and heard": (
        [no(party="mia", work="mia", components=["face"])],
        [MIA],
        {},
        "deny",
        ("no",),
    ),
    "a likeness is refused, a voice was heard": (
        [no(party="mia", work="mia", components=["likeness"])],
        [VOICE],
        {},
        "deny",
        ("no",),
    ),
    "a hold on a voice": ([say("h", "hold", "mia", "mia", components=["voice"])], [FACE], {}, "allow", ()),
    "the consent to a voice was revoked, a face was seen": (
        [consent(), say("r", "revoke", "mia", "mia", 3, components=["voice"])],
        [FACE],
        {},
        "allow",
        ("yes",),
    ),
    "the consent to a voice was revoked, and given anew without its id": (
        [say("r", "revoke", "mia", "mia", 3, components=["voice"]), consent("voice", on=4)],
        [VOICE],
        {},
        "deny",
        ("r",),
    ),
    "a voice that sounds like a character": (
        [no(work="duck", party="bolt", components=["character"])],
        [Match("duck", "voice")],
        {},
        "deny",
        ("no",),
    ),
    "a dispute": ([yes(), say("d", "dispute", "shady")], [FILM], {}, "review", ("d",)),
    "a dispute lets nothing in": ([no(), say("d", "dispute", "shady")], [FILM], {}, "deny", ("no",)),
    "weak evidence": ([no()], [NAMED], {}, "review", ("no",)),
    "a grant on a name takes nothing away": ([yes()], [NAMED], {}, "allow", ("yes",)),
    "a name in a prompt is no weak evidence": ([no(uses=["generate"])], [NAMED], {"use": "generate"}, "deny", ("no",)),
    "a false match, says the team": (
        [no(), say("e", "exclude", "team", on=2, subject="sha256:1")],
        [FILM],
        {"subjects": frozenset(["sha256:1"])},
        "allow",
        (),
    ),
    "a false match of other footage": (
        [no(), say("e", "exclude", "team", on=2, subject="sha256:2")],
        [FILM],
        {"subjects": frozenset(["sha256:1"])},
        "deny",
        ("no",),
    ),
    "a false match, says the owner": (
        [no(), say("e", "exclude", "acme", on=2, subject="u")],
        [FILM],
        {"subjects": frozenset(["u"])},
        "allow",
        (),
    ),
    "a false match, says one of two": (
        [no(party="bolt"), say("e", "exclude", "acme", on=2, subject="u")],
        [FILM],
        {"subjects": frozenset(["u"])},
        "deny",
        ("no",),
    ),
    "what is not known yet": ([no(on=5)], [FILM], {"as_of": day(4)}, "allow", ()),
    "what is known by then": ([no(on=4)], [FILM], {"as_of": day(4)}, "deny", ("no",)),
    "a grant lifts a refusal where it was given": (
        [no(territories=["DE"]), yes(on=2, territories=["DE"])],
        [FILM],
        {"territories": frozenset(["DE", "FR"])},
        "allow",
        ("yes",),
    ),
}
OPT_IN: dict[str, tuple[list[Any], list[Match], dict[str, Any], str, tuple[str, ...]]] = {
    "nothing was recognised": ([], [], {}, "unknown", ()),
    "no grant": ([], [FILM], {}, "deny", ()),
    "a grant": ([yes()], [FILM], {}, "allow", ("yes",)),
    "a grant above": ([yes(work="saga")], [PART], {}, "allow", ("yes",)),
    "a grant of the pictures": ([yes(components=["picture"])], [FILM], {}, "deny", ()),
    "grants of pictures and sound": (
        [yes(components=["picture"]), yes("too", components=["sound"])],
        [FILM],
        {},
        "allow",
        ("too", "yes"),
    ),
    "a grant of one of two works": ([yes()], [FILM, DUCK], {}, "deny", ()),
    "grants of both works": ([yes(), yes("too", party="bolt", work="duck")], [FILM, DUCK], {}, "allow", ("too", "yes")),
    "a grant of one of two owners": ([yes(work="both")], [Match("both", "sha256")], {}, "deny", ()),
    "a grant by somebody who owns nothing of it": ([yes(party="bolt")], [FILM], {}, "deny", ()),
    "a grant of nobody's work": ([yes(work="free", party="bolt")], [Match("free", "domain")], {}, "allow", ("yes",)),
    "a grant to come": ([yes(valid_from=day(21))], [FILM], {}, "deny", ()),
    "a grant said after the moment": ([yes(on=21)], [FILM], {}, "deny", ()),
    "a grant that lapsed": ([yes(valid_until=day(19))], [FILM], {}, "deny", ()),
    "an unverified grant": ([yes(party="shady", work="free")], [Match("free", "sha256")], {}, "deny", ()),
    "a grant in one of two territories": (
        [yes(territories=["DE"])],
        [FILM],
        {"territories": frozenset(["DE", "FR"])},
        "deny",
        (),
    ),
    "a grant on a name": ([yes()], [NAMED], {}, "review", ("yes",)),
    "a person named in a prompt without a consent": ([], [Match("mia", "text")], {"use": "generate"}, "deny", ()),
    "a person named in a prompt with a consent": (
        [yes(party="mia", work="mia", uses=["generate"])],
        [Match("mia", "text")],
        {"use": "generate"},
        "allow",
        ("yes",),
    ),
    "a consent to the voice, and the voice was heard": ([consent("voice")], [VOICE], {}, "allow", ("yes",)),
    "a consent to the voice, and the face was seen": ([consent("voice")], [FACE], {}, "deny", ()),
    "a consent to the voice of who was seen and heard": ([consent("voice")], [FACE, VOICE], {}, "deny", ()),
    "a consent to the voice of a person who is named": ([consent("voice")], [MIA], {}, "deny", ()),
    "consents to face and voice": (
        [consent("voice"), consent("face", name="too")],
        [MIA],
        {},
        "allow",
        ("too", "yes"),
    ),
    "a consent to the likeness": ([consent("likeness")], [MIA, FACE, VOICE], {}, "allow", ("yes",)),
    "a consent to the voice, and only a voice is made": (
        [consent("voice")],
        [MIA],
        {"components": frozenset(["sound", "voice"])},
        "allow",
        ("yes",),
    ),
    "a consent to the voice, and a face is made, too": (
        [consent("voice")],
        [MIA],
        {"components": frozenset(["sound", "likeness"])},
        "deny",
        (),
    ),
    "a consent to the voice, where neither is said to be made": (
        [consent("voice")],
        [MIA],
        {"components": frozenset(["picture", "sound"])},
        "deny",
        (),
    ),
    "a consent for a market, a product and a language": (
        [consent(territories=["DE"], products=["shoes"], languages=["de"])],
        [MIA],
        {"territories": frozenset(["DE"]), "product": "shoes", "language": "de"},
        "allow",
        ("yes",),
    ),
    "a consent for one of two markets": (
        [consent(territories=["DE"])],
        [MIA],
        {"territories": frozenset(["DE", "FR"])},
        "deny",
        (),
    ),
    "a consent for another product": ([consent(products=["shoes"])], [MIA], {"product": "cars"}, "deny", ()),
    "a consent for another language": ([consent(languages=["de"])], [MIA], {"language": "fr"}, "deny", ()),
    "a consent for products, asked for none": ([consent(products=["shoes"])], [MIA], {}, "deny", ()),
    "a consent through an agent whom she names": ([consent(through="agent", party="eva", work="eva")],
        [Match("eva", "face")], {}, "allow", ("yes",)),
    "a consent through an agent whom nobody verified": ([consent(through="shady", party="eva", work="eva")],
        [Match("eva", "face")], {}, "deny", ()),
    "a consent through an agent whom she does not name": ([consent(through="agent")], [MIA], {}, "deny", ()),
    "a consent of a person whom nobody verified, through an agent who is": (
        [consent(through="agent", party="una", work="una")], [Match("una", "face")], {}, "deny", ()),
    "a minor's face, whatever is granted": ([yes(work="kid", party="acme")], [Match("kid", "face")], {}, "deny", ()),
    "only a false match": (
        [yes(), say("e", "exclude", "team", subject="u")],
        [FILM],
        {"subjects": frozenset(["u"])},
        "unknown",
        (),
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("regime", "case"), [*(("opt-out", c) for c in CASES.items()), *(("opt-in", c) for c in OPT_IN.items())],
    ids=lambda v: v if isinstance(v, str) else v[0],
)  # fmt: skip
def test_the_table(regime, case):
    _, (statements, matches, question, verdict, deciding) = case
    decision = decide(ask(regime, **question), matches, entries(*statements))
    assert (decision.verdict, decision.entries) == (verdict, deciding), decision
    assert decision.words


def test_a_tie_is_told_as_a_conflict():
    assert decide(ask(), [FILM], entries(no(), yes())).conflicts == (("no", "yes"),)
    assert decide(ask(), [FILM], entries(no(), yes(on=2))).conflicts == ()


@pytest.mark.parametrize("regime", REGIMES)
@pytest.mark.parametrize(
    ("question", "match", "statement", "gap"),
    [
        ({"use": "dream"}, FILM, yes(), "use"),
        ({"regime": "opt-maybe"}, FILM, yes(), "regime"),
        ({"territories": frozenset(["UK"])}, FILM, yes(), "territory"),
        ({}, Match("film", "smell"), yes(), "match"),
        ({}, Match("film", "sha256", strength="sort of"), yes(), "match"),
        ({}, Match("film", "sha256", component="smell"), yes(), "component"),
        ({"components": frozenset(["smell"])}, FILM, yes(), "component"),
        ({}, Match("nobody knows", "sha256"), yes(), "registry"),
        ({}, Match("lost", "sha256"), yes(work="lost"), "registry"),
        ({}, FILM, say("odd", "perhaps"), "statement"),
        ({}, FILM, yes(uses=["train", "dream"]), "statement"),
        ({}, FILM, yes(components=["smell"]), "statement"),
    ],
)
def test_what_is_not_understood_is_never_allowed(regime, question, match, statement, gap):
    decision = decide(ask(**{"regime": regime, **question}), [match], entries(statement))
    assert decision.verdict != "allow"
    assert gap in decision.not_checked


@pytest.mark.parametrize("regime", REGIMES)
def test_a_registry_that_cannot_be_read_and_a_check_that_failed_are_unknown(regime):
    assert decide(ask(regime), [FILM], None).verdict == "unknown"
    failed = Gap("robots.txt", "timed out")
    assert decide(ask(regime), [FILM], entries(yes()), [failed]).verdict == "unknown"
    assert decide(ask(regime), [FILM], entries(no()), [failed]).verdict == "deny"


def test_a_check_that_nobody_needs_is_told_and_decides_nothing():
    unasked = Gap("likeness", "no recogniser is configured", needed=False)
    decision = decide(ask(), [], entries(), [unasked])
    assert (decision.verdict, decision.not_checked) == ("allow", ("likeness",))
    assert decide(ask("opt-in"), [FILM], entries(yes()), [unasked]).verdict == "unknown"


def test_a_circle_of_parents_ends():
    works = {**WORKS, "saga": dataclasses.replace(WORKS["saga"], parent="film")}
    held = dataclasses.replace(entries(yes()), works=works)
    assert decide(ask("opt-in"), [FILM], held).verdict == "unknown"


def test_several_decisions_are_as_strict_as_the_strictest():
    said = [decide(ask(), [FILM], entries(*s)) for s in ([], [no()], [say("d", "dispute")])]
    assert strictest(said).verdict == "deny"
    assert strictest(said).entries == ("no",)
    assert strictest([said[0], said[2]]).verdict == "review"
    assert strictest(said[:1]).verdict == "allow"
    assert strictest([]).verdict == "unknown"


def test_what_is_excluded_from_a_part_is_still_heard_about_the_whole():
    both = Match("part", "text", "i-1", above=("film",))
    said = [no(), yes("part-yes", work="part"), say("not", "exclude", "team", "part", subject="sha256:0", target=None)]
    asked = ask(subjects=frozenset({"sha256:0"}))
    assert decide(ask(), [both], entries(*said)).verdict == "allow"
    assert decide(asked, [both], entries(*said)).verdict == "review"
    assert decide(asked, [both._replace(above=())], entries(*said)).verdict == "allow"


DAYS = st.integers(1, 6)  # few, so that statements meet at one moment
STATEMENTS = st.builds(
    say,
    st.sampled_from("abcdefgh"),
    st.sampled_from(["opt_out", "grant", "grant", "revoke", "exclude", "hold", "dispute"]),
    st.sampled_from(["acme", "acme", "acme", "bolt", "bolt", "shady", "mia", "team"]),
    st.sampled_from([None, "saga", "film", "film", "part", "part", "duck", "both", "mia", "kid", "free"]),
    DAYS,
    through=st.sampled_from([None, None, "agent"]),
    uses=st.sampled_from([[*USES], [*USES], ["train"], ["generate", "display"]]),
    territories=st.sampled_from([["WORLD"], ["WORLD"], ["DE"], ["DE", "FR"]]),
    components=st.sampled_from([[], [], ["picture"], ["sound", "likeness"], ["face"], ["voice"]]),
    valid_from=st.none() | DAYS.map(day),
    valid_until=st.none() | DAYS.map(lambda n: day(n + 3)),
    target=st.sampled_from([None, None, "a", "b"]),
    subject=st.sampled_from([None, "u"]),
    supersedes=st.sampled_from([None, None, None, "a", "b", "c"]),
)
MATCHES = st.lists(
    st.builds(
        Match,
        st.sampled_from(["film", "film", "part", "part", "duck", "both", "mia", "kid", "free"]),
        st.sampled_from(["sha256", "sha256", "text", "domain", "face", "voice"]),
        identifier_id=st.just(""),
        component=st.sampled_from([None, None, *COMPONENTS]),
        strength=st.sampled_from([None, None, "weak", "decisive"]),
        words=st.just(""),
    ),
    min_size=1,
    max_size=3,
)
QUESTIONS = st.builds(
    Question,
    use=st.sampled_from(USES),
    regime=st.sampled_from(REGIMES),
    at=DAYS.map(day),
    as_of=st.none() | DAYS.map(day),
    territories=st.sampled_from([frozenset(), frozenset(["DE"]), frozenset(["DE", "GB"])]),
    subjects=st.sampled_from([frozenset(), frozenset(["u"])]),
    product=st.none(),
    language=st.none(),
    recipient=st.none(),
    components=st.sampled_from([frozenset(), frozenset(), frozenset(["picture", "face"]), frozenset(["voice"])]),
)
# A grant is what most answers hinge on: films are mostly asked for and granted by their owner.
LIKELY = st.lists(STATEMENTS, max_size=6) | st.lists(STATEMENTS, max_size=3).map(
    lambda more: [*more, yes("z", on=1, work="saga", uses=list(USES))]
)


@settings(max_examples=100, deadline=None)
@given(QUESTIONS, MATCHES, LIKELY, STATEMENTS.filter(lambda s: s.mode in REFUSALS), st.data())
def test_adding_a_refusal_never_turns_a_deny_into_an_allow(question, matches, statements, more, data):
    more = dataclasses.replace(more, supersedes=None, statement_id="new")
    before = decide(question, matches, entries(*statements))
    after = decide(question, matches, entries(*statements, more))
    assert VERDICTS.index(after.verdict) <= VERDICTS.index(before.verdict)


@settings(max_examples=60, deadline=None)
@given(QUESTIONS, MATCHES, LIKELY, st.randoms(use_true_random=False))
def test_order_never_matters(question, matches, statements, chance: random.Random):
    before = decide(question, matches, entries(*statements))
    chance.shuffle(matches)
    chance.shuffle(statements)
    assert decide(question, [*matches, *matches[:1]], entries(*statements)) == before


@settings(max_examples=100, deadline=None)
@given(QUESTIONS, MATCHES, LIKELY)
def test_a_lapsed_or_unverified_grant_never_allows(question, matches, statements):
    grants = [s for s in statements if s.mode in ("grant", "exclude")]
    lapsed = [
        dataclasses.replace(s, valid_until=question.at) if n % 2 else dataclasses.replace(s, party_id="shady")
        for n, s in enumerate(grants)
    ]
    others = [s for s in statements if s not in grants]
    with_them = decide(question, matches, entries(*others, *lapsed))
    if question.regime == "opt-in":
        assert with_them.verdict != "allow"
    else:
        without = decide(question, matches, entries(*others))
        assert VERDICTS.index(with_them.verdict) <= VERDICTS.index(without.verdict)


@settings(max_examples=60, deadline=None)
@given(QUESTIONS, MATCHES, LIKELY, st.text(max_size=8), st.sampled_from(["kind", "component", "strength"]))
def test_an_unknown_word_never_allows(question, matches, statements, word, where):
    if word in ("", *COMPONENTS, "weak", "decisive", "sha256", "text"):
        word = "???"
    odd = matches[0]._replace(**{where: word})
    held = [s for s in statements if s.mode != "exclude"]
    assert decide(question, [odd, *matches[1:]], entries(*held)).verdict != "allow"


@settings(max_examples=60, deadline=None)
@given(QUESTIONS, MATCHES, LIKELY, st.just(Gap("robots.txt", "timed out")))
def test_a_gap_never_allows_and_never_loosens(question, matches, statements, gap):
    plain = decide(question, matches, entries(*statements))
    holed = decide(question, matches, entries(*statements), [gap])
    assert holed.verdict != "allow"
    assert VERDICTS.index(holed.verdict) <= VERDICTS.index(plain.verdict)


@settings(max_examples=60, deadline=None)
@given(QUESTIONS, MATCHES, LIKELY)
def test_a_likeness_is_a_face_and_a_voice(question, matches, statements):
    both = [m for m in matches if m.component == "likeness"]
    apart = [m._replace(component=part) for m in both for part in ("face", "voice")]
    rest = [m for m in matches if m.component != "likeness"]
    question = dataclasses.replace(question, components=frozenset())
    one, other = (decide(question, [*rest, *more], entries(*statements)) for more in (both, apart))
    assert (one.verdict, one.entries, one.words) == (other.verdict, other.entries, other.words)
    spelled = [
        dataclasses.replace(s, components=["face", "sound", "voice"]) if "likeness" in (s.components or ()) else s
        for s in statements
    ]
    assert decide(question, matches, entries(*spelled)).verdict == one.verdict


@settings(max_examples=60, deadline=None)
@given(QUESTIONS, MATCHES, LIKELY)
def test_making_less_of_somebody_is_never_stricter(question, matches, statements):
    everything = decide(dataclasses.replace(question, components=frozenset()), matches, entries(*statements))
    some = decide(question, matches, entries(*statements))
    assert VERDICTS.index(some.verdict) >= VERDICTS.index(everything.verdict)
