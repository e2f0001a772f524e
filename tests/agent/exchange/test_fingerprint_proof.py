"""Every reason for which a book does not load; a refusal names the file, the entry and what would be right."""

import pytest

from agent.build import Build, BuildRange
from agent.errors import ConfigError
from agent.exchange.fingerprint import load
from agent.exchange.proof import pattern_faults
from agent.model import Claims

GOOD = """
[[fingerprint]]
id = "good-entry"
pattern = '^(?P<name>[\\w.-]{1,255}) Greeting (?P<build>\\d{1,2}\\.\\d\\.\\d{1,5}\\.\\d{1,5})$'
contains = ["greeting"]
claims.products = ["exchange"]
claims.generations = ["2019", "SE"]
weight = 9.5
reason = "It says so."
source = "general"
precision = "SU"
[[fingerprint.example]]
text = "220 ex01.example.org Greeting 15.2.1748.36"
name = "ex01.example.org"
build = "15.2.1748.36"
[[fingerprint.counterexample]]
text = "ex01.example.org Farewell 15.2.1748.36"
"""
SECOND = GOOD.replace("good-entry", "second-entry").replace("Greeting", "Welcome").replace("greeting", "welcome")
PATTERN = "pattern = '^(?P<name>[\\w.-]{1,255}) Greeting (?P<build>\\d{1,2}\\.\\d\\.\\d{1,5}\\.\\d{1,5})$'"


@pytest.fixture
def loaded(tmp_path):
    def load_text(text, name="smtp.greeting.toml"):
        (tmp_path / name).write_text(text, "utf-8")
        return load(tmp_path)

    return load_text


def test_a_good_book_loads_and_matches(loaded):
    book = loaded(GOOD + SECOND)
    (match,) = book.match("smtp.greeting", "220 ex01.example.org GREETING 15.2.1748.36\r\n")
    build = Build(15, 2, 1748, 36)
    assert match == (
        "good-entry",
        Claims(("exchange",), ("2019", "SE"), BuildRange(build, build, "su"), name="ex01.example.org"),
        9.5,
    )
    assert [f.id for f in book] == ["good-entry", "second-entry"]


