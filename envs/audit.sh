#!/bin/sh
# Looks up the packages of lock files among known vulnerabilities: audit.sh PIP_AUDIT LOCK...
# Its status is 1 where there are any. Where the data cannot be reached, nothing is audited, and that is said.
set -u

audit=$1
shift
found=0
answer=$(mktemp)
trap 'rm -f "$answer"' EXIT
for lock; do
    : >"$answer"
    said=$("$audit" --requirement "$lock" --no-deps --disable-pip --progress-spinner off --output "$answer" 2>&1)
    status=$?
    if [ "$status" -eq 0 ]; then
        echo "$lock: no known vulnerability"
    elif [ -s "$answer" ]; then
        echo "ERROR $lock: known vulnerabilities; update envs/*.in and run make lock" >&2
        cat "$answer" >&2
        found=1
    else
        echo "WARNING $lock: not audited, pip-audit has no data ($(printf '%s\n' "$said" | tail -n 1 | cut -c 1-200))" >&2
    fi
done
# npm's lock has the packages that draw diagrams.
said=$(cd "$(dirname "$0")" && npm audit --package-lock-only --json 2>/dev/null)
status=$?
case $said in
    *auditReportVersion*)
        if [ "$status" -eq 0 ]; then
            echo "envs/package-lock.json: no known vulnerability"
        else
            echo "ERROR envs/package-lock.json: known vulnerabilities; update envs/package.json and run make lock" >&2
            (cd "$(dirname "$0")" && npm audit --package-lock-only) >&2
            found=1
        fi
        ;;
    *) echo "WARNING envs/package-lock.json: not audited, npm is not there or has no data" >&2 ;;
esac
exit "$found"
