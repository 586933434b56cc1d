#!/bin/sh
# run.sh: all tests of a build, then "N passed, N failed, N skipped" summed over all runs.
# B (build folder), CC, LUAS, REALS, ONLY (part of spec or C test names), SPEC_FILES, PRELOAD, FLAGS (for C tests)
# from outside.
set -u
B=${B:-build} CC=${CC:-gcc} LUAS=${LUAS:-lua5.4 luajit} ONLY=${ONLY:-} PRELOAD=${PRELOAD:-} FLAGS=${FLAGS:-}
OBJ=${OBJ:-build/obj/$CC} REALS=${REALS:-float double}
passed=0 failed=0 skipped=0 broken=0
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT

# add FILE PATTERN: adds the last line "P passed, F failed, S skipped" of a log; none counts as a failure
add() {
  line=$(grep -E '^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$' "$1" | tail -1)
  if [ -z "$line" ]; then
    failed=$((failed + 1)); broken=1
    return
  fi
  set -- $(echo "$line" | tr -cd '0-9 ')
  passed=$((passed + $1)); failed=$((failed + $2)); skipped=$((skipped + $3))
}

# C tests, by cmocka; its TAP output is counted
for real in $REALS; do
  for source in tests/c/test_*.c; do
    case "$source" in *"$ONLY"*) ;; *) continue ;; esac
    program=$B/test/$real/$(basename "$source" .c)
    mkdir -p "$(dirname "$program")"
    define=; [ "$real" = double ] && define=-DMG_DOUBLE
    echo "== $source, $real"
    # shellcheck disable=SC2086
    $CC -std=c11 -D_GNU_SOURCE -g -Wall -Wextra -Icore $define $FLAGS -o "$program" "$source" \
      $(find "$OBJ/$real/core" -name '*.o') $(pkg-config --libs openblas libpng zlib libzip jansson cmocka) -lm -lpthread || {
      failed=$((failed + 1)); broken=1; continue
    }
    CMOCKA_MESSAGE_OUTPUT=TAP "$program" >"$log" 2>&1
    code=$?
    skips=$(grep -cE '^(not )?ok [0-9]+ # SKIP' "$log") # cmocka writes "not ok" before them
    ok=$(grep -E '^ok [0-9]+' "$log" | grep -cv '# SKIP')
    bad=$(grep -E '^not ok [0-9]+' "$log" | grep -cv '# SKIP')
    [ $code -ne 0 ] && [ "$bad" -eq 0 ] && bad=1
    { [ "$bad" -ne 0 ] || [ "$ok" -eq 0 ]; } && cat "$log"
    [ "$ok" -eq 0 ] && [ "$bad" -eq 0 ] && bad=1
    passed=$((passed + ok)); failed=$((failed + bad)); skipped=$((skipped + skips))
  done
done

# specs: both interpreters, both reals, alternately 1 and 2 threads
if [ -n "${SPEC_FILES:-}" ] && [ -z "$ONLY" ]; then
  # shellcheck disable=SC2086
  set -- $SPEC_FILES
elif [ -n "$ONLY" ]; then
  # shellcheck disable=SC2046
  set -- $(find tests -name "*$ONLY*_spec.lua" | sort)
else
  set -- $(find tests -maxdepth 1 -name '*_spec.lua' | sort)
fi
threads=1
if [ $# -gt 0 ]; then
  for lua in $LUAS; do
    for real in $REALS; do
      echo "== specs, $lua, $real, $threads threads"
      LD_PRELOAD="$PRELOAD" MAPGRAD_REAL=$real MAPGRAD_THREADS=$threads MAPGRAD_LUA=$lua MAPGRAD_BUILD=$B \
        LUA_PATH="./lua/?.lua;./lua/?/init.lua;./?.lua;;" LUA_CPATH="./$B/$lua/?.so;;" \
        $lua /usr/bin/busted --helper=tests/helper.lua -o tests/summary.lua "$@" >"$log" 2>&1
      code=$?
      tail -${TAIL:-60} "$log"
      before=$failed
      add "$log"
      if [ $code -ne 0 ] && [ "$failed" -eq "$before" ]; then # a sanitizer's report at the end, or a crash
        echo "== the run ended with status $code"
        failed=$((failed + 1))
      fi
      threads=$((3 - threads))
    done
    threads=2
  done
fi
if [ $((passed + failed + skipped)) -eq 0 ]; then
  echo "no test matches ONLY=$ONLY" >&2
  failed=1
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$broken" -eq 0 ]
