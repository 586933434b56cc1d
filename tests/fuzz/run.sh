#!/bin/sh
# run.sh [ONLY] [SECONDS]: builds the fuzz targets with clang and runs those whose names match, SECONDS each (60).
# Inputs found stay in build/fuzz/corpus/NAME; one that fails is build/fuzz/NAME-crash-... The shared files and a few
# made here are the first inputs.
set -u
ONLY=${1:-} SECONDS_EACH=${2:-60}
[ -n "$SECONDS_EACH" ] || SECONDS_EACH=60
out=build/fuzz
shared=${MAPGRAD_SHARED:-../shared}/corpora
mkdir -p $out/obj
flags="-std=c11 -D_GNU_SOURCE -g -O1 -fno-omit-frame-pointer -Wall -Wextra -Icore -march=x86-64-v2 -ffp-contract=off"
sanitize="-fsanitize=address,undefined -fno-sanitize-recover=all"

# The core once, without main; real as in the double build.
objects=
for source in core/*/*.c tests/fuzz/fuzz.c; do
  object=$out/obj/$(basename "$source" .c).o
  objects="$objects $object"
  [ "$object" -nt "$source" ] && [ -z "$(find core tests/fuzz -name '*.h' -newer "$object")" ] && continue
  # shellcheck disable=SC2086
  clang $flags $sanitize -fsanitize=fuzzer-no-link -DMG_DOUBLE -c "$source" -o "$object" || exit 1
done

# seeds NAME FOLDER: first inputs
seeds() {
  case $1 in
  csv)
    printf '\001a,b\n1,2.5\n"3",-4e-2\n' >"$2/seed1"
    printf '\006x;"y ""z"""\r\n\r\nNA;\r\n' >"$2/seed2"
    printf '\002nan,-inf\n123456789012345678901,1e-320\n' >"$2/seed3" ;;
  json) printf '{"a": [1, -2.5e3, "x\\u00e9\\ud834\\udd1e", null], "b": {"c": [], "d": 1e-320}}' >"$2/seed1" ;;
  png) # 2 x 2 grey, 1 x 2 in colour
    printf '\211PNG\015\012\032\012\000\000\000\015IHDR\000\000\000\002\000\000\000\002\010\000\000\000\000W\335R\370\000\000\000\016IDAT\010\231c`?\301\300\310\000\000\003K\000\321\014/\313\372\000\000\000\000IEND\256B`\202' >"$2/seed1"
    printf '\211PNG\015\012\032\012\000\000\000\015IHDR\000\000\000\002\000\000\000\001\010\002\000\000\000{@\350\335\000\000\000\017IDAT\010\231c`gd:\301\314\002\000\002\240\000\332\336i\337\370\000\000\000\000IEND\256B`\202' >"$2/seed2" ;;
  esac
}

status=0 matched=0
for source in tests/fuzz/fuzz_*.c; do
  name=$(basename "$source" .c)
  name=${name#fuzz_}
  case $name in *"$ONLY"*) ;; *) continue ;; esac
  matched=1
  # shellcheck disable=SC2046,SC2086
  clang $flags $sanitize -fsanitize=fuzzer -DMG_DOUBLE "$source" $objects -o $out/fuzz_$name \
    $(pkg-config --libs openblas libpng zlib libzip jansson) -lm -lpthread || exit 1
  corpus=$out/corpus/$name
  mkdir -p "$corpus"
  seeds "$name" "$corpus"
  folders=
  for folder in "$shared/$name" tests/fuzz/seeds/"$name"; do [ -d "$folder" ] && folders="$folders $folder"; done
  echo "== fuzz $name, $SECONDS_EACH s"
  # shellcheck disable=SC2086
  OPENBLAS_NUM_THREADS=1 nice $out/fuzz_$name -max_total_time="$SECONDS_EACH" -max_len="${MAX_LEN:-4096}" \
    -rss_limit_mb=2048 -timeout=10 -artifact_prefix=$out/$name- -print_final_stats=1 \
    "$corpus" $folders >$out/$name.log 2>&1 || { tail -40 $out/$name.log; status=1; }
  grep -E 'stat::(number_of_executed_units|peak_rss_mb)|DONE|cov:' $out/$name.log | tail -4
done
[ $matched = 1 ] || { echo "no fuzz target matches ONLY=$ONLY" >&2; exit 1; }
exit $status