# What is replaced in the good entry, by what, and what the refusal says.
REFUSED = [
    ("[[fingerprint.example]]", "[[fingerprint.specimen]]", "specimen"),
    ('id = "good-entry"', 'id = "Good Entry"', "lower-case words"),
    ("weight = 9.5", "weight = 95", "-20 to 20"),
    ("weight = 9.5", 'weight = "much"', "number of nats"),
    ("weight = 9.5", "weight = true", "number of nats"),
    ('reason = "It says so."\n', "", "reason is missing"),
    ('source = "general"', 'source = " "', "source is missing"),
    ('precision = "SU"', 'precision = "exact"', "P, G, CU or SU"),
    ('precision = "SU"', 'precision = "SU"\ncolour = "red"', "unknown key colour"),
    ('claims.products = ["exchange"]', 'claims.products = ["postfix"]', "'postfix' is none of them"),
    ('claims.products = ["exchange"]', 'claims.products = "exchange"', "claims.products must be a list"),
    ('["2019", "SE"]', '["2019", "2022"]', "'2022' is none of them"),
    ('claims.products = ["exchange"]', 'claims.vendor = ["exchange"]', "unknown claim vendor"),
    ('claims.products = ["exchange"]', "claims.windows = 10", "claims.windows"),
    ('contains = ["greeting"]', 'contains = ["Greeting"]', "lower-case"),
    ('contains = ["greeting"]', 'contains = ["salutation"]', "none of the literals"),
    (PATTERN, "pattern = '(?P<name>x) Greeting'", "begins with ^"),
    (PATTERN, "pattern = '^(?P<name>.*) Greeting'", "* has no upper bound"),
    (PATTERN, "pattern = '^(?P<name>.{1,}) Greeting'", "{1,} must have an upper bound"),
    (PATTERN, "pattern = '^(?P<name>.{1,2000}) Greeting'", "at most 1024"),
    (PATTERN, "pattern = '^(?P<host>.{1,20}) Greeting'", "has a group host"),
    (PATTERN, "pattern = '^(Greeting'", "no regular expression"),
    (PATTERN, "pattern = '^Greeting|Hello'", "is not anchored"),
    (PATTERN, "pattern = 5", "begins with ^"),
    (PATTERN, "", "one of pattern, words, keywords and fields"),
    (PATTERN, PATTERN + '\nwords = ["greeting"]', "one of pattern, words, keywords and fields"),
    (PATTERN, PATTERN + '\nunless = ["greeting"]', "unless goes with words"),
    (PATTERN, 'words = ["Greeting"]', "words must be a list of lower-case texts"),
    (PATTERN, 'words = ["*"]', "words must hold words"),
    (PATTERN, 'keywords.all = ["SIZE"]', "a smtp.greeting has a pattern"),
    (PATTERN, "fields.subject = '^CN'", "a smtp.greeting has a pattern"),
    ("ex01.example.org Greeting 15.2.1748.36", "ex01.example.org Greeting", "does not match"),
    ('name = "ex01.example.org"\n', "", "catches"),
    ('name = "ex01.example.org"', 'name = "ex02.example.org"', "catches"),
    ("Farewell", "Greeting", "matches"),
    ('text = "ex01.example.org Farewell 15.2.1748.36"', 'said = "Farewell"', "a counterexample needs a text"),
    ('text = "220 ex01.example.org Greeting 15.2.1748.36"', "text = 220", "an example needs a text"),
    ("weight = 9.5", "weight = 9.5 # heavy", "one `key = value` a line"),
    ('claims.products = ["exchange"]', 'claims = { products = ["exchange"] }', "one `key = value` a line"),
]


@pytest.mark.parametrize(("old", "new", "says"), REFUSED)
def test_what_does_not_load(loaded, tmp_path, old, new, says):
    text = GOOD.replace(old, new, 1)
    assert text != GOOD
    if old == 'claims.products = ["exchange"]' and new.startswith("claims = "):
        text = text.replace('claims.generations = ["2019", "SE"]\n', "")
    with pytest.raises(ConfigError) as refused:
        loaded(text)
    assert says in str(refused.value)
    assert str(tmp_path / "smtp.greeting.toml") in str(refused.value)
    assert "good-entry" in str(refused.value) or "id" in old or "specimen" in new or "one `key" in says


@pytest.mark.parametrize("proof", ["example", "counterexample"])
def test_without_an_example_or_a_look_alike_an_entry_does_not_load(loaded, proof):
    head, *blocks = GOOD.split("\n[[fingerprint.")
    kept = [block for block in blocks if not block.startswith(proof + "]]")]
    with pytest.raises(ConfigError, match=f"good-entry: has no {proof}; write at least one"):
        loaded("\n[[fingerprint.".join([head, *kept]))


def test_two_entries_that_match_one_example(loaded):
    with pytest.raises(ConfigError, match=r"good-entry: the example .* matches second-entry too; tell them apart"):
        loaded(GOOD + SECOND.replace("Welcome (", "(?:Welcome|Greeting) (").replace('["welcome"]', '["ex01"]'))


def test_an_id_is_unique_in_the_book(loaded, tmp_path):
    (tmp_path / "smtp.help.toml").write_text(GOOD.replace("220 ", "214 "), "utf-8")
    with pytest.raises(ConfigError, match=r"good-entry: is an id of smtp.greeting.toml too"):
        loaded(GOOD)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("smtp.farewell.toml", GOOD, "no kind of observation"),
        ("smtp.greeting.toml", "id = \n", "line 1"),
        ("smtp.greeting.toml", "", r"no \[\[fingerprint\]\] table"),
        ("smtp.greeting.toml", "fingerprint = 5", r"no \[\[fingerprint\]\] table"),
    ],
)
def test_files_that_are_no_book(loaded, name, text, says):
    with pytest.raises(ConfigError, match=says):
        loaded(text, name)


