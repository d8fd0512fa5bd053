#!/usr/bin/env python3
"""Writes analysis/functions/builtins.tsv: every function of PostgreSQL's own, allowed or refused; and
analysis/functions/overloads.tsv: by the types of its arguments, whether one can raise an error.

Reads the reviewed list in analysis/functions/reviewed.txt and pg_proc of a server (PGHOST, PGPORT,
PGUSER and so on choose it; psql must be installed). A reviewed name that the server lacks is an
error; a function that the list lacks is refused, with the reason that its name tells.

    scripts/builtins.py            writes the file
    scripts/builtins.py --check    fails when the file is out of date
"""
import pathlib
import re
import subprocess
import sys

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "analysis" / "functions"
QUERY = r"""
SELECT p.proname,
       string_agg(DISTINCT p.prokind::text, '' ORDER BY p.prokind::text),
       bool_or(p.proretset),
       coalesce((SELECT string_agg(n, ',' ORDER BY i)
          FROM unnest((min(p.proargnames::text))::text[], (min(p.proargmodes::text))::text[])
               WITH ORDINALITY AS a (n, m, i) WHERE m IN ('o', 'b', 't')), ''),
       CASE WHEN count(DISTINCT p.prorettype) = 1 THEN min(p.prorettype::regtype::text) ELSE '' END,
       count(DISTINCT (p.proargnames::text, p.proargmodes::text))
FROM pg_proc p
WHERE p.pronamespace = 'pg_catalog'::regnamespace
GROUP BY p.proname ORDER BY p.proname COLLATE "C"
"""
# Every overload; functions of the server's own plumbing go by other names.
OVERLOADS = r"""
SELECT p.proname,
       coalesce((SELECT string_agg(t.typname, ',' ORDER BY a.i)
          FROM unnest(p.proargtypes::oid[]) WITH ORDINALITY AS a (oid, i) JOIN pg_type t ON t.oid = a.oid), ''),
       coalesce((SELECT v.typname FROM pg_type v WHERE v.oid = p.provariadic), ''),
       p.pronargdefaults
FROM pg_proc p
WHERE p.pronamespace = 'pg_catalog'::regnamespace
ORDER BY p.proname COLLATE "C", p.proargtypes::oid[]
"""
# The reason that messages give, by the name of the function.
REASONS = [
    (r"^(set_config|setseed)$", "session"),
    (r"^(query|table|schema|database|cursor)_to_xml|^ts_stat$|^ts_rewrite$", "sql"),
    (r"^lo_|^loread$|^lowrite$", "large-object"),
    (r"^(nextval|currval|lastval|setval)$|^pg_sequence", "sequence"),
    (r"advisory", "lock"),
    (r"^pg_notify$|^pg_logical_emit_message$", "message"),
    (r"^pg_(terminate|cancel)_backend$", "other-sessions"),
    (r"^pg_sleep", "wait"),
    (r"^pg_(read|ls|stat_file)|^pg_file", "file"),
    (r"^(txid_|pg_current_xact|pg_snapshot|pg_xact)", "transaction"),
    (r"^pg_|^has_.*_privilege$|^to_reg|^(obj|col|shobj)_description$|^current_(query|schema)"
     r"|^inet_(client|server)|^format_type$|^acl|^version$|^row_security_active$|^mxid_age$"
     r"|^ts_(debug|parse|token_type|lexize)$|^get_current_ts_config$|^currtid", "metadata"),
]


def reviewed():
    allowed, overloads = {}, {}
    for line in (FOLDER / "reviewed.txt").read_text().splitlines():
        if line.startswith("#"):
            continue
        for word in line.split():
            overload = re.fullmatch(r"([a-z0-9_]+\([a-z0-9_,]*\))([+-])", word)
            if overload:
                overloads[overload.group(1)] = overload.group(2)
                continue
            name, flag = re.fullmatch(r"([a-z0-9_]+)(!|!/\d|\?\d+)?", word).groups()
            if name in allowed:
                sys.exit(f"{name} is reviewed twice")
            allowed[name] = {None: "may", "!": "never"}.get(flag) or (
                "never/" + flag[2:] if flag.startswith("!") else "constant/" + flag[1:])
    return allowed, overloads


def rows(query):
    out = subprocess.run(["psql", "-XAtF", "\t", "-v", "ON_ERROR_STOP=1", "-c", query],
                         check=True, capture_output=True, text=True).stdout
    return [row.split("\t") for row in out.splitlines()]


def overload_table():
    """The overloads of every function of which one never raises an error."""
    allowed, marks = reviewed()
    marked = {mark.split("(")[0] for mark in marks}
    lines = ["# name\targument types\ttype of a variadic argument\terrors"]
    seen = set()
    for name, arguments, variadic, defaults in rows(OVERLOADS):
        flag = allowed.get(name)
        if flag is None or (flag == "may" and name not in marked):
            continue
        if defaults != "0":
            sys.exit(f"{name} has defaults, which the list can't tell")
        mark = marks.get(f"{name}({arguments})")
        seen.add(f"{name}({arguments})")
        never = mark != "-" if flag != "may" else mark == "+"
        lines.append("\t".join([name, arguments, variadic, "never" if never else "may"]))
    missing = sorted(set(marks) - seen)
    if missing:
        sys.exit(f"the server has no {' '.join(missing)}")
    return "\n".join(lines) + "\n"


def table():
    allowed, _ = reviewed()
    lines = ["# name\tkinds\tverdict\terrors or reason\tset\tOUT columns\tresult type"]
    seen = set()
    for name, kinds, returns_set, outs, result, shapes in rows(QUERY):
        if not re.fullmatch(r"[a-z0-9_]+", name):
            continue
        seen.add(name)
        if name in allowed:
            # Overloads with different OUT columns: the columns can't be told.
            if outs and shapes != "1":
                outs = "?"
            lines.append("\t".join([name, kinds, "allowed", allowed[name],
                                    "set" if returns_set == "t" else "", outs, result]))
        else:
            reason = next((r for pattern, r in REASONS if re.search(pattern, name)), "unlisted")
            if reason != "unlisted":
                lines.append("\t".join([name, kinds, "refused", reason, "", "", ""]))
    missing = sorted(set(allowed) - seen)
    if missing:
        sys.exit(f"the server has no {', '.join(missing)}")
    return "\n".join(lines) + "\n"


def main():
    for file, text in [("builtins.tsv", table()), ("overloads.tsv", overload_table())]:
        target = FOLDER / file
        if sys.argv[1:] == ["--check"]:
            if target.read_text() != text:
                sys.exit(f"{target} is out of date: run scripts/builtins.py")
        else:
            target.write_text(text)


if __name__ == "__main__":
    main()
