"""Every answer of a real server against proto/openapi.json: the harness asks for each one that its client receives.

An answer must have a status, a content type and a body that the document gives for its path and method, and no field that the
document does not name: a client that was made from the document may rely on it. Only what JSON Schema of 2020-12 is used there is
known here; anything else fails, so that nothing is passed over in silence.
"""

import datetime
import json
import os
import re

# Of each kind of answer so many are looked at, and so many lines of a long one: the first ones say it all.
SAMPLES = 300
LINES = 50

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
with open(os.path.join(ROOT, "proto", "openapi.json"), encoding="utf-8") as _file:
    DOCUMENT = json.load(_file)

SAYS_NOTHING = {"description", "default", "$comment"}
TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "null": type(None),
}


class Breach(Exception):
    """An answer is not what the document says."""


def is_of(value, name):
    if name == "number" and isinstance(value, float):
        return True
    if name in ("integer", "number"):
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, TYPES[name])


def follow(reference):
    at = DOCUMENT
    for part in reference[2:].split("/"):
        at = at[part.replace("~1", "/")]
    return at


def demand(holds, where, what):
    if not holds:
        raise Breach("%s: %s" % (where, what))


def parses(value, form):
    try:
        if form == "date":
            datetime.date.fromisoformat(value)
        else:
            demand(value.endswith("Z"), form, "times are in UTC")
            datetime.datetime.fromisoformat(value.replace("Z", "+00:00"))
        return True
    except ValueError:
        return False


def check_scalar(keyword, wanted, value, where):
    """A keyword that looks at one value; those of another type pass it by."""
    text = isinstance(value, str)
    number = is_of(value, "integer")
    if keyword == "type":
        names = wanted if isinstance(wanted, list) else [wanted]
        demand(any(is_of(value, name) for name in names), where, "%r is no %s" % (value, names))
    elif keyword == "enum":
        demand(value in wanted, where, "%r is none of %r" % (value, wanted))
    elif keyword == "minLength":
        demand(not text or len(value.encode("utf-8")) >= wanted, where, "too short")
    elif keyword == "maxLength":
        demand(not text or len(value.encode("utf-8")) <= wanted, where, "too long")
    elif keyword == "pattern":
        demand(not text or re.search(wanted, value), where, "%r is not like %s" % (value, wanted))
    elif keyword == "format":
        demand(not text or parses(value, wanted), where, "%r is no %s" % (value, wanted))
    elif keyword == "minimum":
        demand(not number or value >= wanted, where, "%r is below %r" % (value, wanted))
    elif keyword == "maximum":
        demand(not number or value <= wanted, where, "%r is above %r" % (value, wanted))
    elif keyword == "maxItems":
        demand(not isinstance(value, list) or len(value) <= wanted, where, "%d items" % len(value))
    elif keyword == "maxProperties":
        demand(not isinstance(value, dict) or len(value) <= wanted, where, "%d members" % len(value))
    elif keyword == "required":
        missing = [name for name in wanted if isinstance(value, dict) and name not in value]
        demand(not missing, where, "without %r" % missing)
    else:
        raise Breach("%s: nobody here knows the keyword %s" % (where, keyword))


def check_members(schema, value, where):
    """Of an object. Returns the names that the schema speaks of."""
    properties = schema.get("properties", {})
    others = schema.get("additionalProperties")
    named = set(properties) & set(value)
    for name in named:
        check(properties[name], value[name], "%s.%s" % (where, name))
    for name in set(value) - named:
        demand(others is not False, where, "%s is not in the document" % name)
        check(schema.get("propertyNames", {}), name, "%s: the name %s" % (where, name))
        if isinstance(others, dict):
            check(others, value[name], "%s.%s" % (where, name))
        if others is not None:
            named.add(name)
    return named


def check_one_of(keyword, schemas, value, where):
    fits, whys = [], []
    for schema in schemas:
        try:
            fits.append(evaluate(schema, value, where))
        except Breach as breach:
            whys.append(str(breach))
    demand(len(fits) == 1 or (fits and keyword == "anyOf"), where, "%d of its forms fit: %s" % (len(fits), "; ".join(whys)))
    return fits[0]


def evaluate(schema, value, where):
    """Raises Breach; returns the names of an object's members that the schema speaks of."""
    named = set()
    for keyword, wanted in schema.items():
        if keyword == "$ref":
            named |= evaluate(follow(wanted), value, where)
        elif keyword == "allOf":
            for part in wanted:
                named |= evaluate(part, value, where)
        elif keyword in ("oneOf", "anyOf"):
            named |= check_one_of(keyword, wanted, value, where)
        elif keyword == "items":
            for number, item in enumerate(value if isinstance(value, list) else []):
                check(wanted, item, "%s[%d]" % (where, number))
        elif keyword not in SAYS_NOTHING and keyword not in ("properties", "additionalProperties", "propertyNames"):
            check_scalar(keyword, wanted, value, where)
    if isinstance(value, dict):
        named |= check_members(schema, value, where)
    return named


def check(schema, value, where):
    named = evaluate(schema, value, where)
    if isinstance(value, dict):
        demand(set(value) <= named, where, "%r not in the document" % sorted(set(value) - named))


def find_path(path):
    """The path of the document that `path` is one of; None: there is no such path."""
    path = path.split("?")[0]
    if path in DOCUMENT["paths"]:
        return path
    for form in DOCUMENT["paths"]:
        if re.fullmatch(re.sub(r"\{[a-z]+\}", "[^/]+", form), path):
            return form
    return None


def find_response(operation, status, where):
    """What the document says about that status; a problem is possible everywhere."""
    if operation is None:
        demand(status >= 400, where, "an answer %d where the document has nothing" % status)
        return DOCUMENT["components"]["responses"]["Problem"]
    response = operation["responses"].get(str(status)) or (status >= 400 and operation["responses"].get("default"))
    demand(response, where, "a status that the document does not have")
    return follow(response["$ref"]) if "$ref" in response else response


class Contract:
    """What was looked at in one run, and what was not as it should be."""

    def __init__(self):
        self.seen = {}  # (method, path of the document, status) -> how many
        self.breaches = []

    def take(self, response):
        """`response`: of the harness, complete. Any thread."""
        try:
            self._look(response.method, response.path, response)
        except Breach as breach:
            self.breaches.append(str(breach))

    def take_breaches(self):
        """Each kind once."""
        breaches, self.breaches = sorted(set(self.breaches)), []
        return breaches

    def _look(self, method, path, response):
        form = find_path(path)
        operation = DOCUMENT["paths"][form].get(method.lower()) if form else None
        key = (method, form, response.status)
        where = "%s %s -> %d" % key
        self.seen[key] = self.seen.get(key, 0) + 1
        if self.seen[key] > SAMPLES or method == "HEAD":
            return
        content = find_response(operation, response.status, where).get("content", {})
        if not content:
            demand(response.body == b"", where, "a body where there should be none")
            return
        demand(response.content_type in content, where, "content type %r" % response.content_type)
        if response.content_type.endswith(("+json", "+msgpack")):
            demand(response.value["status"] == response.status, where, "the status inside: %r" % response.value["status"])
        self._check_body(content[response.content_type].get("schema", {}), response, where)

    @staticmethod
    def _check_body(schema, response, where):
        if response.content_type.startswith(("text/", "image/", "application/openmetrics")):
            check(schema, response.body.decode("utf-8"), where)
        elif response.content_type in ("application/x-ndjson", "application/vnd.msgpack-seq"):
            for number, line in enumerate(response.lines[:LINES], 1):
                check(schema, line, "%s line %d" % (where, number))
        else:
            check(schema, response.value, where)
