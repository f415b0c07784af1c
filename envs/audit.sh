#!/bin/sh
# Looks up the packages of lock files among known vulnerabilities: audit.sh PIP_AUDIT LOCK...
# pip-audit asks pypi.org, or the server with OSV's interface whose query address is in OSV_URL. npm asks its registry.
# The status is 1 where there are vulnerabilities. What could not be looked up is said, and is no reason to fail.
set -u

audit=$1
shift
found=0
folder=$(mktemp -d) || exit 2
answer=$folder/answer bare=$folder/bare warnings=$folder/warnings
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Prints what is said without users and passwords of addresses, which may have an @, and without control characters.
harmless() {
    sed 's|//[^ ]*@|//|g' | tr -d '\000-\010\013-\037\177'
}

# Prints the first 200 signs of what is said on one line.
reason() {
    why=$(harmless | cut -c 1-200)
    echo "${why:-it gave no reason}"
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
        harmless <"$answer" >&2
    elif [ "$status" -eq 0 ]; then
        echo "$lock: no known vulnerability"
    elif [ -s "$answer" ]; then
        echo "ERROR $lock: known vulnerabilities; update envs/*.in and run make lock" >&2
        harmless <"$answer" >&2
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
said=$(npm audit --package-lock-only --fetch-retries=0 --fetch-timeout=20000 2>"$warnings")
status=$?
case $status,$said in
    0,*'found 0 vulnerabilities'*)
        echo "$lock: no known vulnerability"
        ;;
    *vulnerabilit*)
        echo "ERROR $lock: known vulnerabilities; update envs/package.json and run make lock" >&2
        printf '%s\n' "$said" | harmless >&2
        found=1
        ;;
    *)
        why=$(sed -n 's/^npm [a-zA-Z!]* *//p' "$warnings" | head -n 1 | reason)
        echo "WARNING $lock: not audited, npm has no data ($why)" >&2
        ;;
esac
exit "$found"
