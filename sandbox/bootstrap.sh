#!/bin/sh
# Makes .local/venv what requirements.txt says. `bootstrap.sh lock` writes requirements.txt again.
# Needs a POSIX shell and Python 3.11 or newer; takes milliseconds when there is nothing to do.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
venv=.local/venv
stamp=$venv/installed.lock

up_to_date() { [ -x "$venv/bin/python" ] && [ -x "$venv/bin/dr" ] && cmp -s requirements.txt "$stamp"; }

say() { echo "ml-dr: $*" >&2; }

find_python() {
    # MLServer, which answers in the sandbox, has no release for Python 3.13 and newer: one that can run it comes first.
    for newest in 12 99; do
        found=
        for name in ${PYTHON:+"$PYTHON"} python3 python3.12 python3.11 python3.14 python3.13 python; do
            version=$("$name" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null) || continue
            minor=${version#*.}
            minor=${minor%%.*}
            if [ "${version%%.*}" -eq 3 ] && [ "$minor" -ge 11 ]; then
                [ "$minor" -gt "$newest" ] && [ "$name" != "${PYTHON-}" ] || { command -v "$name"; return; }
            fi
            found="$found $name is $version;"
        done
    done
    say "needs Python 3.11 or newer, and PATH has none:${found:- no python at all;}"
    say "  -> install one from your system or python.org, or name it: make up PYTHON=/path/to/python3.12"
    return 1
}

# uv does not read pip's settings; a person behind a mirror has set them once.
inherit() { eval "[ -n \"\${$1-}\" ] || [ -z \"\${$2-}\" ] || { $1=\$$2; export $1; }"; }

find_uv() {
    command -v uv && return
    if [ ! -x .local/uv/bin/uv ]; then
        say "getting uv, which installs the rest (once)"
        rm -rf .local/uv
        if ! "$python" -m venv .local/uv; then
            say "$python cannot make a virtual environment"
            say "  -> install uv, or your system's package for that (python3-venv on Debian and Ubuntu)"
            return 1
        fi
        .local/uv/bin/python -m pip install --quiet "uv>=0.9" >&2
    fi
    echo .local/uv/bin/uv
}

# By this name, from PATH, what asks a cluster for something gets its credentials (dr/clusters/kubeconfig.py).
write_launcher() {
    cat > "$venv/bin/dr" <<'END'
#!/bin/sh
root=$(cd "$(dirname "$0")/../../.." && pwd)
PYTHONPATH=$root exec "$root/.local/venv/bin/python" -m dr "$@"
END
    chmod +x "$venv/bin/dr"
}

install() {
    up_to_date && return # another `make` did it while this one waited
    uv=$(find_uv)
    say "installing what requirements.txt names in $venv"
    [ -x "$venv/bin/python" ] || "$uv" venv --quiet --clear --python "$python" "$venv"
    "$uv" pip sync --python "$venv/bin/python" --require-hashes requirements.txt
    write_launcher
    cp requirements.txt "$stamp.new"
    mv "$stamp.new" "$stamp"
}

lock() {
    uv=$(find_uv)
    "$uv" pip compile --quiet --universal --generate-hashes --all-extras --no-header --python "$python" \
        --output-file requirements.txt "$@" pyproject.toml
    say "wrote requirements.txt"
}

case "${1:-install}" in
    install) up_to_date && exit 0 ;;
    lock) ;;
    *) say "bootstrap.sh knows 'install' and 'lock', not '$1'"; exit 2 ;;
esac

python=$(find_python)
if [ -z "${DR_BOOTSTRAP_LOCKED-}" ]; then
    # One at a time in a checkout. Python's flock, because not every system has flock(1).
    mkdir -p .local
    exec "$python" -c '
import fcntl, os, sys
lock = os.open(".local/bootstrap.lock", os.O_WRONLY | os.O_CREAT, 0o644)
fcntl.flock(lock, fcntl.LOCK_EX)
os.set_inheritable(lock, True)
os.environ["DR_BOOTSTRAP_LOCKED"] = "1"
os.execvp("sh", ["sh", *sys.argv[1:]])
' sandbox/bootstrap.sh "$@"
fi

inherit UV_DEFAULT_INDEX PIP_INDEX_URL
inherit UV_INDEX PIP_EXTRA_INDEX_URL
inherit UV_FIND_LINKS PIP_FIND_LINKS
inherit UV_HTTP_TIMEOUT PIP_DEFAULT_TIMEOUT
inherit SSL_CERT_FILE PIP_CERT

command=${1:-install}
[ $# -eq 0 ] || shift
"$command" "$@"
