# Sourced by the scripts beside it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# have COMMAND-OR-FILE PACKAGE…: installs Debian packages when something is missing.
have() {
  local what=$1; shift
  if command -v "$what" >/dev/null 2>&1 || compgen -G "$what" >/dev/null; then return; fi
  echo "installing $*"
  local as=""
  [ "$(id -u)" = 0 ] || as=sudo
  if ! command -v apt-get >/dev/null || { [ -n "$as" ] && ! command -v sudo >/dev/null; }; then
    echo "missing: $what. Please install $*." >&2
    exit 1
  fi
  export DEBIAN_FRONTEND=noninteractive
  if [ -z "${apt_updated:-}" ]; then $as apt-get update -qq; apt_updated=1; fi
  $as apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# step NAME COMMAND…: says what runs and how long it took.
step() {
  local name=$1 began=$SECONDS; shift
  printf '\n== %s\n' "$name"
  if "$@"; then
    printf 'ok   %s (%ds)\n' "$name" $((SECONDS - began))
  else
    printf 'FAIL %s (%ds)\n' "$name" $((SECONDS - began))
    return 1
  fi
}

# run NAME COMMAND…: a step whose failure is remembered for verdict.
failed=()
run() { step "$@" || failed+=("$1"); }

# verdict: ends the script, with the names of what failed.
verdict() {
  echo
  if [ ${#failed[@]} -gt 0 ]; then
    echo "FAIL: ${#failed[@]} of the steps above:"
    printf '  FAIL %s\n' "${failed[@]}"
    exit 1
  fi
  echo "PASS: all steps in ${SECONDS}s"
}
