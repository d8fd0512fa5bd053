#!/usr/bin/env python3
"""Writes analysis/functions/builtins.tsv: every function of PostgreSQL's own, allowed or refused.

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
    allowed = {}
    for line in (FOLDER / "reviewed.txt").read_text().splitlines():
        if line.startswith("#"):
            continue
        for word in line.split():
            name, flag = re.fullmatch(r"([a-z0-9_]+)(!|!/\d|\?\d+)?", word).groups()
            if name in allowed:
                sys.exit(f"{name} is reviewed twice")
            allowed[name] = {None: "may", "!": "never"}.get(flag) or (
                "never/" + flag[2:] if flag.startswith("!") else "constant/" + flag[1:])
    return allowed


def table():
    allowed = reviewed()
    out = subprocess.run(["psql", "-XAtF", "\t", "-v", "ON_ERROR_STOP=1", "-c", QUERY],
                         check=True, capture_output=True, text=True).stdout
    lines = ["# name\tkinds\tverdict\terrors or reason\tset\tOUT columns\tresult type"]
    seen = set()
    for row in out.splitlines():
        name, kinds, returns_set, outs, result, shapes = row.split("\t")
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
    target = FOLDER / "builtins.tsv"
    text = table()
    if sys.argv[1:] == ["--check"]:
        if target.read_text() != text:
            sys.exit(f"{target} is out of date: run scripts/builtins.py")
    else:
        target.write_text(text)


if __name__ == "__main__":
    main()
