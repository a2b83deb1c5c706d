#!/usr/bin/env bash
# Makes .venv with what a run needs, from requirements.lock; with "extras", or where they are there already, with what
# tests and clusters need too, from requirements-dev.lock. By uv where it is installed, by pip elsewhere. Needs Python
# 3.11 to 3.13, not root. Where that fails, the old one comes back.
set -euo pipefail
quiet=$([ -t 2 ] || echo --quiet) # a person sees how far it is
cd "$(dirname "$0")"
lock=requirements.lock stamps=(ready) size="about 2.7 GB"
if [ "${1-}" = extras ] || [ -e .venv/extras ]; then
    lock=requirements-dev.lock stamps=(ready extras) size="about 3.6 GB"
fi
stamp=.venv/${stamps[-1]}

exec 9<. # a folder stays when a pull replaces its files
if ! flock --nonblock 9; then
    echo "setup: another one makes .venv; waiting for it" >&2
    flock 9
    newest=$(ls -t "$stamp" "$lock" pyproject.toml setup.sh 2>/dev/null | head -1 || true)
    [ "$newest" != "$stamp" ] || exit 0
fi

fits='import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))'
for python in python3 python3.13 python3.12 python3.11 /usr/bin/python3 ""; do
    [ -n "$python" ] || { echo "setup: no Python from 3.11 to 3.13 found; install one (Debian: apt-get install python3)" >&2; exit 2; }
    "$python" -c "$fits" 2>/dev/null && break
done
python=$("$python" -c 'import sys; print(sys._base_executable)') # not of .venv itself

began=$(date +%s.%N) # whatever is changed from now on is newer
if [ -e .venv/ready ]; then rm -rf .venv.old && mv .venv .venv.old; fi
trap '[ -e .venv/ready ] || { rm -rf .venv; [ ! -e .venv.old ] || mv .venv.old .venv; }' EXIT
echo "setup: making .venv with $("$python" --version); $size, once, some minutes" >&2
rm -rf .venv
if command -v uv >/dev/null; then
    uv venv --quiet --python "$python" .venv
    install=(uv pip install --compile-bytecode --python .venv/bin/python)
elif "$python" -c 'import ensurepip' 2>/dev/null; then
    "$python" -m venv .venv
    install=(.venv/bin/python -m pip install --disable-pip-version-check)
else # Debian keeps pip for new environments in a package of its own: fetched here without root
    command -v apt-get >/dev/null || { echo "setup: $python has no ensurepip; install its venv package" >&2; exit 2; }
    "$python" -m venv --without-pip .venv
    wheels=$PWD/.venv/wheels
    mkdir -p "$wheels/lists/partial" "$wheels/cache/archives/partial"
    (cd "$wheels" &&
        apt=(apt-get -qq -o "Dir::State::Lists=$wheels/lists" -o "Dir::Cache=$wheels/cache") &&
        "${apt[@]}" update && "${apt[@]}" download python3-pip-whl && dpkg-deb -x python3-pip-whl*.deb .)
    pip=$(echo "$wheels"/usr/share/python-wheels/pip-*.whl)
    .venv/bin/python "$pip/pip" install --quiet --no-index "$pip"
    rm -rf "$wheels"
    install=(.venv/bin/python -m pip install --disable-pip-version-check)
fi
"${install[@]}" $quiet --require-hashes --no-deps -r "$lock"
echo "$PWD" >"$(echo .venv/lib/python*/site-packages)/fashion_mnist_comparison.pth" # the project, as it is here

(cd .venv && touch --date="@$began" "${stamps[@]}")
rm -rf .venv.old