def test_bytes_that_are_no_text(tmp_path):
    (tmp_path / "smtp.greeting.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="utf-8"):
        load(tmp_path)


def test_a_directory_without_a_book(tmp_path):
    with pytest.raises(ConfigError, match=r"holds no <kind>\.toml file"):
        load(tmp_path)
    with pytest.raises(ConfigError, match="is not a directory"):
        load(tmp_path / "absent")


@pytest.mark.parametrize(
    "source",
    ["^a{1,5}$", "^[*+{]x?", r"^\*\+\{", "^(?:a|b)", r"^[\]|*]{3}", "^[]*]x", "^[^]*]x", "^x{,5}", r"^[\\]", "^a{b}"],
)
def test_bounded_patterns_pass(source):
    assert list(pattern_faults("pattern", source)) == []


@pytest.mark.parametrize(
    "source", ["^a*", "^a+", "^a{2,}", "^(?:a{1,3}){9999}", "^[a]*", r"^[\]]+", r"^\\*", "^a|b", "^{,}a?(b)*"]
)
def test_unbounded_patterns_do_not(source):
    assert list(pattern_faults("pattern", source)) != []


KEYWORDS = """
[[fingerprint]]
id = "list"
{spec}
weight = 1
reason = "r"
source = "s"
precision = "P"
[[fingerprint.example]]
text = "a.example.org Hello []\\nSIZE 5\\nAUTH NTLM LOGIN\\nX-EXPS=LOGIN\\nDSN"
[[fingerprint.counterexample]]
text = "b.example.org\\nETRN"
"""


@pytest.mark.parametrize(
    "spec",
    [
        'keywords.all = ["SIZE", "dsn"]',
        'keywords.any = ["TURN", "AUTH LOGIN"]',
        'keywords.all = ["X-EXPS LOGIN", "=X-EXPS LOGIN"]',
        'keywords.all = ["SIZE"]\nkeywords.none = ["=AUTH NTLM", "TURN"]',
        'keywords.at_least.count = 2\nkeywords.at_least.of = ["SIZE", "TURN", "DSN"]',
        'keywords.order = ["SIZE", "DSN"]',
        "keywords.host = '^a\\.'",
        "keywords.not_host = '^b\\.'",
    ],
)
def test_keyword_conditions_hold(loaded, spec):
    book = loaded(KEYWORDS.format(spec=spec), "smtp.ehlo.toml")
    assert book.match("smtp.ehlo", "b.example.org\nNOOP") == ()


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ('keywords.all = ["TURN"]', "does not match"),
        ('keywords.order = ["DSN", "SIZE"]', "does not match"),
        ('keywords.all = ["=AUTH NTLM"]', "does not match"),
        ('keywords.at_least.count = 3\nkeywords.at_least.of = ["SIZE", "DSN"]', "from 1 to the number"),
        ('keywords.at_least.count = 2\nkeywords.at_least.of = ["SIZE", "TURN"]', "does not match"),
        ('keywords.at_least = ["SIZE"]', "keywords.at_least must be"),
        ('keywords.most = ["SIZE"]', "nothing else"),
        ('keywords = ["SIZE"]', "nothing else"),
        ("keywords.all = []", "keywords.all must be a list"),
        ("keywords.host = 'a'", "keywords.host must be text that begins with ^"),
        ("keywords.not_host = '^a'", "does not match"),
        ("fields = '^a'", "fields are for"),
    ],
)
def test_keyword_conditions_that_do_not(loaded, spec, says):
    with pytest.raises(ConfigError) as refused:
        loaded(KEYWORDS.format(spec=spec), "smtp.ehlo.toml")
    assert says in str(refused.value)
    assert "list" in str(refused.value)
