#!/bin/sh
# Looks up the packages of lock files among known vulnerabilities: audit.sh PIP_AUDIT LOCK...
# pip-audit asks pypi.org, or the server with OSV's interface whose query address is in OSV_URL. npm asks its registry.
# The status is 1 where there are vulnerabilities. What could not be looked up is said, and is no reason to fail.
set -u

audit=$1
shift
found=0
answer=$(mktemp)
bare=$(mktemp)
trap 'rm -f "$answer" "$bare"' EXIT

# Prints the first 200 signs of what is said on one line, without users and passwords of addresses.
reason() {
    sed 's|//[^/@ ]*@|//|g' | cut -c 1-200
}

for lock; do
    : >"$answer"
    # pip-audit refuses a lock that has hashes for some packages only, and needs none.
    sed -e '/^ *--hash=/d' -e 's/ *\\$//' "$lock" >"$bare" || {
        found=1
        continue
    }
    said=$("$audit" --requirement "$bare" --no-deps --disable-pip --progress-spinner off --output "$answer" \
        ${OSV_URL:+--vulnerability-service osv --osv-url "$OSV_URL"} 2>&1)
    status=$?
    if [ "$status" -eq 0 ] && [ -s "$answer" ]; then
        # pip-audit counts a package that its server does not know as sound.
        echo "WARNING $lock: no known vulnerability in the packages that were looked up; these were not:" >&2
        cat "$answer" >&2
    elif [ "$status" -eq 0 ]; then
        echo "$lock: no known vulnerability"
    elif [ -s "$answer" ]; then
        echo "ERROR $lock: known vulnerabilities; update envs/*.in and run make lock" >&2
        cat "$answer" >&2
        found=1
    else
        why=$(printf '%s\n' "$said" | grep -v '^Tip: ' | tail -n 1 | reason)
        echo "WARNING $lock: not audited, pip-audit has no data ($why); OSV_URL names another server" >&2
    fi
done

# npm's lock has the packages that draw diagrams.
lock=envs/package-lock.json
cd "$(dirname "$0")" || exit 1
if ! command -v npm >/dev/null 2>&1; then
    echo "WARNING $lock: not audited, npm is not installed" >&2
    exit "$found"
fi
said=$(npm audit --package-lock-only --json 2>/dev/null)
status=$?
case $said in
    *auditReportVersion*)
        if [ "$status" -eq 0 ]; then
            echo "$lock: no known vulnerability"
        else
            echo "ERROR $lock: known vulnerabilities; update envs/package.json and run make lock" >&2
            npm audit --package-lock-only >&2
            found=1
        fi
        ;;
    *)
        why=$(printf '%s\n' "$said" | sed -n 's/^ *"message": "\(.*\)",*$/\1/p' | head -n 1 | reason)
        echo "WARNING $lock: not audited, npm has no data ($why)" >&2
        ;;
esac
exit "$found"
